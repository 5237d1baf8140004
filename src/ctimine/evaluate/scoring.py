"""What extraction finds against what annotators found: counts, scores, calibration, errors."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from ctimine.attack import Catalogue, load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate.rows import Gold, Row, digest, read_rows
from ctimine.extract import extract
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.model import Claim, Mention, Report

Layer: TypeAlias = Literal["techniques", "actors", "claims", "stance"]
Level: TypeAlias = Literal["sentence", "report"]
Find: TypeAlias = Callable[[Report], tuple[Sequence[Mention], Sequence[Claim]]]
"""What is judged: a report in, mentions and claims out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """One thing that was found, missed, or both: a unit of the count.

    ``found`` with ``gold`` is right, ``found`` alone is a false hit, ``gold`` alone is missed.
    """

    label: str
    found: bool
    gold: bool
    score: float
    row: str
    start: int
    end: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class LabelScores:
    """Counts and scores of one label."""

    label: str
    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 0 where nothing was found."""
        return _ratio(self.right, self.right + self.false)

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return _ratio(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall.

        >>> LabelScores("T1105", right=2, false=1, missed=1).f1
        0.6666666666666666
        """
        return _ratio(2 * self.right, 2 * self.right + self.false + self.missed)


@dataclasses.dataclass(frozen=True, slots=True)
class Bin:
    """A bin of a reliability table: how sure the finder was, how often it was right."""

    low: float
    high: float
    count: int
    mean_score: float
    share_right: float


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """What one set says about one layer.

    ``precision``, ``recall`` and ``f1`` are micro averages, ``macro_f1`` is the mean over the
    labels that occur in the gold. ``false_positive_rate`` is the share of sentences without a
    label of the layer in which something was found; ``None`` at report level. ``linked`` is the
    share of found spans whose gold has a link that got the right one (actors only).
    """

    layer: Layer
    level: Level
    rows: int
    digest: str
    total: LabelScores
    macro_f1: float
    false_positive_rate: float | None
    linked: float | None
    labels: tuple[LabelScores, ...]
    reliability: tuple[Bin, ...]
    calibration_error: float
    errors: tuple[Judged, ...]

    @property
    def precision(self) -> float:
        """Micro precision."""
        return self.total.precision

    @property
    def recall(self) -> float:
        """Micro recall."""
        return self.total.recall

    @property
    def f1(self) -> float:
        """Micro F1."""
        return self.total.f1


