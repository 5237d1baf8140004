"""Folders, checkouts and archives: what comes out, in which order, and what is named and left out."""

from __future__ import annotations

import collections
import json
import os
import shutil
import stat
import subprocess
import time
import tracemalloc
import warnings
import zipfile

import pytest

from ctimine.errors import InputError
from ctimine.fetch import fetch_folder
from ctimine.fetch.checkout import web_address
from ctimine.fetch.rules import ignored_by
from ctimine.model import Fact, Outcome, Snapshot, Source

GIT = shutil.which("git")


def fetch(place, **options):
    return list(fetch_folder(Source("s", url=str(place), options=tuple(options.items()))))


def documents(found):
    return {one.item: one for one in found if isinstance(one, Snapshot)}


def reasons(found):
    return {one.item: one.reason for one in found if isinstance(one, Outcome)}


def fill(root, files):
    for name, body in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


def test_items_are_posix_paths_in_order_of_their_names(tmp_path):
    fill(tmp_path, {"b.md": "B", "a/z.md": "Z", "a/b/c.md": "C", "a.md": "A", "a-b.md": "D"})
    found = fetch(tmp_path)
    assert [one.item for one in found] == sorted(
        ["a-b.md", "a.md", "a/b/c.md", "a/z.md", "b.md"], key=lambda item: item.split("/")
    )
    assert documents(found)["a/b/c.md"].body == b"C"


def test_a_run_repeats(tmp_path):
    fill(tmp_path, {f"{n}.md": str(n) for n in range(20)})
    assert fetch(tmp_path) == fetch(tmp_path)
    assert all(one.fetched == "" for one in fetch(tmp_path))


def test_what_is_no_document_is_named(tmp_path):
    fill(
        tmp_path,
        {
            "report.md": "# R",
            "logo.png": b"\x89PNG",
            "style.css": "p{}",
            "app.js": "1",
            "feed.xml": "<rss/>",
            "LICENSE": "free",
            "package.json": "{}",
            ".hidden.md": "x",
            "node_modules/a/readme.md": "x",
            ".git/config": "",
            ".github/PULL_REQUEST.md": "doc",
            ".github/workflows/ci.yml": "on: push",
            "odd": b"\x00\x01\x02binary",
        },
    )
    found = fetch(tmp_path)
    assert set(documents(found)) == {"report.md", ".github/PULL_REQUEST.md"}
    assert reasons(found) == {
        ".git/": "hidden",
        ".github/workflows/ci.yml": "not a document",
        ".hidden.md": "hidden",
        "LICENSE": "not a document",
        "app.js": "not a document",
        "feed.xml": "not a document",
        "logo.png": "not a document",
        "node_modules/": "ignored folder",
        "odd": "not a document",
        "package.json": "not a document",
        "style.css": "not a document",
    }


@pytest.mark.parametrize(
    "name", ["notice-of-intrusion.md", "license-key-theft.html", "authors-of-lockbit.txt", "README"]
)
def test_a_report_is_not_taken_for_a_licence(tmp_path, name):
    fill(tmp_path, {name: "text"})
    assert set(documents(fetch(tmp_path))) == {name}


def test_files_larger_than_the_limit_are_named(tmp_path):
    fill(tmp_path, {"big.md": "x" * 2000, "small.md": "x"})
    found = fetch(tmp_path, max_bytes=1000)
    assert set(documents(found)) == {"small.md"}
    assert reasons(found) == {"big.md": "too large"}


def test_gitignore_is_honoured_and_deeper_files_have_the_last_word(tmp_path):
    fill(
        tmp_path,
        {
            ".gitignore": "drafts/\n*.tmp.md\n",
            "drafts/a.md": "x",
            "b.tmp.md": "x",
            "keep/.gitignore": "!c.tmp.md\n",
            "keep/c.tmp.md": "x",
        },
    )
    found = fetch(tmp_path)
    assert set(documents(found)) == {"keep/c.tmp.md"}
    assert reasons(found)["drafts/"] == reasons(found)["b.tmp.md"] == "gitignore"


