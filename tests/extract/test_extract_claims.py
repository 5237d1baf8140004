"""Claims: who uses what, by which rule; and what makes no claim."""

from __future__ import annotations

import pytest
from extract_marked import NAMES, marked
from hypothesis import given
from hypothesis import strategies as st

from ctimine import extract
from ctimine.attack import load_attack
from ctimine.extract.claims import find_claims
from ctimine.extract.rules import scores
from ctimine.extract.stance import set_stance
from ctimine.model import Block, Mention, Report, Snapshot, Source
from ctimine.read import read


def claims_of(source: str, **options):
    report, mentions = marked(source, **options)
    return find_claims(report, set_stance(report, mentions), NAMES)


def uses(source: str, **options) -> set[str]:
    """``subject object stance`` of the claims of use of a marked text."""
    return {
        f"{claim.subject} {claim.object} {claim.stance}"
        for claim in claims_of(source, **options)
        if claim.relation in {"uses", "exploits"}
    }


APT28, APT29, TURLA = "[[a:G0007|APT28]]", "[[a:G0016|APT29]]", "[[a:G0010|Turla]]"
T, T2 = "[[t:T1102.001]]", "[[t:T1059.001]]"
BEACON = "[[s:S0154|Cobalt Strike]]"

SENTENCES = [
    # active
    (f"{APT29} used dead drops ({T}).", {"G0016 T1102.001 reported"}),
    (f"{APT29} has used {T} since 2019.", {"G0016 T1102.001 reported"}),
    (f"In May 2024, {APT29} began to rely on {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29} operators were observed using {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29} (G0016) leverages {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29}, which has been active since 2008, uses {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29}, a well-funded group, uses {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29} thereby read its orders from a page ({T}).", {"G0016 T1102.001 reported"}),
    (f"{APT29} is known for {T}.", {"G0016 T1102.001 reported"}),
    # lists of techniques and of actors
    (f"{APT29} used {T} and {T2}.", {"G0016 T1102.001 reported", "G0016 T1059.001 reported"}),
    (f"{APT28} and {APT29} used {T}.", {"G0007 T1102.001 reported", "G0016 T1102.001 reported"}),
    (
        f"{APT28}, {APT29} and {TURLA} have used {T}.",
        {"G0007 T1102.001 reported", "G0016 T1102.001 reported", "G0010 T1102.001 reported"},
    ),
    # passive and nominal
    (f"{T} was used by {APT29}.", {"G0016 T1102.001 reported"}),
    (f"Techniques used by {APT29} include {T}.", {"G0016 T1102.001 reported"}),
    (f"The use of {T} by {APT29} is old news.", {"G0016 T1102.001 reported"}),
    (f"{APT29}'s use of {T} is old news.", {"G0016 T1102.001 reported"}),
    (f"{APT29}’s abuse of paste sites ({T}) goes on.", {"G0016 T1102.001 reported"}),
    (f"The implant of {APT29} reads a page ({T}).", {"G0016 T1102.001 reported"}),
    (f"{APT29}: {T}", {"G0016 T1102.001 reported"}),
    # several actors, one agent
    (f"Unlike {APT28}, {APT29} used {T}.", {"G0016 T1102.001 reported"}),
    (
        f"{APT29} used {T}, while {APT28} used {T2}.",
        {"G0016 T1102.001 reported", "G0007 T1059.001 reported"},
    ),
    (f"{APT28} read mail; {APT29} used {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29} used {T}, much like {APT28}.", {"G0016 T1102.001 reported"}),
    (
        f"{APT29} used {T} against the agency that {APT28} had watched.",
        {"G0016 T1102.001 reported"},
    ),
    # pronouns
    (
        f"{APT29} used {T}; it also used {T2}.",
        {"G0016 T1102.001 reported", "G0016 T1059.001 reported"},
    ),
    (f"{APT29} came by mail. The group then used {T}.", {"G0016 T1102.001 reported"}),
    (f"{APT29} came by mail. They used {T}.", {"G0016 T1102.001 reported"}),
    # stances go along
    (f"{APT29} did not use {T}.", {"G0016 T1102.001 negated"}),
    (f"We assess that {APT29} used {T}.", {"G0016 T1102.001 assessed"}),
    (f"{APT29} may turn to {T}.", {"G0016 T1102.001 forecast"}),
    (f"{APT29} claims to have used {T}.", {"G0016 T1102.001 claimed"}),
    (f"Actors linked to {APT29} used {T}.", {"G0016 T1102.001 assessed"}),
    (f"Mail attributed to {APT29} used {T}.", {"G0016 T1102.001 reported"}),
    (f"Mail probably attributed to {APT29} used {T}.", {"G0016 T1102.001 assessed"}),
    # software
    (f"{BEACON} can use {T}.", {"S0154 T1102.001 capability"}),
    (f"{BEACON} injects itself ({T}).", {"S0154 T1102.001 reported"}),
    (f"{APT29} deployed {BEACON}.", {"G0016 S0154 reported"}),
    (f"{BEACON}, used by {APT29}, came last.", {"G0016 S0154 reported"}),
    (f"{APT29}'s {BEACON} servers moved.", {"G0016 S0154 reported"}),
    # vulnerabilities
    (f"{APT29} exploited [[v:CVE-2023-42793]].", {"G0016 CVE-2023-42793 reported"}),
    (f"[[v:CVE-2023-42793]] was exploited by {APT29}.", {"G0016 CVE-2023-42793 reported"}),
    # no claim: names that merely stand near
    (f"{APT29} and {T} are both in this list.", set()),
    (f"The report on {APT28} mentions {T}.", set()),
    (f"Researchers compared {APT28} with {APT29}. One sample used {T}.", set()),
    (f"{APT29} was discussed. Elsewhere, {T} was seen.", set()),
    (f"Other groups used {T}, which {APT29} has read about.", set()),
    (f"Unlike {APT28}, the intruders used {T}.", set()),
    (f"According to a post on {APT28}, somebody used {T}.", set()),
    (f"Attackers use {T}. {APT29} is Russian.", set()),
    (f"An unknown actor used {T} against {APT28}.", set()),
    (f"The loader resembles that of {APT28}. It uses {T}.", set()),
    (f"{APT28} was incorrectly blamed for {T}.", set()),
    (f"Which of {APT28} or {APT29} used {T}?", set()),
    (f"For example, {APT28} could use {T}.", {"G0007 T1102.001 forecast"}),
    (f"{BEACON} and {APT29} are both old.", set()),
    (f"{APT29} was named in the post on {BEACON}.", set()),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_a_sentence_makes_the_claims_that_it_states(sentence, expected):
    assert uses(sentence) == expected


def test_the_table_of_sentences_is_large():
    assert len(SENTENCES) >= 40


def test_a_claim_quotes_its_sentence_and_says_where_its_parts_stand():
    text = f"Before. In May 2024 {APT29} used dead drops ({T}) via Telegram. After."
    (claim,) = claims_of(text)
    assert claim.quote == "In May 2024 APT29 used dead drops (T1102.001) via Telegram."
    report, _ = marked(text)
    assert report.text[slice(*claim.subject_at)] == "APT29"
    assert report.text[slice(*claim.object_at)] == "T1102.001"
    assert (claim.rule, claim.basis, claim.time, claim.via) == (
        "subject",
        "id",
        "In May 2024",
        "telegram",
    )


def test_a_claim_says_the_software_that_it_is_done_with():
    (claim,) = [c for c in claims_of(f"{APT29} used {T} with {BEACON}.") if c.object[0] == "T"]
    assert claim.via == "S0154"


def test_each_rule_has_a_score_between_zero_and_one():
    assert all(0 < score <= 1 for score in scores().values())


REPORT = f"""
# {APT29} and its dead drops

{APT29} has been followed for years.

## How it works

The implant asks a page for orders ({T}).

## ATT&CK mapping

| Tactic | Technique | Use |
| Execution | {T2} | Scripts start the implant |

- [[t:T1566.001]] - Spearphishing Attachment: documents with macros

## Detection

| Technique | Data source |
| [[t:T1071.001]] | Proxy |

## References

- [[t:T1105]]
"""


def by_rule(source: str, **options):
    return {(c.subject, c.object): c.rule for c in claims_of(source, **options)}


def test_a_report_with_one_actor_speaks_of_it_without_naming_it():
    rules = by_rule(REPORT, title="APT29 and its dead drops")
    assert rules == {
        ("G0016", "T1102.001"): "main",
        ("G0016", "T1059.001"): "row-main",
        ("G0016", "T1566.001"): "item-main",
    }


def test_an_item_of_a_mapping_is_quoted_whole():
    claims = claims_of(REPORT, title="APT29 and its dead drops")
    (item,) = [c for c in claims if c.rule == "item-main"]
    assert item.quote == "T1566.001 - Spearphishing Attachment: documents with macros"


def test_a_report_on_several_actors_speaks_of_none_of_them():
    source = REPORT.replace(f"{APT29} and its", f"{APT29}, {APT28} and their")
    assert by_rule(source, title="APT29, APT28 and their dead drops") == {}


def test_a_guide_has_no_main_actor():
    source = REPORT.replace("has been followed", "is only our example; this guide helps defenders")
    assert uses(source, title="Hunting APT29: a practitioner's guide") == set()


def test_an_exercise_makes_no_claim():
    source = f"# A tabletop exercise\n\nThis scenario is fictional.\n\n{APT29} used {T}."
    assert uses(source, title="A tabletop exercise") == set()


def test_a_report_about_who_somebody_poses_as_is_not_about_that_actor():
    title = "Criminals posing as APT29"
    assert uses(f"# Criminals posing as {APT29}\n\nThey sent mail ({T}).", title=title) == set()


def test_a_heading_gives_its_section_an_actor():
    source = (
        f"# Two groups\n\n## {APT28}\n\nMail came first ({T}).\n\n## {APT29}\n\nScripts ran ({T2})."
    )
    assert uses(source) == {"G0007 T1102.001 reported", "G0016 T1059.001 reported"}


def test_a_heading_with_two_actors_gives_its_section_none():
    assert uses(f"# Groups\n\n## {APT28} and {APT29}\n\nMail came first ({T}).") == set()


def test_a_section_of_other_groups_is_not_about_the_main_actor():
    source = f"# {APT29}\n\n{APT29} is old.\n\n## Other groups using similar tools\n\n- {T} in 2020"
    assert uses(source, title="APT29") == set()


def test_another_actor_in_the_sentence_keeps_it_from_the_main_actor():
    source = f"# {APT29}\n\n{APT29} is old.\n\nThe case of {APT28} had {T}."
    assert uses(source, title="APT29") == set()


def test_a_sentence_before_a_list_gives_its_items_an_actor():
    source = f"{APT29} used the following techniques:\n- {T}\n- {T2}"
    assert by_rule(source) == {
        ("G0016", "T1102.001"): "lead-in",
        ("G0016", "T1059.001"): "lead-in",
    }


def test_a_row_with_an_actor_column_speaks_of_the_actors_in_it():
    source = f"| Technique | Actor |\n| {T} | {APT28} / {APT29} |"
    assert by_rule(source) == {
        ("G0007", "T1102.001"): "row-actor",
        ("G0016", "T1102.001"): "row-actor",
    }


@pytest.mark.parametrize("header", ["Actor(s)", "Threat actors", "Group(s)", "Used by"])
def test_an_actor_column_is_known_by_its_header(header):
    # without the column, several actors in a row say nothing
    source = f"| Technique | {header} | Control |\n| {T} | {APT28}, {APT29} | Egress policy |"
    assert set(by_rule(source)) == {("G0007", "T1102.001"), ("G0016", "T1102.001")}


def test_software_beside_actors_in_an_actor_column_acts_too():
    source = f"| Technique | Actor |\n| {T} | {APT29}, {BEACON} |"
    assert by_rule(source) == {
        ("G0016", "T1102.001"): "row-actor",
        ("S0154", "T1102.001"): "row-actor",
    }


def test_an_actor_column_may_name_somebody_whom_no_list_knows():
    assert uses(f"| Technique | Actor |\n| {T} | Silver Raven |") == {
        "name:silverraven T1102.001 reported"
    }


@pytest.mark.parametrize("cell", ["various", "Multiple groups", "n/a", "-", "unknown"])
def test_an_actor_column_that_names_nobody_makes_no_claim(cell):
    assert uses(f"# {APT29}\n\n| Technique | Actor |\n| {T} | {cell} |", title="APT29") == set()


def test_a_row_is_quoted_from_its_first_to_its_last_cell():
    (claim,) = claims_of(f"| Actor | Technique | Notes |\n| {APT29} | {T} | Orders on a page |")
    assert claim.quote == "APT29\tT1102.001\tOrders on a page"


def test_an_actor_in_the_evidence_of_a_row_must_be_the_one_who_acts():
    head = "| Technique | Evidence |\n"
    assert uses(head + f"| {T} | {APT29} read its orders from a page |") == {
        "G0016 T1102.001 reported"
    }
    assert uses(head + f"| {T} | Seen before at the victims of {APT29} |") == set()
    assert uses(head + f"| {T} | {APT28} and {APT29} are both suspects |") == set()


def test_a_tool_that_acts_speaks_for_its_owner_only_where_the_owner_is_stated():
    tool = f"# {APT29}\n\n{APT29} is old.\n\n{BEACON} injected itself ({T})."
    assert uses(tool, title="APT29") == {"S0154 T1102.001 reported"}
    owned = tool + f"\n\n{APT29} used {BEACON}."
    assert "G0016 T1102.001 reported" in uses(owned, title="APT29")
    (claim,) = [c for c in claims_of(owned, title="APT29") if c.rule == "via-software"]
    assert claim.via == "S0154"


def test_a_name_that_no_list_knows_keeps_its_doings_from_the_main_actor():
    source = (
        f"# {APT29}\n\n{APT29} is old. It left a loader, Bilgewater, behind.\n\n"
        f"Bilgewater copies screens ({T})."
    )
    assert uses(source, title="APT29") == set()


def test_the_id_wins_over_names_in_its_row_and_sentence():
    source = f"| Actor | ID | Name |\n| {APT29} | {T} | [[n:T1102|Web Service]] |"
    assert uses(source) == {"G0016 T1102.001 reported"}
    assert uses(f"{APT29} used [[n:T1059|scripts]] ({T2}).") == {"G0016 T1059.001 reported"}


def test_a_broken_id_makes_no_claim():
    report, mentions = marked(f"{APT29} used {T}.")
    broken = [
        Mention(**{**_fields(m), "concept": "", "problem": "unknown-id"})
        if m.kind == "technique"
        else m
        for m in mentions
    ]
    assert find_claims(report, broken, NAMES) == ()


def _fields(mention):
    return {name: getattr(mention, name) for name in mention.__slots__}


MAPPING = (
    "| actor_id | attack_id | technique | source | confidence | notes |\n"
    "| G0016 | {} | Dead Drop Resolver | Vendor May 2020 | Low | Pages carried orders |"
)


def test_a_mapping_row_names_its_source_and_its_confidence():
    (claim,) = claims_of(MAPPING.replace("{}", T), kind="mapping")
    assert (claim.subject, claim.object, claim.basis, claim.rule) == (
        "G0016",
        "T1102.001",
        "mapping",
        "mapping-row",
    )
    assert claim.said_by == "Vendor May 2020"
    assert claim.subject_name == "APT29"
    high = claims_of(MAPPING.replace("{}", T).replace("Low", "High"), kind="mapping")[0]
    assert claim.score < high.score


def test_a_mapping_row_keeps_an_actor_whom_no_list_knows():
    source = MAPPING.replace("{}", T).replace("G0016", "SILVERRAVEN")
    (claim,) = claims_of(source, kind="mapping")
    assert (claim.subject, claim.subject_name) == ("name:silverraven", "SILVERRAVEN")


@pytest.mark.parametrize("kind", ["layer", "template", "readme", "index"])
def test_what_is_no_report_makes_no_claim(kind):
    assert claims_of(f"{APT29} used {T}.", kind=kind) == ()


DENIALS = [
    f"The intrusion was incorrectly attributed to {APT28}.",
    f"We do not attribute the intrusion to {APT28}.",
    f"The campaign was previously misattributed to {APT28}.",
    f"There is no evidence to link the campaign to {APT28}.",
    f"{APT28} attribution is incorrect.",
]


@pytest.mark.parametrize("sentence", DENIALS)
def test_a_denied_attribution_is_a_claim_of_its_own(sentence):
    (claim,) = [c for c in claims_of(sentence) if c.relation != "uses"]
    assert (claim.relation, claim.object, claim.stance) == (
        "not-attributed-to",
        "G0007",
        "reported",
    )


def test_a_denied_attribution_says_what_was_not_attributed():
    (claim,) = claims_of(f"The intrusion was incorrectly attributed to {APT28}.")
    assert claim.subject == "name:intrusion"
    (claim,) = claims_of(f"[[c:C0001|Operation Quay]] was incorrectly attributed to {APT28}.")
    assert claim.subject == "C0001"


def test_a_campaign_and_a_tool_may_be_attributed():
    (claim,) = claims_of(f"[[c:C0001|Operation Quay]] was attributed to {APT29} in May.")
    assert (claim.subject, claim.relation, claim.object) == ("C0001", "attributed-to", "G0016")
    (claim,) = claims_of(f"{BEACON} was attributed to {APT29}.")
    assert (claim.subject, claim.relation, claim.object) == ("G0016", "uses", "S0154")


@given(
    st.lists(
        st.sampled_from(
            [
                APT28,
                APT29,
                T,
                T2,
                BEACON,
                "used",
                "by",
                "and",
                ",",
                ";",
                "the group",
                "did not",
                "it",
                "(",
                ")",
                "unlike",
                "of",
                "'s",
                ".",
                "\n",
                "\n- ",
                "\n| ",
                "\n# ",
                "via Telegram",
                "é",
                "🦅",
            ]
        ),
        max_size=25,
    )
)
def test_a_quote_is_always_the_text_at_its_offsets(parts):
    report, mentions = marked(" ".join(parts) or "x", title="APT29")
    for claim in find_claims(report, set_stance(report, mentions), NAMES):
        assert report.text[claim.start : claim.end] == claim.quote
        for span in (claim.subject_at, claim.object_at):
            assert not span or 0 <= span[0] < span[1] <= len(report.text)


def test_claims_are_the_same_on_every_run():
    report, mentions = marked(REPORT, title="APT29 and its dead drops")
    judged = set_stance(report, mentions)
    assert find_claims(report, judged, NAMES) == find_claims(report, tuple(reversed(judged)), NAMES)


def test_a_report_without_mentions_makes_no_claim():
    assert find_claims(Report("r", "s", "i", "Nothing here."), (), NAMES) == ()


def test_a_column_of_tools_gives_its_rows_actor_the_tools():
    source = f"| Tool | Actor | Type |\n| {BEACON} | {APT29} | Framework |"
    assert uses(source) == {"G0016 S0154 reported"}


def test_a_column_of_tools_in_a_report_on_one_actor_speaks_of_it():
    source = f"# {APT29}\n\n{APT29} is old.\n\n| Malware | Type |\n| {BEACON} | Framework |"
    assert uses(source, title="APT29") == {"G0016 S0154 reported"}


def test_a_row_of_a_tool_and_a_technique_speaks_of_the_tool():
    source = f"| Malware | Technique | Use |\n| {BEACON} | {T} | Reads a page |"
    assert uses(source) == {"S0154 T1102.001 reported"}


@pytest.mark.parametrize(
    ("probability", "subject", "made"),
    [(0.55, "APT29", True), (0.55, "Somebody", False), (0.9, "Somebody", True)],
)
def test_a_described_use_needs_more_certainty_where_only_the_title_says_who(
    probability, subject, made
):
    text = f"APT29 in May. {subject} dumped the memory of a process."
    start = text.index(subject, 5)
    report = Report("r", "s", "i", text, title="APT29 in May")
    mentions = [
        Mention("r", at, at + 5, "APT29", "actor", "G0016", "name", rule="lexicon")
        for at in range(len(text))
        if text.startswith("APT29", at)
    ]
    mentions.append(
        Mention(
            *("r", start, len(text), text[start:], "technique", "T1003", "behaviour"),
            rule="behaviour",
            score=probability,
        )
    )
    mentions = set_stance(report, mentions)
    claims = find_claims(report, mentions, load_attack(), described=True)
    assert [c.object for c in claims] == ["T1003"] * made
    assert find_claims(report, mentions, load_attack()) == ()


@pytest.mark.parametrize(
    ("rule", "score", "sifted", "made"),
    [
        ("behaviour-sure", 0.4, False, True),
        ("behaviour-likely", 0.9, False, False),  # only the title says who
        ("behaviour", 0.8, True, False),
        ("told", 0.9, False, True),
        ("told", 0.82, False, False),
    ],
)
def test_only_what_the_reader_is_sure_of_or_agrees_with_claims_for_a_reports_actor(
    rule, score, sifted, made
):
    text = "APT29 in May.\n\nThe memory of a process was dumped."
    report = Report("r", "s", "i", text, title="APT29 in May")
    actor = Mention("r", 0, 5, "APT29", "actor", "G0016", "name", rule="lexicon")
    dumped = Mention(
        *("r", 15, len(text), text[15:], "technique", "T1003", "behaviour"), rule=rule, score=score
    )
    mentions = set_stance(report, [actor, dumped])
    claims = find_claims(report, mentions, load_attack(), described=sifted)
    assert [(c.object, c.rule) for c in claims] == [("T1003", "main")] * made


@pytest.mark.parametrize(
    ("sentence", "made"),
    [
        ("APT29 dumped the memory of a process.", True),
        ("APT29 was busy. The group dumped the memory of a process.", False),
    ],
)
def test_what_the_reader_holds_to_be_likely_claims_where_its_sentence_names_who(sentence, made):
    report = Report("r", "s", "i", sentence)
    actor = Mention("r", 0, 5, "APT29", "actor", "G0016", "name", rule="lexicon")
    at = sentence.rindex("dumped")
    dumped = Mention(
        *("r", at, len(sentence), sentence[at:], "technique", "T1003", "behaviour"),
        rule="behaviour-likely",
        score=0.4,
    )
    mentions = set_stance(report, [actor, dumped])
    claims = find_claims(report, mentions, load_attack())
    assert [(c.object, c.rule) for c in claims] == [("T1003", "subject")] * made


@pytest.mark.parametrize(
    "sentence",
    [
        "Memory dumps are widely used by threat actors to get at passwords.",
        "Windows provides a tool that dumps the memory of a process.",
        "This dump of memory differs from earlier ones.",
    ],
)
def test_what_is_explained_or_compared_is_no_deed_of_the_reports_actor(sentence):
    text = f"APT29 in May.\n\n{sentence}"
    report = Report("r", "s", "i", text, title="APT29 in May")
    actor = Mention("r", 0, 5, "APT29", "actor", "G0016", "name", rule="lexicon")
    dumped = Mention(
        *("r", 15, len(text), text[15:], "technique", "T1003", "behaviour"),
        rule="behaviour-sure",
        score=0.9,
    )
    mentions = set_stance(report, [actor, dumped])
    assert find_claims(report, mentions, load_attack()) == ()


@pytest.mark.parametrize(("rule", "made"), [("behaviour-sure", True), ("behaviour", False)])
def test_a_description_claims_where_a_heading_says_who_if_the_reader_is_sure(rule, made):
    text = "# Crews\n\n## APT29\n\nThe memory of a process was dumped."
    at = text.index("The memory")
    report = Report(
        *("r", "s", "i", text),
        blocks=(
            Block("heading", 0, 7, level=1),
            Block("heading", 9, 17, level=2, path=("Crews",)),
            Block("paragraph", at, len(text), path=("Crews", "APT29")),
        ),
    )
    start = text.index("APT29")
    actor = Mention("r", start, start + 5, "APT29", "actor", "G0016", "name", rule="lexicon")
    dumped = Mention(
        *("r", at, len(text), text[at:], "technique", "T1003", "behaviour"), rule=rule, score=0.4
    )
    claims = find_claims(report, set_stance(report, [actor, dumped]), load_attack())
    assert [(c.object, c.rule) for c in claims] == [("T1003", "section")] * made


def test_no_service_is_the_way_of_what_happens_on_the_machine():
    text = "APT29 read a Pastebin note and decoded its file (T1140)."
    (claim,) = [
        c for c in extract(Report("r", "s", "i", text), load_attack())[1] if c.object == "T1140"
    ]
    assert claim.via == ""


ONE = f"# {APT28} in one year\n\n{APT28} is old. {APT28} is Russian.\n\n## Tools\n"


def test_a_title_with_two_actors_makes_neither_the_reports_own():
    text = f"# {APT28} and {APT29}\n\n{APT28} is old. {APT28} is known.\n\nA loader reads it ({T})."
    assert uses(text, title="APT28 and APT29") == set()
    assert uses(text.replace(f" and {APT29}", ""), title="APT28") == {"G0007 T1102.001 reported"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (f"- Gale. Actor: {APT29}. Behavior: reads a page ({T}).", {"G0016 T1102.001 reported"}),
        (f"- Gale (Attribution: {APT29}) reads a page ({T}).", {"G0016 T1102.001 reported"}),
        (f"- Gale. Suspected actor: {APT29}. It reads a page ({T}).", {"G0016 T1102.001 assessed"}),
        (f"- Attribution: {APT29}\n- Technique: {T}", {"G0016 T1102.001 reported"}),
        (f"- Gale. Actor: unknown. Behavior: reads a page ({T}).", set()),
        (f"- Gale. {APT29} wrote it. Reads orders from a page ({T}).", set()),
        (f"- Gale: reads orders from a page ({T}).", {"G0007 T1102.001 reported"}),
    ],
)
def test_an_entry_that_names_its_actor_is_not_the_reports_own_actors(entry, expected):
    assert uses(ONE + entry, title="APT28 in one year") == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (f"- Gale: reads a page ({T}). Attribution caveat: low-medium.", "assessed"),
        (f"- Gale: reads a page ({T}). The attribution remains disputed.", "assessed"),
        (f"- Gale: reads a page ({T}). Possibly another group.", "assessed"),
        (f"- Gale: reads a page ({T}). The vendor does not name a group.", "assessed"),
        (f"- {APT28} used {T}. It was tied to the crew with low confidence.", "assessed"),
        (f"- Gale: reads a page ({T}). The vendor does not name the victims.", "reported"),
        (f"- Gale: reads a page ({T}). The vendor does not name {APT28}.", None),
    ],
)
def test_an_entry_that_leaves_its_attribution_open_is_an_assessment(entry, expected):
    found = {f"G0007 T1102.001 {expected}"} if expected else set()
    assert uses(ONE + entry, title="APT28 in one year") == found


