"""The archive: whole or nothing, once, and the same whatever the order."""

from __future__ import annotations

import random
import sqlite3
import threading

import pytest
import zstandard

from ctimine.archive import Archive
from ctimine.errors import ArchiveError
from ctimine.model import Fact, Snapshot, Source


@pytest.fixture
def archive(tmp_path):
    with Archive(tmp_path / "cti.archive") as opened:
        yield opened


def snap(item="a", body=b"x", **fields):
    return Snapshot("s", item, body, **fields)


def test_a_snapshot_comes_back_as_it_was_kept(archive):
    kept = snap(
        body=b"\x00\xff" * 1000,
        url="https://a.example/x",
        final_url="https://a.example/y",
        fetched="2024-03-05T00:00:00Z",
        media_type="text/html; charset=utf-8",
        headers=(("content-type", "text/html"),),
        hints=(Fact("title", "Лазарь", "feed"),),
    )
    archive.keep(kept, {})
    assert list(archive.snapshots()) == [kept]


@pytest.mark.parametrize("body", [b"", b"x", bytes(1 << 20)])
def test_bodies_of_any_size_come_back(archive, body):
    archive.keep(snap(body=body), {})
    assert next(archive.snapshots()).body == body


def test_the_same_body_is_stored_once(archive):
    for item in "abc":
        archive.keep(snap(item), {})
    assert archive._db.execute("SELECT count(*) FROM bodies").fetchone() == (1,)
    assert archive.count() == 3


def test_keeping_again_what_is_newest_adds_nothing(archive):
    archive.keep(snap(fetched="2024-03-05T00:00:00Z"), {})
    archive.keep(snap(fetched="2025-03-05T00:00:00Z"), {})
    assert [found.fetched for found in archive.versions("s", "a")] == ["2024-03-05T00:00:00Z"]


def test_the_newest_version_is_given_and_the_others_are_kept(archive):
    for body in (b"1", b"2", b"1"):
        archive.keep(snap(body=body), {})
    assert [found.body for found in archive.snapshots()] == [b"1"]
    assert [found.body for found in archive.versions("s", "a")] == [b"1", b"2", b"1"]


def test_the_order_does_not_depend_on_when_they_came(archive):
    for item in "cab":
        archive.keep(snap(item), {})
    assert [found.item for found in archive.snapshots()] == ["a", "b", "c"]


def test_a_snapshot_and_its_notes_are_kept_together_or_not_at_all(archive):
    with pytest.raises(AttributeError):
        archive.keep(snap(), {"good": "1", "bad": 7})
    assert archive.count() == 0
    assert archive.recall("s", "good") == ""


def test_an_empty_note_forgets(archive):
    archive.note("s", {"k": "1"})
    archive.note("s", {"k": ""})
    assert archive.recall("s", "k") == ""


def test_notes_belong_to_their_source(archive):
    archive.note("s", {"k": "1"})
    assert archive.recall("t", "k") == ""


def test_texts_that_are_no_text_are_kept_as_far_as_they_are(archive):
    archive.keep(snap("\ud800"), {"\udfff": "\ud83d"})
    assert archive.count() == 1


def test_an_archive_is_opened_again(tmp_path):
    with Archive(tmp_path / "a") as archive:
        archive.keep(snap(), {"k": "1"})
    with Archive(tmp_path / "a") as archive:
        assert (archive.count(), archive.recall("s", "k")) == (1, "1")


def test_sources_are_kept_without_credentials(archive):
    source = Source(
        "s",
        kind="feed",
        url="https://me:pw@a.example/?api_key=abc",
        labels=("x",),
        options=(("pages", 3),),
    )
    archive.declare(source, Source("a"))
    first, second = archive.sources()
    assert (first.key, second.url) == ("a", "https://a.example/?api_key=***")
    assert second.options == (("pages", 3),)


def test_threads_may_share_it(archive):
    def work(name):
        for number in range(50):
            archive.keep(snap(f"{name}{number}"), {f"k{name}{number}": "1"})

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archive.count() == 200


def test_another_database_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="is no archive of ctimine"):
        Archive(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"no database" * 100)
    with pytest.raises(ArchiveError, match="cannot be opened"):
        Archive(tmp_path / "x")


def test_a_newer_layout_is_refused(tmp_path):
    with Archive(tmp_path / "a") as archive:
        archive._db.execute("PRAGMA user_version = 99")
    with pytest.raises(ArchiveError, match="layout 99"):
        Archive(tmp_path / "a")


def test_a_damaged_body_is_noticed(archive):
    archive.keep(snap(body=b"a long enough body" * 100), {})
    archive._db.execute("UPDATE bodies SET packed = zeroblob(40)")
    with pytest.raises(ArchiveError, match="damaged"):
        list(archive.snapshots())


def test_a_body_that_claims_more_than_it_holds_is_not_unpacked(archive):
    archive.keep(snap(body=b"x" * 1000), {})
    huge = bytearray(zstandard.ZstdCompressor().compress(b"x" * 70_000))
    huge[4] |= 0xC0  # the frame's size in eight bytes
    huge[5:9] = (1 << 62).to_bytes(8, "little")
    assert zstandard.get_frame_parameters(bytes(huge)).content_size > 1 << 40
    archive._db.execute("UPDATE bodies SET packed = ?", (bytes(huge),))
    with pytest.raises(ArchiveError, match="damaged"):
        list(archive.snapshots())


def test_a_file_that_is_damaged_inside_is_named(tmp_path):
    path = tmp_path / "a"
    with Archive(path) as archive:
        for number in range(300):
            archive.keep(snap(f"a{number}", body=random.Random(number).randbytes(2000)), {})
    damaged = bytearray(path.read_bytes())
    damaged[8192:-4096] = b"\xff" * (len(damaged) - 12288)
    path.write_bytes(damaged)
    with Archive(path) as archive, pytest.raises(ArchiveError, match="cannot be read"):
        list(archive.snapshots())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArchiveError, match="cannot be opened"):
        Archive(tmp_path / "no" / "a")


def test_an_archive_that_another_run_makes_meanwhile_is_ours(tmp_path, monkeypatch):
    path, tables = tmp_path / "a", Archive._tables

    def made_meanwhile(archive):
        monkeypatch.setattr(Archive, "_tables", tables)
        Archive(path).close()
        return tables(archive)

    monkeypatch.setattr(Archive, "_tables", made_meanwhile)
    with Archive(path) as archive:
        assert archive.recall("s", "k") == ""
