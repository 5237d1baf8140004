"""``examples/mine_blogs.py``, the file itself, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fetch_internet import Reply, page

from ctimine.fetch import is_enabled, load_sources

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "mine_blogs.py")
CATALOGUE = """
[[source]]
key = "raven-blog"
kind = "feed"
url = "https://raven.example/feed"
class = "vendor"

[[source]]
key = "raven-pages"
kind = "page"
url = "https://raven.example/second"

[[source]]
key = "shut"
kind = "feed"
url = "https://shut.example/feed"

[[source]]
key = "vanished"
kind = "feed"
url = "https://vanished.example/feed"

[[source]]
key = "nowhere"
kind = "feed"
url = "https://nowhere.example/feed"

[[source]]
key = "not-meant"
kind = "feed"
url = "https://raven.example/other"
enabled = false
"""


@pytest.fixture
def catalogue(tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "mine.toml").write_text(CATALOGUE, encoding="utf-8")
    return str(folder)


@pytest.fixture
def blogs(internet):
    """A blog that can be read, one that is shut, one that is gone; the fourth has no name."""
    link = "https://raven.example/first"
    feed = f"<rss><channel><item><guid>1</guid><link>{link}</link></item></channel></rss>"
    internet.at("https://raven.example/feed", Reply(feed.encode(), headers={"ETag": '"1"'}))
    texts = {
        "first": "<h1>Turla again</h1><p>Turla used Pastebin for its commands (T1102.001).</p>",
        "second": "<h1>APT29</h1><p>APT29 used Dropbox for command and control (T1102.002).</p>",
    }
    for name, text in texts.items():
        tagged = page(f"<title>{name}</title>{text}", ETag=f'"{name}"')
        internet.at(f"https://raven.example/{name}", tagged)
    internet.at("https://shut.example/feed", Reply(b"", 403))
    internet.at("https://shut.example/robots.txt", Reply(b"", 404))
    internet.at("https://vanished.example/feed", Reply(b"", 410))
    return internet


def mine_blogs(internet, tmp_path, *words):
    words = ("--archive", "deep/cti.archive", "--workers", "0", *words)
    return internet.run(EXAMPLE, *words, folder=tmp_path)


def row(output, key):
    """The cells of a source's row in the table."""
    (line,) = [line for line in output.splitlines() if line.startswith(f"│ {key} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_catalogue_is_fetched_mined_and_accounted_for(blogs, tmp_path, catalogue):
    contact = "mailto:cti@company.example"
    done = mine_blogs(blogs, tmp_path, "--sources", catalogue, "--contact", contact)
    assert done.returncode == 3, done.stderr
    assert row(done.stdout, "raven-blog") == ["raven-blog", "1", "0", "0", ""]
    assert row(done.stdout, "shut") == ["shut", "0", "0", "0", "1 blocked"]
    assert row(done.stdout, "vanished")[-1] == "1 HTTP 410"
    assert row(done.stdout, "nowhere")[-1] == "1 unreachable"
    assert "2 fetched, 0 not modified, 0 skipped, 3 failed" in done.stdout
    assert "Not reached: nowhere, shut, vanished" in done.stdout
    assert "not-meant" not in done.stdout
    answers = " ".join(done.stdout.split())
    assert "Turla" in answers
    assert "APT29" in answers
    bundle = json.loads((tmp_path / "out" / "blogs" / "bundle.json").read_text(encoding="utf-8"))
    assert any(found["type"] == "relationship" for found in bundle["objects"])
    assert all(contact in hit.headers["user-agent"] for hit in blogs.hits)


def test_a_second_run_goes_on_and_gives_the_same_answer(blogs, tmp_path, catalogue):
    """What the first run did not reach comes in the second, and nothing comes twice."""
    whole, blogs.answers["raven.example", "/second"] = (
        blogs.answers["raven.example", "/second"],
        Reply(b"", 503, {"Retry-After": "0"}),
    )
    first = mine_blogs(blogs, tmp_path, "--sources", catalogue)
    assert "1 fetched" in first.stdout
    blogs.answers["raven.example", "/second"] = whole
    second = mine_blogs(blogs, tmp_path, "--sources", catalogue)
    assert "1 documents of earlier runs" in second.stdout
    assert "1 fetched, 1 not modified" in second.stdout
    written = (tmp_path / "out" / "blogs" / "bundle.json").read_bytes()
    third = mine_blogs(blogs, tmp_path, "--sources", catalogue)
    assert "0 fetched, 2 not modified" in third.stdout
    assert (tmp_path / "out" / "blogs" / "bundle.json").read_bytes() == written
    assert "Turla" in third.stdout
    # Without a way out, what earlier runs brought in is mined all the same.
    blogs.addresses.clear()
    offline = mine_blogs(blogs, tmp_path, "--sources", catalogue)
    assert offline.returncode == 3
    assert "No source could be reached" in offline.stdout
    assert (tmp_path / "out" / "blogs" / "bundle.json").read_bytes() == written


def test_sources_that_are_all_reached_end_in_zero(blogs, tmp_path, catalogue):
    own = tmp_path / "own.toml"
    own.write_text(CATALOGUE.partition('[[source]]\nkey = "shut"')[0], encoding="utf-8")
    done = mine_blogs(blogs, tmp_path, "--sources", str(own))
    assert done.returncode == 0, done.stderr
    assert "Not reached" not in done.stdout


def test_offline_it_says_that_nothing_was_reached_and_names_each(internet, tmp_path):
    """The catalogue that ships, on a machine without a way out."""
    done = mine_blogs(internet, tmp_path)
    assert done.returncode == 1, done.stderr
    for source in filter(is_enabled, load_sources()):
        assert row(done.stdout, source.key)[-1] == "1 unreachable"
    assert "No source could be reached" in done.stdout
    assert "nothing to mine" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_port_where_nobody_listens_is_unreachable(blogs, tmp_path, catalogue):
    done = blogs.run(EXAMPLE, "--sources", catalogue, folder=tmp_path, FAKE_HTTPS="1")
    assert done.returncode == 1
    assert row(done.stdout, "raven-blog")[-1] == "1 unreachable"


def test_a_word_that_is_neither_a_file_nor_a_source_is_named(internet, tmp_path):
    done = mine_blogs(internet, tmp_path, "--sources", "unit42", "unit4711")
    assert done.returncode == 1
    assert "unit4711" in done.stderr
    assert not (tmp_path / "deep").exists()
