"""CSV, TSV, JSON, JSON Lines and YAML whose rows pair an actor with a technique.

Such a file says *who uses what* row by row: it becomes a table with one row a record, cells as they
are written, of kind ``mapping``. Which columns name the actor and the technique is told by their
headers, else by ids in them. A table that pairs nothing (sources, indicators) is an ``index``;
other JSON and YAML is no document.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ctimine.errors import BrokenDocument, UnsupportedMedia
from ctimine.model import Fact, ReportKind, Snapshot
from ctimine.read.media import decode
from ctimine.read.text import Cell, Reading, TextBuilder

MAX_ROWS: Final = 250_000
MAX_CELL: Final = 20_000
"""Characters of one cell that are kept."""
_NESTED: Final = 200
"""Values of a nested list that are written into one cell."""
_ALIASES: Final = 1000
"""References to earlier parts that one YAML file may hold."""

SUBJECTS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        actor actorid actorname actors adversaries adversary apt aptgroup attacker attackgroup
        campaign campaignid gid group groupid groupname groups intrusionset malware malwarefamily
        malwarename mitregroup software softwareid softwarename sourcename threatactor
        threatactorid threatactorname threatactors threatgroup tool toolname
        """,
    )
)
"""Headers, folded, of the column that says who does it."""
_TECHNIQUE_ID: Final = re.compile(r"(?<![A-Za-z0-9.])T\d{4}(?:[./]\d{3})?(?!\d)")
_SUBJECT_ID: Final = re.compile(r"[GSC]\d{4}")

Rows = list[list[str]]


def read_csv(snapshot: Snapshot) -> Reading:
    r"""The rows of a CSV or TSV file as a table; the delimiter is found by looking.

    >>> read_csv(Snapshot("s", "a.csv", b"actor;attack_id\nTurla;T1102\n")).kind
    'mapping'
    >>> read_csv(Snapshot("s", "a.csv", b"source,url\nLab,https://lab.example/\n")).kind
    'index'
    """
    text, _ = decode(snapshot.body, snapshot.media_type)
    text = text.replace("\x00", "")
    lines = list(io.StringIO(text, newline=""))  # splitlines would also split inside of cells
    notes = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    rows: Rows = []
    warnings = []
    try:
        for row in csv.reader(lines[len(notes) :], delimiter=_delimiter(lines[len(notes) :])):
            if any(cell.strip() for cell in row):
                rows.append([cell[:MAX_CELL] for cell in row])
            if len(rows) > MAX_ROWS:
                warnings.append(f"more than {MAX_ROWS} rows; the rest was not read")
                break
    except csv.Error as error:
        raise BrokenDocument(str(error), subject=snapshot.item or snapshot.url) from None
    headed = bool(rows) and _is_header(rows[0])
    headers = rows[0] if headed else []
    builder = TextBuilder()
    for note in notes:
        builder.add("paragraph", note.lstrip("# "))
    _write(builder, headers, rows[1:] if headed else rows)
    return builder.reading(kind=_kind(headers, rows[1:] if headed else rows), warnings=warnings)


def read_json(snapshot: Snapshot) -> Reading:
    """The records of a JSON file as a table; a STIX bundle, MISP event or layer as such."""
    return read_value(load_json(snapshot), snapshot)


def read_json_lines(snapshot: Snapshot) -> Reading:
    """The records of a JSON Lines file as a table."""
    text, _ = decode(snapshot.body, snapshot.media_type)
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                subject = snapshot.item or snapshot.url
                raise BrokenDocument(f"line {number}: {error}", subject=subject) from None
    return read_value(records, snapshot)


def read_yaml(snapshot: Snapshot) -> Reading:
    """The records of a YAML file as a table."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    seen = itertools.count(1)

    class Loader(base):  # type: ignore[misc]
        """The safe loader, with a bound on references, by which a small file can be endless."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent) and next(seen) > _ALIASES:
                raise yaml.YAMLError(f"more than {_ALIASES} references")
            return super().compose_node(parent, index)

    text, _ = decode(snapshot.body, snapshot.media_type)
    subject = snapshot.item or snapshot.url
    try:
        values = list(itertools.islice(yaml.load_all(text, Loader=Loader), MAX_ROWS))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise BrokenDocument(f"no YAML: {str(error)[:300]}", subject=subject) from None
    return read_value(values[0] if len(values) == 1 else values, snapshot)


