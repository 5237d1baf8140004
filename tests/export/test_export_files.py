"""One call writes every file of a run."""

from __future__ import annotations

import csv
import io
import json

import export_world as world
import graph_world as make
import pytest
from test_export_rows import found

from ctimine.errors import ExportError
from ctimine.export import write_all
from ctimine.graph import build_graph, fold_results

ALL = [
    "bundle.json",
    "reports.jsonl",
    "mentions.jsonl",
    "claims.jsonl",
    "claims.csv",
    "layer.json",
    "summary.md",
    "answer.html",
]


@pytest.fixture(scope="module")
def run():
    return found(world.results())


def test_every_file_is_written_and_named(run, tmp_path):
    paths = write_all(run.graph, tmp_path / "new" / "out", results=run)
    assert [path.name for path in paths] == ALL
    assert all(path.stat().st_size > 100 for path in paths)


def test_without_results_there_are_no_json_lines(run, tmp_path):
    names = [path.name for path in write_all(run.graph, tmp_path)]
    assert names == [name for name in ALL if not name.endswith("jsonl")]


def test_a_technique_bounds_all_but_the_json_lines(run, tmp_path):
    write_all(run.graph, tmp_path, results=run, technique="T1059")
    bundle = json.loads((tmp_path / "bundle.json").read_text(encoding="utf-8"))
    techniques = {o["name"] for o in bundle["objects"] if o["type"] == "attack-pattern"}
    assert techniques == {"PowerShell"}
    table = (tmp_path / "claims.csv").read_text(encoding="utf-8")
    assert {row["object"] for row in csv.DictReader(io.StringIO(table))} == {"T1059.001"}
    layer = json.loads((tmp_path / "layer.json").read_text(encoding="utf-8"))
    assert [row["techniqueID"] for row in layer["techniques"]] == ["T1059.001"]
    assert "T1102" not in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert len((tmp_path / "claims.jsonl").read_bytes().splitlines()) == len(run.claims)


def test_flavour_and_citations_reach_the_bundle(run, tmp_path):
    write_all(run.graph, tmp_path, flavour="misp", with_cited=True, technique="T1102")
    body = (tmp_path / "bundle.json").read_text(encoding="utf-8")
    assert "misp:galaxy-type" in body
    assert "attack-cited" in body


def test_a_wrong_flavour_is_named(run, tmp_path):
    with pytest.raises(ExportError, match="sweet"):
        write_all(run.graph, tmp_path, flavour="sweet")


def test_a_place_that_cannot_be_written_is_named(tmp_path, run):
    file = tmp_path / "taken"
    file.write_text("a file", encoding="utf-8")
    with pytest.raises(ExportError, match="cannot be written") as error:
        write_all(run.graph, file / "out")
    assert "taken" in str(error.value)


def test_every_file_says_how_it_may_be_shared(tmp_path):
    results = [
        make.uses("a", "G0010", "T1102", tlp="AMBER+STRICT"),
        make.uses("b", "G0010", "T1102", tlp="TLP:GREEN"),
        make.uses("c", "G0007", "T1059"),
    ]
    graph = build_graph(results, world.ATTACK, cited=False)
    for technique, word in (("T1102", "TLP:AMBER+STRICT"), ("T1059", "")):
        write_all(graph, tmp_path, technique=technique)
        for name in ("summary.md", "answer.html", "layer.json"):
            body = (tmp_path / name).read_text(encoding="utf-8")
            assert word in body if word else "TLP:" not in body, name
    write_all(graph, tmp_path)
    table = csv.DictReader(io.StringIO((tmp_path / "claims.csv").read_text(encoding="utf-8")))
    assert {row["tlp"] for row in table} == {"AMBER+STRICT", "CLEAR", "GREEN"}


HALF = "\ud800"
"""Half a surrogate pair: JSON may hold it, no file in UTF-8 may."""


@pytest.mark.parametrize(
    "facts",
    [
        {"url": "http://[bad/x"},
        {"url": f"https://desk.example/{HALF}"},
        {"title": HALF, "publisher": HALF, "labels": (HALF,)},
        {"published": "2024-13-45"},
        {"published": "99999-01-01"},
        {"via": HALF},
        {"subject": f"name:x{HALF}", "subject_name": f"X{HALF}"},
    ],
    ids=str,
)
def test_nothing_that_a_document_may_say_of_itself_stops_the_writing(facts, tmp_path):
    facts = {"subject": "G0010", "technique": "T1102", **facts}
    results, _ = fold_results([make.uses("a", **facts), make.uses("b", "G0007", "T1102")])
    for path in write_all(build_graph(results, world.ATTACK, cited=False), tmp_path):
        assert path.read_bytes().decode("utf-8")
