"""ATT&CK and actor names as one versioned catalogue."""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ctimine.attack import official
from ctimine.attack.official import Detail
from ctimine.errors import CatalogueError
from ctimine.model import Citation, Concept, ConceptKind, Use

BUILT_IN: Final = ("18.1", "19")
"""The releases whose facts the package ships, oldest first."""

_DROPPED: Final = re.compile("[\\s\\-_.'’`´\u2010-\u2015\u200b-\u200f\u2060\ufeff\u00ad]+")
_PATHS: Final = {
    "technique": "techniques",
    "tactic": "tactics",
    "actor": "groups",
    "software": "software",
    "campaign": "campaigns",
}


def fold(text: str) -> str:
    """The key by which names compare: no case, spaces, hyphens, dots, apostrophes or zero-widths.

    >>> fold("Fancy Bear") == fold("FANCY-BEAR") == fold("fancybear")
    True
    """
    if text.isascii():
        return _DROPPED.sub("", text).lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding case can undo a normal form, and what is dropped can bring marks together (UAX #31).
    while (again := _DROPPED.sub("", unicodedata.normalize("NFKC", folded).casefold())) != folded:
        folded = again
    return folded


class Catalogue(Mapping[str, Concept]):
    """Techniques, tactics, actors, software and campaigns of one release, by id.

    Keys are ATT&CK ids, and ``misp:<uuid>`` for actors that only the MISP galaxy knows. Immutable.

    >>> attack = load_attack()
    >>> attack["T1102.002"].name, attack.resolve("T1043"), len(attack.subs("T1102"))
    ('Bidirectional Communication', None, 3)
    """

    def __init__(
        self,
        version: str,
        concepts: Iterable[Concept],
        *,
        uses: Iterable[Use] | None = None,
        misp_aliases: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.version = version
        self._concepts = {concept.id: concept for concept in concepts}
        self._given_uses = None if uses is None else tuple(uses)
        self._misp_aliases = dict(misp_aliases or {})
        self._names: dict[str, tuple[Concept, ...]] | None = None
        self._uses: tuple[dict[str, tuple[Use, ...]], dict[str, tuple[Use, ...]]] | None = None
        self._details: dict[str, Detail] | None = None

    def __getitem__(self, concept_id: str) -> Concept:
        return self._concepts[concept_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._concepts)

    def __len__(self) -> int:
        return len(self._concepts)

    def __repr__(self) -> str:
        return f"Catalogue({self.version!r}, {len(self)} concepts)"

    def concepts(
        self, kind: ConceptKind | None = None, *, live_only: bool = True
    ) -> tuple[Concept, ...]:
        """The concepts of a kind, sorted by id."""
        return tuple(
            self._concepts[key]
            for key in sorted(self._concepts)
            if (kind is None or self._concepts[key].kind == kind)
            and (not live_only or self._concepts[key].status == "live")
        )

    def resolve(self, concept_id: str) -> Concept | None:
        """The live concept that an id means today, through chains of successors, or None."""
        seen: set[str] = set()
        concept = self._concepts.get(concept_id)
        while concept is not None and concept.status == "revoked" and concept.id not in seen:
            seen.add(concept.id)
            concept = self._concepts.get(concept.replaced_by)
        return concept if concept is not None and concept.status == "live" else None

    def subs(self, technique: str) -> tuple[Concept, ...]:
        """The live sub-techniques of a technique, sorted by id."""
        return tuple(c for c in self.concepts("technique") if c.parent == technique)

    def alias_sources(self, concept_id: str) -> dict[str, tuple[str, ...]]:
        """Each name of a concept with who uses it: ``attack``, ``misp`` or both.

        >>> load_attack().alias_sources("G0010")["Venomous Bear"]
        ('attack', 'misp')
        """
        concept = self._concepts[concept_id]
        own = "misp" if concept_id.startswith("misp:") else "attack"
        galaxy = {fold(alias) for alias in self._misp_aliases.get(concept_id, ())}
        sources: dict[str, tuple[str, ...]] = {}
        for name in (concept.name, *concept.aliases):
            both = own == "attack" and fold(name) in galaxy
            sources[name] = (own, "misp") if both else (own,)
        known = {fold(name) for name in sources}
        for name in self._misp_aliases.get(concept_id, ()):
            if fold(name) not in known:
                sources[name] = ("misp",)
        return sources

    def names(self) -> Iterator[tuple[str, Concept]]:
        """Every name and alias of live concepts as written, those of the galaxy included."""
        for concept in self._concepts.values():
            if concept.status == "live":
                for name in self.alias_sources(concept.id):
                    yield name, concept

    def named(self, text: str, kind: ConceptKind | None = None) -> tuple[Concept, ...]:
        """The live concepts of a name or alias; several when it is ambiguous, none when unknown.

        ATT&CK's own names win: a name that ATT&CK gives to a group is not ambiguous because the
        galaxy lists it under another one, too.

        >>> [concept.id for concept in load_attack().named("venomous-bear")]
        ['G0010']
        """
        if self._names is None:
            self._names = self._name_index()
        found = self._names.get(fold(text), ())
        return found if kind is None else tuple(c for c in found if c.kind == kind)

    def _name_index(self) -> dict[str, tuple[Concept, ...]]:
        attack: dict[str, dict[str, Concept]] = {}
        galaxy: dict[str, dict[str, Concept]] = {}
        for concept in self._concepts.values():
            if concept.status != "live":
                continue
            for name, sources in self.alias_sources(concept.id).items():
                index = attack if "attack" in sources else galaxy
                index.setdefault(fold(name), {})[concept.id] = concept
        merged = {}
        for key in sorted({*attack, *galaxy}):
            owners = dict(attack.get(key, {}))
            if not any(concept.kind == "actor" for concept in owners.values()):
                owners |= galaxy.get(key, {})
            merged[key] = tuple(owners[concept_id] for concept_id in sorted(owners))
        return merged

    def uses(self, subject_id: str) -> tuple[Use, ...]:
        """The edges of the knowledge base that start at a concept, with whom they cite."""
        return self._edges()[0].get(subject_id, ())

    def users(self, object_id: str) -> tuple[Use, ...]:
        """The edges of the knowledge base that end at a concept, with whom they cite.

        >>> len({use.subject for use in load_attack().users("T1102") if use.subject[0] == "G"})
        15
        """
        return self._edges()[1].get(object_id, ())

    def _edges(self) -> tuple[dict[str, tuple[Use, ...]], dict[str, tuple[Use, ...]]]:
        if self._uses is None:
            given = self._given_uses
            everything = _built_in_uses(self.version) if given is None else given
            forward: dict[str, list[Use]] = {}
            backward: dict[str, list[Use]] = {}
            for use in everything:
                forward.setdefault(use.subject, []).append(use)
                backward.setdefault(use.object, []).append(use)
            self._uses = (
                {key: tuple(uses) for key, uses in forward.items()},
                {key: tuple(uses) for key, uses in backward.items()},
            )
        return self._uses

    def detail(self, concept_id: str) -> Detail | None:
        """What the loaded official bundle of the newest release says in prose; None without one.

        See :func:`~ctimine.attack.load_official`.
        """
        if self._details is None:
            releases = official.cached_releases()
            release = self.version if self.version in releases else (releases or ("",))[-1]
            self._details = {}
            for _, objects in official.cached_objects(release) if release else ():
                self._details.update(official.details_of(objects))
        return self._details.get(concept_id)


@functools.cache
def load_attack(version: str | None = None) -> Catalogue:
    """The catalogue of a release: built in (18.1 and 19), or loaded before with ``load_official``.

    Without a version the newest built-in one. Raises :class:`~ctimine.errors.CatalogueError` for a
    release that is not at hand.

    >>> load_attack().version, load_attack("18.1").version
    ('19', '18.1')
    """
    wanted = version or BUILT_IN[-1]
    if wanted in BUILT_IN:
        return _built_in(wanted)
    if wanted in official.cached_releases():
        return _from_cache(wanted)
    at_hand = ", ".join(available_versions())
    raise CatalogueError(f"no such ATT&CK release here (there are {at_hand})", subject=wanted)


def available_versions() -> tuple[str, ...]:
    """The ATT&CK releases at hand, built in or loaded, oldest first.

    >>> {"18.1", "19"} <= set(available_versions())
    True
    """
    return tuple(sorted({*BUILT_IN, *official.cached_releases()}, key=official.release_order))


def _built_in(version: str) -> Catalogue:
    facts = _facts("concepts.json.gz")
    galaxy, actors = _galaxy(facts["actors"])
    concepts = [_concept(row) for row in facts["versions"][version]]
    return Catalogue(version, [*concepts, *actors], misp_aliases=galaxy)


def _from_cache(release: str) -> Catalogue:
    galaxy, actors = _galaxy(_facts("concepts.json.gz")["actors"])
    concepts: dict[str, Concept] = {}
    uses: dict[tuple[str, str, str], Use] = {}
    for domain, objects in official.cached_objects(release):
        rows = {
            item["id"]: official.concept_row(item, domain, release)
            for item in objects
            if item["type"] in official.KINDS and official.external_id(item)
        }
        links = [item for item in objects if item["type"] == "relationship"]
        for link in links:
            if link["relationship_type"] == "revoked-by" and link["source_ref"] in rows:
                successor = rows.get(link["target_ref"])
                rows[link["source_ref"]]["replaced_by"] = successor["id"] if successor else ""
        for row in rows.values():
            known = concepts.get(row["id"])
            if known is None or known.status != "live":
                concepts[row["id"]] = _concept(row)
        for link in links:
            ends = rows.get(link["source_ref"]), rows.get(link["target_ref"])
            live = not link.get("revoked") and not link.get("x_mitre_deprecated")
            if link["relationship_type"] in {"uses", "attributed-to"} and all(ends) and live:
                use = _use_of(link, ends[0]["id"], ends[1]["id"], release)  # type: ignore[index]
                uses[use.subject, use.relation, use.object] = use
    return Catalogue(
        release, [*concepts.values(), *actors], uses=uses.values(), misp_aliases=galaxy
    )


def _use_of(link: dict[str, Any], subject: str, object_id: str, release: str) -> Use:
    from ctimine.attack.citations import parse_citation

    return Use(
        subject,
        link["relationship_type"],
        object_id,
        versions=(release,),
        citations=tuple(
            parse_citation(r["source_name"], r.get("description", ""), r.get("url", ""))
            for r in link.get("external_references", [])
            if not r["source_name"].startswith("mitre-")
        ),
        citations_from=release,
    )


def _galaxy(rows: list[dict[str, Any]]) -> tuple[dict[str, tuple[str, ...]], list[Concept]]:
    """The galaxy's names for ATT&CK's groups, and the actors that only the galaxy knows."""
    joined: dict[str, dict[str, None]] = {}
    actors = []
    for row in rows:
        names = (row["name"], *row["aliases"])
        if row["joined"]:
            joined.setdefault(row["joined"], {}).update(dict.fromkeys(names))
        else:
            actors.append(
                Concept(
                    "actor",
                    row["id"],
                    row["name"],
                    aliases=tuple(row["aliases"]),
                    version="misp",
                    country=row["country"],
                )
            )
    return {group: tuple(names) for group, names in joined.items()}, actors


def _concept(row: dict[str, Any]) -> Concept:
    concept_id = row["id"]
    path = concept_id.replace(".", "/")
    return Concept(
        kind=row["kind"],
        id=concept_id,
        name=row["name"],
        aliases=tuple(row["aliases"]),
        stix_id=row["stix_id"],
        parent=row["parent"],
        tactics=tuple(row["tactics"]),
        platforms=tuple(row["platforms"]),
        domains=tuple(row["domains"]),
        status=row["status"],
        replaced_by=row["replaced_by"],
        version=row["version"],
        created=row["created"],
        modified=row["modified"],
        url=f"https://attack.mitre.org/{_PATHS[row['kind']]}/{path}",
        software_type=row["software_type"],
    )


def _built_in_uses(version: str) -> Iterator[Use]:
    """Edges that hold in a release; where v19 does not speak of the subject, v18.1 does."""
    facts = _facts("uses.json.gz")
    citations = [Citation(*row) for row in facts["citations"]]
    silent = _silent_subjects(facts["uses"]) if version == BUILT_IN[-1] else frozenset()
    for subject, relation, object_id, versions, cited in facts["uses"]:
        if version in versions or subject in silent or (version == "19" and relation != "uses"):
            yield Use(
                subject,
                relation,
                object_id,
                versions=tuple(versions),
                citations=tuple(citations[index] for index in cited),
                citations_from="18.1" if cited else "",
            )


def _silent_subjects(rows: list[Any]) -> frozenset[str]:
    """Subjects of v18.1 without an edge at v19: campaigns and ICS, which its clusters leave out."""
    spoken = {row[0] for row in rows if "19" in row[3]}
    return frozenset(row[0] for row in rows) - spoken


def _facts(name: str) -> Any:
    packed = importlib.resources.files("ctimine.attack").joinpath("facts", name).read_bytes()
    return json.loads(gzip.decompress(packed))
