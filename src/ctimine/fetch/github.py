"""The kind ``github``: the documents of a repository, and only those that changed.

The newest commit is asked for with its ETag; an unchanged one costs one small answer. The tree of
the commit tells each file's hash, so that only new and changed files come: one by one, or in one
archive when they are many. An archive is read in memory; nothing of it is ever written.

Options: ``branch``, ``include``, ``exclude`` (patterns for ``/paths``), ``token_env`` (the name of
an environment variable; default ``GITHUB_TOKEN``), ``api`` (an Enterprise server's address),
``max_files`` (5,000), ``max_bytes``.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ctimine.errors import BrokenSource, InputError, TooLarge
from ctimine.fetch.addresses import origin_of
from ctimine.fetch.bodies import FREE
from ctimine.fetch.client import Page
from ctimine.fetch.patterns import Patterns
from ctimine.fetch.rules import body_reason, file_reason, folder_reason
from ctimine.fetch.visit import Visit, item_key, now, page_key
from ctimine.model import Fact, Snapshot

API: Final = "https://api.github.com"
RAW: Final = "https://raw.githubusercontent.com"
"""Files of public repositories, outside the 60 requests that an hour has without a token."""
ONE_BY_ONE: Final = 20
"""Changed files up to which each is asked for alone."""
SMALL: Final = 64 * 1024 * 1024
"""A repository of this size may come as one archive; larger ones come file by file."""
MAX_FILES: Final = 5_000
MAX_MEMBERS: Final = 100_000
MAX_ARCHIVE: Final = 128 * 1024 * 1024
MAX_RATIO: Final = 200
MAX_FILE: Final = 32 * 1024 * 1024
MAX_TREES: Final = 300

_LFS: Final = b"version https://git-lfs.github.com/spec/"


async def fetch_github(visit: Visit) -> None:
    """The documents of the repository that are new or changed."""
    repository = _Repository(visit)
    await repository.fetch()


async def newest_commit(visit: Visit) -> Page:
    """The interface's answer about the newest commit, verified as one."""
    page = await _Repository(visit).newest(conditional=False)
    if not _is_sha(page.json_object().get("sha")):
        raise BrokenSource("its newest commit has no hash", subject=visit.url)
    return page


def committed(page: Page) -> str:
    """When the newest commit was made, as the interface says it; may be empty."""
    return str(_inner(page.json_object(), "commit", "committer", "date") or "")


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    path: str
    sha: str
    size: int


