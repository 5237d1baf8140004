"""The kind ``github``: the documents of a repository on GitHub (see :mod:`.repository`).

Options beside those of every repository: ``api`` (an Enterprise server's address). The token is
that of ``GITHUB_TOKEN`` for github.com if ``token_env`` names no other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ctimine.errors import BrokenSource, InputError
from ctimine.fetch.client import Page
from ctimine.fetch.feeds import moment
from ctimine.fetch.repository import MAX_ARCHIVE, Commit, File, Repository, is_sha
from ctimine.fetch.rules import folder_reason
from ctimine.fetch.visit import Visit

API: Final = "https://api.github.com"
RAW: Final = "https://raw.githubusercontent.com"
"""Files of public repositories, outside the 60 requests that an hour has without a token."""
MAX_TREES: Final = 300


async def fetch_github(visit: Visit) -> None:
    """The documents of the repository that are new or changed."""
    await GitHub(visit).fetch()


class GitHub(Repository):
    """How GitHub's interface is asked."""

    headers = {  # noqa: RUF012
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.owner, self.name = owner_and_name(visit.url)
        server = str(visit.options.get("api", API)).rstrip("/")
        self.api = f"{server}/repos/{self.owner}/{self.name}"
        token = self.token("GITHUB_TOKEN", API + "/")
        self.secret = {"Authorization": f"Bearer {token}"} if token else {}

    def commit(self, page: Page) -> Commit:
        """The commit of an answer; raises BrokenSource if it is none."""
        value = page.json_object()
        sha, tree = value.get("sha"), _inner(value, "commit", "tree", "sha")
        if not is_sha(sha) or not is_sha(tree):
            raise BrokenSource("the newest commit has no tree", subject=self.visit.url)
        date = _inner(value, "commit", "committer", "date")
        return Commit(str(sha), str(tree), moment(date) if isinstance(date, str) else "")

    async def listing(self, commit: Commit) -> AsyncIterator[File]:
        """All files of a commit."""
        value = (await self.ask(f"git/trees/{commit.tree}?recursive=1")).json_object()
        if not value.get("truncated"):
            for file in _files(value, ""):
                yield file
            return
        waiting, asked = [("", commit.tree)], 0
        while waiting and asked < MAX_TREES:  # too large for one answer: folder by folder
            folder, sha = waiting.pop()
            asked += 1
            value = (await self.ask(f"git/trees/{sha}")).json_object()
            for file in _files(value, folder):
                yield file
            waiting += [
                (folder + row["path"] + "/", row["sha"])
                for row in _rows(value)
                if row.get("type") == "tree"
                and is_sha(row.get("sha"))
                and not folder_reason(row["path"])
            ]
        if waiting:
            self.visit.skip(self.visit.url, "tree limit", f"{len(waiting)} folders not listed")

    async def blob(self, commit: Commit, file: File) -> bytes:
        """The content of one file."""
        if self.secret or not self.api.startswith(API + "/"):
            raw = {"Accept": "application/vnd.github.raw+json"}
            page = await self.ask(f"git/blobs/{file.sha}", headers=raw, max_bytes=self.limit)
        else:
            page = await self.visit.get(
                f"{RAW}/{self.owner}/{self.name}/{commit.sha}/{quote(file.path)}",
                conditional=False,
                robots=False,
                max_bytes=self.limit,
            )
        return page.body

    async def archive(self, commit: Commit) -> bytes:
        """All files of a commit as a packed tar."""
        page = await self.ask(f"tarball/{commit.sha}", max_bytes=MAX_ARCHIVE, deadline=600.0)
        return page.body

    def address(self, path: str) -> str:
        """Where a person finds a file."""
        branch = quote(self.branch or "HEAD")
        return f"https://github.com/{self.owner}/{self.name}/blob/{branch}/{quote(path)}"


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


def _files(value: dict[str, Any], folder: str) -> list[File]:
    return [
        File(
            folder + row["path"],
            row["sha"],
            row["size"] if isinstance(row.get("size"), int) else 0,
            str(row.get("mode", "")),
        )
        for row in _rows(value)
        if row.get("type") == "blob" and is_sha(row.get("sha"))
    ]
