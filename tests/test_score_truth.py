"""The score against a hand-made truth: what counts for, against, and not at all."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from ctimine.attack import load_attack
from ctimine.model import Claim, Report

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "score_truth.py"
TEXT = """# Notes on APT29

APT29 used dead drops (T1102.001) in May.

| Technique | Note |
| --- | --- |
| T1059.001 | a script |
"""
REPORT = Report("r", "s", "notes.md", TEXT)
USE = Claim("r", 18, 59, TEXT[18:59], "G0016", "uses", "T1102.001", "id", subject_name="APT29")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("score_truth", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def link(technique="T1102.001", **changes):
    return {
        "actor": "APT29",
        "actor_id": "G0016",
        "technique": technique,
        "kind": "id",
        "stance": "reported",
        "where": [18, 59],
        "sure": True,
        **changes,
    }


def score(script, links, claims, *, exact=True):
    truth = {"report": "notes.md", "links": links}
    return script.score_report(truth, claims, load_attack(), exact=exact)


def test_a_pair_counts_once_by_its_surest_kind(script):
    links = [link(), link(kind="described"), link("T1105", kind="described")]
    result, notes = score(script, links, [USE, dataclasses.replace(USE, start=20)])
    assert result.must == {"id": 1, "described": 1}
    assert result.found == {"id": 1}
    assert (result.claimed, result.wrong) == ({"id": 1}, {})
    assert [note.split()[:3] for note in notes] == [["missed", "G0016", "T1105"]]


def test_what_no_link_has_is_wrong(script):
    other = dataclasses.replace(USE, object="T1113")
    result, notes = score(script, [link()], [USE, other])
    assert (result.claimed, result.wrong) == ({"id": 2}, {"id": 1})
    assert [note.split()[:3] for note in notes] == [["wrong", "G0016", "T1113"]]


def test_doubt_counts_neither_way(script):
    result, notes = score(script, [link(sure=False)], [USE])
    assert (result.must, result.claimed, result.wrong, notes) == ({}, {}, {}, [])


@pytest.mark.parametrize("stance", ["negated", "recommended", "capability"])
def test_what_is_no_use_makes_a_claim_wrong(script, stance):
    result, _ = score(script, [link(stance=stance)], [USE])
    assert (result.must, result.claimed, result.wrong) == ({}, {"id": 1}, {"id": 1})


@pytest.mark.parametrize(
    "claim",
    [
        dataclasses.replace(USE, stance="negated"),
        dataclasses.replace(USE, relation="exploits"),
        dataclasses.replace(USE, subject="S0154", subject_name="Cobalt Strike"),
        dataclasses.replace(USE, object="S0154"),
    ],
)
def test_other_statements_do_not_count(script, claim):
    result, _ = score(script, [link()], [claim])
    assert (result.found, result.claimed) == ({}, {})


def test_parents_agree_where_sub_techniques_do_not(script):
    links = [link("T1102.002")]
    assert score(script, links, [USE])[0].found == {}
    assert score(script, links, [USE], exact=False)[0].found == {"id": 1}


def test_a_retired_id_is_followed(script):
    links = [link("T1562.001")]
    assert score(script, links, [dataclasses.replace(USE, object="T1685")])[0].found == {"id": 1}


def test_an_actor_without_id_agrees_by_name(script):
    unseen = dataclasses.replace(USE, subject="name:silverraven", subject_name="Silver Raven")
    links = [link(actor="Silver Raven", actor_id=None)]
    assert score(script, links, [unseen])[0].found == {"id": 1}


@pytest.mark.parametrize(
    ("told", "made", "same"),
    [
        ("reported", "reported", 1),
        ("historical", "reported", 1),
        ("assessed", "assessed", 1),
        ("assessed", "reported", 0),
        ("reported", "assessed", 0),
    ],
)
def test_stance_is_compared_apart(script, told, made, same):
    result, _ = score(script, [link(stance=told)], [dataclasses.replace(USE, stance=made)])
    assert result.found == {"id": 1}
    assert result.same_stance == same


@pytest.mark.parametrize(
    ("where", "same"),
    [
        ([40, 80], 1),
        ([59, 80], 0),
    ],
)
def test_the_passage_is_compared_apart(script, where, same):
    result, _ = score(script, [link(where=where)], [USE])
    assert result.same_place == same


def test_the_command_reads_files_of_a_corpus(script, tmp_path, capsys):
    (tmp_path / "notes.md").write_text(TEXT)
    truth = {"report": "notes.md (raw)", "links": [link(), link("T1113", kind="described")]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    arguments = [str(tmp_path / "truth.json"), "--corpus", str(tmp_path), "--show"]
    assert script.main([*arguments, "--behaviours", "none"]) == 0
    out = capsys.readouterr().out
    assert "notes.md: recall  50.0% (1 of 2)" in out
    assert "missed  G0016 T1113" in out
    assert "wrong   G0016 T1059.001 row-main" in out
