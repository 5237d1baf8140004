"""Questions to an evidence graph.

Scores. A claim counts its own score times the weight of its stance (``reported`` 1, ``assessed``
0.7). Evidence adds up over *independent* sources as a noisy-or, 1 - (1-a)(1-b)…, held below
:data:`CEILING`: of all reports by one publisher only the best counts; copies were folded before.
Edges of the knowledge base never add to a score.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from ctimine.graph.build import citations_of
from ctimine.graph.edges import to_claim, to_concept, to_report
from ctimine.model import EVIDENT, Citation, Claim, Concept, Report

if TYPE_CHECKING:
    import networkx as nx

STANCE_WEIGHT = {"reported": 1.0, "assessed": 0.7}
"""How much of a claim's score counts, by stance; every other stance counts nothing."""

CEILING = 0.99
"""No number of reports makes a use certain."""

EDGE_KINDS = frozenset({"report", "mapping"})
"""Kinds of documents whose claims can make an edge (see ``ReportKind``)."""

STANCES = (
    "reported",
    "assessed",
    "claimed",
    "capability",
    "forecast",
    "recommended",
    "example",
    "negated",
    "reference",
)
"""All stances, the strongest first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One actor that uses one technique, and all that speaks for it.

    ``stance`` is the strongest one, ``basis`` all of them, ``score`` combines independent sources
    (0 where only the knowledge base knows the use). ``claims`` stand best first, ``reports`` in the
    order in which the claims first name them. ``against`` are claims that deny the use. ``via``
    are abused services or software, ``first`` and ``last`` the dates of the reports.
    ``citations`` are what the knowledge base cites. ``rolled_up_from`` names the sub-techniques
    that the answer was asked to stand for; it is empty unless ``roll_up`` was asked for.
    """

    technique: str
    technique_name: str
    actor: str
    name: str
    stance: str
    basis: tuple[str, ...]
    score: float
    claims: tuple[Claim, ...] = ()
    reports: tuple[Report, ...] = ()
    against: tuple[Claim, ...] = ()
    via: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    citations: tuple[Citation, ...] = ()
    rolled_up_from: tuple[str, ...] = ()


def who_uses(
    graph: nx.MultiDiGraph,
    technique: str,
    *,
    subs: bool = True,
    roll_up: bool = False,
    stances: Collection[str] = EVIDENT,
    kinds: Collection[str] = ("actor",),
    cited: bool = True,
) -> tuple[Answer, ...]:
    """Who uses a technique (and its sub-techniques), on what evidence.

    ``technique`` is an id. One row an actor and technique; ``roll_up`` makes one row an actor and
    says in ``rolled_up_from`` which sub-techniques it stands for. ``stances`` bounds what counts as
    use; ``kinds`` may add ``campaign`` and ``software``. Mined rows come first, by score; rows that
    only the knowledge base knows follow with the basis ``cited``, unless ``cited`` is false.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla read its orders from a public page.")
    >>> claim = Claim("r1", 0, 41, report.text, "G0010", "uses", "T1102.001", "id", score=0.9)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> [(row.technique, row.name, row.score) for row in who_uses(graph, "T1102")]
    [('T1102.001', 'Turla', 0.9)]
    >>> [(row.technique, row.rolled_up_from) for row in who_uses(graph, "T1102", roll_up=True)]
    [('T1102', ('T1102.001',))]
    >>> who_uses(graph, "T1102", subs=False)
    ()
    """
    wanted = family(graph, technique) if subs else (technique.upper(),)
    found: dict[tuple[str, str], _Evidence] = {}
    for target in wanted:
        if target not in graph:
            continue
        for actor, _, data in graph.in_edges(target, data=True):
            if data["edge"] not in {"claim", "cited"} or data["relation"] != "uses":
                continue
            if graph.nodes[actor].get("kind") not in kinds:
                continue
            row = wanted[0] if roll_up else target
            evidence = found.setdefault((row, actor), _Evidence())
            if data["edge"] == "cited":
                evidence.cited.append(data)
            elif data["stance"] == "negated":
                evidence.against.append(to_claim(data))
                continue
            elif data["stance"] not in stances or not may_speak(graph, data["report"]):
                continue
            else:
                evidence.claims.append(to_claim(data))
            if target != row:
                evidence.subs.add(target)
    answers = [
        _answer(graph, *key, evidence)
        for key, evidence in found.items()
        if evidence.claims or (cited and evidence.cited)
    ]
    order = sorted(
        answers,
        key=lambda a: (not a.claims, -a.score, a.technique, a.name, a.actor),
    )
    return tuple(order)


