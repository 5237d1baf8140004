"""Stance: what the text says of a mention, sentence by sentence and block by block."""

from __future__ import annotations

import re

import pytest
from extract_marked import marked
from hypothesis import given
from hypothesis import strategies as st

from ctimine.extract.stance import (
    Judge,
    LabelForms,
    explain_stance,
    find_genre,
    rules,
    section_stance,
    set_stance,
)
from ctimine.model import Block, Mention, Report

T = "[[t:T1102]]"


def stance_of(source: str, **options) -> str:
    report, mentions = marked(source, **options)
    return set_stance(report, mentions)[-1].stance


def plain(example: str) -> tuple[Report, Mention]:
    """The report and the mention of a rule's own example."""
    match = re.search(r"<(.*?)>", example)
    text = example.replace("<", "").replace(">", "")
    words = match.group(1)
    kind = "technique" if re.match(r"T\d{4}", words) else "actor"
    report = Report("r", "s", "i", text, (Block("paragraph", 0, len(text)),))
    return report, Mention("r", match.start(), match.start() + len(words), words, kind, "x", "id")


@pytest.mark.parametrize("cue", rules().cues, ids=lambda cue: cue.name)
def test_each_cue_does_what_its_own_sentence_shows(cue):
    report, mention = plain(cue.example)
    assert Judge(report, [mention]).judge(mention)[0] == cue.stance
    assert any(
        found is cue for found, _, _ in Judge(report, [mention])._matches(0, len(report.text))
    )


