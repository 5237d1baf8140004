"""The evidence graph as a STIX 2.1 bundle that a threat-intelligence platform takes as it is.

What the platforms really need, and why each object looks as it does, is said in ``docs/stix.md``.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ctimine.errors import ExportError
from ctimine.export.stix_documents import Document, Documents
from ctimine.export.stix_names import distinct_aliases, distinct_names, official, type_of
from ctimine.export.stix_parts import (
    GALAXY,
    MITRE,
    UNKNOWN,
    attack_part,
    by_type,
    identities,
    is_mitre,
    is_software,
    marking_object,
    misp_labels,
    stix_time,
)
from ctimine.export.wording import edge_line, shortened, thing, via_of
from ctimine.graph.build import citations_of
from ctimine.graph.edges import to_claim
from ctimine.graph.questions import (
    EDGE_KINDS,
    STANCE_WEIGHT,
    best_first,
    concept_of,
    report_of,
    speaks,
    voice_of,
)
from ctimine.model import EVIDENT, TLP, Claim, stable_id

if TYPE_CHECKING:
    import networkx as nx
    import stix2

Flavour = Literal["plain", "misp"]

# (relation of a claim, STIX type of its subject) → STIX type of its object → STIX relationship.
# What does not stand here has no relationship in the specification and is not exported.
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
    writer.write(with_cited=with_cited)
    objects = writer.objects()
    digest = "\x1f".join(f"{o['id']} {o.get('modified', '')}" for o in objects)
    return stix2.Bundle(
        objects, id=f"bundle--{stable_id('bundle', flavour, digest)}", allow_custom=False
    )


def to_stix_bytes(bundle: stix2.Bundle) -> bytes:
    r"""The bundle as UTF-8 JSON, indented, with a line feed at its end.

    ``bundle.serialize(pretty=True)`` would take hundreds of times as long: it looks up the place of
    every key in its object again and again to sort them. Half a surrogate pair, which is no
    character, comes out as a question mark.

    >>> import stix2
    >>> to_stix_bytes(stix2.Bundle(stix2.TLP_WHITE))[:19].decode()
    '{\n "type": "bundle"'
    """
    return (bundle.serialize(indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


@dataclasses.dataclass(slots=True)
class _Edge:
    """One relationship to be: its ends, its type, and the claims that speak for it."""

    subject: str
    relation: str
    target: str
    type: str
    claims: list[Claim]


class _Writer:
    """Collects the objects of one bundle; each of its parts is written once."""

    def __init__(
        self, graph: nx.MultiDiGraph, flavour: Flavour, first_exported: dict[str, str]
    ) -> None:
        self.graph = graph
        self.flavour = flavour
        self.first_exported = first_exported
        self.parts: dict[str, dict[str, Any]] = {}
        self.documents = Documents()
        self.marking_words = {"CLEAR"}  # our own identity carries it
        self.evidence: dict[str, list[Claim]] = collections.defaultdict(list)
        self.creator = f"identity--{stable_id('identity', 'ctimine')}"

    # -- what goes in ------------------------------------------------------------------------

    def write(self, *, with_cited: bool) -> None:
        edges, listed = self._edges(), self._listed()
        cited, sources = self._cited() if with_cited else ({}, {})
        reports = {claim.report for edge in edges for claim in edge.claims} | set(listed)
        self.documents.add_reports([report_of(self.graph, report) for report in sorted(reports)])
        self.documents.add_cited(sources)
        for edge in edges:
            for node in (edge.subject, edge.target):
                self.evidence[node] += edge.claims
        # All at once: names and aliases must differ over the whole bundle.
        self._things(
            {node for edge in edges for node in (edge.subject, edge.target)}
            | {node for nodes in listed.values() for node in nodes}
            | {node for subject, _, target in cited for node in (subject, target)}
        )
        for report, nodes in listed.items():
            self.documents[report].refs |= {self._id(node) for node in nodes}
        for edge in edges:
            self._relationship(edge)
        for ends in sorted(cited):
            self._cited_relationship(ends, sorted(cited[ends]))

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
            kind = self._kind(subject, relation, target)
            if kind is not None:
                claims.sort(key=lambda claim: best_first(self.graph, claim))
                edges.append(_Edge(subject, relation, target, kind, claims))
        return edges

    def _kind(self, subject: str, relation: str, target: str) -> str | None:
        """The type of the STIX relationship, if there is one."""
        row = _EDGES.get((relation, type_of(self.graph, subject)), {})
        return row.get(type_of(self.graph, target))

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
                and type_of(self.graph, target) == "attack-pattern"
            ):
                listed[place.removeprefix("report:")].add(target)
        return {report: sorted(listed[report]) for report in sorted(listed)}

    def _cited(self) -> tuple[dict[tuple[str, str, str], set[str]], dict[str, dict[str, str]]]:
        """What the knowledge base maps, with keys of the sources that it cites; the sources."""
        sources: dict[str, dict[str, str]] = {}
        edges: dict[tuple[str, str, str], set[str]] = collections.defaultdict(set)
        for subject, target, data in self.graph.edges(data=True):
            if data["edge"] != "cited":
                continue
            kind = self._kind(subject, str(data["relation"]), target)
            if kind is None:
                continue
            for citation in citations_of(data):
                key = f"cited:{citation.get('url', '')}:{citation['name']}"
                sources[key] = citation
                edges[subject, kind, target].add(key)
        return edges, sources

    # -- actors, techniques and the like -------------------------------------------------------

    def _id(self, node: str) -> str:
        kind = type_of(self.graph, node)
        return official(self.graph, node) or f"{kind}--{stable_id(kind, node)}"

    def _things(self, nodes: set[str]) -> None:
        names = distinct_names(self.graph, nodes)
        actors = [node for node in nodes if type_of(self.graph, node) == "intrusion-set"]
        tlps = {node: self.documents.mildest(self.evidence[node]) for node in actors}
        aliases = distinct_aliases(self.graph, actors, tlps)
        for node in sorted(nodes):
            if official(self.graph, node):
                part = attack_part(concept_of(self.graph, node), type_of(self.graph, node))
            else:
                part = self._own_part(node, names[node])
            if aliases.get(node):
                part["aliases"] = aliases[node]
            if self.flavour == "misp":
                part["labels"] = misp_labels(part)
            self.parts[part["id"]] = part

    def _own_part(self, node: str, name: str) -> dict[str, Any]:
        """An actor, software or vulnerability under an id of ours."""
        kind = type_of(self.graph, node)
        tlp, heard = self.documents.heard(self.evidence[node])
        created, modified = self.documents.times(heard)
        part: dict[str, Any] = {
            "type": kind,
            "id": self._id(node),
            "created_by_ref": self.creator,
            "created": created,
            "modified": modified,
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
        if labels := self.documents.labels(heard):
            part["labels"] = labels
        self._first(part)
        return part

    # -- relationships and notes ---------------------------------------------------------------

    def _relationship(self, edge: _Edge) -> None:
        tlp, heard = self.documents.heard(edge.claims)
        created, modified = self.documents.times(heard)
        best = heard[0]
        line = self._line(edge, heard)
        where = self.documents[best.report].name
        part: dict[str, Any] = {
            "type": "relationship",
            "id": self._edge_id(edge.subject, edge.type, edge.target),
            "created_by_ref": self.creator,
            "created": created,
            "modified": modified,
            "relationship_type": edge.type,
            "source_ref": self._id(edge.subject),
            "target_ref": self._id(edge.target),
            "description": f'{line}. "{shortened(best.quote)}" ({where})',
            "confidence": self._confidence(heard),
            "external_references": self.documents.references({claim.report for claim in heard}),
            "object_marking_refs": [self._marking(tlp)],
        }
        labels = {*self.documents.labels(heard), *self._service_labels(heard)}
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
        document: Document,
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
            "modified": document.modified,
            "abstract": abstract,
            "content": content,
            "authors": ["ctimine"],
            "object_refs": refs,
            "confidence": confidence,
            "external_references": [document.reference],
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
                "external_references": self.documents.references(set(keys)),
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

    # -- confidence, labels, markings, times ---------------------------------------------------

    def _confidence(self, claims: Iterable[Claim]) -> int:
        """Noisy-or over publishers of score × weight of the stance × trust in the report."""
        best: dict[str, float] = {}
        for claim in claims:
            voice = voice_of(self.graph, claim.report)
            trust = 0.5 + self.documents[claim.report].confidence / 180
            weighed = claim.score * STANCE_WEIGHT[claim.stance] * trust
            best[voice] = max(best.get(voice, 0.0), weighed)
        doubt = 1.0
        for score in sorted(best.values()):
            doubt *= 1.0 - score
        return max(1, min(95, round(100 * (1.0 - doubt))))

    def _service_labels(self, claims: Iterable[Claim]) -> set[str]:
        return {
            f"abused-service:{'-'.join(claim.via.casefold().split())}"
            for claim in claims
            if claim.via and not is_software(claim.via)
        }

    def _marking(self, tlp: str) -> str:
        self.marking_words.add(tlp)
        return str(marking_object(tlp)["id"])

    def _first(self, part: dict[str, Any]) -> None:
        created = self.first_exported.get(part["id"])
        if created is not None:
            part["created"] = stix_time(created)
            part["modified"] = max(part["modified"], part["created"])

    # -- what comes out --------------------------------------------------------------------------

    def _report_parts(self) -> list[dict[str, Any]]:
        parts = []
        for document in self.documents.values():
            if not document.refs:
                continue
            refs = sorted(document.refs, key=by_type) + sorted(document.notes)
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
                "modified": document.modified,
                "name": document.name,
                "report_types": ["threat-report", *(kind for kind in vocabulary if kind in kinds)],
                "published": document.time,
                "object_refs": refs,
                "confidence": document.confidence,
                "external_references": [document.reference],
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
        parts = sorted(self.parts.values(), key=lambda part: by_type(part["id"]))
        before = [part for part in parts if part["type"] != "note"]
        notes = [part for part in parts if part["type"] == "note"]
        objects: list[Any] = [
            marking_object(word) for word in sorted(self.marking_words, key=TLP.index)
        ]
        objects += identities(self.creator, mitre=any(is_mitre(part) for part in parts))
        for part in (*before, *reports, *notes):
            kind = stix2.v21.OBJ_MAP[part["type"]]
            objects.append(kind(**{k: v for k, v in part.items() if k != "type"}))
        return objects