def what_uses(
    graph: nx.MultiDiGraph, actor: str, *, stances: Collection[str] = EVIDENT
) -> tuple[Answer, ...]:
    """What an actor uses: one row a technique or software, in the form of :func:`who_uses`.

    ``actor`` is an id or a name that no catalogue knows; who is not in the graph uses nothing.
    ``Answer.technique`` holds the id of the technique or software.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "APT29 used PowerShell.", title="A note")
    >>> claim = Claim("r1", 0, 22, report.text, "G0016", "uses", "T1059.001", "name", score=0.8)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> [(row.technique, row.technique_name) for row in what_uses(graph, "G0016")]
    [('T1059.001', 'PowerShell')]
    """
    found: dict[str, _Evidence] = {}
    for _, target, data in graph.out_edges(_named(graph, actor), data=True):
        if data["edge"] not in {"claim", "cited"} or data["relation"] != "uses":
            continue
        evidence = found.setdefault(target, _Evidence())
        if data["edge"] == "cited":
            evidence.cited.append(data)
        elif data["stance"] == "negated":
            evidence.against.append(to_claim(data))
        elif data["stance"] in stances and may_speak(graph, data["report"]):
            evidence.claims.append(to_claim(data))
    rows = [
        _answer(graph, target, _named(graph, actor), evidence)
        for target, evidence in found.items()
        if evidence.claims or evidence.cited
    ]
    return tuple(sorted(rows, key=lambda a: (not a.claims, -a.score, a.technique)))


def what_does(graph: nx.MultiDiGraph, report: str) -> list[Claim]:
    """All claims that one report (by its id) makes, of every stance, in the order of its text.

    Empty for a report that is not in the graph.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "APT29 used PowerShell.", title="A note")
    >>> claim = Claim("r1", 0, 22, report.text, "G0016", "uses", "T1059.001", "name", score=0.8)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> [(claim.subject, claim.object, claim.start, claim.end) for claim in what_does(graph, "r1")]
    [('G0016', 'T1059.001', 0, 22)]
    """
    claims = [
        to_claim(data)
        for _, _, data in graph.edges(data=True)
        if data["edge"] == "claim" and data["report"] == report
    ]
    return sorted(claims, key=lambda claim: (claim.start, claim.end, claim.key))


def find_claims(
    graph: nx.MultiDiGraph,
    subject: str | None = None,
    relation: str | None = None,
    object: str | None = None,  # noqa: A002 - subject, relation, object are the words of a claim
) -> list[Claim]:
    """Claims that support one edge, oldest evidence first; what is not given matches all.

    Every stance is there: read ``claim.stance``. Undated reports come last.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "APT29 used PowerShell.")
    >>> claim = Claim("r1", 0, 22, report.text, "G0016", "uses", "T1059.001", "name")
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> find_claims(graph, "G0016", "uses", "T1059.001")[0].quote
    'APT29 used PowerShell.'
    """
    if subject is not None:
        edges = graph.out_edges(subject, data=True) if subject in graph else ()
    elif object is not None:
        edges = graph.in_edges(object, data=True) if object in graph else ()
    else:
        edges = graph.edges(data=True)
    claims = [
        to_claim(data)
        for _, target, data in edges
        if data["edge"] == "claim"
        and (relation is None or data["relation"] == relation)
        and (object is None or target == object)
    ]
    return sorted(claims, key=lambda claim: _oldest_first(graph, claim))


