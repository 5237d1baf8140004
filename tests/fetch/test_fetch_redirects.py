"""Redirects: at most five, never in circles, and no credential leaves its origin."""

from __future__ import annotations

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.model import Source

TOKEN = "tok_0123456789abcdef"
START = "https://a.example/start"

CHAINS = {
    # name: (addresses in order, whether the end is reached)
    "none": ([], True),
    "one": (["/1"], True),
    "five": (["/1", "/2", "/3", "/4", "/5"], True),
    "six": (["/1", "/2", "/3", "/4", "/5", "/6"], False),
    "twelve": ([f"/{n}" for n in range(12)], False),
    "to itself": (["https://a.example/start"], False),
    "circle of two": (["/1", "https://a.example/start"], False),
    "other host": (["https://b.example/x"], True),
    "other host and back": (["https://b.example/x", "https://a.example/y"], True),
    "to plain http": (["http://a.example/x"], True),
    "plain http elsewhere": (["http://b.example/x"], True),
    "other port": (["https://a.example:8443/x"], False),
    "subdomain": (["https://sub.a.example/x"], True),
    "parent domain": (["https://example/x"], True),
    "look-alike": (["https://a.example.b.example/x"], True),
    "credentials in it": (["https://me:pw@b.example/x"], True),
    "host in the user part": (["https://a.example@b.example/x"], True),
    "no scheme": (["//b.example/x"], True),
    "relative": (["x/../y"], True),
    "upper case host": (["https://B.EXAMPLE/x"], True),
}


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_ends_as_it_should_and_leaks_nothing(internet, fetching, monkeypatch, name, status):
    monkeypatch.setenv("A_TOKEN", TOKEN)
    chain, reached = CHAINS[name]
    from urllib.parse import urljoin

    hosts = ("a.example", "b.example", "sub.a.example", "example", "a.example.b.example")
    for host in hosts:
        internet.host(host, page("<p>end</p>"))
        internet.at(f"https://{host}/robots.txt", Reply(b"", 404))
    at = START
    for location in chain:
        key = urljoin(at, location)
        internet.at(at.replace("me:pw@", "").replace("a.example@", ""), redirect(location, status))
        at = key
    source = Source("s", kind="page", url=START, options=(("token_env", "A_TOKEN"),))
    fetcher = fetching()
    found = list(fetcher.fetch(source))
    assert bool(found) == reached
    for hit in internet.hits:
        mine = hit.scheme == "https" and hit.host == "a.example"
        assert ("authorization" in hit.headers) == mine, hit.url
        assert mine or TOKEN not in str(hit)
        assert "cookie" not in hit.headers
        assert "referer" not in hit.headers
    documents = [hit for hit in internet.hits if hit.target != "/robots.txt"]
    assert len(documents) <= 6


def test_there_are_20_chains():
    assert len(CHAINS) == 20


@pytest.mark.parametrize(
    "location", ["", "http://", "javascript:alert(1)", "http://a.example:x/", "\x7f"]
)
def test_a_redirect_to_nowhere_is_an_error(internet, fetching, location):
    internet.at(START, redirect(location))
    fetcher = fetching()
    assert list(fetcher.fetch(Source("s", kind="page", url=START))) == []
    assert sum(fetcher.account.failed.values()) == 1


def test_a_cookie_is_never_sent_back(internet, fetching):
    internet.at(START, Reply(b"", 302, {"Location": "/next", "Set-Cookie": "session=abc"}))
    internet.at("https://a.example/next", page())
    assert len(list(fetching().fetch(Source("s", kind="page", url=START)))) == 1
    assert all("cookie" not in hit.headers for hit in internet.hits)


def test_the_robots_txt_of_the_place_redirected_to_counts(internet, fetching):
    internet.at(START, redirect("https://b.example/x"))
    internet.at("https://b.example/robots.txt", b"User-agent: *\nDisallow: /")
    internet.at("https://b.example/x", page())
    fetcher = fetching()
    assert list(fetcher.fetch(Source("s", kind="page", url=START))) == []
    assert dict(fetcher.account.failed) == {"robots denied": 1}
    assert not internet.asked("b.example/x")


def test_validators_go_to_the_address_that_gave_them(internet, fetching, tmp_path):
    from ctimine.archive import Archive

    internet.at(START, redirect("https://b.example/x"))
    internet.at("https://b.example/x", Reply(b"x", headers={"ETag": '"private-to-b"'}))
    source = Source("s", kind="page", url=START)
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(source))
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert again.account.not_modified == 1
    for hit in internet.hits:
        assert hit.host == "b.example" or "if-none-match" not in hit.headers
