"""HTML → blocks: one walk over the tree, without recursion, that keeps structure and order.

What the walk drops: what nobody sees (:mod:`ctimine.read.hidden`), and what is not the article
(navigation, page header and footer, cookie banners, share bars, related posts, comments). The
article is ``<article>`` or ``<main>`` where the page marks one that holds most of its text.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from ctimine.model import BlockKind, Fact, Snapshot
from ctimine.read.hidden import (
    SKIPPED,
    UNKNOWN,
    Attributes,
    Ink,
    Look,
    Sheets,
    hidden_by_attribute,
)
from ctimine.read.media import decode
from ctimine.read.text import Cell, Reading, TextBuilder, Words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

# -- what elements are -----------------------------------------------------------------------------

_BLOCKS: Final = frozenset(
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption"  # noqa: SIM905
    " figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu"
    " nav ol optgroup p plaintext pre search section summary table tbody td tfoot th thead tr ul xmp"
    " caption".split()
)
_HEADINGS: Final = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_PRE_TAGS: Final = frozenset({"pre", "listing", "xmp", "plaintext"})
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir", "dl"})
_ROWS: Final = frozenset({"thead", "tr", "td", "th"})
_MARKED: Final = frozenset({"sup", "font"})
_RARE: Final = frozenset({"hidden", "aria-hidden", "popover", "role", "bgcolor", "itemprop"})
_GUTTER: Final = re.compile(
    r"(?:^|\s)(?:line-?nos?|line-?numbers?(?:-rows)?|gutter|rouge-gutter|blob-num|hljs-ln-numbers)(?:\s|$)"
)
_LANGUAGE: Final = re.compile(
    r"(?:^|\s)(?:lang(?:uage)?-|highlight-source-|highlight-|brush:\s*|sourceCode\s+)([\w+#.-]+)"
)
_NO_LANGUAGE: Final = frozenset(
    {"none", "plaintext", "text", "default", "highlight", "nohighlight"}
)
_MARKS: Final = frozenset({"", "#", "¶", "§", "🔗", "link", "permalink", "\u200b", "\ufeff", "∞"})

# -- what is not the article -----------------------------------------------------------------------

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
    "addthis addtoany adverts advert advertisement ads breadcrumb breadcrumbs byline-social comments"  # noqa: SIM905
    " commentlist consent cookie cookies disqus disqus_thread footer gdpr masthead menu metanav"
    " navbar navigation nav newsletter pager pagination popup prevnext promo recommendations"
    " recommended related respond share sharedaddy sharing shares sidebar sidenav signup skip"
    " skiplink social socials sponsor subscribe subscription subscriptions tagcloud toolbar topbar"
    " toc tableofcontents widget paywall modal lightbox".split()
)
_NEUTRAL: Final = frozenset(
    "a area articles article aside bar bars block box btn btns button buttons c cards card column"  # noqa: SIM905
    " container content cta desktop fixed floating follow form global group header icon icons inner"
    " is items item js l left link links list local m main md-nav media menu mobile module more nav"
    " notice o on outer overlay page panel po posts post pre primary read region right root row"
    " secondary section section-nav side site sticky story stories strip text theme-doc this to top"
    " bottom u us widget wp wrap wrapper wrapped entry blog news by policy law eu banner navigation"
    " tags tag jp md footer body area1 area2 single inline horizontal vertical default doc docs".split()
)
_IDS: Final = frozenset(
    "breadcrumb breadcrumbs comments comment-list cookie-banner cookie-notice cookie-consent"  # noqa: SIM905
    " disqus_thread footer masthead nav navbar navigation page-footer related-posts respond"
    " right-sidebar left-sidebar share-buttons sidebar site-footer site-header site-nav"
    " site-navigation skip-link skip-to-content toc table-of-contents".split()
)
_CONTENT: Final = re.compile(
    r"(?:^|\s)(?:article-?body|article-?content|blog-?post-?(?:body|content)|entry-content|"
    r"markdown-body|post-?body|post-?content|rich-?text|story-?body|theme-doc-markdown|"
    r"td-post-content|md-content|page-content|content-body|prose)(?:\s|$)",
    re.IGNORECASE,
)
_SOURCES: Final = re.compile(
    r"(?:^|\s)(?:references|reflist|footnotes|endnotes|bibliography|citations)(?:\s|$)"
)
_MOST_RANGES: Final = 2000
_MOST: Final = 0.5
"""Share of the text from which a class-named "sidebar" is taken for the page itself."""


@functools.lru_cache(maxsize=4096)
def _is_boilerplate(classes: str) -> bool:
    """Whether a class value names page furniture, all its words accounted for.

    Every word of the name must be known, so that ``cookie-banner`` goes and ``cookie-theft`` stays.

    >>> _is_boilerplate("post-share-buttons"), _is_boilerplate("cookie-theft-section")
    (True, False)
    """
    for name in classes.lower().split():
        words = [word for word in re.split(r"[-_:]+", name) if word and not word.isdigit()]
        if not _CORE.isdisjoint(words) and all(w in _CORE or w in _NEUTRAL for w in words):
            return True
    return False


_IS_GUTTER, _IS_SOURCES, _IS_CONTENT, _IS_FURNITURE = 1, 2, 4, 8


@functools.lru_cache(maxsize=8192)
def _class_says(classes: str) -> int:
    """What a class value tells of its element, as flags."""
    return (
        _IS_GUTTER * bool(_GUTTER.search(classes))
        + _IS_SOURCES * bool(_SOURCES.search(classes))
        + _IS_CONTENT * bool(_CONTENT.search(classes))
        + _IS_FURNITURE * _is_boilerplate(classes)
    )


# -- the walk --------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class _Piece:
    """A block to be, or a whole table."""

    kind: BlockKind
    words: Words = dataclasses.field(default_factory=Words)
    level: int = 0
    note: str = ""
    rows: list[list[Cell]] | None = None

    @property
    def size(self) -> int:
        if self.rows is None:
            return len(self.words)
        return sum(len(cell.words) for row in self.rows for cell in row)


@dataclasses.dataclass(slots=True)
class _Table:
    """The table that is being read, and what to return to after it."""

    rows: list[list[Cell]]
    head: bool = False
    in_cell: bool = False
    cell: tuple[bool, int, int] = (False, 1, 1)


@dataclasses.dataclass(slots=True)
class _Range:
    """Pieces ``start:end`` that one element gave; ``why`` names what it is."""

    why: str
    start: int
    end: int = -1
    size: int = 0
    within: bool = False


# What an element changed, as flags of its frame: (flags, kind, level, depth, ink, muted, range).
# Frames are bare tuples, and there is one for each open element: this is the hot path of reading.
_Frame = tuple[int, BlockKind, int, int, Ink, str, _Range | None]
_BLOCK, _LINK, _PRE, _INSIDE, _FROM, _TABLE, _CELL, _HEAD, _ROW = (1 << n for n in range(9))

_Key = tuple[str, str | None, str | None, str | None]
_GONE: Final = object()
"""In place of a frame: the element is left out."""
_FLUSH: Final = object()
"""In place of a frame: the element changes nothing but ends a block."""


class Walk:
    """One walk over a tree; :meth:`reading` gives what it found.

    ``whole`` keeps everything that is seen, for a document that has no page around it (Markdown).
    """

    def __init__(self, tree: LexborHTMLParser, *, whole: bool = False) -> None:
        self.whole = whole
        self.dropped: Counter[str] = Counter()
        self.pieces: list[_Piece] = []
        self._ranges: list[_Range] = []  # what may be page furniture
        self._articles: list[_Range] = []  # what may be the article
        self._sheets = Sheets(tree)
        self._words: Words | None = None
        self._links: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level = 0
        self._depth = 0
        self._note = ""
        self._pre = 0
        self._inside = 0
        self._sources = 0
        # With style sheets in other files nobody knows the colour of text that names none.
        self._ink = Ink(colour=UNKNOWN) if tree.css_first("link[rel~=stylesheet]") else Ink()
        self._muted = ""
        self._table: _Table | None = None
        self._skip: set[int] = set()
        self._bare: dict[str, tuple[str, Look | None, int]] = {}
        self._known: dict[_Key, tuple[str, Look | None, int]] = {}
        self._size = 0
        body = tree.body
        if body is None:
            return
        for node in (tree.root, body):
            if node is not None and node.tag:
                look = self._sheets.look(node.tag, node.attributes, node)
                if look is not None:
                    self._dye(look, node.tag, {})
        self._walk(body)
        self._flush()

    def _walk(self, body: LexborNode) -> None:
        node = body.child
        stack: list[tuple[LexborNode, _Frame | object | None]] = []
        enter, leave, text = self._enter, self._leave, self._text
        skipped = SKIPPED
        while node is not None:
            tag = node.tag or "-"
            if tag == "-text":
                words = node.text_content
                if words and (self._words is not None or self._pre or not words.isspace()):
                    text(node, words)
            elif tag == "br":
                self._break()
            elif tag == "img":
                if self._words is not None and not self._pre:
                    self._words.gap()
            elif tag not in skipped and tag[0] != "-":
                frame = enter(node, tag)
                if frame is not _GONE:
                    child = node.child
                    if child is not None:
                        stack.append((node, frame))
                        node = child
                        continue
                    if frame is not None:
                        leave(frame)
            following = node.next
            while following is None and stack:
                node, frame = stack.pop()
                if frame is not None:
                    leave(frame)
                following = node.next
            node = following

    # -- text

    def _text(self, node: LexborNode, text: str) -> None:
        if self._muted or (self._skip and node.mem_id in self._skip):
            if self._muted and not text.isspace():
                self.dropped[self._muted] += 1
            return
        words = self._words
        if words is None:
            words = self._fresh()
        if self._pre:
            words.raw(text)
        else:
            words.say(text)

    def _fresh(self) -> Words:
        words = self._words = Words()
        for url in self._links:
            words.open_link(url)
        return words

    def _break(self) -> None:
        if self._words is not None and not self._muted:
            if self._pre:
                self._words.raw("\n")
            else:
                self._words.line()

    def _flush(self) -> None:
        words = self._words
        if words is None:
            return
        if self._pre and self._kind != "code":
            words.new_line()
            return
        if self._table is not None and self._table.in_cell:
            words.new_line()
            return
        self._words = None
        for _ in self._links:
            words.close_link()
        if words:
            kind = self._kind
            if self._sources and kind in {"paragraph", "list_item"}:
                kind = "reference"
            self.pieces.append(_Piece(kind, words, self._level, self._note))
            self._size += len(words)

    # -- elements

    def _enter(self, node: LexborNode, tag: str) -> _Frame | object | None:
        """What to restore when the element ends; None for nothing, _GONE to leave it out."""
        attributes = node.attributes
        block = tag in _BLOCKS
        if attributes:
            get = attributes.get
            key = (tag, get("class"), get("style"), get("id"))
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._know(key)
            way, look, says = known
            rare = not _RARE.isdisjoint(attributes)
            if rare and not way:
                way = hidden_by_attribute(tag, attributes)
        else:
            known = self._bare.get(tag)
            if known is None:
                known = self._bare[tag] = self._know((tag, None, None, None))
            way, look, says = known
            rare = False
        if self._skip and node.mem_id in self._skip:
            return _GONE
        if self._sheets.by_node and node.mem_id in self._sheets.by_node:
            look = self._sheets.look(tag, attributes, node)
            way = way or (look.way if look is not None else "")
        if way:
            self.dropped[way] += 1
            if block:
                self._flush()
            return _GONE
        if says & _IS_GUTTER:
            return _GONE
        if not block:
            if tag == "a" or look is not None or tag in _MARKED:
                return self._enter_inline(node, tag, attributes, look)
            return None
        if self._words is not None:
            self._flush()
        if not attributes and look is None and tag in _FLOW:
            return _FLUSH
        return self._enter_block(node, tag, attributes, look, says, rare=rare)

    def _know(self, key: _Key) -> tuple[str, Look | None, int]:
        tag, classes, style, name = key
        attributes = {"class": classes, "style": style, "id": name}
        look = self._sheets.look(tag, attributes)
        way = look.way if look is not None else ""
        if not way:
            way = hidden_by_attribute(tag, {"class": classes})
        says = _class_says(classes) if classes else 0
        if name in _IDS:
            says |= _IS_FURNITURE
        return way, look, says

    def _frame(self, flags: int, found: _Range | None = None) -> _Frame:
        return flags, self._kind, self._level, self._depth, self._ink, self._muted, found

    def _dye(self, look: Look | None, tag: str, attributes: Attributes) -> None:
        ink = self._ink
        self._ink = (
            look.dye(ink, tag, attributes) if look is not None else ink.under({}, tag, attributes)
        )
        if self._ink is not ink:
            self._muted = self._ink.muted

    def _enter_inline(
        self, node: LexborNode, tag: str, attributes: Attributes, look: Look | None
    ) -> _Frame | object | None:
        if tag == "sup":
            # A note mark must not become part of the word before it: T1102¹ is not T11021.
            if self._words is not None and _NOTE_MARK.match(_first_words(node)):
                self._words.gap()
            return None
        flags = 0
        frame = self._frame(0)
        if tag == "a":
            url = (attributes.get("href") or "").strip()
            if url[:1] == "#" and self._is_anchor(node, attributes):
                return _GONE
            if url and url[0] != "#" and not url.lower().startswith(_NO_TARGET):
                self._links.append(url)
                flags = _LINK
                if self._words is not None:
                    self._words.open_link(url)
        if look is not None or tag == "font":
            if look is not None and look.block and not self._pre:
                self._flush()
                flags |= _BLOCK
            self._dye(look, tag, attributes)
        elif not flags:
            return None
        return (flags, *frame[1:])

    def _is_anchor(self, node: LexborNode, attributes: Attributes) -> bool:
        classes = (attributes.get("class") or "").lower()
        if any(word in classes for word in ("headerlink", "anchor", "hash-link", "permalink")):
            return len(node.text(deep=True)) < 4 or self._kind != "heading"
        return self._kind == "heading" and node.text(deep=True).strip().lower() in _MARKS

    def _enter_block(
        self,
        node: LexborNode,
        tag: str,
        attributes: Attributes,
        look: Look | None,
        says: int,
        *,
        rare: bool,
    ) -> _Frame | object:
        frame = self._frame(_BLOCK)
        if look is not None or (rare and "bgcolor" in attributes):
            self._dye(look, tag, attributes)
        if self._pre:
            return frame
        flags = _BLOCK
        found: _Range | None = None
        if says & _IS_SOURCES or (rare and attributes.get("role") in _SOURCE_ROLES):
            self._sources += 1
            flags |= _FROM
        if not self.whole and (says or rare or tag in _REGIONS):
            found = self._mark(tag, attributes, says)
            if found is not None and found.why in {"main", "article"}:
                flags |= _INSIDE
        if tag not in _PLAIN_BLOCKS:
            flags |= self._structure(node, tag, attributes)
        return (flags, *frame[1:6], found)

    def _structure(self, node: LexborNode, tag: str, attributes: Attributes) -> int:
        """Take up what an element means for the blocks in it."""
        table = self._table
        if table is not None:
            if table.in_cell:
                self._pre += tag in _PRE_TAGS
                return _PRE if tag in _PRE_TAGS else 0
            if tag in _ROWS:
                return self._enter_row(table, tag, attributes)
        if tag in {"li", "dt", "dd"}:
            self._kind, self._level = "list_item", max(self._depth, 1) + (tag == "dd")
        elif tag in _HEADINGS:
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag in _LISTS:
            self._depth += 1
        elif tag in _PRE_TAGS:
            self._pre += 1
            self._kind, self._level, self._note = "code", 0, _language(node)
            return _PRE
        elif tag == "table":
            if table is None and not _is_layout(node, attributes):
                self._table = _Table([])
                return _TABLE
        elif tag == "blockquote":
            self._kind, self._level = "quote", 0
        elif tag in {"figcaption", "caption"}:
            self._kind, self._level = "caption", 0
        elif tag == "details" and "open" not in attributes:
            self._close_details(node)
        return 0

    def _enter_row(self, table: _Table, tag: str, attributes: Attributes) -> int:
        if tag == "thead":
            table.head = True
            return _HEAD
        if tag == "tr":
            table.rows.append([])
            return _ROW
        if not table.rows:
            table.rows.append([])
        table.in_cell = True
        table.cell = (
            tag == "th",
            _span(attributes.get("rowspan"), 65534),
            _span(attributes.get("colspan"), 1000),
        )
        self._kind = "table_cell"
        self._words = self._fresh()
        return _CELL

    def _close_details(self, node: LexborNode) -> None:
        """Leave out what a closed ``<details>`` shows on a click only: all but its summary."""
        child = node.child
        summary = False
        held = False
        while child is not None:
            if child.tag == "summary" and not summary:
                summary = True
            else:
                self._skip.add(child.mem_id)
                held = held or child.tag != "-text" or not (child.text_content or "").isspace()
            child = child.next
        if held:
            self.dropped["closed details"] += 1

    def _leave(self, frame: _Frame | object) -> None:
        if not isinstance(frame, tuple):
            if self._words is not None:
                self._flush()
            return
        flags, kind, level, depth, ink, muted, found = frame
        if flags & _LINK:
            self._links.pop()
            if self._words is not None:
                self._words.close_link()
        if flags & _CELL:
            self._leave_cell()
        elif flags & _BLOCK and self._words is not None:
            self._flush()
        if flags > _LINK + _BLOCK:
            self._leave_special(flags)
        if found is not None:
            found.end = len(self.pieces)
            found.size = self._size - found.size
        self._kind, self._level, self._depth = kind, level, depth
        self._ink, self._muted = ink, muted

    def _leave_special(self, flags: int) -> None:
        table = self._table
        if flags & _PRE:
            self._pre -= 1
            if self._pre == 0 and self._kind == "code":
                self._note = ""
        if flags & _FROM:
            self._sources -= 1
        if flags & _INSIDE:
            self._inside -= 1
        if table is not None:
            if flags & _TABLE:
                self._leave_table(table)
            elif flags & _HEAD:
                table.head = False
            elif flags & _ROW and table.rows:
                _settle_headers(table.rows[-1], head=table.head)

    def _leave_cell(self) -> None:
        table, words = self._table, self._words
        if table is None or words is None:
            return
        for _ in self._links:
            words.close_link()
        header, rows, columns = table.cell
        table.rows[-1].append(Cell(words, header, rows, columns))
        table.in_cell = False
        self._words = None

    def _leave_table(self, table: _Table) -> None:
        self._table = None
        piece = _Piece("table_cell", rows=table.rows)
        size = piece.size
        if size:
            self.pieces.append(piece)
            self._size += size

    # -- the article and what surrounds it

    def _mark(self, tag: str, attributes: Attributes, says: int) -> _Range | None:
        """The range that the element opens if it may be the article or page furniture."""
        role = attributes.get("role") or ""
        why = ""
        if tag in {"main", "article"} or role in {"main", "article"}:
            why = "main" if "main" in {tag, role} else "article"
            self._inside += 1
        elif says & _IS_CONTENT or attributes.get("itemprop") == "articleBody":
            why = "content"
        if why:
            found = _Range(why, len(self.pieces), size=self._size, within=self._inside > 1)
            self._articles.append(found)
        else:
            if tag in {"nav", "header", "footer", "aside"}:
                why = tag
            elif role in _ROLES:
                why = _ROLES[role]
            if says & _IS_FURNITURE and tag not in _NEVER:
                why = "nav" if why == "nav" else "furniture"
            if not why:
                return None
            found = _Range(why, len(self.pieces), size=self._size, within=self._inside > 0)
            self._ranges.append(found)
        return found

    def _kept(self) -> list[_Piece]:
        """The pieces of the article."""
        pieces = self.pieces
        if self.whole or not pieces:
            return pieces
        gone = bytearray(len(pieces))
        until = 0
        for found in self._ranges[:_MOST_RANGES]:
            if found.start >= until and self._is_furniture(found):
                until = found.end
                size = found.end - found.start
                gone[found.start : found.end] = b"\x01" * size
                if size:
                    self.dropped[f"page: {found.why}"] += 1
        start, end = self._article(gone)
        kept = [piece for i, piece in enumerate(pieces[start:end], start) if not gone[i]]
        if not kept:
            return pieces  # a page that is furniture all over: better that than nothing
        if not any(piece.kind == "heading" and piece.level == 1 for piece in kept):
            tops = [p for p in pieces[:start] if p.kind == "heading" and p.level == 1] or [
                p
                for i, p in enumerate(pieces[start:end], start)
                if gone[i] and p.kind == "heading" and p.level == 1
            ]
            if len(tops) == 1:
                kept.insert(0, tops[0])
        return kept

    def _is_furniture(self, found: _Range) -> bool:
        if found.why == "nav":
            return found.size < self._size * _MOST or not found.within
        pieces = self.pieces[found.start : found.end]
        if found.size > self._size * _MOST:
            return False
        headings = any(piece.kind == "heading" for piece in pieces)
        tables = any(piece.rows is not None and len(piece.rows) > 1 for piece in pieces)
        if found.why == "header":
            return not found.within
        if found.why == "footer":
            return not (found.within and (headings or tables))
        linked = sum(b - a for piece in pieces for a, b, _ in piece.words.links)
        if found.why == "aside":
            return not found.within or (linked * 2 > found.size and not tables)
        tops = any(piece.kind == "heading" and piece.level == 1 for piece in pieces)
        return not tops and not tables

    def _article(self, gone: bytearray) -> tuple[int, int]:
        """Where the article starts and ends: the marked one that holds most, else the page."""
        sizes = [0 if gone[i] else piece.size for i, piece in enumerate(self.pieces)]
        sums = [0]
        for size in sizes:
            sums.append(sums[-1] + size)

        def size_of(found: _Range) -> int:
            return sums[found.end] - sums[found.start]

        outer = (0, len(self.pieces), sums[-1])
        for why, share in (("main", 0.25), ("article", 0.5), ("content", 0.6)):
            ranges = [
                r
                for r in self._articles
                if r.why == why and r.start >= outer[0] and r.end <= outer[1]
            ]
            if not ranges:
                continue
            best = max(ranges, key=lambda r: (size_of(r), -r.start))
            if size_of(best) >= share * outer[2] and size_of(best) > 0:
                outer = (best.start, best.end, size_of(best))
        return outer[0], outer[1]

    def build(self, text: TextBuilder) -> None:
        """Append what was found to a text."""
        for piece in self._kept():
            if piece.rows is not None:
                text.table(piece.rows)
            else:
                text.add(piece.kind, piece.words, level=piece.level, note=piece.note)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, in words, most first."""
        hidden = [(way, n) for way, n in sorted(self.dropped.items()) if n and way]
        return tuple(f"left out: {way} ×{n}" for way, n in hidden)


