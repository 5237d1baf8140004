"""A text that is built once, block by block, and then never changes.

Every reader fills a :class:`TextBuilder` and returns what :meth:`TextBuilder.reading` gives. The
builder alone decides about white space, separators, heading paths and offsets, so that all readers
keep the same promises:

- ``text[block.start:block.end]`` is the block, without outer white space, never empty;
- blocks are ordered and disjoint; list items, references and table rows follow each other on the
  next line, anything else after an empty line; the cells of a row are separated by a tab;
- links are offsets into the same text; a link without words keeps the offset where it stood.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from ctimine.model import Block, BlockKind, Fact, Link, ReportKind

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls
    "\u00ad\ufeff\ufff9-\ufffb"  # soft hyphen, byte order mark, annotation marks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls: they reorder what is shown
    "\U000e0000-\U000e01ef]"  # tag characters and variation selectors: invisible text
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TIGHT: Final = frozenset({"list_item", "reference"})
_MAY_REFER: Final = frozenset({"paragraph", "list_item"})
_SOURCES: Final = re.compile(
    r"(?:[\W_]*(?:appendix\s+)?(?:\d{1,2}(?:\.\d{1,2})*|[A-Z]|[IVX]{1,5})[.):]?\s+)?[\W_]*"
    r"(?:appendix[\w ]*[:–—-]\s*)?"
    r"(?:(?:selected |full |external |primary |key )?"
    r"(?:references?|bibliography|works cited|citations?)"
    r"(?: (?:list|and (?:links|sources|notes|further reading)))?"
    r"|(?:further|additional|recommended|related) (?:reading|resources|links)|endnotes|footnotes"
    r"|(?:source|reference) (?:list|links|urls?|register|bibliography)"
    r"|sources?(?: (?:cited|and references))?|links|see also"
    r"|quellen(?:verzeichnis)?|literatur(?:verzeichnis)?|einzelnachweise"
    r"|références|bibliographie|referencias|bibliografía|fuentes|riferimenti|referências"
    r"|источники|ссылки|литература|джерела|посилання|参考文献|参考资料)[\W_]*",
    re.IGNORECASE,
)
"""Headings whose paragraphs and list items are sources."""
REPEATED_CELL: Final = 200
"""Longest cell, in characters, that is repeated in each row it spans."""
SPANNING_CELLS: Final = 16
"""Most cells that span into one row. Both bounds keep a table's text linear in its source."""


