"""Feeds: which items are new, and where their text comes from."""

from __future__ import annotations

import pytest
from fetch_internet import Reply, page

from ctimine.archive import Archive
from ctimine.model import Source

LONG = "<p>" + "The group sent a document to the ministry. " * 60 + "</p>"


def rss(*items, **channel):
    rows = "".join(f"<item>{item}</item>" for item in items)
    extra = "".join(f"<{name}>{value}</{name}>" for name, value in channel.items())
    return (
        '<?xml version="1.0"?><rss version="2.0" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/">'
        f"<channel><title>Blog</title>{extra}{rows}</channel></rss>"
    )


def item(number, content="", **fields):
    more = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    whole = f"<content:encoded><![CDATA[{content}]]></content:encoded>" if content else ""
    return (
        f"<title>Report {number}</title><guid>id-{number}</guid>"
        f"<link>https://blog.example/{number}</link>{whole}{more}"
    )


BLOG = Source("blog", kind="feed", url="https://blog.example/feed")


def test_whole_content_is_taken_from_the_feed_and_no_page_is_asked_for(internet, fetching):
    internet.at(BLOG.url, rss(item(1, LONG)))
    (found,) = fetching().fetch(BLOG)
    assert found.body.decode() == LONG
    assert not internet.asked("blog.example/1")
    assert found.url == "https://blog.example/1"


def test_a_teaser_leads_to_the_article_page(internet, fetching):
    internet.at(BLOG.url, rss(item(1, "<p>Short</p>", pubDate="Tue, 05 Mar 2024 09:30:00 GMT")))
    internet.at("https://blog.example/1", page("<h1>Whole</h1>"))
    (found,) = fetching().fetch(BLOG)
    assert found.body == b"<h1>Whole</h1>"
    hints = {fact.field: fact.value for fact in found.hints}
    assert hints["title"] == "Report 1"
    assert hints["published"] == "2024-03-05T09:30:00Z"


def test_the_second_run_over_an_unchanged_feed_fetches_no_body(internet, fetching, tmp_path):
    internet.at(BLOG.url, Reply(rss(item(1), item(2, LONG)).encode(), headers={"ETag": '"a"'}))
    internet.at("https://blog.example/1", page("<p>x</p>"))
    with Archive(tmp_path / "a") as archive:
        assert len(list(fetching(archive).fetch(BLOG))) == 2
        again = fetching(archive)
        assert list(again.fetch(BLOG)) == []
        assert again._web.bodies == 0
        assert again.account.not_modified == 1


def test_only_new_items_of_a_changed_feed_are_fetched(internet, fetching, tmp_path):
    internet.host("blog.example", page("<p>x</p>"))
    internet.at(BLOG.url, rss(item(1)))
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(BLOG))
        internet.at(BLOG.url, rss(item(2), item(1)))
        assert [found.item for found in fetching(archive).fetch(BLOG)] == ["id-2"]


def test_a_backdated_item_is_found_because_ids_are_the_cursor(internet, fetching, tmp_path):
    internet.host("blog.example", page("<p>x</p>"))
    internet.at(BLOG.url, rss(item(1, pubDate="Tue, 05 Mar 2024 09:30:00 GMT")))
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(BLOG))
        old = item(7, pubDate="Tue, 05 Mar 2019 09:30:00 GMT")
        internet.at(BLOG.url, rss(item(1, pubDate="Tue, 05 Mar 2024 09:30:00 GMT"), old))
        assert [found.item for found in fetching(archive).fetch(BLOG)] == ["id-7"]


def test_an_item_that_failed_is_asked_for_again_although_the_feed_is_unchanged(
    internet, fetching, tmp_path
):
    internet.at(BLOG.url, Reply(rss(item(1)).encode(), headers={"ETag": '"a"'}))
    internet.at("https://blog.example/1", Reply(b"", 500))
    with Archive(tmp_path / "a") as archive:
        first = fetching(archive)
        assert list(first.fetch(BLOG)) == []
        assert dict(first.account.failed) == {"HTTP 500": 1}
        internet.at("https://blog.example/1", page("<p>x</p>"))
        assert [found.item for found in fetching(archive).fetch(BLOG)] == ["id-1"]


