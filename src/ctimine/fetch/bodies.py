"""Bodies unpacked in bounded steps: what is read is bounded, what it unpacks to is bounded too.

A few hundred bytes of brotli or zstd can stand for gigabytes. No decoder here is ever asked for
more than a step at a time, and a body that unpacks past every honest ratio is given up early.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from ctimine.errors import BadAnswer, TooLarge

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of one body, as it came and unpacked; an option of a source changes it."""
MAX_RATIO: Final = 200
"""A body may unpack to this many times its size, once it is past :data:`FREE`."""
FREE: Final = 2 * 1024 * 1024
MAX_CODINGS: Final = 2
"""Codings on top of each other. Servers that pack twice by mistake exist; more is an attack."""
MAX_MEMBERS: Final = 10_000
"""Members (gzip) or frames (zstd) of one body. Empty ones cost time and unpack to nothing."""
STEP: Final = 256 * 1024
"""Bytes that a decoder gives at once, about."""
PIECE: Final = 64 * 1024
"""Bytes that a decoder takes at once: what it leaves over is copied, so that is kept small."""


class _Decoder(Protocol):
    def steps(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, never more than about a step at once."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the packed stream has come to its end."""
        ...


class _Members:
    def __init__(self) -> None:
        self._seen = 1

    def count(self) -> None:
        """One more; raises TooLarge when there are too many."""
        self._seen += 1
        if self._seen > MAX_MEMBERS:
            raise TooLarge(f"packed in more than {MAX_MEMBERS:,} members")


class _Zlib:
    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inner = zlib.decompressobj(31 if coding == "gzip" else 15)
        self._begun = False
        self._members = _Members()

    def steps(self, data: bytes) -> Iterator[bytes]:
        if not self._begun and data:
            self._begun = True
            # "deflate" means zlib, but many servers send it without the wrapper.
            if self._coding == "deflate" and (
                data[0] & 0x0F != 8 or (len(data) > 1 and int.from_bytes(data[:2], "big") % 31)
            ):
                self._inner = zlib.decompressobj(-15)
        while data:
            out = self._inner.decompress(data, STEP)
            if out:
                yield out
            if self._inner.eof:
                # Several members one after the other are one gzip file; padding is not a member.
                data = self._inner.unused_data
                if self._coding != "gzip" or data[:2] != b"\x1f\x8b":
                    return
                self._members.count()
                self._inner = zlib.decompressobj(31)
                continue
            data = self._inner.unconsumed_tail
        while not self._inner.eof:  # what a step left inside
            out = self._inner.decompress(self._inner.unconsumed_tail, STEP)
            if not out:
                return
            yield out

    @property
    def finished(self) -> bool:
        return self._inner.eof or not self._begun


class _Brotli:
    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped,unused-ignore]

        self._inner: Any = brotli.Decompressor()
        self._begun = False

    def steps(self, data: bytes) -> Iterator[bytes]:
        if self._inner.is_finished():
            return  # what comes after the end is none of the body
        self._begun = self._begun or bool(data)
        out = self._inner.process(data, output_buffer_limit=STEP)
        # All input may be inside while output is still to come: only an empty answer says so.
        while out:
            yield out
            if self._inner.is_finished():
                return
            out = self._inner.process(b"", output_buffer_limit=STEP)

    @property
    def finished(self) -> bool:
        return bool(self._inner.is_finished()) or not self._begun


