"""Copies fold, different reports do not; order does not matter; no place is lost."""

from __future__ import annotations

import dataclasses
import random

import graph_world as make
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.attack import load_attack
from ctimine.graph import build_graph, find_claims, find_copies, fold_copies, fold_results
from ctimine.graph.folding import _candidates, _Sketch, canonical_address
from ctimine.graph.questions import combined_score
from ctimine.model import Block, Fact

WORDS = sorted(
    {
        first + last
        for first in ("lamp", "har", "tim", "cop", "quar", "val")
        for last in ("ber", "bour", "per", "ry", "ley", "en")
    }
)


def prose(seed, words=400):
    """Text that nobody wrote: the same for the same seed, with nothing in common with others."""
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words))


def edited(text, share, seed=1):
    """The text with a share of its words replaced, in one stretch, as an editor does."""
    words = text.split()
    count = int(len(words) * share)
    at = random.Random(seed).randrange(len(words) - count)
    words[at : at + count] = prose(seed + 99, count).split()
    return " ".join(words)


def pairs(*reports):
    return {(copy.item, copy.kept_item): copy.reason for copy in find_copies(reports)}


def test_the_same_text_at_two_places_is_one_report():
    a, b = (make.report(key, prose(1), title=f"Report {key}") for key in ("a", "b"))
    assert pairs(a, b) == {("b.md", "a.md"): "same text"}


def test_layout_and_case_make_no_other_report():
    text = prose(1)
    a = make.report("a", text)
    b = make.report("b", text.upper().replace(" ", "\n  "))
    assert pairs(a, b) == {("b.md", "a.md"): "same text but for layout"}


def test_a_mirror_with_a_new_title_and_footer_folds():
    original = make.report("a", "Lamps in the harbour\n" + prose(1), title="Lamps in the harbour")
    mirror = make.report(
        "b",
        "Lamps in the harbour\n" + prose(1) + " Read more at the archive.",
        title="Weekly pick: strange lights at sea",
    )
    assert pairs(original, mirror) == {("b.md", "a.md"): "near-duplicate"}


def test_a_format_that_lost_its_tables_folds_under_one_title():
    text, table = prose(1, 400), prose(2, 150)
    full = make.report("a", f"{text} {table}", title="Lamps in the harbour, part one")
    bare = make.report("b", text, title="Lamps in the harbour")
    assert pairs(full, bare) == {("b.md", "a.md"): "another format"}


def test_an_excerpt_under_the_same_title_stays_apart():
    full = make.report("a", prose(1, 900), title="Lamps in the harbour")
    excerpt = make.report("b", " ".join(prose(1, 900).split()[:200]), title="Lamps in the harbour")
    assert pairs(full, excerpt) == {}


def test_an_appendix_that_stands_in_its_report_stays_apart():
    table = prose(2, 300)
    full = make.report("a", f"{prose(1, 300)} {table}", title="Lamps in the harbour")
    appendix = make.report("b", table, title="Indicators for the harbour case")
    assert pairs(full, appendix) == {}


def test_two_reports_from_one_outline_stay_apart():
    outline = prose(0, 150)
    a = make.report("a", f"{outline} {prose(1, 250)}", title="CTI research: Silver Raven")
    b = make.report("b", f"{outline} {prose(2, 250)}", title="CTI research: Glass Harbour")
    assert pairs(a, b) == {}


def test_two_pages_of_one_template_stay_apart_though_nearly_all_words_agree():
    page = prose(1, 300)
    a = make.report("a", f"Profile of Silver Raven {page}", title="Profile of Silver Raven")
    b = make.report("b", f"Profile of Glass Harbour {page}", title="Profile of Glass Harbour")
    assert pairs(a, b) == {}


def test_issues_of_a_series_stay_apart():
    page = prose(1, 300)
    a = make.report("a", f"Week 12 {page}", title="Threats of week 12")
    b = make.report("b", f"Week 13 {page}", title="Threats of week 13")
    assert pairs(a, b) == {}


def test_two_lists_of_indicators_in_one_form_stay_apart():
    form = prose(1, 300)
    a, b = (
        make.report(
            key,
            form + " " + " ".join(f"{key}{n:04x}" for n in range(20)),
            title="Indicators of compromise",
        )
        for key in ("a", "b")
    )
    assert pairs(a, b) == {}


def test_a_revision_under_another_date_folds_only_if_nearly_nothing_is_new():
    old = make.report("a", prose(1), title="Lamps", published="2024-01-01")
    slight = make.report("b", edited(prose(1), 0.02), title="Lamps", published="2024-06-01")
    rewritten = make.report("c", edited(prose(1), 0.12), title="Lamps", published="2024-06-01")
    assert set(pairs(old, slight)) == {("b.md", "a.md")}
    assert pairs(old, rewritten) == {}


