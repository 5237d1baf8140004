"""The links of a page, and the marks of places where a crawler would walk for ever. Pure."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from ctimine.fetch.addresses import host_of

MAX_LINKS: Final = 2_000
MAX_URL: Final = 300
MAX_DEPTH: Final = 10
MAX_PARAMETERS: Final = 3
MAX_SHAPE: Final = 40
"""Addresses that differ in numbers alone, as the pages of a calendar do."""

_NOT_PART: Final = re.compile(
    r"utm_\w+|fbclid|gclid|mc_[ce]id|ref|source|share|replytocom|phpsessid|jsessionid|"
    r"s(?:ess(?:ion)?)?_?id|aspsessionid\w*|osCsid|cfid|cftoken|token|sort|order|dir|view|print",
    re.IGNORECASE,
)
"""Parameters that lead to the same page again."""
_NO_PAGE: Final = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|mjs|woff2?|ttf|mp[34]|webm|zip|gz|tar|exe|dmg|xml|rss|"
    r"atom|json)$",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link of a page: where to, and whether the page says that it leads to the next one."""

    url: str
    next: bool = False


def links_of(body: bytes, url: str) -> tuple[Link, ...]:
    """The web addresses that a page links to, in its order, each once and in one form.

    >>> body = b'<a href="/b?utm_source=x#top">B</a> <a rel="next" href="?page=2">'
    >>> links_of(body, "https://a.example/")
    (Link(url='https://a.example/b', next=False), Link(url='https://a.example/?page=2', next=True))
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(body)
    base = url
    found = tree.css_first("base[href]")
    if found is not None:
        base = _joined(url, found.attributes.get("href") or "") or url
    links: dict[str, Link] = {}
    for node in tree.css("a[href], area[href], link[rel~=next][href]"):
        rel = (node.attributes.get("rel") or "").lower().split()
        if "nofollow" in rel:
            continue
        target = _joined(base, node.attributes.get("href") or "")
        target = one_form(target) if target.startswith(("http://", "https://")) else ""
        if target and target not in links:
            links[target] = Link(target, "next" in rel)
        if len(links) >= MAX_LINKS:
            break
    return tuple(links.values())


def _joined(base: str, target: str) -> str:
    try:
        return urljoin(base, target.strip())
    except ValueError:
        return ""


def one_form(url: str) -> str:
    """An address without fragment, session and tracking parameters, its parameters sorted."""
    try:
        parts = urlsplit(url)
        host = host_of(url)
        port = parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    place = f"[{host}]" if ":" in host else host
    if port and port != {"http": 80, "https": 443}.get(parts.scheme):
        place += f":{port}"
    path = re.sub(r";jsessionid=[^/?]*", "", parts.path, flags=re.IGNORECASE) or "/"
    path = quote(path, safe="/%:@!$&'()*+,;=~-._")
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=None)[:50]
        if not _NOT_PART.fullmatch(name)
    ]
    return urlunsplit((parts.scheme, place, path, urlencode(sorted(set(kept))), ""))


def is_page(url: str) -> bool:
    """Whether an address may be a document, as far as its name tells."""
    return not _NO_PAGE.search(urlsplit(url).path)


class Walk:
    """What a crawl has seen so far; says which way is a trap."""

    def __init__(self) -> None:
        self._shapes: collections.Counter[str] = collections.Counter()
        self._bodies: collections.Counter[bytes] = collections.Counter()
        self.stale = 0
        """Pages in a row that said nothing new."""

    def reason(self, url: str) -> str:
        """Why an address looks like a trap; empty if it does not."""
        parts = urlsplit(url)
        names = [name for name in parts.path.split("/") if name]
        if len(url) > MAX_URL:
            return "long address"
        if len(names) > MAX_DEPTH:
            return "deep path"
        if _repeats(names):
            return "repeating path"
        if parts.query.count("&") >= MAX_PARAMETERS:
            return "many parameters"
        shape = re.sub(r"\d+|\b[0-9a-f]{8,}\b", "0", f"{parts.path.casefold()}?{parts.query}")
        if "0" in shape:
            self._shapes[shape] += 1
            if self._shapes[shape] > MAX_SHAPE:
                return "numbers without end"
        return ""

    def is_new(self, body: bytes, url: str) -> bool:
        """Whether a page says something that none before said, but for numbers and its address."""
        text = body
        for part in sorted(set(urlsplit(url).path.split("/")), key=len, reverse=True):
            if len(part) > 1:
                text = text.replace(part.encode("utf-8", "replace"), b"")
        # Link targets differ on generated pages; the words between the tags are what counts.
        text = re.sub(rb"<[^<>]{0,2000}>|\b[0-9a-f]{8,}\b|\d+|\s+", b"", text)
        key = hashlib.blake2b(text, digest_size=12).digest()
        self._bodies[key] += 1
        new = self._bodies[key] == 1
        self.stale = 0 if new else self.stale + 1
        return new


def _repeats(names: list[str]) -> bool:
    """Whether a name comes three times, or a run of names twice in a row (``a/b/a/b``)."""
    counts = collections.Counter(names)
    if any(count >= 3 for count in counts.values()):
        return True
    return any(_runs(names, length) for length in range(2, len(names) // 2 + 1))


def _runs(names: list[str], length: int) -> bool:
    def starts() -> Iterator[int]:
        yield from range(len(names) - 2 * length + 1)

    return any(names[at : at + length] == names[at + length : at + 2 * length] for at in starts())
