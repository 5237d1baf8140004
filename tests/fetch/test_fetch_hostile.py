"""Feeds and sitemaps of enemies: broken, huge, entity bombs, external entities."""

from __future__ import annotations

import builtins
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctimine.errors import FetchError
from ctimine.fetch.feeds import MAX_FEED, Feed, read_feed
from ctimine.fetch.sitemaps import Sitemap, read_sitemap

LOLS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
ITEM = "<item><title>{}</title><guid>1</guid><description>{}</description></item>"


def rss(inside, doctype=""):
    return f'<?xml version="1.0"?>{doctype}<rss><channel><title>T</title>{inside}</channel></rss>'


def dtd(inside):
    return f"<!DOCTYPE rss [{inside}]>"


EXTERNAL = [
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "https://a.example/x.dtd",
    "php://filter/x",
    "jar:file:///x!/y",
    "/etc/hostname",
]

HOSTILE = {
    "billion laughs": rss(ITEM.format("&l11;", "x"), dtd(f'<!ENTITY l0 "lol">{LOLS}')),
    "billion laughs in an attribute": rss('<item a="&l11;"><guid>1</guid></item>', dtd(f'<!ENTITY l0 "lol">{LOLS}')),
    "quadratic blow-up": rss(ITEM.format("&a;" * 50_000, "x"), dtd(f'<!ENTITY a "{"a" * 50_000}">')),
    "entity of itself": rss(ITEM.format("&a;", "x"), dtd('<!ENTITY a "&a;">')),
    "entities in a circle": rss(ITEM.format("&a;", "x"), dtd('<!ENTITY a "&b;"><!ENTITY b "&a;">')),
    "parameter entities": rss(ITEM.format("x", "x"), dtd('<!ENTITY % a "<!ENTITY b \'x\'>"> %a;')),
    "parameter bomb": rss(ITEM.format("x", "x"), dtd('<!ENTITY % a "' + "%b;" * 1000 + '">%a;')),
    "a document type without end": '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "x">' + ITEM.format("a", "b"),
    "a quote without end": '<!DOCTYPE rss [<!ENTITY a "x>]><rss/>',
    "a hundred thousand entities": rss(ITEM.format("x", "x"), dtd("".join(f'<!ENTITY e{n} "x">' for n in range(100_000)))),
    "a megabyte of document type": rss(ITEM.format("x", "x"), dtd("<!-- " + "x" * 1_000_000 + " -->")),
    **{f"external entity {url}": rss(ITEM.format("&x;", "&x;"), dtd(f'<!ENTITY x SYSTEM "{url}">')) for url in EXTERNAL},
    **{f"external DTD {url}": rss(ITEM.format("a", "b"), f'<!DOCTYPE rss SYSTEM "{url}">') for url in EXTERNAL},
    **{f"external parameter entity {url}": rss(ITEM.format("a", "b"), dtd(f'<!ENTITY % x SYSTEM "{url}"> %x;')) for url in EXTERNAL},
    "public DTD": rss(ITEM.format("a", "b"), '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://a.example/rss.dtd">'),
    "XInclude": rss('<item><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></item>'),
    "a stylesheet": '<?xml-stylesheet href="http://a.example/x.xsl"?>' + rss(ITEM.format("a", "b")),
    "a schema": '<rss xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a http://a.example/x.xsd"><channel/></rss>',
    "nothing": "",
    "blanks": " \n\t" * 1000,
    "zeros": "\x00" * 100_000,
    "only a declaration": '<?xml version="1.0"?>',
    "cut in a tag": rss(ITEM.format("a", "b"))[:60],
    "cut in content": rss(ITEM.format("a", "b" * 1000))[:400],
    "cut in CDATA": rss("<item><description><![CDATA[ never closed"),
    "two roots": rss("") + rss(""),
    "text after the root": rss(ITEM.format("a", "b")) + "<?php warning ?> Notice: x",
    "text before the root": "Warning: x in y.php\n" + rss(ITEM.format("a", "b")),
    "raw ampersands": rss(ITEM.format("A & B && C", "x?a=1&b=2")),
    "raw angle brackets": rss(ITEM.format("a < b", "1 <2 >3")),
    "undeclared entities": rss(ITEM.format("&nbsp;&foo;&hellip;", "&copy;")),
    "control characters": rss(ITEM.format("a\x00\x08\x1b", "\x0c")),
    "broken numbers": rss(ITEM.format("&#0; &#xD800; &#x110000; &#99999999999;", "x")),
    "tags that cross": rss("<item><title><b>a</title></b><guid>1</guid></item>"),
    "tags never closed": "<rss>" + "<item><title>a" * 2000,
    "a hundred thousand levels": "<rss>" + "<a>" * 100_000,
    "an item a thousand deep": rss("<item>" * 1000 + "<title>x</title>" + "</item>" * 1000),
    "a million elements": rss("<a/>" * 1_000_000),
    "a million elements in one item": rss("<item>" + "<a/>" * 1_000_000 + "</item>"),
    "a hundred thousand items": rss("<item><guid>x</guid></item>" * 100_000),
    "ten thousand attributes": rss("<item " + " ".join(f'a{n}="x"' for n in range(10_000)) + "/>"),
    "a long attribute": rss(f'<item a="{"x" * 9_000_000}"/>'),
    "a long tag name": rss(f"<{'x' * 5_000_000}/>"),
    "a long text": rss(ITEM.format("x", "y" * 12_000_000)),
    "a long title": rss(ITEM.format("<b " * 300_000, "y")),
    "a teaser made for backtracking": rss(ITEM.format("x", "&lt;/" * 500_000)),
    "ten thousand namespaces": "<rss " + " ".join(f'xmlns:n{n}="u{n}"' for n in range(10_000)) + "><channel/></rss>",
    "a megabyte of comments": rss("<!-- x -->" * 100_000 + ITEM.format("a", "b")),
    "a hundred thousand instructions": rss("<?x y?>" * 100_000),
    "JSON, deep": '{"items":' + "[" * 100_000,
    "JSON, deep objects": '{"items":' + '{"a":' * 50_000,
    "JSON, of other types": json.dumps({"items": [1, None, "x", [], {"id": {}}, {"id": 1, "authors": 3, "content_html": []}]}),
    "JSON, half characters": '{"items":[{"id":"\\ud800","title":"\\udfff","content_text":"\\ud83d"}]}',
    "JSON, a long number": '{"items":[{"id":' + "9" * 100_000 + "}]}",
    "JSON, no items": '{"version":"https://jsonfeed.org/version/1"}',
    "JSON, cut": '{"items":[{"id":"a"',
    "UTF-16 without a mark": rss(ITEM.format("a", "b")).encode("utf-16-le"),
    "UTF-7": '<?xml version="1.0" encoding="UTF-7"?>+ADw-rss+AD4-',
    "an encoding that is none": '<?xml version="1.0" encoding="x-nonsense"?>' + rss("")[21:],
    "an encoding of bytes": '<?xml version="1.0" encoding="zlib_codec"?>' + rss("")[21:],
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100,
    "a program": b"\x7fELF" + bytes(range(256)) * 100,
    "dates of all kinds": rss("".join(f"<item><guid>{n}</guid><pubDate>{date}</pubDate></item>" for n, date in enumerate(["x", "0", "99999-99-99", "-1", "Mon, 32 Foo 20999 99:99:99 +9999", "9" * 50, "2024-02-30"]))),
    "addresses of all kinds": rss("".join(f"<item><guid>{n}</guid><link>{link}</link></item>" for n, link in enumerate(["http://[", "javascript:x", "//", "\x01", "http://a:b:c", "x" * 100_000]))),
}  # fmt: skip


