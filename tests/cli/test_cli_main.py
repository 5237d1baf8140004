"""The command line as a user meets it: files, exit codes, one-line errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import ctimine as package


def ctimine(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ctimine", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "turla.md"
    path.write_text(
        "# Turla\n\nTurla used Pastebin for its C2 traffic (T1102).\n", encoding="utf-8"
    )
    return path


def test_mine_answers_and_writes(report, tmp_path):
    done = ctimine("mine", str(report), "--technique", "T1102", "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Turla" in done.stdout
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert {"bundle.json", "reports.jsonl", "mentions.jsonl", "claims.jsonl"} <= names
    assert {"claims.csv", "layer.json", "summary.md"} <= names
    bundle = json.loads((tmp_path / "o" / "bundle.json").read_text(encoding="utf-8"))
    assert any(o["type"] == "relationship" for o in bundle["objects"])


def test_two_runs_write_the_same_bytes(report, tmp_path):
    for out in ("one", "two"):
        assert ctimine("mine", str(report), "--out", out, cwd=tmp_path).returncode == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_document_that_cannot_be_read_is_named_and_the_exit_code_says_so(report, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    done = ctimine("mine", str(tmp_path), "--out", str(tmp_path / "o"), cwd=tmp_path)
    assert done.returncode == 3
    assert "failed broken.pdf: " in done.stderr
    assert (tmp_path / "o" / "bundle.json").is_file()
    assert done.stdout.splitlines()[0] == "1 document, 4 mentions, 1 claim; of 2 seen:"


def test_a_quiet_run_still_names_what_could_not_be_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    done = ctimine("mine", "in", "--quiet", "--workers", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("failed broken.pdf: ")


def test_what_documents_say_of_themselves_steers_no_terminal(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x\x1b[31m.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (folder / "a\x1b]0;b.txt").write_text("Turla used Pastebin for its C2 traffic (T1102).")
    done = ctimine("mine", "in", "--technique", "T1102", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 3
    assert "Turla" in done.stdout
    assert "failed x [31m.pdf: " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["mine", "nowhere"], "nowhere"),
        (["mine", "--technique", "T9999"], "T9999"),
        (["mine", "--attack", "3.0"], "3.0"),
        (["attack", "load", "nowhere.json"], "nowhere.json"),
        (["mine", "no[/b]where[final].md"], "no[/b]where[final].md"),
        (["mine", "--technique", "G0010"], "G0010"),
        (["mine", "--technique", "T1043"], "T1043"),
        (["mine", "--archive", "typo.archive"], "typo.archive"),
        (["mine", "--out", "a-file"], "a-file"),
        (["mine", f"{'long/' * 40}way"], f"{'long/' * 40}way"),
        (["attack", "load", "a-file"], "a-file: cannot be read: no JSON"),
        (["evaluate", "nowhere.jsonl"], "nowhere.jsonl: cannot be read: No such file"),
        (["train", "names", "nowhere"], "annoctr_train.jsonl: cannot be read: No such file"),
        (["sources", "list", "--sources", "nowhere.toml"], "nowhere.toml: no such file"),
    ],
)
def test_a_wrong_word_is_one_line_that_names_it(arguments, word, tmp_path):
    (tmp_path / "a-file").write_bytes(b"")
    done = ctimine(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert word in done.stderr
    assert done.stderr.startswith("ctimine: ")
    assert len(done.stderr.splitlines()) == 1
    assert not re.search(r"Errno|Error\(", done.stderr)
    assert [path.name for path in tmp_path.iterdir() if path.name != "out"] == ["a-file"]


def test_a_technique_that_was_revoked_is_told_with_the_one_of_today(tmp_path):
    done = ctimine("mine", "--technique", "t1086", cwd=tmp_path)
    assert done.returncode == 1
    assert "T1059.001 PowerShell" in done.stderr


def test_names_with_brackets_are_printed_as_they_are(report, tmp_path):
    odd = tmp_path / "in[bold]"
    odd.mkdir()
    report.rename(odd / "a[!b].md")
    (odd / "x[bold].pdf").write_bytes(b"%PDF-1.7 and nothing more")
    done = ctimine("mine", "in[bold]", "--out", "o[red]", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "x[bold].pdf" in done.stderr
    assert "Written to o[red]: bundle.json" in done.stdout


def test_the_version_is_told(tmp_path):
    done = ctimine("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"ctimine {package.__version__}, ATT&CK ")
    assert {"18.1", "19"} <= set(done.stdout.split("ATT&CK ")[1].strip().split(", "))


def test_a_wrong_option_is_wrong_usage(tmp_path):
    done = ctimine("mine", "--flavour", "sweet", cwd=tmp_path)
    assert done.returncode == 2
    assert "sweet" in done.stderr


def test_files_of_sources_without_a_source_are_wrong_usage(tmp_path):
    done = ctimine("mine", "--sources", "mine.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "--source" in done.stderr


def test_sources_can_be_listed_and_added(tmp_path):
    done = ctimine("sources", "add", "mine.toml", "lab", "https://lab.example/feed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = ctimine("sources", "list", "--sources", "mine.toml", cwd=tmp_path)
    assert "https://lab.example/feed" in listed.stdout


def test_a_source_that_nobody_declared_is_named(tmp_path):
    done = ctimine("fetch", "nobody", "--archive", "a.archive", cwd=tmp_path)
    assert done.returncode == 1
    assert "nobody" in done.stderr
