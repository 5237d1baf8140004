"""Structured sources: what pairs an actor with a technique is a mapping, row by row."""

from __future__ import annotations

import collections
import contextlib
import json

import pytest
import yaml

from ctimine.errors import BrokenDocument, UnsupportedMedia
from ctimine.model import Snapshot
from ctimine.read import read


def report(text, name):
    body = text if isinstance(text, bytes) else text.encode()
    return read(Snapshot("s", name, body))


def rows(found):
    table = collections.defaultdict(dict)
    for block in found.blocks:
        if block.kind == "table_cell":
            table[block.table, block.row][block.column] = found.text[block.start : block.end]
    return [list(table[key].values()) for key in sorted(table)]


def headers(found):
    return [found.text[block.start : block.end] for block in found.blocks if block.header]


CSV = "actor_id,attack_id,source\nG0010,T1102,Lab 2024\nG0067,T1102.002,Lab 2023\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CSV, "a.csv"),
        (CSV.replace(",", ";"), "a.csv"),
        (CSV.replace(",", "\t"), "a.tsv"),
        (CSV.replace(",", "|"), "a.csv"),
        (CSV.replace("\n", "\r\n"), "a.csv"),
        ("\ufeff" + CSV, "a.csv"),
        (CSV.encode("utf-16"), "a.csv"),
        ('"actor_id","attack_id","source"\n"G0010","T1102","Lab 2024"\nG0067,T1102.002,Lab 2023', "a.csv"),
    ],
)  # fmt: skip
def test_dialects_read_alike(text, name):
    found = report(text, name)
    assert found.kind == "mapping"
    assert headers(found) == ["actor_id", "attack_id", "source"]
    assert rows(found)[1:] == [["G0010", "T1102", "Lab 2024"], ["G0067", "T1102.002", "Lab 2023"]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Threat Actor,MITRE ID\nTurla,T1102\n", "mapping"),
        ("Group,Technique\nTurla,Web Service\n", "mapping"),
        ("malware,technique_id\nKazuar,T1102\n", "mapping"),
        ("G0010,x,T1102\nG0010,y,T1059\n", "mapping"),
        ("source,title,url\n1,Notes,https://lab.example/\n", "index"),
        ("indicator,type\n10.0.0.1,ip\n", "index"),
        ("technique,rule\nT1102,proxy\n", "index"),
        ("actor,country\nTurla,RU\n", "index"),
        ("actor,attack_id\nTurla,\n,T1102\n", "index"),
    ],
)
def test_only_rows_with_both_are_a_mapping(text, kind):
    assert report(text, "a.csv").kind == kind


def test_quoted_cells_keep_delimiters_and_line_ends():
    found = report('actor,technique_id,notes\nTurla,T1102,"one, two\nthree \u2028 four"\n', "a.csv")
    assert rows(found)[1] == ["Turla", "T1102", "one, two three four"]


def test_huge_fields_are_cut_and_do_not_fail():
    found = report(f"actor,attack_id,notes\nTurla,T1102,{'x' * 500_000}\n", "a.csv")
    assert found.kind == "mapping"
    assert len(found.text) < 30_000


@pytest.mark.slow
def test_a_hundred_thousand_rows():
    text = "actor,attack_id,notes\n" + "".join(
        f"G{n % 9000:04},T1102,row {n}\n" for n in range(100_000)
    )
    assert len(report(text, "a.csv").blocks) == 300_003


RECORDS = [
    {"actor": "Turla", "technique_id": "T1102", "source": "Lab"},
    {"actor": "Gamaredon Group", "technique_id": "T1102.001", "source": "Lab"},
]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (json.dumps(RECORDS), "a.json"),
        (json.dumps({"rows": RECORDS}), "a.json"),
        ("\n".join(map(json.dumps, RECORDS)), "a.jsonl"),
        (yaml.safe_dump(RECORDS, sort_keys=False), "a.yaml"),
        (yaml.safe_dump_all(RECORDS, sort_keys=False), "a.yml"),
    ],
)
def test_records_read_alike_in_every_notation(text, name):
    found = report(text, name)
    assert found.kind == "mapping"
    assert headers(found) == ["actor", "technique_id", "source"]
    assert rows(found)[1:] == [list(record.values()) for record in RECORDS]


