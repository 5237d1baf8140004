"""The table of web services on the terminal."""

from __future__ import annotations

import subprocess
import sys


def mined(tmp_path, text, *options):
    (tmp_path / "note.md").write_text(text, encoding="utf-8")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "ctimine",
            "mine",
            "note.md",
            "--behaviours",
            "off",
            "--services",
            "--workers",
            "0",
            *options,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_mine_says_who_uses_which_service_for_what(tmp_path):
    text = "# Notes\n\nTurla read the address of its C2 server from a Trello card.\n"
    done = mined(tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert "Trello" in done.stdout
    assert "T1102.001" in done.stdout
    assert "Turla" in done.stdout


def test_a_technique_bounds_the_table(tmp_path):
    text = "# Notes\n\nTurla exfiltrated the stolen documents to a Dropbox account.\n"
    assert "T1567.002" in mined(tmp_path, text).stdout
    only = mined(tmp_path, text, "--technique", "T1102").stdout
    assert "No report says that anybody uses a web service." in only
