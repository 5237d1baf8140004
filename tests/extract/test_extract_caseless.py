"""A small pattern finds in a folded text what the pattern, ignoring case, finds in the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.errors import ExtractError
from ctimine.extract import actors, agents, aliases
from ctimine.extract.caseless import can_be_caseless, caseless, folded
from ctimine.extract.gate import required_words
from ctimine.extract.stance import rules

SOURCES = [
    *(c.pattern.pattern for c in rules().cues if can_be_caseless(c.pattern.pattern)),
    *(aliases._KNOWN_AS.pattern, aliases._NAMING.pattern),
    *(actors._ACTOR_BEFORE.pattern, actors._SOFTWARE_BEFORE.pattern),
    *(agents._DONE_BY.pattern, agents._VOID.pattern, agents._LINKED.pattern, agents._OF.pattern),
    *(agents._DEFINITE.pattern, agents._GENERIC.pattern),
    *(r"\bAPT\d+ [A-F]", r"(?P<name>x)(?P=name)\W\S"),
]
WORDS = sorted({word for source in SOURCES for word in required_words(re.compile(source))})
SWAPPED = {"s": "\u017f", "i": "\u0130", "k": "\u212a"}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(WORDS),
            st.sampled_from(WORDS).map(str.upper),
            st.sampled_from(WORDS).map(lambda word: "".join(SWAPPED.get(c, c) for c in word)),
            st.sampled_from(
                ["The group ", "by ", " \u00c4RA ", "APT28 C", "xx-a", "\n", ", ", "\u2019s "]
            ),
        ),
        max_size=8,
    ).map("".join)
)
def test_the_small_pattern_finds_the_same(text):
    small = folded(text)
    assert len(small) == len(text)
    for source in SOURCES:
        expected = [match.span() for match in re.compile(source, re.IGNORECASE).finditer(text)]
        assert [match.span() for match in caseless(source).finditer(small)] == expected


@pytest.mark.parametrize("source", ["did (?-i:NOT)", "(?s-i:a)", "\u00e9tat"])
def test_what_minds_the_case_is_refused(source):
    assert not can_be_caseless(source)
    with pytest.raises(ExtractError):
        caseless(source)
