"""Names found in raw text by one automaton, at exact offsets, with their boundaries checked.

Reports write names as they like: ``Fancy Bear``, ``FANCY-BEAR``, ``Fancybear``, ``APT 29``, with
typographic hyphens, zero-width spaces, or a line break in the middle. So text and names are folded
in the same way, character by character, and each folded character keeps its offset. What an
Aho-Corasick automaton finds in the folded text (Aho & Corasick, 1975) counts only if it begins and
ends at a word boundary of the raw text, and if every gap in it stands where the name has one.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

import ahocorasick_rs
import numpy as np
import numpy.typing as npt

_SPACES: Final = "\u00a0\u2007\u2009\u202f"
_UNKNOWN: Final = 0xFFFFFFFF
_MANY: Final = 0xFFFFFFFE
_DROPPED: Final = 0xFFFFFFFD
_SEPARATORS: Final = "-_.'’`´‘\u2010\u2011\u2012\u2013\u2014\u2015"
_TABLE: Final[npt.NDArray[np.uint32]] = np.full(0x110000, _UNKNOWN, dtype=np.uint32)
_EXPANDED: Final[dict[int, list[int]]] = {}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]+")
_GAP: Final = re.compile(
    rf"[ \t\u00a0\u2009\u202f]{{1,2}}|[{re.escape(_SEPARATORS)}]|[ \t]*\n[ \t]*|"
    r"[-\u2010\u2011]\n[ \t]*|\. "
)
_BROKEN_WORD: Final = re.compile(r"[-\u2010\u2011]\n[ \t]*")


def plain_spaces(text: str) -> str:
    """The text with every space that only looks or breaks otherwise as a plain one, same length.

    Rules about the words beside a name are written with plain spaces; pages are full of others.

    >>> plain_spaces("the\u00a0Turla group"), plain_spaces("a\u200bb") == "a\u200bb"
    ('the Turla group', True)
    """
    if not text.isascii():
        for space in _SPACES:
            text = text.replace(space, " ")
    return text


def _fill(points: Iterable[int]) -> None:
    for point in points:
        char = chr(point)
        category = unicodedata.category(char)
        if category == "Cs":
            _TABLE[point] = 0xFFFD
            continue
        if char.isspace() or char in _SEPARATORS or category in {"Cf", "Mn"}:
            _TABLE[point] = _DROPPED
            continue
        plain = [
            ord(part)
            for part in unicodedata.normalize("NFKD", char).casefold()
            if unicodedata.category(part) not in {"Mn", "Cf"} and not part.isspace()
        ]
        if len(plain) == 1:
            _TABLE[point] = plain[0]
        elif plain:
            _EXPANDED[point] = plain
            _TABLE[point] = _MANY
        else:
            _TABLE[point] = _DROPPED


@dataclasses.dataclass(frozen=True, slots=True)
class Folded:
    """A text without case, marks and separators; ``offsets`` say where each character stood."""

    text: str
    offsets: npt.NDArray[np.intp]


def squash(text: str) -> Folded:
    """The folded text with the offset of each of its characters in ``text``.

    >>> folded = squash("Fancy-BEAR (ﬁn 7)")
    >>> folded.text, int(folded.offsets[5])
    ('fancybear(fin7)', 6)
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    mapped = _TABLE[points]
    unknown = mapped == _UNKNOWN
    if unknown.any():
        _fill(set(points[unknown].tolist()))
        mapped = _TABLE[points]
    many = np.flatnonzero(mapped == _MANY)
    offsets = np.arange(len(points))
    if len(many):
        counts = np.ones(len(points), dtype=np.intp)
        counts[many] = [len(_EXPANDED[int(points[at])]) for at in many]
        offsets = np.repeat(offsets, counts)
        mapped = mapped[offsets]
        starts = np.cumsum(counts) - counts
        for at in many:
            for step, point in enumerate(_EXPANDED[int(points[at])]):
                mapped[starts[at] + step] = point
    kept = mapped != _DROPPED
    return Folded(mapped[kept].tobytes().decode("utf-32-le"), offsets[kept])


_DROPPED_ASCII: Final = frozenset(
    char for char in map(chr, range(128)) if char.isspace() or char in _SEPARATORS
)
_NO_ASCII_MARKS: Final = {ord(char): None for char in _DROPPED_ASCII}


def squash_name(name: str) -> tuple[str, list[int]]:
    """What :func:`squash` gives for a short text, in a fraction of the time.

    >>> squash_name("Fancy-BEAR")
    ('fancybear', [0, 1, 2, 3, 4, 6, 7, 8, 9])
    """
    if name.isascii():
        places = [at for at, char in enumerate(name) if char not in _DROPPED_ASCII]
        return name.translate(_NO_ASCII_MARKS).lower(), places
    folded = squash(name)
    return folded.text, folded.offsets.tolist()


_LEADS: Final = (" ", "\n", "\t", "(", "`", '"', "'", "“", "/", "\\", "*", "|", ">", ",")
Entry = TypeVar("Entry")


