"""Which of many patterns can match a text at all, told in one pass over it.

A rule file holds dozens of patterns and most sentences hold none of their words. Each pattern, or
each of its branches, is reduced to literals of which every match holds at least one, and to others
of which it holds one as well (a verb and what is done); one automaton looks for all of them.
What passes is still matched by the pattern itself, so that a gate saves time and decides nothing.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as ops  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import ahocorasick_rs

from ctimine.extract.candidates import without_surrogates
from ctimine.extract.caseless import folded, minds_case


def required_words(pattern: re.Pattern[str]) -> frozenset[str]:
    r"""Literals of which each match of the pattern holds at least one; small if it ignores case.

    Empty where there are none, as for ``\d+``.

    >>> sorted(required_words(re.compile(r"\b(?:did|does) not\b|\bnever (?:\w+ )?used")))
    ['did not', 'does not', 'never ']
    """
    words = _of_sequence(parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)) or frozenset()
    return words if minds_case(pattern) else frozenset(word.lower() for word in words)


def _of_sequence(sequence: Iterable[tuple[Any, Any]]) -> frozenset[str] | None:
    """Every part of a sequence must match, so the part that says most speaks for all of it."""
    return max(_all_of_sequence(sequence), key=_worth, default=None)


def _all_of_sequence(sequence: Iterable[tuple[Any, Any]]) -> list[frozenset[str]]:
    parts: list[frozenset[str]] = []
    sequence = [part for part in sequence if part[0] is not ops.AT]  # a boundary takes no room
    begins = True
    for at, (operation, value) in enumerate(sequence):
        literal = operation is ops.LITERAL and chr(value).isascii()
        if begins or not literal:
            parts += filter(None, [_leads(sequence[at:]), _of_part(operation, value)])
        begins = not literal
    # one letter keeps nothing out, and stands everywhere
    return [words for words in parts if _worth(words)[0] > 1]


def _worth(words: frozenset[str]) -> tuple[int, int]:
    """How much a set of words keeps out: the more letters of the shortest, the fewer words."""
    return min(len(word.strip()) for word in words), -len(words)


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


def _branches(sequence: Iterable[tuple[Any, Any]]) -> Iterator[list[tuple[Any, Any]]]:
    """The branches of a sequence that is one choice, else the sequence."""
    parts = list(sequence)
    roomy = [part for part in parts if part[0] not in {ops.AT, ops.ASSERT, ops.ASSERT_NOT}]
    if len(roomy) != 1:
        yield parts
        return
    operation, value = roomy[0]
    if operation is ops.SUBPATTERN:
        yield from _branches(value[3])
    elif operation is ops.BRANCH:
        for branch in value[1]:
            yield from _branches(branch)
    else:
        yield parts


def _both_words(
    pattern: re.Pattern[str], needs: Iterable[str]
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """For each branch two sets of words, of each of which a match holds one; empty where none."""
    parsed = parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)
    for branch in _branches(parsed):
        known = sorted(_all_of_sequence(branch), key=_worth, reverse=True)
        first = frozenset(needs) or next(iter(known), frozenset())
        others = (words for words in known if _worth(words)[0] >= _ENOUGH and words != first)
        yield first, next(others, frozenset())


_MOST_REMEMBERED: Final = 20_000
_ENOUGH: Final = 4  # letters that tell a word from most others


def leading_words(pattern: re.Pattern[str]) -> frozenset[str]:
    r"""Literals one of which each match of the pattern begins with; small if it ignores case.

    Empty where there are none.

    >>> sorted(leading_words(re.compile(r"\b(?:(?:did|does)? not|never) \w+")))
    [' not ', 'did not ', 'does not ', 'never ']
    """
    parsed = parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)
    words = _leads([*parsed]) or frozenset()
    return words if minds_case(pattern) else frozenset(word.lower() for word in words)


def _leads(sequence: list[tuple[Any, Any]]) -> frozenset[str] | None:
    """Literals that a sequence can begin with, or None where it can begin with anything."""
    run = ""
    for at, (operation, value) in enumerate(sequence):
        if operation in {ops.AT, ops.ASSERT, ops.ASSERT_NOT}:  # takes no room
            continue
        if operation is ops.LITERAL and chr(value).isascii():
            run += chr(value)
            continue
        if len(run) >= _ENOUGH:
            break
        more = _leads_of(operation, value, sequence[at + 1 :])
        if more:
            return frozenset(run + word for word in more)
        break
    return frozenset([run]) if run else None


def _leads_of(operation: object, value: Any, rest: list[tuple[Any, Any]]) -> frozenset[str] | None:
    if operation is ops.SUBPATTERN:
        return _leads([*value[3], *rest])
    if operation is ops.BRANCH:
        ways = [_leads([*branch, *rest]) for branch in value[1]]
    elif operation is ops.IN:
        ways = [_leads([item, *rest]) for item in value]
    elif operation in {ops.MAX_REPEAT, ops.MIN_REPEAT}:
        least, most, inner = value
        ways = [_leads([*inner, *(rest if most == 1 else ())]), *(() if least else (_leads(rest),))]
    else:
        return None
    known = [way for way in ways if way]
    return frozenset().union(*known) if len(known) == len(ways) else None


class Scan:
    r"""What ``finditer`` of a pattern gives, sooner: tried only where a match can begin.

    >>> scan = Scan(re.compile(r"\bno (?:\w+ )?trace", re.IGNORECASE))
    >>> [match.group() for match in scan.of("No big trace, no tracks.")]
    ['No big trace']
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        """Reads the pattern; its matches must begin with :func:`leading_words`."""
        self._pattern = pattern
        self._exact = minds_case(pattern)
        self._words = ahocorasick_rs.AhoCorasick(
            sorted(leading_words(pattern)), implementation=ahocorasick_rs.Implementation.DFA
        )

    def of(self, text: str) -> Iterator[re.Match[str]]:
        """The matches in a text, from left to right, none within another."""
        reached = 0
        searched = text if self._exact else folded(text)
        hits = self._words.find_matches_as_indexes(without_surrogates(searched), overlapping=True)
        for at in sorted({start for _, start, _ in hits}):
            match = self._pattern.match(text, at) if at >= reached else None
            if match:
                reached = match.end()
                yield match


