"""Techniques that are described, not named, with a calibrated probability.

Two stages. Linear models over hashed word and character n-grams score every sentence: does it
describe a technique at all (the gate), and which one. Rankers then weigh those scores
with what stands around the sentence (its neighbours, the rest of the report, names of techniques):
one gives the probability that AnnoCTR's annotators would mark it, another, the reader, that it is
told at all; of what the reader is sure, claims may be made. Nothing but numpy and scipy is needed;
the model file holds hashes and 8-bit weights, so no sentence can be rebuilt from it. See
``docs/models/behaviours.md``.

Here a report goes in and mentions come out; the model stands in ``behaviours_model.py`` and the
modules that it is made of.
"""

from __future__ import annotations

import functools
import logging
import re
from importlib import resources
from typing import Final, Literal, TypeAlias

from ctimine.errors import ExtractError
from ctimine.extract.behaviours_file import read_model, save_model
from ctimine.extract.behaviours_model import Model
from ctimine.extract.grams import WORD, words_of
from ctimine.extract.sentences import TECHNIQUE_ID, sentences
from ctimine.model import Mention, Report

__all__ = [
    "LIKELY",
    "RULE",
    "SURE",
    "Threshold",
    "find_behaviours",
    "load_model",
    "read_model",
    "save_model",
    "silence",
    "why",
]

Threshold: TypeAlias = Literal["high", "balanced", "recall"]
"""``high``: what is found is mostly right. ``balanced``: best F1. ``recall``: for a person to sift.
"""
log = logging.getLogger(__name__)
MODEL_FILE: Final = "behaviours.npz"
RULE: Final = "behaviour"
SURE: Final = "behaviour-sure"
"""The rule of a mention of which the reader is sure, too."""
LIKELY: Final = "behaviour-likely"
"""The rule of a mention that the reader holds to be likely."""
_SILENT_BLOCKS: Final = frozenset({"code", "reference"})
_LIKELY: Final = (0.6, 0.9)
_SURE: Final = {"high": (0.8, 0.9), "balanced": (0.8, 0.9), "recall": (0.5, 0.7)}
"""Of what the reader is sure: its probability of the sentence, and that one of the three sentences
that say it best does, which it takes for independent. Chosen on claims of models that had not seen
the reports, read one by one (``docs/decisions/described-by-default.md``)."""
_SAMPLE: Final = 8_000
"""Characters that a language is guessed from where the report states none."""
_SHOWN: Final = {
    "T1566.001": re.compile(
        r"attach|document|\bdocs?\b|\bfiles?\b|archive|macro|maldoc|excel|\bword\b|powerpoint|"
        r"spreadsheet|workbook|\b(?:zip|rar|7z|iso|rtf|pdf|lnk|docx?|docm|xlsx?|xlsm|xll|chm)\b",
        re.IGNORECASE,
    ),
    "T1566.002": re.compile(
        r"\blink|\burls?\b|site|\bdomain|\bpages?\b|\bportal|qr code|oauth", re.IGNORECASE
    ),
}
"""Sub-techniques that are told by what a mail carries: without a word of it, it is the parent."""
_DEED: Final = {
    # what is disguised is a thing, not a person
    "T1036": re.compile(
        r"files?\b|\bfilename|binar|executable|process|(?:windows|system) service|\btasks?\b|icon|"
        r"extension|document|installer|updat|\bnam(?:e|ed|es|ing)\b|\bdlls?\b|librar|malware|payload|"
        r"loader|software|\bapps?\b|application|script|\btools?\b|path|folder|\.exe",
        re.IGNORECASE,
    ),
    "T1486": re.compile(
        r"encrypt|decrypt|\block(?:s|ed|ing)?\b (?:\w+ ){0,3}?(?:files?|systems?|data)|"
        r"\b(?:deploy|dropp?|deliver|launch|execut|detonat|distribut|install|spread|push|"
        r"unleash|infect)(?:e?s|ed|ing|e)?\b[^.;]{0,60}\bransomware",
        re.IGNORECASE,
    ),
}
"""Techniques whose words mean other things, too: of what is sure, a word of the deed is asked."""
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+", "the of and are were been with that this which their from by its have has they"
    )
)
"""Frequent words of English that its neighbours do not write alike."""


def silence(report: Report) -> str:
    """Why nothing is said of a report's behaviour: its language; empty where there is no reason.

    >>> silence(Report("r", "s", "i", "Die Gruppe lädt Dateien.", language="de"))
    'language de: no model of described behaviour'
    """
    language = report.language.casefold()
    if language and language.partition("-")[0] not in {"en", "eng", "english", "und"}:
        return f"language {report.language}: no model of described behaviour"
    if language not in {"", "und"}:
        return ""
    if _unlike_english(report.text[:_SAMPLE]):
        return "language unlike English: no model of described behaviour"
    return ""


