"""What holds of every text that the builder builds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.model import Fact
from ctimine.read.text import Cell, TextBuilder, Words, visible

KINDS = st.sampled_from(
    ["heading", "paragraph", "list_item", "code", "quote", "caption", "reference"]
)


def check(reading):
    at = 0
    for block in reading.blocks:
        words = reading.text[block.start : block.end]
        assert at <= block.start < block.end <= len(reading.text)
        assert words == words.strip()
        if at:
            assert reading.text[at : block.start].strip() == ""
            assert reading.text[at : block.start]
        at = block.end
    assert at == len(reading.text)
    for link in reading.links:
        assert 0 <= link.start <= link.end <= len(reading.text)


@given(
    st.lists(
        st.one_of(
            st.tuples(KINDS, st.text(max_size=40), st.integers(0, 9)),
            st.lists(
                st.lists(
                    st.tuples(st.text(max_size=9), st.integers(0, 4), st.integers(0, 4)), max_size=4
                ),
                max_size=4,
            ),
        ),
        max_size=12,
    )
)
def test_blocks_are_ordered_disjoint_stripped_and_cover_the_text(parts):
    text = TextBuilder()
    for part in parts:
        if isinstance(part, tuple):
            text.add(part[0], part[1], level=part[2])
        else:
            text.table([[Cell(w, rows=r, columns=c) for w, r, c in row] for row in part])
    check(text.reading())


@given(st.lists(st.tuples(st.sampled_from("sgorlc"), st.text(max_size=12))))
def test_links_stay_inside_their_words(steps):
    words = Words()
    for step, text in steps:
        if step == "s":
            words.say(text)
        elif step == "r":
            words.raw(text)
        elif step == "g":
            words.gap()
        elif step == "l":
            words.line()
        elif step == "o":
            words.open_link(text)
        else:
            words.close_link()
    builder = TextBuilder()
    builder.add("paragraph", "before")
    builder.add("paragraph", words)
    check(builder.reading())


def test_words_said_in_parts_are_the_words_said_at_once():
    parts = ["one ", " two", "\n", "three\u00a0", "", "four"]
    words = Words()
    for part in parts:
        words.say(part)
    assert str(words) == "one two three four"


def test_a_heading_stands_below_higher_ones_only():
    text = TextBuilder()
    for level, title in ((2, "a"), (3, "b"), (2, "c"), (1, "d"), (4, "e")):
        text.add("heading", title, level=level)
    assert [block.path for block in text.blocks] == [(), ("a",), (), (), ("d",)]


def test_items_follow_on_the_next_line_and_paragraphs_after_an_empty_one():
    text = TextBuilder()
    for kind, words in (
        ("paragraph", "a"),
        ("list_item", "b"),
        ("list_item", "c"),
        ("paragraph", "d"),
    ):
        text.add(kind, words)
    assert text.reading().text == "a\n\nb\nc\n\nd"


def test_code_loses_the_indentation_that_its_lines_share():
    text = TextBuilder()
    text.add("code", "\n    if a:\n\tb  \n    \n")
    assert text.reading().text == "if a:\nb"


def test_an_empty_table_leaves_nothing_and_takes_no_number():
    text = TextBuilder()
    text.table([["", ""], []])
    text.table([["a", "b"]])
    assert [block.table for block in text.blocks] == [0, 0]


def test_a_long_cell_is_not_repeated():
    text = TextBuilder()
    text.table([[Cell("x" * 300, rows=2), "a"], ["b"]])
    assert [(b.row, b.column) for b in text.blocks] == [(0, 0), (0, 1), (1, 0)]


def test_facts_and_warnings_travel_with_the_text():
    reading = TextBuilder().reading(facts=[Fact("title", "x", "y")], warnings=["z"])
    assert reading.facts[0].value == "x"
    assert reading.warnings == ("z",)


def test_lone_surrogates_become_replacement_characters():
    assert visible("a\ud800b\x00c") == "a\ufffdbc"


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("a \xad b", "xa by"),
        ("\xad b", "x by"),
        ("b \xad", "xb y"),
        (" \xad ", "x y"),
        ("\xad", "xy"),
        ("a\x0cb", "xa by"),
    ],
)
def test_what_nobody_sees_leaves_neither_two_blanks_nor_none(told, read):
    assert str(Words("x").say(told).say("y")) == read