def test_one_address_folds_formats_but_not_whatever_declares_it():
    address = "https://desk.example/lamps"
    a = make.report("a", prose(1), url=address, title="Lamps in the harbour")
    b = make.report("b", edited(prose(1), 0.2), url=address + "/?utm_source=x", title="Lamps")
    home = make.report("c", prose(3), url=address, title="Welcome")
    assert pairs(a, b, home) == {("b.md", "a.md"): "same address"}


def test_copies_that_declare_one_address_have_one_id_and_are_named_all_the_same():
    a = make.report("a", prose(1), url="https://desk.example/lamps")
    b = dataclasses.replace(a, item="mirror/a.md")
    kept, folded = fold_copies([a, b])
    assert (len(kept), folded) == (1, {})
    assert pairs(a, b) == {("mirror/a.md", "a.md"): "same text"}


def test_the_chain_from_pdf_to_html_to_markdown_is_one_report():
    text = prose(1, 600)
    words = text.split()
    markdown = make.report("a", text, title="Lamps", media_type="text/markdown")
    page = make.report("b", " ".join(words[:470]), title="Lamps", media_type="text/html")
    paper = make.report("c", " ".join(words[110:480]), title="Lamps", media_type="application/pdf")
    kept, folded = fold_copies([paper, page, markdown])
    assert [report.item for report in kept] == ["a.md"]
    assert set(folded.values()) == {markdown.id}


def table(cells):
    return tuple(Block("table_cell", n, n + 1, table=0, row=n, column=0) for n in range(cells))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"kind": "report"}, {"kind": "readme"}),
        (
            {"url": "https://desk.example/a"},
            {
                "url": "https://desk.example/a",
                "places": ("https://mirror.example/a", "https://desk.example/a"),
            },
        ),
        ({"tlp": "TLP:GREEN"}, {"tlp": "AMBER", "url": "https://desk.example/a"}),
        ({"tlp": ""}, {"tlp": "RED", "published": "2024-01-01"}),
        ({"url": "https://desk.example/a"}, {}),
        ({"role": "author"}, {"role": "collector"}),
        ({"published": "2024-01-01"}, {"published": ""}),
        ({"media_type": "text/html"}, {"media_type": "application/pdf"}),
        ({"media_type": "text/html", "blocks": table(40)}, {"media_type": "text/markdown"}),
        ({"media_type": "text/markdown"}, {"media_type": "text/html"}),
    ],
    ids=[
        "kind",
        "own address",
        "marking",
        "no marking",
        "address",
        "role",
        "date",
        "pdf",
        "tables",
        "markdown",
    ],
)
def test_the_better_document_represents(better, worse):
    good = make.report("z", prose(1), **better)
    bad = make.report("a", prose(1), **worse)
    assert pairs(good, bad) == {("a.md", "z.md"): "same text"}


def test_the_representative_has_all_places_and_says_why():
    a = make.report("a", prose(1), url="https://desk.example/a", places=("a.md",))
    b = make.report("b", prose(1), places=("b.md", "https://mirror.example/b"))
    (kept,), _ = fold_copies([b, a])
    assert kept.places == ("a.md", "b.md", "https://desk.example/a", "https://mirror.example/b")
    assert Fact("copy", "b.md", "same text, 1.00") in kept.facts


def test_an_undated_representative_takes_the_earliest_date_of_its_copies():
    a = make.report("a", prose(1), kind="report", published="", url="https://desk.example/a")
    b = make.report("b", prose(1), kind="report", published="2024-02-02")
    c = make.report("c", prose(1), kind="report", published="2024-01-01")
    (kept,), _ = fold_copies([c, b, a])
    assert (kept.item, kept.published) == ("a.md", "2024-01-01")


def test_a_report_without_copies_stays_as_it_is():
    a = make.report("a", prose(1))
    assert fold_copies([a]) == ((a,), {})


def test_mentions_and_claims_are_those_of_the_representative():
    a, _, claims_a = make.uses("a", "G0010", "T1102")
    b = dataclasses.replace(a, id="other", item="b.md")
    claims_b = (dataclasses.replace(claims_a[0], report="other"),)
    results, copies = fold_results([(b, (), claims_b), (a, (), claims_a)])
    assert [claims for _, _, claims in results] == [claims_a]
    assert [copy.copy for copy in copies] == ["other"]


def with_more(text="", **changes):
    """A report that claims one use, and a copy that repeats it and says one thing more."""
    quote = "Turla used T1102 there."
    a = make.report("a", quote + " " + prose(1), title="Lamps", url="https://desk.example/a")
    claim = make.claim(a, quote, "G0010", "uses", "T1102")
    more = text or "Turla used T1105 later."
    b = make.report("b", f"{quote} {prose(1)} {more}", title="Lamps", **changes)
    again = make.claim(b, quote, "G0010", "uses", "T1102")
    new = make.claim(b, more, "G0010", "uses", "T1105")
    mention = make.mention(b, "Turla", "actor", "G0010")
    return (a, (), (claim,)), (b, (mention,), (again, new))


