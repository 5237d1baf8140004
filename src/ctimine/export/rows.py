"""Reports, mentions and claims as JSON Lines, and claims as CSV.

The JSON Lines are the whole record of a run: every field of the types, text included, so that every
offset can be checked. Their schemas lie beside this file in ``schemas/``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ctimine.export.tlp import tlp_of
from ctimine.graph.questions import family, find_claims, name_of, report_of, speaks
from ctimine.model import Claim, Mention, Report, to_json

if TYPE_CHECKING:
    import os

    import networkx as nx


class Found(Protocol):
    """What a run found; :class:`ctimine.Run` is one."""

    @property
    def reports(self) -> Sequence[Report]: ...  # noqa: D102
    @property
    def mentions(self) -> Sequence[Mention]: ...  # noqa: D102
    @property
    def claims(self) -> Sequence[Claim]: ...  # noqa: D102
    @property
    def graph(self) -> nx.MultiDiGraph: ...  # noqa: D102


COLUMNS = (
    "subject",
    "subject_name",
    "relation",
    "object",
    "object_name",
    "stance",
    "basis",
    "score",
    "edge",
    "via",
    "time",
    "said_by",
    "title",
    "publisher",
    "published",
    "tlp",
    "address",
    "start",
    "end",
    "quote",
    "rule",
    "report",
    "key",
)
"""Columns of ``claims.csv``; ``edge`` says whether the claim makes one."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula (OWASP, *CSV Injection*; CWE-1236)."""


def write_jsonl(found: Found, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write ``reports.jsonl``, ``mentions.jsonl`` and ``claims.jsonl``; give their paths.

    ``found`` is a :class:`ctimine.Run` or anything with its ``reports``, ``mentions``, ``claims``
    and ``graph``; the graph tells the names of things.

    >>> import ctimine, json, pathlib
    >>> paths = write_jsonl(ctimine.mine(workers=0), "out")
    >>> [path.name for path in paths]
    ['reports.jsonl', 'mentions.jsonl', 'claims.jsonl']
    >>> row = json.loads(paths[2].read_text(encoding="utf-8").splitlines()[0])
    >>> row["subject"], row["relation"], row["object"], row["object_label"]
    ('...', '...', '...', '...')
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    graph = found.graph
    files = {
        "reports.jsonl": report_rows(found.reports),
        "mentions.jsonl": mention_rows(found.mentions, graph),
        "claims.jsonl": claim_rows(found.claims, graph),
    }
    for name, rows in files.items():
        with (place / name).open("wb") as file:
            file.writelines(to_line(row) for row in rows)
    return tuple(place / name for name in files)


def report_rows(reports: Iterable[Report]) -> Iterator[dict[str, Any]]:
    """Reports as JSON objects, with the places of their folded copies."""
    for report in sorted(reports, key=lambda report: (report.source, report.item, report.id)):
        row = to_json(report)
        row["copies"] = [
            {"place": fact["value"], "why": fact["origin"]}
            for fact in row["facts"]
            if fact["field"] == "copy"
        ]
        yield row


def mention_rows(mentions: Iterable[Mention], graph: nx.MultiDiGraph) -> Iterator[dict[str, Any]]:
    """Mentions as JSON objects, with the name of the concept."""
    for mention in sorted(set(mentions), key=lambda m: (m.report, m.start, m.end, m.key, m.rule)):
        row = to_json(mention)
        row["concept_label"] = (
            name_of(graph, mention.concept) if mention.concept in graph else mention.name
        )
        yield row


def claim_rows(claims: Iterable[Claim], graph: nx.MultiDiGraph) -> Iterator[dict[str, Any]]:
    """Claims as JSON objects, with the names of subject and object."""
    for claim in sorted(set(claims), key=lambda c: (c.report, c.start, c.end, c.key, c.rule)):
        row = to_json(claim)
        row["subject_label"] = name_of(graph, claim.subject)
        row["object_label"] = name_of(graph, claim.object)
        row["edge"] = speaks(graph, claim)
        yield row


def to_line(row: Mapping[str, Any]) -> bytes:
    r"""One JSON object as one line of UTF-8.

    Characters at which some readers end a line (U+0085, U+2028, U+2029) and lone surrogates are
    escaped.

    >>> to_line({"quote": "a\u2028b"})
    b'{"quote":"a\\u2028b"}\n'
    """
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    for character in ("\x85", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    try:
        return (text + "\n").encode("utf-8")
    except UnicodeEncodeError:
        return (json.dumps(row, separators=(",", ":")) + "\n").encode("ascii")


def to_csv(graph: nx.MultiDiGraph, *, technique: str = "") -> str:
    """All claims (of a technique and its sub-techniques, if one is given) as CSV (RFC 4180).

    Every stance is there; ``edge`` tells which claims make an edge. A cell that a spreadsheet could
    take for a formula starts with an apostrophe.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "=cmd() was used by Turla (T1102).")
    >>> claim = Claim("r1", 0, 33, report.text, "G0010", "uses", "T1102", "id")
    >>> table = to_csv(build_graph([(report, [], [claim])], load_attack()))
    >>> "'=cmd() was used by Turla" in table
    True
    """
    wanted = set(family(graph, technique)) if technique else None
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    claims = [c for c in find_claims(graph) if wanted is None or c.object in wanted]
    for claim in sorted(claims, key=lambda c: (c.relation, c.object, c.subject)):
        report = report_of(graph, claim.report)
        writer.writerow(map(harmless, _cells(graph, claim, report)))
    return sheet.getvalue()


def harmless(value: object) -> str:
    """A cell that no spreadsheet runs.

    >>> harmless("=HYPERLINK(1)"), harmless(" +1"), harmless(0.9), harmless("T1102")
    ("'=HYPERLINK(1)", "' +1", '0.9', 'T1102')
    """
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    # Leading blanks do not protect: some spreadsheets strip them before they look.
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _cells(graph: nx.MultiDiGraph, claim: Claim, report: Report) -> list[object]:
    return [
        claim.subject,
        name_of(graph, claim.subject),
        claim.relation,
        claim.object,
        name_of(graph, claim.object),
        claim.stance,
        claim.basis,
        claim.score,
        "yes" if speaks(graph, claim) else "no",
        claim.via,
        claim.time,
        claim.said_by,
        report.title,
        report.publisher,
        report.published,
        tlp_of(report),
        report.url or report.item,
        claim.start,
        claim.end,
        claim.quote,
        claim.rule,
        claim.report,
        claim.key,
    ]
