"""What of a page is the article, and what stands around it.

Site furniture (navigation, cookie banners, share bars, related posts, comments) is known by
element, ARIA role, and class or id names whose words are *all* furniture words: ``cookie-banner``
goes, ``cookie-theft`` stays. What holds most of the page, a top heading or a data table is never
taken for furniture by its name alone.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ctimine.read.hidden import Attributes

if TYPE_CHECKING:
    from ctimine.read.html import Piece

GUTTER, SOURCES, CONTENT, FURNITURE = 1, 2, 4, 8
"""What a class or id tells of its element, as flags of :func:`name_says`."""

REGIONS: Final = frozenset({"main", "article", "nav", "header", "footer", "aside"})
RARE: Final = frozenset({"hidden", "aria-hidden", "popover", "role", "bgcolor", "itemprop"})
"""Attributes beside class, style and id that the walk looks at; few elements have one."""

_ROLES: Final = {
    "alertdialog": "furniture",
    "banner": "header",
    "complementary": "aside",
    "contentinfo": "footer",
    "dialog": "furniture",
    "menu": "nav",
    "menubar": "nav",
    "navigation": "nav",
    "search": "furniture",
    "tablist": "nav",
    "toolbar": "furniture",
}
_CORE: Final = frozenset(
    """
    addthis addtoany adverts advert advertisement ads breadcrumb breadcrumbs comments commentlist
    consent cookie cookies disqus footer gdpr masthead menu metanav navbar navigation nav newsletter
    pager pagination popup prevnext promo recommendations recommended related respond share
    sharedaddy sharing shares sidebar sidenav signup skip skiplink social socials sponsor subscribe
    subscription subscriptions tagcloud toolbar topbar toc tableofcontents widget paywall modal
    lightbox
    """.split()  # noqa: SIM905
)
_NEUTRAL: Final = frozenset(
    """
    a area articles article aside bar bars block blog body bottom box btn btns button buttons by c
    cards card column container content cta default desktop doc docs entry eu fixed floating follow
    footer form global group header horizontal icon icons inline inner is items item js jp l law
    left link links list local m main md media menu mobile module more nav news notice o on outer
    overlay page panel po policy post posts pre primary read region right root row secondary section
    side single site sticky stories story strip tag tags text theme this to top u us vertical widget
    wp wrap wrapped wrapper banner navigation
    """.split()  # noqa: SIM905
)
_IDS: Final = frozenset(
    """
    breadcrumb breadcrumbs comments comment-list cookie-banner cookie-notice cookie-consent
    disqus_thread footer masthead nav navbar navigation page-footer related-posts respond
    right-sidebar left-sidebar share-buttons sidebar site-footer site-header site-nav
    site-navigation skip-link skip-to-content toc table-of-contents
    """.split()  # noqa: SIM905
)
_NEVER: Final = frozenset({"body", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "td", "th"})
_GUTTER: Final = re.compile(
    r"(?:^|\s)(?:line-?nos?|line-?numbers?(?:-rows)?|gutter|rouge-gutter|blob-num|"
    r"hljs-ln-numbers)(?:\s|$)"
)
_SOURCES: Final = re.compile(
    r"(?:^|\s)(?:references|reflist|footnotes|endnotes|bibliography|citations)(?:\s|$)"
)
_CONTENT: Final = re.compile(
    r"(?:^|\s)(?:article-?body|article-?content|blog-?post-?(?:body|content)|entry-content|"
    r"markdown-body|post-?body|post-?content|rich-?text|story-?body|theme-doc-markdown|"
    r"td-post-content|md-content|page-content|content-body|prose)(?:\s|$)",
    re.IGNORECASE,
)
_MOST: Final = 0.5
"""Share of the page's text that no furniture holds."""
_MOST_RANGES: Final = 2000
"""Elements of one page that are looked at as furniture."""
_SHARES: Final = (("main", 0.25), ("article", 0.5), ("content", 0.6))
"""What may be the article, from outside to inside, and the share of the outer text it must hold."""


@functools.lru_cache(maxsize=8192)
def name_says(classes: str, name: str) -> int:
    """What an element's class and id tell of it, as flags.

    >>> name_says("post-share-buttons", "") == FURNITURE, name_says("cookie-theft", "")
    (True, 0)
    """
    return (
        GUTTER * bool(_GUTTER.search(classes))
        + SOURCES * bool(_SOURCES.search(classes))
        + CONTENT * bool(_CONTENT.search(classes))
        + FURNITURE * (name in _IDS or any(map(_is_furniture_name, classes.lower().split())))
    )