@pytest.mark.parametrize(
    ("between", "words"),
    [
        ("MITRE cites two reports on it.", "They"),
        ("According to the vendor, the mail was long.", "It"),
        ("The mail was long.", "They"),
        ("The mail was long.", "The group"),
    ],
)
def test_who_tells_of_it_and_one_neutral_sentence_stand_between_in_vain(between, words):
    text = f"{APT28} sent mail. {between} {words} also used {T}."
    assert uses(ONE + text, title="APT28 in one year") == {"G0007 T1102.001 reported"}


def test_a_pronoun_reaches_no_further_than_it_is_safe():
    assert uses(f"{APT28} sent mail. The mail was long. They also used {T}.") == set()
    text = f"{APT28} sent mail. {APT29} sent some, too. The mail was long. They also used {T}."
    assert uses(ONE + text, title="APT28 in one year") == set()


def ways(text: str, blocks=()) -> set[tuple[str, str]]:
    claims = extract(Report("r", "s", "i", text, blocks), load_attack(), behaviours=None)[1]
    return {(claim.object, claim.via) for claim in claims if claim.relation == "uses"}


def test_each_service_of_a_list_is_a_way_of_its_own():
    assert ways("Turla used Pastebin, Dropbox and GitHub for its C2 traffic (T1102).") >= {
        ("T1102", "pastebin"),
        ("T1102", "dropbox"),
        ("T1102", "github"),
    }


