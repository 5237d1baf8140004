"""``ctimine fetch``, ``sources check`` and ``mine --source`` against the fake internet."""

from __future__ import annotations

import pytest
from fetch_internet import Reply, page, redirect

MINE = """
[[source]]
key = "raven"
kind = "page"
url = "https://raven.example/report"

[[source]]
key = "shut"
kind = "feed"
url = "https://shut.example/feed"

[[source]]
key = "moved"
kind = "feed"
url = "https://raven.example/old"
"""
CONTACT = "mailto:cti@company.example"


@pytest.fixture
def ctimine(internet, tmp_path):
    """The command line on a fake internet with three sources of one's own."""
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    text = "<title>R</title><p>Turla used Pastebin for its commands (T1102.001).</p>"
    internet.at("https://raven.example/report", page(text, ETag='"1"'))
    internet.at("https://raven.example/old", redirect("https://raven.example/feed", 308))
    internet.at("https://raven.example/feed", b"<rss><channel><title>R</title></channel></rss>")
    internet.at("https://shut.example/feed", Reply(b"", 403))

    def run(*words, **environment):
        done = internet.run("-m", "ctimine", *words, folder=tmp_path, **environment)
        assert "Traceback" not in done.stderr
        return done

    return run


def test_what_is_fetched_can_be_mined_and_is_not_fetched_again(ctimine, internet):
    fetch = ("fetch", "raven", "--archive", "a", "--sources", "mine.toml")
    done = ctimine(*fetch)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "raven: https://raven.example/report",
        "1 fetched, 0 not modified, 0 skipped, 0 failed",
    ]
    assert "0 fetched, 1 not modified" in ctimine(*fetch).stdout
    mined = ctimine(
        "mine", "--archive", "a", "--technique", "T1102", "--workers", "0", "--behaviours", "off"
    )
    assert mined.returncode == 0
    assert "Turla" in mined.stdout


def test_fetching_and_mining_are_one_command_too(ctimine, internet):
    words = ("--source", "raven", "--sources", "mine.toml", "--workers", "0", "--behaviours", "off")
    mined = ctimine("mine", *words, "--archive", "a", "--technique", "T1102.001")
    assert mined.returncode == 0, mined.stderr
    assert "Turla" in mined.stdout
    assert "1 document, " in mined.stdout
    again = ctimine("mine", *words, "--archive", "a", "--technique", "T1102.001")
    assert "1 document, " in again.stdout
    assert len(internet.asked("/report")) == 2
    assert internet.asked("/report")[1].headers["if-none-match"] == '"1"'


def test_what_cannot_be_had_is_named_and_the_exit_code_says_so(ctimine):
    done = ctimine("fetch", "raven", "shut", "--archive", "a", "--sources", "mine.toml")
    assert done.returncode == 3
    assert done.stderr.startswith("failed shut: https://shut.example/feed: ")
    assert "1 fetched, 0 not modified, 0 skipped, 1 failed (1 blocked)" in done.stdout


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_contact_stands_in_every_request(ctimine, internet, way):
    words = ("--contact", CONTACT) if way == "option" else ()
    environment = {"CTIMINE_CONTACT": CONTACT} if way == "environment" else {}
    ctimine("fetch", "raven", "--archive", "a", "--sources", "mine.toml", *words, **environment)
    ctimine("sources", "check", "raven", "--sources", "mine.toml", *words, **environment)
    assert len(internet.hits) >= 4  # robots.txt and the page, twice
    for hit in internet.hits:
        assert hit.headers["user-agent"].startswith("ctimine/")
        assert f"(+{CONTACT})" in hit.headers["user-agent"]


def test_a_check_names_each_state(ctimine):
    done = ctimine("sources", "check", "raven", "shut", "moved", "--sources", "mine.toml")
    assert done.returncode == 3
    states = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert states == {
        "raven": "ok",
        "shut": "blocked: HTTP 403",
        "moved": "moved: https://raven.example/feed",
    }


def test_a_file_that_is_wrong_is_named(ctimine, tmp_path):
    (tmp_path / "wrong.toml").write_text('[[source]]\nkey = "x"\nkind = "rss"\n', encoding="utf-8")
    done = ctimine("fetch", "--archive", "a", "--sources", "wrong.toml")
    assert done.returncode == 1
    assert "wrong.toml" in done.stderr
    assert "no kind 'rss'" in " ".join(done.stderr.split())
