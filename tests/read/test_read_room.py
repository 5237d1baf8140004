"""`read`: any bytes become a report or a named error."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctimine.errors import EmptyDocument, ReadError, UnsupportedMedia
from ctimine.model import Snapshot, from_json, to_json
from ctimine.read import READERS, media_type, read
from ctimine.read.text import Reading

NAMES = st.sampled_from(
    [
        "a.html",
        "a.md",
        "a.txt",
        "README.md",
        "x",
        "a.json",
        "a.csv",
        "a.yaml",
        "a.eml",
        "",
        "a/b.htm",
    ]
)
SEEDS = (
    b"<html><head><title>x</title><style>.a{color:#fff}</style></head><body><main><h1>T</h1><p class=a>b<table>"
    b"<tr><th>c<td rowspan=3 colspan=2>d</table><details><summary>e</summary>f</details><pre><code>g</code></pre>"
    b'<script type=application/ld+json>{"@type":"Article","headline":"h"}</script></main>',
    b"---\ntitle: x\ndate: 2024-05-06\n---\n# T\n\n- a [b](c)\n  1. d\n\n| e | f |\n|---|---|\n| g | h |\n\n> [!NOTE]\n> i[^1]\n\n[^1]: j\n",
    b"Title\n=====\n\n- a\n- b\n\n    code = 1;\n\nDate: 2024-05-06\n",
)


def check(body: bytes, name: str) -> None:
    snapshot = Snapshot("s", name, body)
    try:
        report = read(snapshot)
    except ReadError as error:
        assert error.subject == name  # noqa: PT017
        return
    at = 0
    for block in report.blocks:
        assert at <= block.start < block.end <= len(report.text)
        assert report.text[block.start : block.end].strip() == report.text[block.start : block.end]
        at = block.end
    for link in report.links:
        assert 0 <= link.start <= link.end <= len(report.text)
    report.text.encode()
    assert report.title
    assert from_json(type(report), to_json(report)) == report


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400), NAMES)
def test_any_bytes_become_a_report_or_a_named_error(body, name):
    check(body, name)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400), NAMES)
def test_any_text_becomes_a_report_or_a_named_error(text, name):
    check(text.encode("utf-8", "surrogatepass"), name)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30), st.binary(max_size=8)), max_size=8),
    NAMES,
)
def test_any_mutation_becomes_a_report_or_a_named_error(seed, changes, name):
    body = bytearray(seed)
    for at, length, new in changes:
        body[at : at + length] = new
    check(bytes(body), name)


MARKUP = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "<div class='sidebar'>", "</div>", "<table>", "<tr>", "<td rowspan=2>", "<th>", "</table>", "<a href=x>",
         "</a>", "<li>", "<ul>", "</ul>", "<h1>", "</h1>", "<pre>", "</pre>", "<br>", "<nav>", "</nav>", "<main>", "</main>",
         "<article>", "</article>", "<details>", "</details>", "<b style='color:white'>", "</b>", "<span hidden>", "</span>",
         "<sup>1</sup>", "<caption>", "<thead>", "<noscript>", "</noscript>", "<template>", "</template>", " ", "word", "T1102",
         "&#xFDD0;", "\ufdd1", "\ufdd2", "&nbsp;", "<blockquote>", "<dialog>", "<img>", "<font bgcolor=red color=red>"]
    ),
    max_size=40,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(MARKUP)
def test_any_markup_becomes_a_report_or_a_named_error(parts):
    check("".join(parts).encode(), "a.html")


def test_no_bytes_and_no_words_are_an_empty_document():
    for body in (b"", b" \n", b"<html><body></body></html>", b"---\ntitle: x\n---\n"):
        with pytest.raises(EmptyDocument, match=r"x\.md"):
            read(Snapshot("s", "x.md", body))


def test_bytes_without_a_reader_are_unsupported():
    with pytest.raises(UnsupportedMedia, match=r"a\.png: no reader for image/png"):
        read(Snapshot("s", "a.png", b"\x89PNG\r\n\x1a\n...."))


def test_a_fault_inside_a_reader_names_the_item(monkeypatch):
    def fault(_snapshot: Snapshot) -> Reading:
        raise RecursionError("too deep")

    monkeypatch.setattr(importlib.import_module("ctimine.read.plain"), "read_plain", fault)
    with pytest.raises(ReadError, match=r"a\.txt: RecursionError"):
        read(Snapshot("s", "a.txt", b"words"))


def test_an_error_names_the_address_where_there_is_no_item():
    with pytest.raises(ReadError, match=r"https://a\.example/x"):
        read(Snapshot("s", "", b" ", url="https://a.example/x"))


@pytest.mark.parametrize("media", sorted(READERS))
def test_every_reader_in_the_register_exists(media):
    module, name = READERS[media].split(":")
    assert callable(getattr(importlib.import_module(f"ctimine.read.{module}"), name))


def test_the_content_type_tells_the_encoding_of_a_page():
    body = "<p>Злоумышленники вернулись</p>".encode("cp1251")
    snapshot = Snapshot("s", "a.html", body, media_type="text/html; charset=windows-1251")
    assert read(snapshot).text == "Злоумышленники вернулись"


def test_media_type_is_a_name_of_the_room():
    assert media_type(b"%PDF-1.7") == "application/pdf"
