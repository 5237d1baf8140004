"""Whole runs: killed at any moment and taken up again, fast, and flat in memory."""

from __future__ import annotations

import gc
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fetch_internet import Reply, page
from fetch_killable import ITEMS, SOURCES

from ctimine.archive import Archive
from ctimine.model import Source

HERE = Path(__file__).parent
KILLS = 200


def serve(internet):
    def tagged(text):
        return Reply(text.encode(), headers={"ETag": f'"{len(text)}"', "Content-Type": "text/html"})

    items = "".join(
        f"<item><guid>id-{n}</guid><title>Report {n}</title><link>https://one.example/{n}</link></item>"
        for n in range(ITEMS)
    )
    internet.at("https://one.example/feed", tagged(f"<rss><channel>{items}</channel></rss>"))
    urls = "".join(f"<url><loc>https://two.example/{n}</loc></url>" for n in range(ITEMS))
    internet.at("https://two.example/sitemap.xml", tagged(f"<urlset>{urls}</urlset>"))
    for host in ("one", "two", "three"):
        internet.host(f"{host}.example", lambda hit: tagged(f"<p>{hit.host} says {hit.target}</p>"))
        internet.at(f"https://{host}.example/robots.txt", Reply(b"", 404))


def start(internet, archive):
    command = [
        sys.executable, str(HERE / "fetch_killable.py"), str(archive), internet.file,
        str(internet.http_port), str(internet.https_port),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src")}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def content(archive):
    """All that an archive holds, but when it came."""
    with Archive(archive) as opened:
        rows = [
            (s.source, s.item, s.digest, s.url, s.final_url, s.media_type, s.headers, s.hints)
            for s in opened.snapshots()
        ]
        versions = {len(opened.versions(row[0], row[1])) for row in rows}
        sources = opened.sources()
    with sqlite3.connect(archive) as db:
        notes = db.execute("SELECT source, key, value FROM notes ORDER BY 1, 2").fetchall()
        problems = db.execute("PRAGMA integrity_check").fetchall()
        bodies = db.execute("SELECT count(*) FROM bodies").fetchone()[0]
    db.close()
    assert problems == [("ok",)]
    assert versions <= {1}
    return rows, notes, sources, bodies


@pytest.mark.slow
def test_a_run_killed_200_times_loses_and_doubles_nothing(internet, tmp_path):
    """Killed at random moments until it has been killed 200 times; each archive ends the same."""
    serve(internet)
    whole = tmp_path / "whole"
    begun = time.monotonic()
    process = start(internet, whole)
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    length = time.monotonic() - begun
    expected = content(whole)
    assert len(expected[0]) == 3 * ITEMS
    dice = random.Random(9)
    kills, archives, before_end = 0, 0, 0
    while kills < KILLS:
        archive = tmp_path / f"a{archives}"
        archives += 1
        while True:
            process = start(internet, archive)
            try:
                # Most of a run is its start: the second half is where documents come in.
                process.wait(dice.uniform(0.45, 1.0) * length)
            except subprocess.TimeoutExpired:
                if kills < KILLS and dice.random() < 0.9:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    before_end += archive.exists()
            done = process.wait() == 0
            process.stderr.close()
            if archive.exists() and not done:
                with Archive(archive) as opened:  # whatever is there is whole
                    assert all(s.digest for s in opened.snapshots())
            if done:
                break
        assert content(archive) == expected
    assert kills == KILLS
    assert before_end > KILLS // 4


def test_two_runs_at_once_on_one_archive_double_nothing(internet, tmp_path):
    serve(internet)
    archive = tmp_path / "a"
    both = [start(internet, archive), start(internet, archive)]
    for process in both:
        assert process.wait() == 0, process.stderr.read()
        process.stderr.close()
    assert len(content(archive)[0]) == 3 * ITEMS


def test_a_second_run_over_an_unchanged_internet_fetches_no_body(internet, fetching, tmp_path):
    serve(internet)
    with Archive(tmp_path / "a") as archive:
        assert len(list(fetching(archive).fetch(*SOURCES))) == 3 * ITEMS
        again = fetching(archive)
        assert list(again.fetch(*SOURCES)) == []
        assert again._web.bodies == 0
        assert not again.account.failed
        assert not again.account.skipped


def test_what_was_kept_before_the_consumer_stopped_is_not_lost(internet, fetching, tmp_path):
    serve(internet)
    with Archive(tmp_path / "a") as archive:
        first = fetching(archive).fetch(*SOURCES)
        for _ in range(5):
            next(first)
        first.close()
        list(fetching(archive).fetch(*SOURCES))
        assert archive.count() == 3 * ITEMS


def _rss():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_pages_come_fast_and_memory_stays_flat(internet, fetching, tmp_path):
    """At least 200 small pages a second, pacing off, and flat over 5,000 pages."""
    internet.host("fast.example", lambda hit: page(f"<p>{hit.target}</p>" * 40))
    internet.at("https://fast.example/robots.txt", Reply(b"", 404))
    internet.log = False
    urls = [f"https://fast.example/{n}" for n in range(5000)]
    source = Source("s", kind="page", url=urls[0], options=(("urls", tuple(urls[1:])),))
    try:
        with Archive(tmp_path / "a") as archive:
            fetcher = fetching(archive, each=16, total=32)
            marks, begun = [], time.monotonic()
            for number, _ in enumerate(fetcher.fetch(source), 1):
                if number % 1000 == 0:
                    gc.collect()
                    marks.append(_rss())
            took = time.monotonic() - begun
    finally:
        internet.log = True
    rate = len(urls) / took
    assert rate >= 200, f"{rate:.0f} pages a second"
    assert marks[-1] - marks[0] < 16 * 1024, marks


def test_taking_slowly_keeps_memory_flat_and_loses_nothing(internet, fetching):
    """Nobody takes snapshots off: then no more than a few are fetched ahead."""
    internet.host("fast.example", lambda hit: page(hit.target))
    urls = tuple(f"https://fast.example/{n}" for n in range(200))
    source = Source("s", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    found = fetching(each=16).fetch(source)
    next(found)
    time.sleep(0.5)
    assert len(internet.hits) < 60
    assert len(list(found)) == 199