def test_an_edited_item_is_a_new_version_of_the_same_document(internet, fetching, tmp_path):
    internet.at(BLOG.url, rss(item(1, LONG)))
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(BLOG))
        internet.at(BLOG.url, rss(item(1, LONG + "<p>Update</p>")))
        assert len(list(fetching(archive).fetch(BLOG))) == 1
        assert archive.count() == 1
        assert len(archive.versions("blog", "id-1")) == 2


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        (
            '<feed xmlns="http://www.w3.org/2005/Atom"><title>B</title><entry><id>id-1</id>'
            '<title>Report 1</title><link href="https://blog.example/1"/></entry></feed>',
            "application/atom+xml",
        ),
        (
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
            '<item rdf:about="id-1"><title>Report 1</title><link>https://blog.example/1</link></item></rdf:RDF>',
            "application/rdf+xml",
        ),
        (
            '{"version":"https://jsonfeed.org/version/1.1","title":"B","items":[{"id":"id-1",'
            '"title":"Report 1","url":"https://blog.example/1"}]}',
            "application/feed+json",
        ),
    ],
    ids=["atom", "rdf", "json"],
)
def test_each_format_gives_the_same_item(internet, fetching, document, media_type):
    internet.at(BLOG.url, Reply(document.encode(), headers={"Content-Type": media_type}))
    internet.at("https://blog.example/1", page("<p>x</p>"))
    (found,) = fetching().fetch(BLOG)
    assert found.item == "id-1"
    assert ("title", "Report 1") in {(fact.field, fact.value) for fact in found.hints}


def test_an_html_page_is_named_as_no_feed(internet, fetching):
    internet.at(BLOG.url, page("<!doctype html><html><p>moved</p></html>"))
    fetcher = fetching()
    assert list(fetcher.fetch(BLOG)) == []
    assert dict(fetcher.account.failed) == {"broken source": 1}


def test_what_looks_like_a_reference_to_a_character_stays_in_json(internet, fetching):
    internet.at(
        BLOG.url,
        '{"items":[{"id":"1","url":"https://blog.example/?n=1&copy=2","title":"R&D &amp; more",'
        f'"content_html":"{LONG}A&nbsp;B"}}]}}',
    )
    (found,) = fetching().fetch(BLOG)
    assert found.url == "https://blog.example/?n=1&copy=2"
    assert {fact.value for fact in found.hints if fact.field == "title"} == {"R&D &amp; more"}
    assert found.body.decode() == LONG + "A&nbsp;B"


def test_an_unchanged_second_page_does_not_hide_what_is_known_of_the_first(
    internet, fetching, tmp_path
):
    def first(*items):
        link = '<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="next" href="/feed?2"/>'
        return rss(*items).replace("<title>Blog", link + "<title>Blog")

    paged = Source("blog", kind="feed", url=BLOG.url, options=(("pages", 3),))
    internet.at(f"{BLOG.url}?2", Reply(rss(item(1, LONG)).encode(), headers={"ETag": '"old"'}))
    internet.at(BLOG.url, Reply(first(item(2, LONG)).encode(), headers={"ETag": '"a"'}))
    with Archive(tmp_path / "a") as archive:
        assert len(list(fetching(archive).fetch(paged))) == 2
        newer = first(item(3, LONG), item(2, LONG))
        internet.at(BLOG.url, Reply(newer.encode(), headers={"ETag": '"b"'}))
        assert [found.item for found in fetching(archive).fetch(paged)] == ["id-3"]
        third = fetching(archive)
        assert list(third.fetch(paged)) == []
        assert third._web.bodies == 0  # the first page is asked for by its newest validator


def test_what_is_empty_or_no_date_hides_nothing_that_comes_after(internet, fetching):
    row = (
        '<title/><guid/><link/><pubDate>last week</pubDate><description/><atom:link href="/1" '
        'xmlns:atom="http://www.w3.org/2005/Atom"/><guid>id-1</guid><title>Report 1</title>'
        f"<date>2024-03-05</date><content:encoded/><description><![CDATA[{LONG}]]></description>"
    )
    internet.at(BLOG.url, rss(row))
    whole = Source("blog", kind="feed", url=BLOG.url, options=(("body", "feed"),))
    (found,) = fetching().fetch(whole)
    assert (found.item, found.url) == ("id-1", "https://blog.example/1")
    assert found.body.decode() == LONG
    hints = {fact.field: fact.value for fact in found.hints}
    assert (hints["title"], hints["published"]) == ("Report 1", "2024-03-05")