def test_an_actor_with_its_techniques_is_a_row_for_each():
    value = {
        "actor": "Turla",
        "title": "Turla in 2024",
        "published": "2024-05-06",
        "techniques": [{"id": "T1102", "use": "relays"}, {"id": "T1059", "use": "scripts"}],
    }
    found = report(json.dumps(value), "a.json")
    assert [row[0::3] for row in rows(found)[1:]] == [["Turla", "T1102"], ["Turla", "T1059"]]
    assert (found.title, found.published) == ("Turla in 2024", "2024-05-06")


def test_an_object_of_lists_of_ids_is_a_row_for_each_pair():
    found = report(json.dumps({"Turla": ["T1102", "T1059"], "Rocke": ["T1102.001"]}), "a.json")
    assert rows(found)[1:] == [["Turla", "T1102"], ["Turla", "T1059"], ["Rocke", "T1102.001"]]


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ('{"version": 3}', "a.json", "no rows"),
        ("[1, 2, 3]", "a.json", "no rows"),
        ('[{"a": 1}]', "a.json", "no rows"),
        ("title: x\nlogsource: {}\ndetection: {}\n", "a.yml", "Sigma"),
        ('{"type": "bundle", "objects": [{"type": "indicator"}]}', "a.json", "1 indicator"),
    ],
)
def test_other_files_are_named_for_what_they_are_not(text, name, reason):
    with pytest.raises(UnsupportedMedia, match=reason):
        report(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a": ', "a.json"),
        ("[" * 200_000, "a.json"),
        ("[" * 200_000, "a.yaml"),
        ("a: &a [x]\n" + "b: *a\n" * 5000, "a.yaml"),
        ("!!python/object/apply:os.system [id]", "a.yaml"),
        ("a: b: c", "a.yaml"),
        ('{"a": 1}\n{"b": \n', "a.jsonl"),
        ("9" * 10_000, "a.jsonl"),
    ],
)
def test_broken_files_are_broken(text, name):
    with pytest.raises((BrokenDocument, UnsupportedMedia)):
        report(text, name)


def test_nested_references_do_not_unfold():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(UnsupportedMedia):
        report("\n".join(lines), "a.yaml")


# -- layers ----------------------------------------------------------------------------------------


def test_a_layer_is_no_mapping_and_skips_what_is_switched_off():
    layer = {
        "name": "Coverage",
        "domain": "enterprise-attack",
        "description": "What we see",
        "techniques": [
            {"techniqueID": "T1102", "score": 2, "comment": "proxy"},
            {"techniqueID": "T1059", "enabled": False},
        ],
    }
    found = report(json.dumps(layer), "layer.json")
    assert (found.kind, found.title) == ("layer", "Coverage")
    assert rows(found) == [["Technique ID", "Score", "Comment"], ["T1102", "2", "proxy"]]


# -- STIX and MISP ---------------------------------------------------------------------------------


def way(number, name, attack_id):
    return {
        "type": "attack-pattern",
        "id": f"attack-pattern--{number}",
        "name": name,
        "external_references": [{"source_name": "mitre-attack", "external_id": attack_id}],
    }


def uses(one, other, **more):
    return {
        "type": "relationship",
        "id": f"relationship--{one}-{other}",
        "relationship_type": "uses",
        "source_ref": one,
        "target_ref": other,
        **more,
    }


RAVEN = {
    "type": "intrusion-set",
    "id": "intrusion-set--1",
    "name": "Silver Raven",
    "aliases": ["Silver Raven", "Storm-9931"],
    "description": "It reads mail.",
}


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects})