def test_a_service_beside_the_list_is_no_way():
    text = "Turla used Pastebin and Dropbox for T1102. The report is on GitHub."
    assert ways(text) == {("T1102", "pastebin"), ("T1102", "dropbox")}


def test_in_a_row_of_abuse_the_services_named_are_the_ways_but_for_the_source():
    rows = [
        ("Actor", "Technique", "Services", "Source"),
        ("Turla", "T1102", "Pastebin, GitHub", "Dropbox"),
    ]
    text, blocks = "", []
    for line, row in enumerate(rows):
        for column, words in enumerate(row):
            start = len(text)
            text += words + "\n"
            blocks.append(
                Block("table_cell", start, start + len(words), table=1, row=line, column=column)
            )
    assert ways(text, tuple(blocks)) == {("T1102", "pastebin"), ("T1102", "github")}


@pytest.mark.parametrize(
    "text",
    [
        f"The wave is reminiscent of one in which {APT28} used [[b:T1566.001|mail with a file]].",
        f"Figure 2: {APT28} sends [[b:T1566.001|mail with a file]].",
        f"The domain of {APT28} was linked to [[b:T1566.001|mail with a file]].",
    ],
)
def test_what_a_sentence_only_compares_or_captions_is_not_told_of_its_subject(text):
    assert uses(text, title="APT28") == set()
    assert uses(f"{APT28} sent [[b:T1566.001|mail with a file]].") == {"G0007 T1566.001 reported"}


