"""Every example in the README, in docs/ and in docstrings runs, and says what it prints."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ctimine

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def modules() -> list[str]:
    found = pkgutil.walk_packages(ctimine.__path__, "ctimine.")
    return ["ctimine", *sorted(m.name for m in found if m.name != "ctimine.__main__")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CTIMINE_CACHE", str(tmp_path / "cache"))
    # A fence that closes an example is no output of it.
    text = page.read_text(encoding="utf-8").replace("\n```", "\n\n```")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CTIMINE_CACHE", str(tmp_path / "cache"))
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


def test_every_command_has_its_place_in_the_docs():
    from typer.main import get_command

    from ctimine.cli.main import app

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = []
    for name, command in get_command(app).commands.items():
        subcommands = getattr(command, "commands", None)
        commands += [f"{name} {sub}" for sub in subcommands] if subcommands else [name]
    missing = [name for name in commands if f"ctimine {name}" not in page]
    assert missing == []


def test_every_link_between_pages_leads_somewhere():
    broken = []
    for page in PAGES:
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        broken += [
            f"{page.relative_to(ROOT)}: {target}"
            for target in targets
            if "://" not in target and not (page.parent / target).exists()
        ]
    assert broken == []


@pytest.mark.parametrize("name", ["mine_folder", "mine_web_service"])
def test_an_example_names_a_folder_that_is_not_there_in_one_line(name, tmp_path):
    script = ROOT / "examples" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, str(script), "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, f"{name}: nowhere: no such file or folder\n")