@dataclasses.dataclass(frozen=True, slots=True)
class Hit(Generic[Entry]):
    """A place of the text where a name of the lexicon stands."""

    start: int
    end: int
    quote: str
    entry: Entry


@dataclasses.dataclass(slots=True)
class _Key(Generic[Entry]):
    entry: Entry
    breaks: set[int]
    """Where the folded name may be broken by one separator, in any case …"""
    humps: set[int]
    """… and where only if a capital follows: ``MuddyWater`` may be written ``Muddy Water``."""


class Lexicon(Generic[Entry]):
    """Names with what they stand for, to be found in texts.

    ``names`` pairs each written form with a key object; forms that fold alike share the object of
    the first. Names that fold to fewer than ``short`` characters are looked for without folding (as
    written, in capitals, in small letters), since folded they stand inside half of all words.

    >>> lexicon = Lexicon([("Fancy Bear", "G0007"), ("Net", "S0039")])
    >>> [(hit.quote, hit.entry) for hit in lexicon.find("FANCYBEAR ran net, a bear n.et.")]
    [('FANCYBEAR', 'G0007'), ('net', 'S0039')]
    """

    def __init__(self, names: Iterable[tuple[str, Entry]], *, short: int = 5) -> None:
        keys: dict[str, _Key[Entry]] = {}
        exact: dict[str, Entry] = {}
        for written, entry in names:
            folded, places = squash_name(written)
            if not folded:
                continue
            if len(folded) < short and folded.isascii():
                for form in {written, written.upper(), written.capitalize(), written.lower()}:
                    # "at" stands inside half of all words, so the mark before it is looked for, too
                    for lead in _LEADS if form.islower() else ("",):
                        exact.setdefault(lead + form, entry)
                continue
            key = keys.setdefault(folded, _Key(entry, set(), set()))
            breaks, humps = _breaks(written, places)
            key.breaks |= breaks
            key.humps |= humps
        self._keys = list(keys.values())
        self._exact = list(exact.values())
        self._led = [form[0] in _LEADS for form in exact]
        kind = ahocorasick_rs.Implementation.DFA
        self._folded: Any = ahocorasick_rs.AhoCorasick(list(keys), implementation=kind)
        self._raw: Any = ahocorasick_rs.AhoCorasick(list(exact), implementation=kind)

    def find(self, text: str, folded: Folded | None = None) -> list[Hit[Entry]]:
        """All names at word boundaries, by start, the longer before the shorter."""
        folded = folded or squash(text)
        offsets = folded.offsets
        hits = []
        for index, first, last in self._folded.find_matches_as_indexes(
            folded.text, overlapping=True
        ):
            start, end = int(offsets[first]), int(offsets[last - 1]) + 1
            if not at_boundaries(text, start, end):
                continue
            key = self._keys[index]
            if end - start != last - first and not _gaps_fit(text, offsets, first, last, key):
                continue
            hits.append(Hit(start, end, text[start:end], key.entry))
        raw = without_surrogates(text)
        for index, first, end in self._raw.find_matches_as_indexes(raw, overlapping=True):
            start = first + self._led[index]
            if at_boundaries(text, start, end):
                hits.append(Hit(start, end, text[start:end], self._exact[index]))
        hits.sort(key=lambda hit: (hit.start, -hit.end))
        return hits


