"""Tables of a PDF page, found again from what a page shows: rules, grounds, columns that align.

A page holds no tables, only words and lines. In this order: a grid of horizontal and vertical
rules (bordered tables), rows between horizontal rules alone (booktabs, zebra stripes), rows that
the page writes cell by cell with aligned starts. What is none of these stays running text.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

from ctimine.read.pdf_page import Page, Word

_NEAR: Final = 2.5
"""Points within which two rules are one."""
_NARROW: Final = 8.0
"""Columns and rows narrower than this are ornaments."""
_MANY: Final = 3000
"""With more rules than this a page is a diagram."""
_ALIGNED: Final = 6.0

Rule = tuple[float, float, float]  # where, from, to


@dataclasses.dataclass(slots=True)
class Table:
    """Rows of cells, each cell its words in writing order; ``columns`` are the left edges."""

    rows: list[dict[int, list[Word]]]
    columns: list[float]
    spans: dict[tuple[int, int], int] = dataclasses.field(default_factory=dict)

    @property
    def line(self) -> int:
        """Number of the line at which the page writes the table's first word."""
        return min(word.line for row in self.rows for cell in row.values() for word in cell)


def find_tables(page: Page) -> tuple[list[Table], list[Word]]:
    """The tables of a page, and the words that stand outside of them, in writing order."""
    if len(page.across) > _MANY or len(page.down) > _MANY:
        return [], page.words
    across = _merged(page.across)
    down = _merged(page.down)
    words = page.words
    tables: list[Table] = []
    used: set[int] = set()
    for grid in _grids(across, down):
        table = _in_grid(grid, [word for word in words if id(word) not in used])
        if table:
            tables.append(table)
            used |= _ids(table)
    for rules in _stacks(across):
        table = _between(rules, [word for word in words if id(word) not in used])
        if table:
            tables.append(table)
            used |= _ids(table)
    rest = [word for word in words if id(word) not in used]
    for table in _aligned([word for word in rest if not word.mono]):  # code aligns, too
        tables.append(table)
        used |= _ids(table)
    tables.sort(key=lambda table: table.line)
    return tables, [word for word in words if id(word) not in used]


def _ids(table: Table) -> set[int]:
    return {id(word) for row in table.rows for cell in row.values() for word in cell}


def _merged(rules: Iterable[Rule]) -> list[Rule]:
    """Rules that lie on one another or continue each other, as one."""
    groups: list[list[Rule]] = []
    for rule in sorted(rules):
        if groups and rule[0] - groups[-1][-1][0] <= _NEAR and rule[0] - groups[-1][0][0] <= 5:
            groups[-1].append(rule)
        else:
            groups.append([rule])
    merged: list[Rule] = []
    for group in groups:
        where = sum(rule[0] for rule in group) / len(group)
        start = end = None
        for _, a, b in sorted(group, key=lambda rule: rule[1]):
            if start is None or end is None:
                start, end = a, b
            elif a <= end + 3:
                end = max(end, b)
            else:
                merged.append((where, start, end))
                start, end = a, b
        if start is not None and end is not None:
            merged.append((where, start, end))
    return [rule for rule in merged if rule[2] - rule[1] >= _NARROW]


# -- bordered tables -------------------------------------------------------------------------------


