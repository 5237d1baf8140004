"""What the things of a graph are in STIX, and names and aliases that no two of them share."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ctimine.attack import fold
from ctimine.export.tlp import tlp_of
from ctimine.export.wording import one_line
from ctimine.graph.edges import to_claim
from ctimine.graph.questions import name_of, report_of, speaks
from ctimine.model import TLP

if TYPE_CHECKING:
    import networkx as nx


def type_of(graph: nx.MultiDiGraph, node: str) -> str:
    """The STIX type of a node, or nothing for what STIX does not take."""
    data = graph.nodes[node]
    kind = data.get("kind")
    if kind == "software":
        stix_type = str(data.get("stix_id", "")).split("--")[0]
        return stix_type or str(data.get("software_type", "")) or "malware"
    return {
        "technique": "attack-pattern",
        "actor": "intrusion-set",
        "campaign": "campaign",
        "vulnerability": "vulnerability",
    }.get(str(kind), "")


def official(graph: nx.MultiDiGraph, node: str) -> str:
    """The id that MITRE gave the concept, or nothing."""
    return "" if node.startswith("misp:") else str(graph.nodes[node].get("stix_id", ""))


def distinct_names(graph: nx.MultiDiGraph, nodes: Iterable[str]) -> dict[str, str]:
    """A name for each node that no other of its type has: OpenCTI makes one of equals."""
    names: dict[str, str] = {}
    taken: set[tuple[str, str]] = set()
    # Official names first: they must stay as they are.
    for node in sorted(nodes, key=lambda node: (not official(graph, node), node)):
        name = one_line(name_of(graph, node)) or node
        key = (type_of(graph, node), fold(name))
        if key in taken:
            name = f"{name} ({node.removeprefix('misp:').removeprefix('name:')})"
            key = (type_of(graph, node), fold(name))
        taken.add(key)
        names[node] = name
    return names


def distinct_aliases(
    graph: nx.MultiDiGraph, actors: Iterable[str], tlps: Mapping[str, str]
) -> dict[str, list[str]]:
    """ATT&CK's own aliases for its groups; for others what the reports' own text states.

    OpenCTI makes one set of two that share a name or alias. So a name that two of the actors
    could claim is left to neither, and an alias that is an actor's name to that actor. ``tlps`` are
    the markings of the actors: a name that only a stricter report tells stays out.
    """
    stated: dict[str, dict[str, str]] = {}
    for node in actors:
        if official(graph, node):
            own_names = json.loads(str(graph.nodes[node].get("aliases", "[]")))
            stated[node] = {fold(one_line(name)): one_line(name) for name in own_names}
            continue
        stated[node] = {}
        for edge in (
            *graph.out_edges(node, data=True),
            *graph.in_edges(node, data=True),
        ):
            if edge[2]["edge"] != "claim" or edge[2]["relation"] != "alias-of":
                continue
            claim = to_claim(edge[2])
            other = claim.object if claim.subject == node else claim.subject
            report = report_of(graph, claim.report)
            if (
                speaks(graph, claim)
                and other.startswith("name:")
                and TLP.index(tlp_of(report)) <= TLP.index(tlps[node])
            ):
                name = one_line(name_of(graph, other))
                stated[node][fold(name)] = name
    claimed = collections.Counter(key for names in stated.values() for key in names)
    own = {fold(name_of(graph, node)): node for node in actors}
    return {
        node: [
            name
            for key, name in sorted(names.items(), key=lambda item: item[1])
            if claimed[key] == 1 and own.get(key, node) == node
        ]
        for node, names in stated.items()
    }