SENTENCES = [
    # reported
    ("APT29 used dead drops ({}) last year.", "reported"),
    ("The loader then connects to a paste site ({}).", "reported"),
    ("In May the operators moved to {} and stayed there.", "reported"),
    ("The group was able to run {} on the mail server.", "reported"),
    ("We detected {} on nine hosts.", "reported"),
    ("The intruders not only stole mail but also used {}.", "reported"),
    ("This allowed the attackers to read mail through {}.", "reported"),
    ("The wiper did not start, but the group used {}.", "reported"),
    ("The bank was not warned; the group used {}.", "reported"),
    ("It may look harmless, but the script used {}.", "reported"),
    ("In May and June the group used {}.", "reported"),
    ("Exploited via mail: {}.", "reported"),
    ("Unlike in 2021, the group used {}.", "reported"),
    ("The first stage failed, however the second used {}.", "reported"),
    ("- {} - Spearphishing Attachment: documents with macros.", "reported"),
    ("Impair Defenses: Disable or Modify Tools ({}) came last.", "reported"),
    # negated
    ("The group did not use {}.", "negated"),
    ("The group didn’t use {} at all.", "negated"),
    ("They have never used {}.", "negated"),
    ("There is no evidence that they used {}.", "negated"),
    ("We saw no sign of {} in the logs.", "negated"),
    ("No credentials were dumped ({}).", "negated"),
    ("{} was not observed in this case.", "negated"),
    ("{} has not been confirmed.", "negated"),
    ("Mail came by courier rather than {}.", "negated"),
    ("They moved on without using {}.", "negated"),
    ("The use of {} was ruled out by the responders.", "negated"),
    ("The archive arrived by hand, not {}.", "negated"),
    ("Contrary to early posts the actors do not rely on {}.", "negated"),
    ("We cannot confirm that the intruders used {}.", "negated"),
    ("The post erroneously listed {}.", "negated"),
    ("Status: INCORRECT. They used {}.", "negated"),
    ("The first post said {}, which is incorrect.", "negated"),
    # assessed
    ("We assess that the group used {}.", "assessed"),
    ("It is likely that they used {}.", "assessed"),
    ("The operators probably used {}.", "assessed"),
    ("The actors may have used {} before.", "assessed"),
    ("The logs suggest {}.", "assessed"),
    ("[Assessed] The group used {}.", "assessed"),
    ("ASSESSMENT: The group used {}.", "assessed"),
    ("The group appears to have used {}.", "assessed"),
    ("With moderate confidence, the crew used {}.", "assessed"),
    ("The access was presumably gained by {}.", "assessed"),
    ("Researchers believe that it began with {}.", "assessed"),
    ("The group is suspected to have used {}.", "assessed"),
    # claimed
    ("The group claims to have used {}.", "claimed"),
    ("The gang boasted that it ran {}.", "claimed"),
    ("According to the group, {} followed.", "claimed"),
    ("They claimed responsibility for {}.", "claimed"),
    ("[Claimed] The group used {}.", "claimed"),
    ("The group allegedly used {}.", "claimed"),
    # forecast
    ("The group may move to {} next.", "forecast"),
    ("The group could use {} against banks.", "forecast"),
    ("We expect {} in the coming months.", "forecast"),
    ("The operators will likely turn to {}.", "forecast"),
    ("The group is expected to adopt {}.", "forecast"),
    ("{} could follow.", "forecast"),
    ("The gang threatened to use {}.", "forecast"),
    # capability
    ("The implant can use {}.", "capability"),
    ("The tool is capable of {}.", "capability"),
    ("The backdoor supports {}.", "capability"),
    ("The framework has modules for {}.", "capability"),
    ("The kit is designed to run {}.", "capability"),
    ("It allows the operators to call {}.", "capability"),
    ("Supported commands: {}.", "capability"),
    # recommended
    ("Monitor scripts that use {}.", "recommended"),
    ("Hunt for {} in proxy logs.", "recommended"),
    ("Defenders should alert on {}.", "recommended"),
    ("Please block what you do not need and look for {}.", "recommended"),
    ("{} should be blocked at the proxy.", "recommended"),
    ("Rules for {} are below.", "recommended"),
    ("To detect {}, keep the logs.", "recommended"),
    ("Mitigation: Restrict what enables {}.", "recommended"),
    ("The query covers {} alone.", "recommended"),
    ("Organizations must log {}.", "recommended"),
    # example
    ("Imagine that somebody uses {}.", "example"),
    ("For example, an attacker could use {}.", "example"),
    ("In this lab the student runs {}.", "example"),
    ("Such a line would be mapped to {}.", "example"),
    ("Adversaries may abuse {} for execution.", "example"),
    ("Which logs would show {}?", "example"),
    ("Atomic Red Team has a test for {}.", "example"),
    # reference
    ("{} is the parent of three sub-techniques.", "reference"),
    ("The technique {} was deprecated in a later release.", "reference"),
    ("See https://attack.example/techniques/{}/ for more.", "reference"),
    ("Handling: Collect and keep memory of hosts with {}.", "recommended"),
    ("Handling: Remove tools that do {}.", "recommended"),
    ("There is limited evidence of {}.", "assessed"),
    ("Strict {} alignment remains debatable.", "reference"),
    ("It took address books for later use in {}.", "forecast"),
    ("Relevant hunts ({}, mail abuse) should link here.", "recommended"),
    ("Evidence that the crew used {} in May is not established.", "negated"),
    ("A shell with {} was established.", "reported"),
    # a judgement ends where its reasons begin
    ("We believe that they are one crew because they used {}.", "reported"),
    ("The attack is considered plain by the fact that it used {}.", "reported"),
    ("This was probably because they used {}.", "assessed"),
    ("We concluded that a loader used {}.", "assessed"),
    ("The operation concluded with {}.", "reported"),
    ("Evidence in the logs points to {}.", "assessed"),
    ("Reporting often points to {}.", "reported"),
    ("The shortcut points to {}.", "reported"),
    ("Detection: use of {}.", "recommended"),
    ("Old gateways should be removed, as they fall to {}.", "recommended"),
    # what is said of who they are is not said of what they did
    ("The suspected Russian group used {}.", "reported"),
    ("Kimsuky, likely a state-sponsored group, used {}.", "reported"),
    ("The suspected use of {} was told.", "assessed"),
    ("While it appeared to be old work, the group used {}.", "reported"),
    ("Apparently, the group used {}.", "assessed"),
    ("It’s possible that the crew used {}.", "assessed"),
    ("It now appears that the crew used {}.", "assessed"),
    ("Sand is a scripting language of old for {}.", "reference"),
    ("Sand is a scripted implant of old for {}.", "reported"),
]


@pytest.mark.parametrize(("sentence", "stance"), SENTENCES)
def test_a_sentence_gives_its_technique_the_stance(sentence, stance):
    assert stance_of(sentence.replace("{}", T)) == stance


def test_the_table_of_sentences_is_large():
    assert len(SENTENCES) >= 80


ACTORS = [
    ("Unlike [[a:G0007|APT28]], the crew used mail.", "negated"),
    ("The wiper was incorrectly attributed to [[a:G0049|APT34]].", "negated"),
    ("We do not attribute this to [[a:G0007|APT28]].", "negated"),
    ("Silver Raven is not [[a:G0007|APT28]].", "negated"),
    ("The intrusion was the work of [[a:G0007|APT28]].", "reported"),
    ("We attribute this with low confidence to [[a:G0007|APT28]].", "assessed"),
]


