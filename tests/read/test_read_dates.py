"""Dates as documents write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctimine.read.dates import parse_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-05-06", "2024-05-06"),
        ("2024-5-6", "2024-05-06"),
        ("2024/05/06", "2024-05-06"),
        ("20240506", "2024-05-06"),
        ("2024-05-06T10:00:00Z", "2024-05-06T10:00:00Z"),
        ("2024-05-06T10:00:00.123+02:00", "2024-05-06T08:00:00Z"),
        ("2024-05-06 01:00:00 +0200", "2024-05-05T23:00:00Z"),
        ("2024-05-06T10:00:00", "2024-05-06"),
        ("Mon, 06 May 2024 10:00:00 GMT", "2024-05-06T10:00:00Z"),
        ("6 May 2024", "2024-05-06"),
        ("6th of May, 2024", "2024-05-06"),
        ("May 6, 2024", "2024-05-06"),
        ("Sept. 6th 2024", "2024-09-06"),
        ("06-May-2024", "2024-05-06"),
        ("6. Mai 2024", "2024-05-06"),
        ("06.05.2024", "2024-05-06"),
        ("25/12/2024", "2024-12-25"),
        ("12/25/2024", "2024-12-25"),
        ("05/05/2024", "2024-05-05"),
        ("6 мая 2024 г.", "2024-05-06"),
        ("le 6 août 2024", "2024-08-06"),
        ("6 de mayo de 2024", "2024-05-06"),
        ("2024年5月6日", "2024-05-06"),
        ("03/04/2024", ""),
        ("2024-02-31", ""),
        ("2024-13-01", ""),
        ("version 1.2.2024.5", ""),
        ("in 2024", ""),
        ("10.0.0.1", ""),
        ("", ""),
    ],
)
def test_dates(text, date):
    assert parse_date(text) == date


def test_a_month_counts_as_its_first_day_only_where_asked():
    assert parse_date("May 2024") == ""
    assert parse_date("May 2024", months=True) == "2024-05-01"
    assert parse_date("2024-05", months=True) == "2024-05-01"


def test_the_first_date_counts():
    assert parse_date("May 6, 2024 (updated 2024-06-01)") == "2024-05-06"


@given(st.text(alphabet="0123456789-/.T:Z+ aMyprilJun", max_size=40))
def test_any_text_gives_a_date_or_none(text):
    assert len(parse_date(text, months=True)) in {0, 10, 20}
