"""Which abused service, by whom, for what: the question behind T1102."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from ctimine.graph.edges import to_claim
from ctimine.graph.questions import (
    best_first,
    combined_score,
    family,
    may_speak,
    name_of,
    report_of,
)
from ctimine.model import EVIDENT, Claim, Report

if TYPE_CHECKING:
    import networkx as nx

ROLES = {
    "T1102": "hosting, or direction unclear",
    "T1102.001": "dead drop: where the server is",
    "T1102.002": "orders and answers",
    "T1102.003": "orders only",
    "T1566.002": "link in a mail",
    "T1566.003": "lure",
    "T1567": "stolen data",
    "T1567.001": "stolen data, code host",
    "T1567.002": "stolen data, cloud storage",
    "T1567.003": "stolen data, paste site",
    "T1567.004": "stolen data, webhook",
    "T1583.006": "account for later",
}
"""What a service is used for, by technique; other techniques have no word here."""


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceUse:
    """One service that one actor (or software) uses in one role, and all that speaks for it.

    ``service`` is the key in ``services.toml``, ``kind`` that of the user, ``role`` what the
    technique means for a service (empty where it means nothing special). ``claims`` stand best
    first, ``reports`` in the order in which the claims name them.
    """

    service: str
    service_name: str
    actor: str
    name: str
    kind: str
    technique: str
    technique_name: str
    role: str
    stance: str
    score: float
    claims: tuple[Claim, ...]
    reports: tuple[Report, ...]


def services_used(
    graph: nx.MultiDiGraph,
    *,
    technique: str = "",
    kinds: Collection[str] = ("actor", "campaign", "software"),
    stances: Collection[str] = EVIDENT,
) -> tuple[ServiceUse, ...]:
    """Who uses which service for what: one row a service, user and technique.

    ``technique`` bounds it to one technique and its sub-techniques, such as ``T1102`` for command
    and control. Each claim names its one service, so a sentence with several makes a row for each;
    software that a claim goes by makes none. By service name, then score.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla read its orders from a Pastebin note.")
    >>> claim = Claim(
    ...     "r1", 0, 43, report.text, "G0010", "uses", "T1102.003", "behaviour",
    ...     score=0.9, via="pastebin",
    ... )
    >>> graph = build_graph([(report, [], [claim])], load_attack(), cited=False)
    >>> [(u.service_name, u.name, u.technique, u.role) for u in services_used(graph)]
    [('Pastebin', 'Turla', 'T1102.003', 'orders only')]
    """
    wanted = set(family(graph, technique)) if technique else set()
    from ctimine.extract.service_names import services  # compiles many patterns

    names = {key: service.name for key, service in services().items()}
    found: dict[tuple[str, str, str], list[Claim]] = {}
    for actor, target, data in graph.edges(data=True):
        if data["edge"] != "claim" or data["relation"] != "uses" or data.get("via") not in names:
            continue
        if graph.nodes[actor].get("kind") not in kinds or (wanted and target not in wanted):
            continue
        claim = to_claim(data)
        if claim.stance in stances and may_speak(graph, claim.report):
            found.setdefault((claim.via, actor, target), []).append(claim)
    rows = [_row(graph, names, key, claims) for key, claims in found.items()]
    return tuple(sorted(rows, key=lambda u: (u.service_name, -u.score, u.name, u.technique)))


def _row(
    graph: nx.MultiDiGraph, names: dict[str, str], key: tuple[str, str, str], found: list[Claim]
) -> ServiceUse:
    service, actor, target = key
    claims = sorted(found, key=lambda claim: best_first(graph, claim))
    reports = dict.fromkeys(claim.report for claim in claims)
    return ServiceUse(
        service=service,
        service_name=names[service],
        actor=actor,
        name=name_of(graph, actor),
        kind=str(graph.nodes[actor].get("kind", "")),
        technique=target,
        technique_name=name_of(graph, target),
        role=ROLES.get(target, ""),
        stance=claims[0].stance,
        score=combined_score(graph, claims),
        claims=tuple(claims),
        reports=tuple(report_of(graph, report) for report in reports),
    )
