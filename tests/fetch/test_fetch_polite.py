"""Politeness in figures: conditional requests, waiting when told to, spacing, refusals."""

from __future__ import annotations

import asyncio
import collections
import email.utils
import itertools
import random
import time

import httpx
import pytest
from fetch_internet import Reply, page

from ctimine.archive import Archive
from ctimine.fetch.client import Ask, Web
from ctimine.fetch.network import GuardedTransport, trusted
from ctimine.fetch.pace import Pace, retry_moment
from ctimine.model import Source

FEEDS, POLLS = 50, 100


def feed_with(validators, number):
    """A server that answers 304 by the validators that it gave, as servers do."""
    etag, modified = validators
    body = (
        f"<rss><channel><title>{number}</title><item><guid>g</guid><description>x</description>"
        "</item></channel></rss>"
    ).encode()

    def answer(hit):
        headers = {}
        if etag:
            headers["ETag"] = etag
            if etag in hit.headers.get("if-none-match", ""):
                return Reply(b"", 304, {"X-Answer": "304"})
        if modified:
            headers["Last-Modified"] = modified
            if not etag and hit.headers.get("if-modified-since") == modified:
                return Reply(b"", 304)
        return Reply(body, 200, headers)

    return answer


@pytest.mark.slow
def test_unchanged_feeds_are_answered_without_a_body(internet, fetching, tmp_path):
    """50 feeds, 100 polls each: every poll after the first ends in a 304."""
    kinds = [
        ('"strong"', ""), ('W/"weak"', ""), ("", "Tue, 05 Mar 2024 09:30:00 GMT"),
        ('"both"', "Tue, 05 Mar 2024 09:30:00 GMT"), ('"abc-gzip"', ""), ('"with,comma"', ""),
    ]  # fmt: skip
    sources = []
    for number in range(FEEDS):
        url = f"https://f{number}.example/feed"
        internet.at(url, feed_with(kinds[number % len(kinds)], number))
        sources.append(Source(f"f{number}", kind="feed", url=url, options=(("body", "feed"),)))
    with Archive(tmp_path / "a") as archive:
        fetcher = fetching(archive)
        assert len(list(fetcher.fetch(*sources))) == FEEDS
        bodies = fetcher._web.bodies
        for _ in range(POLLS - 1):
            assert list(fetcher.fetch(*sources)) == []
        polls = FEEDS * (POLLS - 1)
        assert fetcher.account.not_modified == polls
        assert fetcher._web.bodies == bodies


EVENTS = 1000


@pytest.mark.slow
def test_no_request_comes_before_the_time_that_was_asked_for(internet):
    """1,000 "later" in seconds, as dates and by counters, on as many hosts; 0 early requests."""
    dice = random.Random(4)
    promised: dict[str, list[float]] = collections.defaultdict(list)
    early = []

    def answer(hit):
        now = time.time()
        early.extend((hit.host, moment - now) for moment in promised[hit.host] if now < moment)
        if promised[hit.host] or hit.target == "/robots.txt":
            return page("<p>now</p>") if promised[hit.host] else Reply(b"", 404)
        status, way = dice.choice([429, 503]), dice.randrange(4)
        seconds = dice.choice([1, 2])
        # A date has whole seconds: what is promised is the date as written.
        if way == 0:
            headers, moment = {"Retry-After": str(seconds)}, now + seconds
        elif way == 1:
            moment = float(int(now) + seconds + 1)
            headers = {"Retry-After": email.utils.formatdate(moment, usegmt=True)}
        elif way == 2:
            moment = float(int(now) + seconds + 1)
            headers = {
                "Retry-After": email.utils.formatdate(moment, usegmt=True),
                "Date": email.utils.formatdate(now, usegmt=True),
            }
        else:
            status, moment = 403, float(int(now) + seconds + 1)
            headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(moment))}
        promised[hit.host].append(moment)
        return Reply(b"", status, headers)

    for number in range(EVENTS):
        internet.host(f"w{number}.example", answer)

    async def main():
        outer = GuardedTransport(internet.network, context=trusted(internet.file), connections=64)
        inner = GuardedTransport(internet.network, context=trusted(internet.file), private=True)
        web = Web(outer, inner, pace=Pace(interval=0, total=64), backoff=0.01, deadline=60.0)
        try:
            asks = [
                web.get(f"http://w{number}.example/", Ask(robots=False)) for number in range(EVENTS)
            ]
            return await asyncio.gather(*asks)
        finally:
            await web.aclose()

    pages = asyncio.run(main())
    assert len(pages) == EVENTS
    assert sum(len(moments) for moments in promised.values()) == EVENTS
    assert early == []


def test_others_wait_too_when_a_host_says_later(internet, fetching):
    """One page says "in one second": the next page of that host comes no sooner either."""
    told = []

    def answer(hit):
        if not told:
            told.append(time.time() + 1)
            return Reply(b"", 429, {"Retry-After": "1"})
        return page(hit.target)

    internet.host("busy.example", answer)
    internet.at("https://busy.example/robots.txt", Reply(b"", 404))
    urls = tuple(f"https://busy.example/{n}" for n in range(5))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    assert len(list(fetching(each=1).fetch(source))) == 5
    later = [hit.moment for hit in internet.hits if "robots" not in hit.target][1:]
    assert min(later) >= told[0]


