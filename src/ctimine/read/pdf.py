"""PDF as a text of blocks: paragraphs, headings, lists, code and tables from what pages show.

Pages come from :mod:`ctimine.read.pdf_page`, their tables from :mod:`ctimine.read.pdf_tables`. Here
lines that run on every page go, and lines become blocks: by their distance, size and face.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import itertools
import operator
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ctimine.errors import BrokenDocument
from ctimine.model import BlockKind, Fact, Snapshot
from ctimine.read.pdf_page import Page, Word, open_page
from ctimine.read.pdf_tables import Table, find_tables
from ctimine.read.text import Cell, Reading, TextBuilder, Words

MAX_PAGES: Final = 2000
_MARGIN: Final = 0.12
"""Share of a page's height at its top and foot in which running lines stand."""
_BULLET: Final = re.compile(r"[•◦▪▫●○■□‣⁃∙·–—*➢➤✓✔-]$|[•◦▪▫●■‣]")
_NUMBERED: Final = re.compile(r"(?:\(?\d{1,2}[.)]|\(?[a-z]\)|[ivx]{1,4}[.)])$")
_CAPTION: Final = re.compile(
    r"(?:figure|fig\.|table|exhibit|abbildung|tabelle|рис\.)\s*\d", re.IGNORECASE
)
_PAGE_NUMBER: Final = re.compile(
    r"(?:page|p\.|seite|стр\.?)?\s*[-–|]?\s*(?:\d{1,4}|[ivxl]{1,6})\s*(?:(?:/|of|von|из|\|)\s*\d{1,4})?\s*[-–|]?",
    re.IGNORECASE,
)
_COMPOUND: Final = frozenset(
    re.findall(
        r"\w+",
        """
        all anti co cross cyber de double e ex first fourth half high in inter intra long low macro
        man mid multi near non off on open out over part peer post pre pro re second self semi short
        single so spear state sub super third threat trans two un under user well wide x zero
        """,
    )
)
"""First parts after which a hyphen at a line's end is more likely the word's own."""
_END: Final = re.compile(r"[.!?:;。！？：…]['\"”’)\]]*$")
_HAS_LETTER: Final = re.compile(r"[^\W_]")
_url_of: Final = operator.attrgetter("url")
_HALF_ID: Final = re.compile(r"(?:^|[^A-Za-z0-9])T\d{4}[./]$")


def read_pdf(snapshot: Snapshot) -> Reading:
    """The text of a PDF with blocks, tables, links and what its metadata say.

    Raises :class:`~ctimine.errors.BrokenDocument` if it is encrypted or cannot be parsed.
    """
    import pypdfium2

    subject = snapshot.item or snapshot.url
    try:
        document = pypdfium2.PdfDocument(snapshot.body)
    except pypdfium2.PdfiumError as error:
        reason = (
            "encrypted: it needs a password" if "password" in str(error).lower() else str(error)
        )
        raise BrokenDocument(reason, subject=subject) from None
    try:
        return _read(document, subject)
    finally:
        document.close()


def _read(document: Any, subject: str) -> Reading:
    warnings: list[str] = []
    count = len(document)
    if count > MAX_PAGES:
        warnings.append(f"{count} pages, of which the first {MAX_PAGES} were read")
    parts: list[_Part] = []
    pages = hidden = broken = 0
    for number in range(min(count, MAX_PAGES)):
        try:
            page = open_page(document[number])
        except Exception as error:  # noqa: BLE001 (PDFium names no reason for a page it cannot load)
            broken += 1
            if broken == count:
                raise BrokenDocument(f"no page can be loaded: {error}", subject=subject) from None
            continue
        pages += 1
        hidden += page.hidden
        parts += _parts(page, number)
    if broken:
        warnings.append(f"{broken} of {count} pages cannot be loaded")
    if hidden:
        warnings.append(f"{hidden} hidden words left out")
    facts = list(_metadata(document))
    largest = _largest(parts)
    if largest:
        facts.append(Fact("title", largest, "largest text"))
    _Layout(_without_running(parts, pages)).write(builder := TextBuilder())
    reading = builder.reading(facts=facts)
    warnings += _backwards(reading.text)
    return dataclasses.replace(reading, warnings=tuple(warnings))


