"""The kind ``gitlab``: the documents of a project on GitLab, gitlab.com's or one's own server's.

The address is the project's, with all its groups; see :mod:`.repository` for what is fetched and
its options. The interface is at ``/api/v4`` of the same host; ``allow_private`` opens a server
inside. The token is that of ``GITLAB_TOKEN`` for gitlab.com if ``token_env`` names no other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlsplit

from ctimine.errors import BrokenSource, InputError
from ctimine.fetch.client import Page
from ctimine.fetch.feeds import moment
from ctimine.fetch.repository import MAX_ARCHIVE, Commit, File, Repository, is_sha
from ctimine.fetch.visit import Visit

PER_PAGE: Final = 100
MAX_PAGES: Final = 1_000
"""Pages of a listing, a hundred entries each."""


async def fetch_gitlab(visit: Visit) -> None:
    """The documents of the project that are new or changed."""
    await GitLab(visit).fetch()


class GitLab(Repository):
    """How GitLab's interface is asked (REST, version 4)."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.server, self.project = server_and_project(visit.url)
        self.api = f"{self.server}/api/v4/projects/{quote(self.project, safe='')}/repository"
        token = self.token("GITLAB_TOKEN", "https://gitlab.com/")
        self.secret = {"Authorization": f"Bearer {token}"} if token else {}

    def commit(self, page: Page) -> Commit:
        """The commit of an answer; raises BrokenSource if it is none."""
        value = page.json_object()
        sha, date = value.get("id"), value.get("committed_date")
        if not is_sha(sha):
            raise BrokenSource("its newest commit has no hash", subject=self.visit.url)
        return Commit(str(sha), date=moment(date) if isinstance(date, str) else "")

    async def listing(self, commit: Commit) -> AsyncIterator[File]:
        """All files of a commit."""
        query = f"tree?recursive=true&ref={commit.sha}&per_page={PER_PAGE}"
        for number in range(1, MAX_PAGES + 1):
            page = await self.ask(f"{query}&page={number}")
            rows = page.json_list()
            for row in rows:
                if isinstance(row, dict) and row.get("type") == "blob" and is_sha(row.get("id")):
                    yield File(str(row.get("path", "")), row["id"], mode=str(row.get("mode", "")))
            if len(rows) < PER_PAGE:
                return
        self.visit.skip(self.visit.url, "tree limit", f"more than {MAX_PAGES * PER_PAGE:,} entries")

    async def blob(self, commit: Commit, file: File) -> bytes:  # noqa: ARG002 - a hash says it all
        """The content of one file."""
        return (await self.ask(f"blobs/{file.sha}/raw", max_bytes=self.limit)).body

    async def archive(self, commit: Commit) -> bytes:
        """All files of a commit as a packed tar."""
        page = await self.ask(
            f"archive.tar.gz?sha={commit.sha}", max_bytes=MAX_ARCHIVE, deadline=600.0
        )
        return page.body

    def address(self, path: str) -> str:
        """Where a person finds a file."""
        return f"{self.server}/{self.project}/-/blob/{quote(self.branch or 'HEAD')}/{quote(path)}"


def server_and_project(url: str) -> tuple[str, str]:
    """Which server, and the project's path with its groups.

    >>> server_and_project("https://gitlab.com/lab/cti/reports.git")
    ('https://gitlab.com', 'lab/cti/reports')
    >>> server_and_project("https://git.company.example:8443/lab/reports/-/tree/main")
    ('https://git.company.example:8443', 'lab/reports')
    """
    parts = urlsplit(url)
    names = [name for name in parts.path.partition("/-/")[0].split("/") if name]
    if names:
        names[-1] = names[-1].removesuffix(".git")
    if not parts.netloc or len(names) < 2 or not all(map(_is_name, names)):
        raise InputError("names no project (https://HOST/GROUP/NAME)", subject=url)
    return f"{parts.scheme}://{parts.netloc}", "/".join(names)


def _is_name(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.+-]{1,255}", name) and name.strip("."))
