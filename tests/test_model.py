"""The records that cross borders: JSON and back, keys that say what and where."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine import errors, model
from ctimine.errors import CtimineError, InputError

words = st.text(max_size=12)
offsets = st.integers(0, 10_000)
scores = st.floats(0, 1, allow_nan=False)

claims = st.builds(
    model.Claim,
    report=words,
    start=offsets,
    end=offsets,
    quote=words,
    subject=words,
    relation=st.sampled_from(["uses", "alias-of", "exploits"]),
    object=words,
    basis=st.sampled_from(["id", "name"]),
    stance=st.sampled_from(["reported", "negated"]),
    score=scores,
    subject_at=st.one_of(st.just(()), st.tuples(offsets, offsets)),
    via=words,
)
mentions = st.builds(
    model.Mention,
    report=words,
    start=offsets,
    end=offsets,
    quote=words,
    kind=st.sampled_from(["technique", "actor"]),
    concept=words,
    basis=st.sampled_from(["id", "name"]),
    candidates=st.lists(words, max_size=3).map(tuple),
)
blocks = st.builds(
    model.Block,
    kind=st.sampled_from(["heading", "paragraph", "table_cell"]),
    start=offsets,
    end=offsets,
    path=st.lists(words, max_size=3).map(tuple),
)
reports = st.builds(
    model.Report,
    id=words,
    source=words,
    item=words,
    text=words,
    blocks=st.lists(blocks, max_size=3).map(tuple),
    links=st.lists(st.builds(model.Link, offsets, offsets, words), max_size=2).map(tuple),
    facts=st.lists(st.builds(model.Fact, words, words, words), max_size=2).map(tuple),
)


@given(st.one_of(claims, mentions, reports))
def test_a_record_comes_back_equal_from_its_json(record):
    assert model.from_json(type(record), model.to_json(record)) == record


@given(claims)
def test_a_claims_key_does_not_depend_on_how_sure_it_is(claim):
    surer = dataclasses.replace(claim, score=1.0, rule="other", basis="name")
    assert surer.key == claim.key


def test_claims_about_different_things_have_different_keys():
    claim = model.Claim("r", 0, 1, "q", "G0001", "uses", "T1102", "id")
    others = [
        dataclasses.replace(claim, object="T1105"),
        dataclasses.replace(claim, subject="G0002"),
        dataclasses.replace(claim, report="s"),
        dataclasses.replace(claim, end=2),
        dataclasses.replace(claim, via="telegram"),
    ]
    assert len({claim.key, *(other.key for other in others)}) == len(others) + 1


def test_a_row_without_a_needed_field_is_named():
    with pytest.raises(InputError, match="Claim"):
        model.from_json(model.Claim, {"report": "r"})


def test_a_snapshot_has_no_json_form():
    with pytest.raises(InputError, match=r"a\.md"):
        model.to_json(model.Snapshot("s", "a.md", b""))


def error_types() -> list[type[CtimineError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, CtimineError)
    ]


@pytest.mark.parametrize("kind", error_types(), ids=lambda kind: kind.__name__)
def test_an_error_crosses_processes_whole_and_stands_in_the_tree(kind):
    error = pickle.loads(pickle.dumps(kind("no", subject="a.md")))
    assert (type(error), error.message, error.subject, str(error)) == (
        kind,
        "no",
        "a.md",
        "a.md: no",
    )
    assert kind.__name__ in (errors.__doc__ or "")
