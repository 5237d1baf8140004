"""Whole runs: killed at any moment and taken up again, fast, and flat in memory."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import select
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
KILLS_EACH = 5
"""Kills of runs on one archive; then it may end."""


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


class Runs:
    """A warm process that forks runs (see ``fetch_killable``), each with an archive of its own."""

    def __init__(self, internet):
        command = [
            sys.executable, str(HERE / "fetch_killable.py"), internet.file,
            str(internet.http_port), str(internet.https_port),
        ]  # fmt: skip
        self._warm = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._said() == "ready"

    def _said(self):
        return self._warm.stdout.readline().strip()

    def start(self, archive):
        """The number of a run that has just begun."""
        self._warm.stdin.write(f"{archive}\n")
        self._warm.stdin.flush()
        return int(self._said())

    def ends_within(self, seconds):
        return bool(select.select([self._warm.stdout], [], [], seconds)[0])

    def status(self):
        """Exit status of the run, when it has ended."""
        return int(self._said())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._warm.stdin.close()
        self._warm.stdout.close()
        self._warm.wait()


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
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks runs from a warm process")
def test_a_run_killed_200_times_loses_and_doubles_nothing(internet, tmp_path):
    """Killed at moments drawn over its whole length, until 200 times; each archive ends the same."""
    serve(internet)
    dice = random.Random(9)
    kills, archives, half_way = 0, 0, 0
    with Runs(internet) as runs:
        length = max(undisturbed(runs, tmp_path / f"whole{n}") for n in range(3))
        expected = content(tmp_path / "whole0")
        assert len(expected[0]) == 3 * ITEMS
        while kills < KILLS:
            archive = tmp_path / f"a{archives}"
            archives += 1
            left = KILLS_EACH
            while True:
                run = runs.start(archive)
                if left and kills < KILLS and not runs.ends_within(dice.uniform(0, length)):
                    with contextlib.suppress(ProcessLookupError):  # it ended just now
                        os.kill(run, signal.SIGKILL)
                status = runs.status()
                if status == 0:
                    break
                assert status == -signal.SIGKILL
                kills, left = kills + 1, left - 1
                half_way += 0 < kept(archive) < 3 * ITEMS
            assert content(archive) == expected
    assert kills == KILLS
    assert archives >= KILLS / KILLS_EACH
    assert half_way >= KILLS // 4, f"{half_way} of {KILLS} kills with some documents there"


def undisturbed(runs, archive):
    """Seconds that a run takes when nobody kills it."""
    begun = time.monotonic()
    runs.start(archive)
    assert runs.status() == 0
    return time.monotonic() - begun


def kept(archive):
    """How many documents an archive holds, each of them whole; 0 if it is not there yet."""
    if not archive.exists():
        return 0
    with Archive(archive) as opened:
        found = list(opened.snapshots())
    assert all(snapshot.digest and snapshot.body for snapshot in found)
    return len(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks runs from a warm process")
def test_two_runs_at_once_on_one_archive_double_nothing(internet, tmp_path):
    serve(internet)
    archive = tmp_path / "a"
    with Runs(internet) as one, Runs(internet) as other:
        one.start(archive)
        other.start(archive)
        assert (one.status(), other.status()) == (0, 0)
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