def test_what_only_a_copy_says_is_kept_with_the_copy():
    original, mirror = with_more()
    (kept, extra), (copy,) = fold_results([mirror, original])
    assert kept[2] == original[2]
    assert (extra[0].item, extra[1]) == ("b.md", mirror[1])
    assert [(claim.object, claim.quote) for claim in extra[2]] == [
        ("T1105", "Turla used T1105 later.")
    ]
    assert extra[0].text[extra[2][0].start : extra[2][0].end] == extra[2][0].quote
    assert [f.value for f in extra[0].facts if f.field == "copy-of"] == [kept[0].id]
    assert (copy.own, copy.otherwise) == (1, 0)


def test_folding_again_keeps_it_once():
    once, _ = fold_results(with_more())
    assert fold_results(once)[0] == once


def test_words_that_both_have_count_as_the_kept_report_reads_them():
    """A format may lose a table and with it whose row it was: its reading is no evidence."""
    original, mirror = with_more(text="turla, used:\tT1102 THERE")
    (kept,), (copy,) = fold_results([original, mirror])
    assert kept[2] == original[2]
    assert (copy.own, copy.otherwise) == (0, 1)


def test_a_copy_that_denies_what_the_other_reports_is_heard():
    original, (b, mentions, (again, new)) = with_more()
    denied = dataclasses.replace(new, object="T1102", stance="negated")
    kept, _ = fold_results([original, (b, mentions, (again, denied))])
    assert [claim.stance for _, _, claims in kept for claim in claims] == ["reported", "negated"]


def test_a_copy_under_the_same_id_gets_its_own():
    original, (b, mentions, claims) = with_more()
    same = dataclasses.replace(b, id=original[0].id)
    claims = tuple(dataclasses.replace(claim, report=same.id) for claim in claims)
    mentions = tuple(dataclasses.replace(mention, report=same.id) for mention in mentions)
    results, _ = fold_results([original, (same, mentions, claims)])
    assert len({report.id for report, _, _ in results}) == 2
    assert all(
        found.report == report.id
        for report, mentions, claims in results
        for found in (*mentions, *claims)
    )


def test_a_copy_is_no_second_voice():
    """Under another publisher's name it is still the words of the first."""
    original, (b, _, (again, new)) = with_more(publisher="Mirror")
    sub = dataclasses.replace(new, object="T1102.001")
    results, _ = fold_results([original, (b, (), (again, sub))])
    graph = build_graph(results, load_attack(), cited=False)
    claims = find_claims(graph)
    assert {(claim.report, claim.object) for claim in claims} == {
        (original[0].id, "T1102"),
        (b.id, "T1102.001"),
    }
    assert combined_score(graph, claims) == max(claim.score for claim in claims)


CORPUS = [
    make.report("a", prose(1), title="Lamps"),
    make.report("b", prose(1), title="Lamps"),
    make.report("c", edited(prose(1), 0.03), title="Lamps"),
    make.report("d", prose(2), title="Timber"),
    make.report("e", prose(2) + " " + prose(3, 80), title="Timber"),
    make.report("f", prose(4), title="Copper"),
]


@settings(max_examples=30, deadline=None)
@given(st.permutations(CORPUS))
def test_order_does_not_matter(reports):
    assert fold_copies(reports) == fold_copies(CORPUS)


def test_folding_twice_changes_nothing_more():
    kept, _ = fold_copies(CORPUS)
    assert fold_copies(kept) == (kept, {})


def test_of_many_documents_the_sketch_names_those_that_are_alike():
    originals = [make.report(f"a{n}", prose(n), title=f"Lamps {n}") for n in range(60)]
    copies = [
        make.report(f"b{n}", edited(prose(n), 0.05), title="", published="") for n in range(60)
    ]
    assert pairs(*copies, *originals) == {
        (f"b{n}.md", f"a{n}.md"): "near-duplicate" for n in range(60)
    }
    sketches = [_Sketch(make.report(f"c{n}", prose(n), title=f"{n}")) for n in range(200)]
    assert len(_candidates(sketches)) < 20


def test_one_page_at_hundreds_of_addresses_makes_no_pair_of_each_with_each():
    sketches = [_Sketch(make.report(f"a{n}", prose(1), title=f"{n}")) for n in range(400)]
    candidates = _candidates(sketches)
    assert {(0, n) for n in range(1, 400)} <= candidates
    assert len(candidates) < 500


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://www.Desk.example/a/", "https://desk.example/a"),
        ("https://desk.example/a?utm_medium=mail&id=4", "https://desk.example/a?id=4"),
        ("https://desk.example/a#part", "https://desk.example/a"),
    ],
)
def test_addresses_compare_without_what_names_no_page(left, right):
    assert canonical_address(left) == canonical_address(right)


def test_a_query_that_names_a_page_counts():
    assert canonical_address("https://d.example/?p=1") != canonical_address(
        "https://d.example/?p=2"
    )


def test_a_path_is_no_address():
    assert canonical_address("reports/a.md") == ""
