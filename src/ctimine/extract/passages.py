"""The passages of a report that a claim can quote: sentences, list items, table rows.

Everything here is an offset into ``Report.text``; nothing is copied, joined or cleaned.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
import re
from collections import Counter
from collections.abc import Iterable

from ctimine.extract.candidates import plain_spaces
from ctimine.extract.caseless import folded
from ctimine.extract.sentences import TECHNIQUE_ID, sentences
from ctimine.model import Block, Report

_CITATIONS = re.compile(
    r"(?:\s*(?:\[[A-Za-z]{0,3}\d+[a-z]?(?:[,–-]\s?\d+)*\]|【[^】]*】))+(?=\s|$)"
)
_ROW_END = re.compile(r"\|(?=\s*\|)")
_VISIBLE = re.compile(r"\S")
_EMPTY_LINE = re.compile(r"\n\s*\n")
_MARKED_LINE = re.compile(
    r"^(?P<line>(?P<hashes>#{1,6})[ \t].*\S|(?P<bold>\*\*[^*\n.]{2,80}\*\*)|[*+-][ \t]+\S.*|"
    r"\S.{1,150}(?=\n(?P<under>={3,}|-{3,})[ \t]*$))[ \t\xa0]*(?:\n[=-]{3,}[ \t]*)?$",
    re.MULTILINE,
)
LONGEST_HEADING = 200
"""Characters; what is longer and set like a heading is a paragraph that a reader mistook."""
_PLAIN_NOTES = frozenset({"", "text", "txt", "plain", "plaintext"})
_LINE = re.compile(r"[^\n]+")
_PHASE = re.compile(r"^\W*(?:phase|stage|step)\W{0,3}\d", re.IGNORECASE | re.MULTILINE)
_ARROW = re.compile(r"[→⟶➔➜⇒↓⬇▼└├╰]|->|=>")
_CHAIN = re.compile(
    r"\b(?:(?:kill|attack|infection|intrusion|execution|exploitation|exploit|compromise)[ -]?"
    r"(?:chains?|flows?|paths?|sequences?|lifecycles?|progression)|operational flow|"
    r"chain of events)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\W*\d{1,2}(?:\.\d{1,2})+\.?\s")


def split_sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Half-open offsets of the sentences in ``text[start:end]``, without outer space.

    A citation that follows a full stop belongs to the sentence that it supports, and the rows of a
    table that was flattened into running text (two strokes side by side) are passages of their own.

    >>> text = "It began in Jan. 2024. [R1] Then T1102.001 was seen."
    >>> [text[a:b] for a, b in split_sentences(text, 0, len(text))]
    ['It began in Jan. 2024. [R1]', 'Then T1102.001 was seen.']
    """
    found: list[tuple[int, int]] = []
    for begin, stop in sentences(text, start, end):
        cited = _CITATIONS.match(text, begin, stop) if found and text[begin] in "[【" else None
        if cited:
            found[-1] = (found[-1][0], cited.end())
            begin = cited.end()  # noqa: PLW2901
        elif text.find("|", begin, stop) < 0:  # most
            found.append((begin, stop))
            continue
        for row in _ROW_END.finditer(text, begin, stop):
            _add(text, begin, row.end(), found)
            begin = row.end()  # noqa: PLW2901
        _add(text, begin, stop, found)
    return found