def read_stix(snapshot: Snapshot) -> Reading:
    """A STIX bundle as text and tables: see :mod:`ctimine.read.stix`."""
    return read_value(load_json(snapshot), snapshot)


def load_json(snapshot: Snapshot) -> Any:
    """The value that a JSON file holds; raises :class:`~ctimine.errors.BrokenDocument` if none."""
    text, _ = decode(snapshot.body, snapshot.media_type)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        subject = snapshot.item or snapshot.url
        raise BrokenDocument(f"no JSON: {str(error)[:200]}", subject=subject) from None


def read_value(value: Any, snapshot: Snapshot) -> Reading:
    """The reading of a loaded JSON or YAML value, by what it looks like."""
    from ctimine.read.layer import is_layer, read_layer_value
    from ctimine.read.stix import is_bundle, misp_events, read_bundle, read_events

    subject = snapshot.item or snapshot.url
    if is_bundle(value):
        return read_bundle(value, subject)
    events = misp_events(value)
    if events:
        return read_events(events)
    if is_layer(value):
        return read_layer_value(value)
    if isinstance(value, dict) and "detection" in value and "logsource" in value:
        raise UnsupportedMedia("a Sigma rule, which says nothing of actors", subject=subject)
    headers, rows = _records(value)
    if not rows or _kind(headers, rows) != "mapping":
        raise UnsupportedMedia("no rows that pair an actor and a technique", subject=subject)
    builder = TextBuilder()
    _write(builder, headers, rows)
    facts = list(_facts(value))
    return builder.reading(facts=facts, kind="mapping")


# -- rows ------------------------------------------------------------------------------------------


