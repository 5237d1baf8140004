"""Word documents (DOCX): headings, paragraphs, lists, tables, notes; what is hidden is left out.

The elements are those of ECMA-376 part 1, §17. Deleted revisions, hidden runs, field codes and
white text on no ground do not enter the text.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ctimine.errors import BrokenDocument
from ctimine.model import BlockKind, Fact, Snapshot
from ctimine.read.text import Cell, Reading, TextBuilder, Words

MAX_PART: Final = 64 * 1024 * 1024
MAX_TOTAL: Final = 512 * 1024 * 1024
"""Bytes that one XML part, and all parts together, may unpack to."""
MAX_RATIO: Final = 1000
"""A part may unpack to this many times its size once it is larger than a megabyte."""
_NESTED: Final = 20

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_OFF: Final = frozenset({"0", "false", "off"})
_CONTAINERS: Final = frozenset(
    f"{_W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "smartTag", "customXml")
)
_SKIPPED: Final = frozenset(
    f"{_W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "rPr", "pPr", "sdtPr")
)
_KINDS: Final[tuple[tuple[str, BlockKind], ...]] = (
    (r".*(?:source ?code|code|preformatted|listing).*", "code"),
    (r".*(?:quote|zitat).*", "quote"),
    (r"(?:caption|beschriftung).*", "caption"),
    (r"(?:bibliography|references?|endnote|footnote).*", "reference"),
    (r"list.*", "list_item"),
)


def read_docx(snapshot: Snapshot) -> Reading:
    """The text of a DOCX file and what its core properties say.

    Raises :class:`~ctimine.errors.BrokenDocument` for a file that is none or a bomb.
    """
    import docx

    subject = snapshot.item or snapshot.url
    _refuse_bombs(snapshot.body, subject)
    try:
        document = docx.Document(io.BytesIO(snapshot.body))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (it raises whatever its zip, XML and part layers raise)
        raise BrokenDocument(f"no readable DOCX: {str(error)[:200]}", subject=subject) from None
    walk = _Walk(document)
    walk.body(document.element.body)
    walk.notes()
    return walk.builder.reading(facts=_facts(document), warnings=walk.warnings())


def _refuse_bombs(body: bytes, subject: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise BrokenDocument(f"no readable archive: {error}", subject=subject) from None
    for member in members:
        size, packed = member.file_size, member.compress_size
        large = size > MAX_PART and member.filename.endswith((".xml", ".rels"))
        if large or (size > 1 << 20 and size > packed * MAX_RATIO):
            reason = f"{member.filename} unpacks from {packed:,} to {size:,} bytes"
            raise BrokenDocument(reason, subject=subject)
        if member.flag_bits & 1:
            raise BrokenDocument("encrypted: it needs a password", subject=subject)
    if sum(member.file_size for member in members) > MAX_TOTAL or len(members) > 20_000:
        raise BrokenDocument(f"unpacks to more than {MAX_TOTAL:,} bytes", subject=subject)


class _Walk:
    """One walk over a document's body."""

    def __init__(self, document: Any) -> None:
        self.builder = TextBuilder()
        self.links = {
            key: relation.target_ref
            for key, relation in document.part.rels.items()
            if relation.is_external and re.match(r"https?://", str(relation.target_ref))
        }
        self.document = document
        self.styles: dict[str, tuple[str, int, bool]] = {}  # id → name, outline level, in a list
        for style in document.styles.element.iterfind(f"{_W}style"):
            name = style.find(f"{_W}name")
            outline = style.find(f"{_W}pPr/{_W}outlineLvl")
            self.styles[style.get(f"{_W}styleId", "")] = (
                (name.get(f"{_W}val", "") if name is not None else "").lower(),
                _number(outline.get(f"{_W}val")) + 1 if outline is not None else 0,
                style.find(f"{_W}pPr/{_W}numPr") is not None,
            )
        self.has_title = any(
            self._style(p)[0] == "title" for p in document.element.body.iterfind(f"{_W}p")
        )
        self.hidden = 0

    def warnings(self) -> list[str]:
        return [f"{self.hidden} hidden runs left out"] if self.hidden else []

    def body(self, parent: Any, depth: int = 0) -> None:
        """Add the blocks of an element that holds paragraphs and tables."""
        for child in parent.iterchildren():
            if child.tag == f"{_W}p":
                self._paragraph(child, depth)
            elif child.tag == f"{_W}tbl":
                self.builder.table(self._rows(child, depth))
            elif child.tag in _CONTAINERS and depth < _NESTED:
                self.body(child, depth + 1)

    def notes(self) -> None:
        """Add footnotes and endnotes as references, in their order."""
        from docx.oxml.parser import parse_xml

        for relation in self.document.part.rels.values():
            kind = relation.reltype.rsplit("/", 1)[-1]
            if relation.is_external or kind not in {"footnotes", "endnotes"}:
                continue
            try:
                root = parse_xml(relation.target_part.blob)
            except (ValueError, SyntaxError):
                continue  # notes that are no XML; lxml's syntax error is one of Python's
            for note in root:
                if isinstance(note.tag, str) and note.get(f"{_W}type") is None:
                    words = Words(f"[{note.get(f'{_W}id', '')}] ")
                    for paragraph in note.iter(f"{_W}p"):
                        words.gap()
                        self._inline(paragraph, words)
                    self.builder.add("reference", words)

    # -- paragraphs --

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        words = Words()
        self._inline(paragraph, words)
        kind, level = self._kind(paragraph)
        text = str(words).strip()
        if kind == "heading" and len(text) > 300:
            kind, level = "paragraph", 0
        if kind == "code":
            self.builder.add("code", text)
        else:
            self.builder.add(kind, words, level=level)
        if depth < _NESTED:
            for box in _boxes(paragraph):
                self.body(box, depth + 1)

    def _style(self, paragraph: Any) -> tuple[str, int, bool]:
        found = paragraph.find(f"{_W}pPr/{_W}pStyle")
        return self.styles.get(
            found.get(f"{_W}val", "") if found is not None else "", ("", 0, False)
        )

    def _kind(self, paragraph: Any) -> tuple[BlockKind, int]:
        name, outline, listed = self._style(paragraph)
        own = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
        if own is not None:
            outline = _number(own.get(f"{_W}val")) + 1
        if name == "title":
            return "heading", 1
        heading = re.fullmatch(r"(?:heading|überschrift|titre|titolo|título|заголовок) ?(\d)", name)
        level = int(heading[1]) if heading else outline if outline <= 9 else 0
        if level:
            return "heading", min(level + self.has_title, 6)
        number = paragraph.find(f"{_W}pPr/{_W}numPr")
        if number is not None or listed:
            depth = number.find(f"{_W}ilvl") if number is not None else None
            return "list_item", _number(depth.get(f"{_W}val")) + 1 if depth is not None else 1
        for pattern, kind in _KINDS:
            if re.fullmatch(pattern, name):
                return kind, 1 if kind == "list_item" else 0
        return "paragraph", 0

    # -- runs --

    def _inline(self, parent: Any, words: Words, depth: int = 0) -> None:
        for child in parent.iterchildren():
            tag = child.tag
            if tag in _SKIPPED or not isinstance(tag, str):
                continue
            if tag == f"{_W}r":
                self._run(child, words)
            elif tag == f"{_W}hyperlink":
                url = self.links.get(child.get(f"{_R}id", ""), "")
                if url:
                    words.open_link(url)
                self._inline(child, words, depth + 1)
                if url:
                    words.close_link()
            elif depth < _NESTED:
                self._inline(child, words, depth + 1)

    def _run(self, run: Any, words: Words) -> None:
        if self._is_hidden(run):
            self.hidden += any(t.text and t.text.strip() for t in run.iter(f"{_W}t"))
            return
        for child in run.iterchildren():
            if child.tag == f"{_W}t":
                words.say(child.text or "")
            elif child.tag in {f"{_W}tab", f"{_W}ptab"}:
                words.gap()
            elif child.tag in {f"{_W}br", f"{_W}cr"}:
                words.line()
            elif child.tag == f"{_W}noBreakHyphen":
                words.say("-")
            elif child.tag in {f"{_W}footnoteReference", f"{_W}endnoteReference"}:
                words.say(f"[{child.get(f'{_W}id', '')}]")

    def _is_hidden(self, run: Any) -> bool:
        """Hidden by property, by size or by white ink on no ground."""
        own = run.find(f"{_W}rPr")
        if own is None:
            return False
        for name in ("vanish", "specVanish", "webHidden"):
            mark = own.find(f"{_W}{name}")
            if mark is not None and mark.get(f"{_W}val", "1").lower() not in _OFF:
                return True
        size = own.find(f"{_W}sz")
        if size is not None and 0 < _number(size.get(f"{_W}val"), 99) <= 2:
            return True
        color = own.find(f"{_W}color")
        if color is None or color.get(f"{_W}val", "").upper() not in {"FFFFFF", "FEFEFE"}:
            return False
        return not _has_ground(run)

    # -- tables --

    def _rows(self, table: Any, depth: int) -> Iterator[Sequence[Cell]]:
        above: dict[int, Words] = {}  # column → words of the cell that spans down from above
        look = table.find(f"{_W}tblPr/{_W}tblLook")
        first_row = look is not None and (
            look.get(f"{_W}firstRow") in {"1", "true"}
            or int(_hex(look.get(f"{_W}val", "0")) & 0x0020) != 0
        )
        for number, row in enumerate(table.iter(f"{_W}tr") if depth else table.iterfind(f"{_W}tr")):
            marked = row.find(f"{_W}trPr/{_W}tblHeader")
            header = (marked is not None and marked.get(f"{_W}val", "1").lower() not in _OFF) or (
                first_row and number == 0
            )
            column = 0
            cells = []
            for cell in _cells(row):
                span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                width = min(max(_number(span.get(f"{_W}val"), 1) if span is not None else 1, 1), 63)
                merge = cell.find(f"{_W}tcPr/{_W}vMerge")
                words = Words()
                if merge is not None and merge.get(f"{_W}val", "continue") == "continue":
                    words = above.get(column, words)
                else:
                    self._cell(cell, words)
                    if merge is not None:
                        above[column] = words if len(str(words)) <= 200 else Words()
                    else:
                        above.pop(column, None)
                cells.append(Cell(words, header=header, columns=width))
                column += width
            yield cells

    def _cell(self, cell: Any, words: Words) -> None:
        for paragraph in cell.iter(f"{_W}p"):
            if words:
                words.line()
            self._inline(paragraph, words)


