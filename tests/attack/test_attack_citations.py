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
        (
            "J. Doe 2019, August 27 Owls at Work Retrieved. 2019/11/19",
            "J. Doe",
            "2019-08-27",
            "Owls at Work",
        ),
        (
            "Doe, Roe 2011, February Owls (Version 2) Retrieved. 2017",
            "Doe, Roe",
            "2011-02",
            "Owls (Version 2)",
        ),
        ("Doe In 2019, owls woke Retrieved. 2020/01/02", "", "", "Doe In 2019, owls woke"),
        ("Doe. (2021, May 6). On Webs. Retrieved 6 June 2022", "Doe", "2021-05-06", "On Webs"),
        ("Doe. (2021, May 6). How We Retrieved Owls", "Doe", "2021-05-06", "How We Retrieved Owls"),
        ("Doe. (2021, Sept 31).  Webs.  Retrieved 2022", "Doe", "2021-09-31", "Webs"),
    ],
)
def test_a_citation_is_parsed(text, author, date, title):
    citation = parse_citation("N", text, "https://a.example")
    assert (citation.author, citation.date, citation.title) == (author, date, title)
    assert (citation.name, citation.url) == ("N", "https://a.example")
