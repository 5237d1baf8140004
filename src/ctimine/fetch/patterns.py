"""Patterns that say which addresses of a source are reports.

A pattern is compared with the path (and query, when the pattern has a ``?``): ``*`` stands for any
characters, ``/blog/*`` for all below it. One that begins with ``http`` is compared with the whole
address. Matching is linear.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from urllib.parse import urlsplit


class Patterns:
    """Addresses that match one of ``include`` (all, if there are none) and none of ``exclude``.

    >>> patterns = Patterns(["/blog/*"], ["/blog/tag/*"])
    >>> [patterns.allow("https://a.example" + path) for path in ("/blog/x", "/blog/tag/x", "/")]
    [True, False, False]
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = [_pattern(text) for text in include]
        self._exclude = [_pattern(text) for text in exclude]

    def __bool__(self) -> bool:
        return bool(self._include or self._exclude)

    def allow(self, url: str) -> bool:
        """Whether this address is among those that are meant."""
        return (not self._include or _any(self._include, url)) and not _any(self._exclude, url)


def _pattern(text: str) -> tuple[str, re.Pattern[str]]:
    part = "url" if text.startswith("http") else "query" if "?" in text else "path"
    # A question mark is one in an address, not "any character"; "*" is all that is special.
    glob = re.sub(r"\*+", "*", text).replace("[", "[[]").replace("?", "[?]")
    return part, re.compile(fnmatch.translate(glob))


def _any(patterns: list[tuple[str, re.Pattern[str]]], url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    path = parts.path or "/"
    texts = {"url": url, "path": path, "query": f"{path}?{parts.query}"}
    return any(pattern.match(texts[part]) for part, pattern in patterns)
