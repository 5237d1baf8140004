"""Which of many patterns can match a text at all, told in one pass over it.

A rule file holds dozens of patterns and most sentences hold none of their words. Each pattern is
reduced to literals of which every match holds at least one; one automaton looks for all of them.
What passes is still matched by the pattern itself, so that a gate saves time and decides nothing.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as ops  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import ahocorasick_rs

_LIKE_ASCII: Final = {"\u017f": "s", "\u0130": "i", "\u0131": "i", "\u212a": "k"}
"""The four letters that ``re.IGNORECASE`` takes for an ASCII letter: long s, two i, Kelvin."""


def folded(text: str) -> str:
    """The text with the case folded as ``re.IGNORECASE`` folds it, for ASCII words.

    >>> folded("Did NOT")
    'did not'
    """
    if not text.isascii():
        for letter, plain in _LIKE_ASCII.items():
            text = text.replace(letter, plain)
    return text.lower()


def required_words(pattern: re.Pattern[str]) -> frozenset[str]:
    r"""Literals of which each match of the pattern holds at least one; small if it ignores case.

    Empty where there are none, as for ``\d+``.

    >>> sorted(required_words(re.compile(r"\b(?:did|does) not\b|\bnever (?:\w+ )?used")))
    [' not', 'never ']
    """
    words = _of_sequence(parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)) or frozenset()
    return words if _minds_case(pattern) else frozenset(word.lower() for word in words)


def _minds_case(pattern: re.Pattern[str]) -> bool:
    return not pattern.flags & re.IGNORECASE and "(?i" not in pattern.pattern


def _of_sequence(sequence: Iterable[tuple[Any, Any]]) -> frozenset[str] | None:
    """Every part of a sequence must match, so the part that says most speaks for all of it."""
    parts: list[frozenset[str]] = []
    run: list[str] = []
    for operation, value in [*sequence, (None, None)]:
        if operation is ops.LITERAL and chr(value).isascii():
            run.append(chr(value))
            continue
        if operation is ops.AT:  # a boundary takes no room: the literal goes on behind it
            continue
        if run:
            parts.append(frozenset(["".join(run)]))
            run = []
        part = _of_part(operation, value)
        if part:
            parts.append(part)
    return max(parts, key=lambda words: (min(map(len, words)), -len(words)), default=None)


def _of_part(operation: object, value: Any) -> frozenset[str] | None:
    if operation is ops.SUBPATTERN:
        return _of_sequence(value[3])
    if operation in {ops.MAX_REPEAT, ops.MIN_REPEAT} and value[0] >= 1:
        return _of_sequence(value[2])
    if operation is ops.BRANCH:
        branches = [_of_sequence(branch) for branch in value[1]]
        known = [branch for branch in branches if branch]
        return frozenset().union(*known) if len(known) == len(branches) else None
    return None


class Gate:
    r"""Tells which patterns can match.

    >>> gate = Gate([re.compile("did not", re.I), re.compile(r"\d+"), re.compile("may", re.I)])
    >>> gate.open("It DID NOT come."), gate.open("It may.")
    ([0, 1], [1, 2])
    """

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        """Reads the patterns; their places in the sequence are their names here."""
        self._patterns = tuple(patterns)
        self._exact = all(map(_minds_case, patterns))
        self._always: list[int] = []
        behind: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            words = required_words(pattern)
            if not words:
                self._always.append(index)
            for word in words:
                behind.setdefault(word if self._exact else word.lower(), []).append(index)
        self._behind = list(behind.values())
        self._words = ahocorasick_rs.AhoCorasick(
            list(behind),
            matchkind=ahocorasick_rs.MatchKind.Standard,
            implementation=ahocorasick_rs.Implementation.DFA,
        )

    def open(self, text: str) -> list[int]:
        """Places of the patterns that can match the text, in their order."""
        found = set(self._always)
        for word in {hit[0] for hit in self._hits(text)}:
            found.update(self._behind[word])
        return sorted(found)

    def over(self, text: str) -> Openings:
        """The gate for the passages of one text, all asked in one pass."""
        return Openings(text, self._patterns, self._always, self._behind, self._hits(text))

    def _hits(self, text: str) -> list[tuple[int, int, int]]:
        """Words with their offsets, by where they end."""
        hits: list[tuple[int, int, int]] = self._words.find_matches_as_indexes(
            text if self._exact else folded(text), overlapping=True
        )
        return hits


class Openings:
    """Which patterns can match where in one text, as :meth:`Gate.over` found it.

    >>> old, new = re.compile("formerly", re.I), re.compile("now called")
    >>> openings = Gate([old, new]).over("Formerly Strontium. It was never new.")
    >>> openings.passing(0, 19) == {old}, openings.passing(20, 37) == set()
    (True, True)
    """

    def __init__(
        self,
        text: str,
        patterns: Sequence[re.Pattern[str]],
        always: Sequence[int],
        behind: Sequence[Sequence[int]],
        hits: Sequence[tuple[int, int, int]],
    ) -> None:
        self._text, self._patterns, self._always = text, patterns, always
        self._behind, self._hits = behind, hits
        self._ends = [end for _, _, end in hits]
        self._shut = frozenset(patterns[index] for index in always)

    def open(self, start: int, end: int) -> list[int]:
        """Places of the patterns that can match the passage, in their order."""
        words = self._words_in(start, end)
        if not words:
            return list(self._always)
        return sorted({*self._always, *(index for word in words for index in self._behind[word])})

    def passing(self, start: int, end: int) -> frozenset[re.Pattern[str]]:
        """The patterns that can match the passage."""
        words = self._words_in(start, end)
        if not words:
            return self._shut
        return self._shut | {
            self._patterns[index] for word in words for index in self._behind[word]
        }

    def lines(self) -> Iterator[tuple[int, int]]:
        """The lines in which any pattern can match."""
        places = (at for _, at, _ in self._hits)
        if self._always:
            places = (match.start() for match in re.finditer(r"[^\n]+", self._text))
        reached = -1
        for at in places:
            if at > reached:
                start = self._text.rfind("\n", 0, at) + 1
                end = self._text.find("\n", at)
                reached = end if end >= 0 else len(self._text)
                yield start, reached

    def _words_in(self, start: int, end: int) -> set[int]:
        first = bisect.bisect_right(self._ends, start)
        last = bisect.bisect_right(self._ends, end, first)
        return {word for word, at, _ in self._hits[first:last] if at >= start}
