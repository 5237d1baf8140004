"""The summary shows the evidence, and nothing that a report says can break its table."""

from __future__ import annotations

import export_world as world
import graph_world as make
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ctimine.export import to_markdown
from ctimine.export.summary import escaped
from ctimine.graph import build_graph

RENDER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")


def tables(markdown):
    """Rows of all tables as lists of cell texts, as a Markdown reader sees them."""
    rows, cell = [], None
    for token in RENDER.parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"td_open", "th_open"}:
            cell = []
        elif token.type == "inline" and cell is not None:
            cell += [child for child in token.children if child.type != "softbreak"]
        elif token.type in {"td_close", "th_close"}:
            rows[-1].append(cell)
            cell = None
    return rows


def shown(cell):
    return "".join(child.content for child in cell)


def kinds(cell):
    return {child.type for child in cell} - {"text", "text_special"}


def of(quote, **facts):
    report = make.report("a", quote, **facts)
    claim = make.claim(
        report, quote, "name:x", "uses", "T1102", subject_name=facts.get("title", "X")
    )
    return to_markdown(build_graph([(report, (), (claim,))], world.ATTACK, cited=False))


def test_each_row_holds_what_a_reader_asks_for():
    rows = [[shown(cell) for cell in row] for row in tables(to_markdown(world.graph(cited=False)))]
    assert rows[0] == [
        "Technique", "Actor", "Stance", "Basis", "Score", "Report", "Date", "Sentence",
    ]  # fmt: skip
    assert [
        "T1102.002 Bidirectional Communication via GitHub, Telegram",
        "MuddyWater (G0069)",
        "reported",
        "behaviour, id",
        "0.98",
        "Notes on MuddyWater (+1 more sentence)",
        "2023-05-01",
        "“MuddyWater read orders from GitHub, T1102.002.”",
    ] in rows


def test_a_row_says_that_another_sentence_denies_it():
    report = make.report("b", "Turla used T1102. Turla did not use T1102.", title="A note")
    claims = (
        make.claim(report, "Turla used T1102.", "G0010", "uses", "T1102"),
        make.claim(report, "Turla did not use T1102.", "G0010", "uses", "T1102", stance="negated"),
    )
    markdown = to_markdown(build_graph([(report, (), claims)], world.ATTACK, cited=False))
    assert "| A note (1 sentence denies it) |" in markdown


def test_what_the_knowledge_base_cites_stands_apart():
    markdown = to_markdown(world.graph(), technique="T1102")
    mined, cited = markdown.split("## Cited by ATT&amp;CK 19")
    assert "Silver Raven" in mined
    assert "Silver Raven" not in cited
    assert "APT41 (G0096)" in cited
    assert "APT41" not in mined


@pytest.mark.parametrize(
    "quote",
    [
        "a | b | c",
        "a \\| b",
        "`a | b`",
        "<script>alert(1)</script>",
        "<!-- a",
        "![x](http://evil.example/x.png)",
        "[x](javascript:alert(1))",
        "<http://evil.example>",
        "**bold** _it_ ~~no~~",
        "a\n| b | c |\n# heading",
        "&lt;b&gt; &#x3c;",
        "$x$ \\(y\\)",
        "[a]: http://evil.example",
    ],
)
def test_a_hostile_quote_stays_text_in_one_cell(quote):
    markdown = of(quote, title=quote)
    assert len(markdown.splitlines()) == 7
    header, row = tables(markdown)
    assert len(row) == len(header) == 8
    assert kinds(row[7]) == kinds(row[5]) == kinds(row[1]) == set()
    assert shown(row[7]) == f"“{' '.join(quote.split())}”"


@given(st.text(min_size=1, max_size=60))
def test_any_text_stays_text_in_one_cell(text):
    markdown = f"| a | b |\n| --- | --- |\n| {escaped(text)} | x |\n"
    rows = tables(markdown)
    assert [len(row) for row in rows] == [2, 2]
    assert kinds(rows[1][0]) == set()


def test_bare_addresses_do_not_become_links():
    assert escaped("see https://evil.example") == "see https\\://evil.example"
    assert escaped("see www.evil.example") == "see www\\.evil.example"


def test_a_report_is_linked_by_its_web_address_only():
    assert "[X](<https://a.example/x>)" in of("q", title="X", url="https://a.example/x")
    for url in ("javascript:alert(1)", "https://a.example/> x", "a.md"):
        assert "](" not in of("q", title="X", url=url)
