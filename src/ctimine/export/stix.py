"""The evidence graph as a STIX 2.1 bundle that a threat-intelligence platform takes as it is.

What the platforms really need, and why each object looks as it does, is said in ``docs/stix.md``.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from ctimine.attack import fold
from ctimine.errors import ExportError
from ctimine.export.wording import edge_line, one_line, shortened, thing, via_of
from ctimine.graph.build import citations_of
from ctimine.graph.edges import to_claim
from ctimine.graph.questions import (
    EDGE_KINDS,
    STANCE_WEIGHT,
    best_first,
    concept_of,
    name_of,
    report_of,
    speaks,
)
from ctimine.model import EVIDENT, Claim, Concept, Report, stable_id

if TYPE_CHECKING:
    import networkx as nx
    import stix2

Flavour = Literal["plain", "misp"]

EPOCH = "1970-01-01T00:00:00.000Z"
"""The date of what has none; its report carries the label ``date-unknown``."""

MITRE = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"
MITRE_STATEMENT = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"

LOW = 10
"""Confidence of ATT&CK objects: any copy that the platform has already stays as it is."""

UNKNOWN = 50
"""Confidence where neither source nor report has been judged."""

LADDER = {"A": 90, "B": 70, "C": 50, "D": 30, "E": 10, 1: 90, 2: 70, 3: 50, 4: 30, 5: 10}
"""Admiralty letters and numbers on STIX's 0 to 100 (STIX 2.1, appendix A; letters alike)."""

MARKINGS = {
    "WHITE": "TLP_WHITE",
    "CLEAR": "TLP_WHITE",
    "GREEN": "TLP_GREEN",
    "AMBER": "TLP_AMBER",
    "RED": "TLP_RED",
}
"""TLP 2.0 words to the objects of TLP 1 that the STIX specification fixes."""

STRICTNESS = ("WHITE", "CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")

GALAXY = {
    "attack-pattern": ("mitre-attack-pattern", "Attack Pattern"),
    "intrusion-set": ("mitre-intrusion-set", "Intrusion Set"),
    "malware": ("mitre-malware", "Malware"),
    "tool": ("mitre-tool", "Tool"),
}
"""STIX type → MISP's galaxy of ATT&CK, which keeps relations between its clusters."""

ATTRIBUTE = {
    "campaign": ("campaign-name", "Attribution"),
    "vulnerability": ("vulnerability", "External analysis"),
}
"""STIX type → type and category of the MISP attribute for what MISP reads into no galaxy."""

# Relation of a claim, then STIX types of subject and object → STIX relationship type. What stands
# not here has no relationship in the specification and is not exported.
_USES = {"attack-pattern", "malware", "tool"}
_EDGES: dict[tuple[str, str], dict[str, str]] = {
    ("uses", "intrusion-set"): dict.fromkeys(_USES, "uses"),
    ("uses", "campaign"): dict.fromkeys(_USES, "uses"),
    ("uses", "malware"): dict.fromkeys(_USES, "uses"),
    ("exploits", "intrusion-set"): {"vulnerability": "targets"},
    ("exploits", "campaign"): {"vulnerability": "targets"},
    ("exploits", "malware"): {"vulnerability": "exploits"},
    ("attributed-to", "campaign"): {"intrusion-set": "attributed-to"},
}

_ADDRESS = re.compile(r"https?://[^\s<>\"\\^`{|}\x00-\x20\ud800-\udfff]+")

_DATE = re.compile(
    r"\d{4}|\d[./-]\d|\bat\s+\d|\b(jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
"""What pycti's date finder takes for a date, and a little more."""

_MOMENT = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?(.*))?$")


