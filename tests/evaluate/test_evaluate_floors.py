"""Floors: they hold, they rise, they never sink in silence; the pinned sets keep theirs."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest

from ctimine.attack import load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate import check_floor, evaluate_hidden, pin_floors, read_floors, row_of
from ctimine.model import Mention

PINNED = Path(__file__).with_name("floors.json")


def find(report):
    quote = report.text[0:3]
    return (Mention(report.id, 0, 3, quote, "technique", "T1059", "behaviour"),), ()


def silent(report):
    return (), ()


@pytest.fixture
def floors(tmp_path):
    good = {"id": "s", "level": "span", "text": "ran scripts", "techniques": ["T1059"]}
    (tmp_path / "set.jsonl").write_text(json.dumps(good) + "\n", encoding="utf-8")
    path = tmp_path / "floors.json"
    entry = {"layer": "techniques", "level": "sentence", "digest": "", "least": {"f1": 0.0}}
    values = {
        "small": {"files": ["set.jsonl"], **entry},
        "absent": {"files": ["none.jsonl"], **entry, "least": {"f1": 0.5}},
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_pinning_writes_what_is_reached_and_keeps_absent_sets(floors, tmp_path):
    pin_floors(floors, tmp_path, find=find)
    small, absent = read_floors(floors)
    assert small.least == (("f1", 1.0),)
    assert absent.least == (("f1", 0.5),)
    assert absent.missing(tmp_path) == "absent: not at hand: none.jsonl"
    assert check_floor(small, tmp_path, find=find).f1 == 1.0


def test_a_floor_never_sinks_in_silence(floors, tmp_path):
    pin_floors(floors, tmp_path, find=find)
    with pytest.raises(EvaluationError, match="would lower floors"):
        pin_floors(floors, tmp_path, find=silent)
    with pytest.raises(EvaluationError, match="under the floor"):
        check_floor(read_floors(floors)[0], tmp_path, find=silent)
    pin_floors(floors, tmp_path, find=silent, lower=True)
    assert read_floors(floors)[0].least == (("f1", 0.0),)


def test_a_changed_set_is_no_pass(floors, tmp_path):
    pin_floors(floors, tmp_path, find=find)
    row = {"id": "t", "level": "span", "text": "ran again", "techniques": ["T1059"]}
    (tmp_path / "set.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="not the one of the floor"):
        check_floor(read_floors(floors)[0], tmp_path, find=find)


TOLD = """The Turla group targets ports. The threat actor Turla sent mails. APT28 is another group.
UNC9999 has targeted banks. The Korvex gang is known. In May Turla used a backdoor called Kazuar.
"""


def test_hidden_names_are_those_that_only_a_hidden_actor_explains(tmp_path, monkeypatch):
    """Turla is hidden, APT28 is not; UNC9999 is not annotated and found by its scheme."""
    monkeypatch.setattr(
        random.Random, "sample", lambda _, ids, __: [i for i in ids if i == "G0010"]
    )
    marks = [m.span() for m in re.finditer("Turla|APT28", TOLD)]
    row = row_of(
        {"id": "t", "text": TOLD, "actors": [{"start": a, "end": b} for a, b in marks]},
    )
    first = next(m for m in re.finditer("Turla", TOLD))

    def recognise(report, known):
        assert "Turla" not in {m.quote for m in known}
        return [Mention(report.id, *first.span(), "Turla", "actor", "", "name", rule="recognised")]

    scores = evaluate_hidden([row], catalogue=load_attack(), recognise=recognise)
    assert (scores.total.right, scores.total.missed, scores.total.false) == (1, 2, 1)
    assert [e.text for e in scores.errors if e.found] == ["UNC9999"]
    monkeypatch.setattr(random.Random, "sample", lambda _, __, ___: [])
    with pytest.raises(EvaluationError, match="draw 0 hides no actor"):
        evaluate_hidden([row], catalogue=load_attack())


def test_a_floor_may_hide_names(tmp_path, monkeypatch):
    monkeypatch.setattr(
        random.Random, "sample", lambda _, ids, __: [i for i in ids if i == "G0010"]
    )
    marks = [{"start": m.start(), "end": m.end()} for m in re.finditer("Turla", TOLD)]
    row = {"id": "t", "level": "document", "text": TOLD, "actors": marks}
    (tmp_path / "set.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    entry = {"files": ["set.jsonl"], "layer": "actors", "level": "sentence", "digest": ""}
    entry |= {"finder": "hidden names", "draw": 3, "least": {"recall": 0, "precision": 0}}
    path = tmp_path / "floors.json"
    path.write_text(json.dumps({"hidden": entry}), encoding="utf-8")
    pin_floors(path, tmp_path)
    (floor,) = read_floors(path)
    assert (floor.finder, floor.draw, dict(floor.least)["recall"]) == ("hidden names", 3, 1.0)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("floor", read_floors(PINNED), ids=lambda floor: floor.name)
def test_a_development_set_keeps_its_floor(floor):
    if "CTIMINE_DATA" not in os.environ:
        pytest.skip("CTIMINE_DATA is not set: the development sets are not at hand")
    folder = Path(os.environ["CTIMINE_DATA"]) / "data" / "eval"
    if absent := floor.missing(folder):
        pytest.skip(absent)
    check_floor(floor, folder)
