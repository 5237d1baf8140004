"""robots.txt by RFC 9309: a table of files, and what happens when there is none."""

from __future__ import annotations

import itertools
import time

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.fetch.robots import read_robots
from ctimine.model import Source

# (what it is about, file, addresses allowed, addresses denied)
FILES = [
    ("empty", "", "/ /a", ""),
    ("only comments", "# nothing\n# here", "/ /a", ""),
    ("all denied (§5.1)", "User-agent: *\nDisallow: /", "/robots.txt", "/ /a /a?b"),
    ("empty rule says nothing (§2.2.2)", "User-agent: *\nDisallow:", "/ /a", ""),
    ("named group instead of general (§2.2.1)", "User-agent: *\nDisallow: /\n\nUser-agent: ctimine\nDisallow: /x", "/ /a", "/x /x/y"),
    ("named group first", "User-agent: ctimine\nDisallow: /x\n\nUser-agent: *\nDisallow: /", "/ /a", "/x"),
    ("other bots are not us", "User-agent: otherbot\nDisallow: /", "/ /a", ""),
    ("longer name is not us", "User-agent: ctiminer\nDisallow: /", "/ /a", ""),
    ("shorter name is not us", "User-agent: cti\nDisallow: /", "/ /a", ""),
    ("name in any case", "User-Agent: CTIMine\nDisallow: /x", "/", "/x"),
    ("name with a version", "User-agent: ctimine/2.0\nDisallow: /x", "/", "/x"),
    ("groups of one name add up (§2.2.1)", "User-agent: ctimine\nDisallow: /a\n\nUser-agent: b\nDisallow: /\n\nUser-agent: ctimine\nDisallow: /c", "/ /b", "/a /c"),
    ("several names, one group", "User-agent: other\nUser-agent: ctimine\nDisallow: /x", "/", "/x"),
    ("general groups add up", "User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/", "/a /b"),
    ("a named group without rules allows all", "User-agent: *\nDisallow: /\n\nUser-agent: ctimine\nAllow: /", "/ /a", ""),
    ("a named group with an empty rule allows all", "User-agent: ctimine\nDisallow:\n\nUser-agent: *\nDisallow: /", "/ /a", ""),
    ("longest rule wins (§5.2)", "User-agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif", "/example/page/ /example/page/a", "/example/page/disallowed.gif"),
    ("longest wins in any order", "User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b /a/b/c", "/a /a/c"),
    ("allow wins a tie (§2.2.2)", "User-agent: *\nDisallow: /page\nAllow: /page", "/page", ""),
    ("prefixes match", "User-agent: *\nDisallow: /fish", "/Fish.asp /catfish /", "/fish /fish.html /fish/salmon.html /fishheads /fish.php?id=anything"),
    ("a folder's slash counts", "User-agent: *\nDisallow: /fish/", "/fish /fish.html", "/fish/ /fish/salmon.htm /fish/?id=anything"),
    ("star at the end changes nothing", "User-agent: *\nDisallow: /fish*", "/Fish.asp", "/fish /fishheads"),
    ("star inside (§2.2.3)", "User-agent: *\nDisallow: /*.php", "/ /windows.PHP", "/index.php /folder/any.php.file.html /x?y=a.php"),
    ("end mark (§2.2.3)", "User-agent: *\nDisallow: /*.php$", "/filename.php?parameters /filename.php/ /filename.php5", "/filename.php /folder/filename.php"),
    ("star between", "User-agent: *\nDisallow: /fish*.php", "/Fish.PHP /fish.asp", "/fish.php /fishheads/catfish.php?parameters"),
    ("end mark without star", "User-agent: *\nDisallow: /a$", "/a/ /ab", "/a"),
    ("end mark with repeats", "User-agent: *\nDisallow: /*ab$", "/aba", "/ab /abab"),
    ("only star", "User-agent: *\nDisallow: *", "", "/ /a"),
    ("many stars", "User-agent: *\nDisallow: /**a***b", "/ba", "/ab /xaxb"),
    ("query is part of it", "User-agent: *\nDisallow: /*?", "/a /", "/a?b /?x"),
    ("case of paths counts", "User-agent: *\nDisallow: /A", "/a", "/A"),
    ("octets in either form (§2.2.2)", "User-agent: *\nDisallow: /foo/bar/ツ", "/foo/bar/", "/foo/bar/%E3%83%84 /foo/bar/%e3%83%84"),
    ("octets written out", "User-agent: *\nDisallow: /foo/bar/%E3%83%84", "/foo/bar/", "/foo/bar/ツ"),
    ("unreserved octets written out", "User-agent: *\nDisallow: /a%62c/%7Ex", "/a", "/abc/~x /a%62c/~x"),
    ("reserved octets stay apart", "User-agent: *\nDisallow: /a%2Fb", "/a/b", "/a%2fb"),
    ("line ends of all kinds", "User-agent: *\rDisallow: /a\r\nDisallow: /b\nDisallow: /c", "/", "/a /b /c"),
    ("byte order mark", "\ufeffUser-agent: *\nDisallow: /a", "/", "/a"),
    ("blanks and comments at the end", "  User-agent :  *   # all\n\tDisallow :  /a   # not this", "/", "/a"),
    ("unknown lines do not split a group (§2.2.4)", "User-agent: ctimine\nSitemap: https://a.example/s.xml\nCrawl-delay: 0\nUser-agent: other\nDisallow: /a", "/", "/a"),
    ("rules before any group belong to nobody", "Disallow: /\nUser-agent: *\nDisallow: /a", "/", "/a"),
    ("broken lines are passed over (§2.2)", "User-agent: *\nthis is no line\n: /x\n<html>\nDisallow: /a\n\x00\x01", "/", "/a"),
    ("an HTML page is no rule", "<!doctype html><html><body>User-agent: nothing</body></html>", "/ /a", ""),
    ("a rule without a slash", "User-agent: *\nDisallow: private", "/", "/private"),
    ("an end mark alone", "User-agent: *\nDisallow: /$", "/a", "/"),
    ("500 KiB are read (§2.5)", "User-agent: *\nDisallow: /early\n" + "# filler\n" * 60_000 + "Disallow: /late", "/late", "/early"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("about", "file", "allowed", "denied"), FILES, ids=[row[0] for row in FILES]
)
def test_a_file_is_read_by_the_rfc(about, file, allowed, denied):
    robots = read_robots(file.encode())
    for path in allowed.split():
        assert robots.allows("https://a.example" + path), path
    for path in denied.split():
        assert not robots.allows("https://a.example" + path), path


def test_there_are_at_least_40_files():
    assert len(FILES) >= 40


@pytest.mark.parametrize(
    "line",
    ["Disallow: /" + "*a" * 2000 + "b", "Disallow: /" + "a" * 5000 + "*b", "User-agent:" * 5000],
)
def test_a_hostile_rule_takes_no_time(line):
    begun = time.monotonic()
    robots = read_robots(("User-agent: *\n" + f"{line}\n" * 20).encode())
    robots.allows("https://a.example/" + "a" * 3900)
    assert time.monotonic() - begun < 1.0


X = Source("s", kind="page", url="https://site.example/x")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(b"", 404), ""),  # §2.3.1.3: not there
        (Reply(b"", 403), ""),
        (Reply(b"", 401), ""),
        (Reply(b"", 410), ""),
        (Reply(b"", 500), "robots denied"),  # §2.3.1.4: not to be had
        (Reply(b"", 503), "robots denied"),
        (redirect("https://other.example/robots.txt"), "robots denied"),  # §2.3.1.2
        (redirect("/robots.txt"), ""),  # a circle is as good as none
    ],
)
def test_a_site_without_a_readable_file(internet, fetching, answer, reason):
    internet.at("https://site.example/robots.txt", answer)
    internet.at("https://other.example/robots.txt", b"User-agent: *\nDisallow: /x")
    internet.at(X.url, page())
    fetcher = fetching()
    found = list(fetcher.fetch(X))
    assert dict(fetcher.account.failed) == ({reason: 1} if reason else {})
    assert bool(found) == (not reason)


