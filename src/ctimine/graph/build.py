"""The evidence graph: what many reports claim, in one networkx ``MultiDiGraph``.

Nodes are concepts by their id (``G0069``, ``T1102.002``, ``misp:<uuid>``), unseen names
(``name:silverraven``), CVE ids, reports (``report:<id>``) and sources (``source:<key>``). Edges,
told apart by their attribute ``edge``:

``claim``
    subject to object, key = the claim's key, attributes = the whole claim.
``mention``
    report to concept, key = ``mentions:<stance>``: how often, on which basis, how sure.
``cited``
    subject to object, key from subject, relation, object and release: what the knowledge base maps,
    with whom it cites. Never a finding of ours.
``from``
    report to source.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ctimine.errors import InputError
from ctimine.graph.edges import Scalar, claim_attributes, concept_attributes, put, report_attributes
from ctimine.model import (
    UNSEEN,
    Citation,
    Claim,
    ConceptKind,
    Mention,
    Report,
    Use,
    stable_id,
)

if TYPE_CHECKING:
    import networkx as nx

    from ctimine.attack import Catalogue

Key = TypeVar("Key")

CITING: frozenset[ConceptKind] = frozenset({"actor", "campaign"})
"""Kinds of subjects whose cited uses enter the graph; those of software would swamp it."""


def build_graph(
    results: Iterable[tuple[Report, Sequence[Mention], Sequence[Claim]]],
    catalogue: Catalogue,
    *,
    cited: bool = True,
    also: Collection[str] = (),
) -> nx.MultiDiGraph:
    """The evidence graph of reports with their mentions and claims.

    ``cited`` adds the edges of the knowledge base around the techniques and actors that the
    reports name (or that ``also`` names by id), each with the sources that it cites. Software that
    a claim goes by is a node, too. The order of ``results`` does not matter, and a result that
    comes twice counts once.

    >>> from ctimine import Claim, Report, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla used Pastebin (T1102).")
    >>> claim = Claim("r1", 0, 28, report.text, "G0010", "uses", "T1102", "id")
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> graph.edges["G0010", "T1102", claim.key]["stance"]
    'reported'
    """
    import networkx as nx

    graph = nx.MultiDiGraph(catalogue=catalogue.version, ctimine=_version())
    nodes: dict[str, dict[str, Scalar]] = {}
    edges: dict[tuple[str, str, str], dict[str, Scalar]] = {}
    ways: set[str] = set()
    for report, mentions, claims in results:
        place, source = f"report:{report.id}", f"source:{report.source}"
        _add(nodes, place, report_attributes(report))
        nodes[source] = {"kind": "source", "name": report.source}
        edges[place, source, "from"] = {"edge": "from"}
        for edge, attributes in _mention_edges(place, mentions).items():
            _add(edges, edge, attributes)
        for claim in claims:
            _add(edges, (claim.subject, claim.object, claim.key), claim_attributes(claim))
            ways.add(claim.via)
    named = {end for edge in edges for end in edge[:2] if end not in nodes} | set(also)
    named |= {way for way in ways if way in catalogue}
    if cited:
        edges |= _cited_edges(named, catalogue)
    for end in {end for edge in edges for end in edge[:2]} | named:
        if end not in nodes:
            nodes[end] = _thing(end, catalogue)
    graph.add_nodes_from(sorted(nodes.items()))
    graph.add_edges_from((*edge, edges[edge]) for edge in sorted(edges))
    _name_the_unseen(graph)
    return graph


def merge_graphs(*graphs: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """One graph of several: evidence that two hold stands there once, in any order.

    It is ``networkx.compose_all`` with nodes and edges in a fixed order and names that no catalogue
    knows chosen anew from all evidence. Raises :class:`~ctimine.errors.InputError` when the graphs
    speak of different ATT&CK releases.

    >>> from ctimine import Claim, Report, load_attack
    >>> def graph_of(id, actor):
    ...     report = Report(id, "demo", f"{id}.md", f"{actor} used T1102.")
    ...     claim = Claim(id, 0, len(report.text), report.text, actor, "uses", "T1102", "id")
    ...     return build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> one, two = graph_of("r1", "G0010"), graph_of("r2", "G0016")
    >>> [actor for actor, _ in merge_graphs(one, two, one).in_edges("T1102")]
    ['G0010', 'G0016']
    """
    import networkx as nx

    versions = {str(graph.graph.get("catalogue", "")) for graph in graphs}
    if len(versions) > 1:
        raise InputError("graphs of different ATT&CK releases", subject=", ".join(sorted(versions)))
    merged = nx.MultiDiGraph(catalogue="".join(versions), ctimine=_version())
    nodes: dict[str, dict[str, Scalar]] = {}
    edges: dict[tuple[str, str, str], dict[str, Scalar]] = {}
    for graph in graphs:
        for node, data in graph.nodes(data=True):
            _add(nodes, node, data)
        for *edge, data in graph.edges(keys=True, data=True):
            _add(edges, tuple(edge), data)
    merged.add_nodes_from((node, dict(nodes[node])) for node in sorted(nodes))
    merged.add_edges_from((*edge, dict(edges[edge])) for edge in sorted(edges))
    _name_the_unseen(merged)
    return merged


def _add(into: dict[Key, dict[str, Scalar]], key: Key, attributes: dict[str, Scalar]) -> None:
    """Add a node or edge; of two that differ under one key the same one stays in any order.

    They differ where two documents share an id that nobody folded, or where a report was read
    twice.
    """
    held = into.get(key)
    into[key] = attributes if held is None else min(held, attributes, key=repr)


def _version() -> str:
    import ctimine

    return ctimine.__version__


def _mention_edges(
    place: str, mentions: Iterable[Mention]
) -> dict[tuple[str, str, str], dict[str, Scalar]]:
    from ctimine.attack import fold

    grouped: dict[tuple[str, str], list[Mention]] = collections.defaultdict(list)
    for mention in set(mentions):
        if mention.problem:
            continue  # named in mentions.jsonl; it stands for no concept
        target = mention.concept
        if not target and mention.kind == "vulnerability":
            target = (mention.name or mention.quote).upper()
        elif mention.kind == "service":
            target = f"service:{mention.concept or mention.name}"
        elif not target and mention.name and not mention.candidates:
            target = UNSEEN + fold(mention.name)
        if target:
            grouped[target, mention.stance].append(mention)
    edges = {}
    for (target, stance), group in grouped.items():
        first = min(group, key=lambda mention: (mention.start, mention.end, mention.key))
        attributes: dict[str, Scalar] = {
            "edge": "mention",
            "stance": stance,
            "basis": " ".join(sorted({mention.basis for mention in group})),
            "count": len(group),
            "score": max(float(mention.score) for mention in group),
            "start": first.start,
            "end": first.end,
            "mention_kind": first.kind,
        }
        put(attributes, "name", first.name or first.quote)
        edges[place, target, f"mentions:{stance}"] = attributes
    return edges


def _cited_edges(
    named: Collection[str], catalogue: Catalogue
) -> dict[tuple[str, str, str], dict[str, Scalar]]:
    concerned = set(named)
    for name in named:
        concept = catalogue.get(name)
        if concept is not None and concept.kind == "technique":
            family = concept.parent or concept.id
            concerned |= {family, *(sub.id for sub in catalogue.subs(family))}
    uses: dict[tuple[str, str, str], Use] = {}
    for name in sorted(concerned):
        concept = catalogue.get(name)
        if concept is None:
            continue
        if concept.kind == "technique":
            found = catalogue.users(name, CITING)
        else:
            found = catalogue.uses(name) if concept.kind in CITING else ()
        uses |= {(use.subject, use.relation, use.object): use for use in found}
    edges = {}
    for use in uses.values():
        if use.object not in catalogue:
            continue
        release = catalogue.version
        key = stable_id("cited", use.subject, use.relation, use.object, release)
        attributes: dict[str, Scalar] = {
            "edge": "cited",
            "basis": "cited",
            "relation": use.relation,
            "catalogue": release,
        }
        put(attributes, "versions", use.versions)
        put(attributes, "citations_from", use.citations_from)
        if use.citations:
            attributes["citations"] = _citations(use.citations)
        edges[use.subject, use.object, key] = attributes
    return edges


@functools.cache
def _citations(citations: tuple[Citation, ...]) -> str:
    """Citations as JSON; many edges of the knowledge base share them."""
    rows = [dataclasses.asdict(citation) for citation in citations]
    return json.dumps([{name: value for name, value in row.items() if value} for row in rows])


def _thing(node: str, catalogue: Catalogue) -> dict[str, Scalar]:
    concept = catalogue.get(node)
    if concept is not None:
        return concept_attributes(concept)
    if node.startswith("CVE-"):
        return {"kind": "vulnerability", "name": node}
    if node.startswith("service:"):
        return {"kind": "service", "name": node.removeprefix("service:"), "unseen": True}
    return {"kind": "actor", "name": node.removeprefix(UNSEEN), "unseen": True}


def _name_the_unseen(graph: nx.MultiDiGraph) -> None:
    """Give names that no catalogue knows their most usual spelling and kind.

    Both are read from the edges alone, so that they depend on the evidence and not on the order
    in which it came.
    """
    for node, data in graph.nodes(data=True):
        if not data.get("unseen"):
            continue
        spellings: collections.Counter[str] = collections.Counter()
        kinds: collections.Counter[str] = collections.Counter()
        for _, _, edge in graph.in_edges(node, data=True):
            if edge["edge"] == "mention":
                spellings[str(edge.get("name", ""))] += int(edge["count"])
                kinds[str(edge["mention_kind"])] += int(edge["count"])
            else:
                spellings[str(edge.get("object_name", ""))] += 1
        for _, _, edge in graph.out_edges(node, data=True):
            spellings[str(edge.get("subject_name", ""))] += 1
        del spellings[""]
        if spellings:
            data["name"] = min(spellings, key=lambda name: (-spellings[name], name))
        if kinds:
            data["kind"] = min(kinds, key=lambda kind: (-kinds[kind], kind))


def citations_of(attributes: dict[str, Any]) -> list[dict[str, str]]:
    """The citations that a ``cited`` edge holds, as written by :func:`build_graph`."""
    return json.loads(str(attributes.get("citations", "[]")))