@pytest.mark.parametrize(("sentence", "stance"), ACTORS)
def test_a_sentence_gives_its_actor_the_stance(sentence, stance):
    assert stance_of(sentence) == stance


HEADINGS = [
    ("Table of Contents", "reference"),
    ("References", "reference"),
    ("Sources", "reference"),
    ("7. Further reading", "reference"),
    ("Detection and hunting", "recommended"),
    ("Detection Engineering: SOC-Ready Rules", "recommended"),
    ("Recommendations", "recommended"),
    ("Mitigations", "recommended"),
    ("Sigma rules", "recommended"),
    ("How to protect your network", "recommended"),
    ("Practical Defensive Actions: 30 Days", "recommended"),
    ("Not Confirmed / Incorrect", "negated"),
    ("Critical Errors in the Public Corpus", "negated"),
    ("Myths", "negated"),
    ("Claims (Unverified)", "claimed"),
    ("TTPs (Assessed)", "assessed"),
    ("TTPs (Reported)", "reported"),
    ("Worked example", "example"),
    ("Exercise", "example"),
    ("Outlook", "forecast"),
    ("Defense Evasion", None),
    ("Impair Defenses", None),
    ("Evading detection", None),
    ("Initial Access", None),
    ("Appendix B: MITRE ATT&CK Mapping", None),
    ("Attribution", None),
    ("How we detected the intrusion", None),
    ("Malware and tools", None),
]


@pytest.mark.parametrize(("heading", "stance"), HEADINGS)
def test_a_heading_gives_what_stands_under_it_a_stance(heading, stance):
    assert section_stance(heading) == stance


def test_the_innermost_heading_that_says_something_decides():
    source = f"# Report\n\n## Claims (unverified)\n\n### TTPs (Reported)\n\nThe crew used {T}."
    assert stance_of(source) == "reported"


def test_a_section_of_errors_negates_unless_the_item_says_otherwise():
    head = "# Report\n\n## Not confirmed / incorrect\n\n"
    assert stance_of(head + f"- The crew used {T}.") == "negated"
    assert stance_of(head + f"- [Confirmed] The crew used {T}.") == "reported"


def test_a_title_about_detection_does_not_make_the_whole_report_advice():
    source = f"# APT29: intrusion and detection\n\nThe crew used {T}."
    assert stance_of(source, title="APT29: intrusion and detection") == "reported"


def test_rule_code_is_advice_and_a_layer_is_a_reference():
    assert stance_of(f">>> tags:\\n  - {T}\\ndetection:\\n  condition: x") == "recommended"
    report, mentions = marked(f'x {{"techniqueID": "{T}"}}')
    block = Block("code", 0, len(report.text))
    report = Report("r", "s", "i", report.text, (block,))
    assert set_stance(report, mentions)[0].stance == "reference"


DETECTIONS = "| Technique | Data source | Rule |\n| {} | Proxy | New clients of paste sites |"
USES = "| Technique | Name | Use by the group |\n| {} | Web Service | Orders on a paste site |"


def test_the_headers_of_a_table_tell_detection_from_use():
    assert stance_of(DETECTIONS.replace("{}", T)) == "recommended"
    assert stance_of(USES.replace("{}", T)) == "reported"


@pytest.mark.parametrize(
    ("cell", "stance"),
    [
        ("Observed", "reported"),
        ("Assessed", "assessed"),
        ("Claimed", "claimed"),
        ("INCORRECT", "negated"),
        ("❌ Not confirmed", "negated"),
    ],
)
def test_a_status_column_decides_for_its_row(cell, stance):
    source = f"| Technique | Use | Status |\n| {T} | Orders on a paste site | {cell} |"
    assert stance_of(source) == stance


def test_low_confidence_in_a_table_is_an_assessment():
    source = f"| Technique | Use | Confidence |\n| {T} | Orders on a paste site | Low |"
    assert stance_of(source) == "assessed"


def test_words_that_begin_another_cell_speak_of_the_row():
    source = f"| Technique | Evidence |\n| {T} | Likely used for orders |"
    assert stance_of(source) == "assessed"


def test_a_sentence_before_a_list_speaks_of_its_items():
    assert stance_of(f"Defenders should monitor:\n- {T} at the proxy") == "recommended"
    assert stance_of(f"The implant can do the following:\n- {T}") == "capability"
    assert stance_of(f"The crew used the following:\n- {T}") == "reported"