# -- lines -----------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class _Line:
    page: int
    words: list[Word]
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    mono: bool
    zone: str = ""  # "top" or "foot" where running lines stand
    dotted: bool = False  # a bullet is drawn before it

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclasses.dataclass(slots=True)
class _Part:
    """A line or a table of a page, in writing order."""

    page: int
    line: _Line | None = None
    table: Table | None = None


def _parts(page: Page, number: int) -> list[_Part]:
    tables, rest = find_tables(page)
    ordered: list[tuple[int, _Part]] = [(t.line, _Part(number, table=t)) for t in tables]
    for words in _lines(rest):
        line = _line(words, page, number)
        ordered.append((words[0].line, _Part(number, line=line)))
    ordered.sort(key=lambda pair: pair[0])
    return [part for _, part in ordered]


def _lines(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Words of one line; a line that PDFium ends within a row of text is taken up again."""
    line: list[Word] = []
    for word in words:
        if line:
            last = line[-1]
            level = abs(last.y - word.y) < 0.4 * max(last.size, word.size)
            near = -0.5 * word.size < word.left - last.right < 2.5 * word.size
            if word.line != last.line and not (level and near):
                yield line
                line = []
        line.append(word)
    if line:
        yield line


def _line(words: list[Word], page: Page, number: int) -> _Line:
    bottom = min(word.bottom for word in words)
    top = max(word.top for word in words)
    middle = (bottom + top) / 2
    zone = ""
    if middle > page.height * (1 - _MARGIN):
        zone = "top"
    elif middle < page.height * _MARGIN:
        zone = "foot"
    sizes = collections.Counter[float]()
    for word in words:
        sizes[word.size] += len(word.text)
    letters = [word for word in words if word.text.isalnum() or _HAS_LETTER.search(word.text)]
    return _Line(
        number,
        words,
        min(word.left for word in words),
        max(word.right for word in words),
        bottom,
        top,
        sizes.most_common(1)[0][0],
        bool(letters) and all(word.bold for word in letters),
        all(word.mono for word in words),
        zone,
        _is_dotted(words[0], page),
    )


def _is_dotted(word: Word, page: Page) -> bool:
    """Whether a small mark is drawn before the word: a bullet that is no character."""
    return bool(page.dots) and any(
        word.left - 3 * word.size < x < word.left and word.bottom - 1 <= y <= word.top + 1
        for x, y in page.dots
    )


def _without_running(parts: list[_Part], pages: int) -> list[_Part]:
    """The parts without page numbers and lines that run at the top or foot of many pages."""
    if pages < 2:
        return parts
    seen: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    _keep_outermost(parts)
    for part in parts:
        if part.line is not None and part.line.zone:
            seen[part.line.zone, _running(part.line)].add(part.page)
    enough = max(2, pages // 4)

    def runs(line: _Line | None) -> bool:
        if line is None or not line.zone:
            return False
        return bool(
            _PAGE_NUMBER.fullmatch(line.text) or len(seen[line.zone, _running(line)]) >= enough
        )

    return [part for part in parts if not runs(part.line)]


def _keep_outermost(parts: list[_Part]) -> None:
    """Only the three outermost lines at the top and foot of a page can be running lines."""
    zones: dict[tuple[int, str], list[_Line]] = collections.defaultdict(list)
    for part in parts:
        if part.line is not None and part.line.zone:
            zones[part.page, part.line.zone].append(part.line)
    for (_, zone), lines in zones.items():
        lines.sort(key=lambda line: line.top, reverse=zone == "top")
        for line in lines[3:]:
            line.zone = ""


def _running(line: _Line) -> str:
    return re.sub(r"\d+", "#", line.text)


def _largest(parts: Sequence[_Part]) -> str:
    """The largest text of the first page, if it is larger than the rest and of a title's length."""
    lines = [part.line for part in parts if part.line is not None and part.page == 0]
    if not lines:
        return ""
    size = max(line.size for line in lines)
    largest = [line for line in lines if line.size >= size - 0.6]
    if len(largest) == len(lines) and len(lines) > 3:
        return ""
    title = " ".join(line.text for line in largest[:4])
    return title if 3 < len(title) <= 300 else ""


# -- blocks ----------------------------------------------------------------------------------------


class _Layout:
    """Lines and tables of the whole document, on their way to blocks."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self.parts = parts
        lines = [part.line for part in parts if part.line is not None]
        weights = collections.Counter[float]()
        for line in lines:
            if not line.mono:
                weights[line.size] += len(line.text)
        self.body = weights.most_common(1)[0][0] if weights else 10.0
        larger = {line.size for line in lines if self._is_large(line)}
        self.sizes = _groups(sorted(larger, reverse=True))
        gaps = [
            a.bottom - b.top
            for a, b in itertools.pairwise(lines)
            if a.page == b.page and a.size == b.size and abs(a.bottom - b.top) < 2 * a.size
        ]
        self.gap = statistics.median(gaps) if gaps else 0.2 * self.body
        self.known = self._vocabulary(lines)
        self.block: list[_Line] = []
        self.kind: BlockKind = "paragraph"
        self.table: tuple[Table, list[list[Cell]]] | None = None

    @staticmethod
    def _vocabulary(lines: Sequence[_Line]) -> frozenset[str]:
        """Words with hyphens inside, as the document writes them where no line ends."""
        return frozenset(
            word.text.lower().strip(".,;:()")
            for line in lines
            for word in line.words
            if "-" in word.text.strip("-")
        )

    def _is_large(self, line: _Line) -> bool:
        return line.size >= self.body * 1.12 + 0.3 and not line.mono

    def write(self, builder: TextBuilder) -> None:
        """Write all blocks."""
        for part in self.parts:
            if part.table is not None:
                self._end_block(builder)
                self._add_table(builder, part.table)
            elif part.line is not None:
                self._add_line(builder, part.line)
        self._end_block(builder)
        self._end_table(builder)

    def _add_line(self, builder: TextBuilder, line: _Line) -> None:
        kind = self._kind(line)
        if self.block and self._continues(line, kind):
            self.block.append(line)
            return
        self._end_block(builder)
        self._end_table(builder)
        self.block, self.kind = [line], kind

    def _kind(self, line: _Line) -> BlockKind:
        if self._is_large(line):
            return "heading"
        first = line.words[0].text
        if line.mono:
            return "code"
        if line.dotted or (
            (_BULLET.match(first) or first in {"o", "\uf0b7"}) and len(line.words) > 1
        ):
            return "list_item"
        if _NUMBERED.match(first) and len(line.words) > 1 and not line.bold:
            return "list_item"
        if _CAPTION.match(line.text):
            return "caption"
        return "paragraph"

    def _continues(self, line: _Line, kind: BlockKind) -> bool:
        """Whether the line goes on with the block that is open."""
        last = self.block[-1]
        first = self.block[0]
        if kind == "code" or self.kind == "code":
            if kind == self.kind:
                return line.page != last.page or last.bottom - line.top < 4 * line.size
            # A line of names in a code face inside a paragraph is still the paragraph.
            in_text = kind == "code" and not _END.search(last.text)
            return in_text and self._close(last, line) and last.right > first.right - 8 * line.size
        if kind != "paragraph" and (kind != self.kind or kind in {"list_item", "caption"}):
            return False
        if kind == "heading" or self.kind == "heading":
            return (
                kind == self.kind and abs(line.size - last.size) < 0.6 and self._close(last, line)
            )
        if line.page != last.page or line.top > last.bottom + line.size:  # next page or column
            return (
                not _END.search(last.text)
                and line.text[:1].islower()
                and not last.bold
                and last.size == line.size
            )
        if abs(line.size - last.size) > 0.8 or not self._close(last, line):
            return False
        if (
            line.bold != last.bold
            and (line.bold or len(self.block) == 1)
            and last.right < line.right
        ):
            return False  # a bold line above text: its heading
        if self.kind == "list_item":
            return line.left > first.left + 0.5
        return not line.left > last.left + 0.9 * line.size or len(self.block) == 1

    def _close(self, last: _Line, line: _Line) -> bool:
        gap = last.bottom - line.top
        return -0.9 * line.size < gap <= max(self.gap, 0.0) + 0.38 * line.size

    def _end_block(self, builder: TextBuilder) -> None:
        if not self.block:
            return
        lines, kind, level = self.block, self.kind, 0
        self.block = []
        if kind == "code":
            builder.add("code", _code(lines))
            return
        words = self._words(lines, skip=1 if kind == "list_item" and _is_bullet(lines[0]) else 0)
        if kind == "heading":
            text = str(words)
            level = min(self._level(lines[0].size), 6)
            if len(text) > 250 or not any(c.isalpha() for c in text):
                kind, level = "paragraph", 0
        elif kind == "paragraph" and self._is_bold_heading(lines):
            kind, level = "heading", min(len(self.sizes) + 1, 6)
        elif kind == "list_item":
            level = 1
        builder.add(kind, words, level=level)

    def _level(self, size: float) -> int:
        return next((n for n, group in enumerate(self.sizes, 1) if size >= group - 0.6), 6)

    @staticmethod
    def _is_bold_heading(lines: Sequence[_Line]) -> bool:
        text = lines[0].text
        return (
            len(lines) == 1
            and lines[0].bold
            and 2 < len(text) <= 120
            and any(c.isalpha() for c in text)
            and text[-1] not in ".,;"
        )

    def _words(self, lines: Sequence[_Line], *, skip: int = 0) -> Words:
        """The words of lines as running text, with hyphens at line ends undone and links kept."""
        found = [word for line in lines for word in line.words][skip:]
        ends = {id(line.words[-1]) for line in lines}
        return self._text(found, ends)

    def _text(self, found: Sequence[Word], ends: set[int]) -> Words:
        words = Words()
        space = ""
        at = 0
        for url, run in itertools.groupby(found, key=_url_of):
            written = []
            for word in run:
                at += 1
                text, after = word.text, " "
                if id(word) in ends and at < len(found) and found[at].text:
                    text, glued = self._joined(text, found[at].text)
                    after = "" if glued else " "
                written += [text, after]
            after = written.pop()
            words.say(space)
            if url:
                words.open_link(url)
            words.say("".join(written))
            if url:
                words.close_link()
            space = after
        return words

    def _joined(self, text: str, following: str) -> tuple[str, bool]:
        """A line's last word as meant, and whether the next line's first one belongs to it."""
        if _HALF_ID.search(text) and re.match(r"\d{3}\b", following):
            return text, True  # T1566. | 001
        if not text.endswith(("-", "‐", "\u00ad")) or len(text) < 2 or not text[-2].isalnum():
            return text, False
        head = re.split(r"[^\w-]", text[:-1])[-1]
        tail = re.split(r"[^\w-]", following, maxsplit=1)[0]
        if not tail:
            return text, False
        own = (
            not tail[0].islower()
            or head[-1:].isdigit()
            or "-" in head
            or "-" in tail
            or head.lower() in _COMPOUND
            or f"{head}-{tail}".lower() in self.known
        )
        return (text[:-1] + "-" if own else text[:-1]), True

    # -- tables --

    def _add_table(self, builder: TextBuilder, table: Table) -> None:
        rows = [self._row(table, number) for number in range(len(table.rows))]
        if self.table is not None and _same_columns(self.table[0], table):
            earlier = self.table[1]
            if earlier and rows and _row_text(earlier[0]) == _row_text(rows[0]):
                rows = rows[1:]  # the header again, on the next page
            earlier += rows
            self.table = (table, earlier)
            return
        self._end_table(builder)
        self.table = (table, rows)

    def _end_table(self, builder: TextBuilder) -> None:
        if self.table is None:
            return
        table, rows = self.table
        self.table = None
        if rows and len(rows) > 1 and _is_header(table, rows):
            rows[0] = [dataclasses.replace(cell, header=True) for cell in rows[0]]
        builder.table(rows)

    def _row(self, table: Table, number: int) -> list[Cell]:
        cells = table.rows[number]
        row: list[Cell] = []
        for column in range(max(cells) + 1):
            found = cells.get(column)
            if found is None:
                covered = any(
                    c == column and r < number < r + span for (r, c), span in table.spans.items()
                )
                if not covered:
                    row.append(Cell(""))
                continue
            ends = {id(a) for a, b in itertools.pairwise(found) if a.line != b.line}
            row.append(Cell(self._text(found, ends), rows=table.spans.get((number, column), 1)))
        return row


def _is_bullet(line: _Line) -> bool:
    first = line.words[0].text
    return len(first) == 1 and (first in {"o", "\uf0b7"} or bool(_BULLET.match(first)))


def _same_columns(first: Table, second: Table) -> bool:
    return len(first.columns) == len(second.columns) and all(
        abs(a - b) <= 4 for a, b in zip(first.columns, second.columns, strict=True)
    )


def _row_text(row: Iterable[Cell]) -> list[str]:
    return [str(cell.words).strip() for cell in row]


def _is_header(table: Table, rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the first row names the columns: it alone is bold, or ids stand only below it."""
    bold = [all(word.bold for words in row.values() for word in words) for row in table.rows[:2]]
    texts = [" ".join(_row_text(row)) for row in rows]
    has_id = [bool(re.search(r"\b(?:T|TA|G|S|C)\d{4}\b", text)) for text in texts]
    if has_id[0]:
        return False
    return (bold[0] and not all(bold)) or any(has_id[1:]) or len(texts[0]) < 60


def _code(lines: Sequence[_Line]) -> str:
    """Lines of code with their indentation, measured in widths of a character."""
    left = min(line.left for line in lines)
    widths = [
        (word.right - word.left) / len(word.text)
        for line in lines
        for word in line.words
        if word.text
    ]
    width = statistics.median(widths) or 1.0
    written = []
    for line in lines:
        text, at = "", left
        for word in line.words:
            gap = round((word.left - at) / width)
            text += " " * min(max(gap, 1 if text else 0), 80) + word.text
            at = word.right
        written.append(text)
    return "\n".join(written)


def _groups(sizes: Sequence[float]) -> list[float]:
    """Sizes from large to small, those within half a point as one."""
    groups: list[float] = []
    for size in sizes:
        if not groups or groups[-1] - size > 0.6:
            groups.append(size)
    return groups


# -- what the document says of itself --------------------------------------------------------------


def _metadata(document: Any) -> Iterator[Fact]:
    try:
        entries = document.get_metadata_dict(skip_empty=True)
    except Exception:  # noqa: BLE001 (metadata may be broken where the pages are not)
        return
    title = entries.get("Title", "").strip()
    # Names of files and programs are refused where titles are chosen.
    if title:
        yield Fact("title", title, "pdf metadata")
    author = entries.get("Author", "").strip()
    if author and not re.fullmatch(
        r"(?:user|admin\w*|unknown|author|owner|\W*)", author, re.IGNORECASE
    ):
        yield Fact("author", author, "pdf metadata")
    for key, field in (("CreationDate", "published"), ("ModDate", "modified")):
        moment = pdf_date(entries.get(key, ""))
        if moment:
            yield Fact(field, moment, "pdf metadata")


def pdf_date(value: str) -> str:
    """A PDF date (ISO 32000-1 §7.9.4) as RFC 3339, in UTC where it has a time; empty if it is none.

    >>> pdf_date("D:20241104110000+02'00'"), pdf_date("D:20241104"), pdf_date("yesterday")
    ('2024-11-04T09:00:00Z', '2024-11-04', '')
    """
    found = re.match(
        r"(?:D:)?(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)'?(\d\d)?)?)?", value
    )
    if found is None:
        return ""
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    with contextlib.suppress(ValueError, OverflowError):
        date = datetime.date(int(year), int(month), int(day))
        if hour is None or (sign is None and not value.rstrip("'").endswith("Z")):
            return date.isoformat()
        moment = datetime.datetime(
            date.year, date.month, date.day, int(hour), int(minute), int(second or 0),
            tzinfo=datetime.UTC,
        )  # fmt: skip
        shift = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment += -shift if sign == "+" else shift
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""


_FINAL: Final = re.compile(r"\b[\u0590-\u05ff]+\b")
_FINALS: Final = frozenset("םןץףך")


def _backwards(text: str) -> list[str]:
    """A warning if right-to-left text stands in the order of the page, the last letter first."""
    words = _FINAL.findall(text[:200_000])
    first = sum(1 for word in words if len(word) > 1 and word[0] in _FINALS)
    last = sum(1 for word in words if len(word) > 1 and word[-1] in _FINALS)
    if first > 2 and first > last:
        return ["right-to-left text runs backwards"]
    arabic = re.findall(r"\b[\u0620-\u064a]{3,}\b", text[:200_000])
    starts = sum(1 for word in arabic if word.startswith("ال"))
    ends = sum(1 for word in arabic if word.endswith("لا"))
    if ends > 5 and ends > 2 * starts:
        return ["right-to-left text runs backwards"]
    return []
