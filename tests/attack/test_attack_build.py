"""The script that builds the facts: small bundles and clusters in, the files out."""

from __future__ import annotations

import gzip
import json
import runpy
import uuid
from pathlib import Path

import pytest

BUILD = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "build_attack_facts.py"))
SOURCE = {"enterprise": "mitre-attack", "mobile": "mitre-mobile-attack", "ics": "mitre-ics-attack"}


def thing(kind, number, name, domain="enterprise", **more):
    return {
        "type": kind,
        "id": f"{kind}--{uuid.uuid5(uuid.NAMESPACE_URL, kind + number)}",
        "name": name,
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2021-01-01T00:00:00.000Z",
        "external_references": [{"source_name": SOURCE[domain], "external_id": number}],
    } | more


def phase(name):
    return {"kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": name}]}


def link(kind, source, target, *cited):
    return {
        "type": "relationship",
        "id": f"relationship--{source['id']}-{target['id']}",
        "relationship_type": kind,
        "source_ref": source["id"],
        "target_ref": target["id"],
        "external_references": [
            {"source_name": name, "description": f"{name}. (2021, May 6). On It. Retrieved 2022."}
            for name in cited
        ],
    }


def cluster_value(item, *related, **meta):
    number = item["external_references"][0]["external_id"]
    return {
        "value": f"{item['name']} - {number}",
        "uuid": item["id"].split("--")[1],
        "description": "Own words.",
        "meta": {"external_id": number, **meta},
        "related": [
            {"type": kind, "dest-uuid": target["id"].split("--")[1]} for kind, target in related
        ],
    }


def actor(number, name, *synonyms, linked=()):
    return {
        "value": name,
        "uuid": f"10000000-0000-4000-8000-{number:012}",
        "meta": {"synonyms": list(synonyms), "country": "XX"},
        "related": [
            {"type": "similar", "dest-uuid": group["id"].split("--")[1]} for group in linked
        ],
    }


OLD = thing("attack-pattern", "T9001", "Old Way", **phase("stealth"))
WAY = thing("attack-pattern", "T9002", "Way", **phase("stealth"))
NEW = thing("attack-pattern", "T9003", "New Way")
VALVE = thing("attack-pattern", "T0901", "Turn Valve", "ics", **phase("impact"))
OWL = thing("intrusion-set", "G9001", "Grey Owl", aliases=["Grey Owl", "Barn Wind"])
HERON = thing("intrusion-set", "G9002", "Night Heron")
WAVE = thing("campaign", "C9001", "Operation Wave")
TOOL = thing("tool", "S9001", "Owlscan", x_mitre_deprecated=True)
BARN = thing("course-of-action", "T9002", "Way Mitigation", x_mitre_deprecated=True)
TACTIC = thing("x-mitre-tactic", "TA9001", "Stealth", x_mitre_shortname="stealth")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content).encode()))


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    enterprise = [
        BARN,
        OLD,
        WAY,
        OWL,
        HERON,
        WAVE,
        TOOL,
        TACTIC,
        link("uses", OWL, OLD, "Doe"),
        link("uses", OWL, WAY, "Doe", "Roe"),
        link("uses", HERON, WAY, "Roe"),
        link("uses", WAVE, OLD, "Poe"),
        link("attributed-to", WAVE, OWL, "Poe"),
    ]
    ics = [OWL, VALVE, link("uses", OWL, VALVE, "Moe")]
    for name, objects in (("enterprise", enterprise), ("mobile", []), ("ics", ics)):
        write(data / "attack" / f"{name}-attack-18.1.json.gz", {"objects": objects})
    chain = ["attack-Windows:stealth"]
    clusters = {
        "mitre-attack-pattern": [
            cluster_value(OLD, ("revoked-by", NEW), kill_chain=chain),
            cluster_value(WAY, kill_chain=["attack-Windows:defense-impairment"]),
            cluster_value(NEW, kill_chain=chain, mitre_platforms=["Windows"]),
            cluster_value(TACTIC | {"name": "Stealth"}),
        ],
        "mitre-intrusion-set": [
            cluster_value(OWL, ("uses", NEW), ("uses", WAY), synonyms=["Grey Owl", "Barn Wind"]),
            cluster_value(HERON, ("uses", TOOL)),
        ],
        "mitre-malware": [],
        "mitre-tool": [cluster_value(TOOL)],
        "threat-actor": [
            actor(1, "GREY OWL", "Storm-1", linked=[OWL]),
            actor(2, "Mud Owl", "G9001", linked=[OWL]),
            actor(3, "Reed Bird", "Night Heron", "G9002"),
            actor(4, "Lone Wolf", "Storm-1"),
        ],
    }
    for name, values in clusters.items():
        write(data / "misp" / f"{name}.json.gz", {"values": values})
    BUILD["main"](data, out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    BUILD["main"](data, out)
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}
    read = {name: json.loads(gzip.decompress(body)) for name, body in first.items()}
    versions = {
        version: {row["id"]: row for row in read[f"concepts-{version}.json.gz"]}
        for version in ("18.1", "19")
    }
    actors = {row["name"]: row for row in read["actors.json.gz"]}
    return versions, actors, read["uses.json.gz"]