def test_a_denied_page_is_never_asked_for(internet, fetching):
    internet.at("https://site.example/robots.txt", b"User-agent: *\nDisallow: /x")
    internet.at(X.url, page())
    fetcher = fetching()
    assert list(fetcher.fetch(X)) == []
    assert dict(fetcher.account.failed) == {"robots denied": 1}
    assert not internet.asked("/x")


def test_the_file_is_asked_for_once_a_site(internet, fetching):
    internet.host("site.example", page())
    internet.at("https://site.example/robots.txt", Reply(b"", 404))
    urls = tuple(f"https://site.example/{n}" for n in range(20))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    assert len(list(fetching().fetch(source))) == 20
    assert len(internet.asked("robots.txt")) == 1


def test_a_crawl_delay_is_kept(internet, fetching):
    internet.host("site.example", page())
    internet.at("https://site.example/robots.txt", b"User-agent: *\nCrawl-delay: 0.3")
    urls = tuple(f"https://site.example/{n}" for n in range(4))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    assert len(list(fetching().fetch(source))) == 4
    moments = sorted(hit.moment for hit in internet.hits if "robots" not in hit.target)
    assert all(b - a > 0.25 for a, b in itertools.pairwise(moments))


def test_we_say_who_we_are(internet, fetching):
    internet.at(X.url, page())
    list(fetching(contact="mailto:cti@company.example").fetch(X))
    for hit in internet.hits:
        assert hit.headers["user-agent"].startswith("ctimine/")
        assert "(+mailto:cti@company.example)" in hit.headers["user-agent"]