def _write(builder: TextBuilder, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    def lines() -> Iterator[Sequence[Cell | str]]:
        if headers:
            yield [Cell(header, header=True) for header in headers]
        yield from rows

    builder.table(lines())


def _kind(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> ReportKind:
    """``mapping`` if some row has both a subject and a technique, else ``index``."""
    subjects, techniques = pairing(headers, rows)
    for row in rows:
        filled = {at for at, cell in enumerate(row) if cell.strip()}
        if filled & subjects and any(_TECHNIQUE_ID.search(row[at]) for at in filled & techniques):
            return "mapping"
    named = {
        at for at in techniques if at < len(headers) and _names_technique(_folded(headers[at]))
    }
    for row in rows if named else ():
        filled = {at for at, cell in enumerate(row) if cell.strip()}
        if filled & subjects and filled & named:
            return "mapping"
    return "index"


def pairing(
    headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[frozenset[int], frozenset[int]]:
    """The columns that name a subject and those that name a technique.

    >>> pairing(["Threat Actor", "MITRE ID"], [["Turla", "T1102"]])
    (frozenset({0}), frozenset({1}))
    >>> pairing([], [["G0010", "x", "T1102"], ["G0010", "y", "T1059"]])
    (frozenset({0}), frozenset({2}))
    """
    width = max((len(row) for row in rows[:1000]), default=0)
    subjects, techniques = set(), set()
    for at in range(width):
        cells = [row[at].strip() for row in rows[:1000] if at < len(row) and row[at].strip()]
        if not cells:
            continue
        header = _folded(headers[at]) if at < len(headers) else ""
        ids = sum(1 for cell in cells if _TECHNIQUE_ID.search(cell)) * 2 >= len(cells)
        if ids or _names_technique(header):
            techniques.add(at)
        elif header in SUBJECTS or sum(map(_is_subject, cells)) * 2 >= len(cells):
            subjects.add(at)
    return frozenset(subjects), frozenset(techniques)


def _is_subject(cell: str) -> bool:
    return bool(_SUBJECT_ID.fullmatch(cell))


def _names_technique(folded: str) -> bool:
    """Whether a folded header names the column that says what is done."""
    return "technique" in folded or "attackpattern" in folded or folded in {"ttp", "ttps", "ttpid"}


def _folded(header: str) -> str:
    return re.sub(r"[\W_]+", "", header.casefold().replace("&", ""))


def _is_header(row: Sequence[str]) -> bool:
    """Whether the first row names columns: short words, no ids, no addresses, no numbers alone."""
    return all(
        len(cell) <= 60
        and not _TECHNIQUE_ID.search(cell)
        and not _SUBJECT_ID.fullmatch(cell.strip())
        and "://" not in cell
        and not re.fullmatch(r"\s*[\d.,:/-]+\s*", cell)
        for cell in row
    )


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that parts the first lines into the most cells, evenly."""
    sample = [line for line in itertools.islice(lines, 40) if line.strip()]
    best, most = ",", 0.0
    for mark in (",", ";", "\t", "|"):
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=mark) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        even = sum(1 for width in widths if width == widths[0]) / len(widths)
        score = even * min(widths[0], 20)
        if score > most:
            best, most = mark, score
    return best


# -- records of JSON and YAML ----------------------------------------------------------------------


def _records(value: Any) -> tuple[list[str], Rows]:
    """Headers and rows of the records in a value; both empty if there are none."""
    found = list(itertools.islice(_objects(value), MAX_ROWS))
    headers = list(dict.fromkeys(key for record in found for key in record))
    if len(headers) > 200:
        return [], []
    return headers, [[record.get(header, "") for header in headers] for record in found]


def _objects(value: Any) -> Iterator[dict[str, str]]:
    """Records as flat objects of cells: a list of objects, or the list inside of one object."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from _flat(item, {})
        return
    if not isinstance(value, dict):
        return
    lists = {key: inner for key, inner in value.items() if _is_list_of_ids(inner)}
    if lists and len(lists) == len(value):
        for actor, ids in lists.items():  # {"Turla": ["T1102", …], …}
            for one in ids:
                yield {"actor": _cell(actor), "technique": _cell(one)}
        return
    yield from _flat(value, {})


def _flat(record: dict[Any, Any], above: dict[str, str]) -> Iterator[dict[str, str]]:
    """The record with what stands above it; each object of its lists of objects as one of its own.

    An actor with a list of techniques is a row for each technique.
    """
    cells = dict(above)
    inner: list[tuple[str, list[dict[Any, Any]]]] = []
    for key, value in record.items():
        name = _cell(key)[:100]
        objects = (
            [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        )
        if objects and len(above) < 50:
            inner.append((name, objects))
            continue
        cell = _cell(value)
        if cell:
            cells[name if name not in cells else f"{name} (inner)"] = cell
    if not inner:
        if cells:
            yield cells
        return
    for name, objects in inner:
        for item in objects:
            renamed = {
                (f"{name} {key}" if _cell(key) in cells else key): part
                for key, part in item.items()
            }
            yield from _flat(renamed, cells)


def _is_list_of_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and _TECHNIQUE_ID.search(one) for one in value)
    )


def _cell(value: Any) -> str:
    """A value as the words of one cell; nested lists and objects as far as a person reads on."""
    parts = itertools.islice(_scalars(value, 4), _NESTED)
    return ", ".join(part for part in parts if part)[:MAX_CELL]


def _scalars(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict):
        if depth:
            for key, inner in value.items():
                for part in _scalars(inner, depth - 1):
                    yield f"{key}: {part}"
    elif isinstance(value, list | tuple | set):
        if depth:
            for inner in value:
                yield from _scalars(inner, depth - 1)
    elif value is not None and not isinstance(value, bytes):
        yield str(value)


def _facts(value: Any) -> Iterator[Fact]:
    if not isinstance(value, dict):
        return
    for key, field in (
        ("title", "title"),
        ("name", "title"),
        ("published", "published"),
        ("date", "published"),
        ("author", "author"),
        ("publisher", "publisher"),
        ("url", "url"),
    ):
        found = value.get(key)
        if isinstance(found, str) and found.strip():
            yield Fact(field, found.strip(), "json")
