"""STIX 2.0 and 2.1 bundles and MISP events: what they say in words, and what they pair, as rows.

Descriptions become paragraphs under the names of their objects. Relationships ``uses`` and
``attributed-to`` become tables with one row each: who, relation, what, description, source. A
bundle that holds the ATT&CK matrix itself is a catalogue (kind ``layer``), not a report.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ctimine.errors import UnsupportedMedia
from ctimine.model import Fact
from ctimine.read.text import Cell, Reading, TextBuilder, Words

_CLASSES: Final = {
    "intrusion-set": "Actor",
    "threat-actor": "Actor",
    "campaign": "Campaign",
    "malware": "Software",
    "tool": "Software",
    "attack-pattern": "Technique",
}
_RELATIONS: Final = frozenset({"uses", "attributed-to"})
_DESCRIBED: Final = ("intrusion-set", "threat-actor", "campaign", "malware", "tool")
_TAG: Final = re.compile(r'misp-galaxy:([\w-]+)="([^"]+)"')
_ID_IN_NAME: Final = re.compile(r"^(.*?)\s+-\s+([TGSC]\d{4}(?:\.\d{3})?)$")

Object = dict[str, Any]


def is_bundle(value: Any) -> bool:
    """Whether a loaded JSON value is a STIX bundle."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("objects"), list)
        and (value.get("type") == "bundle" or str(value.get("spec_version", "")).startswith("2."))
    )


def read_bundle(bundle: Object, subject: str = "") -> Reading:
    r"""The reading of a bundle; raises :class:`UnsupportedMedia` if nothing in it is to be read.

    >>> group = {"type": "intrusion-set", "id": "intrusion-set--1", "name": "Silver Raven"}
    >>> way = {"type": "attack-pattern", "id": "attack-pattern--1", "name": "Web Service",
    ...        "external_references": [{"source_name": "mitre-attack", "external_id": "T1102"}]}
    >>> edge = {"type": "relationship", "id": "relationship--1", "relationship_type": "uses",
    ...         "source_ref": "intrusion-set--1", "target_ref": "attack-pattern--1"}
    >>> reading = read_bundle({"type": "bundle", "objects": [group, way, edge]})
    >>> reading.kind, reading.text.splitlines()[-1]
    ('mapping', 'Silver Raven\tuses\tT1102\tWeb Service')
    """
    objects = [
        item
        for item in bundle["objects"]
        if isinstance(item, dict)
        and isinstance(item.get("type"), str)
        and not item.get("revoked")
        and not item.get("x_mitre_deprecated")
    ]
    by_id = {str(item.get("id", "")): item for item in objects}
    reports = [item for item in objects if item.get("type") == "report"]
    builder = TextBuilder()
    for item in reports:
        _add_report(builder, item, by_id)
    for item in objects:
        if item.get("type") in _DESCRIBED:
            _add_described(builder, item)
        elif item.get("type") in {"note", "opinion"}:
            builder.add("paragraph", _text(item.get("content") or item.get("explanation")))
    paired = _add_relations(builder, objects, by_id)
    if not builder.length:
        kinds = collections.Counter(str(item.get("type", "?")) for item in objects)
        held = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4)) or "nothing"
        raise UnsupportedMedia(f"a STIX bundle of {held}: no text, no actors", subject=subject)
    catalogue = any(item.get("type") in {"x-mitre-matrix", "x-mitre-tactic"} for item in objects)
    kind: Any = "layer" if catalogue else "mapping" if paired else None
    return builder.reading(facts=_facts(reports, objects, by_id), kind=kind)


def _add_report(builder: TextBuilder, item: Object, by_id: dict[str, Object]) -> None:
    builder.add("heading", _text(item.get("name")), level=1)
    for paragraph in _paragraphs(item.get("description")):
        builder.add("paragraph", paragraph)
    refs = item.get("object_refs")
    named = [by_id[ref] for ref in map(str, refs) if ref in by_id] if isinstance(refs, list) else []
    rows = [[_external_id(one), _text(one.get("name"))] for one in named if _class(one)]
    if rows:
        builder.add("heading", "Objects of this report", level=2)
        builder.table([[Cell("ID", header=True), Cell("Name", header=True)], *rows])
    for reference in _references(item):
        url = _text(reference.get("url"))
        words = Words()
        if url:
            words.open_link(url)
        words.say(_text(reference.get("description")) or _text(reference.get("source_name")) or url)
        if url:
            words.close_link()
        builder.add("reference", words)


