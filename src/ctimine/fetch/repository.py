"""A repository on a hosting site: its documents, and only those that changed.

The newest commit is asked for with its ETag; an unchanged one costs one small answer. The listing
of the commit tells each file's hash, so that only new and changed files come: one by one, or in one
archive when they are many. An archive is read in memory; nothing of it is ever written.

``github`` and ``gitlab`` say how their interfaces are asked. Options of both: ``branch``,
``include``, ``exclude`` (patterns for ``/paths``), ``token_env`` (the name of an environment
variable), ``max_files`` (5,000), ``max_bytes``.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import io
import re
import tarfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from ctimine.errors import BrokenSource, TooLarge
from ctimine.fetch.addresses import origin_of
from ctimine.fetch.bodies import FREE
from ctimine.fetch.client import Page
from ctimine.fetch.patterns import Patterns
from ctimine.fetch.rules import body_reason, file_reason, folder_reason
from ctimine.fetch.visit import Visit, item_key, now, page_key
from ctimine.model import Fact, Snapshot

ONE_BY_ONE: Final = 20
"""Changed files up to which each is asked for alone."""
SMALL: Final = 64 * 1024 * 1024
"""A repository of this size may come as one archive; larger ones come file by file."""
MAX_FILES: Final = 5_000
MAX_MEMBERS: Final = 100_000
MAX_ARCHIVE: Final = 128 * 1024 * 1024
MAX_RATIO: Final = 200
MAX_FILE: Final = 32 * 1024 * 1024
_LFS: Final = b"version https://git-lfs.github.com/spec/"


@dataclasses.dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its hash, that of its tree where it is told, and when it was made."""

    sha: str
    tree: str = ""
    date: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file of a commit, by the hash of its content; ``size`` is 0 where it is not told."""

    path: str
    sha: str
    size: int = 0
    mode: str = ""


class Repository(abc.ABC):
    """One repository while it is fetched; a site's own class says how its interface is asked."""

    api = ""
    """Where the interface is."""
    headers: dict[str, str] = {}  # noqa: RUF012 - a site's own, never changed

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.branch = str(visit.options.get("branch", ""))
        self.secret: dict[str, str] = {}
        self.limit = visit.number("max_bytes", MAX_FILE)
        self.size = 0
        """Bytes of all files that were listed, as far as sizes are told."""

    # -- what a site's own class says

    @abc.abstractmethod
    def commit(self, page: Page) -> Commit:
        """The commit of that answer; raises BrokenSource if it is none."""

    @abc.abstractmethod
    def listing(self, commit: Commit) -> AsyncIterator[File]:
        """All files of a commit."""

    @abc.abstractmethod
    async def blob(self, commit: Commit, file: File) -> bytes:
        """The content of one file."""

    @abc.abstractmethod
    async def archive(self, commit: Commit) -> bytes:
        """All files of a commit as a packed tar with one folder at its root."""

    @abc.abstractmethod
    def address(self, path: str) -> str:
        """Where a person finds a file."""

    # -- what is the same everywhere

    async def fetch(self) -> None:
        """Give the documents that are new or changed."""
        head = await self.newest(conditional=True)
        if head.unchanged:
            self.visit.not_modified()
            return
        commit = self.commit(head)
        files = await self._documents(commit)
        wanted = {
            file.path: file for file in files if self.visit.recall(item_key(file.path)) != file.sha
        }
        self.visit.not_modified(len(files) - len(wanted))
        # The commit that brings one file is that file's date; a first look at many is not.
        date = commit.date if len(files) > len(wanted) == 1 else ""
        if len(wanted) > ONE_BY_ONE and self.size <= SMALL:
            await self._from_archive(commit, wanted)
        await self.visit.each(
            (path, functools.partial(self._alone, commit, file, date))
            for path, file in wanted.items()
        )
        if self.visit.complete:
            self.visit.note({page_key(head.url): head.note})

    async def newest(self, *, conditional: bool) -> Page:
        """The interface's answer about the newest commit."""
        branch = quote(self.branch or "HEAD", safe="")
        return await self.ask(f"commits/{branch}", conditional=conditional)

    async def ask(self, path: str, *, conditional: bool = False, **more: Any) -> Page:
        """The answer of the interface about a path below :attr:`api`."""
        headers = {**self.headers, **more.pop("headers", {})}
        return await self.visit.get(
            f"{self.api}/{path}",
            conditional=conditional,
            robots=False,  # an interface made for programs
            referrer=self.api,
            headers=headers,
            secret_headers=self.secret,
            origin=origin_of(self.api),
            **more,
        )

    def token(self, usual: str, site: str) -> str:
        """The token in the variable that is named, else in the usual one, at the usual site."""
        return self.visit.secret("token_env", usual if self.api.startswith(site) else "")

    async def _documents(self, commit: Commit) -> list[File]:
        """The files that may be documents, by path."""
        patterns = Patterns(self.visit.words("include"), self.visit.words("exclude"))
        found: dict[str, File] = {}
        async for file in self.listing(commit):
            self.size += file.size
            reason = path_reason(file.path, file.mode)
            if not reason and not patterns.allow(f"https://host/{quote(file.path)}"):
                reason = "excluded"
            if not reason and file.size > self.limit:
                reason = "too large"
            if not reason:
                found[file.path] = file
            elif reason != "not a document":
                self.visit.skip(file.path, reason)
        most = self.visit.number("max_files", MAX_FILES)
        if len(found) > most:
            self.visit.skip(self.visit.url, "file limit", f"{len(found) - most} files left out")
        return [found[path] for path in sorted(found)[:most]]

    async def _alone(self, commit: Commit, file: File, date: str) -> None:
        await self._give(file, await self.blob(commit, file), date)

    async def _from_archive(self, commit: Commit, wanted: dict[str, File]) -> None:
        """Give what the archive holds of ``wanted``, and take it out; the rest comes one by one."""
        try:
            body = await self.archive(commit)
        except TooLarge:
            return
        for path, data in members(body, limit=self.limit):
            file = wanted.pop(path, None)
            if file is not None:
                await self._give(file, data, "")
        for path in wanted:
            # Left out of archives by .gitattributes, or larger than said.
            self.visit.skip(path, "not in the archive")
        wanted.clear()

    async def _give(self, file: File, body: bytes, date: str) -> None:
        reason = "git-lfs pointer" if body.startswith(_LFS) else body_reason(body[:8192])
        if reason:
            self.visit.skip(file.path, reason)
            return
        found = Snapshot(
            source=self.visit.source.key,
            item=file.path,
            body=body,
            url=self.address(file.path),
            fetched=now(),
            hints=(Fact("published", date, "commit"),) if date else (),
        )
        await self.visit.give(found, mark=file.sha)


