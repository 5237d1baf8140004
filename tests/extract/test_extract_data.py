"""Actors on annotated development reports: floors that can only rise.

Set ``CTIMINE_DATA`` to the folder that holds ``data/eval``; without it these tests skip.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ctimine.attack import load_attack
from ctimine.extract.finding import find_mentions
from ctimine.model import Report

pytestmark = pytest.mark.data

FILE = Path(os.environ.get("CTIMINE_DATA", ".")) / "data" / "eval" / "annoctr_dev.jsonl"


@pytest.fixture(scope="module")
def scored():
    if not os.environ.get("CTIMINE_DATA") or not FILE.is_file():
        pytest.skip("CTIMINE_DATA names no folder with data/eval/annoctr_dev.jsonl")
    counts = dict.fromkeys(("found", "right", "gold", "hit", "linkable", "linked"), 0)
    attack = load_attack()
    for line in FILE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        mentions = find_mentions(Report(row["id"], "set", row["id"], row["text"]), attack)
        for mention in mentions:
            assert row["text"][mention.start : mention.end] == mention.quote
        actors = [m for m in mentions if m.kind == "actor"]
        counts["found"] += len(actors)
        counts["right"] += sum(
            any(g["start"] < m.end and m.start < g["end"] for g in row["actors"]) for m in actors
        )
        for gold in row["actors"]:
            over = [m for m in actors if gold["start"] < m.end and m.start < gold["end"]]
            counts["gold"] += 1
            counts["hit"] += bool(over)
            if over and gold["link"]:
                counts["linkable"] += 1
                counts["linked"] += any(m.concept == gold["link"] for m in over)
    return counts


def test_actors_overlap_the_gold(scored):
    precision = scored["right"] / scored["found"]
    recall = scored["hit"] / scored["gold"]
    assert 2 * precision * recall / (precision + recall) >= 0.95


def test_actors_are_linked_to_the_right_group(scored):
    assert scored["linked"] / scored["linkable"] >= 0.98