def supporting_reports(
    graph: nx.MultiDiGraph,
    subject: str,
    relation: str,
    object: str,  # noqa: A002
) -> tuple[Report, ...]:
    """The reports that support an edge, oldest first, without their text; none may be there.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "APT29 used PowerShell.", title="A note")
    >>> claim = Claim("r1", 0, 22, report.text, "G0016", "uses", "T1059.001", "name", score=0.8)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> [report.title for report in supporting_reports(graph, "G0016", "uses", "T1059.001")]
    ['A note']
    """
    claims = find_claims(graph, subject, relation, object)
    ids = dict.fromkeys(claim.report for claim in claims if speaks(graph, claim))
    return tuple(report_of(graph, report) for report in ids)


def family(graph: nx.MultiDiGraph, technique: str) -> tuple[str, ...]:
    """A technique and those of its sub-techniques that the graph holds, by id."""
    top = technique.upper()
    return (top, *sorted(n for n, parent in graph.nodes(data="parent") if parent == top))


def around(graph: nx.MultiDiGraph, technique: str) -> nx.MultiDiGraph:
    """The part of a graph that is about a technique and its sub-techniques.

    What is said of them, the reports that say it, the software that it goes by, and what is said
    of the names of the actors.
    """
    wanted = set(family(graph, technique))
    edges = [
        (start, end, key, data)
        for start, end, key, data in graph.edges(keys=True, data=True)
        if end in wanted and data["edge"] in {"claim", "mention", "cited"}
    ]
    ends = {end for edge in edges for end in edge[:2]}
    claims = [data for *_, data in edges if data["edge"] == "claim"]
    reports = {f"report:{data['report']}" for data in claims}
    ends |= reports | {_original(graph, report) for report in reports}
    ends |= {data["via"] for data in claims if data.get("via") in graph}
    edges += [
        (start, end, key, data)
        for start, end, key, data in graph.edges(keys=True, data=True)
        if data.get("relation") == "alias-of" and (start in ends or end in ends)
    ]
    edges += [
        (start, end, key, data)
        for start, end, key, data in graph.edges(ends, keys=True, data=True)
        if data["edge"] == "from"
    ]
    ends |= {end for edge in edges for end in edge[:2]}
    ends |= {f"report:{data['report']}" for *_, data in edges if data["edge"] == "claim"}
    part = graph.__class__(**graph.graph)
    part.add_nodes_from((node, dict(graph.nodes[node])) for node in sorted(ends))
    part.add_edges_from((*edge[:3], dict(edge[3])) for edge in sorted(edges, key=lambda e: e[:3]))
    return part


def report_of(graph: nx.MultiDiGraph, report: str) -> Report:
    """What the graph holds of a report (all but text, blocks and links), by its id.

    Raises ``KeyError`` for an id that is not in the graph.

    >>> from ctimine import Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Nothing new.", title="A note")
    >>> found = report_of(build_graph([(report, [], [])], load_attack()), "r1")
    >>> found.title, found.text
    ('A note', '')
    """
    node = f"report:{report}"
    return to_report(node, graph.nodes[node])


def concept_of(graph: nx.MultiDiGraph, node: str) -> Concept:
    """What the graph holds of a technique, actor, software or campaign."""
    return to_concept(node, graph.nodes[node])


def name_of(graph: nx.MultiDiGraph, node: str) -> str:
    """The name of a node: the catalogue's, or the usual spelling of a name that it lacks."""
    return str(graph.nodes[node].get("name", node)) if node in graph else node


def speaks(graph: nx.MultiDiGraph, claim: Claim) -> bool:
    """Whether a claim can make an edge: the text says that it happened, and is a report at all."""
    return claim.stance in EVIDENT and may_speak(graph, claim.report)


def combined_score(graph: nx.MultiDiGraph, claims: Iterable[Claim]) -> float:
    """The score of claims on one edge together, 0 to 0.99, as this module's first lines say.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "APT29 used PowerShell.", title="A note")
    >>> claim = Claim("r1", 0, 22, report.text, "G0016", "uses", "T1059.001", "name", score=0.8)
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> combined_score(graph, [claim, claim])  # one publisher counts once
    0.8
    """
    best: dict[str, float] = {}
    for claim in claims:
        voice = voice_of(graph, claim.report)
        weighed = claim.score * STANCE_WEIGHT.get(claim.stance, 0.0)
        best[voice] = max(best.get(voice, 0.0), weighed)
    # Sorted, because floating-point products depend on the order of their factors.
    doubt = math.prod(1.0 - score for score in sorted(best.values()))
    return round(min(CEILING, 1.0 - doubt), 4)


