"""Legends: what a report's own grades mean, such as ``M2 = plausible`` below a table.

A legend counts only as one: at least two codes of one form, each with its meaning, in one passage.
"""

from __future__ import annotations

import re
from typing import Final, cast

from ctimine.extract.passages import Layout
from ctimine.model import Stance

_SIGN: Final = r"[A-Z]{1,2}\d?|\d|[^\w\s.,;:()\[\]{}|=<>/\\\"'“”‘’*_`#&+@%$§!?–—-]\ufe0f?"
_CODE: Final = re.compile(_SIGN)
_ENTRY: Final = re.compile(
    rf"(?:^|(?<=[\s(\[,;:.|/*_`–—-]))[*_`]*(?P<code>{_SIGN})"
    r"[*_`]*\s*(?:=|:|–|—|→|\bmeans\b|\bis\b)\s*(?P<meaning>[^;|\n,.)]{3,80})"
)
_GRADE_HEADER: Final = re.compile(
    r"\b(?:quality|grade|rating|level|confidence|evidence|strength|status|label|symbol|code|"
    r"certainty|score|likelihood|basis|tier)\b",
    re.IGNORECASE,
)
_KINDS: Final = frozenset({"paragraph", "list_item", "quote", "caption"})
_LONGEST: Final = 1200
"""Characters; what is longer is no legend."""
_MEANINGS: Final[tuple[tuple[str, str], ...]] = (
    (
        "negated",
        r"\b(?:not (?:seen|observed|found|used|confirmed to)|no evidence|refuted|false|disproved|"
        r"debunked|absent|rejected)\b",
    ),
    ("claimed", r"\b(?:claimed|claims?|unverified|self[- ]reported|alleged)\b"),
    (
        "assessed",
        r"\b(?:plausible|inferred|inference|assessed|assumed|likely|probable|possibl[ey]|possible|"
        r"suspected|unconfirmed|analyst|low|medium|moderate|weak|circumstantial|indirect|partial\w*|"
        r"hypothes\w+|tentative|derived|speculative|generic|approximate|single[- ]source)\b",
    ),
    (
        "reported",
        r"\b(?:direct\w*|observed|confirmed|reported|documented|high|explicit\w*|verified|proven|"
        r"corroborated|seen|strong|stated|named)\b",
    ),
)
_COMPILED: Final = tuple(
    (stance, re.compile(pattern, re.IGNORECASE)) for stance, pattern in _MEANINGS
)


def _meaning(words: str) -> Stance | None:
    """The stance that the meaning of a grade comes to; None where the words tell of no grade."""
    for stance, pattern in _COMPILED:
        if pattern.search(words):
            return cast("Stance", stance)
    return None


def legend(passage: str) -> dict[str, Stance]:
    """Grades that a passage explains, with the stance that each comes to; empty if it is no legend.

    >>> legend("Grades: A1 = seen directly; A2 = plausible; A3 = inferred by us.")
    {'A1': 'reported', 'A2': 'assessed', 'A3': 'assessed'}
    >>> legend("Step 1: open the file. The group is old.")
    {}
    """
    found: dict[str, Stance] = {}
    entries = list(_ENTRY.finditer(passage))
    for match in entries:
        stance = _meaning(match.group("meaning"))
        if stance is not None:
            found.setdefault(match.group("code"), stance)
    return found if len(found) >= 2 and 2 * len(found) >= len(entries) else {}


class Legends:
    """The legends of one report, by the places where they count."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._by_place: dict[tuple[int, ...], dict[str, Stance]] = {}
        self._gather()

    def _gather(self) -> None:
        """Keep each legend under the heading that it stands below."""
        layout = self.layout
        index = 0
        while index < len(layout.blocks):
            last = self._run(index)
            start, end = layout.blocks[index].start, layout.blocks[last].end
            if layout.blocks[index].kind in _KINDS and end - start <= _LONGEST:
                self._keep(index, legend(layout.text[start:end]))
            index = last + 1
        for row in layout.rows.values():
            head = layout.header(row.cells[0])
            if len(row.cells) > 1 and _GRADE_HEADER.search(head):
                stance = _meaning(" ".join(layout.words(cell) for cell in row.cells[1:]))
                code = layout.words(row.cells[0]).strip(" *_`")
                if stance and _CODE.fullmatch(code):
                    self._keep(row.cells[0], {code: stance})

    def _run(self, index: int) -> int:
        """The last item of a list that begins at a block; the block itself where none does."""
        blocks = self.layout.blocks
        last = index
        while blocks[index].kind == "list_item" and last + 1 < len(blocks):
            if blocks[last + 1].kind != "list_item":
                break
            last += 1
        return last

    def _keep(self, index: int, found: dict[str, Stance]) -> None:
        if found:
            place = self.layout.above[index]
            self._by_place[place] = {**self._by_place.get(place, {}), **found}

    def of(self, index: int) -> dict[str, Stance]:
        """The grades that count at a block: those of its own section before those of outer ones."""
        if not self._by_place:
            return {}
        above = self.layout.above[index]
        for depth in range(len(above), -1, -1):
            found = self._by_place.get(above[:depth])
            if found:
                return found
        return next(iter(self._by_place.values())) if len(self._by_place) == 1 else {}

    def grade(self, index: int, words: str) -> Stance | None:
        """What a cell that begins with a grade says of its row."""
        grades = self.of(index)
        if not grades:
            return None
        bare = words.strip().strip("*_`[](){} ")
        sure = bool(_GRADE_HEADER.search(self.layout.header(index)))
        for code, stance in grades.items():
            if code.isalnum() and len(code) == 1 and not sure:
                continue  # a letter or a digit alone may be anything
            if bare == code or re.match(rf"{re.escape(code)}(?![\w.-])\s*(?:[(\[–—:-]|$)", bare):
                return stance
        return None
