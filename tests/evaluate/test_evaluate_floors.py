"""Floors: they hold, they rise, they never sink in silence; the pinned sets keep theirs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ctimine.errors import EvaluationError
from ctimine.evaluate import check_floor, pin_floors, read_floors
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
