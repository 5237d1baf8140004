"""The page shows who, by which service, who says so and where; and it runs nothing."""

from __future__ import annotations

import export_world as world
import graph_world as make
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from ctimine.export import to_html
from ctimine.graph import build_graph


def page(graph=None, technique="T1102"):
    return BeautifulSoup(to_html(graph or world.graph(), technique=technique), "lxml")


def texts(found):
    return [" ".join(one.get_text(" ").split()) for one in found]


def of(quote, **facts):
    report = make.report("a", quote, **facts)
    claim = make.claim(
        report, quote, "name:x", "uses", "T1102", subject_name=facts.get("title", "X")
    )
    return build_graph([(report, (), (claim,))], world.ATTACK, cited=False)


def test_each_actor_stands_with_technique_service_stance_and_years():
    heads = texts(page().select("details > summary"))
    assert any(
        all(word in head for word in ("MuddyWater (G0069)", "T1102.002", "Telegram", "reported"))
        for head in heads
    )
    assert [head for head in heads if "2022–2023" in head]


def test_the_heading_counts_actors_and_each_row_its_sentences():
    text = "Turla used T1102. Turla used T1102.001."
    report = make.report("d", text)
    claims = (
        make.claim(report, "Turla used T1102.", "G0010", "uses", "T1102"),
        make.claim(report, "Turla used T1102.001.", "G0010", "uses", "T1102.001"),
    )
    soup = page(build_graph([(report, (), claims)], world.ATTACK, cited=False))
    rows = [row.find_all(recursive=False) for row in soup.select("details > summary")]
    assert len(rows) == 2
    assert soup.find(id="actors").span.text == str(len({cells[0].text for cells in rows}))
    counts = [int(cells[5].text) for cells in rows]
    assert counts == [len(row.select("blockquote")) for row in soup.select("details")]
    heads = [cell.text for cell in soup.select_one(".head").find_all(recursive=False)]
    assert heads[1:3] == ["Actor", "Technique"]
    assert len(heads) == len(rows[0]) + 1  # the mark that opens a row stands before it


def test_each_piece_of_evidence_says_who_when_where_and_why():
    soup = page()
    quotes = texts(soup.select("blockquote"))
    (one,) = [q for q in quotes if q.startswith("MuddyWater used Telegram")]
    for part in ("Notes on MuddyWater", "Vendor One", "2022-02-24", "described", "via Telegram"):
        assert part in one
    link = soup.select_one('blockquote a[href="https://one.example/notes"]')
    assert link["rel"] == ["noreferrer", "noopener"]


def test_a_denied_use_stands_apart():
    denied = page(technique="T1102").find(string="Denied:")
    assert denied is None  # the world denies a use that nobody states
    report = make.report("b", "Turla used T1102. Turla did not use T1102.")
    claims = (
        make.claim(report, "Turla used T1102.", "G0010", "uses", "T1102"),
        make.claim(report, "Turla did not use T1102.", "G0010", "uses", "T1102", stance="negated"),
    )
    soup = page(build_graph([(report, (), claims)], world.ATTACK, cited=False))
    assert soup.find(string="Denied:").find_next("blockquote").p.text.startswith("Turla did not")


def test_services_and_reports_have_their_tables():
    soup = page()
    services = soup.find(id="services").find_next("table")
    assert "Telegram" in texts(services.select("td"))
    reports = texts(soup.find(id="reports").find_next("table").select("tbody tr"))
    assert len(reports) == len(set(reports)) >= 2
    assert reports == sorted(reports, reverse=True)  # newest first


def test_what_attack_cites_stands_apart_and_only_for_a_technique():
    assert page().find(id="cited")
    assert page(technique="").find(id="cited") is None


def test_an_answer_without_evidence_says_so():
    assert "No report says that anybody uses it." in page(technique="T1612").text


def test_the_page_loads_and_runs_nothing():
    soup = page()
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    assert not soup.select("script, link, img, iframe, object, embed, form")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://a.example/\"onx='", "file:///etc"]
)
def test_only_web_addresses_become_links(url):
    soup = page(of("X uses T1102.", url=url))
    assert not soup.select(f'a[href="{url}"]' if '"' not in url else "a[onx]")
    assert [a["href"] for a in soup.select("blockquote a")] == []


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_no_words_of_a_report_become_markup(words):
    hostile = f"<script>{words}</script><img src=x onerror=alert(1)>"
    soup = page(of(f"X uses T1102. {hostile}", title=hostile, publisher=hostile))
    assert not soup.select("script, img, [onerror]")


def test_the_same_graph_gives_the_same_bytes():
    assert to_html(world.graph()) == to_html(world.graph())


def test_a_sentence_with_several_services_stands_once_with_all_of_them():
    quote = "Turla used Pastebin and Dropbox (T1102)."
    report = make.report("c", quote)
    claims = tuple(
        make.claim(report, quote, "G0010", "uses", "T1102", via=via)
        for via in ("pastebin", "dropbox")
    )
    soup = page(build_graph([(report, (), claims)], world.ATTACK, cited=False))
    (passage,) = texts(soup.select("blockquote"))
    assert "via Dropbox, Pastebin" in passage
    rows = texts(soup.find(id="services").find_next("table").select("tbody tr"))
    assert [row.split()[0] for row in rows] == ["Dropbox", "Pastebin"]
    assert not any("more" in row for row in rows)


def test_a_service_counts_once_however_many_use_it():
    results = [make.uses(who, who, "T1102", via="pastebin") for who in ("G0007", "G0010")]
    heading = page(build_graph(results, world.ATTACK, cited=False)).find(id="services")
    assert len(heading.find_next("table").select("tbody tr")) == 2
    assert heading.span.text == "1"
