"""Archives of repositories and trees that lie: nothing is written, nothing outside is named."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from fetch_internet import Reply
from test_fetch_kinds import API, REPOSITORY, sha

from ctimine.errors import FetchError, InputError
from ctimine.fetch.folder import fetch_folder
from ctimine.fetch.github import owner_and_name
from ctimine.fetch.repository import members, path_reason
from ctimine.model import Snapshot, Source

NAMES = [
    "../x.md", "../../../../etc/cron.d/x.md", "a/../../x.md", "/etc/x.md", "//x.md", "a//x.md", "./x.md",
    "a/./x.md", "C:/x.md", "C:\\x.md", "a\\..\\x.md", "\\\\server\\share\\x.md", "a\x00.md", "a\n.md", "\x1b[2J.md",
    "~/x.md/../..", "a/" * 300 + "x.md", "x" * 2000 + ".md", "..", ".", "",
]  # fmt: skip


def tar(*rows):
    """A packed tar of (name, kind, link target or bytes)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, value in rows:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
            else:
                member.linkname = value
                archive.addfile(member)
    return packed.getvalue()


GOOD = ("root/good.md", tarfile.REGTYPE, b"# Good")
LINKS = [
    ("root/l.md", tarfile.SYMTYPE, "/etc/passwd"), ("root/l.md", tarfile.SYMTYPE, "../../x"),
    ("root/l.md", tarfile.LNKTYPE, "/etc/passwd"), ("root/l.md", tarfile.LNKTYPE, "root/good.md"),
    ("root/d.md", tarfile.CHRTYPE, ""), ("root/d.md", tarfile.BLKTYPE, ""), ("root/f.md", tarfile.FIFOTYPE, ""),
    ("root/e.md", tarfile.DIRTYPE, ""), ("root/s.md", tarfile.GNUTYPE_SPARSE, ""),
]  # fmt: skip


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    """A place where anything written would be seen, and a count of opens for writing."""
    monkeypatch.chdir(tmp_path)
    written = []
    real = os.open

    def watched(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.append(path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", watched)
    for name in ("mkdir", "symlink", "link", "rename", "replace", "mkfifo"):
        monkeypatch.setattr(os, name, lambda *a, **k: written.append(a))
    yield
    assert written == []
    assert list(tmp_path.iterdir()) == []


def found_in(body):
    try:
        return [path for path, _ in members(body)]
    except FetchError:
        return None


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_name_in_an_archive_is_passed_over(sealed, name):
    body = tar((f"root/{name}", tarfile.REGTYPE, b"evil"), GOOD)
    found = found_in(body)
    assert "good.md" in found
    assert all(path_reason(path) != "unsafe path" for path in found)


@pytest.mark.parametrize("name", ["/etc/passwd.md", "../x.md", "..\\x.md"])
def test_an_archive_without_a_root_folder_gives_nothing_unsafe(sealed, name):
    assert all(
        path_reason(path) != "unsafe path" for path in found_in(tar((name, tarfile.REGTYPE, b"x")))
    )


@pytest.mark.parametrize("row", LINKS, ids=lambda row: f"{row[0]} {row[1]!r} {row[2]}")
def test_links_and_devices_are_passed_over(sealed, row):
    assert found_in(tar(row, GOOD)) in (["good.md"], None)


def _pax_bomb():
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 30
    return gzip.compress(header.tobuf() + bytes(16 << 20))


BROKEN = {
    "nothing": b"",
    "no gzip": b"x" * 1000,
    "gzip of nothing": gzip.compress(b""),
    "gzip of text": gzip.compress(b"x" * 5000),
    "cut short": tar(GOOD)[:60],
    "zeros without end": gzip.compress(bytes(64 << 20)),
    "a file of zeros": tar(("root/z.md", tarfile.REGTYPE, bytes(24 << 20))),
    "a header that promises a gigabyte": _pax_bomb(),
    "many members": tar(*[(f"root/{n}.md", tarfile.REGTYPE, b"") for n in range(3000)]),
    "a negative size": gzip.compress(
        tarfile.TarInfo("root/x.md").tobuf().replace(b"00000000000\x00", b"-0000000001\x00", 1)
    ),
    "random": gzip.compress(bytes(range(256)) * 100),
    "a zip": b"PK\x03\x04" + bytes(100),
    "gzip in gzip": gzip.compress(tar(GOOD)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_or_huge_archive_ends_soon(sealed, name):
    begun = time.monotonic()
    found = found_in(BROKEN[name])
    assert time.monotonic() - begun < 5
    assert found is None or all(not path_reason(path) for path in found)


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_path_in_a_tree_is_never_asked_for(internet, fetching, monkeypatch, name):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    head = {"sha": sha("c"), "commit": {"tree": {"sha": sha("t")}}}
    rows = [
        {"path": name, "type": "blob", "mode": "100644", "sha": sha("x"), "size": 1},
        {"path": "l.md", "type": "blob", "mode": "120000", "sha": sha("x"), "size": 1},
        {"path": "m.md", "type": "commit", "mode": "160000", "sha": sha("x")},
    ]
    internet.at(f"{API}/commits/HEAD", json.dumps(head).encode())
    internet.at(f"{API}/git/trees/{sha('t')}?recursive=1", json.dumps({"tree": rows}).encode())
    fetcher = fetching()
    assert list(fetcher.fetch(REPOSITORY)) == []
    assert len(internet.hits) == 2
    assert fetcher.account.skipped["link"] == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name and "\x00" not in name])
def test_an_odd_name_in_a_zip_is_passed_over(tmp_path, name):
    place = tmp_path / "x.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "evil")
    found = [
        item for item in fetch_folder(Source("z", url=str(place))) if isinstance(item, Snapshot)
    ]
    assert all(
        ".." not in Path(item.item).parts and not item.item.startswith("/") for item in found
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/",
        "https://github.com/a",
        "https://github.com/../..",
        "https://github.com/a/%2e%2e",
        "x",
    ],
)
def test_what_names_no_repository_is_refused(url):
    with pytest.raises(InputError):
        owner_and_name(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"sha":"x"}',
        b"[" * 100_000,
        b"\xff",
        b'{"sha":1,"commit":{"tree":[]}}',
    ],
)
def test_an_interface_that_lies_is_an_error_of_ours(internet, fetching, answer):
    internet.at(f"{API}/commits/HEAD", Reply(answer))
    fetcher = fetching()
    assert list(fetcher.fetch(REPOSITORY)) == []
    assert sum(fetcher.account.failed.values()) == 1
    assert "broken fetcher" not in fetcher.account.failed


def test_there_are_at_least_50_cases():
    assert 3 * len(NAMES) + len(LINKS) + len(BROKEN) >= 50


def test_a_path_with_half_a_character_is_unsafe_and_has_no_address():
    assert path_reason("reports/a\ud800.md") == "unsafe path"
