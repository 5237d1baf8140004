"""Names that no list has: found by the words beside them, marked everywhere, never a bystander's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest

from ctimine.attack import load_attack
from ctimine.errors import ExtractError
from ctimine.extract import extract, find_mentions
from ctimine.extract.names_model import load_recogniser, packaged
from ctimine.extract.recogniser import (
    FEATURES,
    KINDS,
    Candidate,
    Thresholds,
    bystanders,
    candidates_of,
    features_of,
    find_new_names,
    open_sentences,
    verdict,
    words_of_report,
)
from ctimine.model import Report

ATTACK = load_attack()
GROUP = """Velvet Anvil returns with a new loader

The Velvet Anvil group has targeted shipping firms since at least 2021. Analysts of Zscaler attribute
the intrusions of this spring to the threat actor Velvet Anvil with high confidence. Victims were found
in Poland and Peru. In June, Velvet Anvil sent lures about tax refunds to staff of a port.
Velvet Anvil has also used a backdoor called SilkLatch. The SilkLatch backdoor reads its orders from
a web page. SilkLatch then downloads a second payload. Microsoft published a patch for Exchange.
"""


def new(text, **more):
    report = Report("r", "s", "i", text, **more)
    return find_new_names(report, find_mentions(report, ATTACK))


def test_an_unknown_group_is_an_actor_wherever_it_stands():
    found = [m for m in new(GROUP) if m.kind == "actor"]
    assert {m.quote for m in found} == {"Velvet Anvil"}
    assert len(found) == GROUP.count("Velvet Anvil")
    for mention in found:
        assert GROUP[mention.start : mention.end] == mention.quote == mention.name
        assert (mention.concept, mention.candidates, mention.rule) == ("", (), "recognised")
        assert packaged().least.actor <= mention.score <= 1


def test_unknown_malware_is_software():
    found = [m for m in new(GROUP) if m.kind == "software"]
    assert {m.quote for m in found} == {"SilkLatch"}
    assert len(found) == GROUP.count("SilkLatch")


@pytest.mark.parametrize(
    "text",
    [
        "Researchers at Zscaler and Proofpoint attributed the attack to a group in Iran.",
        "The attackers targeted ministries in Peru, Chile and Poland. The Peru attack was the worst.",
        "Microsoft tracks the group. Google and Mandiant track it, too, says Kaspersky.",
        "An attacker can forge a Golden Ticket. The Golden Ticket attack needs the hash of krbtgt.",
        "Operation Glass Harbor was a campaign. Operation Glass Harbor hit targets in Asia.",
        "Detection: hunt for TargetImage and CallTrace of malicious processes in Sysmon events.",
        "The threat actor used PowerShell, Telegram and OneDrive. The OneDrive attack was new.",
        "Our Blue Team and Red Team exercises cover Threat Actor emulation and Lateral Movement.",
        "Follow us on LinkedIn for more threat reports by the Threat Research team.",
        "",
        "APT",
        "THE GROUP THE GROUP THE GROUP",
    ],
)
def test_bystanders_are_none(text):
    assert new(text) == []


def test_known_names_are_left_to_the_lexicon():
    text = "The Turla group targets embassies. The threat actor Turla used Kazuar, a backdoor."
    assert new(text) == []


def test_a_report_in_another_language_has_none():
    assert new(GROUP, language="de") == []


def test_the_result_is_the_same_each_time_and_in_another_process():
    code = (
        "import sys, json\n"
        "from ctimine.extract.recogniser import find_new_names\n"
        "from ctimine.model import Report\n"
        "found = find_new_names(Report('r', 's', 'i', sys.stdin.read()), [])\n"
        "print(json.dumps([[m.start, m.end, m.kind, m.score] for m in found]))\n"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=GROUP,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    here = find_new_names(Report("r", "s", "i", GROUP), [])
    assert runs == {json.dumps([[m.start, m.end, m.kind, m.score] for m in here]) + "\n"}


def test_an_unknown_actor_is_the_subject_of_claims():
    text = (
        "The Velvet Anvil group has targeted shipping firms since 2021. We attribute it to the threat "
        "actor Velvet Anvil. Velvet Anvil used PowerShell (T1059.001) to run scripts."
    )
    report = Report("r", "s", "i", text, language="en")
    _, claims = extract(report, ATTACK, names="all", behaviours=None)
    assert [(c.subject, c.relation, c.object) for c in claims] == [
        ("name:velvetanvil", "uses", "T1059.001")
    ]


def test_without_the_option_nothing_is_recognised():
    mentions, _ = extract(Report("r", "s", "i", GROUP), ATTACK, names="listed", behaviours=None)
    assert [m for m in mentions if m.rule == "recognised"] == []


# -- parts ---------------------------------------------------------------------------------------


def opened(text, **more):
    spans = open_sentences(text, bytearray(len(text)), words_of_report(text), **more)
    return [text[a:b] for a, b in spans]


def test_only_sentences_with_something_unexplained_are_read():
    text = (
        "The group moved on quietly after that. Then the Korvex group sent mails to its victims. "
        "Microsoft warned of the attack at once. Melbars of a group went on to other things. Korvex.\n"
    )
    assert opened(text) == ["Then the Korvex group sent mails to its victims."]


def test_a_name_is_read_a_few_times_where_a_word_of_the_trade_is_near_it_once():
    once = "Nobody in the office had heard of Korvex before. "
    far = "In the plant of Melbar, which lies in the hills above the old town, a group met. "
    text = once * 9 + "We saw the Korvex gang again in May. " + far
    assert opened(text) == [once.strip()] * 4
    assert len(opened(text, enough=99)) == 10


def test_spaces_that_do_not_break_are_spaces():
    text = GROUP.replace("Velvet Anvil group", "Velvet\u00a0Anvil\u00a0group")
    found = [m for m in new(text) if m.kind == "actor"]
    assert len(found) == GROUP.count("Velvet Anvil")
    for mention in found:
        assert text[mention.start : mention.end] == mention.quote
        assert mention.name == "Velvet Anvil"


def test_who_stands_in_a_list_with_an_actor_is_one_too():
    text = (
        GROUP
        + "Banks were hit by groups such as Velvet Anvil, Glass Heron and Rusty Lantern in May. "
        + "In June the actors Glass Heron, Rusty Lantern and Velvet Anvil sent lures.\n"
    )
    assert {m.quote for m in new(text) if m.kind == "actor"} == {
        "Velvet Anvil",
        "Glass Heron",
        "Rusty Lantern",
    }


@pytest.mark.parametrize(
    "words",
    [
        "APT28 (Glass Heron)",
        "Glass Heron (APT28)",
        "APT28, aka Glass Heron,",
        "Glass Heron and APT28",
    ],
)
def test_what_stands_beside_a_known_actor_is_weighed(words):
    text = f"In spring the ministry was attacked by {words} and their affiliates once more.\n"
    report = Report("r", "s", "i", text)
    (found,) = candidates_of(report, find_mentions(report, ATTACK), silent_model())
    assert (found.name, found.listed) == ("Glass Heron", 1)


def silent_model():
    import spacy

    return spacy.blank("en")


def test_the_initials_that_a_report_gives_stand_for_the_name():
    text = GROUP.replace("threat actor Velvet Anvil", "threat actor Velvet Anvil (VA)")
    text += "Since then VA has been quiet.\n"
    found = [m for m in new(text) if m.quote == "VA"]
    assert [(m.kind, m.name, m.rule) for m in found] == [("actor", "Velvet Anvil", "initials")] * 2


@pytest.mark.parametrize(
    "text",
    [
        "The actor met the NCC Group of hackers. The attack was attributed to the NCC Group actors.",
        "Actor Identity: the group is tracked by many. Actor Identity and group are both open.",
        "The business payment fraud (BPF) gang sent mails. Attacks are attributed to BPF actors.",
        "The S2 Grupo CERT team tracked the actor. A Grupo CERT group met the actors in May.",
    ],
    ids=["firm", "label", "spelled out", "office"],
)
def test_what_only_looks_like_a_band_is_none(text):
    assert [m for m in new(text * 2) if m.kind == "actor"] == []


def test_a_name_that_nothing_beside_it_explains_is_not_given():
    sure = [[0.0] * len(FEATURES), [1.0] * len(FEATURES), [0.0] * len(FEATURES)]
    alone = Candidate("KorVex", [(0, 6)], 1, candidates_votes(ACTOR=1), candidates_votes())
    named = Candidate(
        "KorVex", [(0, 6)], 1, candidates_votes(ACTOR=1), candidates_votes(**{"band after": 1})
    )
    assert verdict(alone, sure, Thresholds())[0] == ""
    assert verdict(named, sure, Thresholds())[0] == "actor"


def test_what_the_report_often_calls_a_band_is_one_whatever_the_model_sees():
    doubtful = [[1.0] * len(FEATURES), [0.0] * len(FEATURES), [0.0] * len(FEATURES)]
    places = [(9 * n, 9 * n + 6) for n in range(9)]

    def kind(**beside):
        found = Candidate("Korvex", places, 4, candidates_votes(), candidates_votes(**beside))
        found.within = 5
        return verdict(found, doubtful, Thresholds())[0]

    assert kind(**{"band after": 3, "attributed": 1}) == "actor"
    assert kind(**{"band after": 4}) == ""  # one kind of words only
    assert kind(**{"band after": 2, "attributed": 1}) == ""  # too seldom
    assert kind(**{"band after": 3, "attributed": 1, "ware after": 2}) == ""


def test_what_is_only_called_so_must_be_surer():
    weights = [[0.0] * len(FEATURES), [0.0] * len(FEATURES), [-9.0] * len(FEATURES)]
    weights[1][FEATURES.index("bias")] = 0.2
    found = Candidate("KorVex", [(0, 6)], 1, candidates_votes(ACTOR=1), candidates_votes(called=1))
    assert verdict(found, weights, Thresholds())[0] == ""
    weights[1][FEATURES.index("bias")] = 0.6
    assert verdict(found, weights, Thresholds())[0] == "actor"


def candidates_votes(**counts):
    import collections

    return collections.Counter(counts)


def test_features_hold_no_words():
    first = Candidate("Korvex", [(0, 6)], 1, candidates_votes(), candidates_votes())
    second = Candidate("Melbar", [(0, 6)], 1, candidates_votes(), candidates_votes())
    assert features_of(first) == features_of(second)
    assert len(features_of(first)) == len(FEATURES)


def test_the_bystanders_are_folded_names():
    assert {"zscaler", "cisa", "southkorea", "goldenticket"} <= bystanders()
    assert "" not in bystanders()
    assert not [name for name in bystanders() if re.search(r"[\s,]|[A-Z]", name)]


def test_the_model_is_small_and_lists_no_words(request):
    import importlib.resources

    folder = importlib.resources.files("ctimine.extract").joinpath("models", "names")
    files = list(request.config.rootpath.joinpath(str(folder)).rglob("*"))
    assert sum(path.stat().st_size for path in files if path.is_file()) < 10_000_000
    assert not [path for path in files if "strings" in path.name]


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ExtractError, match=str(tmp_path)):
        load_recogniser(tmp_path)
    (tmp_path / "judge.json").write_text('{"features": [], "kinds": []}', encoding="utf-8")
    with pytest.raises(ExtractError, match="other features"):
        load_recogniser(tmp_path)


def test_weights_fit_their_features():
    weights = packaged().weights
    assert len(weights) == len(KINDS)
    assert {len(row) for row in weights} == {len(FEATURES)}


@pytest.mark.parametrize(
    "text",
    [
        "The " + "Korvex " * 20_000 + "group attacks.",
        "group " + "Aa" * 100_000,
        ("Korvex, a " + "very, " * 5_000 + "group. ") * 2,
        "\n".join(
            f"The Kor{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}ex group attacks."
            for n in range(676)
        ),
        "the group " + "“" * 50_000 + " attack",
        "attributed to " + "(" * 50_000,
    ],
    ids=["run", "hump", "adjectives", "many", "quotes", "brackets"],
)
def test_hostile_texts_end_soon(text):
    packaged()
    began = time.process_time()
    new(text)
    assert time.process_time() - began < 8


def test_candidates_say_where_they_stand():
    report = Report("r", "s", "i", GROUP)
    for candidate in candidates_of(report, [], packaged().nlp):
        assert candidate.read <= len(candidate.places)
        assert {GROUP[a:b] for a, b in candidate.places} <= {candidate.name}
