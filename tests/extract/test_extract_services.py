"""Abused web services: every role by its own example, and what must not fool the detector."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import runpy
from pathlib import Path

import pytest

from ctimine.extract.services import find_services, judge_sentence, roles, services, services_in
from ctimine.model import Report


def role_of(sentence):
    judged = judge_sentence(sentence)
    return judged[0].technique if judged else ""


@pytest.mark.parametrize("role", roles(), ids=lambda role: role.name)
def test_a_role_finds_its_own_example(role):
    judged = judge_sentence(role.example)
    assert judged is not None
    assert judged[0].name == role.name


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
    assert right / total >= 0.80


SETS = Path(__file__).resolve().parents[2] / "corpora" / "services"
FLOORS = {
    # measured once when they were pinned; they can only rise
    "development.jsonl": ("fc1d3b4d2f2f862c", {"precision": 0.95, "recall": 0.88}),
    "unopened.jsonl": ("dd64281103088c58", {"precision": 0.88, "recall": 0.58}),
}


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_the_sets_of_sentences_hold_their_floors(name):
    digest, floors = FLOORS[name]
    body = (SETS / name).read_bytes()
    assert hashlib.sha256(body).hexdigest().startswith(digest)
    script = runpy.run_path(str(SETS.parents[1] / "scripts" / "score_services.py"))
    scores = script["score"](body.decode().splitlines())
    assert {n: v for n, v in scores.items() if n in floors and v < floors[n]} == {}
