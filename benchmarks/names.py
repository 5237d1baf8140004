"""Names that no list knows: the recogniser out of fold, hidden names, other sets, speed.

Usage: python benchmarks/names.py FOLDER [--models FOLDER] [--rounds N] [TEXTS]

FOLDER holds the development sets. Five models are trained, each without a fifth of the reports of
AnnoCTR train and dev (kept in --models, where they are used again); a judge for each fold learns
from the reports of the others, as the models that have not read them see them. Printed are:

- actors, overlap F, known names alone and with the recogniser, over all reports out of fold;
- hidden names: 30 % of the catalogue's actors, drawn by seed, are taken away; recall over the
  annotated mentions that only they explain, and the precision of all actors without a concept;
  the floors pin the same with the model of the package, which has read the training split;
- dev and DNRTI with the model of the package;
- share of the text that the model reads, megabytes a second, resident memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from collections import Counter
from pathlib import Path

from ctimine.attack import load_attack
from ctimine.evaluate import evaluate_hidden, evaluate_rows, read_rows
from ctimine.evaluate.name_training import (
    EXAMPLES,
    UNMARKED,
    fit_judge,
    judged,
    read_annotated,
    read_examples,
    read_unmarked,
    train_nlp,
)
from ctimine.extract import extract, find_mentions
from ctimine.extract.candidates import covered, plain_spaces
from ctimine.extract.names_model import Recogniser, load_nlp, packaged
from ctimine.extract.recogniser import (
    Thresholds,
    find_new_names,
    open_sentences,
    words_of_report,
)
from ctimine.model import Report

FOLDS = 5
DRAWS = 3
CATALOGUE = load_attack()


def fold_of(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % FOLDS


def recognisers(folder: Path, models: Path, rounds: int) -> list[Recogniser]:
    """One recogniser a fold, none of which has seen a report of it."""
    reports = [a for s in ("train", "dev") for a in read_annotated(folder / f"annoctr_{s}.jsonl")]
    examples = read_examples(folder / EXAMPLES)
    unmarked = read_unmarked(folder / UNMARKED, CATALOGUE)
    nlps, rows, more = [], [], []
    for number in range(FOLDS):
        path = models / f"fold_{number}"
        if not path.exists():
            rest = [a for a in reports if fold_of(a.report.item) != number]
            nlp = train_nlp(rest, examples, rounds=rounds, catalogue=CATALOGUE)
            models.mkdir(parents=True, exist_ok=True)
            nlp.to_disk(path, exclude=["vocab"])
        nlps.append(load_nlp(path))
        held = [a for a in reports if fold_of(a.report.item) == number]
        rows.append([row for a in held for row in judged(a, nlps[-1], CATALOGUE)])
        more.append([r for a in unmarked for r in judged(a, nlps[-1], CATALOGUE, marked=False)])
    return [
        Recogniser(
            nlp,
            fit_judge(
                [row for at, part in enumerate(rows) if at != number for row in part] + more[number]
            ),
            Thresholds(),
        )
        for number, nlp in enumerate(nlps)
    ]


def joined(report: Report, recogniser: Recogniser) -> tuple[list, tuple]:
    known = find_mentions(report, CATALOGUE)
    return [*known, *find_new_names(report, known, recogniser)], ()


def show(name: str, scores) -> None:
    print(
        f"{name:<44} P {scores.precision:.3f} R {scores.recall:.3f} F {scores.f1:.3f}"
        + (f" linked {scores.linked:.3f}" if scores.linked is not None else "")
    )


def hidden_names(rows, name: str, recognise) -> None:
    hit = wanted = false = 0
    for draw in range(DRAWS):
        scores = evaluate_hidden(rows, draw=draw, catalogue=CATALOGUE, recognise=recognise)
        total = scores.total
        show(f"hidden, draw {draw}, {name}, {total.right + total.missed} mentions", scores)
        wanted, hit = wanted + total.right + total.missed, hit + total.right
        false += total.false
        print("  false:", dict(Counter(e.text for e in scores.errors if e.found).most_common(12)))
    print(f"hidden, {name}, all: recall {hit / wanted:.3f}, precision {hit / (hit + false):.3f}")


def speed(texts: list[str]) -> None:
    reports = [Report(str(n), "benchmark", "", text, language="en") for n, text in enumerate(texts)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    read = 0
    for report in reports:
        mask = covered(report.text, ((m.start, m.end) for m in find_mentions(report, CATALOGUE)))
        text = plain_spaces(report.text)
        spans = open_sentences(text, mask, words_of_report(text))
        read += sum(b - a for a, b in spans)
    print(f"read by the model: {read / sum(map(len, texts)):.3f} of the text")
    for names in ("listed", "all"):
        extract(reports[0], CATALOGUE, names=names, behaviours=None)
        began = time.process_time()
        for report in reports:
            extract(report, CATALOGUE, names=names, behaviours=None)
        print(f"extract(names={names!r}): {size / (time.process_time() - began):.2f} MB/s")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=["folds", "package", "speed"], action="append")
    options = parser.parse_args()
    parts = options.only or ["folds", "package", "speed"]
    folder = options.folder
    dev = list(read_rows(folder / "annoctr_dev.jsonl"))
    rows = [*read_rows(folder / "annoctr_train.jsonl"), *dev]

    if "speed" in parts:  # first, while memory holds nothing else
        with (folder / "annoctr_ext.jsonl").open(encoding="utf-8") as lines:
            speed([json.loads(line)["text"] for line in lines][:80])
    if "package" in parts:
        dnrti = list(read_rows(folder / "dnrti_train.jsonl"))
        for name, some in (("dev", dev), ("DNRTI", dnrti)):
            find = lambda report: (find_mentions(report, CATALOGUE), ())  # noqa: E731
            show(f"{name}, known names", evaluate_rows(some, layer="actors", find=find))
            find = lambda report: joined(report, packaged())  # noqa: E731
            show(f"{name}, with the recogniser", evaluate_rows(some, layer="actors", find=find))
        hidden_names(rows, "package", find_new_names)
    if "folds" in parts:
        folds = recognisers(folder, options.models or Path("names_folds"), options.rounds)
        find = lambda report: (find_mentions(report, CATALOGUE), ())  # noqa: E731
        show("train and dev, known names", evaluate_rows(rows, layer="actors", find=find))
        find = lambda report: joined(report, folds[fold_of(report.item)])  # noqa: E731
        show(
            "train and dev, with the recogniser, 5 folds",
            evaluate_rows(rows, layer="actors", find=find),
        )
        hidden_names(
            rows, "5 folds", lambda r, known: find_new_names(r, known, folds[fold_of(r.item)])
        )


if __name__ == "__main__":
    main()
