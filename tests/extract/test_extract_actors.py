"""Actors and software: which names count alone, which need context, and what stays open."""

from __future__ import annotations

import pytest

from ctimine.attack import load_attack
from ctimine.extract.finding import find_actors, find_mentions
from ctimine.extract.lexicon import command_lines, lexicon_of, word_lists
from ctimine.model import Report

ATTACK = load_attack()


def found(text):
    report = Report("r", "s", "i", text)
    return [(m.quote, m.kind, m.concept) for m in find_actors(report, ATTACK)]


def quotes(text):
    return [quote for quote, _, _ in found(text)]


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("APT-29 came back.", "G0016"),
        ("Apt 29 came back.", "G0016"),
        ("Fancybear came back.", "G0007"),
        ("MUDDYWATER came back.", "G0069"),
        ("Turla came back.", "G0010"),
        ("The Silence group came back.", "G0091"),
        ("The intruders behind Silence came back.", "G0091"),
        ("It was the work of Leviathan.", "G0065"),
        ("Operators of Akira came back.", "G1024"),
    ],
)
def test_a_name_means_its_group(text, concept):
    assert concept in [row[2] for row in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Lead times grew, and the lead was lost.",
        "Play the file to the end.",
        "Mask the password. A mask helps.",
        "The silence in the room; Silence fell.",
        "An equation with two terms. Equation 3 shows it.",
        "The Leviathan field supplies gas.",
        "UPS delivered the parcel by sea.",
        "Do not open it. They do not know.",
        "It will be snake oil; a snake bit him.",
        "The net result at a glance: route it, ping me, expand it.",
        "An empire fell. The mythic page was epic.",
        "See https://a.example/blog/apt29-comes-back and c:\\tools\\turla\\x.",
        "Cobalt is a metal; platinum and mercury, too.",
    ],
)
def test_ordinary_words_are_nobody(text):
    assert found(text) == []


def test_a_name_of_both_falls_by_its_context():
    assert ("actor", "G0044") in [row[1:] for row in found("The Winnti group came back.")]
    assert [(q, k) for q, k, _ in found("The Winnti malware came back.")] == [
        ("Winnti", "software")
    ]
    assert found("They planted the Carbanak backdoor.") == [("Carbanak", "software", "S0030")]
    assert found("The Carbanak gang was caught.") == [("Carbanak", "actor", "G0008")]


def test_an_undecided_name_of_both_keeps_all_candidates():
    report = Report("r", "s", "i", "A page on Carbanak.")
    (mention,) = find_actors(report, ATTACK)
    assert (mention.concept, mention.problem) == ("", "ambiguous-name")
    assert {"G0008", "S0030"} <= set(mention.candidates)


def test_the_rest_of_the_report_decides_for_a_name_of_both():
    text = "The Carbanak gang was caught. Later Carbanak was seen once more."
    assert [row[2] for row in found(text)] == ["G0008", "G0008"]


def test_a_name_of_several_actors_is_settled_by_another_alias():
    name, owners = next(
        (form, known.actors)
        for known in sorted(
            {id(k): k for k in lexicon_of(ATTACK)._keys}.values(), key=lambda k: k.entry.key
        )
        for known in (known.entry,)
        for form in sorted(known.forms)
        if len(known.actors) > 1
        and known.strong
        and not known.software
        and known.numbered is False
        and all(ATTACK[a].name != form for a in known.actors)
    )
    alone = Report("r", "s", "i", f"The group {name} came back.")
    (mention,) = find_actors(alone, ATTACK)
    assert mention.problem == "ambiguous-name"
    assert set(mention.candidates) == set(owners)
    other = ATTACK[owners[0]].name
    both = Report("r", "s", "i", f"The group {other} came back. The group {name} is the same.")
    settled = [m for m in find_actors(both, ATTACK) if m.quote == name]
    assert [(m.concept, m.rule) for m in settled] == [(owners[0], "settled-by-alias")]


def test_a_weak_name_counts_in_a_list_with_a_strong_one():
    assert "MERCURY" in quotes("MuddyWater, MERCURY, Seedworm")
    assert "Mercury" not in quotes("Mercury is a planet.")


def test_a_weak_name_counts_where_the_same_group_is_named_strongly():
    assert (
        quotes("MuddyWater came back. Later MERCURY is quiet. In May MERCURY rose.").count(
            "MERCURY"
        )
        == 2
    )


def test_a_name_given_in_capitals_counts_in_capitals():
    assert quotes("Since May PLATINUM came back to them.") == ["PLATINUM"]
    assert quotes("Since May Platinum rose in price again.") == []
    assert quotes("SINCE MAY PLATINUM ROSE IN PRICE") == []


def test_a_name_with_an_at_sign_is_no_mail():
    assert found("Since May admin@338 came back.") == [("admin@338", "actor", "G0018")]


def test_commands_count_as_commands_only():
    assert found("It ran net user /domain and cmd.exe /c whoami.")[0][2] == "S0039"
    assert quotes("the at command") == ["at"]
    assert quotes("a .NET binary") == []
    assert set(command_lines()) >= {"net", "at", "cmd", "reg", "ping"}


@pytest.mark.parametrize(
    "quote", ["Cobalt Strike", "Mimikatz", "PsExec", "PlugX", "Olympic Destroyer"]
)
def test_coined_software_counts_alone(quote):
    assert quotes(f"Then {quote} was seen.") == [quote]


