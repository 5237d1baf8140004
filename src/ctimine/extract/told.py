"""Techniques that are told in plain words: a tool of the system, a key, a protocol, a named deed.

Beside the model of ``behaviours.py``, which weighs all words of a sentence, stand patterns whose
words leave one technique ("dumped LSASS", "sent e-mails with an Excel attachment"). They are data
(``told.toml``), each with a sentence that must match and one that must not.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ctimine.errors import ExtractError
from ctimine.extract.behaviours import silence
from ctimine.extract.caseless import AnyCase
from ctimine.extract.gate import Gate
from ctimine.extract.passages import Layout
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.model import Mention, Report

RULE: Final = "told"
SCORE: Final = 0.9
"""How often a pattern's hit was right when read; see ``docs/extraction.md``."""
_SILENT: Final = frozenset({"heading", "code", "reference", "caption"})
_HEADING: Final = re.compile(r"\s*#{1,6}\s")
_PLAIN: Final = re.compile(r"[\W_]*[A-Za-z][a-z’'-]*(?:\([a-z]+\))?[\W_]*")
_LISTED: Final = re.compile(r"\b[0-9a-fA-F]{32,64}\b|^\W*\d{6,}\s")  # a hash, a signature's number
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
    text = importlib.resources.files("ctimine.extract").joinpath("told.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    words: dict[str, str] = data["words"]

    def compiled(pattern: str, technique: str) -> re.Pattern[str]:
        try:
            return re.compile(_WORD.sub(lambda m: words[m.group(1)], pattern), re.IGNORECASE)
        except (re.error, KeyError) as error:
            raise ExtractError(
                f"not a pattern: {error}", subject=f"told.toml: {technique}"
            ) from None

    return tuple(
        Told(
            row["technique"],
            tuple(row.get("needs", ())),
            compiled(row["pattern"], row["technique"]),
            compiled(row["but"], row["technique"]) if "but" in row else None,
            row["example"],
            row["not"],
        )
        for row in data["told"]
    )


@functools.cache
def _gate() -> Gate:
    return Gate(
        [
            re.compile("|".join(map(re.escape, rule.needs))) if rule.needs else rule.pattern
            for rule in told_rules()
        ]
    )


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
    rules, openings = _quick(), _gate().over(report.text)
    for start, end in _sentences(layout):
        opened = openings.open(start, end)
        if not opened:
            continue
        sentence, small = report.text[start:end], layout.folded[start:end]
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
        rule=RULE,
        score=SCORE,
    )


def besides(described: Iterable[Mention], told: Iterable[Mention]) -> Iterator[Mention]:
    """Described techniques but for those that plain words in the same sentence tell, too."""
    plain: dict[str, list[Mention]] = {}
    for mention in told:
        plain.setdefault(mention.concept.partition(".")[0], []).append(mention)
    for mention in described:
        others = plain.get(mention.concept.partition(".")[0], ())
        if not any(mention.start <= other.start < mention.end for other in others):
            yield mention


def _sentences(layout: Layout) -> Iterator[tuple[int, int]]:
    """The sentences of what may tell something."""
    for index, block in enumerate(layout.blocks):
        if block.kind not in _SILENT:
            yield from layout.sentences(index)


def _is_prose(sentence: str) -> bool:
    """Whether words speak: no heading or id, no list of hashes, no dump of strings or commands."""
    if _HEADING.match(sentence) or _LISTED.search(sentence) or TECHNIQUE_ID.search(sentence):
        return False
    words = sentence.split()
    return len(words) >= 3 and 2 * sum(map(bool, map(_PLAIN.fullmatch, words))) >= len(words)