def visible(text: str) -> str:
    r"""The text without characters that no reader sees, and without lone surrogates.

    Controls, soft hyphens, bidi controls and Unicode tags go; zero-width spaces and joiners stay,
    because scripts need them.

    >>> visible("T11\xad02\U000e0041\u202e")
    'T1102'
    """
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a reader makes of bytes: the text and what the document says of itself.

    ``facts`` are candidates for fields of the report (``title``, ``published``, ``modified``,
    ``publisher``, ``author``, ``url``, ``language``) with where each stood, such as ``pdf
    metadata``; several for one field are welcome, :mod:`ctimine.read.metadata` chooses. ``kind`` is
    set by a reader that knows it (a layer, a mapping) and empty otherwise. ``warnings`` are
    lossy things that a person should know, in words.
    """

    text: str
    blocks: tuple[Block, ...] = ()
    links: tuple[Link, ...] = ()
    facts: tuple[Fact, ...] = ()
    kind: ReportKind | None = None
    warnings: tuple[str, ...] = ()


class Words:
    """The words of one block while they are collected: white space folded, links remembered.

    >>> words = Words("Uses  ")
    >>> words.open_link("https://attack.example/T1102/")
    >>> words.say("Web").say(" Service")
    Words('Uses Web Service')
    >>> words.close_link()
    >>> words.links
    [(5, 16, 'https://attack.example/T1102/')]
    """

    __slots__ = ("_length", "_open", "_parts", "_solid", "_space", "links")

    def __init__(self, text: str = "") -> None:
        self._parts: list[str] = []
        self._length = 0
        self._space = True  # whether the words so far end in white space (or there are none)
        self._solid = False  # whether there is anything but white space
        self._open: list[tuple[int, str]] = []
        self.links: list[tuple[int, int, str]] = []
        if text:
            self.say(text)

    @classmethod
    def of(cls, line: str) -> Words:
        """Words of a line whose white space is folded already."""
        words = cls()
        if line:
            words._parts.append(line)
            words._length = len(line)
            words._space = False
            words._solid = True
        return words

    def say(self, text: str) -> Words:
        """Add running text; runs of white space (no-break spaces too) become one space."""
        words = text.split()
        if not words:
            if text and not self._space:
                self._put(" ")
                self._space = True
            return self
        line = " ".join(words)
        if not line.isprintable() and (seen := visible(line)) != line:
            # What went may have stood between blanks, or at an end of the text.
            before, after = text[:1].isspace(), text[-1:].isspace()
            return self.say(" " * before + seen + " " * after)
        if not self._space and text[0].isspace():
            line = " " + line
        if text[-1].isspace():
            self._space = True
            line += " "
        else:
            self._space = False
        self._solid = True
        self._parts.append(line)
        self._length += len(line)
        return self

    def raw(self, text: str) -> Words:
        """Add preformatted text: its spaces and line ends stay."""
        text = visible(text.replace("\r\n", "\n").replace("\r", "\n")) if text else text
        if text:
            self._put(text)
            self._space = text[-1].isspace()
            self._solid = self._solid or not text.isspace()
        return self

    def line(self) -> Words:
        """End the line, as ``<br>`` does."""
        if self._length:
            if self._parts[-1][-1:] == " ":
                self._parts[-1] = self._parts[-1][:-1]
                self._length -= 1
            self._put("\n")
            self._space = True
        return self

    def new_line(self) -> Words:
        """End the line unless it has just ended, as the border of a block does inside a cell."""
        return self if self._parts and self._parts[-1][-1:] == "\n" else self.line()

    def gap(self) -> Words:
        """Make sure that what follows is not glued to what stands here."""
        if not self._space:
            self._put(" ")
            self._space = True
        return self

    def open_link(self, url: str) -> None:
        """Begin a link here."""
        self._open.append((self._length, url))

    def close_link(self) -> None:
        """End the link that was begun last."""
        if self._open:
            start, url = self._open.pop()
            self.links.append((start, self._length, url))

    def _put(self, piece: str) -> None:
        self._parts.append(piece)
        self._length += len(piece)

    def __len__(self) -> int:
        return self._length

    def __str__(self) -> str:
        return "".join(self._parts)

    def __bool__(self) -> bool:
        return self._solid

    def __repr__(self) -> str:
        return f"Words({str(self)!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table row; ``rows`` and ``columns`` say how many it spans."""

    words: Words | str
    header: bool = False
    rows: int = 1
    columns: int = 1


