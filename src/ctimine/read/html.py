"""HTML → blocks: one walk over the tree, without recursion, that keeps structure and order.

What the walk drops: what nobody sees (:mod:`ctimine.read.hidden`), and what is not the article
(:mod:`ctimine.read.furniture`).

Text is collected raw and folded once for each block: line ends and the borders of links are marked
by noncharacters, which no text may hold (Unicode §23.7), until :func:`_folded` turns them into
newlines and offsets.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from ctimine.model import BlockKind, Fact, Snapshot
from ctimine.read.furniture import (
    GUTTER,
    RARE,
    REGIONS,
    SOURCES,
    Page,
    Range,
    name_says,
    what_it_may_be,
)
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

_BLOCKS: Final = frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing
    main menu nav ol optgroup p plaintext pre search section summary table tbody td tfoot th thead
    tr ul xmp
    """.split()  # noqa: SIM905
)
_FLOW: Final = frozenset({"center", "div", "p", "section", "tbody", "tfoot"})
"""Blocks that mean nothing by themselves."""
_HEADINGS: Final = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_ITEMS: Final = frozenset({"li", "dt", "dd"})
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir", "dl"})
_PRE: Final = frozenset({"pre", "listing", "xmp", "plaintext"})
_ROWS: Final = frozenset({"thead", "tr", "td", "th"})
_SOURCE_ROLES: Final = frozenset({"doc-bibliography", "doc-endnotes"})
_NO_TARGET: Final = ("javascript:", "data:", "vbscript:", "mailto:", "tel:")
_NOTE_MARK: Final = re.compile(r"\s*[\[(]?\d[\d,\s–-]*[\])]?\s*$")
_ANCHORS: Final = ("headerlink", "anchor", "hash-link", "permalink")
_ANCHOR_WORDS: Final = frozenset({"", "#", "¶", "§", "🔗", "link", "permalink", "\u200b", "∞"})
_LANGUAGE: Final = re.compile(
    r"(?:^|\s)(?:lang(?:uage)?-|highlight-source-|highlight-|brush:\s*|sourceCode\s+)([\w+#.-]+)"
)
_NO_LANGUAGE: Final = frozenset({"none", "plaintext", "text", "default", "highlight"})
_AROUND_CODE: Final = frozenset({"div", "figure", "table", "tbody", "td", "tr", "span"})
_LANGUAGE_REACH: Final = 8
"""Ancestors of a code block that may name its language (a highlighter's table has seven)."""
_CODE_TABLE: Final = re.compile(r"(?:^|\s)(?:highlight(?:table)?|rouge-table|hljs-ln|js-file-line)")

_LINE, _OPEN, _CLOSE = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKS: Final = re.compile(f" ?({_LINE}) ?|([{_OPEN}{_CLOSE}])")

# What an element changed, to be restored when it ends. Frames are bare tuples, and there is one
# for each open element: this is the hot path of reading.
_Frame = tuple[int, BlockKind, int, int, Ink, Range | None]
_IS_BLOCK, _IS_LINK, _IS_PRE, _IS_INSIDE, _IS_FROM, _IS_TABLE, _IS_CELL, _IS_HEAD, _IS_ROW = (
    1 << n for n in range(9)
)
_FLUSH: Final = 0
"""In place of a frame: the element changes nothing but ends a block."""

# What is known of elements that are alike in tag, class, style and id.
_INERT, _ENDS_BLOCK, _ENTER, _BREAK, _PICTURE, _LEFT_OUT = range(6)
_Known = tuple[int, str, "Look | None", int]
_Key = tuple[str, "str | None", "str | None", "str | None"]


class Heard:
    """The raw words of one block while the walk hears them, with the targets of their links."""

    __slots__ = ("parts", "raw", "targets")

    def __init__(self, *, raw: bool = False) -> None:
        self.parts: list[str] = []
        self.targets: list[str] = []
        self.raw = raw

    def words(self) -> Words:
        """The words folded: white space as a browser shows it, links as offsets."""
        text = "".join(self.parts)
        if not self.raw:
            text = " ".join(text.split())
            if text.isprintable():
                return Words.of(text)
        elif not self.targets:
            return Words().raw(text.replace(_LINE, "\n"))
        return _folded(text, self.targets, raw=self.raw)


