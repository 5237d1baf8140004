"""Training of the recogniser of names: from annotated reports to the folder in the package.

No real name of an actor reaches the model: each is replaced by an invented one, anew in every
round, so that it learns what stands around a name and what names look like, not a list. Only sets
whose licence lets a model be passed on are read: the training split of AnnoCTR, ATT&CK's procedure
examples and, for the judge alone, the reports of TRAM, in which the known names that it is not told
of stand for those that nobody knows; the rest are sentences written for this project.
"""

from __future__ import annotations

import dataclasses
import gzip
import importlib.resources
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from ctimine.attack import Catalogue, load_attack
from ctimine.errors import EvaluationError, in_words
from ctimine.evaluate.coined import Coiner
from ctimine.evaluate.rows import read_rows, row_of
from ctimine.extract import find_mentions
from ctimine.extract.candidates import covered
from ctimine.extract.recogniser import (
    KINDS,
    Candidate,
    Thresholds,
    candidates_of,
    features_of,
    open_sentences,
    words_of_report,
)
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    from spacy.language import Language

    from ctimine.extract.names_model import Marked, Recogniser

REPORTS: Final = "annoctr_train.jsonl"
EXAMPLES: Final = "procedures.jsonl.gz"
UNMARKED: Final = "tram_docs.jsonl"
_TYPES: Final = {"GROUP": "ACTOR", "MALWARE": "MALWARE", "TOOL": "TOOL", "ORG": "ORG"}
_KINDS: Final = {"ACTOR": "actor", "MALWARE": "software", "TOOL": "software"}
_ROUNDS: Final = 9
_FOLDS: Final = 3
_EXAMPLES_A_ROUND: Final = 400
_LONGEST: Final = 40  # a longer span is a slip of the annotators
_SLOTS: Final = {"A": "ACTOR", "M": "MALWARE", "T": "TOOL", "O": "ORG", "P": "", "N": ""}
_HIDDEN: Final = (0.0, 0.5, 0.5, 1.0)
"""Shares of a report's known names that the judge is trained without, one pass each."""
_UNMARKED_WEIGHT: Final = 0.5
"""How much a name counts that no annotator judged: what the lexicon lacks is not always none."""
Judgement: TypeAlias = tuple[list[float], str, float]
"""Features of a name, what it is, and how much that counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Annotated:
    """A report with the spans that annotators gave it: start, end, type of theirs."""

    report: Report
    spans: tuple[tuple[int, int, str], ...]


def train_names(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    rounds: int = _ROUNDS,
    catalogue: Catalogue | None = None,
    progress: Callable[[str], None] | None = None,
) -> Recogniser:
    """Train the recogniser from the sets in ``folder`` and write it to the folder ``out``.

    Reads ``annoctr_train.jsonl``, ``procedures.jsonl.gz`` and ``tram_docs.jsonl`` (the last two may
    be absent). Splits are by document, everything is drawn from ``seed``; equal input gives an
    equal model on one machine. ``progress`` is told each step. Takes some minutes on one core.
    Raises an :class:`~ctimine.errors.EvaluationError` that names a set that cannot be read.
    """
    tell = progress or (lambda _: None)
    catalogue = catalogue or load_attack()
    reports = read_annotated(Path(folder) / REPORTS)
    examples = read_examples(Path(folder) / EXAMPLES)
    unmarked = read_unmarked(Path(folder) / UNMARKED, catalogue)
    recogniser = train_from(
        reports, examples, unmarked, seed=seed, rounds=rounds, catalogue=catalogue, tell=tell
    )
    recogniser.save(out)
    tell(f"written: {os.fspath(out)}")
    return recogniser


def train_from(
    reports: Sequence[Annotated],
    examples: Sequence[Marked] = (),
    unmarked: Sequence[Annotated] = (),
    *,
    seed: int = 0,
    rounds: int = _ROUNDS,
    catalogue: Catalogue,
    tell: Callable[[str], None] = lambda _: None,
) -> Recogniser:
    """The recogniser that annotated reports and marked single sentences teach.

    The judge is taught by what models of the other folds see in each report, since a model sees
    more in what it has read before, and by what the last model sees in the ``unmarked`` reports.
    """
    from ctimine.extract.names_model import Recogniser

    folds = min(_FOLDS, len(reports))
    if folds < 2:
        raise EvaluationError("two reports at least are needed to learn names", subject=REPORTS)
    order = sorted(reports, key=lambda r: r.report.id)
    random.Random(seed).shuffle(order)  # noqa: S311
    rows: list[Judgement] = []
    for number in range(folds):
        rest = [r for at, r in enumerate(order) if at % folds != number]
        nlp = train_nlp(rest, examples, seed=seed, rounds=rounds, catalogue=catalogue)
        tell(f"read by a model of the rest: part {number + 1} of {folds}")
        for annotated in order[number::folds]:
            rows += judged(annotated, nlp, catalogue)
    nlp = train_nlp(order, examples, seed=seed, rounds=rounds, catalogue=catalogue)
    tell("read by a model of all")
    for annotated in unmarked:
        rows += judged(annotated, nlp, catalogue, marked=False)
    return Recogniser(nlp, fit_judge(rows), Thresholds())


def train_nlp(
    reports: Sequence[Annotated],
    examples: Sequence[Marked] = (),
    *,
    seed: int = 0,
    rounds: int = _ROUNDS,
    catalogue: Catalogue,
) -> Language:
    """The NER alone."""
    from ctimine.extract.names_model import fit

    base = [marked for annotated in reports for marked in _marked(annotated, catalogue)]
    return fit(_epochs(base, examples, seed, rounds), seed=seed, rounds=rounds)


def read_annotated(path: Path) -> list[Annotated]:
    """The reports of a file in the row format with their spans (``entities``)."""
    found = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            spans = tuple(
                (int(mark["start"]), int(mark["end"]), str(mark["type"]))
                for mark in values["entities"]
            )
            found.append(Annotated(row_of(values).report, spans))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"cannot be read: {in_words(error)}", subject=str(path)) from None
    return found


def read_unmarked(path: Path, catalogue: Catalogue) -> list[Annotated]:
    """The reports of a file in the row format; their spans are the names that the lexicon finds."""
    if not path.exists():
        return []
    types = {"actor": "GROUP", "software": "MALWARE"}
    return [
        Annotated(
            row.report,
            tuple(
                (mention.start, mention.end, types[mention.kind])
                for mention in find_mentions(row.report, catalogue)
                if mention.kind in types
            ),
        )
        for row in read_rows(path)
    ]


def read_examples(path: Path) -> list[Marked]:
    """Sentences of ATT&CK with the groups that they link to."""
    if not path.exists():
        return []
    found: list[Marked] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                values = json.loads(line)
                marks = [
                    (m["start"], m["end"], "ACTOR" if m["type"] == "GROUP" else "MALWARE")
                    for m in values["entities"]
                    if m["type"] in {"GROUP", "SOFTWARE"}
                ]
                if values["domain"] != "ics" and any(label == "ACTOR" for *_, label in marks):
                    found.append((values["text"], marks))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise EvaluationError(f"cannot be read: {in_words(error)}", subject=str(path)) from None
    return found


def _marked(annotated: Annotated, catalogue: Catalogue) -> Iterator[Marked]:
    """The open sentences of a report, each with its spans.

    Names that the lexicon knows are added where annotators marked nothing: they do not look for
    names inside the description of a technique.
    """
    text = annotated.report.text
    spans = [
        (start, end, _TYPES[kind])
        for start, end, kind in annotated.spans
        if kind in _TYPES and (kind == "ORG" or end - start <= _LONGEST)
    ]
    marked = covered(text, ((start, end) for start, end, _ in spans))
    for mention in find_mentions(annotated.report, catalogue):
        if mention.kind not in {"actor", "software"} or not mention.rule.startswith("lexicon"):
            continue
        if marked.find(1, mention.start, mention.end) < 0:
            label = "ACTOR" if mention.kind == "actor" else "MALWARE"
            spans.append((mention.start, mention.end, label))
    spans.sort()
    opened = open_sentences(
        text, bytearray(len(text)), words_of_report(text), enough=len(annotated.spans) + 100
    )
    for start, end in opened:
        inside = [(a - start, b - start, kind) for a, b, kind in spans if start <= a and b <= end]
        yield text[start:end], inside


def _epochs(
    base: Sequence[Marked], examples: Sequence[Marked], seed: int, rounds: int
) -> Iterator[list[Marked]]:
    """What each round reads: all sentences with a name, those with an actor twice, others by half.

    All with names drawn anew.
    """
    draw = random.Random(seed)  # noqa: S311
    coiner = Coiner(draw)
    names = set(_KINDS)
    rich = [m for m in base if any(kind in names for *_, kind in m[1])]
    actors = [m for m in base if any(kind == "ACTOR" for *_, kind in m[1])]
    poor = [m for m in base if not any(kind in names for *_, kind in m[1])]
    for _ in range(rounds):
        chosen = [
            *rich,
            *actors,
            *draw.sample(poor, len(poor) // 2),
            *draw.sample(examples, min(_EXAMPLES_A_ROUND, len(examples))),
        ]
        swapped = [_renamed(text, spans, coiner, draw) for text, spans in chosen]
        yield [*swapped, *_written(coiner), *_written(coiner)]


def _renamed(
    text: str, spans: Sequence[tuple[int, int, str]], coiner: Coiner, draw: random.Random
) -> Marked:
    """A sentence with invented names: every actor's, most of malware and tools, some of firms."""
    shares = {"ACTOR": 1.0, "MALWARE": 0.6, "TOOL": 0.6, "ORG": 0.4}
    coin = {
        "ACTOR": coiner.actor,
        "MALWARE": coiner.malware,
        "TOOL": coiner.tool,
        "ORG": coiner.firm,
    }
    parts: list[str] = []
    found: list[tuple[int, int, str]] = []
    given: dict[tuple[str, str], str] = {}
    at = length = 0
    for start, end, kind in spans:
        if start < at:
            continue
        old = text[start:end]
        new = given.get((old, kind))
        if new is None:
            new = given[old, kind] = coin[kind]() if draw.random() < shares[kind] else old
        parts += [text[at:start], new]
        length += start - at
        found.append((length, length + len(new), kind))
        length += len(new)
        at = end
    parts.append(text[at:])
    return "".join(parts), found


