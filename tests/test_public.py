"""The public surface: its names, how quickly it imports, and that each name explains itself."""

from __future__ import annotations

import inspect
import subprocess
import sys

import ctimine

PUBLIC = [
    "Catalogue",
    "Claim",
    "Concept",
    "CtimineError",
    "Mention",
    "Report",
    "Run",
    "Snapshot",
    "Source",
    "build_graph",
    "build_pipeline",
    "extract",
    "find_claims",
    "fold_copies",
    "load_attack",
    "mine",
    "read",
    "to_csv",
    "to_doc",
    "to_markdown",
    "to_navigator_layer",
    "to_stix",
    "who_uses",
    "write_jsonl",
]


def test_the_public_names_are_these():
    assert ctimine.__all__ == PUBLIC


def test_every_public_name_is_there_and_has_a_docstring():
    for name in PUBLIC:
        value = getattr(ctimine, name)
        assert inspect.getdoc(value), name


def test_every_public_function_shows_an_example():
    without = [
        name
        for name in PUBLIC
        if inspect.isfunction(getattr(ctimine, name))
        and ">>>" not in (inspect.getdoc(getattr(ctimine, name)) or "")
    ]
    assert without == []


def test_a_function_keeps_its_name_though_a_room_is_called_so():
    code = (
        "import ctimine, ctimine.mine.run, ctimine.read, ctimine.extract\n"
        "assert all(callable(getattr(ctimine, n)) for n in ('mine', 'read', 'extract'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_ctimine_loads_no_big_library():
    code = (
        "import sys, ctimine\n"
        "big = {'spacy', 'networkx', 'stix2', 'httpx', 'numpy', 'lxml', 'selectolax', 'bs4'}\n"
        "sys.exit(', '.join(sorted(big & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
