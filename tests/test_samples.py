"""The sample corpus against its gold: titles, dates, kinds, folding, stances and claims.

The floors can only rise: whoever raises the quality pins it here. The gold's digest is pinned with
them, so that a changed gold is a change that somebody looks at.
"""

from __future__ import annotations

import hashlib
import json
import re

import pytest

import ctimine
from ctimine.mine import sample_corpus

GOLD_FILE = sample_corpus().parent / "gold.json"
GOLD = json.loads(GOLD_FILE.read_text(encoding="utf-8"))
DOCUMENTS = GOLD["documents"]
GOLD_DIGEST = "c84289a2438dac4b"

FLOORS = {
    "claim precision": 0.95,
    "claim recall": 0.90,
    "stance accuracy": 0.95,
}


@pytest.fixture(scope="module")
def run():
    return ctimine.mine(workers=0)


@pytest.fixture(scope="module")
def by_item(run):
    return {report.item: report for report in run.reports}


def copies() -> set[str]:
    return {item for group in GOLD["folds"] for item in group[1:]}


def test_the_gold_is_the_one_that_the_floors_were_pinned_for():
    assert hashlib.sha256(GOLD_FILE.read_bytes()).hexdigest()[:16] == GOLD_DIGEST


def test_every_document_is_there_or_folded(run):
    states = {outcome.item: outcome.state for outcome in run.outcomes}
    assert set(DOCUMENTS) | copies() <= set(states)
    assert {item for item, state in states.items() if state == "folded"} == copies()
    assert not run.failed


@pytest.mark.parametrize("item", sorted(DOCUMENTS))
def test_kind_title_and_date_are_what_the_document_says(item, by_item):
    report, gold = by_item[item], DOCUMENTS[item]
    assert report.kind == gold["kind"]
    if "title" in gold:
        assert report.title == gold["title"]
    if "published" in gold:
        assert report.published[:10] == gold["published"]


def test_samples_say_that_they_are_samples_beside_the_text_only(by_item):
    for report in by_item.values():
        assert report.publisher == "ctimine samples", report.item
        assert "ctimine-sample" in report.labels
        assert "sample" not in report.text.lower()


def test_a_quote_is_the_text_at_its_offsets(run):
    texts = {report.id: report.text for report in run.reports}
    assert run.mentions
    assert run.claims
    for found in (*run.mentions, *run.claims):
        assert texts[found.report][found.start : found.end] == found.quote


def judged(run, by_item):
    """(right, wrong, missed) claims and (right, wrong) stances, each named for the message."""
    stances = {"right": [], "wrong": []}
    claims = {"right": [], "wrong": [], "missed": []}
    for item, gold in DOCUMENTS.items():
        report = by_item[item]
        for quote, number, stance in gold.get("mentions", []):
            exact = re.compile(re.escape(quote) + r"(?!\.?\d)")
            start, end = [match.span() for match in exact.finditer(report.text)][number - 1]
            found = {
                mention.stance
                for mention in run.mentions
                if mention.report == report.id
                and mention.kind == "technique"
                and mention.start < end
                and start < mention.end
            }
            verdict = "right" if found == {stance} else "wrong"
            stances[verdict].append((item, quote, number, stance, sorted(found)))
        wanted = {tuple(row) for row in gold["claims"]}
        made = {
            (claim.subject, claim.relation, claim.object, claim.stance)
            for claim in run.claims
            if claim.report == report.id
            and claim.relation in {"uses", "not-attributed-to"}
            and not claim.subject.startswith("S")
            and claim.object.startswith("T")
        } | {
            (claim.subject, claim.relation, claim.object, claim.stance)
            for claim in run.claims
            if claim.report == report.id and claim.relation == "alias-of"
        }
        # An alias statement that the gold does not list is no error; a use that it does not list is.
        claims["right"] += [(item, *row) for row in sorted(wanted & made)]
        claims["missed"] += [(item, *row) for row in sorted(wanted - made)]
        claims["wrong"] += [(item, *row) for row in sorted(made - wanted) if row[1] != "alias-of"]
    return stances, claims


def test_the_scores_hold_their_floors(run, by_item):
    stances, claims = judged(run, by_item)
    right = len(claims["right"])
    scores = {
        "claim precision": right / max(1, right + len(claims["wrong"])),
        "claim recall": right / max(1, right + len(claims["missed"])),
        "stance accuracy": len(stances["right"])
        / max(1, len(stances["right"]) + len(stances["wrong"])),
    }
    below = {name: scores[name] for name, floor in FLOORS.items() if scores[name] < floor}
    detail = json.dumps(
        {"wrong": claims["wrong"], "missed": claims["missed"], "stance": stances["wrong"]}, indent=1
    )
    assert not below, f"{below}\n{detail}"


@pytest.mark.parametrize(
    "item",
    [
        "guides/hunting-command-channels-in-web-services.md",
        "guides/tutorial-reading-a-report-with-attack.md",
        "exercises/operation-paper-harbour.md",
        "data/coverage-layer.json",
        "index.html",
        "REPORT-TEMPLATE.md",
        "README.md",
    ],
)
def test_guides_fiction_layers_and_lists_make_no_edge(item, run, by_item):
    evident = [
        (claim.subject, claim.object, claim.stance)
        for claim in run.claims
        if claim.report == by_item[item].id
        and claim.relation == "uses"
        and claim.stance in {"reported", "assessed"}
    ]
    assert evident == []


def test_hidden_text_and_boilerplate_make_no_mention(by_item):
    text = by_item["blog/gamaredon-messenger-resolvers.html"].text
    assert "T1486" not in text
    assert "Related posts" not in text
    assert "Follow us on Telegram" not in text


def test_ids_that_need_care_are_reported_and_never_emitted(run, by_item):
    report = by_item["notes/storm-9944-implant.txt"]
    problems = {
        mention.quote: mention.problem
        for mention in run.mentions
        if mention.report == report.id and mention.problem
    }
    assert {"T1043", "T1999.001"} <= set(problems)
    assert any(problem == "atlas-id" for problem in problems.values())
    bad = {"T1043", "T1999.001", "T0051"}
    assert not [claim for claim in run.claims if claim.object in bad]
