"""Which of many patterns can match a text at all, told in one pass over it.

A rule file holds dozens of patterns and most sentences hold none of their words. Each pattern is
reduced to literals of which every match holds at least one; one automaton looks for all of them.
What passes is still matched by the pattern itself, so that a gate saves time and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
    r"""Literals, in small letters, of which each match of the pattern holds at least one.

    Empty where there are none, as for ``\d+``.

    >>> sorted(required_words(re.compile(r"\b(?:did|does) not\b|\bnever (?:\w+ )?used")))
    [' not', 'never ']
    """
    return _of_sequence(parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)) or frozenset()


def _of_sequence(sequence: Iterable[tuple[Any, Any]]) -> frozenset[str] | None:
    """Every part of a sequence must match, so the part that says most speaks for all of it."""
    parts: list[frozenset[str]] = []
    run: list[str] = []
    for operation, value in [*sequence, (None, None)]:
        if operation is ops.LITERAL and chr(value).isascii():
            run.append(chr(value).lower())
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
        self._always: list[int] = []
        behind: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            words = required_words(pattern)
            if not words:
                self._always.append(index)
            for word in words:
                behind.setdefault(word, []).append(index)
        self._behind = list(behind.values())
        self._words = ahocorasick_rs.AhoCorasick(
            list(behind),
            matchkind=ahocorasick_rs.MatchKind.Standard,
            implementation=ahocorasick_rs.Implementation.DFA,
        )

    def passing(self, text: str) -> frozenset[re.Pattern[str]]:
        """The patterns that can match the text.

        >>> old, new = re.compile("formerly"), re.compile("now called")
        >>> Gate([old, new]).passing("Formerly Strontium") == {old}
        True
        """
        return frozenset(self._patterns[index] for index in self.open(text))

    def open(self, text: str) -> list[int]:
        """Places of the patterns that can match the text, in their order."""
        found = set(self._always)
        hits = self._words.find_matches_as_indexes(folded(text), overlapping=True)
        for word in {hit[0] for hit in hits}:
            found.update(self._behind[word])
        return sorted(found)