_NOTE_MARK: Final = re.compile(r"\s*[\[(]?\d[\d,\s–-]*[\])]?\s*$")
_NO_TARGET: Final = ("javascript:", "data:", "vbscript:", "mailto:", "tel:")
_REGIONS: Final = frozenset({"main", "article", "nav", "header", "footer", "aside"})
_FLOW: Final = frozenset({"center", "div", "p", "section"})
_PLAIN_BLOCKS: Final = frozenset(
    {"article", "aside", "center", "div", "footer", "header", "main", "nav", "p", "section"}
)
_SOURCE_ROLES: Final = frozenset({"doc-bibliography", "doc-endnotes"})
_NEVER: Final = frozenset({"body", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "td", "th"})


def _first_words(node: LexborNode) -> str:
    """The first text in an element, looked for in the first child of the first child only."""
    at = node.child
    for _ in range(4):
        if at is None:
            return ""
        if at.tag == "-text":
            return at.text_content or ""
        at = at.child
    return ""


def _language(node: LexborNode) -> str:
    """The language of a code block as its class says, or that of what it stands in."""
    child = node.child
    while child is not None and child.tag != "code":
        child = child.next
    ancestors: list[LexborNode] = []
    parent = node.parent
    while parent is not None and parent.tag in _AROUND_CODE and len(ancestors) < _LANGUAGE_REACH:
        ancestors.append(parent)
        parent = parent.parent
    for at in (node, child, *ancestors):
        if at is None:
            continue
        attributes = at.attributes
        named = attributes.get("data-lang") or attributes.get("data-language")
        if named:
            return named.strip().lower()
        found = _LANGUAGE.search(attributes.get("class") or "")
        if found and found.group(1).lower() not in _NO_LANGUAGE:
            return found.group(1).lower()
    return ""


