"""The catalogue: every entry is right, changes have reasons, and a look says what became of each."""

from __future__ import annotations

import datetime
import json

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.errors import InputError
from ctimine.fetch.check import check_sources
from ctimine.fetch.fetcher import KINDS
from ctimine.fetch.sources import RELIABILITY, add_source, is_enabled, load_sources
from ctimine.model import Source

ALL = load_sources()


def facts(source):
    return dict(source.options)


# -- what ships


@pytest.mark.parametrize("source", ALL, ids=[source.key for source in ALL])
def test_an_entry_states_its_facts(source):
    """Schema of what ships: more than a user's own file has to say."""
    said = facts(source)
    assert source.kind in KINDS
    assert source.url.startswith(("https://", "http://"))
    assert source.name
    assert source.publisher
    assert source.language
    assert source.tlp == "CLEAR"
    assert source.reliability == RELIABILITY.get(said["class"], "F")
    assert said["site"].startswith("https://") or said["site"].startswith("http://")
    assert said["terms"]
    assert said["confidence"] in {"high", "medium", "low"}
    assert isinstance(said["enabled"], bool)
    assert "allow_private" not in said


def test_the_seed_is_in_it():
    by_url = {source.url: source for source in ALL}
    assert by_url["https://1200km.com/feed.xml"].kind == "feed"
    assert by_url["https://1200km.com/sitemap.xml"].kind == "site"
    assert by_url["https://medium.com/feed/@1200km"].kind == "medium"
    assert by_url["https://github.com/anpa1200/CTI"].kind == "github"
    assert (
        by_url["https://github.com/anpa1200/israel-government-threat-actors-cti"].kind == "github"
    )
    assert by_url["https://1200km.com/israel-government-threat-actors-cti/"].kind == "site"
    assert {source.role for source in ALL} == {"author", "collector"}


def test_no_two_entries_fetch_the_same_address():
    assert len({source.url for source in ALL}) == len(ALL)


def test_some_are_off_by_default():
    assert 0 < sum(map(is_enabled, ALL)) < len(ALL)


# -- a user's own file


