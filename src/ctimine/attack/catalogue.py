"""ATT&CK and actor names as one versioned catalogue."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ctimine.attack import official
from ctimine.attack.facts import BUILT_IN, Edges, GivenEdges, built_in_edges, read_facts
from ctimine.attack.official import Detail
from ctimine.errors import CatalogueError
from ctimine.model import Concept, ConceptKind, Use

_DROPPED: Final = re.compile("[\\s\\-_.'‘’`´\u2010-\u2015\u200b-\u200f\u2060\ufeff\u00ad]+")
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


@dataclasses.dataclass(frozen=True, slots=True)
class GalaxyActor:
    """An actor of the MISP galaxy that is joined to a group of ATT&CK.

    ``by`` says how: ``uuid and name``, ``name``, ``uuid`` (a link of the galaxy alone) or
    ``synonym``.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    by: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and aliases."""
        return (self.name, *self.aliases)


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
        galaxy: Mapping[str, tuple[GalaxyActor, ...]] | None = None,
        older: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.version = version
        self._concepts = {concept.id: concept for concept in concepts}
        self._given_uses = None if uses is None else tuple(uses)
        self._galaxy = dict(galaxy or {})
        self._older = dict(older or {})
        self._joined = {actor.id: key for key, actors in self._galaxy.items() for actor in actors}
        self._names: dict[str, tuple[tuple[int, Concept], ...]] | None = None
        self._subs: dict[str, tuple[Concept, ...]] | None = None
        self._edges: Edges | None = None
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
        """The live concept that an id means today, through chains of successors, or None.

        The ``misp:`` id of an actor that is joined to a group leads to the group.
        """
        seen: set[str] = set()
        concept = self._concepts.get(self._joined.get(concept_id, concept_id))
        while concept is not None and concept.status == "revoked" and concept.id not in seen:
            seen.add(concept.id)
            concept = self._concepts.get(concept.replaced_by)
        return concept if concept is not None and concept.status == "live" else None

    def subs(self, technique: str) -> tuple[Concept, ...]:
        """The live sub-techniques of a technique, sorted by id."""
        if self._subs is None:
            found: dict[str, list[Concept]] = {}
            for concept in self.concepts("technique"):
                found.setdefault(concept.parent, []).append(concept)
            self._subs = {parent: tuple(subs) for parent, subs in found.items()}
        return self._subs.get(technique, ())

    def alias_sources(self, concept_id: str) -> dict[str, tuple[str, ...]]:
        """Each name of a concept with who uses it: ``attack``, ``misp`` or both.

        >>> load_attack().alias_sources("G0010")["Venomous Bear"]
        ('attack', 'misp')
        """
        concept = self._concepts[concept_id]
        own = "misp" if concept_id.startswith("misp:") else "attack"
        others = [name for actor in self._galaxy.get(concept_id, ()) for name in actor.names]
        keys = {fold(name) for name in others}
        sources: dict[str, tuple[str, ...]] = {}
        for name in (concept.name, *concept.aliases):
            sources[name] = (own, "misp") if keys and fold(name) in keys else (own,)
        known = {fold(name) for name in sources} if others else set()
        for name in others:
            if fold(name) not in known:
                sources[name] = ("misp",)
        return sources

    def galaxy_actors(self, concept_id: str) -> tuple[GalaxyActor, ...]:
        """The MISP galaxy's actors that are joined to a group, with how.

        >>> [(actor.name, actor.by) for actor in load_attack().galaxy_actors("G0069")]
        [('MuddyWater', 'uuid and name')]
        """
        return self._galaxy.get(concept_id, ())

    def origins(self, concept_id: str) -> dict[str, str]:
        """Which release each fact comes from, where it is not ``Concept.version``.

        >>> load_attack().origins("G0069")
        {'created': '18.1', 'modified': '18.1', 'domains': '18.1', 'country': 'misp'}
        """
        found = dict.fromkeys(self._older.get(concept_id, ()), BUILT_IN[0])
        if self._concepts[concept_id].country:
            found["country"] = "misp"
        return found

    def names(self) -> Iterator[tuple[str, Concept]]:
        """Every name and alias of live concepts as written, those of the galaxy included."""
        for concept in self._concepts.values():
            if concept.status == "live":
                for name in self.alias_sources(concept.id):
                    yield name, concept

    def named(self, text: str, kind: ConceptKind | None = None) -> tuple[Concept, ...]:
        """The live concepts that a name means; several when it is ambiguous, none when unknown.

        Where ATT&CK itself gives the name to an actor, other actors to whom only the galaxy gives
        it do not count: ``OilRig`` is G0049, although the galaxy lists that name under CHRYSENE,
        too. :meth:`bearers` leaves out nobody.

        >>> attack = load_attack()
        >>> [concept.id for concept in attack.named("cobalt-gypsy")]
        ['G0049']
        >>> [concept.id for concept in attack.named("GRIZZLY STEPPE")]
        ['G0007', 'G0016']
        """
        ranked = self._ranked(text)
        settled = any(rank < 2 and concept.kind == "actor" for rank, concept in ranked)
        return tuple(
            concept
            for rank, concept in ranked
            if kind in {None, concept.kind} and not (settled and rank == 2)
        )

    def bearers(self, text: str, kind: ConceptKind | None = None) -> tuple[Concept, ...]:
        """All live concepts that anybody gives a name to.

        First whom ATT&CK itself calls so, then whom it gives that alias, then whom the galaxy does.

        >>> [concept.id for concept in load_attack().bearers("cobalt-gypsy")]
        ['G0049', 'G0003']
        """
        return tuple(c for _, c in self._ranked(text) if kind in {None, c.kind})

    def _ranked(self, text: str) -> tuple[tuple[int, Concept], ...]:
        if self._names is None:
            self._names = self._name_index()
        return self._names.get(fold(text), ())

    def _name_index(self) -> dict[str, tuple[tuple[int, Concept], ...]]:
        index: dict[str, dict[str, int]] = {}
        for concept in self._concepts.values():
            if concept.status != "live":
                continue
            for name, sources in self.alias_sources(concept.id).items():
                rank = 2 if "attack" not in sources else int(name != concept.name)
                owners = index.setdefault(fold(name), {})
                owners[concept.id] = min(rank, owners.get(concept.id, rank))
        return {
            key: tuple(
                (rank, self._concepts[concept_id])
                for rank, concept_id in sorted((rank, name) for name, rank in owners.items())
            )
            for key, owners in index.items()
            if key
        }

    def uses(self, subject_id: str) -> tuple[Use, ...]:
        """The edges of the knowledge base that start at a concept, with whom they cite."""
        return self._edge_index().start(subject_id)

    def users(
        self, object_id: str, kinds: Collection[ConceptKind] | None = None
    ) -> tuple[Use, ...]:
        """The edges of the knowledge base that end at a concept, with whom they cite.

        ``kinds`` bounds the kinds of their subjects.

        >>> len(load_attack().users("T1102", {"actor"}))
        15
        """

        def wanted(subject: str) -> bool:
            concept = self._concepts.get(subject)
            return kinds is None or (concept is not None and concept.kind in kinds)

        return self._edge_index().end(object_id, wanted)

    def _edge_index(self) -> Edges:
        if self._edges is None:
            given = self._given_uses
            self._edges = built_in_edges(self.version) if given is None else GivenEdges(given)
        return self._edges

    def detail(self, concept_id: str) -> Detail | None:
        """What the loaded official bundle says about a concept in prose; None without one.

        That of this release where it is loaded, else that of the newest release that is. See
        :func:`~ctimine.attack.load_official`.
        """
        if self._details is None:
            self._details = {}
            releases = official.cached_releases()
            release = self.version if self.version in releases else (releases or ("",))[-1]
            for _, objects in official.cached_objects(release) if release else ():
                self._details.update(official.details_of(objects, release))
        return self._details.get(concept_id)


def load_attack(version: str | os.PathLike[str] | None = None) -> Catalogue:
    """The catalogue of a release: built in (18.1 and 19), loaded before, or a bundle's file.

    Without a version the newest built-in one. What was loaded with
    :func:`~ctimine.attack.load_official` goes by its release; a path reads that one bundle as it
    stands. Raises :class:`~ctimine.errors.CatalogueError` for what is not at hand.

    >>> load_attack().version, load_attack("18.1").version
    ('19', '18.1')
    """
    if isinstance(version, os.PathLike) or re.search(r"[/\\]|\.json(?:\.gz)?$", version or ""):
        release, domain, objects = official.read_official(Path(str(version)))
        return from_bundles(release, [(domain, objects)])
    wanted = str(version or BUILT_IN[-1]).strip().lower().removeprefix("v")
    if wanted in BUILT_IN:
        return _built_in(wanted)
    if wanted in official.cached_releases():
        return _from_cache(wanted, official.cache_stamp(wanted))
    at_hand = ", ".join(available_versions())
    raise CatalogueError(f"no such ATT&CK release here (there are {at_hand})", subject=wanted)


def available_versions() -> tuple[str, ...]:
    """The ATT&CK releases at hand, built in or loaded, oldest first.

    >>> {"18.1", "19"} <= set(available_versions())
    True
    """
    return tuple(sorted({*BUILT_IN, *official.cached_releases()}, key=official.release_order))


@functools.cache
def _built_in(version: str) -> Catalogue:
    rows = read_facts(f"concepts-{version}.json.gz")
    older = {row["id"]: tuple(row["older"]) for row in rows if row.get("older")}
    return _joined(
        version, [_concept(row) for row in rows], read_facts("actors.json.gz"), older=older
    )


@functools.lru_cache(maxsize=2)
def _from_cache(release: str, _stamp: tuple[tuple[str, int], ...]) -> Catalogue:
    return from_bundles(release, official.cached_objects(release))


def from_bundles(release: str, bundles: list[tuple[str, list[dict[str, Any]]]]) -> Catalogue:
    """The catalogue of one release from the objects of its bundles, each with its domain."""
    concepts: dict[str, Concept] = {}
    uses: dict[tuple[str, str, str], Use] = {}
    for domain, objects in bundles:
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
            concept = _concept(row)
            if known is None or (known.status != "live" and concept.status == "live"):
                concepts[row["id"]] = concept
            elif known.stix_id == concept.stix_id:
                # One group or malware can stand in several domains.
                domains = tuple(sorted({*known.domains, *concept.domains}))
                concepts[row["id"]] = dataclasses.replace(known, domains=domains)
        live = {key for key, row in rows.items() if row["status"] == "live"}
        for link in links:
            if (
                link["relationship_type"] in {"uses", "attributed-to"}
                and {link["source_ref"], link["target_ref"]} <= live
                and not link.get("revoked")
                and not link.get("x_mitre_deprecated")
            ):
                ends = rows[link["source_ref"]]["id"], rows[link["target_ref"]]["id"]
                use = _use_of(link, *ends, release)
                known_use = uses.setdefault((use.subject, use.relation, use.object), use)
                if known_use.citations != use.citations:
                    both = tuple(dict.fromkeys((*known_use.citations, *use.citations)))
                    uses[use.subject, use.relation, use.object] = dataclasses.replace(
                        use, citations=both, citations_from=release
                    )
    actors = read_facts("actors.json.gz")
    return _joined(release, list(concepts.values()), actors, uses=tuple(uses.values()))


def _use_of(link: dict[str, Any], subject: str, object_id: str, release: str) -> Use:
    from ctimine.attack.citations import parse_citation

    found = (
        parse_citation(r["source_name"], r.get("description", ""), r.get("url", ""))
        for r in link.get("external_references", [])
        if not r["source_name"].startswith("mitre-")
    )
    citations = tuple(dict.fromkeys(found))
    return Use(
        subject,
        link["relationship_type"],
        object_id,
        versions=(release,),
        citations=citations,
        citations_from=release if citations else "",
    )


def _joined(
    version: str,
    concepts: list[Concept],
    rows: list[dict[str, Any]],
    *,
    uses: tuple[Use, ...] | None = None,
    older: Mapping[str, tuple[str, ...]] | None = None,
) -> Catalogue:
    """The catalogue with the galaxy's actors: joined to their group, or on their own."""
    groups = {c.id for c in concepts if c.kind == "actor" and c.status == "live"}
    galaxy: dict[str, tuple[GalaxyActor, ...]] = {}
    countries: dict[str, set[str]] = {}
    alone = []
    for row in rows:
        group = row["joined"]
        if group in groups:
            actor = GalaxyActor(row["id"], row["name"], tuple(row["aliases"]), row["by"])
            galaxy[group] = (*galaxy.get(group, ()), actor)
            countries.setdefault(group, set()).add(row["country"])
        else:
            aliases, country = tuple(row["aliases"]), row["country"]
            alone.append(
                Concept("actor", row["id"], row["name"], aliases, version="misp", country=country)
            )
    agreed = {group: next(iter(told)) for group, told in countries.items() if len(told) == 1}
    known = [
        dataclasses.replace(c, country=agreed[c.id]) if agreed.get(c.id) else c for c in concepts
    ]
    return Catalogue(version, [*known, *alone], uses=uses, galaxy=galaxy, older=older)


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
