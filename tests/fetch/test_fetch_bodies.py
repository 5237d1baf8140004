"""Bodies that unpack to more than anybody wants, and packed bodies that are what they say."""

from __future__ import annotations

import gzip
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


async def _endless(writer, coding):
    """A server that never stops: packed nothing, or plain bytes, as fast as they are taken."""
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n"
        if coding
        else "HTTP/1.1 200 OK\r\n\r\n"
    )
    await raw(writer, head.encode())
    inner = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(200_000):
        part = {
            "gzip": lambda: inner.compress(ZEROS[:65536]) + inner.flush(zlib.Z_SYNC_FLUSH),
            "empty gzip": lambda: gzip.compress(b"") * 2000,
            "": lambda: ZEROS,
        }[coding if coding != "gzip;e" else "empty gzip"]()
        await raw(writer, part)


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


@pytest.mark.parametrize("coding", ["", "gzip", "gzip;e"])
def test_an_endless_body_is_given_up_at_the_bound(internet, fetching, coding):
    async def endless(hit, reader, writer):
        await _endless(writer, coding)

    internet.at("http://bomb.example/", endless)
    fetcher = fetching(deadline=5.0)
    before, begun = fresh_peak(), time.monotonic()
    options = (("max_bytes", 8 * MIB),)
    assert (
        list(fetcher.fetch(Source("b", kind="page", url="http://bomb.example/", options=options)))
        == []
    )
    assert sum(fetcher.account.failed.values()) == 1
    assert time.monotonic() - begun < 1.5
    assert peak() - before < 64 * 1024


def test_there_are_at_least_24_bombs():
    assert len(BOMBS) + 3 >= 24


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


def test_a_large_honest_body_passes():
    """16 MiB of text that packs well, but not as nothing does."""
    text = b"".join(b"line %d of a long report about an intrusion\n" % n for n in range(300_000))
    assert gunzip(gzip.compress(text)) == text


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
    assert unpacker._size < 80 * MIB
