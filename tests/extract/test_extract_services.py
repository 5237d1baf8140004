"""Abused web services: every role by its own example, and what must not fool the detector."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import runpy
import time
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from ctimine.extract.service_names import (
    contexts,
    is_borrowed,
    places_of_unnamed,
    services,
    services_in,
)
from ctimine.extract.services import find_services, judge_sentence
from ctimine.extract.stance import set_stance
from ctimine.model import Report


def role_of(sentence):
    judged = judge_sentence(sentence)
    return judged[0].technique if judged else ""


def all_contexts(table, field):
    return sorted(
        {c for several in contexts(table, field).values() for c in several}, key=lambda c: c.name
    )


@pytest.mark.parametrize("context", all_contexts("word", "words"), ids=lambda c: c.name)
def test_an_ordinary_word_is_a_service_in_the_contexts_example_alone(context):
    words = [word for word, several in contexts("word", "words").items() if context in several]

    def fits(sentence):
        places = [
            (m.start(), m.end())
            for m in re.finditer(r"\b(?:Slack|Box|Purple|mega|Teams|Medium|X)\b", sentence)
            if m.group() in words or (m.group().islower() and "lower" in words) or "*" in words
        ]
        assert places, sentence
        return any(context.fits(sentence, *place) for place in places)

    assert fits(context.example)
    assert not fits(context.counterexample)


@pytest.mark.parametrize(
    "context",
    [*all_contexts("use", "kinds"), *all_contexts("use", "services")],
    ids=lambda c: c.name,
)
def test_what_everybody_uses_as_it_is_meant_is_borrowed_in_the_contexts_example_alone(context):
    def borrowed(sentence):
        found = services_in(sentence)
        assert found, sentence
        return any(is_borrowed(sentence, *one) for one in found)

    assert not context.example or borrowed(context.example)
    assert not borrowed(context.counterexample)


@pytest.mark.parametrize("context", all_contexts("aside", "side"), ids=lambda c: c.name)
def test_a_name_is_not_meant_in_the_contexts_example_alone(context):
    (one,) = services_in(context.example)
    assert context.fits(context.example, *one[:2])
    assert not is_borrowed(context.example, *one)
    (other,) = services_in(context.counterexample)
    assert is_borrowed(context.counterexample, *other)


def test_every_context_for_unnamed_services_has_its_example():
    text = files("ctimine.extract").joinpath("service_contexts.toml").read_text("utf-8")
    for row in tomllib.loads(text)["unnamed"]:
        assert re.search(row["pattern"], row["example"], re.IGNORECASE)
        assert not re.search(row["pattern"], row["counterexample"], re.IGNORECASE)
        assert places_of_unnamed(row["example"])


def test_what_a_page_offers_to_its_readers_names_no_service():
    assert services_in("(http://reddit.com/submit?url=https://a.example/b)") == []
    assert services_in("(http://reddit.com/r/lamps)") != []


def test_a_service_without_a_name_that_is_only_worn_is_none():
    assert places_of_unnamed("It hides behind legitimate services.")
    assert not places_of_unnamed("Its domains are similar to legitimate services.")


def test_the_list_is_long_and_each_service_can_be_found_by_name_or_host():
    assert len(services()) >= 150
    for service in services().values():
        assert service.names or service.hosts, service.key
        for host in service.hosts[:1]:
            assert services_in(f"It asked {host} again.")[0][2] is not None


@pytest.mark.parametrize(
    ("sentence", "technique"),
    [
        (
            "The backdoor polled a Google Sheets cell for commands and wrote results back.",
            "T1102.002",
        ),
        (
            "The implant fetched a Pastebin note that held the address of the real server.",
            "T1102.001",
        ),
        ("The loader downloads its payload from Dropbox.", "T1102"),
        ("The intruders exfiltrated documents to a MEGA folder with rclone.", "T1567.002"),
        ("The stealer sends harvested cookies to a Discord webhook.", "T1567.004"),
        ("The implant reads commands from a GitHub gist and never answers.", "T1102.003"),
        ("Telegram chat ID found in malware: 1234567890", "T1102.002"),
        ("2. Excel lure (bank) -> Heronpipe (Rust backdoor with Telegram C2).", "T1102.002"),
        ("Over Signal the spies sent officers an archive with their backdoor.", "T1566.003"),
        ("The spies registered an account at Notion weeks before the operation.", "T1583.006"),
        (
            "Spearphishing mails with a bit[.]ly link led to a credential harvesting page.",
            "T1566.002",
        ),
        ("The crew copied an archive from a Dropbox folder onto the victim machine.", "T1102"),
        (
            "Traffic of the backdoor to api[.]telegram[.]org carried commands and results.",
            "T1102.002",
        ),
    ],
)
def test_a_use_gets_its_technique(sentence, technique):
    assert role_of(sentence) == technique


@pytest.mark.parametrize(
    "sentence",
    [
        "Follow us on Telegram for more reports.",
        "Join our Slack community and our Discord server.",
        "The mailbox was read through Exchange Web Services by the owner's own client.",
        "The company offers a web service for payroll.",
        "We published the indicators on GitHub.",
        "Dropbox announced results for the third quarter.",
        "Read more on Twitter and LinkedIn.",
        "See https://github.com/example/telegram-c2-notes for the code.",
        "The victim kept holiday pictures in Google Drive.",
        "Box the evidence and send it to the laboratory.",
        "The backdoor installs a service named after OneDrive and keeps its C2 list in a file.",
        "The implant copies Telegram messages and WhatsApp chats of the phone to its C2 server.",
        "The C2 domain resolved to a Cloudflare IP.",
        "The operator sent the target a harmless video via a Dropbox link.",
        "The addresses lie in the script, rather than fetched from Twitter by the implant.",
        "The crew used Signal message theft from phones that it had seized.",
        "For social engineering, the threat actor chose file names similar to online services such "
        "as Microsoft OneDrive.",
    ],
)
def test_what_people_do_with_services_every_day_is_no_abuse(sentence):
    assert role_of(sentence) == ""


def test_mentions_carry_exact_quotes_and_the_service():
    text = "Intro.\n\nThe implant read a Pastebin note that held the address of its C2 server."
    found = find_services(Report("r", "s", "i", text))
    assert {(m.kind, m.concept) for m in found} == {
        ("technique", "T1102.001"),
        ("service", "pastebin"),
    }
    for mention in found:
        assert text[mention.start : mention.end] == mention.quote


def test_another_language_abstains():
    report = Report("r", "s", "i", "The implant used Telegram for C2.", language="de")
    assert find_services(report) == ()


@pytest.mark.parametrize(
    "sentence",
    [
        "The sample's C2 is at lab7.duckdns[.]org on port 6606.",
        "Stolen data of a Signal desktop message database went to the C2 server.",
        "OpenAI published a report about malware that uses models.",
        "The loader was served by compromised WordPress sites.",
        "The clipper replaces Bitcoin addresses and reports them to its C2 server.",
        "Rather than Telegram, the backdoor has a server of its own for commands.",
        "The indicators of this loader are [on Pastebin](https://pastebin.com/AbCd).",
        "The group's severity is Medium: a malware family with C2 servers.",
    ],
)
def test_names_that_stand_near_malware_are_no_abuse(sentence):
    assert role_of(sentence) == ""


def test_what_is_denied_is_told_with_that_stance():
    report = Report("r", "s", "i", "There is no sign that the implant used Dropbox for its C2.")
    found = set_stance(report, find_services(report))
    assert {m.stance for m in found} == {"negated"}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("It posts on X and in a Box folder.", ["twitter", "box"]),
        ("Box the evidence; Purple Teams gathered steam.", []),
        ("Confidence: Medium. A Medium article.", ["medium"]),
        ("rclone copied it to mega, not to C:\\ICQ\\Shared.", ["mega"]),
        (
            "A link [here](https://github.com/example/x) and hxxps://github[.]com/example.",
            ["github"],
        ),
    ],
)
def test_ordinary_words_are_services_only_where_they_are_meant(text, keys):
    assert [key for _, _, key in services_in(text)] == keys


def test_a_find_carries_its_rule_and_the_probability_of_the_model():
    text = (
        "Where to call home is what the implant learns from the biography on an Instagram account."
    )
    technique, service = find_services(Report("r", "s", "i", text))
    assert technique.rule.startswith("service-")
    assert 0.3 < technique.score < 1
    assert service.concept == "instagram"


@pytest.mark.parametrize("unit", ["The implant reads Slack and Pastebin for commands, ", "a.b.c. "])
def test_a_sentence_without_end_takes_no_time_out_of_proportion(unit):
    started = time.process_time()
    find_services(Report("r", "s", "i", unit * (200_000 // len(unit)), language="en"))
    assert time.process_time() - started < 10


@pytest.mark.data
def test_roles_of_the_knowledge_bases_own_examples():
    data = os.environ.get("CTIMINE_DATA")
    if not data:
        pytest.skip("CTIMINE_DATA is not set")
    path = Path(data) / "data" / "eval" / "procedures.jsonl.gz"
    right = total = 0
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            wanted = {t for t in row["techniques"] if t.startswith("T1102")}
            if wanted:
                total += 1
                right += role_of(row["text"]) in wanted
    assert total == 130
    assert right / total >= 0.92


SETS = Path(__file__).resolve().parents[2] / "corpora" / "services"
FLOORS = {
    # measured once when they were pinned; they can only rise. The model is trained on all of them:
    # what it finds of sentences that it has not seen stands in docs/extraction.md.
    "development.jsonl": ("fc1d3b4d2f2f862c", {"precision": 0.99, "recall": 0.99}),
    "unopened.jsonl": ("dd64281103088c58", {"precision": 0.99, "recall": 0.99}),
    "unopened_2.jsonl": (
        "ffcace5ef2d6a82a",
        {"precision": 0.99, "recall": 0.96, "role precision": 0.98, "role recall": 0.95},
    ),
    "unopened_3.jsonl": (
        "e5e81ea30bcfe646",
        {"precision": 0.99, "recall": 0.97, "role precision": 0.98, "role recall": 0.96},
    ),
    "unopened_4.jsonl": (  # its T1105 and T1608.001 are T1102 here: 21 roles that cannot agree
        "4fdae4f6247492d2",
        {"precision": 0.99, "recall": 0.95, "role precision": 0.88, "role recall": 0.85},
    ),
    "unopened_5.jsonl": (
        "ea09e206ee932f5a",
        {"precision": 0.98, "recall": 0.95, "role precision": 0.98, "role recall": 0.95},
    ),
}


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_the_sets_of_sentences_hold_their_floors(name):
    digest, floors = FLOORS[name]
    body = (SETS / name).read_bytes()
    assert hashlib.sha256(body).hexdigest().startswith(digest)
    script = runpy.run_path(str(SETS.parents[1] / "scripts" / "score_services.py"))
    scores = script["score"](body.decode().splitlines())
    assert {n: v for n, v in scores.items() if n in floors and v < floors[n]} == {}


def test_a_sentence_with_an_id_has_mapped_itself_and_tells_only_its_services():
    text = "The crew sent links to an archive on Dropbox"
    kinds = {m.kind for m in find_services(Report("r", "s", "i", text + ".", language="en"))}
    assert kinds == {"technique", "service"}
    written = find_services(Report("r", "s", "i", text + " (T1566.002).", language="en"))
    assert [(m.kind, m.concept) for m in written] == [("service", "dropbox")]


def test_what_only_the_next_sentence_says_is_found_with_both_as_the_quote():
    text = "The crew made an account at Trello. Its implant reads cards for commands and answers there."
    (technique, service) = find_services(Report("r", "s", "i", text + " Much rain fell."))
    assert (technique.concept, technique.quote) == ("T1102.002", text)
    assert (service.concept, service.quote) == ("trello", "Trello")


def test_the_next_sentence_settles_the_role_of_a_service_and_the_quote_stays_one_sentence():
    first = "The implant takes its commands from Discord."
    found = find_services(Report("r", "s", "i", f"{first} Nothing is ever sent back."))
    assert [(m.concept, m.quote) for m in found if m.kind == "technique"] == [("T1102.003", first)]
    assert role_of(first) == "T1102.002"


@pytest.mark.parametrize(
    ("sentence", "technique"),
    [
        (
            "The mails carried a link to an archive in Google Drive that held the loader.",
            "T1566.002",
        ),
        ("The Iran-linked group sent no mails and kept its loader in Google Drive.", "T1102"),
        ("A credential phishing page with a malicious script was hosted on Google Sites.", ""),
    ],
)
def test_a_link_in_a_mail_is_phishing_and_a_page_for_passwords_is_no_relay(sentence, technique):
    assert role_of(sentence) == technique


@pytest.mark.parametrize(
    ("sentence", "technique"),
    [
        ("A trojanised installer of Evernote came from a site that the crew owns.", ""),
        (
            "A Netlify function forwards the beacon's requests, so that the C2 address stays hidden.",
            "T1102",
        ),
        ("The implant's requests to Todoist could not be explained.", "T1102"),
        (
            "Push messages of OneSignal give the trojan its orders, and the answers are posted to "
            "an IP.",
            "T1102.003",
        ),
    ],
)
def test_relays_and_what_is_unclear_or_answered_elsewhere_are_told_apart(sentence, technique):
    assert role_of(sentence) == technique


def test_a_newspaper_of_a_services_name_is_no_service_that_is_abused():
    assert role_of("The Telegraph wrote about malware and its C2 servers.") == ""
    assert [k for _, _, k in services_in("It reads a Telegraph page.")] == ["telegraph"]
