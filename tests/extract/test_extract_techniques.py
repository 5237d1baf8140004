"""Technique names: by class, with the id beside, in rows, and shared by several techniques."""

from __future__ import annotations

import pytest

from ctimine.attack import load_attack
from ctimine.extract.finding import find_techniques
from ctimine.extract.lexicon import word_lists
from ctimine.extract.shortforms import short_forms
from ctimine.model import Block, Report

ATTACK = load_attack()


def found(text, blocks=()):
    return find_techniques(Report("r", "s", "i", text, blocks), ATTACK)


def rows(text, blocks=()):
    return [(m.quote, m.concept, m.basis) for m in found(text, blocks)]


NEVER = word_lists()["technique.never"]


@pytest.mark.parametrize(
    "concept",
    [c for c in ATTACK.concepts("technique") if c.name.lower().replace(" ", "") in NEVER],
    ids=lambda concept: concept.id,
)
def test_a_name_of_the_class_never_means_nothing_alone(concept):
    for text in (f"They used {concept.name} there.", f"{concept.name}", concept.name.lower()):
        assert rows(text) == []


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Then Process Injection was seen.", "T1055"),
        ("Then process hollowing was seen.", "T1055.012"),
        ("Then pass-the-hash was seen.", "T1550.002"),
        ("Then Kerberoasting was seen.", "T1558.003"),
        ("Then Modify Registry was seen.", "T1112"),
        ("They used PowerShell.", "T1059.001"),
        ("executed via Rundll32.", "T1218.011"),
    ],
)
def test_a_name_that_says_enough_is_a_mention(text, concept):
    assert [(m.concept, m.basis) for m in found(text)] == [(concept, "name")]


@pytest.mark.parametrize(
    "text",
    [
        "Windows ships PowerShell.",
        "a powershell window",
        "Exchange Web Services and a web service",
        "You cannot modify registry keys.",
        "We used Python to decode it.",
        "See https://a.example/Process-Injection-for-beginners or /x/Process Injection/",
        "phishing, proxy, scheduled task",
    ],
)
def test_a_name_that_says_too_little_is_none(text):
    assert rows(text) == []


def test_an_id_and_its_name_are_one_agreement():
    for text in (
        "PowerShell (T1059.001)",
        "T1059.001 - PowerShell",
        "T1059.001: Command and Scripting Interpreter: PowerShell",
        "**T1003** OS Credential Dumping: LSASS Memory",
        "T1059.001 / T1059.003 - PowerShell and Windows Command Shell",
        "T1562.001 Disable or Modify Tools",
    ):
        assert {m.basis for m in found(text)} == {"id"}, text
        assert not [m for m in found(text) if m.problem], text


@pytest.mark.parametrize(
    "text", ["T1059.003 PowerShell", "Process Injection (T1059.003)", "T1112: Kerberoasting"]
)
def test_an_id_and_a_name_that_disagree_are_flagged_and_the_id_wins(text):
    (mention,) = found(text)
    assert mention.basis == "id"
    assert mention.problem == "id-name-conflict"
    assert mention.concept == mention.quote


def test_a_parents_name_before_says_which_one():
    assert rows("Obtain Capabilities: Tool") == [("Obtain Capabilities: Tool", "T1588.002", "name")]
    assert rows("Acquire Infrastructure: Web Services")[0][1] == "T1583.006"


def row_of(*cells):
    text, blocks = "", []
    for column, cell in enumerate(cells):
        blocks.append(
            Block("table_cell", len(text), len(text) + len(cell), table=0, row=1, column=column)
        )
        text += cell + "\n"
    return text, tuple(blocks)


def test_in_a_row_the_id_wins():
    text, blocks = row_of("T1105", "Ingress Tool Transfer", "Fetched it by Process Injection")
    assert rows(text, blocks) == [("T1105", "T1105", "id")]


def test_a_cell_that_names_another_technique_is_a_conflict():
    text, blocks = row_of("T1105", "Process Injection", "words")
    (mention,) = found(text, blocks)
    assert (mention.concept, mention.problem) == ("T1105", "id-name-conflict")


def test_one_name_of_several_techniques_is_settled_by_the_tactic():
    text, blocks = row_of("Persistence", "Scheduled Task/Job: Scheduled Task")
    assert rows(text, blocks)[0][1] == "T1053.005"
    text, blocks = row_of("Reconnaissance", "Spearphishing Attachment")
    assert found(text, blocks)[0].concept == "T1598.002"
    assert found("Then Spearphishing Attachment was seen.")[0].concept == "T1566.001"


def test_names_of_phones_and_plants_count_in_reports_on_phones_and_plants():
    assert rows("Hardcoded Credentials were found.") == []
    assert [m.concept for m in found("T0843 and Hardcoded Credentials were found.")] == [
        "T0843",
        "T0891",
    ]


@pytest.mark.parametrize("form", short_forms(), ids=lambda form: form.example)
def test_each_short_form_is_found_in_its_example(form):
    short = {m.concept for m in found(form.example)}
    assert ATTACK.resolve(form.technique).id in short


@pytest.mark.parametrize(
    "text",
    [
        "DLL sideloading is a technique in which a signed program loads a foreign library.",
        "Defenders should look for web shells that intruders planted.",
        "Our product blocks phishing and web shells.",
        "Attackers often use RDP for lateral movement.",
        "It is recommended to disable PowerShell where nobody uses PowerShell scripts.",
        "We used PowerShell scripts to decode it.",
        "The phishing page is old.",
        "Kerberoasting, web shells, phishing.",
        "Figure 3: it uses a PowerShell loader.",
        "How to know whether they used phishing?",
    ],
)
def test_a_short_form_that_nobody_does_is_no_mention(text):
    assert [m for m in found(text) if m.rule == "short-form"] == []


def test_a_short_form_beside_the_id_or_the_name_says_nothing_more():
    for text in ("They used web shells (T1505.003).", "They used Web Shell, that is web shells."):
        assert [m.rule for m in found(text) if m.rule == "short-form"] == []


def test_a_short_form_leaves_its_verb_to_tell_who_does_it():
    assert [m.quote for m in found("APT28 planted web shells.")] == ["web shells"]


def test_a_short_form_in_the_title_of_another_page_is_no_mention():
    linked = "They sent [phishing emails](https://a.example/one) to banks."
    assert [m.concept for m in found(linked)] == ["T1566"]
    titles = (
        "They wrote [how the old crew of the town used phishing](https://a.example/one) once.",
        'They wrote [it](https://a.example/one "The old crew used phishing in May") once.',
    )
    for text in titles:
        assert [m for m in found(text) if m.rule == "short-form"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The tool reached the substation and caused Loss of Protection.", ["T0837"]),
        ("The tool reached the substation and caused loss of protection.", []),
        ("The tool reached the office and caused Loss of Protection.", []),
    ],
)
def test_a_technique_of_plants_is_named_where_the_words_are_about_one(text, found):
    report = Report("r", "s", "i", text)
    assert [m.concept for m in find_techniques(report, load_attack())] == found
