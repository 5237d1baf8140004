"""Patterns that ignore case, matched in texts without case: the same, in a third of the time.

``re`` asks for each letter and each alternative how it is written in the other case. A text whose
letters are made small once, and a pattern in small letters that minds the case, need none of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ctimine.errors import ExtractError

_LIKE_ASCII: Final = {"\u017f": "s", "\u0130": "i", "\u0131": "i", "\u212a": "k"}
"""The four letters that ``re.IGNORECASE`` takes for an ASCII letter: long s, two i, Kelvin."""
_SCOPED: Final = re.compile(r"\(\?[a-z]*-")
_PIECE: Final = re.compile(r"\\.|\(\?P[<=]|.", re.DOTALL)


def folded(text: str) -> str:
    """The text with the case folded as ``re.IGNORECASE`` folds it, for ASCII words; equally long.

    >>> folded("Did NOT")
    'did not'
    """
    if text.isascii():
        return text.lower()
    for letter, plain in _LIKE_ASCII.items():
        text = text.replace(letter, plain)
    # As bytes, of which only the ASCII letters change: a fifth of the time.
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def may_hold(small: str, words: str) -> bool:
    """Whether words can stand, in any case, in what was folded; sure only for ASCII words.

    Asked first, it spares most texts a pattern made for one name.

    >>> may_hold(folded("APT28 in May"), "apt28"), may_hold(folded("In May"), "apt28")
    (True, False)
    """
    return not words.isascii() or words.lower() in small


def minds_case(pattern: re.Pattern[str]) -> bool:
    """Whether no part of a pattern ignores case.

    >>> minds_case(re.compile("Hail")), minds_case(re.compile("(?i:rain) [A-Z]"))
    (True, False)
    """
    return not pattern.flags & re.IGNORECASE and "(?i" not in pattern.pattern


def caseless(pattern: str) -> re.Pattern[str]:
    r"""What matches in a folded text where this pattern, ignoring case, matches in the text.

    Raises :class:`~ctimine.errors.ExtractError` for one that does not ignore case everywhere, see
    :func:`can_be_caseless`.

    >>> small = caseless(r"\bAPT\d+ [A-Z]")
    >>> small.pattern, small.search(folded("the apt28 DID")).span()
    ('\\bapt\\d+ [a-z]', (4, 11))
    """
    if not can_be_caseless(pattern):
        raise ExtractError("a pattern that minds the case", subject=pattern[:40])
    small = (piece.lower() if len(piece) == 1 else piece for piece in _PIECE.findall(pattern))
    return re.compile("".join(small))


class AnyCase:
    """A pattern that ignores case, in small letters where it can be, to be asked with both texts.

    >>> rain, tor = AnyCase(re.compile("rain", re.I)), AnyCase(re.compile("a (?-i:Tor)", re.I))
    >>> text = "RAIN by A Tor"
    >>> rain.search(text, folded(text)).span(), tor.search(text, folded(text)).span()
    ((0, 4), (8, 13))
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        """Reads the pattern."""
        self.pattern = pattern
        small = pattern.flags & re.IGNORECASE and can_be_caseless(pattern.pattern)
        self._small = caseless(pattern.pattern) if small else None

    def search(self, text: str, small: str) -> re.Match[str] | None:
        """The first match; ``small`` is the folded text. Only its offsets are those of the text."""
        return self._small.search(small) if self._small else self.pattern.search(text)

    def finditer(self, text: str, small: str) -> Iterator[re.Match[str]]:
        """All matches, likewise."""
        return self._small.finditer(small) if self._small else self.pattern.finditer(text)


def can_be_caseless(pattern: str) -> bool:
    """Whether all that has a case in a pattern are letters of ASCII, and no part minds the case.

    >>> can_be_caseless("did not"), can_be_caseless("did (?-i:NOT)"), can_be_caseless("\u00e9tat")
    (True, False, False)
    """
    letters = (letter for letter in pattern if not letter.isascii())
    return not _SCOPED.search(pattern) and all(a.lower() == a.upper() for a in letters)