def to_stix(
    graph: nx.MultiDiGraph,
    *,
    flavour: Flavour = "plain",
    with_cited: bool = False,
    first_exported: Mapping[str, str] | None = None,
) -> stix2.Bundle:
    """The bundle of all edges that the reports support, with a note of evidence for each report.

    ``flavour="misp"`` adds the labels that MISP's importer keeps relations by. ``with_cited`` adds
    what the knowledge base cites, as one report a cited source. ``first_exported`` gives the
    ``created`` that an object had when it first went out (STIX id → time), for whoever keeps it.
    Same graph, same objects in the same order.

    >>> from ctimine import Claim, Report, build_graph, load_attack
    >>> report = Report("r1", "demo", "a.md", "Turla used Pastebin (T1102).", title="A note")
    >>> claim = Claim("r1", 0, 28, report.text, "G0010", "uses", "T1102", "id")
    >>> bundle = to_stix(build_graph([(report, [], [claim])], load_attack()))
    >>> [o.description for o in bundle.objects if o.type == "relationship"]
    ['Turla (G0010) uses T1102 Web Service. "Turla used Pastebin (T1102)." (A note)']
    """
    if flavour not in {"plain", "misp"}:
        raise ExportError("must be plain or misp", subject=f"flavour {flavour}")
    import stix2

    writer = _Writer(graph, flavour, dict(first_exported or {}))
    writer.mined()
    if with_cited:
        writer.cited()
    objects = writer.objects()
    digest = "\x1f".join(f"{o['id']} {o.get('modified', '')}" for o in objects)
    return stix2.Bundle(
        objects, id=f"bundle--{stable_id('bundle', flavour, digest)}", allow_custom=False
    )


