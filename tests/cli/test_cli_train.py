"""``ctimine train behaviours``: from a folder of annotated sets to a model file that works."""

from __future__ import annotations

import gzip
import json
import sys

import pytest
from typer.testing import CliRunner

from ctimine.cli.main import app
from ctimine.errors import EvaluationError, InputError
from ctimine.extract.behaviours import find_behaviours
from ctimine.extract.behaviours_file import read_model
from ctimine.model import Report

WAYS = {
    "T1113": "The implant takes screenshots of the desktop {}.",
    "T1105": "The loader downloads further files from the server {}.",
    "T1566.001": "The group sends emails with a malicious attachment {}.",
}
QUIET = "The vendor wrote a note about the market {}."
WHEN = ("now", "today", "later", "often", "again", "weekly", "at night", "in March", "twice")


@pytest.fixture
def folder(tmp_path):
    """Sets as small as training takes them: examples, and reports with what is none."""
    examples, reports = [], []
    for number, when in enumerate(WHEN):
        text, spans, marks = "", [], []
        for technique, pattern in [*WAYS.items(), *[("", QUIET)] * 4]:
            line = pattern.format(when)
            spans.append([len(text), len(text) + len(line)])
            if technique:
                marks.append({"start": len(text), "end": len(text) + len(line), "id": technique})
                examples.append({"text": line, "techniques": [technique], "subject": when})
            text += line + "\n"
        row = {"id": f"r{number}", "text": text, "sentences": spans, "techniques_mentions": marks}
        reports.append(json.dumps(row) + "\n")
    lines = "".join(json.dumps(example) + "\n" for example in examples)
    (tmp_path / "procedures.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "annoctr_train.jsonl").write_text("".join(reports), encoding="utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["train", "behaviours", *map(str, arguments)])


def test_a_model_is_trained_written_and_used(folder):
    files = [folder / "one.npz", folder / "two.npz"]
    for file in files:
        done = run(folder, "--out", file, "--without", "tram", "--seed", "3")
        assert done.exit_code == 0, done.output
        assert "3 techniques" in done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    model = read_model(files[0])
    assert model.about["seed"] == 3
    assert model.about["sets"] == ["annoctr", "attack"]
    text = "The implant takes screenshots of the desktop. The vendor wrote a note."
    found = find_behaviours(Report("r", "s", "i", text), threshold="recall", model=model)
    assert "T1113" in {mention.concept for mention in found if mention.start == 0}


def test_a_set_that_is_not_there_is_named(folder):
    done = run(folder, "--out", folder / "one.npz")
    assert isinstance(done.exception, EvaluationError)
    assert "tram_docs.jsonl" in str(done.exception)
    assert not (folder / "one.npz").exists()


def test_a_set_that_cannot_be_left_out_is_named(folder):
    done = run(folder, "--without", "attack,tram")
    assert isinstance(done.exception, EvaluationError)
    assert "attack" in str(done.exception)


def test_without_scikit_learn_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    done = run(folder, "--without", "tram", "--out", folder / "one.npz")
    assert isinstance(done.exception, EvaluationError)
    assert "ctimine[train]" in str(done.exception)


def test_a_folder_for_the_model_that_is_not_there_is_named_before_training(folder):
    done = run(folder, "--out", folder / "none" / "one.npz")
    assert isinstance(done.exception, InputError)
    assert "none" in str(done.exception)


def test_the_names_are_trained_from_their_own_command(tmp_path, monkeypatch):
    asked = []

    class Trained:
        pass

    def instead(folder, out, *, seed, progress):
        progress("reading")
        out.mkdir()
        (out / "model").write_bytes(b"x" * 1_000_000)
        asked.append((folder, seed))
        return Trained()

    # The training itself takes minutes; tests/evaluate/test_evaluate_names.py runs it.
    monkeypatch.setattr("ctimine.evaluate.train_names", instead)
    out = tmp_path / "names"
    done = CliRunner().invoke(app, ["train", "names", str(tmp_path), "--out", str(out), "--seed=4"])
    assert done.exit_code == 0, done.output
    assert asked == [(tmp_path, 4)]
    assert "1.0 MB" in done.output


def test_names_from_a_folder_without_the_set_is_an_error_that_names_it(tmp_path):
    done = CliRunner().invoke(app, ["train", "names", str(tmp_path), "--out", str(tmp_path / "m")])
    assert isinstance(done.exception, EvaluationError)
    assert "annoctr_train.jsonl" in str(done.exception)
    done = CliRunner().invoke(app, ["train", "names", str(tmp_path), "--out", "/nowhere/at/all"])
    assert isinstance(done.exception, InputError)
