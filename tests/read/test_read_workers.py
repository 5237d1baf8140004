"""Documents through killable workers: in order, bounded, each fault a named outcome."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

import pytest

from ctimine.errors import BrokenDocument, BudgetExceeded, CtimineError
from ctimine.read.guard import Workers, attempt


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


def pool(**options):
    options = {"workers": 2, "seconds": 2, "megabytes": 1024} | options
    return Workers(build, "!", subject=str, size=len, **options)


def run(items, **options):
    with pool(**options) as workers:
        return list(workers.all(items))


def test_results_come_in_the_order_of_the_items():
    items = [f"doc-{n}" for n in range(40)]
    assert run(items) == [(item, f"{item}!") for item in items]


def test_an_error_of_a_document_comes_back_as_it_is_and_the_rest_goes_on():
    (_, first), (_, error), (_, fault), (_, last) = run(["a", "broken", "fault", "z"])
    assert (first, last) == ("a!", "z!")
    assert isinstance(error, BrokenDocument)
    assert str(error) == "broken: no pages"
    assert isinstance(fault, BrokenDocument)
    assert "ValueError: ours" in str(fault)


def test_the_same_work_in_this_process_ends_alike():
    assert str(attempt(build("!"), "broken", "broken")) == "broken: no pages"
    assert attempt(build("!"), "a", "a") == "a!"


@pytest.mark.parametrize(
    ("item", "kind", "words"),
    [
        ("hang", BudgetExceeded, "longer than 2 s"),
        ("eat", BudgetExceeded, "more than 1024 MB"),
        ("crash", BrokenDocument, "SIGSEGV"),
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


def unbuildable():
    raise KeyError("rules.toml")


def test_work_that_cannot_be_built_is_said_with_its_reason():
    reason = r"cannot run: KeyError: 'rules\.toml'"
    pool = Workers(unbuildable, subject=str, size=len)
    with pool as workers, pytest.raises(CtimineError, match=reason):
        workers.one("a")


def test_a_generator_is_drawn_only_a_window_ahead():
    drawn = []

    def items():
        for n in range(100):
            drawn.append(n)
            yield f"doc-{n}"

    with pool() as workers:
        results = workers.all(items())
        next(results)
        assert len(drawn) <= 2 * 8 + 1
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
