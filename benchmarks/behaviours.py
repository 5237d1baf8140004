"""Scores of the behaviour model out of fold, by document, and its speed.

    CTIMINE_DATA=... python benchmarks/behaviours.py prose|closed|spans|speed [--folds 5]

``prose``: AnnoCTR train and dev, parents, sentences that write an id masked. ``closed``: TRAM whole
reports inside their label space. Each fold trains a whole model on the other documents. ``--union``
also scores what the rules for names and services find beside it, as ``extract`` would.
``spans``: TRAM's single spans, each known to be one of its techniques, folded to parents: which?
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

from ctimine.attack import load_attack
from ctimine.evaluate import evaluate_rows, read_rows, to_text
from ctimine.evaluate.training import fit, fit_examples
from ctimine.evaluate.training_material import Material, folds_of, read_material, texts_of
from ctimine.extract.behaviours import find_behaviours, load_model
from ctimine.extract.finding import find_mentions
from ctimine.extract.services import find_services

FOLDER = Path(os.environ["CTIMINE_DATA"]) / "data" / "eval"
VERDICTS = Path(__file__).parents[1] / "corpora" / "behaviours" / "read.jsonl"


def out_of_fold(kind: str, folds: int, seed: int):
    """(row, mentions at a low threshold, thresholds of the model that made them) for each row."""
    catalogue = load_attack()
    # What was read in TRAM's reports would tell of those that are held out there.
    verdicts = VERDICTS if kind == "prose" else None
    material = read_material(FOLDER, ("attack", "tram", "annoctr"), catalogue, verdicts)
    files = (
        ("annoctr_train.jsonl", "annoctr_dev.jsonl") if kind == "prose" else ("tram_docs.jsonl",)
    )
    rows = [row for file in files for row in read_rows(FOLDER / file)]
    place = folds_of([row.document for row in rows], folds, seed)
    found = {}
    for fold in range(folds):
        began = time.time()
        train = [row for row, at in zip(rows, place, strict=True) if at != fold]
        held = {row.document for row, at in zip(rows, place, strict=True) if at == fold}
        if kind == "prose":
            part = dataclasses.replace(material, prose=texts_of(train, catalogue))
        else:
            # The style of this set: a model whose gate and ranker learn from it alone.
            examples = tuple(e for e in material.examples if e[2] not in held)
            part = Material((), texts_of(train, catalogue), examples)
        model = fit(part, catalogue)
        named = dict(model.thresholds)
        model.thresholds["all"] = 0.02
        for row, at in zip(rows, place, strict=True):
            if at == fold:
                found[row.key] = (find_behaviours(row.report, threshold="all", model=model), named)
        print(f"fold {fold}: {time.time() - began:.0f} s", flush=True)
    return rows, found


def with_rules(rows, found):
    """What was found together with what the rules find, which score by their own scale."""
    catalogue = load_attack()
    return {
        row.key: (
            [
                *found[row.key][0],
                *(
                    mention
                    for mention in (
                        *find_mentions(row.report, catalogue),
                        *find_services(row.report),
                    )
                    if mention.kind == "technique"
                ),
            ],
            found[row.key][1],
        )
        for row in rows
    }


def spans(folds, seed):
    """Micro and macro F1 of the technique that a span most likely is."""
    catalogue = load_attack()
    examples = read_material(FOLDER, ("attack", "tram"), catalogue).examples
    documents = {row.document for row in read_rows(FOLDER / "tram_docs.jsonl")}
    own = [n for n, example in enumerate(examples) if example[2] in documents]
    label = [min(ids).partition(".")[0] if ids else "" for _, ids, _ in examples]
    space = {label[n] for n in own}
    place = dict(zip(own, folds_of([examples[n][2] for n in own], folds, seed), strict=True))
    right, said = [], []
    for fold in range(folds):
        train = [n for n in range(len(examples)) if label[n] in space and place.get(n) != fold]
        held = [n for n in own if place[n] == fold]
        classify = fit_examples([examples[n] for n in train], catalogue)
        said += classify([examples[n][0] for n in held])
        right += [label[n] for n in held]
    micro = sum(a == b for a, b in zip(right, said, strict=True)) / len(right)
    each = []
    for name in sorted(space):
        hits = sum(a == b == name for a, b in zip(right, said, strict=True))
        each.append(2 * hits / max(1, right.count(name) + said.count(name)))
    print(
        f"{len(right)} spans, {len(space)} techniques: micro F {micro:.3f}, "
        f"macro F {sum(each) / len(each):.3f}"
    )


def scores(rows, found, threshold, *, level, closed):
    by_report = {row.report.id: found[row.key] for row in rows}

    def find(report):
        mentions, named = by_report[report.id]
        least = named[threshold] if isinstance(threshold, str) else threshold
        return [m for m in mentions if m.basis != "behaviour" or m.score >= least], ()

    return evaluate_rows(rows, level=level, parents=True, closed=closed, mask_ids=True, find=find)


def line(name, rows, found, threshold, *, closed):
    sentence = scores(rows, found, threshold, level="sentence", closed=closed)
    report = scores(rows, found, threshold, level="report", closed=closed)
    print(
        f"{name:>9} sentence P {sentence.precision:.3f} R {sentence.recall:.3f} "
        f"F {sentence.f1:.3f} fpr {sentence.false_positive_rate:.3f} | report P "
        f"{report.precision:.3f} R {report.recall:.3f} F {report.f1:.3f} | "
        f"calibration error {sentence.calibration_error:.3f}",
        flush=True,
    )
    return sentence


def speed():
    rows = list(read_rows(FOLDER / "annoctr_train.jsonl"))
    reports = [row.report for row in rows]
    count = sum(len(row.sentences) for row in rows)
    size = sum(len(row.text) for row in rows)
    model = load_model()
    for name in ("first pass", "warm"):
        began = time.process_time()
        for report in reports:
            find_behaviours(report, model=model)
        took = time.process_time() - began
        print(f"{name}: {count / took:.0f} sentences/s, {size / took / 1e6:.2f} MB/s on one core")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["prose", "closed", "spans", "speed"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--union", action="store_true", help="with what the rules find")
    parser.add_argument("--labels", action="store_true", help="print the scores by technique")
    chosen = parser.parse_args()
    if chosen.what == "speed":
        speed()
        return
    if chosen.what == "spans":
        spans(chosen.folds, chosen.seed)
        return
    rows, found = out_of_fold(chosen.what, chosen.folds, chosen.seed)
    closed = chosen.what == "closed"
    for threshold in ("high", "balanced", "recall", 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6):
        sentence = line(str(threshold), rows, found, threshold, closed=closed)
        if threshold == "balanced" and chosen.labels:
            print(to_text(sentence, labels=60, errors=0))
    if chosen.union:
        print("with the rules for names and services")
        together = with_rules(rows, found)
        for threshold in ("high", "balanced", "recall"):
            line(threshold, rows, together, threshold, closed=closed)


if __name__ == "__main__":
    main()
