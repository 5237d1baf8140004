"""Sentence boundaries: what ends a sentence, what does not, and that no character is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.extract.passages import Layout
from ctimine.extract.sentences import sentences
from ctimine.model import Report


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "whole",
    [
        "The group ran T1059.001 and T1102. 002 was a typing error.",
        "It beacons to update.example every 4.5 minutes with build 2.0.1 of the loader.",
        "Several tools, e.g. Mimikatz, i.e. a credential dumper, were seen vs. Windows hosts.",
        "The U.S. Treasury named J. Smith of Acme Inc. Holdings.",
        "1. Open the document",
        "a.k.a. Silver Raven, seen in Jan. 2024 (see Fig. 3 and No. 7).",
        "It fetched hxxps://bad[.]example/a.php and dropped svchost.exe into place.",
    ],
)
def test_a_stop_that_ends_nothing_splits_nothing(whole):
    assert split(whole) == [whole]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It ran. It left.", ["It ran.", "It left."]),
        ("It ran cmd.exe. Then it left!", ["It ran cmd.exe.", "Then it left!"]),
        ("Was it them? “Yes.” We agree.", ["Was it them?", "“Yes.”", "We agree."]),
        ("It used T1102.002. T1105 came next.", ["It used T1102.002.", "T1105 came next."]),
        ("Seen by Acme Inc. The group left.", ["Seen by Acme Inc.", "The group left."]),
        ("First [1]. Second.[2][3] Third.", ["First [1].", "Second.[2][3]", "Third."]),
        ("A heading\nA paragraph.", ["A heading", "A paragraph."]),
        ("The answer was no. The host died.", ["The answer was no.", "The host died."]),
        ("它运行了。它离开了。", ["它运行了。", "它离开了。"]),
        ("Он запустил файл. Затем ушёл.", ["Он запустил файл.", "Затем ушёл."]),
        ("Version 2.1. The next one.", ["Version 2.1.", "The next one."]),
    ],
)
def test_a_mark_before_something_that_begins_a_sentence_ends_one(text, parts):
    assert split(text) == parts


@given(st.text(alphabet=st.sampled_from('aZ .!?\n\r1T[]("”。é\u2028\t…'), max_size=60), st.data())
def test_every_visible_character_lies_in_one_sentence(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    at = start
    for first, last in sentences(text, start, end):
        assert not text[at:first].strip()
        assert at <= first < last <= end
        assert text[first:last] == text[first:last].strip()
        assert "\n" not in text[first:last]
        at = last
    assert not text[at:end].strip()


def test_a_megabyte_takes_no_second():
    import time

    text = "The actor used T1059.001 to run a script, e.g. a.ps1. It then left. " * 15000
    began = time.process_time()
    assert len(sentences(text)) == 30000
    assert time.process_time() - began < 1.0


def test_hostile_runs_of_marks_stay_linear():
    import time

    began = time.process_time()
    for text in ("." * 200_000, ".[1]" * 50_000, "([" * 100_000, ". " * 100_000):
        sentences(text)
    assert time.process_time() - began < 2.0


def test_a_bare_text_shows_its_headings_and_items():
    text = (
        "A title\nMay 2024\n### Crews\n**Gale Raven** \nIt is old.\nIt acts.\n* one\n- two\n"
        "Tools\n-----\nA **bold** word.\n\n## Alone\n\n2024-05-01 - a day\n---\nEnd."
    )
    blocks = Layout(Report("r", "s", "i", text)).blocks
    found = [(b.kind, b.level, text[b.start : b.end]) for b in blocks]
    assert found == [
        ("paragraph", 0, "A title\nMay 2024"),
        ("heading", 3, "### Crews"),
        ("heading", 6, "**Gale Raven**"),
        ("paragraph", 0, "It is old.\nIt acts."),
        ("list_item", 0, "* one"),
        ("list_item", 0, "- two"),
        ("heading", 2, "Tools"),
        ("paragraph", 0, "A **bold** word."),
        ("heading", 2, "## Alone"),
        ("heading", 2, "2024-05-01 - a day"),
        ("paragraph", 0, "End."),
    ]
