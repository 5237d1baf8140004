"""What a git checkout tells of its files: their address on the web and their last commit.

Only ``git`` itself is asked, with everything switched off by which a repository's own configuration
could run a program or reach the network. Without ``git``, or in a folder that is no checkout,
nothing is known; a file's time on disk is never taken.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

SECONDS: Final = 30.0
"""Most time that the history of one checkout may take; what was seen by then is used."""

_SAFE: Final = (
    "--no-pager",
    "--no-optional-locks",
    *(
        word
        for setting in (
            "core.fsmonitor=false",
            "core.hooksPath=/dev/null",
            "core.pager=cat",
            "core.quotePath=false",
            "diff.external=",
            "log.showSignature=false",
            "protocol.allow=never",
        )
        for word in ("-c", setting)
    ),
)
_REMOTE: Final = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/\s]*@)?(?P<host>[\w.-]+)(?::\d+)?/|"
    r"(?:[\w.-]+@)?(?P<scp>[\w.-]+):(?!/))"
    r"(?P<path>[\w.~+-]+/[\w.~+/-]+?)(?:\.git)?/?"
)


def web_address(remote: str, branch: str, path: str) -> str:
    """The address at which a hosting site shows a file of a repository; empty if not known.

    >>> web_address("git@github.com:lab/reports.git", "main", "apt/a b.md")
    'https://github.com/lab/reports/blob/main/apt/a%20b.md'
    >>> web_address("https://token@gitlab.com/lab/cti/reports", "main", "a.md")
    'https://gitlab.com/lab/cti/reports/-/blob/main/a.md'
    >>> web_address("/srv/git/reports.git", "main", "a.md")
    ''
    """
    found = _REMOTE.fullmatch(remote.strip())
    if found is None or not {".", ".."}.isdisjoint(found["path"].split("/")):
        return ""
    host = (found["host"] or found["scp"]).lower()
    place = "/".join(map(quote, (branch, path)))
    if host == "github.com":
        return f"https://{host}/{found['path']}/blob/{place}"
    if host == "gitlab.com" or host.startswith("gitlab."):
        return f"https://{host}/{found['path']}/-/blob/{place}"
    if host == "bitbucket.org":
        return f"https://{host}/{found['path']}/src/{place}"
    if host == "codeberg.org" or host.startswith("gitea."):
        return f"https://{host}/{found['path']}/src/branch/{place}"
    return ""


class Checkout:
    """Remote, branch and last commits of the checkout at ``root``; empty if it is none.

    Only a folder that holds ``.git`` itself counts, so that what is known of a folder does not
    depend on where it lies.
    """

    def __init__(self, root: Path) -> None:
        self.remote = ""
        self.branch = "HEAD"
        self.committed: Mapping[str, str] = {}
        git = shutil.which("git")
        if git is None or not (root / ".git").exists():
            return
        self._command = [git, "-C", str(root), *_SAFE]
        remotes = dict(
            line.split(" ", 1)
            for line in self._ask("config", "--get-regexp", r"^remote\..*\.url$").splitlines()
            if " " in line
        )
        if remotes:
            first = remotes[min(remotes)]
            self.remote = remotes.get("remote.origin.url", first)
        head = self._ask("symbolic-ref", "--short", "refs/remotes/origin/HEAD").strip()
        self.branch = (
            head.removeprefix("origin/") or self._ask("symbolic-ref", "--short", "HEAD").strip()
        ) or "HEAD"
        self.committed = self._commits()

    def address(self, item: str) -> str:
        """The web address of a file of the checkout; empty if there is none."""
        return web_address(self.remote, self.branch, item) if self.remote else ""

    def _ask(self, *words: str) -> str:
        try:
            answer = subprocess.run(  # noqa: S603 (arguments are ours)
                [*self._command, *words],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        if answer.returncode:
            return ""
        return answer.stdout.decode("utf-8", "replace")

    def _commits(self) -> dict[str, str]:
        """Path → time of the last commit that touched it (UTC), in one pass over the history."""
        words = ("log", "--format=%x00%cI", "--name-only", "--no-renames", "--no-show-signature")
        try:
            git = subprocess.Popen(  # noqa: S603 (arguments are ours)
                [*self._command, *words, "-z", "--no-ext-diff", "--no-textconv", "HEAD"],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return {}
        bell = threading.Timer(SECONDS, git.kill)
        bell.daemon = True
        bell.start()
        seen: dict[str, str] = {}
        try:
            assert git.stdout is not None
            when, rest = "", b""
            while chunk := git.stdout.read(1 << 16):
                *pieces, rest = (rest + chunk).split(b"\x00")
                for piece in pieces:
                    when = _take(piece, when, seen)
            _take(rest, when, seen)
        finally:
            bell.cancel()
            git.kill()
            git.wait()
            if git.stdout is not None:
                git.stdout.close()
        return seen


def _take(piece: bytes, when: str, seen: dict[str, str]) -> str:
    """Note one field of the log: a time (returned for what follows) or a path."""
    text = piece.strip(b"\n").decode("utf-8", "backslashreplace")
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", text):
        moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if text and when:
        seen.setdefault(text, when)
    return when


def _environment() -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name == "GIT_CONFIG_GLOBAL"
    }
    return inherited | {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
