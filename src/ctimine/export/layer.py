"""The techniques that reports say are used, as a layer for the ATT&CK Navigator (format 4.5).

https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ctimine.export.tlp import strictest
from ctimine.export.wording import one_line, shortened
from ctimine.graph.questions import Answer, family, who_uses

if TYPE_CHECKING:
    import networkx as nx

Domain = Literal["enterprise", "mobile", "ics"]

LONGEST_COMMENT = 300
MOST_LINKS = 10


def to_navigator_layer(
    graph: nx.MultiDiGraph, *, domain: Domain = "enterprise", technique: str = "", actor: str = ""
) -> dict[str, Any]:
    """A Navigator layer: each technique that reports say is used, scored 0 to 100, with evidence.

    The score is the best one of an actor; ``technique`` bounds the layer to it and its
    sub-techniques, ``actor`` to one actor's id. What only the knowledge base cites is not in it.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla used Pastebin (T1102).")
    >>> claim = Claim("r1", 0, 28, report.text, "G0010", "uses", "T1102", "id", score=0.9)
    >>> layer = to_navigator_layer(build_graph([(report, [], [claim])], load_attack()))
    >>> [(row["techniqueID"], row["score"]) for row in layer["techniques"]]
    [('T1102', 90)]
    """
    rows, reports = [], []
    for node in family(graph, technique) if technique else techniques_of(graph):
        if node not in graph or f'"{domain}"' not in str(graph.nodes[node].get("domains", "")):
            continue
        answers = list(who_uses(graph, node, subs=False, cited=False))
        answers = [a for a in answers if actor in {"", a.actor}]
        if answers:
            rows.append(_technique(node, answers))
            reports += [report for answer in answers for report in answer.reports]
    marking = strictest(reports)
    release = str(graph.graph["catalogue"])
    return {
        "name": "Reported techniques" + (f" of {actor}" if actor else ""),
        "versions": {"attack": release.partition(".")[0], "navigator": "5.2.0", "layer": "4.5"},
        "domain": f"{domain}-attack",
        "description": "Techniques that reports say are used, with the best sentence of each."
        + (f" TLP:{marking}" if marking != "CLEAR" else ""),
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": rows,
        "gradient": {"colors": ["#ffffff", "#ffaf66", "#c62828"], "minValue": 0, "maxValue": 100},
        "metadata": [{"name": "ATT&CK release", "value": release}],
    }


def layer_bytes(layer: dict[str, Any]) -> bytes:
    r"""The layer as the file that the Navigator opens: ASCII JSON with a line feed at its end.

    >>> layer_bytes({"domain": "enterprise-attack"})
    b'{\n "domain": "enterprise-attack"\n}\n'
    """
    return (json.dumps(layer, ensure_ascii=True, indent=1) + "\n").encode("ascii")


def techniques_of(graph: nx.MultiDiGraph) -> list[str]:
    """Ids of the techniques in the graph."""
    return sorted(n for n, kind in graph.nodes(data="kind") if kind == "technique")


def _technique(node: str, answers: list[Answer]) -> dict[str, Any]:
    best = answers[0]
    row: dict[str, Any] = {
        "techniqueID": node,
        "score": round(100 * best.score),
        "comment": shortened(best.claims[0].quote, LONGEST_COMMENT),
        "enabled": True,
        "metadata": [
            {"name": one_line(answer.name), "value": f"{answer.stance}, {answer.score:.2f}"}
            for answer in answers
        ],
    }
    links = {
        report.url: {"label": one_line(report.title) or report.url, "url": report.url}
        for answer in answers
        for report in answer.reports
        if report.url.startswith(("http://", "https://"))
    }
    if links:
        row["links"] = list(links.values())[:MOST_LINKS]
    return row
