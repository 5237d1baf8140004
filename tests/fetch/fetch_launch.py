"""Runs a program of ours in a process of its own, with the fake internet in place of the real one.

    python fetch_launch.py FILE.py ARGUMENT …      # an example
    python fetch_launch.py -m ctimine ARGUMENT …   # the command line

Only the two steps below the guard are replaced, as everywhere in these tests: names become public
addresses, and whatever address is dialled leads to the server on loopback. Pauses between requests
to one host are left out. See ``Internet.run``.
"""

from __future__ import annotations

import inspect
import os
import runpy
import sys

import httpcore

from ctimine.fetch.fetcher import Fetcher
from ctimine.fetch.network import Network

HOSTS = frozenset(os.environ.get("FAKE_HOSTS", "").split())
PORTS = {80: int(os.environ.get("FAKE_HTTP", "0")), 443: int(os.environ.get("FAKE_HTTPS", "0"))}


async def resolve(host: str, port: int) -> list[str]:
    if host not in HOSTS:
        raise httpcore.ConnectError("no such name")
    return ["45.32.0.1"]


async def dial(address: str, port: int, timeout: float | None):  # noqa: ASYNC109
    return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", PORTS[port], timeout=timeout)


def main() -> None:
    Network.__init__.__defaults__ = (resolve, dial)
    usual = Fetcher.__init__.__kwdefaults__
    assert {"interval", "backoff"} <= set(inspect.signature(Fetcher).parameters)
    Fetcher.__init__.__kwdefaults__ = {**usual, "interval": 0.0, "backoff": 0.01}
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
