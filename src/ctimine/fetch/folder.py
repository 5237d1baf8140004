"""Folders, git checkouts, zip archives and single files as snapshots, in sorted order.

Nothing vanishes: what is left out becomes an :class:`~ctimine.model.Outcome` with a reason that
can be counted. Nothing is written, no link is followed, and an archive's members stay inside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ctimine.errors import InputError
from ctimine.fetch.checkout import Checkout
from ctimine.fetch.rules import (
    MANIFEST,
    MAX_BYTES,
    MAX_IGNORE,
    MAX_IGNORES,
    Ignored,
    body_reason,
    file_reason,
    folder_reason,
    ignored_by,
)
from ctimine.model import Fact, Outcome, Snapshot, Source

MAX_TOTAL: Final = 2 * 1024 * 1024 * 1024
"""Bytes that all members of one archive may unpack to."""
MAX_RATIO: Final = 200
"""A member may unpack to this many times its packed size, once it is larger than a megabyte.
Deflate cannot pass 1,032; text packs at most about twenty to one."""
MAX_MEMBERS: Final = 100_000
MAX_DEPTH: Final = 128
"""Folders below each other; deeper ones are named and not entered."""

_MEDIA: Final = {
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".htm": "text/html",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".pdf": "application/pdf",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def fetch_folder(source: Source) -> Iterator[Snapshot | Outcome]:
    """The documents at the path ``source.url``, and an outcome for all that is none.

    The path names a folder, a git checkout, a zip archive or one file. An item is a POSIX path
    relative to it, and items come sorted by the names on that path. A ``manifest.json`` at the root
    (an object whose ``files`` lists objects with ``path``) and a git checkout's history become the
    snapshots' hints.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "b.md").write_text("T1102", encoding="utf-8")
    ...     _ = pathlib.Path(folder, "a.png").write_bytes(b"PNG")
    ...     for found in fetch_folder(Source("demo", url=folder)):
    ...         print(type(found).__name__, found.item, getattr(found, "reason", "-"))
    Outcome a.png not a document
    Snapshot b.md -
    """
    place = Path(source.url).expanduser()
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError):
        raise InputError("no such file or folder", subject=source.url) from None
    limit = MAX_BYTES
    for name, value in source.options:
        if name == "max_bytes" and isinstance(value, int):
            limit = value
    if stat.S_ISDIR(mode):
        return _Folder(source, place, limit).found()
    if not stat.S_ISREG(mode):
        raise InputError("neither a file nor a folder", subject=source.url)
    if _is_archive(place):
        return _archive(source, place, limit)
    return _single(source, place, limit)


def _single(source: Source, place: Path, limit: int) -> Iterator[Snapshot | Outcome]:
    item = _readable(place.name)
    # Who names one file means it: rules for names do not apply, and a link is what was asked for.
    yield _file(source, item, place, limit, hints=(), follow=True)


# -- folders ---------------------------------------------------------------------------------------


class _Folder:
    """One walk over a folder, with what is known of its files."""

    def __init__(self, source: Source, root: Path, limit: int) -> None:
        self.source = source
        self.root = root
        self.limit = limit
        self.checkout = Checkout(root)
        self.manifest = _Manifest()
        self.ignores: list[tuple[str, str]] = []
        self.ignored = ignored_by(())

    def found(self) -> Iterator[Snapshot | Outcome]:
        if (self.root / MANIFEST).is_file():
            self.manifest = _Manifest.load(_body(self.root / MANIFEST, self.limit))
        # What is still to come stands on the stack in reverse, so that it is left in sorted order.
        stack: list[tuple[str, Path, bool]] = [("", self.root, True)]
        while stack:
            item, path, is_folder = stack.pop()
            if not is_folder:
                yield self._file(item, path)
                continue
            reason = _folder_outcome(item, self.ignored)
            if reason:
                yield Outcome(item + "/", "skipped", reason)
                continue
            try:
                with os.scandir(path) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
            except OSError as error:
                yield Outcome(item + "/", "failed", "unreadable", _why(error))
                continue
            if any(entry.name == ".gitignore" for entry in entries):
                rules = _body(path / ".gitignore", MAX_IGNORE).decode("utf-8", "replace")
                above = [own for own in self.ignores if not own[0] or item.startswith(own[0] + "/")]
                self.ignores = [*above, (item, rules)]
                self.ignored = ignored_by(self.ignores)
            for entry in entries:
                inside = f"{item}/{_readable(entry.name)}" if item else _readable(entry.name)
                stack.append((inside, Path(entry.path), entry.is_dir(follow_symlinks=False)))

    def _file(self, item: str, path: Path) -> Snapshot | Outcome:
        if item == MANIFEST and self.manifest.reason:
            return self.manifest.outcome(item)
        reason = file_reason(PurePosixPath(item))
        if not reason and self.ignored(item, False):
            reason = "gitignore"
        if reason:
            return Outcome(item, "skipped", reason)
        hints = (*self.manifest.hints(item), *_from_git(self.checkout, item))
        return _file(self.source, item, path, self.limit, hints=hints)


def _folder_outcome(item: str, ignored: Ignored) -> str:
    if not item:
        return ""
    if item.count("/") >= MAX_DEPTH:
        return "too deep"
    return folder_reason(item.rsplit("/", 1)[-1]) or ("gitignore" if ignored(item, True) else "")


def _from_git(checkout: Checkout, item: str) -> Iterator[Fact]:
    committed = checkout.committed.get(item)
    if committed is None:
        return  # a file that was never committed has no address either
    url = checkout.address(item)
    if url:
        yield Fact("url", url, "git remote")
    yield Fact("published", committed, "commit")


def _file(
    source: Source,
    item: str,
    path: Path,
    limit: int,
    *,
    hints: tuple[Fact, ...],
    follow: bool = False,
) -> Snapshot | Outcome:
    """One file as a snapshot. Links are not followed, devices and pipes are not opened."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        if path.is_symlink():
            return Outcome(item, "skipped", "link", _where(path))
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        if not follow and not stat.S_ISREG(path.lstat().st_mode):
            return Outcome(item, "skipped", "special file")
        with os.fdopen(os.open(path, flags), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Outcome(item, "skipped", "special file")
            if status.st_size > limit:
                return _too_large(item, status.st_size, limit)
            body = stream.read(limit + 1)
    except OSError as error:
        return Outcome(item, "failed", "unreadable", _why(error))
    if len(body) > limit:
        return _too_large(item, len(body), limit)
    return _snapshot(source, item, body, hints)


def _body(path: Path, limit: int) -> bytes:
    """A small file that is wanted for itself; empty if it is a link, a pipe or too large."""
    found = _file(Source("", url=""), path.name, path, limit, hints=())
    return found.body if isinstance(found, Snapshot) else b""


def _snapshot(
    source: Source, item: str, body: bytes, hints: tuple[Fact, ...]
) -> Snapshot | Outcome:
    reason = body_reason(body)
    if reason:
        return Outcome(item, "skipped", reason)
    media = _MEDIA.get(PurePosixPath(item).suffix.lower(), "")
    return Snapshot(source.key, item, body, media_type=media, hints=hints)


def _too_large(item: str, size: int, limit: int) -> Outcome:
    return Outcome(item, "skipped", "too large", f"{size:,} bytes, the limit is {limit:,}")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _where(path: Path) -> str:
    try:
        target = path.readlink()
    except OSError:
        return "a link"
    return f"points to {_readable(str(target))[:200]}"


def _readable(name: str) -> str:
    r"""A name as text that every encoding can write: bytes that are no UTF-8 become ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# -- the manifest beside the documents -------------------------------------------------------------

_MANIFEST_FIELDS: Final = {
    "url": "url",
    "title": "title",
    "published": "published",
    "publisher": "publisher",
    "authors": "author",
    "language": "language",
    "labels": "labels",
}
"""Key of a row → field of the fact. ``kind`` is passed over: content says what a document is."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Manifest:
    """What a ``manifest.json`` says of the files beside it, by path."""

    rows: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    reason: str = ""
    detail: str = ""

    @classmethod
    def load(cls, body: bytes) -> _Manifest:
        try:
            loaded = json.loads(body.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            return cls({}, "broken manifest", str(error)[:200])
        files = loaded.get("files") if isinstance(loaded, dict) else None
        if not isinstance(files, list):
            return cls()  # some other file of that name: a document like any
        rows: dict[str, dict[str, Any]] = {}
        for row in files:
            if isinstance(row, dict) and isinstance(row.get("path"), str):
                rows.setdefault(PurePosixPath(row["path"].replace("\\", "/")).as_posix(), row)
        return cls(rows, "manifest")

    def outcome(self, item: str) -> Outcome:
        state: Any = "skipped" if self.reason == "manifest" else "failed"
        return Outcome(item, state, self.reason, self.detail)

    def hints(self, item: str) -> Iterator[Fact]:
        row = self.rows.get(item)
        if row is None:
            return
        for key, field in _MANIFEST_FIELDS.items():
            values = row.get(key)
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, str) and value.strip():
                    yield Fact(field, value.strip(), "manifest")
        committed = row.get("commit_date")
        if isinstance(committed, str) and re.match(r"\d{4}-\d\d-\d\d", committed):
            yield Fact("published", committed.strip(), "commit")


# -- zip archives ----------------------------------------------------------------------------------


def _is_archive(place: Path) -> bool:
    """Whether a file is a zip archive of documents and not an office document, by its content."""
    try:
        with place.open("rb") as stream:
            if stream.read(4) not in {b"PK\x03\x04", b"PK\x05\x06"}:
                return place.suffix.lower() == ".zip"
        with zipfile.ZipFile(place) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return place.suffix.lower() == ".zip"
    return not names & {"[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"}


def _archive(source: Source, place: Path, limit: int) -> Iterator[Snapshot | Outcome]:
    try:
        archive = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield Outcome(_readable(place.name), "failed", "broken archive", str(error)[:200])
        return
    with archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            detail = f"{len(members):,} members, the limit is {MAX_MEMBERS:,}"
            yield Outcome(_readable(place.name), "failed", "too many members", detail)
            return
        yield from _Members(source, archive, limit).found(members)


class _Members:
    """The members of one open archive, with the bytes that may still be unpacked."""

    def __init__(self, source: Source, archive: zipfile.ZipFile, limit: int) -> None:
        self.source = source
        self.archive = archive
        self.limit = limit
        self.left = MAX_TOTAL

    def found(self, members: list[zipfile.ZipInfo]) -> Iterator[Snapshot | Outcome]:
        named = sorted(
            ((_member_name(member), at, member) for at, member in enumerate(members)),
            key=lambda row: (row[0].split("/"), row[1]),
        )
        files = {name: member for name, _, member in reversed(named)}
        root = _common_root(files)
        manifest = self._manifest(files.get(root + MANIFEST))
        ignores = [
            (name.rpartition("/")[0], member)
            for name, member in files.items()
            if name.rpartition("/")[2] == ".gitignore" and not _unsafe(member, name)
        ]
        ignores.sort(key=lambda own: (own[0].count("/") + bool(own[0]), own[0]))
        ignored = ignored_by([(at, self._text(member)) for at, member in ignores[:MAX_IGNORES]])
        seen: set[str] = set()
        folders: dict[str, str] = {"": ""}
        for name, _, member in named:
            reason = _unsafe(member, name)
            if reason:
                yield Outcome(name, "skipped", reason)
                continue
            folder, _, _ = name.rpartition("/")
            parts = folder.split("/") if folder else []
            outside = ""
            for depth in range(1, len(parts) + 1):
                above = "/".join(parts[:depth])
                if above not in folders:
                    why = _folder_outcome(above, ignored)
                    folders[above] = above if why else ""
                    if why:
                        yield Outcome(above + "/", "skipped", why)
                outside = folders[above]
                if outside:
                    break
            if outside or member.is_dir():
                continue
            if name in seen:
                yield Outcome(name, "skipped", "duplicate name")
                continue
            seen.add(name)
            if name == root + MANIFEST and manifest.reason:
                yield manifest.outcome(name)
                continue
            why = file_reason(PurePosixPath(name)) or ("gitignore" if ignored(name, False) else "")
            if why:
                yield Outcome(name, "skipped", why)
                continue
            body = self._read(name, member)
            if isinstance(body, Outcome):
                yield body
                continue
            hints = tuple(manifest.hints(name.removeprefix(root)))
            yield _snapshot(self.source, name, body, hints)

    def _manifest(self, member: zipfile.ZipInfo | None) -> _Manifest:
        if member is None or _unsafe(member, _member_name(member)):
            return _Manifest()
        body = self._read(MANIFEST, member)
        return _Manifest() if isinstance(body, Outcome) else _Manifest.load(body)

    def _text(self, member: zipfile.ZipInfo) -> str:
        if member.file_size > MAX_IGNORE:
            return ""
        body = self._read(".gitignore", member)
        return "" if isinstance(body, Outcome) else body.decode("utf-8", "replace")

    def _read(self, name: str, member: zipfile.ZipInfo) -> bytes | Outcome:
        """The member's bytes, unpacked in steps and never beyond what is allowed."""
        size, packed = member.file_size, member.compress_size
        if size > self.limit:
            bomb = size > packed * MAX_RATIO
            return _bomb(name, size, packed) if bomb else _too_large(name, size, self.limit)
        if size > 1 << 20 and size > packed * MAX_RATIO:
            return _bomb(name, size, packed)
        if size > self.left:
            return Outcome(name, "skipped", "archive bomb", f"more than {MAX_TOTAL:,} bytes in all")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            # zipfile unpacks the other methods without a bound.
            kind = f"method {member.compress_type}"
            return Outcome(name, "skipped", "unsupported compression", kind)
        try:
            with self.archive.open(member) as stream:
                pieces = []
                while piece := stream.read(1 << 16):
                    self.left -= len(piece)
                    pieces.append(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            return Outcome(name, "failed", "broken member", str(error)[:200])
        except (NotImplementedError, RuntimeError) as error:
            return Outcome(name, "failed", "broken member", str(error)[:200])
        return b"".join(pieces)


def _bomb(name: str, size: int, packed: int) -> Outcome:
    return Outcome(name, "skipped", "archive bomb", f"{packed:,} bytes unpack to {size:,}")


def _member_name(member: zipfile.ZipInfo) -> str:
    """The member's whole name as text: zipfile cuts ``filename`` at a zero byte."""
    name = member.orig_filename.replace("\x00", "\\x00")
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return name.rstrip("/") if member.is_dir() else name


def _unsafe(member: zipfile.ZipInfo, name: str) -> str:
    """Why a member is not touched at all; empty if it may be."""
    if (
        not name
        or "\\" in name
        or name.startswith("/")
        or re.match(r"[A-Za-z]:", name)
        or any(part in {"", ".", ".."} for part in name.split("/"))
    ):
        return "unsafe path"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.create_system == 3 and kind:  # made on Unix: the mode is there
        if stat.S_ISLNK(kind):
            return "link"
        if kind not in {stat.S_IFREG, stat.S_IFDIR}:
            return "special file"
    if member.flag_bits & 0x1:
        return "encrypted"
    return ""


def _common_root(files: dict[str, zipfile.ZipInfo]) -> str:
    """The one folder that holds everything, with its slash, as archives of repositories have it."""
    tops = {name.split("/", 1)[0] for name in files}
    if len(tops) == 1:
        (top,) = tops
        if top not in files or files[top].is_dir():
            return top + "/"
    return ""
