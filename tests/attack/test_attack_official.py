"""Official bundles of any release: read into the cache, with prose, or refused by name."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from ctimine.attack import (
    Catalogue,
    LogSource,
    Mitigation,
    available_versions,
    load_attack,
    load_official,
)
from ctimine.attack.catalogue import from_bundles
from ctimine.attack.official import read_official
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
        (
            {"objects": [technique(1) | {"external_references": [{"source_name": "mitre-atlas"}]}]},
            "ATLAS",
        ),
        ({"objects": [technique(1), {"type": "tool", "id": "tool--1"}]}, "lacks id or name"),
        ({"objects": [technique(1), {"type": "relationship", "id": "r"}]}, "lacks relationship"),
        ({"objects": [technique(1, x_mitre_domains=["lunar-attack"])]}, "of no domain"),
    ],
)
def test_what_is_no_attack_bundle_is_refused_by_name(file, content, word):
    path = file(content, "x.json")
    with pytest.raises(CatalogueError, match=word) as caught:
        load_official(path)
    assert caught.value.subject.startswith(str(path))


def test_a_release_that_is_no_number_never_reaches_a_path(file, tmp_path):
    content = bundle()
    content["objects"][-1]["x_mitre_version"] = "../../19"
    with pytest.raises(CatalogueError, match="which release"):
        load_official(file(content))
    assert not (tmp_path / "cache").exists()


def test_a_given_version_that_the_bundle_denies_is_refused(file):
    with pytest.raises(CatalogueError, match=r"19\.2, not 18\.0"):
        load_official(file(bundle()), version="18.0")


def test_several_domains_of_one_release_add_up(file):
    load_official(file(bundle()))
    mobile = {"source_name": "mitre-mobile-attack", "external_id": "T9005"}
    collection = {"type": "x-mitre-collection", "id": "c--1", "x_mitre_version": "19.2"}
    load_official(
        file({"objects": [technique(5) | {"external_references": [mobile]}, collection]}, "m.json")
    )
    attack = load_attack("19.2")
    assert (attack["T9001"].domains, attack["T9005"].domains) == (("enterprise",), ("mobile",))


def test_a_bundle_loaded_again_takes_the_place_of_the_first(file):
    content = bundle()
    load_official(file(content))
    assert load_attack("19.2")["T9001"].name == "Technique 1"
    content["objects"][0]["name"] = "Renamed"
    load_official(file(content))
    assert load_attack("19.2")["T9001"].name == "Renamed"


def test_a_path_is_read_as_it_stands(file):
    attack = load_attack(file(bundle()))
    assert (attack.version, attack["T9001"].name) == ("19.2", "Technique 1")
    assert "19.2" not in available_versions()


def test_another_cache_can_be_named(file, tmp_path, monkeypatch):
    assert load_official(file(bundle()), cache=tmp_path / "other" / "attack") == "19.2"
    assert "19.2" not in available_versions()
    monkeypatch.setenv("CTIMINE_CACHE", str(tmp_path / "other"))
    assert "19.2" in available_versions()


def test_prose_of_the_newest_loaded_release_serves_the_built_in_one(file):
    content = bundle()
    content["objects"][0]["external_references"][0]["external_id"] = "T1102"
    load_official(file(content))
    detail = Catalogue("19", load_attack().concepts(), uses=()).detail("T1102")
    assert (detail.description, detail.version) == ("Prose of technique 1.", "19.2")


def test_before_strategies_detection_is_one_text(file):
    content = bundle("2.0")
    content["objects"][0]["x_mitre_detection"] = "Listen."
    load_official(file(content, "enterprise-attack-17.1.json"))
    assert load_attack("17.1").detail("T9001").detection == "Listen."


def test_a_damaged_cache_names_the_file_to_load_again(file, tmp_path):
    load_official(file(bundle()))
    next((tmp_path / "cache" / "attack").iterdir()).write_bytes(b"no archive")
    with pytest.raises(CatalogueError, match=r"19\.2-enterprise.*load it again"):
        load_attack("19.2")


@pytest.mark.data
def test_official_bundles_give_the_built_in_view():
    if "CTIMINE_DATA" not in os.environ:
        pytest.skip("CTIMINE_DATA is not set")
    paths = sorted((Path(os.environ["CTIMINE_DATA"]) / "data" / "attack").glob("*.json.gz"))
    assert {load_official(path) for path in paths} == {"18.1"}
    built_in = load_attack("18.1")
    bundles = [(path.name.split("-")[0], read_official(path)[2]) for path in paths]
    loaded = from_bundles("18.1", bundles)

    def edges(catalogue):
        uses = (use for key in catalogue for use in catalogue.uses(key))
        return {(use.subject, use.relation, use.object, use.citations) for use in uses}

    assert dict(loaded) == dict(built_in)
    assert edges(loaded) == edges(built_in)
    detail = built_in.detail("T1102")
    assert detail.description
    assert detail.strategies[0].analytics[0].log_sources
    assert [mitigation.id for mitigation in detail.mitigations] == ["M1021", "M1031"]


def test_a_truncated_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(json.dumps(bundle()).encode())[:50])
    with pytest.raises(CatalogueError, match=r"cut\.json\.gz"):
        load_official(path)
