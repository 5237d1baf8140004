"""The Navigator layer keeps to format 4.5 and shows what reports say."""

from __future__ import annotations

import json

import export_world as world
import graph_world as make
import jsonschema
import pytest

from ctimine.export import layer_bytes, to_navigator_layer
from ctimine.graph import build_graph

GRAPH = world.graph()

PAIRS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
        "required": ["name", "value"],
        "additionalProperties": False,
    },
}
FORMAT = {  # written from the property tables of the format's page
    "type": "object",
    "required": ["name", "versions", "domain", "techniques"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "versions": {
            "type": "object",
            "properties": {
                "attack": {"type": "string", "pattern": r"^\d+$"},
                "navigator": {"type": "string"},
                "layer": {"const": "4.5"},
            },
            "required": ["attack", "navigator", "layer"],
            "additionalProperties": False,
        },
        "domain": {"enum": ["enterprise-attack", "mobile-attack", "ics-attack"]},
        "description": {"type": "string"},
        "sorting": {"enum": [0, 1, 2, 3]},
        "layout": {
            "type": "object",
            "properties": {
                "layout": {"enum": ["side", "flat", "mini"]},
                "showID": {"type": "boolean"},
                "expandedSubtechniques": {"enum": ["none", "all", "annotated"]},
            },
            "additionalProperties": False,
        },
        "hideDisabled": {"type": "boolean"},
        "gradient": {
            "type": "object",
            "properties": {
                "colors": {"type": "array", "minItems": 2},
                "minValue": {"type": "number"},
                "maxValue": {"type": "number"},
            },
            "required": ["colors", "minValue", "maxValue"],
        },
        "metadata": PAIRS,
        "techniques": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["techniqueID"],
                "additionalProperties": False,
                "properties": {
                    "techniqueID": {"type": "string", "pattern": r"^T\d{4}(\.\d{3})?$"},
                    "score": {"type": "integer", "minimum": 0, "maximum": 100},
                    "comment": {"type": "string"},
                    "enabled": {"type": "boolean"},
                    "metadata": PAIRS,
                    "links": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "label": {"type": "string", "minLength": 1},
                                "url": {"type": "string", "pattern": "^https?://"},
                            },
                            "required": ["label", "url"],
                        },
                    },
                },
            },
        },
    },
}


def scores(layer):
    return {row["techniqueID"]: row["score"] for row in layer["techniques"]}


def test_the_layer_keeps_to_the_format():
    jsonschema.validate(json.loads(layer_bytes(to_navigator_layer(GRAPH))), FORMAT)


def test_each_technique_that_somebody_is_reported_to_use_is_scored():
    assert scores(to_navigator_layer(GRAPH)) == {
        "T1059.001": 90,
        "T1102": 90,
        "T1102.002": 98,
    }


def test_what_only_the_knowledge_base_cites_is_not_in_it():
    assert "T1102.001" not in scores(to_navigator_layer(GRAPH))


def test_the_layer_can_be_bounded():
    assert set(scores(to_navigator_layer(GRAPH, technique="T1102"))) == {"T1102", "T1102.002"}
    assert set(scores(to_navigator_layer(GRAPH, actor="G0069"))) == {"T1102.002"}


def test_a_domain_holds_its_own_techniques():
    graph = build_graph([make.uses("a", "G0069", "T1437")], world.ATTACK, cited=False)
    assert scores(to_navigator_layer(graph)) == {}
    layer = to_navigator_layer(graph, domain="mobile")
    assert (layer["domain"], set(scores(layer))) == ("mobile-attack", {"T1437"})


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "reports/a.md"])
def test_only_web_addresses_are_linked(url):
    graph = build_graph([make.uses("a", "G0069", "T1102", url=url)], world.ATTACK, cited=False)
    assert "links" not in to_navigator_layer(graph)["techniques"][0]
