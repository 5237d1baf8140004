"""Training of the recogniser: what it learns from, what it refuses, that it is the same each time."""

from __future__ import annotations

import json
import random
import re

import pytest

from ctimine.attack import load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate import train_names
from ctimine.evaluate.coined import Coiner
from ctimine.evaluate.name_training import read_annotated, truth_of
from ctimine.extract.recogniser import Candidate, find_new_names
from ctimine.model import Report

SENTENCES = """
The [A] group has targeted ports since 2020.
We attribute this activity to the threat actor [A].
[A], a financially motivated gang, sells access to networks.
[A] operators deployed the [M] backdoor on servers of [O].
The [M] malware reads its orders from a page.
[M] is a loader that fetches a payload called [M].
Researchers at [O] published a report about the attack.
[O] customers were the target of malicious mails.
In May, [A] sent lures to staff of [O].
The attackers installed [T], a remote tool, on victims.
The [P] group of the theatre sold tickets for an attack on Shakespeare.
"""
TYPES = {"A": "GROUP", "M": "MALWARE", "O": "ORG", "T": "TOOL"}


def annotated(number):
    """A report of our own sentences with invented names, as a row of the development sets."""
    coiner = Coiner(random.Random(number))
    names = {"A": coiner.actor(), "M": coiner.malware(), "O": coiner.firm(), "T": coiner.tool()}
    names["P"] = coiner.firm()
    text, spans = "", []
    for part in re.split(r"(\[[AMOPT]\])", SENTENCES.strip()):
        slot = part[1:2] if re.fullmatch(r"\[[AMOPT]\]", part) else ""
        if slot:
            start = len(text)
            text += names[slot]
            if slot in TYPES:
                spans.append({"start": start, "end": len(text), "type": TYPES[slot]})
        else:
            text += part
    return {"id": f"own-{number}", "level": "document", "text": text, "entities": spans}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets")
    rows = "".join(json.dumps(annotated(number)) + "\n" for number in range(6))
    (path / "annoctr_train.jsonl").write_text(rows, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    steps = []
    model = train_names(folder, out, rounds=2, progress=steps.append)
    assert steps
    return model, out


@pytest.mark.slow
def test_a_model_is_written_that_the_recogniser_can_use(trained):
    from ctimine.extract.names_model import load_recogniser

    _, out = trained
    report = Report("r", "s", "i", "The Korvex group sent mails to its victims in May.")
    found = find_new_names(report, [], load_recogniser(out))
    assert all(report.text[m.start : m.end] == m.quote for m in found)


@pytest.mark.slow
def test_no_list_of_words_is_written(trained):
    _, out = trained
    assert not [path for path in out.rglob("*") if "strings" in path.name]
    held = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"akespear" not in held


@pytest.mark.slow
def test_equal_input_gives_an_equal_model(folder, trained, tmp_path):
    model, out = trained
    again = train_names(folder, tmp_path / "again", rounds=2)
    assert again.weights == model.weights
    assert (tmp_path / "again" / "ner" / "model").read_bytes() == (
        out / "ner" / "model"
    ).read_bytes()


def test_a_set_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=re.escape("annoctr_train.jsonl")):
        train_names(tmp_path, tmp_path / "out")
    (tmp_path / "annoctr_train.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(EvaluationError, match=re.escape("annoctr_train.jsonl")):
        train_names(tmp_path, tmp_path / "out")


def test_one_report_is_too_little(tmp_path):
    (tmp_path / "annoctr_train.jsonl").write_text(json.dumps(annotated(1)) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="two reports"):
        train_names(tmp_path, tmp_path / "out")


def test_the_truth_of_a_name_is_that_of_most_of_its_places(folder):
    from collections import Counter

    report = read_annotated(folder / "annoctr_train.jsonl")[0]
    groups = [(a, b) for a, b, kind in report.spans if kind == "GROUP"]
    firms = [(a, b) for a, b, kind in report.spans if kind == "ORG"]

    def truth(places):
        return truth_of(Candidate("X", places, 0, Counter(), Counter()), report)

    assert truth(groups) == "actor"
    assert truth(firms) == ""
    assert truth([*groups[:1], *firms[:2]]) == ""


def test_invented_names_are_no_names_of_the_catalogue():
    coiner = Coiner(random.Random(5))
    names = [coiner.actor() for _ in range(500)]
    catalogue = load_attack()
    known = [name for name in names if catalogue.named(name, "actor")]
    assert len(known) <= 5
    assert len(set(names)) > 450
