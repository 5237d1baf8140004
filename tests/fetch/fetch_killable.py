"""Runs that the tests kill: each fetches fixed sources of a fake internet in a process of its own.

    python fetch_killable.py AUTHORITY HTTP_PORT HTTPS_PORT

Says ``ready``, then reads archives from standard input, a line each: for every one a process is
forked from this warm one, its number is said, and its exit status when it has ended (0: all is
fetched). Forking saves the half second that a fresh Python needs to begin, so that kills fall into
the run itself and not into its imports.
"""

from __future__ import annotations

import functools
import os
import sys

import httpcore

from ctimine.archive import Archive
from ctimine.fetch import client, feed, fetcher, page, site  # noqa: F401 - what a run would import
from ctimine.fetch.network import Network
from ctimine.model import Source

ITEMS = 16
SOURCES = (
    Source("feed", kind="feed", url="https://one.example/feed"),
    Source("site", kind="site", url="https://two.example/sitemap.xml"),
    Source(
        "pages",
        kind="page",
        url="https://three.example/0",
        options=(("urls", tuple(f"https://three.example/{n}" for n in range(1, ITEMS))),),
    ),
)


def run(archive: str, authority: str, ports: dict[int, int]) -> int:
    async def resolve(host: str, port: int) -> list[str]:
        return ["45.32.0.1"]

    async def dial(address: str, port: int, timeout: float | None):  # noqa: ASYNC109
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", ports[port], timeout=timeout)

    network = Network(resolve, dial)
    with Archive(archive) as memory:
        memory.declare(*SOURCES)
        with fetcher.Fetcher(memory, authorities=[authority], network=network, interval=0) as one:
            for _ in one.fetch(*SOURCES):
                pass
        return 1 if one.account.failed else 0


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    authority, http, https = sys.argv[1:4]
    fetcher.trusted = functools.cache(fetcher.trusted)
    fetcher.trusted(authority)
    fetcher.trusted()
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 2
            try:
                status = run(line.strip(), authority, {80: int(http), 443: int(https)})
            finally:
                os._exit(status)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
