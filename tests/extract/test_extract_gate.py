"""The gate lets every pattern through that matches, and keeps most others out."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctimine.extract.caseless import folded
from ctimine.extract.gate import Gate, Scan, leading_words, required_words
from ctimine.extract.stance import rules
from ctimine.extract.told import _gate, told_rules


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


def test_a_gate_asks_for_two_words_of_each_branch():
    gate = Gate([re.compile(r"\b(?:(?:dump|steal)\w* \d+ password|(?:print|scan) \w+ paper)")])
    assert gate.open("It will dump 3 files.") == gate.open("A password is paper.") == []
    assert gate.open("It will scan 2 passwords.") == []
    assert gate.open("It will dump 3 passwords.") == gate.open("They print some paper.") == [0]


def test_a_gate_keeps_out_what_lacks_the_words_that_its_maker_names():
    patterns = [re.compile(r"\w+ed", re.IGNORECASE), re.compile(r"\d+")]
    assert Gate(patterns).open("mailed") == [0, 1]
    gate = Gate(patterns, [["mail", "post"], []])
    assert gate.open("asked") == [1]
    assert gate.open("MAILED") == [0, 1]


TOLD = told_rules()
TOLD_WORDS = sorted(
    {word for rule in TOLD for word in (*required_words(rule.pattern), *rule.needs)}
    | set(re.findall(r"[a-z]{3,}", " ".join(rule.example.lower() for rule in TOLD)))
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(TOLD_WORDS), max_size=16).map(" ".join))
def test_no_plain_words_are_kept_out_that_match(text):
    opened = set(_gate().open(text))
    for index, rule in enumerate(TOLD):
        if index not in opened and any(word in text for word in rule.needs or [""]):
            assert not rule.pattern.search(text)


@pytest.mark.parametrize("rule", TOLD, ids=lambda rule: rule.example)
def test_each_example_of_plain_words_passes_the_gate(rule):
    assert TOLD.index(rule) in _gate().open(rule.example)


OPENERS = [
    r"\b(?:did|does|may|might) not\b",
    r"(?:spear[- ]?)?phish(?:ing|ed)? links?\b",
    r"\b[Rr]un[Dd][Ll][Ll]32\b|7-?[Zz]ip",
    r"(?:^|[\n.(])\s*actors?(?: ?\([^)]{1,9}\))?:",
    r"\b(?:no (?:sign|trace)|nothing)s?\b.{0,9}$",
    r"(?:ab+c|(?i:kilo)s?) ?x?",
    "(?:no ){1,2}",
]
PIECES = [
    *("did", "does ", "might", " not", "nothing", "no ", "sign", "traces", "spear", "-", " "),
    *("phishing", " link", "Run", "dLL", "32", "7", "zip", "\n", "actor", "(b)", ":", ".", "abbc"),
    *("\u212ailo", "KILOS", "x", "s"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(OPENERS),
    st.sampled_from([0, re.IGNORECASE]),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
)
@example("(?:no ){1,2}", 0, "no no no ")
def test_a_scan_finds_what_finditer_finds(pattern, flags, text):
    compiled = re.compile(pattern, flags)
    found = [match.span() for match in Scan(compiled).of(text)]
    assert found == [match.span() for match in compiled.finditer(text)]
    if found:
        assert Gate([compiled]).open(text) == [0]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\b(?:did|does)? not", {"did not", "does not", " not"}),
        ("a?bc", {"abc", "bc"}),
        ("(?:ab)+c", {"ab"}),
        (r"(?:ab|\d)c", set()),
        (r"(?<!x)[ab]c|(?=d)de", {"ac", "bc", "de"}),
        (r"\d|x", set()),
        ("", set()),
    ],
)
def test_leading_words(pattern, words):
    assert leading_words(re.compile(pattern)) == words


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
        ("did(?: not|n't)", {"did not", "didn't"}),
        ("(?:may|might) have", {"may have", "might have"}),
        (r"\w+ (?:is|are) named", {" is named", " are named"}),
        (r"\d+x|ab", set()),
        ("(?:no |not a )?trace", {"trace"}),
        ("(?:abc)+x*", {"abc"}),
        ("(?!never)used", {"used"}),
        ("ab(?=cde)", {"ab"}),
    ],
)
def test_required_words(pattern, words):
    assert required_words(re.compile(pattern, re.IGNORECASE)) == words