class TextBuilder:
    r"""Blocks appended in order; text, offsets, heading paths and links come out of it.

    >>> text = TextBuilder()
    >>> text.add("heading", "Tools", level=2)
    >>> text.add("list_item", Words("T1102  Web\nService"), level=1)
    >>> text.table([[Cell("ID", header=True), "Use"], ["T1102", "C2"]])
    >>> reading = text.reading()
    >>> reading.text
    'Tools\n\nT1102 Web Service\n\nID\tUse\nT1102\tC2'
    >>> [(b.kind, reading.text[b.start:b.end], b.path) for b in reading.blocks[:2]]
    [('heading', 'Tools', ()), ('list_item', 'T1102 Web Service', ('Tools',))]
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self._parts: list[str] = []
        self._length = 0
        self._tables = 0
        self._headings: list[tuple[int, str]] = []
        self._path: tuple[str, ...] = ()
        self._last: str = ""
        self._sources = False

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that stand above what is added next, outermost first."""
        return self._path

    def add(self, kind: BlockKind, words: Words | str, *, level: int = 0, note: str = "") -> None:
        """Append a block; nothing happens when there are no words and no links in it.

        A ``heading`` needs its ``level`` (1 to 6), a list item its depth. A string is taken as
        running text, or as it stands for ``code``.
        """
        if kind in _MAY_REFER and self._sources:
            kind = "reference"
        if kind == "code":
            words = _code(words)
        elif isinstance(words, str):
            words = Words(words)
        separator = "\n" if kind == self._last and kind in _TIGHT else "\n\n"
        span = self._write(words, separator)
        if span is None:
            return
        start, end, text = span
        self._last = kind
        if kind == "heading":
            level = min(max(level, 1), 6)
            while self._headings and self._headings[-1][0] >= level:
                self._headings.pop()
            self._path = tuple(title for _, title in self._headings)
            self.blocks.append(Block(kind, start, end, level=level, path=self._path, note=note))
            self._headings.append((level, text))
            self._path = (*self._path, text)
            self._sources = any(map(_names_sources, self._path))
            return
        self.blocks.append(Block(kind, start, end, level=level, path=self._path, note=note))

    def table(self, rows: Iterable[Sequence[Cell | Words | str]]) -> None:
        """Append a table; empty cells keep their tab but make no block.

        A short cell that spans rows is repeated in each of them, so that every row says all that
        it says on the page.
        """
        number = self._tables
        spanning: dict[int, tuple[int, Cell]] = {}  # column → rows still to come, cell
        for at_row, row in enumerate(rows):
            line = {column: cell for column, (_, cell) in spanning.items()}
            if spanning:
                spanning = {c: (n - 1, cell) for c, (n, cell) in spanning.items() if n > 1}
            column = 0
            for item in row:
                cell = item if isinstance(item, Cell) else Cell(item)
                while column in line:
                    column += _width(line[column])
                line[column] = cell
                if (
                    cell.rows > 1
                    and len(spanning) < SPANNING_CELLS
                    and len(str(cell.words)) <= REPEATED_CELL
                ):
                    spanning[column] = (cell.rows - 1, cell)
                column += _width(cell)
            self._row(number, at_row, line)
        if self._last == f"table {number}":
            self._tables += 1

    def _row(self, table: int, row: int, line: dict[int, Cell]) -> None:
        name = f"table {table}"
        at = -1
        for column in sorted(line):
            cell = line[column]
            words = cell.words if isinstance(cell.words, Words) else Words(cell.words)
            if at >= 0:
                separator = "\t" * max(column - at, 1)
            else:
                separator = "\n" if self._last == name else "\n\n"
            span = self._write(words, separator)
            if span is None:
                continue
            self.blocks.append(
                Block(
                    "table_cell", span[0], span[1], 0, self._path, table, row, column, cell.header
                )
            )
            at = column
            self._last = name

    def _write(self, words: Words, separator: str) -> tuple[int, int, str] | None:
        whole = str(words)
        text = whole.strip()
        if not text:
            for _, _, url in words.links:
                self.links.append(Link(self._length, self._length, url))
            return None
        if self._length:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        end = start + len(text)
        self._parts.append(text)
        self._length = end
        lead = len(whole) - len(whole.lstrip()) if words.links else 0
        for a, b, url in words.links:
            a, b = max(a - lead, 0), min(max(b - lead, 0), len(text))  # noqa: PLW2901
            a = min(a, b)  # noqa: PLW2901
            while a < b and text[a].isspace():
                a += 1  # noqa: PLW2901
            while b > a and text[b - 1].isspace():
                b -= 1  # noqa: PLW2901
            self.links.append(Link(start + a, start + b, url))
        return start, end, text

    def reading(
        self,
        *,
        facts: Iterable[Fact] = (),
        kind: ReportKind | None = None,
        warnings: Iterable[str] = (),
    ) -> Reading:
        """The finished text with its blocks and links, and what the reader found beside it."""
        return Reading(
            "".join(self._parts),
            tuple(self.blocks),
            tuple(sorted(self.links, key=lambda link: (link.start, link.end))),
            tuple(facts),
            kind,
            tuple(warnings),
        )


@functools.lru_cache(maxsize=1024)
def _names_sources(title: str) -> bool:
    return bool(_SOURCES.fullmatch(title))


def _width(cell: Cell) -> int:
    return min(max(cell.columns, 1), 1000)


def _code(words: Words | str) -> Words:
    """Code without empty outer lines and without the indentation that all its lines share."""
    if isinstance(words, Words):
        if words.links:
            return words  # offsets of links would move
        words = str(words)
    lines = words.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    kept = "\n".join(line.rstrip() for line in lines.split("\n"))
    return Words().raw(textwrap.dedent(kept).strip("\n"))