def _cells(row: Any) -> Iterator[Any]:
    for child in row.iterchildren():
        if child.tag == f"{_W}tc":
            yield child
        elif child.tag == f"{_W}sdt":
            yield from child.iterfind(f"{_W}sdtContent/{_W}tc")


def _boxes(paragraph: Any) -> Iterator[Any]:
    """Text boxes anchored in a paragraph; of alternatives for old programs only the first."""
    for box in paragraph.iter(f"{_W}txbxContent"):
        inner = False
        for above in box.iterancestors():
            if above is paragraph:
                break
            if above.tag in {f"{_MC}Fallback", f"{_W}txbxContent"}:
                inner = True
                break
        if not inner:
            yield box


def _has_ground(run: Any) -> bool:
    """Whether the run, its paragraph or its cell is shaded or highlighted."""
    places = [run.find(f"{_W}rPr")]
    for above in run.iterancestors():
        if above.tag == f"{_W}p":
            places.append(above.find(f"{_W}pPr"))
        elif above.tag == f"{_W}tc":
            places.append(above.find(f"{_W}tcPr"))
        elif above.tag == f"{_W}tbl":
            # A table style may shade its cells; what it does is not looked up.
            return True
    for place in places:
        if place is None:
            continue
        if place.find(f"{_W}highlight") is not None:
            return True
        shade = place.find(f"{_W}shd")
        if shade is not None and shade.get(f"{_W}fill", "auto").upper() not in {"AUTO", "FFFFFF"}:
            return True
    return False


def _number(value: str | None, default: int = 0) -> int:
    try:
        return int(value or default)
    except ValueError:
        return default


def _hex(value: str) -> int:
    try:
        return int(value, 16)
    except ValueError:
        return 0


def _facts(document: Any) -> Iterator[Fact]:
    try:
        core = document.core_properties
        values = (core.title, core.author, core.created, core.modified, core.language)
    except (KeyError, ValueError, AttributeError, TypeError):
        return
    title, author, created, modified, language = values
    if title and title.strip():
        yield Fact("title", title.strip(), "docx metadata")
    if (
        author
        and author.strip()
        and author.strip().lower() not in {"python-docx", "user", "author"}
    ):
        yield Fact("author", author.strip(), "docx metadata")
    for field, moment in (("published", created), ("modified", modified)):
        if isinstance(moment, datetime.datetime) and moment.year > 1990:
            yield Fact(field, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "docx metadata")
    if language and language.strip():
        yield Fact("language", language.strip(), "docx metadata")