def _add(text: str, start: int, end: int, into: list[tuple[int, int]]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        into.append((start, end))


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells (indices of blocks) and the span from first to last."""

    start: int
    end: int
    cells: tuple[int, ...]


class Layout:
    """A report's blocks with what stands above, beside and inside each.

    A report without blocks (a bare text) gets paragraphs at its empty lines.

    >>> report = Report("r", "s", "i", "One line. Two.", (Block("paragraph", 0, 14),))
    >>> layout = Layout(report)
    >>> layout.sentence_at(11)
    (10, 14)
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.text = plain_spaces(report.text)
        """The report's text for patterns: every space a plain one, same offsets."""
        self.folded = folded(self.text)
        """The text in small letters, for patterns that are :func:`~.caseless.caseless`."""
        self.blocks: tuple[Block, ...] = report.blocks or _paragraphs(report.text)
        self._starts = [block.start for block in self.blocks]
        self._split: dict[int, list[tuple[int, int]]] = {}
        self._whole: list[tuple[int, int]] = []
        self._sentences: dict[int, list[tuple[int, int]]] = {}
        self._chains: dict[int, bool] = {}
        self.above: list[tuple[int, ...]] = []
        """For each block the indices of the headings above it, outermost first."""
        self.rows: dict[tuple[int, int], Row] = {}
        self.headers: dict[int, dict[int, str]] = {}
        self._tables: dict[int, list[int]] = {}
        self._walk()

    def keeping(self, whole: Iterable[tuple[int, int]]) -> Layout:
        r"""The same layout, in whose sentences these spans stay whole.

        An id may be broken over a line ("T1102.\n002"): no sentence ends inside what is short.
        """
        other = copy.copy(self)
        other._whole = sorted(span for span in whole if 0 < span[1] - span[0] <= 60)  # noqa: SLF001
        other._sentences = {}  # noqa: SLF001
        return other

    def _walk(self) -> None:
        stack: list[int] = []
        ranks = self._ranks()
        cells: dict[tuple[int, int], list[int]] = {}
        for index, block in enumerate(self.blocks):
            if block.kind == "heading" and block.end - block.start <= LONGEST_HEADING:
                while stack and ranks[stack[-1]] >= ranks[index]:
                    stack.pop()
                self.above.append(tuple(stack))
                stack.append(index)
                continue
            self.above.append(tuple(stack))
            if block.kind == "table_cell" and block.table >= 0:
                cells.setdefault((block.table, block.row), []).append(index)
                if block.header:
                    self.headers.setdefault(block.table, {}).setdefault(
                        block.column, self.text[block.start : block.end].strip()
                    )
        for key, members in cells.items():
            first, last = self.blocks[members[0]], self.blocks[members[-1]]
            self.rows[key] = Row(first.start, last.end, tuple(members))
            self._tables.setdefault(key[0], []).append(key[1])
        for table, numbers in self._tables.items():
            if table not in self.headers:
                self._guess_header(table, min(numbers))

    def _ranks(self) -> dict[int, tuple[int, bool]]:
        """Heading → its rank. Beside "1.2 …" and "1.3 …" a heading without a number is a lower one.

        A PDF has no levels, only sizes of type, and sets both alike.
        """
        heads = [(i, b) for i, b in enumerate(self.blocks) if b.kind == "heading"]
        numbered = {i for i, b in heads if _NUMBERED.match(self.text, b.start, b.end)}
        levels = Counter(self.blocks[i].level or 1 for i in numbered)
        return {
            i: (b.level or 1, levels[b.level or 1] >= 2 and i not in numbered) for i, b in heads
        }

    def _guess_header(self, table: int, row: int) -> None:
        """Take the first row as header where it looks like one: short cells, none with a digit."""
        cells = [self.blocks[index] for index in self.rows[table, row].cells]
        words = [self.text[cell.start : cell.end].strip() for cell in cells]
        if len(self._tables[table]) > 1 and all(
            word and len(word) <= 40 and not re.search(r"\d", word) for word in words
        ):
            self.headers[table] = {
                cell.column: word for cell, word in zip(cells, words, strict=True)
            }

    def block_at(self, offset: int) -> int:
        """Index of the block that holds the offset, or -1."""
        index = bisect.bisect_right(self._starts, offset) - 1
        return index if index >= 0 and offset < self.blocks[index].end else -1

    def sentences(self, index: int) -> list[tuple[int, int]]:
        """Sentences of a block."""
        if index not in self._sentences:
            if index not in self._split:
                block = self.blocks[index]
                split = self._lines if self.is_chain(index) else split_sentences
                self._split[index] = split(self.text, block.start, block.end)
            self._sentences[index] = self._mended(self._split[index])
        return self._sentences[index]

    def is_chain(self, index: int) -> bool:
        """Whether a block that is set like code draws an attack in its phases, with their ids.

        Each of its lines is a passage.
        """
        if self.blocks[index].kind != "code":
            return False
        if index not in self._chains:
            self._chains[index] = self._draws_chain(index)
        return self._chains[index]

    def _draws_chain(self, index: int) -> bool:
        block, words = self.blocks[index], self.words(index)
        if block.note.strip().casefold() not in _PLAIN_NOTES:
            return False
        if len({match.group() for match in TECHNIQUE_ID.finditer(words)}) < 2:
            return False
        if len(_PHASE.findall(words)) >= 2:
            return True
        lead = self.lead_in(index)
        above = [*self.path(index)[-1:], *([self.text[slice(*lead)]] if lead else [])]
        return bool(_ARROW.search(words)) and any(_CHAIN.search(said) for said in above)

    @staticmethod
    def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for line in _LINE.finditer(text, start, end):
            _add(text, line.start(), line.end(), found)
        return found

    def _mended(self, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Sentences joined again where one ends inside a mention."""
        if len(found) < 2 or not self._whole:
            return found
        mended = found[:1]
        for start, end in found[1:]:
            at = bisect.bisect_left(self._whole, (start, start)) - 1
            if at >= 0 and self._whole[at][0] < start < self._whole[at][1]:
                mended[-1] = (mended[-1][0], end)
            else:
                mended.append((start, end))
        return mended

    def sentence_at(self, offset: int) -> tuple[int, int]:
        """The sentence that holds the offset; the line where no block does."""
        index = self.block_at(offset)
        if index < 0:
            start = self.text.rfind("\n", 0, offset) + 1
            end = self.text.find("\n", offset)
            return start, len(self.text) if end < 0 else end
        sentences = self.sentences(index)
        at = bisect.bisect_right(sentences, (offset, len(self.text))) - 1
        if at >= 0 and offset < sentences[at][1]:
            return sentences[at]
        return self.blocks[index].start, self.blocks[index].end

    def row_of(self, index: int) -> Row | None:
        """The table row that a cell stands in."""
        block = self.blocks[index]
        return self.rows.get((block.table, block.row)) if block.kind == "table_cell" else None

    def header(self, index: int) -> str:
        """The header above a cell, empty where there is none."""
        block = self.blocks[index]
        return self.headers.get(block.table, {}).get(block.column, "")

    def is_header(self, index: int) -> bool:
        """Whether a cell belongs to the header row."""
        block = self.blocks[index]
        if block.header:
            return True
        words = self.headers.get(block.table, {}).get(block.column)
        first = min(self._tables.get(block.table, [0]))
        return block.row == first and self.text[block.start : block.end].strip() == words

    def words(self, index: int) -> str:
        """The text of a block."""
        return self.text[self.blocks[index].start : self.blocks[index].end]

    def path(self, index: int) -> tuple[str, ...]:
        """The headings above a block, outermost first."""
        block = self.blocks[index]
        return block.path or tuple(self.words(i).strip() for i in self.above[index])

    def lead_in(self, index: int) -> tuple[int, int] | None:
        """The sentence that introduces a list or table: the one before it that ends in a colon."""
        kind = self.blocks[index].kind
        if kind not in {"list_item", "table_cell", "code"}:
            return None
        at = index - 1
        while at >= 0 and self.blocks[at].kind == kind and index - at < 80:
            at -= 1
        if at < 0 or self.blocks[at].kind not in {"paragraph", "quote", "caption"}:
            return None
        sentences = self.sentences(at)
        if not sentences:
            return None
        start, end = sentences[-1]
        tail = self.text[start:end].rstrip("*_ ")
        return (start, end) if tail.endswith(":") else None


def _paragraphs(text: str) -> tuple[Block, ...]:
    """Blocks of a text without any: paragraphs, and the headings and items that marks show.

    A heading is a line of Markdown's, one that is underlined, or one that is bold and nothing else.
    """
    blocks: list[Block] = []
    end = 0
    while begun := _VISIBLE.search(text, end):
        start = begun.start()
        gap = _EMPTY_LINE.search(text, start)
        end = gap.start() if gap else len(text)
        at = start
        for mark in _MARKED_LINE.finditer(text, start, end):
            _paragraph(text, at, mark.start(), blocks)
            at = mark.end()
            first, last = mark.span("line")
            if mark["bold"] or mark["under"] or mark["hashes"]:
                level = len(mark["hashes"] or "") or (6 if mark["bold"] else 2)
                if mark["under"]:
                    level = 1 if mark["under"].startswith("=") else 2
                blocks.append(Block("heading", first, last, level=level))
            else:
                blocks.append(Block("list_item", first, last))
        _paragraph(text, at, end, blocks)
    return tuple(blocks)


def _paragraph(text: str, start: int, end: int, into: list[Block]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        into.append(Block("paragraph", start, end))
