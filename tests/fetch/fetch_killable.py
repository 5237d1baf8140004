"""A run that the tests kill: fetches fixed sources of a fake internet in another process.

Arguments: archive, authority file, http port, https port. Ends with status 0 when all is fetched.
"""

from __future__ import annotations

import sys

import httpcore

from ctimine.archive import Archive
from ctimine.fetch.fetcher import Fetcher
from ctimine.fetch.network import Network
from ctimine.model import Source

ITEMS = 30
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


def main() -> None:
    archive, authority, http, https = sys.argv[1:5]
    ports = {80: int(http), 443: int(https)}

    async def resolve(host: str, port: int) -> list[str]:
        return ["45.32.0.1"]

    async def dial(address: str, port: int, timeout: float | None):  # noqa: ASYNC109
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", ports[port], timeout=timeout)

    with Archive(archive) as memory:
        memory.declare(*SOURCES)
        network = Network(resolve, dial)
        with Fetcher(memory, authorities=[authority], network=network, interval=0) as fetcher:
            for _ in fetcher.fetch(*SOURCES):
                pass
        sys.exit(1 if fetcher.account.failed else 0)


if __name__ == "__main__":
    main()
