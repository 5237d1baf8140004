"""Ids: every spelling that counts, what only looks like one, and what is reported but not emitted."""

from __future__ import annotations

import pytest

from ctimine.attack import load_attack
from ctimine.extract.ids import find_ids, plain
from ctimine.model import Link, Report

ATTACK = load_attack()


def ids(text, links=(), catalogue=ATTACK):
    report = Report("r", "s", "i", text, links=links)
    found = find_ids(report, catalogue)
    for mention in found:
        assert text[mention.start : mention.end] == mention.quote
    return found


def rows(text, links=()):
    return [(m.quote, m.concept, m.problem) for m in ids(text, links)]


@pytest.mark.parametrize(
    ("text", "quote", "concept"),
    [
        ("**T1102**", "T1102", "T1102"),
        ("`T1102`", "T1102", "T1102"),
        ("_T1102_", "T1102", "T1102"),
        ("(T1102).", "T1102", "T1102"),
        ("T1102/001", "T1102/001", "T1102.001"),
        ("T1059-001", "T1059-001", "T1059.001"),
        ("T1059_001", "T1059_001", "T1059.001"),
        ("T1059\\.001", "T1059\\.001", "T1059.001"),
        ("**T1059**.001", "T1059**.001", "T1059.001"),
        ("see techniques/T1566/001 there", "T1566/001", "T1566.001"),
        ("https://attack.mitre.org/techniques/T1566/002/", "T1566/002", "T1566.002"),
        ("- attack.t1059.001", "t1059.001", "T1059.001"),
        ("tags: attack.t1059", "t1059", "T1059"),
        ("the id t1059.001 in small", "t1059.001", "T1059.001"),
        ("Ｔ１０５９．００１", "Ｔ１０５９．００１", "T1059.001"),
        ("T10\u200b59.001", "T10\u200b59.001", "T1059.001"),
        ("T1059.\n001 was seen", "T1059.\n001", "T1059.001"),
        ("T1059\n.001 was seen", "T1059\n.001", "T1059.001"),
        ("\u04221059", "\u04221059", "T1059"),
        ("技术T1059被使用", "T1059", "T1059"),
        ("T1078Valid Accounts", "T1078", "T1078"),
        ("T1059: 300 hosts", "T1059", "T1059"),
        ("T1059. 200 hosts", "T1059", "T1059"),
        ("seen in T1059.1 as a note", "T1059", "T1059"),
    ],
)
def test_a_spelling_is_found_as_written(text, quote, concept):
    assert rows(text) == [(quote, concept, "")]


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("T1059.001/.003", ["T1059.001", "T1059.003"]),
        ("T1059.001/003", ["T1059.001", "T1059.003"]),
        ("T1059.001, .003 and .005", ["T1059.001", "T1059.003", "T1059.005"]),
        ("T1059 (.001, .003)", ["T1059", "T1059.001", "T1059.003"]),
        ("T1059.001–T1059.003", ["T1059.001", "T1059.003"]),
        ("T1059.001-.003", ["T1059.001"]),
        ("T1059,T1003;T1105", ["T1059", "T1003", "T1105"]),
    ],
)
def test_lists_are_read_and_ranges_are_not_filled(text, concepts):
    assert [m.concept for m in ids(text)] == concepts


@pytest.mark.parametrize(
    "text",
    [
        "a3T1059ff00",
        "T1059.exe ran",
        "report_T1059_final",
        "CVE-2021-T1059",
        "XT1059",
        "T10590",
        "aGk+T1059+aGk",
        "Dell T1600",
        "the small word t1059",
        "PS-S0154 of ATT&CK",
        "S0154.zip of ATT&CK",
        "#G0069 of ATT&CK",
        "G0069 without any other word of the matrix",
    ],
)
def test_parts_of_other_things_are_no_ids(text):
    assert rows(text) == []


@pytest.mark.parametrize(
    ("text", "quote", "problem"),
    [
        ("T1000 was a film", "T1000", "unknown-id"),
        ("T1999.001", "T1999.001", "unknown-id"),
        ("T1102.999", "T1102.999", "unknown-id"),
        ("T1059.01", "T1059.01", "unknown-id"),
        ("T10590.001", "T10590.001", "unknown-id"),
        ("T105.001", "T105.001", "unknown-id"),
        ("T1O59.001", "T1O59.001", "unknown-id"),
        ("(T9999)", "T9999", "unknown-id"),
        ("TA0999", "TA0999", "unknown-id"),
        ("groups/G9999", "G9999", "unknown-id"),
        ("T1043", "T1043", "retired-id"),
        ("T1064", "T1064", "retired-id"),
        ("AML.T0051", "AML.T0051", "atlas-id"),
        ("AML.T0051.000", "AML.T0051.000", "atlas-id"),
        ("AML.TA0002", "AML.TA0002", "atlas-id"),
    ],
)
def test_what_means_nothing_is_kept_with_its_problem_and_no_concept(text, quote, problem):
    assert rows(text) == [(quote, "", problem)]


def test_revoked_ids_mean_their_successor_and_keep_their_quote():
    assert rows("T1086 and T1193") == [("T1086", "T1059.001", ""), ("T1193", "T1566.001", "")]
    found = ids("T1562.001")[0]
    assert ATTACK["T1562.001"].status == "revoked"
    assert found.quote == "T1562.001"
    assert found.concept == ATTACK.resolve("T1562.001").id


def test_the_same_id_means_itself_in_the_release_before():
    assert ids("T1562.001", catalogue=load_attack("18.1"))[0].concept == "T1562.001"


def test_other_ids_have_their_kinds():
    found = ids("ATT&CK: TA0011, G0069, S0154, C0022, attack.g0007")
    assert [(m.kind, m.concept) for m in found] == [
        ("tactic", "TA0011"),
        ("actor", "G0069"),
        ("software", "S0154"),
        ("campaign", "C0022"),
        ("actor", "G0007"),
    ]


def test_a_vendor_name_is_no_tactic():
    assert rows("TA2541 and TA505") == []


def test_words_linked_to_a_page_are_the_quote():
    text = "It hid behind a web service there."
    link = Link(16, 27, "https://attack.mitre.org/techniques/T1102/003/")
    (mention,) = ids(text, (link,))
    assert (mention.quote, mention.concept, mention.rule) == ("web service", "T1102.003", "link")


def test_a_link_over_a_written_id_or_a_note_mark_adds_nothing():
    link = Link(0, 5, "https://attack.mitre.org/techniques/T1102/")
    assert [m.rule for m in ids("T1102", (link,))] == ["id"]
    assert ids("[R12]", (link,)) == []


def test_plain_text_keeps_the_way_back():
    assert plain("abc") == ("abc", None)
    assert plain("Ｔ\u200b１") == ("T1", [0, 2])
