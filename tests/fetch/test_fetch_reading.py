"""What this room hands over is what the next room reads: one report for each document."""

from __future__ import annotations

import json

import pytest
from fetch_internet import page
from test_fetch_feed import BLOG, LONG, item, rss
from test_fetch_kinds import IDS, taxii

from ctimine.model import Source
from ctimine.read import read


def test_items_of_one_feed_are_reports_of_their_own(internet, fetching):
    internet.at(
        BLOG.url,
        rss(item(1, LONG, pubDate="Tue, 05 Mar 2024 09:30:00 GMT"), item(2, LONG), item(3)),
    )
    internet.at(
        "https://blog.example/3", page("<html><body><h1>Third</h1><p>Text</p></body></html>")
    )
    reports = [read(snapshot, BLOG) for snapshot in fetching().fetch(BLOG)]
    assert {report.url for report in reports} == {f"https://blog.example/{n}" for n in (1, 2, 3)}
    assert len({report.id for report in reports}) == 3
    first = next(report for report in reports if report.url.endswith("/1"))
    assert first.title == "Report 1"
    assert first.published.startswith("2024-03-05")


def test_a_taxii_report_is_read_with_its_objects(internet, fetching):
    actor, technique = f"intrusion-set--{IDS[0]}", f"attack-pattern--{IDS[1]}"
    rows = [
        {"type": "report", "id": f"report--{IDS[2]}", "name": "Raven report", "description": "Silver Raven phished.",
         "published": "2024-03-05T00:00:00Z", "object_refs": [actor, technique]},
        {"type": "intrusion-set", "id": actor, "name": "Silver Raven"},
        {"type": "attack-pattern", "id": technique, "name": "Phishing"},
    ]  # fmt: skip
    taxii(internet, rows)
    source = Source("t", kind="taxii", url="https://taxii.example/taxii2/")
    (found,) = fetching().fetch(source)
    report = read(found, source)
    assert "Silver Raven phished." in report.text
    assert report.title == "Raven report"


def test_a_misp_event_is_read(internet, fetching):
    base = "https://misp.example/feed/"
    event = {
        "Event": {
            "uuid": IDS[0],
            "info": "Raven event",
            "date": "2024-03-05",
            "Attribute": [
                {
                    "type": "text",
                    "category": "External analysis",
                    "value": "Silver Raven used a web service.",
                }
            ],
        }
    }
    internet.at(
        base + "manifest.json",
        json.dumps({IDS[0]: {"info": "Raven event", "timestamp": "1"}}).encode(),
    )
    internet.at(f"{base}{IDS[0]}.json", json.dumps(event).encode())
    source = Source("m", kind="misp", url=base)
    (found,) = fetching().fetch(source)
    assert "Raven event" in (read(found, source).title + read(found, source).text)


@pytest.mark.parametrize("kind", ["text/html", "", "text/plain"])
def test_a_page_is_read_whatever_it_is_called(internet, fetching, kind):
    internet.at(
        "https://site.example/x",
        page("<html><body><p>Silver Raven.</p></body></html>", Content_Type=kind),
    )
    source = Source("p", kind="page", url="https://site.example/x")
    (found,) = fetching().fetch(source)
    assert read(found, source).url == "https://site.example/x"