@pytest.fixture
def sealed(monkeypatch):
    """No file can be opened and no connection made, but what Python itself needs."""
    seen = []
    real = builtins.open

    def no_open(file, *arguments, **options):
        if "site-packages" in str(file) or str(file).endswith((".py", ".pyc")):
            return real(file, *arguments, **options)
        seen.append(file)
        raise AssertionError(f"opened {file}")

    monkeypatch.setattr(builtins, "open", no_open)
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, lambda *a, **k: seen.append(a) or 1 / 0)
    return seen


def as_bytes(document):
    return document if isinstance(document, bytes) else document.encode("utf-8", "surrogatepass")


def as_sitemap(document):
    body = as_bytes(document)
    return body.replace(b"<item", b"<url").replace(b"</item", b"</url").replace(b"rss", b"urlset")


SITEMAPS = [name for name in HOSTILE if not name.startswith("JSON")]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_feed_ends_soon_and_reads_nothing(sealed, name):
    """A feed or an error of ours; 0 files, 0 connections, at most 10 s."""
    begun = time.monotonic()
    try:
        found = read_feed(as_bytes(HOSTILE[name]), "application/xml", "https://a.example/feed")
    except FetchError:
        found = None
    took = time.monotonic() - begun
    assert isinstance(found, Feed | None)
    assert sealed == []
    assert took < 10, f"{took:.1f} s"
    if found is not None:
        told = repr(found)
        assert "root:" not in told
        assert "lollol" not in told


@pytest.mark.parametrize("name", SITEMAPS)
def test_a_hostile_sitemap_ends_soon_and_reads_nothing(sealed, name):
    begun = time.monotonic()
    try:
        found = read_sitemap(as_sitemap(HOSTILE[name]), "", "https://a.example/sitemap.xml")
    except FetchError:
        found = None
    assert isinstance(found, Sitemap | None)
    assert sealed == []
    assert time.monotonic() - begun < 10