def written(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    return tmp_path / "mine.toml"


GOOD = '[[source]]\nkey = "x"\nkind = "feed"\nurl = "https://x.example/feed"\n'


def test_a_file_of_ones_own_adds_to_the_catalogue(tmp_path):
    found = load_sources(written(tmp_path, GOOD))
    assert len(found) == len(ALL) + 1
    assert [source.key for source in load_sources(written(tmp_path, GOOD), catalogue=False)] == [
        "x"
    ]


def test_an_override_with_a_reason_changes_an_entry(tmp_path):
    text = (
        '[[override]]\nkey = "unit42"\nreliability = "A"\nenabled = false\n'
        'because = "checked against our own cases"\n[override.options]\npages = 2\n'
    )
    (found,) = [s for s in load_sources(written(tmp_path, text)) if s.key == "unit42"]
    assert found.reliability == "A"
    assert not is_enabled(found)
    assert facts(found)["pages"] == 2
    assert facts(found)["because"] == "checked against our own cases"


WRONG = {
    "an override without a reason": (
        '[[override]]\nkey = "unit42"\nreliability = "A"\n',
        "because",
    ),
    "an override of nothing": (
        '[[override]]\nkey = "nobody"\nbecause = "x"\n',
        "no source 'nobody'",
    ),
    "a second declaration": (
        '[[source]]\nkey = "unit42"\nkind = "feed"\nurl = "https://x.example/"\n',
        "declared already",
    ),
    "a grade without a reason": (GOOD + 'reliability = "A"\n', "needs a reason"),
    "a TLP without a reason": (GOOD + 'tlp = "AMBER"\n', "needs a reason"),
    "no such grade": (GOOD + 'reliability = "G"\nbecause = "x"\n', "from A to F"),
    "no such TLP": (GOOD + 'tlp = "WHITE"\nbecause = "x"\n', "tlp is one of"),
    "an unknown field": (GOOD + 'colour = "red"\n', "no field 'colour'"),
    "an unknown table": ("[[sources]]\n", "no table 'sources'"),
    "an unknown kind": (
        '[[source]]\nkey = "x"\nkind = "rss"\nurl = "https://x.example/"\n',
        "no kind 'rss'",
    ),
    "no key": ('[[source]]\nkind = "feed"\nurl = "https://x.example/"\n', "a key is made of"),
    "a key of other characters": (
        '[[source]]\nkey = "X Y"\nkind = "feed"\nurl = "https://x.example/"\n',
        "a key is made of",
    ),
    "no address": ('[[source]]\nkey = "x"\nkind = "feed"\n', "not a web address"),
    "a file as address": (
        '[[source]]\nkey = "x"\nkind = "feed"\nurl = "file:///etc/passwd"\n',
        "not a web address",
    ),
    "a password in it": (
        '[[source]]\nkey = "x"\nkind = "feed"\nurl = "https://me:pw@x.example/"\n',
        "holds a credential",
    ),
    "a key in it": (
        '[[source]]\nkey = "x"\nkind = "feed"\nurl = "https://x.example/?api_key=abcdefgh"\n',
        "holds a credential",
    ),
    "no such role": (GOOD + 'role = "reader"\n', "author or collector"),
    "no such class": (GOOD + 'class = "friend"\n', "class is one of"),
    "a number for a text": (GOOD + "name = 3\n", "name is no text"),
    "a text for a switch": (GOOD + 'enabled = "no"\n', "enabled is true or false"),
    "a label that is none": (GOOD + "labels = [1]\n", "labels is a list"),
    "no language": (GOOD + 'language = "English please"\n', "language is a tag"),
    "an option that is a table": (GOOD + "[source.options]\na = { b = 1 }\n", "neither a scalar"),
    "no TOML": ("[[source", "cannot be read"),
    "no list": ("source = 3\n", "no list of tables"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_file(tmp_path, name):
    text, words = WRONG[name]
    with pytest.raises(InputError, match=words) as caught:
        load_sources(written(tmp_path, text))
    assert "mine.toml" in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_an_added_source_is_read_back(tmp_path):
    file = tmp_path / "mine.toml"
    first = Source(
        "one", kind="feed", url="https://x.example/feed", name='A "name"\\ \x7fЛ', labels=("a", "b")
    )
    second = Source(
        "two", kind="taxii", url="https://t.example/", reliability="B", tlp="GREEN",
        options=(("allow_private", ("t.example",)), ("pages", 2), ("enabled", False)),
    )  # fmt: skip
    add_source(file, first)
    add_source(file, second, because="ours")
    found = {source.key: source for source in load_sources(file, catalogue=False)}
    assert found["one"].name == first.name
    assert found["one"].labels == ("a", "b")
    assert (found["two"].reliability, found["two"].tlp) == ("B", "GREEN")
    assert facts(found["two"])["allow_private"] == ("t.example",)
    assert not is_enabled(found["two"])


def test_a_source_that_is_wrong_is_not_added(tmp_path):
    file = tmp_path / "mine.toml"
    add_source(file, Source("one", kind="feed", url="https://x.example/feed"))
    before = file.read_text()
    for wrong in (
        Source("one", kind="feed", url="https://x.example/other"),
        Source("two", kind="feed", url="nowhere"),
        Source("three", kind="feed", url="https://x.example/", reliability="A"),
    ):
        with pytest.raises(InputError):
            add_source(file, wrong)
    assert file.read_text() == before


# -- what has become of them

TODAY = datetime.date(2024, 6, 1)


def rss(date):
    return f"<rss><channel><item><guid>1</guid><pubDate>{date}</pubDate></item></channel></rss>".encode()


NEW, OLD = "Tue, 28 May 2024 09:30:00 GMT", "Tue, 05 Mar 2024 09:30:00 GMT"
STATES = {
    "ok": rss(NEW),
    "moved": redirect("https://new.example/feed", 301),
    "gone": Reply(b"", 410),
    "blocked": Reply(b"", 403),
    "not a feed": page("<!doctype html><html></html>"),
    "challenge page": Reply(b"x", 403, {"cf-mitigated": "challenge"}),
    "silent": rss(OLD),
    "rate limited": Reply(b"", 429, {"Retry-After": "9999"}),
    "HTTP 500": Reply(b"", 500),
}


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_a_feed_is_named(internet, fetching, state):
    internet.at("https://x.example/robots.txt", Reply(b"", 404))
    internet.at("https://x.example/feed", STATES[state])
    internet.at("https://new.example/feed", rss(NEW))
    source = Source("x", kind="feed", url="https://x.example/feed")
    (found,) = check_sources([source], fetching(), today=TODAY)
    assert (found.source, found.state) == ("x", state)


def test_robots_and_absence_are_named(internet, fetching):
    internet.at("https://x.example/robots.txt", b"User-agent: *\nDisallow: /")
    internet.at("https://x.example/feed", rss(NEW))
    internet.contexts.pop("no-tls.example", None)
    found = check_sources(
        [
            Source("x", kind="feed", url="https://x.example/feed"),
            Source("y", kind="feed", url="https://nobody.example/feed"),
            Source("z", kind="feed", url="http://127.0.0.1/feed"),
        ],
        fetching(),
        today=TODAY,
    )
    assert [check.state for check in found] == ["robots-denied", "unreachable", "refused"]
    assert not internet.asked("x.example/feed")


def test_a_temporary_redirect_is_no_move(internet, fetching):
    internet.at("https://x.example/feed", redirect("https://new.example/feed", 302))
    internet.at("https://new.example/feed", rss(NEW))
    source = Source("x", kind="feed", url="https://x.example/feed")
    assert check_sources([source], fetching(), today=TODAY)[0].state == "ok"


def test_a_silent_repository_is_named(internet, fetching):
    head = {"sha": "a" * 40, "commit": {"committer": {"date": "2020-01-01T00:00:00Z"}}}
    internet.at("https://api.github.com/repos/me/cti/commits/HEAD", json.dumps(head).encode())
    source = Source("g", kind="github", url="https://github.com/me/cti")
    assert check_sources([source], fetching(), today=TODAY)[0].state == "silent"


def test_the_whole_catalogue_offline_is_unreachable_and_says_so(internet, fetching):
    """No name resolves: each source has a state, and nothing is raised."""
    found = check_sources(ALL, fetching(), today=TODAY)
    assert {check.state for check in found} == {"unreachable"}
    assert len(found) == len(ALL)
