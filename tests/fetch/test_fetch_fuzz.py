"""The joins under random input: feed to item, body to text, sitemap to addresses, and the rest.

Each ends in a value or in an error of ours. ``CTIMINE_FUZZ`` is the number of examples a test
(default 40); inputs that once failed are kept as examples.
"""

from __future__ import annotations

import contextlib
import os
import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_fetch_hostile import HOSTILE

from ctimine.errors import CtimineError, FetchError
from ctimine.fetch.addresses import checked_url, host_of, origin_of
from ctimine.fetch.bodies import Unpacker
from ctimine.fetch.feed import is_whole
from ctimine.fetch.feeds import moment, read_feed
from ctimine.fetch.links import Walk, links_of, one_form
from ctimine.fetch.pace import retry_moment
from ctimine.fetch.patterns import Patterns
from ctimine.fetch.repository import members, path_reason
from ctimine.fetch.robots import read_robots
from ctimine.fetch.sitemaps import read_sitemap
from ctimine.model import Snapshot, redacted
from ctimine.read import read

fuzzed = settings(
    max_examples=int(os.environ.get("CTIMINE_FUZZ", "40")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PIECES = st.sampled_from(
    [
        "<rss>",
        "</rss>",
        "<channel>",
        "<item>",
        "</item>",
        "<entry>",
        "</entry>",
        "<feed",
        'xmlns="http://www.w3.org/2005/Atom">',
        "<guid>",
        "</guid>",
        "<link>",
        "</link>",
        "<link",
        'href="x"/>',
        "<title>",
        "</title>",
        "<title",
        'type="xhtml">',
        "<content:encoded>",
        "<content",
        'type="html">',
        "</content>",
        "<description>",
        "<pubDate>",
        "</pubDate>",
        "<rdf:RDF>",
        "<urlset>",
        "<url>",
        "<loc>",
        "</loc>",
        "</url>",
        "</urlset>",
        "<sitemapindex>",
        "<sitemap>",
        "<lastmod>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE",
        "[",
        "]>",
        "<!ENTITY",
        "&a;",
        "&#0;",
        "&#xD800;",
        "&amp;",
        "&",
        "<",
        ">",
        '"',
        "'",
        "=",
        "/",
        "\\",
        "http://a.example/",
        "http://[",
        "javascript:",
        "2024-03-05",
        "GMT",
        "{",
        "}",
        "[",
        "]",
        '"items"',
        ":",
        ",",
        '"id"',
        '"content_html"',
        "null",
        "1e999",
        "\\ud800",
        "<?xml",
        'version="1.0"',
        'encoding="utf-16"?>',
        "<p>",
        "</p>",
        "<a",
        "href=",
        "<b",
        "<table>",
        "<tr>",
        "<td>",
        "Disallow:",
        "/",
        "User-agent:",
        "*",
        "$",
        "%41",
        "%zz",
        "Allow:",
        "\x00",
        "\ufeff",
        "\ud7ff",
        "拉撒路",
    ]
)
DOCUMENTS = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(PIECES, max_size=60).map(lambda parts: "".join(parts).encode()),
    st.lists(PIECES, max_size=60).map(lambda parts: " ".join(parts).encode("utf-16")),
    st.tuples(
        st.sampled_from([d if isinstance(d, bytes) else d.encode("utf-8", "replace") for d in HOSTILE.values() if len(d) < 4000]),
        st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
    ).map(lambda pair: _mutated(*pair)),
)  # fmt: skip
CLAIMS = st.one_of(st.just(""), st.text(max_size=40), st.sampled_from(
    ["text/xml; charset=utf-16", "application/json", "x; charset=idna", "x; charset=hz", "charset=\x00"]
))  # fmt: skip
WORDS = st.text(max_size=200)


def _mutated(body, changes):
    out = bytearray(body)
    for at, value in changes:
        if out:
            out[at % len(out)] = value
    return bytes(out)


@fuzzed
@given(DOCUMENTS, CLAIMS)
@example(b"<rss><item><title>&#xD800;</title></item></rss>", "")
@example(b"<rss><item>" + b"<b " * 3000, "")
@example(b"<item><description><:", "")
@example(b"<item><description><rdf:", "")
def test_feed_to_items(body, claim):
    try:
        feed = read_feed(body, claim, "https://a.example/feed")
    except FetchError:
        return
    for item in feed.items:
        assert item.id
        assert isinstance(is_whole(item.content), bool)
        for text in (item.id, item.link, item.title, item.content, item.summary, *item.authors):
            text.encode()  # no halves of characters


@fuzzed
@given(DOCUMENTS, CLAIMS)
@example(b"<item><description><rdf:", "")
def test_sitemap_to_addresses(body, claim):
    try:
        found = read_sitemap(body, claim, "https://a.example/sitemap.xml")
    except FetchError:
        return
    for place in (*found.pages, *found.maps):
        assert place.url.startswith(("http://", "https://"))


@fuzzed
@given(
    DOCUMENTS,
    CLAIMS,
    st.sampled_from(["text/html", "application/json", "text/plain", "text/csv", ""]),
)
def test_body_to_text(body, claim, kind):
    """The next room takes whatever this one hands over."""
    try:
        report = read(
            Snapshot("s", "item", body, url="https://a.example/x", media_type=kind + claim)
        )
    except CtimineError:
        return
    for block in report.blocks:
        assert 0 <= block.start < block.end <= len(report.text)


@fuzzed
@given(DOCUMENTS, WORDS)
def test_robots(body, path):
    assert isinstance(
        read_robots(body).allows("https://a.example/" + path.replace("\x00", "")), bool
    )


@fuzzed
@given(DOCUMENTS, WORDS)
def test_page_to_links(body, base):
    walk = Walk()
    for link in links_of(body, "https://a.example/x"):
        assert host_of(link.url)
        assert isinstance(walk.reason(link.url), str)
    assert isinstance(one_form("https://a.example/" + base), str)
    assert isinstance(walk.is_new(body, "https://a.example/x"), bool)


@fuzzed
@given(
    st.lists(st.binary(max_size=200), max_size=6),
    st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br", "", "x"]),
)
def test_packed_bodies(parts, coding):
    try:
        unpacker = Unpacker(coding, limit=1 << 20)
        for part in parts:
            unpacker.feed(part)
        unpacker.body()
    except FetchError:
        pass


@fuzzed
@given(WORDS)
@example("\x85#")
@example("0\x85#")
def test_addresses(text):
    for candidate in (text, "http://" + text, "https://a.example/" + text):
        try:
            url = checked_url(candidate)
        except FetchError:
            continue
        assert "@" not in origin_of(url)
        assert checked_url(url) == url


@fuzzed
@given(WORDS, st.lists(st.text(string.printable, max_size=30), max_size=4))
def test_words_of_strangers(text, patterns):
    assert isinstance(moment(text), str)
    assert retry_moment({"retry-after": text, "date": text}, 0.0) >= 0
    assert isinstance(redacted(text), str)
    assert path_reason(text) or ".." not in text.split("/")
    Patterns(patterns, patterns).allow("https://a.example/" + text)


@fuzzed
@given(st.binary(max_size=2000))
def test_archives(body):
    import gzip

    for data in (body, gzip.compress(body), b"\x1f\x8b\x08\x00" + body):
        try:
            found = [path for path, _ in members(data)]
        except FetchError:
            continue
        assert all(path_reason(path) != "unsafe path" for path in found)


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(HOSTILE[name]) < 200_000])
def test_the_next_room_takes_hostile_documents_too(name):
    body = HOSTILE[name]
    body = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    with contextlib.suppress(CtimineError):
        read(Snapshot("s", "item", body, url="https://a.example/x", media_type="text/html"))
