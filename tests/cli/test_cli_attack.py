"""``ctimine attack``: a newer release comes from the (fake) internet and is used from then on."""

from __future__ import annotations

import json

import pytest
from fetch_internet import Reply

HOST = "https://raw.githubusercontent.com/mitre-attack/attack-stix-data/master"
OWL = "intrusion-set--00000000-0000-4000-8000-000000000009"


def bundle(version="99.1", domain="enterprise"):
    """A release with one technique that no other release has, and a group that uses it."""
    source = {
        "enterprise": "mitre-attack",
        "mobile": "mitre-mobile-attack",
        "ics": "mitre-ics-attack",
    }
    number = {"enterprise": "T9901", "mobile": "T9902", "ics": "T9903"}[domain]

    def references(identifier):
        return [{"source_name": source[domain], "external_id": identifier}]

    technique = f"attack-pattern--00000000-0000-4000-8000-00000000{number[1:]}"
    objects = [
        {"type": "x-mitre-collection", "id": "x-mitre-collection--1", "x_mitre_version": version},
        {
            "type": "attack-pattern", "id": technique, "name": f"Owl Post by {domain}",
            "external_references": references(number), "x_mitre_domains": [f"{domain}-attack"],
        },
        {
            "type": "intrusion-set", "id": OWL, "name": "Grey Owl", "aliases": ["Grey Owl"],
            "external_references": references("G9909"), "x_mitre_domains": [f"{domain}-attack"],
        },
        {
            "type": "relationship", "id": "relationship--1", "relationship_type": "uses",
            "source_ref": OWL, "target_ref": technique,
        },
    ]  # fmt: skip
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}).encode()


@pytest.fixture
def mitre(internet):
    """MITRE's repository with the releases 9.0, 18.1 and 99.1."""
    versions = [{"version": "9.0"}, {"version": "99.1"}, {"version": "18.1"}]
    index = {"collections": [{"name": "Enterprise ATT&CK", "versions": versions}]}
    internet.at(f"{HOST}/index.json", json.dumps(index).encode())
    for domain in ("enterprise", "mobile", "ics"):
        name = f"{domain}-attack"
        internet.at(f"{HOST}/{name}/{name}-99.1.json", bundle(domain=domain))
    return internet


def test_the_newest_release_is_fetched_verified_and_used_by_mine(mitre, tmp_path):
    done = mitre.run("-m", "ctimine", "attack", "update", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "99.1 is in the cache" in done.stdout
    assert "mine --attack 99.1" in done.stdout
    listed = mitre.run("-m", "ctimine", "attack", "versions", folder=tmp_path)
    assert listed.stdout.split()[-1] == "99.1"
    (tmp_path / "r.md").write_text("# R\n\nGrey Owl used Owl Post by enterprise (T9901).\n")
    words = (
        "r.md",
        "--attack",
        "99.1",
        "--technique",
        "T9901",
        "--out",
        "o",
        "--workers",
        "0",
        "--behaviours",
        "off",
    )
    mined = mitre.run("-m", "ctimine", "mine", *words, folder=tmp_path)
    assert mined.returncode == 0, mined.stderr
    assert "Grey Owl" in mined.stdout
    assert not mitre.asked("robots.txt")


def test_domains_add_up_and_the_official_files_can_be_kept(mitre, tmp_path):
    words = ("99.1", "--domain", "mobile", "--domain", "ics", "--out", "kept")
    done = mitre.run("-m", "ctimine", "attack", "update", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [f"{domain}-attack-99.1.json" for domain in ("ics", "mobile")]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == names
    assert (tmp_path / "kept" / names[0]).read_bytes() == bundle(domain="ics")
    assert not mitre.asked("index.json")
    (tmp_path / "r.md").write_text("# R\n\nGrey Owl used T9903.\n")
    for technique in ("T9902", "T9903"):
        words = (
            "r.md",
            "--attack",
            "99.1",
            "--technique",
            technique,
            "--workers",
            "0",
            "--behaviours",
            "off",
        )
        assert mitre.run("-m", "ctimine", "mine", *words, folder=tmp_path).returncode == 0
    # Who keeps the file may mine with it, without a cache.
    words = (
        "r.md",
        "--attack",
        f"kept/{names[0]}",
        "--technique",
        "T9903",
        "--workers",
        "0",
        "--behaviours",
        "off",
    )
    empty = {"CTIMINE_CACHE": str(tmp_path / "empty")}
    assert mitre.run("-m", "ctimine", "mine", *words, folder=tmp_path, **empty).returncode == 0


WRONG = {
    "another release": (bundle(version="17.0"), "holds release 17.0"),
    "another domain": (bundle(domain="mobile"), "holds nothing of enterprise-attack"),
    "no technique": (b'{"type": "bundle", "objects": []}', "holds no technique"),
    "no bundle": (b'{"type": "report"}', "no STIX bundle"),
    "no JSON": (b"<html>Sign in</html>", "no JSON"),
    "not there": (Reply(b"", 404), "HTTP 404"),
    "a challenge page": (Reply(b"", 403, {"cf-mitigated": "challenge"}), "challenge page"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_release_is_refused_and_nothing_is_kept(mitre, tmp_path, name):
    answer, words = WRONG[name]
    mitre.at(f"{HOST}/enterprise-attack/enterprise-attack-99.1.json", answer)
    domains = ("--domain", "mobile", "--domain", "enterprise", "--out", "kept")
    done = mitre.run("-m", "ctimine", "attack", "update", "99.1", *domains, folder=tmp_path)
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "kept").exists()


def test_wrong_words_and_no_network_are_named(internet, tmp_path):
    def update(*words):
        return internet.run("-m", "ctimine", "attack", "update", *words, folder=tmp_path)

    offline = update()
    assert (offline.returncode, "no such name" in offline.stderr) == (1, True)
    wrong = update("newest")
    assert (wrong.returncode, "'newest' is no ATT&CK version" in wrong.stderr) == (1, True)
    assert update("--domain", "space").returncode == 2
