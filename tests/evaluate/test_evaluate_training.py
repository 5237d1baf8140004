"""Training on small made sets: repeatable, split by document, nothing kept that could be rebuilt."""

from __future__ import annotations

import gzip
import json
import random

import pytest

from ctimine.attack import load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate.training import fit_examples, train_behaviours
from ctimine.evaluate.training_material import folds_of, text_digest
from ctimine.extract.behaviours import SURE, find_behaviours
from ctimine.extract.behaviours_file import read_model, save_model
from ctimine.extract.grams import Grams, words_of
from ctimine.model import Report

LOUD = {
    "T1566.001": "spearphishing {} emails carried a malicious attachment to {}",
    "T1113": "the implant {} took screenshots of the desktop for {}",
    "T1056.001": "a keylogger {} recorded keystrokes typed by {}",
    "T1053.005": "persistence {} came from a scheduled task made for {}",
}
QUIET = ["the vendor {} published a press note about {}", "analysts {} met in the office of {}"]
NAMES = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three small sets in the row format, written by a seeded draw."""
    draw = random.Random(7)
    made = tmp_path_factory.mktemp("data") / "eval"
    made.mkdir()

    def sentence(pattern):
        return pattern.format(draw.choice(NAMES), draw.choice(NAMES)).capitalize() + "."

    def document(name):
        text, marks, spans = "", [], []
        for _ in range(16):
            technique = draw.choice([*LOUD, None, None, None, None])
            line = sentence(LOUD[technique] if technique else draw.choice(QUIET))
            start = len(text)
            text += line + "\n"
            spans.append([start, len(text) - 1])
            if technique:
                marks.append({"start": start, "end": len(text) - 1, "id": technique})
        return {"id": name, "text": text, "sentences": spans, "techniques_mentions": marks}

    def write(name, rows):
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (made / name).write_bytes(gzip.compress(body) if name.endswith("gz") else body)

    def single(number, key):
        technique = draw.choice(list(LOUD))
        return {
            "id": f"{key}{number}",
            "level": "sentence",
            key: f"{key}-{number % 9}",
            "text": sentence(LOUD[technique]),
            "techniques": [technique],
        }

    write("procedures.jsonl.gz", [single(n, "subject") for n in range(120)])
    write("tram_spans.jsonl", [single(n, "doc_id") for n in range(40)])
    write("tram_docs.jsonl", [document(f"t{n}") for n in range(8)])
    write("annoctr_train.jsonl", [document(f"c{n}") for n in range(12)])
    extra = [document(f"e{n}") for n in range(12)]
    write("annoctr_ext.jsonl", [{**row, "techniques_mentions": []} for row in extra])
    verdicts = [
        {
            "set": "annoctr",
            "file": "annoctr_ext.jsonl",
            "document": row["id"],
            "sha256": text_digest(row["text"]),
            "judged": len(row["text"]),
            "techniques": [[m["start"], m["end"], m["id"]] for m in row["techniques_mentions"]],
        }
        for row in extra
    ]
    made.with_name("read.jsonl").write_text("".join(json.dumps(v) + "\n" for v in verdicts))
    bundle = made.parent / "attack" / "enterprise-attack-18.1.json.gz"
    bundle.parent.mkdir()
    said = " ".join(sentence(draw.choice(QUIET)) for _ in range(120))
    objects = [{"type": "tool", "id": f"tool--{n}", "description": said} for n in range(2)]
    bundle.write_bytes(gzip.compress(json.dumps({"objects": objects}).encode()))
    return made


@pytest.fixture(scope="module")
def model(folder):
    return train_behaviours(folder)


def test_the_same_sets_give_the_same_bytes(folder, model, tmp_path):
    save_model(model, tmp_path / "one.npz")
    save_model(train_behaviours(folder), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_trained_model_finds_what_it_was_shown(model):
    text = "The implant took screenshots of the desktop. The vendor published a press note."
    found = find_behaviours(Report("r", "s", "i", text), threshold="recall", model=model)
    best = max(found, key=lambda mention: mention.score)
    assert (best.quote, best.concept) == ("The implant took screenshots of the desktop.", "T1113")
    assert {mention.start for mention in found} == {0}


@pytest.fixture(scope="module")
def verdicts(folder):
    return folder.with_name("read.jsonl")


@pytest.fixture(scope="module")
def read(folder, verdicts):
    return train_behaviours(folder, verdicts=verdicts)


SHOT = "The implant took screenshots of the desktop for bravo. "


def test_what_was_read_teaches_a_reader_who_says_of_what_it_is_sure(read, tmp_path):
    text = SHOT * 3 + "The vendor published a press note about alpha."
    found = find_behaviours(Report("r", "s", "i", text), model=read)
    assert {m.rule for m in found if m.concept == "T1113"} == {SURE}
    assert {m.start for m in found} == {0, len(SHOT), 2 * len(SHOT)}
    save_model(read, tmp_path / "read.npz")
    again = read_model(tmp_path / "read.npz")
    kept = find_behaviours(Report("r", "s", "i", text), model=again)
    assert [(m.start, m.concept, m.rule) for m in kept] == [
        (m.start, m.concept, m.rule) for m in found
    ]


def test_without_what_was_read_nobody_is_sure(model):
    found = find_behaviours(Report("r", "s", "i", SHOT * 3), model=model)
    assert found
    assert SURE not in {m.rule for m in found}


def test_verdicts_on_another_text_are_none(folder, verdicts, tmp_path):
    row = json.loads(verdicts.read_text().splitlines()[0])
    other = tmp_path / "read.jsonl"
    other.write_text(json.dumps({**row, "sha256": "0" * 16}))
    with pytest.raises(EvaluationError, match=f"{row['document']}.*not the text"):
        train_behaviours(folder, verdicts=other)
    for broken in ("[]", "{", json.dumps({**row, "techniques": [[1, 2]]}), '{"set": "annoctr"}'):
        other.write_text(broken)
        with pytest.raises(EvaluationError, match=r"read\.jsonl.*no verdicts there"):
            train_behaviours(folder, verdicts=other)


def test_what_was_read_in_the_reports_of_the_ranker_is_left_out(folder, tmp_path):
    rows = [json.loads(line) for line in (folder / "tram_docs.jsonl").read_text().splitlines()]
    verdicts = tmp_path / "read.jsonl"
    verdicts.write_text(
        "".join(
            json.dumps(
                {
                    "set": "tram",
                    "file": "tram_docs.jsonl",
                    "document": row["id"],
                    "sha256": text_digest(row["text"]),
                    "judged": len(row["text"]),
                    "techniques": [],
                }
            )
            + "\n"
            for row in rows
        )
    )
    made = train_behaviours(folder, verdicts=verdicts)
    alone = train_behaviours(folder, without=("annoctr",), verdicts=verdicts)
    assert len(made.linear.blocks) == 4  # its own, TRAM's, of examples, of what was read
    assert len(alone.linear.blocks) == 2  # TRAM's reports are the ranker's own here


def test_every_kept_gram_stands_in_three_documents(folder, model):
    documents: dict[int, set[str]] = {}
    grams = Grams()
    for path in folder.iterdir():
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                name = row.get("doc_id") or row.get("subject") or row["id"]
                for words in words_of(row["text"].split("\n")):
                    for gram in grams.of(words):
                        documents.setdefault(gram, set()).add(name)
    assert all(len(documents[gram]) >= 3 for gram in model.linear.hashes.tolist())


@pytest.mark.parametrize("without", [("annoctr",), ("tram",), ("annoctr", "tram")])
def test_sets_can_be_left_out(folder, without):
    made = train_behaviours(folder, without=without)
    assert set(made.about["sets"]) == {"attack", "annoctr", "tram"} - set(without)
    text = "The implant took screenshots of the desktop."
    assert find_behaviours(Report("r", "s", "i", text), threshold="recall", model=made)


def test_a_missing_set_and_an_unknown_one_are_named(folder, tmp_path):
    with pytest.raises(EvaluationError, match=r"procedures\.jsonl\.gz"):
        train_behaviours(tmp_path)
    with pytest.raises(EvaluationError, match="attack"):
        train_behaviours(folder, without=("attack",))


def test_folds_keep_documents_together_and_are_even():
    names = [f"d{n}" for n in range(20)] * 2
    folds = folds_of(names, 5, 3)
    assert folds[:20] == folds[20:]
    assert sorted(folds[:20]) == sorted(list(range(5)) * 4)


def test_examples_alone_tell_which_technique_a_span_is():
    examples = [
        (LOUD[name].format(draw, draw), frozenset({name}), draw) for name in LOUD for draw in NAMES
    ]
    classify = fit_examples(examples, load_attack())
    assert classify(["It took screenshots of a desktop.", "It recorded keystrokes."]) == [
        "T1113",
        "T1056",
    ]
    assert classify([]) == []