def test_words_of_a_name_are_no_cue():
    report, mentions = marked(f"[[n:T1562.001|Disable or Modify Tools]] was followed by {T}.")
    assert [m.stance for m in set_stance(report, mentions)] == ["reported", "reported"]


GENRES = [
    ("report", "How Turla hides its orders", "Turla has used paste sites since 2019."),
    (
        "exercise",
        "Operation Paper Boat: a tabletop exercise",
        "This scenario is fictional. Hand out one inject at a time.",
    ),
    (
        "tutorial",
        "Tutorial: reading a log",
        "In this tutorial you will learn how to read a log.\n\n## Step 1: open it",
    ),
    (
        "guide",
        "Hunting in proxy logs",
        "This guide helps defenders to find implants.\n\n## A Sigma rule\n\n## A query",
    ),
    ("report", "Fictional company used as a lure by APT29", "APT29 used a made-up firm as lure."),
    ("report", "CTI research: MuddyWater and SOC defensive guidance", "The group used mail."),
    ("report", "Lessons from an intrusion", "We observed the crew in June 2024."),
]


@pytest.mark.parametrize(("genre", "title", "body"), GENRES)
def test_the_genre_comes_from_several_signs(genre, title, body):
    report, _ = marked(f"# {title}\n\n{body}", title=title)
    assert find_genre(report) == genre


@pytest.mark.parametrize(
    ("kind", "stance"),
    [
        ("layer", "reference"),
        ("index", "reference"),
        ("readme", "reference"),
        ("template", "example"),
        ("report", "reported"),
        ("mapping", "reported"),
    ],
)
def test_the_kind_of_document_comes_first(kind, stance):
    assert stance_of(f"The crew used {T}.", kind=kind) == stance


def test_everything_in_an_exercise_is_an_example():
    source = f"# A tabletop exercise\n\nThis scenario is fictional.\n\nAPT29 used {T}."
    assert stance_of(source, title="A tabletop exercise") == "example"


def test_a_guide_keeps_what_a_named_actor_did():
    title = "Hunting in proxy logs"
    head = f"# {title}\n\nThis guide helps defenders to find implants.\n\n## Background\n\n"
    assert (
        stance_of(head + f"The technique {T} hides in plain sight.", title=title) == "recommended"
    )
    told = head + f"In 2021 [[a:G0016|APT29]] used {T} against an agency."
    assert stance_of(told, title=title) == "reported"


def test_each_stance_names_the_rule_that_gave_it():
    report, mentions = marked(f"The group did not use {T}.")
    assert explain_stance(report, mentions) == ("cue did-not",)


def test_no_mentions_give_no_mentions():
    assert set_stance(Report("r", "s", "i", "x"), ()) == ()


@given(st.text(max_size=200), st.integers(0, 200), st.integers(1, 20))
def test_stance_never_changes_anything_else_of_a_mention(text, start, length):
    start = min(start, max(0, len(text) - 1))
    end = min(len(text), start + length)
    mention = Mention("r", start, end, text[start:end], "technique", "T1102", "id")
    (judged,) = set_stance(Report("r", "s", "i", text), [mention])
    assert (judged.start, judged.end, judged.quote, judged.key) == (
        mention.start,
        mention.end,
        mention.quote,
        mention.key,
    )


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        ("APT29 did not send mails with malicious attachments.", "negated"),
        ("Monitor the creation of scheduled tasks by unknown programs.", "recommended"),
        ("The group may encrypt the servers of its victims next year.", "forecast"),
        ("The group sends mails with malicious attachments, but it does not phone.", "reported"),
        ("The group probably stole the passwords from the memory of LSASS.", "assessed"),
    ],
)
def test_a_cue_inside_a_described_use_governs_it(text, stance):
    passage = Mention("r", 0, len(text), text, "technique", "T1566.001", "behaviour")
    assert Judge(Report("r", "s", "i", text), [passage]).judge(passage)[0] == stance


def test_a_described_use_does_not_hide_cues_from_other_mentions():
    text = "APT29 did not send mails with malicious attachments (T1566.001)."
    report = Report("r", "s", "i", text)
    passage = Mention("r", 0, len(text), text, "technique", "T1566", "behaviour")
    start = text.index("T1566.001")
    written = Mention("r", start, start + 9, "T1566.001", "technique", "T1566.001", "id")
    assert Judge(report, [passage, written]).judge(written)[0] == "negated"


