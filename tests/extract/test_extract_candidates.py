"""The automaton: foldings, boundaries, gaps, masks, and offsets that are always exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.extract.candidates import Hit, Lexicon, is_address, outermost, squash

LEXICON = Lexicon(
    [
        ("Fancy Bear", 1),
        ("APT29", 2),
        ("Donot", 3),
        ("MuddyWater", 4),
        ("Sea Turtle", 5),
        ("TEMP.Veles", 6),
        ("SEA", 7),
        ("Lazarus", 8),
    ]
)


def quotes(text):
    return [hit.quote for hit in LEXICON.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Fancy Bear",
        "FANCY BEAR",
        "fancybear",
        "Fancy-Bear",
        "Fancy\u00a0Bear",
        "Fancy\u2011Bear",
        "Fan\u200bcy Bear",
        "Fancy\nBear",
        "APT-29",
        "Apt 29",
        "APT29",
        "Muddy Water",
        "Muddy-\nWater",
        "TEMP Veles",
        "Laz\u00adarus",
        "Lázarus",
    ],
)
def test_a_spelling_is_one_hit_over_all_of_it(text):
    assert quotes(f"So {text}, they say.") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "do not",
        "muddy water",
        "unfancybear",
        "APT290",
        "Fancy, Bear",
        "Fancy\n\nBear",
        "Laz arus",
        "report_APT29",
    ],
)
def test_other_words_are_no_hit(text):
    assert quotes(f"So {text} they say.") == []


def test_short_names_are_not_found_inside_words_or_over_gaps():
    assert quotes("SEA and seaside, S-EA, the sea") == ["SEA", "sea"]


def test_ligatures_and_wide_letters_keep_their_offsets():
    lexicon = Lexicon([("Finfisher", 1)])
    (hit,) = lexicon.find("the ﬁnﬁsher ＦＩＮＦＩＳＨＥＲ"[:11])
    assert (hit.start, hit.end) == (4, 11)


@given(st.text(max_size=60), st.sampled_from(["Fancy Bear", "APT29", "SEA"]), st.text(max_size=60))
def test_a_hit_is_the_text_at_its_offsets(before, name, after):
    text = f"{before} {name} {after}"
    hits = LEXICON.find(text)
    assert name in [hit.quote for hit in hits]
    for hit in hits:
        assert text[hit.start : hit.end] == hit.quote


@given(st.text(max_size=80))
def test_folding_keeps_order_and_range(text):
    folded = squash(text)
    assert len(folded.text) == len(folded.offsets)
    assert all(0 <= offset < len(text) for offset in folded.offsets)
    assert list(folded.offsets) == sorted(folded.offsets)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("https://a.example/x-Turla-y", True),
        ("[x](/blog/turla-comes-back-once) Turla", True),
        ("www.turla.example", True),
        ("c:\\tools\\turla\\x.exe", True),
        ("/usr/share/turla/x", True),
        ("turla.exe", True),
        ("turla@a.example", True),
        ("@turla", True),
        ("how-turla-works-now", True),
        ("Turla/Snake", False),
        ("(Turla)", False),
        ("Turla-linked", False),
        ("Turla.", False),
    ],
)
def test_addresses_and_paths_are_masked(text, inside):
    at = text.lower().index("turla")
    assert is_address(text, at, at + 5) is inside


def test_of_nested_hits_the_longest_stays():
    hits = [Hit(0, 13, "Cobalt Strike", 1), Hit(0, 6, "Cobalt", 2), Hit(20, 25, "Turla", 3)]
    assert [hit.quote for hit in outermost(hits)] == ["Cobalt Strike", "Turla"]
