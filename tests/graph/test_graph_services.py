"""Who uses which web service for what."""

from __future__ import annotations

import pytest

from ctimine import Claim, Report, build_graph, load_attack
from ctimine.extract import extract
from ctimine.graph import services_used, who_uses

ATTACK = load_attack()


def graph_of(*texts):
    results = []
    for number, text in enumerate(texts):
        report = Report(f"r{number}", f"publisher {number}", f"{number}.md", text, language="en")
        mentions, claims = extract(report, ATTACK, behaviours=None)
        results.append((report, mentions, claims))
    return build_graph(results, ATTACK, cited=False)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            "APT29 used the Trello API for command and control of its backdoor.",
            ("Trello", "APT29", "T1102.002", "orders and answers"),
        ),
        (
            "Turla read the address of its C2 server from a Pastebin note.",
            ("Pastebin", "Turla", "T1102.001", "dead drop: where the server is"),
        ),
        (
            "FIN7 exfiltrated the stolen documents to a MEGA account with rclone.",
            ("Mega", "FIN7", "T1567.002", "stolen data, cloud storage"),
        ),
    ],
)
def test_a_sentence_says_who_uses_which_service_for_what(text, row):
    uses = services_used(graph_of(text))
    service, *rest = row
    assert [(use.name, use.technique, use.role) for use in uses] == [tuple(rest)]
    assert uses[0].service_name.casefold() == service.casefold()
    assert uses[0].claims[0].quote in text


def test_two_publishers_make_one_row_with_more_weight():
    one = services_used(graph_of("APT29 used Slack for command and control of its implant."))
    two = services_used(
        graph_of(
            "APT29 used Slack for command and control of its implant.",
            "APT29 relied on the Slack API for command and control of a new backdoor.",
        )
    )
    assert len(one) == len(two) == 1
    assert len(two[0].reports) == 2
    assert two[0].score > one[0].score


def test_each_service_of_a_sentence_has_its_row():
    uses = services_used(graph_of("Turla used OneDrive and Dropbox for command and control."))
    assert [use.service for use in uses] == ["dropbox", "onedrive"]


def test_what_is_denied_and_what_everybody_does_is_no_use():
    assert services_used(graph_of("APT29 did not use Slack for command and control.")) == ()
    assert services_used(graph_of("APT29 is described on Twitter. Follow us on Telegram.")) == ()


@pytest.mark.parametrize("ask", [services_used, lambda g, **how: who_uses(g, "T1102", **how)])
def test_whatever_stance_is_asked_for_a_guide_is_no_evidence(ask):
    for kind, rows in (("guide", 0), ("report", 1)):
        report = Report("r", "p", "a.md", "Look for Turla on Slack.", kind=kind)
        claim = Claim(
            "r", 0, 24, report.text, "G0010", "uses", "T1102", "id", "recommended", via="slack"
        )
        graph = build_graph([(report, [], [claim])], ATTACK, cited=False)
        assert len(ask(graph, stances=("recommended",))) == rows


def test_one_technique_can_be_asked_for_and_software_is_no_service():
    report = Report("r", "p", "a.md", "APT29 used it.")
    claims = [
        Claim("r", 0, 14, report.text, "G0016", "uses", "T1102.002", "id", via="slack"),
        Claim("r", 0, 14, report.text, "G0016", "uses", "T1567.002", "id", via="dropbox"),
        Claim("r", 0, 14, report.text, "G0016", "uses", "T1059.001", "id", via="S0154"),
    ]
    graph = build_graph([(report, [], claims)], ATTACK, cited=False)
    assert [use.service for use in services_used(graph)] == ["dropbox", "slack"]
    assert [use.service for use in services_used(graph, technique="T1102")] == ["slack"]


def test_a_service_of_another_technique_in_the_sentence_is_none_of_this_one():
    text = (
        "APT29 sent links to an archive on Dropbox (T1566.002) and used the Telegram Bot API for its "
        "commands (T1102.002)."
    )
    rows = {(use.service, use.technique) for use in services_used(graph_of(text))}
    assert rows == {("dropbox", "T1566.002"), ("telegram", "T1102.002")}
