"""What a report is called, when and by whom it was published, and where it is at home."""

from __future__ import annotations

import json

import pytest

from ctimine.model import Fact, Snapshot, Source, stable_id
from ctimine.read import read
from ctimine.read.metadata import normal_url

PROSE = "The group came back to the same host and used a public page as a dead drop. " * 6


def report(body, item="reports/a.md", source=None, **snapshot):
    return read(Snapshot("lab", item, body.encode(), **snapshot), source)


def page(head="", body=f"<h1>Heron at work</h1><p>{PROSE}", item="a.html", **options):
    return report(f"<html><head>{head}</head><body>{body}", item, **options)


def origin(found, field):
    return next(fact.origin for fact in found.facts if fact.field == field)


# -- title


@pytest.mark.parametrize(
    ("head", "title", "where"),
    [
        ('<meta property="og:title" content="Heron returns">', "Heron returns", "og:title"),
        ("<title>Heron returns</title>", "Heron returns", "<title>"),
        ("<title>Heron returns | Lab Blog</title>", "Heron returns", "<title>"),
        ("<title>Heron at work - The Lab's Blog</title>", "Heron at work", "<title>"),
        (
            '<meta property="og:site_name" content="The Lab"><title>The Lab - Heron returns</title>',
            "Heron returns",
            "<title>",
        ),
        (
            '<meta property="og:site_name" content="The Lab"><title>The Lab</title>',
            "Heron at work",
            "first heading",
        ),
        ("<title>Home</title>", "Heron at work", "first heading"),
        ("<title>Untitled document</title>", "Heron at work", "first heading"),
        ("", "Heron at work", "first heading"),
        (
            '<script type="application/ld+json">{"@type":"NewsArticle","headline":"Heron  returns"}</script>',
            "Heron returns",
            "json-ld",
        ),
    ],
)
def test_a_page_is_titled_by_what_it_says_its_title_is(head, title, where):
    found = page(head)
    assert found.title == title
    assert origin(found, "title") == where


def test_the_host_name_tells_the_site_in_a_title():
    found = page(
        "<title>Heron returns - Birdwatch</title>", "<p>x", url="https://www.birdwatch.example/h"
    )
    assert found.title == "Heron returns"


def test_a_dash_in_a_title_stays():
    assert (
        page("<title>Heron - a profile of it</title>", "<p>words").title
        == "Heron - a profile of it"
    )


@pytest.mark.parametrize(
    "section",
    [
        "Executive Summary",
        "1. Introduction",
        "Table of Contents",
        "Report Metadata",
        "I. Overview",
        "TL;DR",
        "Key Findings",
        "Einleitung",
        "## Background",
    ],
)
def test_no_report_is_titled_by_a_section(section):
    source = f"## {section}\n\n{PROSE}\n\n## Attack chain\n\n{PROSE}\n"
    found = report(source, "reports/heron-at-work_2024.md")
    assert found.title == "Heron at work 2024"
    assert origin(found, "title") == "file name"


def test_a_section_before_the_title_does_not_hide_it():
    assert (
        report(f"## Report Metadata\n\n- a\n\n# Heron at work\n\n{PROSE}").title == "Heron at work"
    )


def test_the_first_of_many_sections_is_no_title():
    source = f"{PROSE}\n\n## Phishing mails\n\n{PROSE}\n\n## Lateral movement\n\n{PROSE}"
    assert report(source, "x/heron.md").title == "Heron"


def test_the_feed_tells_a_title_where_the_document_does_not():
    found = report(PROSE, "x.txt", hints=(Fact("title", "Heron returns", "feed"),))
    assert (found.title, origin(found, "title")) == ("Heron returns", "feed")


def test_a_readme_without_a_title_is_named_by_its_folder():
    assert report(PROSE, "heron-case/README.md").title == "Heron case"


# -- date


