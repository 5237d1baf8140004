"""Records as flat attributes of nodes and edges, and back without loss.

networkx keeps any Python value, but its writers do not: GraphML knows strings, numbers and truth
values, no ``None``, no empty string that survives, and only the characters that XML allows. So
every attribute here is a scalar, tuples are JSON text, empty values are left out, and a string that
XML cannot hold stands readable under its name and exactly under ``<name>_json``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from ctimine.model import Claim, Concept, Report, from_json

Scalar = str | int | float | bool
Record = TypeVar("Record")

EXACT = "_json"
"""Suffix of the attribute that keeps a string exactly where XML cannot hold it."""

# XML 1.0 §2.2; a carriage return is legal there but comes back as a line feed (§2.11).
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NOT_ON_A_NODE = frozenset({"id", "text", "blocks", "links"})


def put(attributes: dict[str, Scalar], name: str, value: Any) -> None:
    """Write one value as a scalar attribute; an empty one is left out.

    >>> attributes = {}
    >>> put(attributes, "places", ("a.md", "b.md"))
    >>> put(attributes, "time", "")
    >>> attributes
    {'places': '["a.md", "b.md"]'}
    """
    if isinstance(value, tuple | list):
        if value:
            attributes[name] = json.dumps(value)
    elif isinstance(value, str):
        if not value:
            return
        readable = _NOT_XML.sub("\ufffd", value)
        attributes[name] = readable
        if readable != value:
            attributes[name + EXACT] = json.dumps(value)
    elif value is not None:
        attributes[name] = value


def take(attributes: Mapping[str, Scalar], name: str) -> str:
    """The string that :func:`put` wrote under ``name``, or an empty one."""
    exact = attributes.get(name + EXACT)
    return json.loads(str(exact)) if exact is not None else str(attributes.get(name, ""))


def claim_attributes(claim: Claim) -> dict[str, Scalar]:
    """Edge attributes that hold the whole claim."""
    attributes: dict[str, Scalar] = {"edge": "claim"}
    for field in dataclasses.fields(claim):
        put(attributes, field.name, getattr(claim, field.name))
    return attributes


def to_claim(attributes: Mapping[str, Scalar]) -> Claim:
    r"""The claim that an edge holds, equal to the one that was put there.

    >>> claim = Claim("r", 0, 4, "A\x0cB!", "G0069", "uses", "T1102", "id", subject_at=(0, 1))
    >>> to_claim(claim_attributes(claim)) == claim
    True
    """
    return _record(Claim, attributes, {})


def report_attributes(report: Report) -> dict[str, Scalar]:
    """Node attributes that hold the report but for its text, blocks and links."""
    attributes: dict[str, Scalar] = {"kind": "report"}
    for field in dataclasses.fields(report):
        if field.name in _NOT_ON_A_NODE:
            continue
        value = getattr(report, field.name)
        if field.name == "facts":
            value = [dataclasses.asdict(fact) for fact in value]
        put(attributes, "report_kind" if field.name == "kind" else field.name, value)
    put(attributes, "characters", len(report.text))
    return attributes


def to_report(node: str, attributes: Mapping[str, Scalar]) -> Report:
    """The report of a node, with an empty text: the graph holds facts, not documents."""
    return _record(
        Report,
        {**attributes, "kind": attributes.get("report_kind", "report")},
        {"id": node.removeprefix("report:")},
    )


def concept_attributes(concept: Concept) -> dict[str, Scalar]:
    """Node attributes that hold all that the catalogue knows of a concept."""
    attributes: dict[str, Scalar] = {}
    for field in dataclasses.fields(concept):
        if field.name != "id":
            put(attributes, field.name, getattr(concept, field.name))
    return attributes


def to_concept(node: str, attributes: Mapping[str, Scalar]) -> Concept:
    """The concept of a node."""
    return _record(Concept, attributes, {"id": node})


def _record(kind: type[Record], attributes: Mapping[str, Scalar], given: dict[str, Any]) -> Record:
    row = dict(given)
    for name, is_tuple, is_needed in _fields(cast("Any", kind)):
        if name in row:
            continue
        if name not in attributes:
            if is_needed:
                row[name] = ""
            continue
        value: Any = attributes[name]
        if is_tuple:
            value = json.loads(value)
        elif isinstance(value, str):
            value = take(attributes, name)
        row[name] = value
    return from_json(kind, row)


@functools.cache
def _fields(kind: type[Any]) -> tuple[tuple[str, bool, bool], ...]:
    """Each field's name, whether it holds a tuple, and whether a record needs it."""
    return tuple(
        (field.name, str(field.type).startswith("tuple"), field.default is dataclasses.MISSING)
        for field in dataclasses.fields(kind)
    )