@pytest.mark.parametrize(
    "source",
    [
        f"- [Assessed] The crew came by mail. It used {T} later.",
        f"- The crew came by mail. It used {T} later. (Assessed)",
        f"- The crew used {T} later – moderate confidence",
        f"The crew used {T}. It was quick. [Assessed]",
        f"## Execution (moderate confidence)\n\nThe crew used {T}.",
        f"## Execution – assessed\n\nThe crew used {T}.",
        f"## TTPs (Assessed)\n\n### Execution\n- {T}: shares",
    ],
)
def test_a_label_at_either_end_speaks_for_the_whole(source):
    assert stance_of(source) == "assessed"


LABEL_PIECES = [
    *(
        "[",
        "】",
        "【",
        "(",
        ")",
        "]",
        "\n",
        "- ",
        " – ",
        " —",
        "**",
        ": ",
        ":",
        " ",
        "  ",
        ", ",
        "…",
    ),
    *("Status: ", "label ", "EVIDENCE – ", "confidence: very low", "Confidence low"),
    *("Observed", "reported", "assessed", "low-confidence", "✅ Confirmed", "false", "alleged"),
    *("Forecast", "partially corroborated", "observed / reported", "ınferred", "the group"),
]


@given(st.lists(st.sampled_from(LABEL_PIECES), max_size=14).map("".join), st.integers(0, 200))
def test_a_label_is_found_wherever_its_patterns_match(text, end):
    """Looking only where a label may begin finds what looking everywhere finds."""
    forms = rules().label_forms
    everywhere = [
        (stance, match.start())
        for stance, pattern in forms.patterns
        for match in pattern.finditer(text[:end])
    ]
    assert forms.find(text, forms.places(text), min(end, len(text))) == everywhere


def test_where_labels_may_begin_is_asked_once_for_a_block(monkeypatch):
    """However many mentions a long paragraph has, and however far its labels are looked for."""
    text = " ".join(f"The group [observed] used T1102 in case {n}." for n in range(200))
    mentions = [
        Mention("r", m.start(), m.end(), "T1102", "technique", "T1102", "id")
        for m in re.finditer("T1102", text)
    ]
    asked = []
    places = LabelForms.places
    monkeypatch.setattr(
        LabelForms, "places", lambda forms, words: asked.append(words) or places(forms, words)
    )
    judged = set_stance(Report("r", "s", "i", text), mentions)
    assert {mention.stance for mention in judged} == {"reported"}
    assert asked == [text]


GRADED = f"| Technique | Use | Grade |\n| {T} | Orders on a page | %s |\n\n%s"


@pytest.mark.parametrize(
    ("cell", "words", "stance"),
    [
        ("M1", "Grades: M1 = seen directly; M2 = plausible.", "reported"),
        ("M2", "Grades: M1 = seen directly; M2 = plausible.", "assessed"),
        ("M2 (two)", "Grades: M1 = seen directly; M2 = plausible.", "assessed"),
        ("P", "- C = confirmed\n- P = probable", "assessed"),
        ("C", "- C = confirmed\n- P = probable", "reported"),
        ("◐", "● = seen, ◐ = suspected, ○ = not seen", "assessed"),
        ("○", "● = seen, ◐ = suspected, ○ = not seen", "negated"),
        ("M2", "The tool M2 = plausible.", "reported"),  # one code is no legend
    ],
)
def test_a_legend_says_what_the_grade_of_a_row_means(cell, words, stance):
    assert stance_of(GRADED % (cell, words)) == stance


def test_a_digit_is_a_grade_only_below_a_header_of_grades():
    words = "1 = seen, 2 = suspected"
    assert stance_of(GRADED % ("2", words)) == "assessed"
    assert stance_of(GRADED.replace("Grade", "Hosts") % ("2", words)) == "reported"


@pytest.mark.parametrize(
    ("cell", "stance"), [("Medium", "assessed"), ("Low-Medium", "assessed"), ("High", "reported")]
)
def test_a_confidence_that_is_not_high_is_an_assessment(cell, stance):
    source = f"| Technique | Use | Confidence |\n| {T} | Orders on a paste site | {cell} |"
    assert stance_of(source) == stance


def test_what_a_picture_is_called_says_nothing():
    assert stance_of(f"The crew did it.\n\n![{T} in code](/files/one.png)") == "reference"


@pytest.mark.parametrize(
    ("label", "stance"),
    [("Source-reported", "reported"), ("Confirmed", "reported"), ("", "assessed")],
)
def test_a_row_that_says_what_it_is_keeps_that_beside_its_grade(label, stance):
    source = f"| Technique | Use | Status | Confidence |\n| {T} | Orders on a paste site | {label} | Medium |"
    assert stance_of(source) == stance