_AROUND_CODE: Final = frozenset({"div", "figure", "table", "tbody", "td", "tr", "span"})
_LANGUAGE_REACH: Final = 8
"""Ancestors of a code block that may name its language (a highlighter's table has seven)."""


def _is_layout(node: LexborNode, attributes: Attributes) -> bool:
    """Whether a table only places things: marked so, holding tables or sections, or one cell."""
    if attributes.get("role") in {"presentation", "none"}:
        return True
    if _CODE_TABLE.search(attributes.get("class") or ""):
        return True
    at = node.child
    cells = 0
    depth = 0
    while at is not None:
        tag = at.tag
        if tag in {"table", "h1", "h2"}:
            return True
        cells += tag in {"td", "th"}
        child = at.child
        if child is not None:
            at, depth = child, depth + 1
            continue
        following = at.next
        while following is None and depth > 0:
            parent = at.parent
            if parent is None:
                break
            at, depth = parent, depth - 1
            following = at.next
        at = following
    return cells < 2


_CODE_TABLE: Final = re.compile(r"(?:^|\s)(?:highlight(?:table)?|rouge-table|hljs-ln|js-file-line)")


def _span(value: str | None, most: int) -> int:
    digits = (value or "").strip()
    if not digits.isascii() or not digits.isdigit():
        return 1
    number = int(digits[:6])
    return most if number == 0 else min(number, most)