def _folded(text: str, targets: list[str], *, raw: bool) -> Words:
    """Words of a text that holds marks."""
    words = Words()
    say = words.raw if raw else words.say
    unused = iter(targets)
    at = 0
    for found in _MARKS.finditer(text):
        # A space before a mark and one after it are one: the builder sees them in turn.
        say(text[at : found.start()])
        at = found.end()
        if found.group(1):
            words.line()
        elif found.group(2) == _OPEN:
            words.open_link(next(unused, ""))
        else:
            words.close_link()
    say(text[at:])
    return words


@dataclasses.dataclass(slots=True)
class Piece:
    """A block to be, or a whole table."""

    kind: BlockKind
    heard: Heard
    level: int = 0
    note: str = ""
    rows: list[list[Cell]] | None = None
    size: int = 0


@dataclasses.dataclass(slots=True)
class _Table:
    """The table that is being read."""

    rows: list[list[tuple[Heard, bool, int, int]]]
    heads: set[int]
    head: bool = False
    cell: tuple[bool, int, int] | None = None


class Walk:
    """One walk over a tree; :meth:`build` appends what it found to a text.

    ``whole`` keeps everything that is seen, for a document that has no page around it (Markdown).
    """

    def __init__(self, tree: LexborHTMLParser, *, whole: bool = False) -> None:
        self.whole = whole
        self.dropped: Counter[str] = Counter()
        self.pieces: list[Piece] = []
        self._ranges: list[Range] = []
        self._sheets = Sheets(tree)
        self._known: dict[_Key, _Known] = {}
        self._bare: dict[str, _Known] = {
            **dict.fromkeys(SKIPPED, (_LEFT_OUT, "", None, 0)),
            "br": (_BREAK, "", None, 0),
            "img": (_PICTURE, "", None, 0),
            "-comment": (_LEFT_OUT, "", None, 0),
        }
        self._heard: Heard | None = None
        self._links: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level = 0
        self._depth = 0
        self._note = ""
        self._pre = 0
        self._inside = 0
        self._sources = 0
        self._table: _Table | None = None
        self._skip: set[int] = set()
        # With style sheets in other files nobody knows the colour of text that names none.
        self._ink = Ink(colour=UNKNOWN) if tree.css_first("link[rel~=stylesheet]") else Ink()
        self._wary = False  # whether text must be looked at before it is heard
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
        stack: list[tuple[LexborNode, _Frame | int | None]] = []
        bare, known, by_node, skip = self._bare, self._known, self._sheets.by_node, self._skip
        enter, leave, flush = self._enter, self._leave, self._flush
        frame: _Frame | int | None
        while node is not None:
            tag = node.tag or "-"
            if tag == "-text":
                text = node.text_content
                if text:
                    if self._wary and not self._may_hear(node, text):
                        pass
                    elif self._heard is not None:
                        self._heard.parts.append(text)
                    elif not text.isspace() or self._pre:
                        self._hear().parts.append(text)
            else:
                attributes = node.attributes
                if attributes:
                    get = attributes.get
                    key = (tag, get("class"), get("style"), get("id"))
                    about = known.get(key) or self._know(key)
                    act = about[0]
                    if act < _BREAK and (not RARE.isdisjoint(attributes) or tag == "a"):
                        act = _ENTER
                else:
                    about = bare.get(tag) or self._know((tag, None, None, None))
                    act = about[0]
                if act < _ENTER and (
                    (by_node and node.mem_id in by_node) or (skip and node.mem_id in skip)
                ):
                    act = _ENTER
                if act < _BREAK:
                    if act == _INERT:
                        frame = None
                    elif act == _ENDS_BLOCK:
                        if self._heard is not None:
                            flush()
                        frame = _FLUSH
                    else:
                        frame = enter(node, tag, attributes, about)
                    if frame != _LEFT_OUT:
                        child = node.child
                        if child is not None:
                            stack.append((node, frame))
                            node = child
                            continue
                        if frame is not None:
                            leave(frame)
                else:
                    self._pass_over(act, about)
            following = node.next
            while following is None and stack:
                node, frame = stack.pop()
                if frame is None:
                    pass
                elif frame == _FLUSH:
                    if self._heard is not None:
                        flush()
                else:
                    leave(frame)
                following = node.next
            node = following

    # -- text

    def _may_hear(self, node: LexborNode, text: str) -> bool:
        muted = self._ink.muted
        if muted and not text.isspace():
            self.dropped[muted] += 1
        return not muted and node.mem_id not in self._skip

    def _hear(self) -> Heard:
        heard = self._heard = Heard(raw=self._kind == "code")
        for url in self._links:
            heard.parts.append(_OPEN)
            heard.targets.append(url)
        return heard

    def _line(self) -> None:
        """End the line unless it has just ended."""
        if self._heard is not None and self._heard.parts and self._heard.parts[-1] != _LINE:
            self._heard.parts.append(_LINE)

    def _flush(self) -> None:
        heard = self._heard
        if heard is None:
            return
        if (self._pre and self._kind != "code") or (
            self._table is not None and self._table.cell is not None
        ):
            self._line()
            return
        self._heard = None
        if self._links:
            self._end_links(heard)
        kind = self._kind
        if self._sources and kind in {"paragraph", "list_item"}:
            kind = "reference"
        size = sum(map(len, heard.parts))
        self.pieces.append(Piece(kind, heard, self._level, self._note, None, size))

    def _end_links(self, heard: Heard) -> None:
        heard.parts.extend(_CLOSE for _ in self._links)

    def _pass_over(self, act: int, about: _Known) -> None:
        """An element without words: a line break, a picture, or one that is left out."""
        heard = self._heard
        if act == _BREAK:
            if heard is not None and not self._ink.muted:
                heard.parts.append(_LINE)
        elif act == _PICTURE:
            if heard is not None and not heard.raw:
                heard.parts.append(" ")
        else:
            if about[1]:
                self.dropped[about[1]] += 1
            if about[3] and heard is not None:
                self._flush()

    # -- elements

    def _know(self, key: _Key) -> _Known:
        """What is to be done with elements of this tag, class, style and id."""
        tag, classes, style, name = key
        like = self._bare.get(tag)
        if like is not None and like[0] >= _BREAK:
            self._known[key] = like
            return like
        look = self._sheets.look(tag, {"class": classes, "style": style, "id": name})
        way = (look.way if look is not None else "") or hidden_by_attribute(
            tag, {"class": classes, "open": None} if classes or style or name else {}
        )
        says = name_says(classes or "", name or "") if classes or name else 0
        block = tag in _BLOCKS
        if way or says & GUTTER or tag[0] == "-":
            known: _Known = (_LEFT_OUT, way, look, int(block))
        elif look is not None or tag in {"a", "sup", "font", "dialog"}:
            known = (_ENTER, "", look, says)
        elif not block:
            known = (_INERT, "", None, 0)
        elif tag in _FLOW and not says:
            known = (_ENDS_BLOCK, "", None, 0)
        else:
            known = (_ENTER, "", None, says)
        if key[1:] == (None, None, None):
            self._bare[tag] = known
        else:
            self._known[key] = known
        return known

    def _enter(
        self, node: LexborNode, tag: str, attributes: Attributes, about: _Known
    ) -> _Frame | int | None:
        """What to restore when the element ends; _LEFT_OUT if it is not to be entered."""
        _, _, look, says = about
        block = tag in _BLOCKS
        if self._skip and node.mem_id in self._skip:
            return _LEFT_OUT
        rare = not RARE.isdisjoint(attributes)
        way = hidden_by_attribute(tag, attributes) if rare or tag == "dialog" else ""
        if not way and self._sheets.by_node and node.mem_id in self._sheets.by_node:
            look = self._sheets.look(tag, attributes, node)
            way = look.way if look is not None else ""
        if way:
            self.dropped[way] += 1
            if block and self._heard is not None:
                self._flush()
            return _LEFT_OUT
        if not block:
            return self._enter_inline(node, tag, attributes, look)
        if self._heard is not None:
            self._flush()
        kind, level, depth, ink = self._kind, self._level, self._depth, self._ink
        if look is not None or (rare and "bgcolor" in attributes):
            self._dye(look, tag, attributes)
        if self._pre:
            return _IS_BLOCK, kind, level, depth, ink, None
        flags = _IS_BLOCK
        found: Range | None = None
        if says & SOURCES or (rare and attributes.get("role") in _SOURCE_ROLES):
            self._sources += 1
            flags |= _IS_FROM
        if not self.whole and (says or rare or tag in REGIONS):
            why = what_it_may_be(tag, attributes, says)
            if why:
                found = Range(why, len(self.pieces), within=self._inside > 0)
                self._ranges.append(found)
            if why in {"main", "article"}:
                self._inside += 1
                flags |= _IS_INSIDE
        if tag not in _FLOW:
            flags |= self._structure(node, tag, attributes)
        return flags, kind, level, depth, ink, found

    def _dye(self, look: Look | None, tag: str, attributes: Attributes) -> None:
        ink = self._ink
        self._ink = (
            look.dye(ink, tag, attributes) if look is not None else ink.under({}, tag, attributes)
        )
        if self._ink is not ink:
            self._wary = bool(self._ink.muted or self._skip)

    def _enter_inline(
        self, node: LexborNode, tag: str, attributes: Attributes, look: Look | None
    ) -> _Frame | int | None:
        heard = self._heard
        if tag == "sup":
            # A note mark must not become part of the word before it: T1102¹ is not T11021.
            if heard is not None and not heard.raw and _NOTE_MARK.match(_first_words(node)):
                heard.parts.append(" ")
            return None
        flags = 0
        if tag == "a":
            url = (attributes.get("href") or "").strip()
            if url[:1] == "#" and self._is_anchor(node, attributes):
                return _LEFT_OUT
            if url and url[0] != "#" and not url.lower().startswith(_NO_TARGET):
                flags = _IS_LINK
        if look is None and tag != "font" and not flags:
            return None
        frame = (self._kind, self._level, self._depth, self._ink, None)
        if look is not None and look.block and not self._pre:
            if heard is not None:
                self._flush()
            flags |= _IS_BLOCK
        if flags & _IS_LINK:
            self._links.append(url)
            heard = self._heard
            if heard is not None:
                heard.parts.append(_OPEN)
                heard.targets.append(url)
        if look is not None or tag == "font":
            self._dye(look, tag, attributes)
        return (flags, *frame)

    def _is_anchor(self, node: LexborNode, attributes: Attributes) -> bool:
        classes = (attributes.get("class") or "").lower()
        if any(word in classes for word in _ANCHORS):
            return len(node.text(deep=True)) < 4 or self._kind != "heading"
        return self._kind == "heading" and node.text(deep=True).strip().lower() in _ANCHOR_WORDS

    def _structure(self, node: LexborNode, tag: str, attributes: Attributes) -> int:
        """Take up what an element means for the blocks in it; the flags to leave it by."""
        table = self._table
        if table is not None:
            if table.cell is not None:
                self._pre += tag in _PRE
                return _IS_PRE if tag in _PRE else 0
            if tag in _ROWS:
                return self._enter_row(table, tag, attributes)
        if tag in _ITEMS:
            self._kind, self._level = "list_item", max(self._depth, 1) + (tag == "dd")
        elif tag in _HEADINGS:
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag in _LISTS:
            self._depth += 1
        elif tag in _PRE:
            self._pre += 1
            self._kind, self._level, self._note = "code", 0, _language(node)
            return _IS_PRE
        elif tag == "table":
            if table is None and not _is_layout(node, attributes):
                self._table = _Table([], set())
                return _IS_TABLE
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
            return _IS_HEAD
        if tag == "tr":
            if table.head:
                table.heads.add(len(table.rows))
            table.rows.append([])
            return _IS_ROW
        if not table.rows:
            table.rows.append([])
        span = attributes.get
        table.cell = (tag == "th", _span(span("rowspan"), 65534), _span(span("colspan"), 1000))
        self._kind = "table_cell"
        self._hear()
        return _IS_CELL

    def _close_details(self, node: LexborNode) -> None:
        """Leave out what a closed ``<details>`` shows on a click only: all but its summary."""
        child = node.child
        summary = held = False
        while child is not None:
            if child.tag == "summary" and not summary:
                summary = True
            else:
                self._skip.add(child.mem_id)
                held = held or child.tag != "-text" or not (child.text_content or "").isspace()
            child = child.next
        if held:
            self.dropped["closed details"] += 1
        self._wary = bool(self._skip or self._ink.muted)

    def _leave(self, frame: _Frame | int) -> None:
        if isinstance(frame, int):
            if self._heard is not None:
                self._flush()
            return
        flags, kind, level, depth, ink, found = frame
        if flags & _IS_CELL:
            self._leave_cell()
        elif flags & _IS_BLOCK and self._heard is not None:
            self._flush()
        if flags > _IS_BLOCK:
            self._leave_special(flags)
        if found is not None:
            found.end = len(self.pieces)
        self._kind, self._level, self._depth = kind, level, depth
        if ink is not self._ink:
            self._ink = ink
            self._wary = bool(ink.muted or self._skip)

    def _leave_special(self, flags: int) -> None:
        if flags & _IS_LINK:
            self._links.pop()
            if self._heard is not None:
                self._heard.parts.append(_CLOSE)
        if flags & _IS_PRE:
            self._pre -= 1
            if self._pre == 0:
                self._note = ""
        if flags & _IS_FROM:
            self._sources -= 1
        if flags & _IS_INSIDE:
            self._inside -= 1
        table = self._table
        if table is not None:
            if flags & _IS_TABLE:
                self._leave_table(table)
            elif flags & _IS_HEAD:
                table.head = False

    def _leave_cell(self) -> None:
        table, heard = self._table, self._heard
        if table is None or heard is None or table.cell is None:
            return
        self._end_links(heard)
        table.rows[-1].append((heard, *table.cell))
        table.cell = None
        self._heard = None

    def _leave_table(self, table: _Table) -> None:
        """A header row is one of ``<thead>`` or all of ``<th>``; a lone ``<th>`` names its row."""
        self._table = None
        rows: list[list[Cell]] = []
        size = 0
        for number, row in enumerate(table.rows):
            header = number in table.heads or all(cell[1] for cell in row)
            cells = [Cell(heard.words(), header, down, across) for heard, _, down, across in row]
            size += sum(len(cell.words) for cell in cells)
            rows.append(cells)
        if size:
            self.pieces.append(Piece("table_cell", Heard(), rows=rows, size=size))

    # -- what it gives

    def build(self, text: TextBuilder) -> None:
        """Append what was found to a text."""
        pieces = self.pieces
        if not self.whole and pieces:
            page = Page(pieces, self._ranges)
            pieces = page.article()
            self.dropped.update(page.dropped)
        for piece in pieces:
            if piece.rows is not None:
                text.table(piece.rows)
            else:
                text.add(piece.kind, piece.heard.words(), level=piece.level, note=piece.note)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, in words."""
        return tuple(f"left out: {way} ×{count}" for way, count in sorted(self.dropped.items()))


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


def _span(value: str | None, most: int) -> int:
    digits = (value or "").strip()
    if not digits.isascii() or not digits.isdigit():
        return 1
    number = int(digits[:6])
    return most if number == 0 else min(number, most)


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
    r"""What an HTML text says; ``whole`` keeps all that is seen, as for the HTML part of a mail.

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
