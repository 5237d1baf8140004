"""Documents through killable workers: in order, bounded, each fault a named outcome."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

import pytest

from ctimine.errors import BrokenDocument, BudgetExceeded, CtimineError
from ctimine.mine.pool import in_pool


def build(suffix: str):
    def work(item: str) -> str:
        if item == "hang":
            while True:
                time.sleep(0.05)
        if item == "eat":
            return str(len(bytearray(3 * 1024**3)))
        if item == "crash":
            ctypes.string_at(0)
        if item == "leave":
            os._exit(7)
        if item == "broken":
            raise BrokenDocument("no pages", subject=item)
        if item == "fault":
            raise ValueError("ours")
        return item + suffix

    return work


def run(items, **options):
    options = {"workers": 2, "seconds": 2, "megabytes": 1024} | options
    return list(in_pool(build, ("!",), items, **options))


def test_results_come_in_the_order_of_the_items():
    items = [f"doc-{n}" for n in range(40)]
    assert run(items) == [(item, f"{item}!") for item in items]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_document_comes_back_as_it_is_and_the_rest_goes_on(workers):
    (_, first), (_, error), (_, fault), (_, last) = run(
        ["a", "broken", "fault", "z"], workers=workers
    )
    assert (first, last) == ("a!", "z!")
    assert isinstance(error, BrokenDocument)
    assert error.subject == "broken"
    assert type(fault) is CtimineError
    assert "ValueError: ours" in str(fault)


@pytest.mark.parametrize(
    ("item", "kind", "words"),
    [
        ("hang", BudgetExceeded, "longer than 2 s"),
        ("eat", BudgetExceeded, "more than 1024 MB"),
        ("crash", BrokenDocument, "worker process"),
        ("leave", BrokenDocument, "exit code 7"),
    ],
)
def test_a_hostile_document_ends_named_and_alone(item, kind, words):
    rows = dict(run(["a", item, "b", "c", "d"]))
    error = rows.pop(item)
    assert isinstance(error, kind)
    assert words in str(error)
    assert str(error).startswith(f"{item}: ")
    assert rows == {name: f"{name}!" for name in "abcd"}


def test_a_generator_is_drawn_only_a_window_ahead():
    drawn = []

    def items():
        for n in range(100):
            drawn.append(n)
            yield f"doc-{n}"

    results = in_pool(build, ("!",), items(), workers=2, seconds=5, megabytes=1024)
    next(results)
    assert len(drawn) <= 9
    results.close()


def test_a_script_needs_no_guard_to_mine(tmp_path):
    """The first thing a user types: a script that mines at its top level."""
    (tmp_path / "a.md").write_text("# Turla\n\nTurla used Pastebin (T1102).\n", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import ctimine\nrun = ctimine.mine('a.md', workers=1)\nprint(len(run.reports))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "1", done.stderr[-500:]
