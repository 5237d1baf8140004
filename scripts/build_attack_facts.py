"""Builds the facts of ATT&CK and of the MISP galaxy that ctimine ships.

    python scripts/build_attack_facts.py DATA_DIR src/ctimine/attack/facts

``DATA_DIR`` holds ``attack/*.json.gz`` (official STIX bundles, v18.1) and ``misp/*.json.gz``
(galaxy clusters; the ``mitre-*`` ones carry ATT&CK v19). Writes ``concepts.json.gz`` and
``uses.json.gz``: ids, names, relations and citations, no descriptions. The same input gives the
same bytes.

What comes from where: techniques, tactics, groups and software of Enterprise and Mobile at v19 from
the clusters; ICS, campaigns, deprecation, dates and citations from v18.1, where v19 is silent.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
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


def load(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def main(data: Path, out: Path) -> None:
    """Read everything, write the two files, print what they hold."""
    old, old_uses, citations = read_official(data / "attack")
    by_uuid = {row["stix_id"].split("--")[1]: (row["id"], row["kind"]) for row in old.values()}
    new, new_uses = read_clusters(data / "misp", old, by_uuid)
    actors = read_actors(load(data / "misp" / "threat-actor.json.gz")["values"], new, by_uuid)

    edges: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for edge in old_uses:
        edges[edge].append(OLD)
    for edge in new_uses:
        edges[edge].append(NEW)

    table: dict[str, int] = {}
    rows = []
    for edge, versions in sorted(edges.items()):
        cited = [
            table.setdefault(json.dumps(citation, ensure_ascii=False), len(table))
            for citation in old_uses.get(edge, [])
        ]
        rows.append([*edge, versions, cited])

    out.mkdir(parents=True, exist_ok=True)
    write(
        out / "concepts.json.gz",
        {
            "versions": {
                OLD: [old[key] for key in sorted(old)],
                NEW: [new[key] for key in sorted(new)],
            },
            "actors": actors,
        },
    )
    write(out / "uses.json.gz", {"citations": [json.loads(text) for text in table], "uses": rows})
    for version, concepts in ((OLD, old), (NEW, new)):
        live = [row for row in concepts.values() if row["status"] == "live"]
        kinds = {kind: sum(row["kind"] == kind for row in live) for kind in KINDS.values()}
        print(version, "live:", kinds, "of", len(concepts))
    print(
        len(rows),
        "uses,",
        len(table),
        "citations,",
        len(actors),
        "actors of the galaxy,",
        sum(bool(actor["joined"]) for actor in actors),
        "joined to a group;",
        citations,
        "citations read",
    )


def write(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    path.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
    print(path.name, path.stat().st_size, "bytes")


def read_official(
    folder: Path,
) -> tuple[dict[str, Row], dict[tuple[str, str, str], list[Any]], int]:
    """Concepts and uses of v18.1, all three domains; an id of two domains keeps both domains."""
    concepts: dict[str, Row] = {}
    uses: dict[tuple[str, str, str], list[Any]] = {}
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
                if known is not None:
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
) -> tuple[dict[str, Row], set[tuple[str, str, str]]]:
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
    uses: set[tuple[str, str, str]] = set()
    stated: set[str] = set()
    for name in kinds:
        for value in values[name]:
            source = value["meta"]["external_id"]
            stated.add(source)
            for related in value.get("related", []):
                target = by_uuid.get(related["dest-uuid"])
                if target is None:
                    continue
                if related["type"] == "revoked-by":
                    new[source]["replaced_by"] = target[0]
                elif related["type"] == "uses" and new[source]["status"] != "revoked":
                    uses.add((source, "uses", target[0]))
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
    revoked = bool(value.get("revoked")) or any(
        related["type"] == "revoked-by" for related in value.get("related", [])
    )
    if revoked:
        status = "revoked"
    elif (known and known["status"] == "deprecated") or DEPRECATED_TEXT.search(
        value["description"]
    ):
        status = "deprecated"
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
        "domains": domains or (known["domains"] if known else []),
        "status": status,
        "replaced_by": known["replaced_by"] if known and revoked else "",
        "version": NEW,
        "created": known["created"] if known else "",
        "modified": known["modified"] if known else "",
        "software_type": stix_type if kind == "software" else "",
    }


def read_actors(
    values: list[Row], concepts: dict[str, Row], by_uuid: dict[str, tuple[str, str]]
) -> list[Row]:
    """The galaxy's actors, each joined to at most one ATT&CK group, by UUID, else by name."""
    owners: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for row in concepts.values():
        if row["kind"] == "actor" and row["status"] == "live":
            names[fold(row["name"])].add(row["id"])
            for alias in (row["name"], *row["aliases"]):
                owners[fold(alias)].add(row["id"])
    actors = []
    for value in sorted(values, key=lambda value: value["uuid"]):
        meta = value.get("meta", {})
        linked = {
            by_uuid[related["dest-uuid"]][0]
            for related in value.get("related", [])
            if related["type"] == "similar"
            and by_uuid.get(related["dest-uuid"], ("", ""))[1] == "actor"
        }
        linked = {group for group in linked if concepts[group]["status"] == "live"}
        synonyms = [
            name.strip()
            for name in meta.get("synonyms", [])
            if name.strip() and not ATTACK_ID.fullmatch(name.strip())
        ]
        by_name = owners.get(fold(value["value"]), set())
        by_synonym = {group for name in synonyms for group in names.get(fold(name), set())}
        how, joined = "", ""
        for word, groups in (("uuid", linked), ("name", by_name), ("synonym", by_synonym)):
            # Two candidates are no join: the actor stays on its own and the name ambiguous.
            if len(groups) == 1:
                how, joined = word, next(iter(groups))
                break
            if len(groups) > 1:
                if word == "uuid" and len(groups & by_name) == 1:
                    how, joined = word, next(iter(groups & by_name))
                break
        actors.append(
            {
                "id": f"misp:{value['uuid']}",
                "name": value["value"],
                "aliases": [name for name in dict.fromkeys(synonyms) if name != value["value"]],
                "joined": joined,
                "by": how,
                "country": meta.get("country", ""),
            }
        )
    return actors


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