def without_surrogates(text: str) -> str:
    r"""The text, equally long, as what reads UTF-8 can take it.

    >>> without_surrogates("half a character: \ud83d")[-1]
    '\ufffd'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def at_boundaries(text: str, start: int, end: int) -> bool:
    """Whether ``start:end`` stands as words of its own.

    >>> at_boundaries("UNC2452's", 0, 7), at_boundaries("a misleading", 5, 9)
    (True, False)
    >>> at_boundaries("使用Mimikatz的", 2, 10)
    True
    """
    before = text[start - 1] if start else ""
    if before == "_" or (before.isalnum() and not _may_touch(before, text[start])):
        # _Turla_ is emphasis; report_Turla is not
        if before != "_" or not (end < len(text) and text[end] == "_"):
            return False
        return start < 2 or not text[start - 2].isalnum()
    if end < len(text):
        after = text[end]
        if after == "_":
            return end + 1 == len(text) or not text[end + 1].isalnum()
        return not after.isalnum() or _may_touch(after, text[end - 1])
    return True


def _may_touch(outside: str, edge: str) -> bool:
    """Whether a letter beside a name is another word: Chinese and Japanese have no spaces.

    Hebrew and Arabic write small words on to the next one, which a Latin name shows.
    """
    if 0x2E7F < ord(outside) < 0xFF00:
        return True
    return edge.isascii() and 0x0590 <= ord(outside) <= 0x06FF


def _breaks(written: str, places: list[int]) -> tuple[set[int], set[int]]:
    """Positions in the folded name before which a separator may stand."""
    breaks, humps = set(), set()
    for at, (left, right) in enumerate(itertools.pairwise(places), start=1):
        before, after = written[left], written[right]
        if right - left > 1 or (before.isdigit() != after.isdigit()):
            breaks.add(at)
        elif before.islower() and after.isupper():
            humps.add(at)
    return breaks, humps


def _gaps_fit(
    text: str, offsets: npt.NDArray[np.intp], first: int, last: int, key: _Key[Any]
) -> bool:
    """Whether each separator in the raw text stands where the name has or may have one."""
    for at in range(first + 1, last):
        left, right = int(offsets[at - 1]), int(offsets[at])
        if right - left <= 1:
            continue
        gap = text[left + 1 : right]
        if not gap.isascii():
            gap = "".join(
                char
                for char in _INVISIBLE.sub("", gap)
                if unicodedata.category(char) not in {"Mn", "Cf"}
            )
            if not gap:
                continue
        if _BROKEN_WORD.fullmatch(gap):
            continue
        place = at - first
        if place not in key.breaks and not (place in key.humps and text[right].isupper()):
            return False
        if not _GAP.fullmatch(gap):
            return False
        if gap == ". " and not text[left].isupper():
            return False  # "… at sea. Turtle …" is the end of a sentence
    return True


_URL: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,9}|hxxps?|[a-z]{2,6}\[?:\]?)://|^\W*www\.|"
    r"^\W*(?:[\w-]+\[?\.\]?)+(?:[a-z]{2,8})(?::\d+)?/",
    re.IGNORECASE,
)
_PATH: Final = re.compile(
    r"\\\w|^[\"'`(\[<]*(?:~|\.{1,2}|[A-Za-z]:|%\w+%|\$\w+)?/(?=\S*/)|^[\"'`(\[<]*[A-Za-z]:[\\/]|%\w+%"
)
_ENDING: Final = re.compile(
    r"\[?\.\]?(?:exe|dll|sys|bin|ps1|psm1|bat|vbs?|js|jar|zip|rar|7z|docx?|xlsx?|pptx?|pdf|txt|md|"
    r"html?|php|aspx?|jsp|lnk|msi|dat|tmp|log|png|jpe?g|gif|py|sh|so|ya?ml|json|xml|csv|iso|cab|hta|"
    r"scr|com|net|org|info|biz|io|ru|cn|ir|kr|us|uk|de|xyz|top|site|online|club|me|co|cc|tk|ml|dev|"
    r"app|cloud|live|pro|su|in|eu)\b(?!\.\w)",
    re.IGNORECASE,
)
_REACH: Final = 300  # characters on each side that an address is looked for in
_SLUG: Final = re.compile(r"[\W_]*[a-z0-9]+(?:[-_][a-z0-9]+){3,}[\W_]*")


def is_address(text: str, start: int, end: int) -> bool:
    """Whether ``start:end`` stands inside an address, a path, a file name, a mail or a slug.

    >>> text = "See https://a.example/turla-returns and turla.exe, not Turla."
    >>> [is_address(text, at, at + 5) for at in (22, 40, 55)]
    [True, True, False]
    """
    head, tail = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    before = head.split()[-1] if head and not head[-1].isspace() else ""
    after = tail.split(maxsplit=1)[0] if tail and not tail[0].isspace() else ""
    if not before and len(after) <= 1:
        return False
    token = before + text[start:end] + after
    if before.endswith("@") or ("@" in before + after and re.search(r"\w@[\w-]+\[?\.", token)):
        return True
    if _ENDING.match(text, end):
        return True
    if ("/" in before or "\\" in token or "%" in token or "." in before) and (
        _URL.search(before) or _PATH.search(token)
    ):
        return True
    if "](" in before and ")" not in before.rpartition("](")[2]:
        return True
    if before and re.search(r"\w\[?\.\]?$", before):
        return True
    if "-" not in token and "_" not in token:
        return False
    part = before.rpartition("/")[2] + token[len(before) :].partition("/")[0]
    return bool(_SLUG.fullmatch(part))


def outermost(hits: Iterable[Hit[Entry]]) -> Iterator[Hit[Entry]]:
    """Of hits sorted by start and length, those that no longer one covers.

    >>> hits = [Hit(0, 10, "Fancy Bear", 1), Hit(6, 10, "Bear", 2)]
    >>> [hit.quote for hit in outermost(hits)]
    ['Fancy Bear']
    """
    reached = -1
    for hit in hits:
        if hit.end > reached:
            yield hit
            reached = hit.end


def covered(text: str, spans: Iterable[tuple[int, int]]) -> bytearray:
    """One byte a character, 1 where a span covers it: ``find(1, start, end)`` asks for overlap.

    >>> covered("abcdef", [(1, 3)]).find(1, 3, 6)
    -1
    """
    mask = bytearray(len(text))
    for start, end in spans:
        mask[start:end] = b"\x01" * (end - start)
    return mask
