"""Citations of the knowledge base, parsed from their one string."""

from __future__ import annotations

import re

from ctimine.model import Citation

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_RETRIEVED = re.compile(
    rf"\s*\(?\b(?:Retrieved|Accessed)\b(?=[\s.:,)]*(?:on\s+)?(?:(?:{'|'.join(_MONTHS)})\b|\d|$)).*$",
    re.IGNORECASE | re.DOTALL,
)
"""The word must be followed by a date or nothing: titles may hold it, too."""

_SHAPE = re.compile(
    r"^(?P<author>.*?)\s*\((?P<date>[^()]*\d{4}[^()]*|n\.?\s?d\.?)\)[.,]?\s*(?P<title>.*)$",
    re.DOTALL,
)
_BARE = re.compile(
    rf"^(?P<author>\D.*?)\s(?P<date>(?:19|20)\d\d, (?:{'|'.join(_MONTHS)})\b\.?(?: \d{{1,2}}\b)?)\s"
    r"(?P<title>\S.*)$",
    re.IGNORECASE,
)
"""ATT&CK for ICS writes some without brackets: ``Author 2021, May 6 Title Retrieved …``."""

_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")


def parse_citation(name: str, description: str, url: str = "") -> Citation:
    """A citation parsed from ATT&CK's form, ``Author. (2021, May 6). Title. Retrieved …``.

    The date of retrieval is never taken for a date of publication.

    >>> parse_citation("X", "Doe, J. (2021, May 6). On Webs. Retrieved June 1, 2022.").date
    '2021-05-06'
    >>> parse_citation("X", "Doe, J. (n.d.). On Webs. Retrieved June 1, 2022.").date
    ''
    """
    text = _RETRIEVED.sub("", " ".join(description.split())).strip()
    match = _SHAPE.match(text) or _BARE.match(text)
    if not match:
        return Citation(name, title=text.rstrip(". "), url=url)
    return Citation(
        name,
        title=match["title"].strip().rstrip(". "),
        author=match["author"].strip().rstrip(".,") if match["author"] else "",
        date=_date(match["date"]),
        url=url,
    )


def _date(words: str) -> str:
    """``2021``, ``2021-05`` or ``2021-05-06`` as far as stated; empty for "n.d."."""
    year = _YEAR.search(words)
    if not year:
        return ""
    rest = words.replace(year.group(), " ", 1).lower()
    month = next((_MONTHS[word] for word in re.findall(r"[a-z]+", rest) if word in _MONTHS), 0)
    if not month:
        return year.group()
    day = re.search(r"\b(\d{1,2})\b", rest)
    number = int(day.group(1)) if day else 0
    if not 1 <= number <= 31:
        return f"{year.group()}-{month:02}"
    return f"{year.group()}-{month:02}-{number:02}"