class Gate:
    r"""Tells which patterns can match.

    >>> gate = Gate([re.compile("did not", re.I), re.compile(r"\d+"), re.compile("may", re.I)])
    >>> gate.open("It DID NOT come."), gate.open("It may.")
    ([0, 1], [1, 2])
    """

    def __init__(
        self, patterns: Sequence[re.Pattern[str]], needs: Iterable[Iterable[str]] = ()
    ) -> None:
        """Reads the patterns; their places in the sequence are their names here.

        ``needs`` are, for each pattern, words of which a text must hold one, none if there are no
        such.
        """
        self.patterns = tuple(patterns)
        self._exact = all(map(minds_case, patterns))
        # A way is a branch of a pattern; sets of ways are the bits of a number.
        self._owners: list[int] = []
        always = [0, 0]
        behind: dict[str, list[int]] = {}
        named = itertools.chain(needs, itertools.repeat(()))
        for index, pattern in enumerate(patterns):
            for both in _both_words(pattern, next(named)):
                bit = 1 << len(self._owners)
                self._owners.append(index)
                for side, words in enumerate(both):
                    if not words:
                        always[side] |= bit
                    for word in words:
                        key = word if self._exact else word.lower()
                        behind.setdefault(key, [0, 0])[side] |= bit
        self._always = (always[0], always[1])
        self._known: dict[int, tuple[int, ...]] = {}
        self._behind = [(first, second) for first, second in behind.values()]
        self._words = ahocorasick_rs.AhoCorasick(
            list(behind),
            matchkind=ahocorasick_rs.MatchKind.Standard,
            implementation=ahocorasick_rs.Implementation.DFA,
        )

    def open(self, text: str) -> list[int]:
        """Places of the patterns that can match the text, in their order."""
        return self.opened_by([word for word, _, _ in self._hits(text)])

    def opened_by(self, words: Iterable[int]) -> list[int]:
        """The same for a text of which only the numbers of its words are known."""
        first, second = self._always
        for word in words:
            own = self._behind[word]
            first |= own[0]
            second |= own[1]
        ways = first & second
        found = self._known.get(ways)  # the same few come again and again
        if found is None:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            found = self._known[ways] = self._patterns_of(ways)
        return list(found)

    def _patterns_of(self, ways: int) -> tuple[int, ...]:
        found: list[int] = []
        while ways:
            lowest = ways & -ways
            ways ^= lowest
            owner = self._owners[lowest.bit_length() - 1]
            if not found or found[-1] != owner:
                found.append(owner)
        return tuple(found)

    def matches(self, text: str) -> bool:
        """Whether any of the patterns matches in the text."""
        return any(self.patterns[index].search(text) for index in self.open(text))

    def over(self, text: str) -> Openings:
        """The gate for the passages of one text, all asked in one pass."""
        return Openings(text, self, self._hits(text))

    def _hits(self, text: str) -> list[tuple[int, int, int]]:
        """Words with their offsets, by where they end."""
        hits: list[tuple[int, int, int]] = self._words.find_matches_as_indexes(
            without_surrogates(text if self._exact else folded(text)), overlapping=True
        )
        return hits


class Openings:
    """Which patterns can match where in one text, as :meth:`Gate.over` found it.

    >>> old, new = re.compile("formerly", re.I), re.compile("now called")
    >>> openings = Gate([old, new]).over("Formerly Strontium. It was never new.")
    >>> openings.open(0, 19), openings.open(20, 37)
    ([0], [])
    """

    def __init__(self, text: str, gate: Gate, hits: Sequence[tuple[int, int, int]]) -> None:
        self._text, self._gate, self._hits = text, gate, hits
        self._ends = [end for _, _, end in hits]
        self._without = gate.opened_by(())

    def open(self, start: int, end: int) -> list[int]:
        """Places of the patterns that can match the passage, in their order."""
        first = bisect.bisect_right(self._ends, start)
        last = bisect.bisect_right(self._ends, end, first)
        if first == last:  # most
            return list(self._without)
        return self._gate.opened_by([word for word, at, _ in self._hits[first:last] if at >= start])

    def passing(self, start: int, end: int) -> list[re.Pattern[str]]:
        """The patterns that can match the passage."""
        return [self._gate.patterns[index] for index in self.open(start, end)]

    def lines(self) -> Iterator[tuple[int, int]]:
        """The lines in which any pattern can match."""
        places = (at for _, at, _ in self._hits)
        if self._without:
            places = (match.start() for match in re.finditer(r"[^\n]+", self._text))
        reached = -1
        for at in places:
            if at > reached:
                start = self._text.rfind("\n", 0, at) + 1
                end = self._text.find("\n", at)
                reached = end if end >= 0 else len(self._text)
                if self.open(start, reached):
                    yield start, reached