def test_software_that_is_a_word_needs_context():
    assert found("They used the Empire framework.") == [("Empire", "software", "S0363")]
    assert found("The Empire fell.") == []


def test_campaigns_are_found_by_name():
    assert ("Operation Dream Job", "campaign", "C0022") in found(
        "It began with Operation Dream Job."
    )


@pytest.mark.parametrize(
    "name",
    [
        "UNC9999",
        "APT-C-99",
        "TA9999",
        "Storm-9944",
        "DEV-9999",
        "UAC-9907",
        "TEMP.Zebra",
        "FIN99",
        "CL-STA-9944",
        "LARVA-999",
        "Velvet Typhoon",
        "Copper Sandstorm",
        "GLASS SPIDER",
    ],
)
def test_a_vendors_scheme_gives_an_unseen_actor_away(name):
    report = Report("r", "s", "i", f"Since May {name} came back.")
    (mention,) = find_actors(report, ATTACK)
    assert (mention.quote, mention.concept, mention.rule) == (name, "", "vendor-pattern")
    assert mention.name == name


def test_a_scheme_counts_before_a_hyphen_only_where_a_bond_follows():
    assert found("They fetch UNC9999-associated files.") == [("UNC9999", "actor", "")]
    assert found("They fetch UNC9999-4711 files.") == []


def test_spaces_that_do_not_break_are_spaces_beside_a_name():
    plain = found("The spills were attributed to Leviathan.")
    assert plain == [("Leviathan", "actor", "G0065")]
    assert found("The spills were attributed\u00a0to Leviathan.") == plain


def test_a_word_that_is_surely_a_name_thrice_is_one_where_a_sentence_begins():
    sure = "The Leviathan group came back. "
    assert quotes(sure * 3 + "Leviathan: what is new?") == ["Leviathan"] * 4
    assert quotes(sure * 2 + "Leviathan: what is new?") == ["Leviathan"] * 2
    assert quotes(sure * 3 + "A leviathan of a ship. Leviathan: what is new?") == ["Leviathan"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "Super Typhoon",
        "a Brown Bear",
        "Jumping Spider",
        "Activision Blizzard",
        "Ping Flood",
        "https://a.example/UNC9999",
        "UNC9999.exe",
        "xUNC9999",
    ],
)
def test_weather_animals_and_addresses_are_no_actors(text):
    assert found(f"Then {text} was seen.") == []


def test_a_coined_name_that_the_text_calls_a_gang_is_found_wherever_it_stands():
    text = "The GlassVault gang came back. In May GlassVault was quiet."
    assert quotes(text) == ["GlassVault", "GlassVault"]
    assert quotes("The GlassVault malware came. In May GlassVault was quiet.") == []


def test_word_lists_are_folded_words():
    for name, words in word_lists().items():
        assert words, name
        assert all(word == word.lower() and " " not in word for word in words)


def test_mentions_are_sorted_and_each_stands_once():
    text = "APT29 (G0016), MITRE ATT&CK, used Cobalt Strike (S0154) and T1059.001."
    mentions = find_mentions(Report("r", "s", "i", text), ATTACK)
    places = [(m.start, m.end, m.kind, m.concept) for m in mentions]
    assert places == sorted(set(places))
    assert all(m.stance == "reported" for m in mentions)


def test_initials_that_a_report_gives_an_actor_are_found_wherever_they_stand():
    text = "Wizard Spider (WS) sent mail. Later WS left. Gorgon Group (GRG) and GRG did not."
    found = [
        (m.quote, m.concept, m.rule) for m in find_mentions(Report("r", "s", "i", text), ATTACK)
    ]
    assert found == [
        ("Wizard Spider", "G0102", "lexicon"),
        ("WS", "G0102", "initials"),
        ("WS", "G0102", "initials"),
        ("Gorgon Group", "G0078", "lexicon"),
    ]


def test_an_id_in_the_address_of_a_link_counts_only_where_its_words_name_something_else():
    text = (
        "See [Gorgon Group](https://attack.mitre.org/groups/G0078/) and "
        "[this page](https://attack.mitre.org/groups/G0007/)."
    )
    found = [(m.quote, m.concept) for m in find_mentions(Report("r", "s", "i", text), ATTACK)]
    assert found == [("Gorgon Group", "G0078"), ("G0007", "G0007")]


def test_the_numbers_of_seqrite_are_actors():
    text = "The cluster UNG0937 sent lures. See UNG0937.exe and ung0937."
    found = [(m.quote, m.kind, m.rule) for m in find_mentions(Report("r", "s", "i", text), ATTACK)]
    assert found == [("UNG0937", "actor", "vendor-pattern")]


def test_a_name_that_the_report_always_lengthens_is_another_one():
    text = "Velvet Lazarus wrote to a bank. The mails of Velvet Lazarus ask for money."
    assert "G0032" not in [concept for _, _, concept in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Velvet Lazarus wrote to a bank. The mails that Lazarus sent are older.",
        "North Korean Lazarus wrote to a bank. We know the North Korean Lazarus.",
        "The mails of Velvet Lazarus ask for money.",
    ],
)
def test_a_name_that_also_stands_alone_or_behind_its_people_keeps_its_meaning(text):
    assert "G0032" in [concept for _, _, concept in found(text)]


def test_what_is_coined_as_malware_is_no_gang():
    text = "The GlassBot operators came back. In May GlassBot was quiet."
    report = Report("r", "s", "i", text, language="en")
    assert [m.quote for m in find_actors(report, load_attack()) if m.kind == "actor"] == []