def _add_described(builder: TextBuilder, item: Object) -> None:
    aliases = [
        _text(alias)
        for key in ("aliases", "x_mitre_aliases")
        for alias in (item[key] if isinstance(item.get(key), list) else ())
        if _text(alias) and _text(alias) != _text(item.get("name"))
    ]
    paragraphs = _paragraphs(item.get("description"))
    if not paragraphs and not aliases:
        return
    name = _text(item.get("name"))
    builder.add("heading", name, level=2)
    if aliases:
        builder.add("paragraph", f"{name} is also known as {', '.join(dict.fromkeys(aliases))}.")
    for paragraph in paragraphs:
        builder.add("paragraph", paragraph)


def _add_relations(builder: TextBuilder, objects: list[Object], by_id: dict[str, Object]) -> bool:
    """One table for each pair of classes; whether any pairs something with a technique."""
    tables: dict[tuple[str, str], list[list[str]]] = collections.defaultdict(list)
    for item in objects:
        if (
            item.get("type") != "relationship"
            or _text(item.get("relationship_type")) not in _RELATIONS
        ):
            continue
        one = by_id.get(str(item.get("source_ref")))
        other = by_id.get(str(item.get("target_ref")))
        if one is None or other is None or not _class(one) or not _class(other):
            continue
        sources = [_source(reference) for reference in _references(item)]
        tables[_class(one), _class(other)].append(
            [
                _external_id(one),
                _text(one.get("name")),
                str(item["relationship_type"]),
                _external_id(other),
                _text(other.get("name")),
                " ".join(_paragraphs(item.get("description"))),
                "; ".join(source for source in sources if source),
            ]
        )
    for (first, second), rows in sorted(tables.items()):
        headers = (
            f"{first} ID",
            first,
            "Relation",
            f"{second} ID",
            second,
            "Description",
            "Source",
        )
        add_table(builder, headers, rows)
    return any(second == "Technique" for _, second in tables)


def add_table(builder: TextBuilder, headers: Iterable[str], rows: list[list[str]]) -> None:
    """Append a table without the columns that are empty in every row."""
    names = list(headers)
    kept = [at for at in range(len(names)) if any(row[at] for row in rows)]
    head = [Cell(names[at], header=True) for at in kept]
    builder.table([head, *([row[at] for at in kept] for row in rows)])


def _class(item: Object) -> str:
    return _CLASSES.get(str(item.get("type")), "")


def _references(item: Object) -> list[Object]:
    found = item.get("external_references")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _external_id(item: Object) -> str:
    """The ATT&CK id of an object, empty if it has none."""
    for reference in _references(item):
        found = _text(reference.get("external_id"))
        if re.fullmatch(r"[TGSC]\d{4}(?:\.\d{3})?", found):
            return found
    return ""


def _source(reference: Object) -> str:
    name, url = _text(reference.get("source_name")), _text(reference.get("url"))
    return f"{name} {url}".strip()


def _text(value: Any) -> str:
    return " ".join(value.split())[:20_000] if isinstance(value, str) else ""


def _paragraphs(value: Any) -> list[str]:
    """Paragraphs of a description: Markdown links as their words, citation marks left out."""
    if not isinstance(value, str):
        return []
    plain = re.sub(r"\(Citation: [^()]{0,200}\)", "", value[:200_000])
    plain = re.sub(r"\[([^\[\]]{1,200})\]\([^()\s]{0,500}\)", r"\1", plain)
    plain = re.sub(r"</?code>", "`", plain)
    return [part for part in map(_text, re.split(r"\n\s*\n", plain)) if part]


def _facts(
    reports: list[Object], objects: list[Object], by_id: dict[str, Object]
) -> Iterator[Fact]:
    if len(reports) == 1:
        report = reports[0]
        for key, field in (("name", "title"), ("published", "published"), ("modified", "modified")):
            if _text(report.get(key)):
                yield Fact(field, _text(report[key]), "stix")
    makers = {str(item.get("created_by_ref", "")) for item in (reports or objects)} - {""}
    if len(makers) == 1:
        maker = by_id.get(makers.pop(), {})
        if _text(maker.get("name")):
            yield Fact("publisher", _text(maker["name"]), "stix")