def test_there_are_at_least_60_hostile_feeds():
    assert len(HOSTILE) >= 60


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Reads a document in a process of its own; gives what it cost (see ``fetch_measured``)."""
    file = tmp_path_factory.mktemp("hostile") / "document"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fetch_measured.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def measure(kind, body):
        file.write_bytes(body)
        process.stdin.write(json.dumps({"kind": kind, "file": str(file)}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield measure
    process.stdin.close()
    process.stdout.close()
    process.wait()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("feed", name) for name in HOSTILE), *(("sitemap", name) for name in SITEMAPS)],
)
def test_the_whole_process_stays_within_256_mib(measured, kind, name):
    """Not only what Python has taken: libxml2's trees, too, and the interpreter itself."""
    document = HOSTILE[name]
    cost = measured(kind, as_bytes(document) if kind == "feed" else as_sitemap(document))
    assert cost["end"] in {"read", "BrokenSource", "TooLarge"}
    assert cost["seconds"] < 10
    assert cost["mebibytes"] <= 256, cost


def fill(unit, count=0, outer="{}"):
    """A feed that is as large as one may be, of one thing."""
    return rss(
        "<item><guid>1</guid>"
        + outer.format(unit * (count or (MAX_FEED - 400) // len(unit)))
        + "</item>"
    )


LARGEST = {
    "escaped markup": lambda: fill("&lt;/", outer="<title>{}</title>"),
    "escaped tags": lambda: fill("&lt;b&gt;", outer="<title>{}</title>"),
    "raw ampersands": lambda: fill("&"),
    "named characters": lambda: fill("&nbsp;"),
    "numbered characters": lambda: fill("&#65;"),
    "names that nobody knows": lambda: fill("&q;"),
    "elements": lambda: fill("<a b='c'/>", 399_900),
    "attributes": lambda: fill("<a " + " ".join(f'b{n}="c"' for n in range(10)) + "/>", 190_000),
    "fewer attributes": lambda: fill("<a " + " ".join(f'b{n}="c"' for n in range(10)) + "/>", 72_000),
    "CDATA": lambda: fill("<![CDATA[x]]>", outer="<description>{}</description>"),
    "fewer CDATA": lambda: fill("<![CDATA[<p>x</p>]]>", 99_000, outer="<description>{}</description>"),
    "Latin-1": lambda: fill("é").encode("cp1252"),
    "UTF-16": lambda: fill("é", MAX_FEED // 2 - 400).encode("utf-16"),
    "an Atom article": lambda: '<feed xmlns="http://www.w3.org/2005/Atom"><entry><content type="xhtml"><div>' + "<b>x</b>" * 190_000 + "</div></content></entry></feed>",
    "JSON lists": lambda: '{"items":[' + "[]," * 5_000_000 + "[]]}",
    "JSON objects": lambda: '{"items":[' + '{"a":{}},' * 1_800_000 + "{}]}",
    "JSON texts": lambda: '{"items":[' + '"ab",' * 1_500_000 + '""]}',
    "JSON items": lambda: json.dumps({"items": [{"id": str(n), "content_text": "a\n\n" * 40} for n in range(60_000)]}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_feeds_stay_within_256_mib(measured, name):
    body = as_bytes(LARGEST[name]())
    assert len(body) <= MAX_FEED
    cost = measured("feed", body)
    assert cost["end"] in {"read", "TooLarge"}
    assert cost["seconds"] < 10, cost
    assert cost["mebibytes"] <= 256, cost


# -- what is broken and still read


def test_references_come_out_as_what_they_stand_for():
    """Across the slices in which a long text is mended, too."""
    written = "&lt;p&gt; A &amp; B & C &nbsp;&eacute;&#233;&#xE9;&fjlig; &foo; &q; &1; &; &#xD800;"
    meant = "<p> A & B & C \xa0éééfj &foo; &q; &1; &; \ufffd"
    times = 2_000_000 // len(written)
    document = rss(f"<item><guid>1</guid><description>{written * times}</description></item>")
    (item,) = read_feed(document.encode()).items
    assert item.summary == (meant * times).strip()


@pytest.mark.parametrize(
    ("document", "title"),
    [
        (HOSTILE["raw ampersands"], "A & B && C"),
        (HOSTILE["text after the root"], "a"),
        (HOSTILE["text before the root"], "a"),
        (HOSTILE["public DTD"], "a"),
        (rss("<item><title>&amp;amp; &lt;b&gt;bold&lt;/b&gt; &eacute;&nbsp;</title></item>"), "& bold é"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><entry><title type="xhtml">'
         '<div xmlns="http://www.w3.org/1999/xhtml">A <b>B</b></div></title></entry></feed>', "A B"),
    ],
)  # fmt: skip
def test_a_broken_feed_gives_what_is_in_it(document, title):
    assert [item.title for item in read_feed(document.encode()).items] == [title]


def test_xhtml_content_comes_as_html():
    document = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><content type="xhtml">'
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>One &amp; <b>two</b></p></div></content></entry></feed>'
    )
    assert read_feed(document.encode()).items[0].content == "<div><p>One &amp; <b>two</b></p></div>"


def test_items_with_the_same_id_are_told_apart_by_their_links():
    items = "".join(
        f"<item><guid>0</guid><link>https://a.example/{n}</link></item>" for n in range(3)
    )
    assert len({item.id for item in read_feed(rss(items).encode()).items}) == 3
