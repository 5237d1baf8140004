"""Draws a seeded sample of claims from a corpus, to be judged by reading them in their text.

    python scripts/draw_claims.py CORPUS [--seed 20261124] [--number 64] [--relation uses]
        [--behaviours balanced] [--show] [--around 600]
    python scripts/draw_claims.py --rows FILE.jsonl [FILE.jsonl ...] [--number 100] ...

Mines ``CORPUS``, or reads each text of annotated ``--rows`` as a report of its own whose title is
its first line; keeps the claims that tie an actor to a technique and were taken from the words of
a report (basis id, name or behaviour, not a row of a structured file; stance reported or assessed),
and prints a sample of them, a row each. The same texts and rules give the same sample: claims are
sorted by their key before they are drawn. ``--show`` adds the quote, what stands around it and the
headings above it, for the eyes of the judge; the texts are others' property and stay out of pages.
All of it goes to standard output, nothing to a file.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctimine.model import EVIDENT, UNSEEN

if TYPE_CHECKING:
    from ctimine.attack import Catalogue
    from ctimine.extract.behaviours import Threshold
    from ctimine.model import Claim, Report

FROM_TEXT = frozenset({"id", "name", "behaviour"})
"""Bases that rest on the words of a report; the others repeat a structured source."""

AROUND = 600
"""Characters shown on each side of a quote."""


def candidates(
    claims: Iterable[Claim],
    catalogue: Catalogue,
    *,
    relation: str = "uses",
    software: Collection[str] = (),
) -> list[Claim]:
    """The claims that may be drawn, in order of their keys: an actor, a technique, a text.

    A subject that no catalogue knows counts as an actor unless ``software`` has its key; the judge
    says if it is none.
    """

    def is_actor(subject: str) -> bool:
        concept = catalogue.get(subject)
        return subject not in software if concept is None else concept.kind == "actor"

    def is_technique(thing: str) -> bool:
        concept = catalogue.get(thing)
        return concept is not None and concept.kind == "technique"

    kept = {
        claim.key: claim
        for claim in claims
        if claim.relation == relation
        and claim.basis in FROM_TEXT
        and claim.stance in EVIDENT
        and is_actor(claim.subject)
        and (relation != "uses" or is_technique(claim.object))
    }
    return [kept[key] for key in sorted(kept)]


def draw(claims: Sequence[Claim], *, seed: int, number: int) -> list[Claim]:
    """A sample of ``number`` claims (all, if there are fewer), the same for the same claims."""
    return random.Random(seed).sample(list(claims), min(number, len(claims)))  # noqa: S311


def row(claim: Claim, report: Report) -> str:
    """Where a claim stands and what it says, without a word of the text."""
    return "\t".join(
        (
            report.item,
            f"{claim.start}:{claim.end}",
            claim.key,
            claim.subject,
            claim.object,
            claim.rule,
            claim.basis,
            claim.stance,
        )
    )


def context(claim: Claim, report: Report, around: int = AROUND) -> Iterator[str]:
    """The headings above the quote, and the quote in ``>>> <<<`` with what stands around it."""
    above = next((b.path for b in report.blocks if b.start <= claim.start < b.end), ())
    yield f"    title: {report.title}"
    yield f"    headings: {' > '.join(above)}"
    yield f"    {claim.subject_name} / {claim.object_name} / via {claim.via or '-'}"
    yield f"    subject at {claim.subject_at}, object at {claim.object_at}"
    text = report.text
    before = text[max(0, claim.start - around) : claim.start]
    yield f"{before}>>>{claim.quote}<<<{text[claim.end : claim.end + around]}"
    yield "-" * 100


def mined_corpus(
    corpus: str, catalogue: Catalogue, behaviours: Threshold | None
) -> tuple[dict[str, Report], list[Claim], set[str]]:
    """The reports of a folder, checkout or archive by id, copies folded, and their claims.

    With the subjects that are software, as far as no catalogue knows them.
    """
    from ctimine.mine import mine

    run = mine(corpus, catalogue=catalogue, cited=False, behaviours=behaviours)
    software = {node for node, kind in run.graph.nodes(data="kind") if kind == "software"}
    return {report.id: report for report in run.reports}, list(run.claims), software


def mined_rows(
    files: Iterable[Path], catalogue: Catalogue, behaviours: Threshold | None
) -> tuple[dict[str, Report], list[Claim], set[str]]:
    """The texts of annotated rows as reports by id, and their claims; the annotations do not count.

    With the subjects that are software, as far as no catalogue knows them. A text that stands in
    several rows is read once.
    """
    from ctimine.attack import fold
    from ctimine.evaluate import read_rows
    from ctimine.extract import extract

    reports: dict[str, Report] = {}
    claims: list[Claim] = []
    seen: set[str] = set()
    software: set[str] = set()
    actors: set[str] = set()
    for file in files:
        for found in read_rows(file):
            if found.text in seen:
                continue
            seen.add(found.text)
            first = next((line for line in found.text.splitlines() if line.strip()), "")
            report = dataclasses.replace(found.report, title=first.strip(" #*_")[:200])
            reports[report.id] = report
            mentions, made = extract(report, catalogue, behaviours=behaviours)
            claims += made
            for kind, keys in (("software", software), ("actor", actors)):
                keys |= {
                    UNSEEN + fold(m.name) for m in mentions if m.kind == kind and not m.concept
                }
    return reports, claims, software - actors


def main(arguments: Sequence[str] | None = None) -> int:
    """Mine, draw, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("corpus", nargs="?", help="folder, checkout or archive with the reports")
    parser.add_argument(
        "--rows", nargs="+", type=Path, metavar="FILE", help="annotated rows in place of a corpus"
    )
    parser.add_argument(
        "--behaviours",
        choices=("high", "balanced", "recall", "none"),
        default="balanced",
        help="threshold of described techniques, as a run has it",
    )
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--number", type=int, default=64)
    parser.add_argument("--relation", default="uses")
    parser.add_argument("--show", action="store_true", help="print the text around each claim")
    parser.add_argument(
        "--around", type=int, default=AROUND, help="characters to show on each side of a quote"
    )
    options = parser.parse_args(arguments)
    if bool(options.corpus) == bool(options.rows):
        parser.error("name a corpus, or files with --rows")

    from ctimine.attack import load_attack

    catalogue = load_attack()
    behaviours = None if options.behaviours == "none" else options.behaviours
    if options.rows:
        reports, claims, software = mined_rows(options.rows, catalogue, behaviours)
    else:
        reports, claims, software = mined_corpus(options.corpus, catalogue, behaviours)
    pool = candidates(claims, catalogue, relation=options.relation, software=software)
    for claim in draw(pool, seed=options.seed, number=options.number):
        report = reports[claim.report]
        print(row(claim, report))
        if options.show:
            print("\n".join(context(claim, report, options.around)))
    print(f"{min(options.number, len(pool))} of {len(pool)} claims drawn", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