@pytest.mark.parametrize(
    "line",
    [
        "Date: 6 May 2024",
        "**Date:** May 6, 2024",
        "- **Published:** 2024-05-06",
        "Published on May 6th, 2024",
        "Publication date: 06.05.2024",
        "| Date | 2024-05-06 |\n|---|---|\n| a | b |",
        "| Field | Value |\n|---|---|\n| **Report date** | 6 May 2024 |",
        "Author: Ada | Date: 6 May 2024 | TLP: CLEAR",
        "_Posted on 2024-05-06_",
        "Дата публикации: 6 мая 2024",
    ],
)
def test_a_labelled_line_at_the_top_tells_the_date(line):
    found = report(f"# Heron at work\n\n{line}\n\n{PROSE}")
    assert found.published == "2024-05-06"
    assert origin(found, "published") == "labelled line"


@pytest.mark.parametrize(
    "line",
    [
        "Accessed: 6 May 2024",
        "Retrieved May 6, 2024",
        "Evidence cutoff date: 2024-05-06",
        "Date of access: 2024-05-06",
        "It began on 6 May 2024 and went on.",
        "Date: the first wave was seen in the weeks before May 6, 2024",
        "Compilation date: 2024-05-06",
        "First seen: 2024-05-06",
        "Incident date: 2024-05-06",
        "Reference published in the journal of record: 2024-05-06",
    ],
)
def test_other_dates_are_not_the_date(line):
    assert report(f"# Heron at work\n\n{line}\n\n{PROSE}").published == ""


def test_a_labelled_line_far_down_is_not_the_date():
    assert report(f"# Heron\n\n{PROSE}\n\n" * 12 + "Date: 2024-05-06\n").published == ""


@pytest.mark.parametrize(
    ("head", "where"),
    [
        (
            '<meta property="article:published_time" content="2024-05-06T08:00:00Z">',
            "article:published_time",
        ),
        ('<meta name="DC.date.issued" content="2024-05-06">', "dc.date.issued"),
        ('<meta itemprop="datePublished" content="2024-05-06">', "datepublished"),
        (
            '<meta name="citation_publication_date" content="2024/05/06">',
            "citation_publication_date",
        ),
        (
            '<script type="application/ld+json">{"@graph":[{"@type":"WebSite"},{"@type":["BlogPosting"],"datePublished":"2024-05-06"}]}</script>',
            "json-ld",
        ),
    ],
)
def test_a_page_tells_its_date_in_its_head(head, where):
    found = page(head)
    assert found.published[:10] == "2024-05-06"
    assert origin(found, "published") == where


@pytest.mark.parametrize(
    "body",
    [
        '<article><h1>Heron</h1><time datetime="2024-05-06" pubdate>x</time><p>words',
        '<article><h1>Heron</h1><time datetime="2024-05-06T01:00:00Z">May</time><p>words',
        '<article><h1>Heron</h1><span class="post-date">May 6, 2024</span><p>words',
        '<aside><time datetime="2020-01-01">x</time></aside><article><h1>Heron</h1><time datetime="2024-05-06">x</time>',
        '<article><h1>Heron</h1><time class="updated" datetime="2025-01-01">x</time><time class="entry-date" datetime="2024-05-06">y</time>',
    ],
)
def test_a_page_tells_its_date_in_a_time_element(body):
    assert page(body=body).published[:10] == "2024-05-06"


def test_a_date_of_change_counts_only_where_there_is_no_other():
    changed = '<meta property="article:modified_time" content="2024-06-01">'
    found = page(changed)
    assert (found.published, origin(found, "published")) == (
        "2024-06-01",
        "article:modified_time, date of change",
    )
    found = page(changed, hints=(Fact("published", "2024-05-06", "feed"),))
    assert (found.published, origin(found, "published")) == ("2024-05-06", "feed")


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ("data/ttps.csv", "TTPs"),
        ("cti-notes_apt28-2024.txt", "CTI notes APT28 2024"),
        ("IOCS_of_unc1234.txt", "IOCs of UNC1234"),
        ("captures-of-laptops.txt", "Captures of laptops"),
    ],
)
def test_a_file_name_becomes_a_title_with_the_capitals_of_the_trade(item, title):
    assert read(Snapshot("s", item, b"Nothing is told here of any title.")).title == title


