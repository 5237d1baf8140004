"""Sentence boundaries by rule: fast, exact offsets, no model.

Reports are full of things with full stops that end nothing: ids (``T1059.001``), versions
(``2.4.1``), domains (``update.example``), files (``run.ps1``), defanged addresses, initials and
abbreviations. A mark only ends a sentence where white space and something that can begin a sentence
follow, so most of them never come up; the rest is a short list of abbreviations.
"""

from __future__ import annotations

import functools
import re
from typing import Final

TECHNIQUE_ID: Final = re.compile(
    # the letter first: ``re`` leaps to it, and looks back only there
    r"T(?<![A-Za-z0-9]T)\d{4}(?:[./]\d{3})?(?!\d)"
)
"""A written technique id, as a sign that a sentence maps itself; :mod:`.ids` reads ids in full."""
_END: Final = re.compile(
    # any first mark, so that ``re`` leaps from one to the next, and what each may be
    r"[.!?…。！？।؟۔\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029](?:"
    # Latin marks: closing quotes and brackets, footnotes such as [12], then space, then an opening
    # (the look-behinds and the possessive marks keep hostile runs of marks linear)
    r"(?<=[.!?…])(?<![.!?…]{2})[.!?…]*+[\"'”’»)\]*_]*+(?:\[[A-Za-z]{0,3}\d[\d,–-]*+\])*+"
    r"(?=\s++[\"'“‘«(\[*_`]*+[^\Wa-z_])"
    # marks of scripts that put no space behind them, with their closing quotes
    r"|(?<=[。！？])[。！？]*[”’」』）]*"
    # Devanagari and Arabic marks
    r"|(?<=[।؟۔])[।؟۔]*(?=\s)"
    r"|(?<=[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029])[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]*"
    r")"
)
_WORD: Final = re.compile(r"[^\s(\[\"'“‘«/*_]+$")
_NEVER: Final = frozenset(
    re.findall(
        r"\S+",
        """e.g i.e cf vs viz approx ca resp incl fig figs sec sect no nos vol pp eq ref refs ver
        mr mrs ms dr prof st gen col lt sgt gov sen rep dept est a.k.a aka
        jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri""",
    )
)
"""Abbreviations that something always follows."""
_ALSO_WORDS: Final = frozenset({"no", "mar", "mon", "fri", "sec", "st"})
"""Abbreviations that are words too ("It said no. Then"): only with a capital or a number behind."""
_SOMETIMES: Final = frozenset(
    re.findall(
        r"\S+",
        """inc ltd corp co llc gmbh al jr sr etc u.s u.k u.n e.u u.s.a a.m p.m d.c
        bros univ assn""",
    )
)
"""Abbreviations that may be a sentence's last word: they end it before a word that begins one."""
_HALF_ID: Final = re.compile(r"T\d{4}")
"""A technique id whose sub-technique stands behind a stray space (``T1059. 001``)."""
_BEGINS: Final = re.compile(
    r"\s+[\"'“‘«(\[*_`]*(?:The|This|These|Those|That|It|Its|In|On|At|A|An|As|We|Our|He|She|They|"
    r"Their|There|After|Before|When|While|If|For|From|To|However|But|And|Also|Once|Since|With|"
    r"During|According|Another|Both|Some|Such|Other|Although|Then|By)\b"
)
_NUMBERING: Final = re.compile(r"\s*[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})(?:\.\d{1,3}){0,3}\.")


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Half-open offsets of the sentences of ``text[start:end]``: trimmed, in order, disjoint.

    A line break always ends a sentence; call it for each block of a report. Every character that is
    not white space lies in exactly one sentence.

    >>> text = "It used T1059.001 v2.1 vs. evil.example, e.g. Run.ps1. It left.[3] OK?"
    >>> [text[a:b] for a, b in sentences(text)]
    ['It used T1059.001 v2.1 vs. evil.example, e.g. Run.ps1.', 'It left.[3]', 'OK?']
    """
    stop = len(text) if end is None else min(end, len(text))
    return [(start + a, start + b) for a, b in _sentences(text[start:stop])]


@functools.lru_cache(maxsize=4096)
def _sentences(text: str) -> tuple[tuple[int, int], ...]:
    """The same of a whole text; remembered, as each component of a pipeline asks anew."""
    stop = len(text)
    found: list[tuple[int, int]] = []
    begin = 0
    for match in _END.finditer(text):
        if (
            text[match.start()] == "."
            and match.end() == match.start() + 1
            and _goes_on(text, begin, match.start(), stop)
        ):
            continue
        _add(text, begin, match.end(), found)
        begin = match.end()
    _add(text, begin, stop, found)
    return tuple(found)


def _goes_on(text: str, begin: int, dot: int, stop: int) -> bool:
    """Whether a single full stop belongs to an abbreviation, an initial or a list number."""
    word_match = _WORD.search(text, max(begin, dot - 14), dot)
    if word_match is None:
        return False
    word = word_match.group()
    folded = word.casefold()
    if folded in _NEVER:
        return folded not in _ALSO_WORDS or word[0].isupper() or _number_follows(text, dot)
    if folded in _SOMETIMES:
        return not _BEGINS.match(text, dot + 1, stop)
    if len(word) == 1 and word.isalpha() and word.isupper():
        return not _BEGINS.match(text, dot + 1, stop)  # an initial
    if _HALF_ID.fullmatch(word) and re.match(r"[ \t]?\d{3}\b", text[dot + 1 : dot + 6]):
        return True
    return word_match.start() - begin <= 3 and bool(_NUMBERING.fullmatch(text, begin, dot + 1))


def _number_follows(text: str, dot: int) -> bool:
    return bool(re.match(r"\s+\d", text[dot + 1 : dot + 6]))


def _add(text: str, start: int, end: int, into: list[tuple[int, int]]) -> None:
    piece = text[start:end].lstrip()
    kept = piece.rstrip()
    if kept:
        begin = end - len(piece)
        into.append((begin, begin + len(kept)))