class _Zstd:
    SLICE: Final = 128
    """Packed bytes a step: a block of 4 bytes may stand for 128 KiB, so a step for 4 MiB."""

    def __init__(self) -> None:
        import zstandard

        # RFC 9659: a content coding may use a window of 8 MiB at most.
        self._make: Any = zstandard.ZstdDecompressor(max_window_size=1 << 23)
        self._inner = self._make.decompressobj()
        self._begun = False
        self._members = _Members()

    def steps(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._inner.eof:
                if not data[at:].startswith((b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")):
                    return
                self._members.count()
                self._inner = self._make.decompressobj()
            self._begun = True
            part = data[at : at + self.SLICE]
            at += len(part)
            out = self._inner.decompress(part)
            if out:
                yield out
            if self._inner.eof:
                at -= len(self._inner.unused_data)

    @property
    def finished(self) -> bool:
        return bool(self._inner.eof) or not self._begun


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "br": _Brotli,
    "zstd": _Zstd,
}
ACCEPTED: Final = "gzip, deflate, br, zstd"
_MAGIC: Final = {
    "gzip": (b"\x1f\x8b",),
    "x-gzip": (b"\x1f\x8b",),
    "zstd": (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"),
}


class Unpacker:
    """A body that comes in parts: ``feed`` each one, then ``body`` is the whole.

    ``codings`` is the value of ``Content-Encoding``. A body that says ``gzip`` and is none is taken
    as it is: servers lie.

    >>> import gzip
    >>> unpacker = Unpacker("gzip")
    >>> unpacker.feed(gzip.compress(b"T1102"))
    >>> unpacker.body()
    b'T1102'
    """

    def __init__(self, codings: str = "", *, limit: int = MAX_BYTES, subject: str = "") -> None:
        names = [name.strip().lower() for name in codings.split(",")]
        names = [name for name in names if name not in {"", "identity", "none"}]
        self._subject = subject
        self._limit = limit
        self._came = 0
        self._parts: list[bytes] = []
        self._names = names
        self._decoders: list[_Decoder] = []
        if len(names) > MAX_CODINGS:
            raise BadAnswer(f"packed {len(names)} times", subject=subject)
        for name in reversed(names):
            if name not in _DECODERS:
                raise BadAnswer(f"unknown coding {name[:40]!r}", subject=subject)
            self._decoders.append(_DECODERS[name]())
        self._sizes = [0] * len(self._decoders)
        """Bytes that came out of each decoder so far."""

    def feed(self, part: bytes) -> None:
        """Take the next part; raises TooLarge or BadAnswer as soon as that is certain."""
        if self._came == 0 and part and len(self._names) == 1:
            magic = _MAGIC.get(self._names[0])
            # Judge by the first byte alone if there is no more: parts may be that small.
            if magic and not any(part[:4].startswith(m[: len(part)]) for m in magic):
                self._decoders = []
        self._came += len(part)
        if self._came > self._limit:
            raise TooLarge(f"more than {self._limit:,} bytes", subject=self._subject)
        try:
            self._parts.extend(self._through(part, 0))
        except TooLarge as error:
            raise TooLarge(error.message, subject=self._subject) from None
        except Exception as error:  # noqa: BLE001 - each decoder has errors of its own
            raise BadAnswer(f"cannot be unpacked: {error}"[:200], subject=self._subject) from None

    def body(self) -> bytes:
        """The whole body; raises BadAnswer if its packed stream was cut short."""
        if not all(decoder.finished for decoder in self._decoders):
            raise BadAnswer("packed body is cut short", subject=self._subject)
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole

    def _through(self, data: bytes, depth: int) -> Iterator[bytes]:
        """What ``data`` unpacks to by the decoders from ``depth`` on."""
        if depth == len(self._decoders):
            if data:
                yield data
            return
        for at in range(0, len(data), PIECE):
            for out in self._decoders[depth].steps(data[at : at + PIECE]):
                self._count(len(out), depth)
                yield from self._through(out, depth + 1)

    def _count(self, size: int, depth: int) -> None:
        """Every layer is bounded: one that unpacks to nothing may be fed by one that is endless."""
        self._sizes[depth] += size
        unpacked = self._sizes[depth]
        if unpacked > self._limit:
            raise TooLarge(f"unpacks to more than {self._limit:,} bytes")
        if unpacked > FREE and unpacked > MAX_RATIO * self._came:
            raise TooLarge(f"{self._came:,} bytes unpack to more than {MAX_RATIO} times that")


def gunzip(body: bytes, *, limit: int = MAX_BYTES, subject: str = "") -> bytes:
    """A ``.gz`` file unpacked within the same bounds; other bytes as they are."""
    if body[:2] != b"\x1f\x8b":
        return body
    unpacker = Unpacker("gzip", limit=limit, subject=subject)
    unpacker.feed(body)
    return unpacker.body()
