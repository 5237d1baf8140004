"""Bodies that unpack to more than anybody wants, and packed bodies that are what they say."""

from __future__ import annotations

import functools
import gzip
import itertools
import random
import resource
import time
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard
from fetch_internet import Reply, raw

from ctimine.errors import BadAnswer, TooLarge
from ctimine.fetch.bodies import Unpacker, gunzip
from ctimine.model import Source

MIB = 1 << 20
ZEROS = bytes(MIB)
NOISE = random.Random(1).randbytes(65536)


@functools.cache
def packed_zeros(coding, mebibytes):
    """Many mebibytes of nothing, packed without ever holding them."""
    if coding in {"gzip", "deflate", "raw"}:
        inner = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15, "raw": -15}[coding])
        parts = [inner.compress(ZEROS) for _ in range(mebibytes)]
        return b"".join(parts) + inner.flush()
    if coding == "br":
        inner = brotli.Compressor(quality=5)
        parts = [inner.process(ZEROS) for _ in range(mebibytes)]
        return b"".join(parts) + inner.finish()
    inner = zstandard.ZstdCompressor(level=3).compressobj()
    parts = [inner.compress(ZEROS) for _ in range(mebibytes)]
    return b"".join(parts) + inner.flush()


def zstd_blocks(count):
    """zstd by hand: RLE blocks of 128 KiB, four bytes each."""
    header = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x58"
    block = ((1 << 17) << 3 | 1 << 1).to_bytes(3, "little") + b"\x00"
    last = ((1 << 17) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\x00"
    return header + block * (count - 1) + last


BOMBS = {
    **{
        f"{coding} {size} MiB": (coding, packed_zeros(coding, size))
        for coding in ("gzip", "deflate", "br", "zstd")
        for size in (40, 300)
    },
    "raw deflate 40 MiB": ("deflate", packed_zeros("raw", 40)),
    "raw deflate 300 MiB": ("deflate", packed_zeros("raw", 300)),
    "zstd of RLE blocks, 1 GiB": ("zstd", zstd_blocks(8192)),
    "zstd of RLE blocks, 8 GiB": ("zstd", zstd_blocks(65536)),
    "gzip of many members": ("gzip", packed_zeros("gzip", 4) * 40),
    "zstd of many frames": ("zstd", packed_zeros("zstd", 4) * 40),
    "gzip in gzip": ("gzip, gzip", gzip.compress(packed_zeros("gzip", 300))),
    "br in gzip": ("br, gzip", gzip.compress(packed_zeros("br", 300))),
    "gzip in br": ("gzip, br", brotli.compress(packed_zeros("gzip", 300))),
    "zstd in zstd": ("zstd, zstd", zstandard.compress(zstd_blocks(8192))),
    "gzip in zstd": ("gzip, zstd", zstandard.compress(packed_zeros("gzip", 300))),
    "deflate in deflate": ("deflate, deflate", zlib.compress(packed_zeros("deflate", 300))),
    "three codings": ("gzip, gzip, gzip", gzip.compress(b"x")),
    "ninety codings": (", ".join(["gzip"] * 90), gzip.compress(b"x")),
}


def fresh_peak():
    """KiB in use now, with the peak begun anew (Linux; elsewhere the peak so far)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmRSS")


def peak():
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _again(piece, size=65536):
    """The same bytes, again and again, in parts of about ``size``."""
    part = piece * (size // len(piece) + 1)
    while True:
        yield part


def _packed_again(piece, first=b"", level=9):
    """The same bytes without end, inside one gzip stream."""
    inner = zlib.compressobj(level, zlib.DEFLATED, 31)
    yield inner.compress(first) + inner.flush(zlib.Z_SYNC_FLUSH)
    for part in _again(piece, MIB):
        yield inner.compress(part) + inner.flush(zlib.Z_SYNC_FLUSH)


def _brotli_again(piece):
    inner = brotli.Compressor(quality=1)
    for part in _again(piece, MIB):
        yield inner.process(part) + inner.flush()


NOTHING_DEFLATED = b"\0\0\0\xff\xff"  # a stored block of no bytes
ZLIB_HEAD = b"\x78\x9c"
ENDLESS = {
    "plain": ("", lambda: _again(ZEROS[:65536])),
    "gzip of zeros": ("gzip", lambda: _packed_again(ZEROS)),
    "gzip of noise": ("gzip", lambda: _packed_again(NOISE, level=0)),
    "brotli of zeros": ("br", lambda: _brotli_again(ZEROS)),
    "zstd of RLE blocks": ("zstd", lambda: itertools.chain([zstd_blocks(2)[:10]], _again(zstd_blocks(2)[6:10]))),
    "gzip members of nothing": ("gzip", lambda: _again(gzip.compress(b""))),
    "zstd frames of nothing": ("zstd", lambda: _again(zstandard.compress(b""))),
    "zstd frames to be skipped": ("zstd", lambda: _again(b"\x50\x2a\x4d\x18\0\0\0\0")),
    "deflate blocks of nothing": ("deflate", lambda: itertools.chain([ZLIB_HEAD], _again(NOTHING_DEFLATED))),
    "a gzip name without end": ("gzip", lambda: itertools.chain([b"\x1f\x8b\x08\x08" + bytes(6)], _again(b"n"))),
    "blocks of nothing in gzip": ("deflate, gzip", lambda: _packed_again(NOTHING_DEFLATED, ZLIB_HEAD)),
    "members of nothing in gzip": ("gzip, gzip", lambda: _packed_again(gzip.compress(b""))),
    "frames of nothing in gzip": ("zstd, gzip", lambda: _packed_again(zstandard.compress(b""))),
}  # fmt: skip
"""Name → coding, and the parts that a server sends until nobody takes them any more."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_bounded_memory_and_time(internet, fetching, name):
    """Over a real connection: refused by size, ratio or number of codings."""
    coding, body = BOMBS[name]
    internet.at("http://bomb.example/", Reply(body, headers={"Content-Encoding": coding}))
    internet.at("http://bomb.example/ok", b"fine")
    fetcher = fetching(deadline=5.0)
    list(fetcher.fetch(Source("warm", kind="page", url="http://bomb.example/ok")))
    before, begun = fresh_peak(), time.monotonic()
    assert list(fetcher.fetch(Source("b", kind="page", url="http://bomb.example/"))) == []
    took, grown = time.monotonic() - begun, peak() - before
    assert set(fetcher.account.failed) <= {"too large", "bad answer"}
    assert took < 1.0, f"{took:.2f} s"
    assert grown < 64 * 1024, f"{grown} KiB"


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_body_is_given_up_at_a_bound(internet, fetching, name):
    """With the usual bounds, over a real connection: less than a second, less than 64 MiB."""
    coding, parts = ENDLESS[name]
    sent = []

    async def endless(hit, reader, writer):
        await raw(writer, f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode())
        for part in parts():
            sent.append(len(part))
            await raw(writer, part)

    internet.at("http://bomb.example/", endless)
    internet.at("http://bomb.example/ok", b"fine")
    fetcher = fetching(deadline=5.0)
    list(fetcher.fetch(Source("warm", kind="page", url="http://bomb.example/ok")))
    before, begun = fresh_peak(), time.monotonic()
    assert list(fetcher.fetch(Source("b", kind="page", url="http://bomb.example/"))) == []
    took, grown = time.monotonic() - begun, peak() - before
    assert dict(fetcher.account.failed) == {"too large": 1}
    assert sum(sent) < 48 * MIB
    assert took < 1.0, f"{took:.2f} s"
    assert grown < 64 * 1024, f"{grown} KiB"


def test_there_are_at_least_24_bombs():
    assert len(BOMBS) + len(ENDLESS) >= 24


TEXT = b"Silver Raven used a web service. " * 300
PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "identity": TEXT,
    "": TEXT,
    "gzip, gzip": gzip.compress(gzip.compress(TEXT)),
    "br, gzip": gzip.compress(brotli.compress(TEXT)),
}