RESERVED = f"""
# {APT29} and the lamps

%s

Its loader read a page ({T}). {APT29} used [[t:T1036]]. The group used [[t:T1105]].

## Use of [[t:T1204]]

| Technique | Use |
| {T2} | Scripts start the implant |

## Techniques

- [[t:T1566.001]] - mail
"""


def stances(source: str) -> dict[str, str]:
    found = claims_of(source, title="APT29 and the lamps")
    return {claim.object: claim.stance for claim in found if claim.subject == "G0016"}


@pytest.mark.parametrize(
    "said",
    [
        f"We attribute this campaign with moderate confidence to {APT29}.",
        f"This campaign was allegedly attributed to {APT29}.",
        f"We attribute these attacks (with a medium level of confidence) to {APT29}.",
        f"This activity is likely linked to {APT29}.",
        f"We assess with low confidence that {APT29} was behind these intrusions.",
        f"The campaign may have been conducted by {APT29}.",
        f"This activity has much of earlier mails that are suspected to be {APT29}.",
        f"We believe that this operation is the work of {APT29}.",
        f"{APT29} is old. We do not have enough information to say that it is one group.",
        f"{APT29} is old, but attribution remains inconclusive.",
        f"{APT29} is old. Attribution of the fire is a difficult question.",
        f"{APT29} is old. We cannot attribute this activity to anybody.",
        f"{APT29} is old. Attribution for this incident remains contested.",
    ],
)
def test_a_report_unsure_of_its_actor_makes_what_rests_on_it_an_assessment(said):
    assert stances(RESERVED % said) == {
        "T1102.001": "assessed",  # main
        "T1036": "reported",  # the sentence itself says who
        "T1105": "reported",  # "the group" is who the sentence before names
        "T1204": "assessed",  # heading-main
        "T1059.001": "assessed",  # row-main
        "T1566.001": "assessed",  # item-main
    }


