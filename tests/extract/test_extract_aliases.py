"""What a text says about names: alias-of, overlaps, part-of; denied ones; columns that hold none."""

from __future__ import annotations

import pytest
from extract_marked import NAMES, marked

from ctimine.extract.claims import find_claims
from ctimine.extract.stance import set_stance

APT28, APT29, TURLA = "[[a:G0007|APT28]]", "[[a:G0016|APT29]]", "[[a:G0010|Turla]]"
OILRIG, MUDDY = "[[a:G0049|OilRig]]", "[[a:G0069|MuddyWater]]"


def said(source: str, **options) -> set[str]:
    """``subject relation object`` (with the stance where it is not reported)."""
    report, mentions = marked(source, **options)
    claims = find_claims(report, set_stance(report, mentions), NAMES)
    for claim in claims:
        assert report.text[claim.start : claim.end] == claim.quote
    return {
        f"{c.subject} {c.relation} {c.object}" + ("" if c.stance == "reported" else f" {c.stance}")
        for c in claims
        if c.relation in {"alias-of", "overlaps", "part-of"}
    }


BOTH = {
    "name:silverraven alias-of name:storm9931",
    "name:silverraven alias-of name:unc99021",
}
STATEMENTS = [
    ("Silver Raven, also known as Storm-9931 and UNC99021, came by mail.", BOTH),
    ("Silver Raven (also known as Storm-9931, UNC99021) came by mail.", BOTH),
    ("Silver Raven (aka Storm-9931 / UNC99021) came by mail.", BOTH),
    ("Silver Raven (a.k.a. Storm-9931 and UNC99021) came by mail.", BOTH),
    (
        "Silver Raven, tracked by Quill Labs as Storm-9931, came by mail.",
        {"name:silverraven alias-of name:storm9931"},
    ),
    ("Quill Labs tracks Silver Raven as Storm-9931.", {"name:silverraven alias-of name:storm9931"}),
    (
        "Silver Raven, which Quill Labs calls Storm-9931, came by mail.",
        {"name:silverraven alias-of name:storm9931"},
    ),
    ("Storm-9931 is another name for Silver Raven.", {"name:storm9931 alias-of name:silverraven"}),
    (
        "Storm-9931 is Microsoft's name for Silver Raven.",
        {"name:storm9931 alias-of name:silverraven"},
    ),
    (f"{APT29} is also known as Harbour Goose.", {"G0016 alias-of name:harbourgoose"}),
    (f"{APT29} (also tracked as Cozy Bear) came by mail.", {"G0016 alias-of name:cozybear"}),
    (f"{APT29} corresponds to Storm-9931.", {"G0016 alias-of name:storm9931"}),
    (
        f"{APT29} (also tracked as [[a:G0016|Midnight Blizzard]]) came by mail.",
        {"G0016 alias-of name:midnightblizzard"},
    ),
    # not the same
    (
        f"Silver Raven, also known as [[a:|Storm-9931]], overlaps with {APT28}.",
        {"name:silverraven alias-of name:storm9931", "name:silverraven overlaps G0007"},
    ),
    (f"{APT28} overlaps with {APT29}.", {"G0007 overlaps G0016"}),
    (f"{APT28} shares tooling and servers with {APT29}.", {"G0007 overlaps G0016"}),
    (f"{APT28} is possibly linked to {APT29}.", {"G0007 overlaps G0016 assessed"}),
    (f"{APT28} does not overlap with {APT29}.", {"G0007 overlaps G0016 negated"}),
    (f"Harbour Goose is a subgroup of {OILRIG}.", set()),
    (f"{APT28} is a subgroup of {OILRIG}.", {"G0007 part-of G0049"}),
    (f"{APT28} (an {OILRIG} subgroup) came by mail.", {"G0007 part-of G0049"}),
    # denied
    (f"{OILRIG} is not an alias of {MUDDY}.", {"G0049 alias-of G0069 negated"}),
    # no statement
    (f"{APT28} and {APT29} are Russian.", set()),
    ("The group used a backdoor known as Bilgewater.", set()),
    ("The loader, dubbed Bilgewater, came last.", set()),
    ("A trojan that we named Bilgewater came last.", set()),
    (f"{APT28} is known for mail.", set()),
    (f"{APT28} was first seen in January 2019.", set()),
    ("Visual Basic, also known as VB, is old.", set()),
    (f"{APT28} used [[s:S0154|Cobalt Strike]] (also known as Beacon).", set()),
]