def test_thousands_of_gitignore_files_cost_neither_memory_nor_time(tmp_path):
    rules = "".join(f"draft{n}*.md\n" for n in range(100))
    inside = {f"t/{n}/{name}": body for n in range(800) for name, body in ((".gitignore", rules),)}
    fill(tmp_path, {**inside, "t/799/draft1.md": "x", "t/799/a.md": "x"})
    start = time.process_time()
    assert set(documents(fetch(tmp_path))) == {"t/799/a.md"}
    assert time.process_time() - start < 5

    archive = pack(
        tmp_path / "a.zip",
        [(f"{n}/.gitignore", b" " * (1 << 20)) for n in range(150)] + [("a.md", "x")],
    )
    tracemalloc.start()
    try:
        assert set(documents(fetch(archive))) == {"a.md"}
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("/build", "build", True),
        ("/build", "x/build", False),
        ("logs/**", "logs", False),
        ("logs/**", "logs/a/b", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("**/foo", "q/foo", True),
        ("a/b", "x/a/b", False),
        ("*.log", "q/x.log", True),
        ("[!a]z", "bz", True),
        ("[!a]z", "az", False),
        (r"\#x", "#x", True),
        ("# x", "# x", False),
        ("x  ", "x", True),
        ("**", "a/b", True),
    ],
)
def test_patterns_mean_what_git_means(pattern, path, ignored):
    assert ignored_by([("", pattern)])(path, False) is ignored


def test_a_pattern_cannot_make_the_run_hang(tmp_path):
    name = "a" * 200
    fill(
        tmp_path, {".gitignore": "a*" * 60 + "b\n" + "**/" * 60 + "*a*a*a*a*z\n", f"{name}.md": "x"}
    )
    assert set(documents(fetch(tmp_path))) == {f"{name}.md"}


def test_links_are_never_followed(tmp_path):
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    fill(outside, {"secret.md": "secret", "folder/deep.md": "secret"})
    fill(root, {"real.md": "real"})
    (root / "out.md").symlink_to(outside / "secret.md")
    (root / "dir").symlink_to(outside / "folder")
    (root / "in.md").symlink_to(root / "real.md")
    (root / "loop").symlink_to(root)
    (root / "gone.md").symlink_to(root / "nothing.md")
    found = fetch(root)
    assert set(documents(found)) == {"real.md"}
    assert set(reasons(found).values()) == {"link"}
    assert len(reasons(found)) == 5


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    fill(tmp_path, {"a.md": "x"})
    assert reasons(fetch(tmp_path)) == {"pipe.md": "special file"}


