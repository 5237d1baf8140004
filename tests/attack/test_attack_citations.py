"""Citations from their one string: author, date as far as stated, title; never the retrieval."""

from __future__ import annotations

import pytest

from ctimine.attack import parse_citation


@pytest.mark.parametrize(
    ("text", "author", "date", "title"),
    [
        (
            "Doe, J. (2021, May 6). On Webs. Retrieved June 1, 2022.",
            "Doe, J",
            "2021-05-06",
            "On Webs",
        ),
        ("Doe. (2021, May). On Webs. Retrieved June 1, 2022.", "Doe", "2021-05", "On Webs"),
        ("Doe. (2021). On Webs. Retrieved June 1, 2022.", "Doe", "2021", "On Webs"),
        ("Doe. (n.d.). On Webs. Retrieved June 1, 2022.", "Doe", "", "On Webs"),
        ("Doe. (2021, 6 May). On (Dark) Webs.", "Doe", "2021-05-06", "On (Dark) Webs"),
        ("On Webs. Retrieved June 1, 2022.", "", "", "On Webs"),
        ("", "", "", ""),
        ("Doe. (2021, Sept 31).  Webs.  Retrieved 2022", "Doe", "2021-09-31", "Webs"),
    ],
)
def test_a_citation_is_parsed(text, author, date, title):
    citation = parse_citation("N", text, "https://a.example")
    assert (citation.author, citation.date, citation.title) == (author, date, title)
    assert (citation.name, citation.url) == ("N", "https://a.example")