def _settle_headers(row: list[Cell], *, head: bool) -> None:
    """Keep as header cells those of a header row; a ``<th>`` beside ``<td>`` names its row."""
    header = head or all(cell.header for cell in row)
    row[:] = [dataclasses.replace(cell, header=header) for cell in row]


# -- reading ---------------------------------------------------------------------------------------

_FORMATTING: Final = re.compile(
    r"<(/?)(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)\b(?:[^>]*)>", re.IGNORECASE
)
MOST_UNCLOSED: Final = 400
"""Unclosed formatting elements up to which a page is parsed as it stands.

HTML (§13.2.4.3) opens each of them anew in every paragraph that follows, so that a hostile page
grows with the square of its length. Beyond this they are taken out before parsing.
"""


def parse(markup: str) -> LexborHTMLParser:
    """The tree of a page or fragment."""
    from selectolax.lexbor import LexborHTMLParser

    markup = _without_noscript(markup)
    if markup.count("<") > MOST_UNCLOSED:
        unclosed = 0
        for found in _FORMATTING.finditer(markup):
            unclosed += -1 if found.group(1) else 1
            if unclosed > MOST_UNCLOSED:
                markup = _FORMATTING.sub("", markup)
                break
            unclosed = max(unclosed, 0)
    return LexborHTMLParser(markup)