def is_sha(value: Any) -> bool:
    """Whether a value is a hash as git writes it."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) is not None


def path_reason(path: str, mode: str = "") -> str:
    r"""Why a path of a repository is left out; empty if it may be a document.

    >>> path_reason("a/report.md"), path_reason("../x.md"), path_reason("a.md", "120000")
    ('', 'unsafe path', 'link')
    """
    names = path.split("/")
    if (
        not path
        or len(path) > 1000
        or "\\" in path
        or re.search("[\x00-\x1f\x7f\ud800-\udfff]", path)
        or re.match(r"[A-Za-z]:", path)
        or any(name in {"", ".", ".."} for name in names)
    ):
        return "unsafe path"
    if mode in {"120000", "160000"}:
        return "link" if mode == "120000" else "submodule"
    for name in names[:-1]:
        reason = folder_reason(name)
        if reason:
            return "not a document" if reason == "hidden" else reason
    return "not a document" if file_reason(PurePosixPath(path)) else ""


def members(
    body: bytes, *, limit: int = MAX_FILE, total: int = MAX_ARCHIVE
) -> Iterator[tuple[str, bytes]]:
    """(path below the one root folder, bytes) of each plain file of a packed tar, in its order.

    Read in memory and in one pass. Links, devices and unsafe paths are passed over; a file larger
    than ``limit`` too. Raises TooLarge for more than ``total`` bytes or too many members,
    BrokenSource for what is no archive.
    """
    size = 0
    try:
        with tarfile.open(fileobj=_Bounded(body, total), mode="r|") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS:
                    raise TooLarge(f"more than {MAX_MEMBERS:,} members", subject="archive")
                if not member.isreg() or member.issparse() or member.size > limit:
                    continue
                _, _, path = member.name.partition("/")
                if not path or member.name.startswith("/") or path_reason(path) == "unsafe path":
                    continue
                opened = archive.extractfile(member)
                if opened is None:
                    continue
                data = opened.read(limit + 1)
                size += len(data)
                if size > total:
                    raise TooLarge(f"more than {total:,} bytes", subject="archive")
                yield path, data
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError) as error:
        raise BrokenSource(f"no archive: {error}"[:200], subject="archive") from None


class _Bounded(io.RawIOBase):
    """A gzip file unpacked as it is read, no further than ``total`` bytes."""

    def __init__(self, body: bytes, total: int) -> None:
        self._packed = io.BytesIO(body)
        self._inner = zlib.decompressobj(31)
        self._total = total
        self._came = 0
        self._size = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise ValueError("the whole of an archive is never read at once")
        out = bytearray()
        while len(out) < size and not self._inner.eof:
            data = self._rest
            if not data:
                data = self._packed.read(65536)
                self._came += len(data)
            if not data:
                break
            part = self._inner.decompress(data, size - len(out))
            self._rest = self._inner.unconsumed_tail
            self._size += len(part)
            out += part
            if self._size > self._total or self._size > max(FREE, MAX_RATIO * self._came):
                raise TooLarge("an archive that unpacks past its bound", subject="archive")
        return bytes(out)
