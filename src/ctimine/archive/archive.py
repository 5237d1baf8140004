"""Snapshots with their bytes, sources and notes in one SQLite file (WAL).

A body is stored once, under the hash of its bytes, packed with zstd. A snapshot and the notes that
belong to it are one transaction: whenever the program ends, the file holds either both or neither,
and the next run goes on from there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import zstandard

from ctimine.errors import ArchiveError
from ctimine.model import Fact, Snapshot, Source, from_json, redacted, to_json

APPLICATION: Final = 0x6374696D  # "ctim"
VERSION: Final = 1
LEVEL: Final = 6
MAX_BODY: Final = 1 << 30

_SCHEMA: Final = """
CREATE TABLE sources (
    key TEXT PRIMARY KEY,
    declared TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE bodies (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    packed BLOB NOT NULL
);
CREATE TABLE snapshots (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    item TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES bodies (digest),
    url TEXT NOT NULL,
    final_url TEXT NOT NULL,
    fetched TEXT NOT NULL,
    media_type TEXT NOT NULL,
    headers TEXT NOT NULL,
    hints TEXT NOT NULL
);
CREATE INDEX versions ON snapshots (source, item, number);
CREATE TABLE notes (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
"""


class Archive:
    """An archive file, made if it is not there; implements :class:`~ctimine.model.Memory`.

    Every version of a document is kept; :meth:`snapshots` gives the newest of each, in an order
    that does not depend on when they came. Safe to use from several threads and processes. Every
    method raises :class:`~ctimine.errors.ArchiveError`, which names the file, where it cannot be
    read or written, is damaged, or is not ours.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Archive(pathlib.Path(folder, "cti.archive")) as archive:
    ...         archive.keep(Snapshot("demo", "a.md", b"T1102"), {"item a.md": "1"})
    ...         [found.body for found in archive.snapshots()], archive.recall("demo", "item a.md")
    ([b'T1102'], '1')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                self.path, timeout=60.0, isolation_level=None, check_same_thread=False
            )
            self._open()
        except sqlite3.Error as error:
            raise ArchiveError(f"cannot be opened: {error}", subject=str(path)) from None

    def _open(self) -> None:
        try:
            self._check_ours()
            self._db.execute("PRAGMA journal_mode = WAL")
            # In WAL mode this survives any end of the program; a power cut may cost the last
            # documents, never the file, and they are fetched again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            with self._write():
                if not self._tables():
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                    self._db.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            self._db.close()
            raise

    def _check_ours(self) -> None:
        # Tables first: they come with both numbers, in one piece, while another run makes the file.
        if not self._tables():
            return
        found = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found != APPLICATION:
            raise ArchiveError("is no archive of ctimine", subject=str(self.path))
        if version != VERSION:
            raise ArchiveError(
                f"has layout {version}; this ctimine reads {VERSION}", subject=str(self.path)
            )

    def _tables(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise ArchiveError(f"cannot be written: {error}", subject=str(self.path)) from None

    @contextmanager
    def _read(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise ArchiveError(f"cannot be read: {error}", subject=str(self.path)) from None

    # -- Memory ----------------------------------------------------------------------------------

    def recall(self, source: str, key: str) -> str:
        """The note under this key, empty if there is none."""
        with self._read():
            row = self._db.execute(
                "SELECT value FROM notes WHERE source = ? AND key = ?", (_text(source), _text(key))
            ).fetchone()
        return str(row[0]) if row else ""

    def note(self, source: str, notes: Mapping[str, str]) -> None:
        """Keep notes, all or none; an empty text forgets."""
        with self._write():
            self._note(source, notes)

    def keep(self, snapshot: Snapshot, notes: Mapping[str, str]) -> None:
        """Keep a snapshot and its notes, all or none. One that is the newest already stays one."""
        digest = snapshot.digest
        # One for each call: threads must not share one.
        packed = zstandard.ZstdCompressor(level=LEVEL).compress(snapshot.body)
        with self._write():
            newest = self._db.execute(
                "SELECT digest, hints FROM snapshots WHERE source = ? AND item = ?"
                " ORDER BY number DESC LIMIT 1",
                (_text(snapshot.source), _text(snapshot.item)),
            ).fetchone()
            hints = _json([to_json(fact) for fact in snapshot.hints])
            if newest is None or tuple(newest) != (digest, hints):
                self._db.execute(
                    "INSERT OR IGNORE INTO bodies VALUES (?, ?, ?)",
                    (digest, len(snapshot.body), packed),
                )
                self._db.execute(
                    "INSERT INTO snapshots (source, item, digest, url, final_url, fetched,"
                    " media_type, headers, hints) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        _text(snapshot.source),
                        _text(snapshot.item),
                        digest,
                        _text(snapshot.url),
                        _text(snapshot.final_url),
                        snapshot.fetched,
                        _text(snapshot.media_type),
                        _json([list(pair) for pair in snapshot.headers]),
                        hints,
                    ),
                )
            self._note(snapshot.source, notes)

    def _note(self, source: str, notes: Mapping[str, str]) -> None:
        for key, value in notes.items():
            if value:
                self._db.execute(
                    "INSERT INTO notes VALUES (?, ?, ?)"
                    " ON CONFLICT (source, key) DO UPDATE SET value = excluded.value",
                    (_text(source), _text(key), _text(value)),
                )
            else:
                self._db.execute(
                    "DELETE FROM notes WHERE source = ? AND key = ?", (_text(source), _text(key))
                )

    # -- sources and snapshots -------------------------------------------------------------------

    def declare(self, *sources: Source) -> None:
        """Keep what was declared of these sources, without credentials in their addresses."""
        with self._write():
            for source in sources:
                self._db.execute(
                    "INSERT INTO sources VALUES (?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET declared = excluded.declared",
                    (_text(source.key), _json({**to_json(source), "url": redacted(source.url)})),
                )

    def sources(self) -> tuple[Source, ...]:
        """The sources that were declared, by key."""
        with self._read():
            rows = self._db.execute("SELECT declared FROM sources ORDER BY key").fetchall()
        return tuple(from_json(Source, json.loads(row[0])) for row in rows)

    def snapshots(self, *keys: str) -> Iterator[Snapshot]:
        """The newest version of each document, of these sources or all, by source and item."""
        with self._read():
            rows = self._db.execute(
                "SELECT source, item, max(number) FROM snapshots GROUP BY source, item"
                " ORDER BY source, item"
            ).fetchall()
        wanted = set(keys)
        for source, _, number in rows:
            if not wanted or source in wanted:
                yield self._snapshot(number)

    def versions(self, source: str, item: str) -> tuple[Snapshot, ...]:
        """All versions of one document, oldest first."""
        with self._read():
            rows = self._db.execute(
                "SELECT number FROM snapshots WHERE source = ? AND item = ? ORDER BY number",
                (_text(source), _text(item)),
            ).fetchall()
        return tuple(self._snapshot(row[0]) for row in rows)

    def count(self) -> int:
        """How many documents there are, each counted once however many its versions."""
        with self._read():
            row = self._db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM snapshots GROUP BY source, item)"
            ).fetchone()
        return int(row[0])

    def _snapshot(self, number: int) -> Snapshot:
        with self._read():
            row = self._db.execute(
                "SELECT source, item, url, final_url, fetched, media_type, headers, hints,"
                " packed, size, digest FROM snapshots JOIN bodies USING (digest) WHERE number = ?",
                (number,),
            ).fetchone()
        source, item, url, final_url, fetched, media_type, headers, hints, packed, size, digest = (
            row
        )
        try:
            # The library makes room for what the frame says, whatever bound it is given.
            told = zstandard.get_frame_parameters(packed).content_size
            if told != size or size > MAX_BODY:
                raise ArchiveError(f"body {digest[:12]} is damaged", subject=str(self.path))
            body = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        except zstandard.ZstdError:
            raise ArchiveError(f"body {digest[:12]} is damaged", subject=str(self.path)) from None
        found = Snapshot(
            source=source,
            item=item,
            body=body,
            url=url,
            final_url=final_url,
            fetched=fetched,
            media_type=media_type,
            headers=tuple((str(name), str(value)) for name, value in json.loads(headers)),
            hints=tuple(from_json(Fact, fact) for fact in json.loads(hints)),
        )
        if found.digest != digest:
            raise ArchiveError(f"body {digest[:12]} is damaged", subject=str(self.path))
        return found

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _text(value: str) -> str:
    """Text that SQLite takes: halves of surrogate pairs are no characters."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