def voice_of(graph: nx.MultiDiGraph, report: str) -> str:
    """Who speaks in a report: its publisher, or its source; in a copy that of the original."""
    data = graph.nodes[_original(graph, f"report:{report}")]
    return str(data.get("publisher") or data.get("source")).casefold()


def _original(graph: nx.MultiDiGraph, node: str) -> str:
    """The node of the report that a copy is one of; of all else the node itself."""
    data = graph.nodes[node]
    if '"copy-of"' in str(data.get("facts", "")):
        facts = to_report(node, data).facts
        kept = next(f"report:{fact.value}" for fact in facts if fact.field == "copy-of")
        return kept if kept in graph else node
    return node


@dataclasses.dataclass(slots=True)
class _Evidence:
    claims: list[Claim] = dataclasses.field(default_factory=list)
    against: list[Claim] = dataclasses.field(default_factory=list)
    cited: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    subs: set[str] = dataclasses.field(default_factory=set)


def _answer(graph: nx.MultiDiGraph, technique: str, actor: str, evidence: _Evidence) -> Answer:
    claims = sorted(evidence.claims, key=lambda claim: best_first(graph, claim))
    reports = [report_of(graph, id_) for id_ in dict.fromkeys(claim.report for claim in claims)]
    dates = sorted(report.published for report in reports if report.published)
    bases: set[str] = {claim.basis for claim in claims}
    if evidence.cited:
        bases.add("cited")
    citations = {Citation(**one) for data in evidence.cited for one in citations_of(data)}
    return Answer(
        technique=technique,
        technique_name=name_of(graph, technique),
        actor=actor,
        name=name_of(graph, actor),
        stance=min((c.stance for c in claims), key=STANCES.index, default="reported"),
        basis=tuple(sorted(bases)),
        score=combined_score(graph, claims),
        claims=tuple(claims),
        reports=tuple(reports),
        against=tuple(sorted(evidence.against, key=lambda claim: _oldest_first(graph, claim))),
        via=tuple(sorted({claim.via for claim in claims if claim.via})),
        first=dates[0] if dates else "",
        last=dates[-1] if dates else "",
        citations=tuple(sorted(citations, key=lambda c: (c.date, c.name, c.url))),
        rolled_up_from=tuple(sorted(evidence.subs)),
    )


def by_passage(claims: Iterable[Claim]) -> tuple[tuple[Claim, ...], ...]:
    """Claims grouped by the passage that makes them, in the order given.

    A sentence that names several services makes a claim for each; a reader wants it once.

    >>> told = [Claim("r", 0, 9, "A: B, C.", "G0010", "uses", "T1102", "id", via=v) for v in "bc"]
    >>> [[claim.via for claim in passage] for passage in by_passage(told)]
    [['b', 'c']]
    """
    found: dict[tuple[str, int, int], list[Claim]] = {}
    for claim in claims:
        found.setdefault((claim.report, claim.start, claim.end), []).append(claim)
    return tuple(tuple(passage) for passage in found.values())


def may_speak(graph: nx.MultiDiGraph, report: str) -> bool:
    """Whether a document is one whose claims can make an edge: no guide, index or template."""
    return graph.nodes[f"report:{report}"].get("report_kind", "report") in EDGE_KINDS


def best_first(graph: nx.MultiDiGraph, claim: Claim) -> tuple[object, ...]:
    """Sort key of claims: strongest stance, highest score, then oldest."""
    return (STANCES.index(claim.stance), -claim.score, *_oldest_first(graph, claim))


def _oldest_first(graph: nx.MultiDiGraph, claim: Claim) -> tuple[object, ...]:
    published = str(graph.nodes[f"report:{claim.report}"].get("published", ""))
    return (not published, published, claim.report, claim.start, claim.end, claim.key)


def _named(graph: nx.MultiDiGraph, name: str) -> str:
    from ctimine.attack import fold

    if name in graph:
        return name
    return f"name:{fold(name)}" if f"name:{fold(name)}" in graph else name
