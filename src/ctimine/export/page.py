"""The answer as one HTML page: who uses a technique, by which service, who says so, where.

The page stands alone: no script, no font, no picture, nothing that is loaded from elsewhere, which
its content security policy also forbids. All words of reports are escaped by the template engine.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import importlib.resources
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ctimine.export.layer import techniques_of
from ctimine.export.tlp import strictest, tlp_of
from ctimine.export.wording import besides, one_line, shortened, thing, via_of
from ctimine.graph.questions import Answer, by_passage, report_of, who_uses
from ctimine.graph.services import services_used
from ctimine.model import Claim, Report

if TYPE_CHECKING:
    import jinja2
    import networkx as nx

LONGEST_QUOTE: Final = 700
"""Characters of a sentence or row; the whole passage stands in ``claims.jsonl``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """One passage, and all that a reader weighs it by; ``claim`` is its best."""

    claim: Claim
    report: Report
    quote: str
    basis: str
    via: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """One actor and one technique."""

    answer: Answer
    technique: str
    actor: str
    via: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...]

    @property
    def years(self) -> str:
        """First and last year in which a report says it; empty where none is dated."""
        return "–".join(dict.fromkeys(day[:4] for day in (self.answer.first, self.answer.last)))


def to_html(graph: nx.MultiDiGraph, *, technique: str = "") -> str:
    """A page of its own: actors, services, reports and sentences; with what ATT&CK cites apart.

    The strictest TLP marking of the reports stands at its top, and each sentence names that of its
    report, where it is not CLEAR. With ``technique`` it holds that one and its sub-techniques;
    without, all techniques.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla <b>used</b> Pastebin (T1102).", title="A note")
    >>> claim = Claim("r1", 0, 35, report.text, "G0010", "uses", "T1102", "id", score=0.9)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> page = to_html(graph, technique="T1102")
    >>> "Turla (G0010)" in page, "&lt;b&gt;used" in page, "<b>used" in page
    (True, True, False)
    """
    ids = (technique,) if technique else techniques_of(graph)
    about = bool(technique)
    answers = [a for one in ids for a in who_uses(graph, one, subs=about, cited=about)]
    answers.sort(key=lambda a: (a.technique, -a.score, a.name, a.actor))
    pairs = [_pair(graph, answer) for answer in answers if answer.claims]
    uses = services_used(graph, technique=technique, kinds=("actor",))
    return _template().render(
        title=thing(graph, technique) if technique else "which technique",
        link=_link(str(graph.nodes[technique].get("url", ""))) if technique in graph else "",
        release=graph.graph["catalogue"],
        version=graph.graph["ctimine"],
        pairs=pairs,
        services=[(use, _titled(use.reports[0]), besides(use.claims)) for use in uses],
        reports=_reports(graph, pairs),
        marking=strictest(one.report for pair in pairs for one in (*pair.evidence, *pair.against)),
        tlp_of=tlp_of,
        cited=[_pair(graph, answer) for answer in answers if answer.citations and technique],
        link_of=lambda place: _link(place.url),
    )


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    body = importlib.resources.files("ctimine.export").joinpath("page.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(body)


def _pair(graph: nx.MultiDiGraph, answer: Answer) -> Pair:
    return Pair(
        answer=answer,
        technique=thing(graph, answer.technique),
        actor=thing(graph, answer.actor),
        via=tuple(via_of(graph, list(answer.claims))),
        evidence=tuple(_evidence(graph, passage) for passage in by_passage(answer.claims)),
        against=tuple(_evidence(graph, passage) for passage in by_passage(answer.against)),
    )


def _evidence(graph: nx.MultiDiGraph, passage: Sequence[Claim]) -> Evidence:
    claim = passage[0]
    report = _titled(report_of(graph, claim.report))
    return Evidence(
        claim=claim,
        report=report,
        quote=shortened(claim.quote, LONGEST_QUOTE),
        basis=basis_in_words(claim, report),
        via=tuple(via_of(graph, list(passage))),
    )


def _titled(report: Report) -> Report:
    """The report with a title on one line: its own, or where it lies."""
    return dataclasses.replace(report, title=one_line(report.title or report.item))


def basis_in_words(claim: Claim, report: Report) -> str:
    """What an edge rests on, for people.

    >>> claim = Claim("r", 0, 5, "T1102", "G0010", "uses", "T1102", "id")
    >>> basis_in_words(claim, Report("r", "s", "i", "T1102", role="author"))
    'the authors write the id'
    """
    who = {"author": "the authors", "collector": "a collector"}.get(report.role, "a third party")
    return {
        "id": f"{who} write{'' if report.role == 'author' else 's'} the id",
        "name": f"{who} write{'' if report.role == 'author' else 's'} the name",
        "behaviour": "described, not named",
        "mapping": "row of a mapping",
        "cited": "cited by ATT&CK",
    }[claim.basis]


def _reports(
    graph: nx.MultiDiGraph, pairs: list[Pair]
) -> list[tuple[Report, list[tuple[str, int]]]]:
    """Each report once, newest first, with the pairs that it supports and how often."""
    counted: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for pair in pairs:
        for one in pair.evidence:
            counted[one.report.id][f"{pair.actor}: {pair.technique}"] += 1
    rows = []
    for key, pairs_of in counted.items():
        rows.append((_titled(report_of(graph, key)), sorted(pairs_of.items())))
    rows.sort(key=lambda row: (row[0].title, row[0].id))
    return sorted(rows, key=lambda row: row[0].published, reverse=True)


def _link(url: str) -> str:
    """An address that a browser may open; empty for all else."""
    return url if re.fullmatch(r"https?://[^\s<>\"'\\]+", url) else ""