def test_a_wait_that_is_too_long_is_left_to_the_next_run(internet, fetching):
    internet.host("busy.example", Reply(b"", 429, {"Retry-After": "86400"}))
    internet.at("https://busy.example/robots.txt", Reply(b"", 404))
    urls = tuple(f"https://busy.example/{n}" for n in range(5))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    fetcher = fetching(each=1)
    begun = time.monotonic()
    assert list(fetcher.fetch(source)) == []
    assert time.monotonic() - begun < 5
    assert dict(fetcher.account.failed) == {"rate limited": 5}
    assert len(internet.asked("busy.example/")) == 2  # robots.txt and one page
    assert "asked to come back after" in fetcher.outcomes[0].detail


def test_the_next_run_knows_that_a_host_said_later(internet, fetching, tmp_path):
    internet.host("busy.example", Reply(b"", 429, {"Retry-After": "86400"}))
    internet.at("https://busy.example/robots.txt", Reply(b"", 404))
    source = Source("s", kind="page", url="https://busy.example/1")
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(source))
        internet.hits.clear()
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert dict(again.account.failed) == {"rate limited": 1}
        assert internet.hits == []


def test_a_clock_that_is_wrong_does_not_matter():
    """A date is counted from the host's own clock."""
    now = 1_700_000_000.0
    headers = {
        "date": email.utils.formatdate(now - 7200, usegmt=True),
        "retry-after": email.utils.formatdate(now - 7200 + 30, usegmt=True),
    }
    assert retry_moment(headers, now) == now + 30


@pytest.mark.parametrize(
    "value", ["soon", "-1", "1e9", "9" * 40, "Mon, 99 Foo", "", "Thu, 01 Jan 9999999 00:00:00 GMT"]
)
def test_nonsense_is_no_time(value):
    assert retry_moment({"retry-after": value}, 1000.0) == 0.0


def test_requests_to_one_host_are_spaced(internet, fetching):
    internet.host("site.example", page())
    urls = tuple(f"https://site.example/{n}" for n in range(5))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    list(fetching(interval=0.1).fetch(source))
    moments = sorted(hit.moment for hit in internet.hits)
    assert min(b - a for a, b in itertools.pairwise(moments)) > 0.08


def test_only_so_many_are_under_way_to_one_host(internet, fetching):
    under_way, most = [], []

    async def answer(hit, reader, writer):
        under_way.append(1)
        most.append(len(under_way))
        await asyncio.sleep(0.05)
        under_way.pop()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
        await writer.drain()

    internet.host("site.example", answer)
    urls = tuple(f"https://site.example/{n}" for n in range(12))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    list(fetching(each=2).fetch(source))
    assert max(most) <= 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(b"", 401), "blocked"),
        (Reply(b"no", 403), "blocked"),
        (Reply(b"", 451), "blocked"),
        (Reply(b"", 404), "HTTP 404"),
        (Reply(b"", 410), "HTTP 410"),
        (Reply(b"", 418), "HTTP 418"),
        (Reply(b"", 500), "HTTP 500"),
        (Reply(b"", 304), "HTTP 304"),
        (Reply(b"x", 403, {"cf-mitigated": "challenge"}), "challenge page"),
        (Reply(b"x", 200, {"cf-mitigated": "challenge"}), "challenge page"),
        (Reply(b"<title>Just a moment...</title>", 503), "challenge page"),
        (Reply(b"<script>window._cf_chl_opt={}</script>", 403), "challenge page"),
        (Reply(b"x", 202, {"x-amzn-waf-action": "challenge"}), "challenge page"),
    ],
)
def test_a_refusal_is_named_and_never_got_round(internet, fetching, answer, reason):
    internet.at("https://site.example/robots.txt", Reply(b"", 404))
    internet.at("https://site.example/x", answer)
    fetcher = fetching()
    assert list(fetcher.fetch(Source("s", kind="page", url="https://site.example/x"))) == []
    assert dict(fetcher.account.failed) == {reason: 1}
    assert len(internet.asked("/x")) == (3 if reason == "HTTP 500" else 1)


def test_an_article_that_quotes_a_challenge_page_is_none(internet, fetching):
    internet.at(
        "https://site.example/x", page("<p>It shows _cf_chl_opt and g-recaptcha-response.</p>")
    )
    assert len(list(fetching().fetch(Source("s", kind="page", url="https://site.example/x")))) == 1


def test_a_host_that_stumbles_is_asked_again(internet, fetching):
    answers = iter([Reply(b"", 502), Reply(b"", 500), page("<p>here</p>")])
    internet.at("https://site.example/robots.txt", Reply(b"", 404))
    internet.at("https://site.example/x", lambda hit: next(answers))
    assert len(list(fetching().fetch(Source("s", kind="page", url="https://site.example/x")))) == 1


def test_the_client_can_stand_on_any_httpx_transport():
    async def main():
        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"x"))
        web = Web(transport, transport)
        return await web.get("https://a.example/")

    # The mock answers with a stream for both styles, which is what the seam asks for.
    assert asyncio.run(main()).body == b"x"