@pytest.mark.parametrize("step", [1, 7, 4096, 10**6])
@pytest.mark.parametrize("coding", PACKED)
def test_an_honest_body_comes_out_whole_however_it_is_cut(coding, step):
    body = PACKED[coding]
    unpacker = Unpacker(coding)
    for at in range(0, len(body), step):
        unpacker.feed(body[at : at + step])
    assert unpacker.body() == TEXT


def test_deflate_without_its_wrapper_is_read_too():
    inner = zlib.compressobj(9, zlib.DEFLATED, -15)
    unpacker = Unpacker("deflate")
    unpacker.feed(inner.compress(TEXT) + inner.flush())
    assert unpacker.body() == TEXT


def test_a_body_that_says_gzip_and_is_none_is_taken_as_it_is():
    unpacker = Unpacker("gzip")
    unpacker.feed(b"<p>plain</p>")
    assert unpacker.body() == b"<p>plain</p>"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_cut_short_is_an_error_and_not_half_a_text(coding):
    unpacker = Unpacker(coding)
    unpacker.feed(PACKED[coding][:-9])
    with pytest.raises(BadAnswer):
        unpacker.body()


def test_an_unknown_coding_is_named():
    with pytest.raises(BadAnswer, match="compress"):
        Unpacker("compress")


LARGE = {
    "text": b"".join(b"line %d of a long report about an intrusion\n" % n for n in range(300_000)),
    "noise": random.Random(2).randbytes(12 * MIB),
}
PACKERS = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.compress,
    "gzip of members": lambda data: b"".join(
        gzip.compress(data[at : at + 65536], 1) for at in range(0, len(data), 65536)
    ),
}


@pytest.mark.parametrize("step", [65536, 1 << 30])
@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("packer", PACKERS)
def test_a_large_honest_body_passes(packer, kind, step):
    """16 MiB of text that packs well, but not as nothing does; and bytes that do not pack."""
    body = PACKERS[packer](LARGE[kind])
    unpacker = Unpacker(packer.partition(" ")[0])
    for at in range(0, len(body), step):
        unpacker.feed(body[at : at + step])
    assert unpacker.body() == LARGE[kind]


def test_a_packed_file_passes_like_a_packed_body():
    assert gunzip(gzip.compress(LARGE["text"], 1)) == LARGE["text"]


def test_the_bound_is_one_of_bytes_that_came_too():
    unpacker = Unpacker("", limit=10)
    with pytest.raises(TooLarge):
        unpacker.feed(b"x" * 11)


def test_feeding_is_interruptible(internet, fetching):
    """A bomb on one connection does not keep another one from its answer."""
    internet.at(
        "http://bomb.example/",
        Reply(BOMBS["gzip 300 MiB"][1], headers={"Content-Encoding": "gzip"}),
    )
    internet.at("http://fine.example/", b"fine")
    found = list(
        fetching().fetch(
            Source("b", kind="page", url="http://bomb.example/"),
            Source("f", kind="page", url="http://fine.example/"),
        )
    )
    assert [snapshot.source for snapshot in found] == ["f"]


def test_a_ratio_that_no_text_has_ends_it_long_before_the_bound():
    unpacker = Unpacker("gzip", limit=1 << 40)
    with pytest.raises(TooLarge, match="more than 200 times"):
        unpacker.feed(BOMBS["gzip 300 MiB"][1])
    assert unpacker._sizes[-1] < 80 * MIB