def _is_furniture_name(name: str) -> bool:
    words = [word for word in re.split(r"[-_:]+", name) if word and not word.isdigit()]
    return not _CORE.isdisjoint(words) and all(w in _CORE or w in _NEUTRAL for w in words)


@dataclasses.dataclass(slots=True)
class Range:
    """Pieces ``start:end`` that one element gave; ``why`` names what it may be."""

    why: str
    start: int
    end: int = -1
    within: bool = False


def what_it_may_be(tag: str, attributes: Attributes, says: int) -> str:
    """``main``, ``article`` or ``content``, a sort of furniture, or empty for neither."""
    role = attributes.get("role") or ""
    if tag == "main" or role == "main":
        return "main"
    if tag == "article" or role == "article":
        return "article"
    if says & CONTENT or attributes.get("itemprop") == "articleBody":
        return "content"
    why = tag if tag in REGIONS else _ROLES.get(role, "")
    if says & FURNITURE and tag not in _NEVER:
        return "nav" if why == "nav" else "furniture"
    return why


class Page:
    """The pieces of a page with the ranges that its elements gave; :meth:`article` chooses."""

    def __init__(self, pieces: Sequence[Piece], ranges: Sequence[Range]) -> None:
        self.pieces = pieces
        self.dropped: list[str] = []
        self._ranges = ranges
        self._sums = [0]
        for piece in pieces:
            self._sums.append(self._sums[-1] + piece.size)
        self._gone = bytearray(len(pieces))

    def article(self) -> list[Piece]:
        """The pieces of the article in order; all of them where furniture is all there is."""
        pieces = self.pieces
        until = 0
        for found in self._ranges[:_MOST_RANGES]:
            if found.start >= until and self._is_furniture(found):
                until = found.end
                if found.end > found.start:
                    self._gone[found.start : found.end] = b"\x01" * (found.end - found.start)
                    self.dropped.append(f"page: {found.why}")
        start, end = self._bounds()
        kept = [piece for i, piece in enumerate(pieces[start:end], start) if not self._gone[i]]
        if not kept:
            return list(pieces)
        if not any(_is_top(piece) for piece in kept):
            tops = [piece for piece in pieces[:start] if _is_top(piece)] or [
                piece for i, piece in enumerate(pieces[:end]) if self._gone[i] and _is_top(piece)
            ]
            if len(tops) == 1:
                kept.insert(0, tops[0])
        return kept

    def _size(self, found: Range) -> int:
        return self._sums[found.end] - self._sums[found.start]

    def _is_furniture(self, found: Range) -> bool:
        size = self._size(found)
        large = size > self._sums[-1] * _MOST
        if found.why == "nav":
            return not (large and found.within)
        if large or found.why in {"main", "article", "content"}:
            return False
        if found.why in {"header", "aside"} and not found.within:
            return True
        if found.why in {"header", "aside"}:
            return False  # inside the article: its title, a note, a box of mapped techniques
        pieces = self.pieces[found.start : found.end]
        tables = any(piece.rows is not None and len(piece.rows) > 1 for piece in pieces)
        if found.why == "footer":
            headings = any(piece.kind == "heading" for piece in pieces)
            return not (found.within and (headings or tables))
        return not tables and not any(_is_top(piece) for piece in pieces)

    def _bounds(self) -> tuple[int, int]:
        """Where the article starts and ends: the marked one that holds most, else the page."""
        sums = [0]
        for gone, piece in zip(self._gone, self.pieces, strict=True):
            sums.append(sums[-1] + (0 if gone else piece.size))
        start, end = 0, len(self.pieces)
        for why, share in _SHARES:
            best = max(
                (r for r in self._ranges if r.why == why and start <= r.start and r.end <= end),
                key=lambda r: (sums[r.end] - sums[r.start], -r.start),
                default=None,
            )
            if best is not None:
                size = sums[best.end] - sums[best.start]
                if size and size >= share * (sums[end] - sums[start]):
                    start, end = best.start, best.end
        return start, end


def _is_top(piece: Piece) -> bool:
    return piece.kind == "heading" and piece.level == 1