class _Repository:
    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.owner, self.name = owner_and_name(visit.url)
        self.api = str(visit.options.get("api", API)).rstrip("/")
        self.branch = str(visit.options.get("branch", ""))
        token = visit.secret("token_env", "GITHUB_TOKEN")
        self.secret = {"Authorization": f"Bearer {token}"} if token else {}
        self.patterns = Patterns(visit.words("include"), visit.words("exclude"))
        self.limit = visit.number("max_bytes", MAX_FILE)
        self.size = 0

    async def fetch(self) -> None:
        head = await self.newest(conditional=True)
        if head.unchanged:
            self.visit.not_modified()
            return
        commit = head.json_object()
        sha, tree = commit.get("sha"), _inner(commit, "commit", "tree", "sha")
        if not isinstance(sha, str) or not _is_sha(sha) or not _is_sha(tree):
            raise BrokenSource("the newest commit has no tree", subject=self.visit.url)
        files = await self._files(tree)
        wanted = [file for file in files if self.visit.recall(item_key(file.path)) != file.sha]
        self.visit.not_modified(len(files) - len(wanted))
        when = committed(head)
        if len(wanted) > ONE_BY_ONE and self.size <= SMALL:
            await self._from_archive(sha, {file.path: file for file in wanted})
        else:
            # The commit that brings one file is that file's date; a first look at many is not.
            date = when if len(files) > len(wanted) == 1 else ""
            await self.visit.each(
                (file.path, functools.partial(self._blob, sha, file, date)) for file in wanted
            )
        if self.visit.complete:
            self.visit.note({page_key(head.url): head.note})

    async def newest(self, *, conditional: bool) -> Page:
        branch = quote(self.branch or "HEAD", safe="")
        return await self._get(f"commits/{branch}", conditional=conditional)

    async def _get(
        self, path: str, *, conditional: bool = False, accept: str = "", **more: Any
    ) -> Page:
        return await self.visit.get(
            f"{self.api}/repos/{self.owner}/{self.name}/{path}",
            conditional=conditional,
            robots=False,  # an interface made for programs
            referrer=self.api,
            headers={
                "Accept": accept or "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            secret_headers=self.secret,
            origin=origin_of(self.api),
            **more,
        )

    async def _files(self, tree: str) -> list[_File]:
        """The files of a tree that may be documents, by path."""
        page = await self._get(f"git/trees/{tree}?recursive=1")
        value = page.json_object()
        found: list[_File] = []
        if not value.get("truncated"):
            found = list(self._documents(value, ""))
        else:  # too large for one answer: folder by folder
            waiting, asked = [("", tree)], 0
            while waiting and asked < MAX_TREES:
                folder, sha = waiting.pop()
                asked += 1
                value = (await self._get(f"git/trees/{sha}")).json_object()
                found += self._documents(value, folder)
                waiting += [
                    (folder + row["path"] + "/", row["sha"])
                    for row in _rows(value)
                    if row.get("type") == "tree"
                    and _is_sha(row.get("sha"))
                    and not folder_reason(row["path"])
                ]
            if waiting:
                self.visit.skip(self.visit.url, "tree limit", f"{len(waiting)} folders not listed")
        found.sort(key=lambda file: file.path)
        most = self.visit.number("max_files", MAX_FILES)
        if len(found) > most:
            self.visit.skip(self.visit.url, "file limit", f"{len(found) - most} files left out")
        return found[:most]

    def _documents(self, value: dict[str, Any], folder: str) -> Iterator[_File]:
        for row in _rows(value):
            path, sha, size = folder + row["path"], row.get("sha"), row.get("size", 0)
            if row.get("type") != "blob" or not _is_sha(sha):
                continue
            self.size += size if isinstance(size, int) else 0
            reason = path_reason(path, str(row.get("mode", "")))
            if not reason and not self.patterns.allow(f"https://github.com/{quote(path)}"):
                reason = "excluded"
            if not reason and isinstance(size, int) and size > self.limit:
                reason = "too large"
            if not reason:
                yield _File(path, str(sha), size if isinstance(size, int) else 0)
            elif reason != "not a document":
                self.visit.skip(path, reason)

    async def _blob(self, sha: str, file: _File, date: str) -> None:
        if self.secret or self.api != API:
            raw = "application/vnd.github.raw+json"
            page = await self._get(f"git/blobs/{file.sha}", accept=raw, max_bytes=self.limit)
        else:
            page = await self.visit.get(
                f"{RAW}/{self.owner}/{self.name}/{sha}/{quote(file.path)}",
                conditional=False,
                robots=False,
                max_bytes=self.limit,
            )
        await self._give(file, page.body, date)

    async def _from_archive(self, sha: str, wanted: dict[str, _File]) -> None:
        page = await self._get(f"tarball/{sha}", max_bytes=MAX_ARCHIVE, deadline=600.0)
        for path, body in members(page.body, limit=self.limit):
            file = wanted.pop(path, None)
            if file is not None:
                await self._give(file, body, "")
        for path in wanted:
            # Left out of archives by .gitattributes, or larger than said.
            self.visit.skip(path, "not in the archive")

    async def _give(self, file: _File, body: bytes, date: str) -> None:
        if body.startswith(_LFS):
            self.visit.skip(file.path, "git-lfs pointer")
            return
        reason = body_reason(body[:8192])
        if reason:
            self.visit.skip(file.path, reason)
            return
        address = f"https://github.com/{self.owner}/{self.name}/blob/{self.branch or 'HEAD'}/"
        hints = (Fact("published", date, "commit"),) if date else ()
        await self.visit.give(
            Snapshot(
                source=self.visit.source.key,
                item=file.path,
                body=body,
                url=address + quote(file.path),
                fetched=now(),
                hints=hints,
            ),
            mark=file.sha,
        )


def owner_and_name(url: str) -> tuple[str, str]:
    """Whose repository, and its name.

    >>> owner_and_name("https://github.com/somebody/reports.git")
    ('somebody', 'reports')
    """
    names = [name for name in urlsplit(url).path.split("/") if name]
    if len(names) < 2:
        raise InputError("names no repository (https://github.com/OWNER/NAME)", subject=url)
    owner, name = names[0], names[1].removesuffix(".git")
    if not all(re.fullmatch(r"[\w.-]{1,100}", part) and part.strip(".") for part in (owner, name)):
        raise InputError("names no repository (https://github.com/OWNER/NAME)", subject=url)
    return owner, name


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
        or re.search(r"[\x00-\x1f\x7f]", path)
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


# -- JSON of strangers -----------------------------------------------------------------------------


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _rows(value: dict[str, Any]) -> list[dict[str, Any]]:
    rows = value.get("tree")
    return [
        row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("path"), str)
    ]


def _is_sha(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) is not None
