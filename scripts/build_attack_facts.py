"""Builds the facts of ATT&CK and of the MISP galaxy that ctimine ships.

    python scripts/build_attack_facts.py DATA_DIR src/ctimine/attack/data

``DATA_DIR`` holds ``attack/*.json.gz`` (official STIX bundles, v18.1) and ``misp/*.json.gz``
(galaxy clusters; the ``mitre-*`` ones carry ATT&CK v19). Writes ``concepts-*.json.gz`` for each
release, ``actors.json.gz`` (the galaxy's) and ``uses.json.gz``: ids, names, relations and
citations, no descriptions. The same input gives the same bytes.

What comes from where: techniques, tactics, groups and software of Enterprise and Mobile at v19 from
the clusters; ICS, campaigns, deprecation, dates and citations from v18.1, where v19 is silent. An
edge of v18.1 stands at v19, too, when the clusters do not know one of its ends (an ICS technique, a
campaign); a revoked end is followed to its successor, and so are the citations of an edge.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from ctimine.attack.catalogue import fold
from ctimine.attack.citations import parse_citation
from ctimine.attack.official import KINDS, concept_row, external_id

OLD, NEW = "18.1", "19"
DOMAIN_OF_CHAIN = {"attack": "enterprise", "mobile-attack": "mobile", "pre-attack": "pre"}
DEPRECATED_TEXT = re.compile(
    r"^\W*this (?:technique|object|group|software|type)[^.]{0,40} (?:has been|is) deprecated",
    re.IGNORECASE,
)

ATTACK_ID = re.compile(r"[GSC]\d{4}")
"""The galaxy lists ATT&CK's ids among the names; an id is no name."""

Row = dict[str, Any]
Edge = tuple[str, str, str]
Edges = dict[Edge, list[Any]]