def to_stix_bytes(bundle: stix2.Bundle) -> bytes:
    r"""The bundle as UTF-8 JSON, indented, with a line feed at its end.

    ``bundle.serialize(pretty=True)`` would take hundreds of times as long: it looks up the place of
    every key in its object again and again to sort them.

    >>> import stix2
    >>> to_stix_bytes(stix2.Bundle(stix2.TLP_WHITE))[:19].decode()
    '{\n "type": "bundle"'
    """
    return (bundle.serialize(indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def stix_time(date: str) -> str:
    """A date or time as STIX writes times; :data:`EPOCH` for none.

    >>> stix_time("2024-03-12"), stix_time("2024-03-12T10:00:00+02:00"), stix_time("")
    ('2024-03-12T00:00:00.000Z', '2024-03-12T08:00:00.000Z', '1970-01-01T00:00:00.000Z')
    """
    import datetime

    match = _MOMENT.match(date)
    if match is None:
        return EPOCH
    year, month, day, clock, fraction, zone = match.groups()
    text = f"{year}-{month or '01'}-{day or '01'}T{clock or '00:00'}"
    zone = "+00:00" if not zone or zone in {"Z", "z"} else zone
    try:
        moment = datetime.datetime.fromisoformat(text + zone).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return EPOCH
    millis = ((fraction or ".") + "000")[1:4]
    return moment.strftime(f"%Y-%m-%dT%H:%M:%S.{millis}Z").rjust(24, "0")


@dataclasses.dataclass(slots=True)
class _Edge:
    """One relationship to be: its ends, its type, and the claims that speak for it."""

    subject: str
    relation: str
    target: str
    type: str
    claims: list[Claim]


@dataclasses.dataclass(slots=True)
class _Document:
    """One report object to be: what it is and what it lists."""

    stix_id: str
    name: str
    time: str
    url: str
    source_name: str
    tlp: str
    confidence: int
    labels: set[str]
    about: list[str]
    refs: set[str] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)


class _Writer:
    """Collects the objects of one bundle; each of its parts is written once."""

    def __init__(
        self, graph: nx.MultiDiGraph, flavour: Flavour, first_exported: dict[str, str]
    ) -> None:
        self.graph = graph
        self.flavour = flavour
        self.first_exported = first_exported
        self.parts: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, _Document] = {}
        self.marking_words = {"CLEAR"}  # our own identity carries it
        self.sources: dict[str, str] = {}
        self.evidence: dict[str, list[Claim]] = collections.defaultdict(list)
        self.tlps: dict[str, str] = {}
        self.creator = f"identity--{stable_id('identity', 'ctimine')}"

    # -- what goes in ------------------------------------------------------------------------

    def mined(self) -> None:
        edges, listed = self._edges(), self._listed()
        reports = {claim.report for edge in edges for claim in edge.claims} | set(listed)
        self._documents([report_of(self.graph, report) for report in sorted(reports)])
        for edge in edges:
            for node in (edge.subject, edge.target):
                self.evidence[node] += edge.claims
        things = {node for edge in edges for node in (edge.subject, edge.target)}
        things |= {node for nodes in listed.values() for node in nodes}
        self._things(things)
        for report, nodes in listed.items():
            self.documents[report].refs |= {self._id(node) for node in nodes}
        for edge in edges:
            self._relationship(edge)

    def _edges(self) -> list[_Edge]:
        found: dict[tuple[str, str, str], list[Claim]] = collections.defaultdict(list)
        for subject, target, data in self.graph.edges(data=True):
            if data["edge"] != "claim" or data["stance"] not in EVIDENT or subject == target:
                continue
            claim = to_claim(data)
            if speaks(self.graph, claim):
                found[subject, claim.relation, target].append(claim)
        edges = []
        for (subject, relation, target), claims in sorted(found.items()):
            kind = _EDGES.get((relation, self._type(subject)), {}).get(self._type(target))
            if kind is not None:
                claims.sort(key=lambda claim: best_first(self.graph, claim))
                edges.append(_Edge(subject, relation, target, kind, claims))
        return edges

    def _listed(self) -> dict[str, list[str]]:
        """Techniques that a report writes down as reported, whoever uses them.

        The report is worth having beside them even where its words pair them with nobody.
        """
        listed: dict[str, set[str]] = collections.defaultdict(set)
        for place, target, data in self.graph.edges(data=True):
            if (
                data["edge"] == "mention"
                and data["mention_kind"] == "technique"
                and data["stance"] in EVIDENT
                and data["basis"] != "behaviour"
                and self.graph.nodes[place]["report_kind"] in EDGE_KINDS
                and self._type(target) == "attack-pattern"
            ):
                listed[place.removeprefix("report:")].add(target)
        return {report: sorted(listed[report]) for report in sorted(listed)}

    def cited(self) -> None:
        """What the knowledge base maps, one report a cited source."""
        sources: dict[str, dict[str, str]] = {}
        edges: dict[tuple[str, str, str], set[str]] = collections.defaultdict(set)
        for subject, target, data in self.graph.edges(data=True):
            if data["edge"] != "cited":
                continue
            kind = _EDGES.get((data["relation"], self._type(subject)), {}).get(self._type(target))
            if kind is None:
                continue
            for citation in citations_of(data):
                key = f"cited:{citation.get('url', '')}:{citation['name']}"
                sources[key] = citation
                edges[subject, kind, target].add(key)
        self._things({node for edge in edges for node in (edge[0], edge[2])})
        self._cited_documents(sources)
        for edge in sorted(edges):
            self._cited_relationship(edge, sorted(edges[edge]))

    # -- documents ---------------------------------------------------------------------------

    def _documents(self, reports: list[Report]) -> None:
        names = _distinct_titles(reports)
        for report in reports:
            labels = {*report.labels}
            about = []
            if not report.published:
                labels.add("date-unknown")
                about.append("The document states no date of publication.")
            if report.kind == "mapping":
                about.append("A table that pairs actors and techniques.")
            marks = [LADDER.get(report.reliability), LADDER.get(report.credibility)]
            self._document(
                report.id,
                _Document(
                    stix_id=self._report_id(report),
                    name=names[report.id],
                    time=stix_time(report.published),
                    url=report.url,
                    source_name=one_line(report.publisher) or one_line(report.source),
                    tlp=self._tlp(report),
                    confidence=min((m for m in marks if m is not None), default=UNKNOWN),
                    labels=labels,
                    about=about,
                ),
            )

    def _document(self, key: str, document: _Document) -> None:
        if not _ADDRESS.fullmatch(document.url):
            # An address must be there (MISP and OpenCTI key references by it). A path on somebody's
            # machine is none; the report's own UUID names it anywhere and leads nobody astray.
            document.url = f"urn:uuid:{document.stix_id.split('--')[1]}"
        name = _dateless(document.source_name, urlsplit(document.url).hostname or "")
        # OpenCTI keeps one reference an address: the first name that it hears must be the only one.
        document.source_name = self.sources.setdefault(document.url, name)
        self.documents[key] = document

    def _cited_documents(self, sources: Mapping[str, Mapping[str, str]]) -> None:
        named = {(d.name.casefold(), d.time) for d in self.documents.values()}
        for key, citation in sorted(sources.items()):
            url, name, date = citation.get("url", ""), citation["name"], citation.get("date", "")
            shown = one_line(citation.get("title") or name)
            for more in ("", name, url):
                shown += f" ({more})" if more else ""
                if (shown.casefold(), stix_time(date)) not in named:
                    break
            named.add((shown.casefold(), stix_time(date)))
            undated = () if date else ("date-unknown",)
            self._document(
                key,
                _Document(
                    stix_id=f"report--{stable_id('report', key)}",
                    name=shown,
                    time=stix_time(date),
                    url=url,
                    source_name="",  # the names of citations carry dates; the host will do
                    tlp="CLEAR",
                    confidence=UNKNOWN,
                    labels={"attack-cited", *undated},
                    about=[
                        "A source that MITRE ATT&CK cites; it was not read here.",
                        *("Its citation states no date of publication." for _ in undated),
                    ],
                ),
            )

    @staticmethod
    def _report_id(report: Report) -> str:
        try:
            if uuid.UUID(report.id).version in {3, 4, 5}:
                return f"report--{report.id}"
        except ValueError:
            pass
        return f"report--{stable_id('report', report.id)}"

    # -- actors, techniques and the like -------------------------------------------------------

    def _type(self, node: str) -> str:
        data = self.graph.nodes[node]
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

    def _official(self, node: str) -> str:
        """The id that MITRE gave the concept, or nothing."""
        return "" if node.startswith("misp:") else str(self.graph.nodes[node].get("stix_id", ""))

    def _id(self, node: str) -> str:
        kind = self._type(node)
        return self._official(node) or f"{kind}--{stable_id(kind, node)}"

    def _things(self, nodes: set[str]) -> None:
        new = sorted(node for node in nodes if self._id(node) not in self.parts)
        actors = [node for node in nodes if self._type(node) == "intrusion-set"]
        aliases = self._aliases(sorted(actors))
        names = self._distinct_names(sorted(nodes))
        for node in new:
            official = self._official(node)
            part = self._attack_part(node) if official else self._own_part(node, names[node])
            if aliases.get(node):
                part["aliases"] = aliases[node]
            self._galaxy(part)
            self.parts[part["id"]] = part

    def _attack_part(self, node: str) -> dict[str, Any]:
        """MITRE's object with its facts and no description: it never weakens a fuller copy."""
        concept = concept_of(self.graph, node)
        part: dict[str, Any] = {
            "type": self._type(node),
            "id": concept.stix_id,
            "created_by_ref": MITRE,
            "created": stix_time(concept.created),
            "modified": max(stix_time(concept.modified), stix_time(concept.created)),
            "name": concept.name,
            "confidence": LOW,
            "external_references": [
                {
                    "source_name": "mitre-attack",
                    "external_id": concept.id,
                    **({"url": concept.url} if concept.url else {}),
                }
            ],
            "object_marking_refs": [MITRE_STATEMENT],
        }
        if part["type"] == "malware":
            part["is_family"] = True
        if phases := _phases(concept):
            part["kill_chain_phases"] = phases
        return part

    def _own_part(self, node: str, name: str) -> dict[str, Any]:
        """An actor, software or vulnerability under an id of ours."""
        kind = self._type(node)
        claims = self.evidence[node]
        tlp = self._mildest(claims)
        heard = [claim for claim in claims if self.documents[claim.report].tlp == tlp]
        times = sorted(self.documents[claim.report].time for claim in heard) or [EPOCH]
        part: dict[str, Any] = {
            "type": kind,
            "id": self._id(node),
            "created_by_ref": self.creator,
            "created": times[0],
            "modified": times[-1],
            "name": name,
            "confidence": self._confidence(heard),
            "object_marking_refs": [self._marking(tlp)],
        }
        if kind == "malware":
            part["is_family"] = True
        if kind == "vulnerability":
            part["external_references"] = [{"source_name": "cve", "external_id": node}]
        if node.startswith("misp:"):
            part["external_references"] = [
                {"source_name": "misp-galaxy", "external_id": node.removeprefix("misp:")}
            ]
        if labels := self._report_labels(heard):
            part["labels"] = labels
        self._first(part)
        return part

    def _distinct_names(self, nodes: list[str]) -> dict[str, str]:
        """A name for each node that no other of its type has: OpenCTI makes one of equals."""
        names: dict[str, str] = {}
        taken: set[tuple[str, str]] = set()
        # Official names first: they must stay as they are.
        for node in sorted(nodes, key=lambda node: (not self._official(node), node)):
            name = one_line(name_of(self.graph, node)) or node
            key = (self._type(node), fold(name))
            if key in taken:
                name = f"{name} ({node.removeprefix('misp:').removeprefix('name:')})"
                key = (self._type(node), fold(name))
            taken.add(key)
            names[node] = name
        return names

    def _aliases(self, actors: list[str]) -> dict[str, list[str]]:
        """ATT&CK's own aliases for its groups; for others what the reports' own text states.

        OpenCTI makes one set of two that share a name or alias. So a name that two of the actors
        could claim is left to neither, and an alias that is an actor's name to that actor.
        """
        stated: dict[str, dict[str, str]] = {}
        for node in actors:
            if self._official(node):
                official = json.loads(str(self.graph.nodes[node].get("aliases", "[]")))
                stated[node] = {fold(one_line(name)): one_line(name) for name in official}
                continue
            stated[node] = {}
            tlp = self._mildest(self.evidence[node])
            for edge in (
                *self.graph.out_edges(node, data=True),
                *self.graph.in_edges(node, data=True),
            ):
                if edge[2]["edge"] != "claim" or edge[2]["relation"] != "alias-of":
                    continue
                claim = to_claim(edge[2])
                other = claim.object if claim.subject == node else claim.subject
                report = report_of(self.graph, claim.report)
                if (
                    speaks(self.graph, claim)
                    and other.startswith("name:")
                    and STRICTNESS.index(self._tlp(report)) <= STRICTNESS.index(tlp)
                ):
                    name = one_line(name_of(self.graph, other))
                    stated[node][fold(name)] = name
        claimed = collections.Counter(key for names in stated.values() for key in names)
        own = {fold(name_of(self.graph, node)): node for node in actors}
        return {
            node: [
                name
                for key, name in sorted(names.items(), key=lambda item: item[1])
                if claimed[key] == 1 and own.get(key, node) == node
            ]
            for node, names in stated.items()
        }

    # -- relationships and notes ---------------------------------------------------------------

    def _relationship(self, edge: _Edge) -> None:
        tlp = self._mildest(edge.claims)
        heard = [claim for claim in edge.claims if self.documents[claim.report].tlp == tlp]
        times = sorted(self.documents[claim.report].time for claim in heard)
        best = heard[0]
        line = self._line(edge, heard)
        where = self.documents[best.report].name
        part: dict[str, Any] = {
            "type": "relationship",
            "id": self._edge_id(edge.subject, edge.type, edge.target),
            "created_by_ref": self.creator,
            "created": times[0],
            "modified": times[-1],
            "relationship_type": edge.type,
            "source_ref": self._id(edge.subject),
            "target_ref": self._id(edge.target),
            "description": f'{line}. "{shortened(best.quote)}" ({where})',
            "confidence": self._confidence(heard),
            "external_references": self._references({claim.report for claim in heard}),
            "object_marking_refs": [self._marking(tlp)],
        }
        labels = {*self._report_labels(heard), *self._service_labels(heard)}
        if all(claim.stance == "assessed" for claim in heard):
            labels.add("assessed")
        if labels:
            part["labels"] = sorted(labels)
        self._first(part)
        self.parts[part["id"]] = part
        for report in dict.fromkeys(claim.report for claim in edge.claims):
            self._note(edge, part["id"], [c for c in edge.claims if c.report == report])

    def _line(self, edge: _Edge, claims: list[Claim]) -> str:
        line = edge_line(self.graph, edge.subject, edge.relation, edge.target)
        if via := via_of(self.graph, claims):
            line += f" via {', '.join(via)}"
        if all(claim.stance == "assessed" for claim in claims):
            line += " (assessed, not observed)"
        return line

    def _note(self, edge: _Edge, relationship: str, claims: list[Claim]) -> None:
        document = self.documents[claims[0].report]
        quotes: dict[str, str] = {}
        for claim in claims:
            quotes.setdefault(shortened(claim.quote), f"[{claim.start}:{claim.end}]")
        line = self._line(edge, claims)
        sentences = [f'"{quote}" {place}' for quote, place in list(quotes.items())[:5]]
        content = "\n\n".join([f"{line}, says {document.name}", *sentences])
        self._add_note(
            document,
            relationship,
            (edge.subject, edge.target),
            content,
            abstract=f"Evidence: {line}",
            confidence=self._confidence(claims),
            labels={*document.labels, *self._service_labels(claims)} - {"date-unknown"},
        )

    def _add_note(
        self,
        document: _Document,
        relationship: str,
        ends: tuple[str, str],
        content: str,
        *,
        abstract: str,
        confidence: int,
        labels: set[str],
    ) -> None:
        refs = [relationship, *map(self._id, ends), document.stix_id]
        part: dict[str, Any] = {
            "type": "note",
            "id": f"note--{stable_id('note', relationship, document.stix_id)}",
            "created_by_ref": self.creator,
            "created": document.time,
            "modified": document.time,
            "abstract": abstract,
            "content": content,
            "authors": ["ctimine"],
            "object_refs": refs,
            "confidence": confidence,
            "external_references": [_reference(document)],
            "object_marking_refs": [self._marking(document.tlp)],
        }
        if self.flavour == "misp":
            labels = {*labels, 'misp:data-layer="Event Report"'}
        if labels:
            part["labels"] = sorted(labels)
        self._first(part)
        self.parts[part["id"]] = part
        document.refs |= {relationship, *map(self._id, ends)}
        document.notes.append(part["id"])

    def _cited_relationship(self, edge: tuple[str, str, str], keys: list[str]) -> None:
        subject, kind, target = edge
        identity = self._edge_id(subject, kind, target)
        release = f"ATT&CK {self.graph.graph['catalogue']}"
        names = sorted({self.documents[key].name for key in keys})
        line = f"{release} maps {thing(self.graph, subject)} to {thing(self.graph, target)}"
        if identity not in self.parts:
            times = sorted(self.documents[key].time for key in keys)
            part: dict[str, Any] = {
                "type": "relationship",
                "id": identity,
                "created_by_ref": self.creator,
                "created": times[0],
                "modified": times[-1],
                "relationship_type": kind,
                "source_ref": self._id(subject),
                "target_ref": self._id(target),
                "description": f"{line}, citing {'; '.join(names)}.",
                "confidence": UNKNOWN,
                "external_references": self._references(set(keys)),
                "object_marking_refs": [self._marking("CLEAR")],
                "labels": ["attack-cited"],
            }
            self._first(part)
            self.parts[identity] = part
        for key in keys:
            document = self.documents[key]
            self._add_note(
                document,
                identity,
                (subject, target),
                f"{line}, citing {document.source_name}: {document.name}",
                abstract=f"Cited: {edge_line(self.graph, subject, 'uses', target)}",
                confidence=UNKNOWN,
                labels={"attack-cited"},
            )

    def _edge_id(self, subject: str, kind: str, target: str) -> str:
        parts = (self._id(subject), kind, self._id(target))
        return f"relationship--{stable_id('relationship', *parts)}"

    def _references(self, keys: set[str]) -> list[dict[str, str]]:
        rows = {
            document.url: _reference(document)
            for document in map(self.documents.get, keys)
            if document
        }
        return [rows[url] for url in sorted(rows)]

    # -- confidence, labels, markings, times ---------------------------------------------------

    def _confidence(self, claims: Iterable[Claim]) -> int:
        """Noisy-or over publishers of score × weight of the stance × trust in the report."""
        best: dict[str, float] = {}
        for claim in claims:
            document = self.documents[claim.report]
            report = self.graph.nodes[f"report:{claim.report}"]
            voice = str(report.get("publisher") or report.get("source")).casefold()
            trust = 0.5 + document.confidence / 180
            weighed = claim.score * STANCE_WEIGHT[claim.stance] * trust
            best[voice] = max(best.get(voice, 0.0), weighed)
        doubt = 1.0
        for score in sorted(best.values()):
            doubt *= 1.0 - score
        return max(1, min(95, round(100 * (1.0 - doubt))))

    def _report_labels(self, claims: Iterable[Claim]) -> list[str]:
        """Labels that every report of the evidence carries, such as that of the samples."""
        sets = [self.documents[claim.report].labels for claim in claims]
        return sorted(set.intersection(*sets) - {"date-unknown"}) if sets else []

    def _service_labels(self, claims: Iterable[Claim]) -> set[str]:
        return {
            f"abused-service:{'-'.join(claim.via.casefold().split())}"
            for claim in claims
            if claim.via and not _is_software(claim.via)
        }

    def _tlp(self, report: Report) -> str:
        word = report.tlp.upper().removeprefix("TLP:") or "CLEAR"
        if word not in STRICTNESS:
            raise ExportError(f"unknown TLP word {report.tlp!r}", subject=report.item)
        return "CLEAR" if word == "WHITE" else word

    def _mildest(self, claims: Iterable[Claim]) -> str:
        """The mildest marking of the evidence: what stricter reports say stays in their notes."""
        words = {self.documents[claim.report].tlp for claim in claims}
        return min(words, key=STRICTNESS.index, default="CLEAR")

    def _marking(self, tlp: str) -> str:
        self.marking_words.add(tlp)
        return str(_marking_object(tlp)["id"])

    def _first(self, part: dict[str, Any]) -> None:
        created = self.first_exported.get(part["id"])
        if created is not None:
            part["created"] = stix_time(created)
            part["modified"] = max(part["modified"], part["created"])

    # -- what comes out --------------------------------------------------------------------------

    def _galaxy(self, part: dict[str, Any]) -> None:
        if self.flavour != "misp":
            return
        if part["type"] in GALAXY:
            kind, name = GALAXY[part["type"]]
            own = [f'misp:galaxy-name="{name}"', f'misp:galaxy-type="{kind}"']
        else:
            kind, category = ATTRIBUTE[part["type"]]
            own = [f'misp:type="{kind}"', f'misp:category="{category}"']
        part["labels"] = [*own, *part.get("labels", [])]  # MISP reads a galaxy's first two only

    def _report_parts(self) -> list[dict[str, Any]]:
        parts = []
        for document in self.documents.values():
            if not document.refs:
                continue
            refs = sorted(document.refs, key=_by_type) + sorted(document.notes)
            kinds = {ref.split("--")[0] for ref in refs}
            vocabulary = (
                "attack-pattern",
                "campaign",
                "intrusion-set",
                "malware",
                "tool",
                "vulnerability",
            )
            labels = set(document.labels)
            if self.flavour == "misp":
                labels |= {'misp:tool="MISP-STIX-Converter"', *self._galaxy_tags(refs)}
            part: dict[str, Any] = {
                "type": "report",
                "id": document.stix_id,
                "created_by_ref": self.creator,
                "created": document.time,
                "modified": document.time,
                "name": document.name,
                "report_types": ["threat-report", *(kind for kind in vocabulary if kind in kinds)],
                "published": document.time,
                "object_refs": refs,
                "confidence": document.confidence,
                "external_references": [_reference(document)],
                "object_marking_refs": [self._marking(document.tlp)],
            }
            if document.about:
                part["description"] = " ".join(document.about)
            if labels:
                part["labels"] = sorted(labels)
            self._first(part)
            parts.append(part)
        return sorted(parts, key=lambda part: part["id"])

    def _galaxy_tags(self, refs: Iterable[str]) -> set[str]:
        tags = set()
        for ref in refs:
            part = self.parts[ref]
            if part["type"] in GALAXY and part.get("created_by_ref") == MITRE:
                number = part["external_references"][0]["external_id"]
                kind = GALAXY[part["type"]][0]
                tags.add(f'misp-galaxy:{kind}="{part["name"]} - {number}"')
        return tags

    def objects(self) -> list[Any]:
        """stix2 objects in an order that every importer takes: what is referenced stands first."""
        import stix2

        reports = self._report_parts()
        parts = sorted(self.parts.values(), key=lambda part: _by_type(part["id"]))
        before = [part for part in parts if part["type"] != "note"]
        notes = [part for part in parts if part["type"] == "note"]
        objects: list[Any] = [
            _marking_object(word) for word in sorted(self.marking_words, key=STRICTNESS.index)
        ]
        objects += _identities(self.creator, mitre=any(_is_mitre(part) for part in parts))
        for part in (*before, *reports, *notes):
            kind = stix2.v21.OBJ_MAP[part["type"]]
            objects.append(kind(**{k: v for k, v in part.items() if k != "type"}))
        return objects


