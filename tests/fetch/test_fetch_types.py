"""Servers that lie about what they send: the bytes are kept, and the text is right where declared."""

from __future__ import annotations

import gzip

import pytest
from fetch_internet import Reply, page

from ctimine.fetch.feeds import read_feed
from ctimine.model import Source
from ctimine.read import read

TEXTS = {
    "utf-8": "Лазарь 拉撒路 Zażółć", "utf-16": "Лазарь 拉撒路", "utf-16-le": "Лазарь", "utf-16-be": "Лазарь",
    "windows-1251": "Группа Лазарь", "koi8-r": "Группа Лазарь", "iso-8859-5": "Группа Лазарь",
    "windows-1252": "Résumé – “quoted” €", "iso-8859-1": "Résumé naïve", "iso-8859-2": "Zażółć gęślą",
    "iso-8859-15": "Prix 5 €", "windows-1250": "Příliš žluťoučký", "windows-1253": "Ομάδα", "windows-1254": "Şifre ğ",
    "windows-1255": "קבוצה", "windows-1256": "مجموعة", "gb2312": "拉撒路组织", "gbk": "拉撒路組織", "gb18030": "拉撒路",
    "big5": "拉撒路組織", "shift_jis": "ラザルス攻撃", "euc-jp": "ラザルス攻撃", "iso-2022-jp": "ラザルス攻撃",
    "euc-kr": "라자루스 그룹", "tis-620": "กลุ่ม",
}  # fmt: skip
MARKED = {"utf-16"}


def feed(text, encoding=""):
    said = f' encoding="{encoding}"' if encoding else ""
    return f'<?xml version="1.0"{said}?><rss><channel><item><guid>1</guid><title>{text}</title></item></channel></rss>'


@pytest.mark.parametrize("charset", TEXTS)
def test_a_feed_is_read_in_the_charset_of_its_header(charset):
    body = feed(TEXTS[charset]).encode(charset)
    (item,) = read_feed(body, f"application/rss+xml; charset={charset}").items
    assert item.title == TEXTS[charset]


@pytest.mark.parametrize("charset", [name for name in TEXTS if not name.startswith("utf-16-")])
def test_a_feed_is_read_in_the_charset_of_its_declaration(charset):
    body = feed(TEXTS[charset], charset).encode(charset)
    (item,) = read_feed(body, "application/xml").items
    assert item.title == TEXTS[charset]


@pytest.mark.parametrize(
    "claim",
    [
        "charset=iso-8859-1",
        "charset=ascii",
        "charset=x-nonsense",
        "charset=",
        "charset=utf-16",
        "charset='utf-8",
    ],
)
def test_utf8_is_read_as_such_whatever_is_claimed(claim):
    (item,) = read_feed(feed("Лазарь").encode(), f"text/xml; {claim}").items
    assert item.title == "Лазарь"


def fetched(internet, fetching, reply):
    internet.at("https://lies.example/robots.txt", Reply(b"", 404))
    internet.at("https://lies.example/x", reply)
    fetcher = fetching(deadline=1.0)
    return fetcher, list(fetcher.fetch(Source("s", kind="page", url="https://lies.example/x")))


@pytest.mark.parametrize(
    "charset", ["utf-8", "windows-1251", "shift_jis", "gb2312", "euc-kr", "iso-8859-2"]
)
def test_a_page_is_read_in_the_charset_of_its_header(internet, fetching, charset):
    """Through the reading room: the header reaches it with the snapshot."""
    text = f"<html><body><p>{TEXTS[charset]}</p></body></html>".encode(charset)
    _, (found,) = fetched(
        internet, fetching, Reply(text, headers={"Content-Type": f"text/html; charset={charset}"})
    )
    assert TEXTS[charset] in read(found).text


HTML = b"<html><body><p>Silver Raven used a web service.</p></body></html>"
CLAIMS = [
    "", "text/html", "text/plain", "application/json", "application/pdf", "image/png", "text/csv", "x", "/", ";;;",
    "text/html; charset=", "text/html; charset=nonsense", "text/html;charset=utf-16", "a" * 5000, "text/html, text/plain",
    "application/octet-stream", "multipart/form-data; boundary=x", "text/html; charset=zlib_codec", "\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_page_is_kept_byte_for_byte_whatever_it_claims_to_be(internet, fetching, claim):
    _, (found,) = fetched(internet, fetching, Reply(HTML, headers={"Content-Type": claim}))
    assert found.body == HTML
    if claim in {
        "",
        "text/html",
        "text/plain",
        "application/pdf",
        "image/png",
        "text/html; charset=nonsense",
    }:
        assert "Silver Raven used a web service." in read(found).text


LIES = {
    "longer than said": Reply(HTML, length=10),
    "shorter than said": Reply(HTML, length=10_000),
    "no length": Reply(HTML, length=None),
    "gzip that is none": Reply(HTML, headers={"Content-Encoding": "gzip"}),
    "gzip unsaid": Reply(gzip.compress(HTML)),
    "an unknown coding": Reply(HTML, headers={"Content-Encoding": "compress"}),
    "two lengths": Reply(HTML, headers={"Content-Length": "5"}),
    "a length that is none": Reply(HTML, headers={"Content-Length": "x"}, length=None),
    "a negative length": Reply(HTML, headers={"Content-Length": "-1"}, length=None),
    "chunks that are none": Reply(HTML, headers={"Transfer-Encoding": "chunked"}, length=None),
    "status 204 with a body": Reply(HTML, 204),
    "status 299": Reply(HTML, 299),
    "status 600": Reply(HTML, 600),
    "a header without end": Reply(HTML, headers={"X": "y" * 200_000}),
    "a thousand headers": Reply(HTML, headers={f"X-{n}": "y" for n in range(1000)}),
    "a broken header": Reply(HTML, headers={"X Y": "z"}),
    "zeros in a header": Reply(HTML, headers={"ETag": "a\x00b"}),
    "an empty body": Reply(b""),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_ends_in_a_snapshot_or_in_an_error_of_ours(internet, fetching, name):
    fetcher, found = fetched(internet, fetching, LIES[name])
    assert len(found) + sum(fetcher.account.failed.values()) == 1
    assert "broken fetcher" not in fetcher.account.failed


def test_what_is_no_http_is_an_error_of_ours(internet, fetching):
    async def nonsense(hit, reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await writer.drain()

    fetcher, found = fetched(internet, fetching, nonsense)
    assert found == []
    assert dict(fetcher.account.failed) == {"bad answer": 1}


def test_there_are_at_least_60_lies():
    assert 2 * len(TEXTS) + len(CLAIMS) + len(LIES) >= 60


def test_the_headers_that_matter_come_with_a_snapshot_and_others_do_not(internet, fetching):
    reply = page(
        "<p>x</p>", Last_Modified="Tue, 05 Mar 2024 09:30:00 GMT", Set_Cookie="a=secret", Server="x"
    )
    _, (found,) = fetched(internet, fetching, reply)
    assert {name for name, _ in found.headers} == {"content-type", "last-modified"}