def _grids(across: list[Rule], down: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Rules that cross or touch each other, gathered: each group may be a table."""
    parent = list(range(len(across) + len(down)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for i, (y, left, right) in enumerate(across):
        first = bisect.bisect_left(down, (left - 3, -1e9, -1e9))
        for j in range(first, len(down)):
            x, bottom, top = down[j]
            if x > right + 3:
                break
            if bottom - 3 <= y <= top + 3:
                parent[root(i)] = root(len(across) + j)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = collections.defaultdict(lambda: ([], []))
    for i, rule in enumerate(across):
        groups[root(i)][0].append(rule)
    for j, rule in enumerate(down):
        groups[root(len(across) + j)][1].append(rule)
    return [group for group in groups.values() if len(group[0]) >= 2 and len(group[1]) >= 3]


def _in_grid(grid: tuple[list[Rule], list[Rule]], words: Sequence[Word]) -> Table | None:
    across, down = _framed(*grid)
    if not across or not down:
        return None
    ys = _steps(rule[0] for rule in across)
    xs = _steps(rule[0] for rule in down)
    if len(ys) < 2 or len(xs) < 3:
        return None
    cells: dict[tuple[int, int], list[Word]] = collections.defaultdict(list)
    spans: dict[tuple[int, int], int] = {}
    for word in words:
        x, y = word.x, word.y
        if not (xs[0] - 1 <= x <= xs[-1] + 1 and ys[0] - 1 <= y <= ys[-1] + 1):
            continue
        above = [rule[0] for rule in across if rule[0] > y and rule[1] - 3 <= x <= rule[2] + 3]
        below = [rule[0] for rule in across if rule[0] <= y and rule[1] - 3 <= x <= rule[2] + 3]
        left = [rule[0] for rule in down if rule[0] <= x and rule[1] - 3 <= y <= rule[2] + 3]
        if not above or not left:
            continue
        row = len(ys) - 1 - _index(ys, min(above))
        column = _index(xs, max(left))
        cells[row, column].append(word)
        low = len(ys) - 1 - _index(ys, max(below)) if below else row + 1
        spans[row, column] = max(low - row, 1)
    return _table(cells, xs, spans)


def _framed(across: list[Rule], down: list[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The rules that frame cells: not the grounds of words, underlines and strokes inside of them.

    A column's edge runs along a third of the table's height; a row's edge ends at columns' edges.
    """
    low, high = min(rule[1] for rule in down), max(rule[2] for rule in down)
    edges = [
        x
        for x in {rule[0] for rule in down}
        if sum(rule[2] - rule[1] for rule in down if rule[0] == x) >= (high - low) / 3
    ]

    def at_edge(x: float) -> bool:
        return any(abs(x - edge) <= 4 for edge in edges)

    return (
        [rule for rule in across if at_edge(rule[1]) and at_edge(rule[2])],
        [rule for rule in down if rule[0] in edges],
    )


def _steps(places: Iterable[float]) -> list[float]:
    """Places of rules in order, without those so near to the last that nothing fits between."""
    steps: list[float] = []
    for place in sorted(places):
        if not steps or place - steps[-1] >= _NARROW * 0.75:
            steps.append(place)
    return steps


def _index(steps: list[float], place: float) -> int:
    at = bisect.bisect_left(steps, place)
    if at == len(steps) or (at and place - steps[at - 1] < steps[at] - place):
        return at - 1
    return at


def _table(
    cells: dict[tuple[int, int], list[Word]],
    columns: list[float],
    spans: dict[tuple[int, int], int] | None = None,
) -> Table | None:
    """A table from its cells, if there are at least two columns and two rows in it."""
    rows = sorted({row for row, _ in cells})
    if len(rows) < 2 or len({column for _, column in cells}) < 2:
        return None
    wide = sum(1 for row in rows if sum(1 for r, _ in cells if r == row) >= 2)
    if wide < 2 and (len(rows) > 2 or wide < 1):
        return None
    number = {row: at for at, row in enumerate(rows)}
    table = Table([{} for _ in rows], columns)
    for (row, column), words in sorted(cells.items(), key=lambda pair: pair[0]):
        table.rows[number[row]][column] = words
        if spans and spans[row, column] > 1:
            covered = sum(1 for other in rows if row <= other < row + spans[row, column])
            table.spans[number[row], column] = covered
    return table


# -- rows between horizontal rules -----------------------------------------------------------------


def _stacks(across: list[Rule]) -> list[list[Rule]]:
    """Horizontal rules of the same extent below each other, three or more."""
    groups: dict[tuple[int, int], list[Rule]] = collections.defaultdict(list)
    for rule in across:
        key = next(
            (k for k in groups if abs(k[0] - rule[1]) <= 5 and abs(k[1] - rule[2]) <= 5),
            (round(rule[1]), round(rule[2])),
        )
        groups[key].append(rule)
    return [group for group in groups.values() if len(group) >= 3]


def _between(rules: list[Rule], words: Sequence[Word]) -> Table | None:
    ys = _steps(rule[0] for rule in rules)
    left, right = rules[0][1] - 2, rules[0][2] + 2
    within = [word for word in words if left <= word.x <= right]
    inside = [word for word in within if ys[0] < word.y < ys[-1]]
    if len(ys) < 3 or not inside:
        return None
    columns = _columns(inside)
    bands: dict[int, list[Word]] = collections.defaultdict(list)
    for word in inside:
        bands[len(ys) - 1 - bisect.bisect_right(ys, word.y)].append(word)
    rows = [row for band in sorted(bands) for row in _split(bands[band])]
    # Rules may stand between rows only: the first row lies above them, the last one below.
    above = _rows(_pieces([word for word in within if word.y >= ys[-1]]))
    if above and _belongs(above[-1], columns, ys[-1]):
        rows.insert(0, _flat(above[-1]))
    below = _rows(_pieces([word for word in within if word.y <= ys[0]]))
    if below and _belongs(below[0], columns, ys[0]):
        rows.append(_flat(below[0]))
    cells: dict[tuple[int, int], list[Word]] = collections.defaultdict(list)
    for number, row in enumerate(rows):
        for word in row:
            cells[number, max(bisect.bisect_right(columns, word.x) - 1, 0)].append(word)
    full = sum(1 for n in range(len(rows)) if sum(1 for r, _ in cells if r == n) >= 2)
    return _table(cells, columns) if full * 5 >= len(rows) * 3 else None


def _split(band: list[Word]) -> list[list[Word]]:
    """The rows between two rules: one, unless each that is found has cells of its own beside it."""
    rows = _rows(_pieces(band))
    if len(rows) > 1 and all(len(row) >= 2 for row in rows):
        return [_flat(row) for row in rows]
    return [band]


def _belongs(row: list[list[_Piece]], columns: list[float], rule: float) -> bool:
    """Whether a row next to the outermost rule has its cells in the table's columns."""
    pieces = [piece for cell in row for piece in cell]
    near = (
        min(abs(piece.bottom - rule) for piece in pieces),
        min(abs(piece.top - rule) for piece in pieces),
    )
    return (
        len(row) >= 2
        and min(near) < 1.5 * pieces[0].size
        and all(min(abs(cell[0].left - at) for at in columns) <= _ALIGNED for cell in row)
    )


def _flat(row: list[list[_Piece]]) -> list[Word]:
    return [word for cell in row for piece in cell for word in piece.words]


def _columns(words: Sequence[Word]) -> list[float]:
    """Left edges of the columns: the white stripes that no word crosses part them."""
    columns: list[float] = []
    end = -1e9
    for word in sorted(words, key=lambda word: word.left):
        if word.left - end >= max(4.0, 0.6 * word.size):
            columns.append(word.left - 1)
        end = max(end, word.right)
    return columns


# -- rows that only align --------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class _Piece:
    """Words of one line up to the next wide gap."""

    words: list[Word]

    @property
    def left(self) -> float:
        return self.words[0].left

    @property
    def right(self) -> float:
        return self.words[-1].right

    @property
    def top(self) -> float:
        return max(word.top for word in self.words)

    @property
    def bottom(self) -> float:
        return min(word.bottom for word in self.words)

    @property
    def size(self) -> float:
        return max(word.size for word in self.words)


def _pieces(words: Sequence[Word]) -> list[_Piece]:
    pieces: list[_Piece] = []
    last: Word | None = None
    for word in words:
        if (
            last is not None
            and word.line == last.line
            and -word.size < word.left - last.right < max(1.1 * word.size, 9.0)
        ):
            pieces[-1].words.append(word)
        else:
            pieces.append(_Piece([word]))
        last = word
    return pieces


def _aligned(words: Sequence[Word]) -> list[Table]:
    """Tables without rules: three or more rows whose cells start at the same places."""
    rows = _rows(_pieces(words))
    tables: list[Table] = []
    at = 0
    while at < len(rows):
        starts = [cell[0].left for cell in rows[at]]
        end = at + 1
        if len(starts) >= 2:
            while end < len(rows) and _fits(rows[end], starts):
                end += 1
        if end - at >= 3 and sum(1 for row in rows[at:end] if len(row) >= 2) * 3 >= (end - at) * 2:
            cells: dict[tuple[int, int], list[Word]] = collections.defaultdict(list)
            for number, row in enumerate(rows[at:end]):
                for cell in row:
                    column = _nearest(starts, cell[0].left)
                    for piece in cell:
                        inner = column
                        for word in piece.words:
                            # Cells that almost touch are one piece: the next starts at its place.
                            here = _nearest(starts, word.left)
                            if here > inner and abs(starts[here] - word.left) <= 1.5:
                                inner = here
                            cells[number, inner].append(word)
            table = _table(cells, starts)
            if table:
                tables.append(table)
            at = end
        else:
            at += 1
    return tables


def _fits(row: list[list[_Piece]], starts: list[float]) -> bool:
    if len(row) < 2:
        return False
    return len(row) <= len(starts) and all(
        min(abs(cell[0].left - start) for start in starts) <= _ALIGNED for cell in row
    )


def _nearest(starts: list[float], left: float) -> int:
    return min(range(len(starts)), key=lambda at: abs(starts[at] - left))


def _rows(pieces: Sequence[_Piece]) -> list[list[list[_Piece]]]:
    """Pieces as rows of cells: to the right is the next cell, below it the same, else a new row."""
    rows: list[list[list[_Piece]]] = []
    for piece in pieces:
        if not rows:
            rows.append([[piece]])
            continue
        row = rows[-1]
        cell = row[-1]
        last = cell[-1]
        beside = piece.left > last.right and piece.left > max(p.right for p in cell) - 1
        level = piece.top > last.bottom and piece.bottom < cell[0].top
        if beside and level:
            if len(row) == 1:
                _split_above(rows, piece)
                row = rows[-1]
            row.append([piece])
        elif (
            abs(piece.left - cell[0].left) <= _ALIGNED
            and 0 <= last.bottom - piece.top + 0.5 * piece.size <= 1.6 * piece.size
        ):
            cell.append(piece)
        else:
            rows.append([[piece]])
    return rows


def _split_above(rows: list[list[list[_Piece]]], piece: _Piece) -> None:
    """Leave what stands above a row out of the row's first cell: the paragraph before a table."""
    cell = rows[-1][0]
    above = [p for p in cell if p.bottom >= piece.top - 0.2 * piece.size]
    if above and len(above) < len(cell):
        rows[-1] = [above]
        rows.append([cell[len(above) :]])
