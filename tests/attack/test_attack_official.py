"""Official bundles of any release: read into the cache, with prose, or refused by name."""

from __future__ import annotations

import gzip
import json

import pytest

from ctimine.attack import LogSource, Mitigation, available_versions, load_attack, load_official
from ctimine.errors import CatalogueError


def technique(number, **more):
    return {
        "type": "attack-pattern",
        "id": f"attack-pattern--00000000-0000-4000-8000-00000000000{number}",
        "name": f"Technique {number}",
        "description": f"Prose of technique {number}.",
        "external_references": [{"source_name": "mitre-attack", "external_id": f"T900{number}"}],
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}],
    } | more


def bundle(spec="2.1"):
    group = {
        "type": "intrusion-set",
        "id": "intrusion-set--00000000-0000-4000-8000-000000000009",
        "name": "Grey Owl",
        "aliases": ["Grey Owl", "Night Heron"],
        "external_references": [{"source_name": "mitre-attack", "external_id": "G9009"}],
    }
    objects = [
        technique(1),
        technique(2, revoked=True),
        group,
        {
            "type": "relationship",
            "id": "relationship--1",
            "relationship_type": "uses",
            "source_ref": group["id"],
            "target_ref": technique(1)["id"],
            "external_references": [
                {
                    "source_name": "Doe 2021",
                    "description": "Doe. (2021, May 6). On Owls.",
                    "url": "u",
                }
            ],
        },
        {
            "type": "relationship",
            "id": "relationship--2",
            "relationship_type": "revoked-by",
            "source_ref": technique(2)["id"],
            "target_ref": technique(1)["id"],
        },
        {
            "type": "x-mitre-detection-strategy",
            "id": "x-mitre-detection-strategy--1",
            "name": "Watch the owl",
            "external_references": [{"source_name": "mitre-attack", "external_id": "DET0001"}],
            "x_mitre_analytic_refs": ["x-mitre-analytic--1"],
        },
        {
            "type": "x-mitre-analytic",
            "id": "x-mitre-analytic--1",
            "description": "Look up.",
            "external_references": [{"source_name": "mitre-attack", "external_id": "AN0001"}],
            "x_mitre_platforms": ["Linux"],
            "x_mitre_log_source_references": [{"name": "auditd", "channel": "EXECVE"}],
        },
        {
            "type": "relationship",
            "id": "relationship--3",
            "relationship_type": "detects",
            "source_ref": "x-mitre-detection-strategy--1",
            "target_ref": technique(1)["id"],
        },
        {
            "type": "course-of-action",
            "id": "course-of-action--1",
            "name": "Close the barn",
            "external_references": [{"source_name": "mitre-attack", "external_id": "M9001"}],
        },
        {
            "type": "relationship",
            "id": "relationship--4",
            "relationship_type": "mitigates",
            "source_ref": "course-of-action--1",
            "target_ref": technique(1)["id"],
            "description": "Doors shut.",
        },
    ]
    if spec == "2.1":
        objects.append({"type": "x-mitre-collection", "id": "c--1", "x_mitre_version": "19.2"})
        for item in objects:
            item["spec_version"] = "2.1"
    return {"type": "bundle", "id": "bundle--1", "objects": objects}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CTIMINE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    def write(content, name="enterprise-attack.json"):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        body = text.encode()
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
        return path

    return write


def test_a_release_says_its_version_itself(file):
    assert load_official(file(bundle())) == "19.2"
    assert "19.2" in available_versions()
    attack = load_attack("19.2")
    assert attack["T9001"].name == "Technique 1"
    assert attack.resolve("T9002").id == "T9001"
    assert [c.id for c in attack.named("night heron")] == ["G9009"]
    use = attack.uses("G9009")[0]
    assert (use.object, use.citations[0].date, use.citations_from) == (
        "T9001",
        "2021-05-06",
        "19.2",
    )


def test_stix_2_0_without_a_collection_takes_the_version_of_the_file_name(file):
    assert load_official(file(bundle("2.0"), "enterprise-attack-17.1.json.gz")) == "17.1"


def test_a_given_version_serves_where_nothing_says_it(file):
    path = file(bundle("2.0"), "mine.json")
    with pytest.raises(CatalogueError, match=r"mine\.json.*version"):
        load_official(path)
    assert load_official(path, version="16.0") == "16.0"


def test_prose_comes_with_detection_mitigation_and_notice(file):
    load_official(file(bundle()))
    detail = load_attack("19.2").detail("T9001")
    assert (detail.description, detail.version) == ("Prose of technique 1.", "19.2")
    (strategy,) = detail.strategies
    assert (strategy.id, strategy.name) == ("DET0001", "Watch the owl")
    (analytic,) = strategy.analytics
    assert (analytic.id, analytic.description, analytic.platforms) == (
        "AN0001",
        "Look up.",
        ("Linux",),
    )
    assert analytic.log_sources == (LogSource("auditd", "EXECVE"),)
    assert detail.mitigations == (Mitigation("M9001", "Close the barn", "Doors shut."),)
    assert "The MITRE Corporation" in detail.notice


def test_without_a_loaded_bundle_everything_else_works():
    attack = load_attack()
    assert attack.detail("T1102") is None
    assert attack["T1102"].name == "Web Service"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "cannot be read"),
        ("[]", "no STIX bundle"),
        ({"objects": 3}, "no STIX bundle"),
        ({"objects": [{"type": "indicator", "id": "i"}]}, "no ATT&CK technique"),
        ({"objects": [technique(1) | {"external_references": []}]}, "no ATT&CK technique"),
    ],
)
def test_what_is_no_attack_bundle_is_refused_by_name(file, content, word):
    path = file(content, "x.json")
    with pytest.raises(CatalogueError, match=word) as caught:
        load_official(path)
    assert caught.value.subject == str(path)


def test_a_truncated_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(json.dumps(bundle()).encode())[:50])
    with pytest.raises(CatalogueError, match=r"cut\.json\.gz"):
        load_official(path)
