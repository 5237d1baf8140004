"""What is a report and what only lies beside reports."""

from __future__ import annotations

import pytest

from ctimine.model import Snapshot
from ctimine.read import read

PROSE = (
    "The group came back to the same host and used a public page as a dead drop for its commands there. "
    * 3
)


def kind(body, item="a.md", **snapshot):
    found = read(Snapshot("lab", item, body.encode(), **snapshot))
    reasons = [fact.origin for fact in found.facts if fact.field == "kind"]
    assert len(reasons) == 1
    assert reasons[0]
    return found.kind


def page(body, head="", item="posts/a.html"):
    return kind(f"<html><head>{head}</head><body>{body}", item)


LONG = "".join(f"## Part {i} of the story\n\n{PROSE}\n\n{PROSE}\n\n" for i in range(12))


@pytest.mark.parametrize(
    "source",
    [
        "# {{TITLE}}\n\n{{SUMMARY}}\n\n- {{ACTOR}}\n- {{DATE}}\n",
        "# Report on <ACTOR NAME>\n\n<SUMMARY> of <CAMPAIGN> at <DATE>\n",
        "# [ACTOR NAME]: [short title]\n\n[Insert summary here] [Your organisation] YYYY-MM-DD\n",
        "# ${ACTOR_NAME}\n\n${REPORT_DATE} ${SUMMARY}\n",
    ],
)
def test_a_text_full_of_blanks_is_a_template(source):
    assert kind(source) == "template"


@pytest.mark.parametrize(
    ("item", "source"),
    [
        ("templates/report.md", "# Case\n\nFill in the summary. TODO\n"),
        ("docs/ioc-template.md", "# Case\n\n| a | b |\n|---|---|\n| (add IPs) | |\n"),
        ("x.md", "# Report template\n\nState what happened.\n"),
    ],
)
def test_a_template_by_name_or_title_is_one(item, source):
    assert kind(source, item) == "template"


@pytest.mark.parametrize(
    "source",
    [
        f"# Template injection at a bank\n\n{LONG}",
        f"# Heron\n\n{LONG}\n\n`{{{{ config.items() }}}}` was sent to the server.\n",
        f"# Heron\n\n{LONG}\n\n```\ncurl <C2_SERVER>/a\n```\n",
    ],
)
def test_a_report_that_speaks_of_templates_is_a_report(source):
    assert kind(source) == "report"


@pytest.mark.parametrize(
    ("item", "source"),
    [
        (
            "README.md",
            "# Reports\n\nWhat is in this repository.\n\n- [Heron](a.md)\n- [Egret](b.md)\n",
        ),
        (
            "README.md",
            f"# Lab\n\n{PROSE}\n\n## Contents\n\n- a\n\n## Usage\n\n- b\n\n## License\n\nMIT\n",
        ),
        (
            "heron/README.md",
            "# Heron\n\n| File | Description |\n|---|---|\n| a.pdf | the report |\n",
        ),
        ("CONTRIBUTING.md", "# How to help\n\nSend a patch.\n"),
        ("DISCLAIMER.md", "# Disclaimer\n\nFor defence only.\n"),
        (".github/ABOUT.md", f"# About\n\n{PROSE}\n"),
    ],
)
def test_files_about_a_repository_are_readmes(item, source):
    assert kind(source, item) == "readme"


def test_a_readme_that_is_a_long_report_is_a_report():
    assert kind(f"# Heron at work\n\n{LONG}", "heron/README.md") == "report"


LINKS = "".join(f'<li><a href="/p/{i}">Heron and its tools, part {i}</a>' for i in range(20))
CARDS = "".join(
    f'<h2><a href="/p/{i}">Heron part {i}</a></h2><p>A teaser of it.</p>' for i in range(9)
)


@pytest.mark.parametrize(
    ("body", "head", "item"),
    [
        (f"<main><ul>{LINKS}</ul></main>", "", "posts/a.html"),
        (f"<main>{CARDS}</main>", "", "posts/a.html"),
        ("<p>Not here", "<title>404 - Page not found</title>", "posts/a.html"),
        ("<p>Nothing", "<title>x</title>", "404.html"),
        ("<p>Search our reports", "<title>Search</title>", "posts/a.html"),
        ("<p>x", "<title>x</title>", "search/index.html"),
        (f"<p>{PROSE}", "<title>Privacy Policy</title>", "posts/a.html"),
        (f"<p>{PROSE}", "<title>Data</title>", "privacy.html"),
        (f"<p>{PROSE}", "<title>Tag: heron</title>", "posts/a.html"),
        (
            '<p>Moved to <a href="/b">b</a>',
            '<meta http-equiv="refresh" content="0; url=/b">',
            "posts/a.html",
        ),
        ("<div id=app></div><script>x</script>", "<title>Matrix</title>", "posts/a.html"),
        (
            f"<p>{PROSE}",
            '<script type="application/ld+json">{"@type":"CollectionPage"}</script>',
            "posts/a.html",
        ),
        (f"<h1>Web Service</h1><p>{PROSE}", "", "techniques/T1102/index.html"),
        (f"<h1>Heron</h1><p>{PROSE}", "", "groups/G0069.html"),
        (
            f"<h1>Welcome</h1><p>{PROSE}",
            '<link rel=canonical href="https://lab.example/">',
            "index.html",
        ),
    ],
)
def test_lists_stubs_and_service_pages_are_index(body, head, item):
    assert page(body, head, item) == "index"


@pytest.mark.parametrize(
    ("body", "head", "item"),
    [
        (f"<article><h1>Heron</h1><p>{PROSE * 3}</article>", "", "posts/a.html"),
        (
            f"<article><h1>Heron</h1><p>{PROSE * 5}<h2>References</h2><ul>{LINKS}</ul></article>",
            "",
            "posts/a.html",
        ),
        (f"<article><h1>Searching for Heron</h1><p>{PROSE}</article>", "", "posts/a.html"),
        (f"<article><h1>About Heron's tools</h1><p>{PROSE}</article>", "", "posts/a.html"),
        (f"<h1>Heron and T1102</h1><p>{PROSE}", "", "posts/T1102-in-the-wild.html"),
        (f"<h1>Heron</h1><p>{PROSE}", '<meta http-equiv="refresh" content="600">', "posts/a.html"),
        (
            f"<h1>Heron</h1><p>{PROSE}",
            '<meta property="og:type" content="article"><link rel=canonical href="https://lab.example/">',
            "heron/index.html",
        ),
        ("<p>It used T1102.", "", "a.html"),
    ],
)
def test_articles_are_reports(body, head, item):
    assert page(body, head, item) == "report"


def test_robots_files_are_no_reports():
    assert kind("User-agent: *\nDisallow: /x\n", "robots.txt") == "index"


def test_a_table_of_indicators_is_a_report():
    rows = "\n".join(f"| 192.0.2.{i} | C2 | Block |" for i in range(40))
    assert kind(f"# Indicators of Heron\n\n| IP | Use | Do |\n|---|---|---|\n{rows}\n") == "report"
