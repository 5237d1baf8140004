"""JSON Lines hold the whole record by their schemas; CSV runs in no spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import importlib.resources
import io
import json
import types

import export_world as world
import graph_world as make
import jsonschema
import pytest

from ctimine.export import to_csv, write_jsonl
from ctimine.export.rows import COLUMNS, harmless
from ctimine.graph import build_graph, fold_results
from ctimine.model import Claim, Mention, Report, from_json

EXTRA = {
    "report": {"copies"},
    "mention": {"key", "concept_label"},
    "claim": {"key", "subject_label", "object_label", "edge"},
}


def found(results, *, attack=world.ATTACK):
    """What a run is to the writers."""
    return types.SimpleNamespace(
        reports=[report for report, _, _ in results],
        mentions=[mention for _, mentions, _ in results for mention in mentions],
        claims=[claim for _, _, claims in results for claim in claims],
        graph=build_graph(results, attack),
    )


def schema(kind):
    file = importlib.resources.files("ctimine.export") / "schemas" / f"{kind}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def written(results, folder):
    paths = write_jsonl(found(results), folder)
    return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in paths]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return written(world.results(), tmp_path_factory.mktemp("rows"))


def test_every_line_keeps_to_its_schema(lines):
    for kind, rows in zip(("report", "mention", "claim"), lines, strict=True):
        assert rows
        check = jsonschema.Draft202012Validator(schema(kind))
        for row in rows:
            check.validate(row)


@pytest.mark.parametrize(
    ("kind", "record"), [("report", Report), ("mention", Mention), ("claim", Claim)]
)
def test_a_schema_names_each_field_of_its_type_and_no_other(kind, record):
    fields = {field.name for field in dataclasses.fields(record)}
    described = schema(kind)
    jsonschema.Draft202012Validator.check_schema(described)
    assert set(described["properties"]) == fields | EXTRA[kind]
    assert set(described["required"]) == set(described["properties"])


def test_records_come_back_equal_from_their_lines(lines):
    reports, mentions, claims = lines
    whole = found(world.results())
    assert {from_json(Report, row) for row in reports} == set(whole.reports)
    assert {from_json(Mention, row) for row in mentions} == set(whole.mentions)
    assert {from_json(Claim, row) for row in claims} == set(whole.claims)


def test_every_offset_can_be_checked_from_the_lines_alone(lines):
    reports, mentions, claims = lines
    texts = {row["id"]: row["text"] for row in reports}
    for row in (*mentions, *claims):
        assert texts[row["report"]][row["start"] : row["end"]] == row["quote"]


def test_ids_come_with_names(lines):
    labels = {(row["subject"], row["subject_label"]) for row in lines[2]}
    assert {("G0069", "MuddyWater"), ("name:silverraven", "Silver Raven")} <= labels
    assert ("T1102", "Web Service") in {(r["object"], r["object_label"]) for r in lines[2]}
    assert lines[1][0]["concept_label"] == "Spearphishing Attachment"


def test_only_what_makes_an_edge_says_so(lines):
    said = {(row["stance"], row["edge"]) for row in lines[2]}
    assert said == {("reported", True), ("assessed", True), ("negated", False)}


def test_a_report_names_the_copies_that_were_folded_into_it(tmp_path):
    one = make.report("a", "The very same words at two places.")
    two = dataclasses.replace(one, id=make.report("b").id, item="mirror/b.md")
    kept, _ = fold_results([(one, (), ()), (two, (), ())])
    rows, *_ = written(kept, tmp_path)
    assert rows[0]["copies"] == [{"place": "mirror/b.md", "why": "same text, 1.00"}]
    assert rows[0]["places"] == ["a.md", "mirror/b.md"]


def test_order_of_input_does_not_change_a_byte(tmp_path):
    straight, turned = world.results(), world.results()[::-1]
    for name, results in (("one", straight), ("two", turned)):
        write_jsonl(found(results), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_line_is_one_line_to_every_reader(tmp_path):
    quote = "Turla used\u2028T1102\x85in\u2029one\ud800 case."
    report = make.report("a", quote)
    claim = make.claim(report, quote, "G0010", "uses", "T1102")
    write_jsonl(found([(report, (), (claim,))]), tmp_path)
    text = (tmp_path / "claims.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert from_json(Claim, json.loads(text)) == claim


# CSV


def table(graph, **options):
    return list(csv.DictReader(io.StringIO(to_csv(graph, **options), newline="")))


def test_the_table_has_a_row_for_each_claim_of_any_stance():
    rows = table(world.graph())
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == sum(len(claims) for _, _, claims in world.results())
    assert {(row["stance"], row["edge"]) for row in rows} == {
        ("reported", "yes"),
        ("assessed", "yes"),
        ("negated", "no"),
    }


def test_the_table_can_be_bounded_to_a_technique_and_its_subs():
    objects = {row["object"] for row in table(world.graph(), technique="T1102")}
    assert objects == {"T1102", "T1102.002", "T1102.003"}


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "  =1", "＝1", "＠x"],
)
def test_no_cell_starts_a_formula(text):
    assert harmless(text) == f"'{text}"
    report = make.report("a", f"{text} was used by Turla.", title=text, publisher=text)
    claim = make.claim(report, report.text, "G0010", "uses", "T1102")
    (row,) = table(build_graph([(report, (), (claim,))], world.ATTACK, cited=False))
    for name in ("quote", "title", "publisher"):
        assert row[name].startswith("'")


def test_quotes_commas_and_line_ends_stay_in_their_cell():
    text = 'Turla said "a, b"\r\n;c;\nand used T1102.'
    report = make.report("a", text)
    claim = make.claim(report, text, "G0010", "uses", "T1102")
    (row,) = table(build_graph([(report, (), (claim,))], world.ATTACK, cited=False))
    assert row["quote"] == text