@functools.lru_cache(maxsize=4)
def _unlike_english(sample: str) -> bool:
    """Whether a text is hardly English; remembered, as each step asks anew."""
    # Enough for as many words as there can be: each takes a letter and a blank.
    small = sample.lower()
    plenty = max(20, 0.03 * (len(small) + 1) / 2)
    if sum(map(_ENGLISH.__contains__, small.split())) >= plenty:  # without a search: most texts
        return False
    english = count = 0
    for match in WORD.finditer(small):
        count += 1
        english += match.group() in _ENGLISH
        if english >= plenty:
            return False
    if count >= 20:
        return english < 0.03 * count
    letters = [c for c in sample if c.isalpha()]
    return sum(map(str.isascii, letters)) < 0.7 * len(letters)


def find_behaviours(
    report: Report, *, threshold: Threshold = "balanced", model: Model | None = None
) -> tuple[Mention, ...]:
    """Mentions of techniques that sentences describe, each over its sentence, by offset.

    ``score`` is the calibrated probability, the rule says how sure the reader is. Sentences
    that write a technique id are left to it; code, lists of sources and languages other than
    English are left alone (:func:`silence`).

    >>> text = "The actor sent spearphishing emails with a malicious Word attachment to staff."
    >>> [m.concept for m in find_behaviours(Report("r", "s", "i", text), threshold="recall")]
    ['T1566.001']
    """
    if reason := silence(report):
        log.info("%s: %s", report.item or report.id, reason)
        return ()
    model = model or load_model()
    try:
        least = model.thresholds[threshold]
    except KeyError:
        raise ExtractError(
            f"no such threshold, choose one of {', '.join(model.thresholds)}", subject=threshold
        ) from None
    spans = _spans(report)
    if TECHNIQUE_ID.search(report.text):
        spans = [span for span in spans if not TECHNIQUE_ID.search(report.text, *span)]
    if not spans:
        return ()
    lines = [report.text[start:end] for start, end in spans]
    scored, rows = model.score(lines)
    # As rounded in the mention: a threshold on scores that were read finds the same.
    near = (scored.probability >= least - 1e-4).nonzero()[0].tolist()
    chosen = [n for n in near if round(float(scored.probability[n]), 4) >= least]
    sure = scored.sure(*_SURE.get(threshold, _SURE["balanced"]))
    likely = scored.sure(*_LIKELY)
    if not chosen:
        return ()
    at = scored.sentence[chosen]
    parents = [model.labels[n] for n in scored.label[chosen].tolist()]
    exact = model.most_exact(rows[at], parents)
    found = []
    for number, place, parent, concept in zip(chosen, at.tolist(), parents, exact, strict=True):
        start, end = spans[place]
        shown, deed = _SHOWN.get(concept), _DEED.get(parent)
        rule = SURE if sure[number] else LIKELY if likely[number] else RULE
        found.append(
            Mention(
                report=report.id,
                start=start,
                end=end,
                quote=lines[place],
                kind="technique",
                concept=parent if shown and not shown.search(lines[place]) else concept,
                basis="behaviour",
                rule=RULE if deed and not deed.search(lines[place]) else rule,
                score=round(float(scored.probability[number]), 4),
            )
        )
    return tuple(sorted(found, key=lambda m: (m.start, m.end, m.concept)))


def why(quote: str, technique: str, *, model: Model | None = None) -> tuple[tuple[str, float], ...]:
    """The words of a sentence that speak for a technique, strongest first, with their weight.

    >>> words = why("The actor sent spearphishing emails with attachments.", "T1566")
    >>> "spearphishing" in [word for word, _ in words[:3]]
    True
    """
    import numpy as np

    model = model or load_model()
    parent = technique.partition(".")[0]
    if parent not in model.labels:
        return ()
    label = model.labels.index(parent)
    columns, at = [], 1
    for block in model.linear.blocks:
        columns += (at + np.flatnonzero(block == label)).tolist()
        at += len(block)
    weights = np.asarray(model.linear.weights[:, columns].sum(axis=1)).ravel()
    words = words_of([quote])[0]
    grams = model.linear.index.words
    shares: dict[str, float] = {}
    all_grams = grams.of(words)
    # Rows have length one: shares are parts of the sentence's score, pairs counted with each word.
    length = float(np.linalg.norm(model.linear.scale[sorted(all_grams)])) or 1.0
    for word in dict.fromkeys(words):
        # What the sentence would lose without the word, pairs with it included.
        rest = grams.of([other for other in words if other != word])
        lost = np.array(sorted(all_grams - rest), dtype=np.int64)
        shares[word] = float((weights[lost] * model.linear.scale[lost]).sum()) / length
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((word, round(share, 3)) for word, share in ranked if share > 0)


def _spans(report: Report) -> list[tuple[int, int]]:
    if not report.blocks:
        return sentences(report.text)
    found = []
    for block in report.blocks:
        if block.kind not in _SILENT_BLOCKS:
            found += sentences(report.text, block.start, block.end)
    return found


@functools.lru_cache(maxsize=1)
def load_model() -> Model:
    """The model in the package, loaded once."""
    with resources.as_file(resources.files("ctimine.extract") / "models" / MODEL_FILE) as path:
        return read_model(path)
