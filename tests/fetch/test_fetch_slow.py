"""Servers that take their time: each ends by the deadline, and says so."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpcore
import pytest
from fetch_internet import Reply, raw

from ctimine.fetch.network import Network
from ctimine.model import Source

DEADLINE = 0.7
HOST = "slow.example"


async def no_answer(hit, reader, writer):
    await asyncio.sleep(20)


async def drip_of_headers(hit, reader, writer):
    await raw(writer, b"HTTP/1.1 200 OK\r\n")
    for n in range(200):
        await raw(writer, b"X-%d: y\r\n" % n)
        await asyncio.sleep(0.1)


async def half_a_status_line(hit, reader, writer):
    await raw(writer, b"HTTP/1.")
    await asyncio.sleep(20)


async def drip_of_body(hit, reader, writer):
    await raw(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        await raw(writer, b"x")
        await asyncio.sleep(0.1)


async def drip_of_chunks(hit, reader, writer):
    await raw(writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        await raw(writer, b"1\r\nx\r\n")
        await asyncio.sleep(0.1)


async def body_that_stops(hit, reader, writer):
    await raw(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nxxxx")
    await asyncio.sleep(20)


async def drip_of_gzip(hit, reader, writer):
    await raw(writer, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00")
    for _ in range(200):
        await raw(writer, b"\x00")
        await asyncio.sleep(0.1)


async def slow_redirects(hit, reader, writer):
    await asyncio.sleep(0.25)
    number = int(hit.target.strip("/") or 0)
    await raw(
        writer, b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % (number + 1)
    )


async def interim_answers(hit, reader, writer):
    for _ in range(200):
        await raw(writer, b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.1)


SLOW = [
    no_answer, drip_of_headers, half_a_status_line, drip_of_body, drip_of_chunks,
    body_that_stops, drip_of_gzip, slow_redirects, interim_answers,
]  # fmt: skip


def ends_in_time(fetcher, source):
    begun = time.monotonic()
    assert list(fetcher.fetch(source)) == []
    took = time.monotonic() - begun
    assert took < DEADLINE + 1.0, f"{took:.2f} s"
    assert dict(fetcher.account.failed) == {"deadline": 1}


@pytest.mark.parametrize("server", SLOW, ids=[server.__name__ for server in SLOW])
def test_a_slow_server_ends_by_the_deadline(internet, fetching, server):
    internet.at(f"http://{HOST}/robots.txt", Reply(b"", 404))
    internet.host(HOST, server)
    ends_in_time(fetching(deadline=DEADLINE), Source("s", kind="page", url=f"http://{HOST}/"))


def test_a_slow_robots_txt_ends_by_the_deadline(internet, fetching):
    internet.host(HOST, no_answer)
    ends_in_time(fetching(deadline=DEADLINE), Source("s", kind="page", url=f"http://{HOST}/"))


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x03\x00\x7a"], ids=["silence", "half a hello"])
def test_a_slow_handshake_ends_by_the_deadline(internet, fetching, says):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        open_ones = []

        def accept():
            try:
                while True:
                    connection, _ = listening.accept()
                    open_ones.append(connection)
                    connection.sendall(says)
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        port = listening.getsockname()[1]

        async def resolve(host, _):
            return ["45.32.9.9"]

        async def dial(address, _, timeout):  # noqa: ASYNC109
            return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", port, timeout=timeout)

        fetcher = fetching(deadline=DEADLINE)
        fetcher._network = Network(resolve, dial)
        ends_in_time(fetcher, Source("s", kind="page", url="https://tls.example/"))
        for connection in open_ones:
            connection.close()


def test_a_slow_name_server_ends_by_the_deadline(internet, fetching):
    async def resolve(host, _):
        await asyncio.sleep(20)

    fetcher = fetching(deadline=DEADLINE)
    fetcher._network = Network(resolve, internet.network.dial)
    ends_in_time(fetcher, Source("s", kind="page", url="http://slow.example/"))


def test_one_slow_host_does_not_keep_others_waiting(internet, fetching):
    internet.host(HOST, no_answer)
    internet.at("http://fast.example/", b"fast")
    fetcher = fetching(deadline=2.0)
    begun = time.monotonic()
    found = fetcher.fetch(
        Source("s", kind="page", url=f"http://{HOST}/"),
        Source("f", kind="page", url="http://fast.example/"),
    )
    assert next(found).source == "f"
    assert time.monotonic() - begun < 1.0
    found.close()