def test_a_later_change_is_kept_as_a_fact_and_one_of_the_same_day_is_none():
    changed = "<meta property='article:modified_time' content='2024-06-01T08:00:00Z'>"
    later = page(changed, hints=(Fact("published", "2024-05-06", "feed"),))
    (fact,) = [fact for fact in later.facts if fact.field == "modified"]
    assert (fact.value[:10], fact.origin) == ("2024-06-01", "article:modified_time")
    same_day = page(changed, hints=(Fact("published", "2024-06-01", "feed"),))
    for found in (same_day, page(changed)):
        assert not [fact for fact in found.facts if fact.field == "modified"]


def test_hints_rank_feed_manifest_sitemap_commit():
    hints = tuple(
        Fact("published", date, origin)
        for date, origin in (
            ("2024-01-04", "commit"),
            ("2024-01-03", "sitemap"),
            ("2024-01-02", "manifest"),
            ("2024-01-01", "feed"),
        )
    )
    for left in range(4):
        found = report(PROSE, hints=hints[: 4 - left])
        assert found.published == f"2024-01-0{left + 1}"


def test_a_month_alone_is_its_first_day_and_says_so():
    found = report(f"# Heron\n\nPublished: May 2024\n\n{PROSE}")
    assert (found.published, origin(found, "published")) == (
        "2024-05-01",
        "labelled line, month only",
    )


def test_without_any_date_there_is_none():
    assert report(PROSE).published == ""


# -- publisher, authors, language


def test_publisher_and_authors_come_from_json_ld_through_its_ids():
    graph = {
        "@graph": [
            {"@type": "Organization", "@id": "#org", "name": "The Lab"},
            {"@type": "Person", "@id": "#ada", "name": "Ada"},
            {
                "@type": "Article",
                "publisher": {"@id": "#org"},
                "author": [{"@id": "#ada"}, "Bo", {"name": "Cy"}],
            },
        ]
    }
    found = page(f'<script type="application/ld+json">{json.dumps(graph)}</script>')
    assert found.publisher == "The Lab"
    assert found.authors == ("Ada", "Bo", "Cy")


@pytest.mark.parametrize(
    "text", ["{", '{"@graph": 7}', "[" * 5000, '{"@type": {"a": 1}, "author": [[1]]}', "null"]
)
def test_broken_json_ld_is_passed_over(text):
    assert page(f'<script type="application/ld+json">{text}</script>').title == "Heron at work"


def test_an_author_source_names_the_publisher_of_its_reports():
    page = b'<meta property="og:site_name" content="labs.example"><article><p>Words.</p></article>'
    snapshot = Snapshot("lab", "a.html", page)
    assert read(snapshot, Source("lab", publisher="The Lab")).publisher == "The Lab"
    collector = Source("lab", publisher="The Lab", role="collector")
    assert read(snapshot, collector).publisher == "labs.example"


def test_the_source_names_the_publisher_where_the_document_does_not():
    source = Source(
        "lab", publisher="The Lab", role="collector", reliability="B", tlp="GREEN", labels=("x",)
    )
    found = report(PROSE, source=source)
    assert found.publisher == "The Lab"
    assert (found.role, found.reliability, found.tlp, found.labels) == (
        "collector",
        "B",
        "GREEN",
        ("x",),
    )


def test_authors_are_parted_and_mail_addresses_dropped():
    found = report("---\nauthor: By Ada <a@lab.example>, Bo and Cy\n---\n" + PROSE)
    assert found.authors == ("Ada", "Bo", "Cy")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (PROSE, "en"),
        (
            "Die Gruppe nutzte eine öffentliche Seite, um ihre Befehle zu verteilen, und kam danach wieder. "
            * 3,
            "de",
        ),
        (
            "Группа использовала публичную страницу, чтобы передавать команды, и потом вернулась снова. "
            * 3,
            "ru",
        ),
        (
            "De groep las haar opdrachten van een openbare pagina in de haven, en kwam later terug. "
            * 5
            + "Bron: The Rise of the Harbour and Its Lamps, for those who were there.",
            "nl",
        ),
        ("T1102", ""),
        ("It was.", ""),
    ],
)
def test_the_language_is_detected_where_there_is_enough_text(text, language):
    assert report(text, "a.txt").language == language


def test_english_needs_no_model(monkeypatch):
    monkeypatch.setitem(normal_url.__globals__, "_identifier", None)
    assert report(f"“{PROSE}” — a naïve reader’s café → note", "a.txt").language == "en"


