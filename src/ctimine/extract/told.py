"""Techniques that are told in plain words: a tool of the system, a key, a protocol, a named deed.

Beside the model of ``behaviours.py``, which weighs all words of a sentence, stand patterns whose
words leave one technique ("dumped LSASS", "sent e-mails with an Excel attachment"). They are data
(``told.toml``), each with a sentence that must match and one that must not. In reports that neither
had seen, eight in ten are right where words and model agree, two in three of words alone.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ctimine.errors import ExtractError
from ctimine.extract.behaviours import LIKELY, SURE, Threshold, find_behaviours, load_model, silence
from ctimine.extract.caseless import AnyCase
from ctimine.extract.data import compiled, read_data
from ctimine.extract.gate import Gate
from ctimine.extract.passages import Layout
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.model import Mention, Report

RULE: Final = "told"
"""Of plain words in a sentence in which the model sees the same technique."""
ALONE: Final = "told-alone"
"""Of plain words with which the model does not agree, or that it never learnt."""
SCORES: Final = {RULE: 0.82, ALONE: 0.6, SURE: 0.9, LIKELY: 0.58}
"""About how often a hit was right when read in reports that neither patterns nor reader had seen.
See ``docs/decisions/described-by-default.md``."""
TWICE: Final = 0.9
"""The score of plain words that the reader holds to be likely or sure, too."""
_SILENT: Final = frozenset({"heading", "code", "reference", "caption"})
_HEADING: Final = re.compile(r"\s*#{1,6}\s")
_PLAIN: Final = re.compile(r"[\W_]*[A-Za-z][a-z’'-]*(?:\([a-z]+\))?[\W_]*")
_LISTED: Final = re.compile(r"\b[0-9a-fA-F]{32,64}\b|^\W*\d{6,}\s")  # a hash, a signature's number
_QUERY: Final = re.compile(
    # a rule or a hunting query, whose words are what it looks for
    r"\bhas_(?:all|any)\b|\bmatches regex\b|=~|\bnocase\b|\b(?:condition|logsource):"
)
_ALERT: Final = re.compile(
    # the title of an alert
    r"^\W*(?:Suspicious|Anomalous|Unusual|Malicious|Possible|Potential)(?: [^\s.;]+){1,8}[^\w.!?]*$"
)
_OFFER: Final = re.compile(
    # what a vendor says of its product or advises everybody to do
    r"\bguidance\b|\bhelps? (?:to )?(?:identify|protect|detect|prevent|block)\b|"
    r"\bprotects? (?:\w+ )?(?:users|customers|against)\b"
)
_WORD: Final = re.compile(r"<(\w+)>")


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """Words that tell of one technique, and words beside which they do not."""

    technique: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    but: re.Pattern[str] | None
    example: str
    silent: str


@functools.cache
def told_rules() -> tuple[Told, ...]:
    """The patterns that ship with ctimine.

    >>> len(told_rules()) > 100
    True
    """
    data = read_data("told.toml")
    words: dict[str, str] = data["words"]

    def spelt(pattern: str, technique: str) -> re.Pattern[str]:
        subject = f"told.toml: {technique}"
        try:
            return compiled(_WORD.sub(lambda m: words[m.group(1)], pattern), subject)
        except KeyError as error:
            raise ExtractError(f"no such words: {error}", subject=subject) from None

    return tuple(
        Told(
            row["technique"],
            tuple(row.get("needs", ())),
            spelt(row["pattern"], row["technique"]),
            spelt(row["but"], row["technique"]) if "but" in row else None,
            row["example"],
            row["not"],
        )
        for row in data["told"]
    )


@functools.cache
def _gate() -> Gate:
    rules = told_rules()
    return Gate([rule.pattern for rule in rules], [rule.needs for rule in rules])


@functools.cache
def _quick() -> list[tuple[str, AnyCase, AnyCase | None]]:
    return [
        (rule.technique, AnyCase(rule.pattern), AnyCase(rule.but) if rule.but else None)
        for rule in told_rules()
    ]


def find_told(report: Report, layout: Layout | None = None) -> tuple[Mention, ...]:
    """Mentions of techniques that sentences tell in plain words, over those words, by offset.

    Each technique once a sentence. Sentences that write a technique id are left to it; headings,
    captions, code, lists of sources and languages other than English are left alone.

    >>> report = Report("r", "s", "i", "The crew sent e-mails with an Excel attachment.")
    >>> [(m.concept, m.quote) for m in find_told(report)]
    [('T1566.001', 'e-mails with an Excel attachment')]
    """
    if silence(report):
        return ()
    found: list[Mention] = []
    layout = layout or Layout(report)
    rules, openings = _quick(), _gate().over(layout.text)
    for start, end in _sentences(layout):
        opened = openings.open(start, end)
        if not opened:
            continue
        sentence, small = layout.text[start:end], layout.folded[start:end]
        matches: dict[str, re.Match[str]] = {}
        for technique, pattern, but in map(rules.__getitem__, opened):
            if technique in matches:
                continue
            match = pattern.search(sentence, small)
            if match and not (but and but.search(sentence, small)):
                matches[technique] = match
        if matches and _is_prose(sentence):
            found += (_mention(report, start, *item) for item in matches.items())
    return tuple(sorted(found, key=lambda m: (m.start, m.end, m.concept)))


def _mention(report: Report, at: int, technique: str, match: re.Match[str]) -> Mention:
    start, end = at + match.start(), at + match.end()
    return Mention(
        report=report.id,
        start=start,
        end=end,
        quote=report.text[start:end],
        kind="technique",
        concept=technique,
        basis="behaviour",
        rule=ALONE,
        score=SCORES[ALONE],
    )


def find_described(
    report: Report, layout: Layout | None = None, *, threshold: Threshold = "balanced"
) -> tuple[Mention, ...]:
    """Techniques that a report tells without name or id: by plain words, and by the model.

    ``threshold`` is the model's; what plain words tell is found at any. Whether the two agree is
    always asked at ``balanced``; at ``recall`` the reader is sure of more.

    >>> text = "The crew sent spearphishing e-mails with an Excel attachment."
    >>> [(m.concept, m.rule) for m in find_described(Report("r", "s", "i", text))]
    [('T1566.001', 'told')]
    """
    asked: Threshold = "recall" if threshold == "recall" else "balanced"
    seen = find_behaviours(report, threshold=asked)
    plain = find_told(report, layout)
    if not seen:  # a report in another language needs no model either
        return plain
    least = load_model().thresholds
    plain = agreed(plain, [m for m in seen if m.score >= least["balanced"]])
    said = _by_family(plain)
    listed = [m for m in seen if m.score >= least[threshold]]
    return (
        *plain,
        *(m for m in listed if not any(_same(m, other) for other in said.get(_family(m), ()))),
    )


def agreed(told: Sequence[Mention], described: Sequence[Mention]) -> tuple[Mention, ...]:
    """What plain words tell, marked where the model describes the same sentence so."""
    families = _by_family(described)
    found = []
    for mention in told:
        rules = {o.rule for o in families.get(_family(mention), ()) if _same(o, mention)}
        if rules:
            score = SCORES[RULE] if rules.isdisjoint({LIKELY, SURE}) else TWICE
            found.append(dataclasses.replace(mention, rule=RULE, score=score))
        else:
            found.append(mention)
    return tuple(found)


def _by_family(mentions: Iterable[Mention]) -> dict[str, list[Mention]]:
    """Mentions by their technique or its parent."""
    found: dict[str, list[Mention]] = {}
    for mention in mentions:
        found.setdefault(_family(mention), []).append(mention)
    return found


def _family(mention: Mention) -> str:
    return mention.concept.partition(".")[0]


def _same(described: Mention, told: Mention) -> bool:
    """Whether a described sentence holds those words and has their technique or its parent."""
    return described.start <= told.start < described.end and _family(described) == _family(told)


def _sentences(layout: Layout) -> Iterator[tuple[int, int]]:
    """The sentences of what may tell something."""
    for index, block in enumerate(layout.blocks):
        if block.kind not in _SILENT:
            yield from layout.sentences(index)


def _is_prose(sentence: str) -> bool:
    """Whether words tell a deed: no heading, id, alert, query, offer, hashes, strings, commands."""
    if _HEADING.match(sentence) or _ALERT.match(sentence):
        return False
    if any(other.search(sentence) for other in (_LISTED, TECHNIQUE_ID, _QUERY, _OFFER)):
        return False
    words = sentence.split()
    return len(words) >= 3 and 2 * sum(map(bool, map(_PLAIN.fullmatch, words))) >= len(words)