def _without_noscript(markup: str) -> str:
    """The markup without ``<noscript>``, whose tags would close what is open around it.

    With scripting, as in every browser, its content is no markup at all (HTML §13.2.6.4.4).
    """
    kept: list[str] = []
    at = 0
    for found in _NOSCRIPT.finditer(markup):
        if found.start() < at:
            continue
        end = _NOSCRIPT_END.search(markup, found.end())
        if end is None:
            break
        if "</script" not in markup[found.end() : end.start()].lower():
            kept.append(markup[at : found.start()])
            at = end.end()
    return "".join((*kept, markup[at:])) if kept else markup


_NOSCRIPT: Final = re.compile(r"<noscript\b[^>]*>", re.IGNORECASE)
_NOSCRIPT_END: Final = re.compile(r"</noscript\s*>", re.IGNORECASE)


def read_html(snapshot: Snapshot) -> Reading:
    """The article of an HTML page, and what the page says of itself."""
    headers = {name.lower(): value for name, value in snapshot.headers}
    claimed = headers.get("content-type", "") or snapshot.media_type
    markup, _ = decode(snapshot.body, claimed, html=True)
    return read_markup(markup)


def read_markup(markup: str, *, whole: bool = False) -> Reading:
    """What an HTML text says; ``whole`` keeps all that is seen, as for the HTML part of a mail.

    >>> page = "<nav>Home</nav><main><h1>Turla</h1><p>T1102<p hidden>T1071</main>"
    >>> read_markup(page).text
    'Turla\n\nT1102'
    """
    from ctimine.read.page import page_facts

    tree = parse(markup)
    text = TextBuilder()
    walk = Walk(tree, whole=whole)
    walk.build(text)
    facts = page_facts(tree)
    if not text.length:
        # An empty shell is still known by its title, and marked as no report.
        title = next((fact.value for fact in facts if fact.field == "title"), "")
        text.add("heading", title, level=1)
        facts = (*facts, Fact("kind", "index", "page without text"))
    return text.reading(facts=facts, warnings=walk.warnings)