def _written(coiner: Coiner) -> Iterator[Marked]:
    """The sentences written for this project, filled."""
    fill = {
        "A": coiner.actor,
        "M": coiner.malware,
        "T": coiner.tool,
        "O": coiner.firm,
        "P": coiner.firm,
        "N": coiner.person,
    }
    path = importlib.resources.files("ctimine.evaluate").joinpath("name_sentences.txt")
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, spans, at = "", [], 0
        for slot in re.finditer(r"\{([AMTOPN])\}", line):
            text += line[at : slot.start()]
            name, label = fill[slot[1]](), _SLOTS[slot[1]]
            if label:
                spans.append((len(text), len(text) + len(name), label))
            text += name
            at = slot.end()
        yield text + line[at:], spans


# -- the judge -----------------------------------------------------------------------------------


def judged(
    annotated: Annotated, nlp: Language, catalogue: Catalogue, *, marked: bool = True
) -> Iterator[Judgement]:
    """Features and truth of the names of a report, with some of the known names hidden.

    Where no annotator has ``marked`` the report, the passes that hide none say nothing.
    """
    found = find_mentions(annotated.report, catalogue)
    known = sorted({m.concept or m.quote for m in found if m.kind in {"actor", "software"}})
    for number, share in enumerate(_HIDDEN):
        draw = random.Random(f"{number} {annotated.report.item}")  # noqa: S311
        hidden = set(draw.sample(known, round(share * len(known))))
        if not hidden and (share or not marked):
            continue
        taken = [m for m in found if not _is_hidden(m, hidden)]
        for candidate in candidates_of(annotated.report, taken, nlp):
            truth = truth_of(candidate, annotated)
            if truth is not None:
                yield features_of(candidate), truth, 1.0 if marked else _UNMARKED_WEIGHT