def test_a_bundle_becomes_text_and_rows():
    text = bundle(
        {"type": "identity", "id": "identity--1", "name": "Lab"},
        {
            "type": "report",
            "id": "report--1",
            "name": "Raven at sea",
            "published": "2024-05-06T00:00:00Z",
            "description": "A yard was read.\n\nFor months.",
            "created_by_ref": "identity--1",
            "object_refs": ["intrusion-set--1", "attack-pattern--1"],
            "external_references": [{"source_name": "Lab", "url": "https://lab.example/1"}],
        },
        RAVEN,
        way(1, "Web Service", "T1102"),
        way(2, "Phishing", "T1566"),
        uses(
            "intrusion-set--1",
            "attack-pattern--1",
            description="Relays. (Citation: Lab)",
            external_references=[{"source_name": "Lab", "url": "https://lab.example/1"}],
        ),
        uses("intrusion-set--1", "attack-pattern--2", revoked=True),
    )
    found = report(text, "b.json")
    assert (found.kind, found.title, found.publisher) == ("mapping", "Raven at sea", "Lab")
    assert found.published.startswith("2024-05-06")
    assert "A yard was read.\n\nFor months." in found.text
    assert "Silver Raven is also known as Storm-9931." in found.text
    assert rows(found)[-1] == [
        "Silver Raven",
        "uses",
        "T1102",
        "Web Service",
        "Relays.",
        "Lab https://lab.example/1",
    ]


def test_a_bundle_with_a_report_alone_is_a_report():
    text = bundle({"type": "report", "id": "report--1", "name": "Raven", "description": "Words."})
    assert report(text, "b.json").kind == "report"


def test_the_matrix_itself_is_a_catalogue():
    text = bundle(RAVEN, way(1, "Web Service", "T1102"), {"type": "x-mitre-matrix", "id": "m--1"},
                  uses("intrusion-set--1", "attack-pattern--1"))  # fmt: skip
    assert report(text, "b.json").kind == "layer"


def event(*clusters):
    return json.dumps(
        {
            "Event": {
                "info": "Raven at sea",
                "date": "2024-05-06",
                "Orgc": {"name": "Lab"},
                "Tag": [{"name": f'misp-galaxy:{galaxy}="{value}"'} for galaxy, value in clusters],
                "Attribute": [{"type": "link", "value": "https://lab.example/1"}],
            }
        }
    )


def test_a_misp_event_pairs_its_one_actor_with_its_techniques():
    found = report(
        event(
            ("threat-actor", "Silver Raven"),
            ("mitre-attack-pattern", "Web Service - T1102"),
            ("mitre-attack-pattern", "Phishing - T1566"),
        ),
        "e.json",
    )
    assert (found.kind, found.title, found.publisher) == ("mapping", "Raven at sea", "Lab")
    assert rows(found)[1:] == [
        ["Silver Raven", "T1102", "Web Service"],
        ["Silver Raven", "T1566", "Phishing"],
    ]


def test_a_misp_event_with_two_actors_pairs_nothing():
    found = report(
        event(
            ("threat-actor", "Silver Raven"),
            ("threat-actor", "Glass Harbour"),
            ("mitre-attack-pattern", "Web Service - T1102"),
        ),
        "e.json",
    )
    assert found.kind != "mapping"


@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": 1}, [[]], [{"type": 1}], True])
@pytest.mark.parametrize("field", ["objects", "aliases", "description", "name", "external_references", "object_refs", "id", "type", "published"])  # fmt: skip
def test_fields_of_the_wrong_type_do_not_matter(field, value):
    raven = {**RAVEN, field: value}
    text = json.dumps({"type": "bundle", "objects": [raven, {"type": "report", field: value}]})
    with contextlib.suppress(UnsupportedMedia):
        report(text, "b.json")