@pytest.mark.parametrize(
    "said",
    [
        f"We attribute this campaign with high confidence to {APT29}.",
        f"This campaign was attributed to {APT29}.",
        f"The wiper was attributed with moderate confidence to {APT29}.",
        f"{APT29} is likely behind schedule.",
        f"With high confidence these attacks are the work of {APT29}. "
        f"We believe that this operation is the work of {APT29}.",
        f"{APT29} did not have enough information to log in.",
        f"{APT29} is old. Attribution is always a difficult question.",
    ],
)
def test_a_report_sure_of_its_actor_reports(said):
    assert set(stances(RESERVED % said).values()) == {"reported"}


@pytest.mark.parametrize(
    ("title", "stance"),
    [
        ("New lamps might link APT29 to the harbour", "assessed"),
        ("A fire that is possibly the work of APT29", "assessed"),
        ("Is APT29 behind the dark harbour?", "assessed"),
        ("Old logs suggest that APT29 was behind the dark harbour", "assessed"),
        ("APT29 likely to return in May", "reported"),
        ("APT29 and the lamps", "reported"),
    ],
)
def test_a_title_may_leave_open_whose_doing_it_is(title, stance):
    source = f"# {title}\n\n{APT29} is old.\n\nThe loader read a page ({T})."
    (claim,) = claims_of(source.replace("APT29 ", f"{APT29} ", 1), title=title)
    assert (claim.rule, claim.stance) == ("main", stance)


@pytest.mark.parametrize(
    ("before", "said", "stance"),
    [
        ("## The harbour", f"A campaign allegedly attributed to {APT29} began.", "assessed"),
        ("The harbour:", f"In May, an attack possibly carried out by {APT29} began.", "assessed"),
        ("## The harbour", f"A campaign attributed to {APT29} began.", "reported"),
        ("It was dark.", f"A campaign allegedly attributed to {APT29} began.", "reported"),
    ],
)
def test_a_story_may_begin_with_an_attribution_that_is_unsure(before, said, stance):
    source = f"# {APT29}\n\n{APT29} is old.\n\n{before}\n\n{said}\n\nThen came {T}."
    (claim,) = claims_of(source, title="APT29")
    assert (claim.rule, claim.stance) == ("main", stance)


def test_the_words_that_name_the_actor_are_those_of_the_attribution():
    said = f"{APT29} is old. We attribute this campaign with low confidence to {APT29}."
    (claim, *_) = claims_of(RESERVED % said, title="APT29 and the lamps")
    text = marked(RESERVED % said)[0].text
    at = claim.subject_at[0]
    assert claim.object == "T1102.001"
    assert text[at - 40 : at].endswith("campaign with low confidence to ")


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("The lamps of 2024", {"T1102.001": "reported", "T1105": "assessed"}),
        ("Attribution", {"T1102.001": "assessed", "T1105": "assessed"}),
    ],
)
def test_an_attribution_reaches_as_far_as_its_heading(heading, expected):
    filler = "\n\n".join(["It was dark in the harbour that night. " * 20] * 4)
    source = f"""
# {APT29} and the lamps

{APT29} is old.

{filler}

The loader read a page ({T}).

## {heading}

Mail came first ([[t:T1105]]). We attribute this activity with low confidence to {APT29}.
"""
    assert stances(source) == expected


def test_an_owner_by_the_report_alone_is_as_unsure_for_its_tool():
    said = f"We attribute this campaign with moderate confidence to {APT29}. {APT29} used {BEACON}."
    source = f"{RESERVED}\n\n{BEACON} then read a page ([[t:T1008]])."
    assert stances(source % said)["T1008"] == "assessed"


def test_a_column_of_actors_may_say_that_there_are_several():
    source = f"| Technique | Actor(s) | Control |\n| {T} | {APT28}, {APT29} | a proxy |"
    assert set(by_rule(source).values()) == {"row-actor"}
    assert {subject for subject, _ in by_rule(source)} == {"G0007", "G0016"}


def test_software_in_a_list_of_actors_is_one_of_them():
    source = f"| Technique | Actors |\n| {T} | {APT28}, [[s:S0599|Kinsing]] |"
    assert {subject for subject, _ in by_rule(source)} == {"G0007", "S0599"}
    source = f"| Technique | Actors |\n| {T} | {APT28} with [[s:S0599|Kinsing]] |"
    assert {subject for subject, _ in by_rule(source)} == {"G0007"}


def test_each_actor_of_a_list_that_no_catalogue_knows_is_one():
    source = f"| Technique | Actors |\n| {T} | Gale Raven, Reef Owl |"
    assert {subject for subject, _ in by_rule(source)} == {"name:galeraven", "name:reefowl"}
    assert by_rule(f"| Technique | Actors |\n| {T} | CVE-2024-1000, nsenter |") == {}


