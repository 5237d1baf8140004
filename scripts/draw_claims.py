"""Draws a seeded sample of claims from a corpus, to be judged by reading them in their text.

    python scripts/draw_claims.py CORPUS [--seed 20261124] [--number 64] [--relation uses] [--show]

Mines ``CORPUS``, keeps the claims that tie an actor to a technique and were taken from the words of
a report (basis id, name or behaviour, not a row of a structured file; stance reported or assessed),
and prints a sample of them, a row each. The same texts and rules give the same sample: claims are
sorted by their key before they are drawn. ``--show`` adds the quote, what stands around it and the
headings above it, for the eyes of the judge; the texts are others' property and stay out of pages.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ctimine.model import EVIDENT

if TYPE_CHECKING:
    from ctimine.attack import Catalogue
    from ctimine.model import Claim, Report

FROM_TEXT = frozenset({"id", "name", "behaviour"})
"""Bases that rest on the words of a report; the others repeat a structured source."""

AROUND = 600
"""Characters shown on each side of a quote."""


def candidates(
    claims: Iterable[Claim], catalogue: Catalogue, *, relation: str = "uses"
) -> list[Claim]:
    """The claims that may be drawn, in order of their keys: an actor, a technique, a text.

    A subject that no catalogue knows counts as an actor; the judge says if it is none.
    """

    def is_actor(subject: str) -> bool:
        concept = catalogue.get(subject)
        return concept is None or concept.kind == "actor"

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


def context(claim: Claim, report: Report) -> Iterator[str]:
    """The headings above the quote, and the quote in ``>>> <<<`` with what stands around it."""
    above = next((b.path for b in report.blocks if b.start <= claim.start < b.end), ())
    yield f"    title: {report.title}"
    yield f"    headings: {' > '.join(above)}"
    yield f"    {claim.subject_name} / {claim.object_name} / via {claim.via or '-'}"
    yield f"    subject at {claim.subject_at}, object at {claim.object_at}"
    text = report.text
    before = text[max(0, claim.start - AROUND) : claim.start]
    yield f"{before}>>>{claim.quote}<<<{text[claim.end : claim.end + AROUND]}"
    yield "-" * 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Mine, draw, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("corpus", help="folder, checkout or archive with the reports")
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--number", type=int, default=64)
    parser.add_argument("--relation", default="uses")
    parser.add_argument("--show", action="store_true", help="print the text around each claim")
    options = parser.parse_args(arguments)

    from ctimine.attack import load_attack
    from ctimine.mine import mine

    catalogue = load_attack()
    run = mine(options.corpus, catalogue=catalogue, cited=False)
    reports = {report.id: report for report in run.reports}
    pool = candidates(run.claims, catalogue, relation=options.relation)
    for claim in draw(pool, seed=options.seed, number=options.number):
        report = reports[claim.report]
        print(row(claim, report))
        if options.show:
            print("\n".join(context(claim, report)))
    print(f"{min(options.number, len(pool))} of {len(pool)} claims drawn", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
