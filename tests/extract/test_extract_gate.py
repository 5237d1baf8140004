"""The gate lets every pattern through that matches, and keeps most others out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.extract.gate import Gate, folded, required_words
from ctimine.extract.stance import rules


@pytest.mark.parametrize("cue", rules().cues, ids=lambda cue: cue.name)
def test_each_cue_passes_its_own_gate(cue):
    text = re.sub("[<>]", "", cue.example)
    assert cue.pattern.search(text)
    assert rules().cues.index(cue) in rules().gate.open(text)


def test_a_sentence_without_cues_opens_few_patterns():
    opened = rules().gate.open("APT29 used T1102 against banks.")
    assert len(opened) < len(rules().cues) / 3


WORDS = sorted({word for cue in rules().cues for word in required_words(cue.pattern)})


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(["the ", "group ", "T1102", ", ", "."])),
        max_size=12,
    ).map(" ".join)
)
def test_what_the_gate_keeps_out_does_not_match(text):
    opened = set(rules().gate.open(text))
    for index, cue in enumerate(rules().cues):
        if index not in opened:
            assert not cue.pattern.search(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(["the ", "\n", "T1102", "İ", "."])),
        max_size=12,
    ).map(" ".join),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_a_passage_opens_what_its_text_alone_opens(text, start, size):
    gate = rules().gate
    end = min(len(text), start + size)
    assert gate.over(text).open(start, end) == gate.open(text[start:end])


@pytest.mark.parametrize("pattern", ["Unit [A-Z]", "(?i:unit) [a-z]", r"[A-Z]\w+ \d"])
def test_the_lines_of_a_gate_hold_all_that_a_pattern_matches(pattern):
    compiled = re.compile(pattern)
    text = "Unit B and Unit C\n\nunit b\nnothing\nUNIT c\nUnit 7"
    lines = [text[a:b] for a, b in Gate([compiled]).over(text).lines()]
    assert lines == list(dict.fromkeys(lines))
    assert [line for line in lines if compiled.search(line)] == [
        line for line in text.split("\n") if compiled.search(line)
    ]


def test_a_gate_minds_the_case_if_all_its_patterns_do():
    minding, ignoring = re.compile("Hail"), re.compile("rain", re.IGNORECASE)
    assert required_words(minding) == {"Hail"}
    assert Gate([minding]).open("all hail") == []
    assert Gate([minding, ignoring]).open("all hail") == [0]
    assert Gate([re.compile("(?i:hail)")]).open("all HAIL") == [0]


@pytest.mark.parametrize("letter", ["\u017f", "\u0130", "\u0131", "\u212a"])
def test_letters_that_count_as_ascii_when_case_is_ignored(letter):
    ascii_letter = folded(letter)
    assert ascii_letter.isascii()
    pattern = re.compile("x" + ascii_letter, re.IGNORECASE)
    assert pattern.search("x" + letter)
    assert Gate([pattern]).open("X" + letter) == [0]


def test_a_pattern_without_words_is_always_open():
    patterns = [re.compile(r"\d+"), re.compile("(?:a|[bc])"), re.compile("(?:one)?")]
    assert Gate(patterns).open("") == [0, 1, 2]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("did(?: not|n't)", {"did"}),
        ("(?:may|might) have", {" have"}),
        ("(?:no |not a )?trace", {"trace"}),
        ("(?:abc)+x*", {"abc"}),
        ("(?!never)used", {"used"}),
        ("a(?=bcd)", {"a"}),
    ],
)
def test_required_words(pattern, words):
    assert required_words(re.compile(pattern, re.IGNORECASE)) == words