@pytest.mark.parametrize("heading", ["Tools and references", "Malware reference"])
def test_a_table_of_tools_is_no_list_of_sources(heading):
    source = (
        f"# Two crews\n\n## {APT28}\n\n### {heading}\n\n| Tool name | Type |\n| {BEACON} | RAT |"
    )
    assert by_rule(source) == {("G0007", "S0154"): "row-section"}
    assert by_rule(source.replace(heading, "References")) == {}


@pytest.mark.parametrize("words", ["This actor", "The group"])
def test_a_definite_word_reaches_into_the_paragraph_before(words):
    text = f"{APT28} is old.\n\n{words} used {T}."
    assert uses(text) == {"G0007 T1102.001 reported"}
    assert uses(text.replace(" is old.", f" and {APT29} are old.")) == set()
    assert uses(text.replace("\n\n", "\n\n- An item.\n\n")) == set()
    assert uses(text.replace(words, "They")) == set()


def test_two_actors_in_the_paragraph_before_leave_it_to_the_report():
    text = f"{APT28} met {APT29}.\n\nThe group used {T}."
    assert uses(ONE + text, title="APT28 in one year") == {"G0007 T1102.001 reported"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (f"- It reads a page ({T}).", True),
        (f"The mail was long. It reads a page ({T}).", True),
        (f"{BEACON} was found. It reads a page ({T}).", False),
        (f"{APT29} was named. It reads a page ({T}).", False),
    ],
)
def test_it_stands_for_what_the_place_is_about_where_nothing_else_is_named(text, made):
    found = {"G0007 T1102.001 reported"} if made else set()
    assert uses(ONE + text, title="APT28 in one year") & {"G0007 T1102.001 reported"} == found
    assert uses(text) & {"G0007 T1102.001 reported"} == set()


def test_a_tool_speaks_for_the_only_actor_who_is_said_to_use_it():
    told = f"{APT28} used {BEACON}. {APT29} is old.\n\n{BEACON} then read a page ({T})."
    assert ("G0007", "T1102.001") in by_rule(told)
    assert by_rule(told)["G0007", "T1102.001"] == "via-software"
    both = told.replace(" is old", f" used {BEACON}")
    assert {s for s, target in by_rule(both) if target == "T1102.001"} == {"S0154"}
    denied = told.replace(f"{APT28} used", f"{APT28} did not use")
    assert {s for s, target in by_rule(denied) if target == "T1102.001"} == {"S0154"}


@pytest.mark.parametrize(
    "heading",
    [
        "October 2023 (pre-brand context)",
        "The predecessor",
        "Lineage",
        "Former personas",
        "Before the rebranding",
    ],
)
def test_what_was_done_under_another_brand_is_not_the_reports_own_actors(heading):
    source = ONE + f"\n\n## {heading}\n\n### Deeds\n\n- Scripts ({T2})\n\nA page was read ({T})."
    assert uses(source, title="APT28 in one year") == set()
    source = source.replace(heading, "Malware lineage")
    assert uses(source, title="APT28 in one year") == {
        "G0007 T1059.001 reported",
        "G0007 T1102.001 reported",
    }


def test_the_name_of_a_parent_gives_way_to_words_that_tell_of_its_sub():
    parent, sub = "[[n:T1566|phishing]]", "[[b:T1566.001|mails with a document]]"
    assert uses(f"{APT29} used {parent} by {sub}.") == {"G0016 T1566.001 reported"}
    assert uses(f"{APT29} used {parent}.") == {"G0016 T1566 reported"}
    exact = "[[n:T1566.002|Spearphishing Link]]"
    assert uses(f"{APT29} used {exact} by {sub}.") == {"G0016 T1566.002 reported"}
    assert uses(f"{APT29} used {parent} ([[t:T1566.002]]) by {sub}.") == {
        "G0016 T1566.002 reported"
    }


@pytest.mark.parametrize(
    ("sentence", "made"),
    [
        (f"After {BEACON} has been executed, a page is read ({T}).", False),
        (f"{BEACON} has been executing {T}.", True),
        (f"{BEACON} has been observed reading a page ({T}).", True),
    ],
)
def test_what_has_been_done_to_a_tool_is_not_done_by_it(sentence, made):
    assert bool(uses(sentence)) == made


def test_who_attempts_something_is_who_does_it():
    text = f"After {APT29} used {BEACON}, actors have been observed attempting {T}."
    assert "G0016 T1102.001 reported" not in uses(text)
    assert uses(f"{APT29} is attempting {T}.") == {"G0016 T1102.001 reported"}


def test_being_sure_of_one_campaign_says_nothing_of_another_section():
    filler = "\n\n".join(["It was dark in the harbour that night. " * 20] * 4)
    source = f"""
# {APT29} and the lamps

With high confidence these attacks are the work of {APT29}.

{filler}

## May

The loader read a page ({T}).

Attribution for this incident remains contested.

## June

Mail came first ([[t:T1105]]).
"""
    assert stances(source) == {"T1102.001": "assessed", "T1105": "reported"}


def test_a_link_on_an_id_is_no_title():
    text = (
        "APT29 used [T1027: Obfuscated Files or Information](https://attack.example/T1027) there."
    )
    claims = extract(Report("r", "s", "i", text), load_attack(), behaviours=None)[1]
    assert [(c.object, c.stance) for c in claims] == [("T1027", "reported")]


@pytest.mark.parametrize(
    ("words", "stance"),
    [
        ("Old Lamps Show Process Injection Over Many Dark Harbours", "reference"),
        ("how the crew used Process Injection over many dark harbours", "reported"),
    ],
)
def test_a_technique_in_the_title_of_another_text_is_a_reference(words, stance):
    text = f"The use is told in our post [{words}](https://x.example/a) of May."
    mentions, _ = extract(Report("r", "s", "i", text), load_attack(), behaviours=None)
    assert [(m.concept, m.stance) for m in mentions] == [("T1055", stance)]


def test_what_rests_on_the_source_of_a_contested_affair_alone_is_assessed():
    source = (
        f"# {APT29}\n\n{APT29} is old.\n\n"
        + "It has many ships.\n\n" * 90
        + "## The harbour\n\nThe lamps went out. [R2]\n\n"
        "Attribution for this incident remains contested.\n\n## ATT&CK mapping\n\n"
        f"- {T} a page [R2]\n- {T2} a script [R1][R2]"
    )
    found = {claim.object: claim.stance for claim in claims_of(source, title="APT29")}
    assert found == {"T1102.001": "assessed", "T1059.001": "reported"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The\xa0group was formed. APT29 used\u202fPowerShell.", {("T1059.001", "reported")}),
        ("APT29 did\xa0not use PowerShell.", {("T1059.001", "negated")}),
        ("APT29 sent\xa0e-mails with an\xa0Excel attachment.", {("T1566.001", "reported")}),
        (
            "APT29 exfiltrated\xa0documents to a Google\xa0Drive folder.",
            {("T1567.002", "reported")},
        ),
    ],
)
def test_spaces_that_do_not_break_are_spaces(text, expected):
    claims = extract(Report("r", "s", "i", text), load_attack())[1]
    assert expected <= {(claim.object, claim.stance) for claim in claims}
    assert all(claim.quote == text[claim.start : claim.end] for claim in claims)


