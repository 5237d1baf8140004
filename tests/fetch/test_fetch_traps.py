"""Sites that have no end: each is left within 500 requests, and with a reason."""

from __future__ import annotations

import itertools
import random

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.fetch.links import Walk, links_of, one_form
from ctimine.model import Source

HOST = "https://trap.example"


def links(*targets, text=""):
    return page(f"<p>{text}</p>" + "".join(f'<a href="{target}">x</a>' for target in targets))


def calendar(hit):
    year, _, month = hit.target.removeprefix("/calendar/").partition("/")
    number = int(year or 2024) * 12 + int(month or 1)
    later = [f"/calendar/{(number + n) // 12}/{(number + n) % 12 + 1}" for n in range(1, 4)]
    return links(*later, text=f"No events in {hit.target}")


def sessions(hit):
    number = random.Random(hit.target).randrange(10**9)
    return links(*(f"/page{n}?sid={number + n}" for n in range(5)), text="Welcome")


def deeper(hit):
    return links("more/", text=f"level {hit.target.count('/')} {hash(hit.target)}")


def relative(hit):
    return links("a/b/", "b/a/", text=f"see {hash(hit.target)}")


def parameters(hit):
    known = hit.target.partition("?")[2]
    return links(*(f"/list?{known}&f{n}=1" for n in range(6)), text=f"Filters {hash(hit.target)}")


def numbers(hit):
    number = int(hit.target.rpartition("/")[2] or 0)
    return links(f"/item/{number + 1}", f"/item/{number * 2 + 1}", text=f"words {hash(hit.target)}")


def hexadecimal(hit):
    dice = random.Random(hit.target)
    return links(*(f"/{dice.getrandbits(64):016x}" for _ in range(5)), text=str(dice.random()))


def words(hit):
    dice = random.Random(hit.target)
    names = ["".join(dice.choices("abcdefgh", k=8)) for _ in range(5)]
    return links(*(f"/{name}" for name in names), text=" ".join(names))


def same_page(hit):
    return links(*(f"{hit.target.rstrip('/')}/{name}" for name in "abc"), text="Nothing was found")


def redirects(hit):
    number = int(hit.target.rpartition("/")[2] or 0)
    return redirect(f"/r/{number + 1}")


def long_addresses(hit):
    return links(hit.target.rstrip("/") + "-" + "x" * 40, text=f"n {hash(hit.target)}")


def cases(hit):
    target = hit.target if hit.target != "/" else "/abcdefghijklmnop"
    changed = [target[:n] + target[n:].swapcase() for n in range(2, 12)]
    return links(*changed, text="The same page in another case")


TRAPS = [
    calendar, sessions, deeper, relative, parameters, numbers, hexadecimal, words, same_page,
    redirects, long_addresses, cases,
]  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS, ids=[trap.__name__ for trap in TRAPS])
def test_a_trap_is_left(internet, fetching, trap):
    internet.host("trap.example", trap)
    internet.at(f"{HOST}/robots.txt", Reply(b"", 404))
    start = f"{HOST}/calendar/2024/1" if trap is calendar else f"{HOST}/"
    options = (("crawl", True), ("depth", 1000))
    fetcher = fetching()
    found = list(fetcher.fetch(Source("t", kind="site", url=start, options=options)))
    assert len(internet.hits) <= 500
    told = fetcher.account.skipped.keys() | fetcher.account.failed.keys()
    if trap is words:  # nothing but the bound tells endless new words from a large site
        assert "page limit" in told
    else:
        assert len(internet.hits) <= 150, len(internet.hits)
        assert told & {"crawler trap", "the same page again", "bad answer"} or len(found) <= 10


def test_there_are_12_traps():
    assert len(TRAPS) == 12


def test_sitemaps_without_end_are_left(internet, fetching):
    counter = itertools.count()

    def endless(hit):
        rows = "".join(
            f"<sitemap><loc>{HOST}/sitemap{next(counter)}.xml</loc></sitemap>" for _ in range(5)
        )
        return Reply(f"<sitemapindex>{rows}</sitemapindex>".encode())

    internet.host("trap.example", endless)
    fetcher = fetching()
    assert list(fetcher.fetch(Source("t", kind="site", url=f"{HOST}/sitemap.xml"))) == []
    assert len(internet.hits) <= 500
    assert fetcher.account.skipped["sitemap limit"] == 1


def test_pagination_without_end_is_left(internet, fetching):
    def listing(hit):
        number = int(hit.target.partition("=")[2] or 0)
        return page(
            f'<a href="/report/one">r</a><a rel="next" href="/list?p={number + 1}">next</a>'
        )

    internet.host("trap.example", listing)
    options = (("links", ("/report/*",)),)
    fetcher = fetching()
    assert (
        len(list(fetcher.fetch(Source("t", kind="site", url=f"{HOST}/list", options=options)))) == 1
    )
    assert len(internet.hits) <= 10


def test_pagination_with_new_links_without_end_is_bounded(internet, fetching):
    def listing(hit):
        if "report" in hit.target:
            return page(hit.target)
        number = int(hit.target.partition("=")[2] or 0)
        return page(
            f'<a href="/report/{number}">r</a><a rel="next" href="/list?p={number + 1}">next</a>'
        )

    internet.host("trap.example", listing)
    options = (("links", ("/report/*",)),)
    fetcher = fetching()
    list(fetcher.fetch(Source("t", kind="site", url=f"{HOST}/list", options=options)))
    assert len(internet.hits) <= 502


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://A.example:443/x#y", "https://a.example/x"),
        ("https://a.example/x?utm_source=y&b=2&a=1", "https://a.example/x?a=1&b=2"),
        ("https://a.example/x;jsessionid=1?PHPSESSID=2", "https://a.example/x"),
        ("https://a.example", "https://a.example/"),
        ("https://[", ""),
    ],
)
def test_addresses_have_one_form(url, form):
    assert one_form(url) == form


@pytest.mark.parametrize(
    "body", [b"", b"<a href", b"<a href='http://['>", b"\xff\xfe<a href=x>", b"<a>" * 100_000]
)
def test_broken_pages_have_links_or_none(body):
    assert isinstance(links_of(body, "https://a.example/"), tuple)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/2024/03/a-report", ""),
        ("/a/a/a", "repeating path"),
        ("/a/b/a/b", "repeating path"),
        ("/a/b/c/d/e/f/g/h/i/j/k", "deep path"),
        ("/list?a=1&b=2&c=3&d=4", "many parameters"),
        ("/" + "x" * 300, "long address"),
    ],
)
def test_the_marks_of_a_trap(path, reason):
    assert Walk().reason(HOST + path) == reason


def test_addresses_that_differ_in_numbers_alone_are_followed_for_a_while():
    walk = Walk()
    reasons = [walk.reason(f"{HOST}/day/{number}") for number in range(60)]
    assert reasons.count("") == 40
    assert reasons[-1] == "numbers without end"
