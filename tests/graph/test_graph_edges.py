"""Claims, reports and concepts as flat attributes, and back without loss."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from ctimine.attack import load_attack
from ctimine.graph.edges import (
    claim_attributes,
    concept_attributes,
    report_attributes,
    to_claim,
    to_concept,
    to_report,
)
from ctimine.model import Claim, Fact, Report

ANY = st.text(st.characters(codec=None), max_size=30)
OFFSETS = st.lists(st.integers(0, 10**6), max_size=3).map(tuple)

CLAIMS = st.builds(
    Claim,
    report=ANY,
    start=st.integers(0, 10**6),
    end=st.integers(0, 10**6),
    quote=ANY,
    subject=ANY,
    relation=st.just("uses"),
    object=ANY,
    basis=st.just("id"),
    stance=st.sampled_from(["reported", "negated"]),
    rule=ANY,
    score=st.floats(0, 1),
    subject_name=ANY,
    object_name=ANY,
    subject_at=OFFSETS,
    object_at=OFFSETS,
    via=ANY,
    time=ANY,
    said_by=ANY,
)


@given(CLAIMS)
def test_a_claim_comes_back_equal_whatever_its_text_holds(claim):
    attributes = claim_attributes(claim)
    assert to_claim(attributes) == claim
    assert to_claim(attributes).key == claim.key


@given(CLAIMS)
def test_attributes_are_scalars_that_xml_can_hold(claim):
    for value in claim_attributes(claim).values():
        assert type(value) in {str, int, float, bool}
        if isinstance(value, str):
            assert value
            assert not any(ord(c) < 32 and c not in "\t\n" for c in value)


def test_a_report_comes_back_without_its_text_only():
    report = Report(
        "r1",
        "desk",
        "a.md",
        "text",
        url="https://a.example/",
        places=("a.md", "b.md"),
        title="A title",
        authors=("A. Author",),
        kind="mapping",
        labels=("x",),
        facts=(Fact("title", "A title", "front matter"),),
    )
    attributes = report_attributes(report)
    assert to_report("report:r1", attributes) == dataclasses.replace(report, text="")
    assert attributes["kind"] == "report"


def test_a_concept_comes_back_equal():
    attack = load_attack()
    for concept_id in ("G0069", "T1102.002", "S0154", "C0001"):
        concept = attack[concept_id]
        assert to_concept(concept_id, concept_attributes(concept)) == concept
