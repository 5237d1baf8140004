"""Reading in processes that can be killed: every end has a name, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ctimine.errors import BrokenDocument, BudgetExceeded, EmptyDocument, UnsupportedMedia
from ctimine.model import Report, Snapshot, Source
from ctimine.read import read, read_guarded
from ctimine.read.guard import Reader

GOOD = Snapshot("s", "good.md", b"# Silver Raven\n\nIt used T1102.")


@pytest.fixture
def spoiled(tmp_path, monkeypatch):
    """Worker processes whose reader for plain text does what the text says."""
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import sys
            from importlib.abc import Loader, MetaPathFinder
            from importlib.util import spec_from_loader

            CODE = '''
            import ctypes, os, time
            from ctimine.read.text import Reading

            def read_plain(snapshot):
                exec(snapshot.body.decode())
                return Reading(snapshot.body.decode())

            def read_plain_text(*arguments, **options):
                raise NotImplementedError
            '''

            class Finder(MetaPathFinder, Loader):
                def find_spec(self, name, path, target=None):
                    return spec_from_loader(name, self) if name == "ctimine.read.plain" else None
                def exec_module(self, module):
                    import textwrap
                    exec(textwrap.dedent(CODE), module.__dict__)

            sys.meta_path.insert(0, Finder())
            """
        )
    )
    source = Path(__file__).parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(source)]))


def bad(code):
    return Snapshot("s", "bad.txt", code.encode())


def test_a_good_document_reads_as_without_a_guard():
    source = Source("s", publisher="Lab")
    assert read_guarded(GOOD, source) == read(GOOD, source)


@pytest.mark.usefixtures("spoiled")
def test_every_end_has_a_name_and_the_others_go_on():
    documents = [
        GOOD,
        bad("while True: pass"),
        bad("time.sleep(60)"),
        bad("x = [bytes(1 << 20) for _ in range(2000)]"),
        bad("ctypes.string_at(0)"),
        bad("os._exit(3)"),
        bad("raise SystemExit('over')"),
        bad("f = lambda n: f(n + 1)\nglobals()['f'] = f\nf(0)"),
        bad("raise ZeroDivisionError('fault')"),
        bad("x = 1"),
        GOOD,
    ]
    with Reader(workers=2, seconds=1.5, megabytes=512) as reader:
        ends = list(reader.read_all(documents))
    assert [snapshot for snapshot, _ in ends] == documents
    found = [(type(end), getattr(end, "message", "")) for _, end in ends]
    assert found[0][0] is found[9][0] is found[10][0] is Report
    assert found[1] == found[2] == (BudgetExceeded, "took longer than 1.5 s")
    assert found[3] == (BudgetExceeded, "needs more than 512 MB")
    assert found[4] == (BrokenDocument, "ended its process: SIGSEGV")
    assert found[5] == (BrokenDocument, "ended its process: exit code 3")
    assert all(end is BrokenDocument for end, _ in found[6:9])
    assert all(end.subject == "bad.txt" for _, end in ends[1:9])


def test_errors_of_reading_pass_through():
    with Reader(workers=1) as reader:
        with pytest.raises(EmptyDocument, match=r"empty\.md"):
            reader.read(Snapshot("s", "empty.md", b""))
        with pytest.raises(UnsupportedMedia):
            reader.read(Snapshot("s", "a.png", b"\x89PNG\r\n\x1a\n0000"))
        assert reader.read(GOOD).title == "Silver Raven"


def test_no_more_snapshots_are_taken_than_can_be_under_way():
    taken = 0

    def many():
        nonlocal taken
        for number in range(200):
            taken += 1
            yield Snapshot("s", f"{number}.md", b"# T\n\nT1102")

    with Reader(workers=1) as reader:
        ends = reader.read_all(many())
        next(ends)
        assert taken < 20
        assert sum(1 for _ in ends) == 199


def children():
    mine = str(os.getpid())
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        if fields[1] == mine and fields[0] != "Z" and "spawn_main" in _command(status.parent):
            found.append(status.parent.name)
    return found


def _command(process):
    try:
        return process.joinpath("cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_nothing_is_left_after_closing():
    before = set(children())
    with Reader(workers=2) as reader:
        assert isinstance(reader.read(GOOD), Report)
        assert set(children()) - before
    assert not set(children()) - before


SCRIPT = """
from ctimine.model import Snapshot
from ctimine.read import read_guarded

print(read_guarded(Snapshot("s", "a.md", b"# Silver Raven")).title)
print(__name__, __spec__, __file__)
"""


@pytest.mark.parametrize("by_file", [True, False])
def test_a_script_needs_no_guard_and_may_come_from_standard_input(tmp_path, by_file):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    source = Path(__file__).parents[2] / "src"
    run = subprocess.run(
        [sys.executable, path if by_file else "-"],
        input=None if by_file else SCRIPT,
        env=os.environ | {"PYTHONPATH": str(source)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.splitlines() == [
        "Silver Raven",
        f"__main__ None {path if by_file else '<stdin>'}",
    ], run.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.usefixtures("spoiled")
def test_workers_end_with_a_killed_parent(tmp_path):
    """One worker idles, one never returns: the first sees the pipe close, the second an alarm."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            from ctimine.model import Snapshot
            from ctimine.read.guard import Reader
            import ctimine.read.guard, os, time

            if __name__ == "__main__":
                with Reader(workers=2, seconds=1) as reader:
                    reader.read(Snapshot("s", "a.md", b"# A"))
                    reader._workers._begin((Snapshot("s", "b.txt", b"while True: pass"), None))
                    time.sleep(0.4)
                    print(*[w for w in reader._workers._pool._pool_manager.worker_manager.workers], flush=True)
                    os.kill(os.getpid(), 9)
            """
        )
    )
    run = subprocess.run(
        [sys.executable, script], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    workers = run.stdout.split()
    assert len(workers) == 2
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        alive = [pid for pid in workers if "spawn_main" in _command(Path("/proc", pid))]
        if not alive:
            return
        time.sleep(0.2)
    raise AssertionError(f"still there: {alive}")