def _is_hidden(mention: Mention, hidden: set[str]) -> bool:
    return mention.kind in {"actor", "software"} and (mention.concept or mention.quote) in hidden


def truth_of(candidate: Candidate, annotated: Annotated) -> str | None:
    """What annotators hold a name to be, by most of its places; None where they did not look."""
    seen: Counter[str] = Counter()
    total = 0
    for start, end in candidate.places:
        kinds = {kind for a, b, kind in annotated.spans if a < end and start < b}
        named = kinds & {"GROUP", "MALWARE", "TOOL"}
        if kinds & {"TECHNIQUE", "TACTIC", "CODE"} and not named:
            continue
        total += 1
        seen["actor"] += "GROUP" in named
        seen["software"] += "GROUP" not in named and bool(named)
    if not total:
        return None
    return next((kind for kind in KINDS if kind and seen[kind] * 2 >= total), "")


def fit_judge(rows: Sequence[Judgement]) -> tuple[tuple[float, ...], ...]:
    """Weights of the judge: a regularised multinomial model over counts and looks."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    truths = [KINDS.index(truth) for _, truth, _ in rows]
    if set(truths) != set(range(len(KINDS))):
        missing = [KINDS[n] or "neither" for n in range(len(KINDS)) if n not in truths]
        raise EvaluationError(f"no name to learn from: {', '.join(missing)}", subject=REPORTS)
    model = LogisticRegression(C=0.3, max_iter=3000, fit_intercept=False)
    model.fit(
        np.array([features for features, _, _ in rows]),
        np.array(truths),
        sample_weight=np.array([weight for _, _, weight in rows]),
    )
    return tuple(tuple(float(value) for value in row) for row in model.coef_)
