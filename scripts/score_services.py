"""Scores the detector of abused web services on sentences with gold.

    python scripts/score_services.py corpora/services/development.jsonl [--show]

A sentence counts as found when a technique mention with a stance that says use or ability is made;
as right when its technique is the gold's too (T1567 stands for its sub-techniques). ``--show``
prints the errors; the unopened set is scored without it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ctimine.extract.services import find_services
from ctimine.extract.stance import set_stance
from ctimine.model import Report

STATED = {"reported", "assessed", "capability", "claimed"}


def same(found: str, gold: str) -> bool:
    """Whether two techniques agree, where one may be the parent T1567."""
    return found == gold or ("T1567" in {found, gold} and found[:5] == gold[:5])


def score(lines: list[str], *, show: bool = False) -> dict[str, float]:
    """Precision and recall of abuse found and of its role, and the share of services named."""
    hits = wrong = missed = right = named = naming = 0
    for line in lines:
        row = json.loads(line)
        report = Report("r", "s", "i", row["text"], language="en")
        mentions = [m for m in set_stance(report, find_services(report)) if m.stance in STATED]
        techniques = [m for m in mentions if m.kind == "technique"]
        found, gold = (techniques[0].concept if techniques else ""), row["technique"]
        if found and gold:
            hits += 1
            right += same(found, gold)
            naming += bool(row["services"])
            services = {m.concept for m in mentions if m.kind == "service"}
            named += bool(services & set(row["services"]))
        wrong += bool(found and not gold)
        missed += bool(gold and not found)
        if show and not (found == gold or (found and gold and same(found, gold))):
            print(f"{gold or '-':<10} {found or '-':<10} {row['text']}")
    return {
        "precision": hits / (hits + wrong),
        "recall": hits / (hits + missed),
        "role precision": right / (hits + wrong),
        "role recall": right / (hits + missed),
        "service named": named / naming,
    }


def main() -> None:
    """Print the scores of one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    lines = arguments.file.read_text(encoding="utf-8").splitlines()
    for name, value in score(lines, show=arguments.show).items():
        print(f"{name:<15} {value:.3f}")


if __name__ == "__main__":
    main()
