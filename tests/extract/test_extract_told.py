"""Techniques told in plain words: each pattern speaks, and keeps silent beside other words."""

from __future__ import annotations

import dataclasses

import pytest

from ctimine import extract
from ctimine.attack import load_attack
from ctimine.extract.behaviours import SURE
from ctimine.extract.told import (
    ALONE,
    RULE,
    SCORES,
    TWICE,
    agreed,
    find_described,
    find_told,
    told_rules,
)
from ctimine.model import Block, Mention, Report

RULES = told_rules()


def told(text: str, **changes) -> list[str]:
    return [m.concept for m in find_told(Report("r", "s", "i", text, language="en", **changes))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.technique} {rule.example}")
def test_each_pattern_speaks_and_keeps_silent(rule):
    assert rule.technique in told(rule.example)
    assert rule.technique not in told(rule.silent)


@pytest.mark.parametrize("rule", [r for r in RULES if r.but], ids=lambda rule: rule.example)
def test_words_beside_the_pattern_silence_it(rule):
    assert rule.pattern.search(rule.silent)
    assert rule.but.search(rule.silent)


def test_every_technique_is_one_of_the_catalogue():
    catalogue = load_attack()
    assert {r.technique for r in RULES if catalogue.get(r.technique) is None} == set()
    retired = {r.technique for r in RULES if catalogue.get(r.technique).status != "live"}
    assert retired == set()


def test_needed_words_spare_a_search_and_lose_nothing():
    """Whatever a pattern matches in any example holds a word that its gate looks for."""
    texts = [text for rule in RULES for text in (rule.example, rule.silent)]
    for rule in RULES:
        for text in texts:
            if rule.needs and rule.pattern.search(text):
                assert any(word in text.casefold() for word in rule.needs), (rule.technique, text)


def test_the_words_are_quoted_where_they_stand():
    text = "In May the crew sent e-mails with an Excel attachment to a port."
    (mention,) = find_told(Report("r", "s", "i", text, language="en"))
    assert text[mention.start : mention.end] == mention.quote == "e-mails with an Excel attachment"
    assert (mention.rule, mention.basis, mention.kind) == (ALONE, "behaviour", "technique")


@pytest.mark.parametrize(
    "text",
    [
        "## They dumped LSASS",
        "They dumped LSASS (T1003).",
        "They dumped LSASS 0123456789abcdef0123456789abcdef today.",
        "2003558 - they dumped LSASS",
        "reg.exe lsass.exe /v %TMP% access lsass 0x1F &&",
        "Dumped LSASS",
        'DeviceEvents where line has_all ("they", "dumped", "LSASS")',
        "Suspicious program that dumped LSASS",
        "Our sensor helps detect who dumped LSASS in the harbour.",
    ],
)
def test_what_is_no_prose_tells_nothing(text):
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        (
            "It runs on, and a payload is downloaded.",
            "They had victims run the downloaded payload.",
        ),
        ("It is signed with a certificate.", "It is signed with a certificate for three domains."),
    ],
)
def test_words_of_another_deed_keep_a_pattern_silent(text, silent):
    assert told(text) != []
    assert told(silent) == []


@pytest.mark.parametrize("kind", ["heading", "code", "reference", "caption"])
def test_headings_captions_and_code_tell_nothing(kind):
    text = "They dumped LSASS."
    assert told(text, blocks=(Block("paragraph", 0, len(text)),)) == ["T1003.001"]
    assert told(text, blocks=(Block(kind, 0, len(text)),)) == []


def test_another_language_is_left_alone():
    assert find_told(Report("r", "s", "i", "Sie nutzten cmd.exe im Hafen.", language="de")) == ()


def described(concept, start=0):
    return Mention("r", start, start + 40, "", "technique", concept, "behaviour", rule="x")


def test_plain_words_agree_with_a_description_of_their_sentence_and_technique():
    plain = Mention("r", 5, 9, "", "technique", "T1566.001", "behaviour", rule=ALONE)
    others = [described("T1105"), described("T1566.001", 41)]
    assert [m.rule for m in agreed([plain], others)] == [ALONE]
    assert [m.rule for m in agreed([plain], [*others, described("T1566")])] == [RULE]


def test_plain_words_count_more_where_the_reader_is_sure():
    plain = Mention("r", 5, 9, "", "technique", "T1566.001", "behaviour", rule=ALONE, score=0.6)
    sure = dataclasses.replace(described("T1566"), rule=SURE)
    assert [(m.rule, m.score) for m in agreed([plain], [sure])] == [(RULE, TWICE)]
    assert [m.score for m in agreed([plain], [described("T1566")])] == [SCORES[RULE]]


def test_a_technique_stands_once_a_sentence_at_any_threshold():
    text = "The crew sent spearphishing e-mails with a malicious Excel attachment to a port."
    report = Report("r", "s", "i", text, language="en")
    for threshold in ("high", "balanced", "recall"):
        mentions = find_described(report, threshold=threshold)
        (phishing,) = (m for m in mentions if m.concept.startswith("T1566"))
        assert (phishing.concept, phishing.rule) == ("T1566.001", RULE)


def found(text: str, **options):
    report = Report("r", "s", "i", text, title="APT29 in May", language="en")
    return extract(report, load_attack(), **options)[1]


def test_a_technique_told_in_plain_words_makes_a_claim():
    (claim,) = found("In May APT29 used a loader that was packed with UPX.")
    assert (claim.subject, claim.object, claim.basis) == ("G0016", "T1027.002", "behaviour")


MAIL = "Staff of a port got e-mails with a malicious Excel attachment."
DESK = "The work was done with AnyDesk."


def test_where_only_the_title_says_who_plain_words_make_a_claim_if_the_reader_is_sure():
    assert found(f"APT29 is old.\n\n{DESK}") == ()
    (claim,) = found(f"APT29 is old.\n\n{MAIL}")
    assert (claim.subject, claim.object, claim.rule) == ("G0016", "T1566.001", "main")


def test_a_heading_says_who_where_the_model_agrees_and_not_for_words_alone():
    text = f"# Reports\n\n## APT29\n\n{MAIL} {DESK}"
    assert [(c.object, c.rule) for c in found(text)] == [("T1566.001", "section")]


@pytest.mark.parametrize(
    "text",
    [
        "APT29 did not use a loader that was packed with UPX.",
        "Defenders should look for loaders of APT29 that are packed with UPX.",
        "The report on APT29 says that another group used a loader that was packed with UPX.",
    ],
)
def test_stance_and_subject_count_as_for_any_other(text):
    assert [c for c in found(text) if c.stance == "reported"] == []


def test_nothing_is_told_where_only_what_is_written_counts():
    assert found("In May APT29 used a loader that was packed with UPX.", behaviours=None) == ()


@pytest.mark.parametrize(
    "text",
    [
        "The loader reads encrypted files that hold a decryption key.",
        "A vendor named the actors behind a wiper attack in May.",
    ],
)
def test_harm_is_told_by_who_does_it(text):
    assert not {"T1486", "T1485"} & set(told(text))