def _distinct_titles(reports: list[Report]) -> dict[str, str]:
    """A name for each report that no other of its date has, by publisher, then path."""
    names = {r.id: one_line(r.title) or one_line(r.item) or r.id for r in reports}
    for part in ("publisher", "item", "id"):
        taken = collections.Counter(
            (names[r.id].casefold(), stix_time(r.published)) for r in reports
        )
        names = {
            r.id: f"{names[r.id]} ({more})"
            if taken[names[r.id].casefold(), stix_time(r.published)] > 1
            and (more := one_line(getattr(r, part)))
            else names[r.id]
            for r in reports
        }
    return names


def _is_mitre(part: Mapping[str, Any]) -> bool:
    return part.get("created_by_ref") == MITRE


def _is_software(via: str) -> bool:
    return re.fullmatch(r"S\d{4}", via) is not None


def _by_type(stix_id: str) -> tuple[int, str]:
    order = (
        "attack-pattern",
        "intrusion-set",
        "campaign",
        "malware",
        "tool",
        "vulnerability",
        "relationship",
        "note",
    )
    return order.index(stix_id.split("--", maxsplit=1)[0]), stix_id


def _dateless(*names: str) -> str:
    """The first name in which nobody could read a date.

    pycti dates a relationship by what it finds in its references, a ``source_name`` such as
    "Unit 42 May 2020" included.
    """
    return next((name for name in names if name and not _DATE.search(name)), "report")


