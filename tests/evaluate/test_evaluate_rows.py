"""Rows as reports: lines that a page broke are one again, all else stays."""

import json

import pytest

from ctimine.evaluate.rows import row_of, unbroken

PAGE = (
    "In May the crew sent mails whose attached documents hold a macro that\n"
    "starts a loader; it writes itself to a folder that everybody may write to\n"
    "and waits.\n"
    "What we saw\n"
    "The loader asks its server for a list of what it should do, and the answer of\n"
    "Smallville's server was empty.\n"
    "- a first item that is long enough to have been broken, but was not broken\n"
    "- a second item\n"
)


def test_lines_that_a_page_broke_are_one_again_at_the_same_offsets():
    text = unbroken(PAGE)
    assert len(text) == len(PAGE)
    assert [at for at, (a, b) in enumerate(zip(PAGE, text, strict=True)) if a != b] == [
        PAGE.index("\nstarts"),
        PAGE.index("\nand waits"),
        PAGE.index("\nSmallville"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "One paragraph that is long enough to be a line of a page and ends here.\nanother one\n",
        "The crew came back after a year in which nobody had heard anything of it\n\nand left.",
        "reg add HKLM\\Software\\Example\\Company /v Start /t REG_DWORD /d 0 /f\nreg delete x /f",
        # one line among many that goes on in small letters: no page, a slip
        "The crew came back after a year in which nobody had heard anything of\nit at all.\n"
        + 20 * "This is a paragraph of a text whose lines are paragraphs, as most are.\n",
    ],
)
def test_lines_of_other_texts_stay(text):
    assert unbroken(text) == text


def test_a_row_is_read_with_its_lines_joined_and_keeps_its_text():
    row = row_of(json.loads(json.dumps({"id": "a", "text": PAGE})))
    assert row.text == PAGE
    assert [row.report.text[b.start : b.end].split()[-1] for b in row.report.blocks][:2] == [
        "waits.",
        "saw",
    ]