@pytest.mark.parametrize(("sentence", "expected"), STATEMENTS)
def test_a_sentence_says_about_names_what_it_says(sentence, expected):
    assert said(sentence) == expected


def test_a_table_of_vendors_and_names_speaks_of_the_reports_actor():
    source = (
        "# Silver Raven, a profile\n\nSilver Raven is an intrusion group. Silver Raven came.\n\n"
        "Silver Raven left. Silver Raven stayed.\n\n## Names\n\n"
        "| Vendor | Name |\n| Quill Labs | UNC99021 |\n| Northlight | Storm-9931 |"
    )
    assert said(source, title="Silver Raven, a profile") == BOTH


ALIASES = (
    "| Primary name | Aliases | Malware | Since | Notes |\n"
    f"| {APT29} | Harbour Goose, Storm-9931 | Bilgewater, Foxtail | June 2019 | Seen in Norway |"
)


def test_a_column_of_aliases_speaks_of_the_name_in_its_row_and_no_other_column_does():
    source = ALIASES.replace("| Malware ", "").replace("| Bilgewater, Foxtail ", "")
    assert said(source) == {"G0016 alias-of name:harbourgoose", "G0016 alias-of name:storm9931"}


@pytest.mark.parametrize("header", ["Notes", "Malware", "First seen", "Targets", "Sector", "Tool"])
def test_a_column_of_anything_else_never_makes_an_alias(header):
    source = f"# {APT29}\n\n## Aliases\n\n| Vendor | {header} |\n| Quill Labs | Harbour Goose |"
    assert said(source, title="APT29") == set()


def test_a_line_of_aliases_speaks_of_the_page():
    source = f"# {APT29}\n\nAliases: Harbour Goose, Storm-9931.\n\nIt is old."
    assert said(source, title="APT29") == {
        "G0016 alias-of name:harbourgoose",
        "G0016 alias-of name:storm9931",
    }


def test_items_under_a_heading_of_aliases_speak_of_the_page():
    source = (
        f"# {APT29}\n\n## Alias mapping\n\n- Harbour Goose: used by Quill Labs\n"
        "- Storm-9931: a campaign name, not an actor-level alias"
    )
    assert said(source, title="APT29") == {
        "G0016 alias-of name:harbourgoose",
        "G0016 alias-of name:storm9931 negated",
    }


def test_a_row_that_speaks_of_overlap_or_of_a_partner_is_no_alias():
    source = (
        f"# {APT29}\n\n## Alias crosswalk\n\n| Label | Notes |\n"
        "| Harbour Goose | assessed overlap, different cluster boundaries |\n"
        "| Quiet Heron | access-side partner that cooperates with it |"
    )
    assert said(source, title="APT29") == {"G0016 overlaps name:harbourgoose"}


def test_an_alias_that_the_text_calls_an_error_is_negated():
    source = (
        f"# {MUDDY}\n\n## Not confirmed / incorrect\n\n- {OILRIG} as a {MUDDY} alias. INCORRECT."
    )
    assert said(source, title="MuddyWater") == {"G0049 alias-of G0069 negated"}


def test_names_that_only_the_text_knows_act_like_others():
    source = (
        "Silver Raven, also known as Storm-9931, came by mail.\n\n"
        "Silver Raven used dead drops ([[t:T1102.001]])."
    )
    report, mentions = marked(source)
    claims = find_claims(report, set_stance(report, mentions), NAMES)
    assert ("name:silverraven", "uses", "T1102.001") in {
        (c.subject, c.relation, c.object) for c in claims
    }


def test_a_group_that_the_text_introduces_acts_like_others():
    source = "Harbour Goose is an intrusion group. Harbour Goose used [[t:T1102.001]]."
    report, mentions = marked(source)
    (claim,) = find_claims(report, set_stance(report, mentions), NAMES)
    assert (claim.subject, claim.rule) == ("name:harbourgoose", "subject")
