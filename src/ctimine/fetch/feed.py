"""The kind ``feed``: RSS, Atom, RDF and JSON Feed.

Which items are new is told by their ids, never by dates: feeds are edited, backdated and reordered.
Options: ``body`` (``auto``: the feed's content when it has the whole article, else the page;
``feed``; ``page``), ``pages`` (how many pages of a paged feed, RFC 5005), ``include`` and
``exclude`` (patterns for item addresses).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from ctimine.errors import InputError
from ctimine.fetch.client import Page
from ctimine.fetch.feeds import MAX_FEED, Feed, Item, read_feed
from ctimine.fetch.patterns import Patterns
from ctimine.fetch.visit import Visit, mark_of, page_key
from ctimine.model import Fact

WHOLE: Final = 1500
"""Characters of text from which on ``content:encoded`` counts as the article, if nothing says so.
Shorter ones are teasers as often as not."""
_TEASER: Final = re.compile(
    r"(?:\[(?:&hellip;|&#8230;|…|\.\.\.)\]|(?:&hellip;|&#8230;|…|\.\.\.)|"
    r"(?:read|continue reading|view|see)\s+(?:the\s+)?(?:more|full|rest|whole|complete)[^<]{0,60}|"
    r"continue reading[^<]{0,80})\s*(?:</[^>]{1,40}>\s*)*$",
    re.IGNORECASE,
)


async def fetch_feed(visit: Visit) -> None:
    """The articles of a feed that are new or changed."""
    await fetch_items(visit, visit.url, body=str(visit.options.get("body", "auto")))


async def fetch_items(
    visit: Visit, url: str, *, body: str, canonical: Callable[[str], str] = str
) -> None:
    """The articles of the feed at ``url``; ``canonical`` mends the addresses of items."""
    if body not in {"auto", "feed", "page"}:
        raise InputError(f"option 'body' is {body!r}, not auto, feed or page", subject=url)
    patterns = Patterns(visit.words("include"), visit.words("exclude"))
    notes: dict[str, str] = {}
    limit = min(MAX_FEED, visit.number("max_bytes", MAX_FEED))
    following = url
    for _ in range(visit.number("pages", 1)):
        page = await visit.get(following, max_bytes=limit)
        if page.unchanged:
            visit.not_modified()
            break  # what is older than an unchanged page is unchanged, too
        feed = read_feed(page.body, page.media_type, page.final_url)
        articles = _Articles(visit, feed, page, body)
        await visit.each(articles.work(patterns, canonical))
        notes[page_key(following)] = page.note
        following = feed.next
        if not following or page_key(following) in notes:
            break
    if visit.complete:
        # Only now: had the run ended before, a 304 would hide what was not fetched.
        visit.note(notes)


@dataclasses.dataclass(frozen=True, slots=True)
class _Articles:
    """The items of one page of a feed on their way to snapshots."""

    visit: Visit
    feed: Feed
    page: Page
    body: str

    def work(
        self, patterns: Patterns, canonical: Callable[[str], str]
    ) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        for item in self.feed.items:
            link = canonical(item.link)
            if link and not patterns.allow(link):
                self.visit.skip(link, "excluded")
                continue
            yield link or item.id, functools.partial(self.one, item, link)

    async def one(self, item: Item, link: str) -> None:
        text = item.content or item.summary
        mark = mark_of(item.title, item.published, item.updated, link, text)
        if self.visit.known(item.id, mark):
            return
        hints = self._hints(item, link)
        content = text if self.body == "feed" else item.content
        if content and (self.body == "feed" or (self.body == "auto" and is_whole(content))):
            found = self.visit.snapshot(
                # The article's address, not the feed's: that is where a person finds the text.
                dataclasses.replace(self.page, url=link, final_url=""),
                item.id,
                hints=hints,
                body=content.encode("utf-8", "replace"),
                media_type="text/html; charset=utf-8",
            )
            await self.visit.give(found, mark=mark)
        elif link:
            article = await self.visit.get(link, referrer=self.page.final_url)
            if article.unchanged:
                self.visit.not_modified()
                self.visit.note(self.visit.marked(item.id, mark))
                return
            await self.visit.give(
                self.visit.snapshot(article, item.id, hints=hints),
                mark=mark,
                notes={page_key(link): article.note},
            )
        else:
            self.visit.skip(item.id, "no address and no content")

    def _hints(self, item: Item, link: str) -> tuple[Fact, ...]:
        rows = (
            ("url", self.visit.web.hide(link)),
            ("title", item.title),
            ("published", item.published),
            ("modified", item.updated),
            ("language", self.feed.language),
            ("publisher", self.feed.title),
            *(("author", name) for name in item.authors),
        )
        return tuple(Fact(field, value, "feed") for field, value in rows if value)


def is_whole(content: str) -> bool:
    """Whether a feed's content is the article, as far as it can be told from itself.

    >>> is_whole("<p>Short</p> <a href='x'>Continue reading</a>"), is_whole("<p>word </p>" * 400)
    (False, True)
    """
    text = re.sub(r"<[^<>]{0,2000}>", " ", content)
    words = " ".join(text.split())
    return len(words) >= WHOLE and not _TEASER.search(content[-400:].rstrip())
