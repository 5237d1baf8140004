"""A summary for people: who uses what, in a Markdown table that no quote can break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ctimine.export.layer import techniques_of
from ctimine.export.tlp import strictest
from ctimine.export.wording import besides, one_line, shortened, via_of
from ctimine.graph.questions import Answer, name_of, who_uses

if TYPE_CHECKING:
    import networkx as nx

    from ctimine.model import Report

LONGEST_SENTENCE = 300

_SPECIAL = re.compile(r"([\\`*_\[\]|~#!$])")
_AUTOLINK = re.compile(r"(?i)(?<=\w)(?=://)|(?<=www)(?=\.)")


def escaped(text: str) -> str:
    r"""Text as Markdown that shows it and does nothing else: no markup, no link, no image, no HTML.

    >>> print(escaped("<b>a|b</b> ![x](http://evil.example) www.evil.example"))
    &lt;b&gt;a\|b&lt;/b&gt; \!\[x\](http\://evil.example) www\.evil.example
    """
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _AUTOLINK.sub(r"\\", _SPECIAL.sub(r"\\\1", line))


def to_markdown(graph: nx.MultiDiGraph, *, technique: str = "") -> str:
    """A summary table: technique, actor, stance, basis, score, report, date, sentence.

    The strictest TLP marking of the reports stands above it, where it is not CLEAR. With
    ``technique`` it holds that one and its sub-techniques, and what the knowledge base cites
    for them, apart; without, all techniques, and citations for what reports found, too.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla used Pastebin (T1102).", title="A note")
    >>> claim = Claim("r1", 0, 28, report.text, "G0010", "uses", "T1102", "id", score=0.9)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> print(to_markdown(graph, technique="T1102").splitlines()[6])
    | T1102 Web Service | Turla (G0010) | reported | id | 0.90 | A note |  | “Turla used Pastebin (T1102).” |
    """  # noqa: E501 - a table row is one line
    answers = _answers(graph, technique)
    mined = [answer for answer in answers if answer.claims]
    cited = [answer for answer in answers if answer.citations]
    about = f"{technique} {name_of(graph, technique)}" if technique else "which technique"
    release = graph.graph["catalogue"]
    marking = strictest(report for answer in mined for report in answer.reports)
    lines = [
        f"# Who uses {escaped(about)}",
        "",
        f"{len(mined)} pairs of actor and technique that reports support. ATT&amp;CK {release}."
        + (f" TLP:{marking}." if marking != "CLEAR" else ""),
        "",
        "| Technique | Actor | Stance | Basis | Score | Report | Date | Sentence |",
        "| --- | --- | --- | --- | ---: | --- | --- | --- |",
    ]
    lines += [_row(graph, answer) for answer in mined]
    if cited:
        lines += [
            "",
            f"## Cited by ATT&amp;CK {release}",
            "",
            "No finding of this run: what the knowledge base maps, and whom it cites.",
            "",
            "| Technique | Actor | Sources cited |",
            "| --- | --- | --- |",
        ]
        lines += [_cited_row(answer) for answer in cited]
    return "\n".join(lines) + "\n"


def _answers(graph: nx.MultiDiGraph, technique: str) -> list[Answer]:
    if technique:
        found = list(who_uses(graph, technique))
    else:
        found = [
            answer
            for one in techniques_of(graph)
            for answer in who_uses(graph, one, subs=False, cited=False)
        ]
    return sorted(found, key=lambda a: (a.technique, -a.score, a.name, a.actor))


def _row(graph: nx.MultiDiGraph, answer: Answer) -> str:
    best, report = answer.claims[0], answer.reports[0]
    ways = via_of(graph, list(answer.claims))
    via = f" via {escaped(', '.join(ways))}" if ways else ""
    quote = escaped(shortened(best.quote, LONGEST_SENTENCE))
    cells = (
        escaped(f"{answer.technique} {answer.technique_name}") + via,
        _actor(answer),
        answer.stance,
        ", ".join(answer.basis),
        f"{answer.score:.2f}",
        _linked(report) + besides(answer.claims, answer.against),
        report.published[:10],
        f"“{quote}”",
    )
    return f"| {' | '.join(cells)} |"


def _cited_row(answer: Answer) -> str:
    sources = "; ".join(
        escaped(citation.title or citation.name)
        + (f" ({citation.date[:4]})" if citation.date else "")
        for citation in answer.citations
    )
    technique = escaped(f"{answer.technique} {answer.technique_name}")
    return f"| {technique} | {_actor(answer)} | {sources} |"


def _actor(answer: Answer) -> str:
    known = not answer.actor.startswith(("name:", "misp:"))
    return escaped(f"{answer.name} ({answer.actor})" if known else answer.name)


def _linked(report: Report) -> str:
    title = escaped(report.title or report.item)
    if not re.fullmatch(r"https?://[^\s<>|\\]+", report.url):
        return title
    return f"[{title}](<{report.url}>)"