def test_spaces_of_a_title_are_spaces():
    text = "Winnti\xa0Group is old.\n\nThe loader read a page (T1102.001)."
    report = Report("r", "s", "i", text, title="Winnti\xa0Group and the lamps")
    (claim,) = extract(report, load_attack(), names="listed", behaviours=None)[1]
    assert (claim.rule, claim.object) == ("main", "T1102.001")


def test_plain_words_beside_a_name_tell_of_another_sub_technique():
    text = "APT29 sent spear-phishing e-mails with malicious links or Word attachments."
    claims = extract(Report("r", "s", "i", text), load_attack())[1]
    assert {claim.object for claim in claims} == {"T1566.001", "T1566.002"}


@pytest.mark.parametrize(
    ("words", "expected"), [("we call", {"G0016 S0154 reported"}), ("we used", set())]
)
def test_who_gives_a_name_is_not_who_uses_the_tool(words, expected):
    assert uses(f"{APT29} distributed a tool {words} {BEACON}.") == expected


CHAIN = """Phase 1: Initial access (T1190)
  └─ an old web server
Phase 2: Persistence (T1505.003)
  └─ whoami was not run (T1033)"""


def drawn(words, *, heading="Kill chain", note=""):
    """Techniques and stances of claims of a report on APT29 whose section shows words like code."""
    text = f"APT29 is old.\n\n{heading}\n\n{words}"
    start = text.index(heading)
    blocks = (
        Block("paragraph", 0, 13),
        Block("heading", start, start + len(heading), level=2),
        Block("code", len(text) - len(words), len(text), note=note),
    )
    report = Report("r", "s", "i", text, blocks=blocks, title="APT29 in May")
    claims = extract(report, load_attack(), names="listed")[1]
    return {claim.object: (claim.stance, claim.quote) for claim in claims}


def test_a_drawing_of_an_attack_in_phases_speaks_line_by_line():
    assert drawn(CHAIN) == {
        "T1190": ("reported", "Phase 1: Initial access (T1190)"),
        "T1505.003": ("reported", "Phase 2: Persistence (T1505.003)"),
        "T1033": ("negated", "└─ whoami was not run (T1033)"),
    }


def test_arrows_need_a_heading_that_says_what_they_draw():
    words = "mail (T1566)\n  -> shell (T1059.003)"
    assert set(drawn(words, heading="Infection chain")) == {"T1566", "T1059.003"}
    assert drawn(words, heading="Parents and children") == {}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (CHAIN, {"note": "yaml"}),
        (CHAIN, {"heading": "Detection ideas"}),
        ("Phase 1: access (T1190)\nPhase 2: shell (T1190)", {}),
        ("title: Phase 1\ndetection:\n  T1190 -> T1505.003", {}),
    ],
)
def test_other_code_draws_no_attack(words, options):
    stances = {stance for stance, _ in drawn(words, **options).values()}
    assert not stances & {"reported", "assessed"}


def rows_of(*rows, text=""):
    """``subject object rule via`` of the claims of use of rows between bars, the first a header."""
    report, mentions = marked(f"{text}\n\n" + "\n".join(f"| {row} |" for row in rows))
    found = find_claims(report, set_stance(report, mentions), NAMES)
    return {
        (c.subject, c.object, c.rule, c.via)
        for c in found
        if c.relation == "uses" and c.object.startswith("T")
    }


def test_a_row_that_names_no_actor_may_name_the_tool_of_one():
    owned = f"{APT29} used {BEACON}. {APT28} came too."
    rows = ("Technique | Evidence", f"{T} | {BEACON} reads a page")
    assert ("G0016", "T1102.001", "via-software", "S0154") in rows_of(*rows, text=owned)
    shared = f"{owned} {APT28} used {BEACON}."
    assert not {found for found in rows_of(*rows, text=shared) if found[0] != "S0154"}
    other = ("Technique | Evidence", f"{T} | {BEACON} and [[s:S0002|Mimikatz]] ran")
    assert not {found for found in rows_of(*other, text=owned) if found[0] == "G0016"}


def test_software_in_a_column_of_actors_is_the_crew_of_its_name():
    text = (
        "# Clusters\n\n| Technique | Actors |\n| --- | --- |\n| T1190 | APT29, Kinsing |\n\n"
        "## Kinsing in May\n\nThe crew dropped a shell (T1505.003)."
    )

    def subjects(text):
        report = read(Snapshot("s", "a.md", text.encode()), Source("s"))
        claims = extract(report, load_attack(), names="listed", behaviours=None)[1]
        return {(c.object, c.subject.partition(":")[0]) for c in claims if c.subject != "G0016"}

    assert subjects(text) == {("T1190", "misp"), ("T1505.003", "misp")}
    malware = text.replace("Kinsing in May", "Kinsing malware in May")
    assert subjects(malware) == {("T1190", "misp"), ("T1505.003", "misp")}
    assert subjects(malware.replace("Actors", "Malware")) == {("T1505.003", "S0599")}


@pytest.mark.parametrize(
    ("cells", "made"),
    [
        ("October and November 2023", False),
        ("2022", False),
        ("October 2023; May 2024", True),
        ("December 2023", True),
        ("2023", True),  # of a year alone the end counts
        ("CVE-2021-44228", True),
        ("a page", True),
    ],
)
def test_what_is_older_than_the_reports_actor_is_not_its_deed(cells, made):
    text = f"# {APT29}\n\n{APT29} emerged in December 2023.\n\n"
    row = f"| Technique | When |\n| {T} | {cells} |"
    found = claims_of(text + row, title="APT29")
    stance = "reported" if made else "assessed"  # an author who maps it all the same means it
    assert [(claim.rule, claim.stance) for claim in found] == [("row-main", stance)]
    again = claims_of(text.replace("emerged", "re-emerged") + row, title="APT29")
    assert [(claim.rule, claim.stance) for claim in again] == [("row-main", "reported")]
    prose = claims_of(f"{text}In {cells}, a page held the address ({T}).", title="APT29")
    assert [claim.rule for claim in prose] == (["main"] if made else [])


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("The kit used values first seen in a watering hole attack.", False),
        ("The kit used values in a watering hole attack.", True),
        ("The shell is similar to the commands that ran InstallUtil in the harbour.", False),
        ("Old logs were used to establish links to watering hole attacks.", False),
        ("Mail was used to send links to watering hole attacks.", True),
        ("The joint report indicated that the box had been used for watering holes.", False),
        ("The box had been used for watering holes.", True),
    ],
)
def test_what_is_told_of_another_affair_is_not_the_reports_actors(said, made):
    text = f"APT29 is old.\n\n{said}"
    report = Report("r", "s", "i", text, title="APT29 in May")
    claims = extract(report, load_attack(), names="listed", behaviours=None)[1]
    assert [claim.object for claim in claims] == (["T1189"] if made else [])


@pytest.mark.parametrize(
    ("before", "made"),
    [
        (f"{APT28} has a command of its own.", False),
        ("There is a command for that.", True),
        (f"{APT29} and {APT28} have a command for that.", True),
    ],
)
def test_what_goes_on_about_another_actor_is_not_the_reports_actors(before, made):
    source = f"# {APT29}\n\n{APT29} is old. It is {APT29}.\n\n{before}\n\nThis command runs {T}."
    found = [claim.rule for claim in claims_of(source, title="APT29")]
    assert found == (["main"] if made else [])