def load(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def main(data: Path, out: Path) -> None:
    """Read everything, write the files, print what they hold."""
    old, old_uses, citations = read_official(data / "attack")
    by_uuid = {row["stix_id"].split("--")[1]: (row["id"], row["kind"]) for row in old.values()}
    new, new_uses = read_clusters(data / "misp", old, by_uuid)
    actors = read_actors(load(data / "misp" / "threat-actor.json.gz")["values"], new, by_uuid)

    table: dict[str, int] = {}
    rows, count = edge_rows(old_uses, merged_uses(old_uses, new_uses, new), table)

    out.mkdir(parents=True, exist_ok=True)
    for version, concepts in ((OLD, old), (NEW, new)):
        write(out / f"concepts-{version}.json.gz", [concepts[key] for key in sorted(concepts)])
    write(out / "actors.json.gz", actors)
    write(out / "uses.json.gz", {"citations": [json.loads(text) for text in table], "uses": rows})
    for version, concepts in ((OLD, old), (NEW, new)):
        live = [row for row in concepts.values() if row["status"] == "live"]
        kinds = {kind: sum(row["kind"] == kind for row in live) for kind in KINDS.values()}
        print(version, "live:", kinds, "of", len(concepts))
    print(
        count,
        "uses,",
        len(table),
        "citations,",
        len(actors),
        "actors of the galaxy,",
        dict(Counter(actor["by"] for actor in actors if actor["joined"])),
        "joined to a group;",
        citations,
        "citations read",
    )


def merged_uses(
    old: Edges, new: set[Edge], concepts: dict[str, Row]
) -> dict[Edge, tuple[set[str], list[Any]]]:
    """Edges of the merged newest view: the releases that state each, and its citations."""

    def today(identifier: str) -> str:
        seen = set()
        while concepts[identifier]["status"] == "revoked" and identifier not in seen:
            seen.add(identifier)
            identifier = concepts[identifier]["replaced_by"]
            if identifier not in concepts:
                return ""
        return identifier if concepts[identifier]["status"] == "live" else ""

    merged: dict[Edge, tuple[set[str], list[Any]]] = {}
    for subject, relation, target in new:
        edge = (today(subject), relation, today(target))
        if all(edge):
            merged.setdefault(edge, (set(), []))[0].add(NEW)
    for (subject, relation, target), cited in old.items():
        edge = (today(subject), relation, today(target))
        told = concepts[subject]["version"] == NEW and concepts[target]["version"] == NEW
        if not all(edge) or (told and edge not in merged):
            continue
        versions, citations = merged.setdefault(edge, (set(), []))
        citations.extend(cited)
        if not told or edge == (subject, relation, target):
            versions.add(OLD)
    return merged


def edge_rows(
    old: Edges, merged: dict[Edge, tuple[set[str], list[Any]]], table: dict[str, int]
) -> tuple[dict[str, list[Any]], int]:
    """Rows by subject: relation, object, [releases, citations] at v18.1 and at v19 (or null)."""

    def numbers(citations: list[Any]) -> list[int]:
        texts = dict.fromkeys(json.dumps(citation, ensure_ascii=False) for citation in citations)
        return [table.setdefault(text, len(table)) for text in texts]

    rows: dict[str, list[Any]] = {}
    edges = sorted({*old, *merged})
    for edge in edges:
        subject, relation, target = edge
        versions, citations = merged.get(edge, (set(), []))
        then = numbers(old[edge]) if edge in old else None
        now = numbers(citations) if versions else None
        more = [] if now is None else [number for number in now if number not in (then or [])]
        mark = ("o" if then is not None else "") + ("n" if now is not None else "")
        stated = "".join(letter for letter, name in (("o", OLD), ("n", NEW)) if name in versions)
        rows.setdefault(subject, []).append([relation, target, mark, stated, then or [], more])
    return rows, len(edges)


def write(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    path.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
    print(path.name, path.stat().st_size, "bytes")


def read_official(
    folder: Path,
) -> tuple[dict[str, Row], Edges, int]:
    """Concepts and uses of v18.1, all three domains; an id of two domains keeps both domains."""
    concepts: dict[str, Row] = {}
    uses: Edges = {}
    count = 0
    for name in ("enterprise", "mobile", "ics"):
        objects = load(folder / f"{name}-attack-18.1.json.gz")["objects"]
        ids: dict[str, str] = {}
        replaced: dict[str, str] = {}
        for item in objects:
            if item["type"] in KINDS and external_id(item):
                row = concept_row(item, name, OLD)
                ids[item["id"]] = row["id"]
                known = concepts.get(row["id"])
                if known is None or (known["status"] != "live" and row["status"] == "live"):
                    concepts[row["id"]] = row
                # ATT&CK for ICS once gave an id of Enterprise to another, deprecated object.
                if known is not None and known["stix_id"] == row["stix_id"]:
                    domains = sorted({*known["domains"], *row["domains"]})
                    tactics = sorted({*known["tactics"], *row["tactics"]})
                    concepts[row["id"]]["domains"], concepts[row["id"]]["tactics"] = (
                        domains,
                        tactics,
                    )
        for item in objects:
            if item["type"] != "relationship":
                continue
            source, target = ids.get(item["source_ref"]), ids.get(item["target_ref"])
            if not source or not target:
                continue
            if item["relationship_type"] == "revoked-by":
                replaced[source] = target
            live = not item.get("revoked") and not item.get("x_mitre_deprecated")
            if item["relationship_type"] in {"uses", "attributed-to"} and live:
                if any(concepts[end]["status"] != "live" for end in (source, target)):
                    continue
                cited = [
                    [c.name, c.title, c.author, c.date, c.url]
                    for c in (
                        parse_citation(r["source_name"], r.get("description", ""), r.get("url", ""))
                        for r in item.get("external_references", [])
                        if not r["source_name"].startswith("mitre-")
                    )
                ]
                count += len(cited)
                uses.setdefault((source, item["relationship_type"], target), []).extend(cited)
        for revoked, successor in replaced.items():
            concepts[revoked]["replaced_by"] = successor
    return concepts, uses, count


def read_clusters(
    folder: Path, old: dict[str, Row], by_uuid: dict[str, tuple[str, str]]
) -> tuple[dict[str, Row], set[Edge]]:
    """Concepts at v19 over those of v18.1, and the uses that v19 states."""
    new = {key: dict(row) for key, row in old.items()}
    kinds = {
        "mitre-attack-pattern": ("technique", "attack-pattern"),
        "mitre-intrusion-set": ("actor", "intrusion-set"),
        "mitre-malware": ("software", "malware"),
        "mitre-tool": ("software", "tool"),
    }
    values = {name: load(folder / f"{name}.json.gz")["values"] for name in kinds}
    for name, (kind, stix_type) in kinds.items():
        for value in values[name]:
            identifier = value["meta"]["external_id"]
            known = old.get(identifier)
            # The cluster of techniques holds the tactics, too.
            tactic = identifier.startswith("TA")
            types = ("tactic", "x-mitre-tactic") if tactic else (kind, stix_type)
            by_uuid[value["uuid"]] = (identifier, types[0])
            new[identifier] = cluster_row(value, *types, known)
    uses: set[Edge] = set()
    for name in kinds:
        for value in values[name]:
            source = value["meta"]["external_id"]
            for related in value.get("related", []):
                target = by_uuid.get(related["dest-uuid"])
                if target is None:
                    continue
                if related["type"] == "revoked-by":
                    new[source]["replaced_by"] = target[0]
                elif related["type"] == "uses" and new[source]["status"] != "revoked":
                    uses.add((source, "uses", target[0]))
    for row in new.values():
        if row["kind"] == "tactic" and not row["domains"]:
            # A tactic that is new at v19: its techniques say which domain it belongs to.
            members = (
                r for r in new.values() if r["kind"] == "technique" and r["status"] == "live"
            )
            row["domains"] = sorted(
                {d for r in members if row["tactics"][0] in r["tactics"] for d in r["domains"]}
            )
    return new, {edge for edge in uses if edge[2] in new}


def cluster_row(value: Row, kind: str, stix_type: str, known: Row | None) -> Row:
    """A concept as the cluster has it; what the cluster does not say comes from v18.1."""
    meta = value["meta"]
    technique = meta["external_id"]
    name = value["value"].removesuffix(f" - {technique}")
    # The clusters name a second object of a name "Name - G0001"; the suffix is theirs alone.
    aliases = [alias for alias in meta.get("synonyms", []) if alias != name]
    chains = [chain.split(":", 1) for chain in meta.get("kill_chain", [])]
    domains = sorted(
        {
            DOMAIN_OF_CHAIN[re.sub(r"^((?:mobile-|pre-)?attack).*", r"\1", chain[0])]
            for chain in chains
        }
    )
    older = ["created", "modified"] if known else []
    if known and not domains:
        domains = known["domains"]
        older.append("domains")
    revoked = bool(value.get("revoked")) or any(
        related["type"] == "revoked-by" for related in value.get("related", [])
    )
    if revoked:
        status = "revoked"
    elif DEPRECATED_TEXT.search(value.get("description", "")):
        status = "deprecated"
    elif known and known["status"] == "deprecated":
        status = "deprecated"
        older.append("status")
    else:
        status = "live"
    parent = technique.split(".")[0] if kind == "technique" and "." in technique else ""
    return {
        "kind": kind,
        "id": technique,
        "name": name,
        "aliases": aliases,
        "stix_id": f"{stix_type}--{value['uuid']}",
        "parent": parent,
        "tactics": [re.sub(r"\W+", "-", name.lower())]
        if kind == "tactic"
        else sorted({chain[1] for chain in chains}),
        "platforms": meta.get("mitre_platforms", []),
        "domains": domains,
        "status": status,
        "replaced_by": known["replaced_by"] if known and revoked else "",
        "version": NEW,
        "created": known["created"] if known else "",
        "modified": known["modified"] if known else "",
        "software_type": stix_type if kind == "software" else "",
        "older": older,
    }


def read_actors(
    values: list[Row], concepts: dict[str, Row], by_uuid: dict[str, tuple[str, str]]
) -> list[Row]:
    """The galaxy's actors, each joined to at most one ATT&CK group.

    A group of that name comes first: ATT&CK itself says so. A UUID link ("similar", "likely") or a
    group's name among the synonyms counts only if nobody else claims the group, or if they share
    names: two actors that the galaxy keeps apart must not become one by way of a group.
    """
    mains: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for row in concepts.values():
        if row["kind"] == "actor" and row["status"] == "live":
            mains[fold(row["name"])].add(row["id"])
            for name in (row["name"], *row["aliases"]):
                names[fold(name)].add(row["id"])
    actors = []
    claims: list[tuple[str, set[str], set[str], Counter[str]]] = []
    for value in sorted(values, key=lambda value: str(value["uuid"])):
        synonyms = [
            name.strip()
            for name in value.get("meta", {}).get("synonyms", [])
            if name.strip() and not ATTACK_ID.fullmatch(name.strip())
        ]
        actors.append(
            {
                "id": f"misp:{value['uuid']}",
                "name": value["value"],
                "aliases": [name for name in dict.fromkeys(synonyms) if name != value["value"]],
                "country": value.get("meta", {}).get("country", ""),
            }
        )
        linked = linked_groups(value, concepts, by_uuid)
        key = fold(value["value"])
        called = mains.get(key) or names.get(key, set())
        if len(called) > 1 and len(called & linked) == 1:
            called = called & linked
        shared = Counter(g for name in {fold(n) for n in synonyms} for g in names.get(name, ()))
        listed = {group for name in synonyms for group in mains.get(fold(name), ())}
        if len(called) == 1:
            group = next(iter(called))
            claims.append((group, linked, listed, shared))
            actors[-1] |= {"joined": group, "by": "uuid and name" if group in linked else "name"}
        else:
            # Two candidates are no join: the actor stays on its own and the name ambiguous.
            one = linked or listed
            claims.append((next(iter(one)) if len(one) == 1 else "", linked, listed, shared))
            actors[-1] |= {"joined": "", "by": ""}
    rivals = Counter(group for group, *_ in claims)
    for actor, (group, linked, listed, shared) in zip(actors, claims, strict=True):
        alone = rivals[group] == 1
        together = group in linked | listed and len(shared) == 1 and shared[group] > 1
        if group and not actor["joined"] and (alone or together):
            actor |= {"joined": group, "by": "uuid" if group in linked else "synonym"}
    return actors


def linked_groups(
    value: Row, concepts: dict[str, Row], by_uuid: dict[str, tuple[str, str]]
) -> set[str]:
    """The live groups that an actor of the galaxy is linked to, revoked ones followed."""
    groups = set()
    for related in value.get("related", []):
        group, kind = by_uuid.get(related["dest-uuid"], ("", ""))
        if related["type"] == "similar" and kind == "actor":
            if concepts[group]["status"] == "revoked":
                group = concepts[group]["replaced_by"]
            if group in concepts and concepts[group]["status"] == "live":
                groups.add(group)
    return groups


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
