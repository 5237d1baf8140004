"""Counts and scores on small made texts, each with a finder whose answers are known."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.errors import EvaluationError
from ctimine.evaluate import (
    calibration_error,
    evaluate_files,
    evaluate_rows,
    reliability,
    row_of,
    to_svg,
    to_text,
    to_values,
)
from ctimine.model import Claim, Mention

TEXT = "The actor ran scripts. Nothing here. T1105 was listed. It sent mail with a lure."
SENTENCES = [[0, 22], [23, 36], [37, 54], [55, 80]]


def row(**values):
    base = {"id": "a", "level": "document", "text": TEXT, "sentences": SENTENCES}
    return row_of({**base, **values})


def finder(*found, claims=()):
    def find(report):
        mentions = tuple(
            Mention(report.id, a, b, report.text[a:b], kind, concept, "behaviour", stance, "r", p)
            for a, b, kind, concept, stance, p in found
        )
        return mentions, claims

    return find


def technique(start, end, concept, score=0.9):
    return (start, end, "technique", concept, "reported", score)


GOLD = [
    {"start": 4, "end": 21, "id": "T1059.001"},
    {"start": 37, "end": 42, "id": "T1105"},
    {"start": 55, "end": 70, "id": "T1566"},
]


def test_a_sentence_counts_once_for_each_technique():
    find = finder(technique(0, 22, "T1059.001"), technique(4, 9, "T1059.001"))
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (1, 0, 2)


def test_parents_fold_both_sides():
    find = finder(technique(0, 22, "T1059.007"))
    assert evaluate_rows([row(techniques_mentions=GOLD)], find=find).total.right == 0
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find, parents=True)
    assert scores.total.right == 1


def test_masked_sentences_count_on_neither_side():
    find = finder(technique(37, 42, "T1105"))
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find, mask_ids=True)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (0, 0, 2)


def test_the_false_positive_rate_is_of_sentences_without_a_label():
    find = finder(technique(23, 36, "T1059"))
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find)
    assert scores.false_positive_rate == 1.0
    assert scores.total.false == 1


def test_a_closed_set_is_silent_on_other_labels():
    find = finder(technique(0, 22, "T1082"), technique(55, 80, "T1566"))
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find, closed=True)
    assert (scores.total.right, scores.total.false) == (1, 0)


def test_report_level_asks_for_the_set_of_techniques():
    find = finder(technique(0, 22, "T1566"), technique(55, 80, "T1566"))
    values = row(techniques_mentions=GOLD)
    scores = evaluate_rows([values], level="report", find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (1, 0, 2)
    assert scores.false_positive_rate is None


def test_labels_without_places_are_scored_by_report_only():
    values = row(techniques=["T1566"], techniques_mentions=[])
    find = finder(technique(55, 80, "T1566"))
    assert evaluate_rows([values], level="report", find=find).f1 == 1.0
    with pytest.raises(EvaluationError, match="no row annotates techniques"):
        evaluate_rows([values], find=find)


def test_actors_are_found_where_any_character_is_and_linked_where_a_link_is():
    gold = [
        {"start": 4, "end": 9, "link": "G0007"},
        {"start": 23, "end": 30, "link": None},
        {"start": 55, "end": 57, "link": "G0016"},
    ]
    find = finder(
        (0, 9, "actor", "G0007", "reported", 1.0),
        (23, 25, "actor", "", "reported", 1.0),
        (55, 57, "actor", "G0046", "reported", 1.0),
        (40, 44, "actor", "G0001", "reported", 1.0),
    )
    scores = evaluate_rows([row(actors=gold)], layer="actors", find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (3, 1, 0)
    assert scores.linked == 0.5


def test_claims_are_right_with_subject_relation_object_and_stance():
    def find(report):
        made = ("G0007", "uses", "T1059.001", "behaviour")
        quote = report.text[0:22]
        return (), (
            Claim(report.id, 0, 22, quote, *made, "reported"),
            Claim(report.id, 0, 22, quote, "G0016", "uses", "T1105", "id", "negated"),
        )

    gold = [["G0007", "uses", "T1059.001", "reported"], ["G0016", "uses", "T1105", "reported"]]
    scores = evaluate_rows([row(claims=gold)], layer="claims", find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (1, 1, 1)


def test_a_claim_with_a_place_must_overlap_it():
    def find(report):
        return (), (Claim(report.id, 0, 22, report.text[0:22], "G0007", "uses", "T1059", "name"),)

    values = {"subject": "G0007", "relation": "uses", "object": "T1059", "start": 23, "end": 36}
    scores = evaluate_rows([row(claims=[values])], layer="claims", find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (0, 1, 1)


def test_a_wrong_stance_is_false_and_missed():
    gold = [
        {"start": 37, "end": 42, "id": "T1105", "stance": "reference"},
        {"start": 4, "end": 21, "id": "T1059", "stance": "reported"},
    ]
    find = finder(technique(37, 42, "T1105"), technique(0, 22, "T1059"))
    scores = evaluate_rows([row(stance=gold)], layer="stance", find=find)
    assert (scores.total.right, scores.total.false, scores.total.missed) == (1, 1, 1)


def test_a_short_row_with_labels_is_its_own_mention():
    values = row_of({"id": "s", "level": "span", "text": "ran scripts", "techniques": ["T1059"]})
    assert evaluate_rows([values], find=finder(technique(0, 3, "T1059"))).f1 == 1.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80), st.integers(1, 12))
def test_a_reliability_table_holds_every_score_once(scored, bins):
    table = reliability(scored, bins)
    assert sum(part.count for part in table) == len(scored)
    assert all(part.low <= part.mean_score + 1e-9 <= part.high + 2e-9 for part in table)
    assert 0.0 <= calibration_error(table) <= 1.0


def test_printed_scores_show_errors_and_written_ones_hold_no_text():
    find = finder(technique(23, 36, "T1082", 0.7))
    scores = evaluate_rows([row(techniques_mentions=GOLD)], find=find)
    assert "Nothing here." in to_text(scores)
    assert "Nothing here." not in json.dumps(to_values(scores))
    assert to_svg(scores.reliability).startswith("<svg")


def test_a_file_is_read_line_by_line_and_a_bad_line_is_named(tmp_path):
    path = tmp_path / "set.jsonl"
    good = {"id": "s", "level": "span", "text": "ran scripts", "techniques": ["T1059"]}
    path.write_text(json.dumps(good) + "\n\n", encoding="utf-8")
    scores = evaluate_files([path], find=finder(technique(0, 3, "T1059")))
    assert (scores.rows, scores.f1, len(scores.digest)) == (1, 1.0, 64)
    outside = {**good, "techniques_mentions": [{"start": 3, "end": 99, "id": "T1059"}]}
    path.write_text(json.dumps(good) + "\n" + json.dumps(outside) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="line 2"):
        evaluate_files([path])
    with pytest.raises(EvaluationError, match="cannot be read"):
        evaluate_files([tmp_path / "none.jsonl"])


def test_blocks_of_a_row_are_its_lines():
    report = row_of({"id": "b", "text": "# Head\n\nLine one\n- item\n"}).report
    kinds = [(block.kind, report.text[block.start : block.end]) for block in report.blocks]
    assert kinds == [("heading", "# Head"), ("paragraph", "Line one"), ("list_item", "- item")]
