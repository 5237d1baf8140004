"""The catalogue: every entry is right, changes have reasons, and a look says what became of each."""

from __future__ import annotations

import collections
import csv
import datetime
import json
import os
from pathlib import Path

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


OFF_FOR_A_REASON = {"attack-stix", "misp-galaxy"}
"""On in the list that the catalogue was made from, off here."""
KINDS_OF_THE_LIST = {
    "rss": {"feed", "medium"},
    "atom": {"feed"},
    "sitemap": {"site"},
    "git": {"github", "attack"},
    "html": {"page", "site"},
    "misp-feed": {"misp"},
}


@pytest.mark.data
def test_every_entry_of_the_list_is_mapped_but_json_interfaces():
    """The list that the catalogue was made from lies with the reference data."""
    file = Path(os.environ.get("CTIMINE_DATA", ".")) / "design" / "sources-catalogue.tsv"
    if not file.is_file():
        pytest.skip("CTIMINE_DATA names no folder with design/sources-catalogue.tsv")
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter="\t"))
    by_key = {source.key: source for source in ALL}
    left_out = collections.Counter(row["kind"] for row in rows if row["id"] not in by_key)
    assert left_out == {"json-api": 2, "manual": 1}
    assert len(rows) >= 98
    for row in rows:
        source = by_key.get(row["id"])
        if source is None:
            continue
        assert source.kind in KINDS_OF_THE_LIST[row["kind"]], row["id"]
        assert row["url"] == (facts(source)["site"] if source.kind == "attack" else source.url)
        assert source.name == row["name"]
        assert source.language == row["language"]
        assert facts(source)["site"] == row["site"]
        assert facts(source)["confidence"] == row["confidence"]
        assert is_enabled(source) == (row["default"] == "yes" and row["id"] not in OFF_FOR_A_REASON)
        assert facts(source)["class"] == row["publisher"], row["id"]


def test_what_is_off_against_the_list_says_why():
    for source in ALL:
        if source.key in OFF_FOR_A_REASON:
            assert not is_enabled(source)
            assert len(facts(source)["because"]) > 40


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


NEW = "Tue, 28 May 2024 09:30:00 GMT"
STATES = {
    "an answer": (rss(NEW), "ok"),
    "an entry of 30 days ago": (rss("Thu, 02 May 2024 09:30:00 GMT"), "ok"),
    "an entry of 31 days ago": (rss("Wed, 01 May 2024 09:30:00 GMT"), "silent"),
    "no entry": (b"<rss><channel><title>T</title></channel></rss>", "ok"),
    "a permanent redirect (301)": (redirect("https://new.example/feed", 301), "moved"),
    "a permanent redirect (308)": (redirect("https://new.example/feed", 308), "moved"),
    "a redirect for now (302)": (redirect("https://new.example/feed", 302), "ok"),
    "HTTP 404": (Reply(b"", 404), "gone"),
    "HTTP 410": (Reply(b"", 410), "gone"),
    "HTTP 401": (Reply(b"", 401), "blocked"),
    "HTTP 403": (Reply(b"", 403), "blocked"),
    "HTTP 451": (Reply(b"", 451), "blocked"),
    "a page": (page("<!doctype html><html></html>"), "not a feed"),
    "JSON of something else": (b'{"results": []}', "not a feed"),
    "nothing": (Reply(b""), "not a feed"),
    "a header of a challenge": (Reply(b"x", 403, {"cf-mitigated": "challenge"}), "challenge page"),
    "a page of a challenge": (Reply(b"<title>Just a moment...</title>", 503), "challenge page"),
    "later": (Reply(b"", 429, {"Retry-After": "9999"}), "rate limited"),
    "HTTP 500": (Reply(b"", 500), "HTTP 500"),
    "redirects in a circle": (redirect("https://x.example/feed", 301), "bad answer"),
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_of_a_feed_is_named(internet, fetching, name):
    answer, state = STATES[name]
    internet.at("https://x.example/robots.txt", Reply(b"", 404))
    internet.at("https://x.example/feed", answer)
    internet.at("https://new.example/feed", rss(NEW))
    source = Source("x", kind="feed", url="https://x.example/feed")
    (found,) = check_sources([source], fetching(), today=TODAY)
    assert (found.source, found.state) == ("x", state)
    # One look, or three where it may have been a moment of weakness; never another way in.
    assert len(internet.asked("x.example/feed")) == (3 if state == "HTTP 500" else 1)


OTHER_KINDS = {
    "site": ("https://x.example/sitemap.xml", "not a sitemap"),
    "misp": ("https://x.example/misp/", "not a source"),
    "taxii": ("https://x.example/taxii2/", "not a source"),
    "attack": ("https://x.example/attack/", "not a source"),
    "medium": ("https://x.example/", "not a feed"),
    "github": ("https://github.com/me/cti", "not a repository"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_page_in_place_of_what_a_kind_promises_is_named(internet, fetching, kind):
    url, state = OTHER_KINDS[kind]
    for host in ("x.example", "api.github.com"):
        internet.host(host, page("<!doctype html><html><p>Welcome</p></html>"))
        internet.at(f"https://{host}/robots.txt", Reply(b"", 404))
    (found,) = check_sources([Source("x", kind=kind, url=url)], fetching(), today=TODAY)
    assert found.state == state


EVENT = {"11111111-1111-4111-8111-111111111111": {"info": "E", "date": "2024-05-30"}}
PROGRAMS = {
    "misp": ("misp/manifest.json", EVENT, "newest of 2024-05-30"),
    "taxii": ("taxii2/", {"title": "T", "api_roots": ["https://x.example/api/"]}, ""),
    "attack": ("attack/index.json", {"collections": [{"versions": [{"version": "18.1"}]}]}, ""),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_an_interface_for_programs_is_ok_when_it_is_one(internet, fetching, kind):
    path, value, detail = PROGRAMS[kind]
    internet.at(f"https://x.example/{path}", json.dumps(value).encode())
    (found,) = check_sources(
        [Source("x", kind=kind, url=OTHER_KINDS[kind][0])], fetching(), today=TODAY
    )
    assert (found.state, found.detail) == ("ok", detail)


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


def test_a_silent_repository_is_named(internet, fetching):
    inner = {"committer": {"date": "2020-01-01T00:00:00Z"}, "tree": {"sha": "b" * 40}}
    head = {"sha": "a" * 40, "commit": inner}
    internet.at("https://api.github.com/repos/me/cti/commits/HEAD", json.dumps(head).encode())
    source = Source("g", kind="github", url="https://github.com/me/cti")
    assert check_sources([source], fetching(), today=TODAY)[0].state == "silent"


def test_the_whole_catalogue_offline_is_unreachable_and_says_so(internet, fetching):
    """No name resolves: each source has a state, and nothing is raised."""
    found = check_sources(ALL, fetching(), today=TODAY)
    assert {check.state for check in found} == {"unreachable"}
    assert len(found) == len(ALL)
