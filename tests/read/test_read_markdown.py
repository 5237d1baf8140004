"""Markdown as the blocks of the page that it becomes."""

from __future__ import annotations

import pytest

from ctimine.read.markdown import read_markdown_text, split_front_matter


def blocks(source):
    reading = read_markdown_text(source)
    return [(b.kind, reading.text[b.start : b.end]) for b in reading.blocks]


def test_inline_markup_is_dropped_and_words_stay_whole():
    source = "**T1102**, `T1071`.001, ~~T1105~~ and *Web* **Service**s\\*"
    assert blocks(source) == [("paragraph", "T1102, T1071.001, T1105 and Web Services*")]


def test_wrapped_lines_are_one_line_and_hard_breaks_are_two():
    assert blocks("one\ntwo  \nthree\\\nfour") == [("paragraph", "one two\nthree\nfour")]


def test_headings_of_both_styles_build_the_path():
    reading = read_markdown_text("Top\n===\n\nSub\n---\n\n### Deep ###\n\nwords")
    assert [(b.level, b.path) for b in reading.blocks] == [
        (1, ()),
        (2, ("Top",)),
        (3, ("Top", "Sub")),
        (0, ("Top", "Sub", "Deep")),
    ]


def test_nested_lists_have_depth_and_their_paragraphs_belong_to_them():
    reading = read_markdown_text("1. one\n\n   more\n   - two\n2. three\n")
    found = [(b.kind, b.level, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [
        ("list_item", 1, "one"),
        ("list_item", 1, "more"),
        ("list_item", 2, "two"),
        ("list_item", 1, "three"),
    ]


def test_a_table_has_header_cells_rows_and_columns():
    reading = read_markdown_text("| ID | Use |\n|:--|--:|\n| **T1102** | a \\| b |\n| | c |\n")
    found = [(b.row, b.column, b.header, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [
        (0, 0, True, "ID"),
        (0, 1, True, "Use"),
        (1, 0, False, "T1102"),
        (1, 1, False, "a | b"),
        (2, 1, False, "c"),
    ]


def test_fences_keep_their_lines_and_language():
    reading = read_markdown_text(
        "~~~Sigma title=x\ntitle: a\n  b: <c> &amp;\n~~~\n\n    indented\n"
    )
    found = [(b.kind, b.note, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [("code", "sigma", "title: a\n  b: <c> &amp;"), ("code", "", "indented")]


def test_links_of_all_forms_have_offsets():
    source = (
        "See [the *web* page](https://attack.example/T1102 'x'), [one][a], [b], <https://c.example/T1>.\n\n"
        "[a]: https://a.example/T1071\n[b]: https://b.example/T1105\n"
    )
    reading = read_markdown_text(source)
    assert [(reading.text[n.start : n.end], n.url) for n in reading.links] == [
        ("the web page", "https://attack.example/T1102"),
        ("one", "https://a.example/T1071"),
        ("b", "https://b.example/T1105"),
        ("https://c.example/T1", "https://c.example/T1"),
    ]
    assert reading.text == "See the web page, one, b, https://c.example/T1."


def test_pictures_and_badges_leave_no_words():
    source = "# Title\n\n[![Build T1102](https://img.example/b.svg)](https://ci.example)\n![alt](x.png)\n\nwords"
    assert blocks(source) == [("heading", "Title"), ("paragraph", "words")]


def test_footnotes_are_sources_with_readable_marks():
    source = "It used T1102.[^1] And more[^note].\n\n[^1]: A **source**, [here](https://s.example).\n    more\n[^note]: https://t.example/x\n"
    assert blocks(source) == [
        ("paragraph", "It used T1102.[1] And more[note]."),
        ("reference", "[1] A source, here. more"),
        ("reference", "[note] https://t.example/x"),
    ]


def test_alerts_lose_their_mark():
    assert blocks("> [!WARNING]\n> Beware of it.\n") == [("quote", "Beware of it.")]


def test_admonitions_are_no_code():
    source = '!!! note "Mind"\n    It used T1102.\n\n    - one\n\nafter\n'
    assert blocks(source) == [
        ("paragraph", "Mind"),
        ("paragraph", "It used T1102."),
        ("list_item", "one"),
        ("paragraph", "after"),
    ]


@pytest.mark.parametrize(
    "line", ["::: info Title", "{% include nav.html %}", "{: .no_toc }", "{%- raw -%}"]
)
def test_marks_of_other_dialects_are_dropped(line):
    assert blocks(f"one\n\n{line}\n\ntwo\n") == [("paragraph", "one"), ("paragraph", "two")]


def test_attributes_of_headings_are_dropped():
    assert blocks("## Tools {#tools .x}\n") == [("heading", "Tools")]


def test_marks_of_other_dialects_stay_in_code():
    assert blocks("```\n::: x\n!!! note\n    y\n{% z %}\n```\n") == [
        ("code", "::: x\n!!! note\n    y\n{% z %}")
    ]


def test_embedded_html_is_read_like_html():
    source = 'a <b>T1102</b> <span style="display:none">no</span>b\n\n<table><tr><th>ID</th><th>U</th></tr><tr><td>x</td><td>y</td></tr></table>\n'
    assert blocks(source)[0] == ("paragraph", "a T1102 b")
    assert [text for kind, text in blocks(source) if kind == "table_cell"] == ["ID", "U", "x", "y"]


def test_what_only_looks_like_a_tag_is_text():
    assert blocks("Run <ACTOR> and `<ip>` at <T1102>\n\n<PLACE>\n") == [
        ("paragraph", "Run <ACTOR> and <ip> at <T1102>"),
        ("paragraph", "<PLACE>"),
    ]


def test_entities_become_their_characters():
    assert blocks("ATT&amp;CK &#8212; T1102&nbsp;x &lt;b&gt;") == [
        ("paragraph", "ATT&CK — T1102 x <b>")
    ]


def test_a_list_under_references_is_sources():
    assert blocks("## References\n\n1. [a](https://a.example)\n")[1] == ("reference", "a")


def test_nothing_of_a_markdown_document_is_taken_for_furniture():
    assert blocks('<div class="sidebar">\n\nwords\n\n</div>\n') == [("paragraph", "words")]


# -- front matter


def facts(source):
    return {(fact.field, fact.value) for fact in split_front_matter(source)[0]}


def test_front_matter_gives_title_date_people_address_and_language():
    source = (
        "---\ntitle: 'Heron: at work'\ndate: 2024-05-06 10:00:00 +0200\nauthors:\n  - Ada\n  - name: Bo\n"
        "canonical_url: https://lab.example/heron\npublisher: Lab\nlang: de\nlastmod: 2024-06-01\n"
        "tags: [a, b]\n---\nwords\n"
    )
    assert facts(source) == {
        ("title", "Heron: at work"),
        ("published", "2024-05-06 10:00:00 +0200"),
        ("author", "Ada"),
        ("author", "Bo"),
        ("url", "https://lab.example/heron"),
        ("publisher", "Lab"),
        ("language", "de"),
        ("modified", "2024-06-01"),
    }


def test_toml_front_matter_is_read():
    assert facts('+++\ntitle = "Heron"\ndate = 2024-05-06\n+++\nx') == {
        ("title", "Heron"),
        ("published", "2024-05-06"),
    }


def test_front_matter_with_a_loose_colon_is_read_by_lines():
    assert ("title", "Heron: at work: again") in facts("---\ntitle: Heron: at work: again\n---\nx")


def test_front_matter_is_no_part_of_the_text():
    assert read_markdown_text("---\ntitle: x\n---\n\nwords").text == "words"


def test_a_rule_at_the_top_is_no_front_matter():
    assert read_markdown_text("---\n\nwords\n\n---\n\nmore").text == "words\n\nmore"


@pytest.mark.parametrize(
    "front",
    [
        "date: 2024-02-31",
        "a: &a [*a]",
        "title: !!python/object:os.system x",
        "- a\n- b",
        "{" * 3000,
    ],
)
def test_broken_front_matter_ends_in_text_not_in_an_error(front):
    assert "words" in read_markdown_text(f"---\n{front}\n---\n\nwords").text


@pytest.mark.parametrize(
    "source",
    [
        "> " * 5000 + "words",
        "- " * 5000 + "words",
        "*" * 20000 + "words",
        "[" * 4000 + "words",
        "`" * 20000 + "words",
        "words\n" + "|a" * 5000,
        "![" * 2000 + "words",
        "<" * 20000 + "words",
        "words " * 100000,
    ],
)
def test_hostile_markdown_is_read(source):
    assert "words" in read_markdown_text(source).text