@pytest.mark.parametrize(
    ("title", "made"),
    [
        ("APT29-inspired mails to the harbour", False),
        ("A look at an APT29 affiliate", False),
        ("An APT29’s customers", False),
        ("APT29 and a customer", True),
        ("APT29-linked mails to the harbour", True),
    ],
)
def test_a_title_about_who_imitates_or_serves_an_actor_is_not_about_it(title, made):
    source = f"# A fire\n\n{APT29} is old.\n\nThe loader read a page ({T})."
    assert [claim.rule for claim in claims_of(source, title=title)] == (["main"] if made else [])


@pytest.mark.parametrize(
    "words",
    [
        "The Velvet Anvil group, also known as Käse Bär, used {T}.",
        "The Velvet Anvil Group used {T}.",
        "Meanwhile, the “Velvet Anvil” ransomware gang used {T}.",
        "The group Velvet Anvil used {T}.",
        "Velvet Anvil operators used {T}.",
        "{T} was used by the Velvet Anvil crew.",
        "{T} was used by another group.",
        "{T} has been used by several threat actors.",
        "A lesser-known group used {T}.",
    ],
)
def test_a_group_that_has_a_name_of_its_own_is_no_other_actor(words):
    source = f"# {APT29}\n\n{APT29} is old. {APT29} was seen in May.\n\n{words}"
    assert uses(source.replace("{T}", T), title="APT29") == set()


@pytest.mark.parametrize(
    "words",
    [
        "The Russian group used {T}.",
        "The Iran-linked actors used {T}.",
        "The North Korean hackers used {T}.",
        "The APT group, also known as Käse Bär, used {T}.",
        "{T} was used by the group.",
        "After May, the group used {T}.",
        "The Provider operator used {T}, as every provider does.",
    ],
)
def test_a_word_of_origin_or_rank_is_no_name(words):
    source = f"# {APT29}\n\n{APT29} is old. {APT29} was seen in May.\n\n{words}"
    assert uses(source.replace("{T}", T), title="APT29") == {"G0016 T1102.001 reported"}


@pytest.mark.parametrize(
    ("title", "made"),
    [
        ("APT29/Cozywolf threat actor strikes ports", True),
        ("APT29 / Cozywolf group in May", True),
        ("In 2020 APT29/Cozywolf gang struck", True),
        ("APT29/Cozywolf groups in May", False),
        ("APT29 and Cozywolf in May", False),
    ],
)
def test_a_title_may_give_one_group_two_names(title, made):
    source = f"{APT29} is old.\n\n[[a:x|Cozywolf]] was seen in May.\n\nThe address came from a page ({T})."
    assert (("G0016", "T1102.001") in by_rule(source, title=title)) == made


def sure(text, quote, concept):
    start = text.index(quote)
    return Mention(
        *("r", start, start + len(quote), quote, "technique", concept, "behaviour"),
        rule="behaviour-sure",
    )


def claimed(text, *mentions):
    actor = Mention("r", 0, 5, "APT29", "actor", "G0016", "name", rule="lexicon")
    report = Report("r", "s", "i", text, title="APT29 in May")
    mentions = set_stance(report, [actor, *mentions])
    return {c.object for c in find_claims(report, mentions, load_attack(), described=True)}


def test_a_description_without_its_sub_technique_adds_nothing_where_another_tells_it():
    text = (
        "APT29 in May.\n\nStaff got mails with lures.\n\nEach mail carried a Word document in May."
    )
    vague = sure(text, "Staff got mails with lures.", "T1566")
    exact = sure(text, "Each mail carried a Word document in May.", "T1566.001")
    assert claimed(text, vague) == {"T1566"}
    assert claimed(text, vague, exact) == {"T1566.001"}


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("Mail lures.", False),
        ("Mail lures went to ports.", True),
        ("port-mail[.]example: phishing, since May.", False),
        (
            "A page at port-mail[.]example asked the staff of five ports for their mail passwords.",
            True,
        ),
        ("We were able to send mail lures to a box of ours.", False),
        ("That allowed us to read the mail lures of the box.", False),
    ],
)
def test_labels_and_what_the_authors_do_are_no_deed_of_a_reports_actor(words, made):
    text = f"APT29 in May.\n\n{words}"
    assert bool(claimed(text, sure(text, words, "T1566"))) == made


@pytest.mark.parametrize(("column", "made"), [("Motivation", False), ("Deeds", True)])
def test_what_an_actor_is_after_is_no_deed(column, made):
    text = f"| Actor | {column} |\n| [[a:G0016|APT29]] | mines coins on servers |"
    report, mentions = marked(text, title="Crews in May")
    mined = sure(report.text, "mines coins on servers", "T1496")
    claims = find_claims(report, set_stance(report, [*mentions, mined]), load_attack())
    assert [c.object for c in claims] == ["T1496"] * made


OWNED = (
    f"{APT29} is old. {APT29} and {APT28} met. {APT29} was seen in May and in {APT29} mails.\n\n"
)


@pytest.mark.parametrize(
    "said",
    [
        f"{APT29} is a group that has been operating the {BEACON} loader since 2018.",
        f"{BEACON} is only used by {APT29}.",
        f"{BEACON} is developed and maintained by the group {APT29}.",
        f"We track the gang behind {BEACON} as {APT29}.",
    ],
)
def test_a_report_on_a_tool_is_on_the_one_actor_whose_own_it_is(said):
    source = f"# About {BEACON}\n\n{OWNED}{said}\n\nA page held the orders ({T})."
    (claim,) = [c for c in claims_of(source, title="About Cobalt Strike") if c.rule == "main"]
    assert claim.subject == "G0016"


@pytest.mark.parametrize(
    "said",
    [
        f"{APT29} operators deployed {BEACON}.",
        f"{APT29} used {BEACON}.",
        f"{BEACON} is not operated by {APT29}.",
        f"{BEACON} was developed by {APT28}.",
        f"{APT29} operates {BEACON}. {APT28} operates {BEACON}, too.",
    ],
)
def test_who_only_uses_a_tool_is_not_whom_its_report_is_about(said):
    source = f"# About {BEACON}\n\n{OWNED}{said}\n\nA page held the orders ({T})."
    assert "main" not in {c.rule for c in claims_of(source, title="About Cobalt Strike")}


def test_a_name_that_is_mostly_a_tools_makes_no_actor_the_reports_own():
    actor, tool = "[[a:G0008|Carbanak]]", "[[s:S0030|Carbanak]]"
    told = f"Behind {tool}, a tool. {tool} is old. {tool} is small.\n\n{{}}\n\nA page ({T})."
    title = "Behind the Carbanak backdoor"
    assert uses(told.format(f"{actor} is a group."), title=title) == {"S0030 T1102.001 reported"}
    often = f"{actor} is a group. {actor} is Russian."
    assert uses(told.format(often), title=title) == {"G0008 T1102.001 reported"}


@pytest.mark.parametrize(
    ("title", "subjects"),
    [("The return of “Velvet Turla”", set()), ("The return of “Turla”", {"G0010"})],
)
def test_a_longer_name_that_a_title_quotes_is_another_actors(title, subjects):
    source = f"# {title}\n\n{TURLA} is back.\n\nA page held the orders ({T})."
    assert {c.subject for c in claims_of(source, title=title)} == subjects