def test_names_that_are_no_text_stay_readable(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.md")).write_bytes(b"x")
    (item,) = documents(fetch(tmp_path))
    assert item == "\\xff.md"
    item.encode("utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_a_failure_of_its_own(tmp_path):
    fill(tmp_path, {"a.md": "x", "b.md": "y"})
    (tmp_path / "a.md").chmod(0)
    assert reasons(fetch(tmp_path)) == {"a.md": "unreadable"}


def test_one_file_is_a_source_too(tmp_path):
    fill(tmp_path, {"a.md": "# A"})
    assert [one.item for one in fetch(tmp_path / "a.md")] == ["a.md"]


def test_a_place_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        fetch_folder(Source("s", url=str(tmp_path / "nothing")))


def test_two_roots_keep_apart_by_their_source(tmp_path):
    fill(tmp_path, {"one/a.md": "x", "two/a.md": "x"})
    (one,) = fetch_folder(Source("one", url=str(tmp_path / "one")))
    (two,) = fetch_folder(Source("two", url=str(tmp_path / "two")))
    assert (one.source, one.item) != (two.source, two.item)


# -- manifest --------------------------------------------------------------------------------------


def manifest(**row):
    return json.dumps({"files": [{"path": "a/r.md", **row}]})


def test_the_manifest_beside_the_files_gives_hints_and_is_no_document(tmp_path):
    fill(
        tmp_path,
        {
            "a/r.md": "# R",
            "manifest.json": manifest(
                url="https://lab.example/r",
                published="2024-05-06",
                title="R",
                authors=["A", "B"],
                kind="readme",
                commit_date="2024-07-01",
            ),
        },
    )
    found = fetch(tmp_path)
    assert reasons(found) == {"manifest.json": "manifest"}
    assert documents(found)["a/r.md"].hints == (
        Fact("url", "https://lab.example/r", "manifest"),
        Fact("title", "R", "manifest"),
        Fact("published", "2024-05-06", "manifest"),
        Fact("author", "A", "manifest"),
        Fact("author", "B", "manifest"),
        Fact("published", "2024-07-01", "commit"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"files": [' + "[" * 100_000,
        '{"files": [1, {"path": 3}, {}]}',
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_broken_manifest_does_not_end_the_run(tmp_path, text):
    fill(tmp_path, {"manifest.json": text, "a.md": "x"})
    found = fetch(tmp_path)
    assert set(documents(found)) == {"a.md"}
    assert reasons(found)["manifest.json"] in {"broken manifest", "manifest"}


def test_a_web_manifest_is_a_file_like_any(tmp_path):
    fill(tmp_path, {"manifest.json": '{"name": "app"}'})
    assert set(documents(fetch(tmp_path))) == {"manifest.json"}


# -- git -------------------------------------------------------------------------------------------


def git(root, *words, when="2024-02-03T04:05:06+02:00"):
    environment = os.environ | {
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    subprocess.run(
        [GIT, "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@b.example", *words],
        check=True,
        env=environment,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path):
    if GIT is None:
        pytest.skip("needs git")
    fill(tmp_path, {"apt/a b.md": "one", "ä.md": "two"})
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "https://token@github.com/lab/reports.git")
    return tmp_path


def test_a_checkout_tells_address_and_last_commit(checkout):
    fill(checkout, {"ä.md": "changed", "new.md": "not committed"})
    git(checkout, "commit", "-q", "-a", "-m", "second", when="2024-06-07T08:09:10Z")
    found = documents(fetch(checkout))
    assert found["apt/a b.md"].hints == (
        Fact("url", "https://github.com/lab/reports/blob/main/apt/a%20b.md", "git remote"),
        Fact("published", "2024-02-03T02:05:06Z", "commit"),
    )
    assert found["ä.md"].hints[1].value == "2024-06-07T08:09:10Z"
    assert found["new.md"].hints == ()


def test_no_program_of_a_repository_runs(checkout):
    trap = checkout / ".git" / "trap.sh"
    trap.write_text("#!/bin/sh\ntouch " + str(checkout / "sprung") + "\n")
    trap.chmod(trap.stat().st_mode | stat.S_IXUSR)
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "diff.external", "core.sshCommand"):
        git(checkout, "config", key, str(trap))
    git(checkout, "config", "log.showSignature", "true")
    assert documents(fetch(checkout))["apt/a b.md"].hints
    assert not (checkout / "sprung").exists()


def test_a_folder_inside_a_checkout_knows_nothing_of_it(checkout):
    assert documents(fetch(checkout / "apt"))["a b.md"].hints == ()


def test_without_git_a_checkout_is_a_folder(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert documents(fetch(checkout))["apt/a b.md"].hints == ()


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/blob/main/x.md"),
        ("https://user:secret@github.com/a/b", "https://github.com/a/b/blob/main/x.md"),
        (
            "ssh://git@gitlab.lab.example:22/a/b/c.git",
            "https://gitlab.lab.example/a/b/c/-/blob/main/x.md",
        ),
        ("git@codeberg.org:a/b.git", "https://codeberg.org/a/b/src/branch/main/x.md"),
        ("git@host.example:a/b.git", ""),
        ("../other", ""),
        ("file:///srv/x", ""),
        ("https://github.com/../../etc", ""),
    ],
)
def test_only_known_hosts_have_addresses(remote, address):
    assert web_address(remote, "main", "x.md") == address


# -- archives --------------------------------------------------------------------------------------


def test_an_archive_reads_like_the_folder_in_it(tmp_path):
    files = {"b.md": "B", "a/c.md": "C", "a.png": b"x", "node_modules/x.md": "x"}
    fill(tmp_path / "root", files)
    archive = pack(
        tmp_path / "root.zip", [(name, files[name]) for name in sorted(files, reverse=True)]
    )
    folder, zipped = fetch(tmp_path / "root"), fetch(archive)
    assert [(o.item, getattr(o, "reason", "")) for o in folder] == [
        (o.item, getattr(o, "reason", "")) for o in zipped
    ]
    assert documents(zipped)["a/c.md"].body == b"C"


def test_a_manifest_in_the_archives_one_folder_counts(tmp_path):
    archive = pack(
        tmp_path / "a.zip",
        [
            ("reports-main/a/r.md", "# R"),
            ("reports-main/manifest.json", manifest(url="https://l.example/r")),
        ],
    )
    found = fetch(archive)
    assert documents(found)["reports-main/a/r.md"].hints == (
        Fact("url", "https://l.example/r", "manifest"),
    )
    assert reasons(found) == {"reports-main/manifest.json": "manifest"}


@pytest.mark.parametrize(
    "name",
    [
        "../x.md",
        "a/../../x.md",
        "/etc/x.md",
        "C:/x.md",
        "..\\x.md",
        "a//x.md",
        "./x.md",
        "a\\..\\x.md",
    ],
)
def test_names_that_lead_out_of_the_archive_are_unsafe(tmp_path, name):
    archive = pack(tmp_path / "a.zip", [(name, "x"), ("ok.md", "y")])
    found = fetch(archive)
    assert set(documents(found)) == {"ok.md"}
    assert list(reasons(found).values()) == ["unsafe path"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip"]


def test_a_name_cut_by_a_zero_byte_is_unsafe_or_whole(tmp_path):
    archive = pack(tmp_path / "a.zip", [("aXb.md", "x")])
    archive.write_bytes(archive.read_bytes().replace(b"aXb.md", b"a\x00b.md"))
    found = fetch(archive)
    assert not documents(found)


def test_links_devices_and_duplicates_in_an_archive_are_named(tmp_path):
    path = tmp_path / "a.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for name, mode in (("link.md", stat.S_IFLNK | 0o777), ("pipe.md", stat.S_IFIFO | 0o644)):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            archive.writestr(info, "/etc/passwd")
        archive.writestr("twice.md", "first")
        archive.writestr("twice.md", "second")
    found = fetch(path)
    assert documents(found)["twice.md"].body == b"first"
    assert collections.Counter(reasons(found).values()) == {
        "link": 1,
        "special file": 1,
        "duplicate name": 1,
    }


def test_bombs_are_not_unpacked(tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.zip", [("bomb.md", b"\x20" * (8 << 20)), ("ok.md", "x")])
    assert reasons(fetch(archive)) == {"bomb.md": "archive bomb"}
    monkeypatch.setattr("ctimine.fetch.folder.MAX_TOTAL", 15)
    many = pack(tmp_path / "b.zip", [(f"{n}.md", "0123456789") for n in range(3)])
    found = fetch(many)
    assert set(documents(found)) == {"0.md"}
    assert set(reasons(found).values()) == {"archive bomb"}


def test_encrypted_and_oddly_packed_members_are_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("lzma.md", "x")
    assert reasons(fetch(path)) == {"lzma.md": "unsupported compression"}
    body = bytearray(pack(tmp_path / "b.zip", [("secret.md", "x")]).read_bytes())
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(body)
    assert reasons(fetch(tmp_path / "b.zip")) == {"secret.md": "encrypted"}


def test_a_member_with_wrong_content_fails_alone(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("bad.md", "content-to-damage")
        archive.writestr("good.md", "x")
    path.write_bytes(path.read_bytes().replace(b"content-to-damage", b"content-in-damage"))
    found = fetch(path)
    assert set(documents(found)) == {"good.md"}
    assert reasons(found) == {"bad.md": "broken member"}


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\xff" * 18, b"not a zip"])
def test_a_broken_archive_is_one_outcome(tmp_path, body):
    (tmp_path / "a.zip").write_bytes(body)
    assert reasons(fetch(tmp_path / "a.zip")) == {"a.zip": "broken archive"}


def test_an_office_document_is_no_archive_of_documents(tmp_path):
    path = pack(
        tmp_path / "a.docx", [("[Content_Types].xml", "<x/>"), ("word/document.xml", "<x/>")]
    )
    assert [one.item for one in fetch(path)] == ["a.docx"]
