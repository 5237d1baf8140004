"""Other languages: what is found in any of them, what is left unsaid, and who is told."""

from __future__ import annotations

import pytest

import ctimine
from ctimine.attack import load_attack
from ctimine.extract import extract
from ctimine.extract.languages import other_language, reading_notes, runs_backwards
from ctimine.model import Report, Snapshot
from ctimine.read import read

ATTACK = load_attack()

TEXTS = {
    "ru": (
        "# Группа APT28\n\nГруппа APT28 (Fancy Bear) не использовала технику T1059.001 против "
        "банков.\nСпециалисты нашли Mimikatz на серверах компании, а данные хранились в Telegram. "
        "Рекомендуется искать T1112.\n",
        {"APT28": "G0007", "Fancy Bear": "G0007", "T1059.001": "T1059.001", "Mimikatz": "S0002"},
    ),
    "zh": (
        "# 狼毒草组织\n\n狼毒草（又名Gelsemium）没有使用T1059.001。攻击者使用Mimikatz窃取了密码，"
        "并且通过Telegram传输了数据。建议检测T1112。\n",
        {"狼毒草": "misp:2dd31182-bae1-48ed-8bb3-805a3df89783", "T1059.001": "T1059.001"},
    ),
    "he": (
        "# קבוצת MuddyWater\n\nקבוצת MuddyWater לא השתמשה בטכניקה T1059.001 נגד הארגון. החוקרים "
        "מצאו את הכלי Mimikatz בשרתים והתוקפים שלחו הודעות דרך Telegram. מומלץ לחפש את T1112.\n",
        {"MuddyWater": "G0069", "T1059.001": "T1059.001", "Mimikatz": "S0002"},
    ),
    "es": (
        "# El grupo Blind Eagle\n\nEl grupo Blind Eagle (APT-C-36) no utilizó la técnica T1059.001 "
        "contra los bancos de la región. Los atacantes guardaron los datos en Telegram y después "
        "los enviaron a un servidor. Se recomienda buscar T1112.\n",
        {"Blind Eagle": "G0099", "APT-C-36": "G0099", "T1059.001": "T1059.001"},
    ),
}


def report_of(language: str, more: str = "") -> Report:
    text = TEXTS[language][0] + more
    return read(Snapshot("own", f"{language}.md", text.encode()))


@pytest.mark.parametrize("language", TEXTS)
def test_ids_and_names_are_found_in_any_language_and_script(language):
    mentions, _ = extract(report_of(language), ATTACK)
    found = {m.quote: m.concept for m in mentions}
    assert TEXTS[language][1].items() <= found.items()


@pytest.mark.parametrize("language", TEXTS)
def test_a_language_without_rules_makes_no_claim_of_use_in_running_text(language):
    mentions, claims = extract(report_of(language), ATTACK)
    assert [(c.object, c.rule) for c in claims if c.relation == "uses"] == []
    assert {m.stance for m in mentions if m.kind == "technique"} == {"reference"}
    assert {m.basis for m in mentions if m.kind == "technique"} == {"id"}


def test_a_table_speaks_in_any_language():
    table = "\n| Техника | Описание |\n|---|---|\n| T1003.001 | Дамп памяти |\n"
    _, claims = extract(report_of("ru", table), ATTACK)
    assert [(c.subject, c.object, c.rule) for c in claims] == [("G0007", "T1003.001", "row-main")]


@pytest.mark.parametrize("language", TEXTS)
def test_the_report_says_what_was_left_unsaid(language):
    notes = reading_notes(report_of(language))
    assert len(notes) == 1
    assert "ids and names only" in notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "# APT28\n\nThe group used T1059.001 against banks and stole what it found there.\n",
        "T1059.001 PowerShell\nT1003.001 LSASS Memory\n" * 20,
        "evil.example\n10.0.0.1\n" * 30,
    ],
)
def test_english_and_lists_are_no_other_language(text):
    report = read(Snapshot("own", "one.md", text.encode()))
    assert other_language(report) == ""
    assert reading_notes(report) == ()


def test_the_note_reaches_facts_and_outcome(tmp_path):
    (tmp_path / "ru.md").write_text(TEXTS["ru"][0], encoding="utf-8")
    run = ctimine.mine(tmp_path, workers=0)
    note = run.outcomes[0]
    assert (note.state, note.reason) == ("read", "language ru")
    assert note.detail in {fact.value for fact in run.reports[0].facts}
    assert run.account["read: language ru"] == 1


def test_text_that_runs_backwards_is_flagged():
    hebrew, arabic = "שלום עולם לכם מן העם " * 4, "المجموعة استخدمت البرنامج في الهجوم " * 4
    for words in (hebrew, arabic):
        assert not runs_backwards(words)
        assert runs_backwards(words[::-1])
        assert any("backwards" in n for n in reading_notes(Report("r", "s", "i", words[::-1])))
    assert not runs_backwards("The group is old.")
