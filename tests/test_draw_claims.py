"""The draw of claims to be judged: the same for the same texts, and without the texts' words."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest

from ctimine.attack import load_attack
from ctimine.model import Claim, Report

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "draw_claims.py"
USE = Claim("r", 0, 9, "APT29 did", "G0016", "uses", "T1102", "id", rule="subject")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_claims", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def uses(number):
    return [dataclasses.replace(USE, start=at, end=at + 9) for at in range(number)]


def test_the_order_of_the_claims_does_not_change_the_draw(script):
    catalogue = load_attack()
    forward = script.candidates(uses(50), catalogue)
    backward = script.candidates(reversed(uses(50)), catalogue)
    drawn = script.draw(forward, seed=7, number=10)
    assert drawn == script.draw(backward, seed=7, number=10)
    assert drawn != script.draw(forward, seed=8, number=10)


@pytest.mark.parametrize(
    "change",
    [
        {"basis": "mapping"},
        {"basis": "cited"},
        {"stance": "negated"},
        {"stance": "capability"},
        {"subject": "S0154"},
        {"object": "S0154"},
        {"relation": "alias-of", "object": "G0007"},
    ],
)
def test_only_an_actor_who_uses_a_technique_by_the_words_of_a_text_is_drawn(script, change):
    claims = [USE, dataclasses.replace(USE, **change)]
    assert script.candidates(claims, load_attack()) == [USE]


def test_a_small_pool_is_drawn_whole(script):
    assert len(script.draw(uses(3), seed=1, number=64)) == 3


def test_a_row_says_where_and_what_but_holds_no_word_of_the_text(script):
    report = Report("r", "s", "folder/report.md", "APT29 did")
    row = script.row(USE, report)
    assert row.split("\t") == [
        "folder/report.md", "0:9", USE.key, "G0016", "T1102", "subject", "id", "reported",
    ]  # fmt: skip
    assert "did" not in row


def test_the_script_prints_a_row_for_each_claim_of_a_folder(script, tmp_path, capsys):
    text = "# Turla\n\nTurla used Pastebin and GitHub for its C2 traffic (T1102).\n"
    (tmp_path / "turla.md").write_text(text, encoding="utf-8")
    assert script.main([str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("turla.md\t")
    assert "G0010\tT1102" in printed.out
    assert "Pastebin" not in printed.out


def test_the_texts_of_annotated_rows_are_reports_of_their_own(script, tmp_path, capsys):
    row = {"id": "own-1", "text": "Turla in May\nThe group ran mimikatz and used T1102.\n"}
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join([json.dumps(row), json.dumps(row | {"id": "own-2"})]))
    assert script.main(["--rows", str(file), "--show", "--around", "5"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("own-1\t13:")
    assert "title: Turla in May" in printed.out
    assert printed.err == "1 of 1 claims drawn\n"  # the same text is read once


def test_a_corpus_or_rows_must_be_named(script, capsys):
    with pytest.raises(SystemExit):
        script.main([])
    assert "--rows" in capsys.readouterr().err