def evaluate_files(
    paths: Iterable[str | Path],
    *,
    layer: Layer = "techniques",
    level: Level = "sentence",
    parents: bool = False,
    closed: bool = False,
    mask_ids: bool = False,
    find: Find | None = None,
    catalogue: Catalogue | None = None,
    bins: int = 10,
) -> Scores:
    """Scores of the extraction on annotated files, all taken as one set.

    ``parents`` folds sub-techniques to their technique. ``closed`` counts only labels that the set
    itself uses (for sets that annotate a short list of techniques and are silent on the rest).
    ``mask_ids`` leaves out sentences in which a technique id is written, on both sides: what is
    left has to be understood. ``find`` is what is judged; without it, :func:`ctimine.extract` as
    it works by default. Technique ids of both sides are followed to what the ``catalogue`` (the
    newest) means by them. Nothing is learnt here, so no split is made.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise EvaluationError("no file to score", subject=layer)
    rows = [row for path in files for row in read_rows(path)]
    return evaluate_rows(
        rows,
        layer=layer,
        level=level,
        parents=parents,
        closed=closed,
        mask_ids=mask_ids,
        find=find,
        catalogue=catalogue,
        bins=bins,
        set_digest=digest(files),
    )


def evaluate_rows(
    rows: Sequence[Row],
    *,
    layer: Layer = "techniques",
    level: Level = "sentence",
    parents: bool = False,
    closed: bool = False,
    mask_ids: bool = False,
    find: Find | None = None,
    catalogue: Catalogue | None = None,
    bins: int = 10,
    set_digest: str = "",
) -> Scores:
    """Like :func:`evaluate_files`, of rows at hand.

    >>> from ctimine.evaluate.rows import row_of
    >>> row = row_of({"id": "a", "level": "sentence", "text": "It ran.", "techniques": ["T1059"]})
    >>> def find(report):
    ...     quote = report.text[0:6]
    ...     return (Mention(report.id, 0, 6, quote, "technique", "T1059.001", "behaviour"),), ()
    >>> evaluate_rows([row], find=find).f1, evaluate_rows([row], parents=True, find=find).f1
    (0.0, 1.0)
    """
    catalogue = catalogue or load_attack()
    find = find or (lambda report: extract(report, catalogue))
    judge = _JUDGES[layer]
    options = _Options(level, parents, mask_ids, catalogue)
    judged: list[Judged] = []
    quiet = disturbed = used = 0
    links: list[bool] = []
    for row in rows:
        outcome = judge(row, find, options)
        if outcome is None:
            continue
        used += 1
        judged.extend(outcome.judged)
        quiet += outcome.quiet
        disturbed += outcome.disturbed
        links.extend(outcome.links)
    if not used:
        raise EvaluationError(f"no row annotates {layer} at {level} level", subject=layer)
    if closed:
        space = {item.label for item in judged if item.gold}
        judged = [item for item in judged if item.label in space]
    return _total(
        judged,
        layer=layer,
        level=level,
        rows=used,
        set_digest=set_digest,
        false_positive_rate=_ratio(disturbed, quiet) if level == "sentence" and quiet else None,
        linked=_ratio(sum(links), len(links)) if links else None,
        bins=bins,
    )


def reliability(scored: Iterable[tuple[float, bool]], bins: int = 10) -> tuple[Bin, ...]:
    """Reliability table in bins of equal mass (Nguyen and O'Connor 2015, adaptive binning).

    >>> table = reliability([(0.9, True), (0.8, True), (0.2, False), (0.1, False)], bins=2)
    >>> [(round(b.mean_score, 2), b.share_right) for b in table]
    [(0.15, 0.0), (0.85, 1.0)]
    >>> [b.share_right for b in reliability([(1.0, True), (1.0, False)], bins=2)]
    [0.5]
    """
    ordered = sorted(scored)
    found: list[Bin] = []
    start = 0
    for number in range(1, bins + 1):
        end = number * len(ordered) // bins
        while 0 < end < len(ordered) and ordered[end][0] == ordered[end - 1][0]:
            end += 1  # equal scores are one claim about how sure: no cut between them
        part = ordered[start:end]
        start = max(start, end)
        if part:
            found.append(
                Bin(
                    low=part[0][0],
                    high=part[-1][0],
                    count=len(part),
                    mean_score=sum(score for score, _ in part) / len(part),
                    share_right=sum(right for _, right in part) / len(part),
                )
            )
    return tuple(found)


def calibration_error(table: Sequence[Bin]) -> float:
    """Expected calibration error: the gap between score and share right, weighted by mass.

    >>> calibration_error([Bin(0.5, 0.5, 10, 0.5, 0.4)])
    0.09999999999999998
    """
    total = sum(part.count for part in table)
    if not total:
        return 0.0
    return sum(part.count * abs(part.mean_score - part.share_right) for part in table) / total


# -- one judge a layer -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Options:
    level: Level
    parents: bool
    mask_ids: bool
    catalogue: Catalogue

    def label(self, concept: str) -> str:
        """The concept as it is meant today: gold and finder may speak of different releases."""
        if concept.startswith("T"):
            live = self.catalogue.resolve(concept)
            concept = live.id if live else concept
        if self.parents and concept.startswith("T"):
            return concept.partition(".")[0]
        return concept


@dataclasses.dataclass(slots=True)
class _Outcome:
    judged: list[Judged] = dataclasses.field(default_factory=list)
    quiet: int = 0
    disturbed: int = 0
    links: list[bool] = dataclasses.field(default_factory=list)


def _judge_techniques(row: Row, find: Find, options: _Options) -> _Outcome | None:
    if options.level == "sentence" and row.techniques is None:
        return None
    if row.report_techniques is None and row.techniques is None:
        return None
    masked = {
        number
        for number, (start, end) in enumerate(row.sentences)
        if options.mask_ids and TECHNIQUE_ID.search(row.text, start, end)
    }
    mentions, _ = find(row.report)
    found: dict[tuple[int, str], float] = {}
    for mention in mentions:
        if mention.kind != "technique" or not mention.concept:
            continue
        label = options.label(mention.concept)
        for number in _numbers(row, mention.start, mention.end):
            if number not in masked:
                key = (number, label)
                found[key] = max(found.get(key, 0.0), mention.score)
    gold = {
        (number, options.label(mark.label))
        for mark in row.techniques or ()
        if mark.label and mark.start >= 0
        for number in _numbers(row, mark.start, mark.end)
        if number not in masked
    }
    outcome = _Outcome()
    if options.level == "sentence":
        outcome.judged = [
            _unit(row, label, number, (number, label) in gold, found.get((number, label)))
            for number, label in sorted(gold | set(found))
        ]
        with_gold, with_find = {n for n, _ in gold}, {n for n, _ in found}
        quiet = set(range(len(row.sentences))) - with_gold - masked
        outcome.quiet, outcome.disturbed = len(quiet), len(quiet & with_find)
        return outcome
    whole = {label for _, label in gold}
    if not options.mask_ids:
        whole |= {options.label(name) for name in row.report_techniques or ()}
    best: dict[str, tuple[float, int]] = {}
    for (number, label), score in found.items():
        best[label] = max(best.get(label, (0.0, number)), (score, number))
    outcome.judged = [
        _unit(
            row,
            label,
            best[label][1] if label in best else -1,
            label in whole,
            best[label][0] if label in best else None,
        )
        for label in sorted(whole | set(best))
    ]
    return outcome


def _judge_actors(row: Row, find: Find, options: _Options) -> _Outcome | None:
    if row.actors is None:
        return None
    mentions, _ = find(row.report)
    found = [mention for mention in mentions if mention.kind == "actor"]
    outcome = _Outcome()
    if options.level == "report":
        gold = {mark.label for mark in row.actors if mark.label}
        best: dict[str, float] = {}
        for mention in found:
            if mention.concept.startswith("G"):
                best[mention.concept] = max(best.get(mention.concept, 0.0), mention.score)
        outcome.judged = [
            _unit(row, label, -1, label in gold, best.get(label))
            for label in sorted(gold | set(best))
        ]
        return outcome
    # A name counts as found where any character of it is: annotators and tools cut differently.
    marks = [mark for mark in row.actors if mark.start >= 0]
    hit = [False] * len(marks)
    for mention in found:
        over = [
            number
            for number, mark in enumerate(marks)
            if mark.start < mention.end and mention.start < mark.end
        ]
        if not over:
            outcome.judged.append(
                _place(row, mention.quote, mention.start, mention.end, mention.score, gold=False)
            )
        for number in over:
            if not hit[number] and marks[number].label and mention.concept:
                meant = {mention.concept, *mention.candidates}
                outcome.links.append(marks[number].label in meant)
            hit[number] = True
    for mark, was_hit in zip(marks, hit, strict=True):
        words = row.text[mark.start : mark.end]
        score = 1.0 if was_hit else None
        outcome.judged.append(_place(row, words, mark.start, mark.end, score, gold=True))
    taken = {n for mark in marks for n in _numbers(row, mark.start, mark.end)}
    alarmed = {n for mention in found for n in _numbers(row, mention.start, mention.end)}
    quiet = set(range(len(row.sentences))) - taken
    outcome.quiet, outcome.disturbed = len(quiet), len(quiet & alarmed)
    return outcome


def _judge_claims(row: Row, find: Find, options: _Options) -> _Outcome | None:
    if row.claims is None:
        return None
    _, claims = find(row.report)
    outcome = _Outcome()

    def label_of(subject: str, relation: str, target: str, stance: str) -> str:
        return f"{options.label(subject)} {relation} {options.label(target)} {stance}"

    gold: dict[str, list[Gold]] = collections.defaultdict(list)
    for mark in row.claims:
        subject, relation, target = mark.label.split(" ", 2)
        gold[label_of(subject, relation, target, mark.stance)].append(mark)
    found: dict[str, list[Claim]] = collections.defaultdict(list)
    for claim in claims:
        found[label_of(claim.subject, claim.relation, claim.object, claim.stance)].append(claim)
    for label in sorted(gold.keys() | found.keys()):
        marks, made = gold.get(label, []), found.get(label, [])
        if options.level == "report" or any(mark.start < 0 for mark in marks):
            first = made[0] if made else None
            at = (first.start, first.end) if first else (-1, -1)
            score = max(claim.score for claim in made) if made else None
            outcome.judged.append(_place(row, label, *at, score, gold=bool(marks)))
            continue
        used: set[int] = set()
        for mark in marks:
            over = [
                number
                for number, claim in enumerate(made)
                if claim.start < mark.end and mark.start < claim.end
            ]
            used.update(over)
            score = max(made[n].score for n in over) if over else None
            outcome.judged.append(_place(row, label, mark.start, mark.end, score, gold=True))
        for number, claim in enumerate(made):
            if number not in used:
                outcome.judged.append(
                    _place(row, label, claim.start, claim.end, claim.score, gold=False)
                )
    return outcome


def _judge_stance(row: Row, find: Find, options: _Options) -> _Outcome | None:
    if row.stances is None:
        return None
    mentions, _ = find(row.report)
    outcome = _Outcome()
    for mark in row.stances:
        over = [
            mention
            for mention in mentions
            if mention.start < mark.end
            and mark.start < mention.end
            and (not mark.label or options.label(mention.concept) == options.label(mark.label))
        ]
        said = over[0].stance if over else ""
        right = said == mark.stance
        outcome.judged.append(
            _place(row, mark.stance, mark.start, mark.end, 1.0 if right else None, gold=True)
        )
        if said and not right:
            outcome.judged.append(
                _place(row, said, mark.start, mark.end, over[0].score, gold=False)
            )
    return outcome


_JUDGES: dict[str, Callable[[Row, Find, _Options], _Outcome | None]] = {
    "techniques": _judge_techniques,
    "actors": _judge_actors,
    "claims": _judge_claims,
    "stance": _judge_stance,
}


# -- counting ------------------------------------------------------------------------------------


def _total(
    judged: list[Judged],
    *,
    layer: Layer,
    level: Level,
    rows: int,
    set_digest: str,
    false_positive_rate: float | None,
    linked: float | None,
    bins: int,
) -> Scores:
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    for item in judged:
        place = 0 if item.found and item.gold else 1 if item.found else 2
        counts[item.label][place] += 1
    labels = tuple(
        LabelScores(label, *numbers)
        for label, numbers in sorted(counts.items(), key=lambda pair: (-sum(pair[1]), pair[0]))
    )
    in_gold = [label.f1 for label in labels if label.right + label.missed]
    table = reliability([(item.score, item.gold) for item in judged if item.found], bins)
    wrong = [item for item in judged if item.found != item.gold]
    # The surest false hits first, then what was missed: both are where reading pays most.
    wrong.sort(key=lambda item: (-item.score, item.row, item.start, item.label))
    return Scores(
        layer=layer,
        level=level,
        rows=rows,
        digest=set_digest,
        total=LabelScores(
            "", *(sum(numbers[place] for numbers in counts.values()) for place in range(3))
        ),
        macro_f1=_ratio(sum(in_gold), len(in_gold)),
        false_positive_rate=false_positive_rate,
        linked=linked,
        labels=labels,
        reliability=table,
        calibration_error=calibration_error(table),
        errors=tuple(wrong),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _numbers(row: Row, start: int, end: int) -> list[int]:
    return [n for n, (first, last) in enumerate(row.sentences) if first < end and start < last]


def _unit(row: Row, label: str, number: int, gold: bool, score: float | None) -> Judged:
    start, end = row.sentences[number] if number >= 0 else (-1, -1)
    return _place(row, label, start, end, score, gold=gold)


def _place(
    row: Row, label: str, start: int, end: int, score: float | None, *, gold: bool
) -> Judged:
    return Judged(
        label=label,
        found=score is not None,
        gold=gold,
        score=score if score is not None else 0.0,
        row=row.key,
        start=start,
        end=end,
        text=row.text[start:end] if start >= 0 else "",
    )
