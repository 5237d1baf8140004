"""How well names that no list has are found: known actors are hidden, and looked for again.

A seeded draw takes a share of the catalogue's actors away, with every mention that only they
explain. What the schemes of vendors and the recogniser then find in the same reports is judged by
what annotators marked there.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from ctimine.attack import Catalogue
from ctimine.errors import EvaluationError
from ctimine.evaluate.rows import Gold, Row
from ctimine.evaluate.scoring import Scores, evaluate_rows
from ctimine.extract import find_mentions
from ctimine.extract.recogniser import find_new_names
from ctimine.extract.schemes import find_scheme_names
from ctimine.model import Claim, Mention, Report

SHARE: Final = 0.3
"""The share of the catalogue's actors that a draw hides."""
Recognise: TypeAlias = Callable[[Report, Sequence[Mention]], Sequence[Mention]]
"""Finds new names in a report beside the mentions that are known."""


def evaluate_hidden(
    rows: Iterable[Row],
    *,
    draw: int = 0,
    catalogue: Catalogue,
    recognise: Recognise = find_new_names,
) -> Scores:
    """Scores of finding the actors that the ``draw`` (a seed) hides.

    Recall is over the annotated mentions that only a hidden actor explains. False is every mention
    of an actor without a concept that lies over no annotated actor; one that lies over an actor who
    was not hidden counts for nothing. Raises an :class:`~ctimine.errors.EvaluationError` if the
    draw hides nobody who stands in the ``rows``.
    """
    ids = sorted(concept.id for concept in catalogue.concepts("actor"))
    hidden = set(random.Random(draw).sample(ids, round(SHARE * len(ids))))  # noqa: S311
    changed: list[Row] = []
    found: dict[str, tuple[Mention, ...]] = {}
    for row in rows:
        if row.actors is None:
            continue
        mentions = find_mentions(row.report, catalogue)
        gone = [mention for mention in mentions if _is_hidden(mention, hidden)]
        kept = [mention for mention in mentions if mention not in gone]
        kept += find_scheme_names(row.report, kept)
        kept += recognise(row.report, kept)
        wanted = tuple(mark for mark in row.actors if _over(mark, gone))
        others = [mark for mark in row.actors if mark not in wanted]
        found[row.key] = tuple(_new_actors(kept, wanted, others))
        changed.append(dataclasses.replace(row, actors=wanted))
    if not any(row.actors for row in changed):
        raise EvaluationError(f"draw {draw} hides no actor of these texts", subject="actors")

    def find(report: Report) -> tuple[Sequence[Mention], Sequence[Claim]]:
        return found[report.item], ()

    return evaluate_rows(changed, layer="actors", find=find, catalogue=catalogue)


def _is_hidden(mention: Mention, hidden: set[str]) -> bool:
    meant = {mention.concept, *mention.candidates} - {""}
    return mention.kind == "actor" and bool(meant) and meant <= hidden


def _over(mark: Gold, mentions: Iterable[Mention]) -> bool:
    return any(mention.start < mark.end and mark.start < mention.end for mention in mentions)


def _new_actors(
    kept: Iterable[Mention], wanted: Sequence[Gold], others: Sequence[Gold]
) -> Iterator[Mention]:
    """What counts: names without a concept, and known ones where they lie over a wanted mark."""
    for mention in kept:
        if mention.kind != "actor":
            continue
        known = mention.concept or mention.candidates
        if any(_over(mark, [mention]) for mark in wanted) or not (
            known or any(_over(mark, [mention]) for mark in others)
        ):
            yield mention