def edges(facts, view):
    """(subject, object) → (releases that state it, names cited), in the view of a release."""
    uses = facts[2]
    return {
        (subject, row[1]): (
            row[3],
            [uses["citations"][n][0] for n in (row[4] if view == "o" else row[4] + row[5])],
        )
        for subject, rows in uses["uses"].items()
        for row in rows
        if view in row[2]
    }


def test_a_mitigation_with_a_techniques_id_is_no_technique(facts):
    assert facts[0]["18.1"]["T9002"]["name"] == "Way"


def test_a_revoked_technique_knows_its_successor_at_the_newer_release_alone(facts):
    old, new = facts[0]["18.1"]["T9001"], facts[0]["19"]["T9001"]
    assert (old["status"], new["status"], new["replaced_by"]) == ("live", "revoked", "T9003")


def test_what_the_newer_release_does_not_list_stays_from_the_older(facts):
    new = facts[0]["19"]
    assert (new["T0901"]["version"], new["C9001"]["version"]) == ("18.1", "18.1")
    assert (new["T9002"]["version"], new["T9002"]["tactics"]) == ("19", ["defense-impairment"])


def test_what_the_newer_release_is_silent_on_says_that_it_is_older(facts):
    new = facts[0]["19"]
    assert new["T9002"]["older"] == ["created", "modified"]
    assert "domains" in new["G9001"]["older"]
    assert (new["S9001"]["status"], "status" in new["S9001"]["older"]) == ("deprecated", True)


def test_what_no_source_tells_is_empty(facts):
    new = facts[0]["19"]["T9003"]
    assert (new["created"], new["modified"], new["older"]) == ("", "", [])


def test_a_new_tactics_domain_is_that_of_its_techniques(facts):
    assert facts[0]["19"]["TA9001"]["domains"] == ["enterprise"]


def test_the_older_view_is_pure(facts):
    assert edges(facts, "o") == {
        ("G9001", "T9001"): ("", ["Doe"]),
        ("G9001", "T9002"): ("on", ["Doe", "Roe"]),
        ("G9001", "T0901"): ("o", ["Moe"]),
        ("G9002", "T9002"): ("", ["Roe"]),
        ("C9001", "T9001"): ("", ["Poe"]),
        ("C9001", "G9001"): ("o", ["Poe"]),
    }


def test_the_newest_view_keeps_what_the_newer_release_cannot_tell(facts):
    found = edges(facts, "n")
    assert found[("G9001", "T0901")] == ("o", ["Moe"])
    assert found[("C9001", "G9001")] == ("o", ["Poe"])


def test_an_edge_that_the_newer_release_dropped_is_gone(facts):
    assert ("G9002", "T9002") not in edges(facts, "n")


def test_edges_and_citations_follow_a_revoked_technique(facts):
    found = edges(facts, "n")
    assert found[("G9001", "T9003")] == ("n", ["Doe"])
    assert found[("C9001", "T9003")] == ("o", ["Poe"])


def test_an_edge_to_something_deprecated_is_none(facts):
    assert ("G9002", "S9001") not in edges(facts, "n")


def test_an_actor_joins_the_group_of_its_name(facts):
    assert (facts[1]["GREY OWL"]["joined"], facts[1]["GREY OWL"]["by"]) == (
        "G9001",
        "uuid and name",
    )


def test_two_actors_do_not_become_one_by_way_of_a_link_to_one_group(facts):
    assert facts[1]["Mud Owl"]["joined"] == ""


def test_a_synonym_joins_where_nobody_else_claims_the_group(facts):
    assert (facts[1]["Reed Bird"]["joined"], facts[1]["Reed Bird"]["by"]) == ("G9002", "synonym")


def test_actors_that_share_a_synonym_stay_apart(facts):
    assert facts[1]["Lone Wolf"]["joined"] == ""


def test_ids_among_the_synonyms_are_no_names(facts):
    assert facts[1]["Reed Bird"]["aliases"] == ["Night Heron"]