@pytest.mark.parametrize(
    ("head", "language"),
    [
        ('<meta property="og:locale" content="pt_BR">', "pt"),
        ('<meta http-equiv="content-language" content="de">', "de"),
    ],
)
def test_a_declared_language_is_believed(head, language):
    assert page(head).language == language


def test_html_lang_is_a_bare_language():
    assert report(f"<html lang='de-AT'><p>{PROSE}", "a.html").language == "de"


# -- address and identity


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="canonical" href="https://lab.example/heron">',
        '<meta property="og:url" content="https://lab.example/heron">',
        '<script type="application/ld+json">{"@type":"Article","mainEntityOfPage":{"@id":"https://lab.example/heron"}}</script>',
        '<link rel="canonical" href="https://www.LAB.example/heron/?utm_source=feed#top">',
    ],
)
def test_the_declared_address_is_the_identity(head):
    assert page(head).id == stable_id("report", "https://lab.example/heron")


def test_a_relative_canonical_stands_on_the_address_that_answered():
    found = page(
        '<link rel=canonical href="/heron">',
        url="https://a.example/x",
        final_url="https://lab.example/y",
    )
    assert found.url == "https://lab.example/heron"
    assert found.places == (
        "a.html",
        "https://lab.example/heron",
        "https://lab.example/y",
        "https://a.example/x",
    )


def test_without_a_declared_address_source_and_item_are_the_identity():
    found = report(PROSE, url="https://lab.example/z")
    assert found.id == stable_id("report", "lab", "reports/a.md")
    assert found.url == "https://lab.example/z"


def test_a_hint_gives_an_address_but_no_identity():
    found = report(PROSE, hints=(Fact("url", "https://lab.example/h", "manifest"),))
    assert (found.url, origin(found, "url")) == ("https://lab.example/h", "manifest")
    assert found.id == stable_id("report", "lab", "reports/a.md")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://lab.example/", "front page"),
        ("https://lab.example/index.html", "front page"),
        ("https://lab.example/en/", "front page"),
        ("https://posts.example/@lab", "front page"),
        ("https://lab.example/cover.png", "file of another kind"),
        ("https://lab.example/a/style.css", "file of another kind"),
    ],
)
def test_a_front_page_or_picture_is_no_address_of_an_article(url, why):
    found = page(f'<link rel=canonical href="{url}">', item="x/a.html")
    assert found.url == ""
    assert why in origin(found, "url")
    assert found.id == stable_id("report", "lab", "x/a.html")


@pytest.mark.parametrize(
    "url",
    ["javascript:x", "file:///etc/passwd", "https://", "https://[::1", "not a url", "mailto:a@b"],
)
def test_what_is_no_web_address_is_passed_over(url):
    assert page(f'<link rel=canonical href="{url}">').url == ""


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://Lab.Example:80", "https://lab.example"),
        ("https://lab.example:8443/a/", "https://lab.example:8443/a"),
        ("https://lab.example/a%7Eb/ä", "https://lab.example/a~b/%C3%A4"),
        ("https://lab.example/a?b=1&fbclid=2&A=", "https://lab.example/a?A=&b=1"),
        ("https://lab.example/a/index.php", "https://lab.example/a"),
        ("https://[", "https://["),
    ],
)
def test_addresses_that_mean_the_same_are_the_same(url, normal):
    assert normal_url(url) == normal


def test_the_same_bytes_give_the_same_report():
    assert page("<title>x y z</title>") == page("<title>x y z</title>")


def test_what_no_reader_sees_stands_in_no_title():
    bundle = {
        "type": "bundle",
        "id": "bundle--1",
        "objects": [
            {
                "type": "report",
                "id": "report--6f0f7d0e-7c5b-4b8e-9c39-0d7d8c0c9b11",
                "name": "Heron \ud800 at\u202e work",
                "description": "APT29 used T1102.",
                "published": "2024-01-01T00:00:00Z",
            }
        ],
    }
    found = read(Snapshot("s", "a.json", json.dumps(bundle).encode()))
    assert found.title == "Heron \ufffd at work"
