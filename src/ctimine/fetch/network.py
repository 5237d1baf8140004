"""The way to the network: names are resolved, judged, and then that very address is dialled.

The check sits where the connection is made. A name that resolves differently the second time
(rebinding), a redirect, an odd spelling of an address: all end here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

import httpcore
import httpx

from ctimine.errors import AddressRefused, BadAnswer, TLSRefused, Unreachable
from ctimine.fetch.addresses import address_reason

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name."""
Dial: TypeAlias = Callable[[str, int, float | None], Awaitable[httpcore.AsyncNetworkStream]]
"""A connection to a literal address and port, within seconds."""

MAX_ADDRESSES: Final = 4
"""Addresses of one name that are tried."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives for a name, in its order."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"no such name ({error})") from None
    return list(dict.fromkeys(str(row[4][0]) for row in found))


async def dial(
    address: str,
    port: int,
    timeout: float | None,  # noqa: ASYNC109
) -> httpcore.AsyncNetworkStream:
    """A TCP connection to a literal address."""
    return await httpcore.AnyIOBackend().connect_tcp(address, port, timeout=timeout)


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """How names become addresses and addresses connections: the seam that tests stub.

    Both are below the guard: whatever ``resolve`` says is judged before ``dial`` hears of it.
    """

    resolve: Resolve = resolve
    dial: Dial = dial


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is closed when its handshake is cancelled; the usual one stays open."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Guard(httpcore.AsyncNetworkBackend):
    def __init__(self, network: Network, *, private: bool) -> None:
        self._network = network
        self._private = private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._network.resolve(host, port)
        reasons = {address: address_reason(address, private=self._private) for address in addresses}
        open_ones = [address for address in addresses if not reasons[address]]
        if not addresses:
            raise httpcore.ConnectError("no such name")
        if not open_ones:
            raise AddressRefused(
                f"{next(iter(reasons.values()))}: {', '.join(addresses[:MAX_ADDRESSES])}",
                subject=host,
            )
        failure: Exception | None = None
        for address in open_ones[:MAX_ADDRESSES]:
            try:
                return _Stream(await self._network.dial(address, port, timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("a local socket", subject="unix")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Trusted(httpcore.AsyncNetworkBackend):
    """Connections to the proxy that the user has named: trusted by being named."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._network.resolve(host, port)
        if not addresses:
            raise httpcore.ConnectError("no such name")
        return _Stream(await self._network.dial(addresses[0], port, timeout))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that reaches public addresses only and always verifies certificates.

    ``private`` makes the one for hosts that the user has named as internal. ``proxy`` is a trusted
    hop: it resolves names itself. ``context`` may trust more authorities, never fewer checks.
    """

    def __init__(
        self,
        network: Network | None = None,
        *,
        context: ssl.SSLContext | None = None,
        private: bool = False,
        proxy: str = "",
        connections: int = 64,
    ) -> None:
        network = network or Network()
        context = context or trusted()
        if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
            raise TLSRefused("a context that does not verify certificates", subject="TLS")
        bounds: dict[str, Any] = {
            "ssl_context": context,
            "max_connections": connections,
            "max_keepalive_connections": connections // 2,
            "keepalive_expiry": 5.0,
        }
        self._pool: httpcore.AsyncConnectionPool
        if proxy:
            self._pool = httpcore.AsyncHTTPProxy(
                proxy_url=proxy, network_backend=_Trusted(network), **bounds
            )
        else:
            self._pool = httpcore.AsyncConnectionPool(
                network_backend=_Guard(network, private=private), **bounds
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, with its body still on the way."""
        asked = httpcore.Request(
            method=request.method.encode(),
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            extensions=request.extensions,
        )
        subject = f"{request.url.scheme}://{request.url.host}"
        with _said_plainly(subject):
            answer = await self._pool.handle_async_request(asked)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer, subject),
            extensions={"http_version": answer.extensions.get("http_version", b"HTTP/1.1")},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response, subject: str) -> None:
        self._answer = answer
        self._subject = subject

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _said_plainly(self._subject):
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class _said_plainly:  # noqa: N801
    """Turns what httpcore raises into errors of ours; nothing of the request is in the message."""

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is None or not isinstance(
            error,
            httpcore.NetworkError
            | httpcore.TimeoutException
            | httpcore.ProtocolError
            | httpcore.ProxyError
            | httpcore.UnsupportedProtocol
            | ssl.SSLError
            | OSError,
        ):
            return
        words = str(error) or type(error).__name__
        if _is_tls(error):
            raise TLSRefused(_tls_words(error, words), subject=self._subject) from None
        if isinstance(error, httpcore.RemoteProtocolError) and "disconnected" not in words:
            if "peer closed" in words or "incomplete" in words:
                raise Unreachable("the connection broke off", subject=self._subject) from None
            raise BadAnswer(f"not HTTP: {words[:200]}", subject=self._subject) from None
        if isinstance(error, httpcore.LocalProtocolError | httpcore.UnsupportedProtocol):
            raise BadAnswer(f"cannot be asked: {words[:200]}", subject=self._subject) from None
        if isinstance(error, httpcore.TimeoutException):
            words = "no answer in time"
        raise Unreachable(words[:200], subject=self._subject) from None


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            return False
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _tls_words(error: BaseException, words: str) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"certificate refused: {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return f"no safe connection: {seen.reason or words}"[:200]
        seen = seen.__cause__ or seen.__context__
    return words[:200]


def trusted(*authorities: str) -> ssl.SSLContext:
    """A context that verifies, with TLS 1.2 or newer; ``authorities`` are PEM files trusted too."""
    context = httpx.create_ssl_context(trust_env=True)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in authorities:
        context.load_verify_locations(cafile=file)
    return context