# -- MISP ------------------------------------------------------------------------------------------


def misp_events(value: Any) -> list[Object]:
    """The events in a loaded JSON value of MISP's event format; none if it is no such value."""
    if isinstance(value, dict) and isinstance(value.get("response"), list | dict):
        value = value["response"]
    items = value if isinstance(value, list) else [value]
    return [
        item["Event"]
        for item in items
        if isinstance(item, dict)
        and isinstance(item.get("Event"), dict)
        and "info" in item["Event"]
    ]


def read_events(events: list[Object]) -> Reading:
    """MISP events as text: title, reports, references, galaxy clusters as rows.

    Clusters of one event are paired only if it names one actor: with more, it does not say whose
    technique is whose.
    """
    builder = TextBuilder()
    paired = False
    for event in events:
        builder.add("heading", _text(event.get("info")), level=1)
        for report in _list(event.get("EventReport")):
            builder.add("heading", _text(report.get("name")), level=2)
            for paragraph in _paragraphs(report.get("content")):
                builder.add("paragraph", paragraph)
        for attribute in _list(event.get("Attribute")):
            if attribute.get("type") in {"text", "comment"}:
                for paragraph in _paragraphs(attribute.get("value")):
                    builder.add("paragraph", paragraph)
        paired |= _add_clusters(builder, event)
        for attribute in _list(event.get("Attribute")):
            if attribute.get("type") == "link" and _text(attribute.get("value")):
                url = _text(attribute["value"])
                words = Words()
                words.open_link(url)
                words.say(_text(attribute.get("comment")) or url)
                words.close_link()
                builder.add("reference", words)
    first = events[0]
    facts = [Fact("title", _text(first.get("info")), "misp event")]
    if _text(first.get("date")):
        facts.append(Fact("published", _text(first["date"]), "misp event"))
    maker = first.get("Orgc")
    if isinstance(maker, dict) and _text(maker.get("name")):
        facts.append(Fact("publisher", _text(maker["name"]), "misp event"))
    return builder.reading(facts=facts, kind="mapping" if paired else None)


def _add_clusters(builder: TextBuilder, event: Object) -> bool:
    found: dict[str, dict[str, str]] = {"Actor": {}, "Technique": {}, "Software": {}}
    for galaxy, value in _clusters(event):
        named = _ID_IN_NAME.match(value)
        name, number = (named[1], named[2]) if named else (value, "")
        if "attack-pattern" in galaxy:
            found["Technique"].setdefault(name, number)
        elif galaxy in {"threat-actor", "mitre-intrusion-set", "microsoft-activity-group"}:
            found["Actor"].setdefault(name, number)
        elif galaxy in {"mitre-malware", "mitre-tool", "malpedia", "tool", "ransomware", "rat"}:
            found["Software"].setdefault(name, number)
    ways = list(found["Technique"].items())
    if len(found["Actor"]) == 1 and ways:
        ((actor, number),) = found["Actor"].items()
        rows = [[number, actor, identity, name] for name, identity in ways]
        add_table(builder, ("Actor ID", "Actor", "Technique ID", "Technique"), rows)
        del found["Actor"], found["Technique"]
        paired = True
    else:
        paired = False
    rest = [[kind, number, name] for kind, named in found.items() for name, number in named.items()]
    if rest:
        add_table(builder, ("Cluster", "ID", "Name"), rest)
    return paired


def _clusters(event: Object) -> Iterator[tuple[str, str]]:
    """Type and value of each galaxy cluster that the event itself carries."""
    for galaxy in _list(event.get("Galaxy")):
        for cluster in _list(galaxy.get("GalaxyCluster")):
            if _text(cluster.get("value")):
                yield _text(cluster.get("type") or galaxy.get("type")), _text(cluster["value"])
    for tag in _list(event.get("Tag")):
        found = _TAG.fullmatch(_text(tag.get("name")))
        if found:
            yield found[1], found[2]


def _list(value: Any) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