def _reference(document: _Document) -> dict[str, str]:
    # Never a description: OpenCTI shows one text for each address, and pycti guesses dates from it.
    return {"source_name": document.source_name, "url": document.url}


def _phases(concept: Concept) -> list[dict[str, str]]:
    chains = {"mobile": "mitre-mobile-attack", "ics": "mitre-ics-attack"}
    chain = chains.get("".join(concept.domains[:1]), "mitre-attack")
    return [
        {"kill_chain_name": chain, "phase_name": tactic.casefold().replace(" ", "-")}
        for tactic in concept.tactics
    ]


def _marking_object(tlp: str) -> Any:
    import stix2

    if tlp in MARKINGS:
        return getattr(stix2, MARKINGS[tlp])
    # TLP 1 has no such word, and AMBER would be milder than what the source asks for.
    return stix2.MarkingDefinition(
        id="marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
        created="2022-10-01T00:00:00.000Z",
        name="TLP:AMBER+STRICT",
        extensions={
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension",
                "tlp_2_0": "amber+strict",
            }
        },
    )


def _identities(creator: str, *, mitre: bool) -> list[Any]:
    import stix2

    objects: list[Any] = [
        stix2.Identity(
            id=creator,
            created="2024-01-01T00:00:00.000Z",
            modified="2024-01-01T00:00:00.000Z",
            name="ctimine",
            description="Mines intrusion reports for who uses which technique.",
            identity_class="system",
            object_marking_refs=[stix2.TLP_WHITE.id],
        )
    ]
    if mitre:
        objects += [
            stix2.MarkingDefinition(
                id=MITRE_STATEMENT,
                created="2017-06-01T00:00:00.000Z",
                created_by_ref=MITRE,
                definition_type="statement",
                definition={
                    "statement": "Copyright 2015-2025, The MITRE Corporation. MITRE ATT&CK and "
                    "ATT&CK are registered trademarks of The MITRE Corporation."
                },
            ),
            stix2.Identity(
                id=MITRE,
                created="2017-06-01T00:00:00.000Z",
                modified="2025-03-19T15:00:40.855Z",
                name="The MITRE Corporation",
                identity_class="organization",
                object_marking_refs=[MITRE_STATEMENT],
            ),
        ]
    return objects
