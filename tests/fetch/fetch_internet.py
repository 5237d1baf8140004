"""A fake internet: real HTTP and HTTPS servers on loopback that play any host.

Names resolve to public addresses of its own making, and the dialled address is mapped to the server:
the guard above both sees what it would see outside. Every address that is dialled is kept, so that a
test can show which were not.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpcore
import trustme

from ctimine.fetch.network import Network


@dataclasses.dataclass
class Hit:
    """A request that the server saw."""

    host: str
    target: str
    headers: dict[str, str]
    moment: float
    scheme: str

    @property
    def url(self):
        return f"{self.scheme}://{self.host}{self.target}"


@dataclasses.dataclass
class Reply:
    """What the server says; ``length`` may lie, ``None`` closes instead."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    length: int | None = -1


Responder = Callable[[Hit], Reply]
Raw = Callable[[Hit, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def redirect(to: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": to})


def page(text: str = "<p>Hello</p>", **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(text.encode(), headers={"Content-Type": "text/html; charset=utf-8", **names})


class Internet:
    """Hosts, what they answer, and what they were asked."""

    def __init__(self, *, log: bool = True) -> None:
        self.hits: list[Hit] = []
        self.dialled: list[str] = []
        self.addresses: dict[str, list[str]] = {}
        self.answers: dict[tuple[str, str], object] = {}
        self.whole_hosts: dict[str, object] = {}
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.log = log
        self.authority = trustme.CA()
        self._names: dict[str, str] = {}
        self._open: set[asyncio.Task] = set()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.sni_callback = self._choose
        self.authority.issue_cert("nobody.example").configure_cert(self._tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait()

    # -- what a test sets up

    def at(self, url: str, answer: object) -> None:
        """What one address answers: a Reply, bytes, text, or a function of the Hit; or a Raw."""
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.address_of(parts.hostname)
        self.answers[parts.hostname, target] = answer

    def host(self, name: str, answer: object) -> None:
        """What a host answers to everything that ``at`` does not know."""
        self.address_of(name)
        self.whole_hosts[name] = answer

    def address_of(self, host: str) -> str:
        if host not in self.addresses:
            self.addresses[host] = [str(ipaddress.ip_address("45.32.0.1") + len(self.addresses))]
        found = self.addresses[host]
        return "" if callable(found) else found[0]

    def asked(self, text: str = "") -> list[Hit]:
        return [hit for hit in self.hits if text in hit.url]

    def pem(self, folder) -> str:
        path = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return str(path)

    # -- what the fetcher is given

    @property
    def network(self) -> Network:
        return Network(resolve=self._resolve, dial=self._dial)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        found = self.addresses.get(host.rstrip(".").lower())
        if callable(found):
            return found()
        if not found:
            raise httpcore.ConnectError("no such name")
        return found

    async def _dial(self, address: str, port: int, timeout: float | None):  # noqa: ASYNC109
        self.dialled.append(address)
        to = {80: self.http_port, 443: self.https_port}.get(port)
        if to is None:
            raise httpcore.ConnectError("connection refused")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", to, timeout=timeout)

    def run(
        self, *words: str, folder: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A program of ours on this internet, in a process of its own (see ``fetch_launch``).

        ``folder`` is where it runs, and where its cache is.
        """
        return subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fetch_launch.py")), *words],
            cwd=folder,
            env={
                **os.environ,
                "COLUMNS": "200",
                "CTIMINE_CACHE": str(folder / "cache"),
                "FAKE_HOSTS": " ".join(self.addresses),
                "FAKE_HTTP": str(self.http_port),
                "FAKE_HTTPS": str(self.https_port),
                "SSL_CERT_FILE": self.pem(folder),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    # -- the server

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            self._http = await asyncio.start_server(self._plain, "127.0.0.1", 0, backlog=2048)
            self._https = await asyncio.start_server(
                self._safe, "127.0.0.1", 0, ssl=self._tls, backlog=2048
            )
            self.http_port = self._http.sockets[0].getsockname()[1]
            self.https_port = self._https.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            return
        if name not in self.contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(name).configure_cert(context)
            self.contexts[name] = context
        connection.context = self.contexts[name]

    async def _plain(self, reader, writer) -> None:
        await self._connection(reader, writer, "http")

    async def _safe(self, reader, writer) -> None:
        await self._connection(reader, writer, "https")

    async def _connection(self, reader, writer, scheme: str) -> None:
        task = asyncio.current_task()
        self._open.add(task)
        try:
            while await self._one(reader, writer, scheme):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _one(self, reader, writer, scheme: str) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        _, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.lower()] = value.strip()
        host = headers.get("host", "").partition(":")[0]
        hit = Hit(host, target, headers, time.time(), scheme)
        if self.log:
            self.hits.append(hit)
        answer = self.answers.get((host, target)) or self.whole_hosts.get(host)
        if asyncio.iscoroutinefunction(answer):
            await answer(hit, reader, writer)
            return False
        if callable(answer):
            answer = answer(hit)
        if answer is None:
            answer = Reply(b"not here", 404)
        if isinstance(answer, str):
            answer = page(answer)
        if isinstance(answer, bytes):
            answer = Reply(answer)
        return await self._say(writer, hit, answer)

    async def _say(self, writer, hit: Hit, reply: Reply) -> bool:
        etag = reply.headers.get("ETag")
        if reply.status == 200 and etag and hit.headers.get("if-none-match") == etag:
            reply = Reply(b"", 304, {"ETag": etag})
        lines = [f"HTTP/1.1 {reply.status} Said"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if reply.length is not None and reply.status != 304:
            size = len(reply.body) if reply.length == -1 else reply.length
            lines.append(f"Content-Length: {size}")
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body)
        await writer.drain()
        return reply.length is not None

    @contextlib.contextmanager
    def instead(self, serve, context: ssl.SSLContext | None = None):
        """Another server behind port 443 for a while."""

        async def start():
            return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)

        async def stop(server):
            server.close()

        server = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
        real, self.https_port = self.https_port, server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            self.https_port = real
            asyncio.run_coroutine_threadsafe(stop(server), self._loop).result()

    def close(self) -> None:
        async def stop() -> None:
            self._http.close()
            self._https.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def raw(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
