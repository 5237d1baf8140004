"""What must hold on a corpus of real reports, which is not part of this repository.

Set ``CTIMINE_DATA`` to the folder that holds ``corpora/1200km``; without it these tests skip. They
name files and ids, never sentences.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import ctimine
from ctimine.model import EVIDENT

pytestmark = pytest.mark.data

DATA = os.environ.get("CTIMINE_DATA")
CORPUS = Path(DATA or ".") / "corpora" / "1200km"

WRITTEN_ID = re.compile(r"(?<![A-Za-z0-9.\-])T1\d{3}(?:[./]\d{3})?(?![0-9])")
SECTION_TITLE = re.compile(
    r"^(\d+[.)]?\s+)?(executive summary|summary|introduction|overview|table of contents|contents|"
    r"report metadata|background|key findings|tl;?dr|disclaimer|references)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def run():
    if not DATA or not CORPUS.is_dir():
        pytest.skip("CTIMINE_DATA names no folder with corpora/1200km")
    return ctimine.mine(CORPUS)


@pytest.fixture(scope="module")
def texts(run):
    return {report.id: report for report in run.reports}


def evident_uses(run):
    return [c for c in run.claims if c.relation == "uses" and c.stance in EVIDENT]


def test_every_document_was_read(run):
    assert [(outcome.item, outcome.detail) for outcome in run.failed] == []


def test_every_quote_is_the_text_at_its_offsets(run, texts):
    assert len(run.mentions) > 1000
    assert len(run.claims) > 100
    for found in (*run.mentions, *run.claims):
        assert texts[found.report].text[found.start : found.end] == found.quote


def test_every_written_technique_id_is_found(run, texts):
    """A plain search over each report's own text: no id that it finds may be missed."""
    places: dict[str, list[tuple[int, int]]] = {}
    for mention in run.mentions:
        if mention.kind == "technique" and mention.basis in {"id", "mapping"}:
            places.setdefault(mention.report, []).append((mention.start, mention.end))
    missed = []
    for report in texts.values():
        spans = places.get(report.id, [])
        missed += [
            (report.item, match.start(), match.group())
            for match in WRITTEN_ID.finditer(report.text)
            if not any(start < match.end() and match.start() < end for start, end in spans)
        ]
    assert missed == []


def test_every_id_of_a_markdown_or_csv_file_reaches_the_run(run):
    """The same search over the bytes of the files, before any reading."""
    found = {
        part
        for mention in run.mentions
        if mention.kind == "technique"
        for part in (mention.concept, mention.quote.replace("/", ".").upper())
    }
    written: dict[str, set[str]] = {}
    for path in sorted([*CORPUS.rglob("*.md"), *CORPUS.rglob("*.csv")]):
        if path.parent == CORPUS:
            continue
        for match in WRITTEN_ID.finditer(path.read_text(encoding="utf-8")):
            written.setdefault(match.group().replace("/", "."), set()).add(path.name)
    missed = {technique: files for technique, files in written.items() if technique not in found}
    assert missed == {}


def test_copies_are_folded(run):
    folded = {outcome.item for outcome in run.outcomes if outcome.state == "folded"}
    families = [
        [
            "cti/CTI_MuddyWater_Seedworm_Research.md",
            "cti/muddywater-seedworm/cti-research-muddywater-seedworm.md",
            "cti/muddywater-seedworm/cti-research-muddywater-seedworm.html",
        ],
        [
            "cti/CTI_Handala_Hack_Group_Research.md",
            "cti/handala-hack-group/cti-research-handala-hack-group.md",
            "cti/handala-hack-group/cti-research-handala-hack-group.html",
        ],
        [
            "cti/ATT&CK/README.md",
            "cti/ATT&CK/attck-as-a-working-tool.html",
            "cti/ATT&CK/attck-as-a-working-tool.pdf",
        ],
        ["cti/AI_PT/cti-llm-ai-mcp-killchain.md", "cti/CTI_LLM_AI_MCP_KillChain_Research.md"],
    ]
    for family in families:
        assert len(set(family) - folded) == 1, family
    # Two reports on one group, and two files of indicators, are no copies of each other.
    apart = [
        "israel/docs/reports/muddywater-deep-research.md",
        "israel/docs/actors/muddywater.md",
        "cti/muddywater-seedworm/IOCs.md",
        "cti/sandworm-apt44/IOCs.md",
    ]
    assert not folded & set(apart)


def test_no_report_is_titled_by_a_section(run):
    reports = [r for r in run.reports if r.kind in {"report", "mapping"}]
    assert [r.item for r in reports if SECTION_TITLE.match(r.title) or not r.title] == []


def test_what_is_no_report_makes_no_edge(run, texts):
    no_report = re.compile(
        r"(^|/)(template|threat-matrix|cyber-knowledge|threatmapper)|404|search\.html|"
        r"ai-security-course|tools-by-mitre|ATT&CK/|CTI-To-Detection|Anomaly_activity|"
        r"CTI_Advanced_Persistent_Threat_Research|(^|/)(about|privacy)\.html"
    )
    bad = [
        (texts[claim.report].item, claim.subject, claim.object, claim.rule)
        for claim in evident_uses(run)
        if no_report.search(texts[claim.report].item)
        and not texts[claim.report].item.startswith("cti/CTI_Advanced")
    ]
    assert bad == []


def test_a_denied_alias_carries_no_use_over(run, texts):
    """One report lists APT34/OilRig among an actor's names and says that this is an error."""
    bad = [
        (claim.start, claim.object, claim.rule)
        for claim in evident_uses(run)
        if claim.subject == "G0049" and "muddywater-seedworm" in texts[claim.report].item.lower()
    ]
    assert bad == []


MAPPING_TABLES = {
    # item (any of its folded names) → actor; the ids are read from the section's own rows
    "muddywater": ("G0069", re.compile(r"appendix .*att&ck mapping", re.IGNORECASE)),
    "sandworm": ("G0034", re.compile(r"att&ck", re.IGNORECASE)),
    "handala": ("G1055", re.compile(r"att&ck", re.IGNORECASE)),
}


def test_an_actors_own_mapping_table_becomes_edges(run):
    """At least nine in ten ids in mapping tables of the one-actor reports are edges of it."""
    total = kept = 0
    missing = []
    for report in run.reports:
        entry = next(
            (
                value
                for word, value in MAPPING_TABLES.items()
                if any(word in place.lower() for place in (report.item, *report.places))
                and "ioc" not in report.item.lower()
                and report.item.startswith("cti/")
            ),
            None,
        )
        if entry is None or report.kind != "report":
            continue
        if any(fact.field == "copy-of" for fact in report.facts):
            continue  # it holds only what its original does not say
        actor, section = entry
        ids = {
            match.group().replace("/", ".")
            for block in report.blocks
            if block.kind in {"table_cell", "list_item"}
            and any(section.search(heading) for heading in block.path)
            and not any(re.search("detect|hunt", heading, re.IGNORECASE) for heading in block.path)
            for match in WRITTEN_ID.finditer(report.text[block.start : block.end])
        }
        edges = {
            c.object for c in evident_uses(run) if c.report == report.id and c.subject == actor
        }
        total += len(ids)
        kept += len(ids & edges)
        missing += [(report.item, technique) for technique in sorted(ids - edges)]
    assert total > 0
    assert kept / total >= 0.9, missing
