"""The kind ``site``: a sitemap, an index page with its further pages, or a bounded crawl.

- A sitemap (or index of sitemaps) at the source's address, or the ones that the site declares.
- With the option ``links`` (patterns), the address is an index page: links that match are reports,
  those that match ``next`` (or say ``rel=next``) lead to further index pages.
- With ``crawl = true``, links are followed within the host, or within the patterns ``within``.

``include`` and ``exclude`` choose among the addresses; ``max_pages`` bounds the requests of one
run (500), ``depth`` a crawl's (5). What the bound leaves out comes first in the next run.
"""

from __future__ import annotations

import collections
import functools
import json
from typing import Final
from urllib.parse import urljoin, urlsplit

from ctimine.errors import BrokenSource, FetchError
from ctimine.fetch.addresses import host_of
from ctimine.fetch.links import Walk, is_page, links_of, one_form
from ctimine.fetch.patterns import Patterns
from ctimine.fetch.sitemaps import Place, read_sitemap
from ctimine.fetch.visit import Visit, item_key, mark_of, page_key
from ctimine.model import Fact

MAX_PAGES: Final = 500
MAX_MAPS: Final = 100
MAX_STALE: Final = 25
"""Pages in a row without anything new, after which a crawl ends."""


async def fetch_site(visit: Visit) -> None:
    """The pages of a site that are new or changed."""
    if visit.options.get("crawl"):
        await _crawl(visit)
    elif visit.words("links"):
        await _index(visit)
    else:
        await _sitemap(visit)


class _Budget:
    """Requests that are left for one run."""

    def __init__(self, visit: Visit) -> None:
        self.left = visit.number("max_pages", MAX_PAGES)

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


# -- sitemaps --------------------------------------------------------------------------------------


async def _sitemap(visit: Visit) -> None:
    budget = _Budget(visit)
    patterns = Patterns(visit.words("include"), visit.words("exclude"))
    places: dict[str, Place] = {}
    notes: dict[str, str] = {}
    waiting = collections.deque(await _declared(visit))
    asked: set[str] = set()
    declared_alone = len(waiting) == 1
    while waiting and len(asked) < MAX_MAPS and budget.take():
        at = waiting.popleft()
        if at in asked:
            continue
        asked.add(at)
        try:
            page = await visit.get(at)
            if page.unchanged:
                visit.not_modified()
                continue
            found = read_sitemap(page.body, page.media_type, page.final_url)
        except FetchError as error:
            if declared_alone and not places and not waiting:
                raise
            visit.fail(at, error)
            continue
        for place in found.pages:
            # A sitemap speaks for its own site (sitemaps.org): nobody else's pages come in by it.
            if host_of(place.url) == host_of(page.final_url) or patterns:
                places.setdefault(place.url, place)
        waiting.extend(place.url for place in found.maps)
        if not found.maps:
            # An index is asked for each time: its children change without it.
            notes[page_key(at)] = page.note
    if waiting:
        visit.skip(visit.url, "sitemap limit", f"{len(waiting)} sitemaps were not read")
    cut = await _pages(visit, places, patterns, budget)
    if visit.complete and not cut and not waiting:
        visit.note(notes)


async def _declared(visit: Visit) -> list[str]:
    """Where the sitemaps are: here, where robots.txt says, or at the usual place."""
    path = urlsplit(visit.url).path.lower()
    if path.endswith((".xml", ".xml.gz", ".txt", ".gz")) or "sitemap" in path:
        return [visit.url]
    robots = await visit.robots(visit.url)
    return list(robots.sitemaps) or [urljoin(visit.url, "/sitemap.xml")]


async def _pages(
    visit: Visit, places: dict[str, Place], patterns: Patterns, budget: _Budget
) -> bool:
    """Fetch what is new or changed among ``places``; whether the bound cut some off."""
    wanted = []
    for place in places.values():
        if not patterns.allow(place.url):
            visit.skip(place.url, "excluded")
            continue
        if place.modified and visit.known(place.url, mark_of("sitemap", place.modified)):
            continue
        wanted.append(place)
    # New ones first: otherwise looking at the known ones again would use up the bound.
    wanted.sort(key=lambda place: bool(visit.recall(item_key(place.url))))
    now, later = wanted[: max(0, budget.left)], wanted[max(0, budget.left) :]
    budget.left -= len(now)
    if later:
        visit.skip(visit.url, "page limit", f"{len(later)} pages are left for the next run")
    await visit.each((place.url, functools.partial(_one, visit, place)) for place in now)
    return bool(later)


async def _one(visit: Visit, place: Place) -> None:
    page = await visit.get(place.url)
    mark = mark_of("sitemap", place.modified) if place.modified else ""
    if page.unchanged:
        visit.not_modified()
        if mark:
            visit.note(visit.marked(place.url, mark))
        return
    hints = (Fact("modified", place.modified, "sitemap"),) if place.modified else ()
    await visit.give(
        visit.snapshot(page, place.url, hints=hints),
        mark=mark,
        notes={page_key(place.url): page.note},
    )


# -- index pages -----------------------------------------------------------------------------------


async def _index(visit: Visit) -> None:
    budget = _Budget(visit)
    articles = Patterns(visit.words("links"), visit.words("exclude"))
    further = Patterns(visit.words("next"))
    before = visit.recall("index") == "complete"
    places: dict[str, Place] = {}
    waiting = collections.deque([visit.url])
    asked: set[str] = set()
    notes = {"index": "complete"}
    cut = False
    while waiting:
        at = waiting.popleft()
        if at in asked:
            continue
        if not budget.take():
            cut = True
            break
        asked.add(at)
        # Only the first page may answer "unchanged": further ones are asked for their links.
        first = not places and at == visit.url
        page = await visit.get(at, conditional=before and first)
        if page.unchanged:
            visit.not_modified()
            return
        if first:
            notes[page_key(at)] = page.note
        links = [link for link in links_of(page.body, page.final_url) if is_page(link.url)]
        new = [link.url for link in links if link.url not in places and articles.allow(link.url)]
        places.update((url, Place(url)) for url in new)
        if not new:
            continue  # a further page without a further report: the end, or a list without one
        if before and all(visit.recall(item_key(url)) for url in new):
            continue  # from here on, everything was there in the last run
        host = host_of(page.final_url)
        waiting.extend(
            link.url
            for link in links
            if (link.next or (further and further.allow(link.url))) and host_of(link.url) == host
        )
    if not places:
        raise BrokenSource("no link of the index page matches", subject=visit.url)
    cut = await _pages(visit, places, Patterns(), budget) or cut
    if visit.complete and not cut:
        visit.note(notes)


# -- crawling --------------------------------------------------------------------------------------


async def _crawl(visit: Visit) -> None:
    budget = _Budget(visit)
    budget.take()  # robots.txt is a request, too
    patterns = Patterns(visit.words("include"), visit.words("exclude"))
    within = Patterns(visit.words("within"), visit.words("exclude"))
    walk = Walk()
    start = one_form(visit.url)
    host = host_of(start)
    waiting = collections.deque([(start, 0)])
    seen = {start}
    depth = visit.number("depth", 5)
    while waiting:
        at, level = waiting.popleft()
        reason = walk.reason(at)
        if reason:
            visit.skip(at, "crawler trap", reason)
            continue
        if not budget.take():
            visit.skip(at, "page limit", f"{len(waiting) + 1} pages were not visited")
            break
        try:
            page = await visit.get(at)
        except FetchError as error:
            if level == 0:
                raise
            visit.fail(at, error)
            continue
        if host_of(page.final_url) != host:
            visit.skip(at, "leads elsewhere")
            continue
        if page.unchanged:
            visit.not_modified()
            links = _recalled(visit, at)
        elif not walk.is_new(page.body, page.final_url):
            visit.skip(at, "the same page again")
            if walk.stale >= MAX_STALE:
                visit.skip(at, "crawler trap", "the same page again and again")
                break
            continue
        else:
            found = links_of(page.body, page.final_url)
            links = [link.url for link in found if host_of(link.url) == host and is_page(link.url)]
            notes = {page_key(at): page.note, _links_key(at): json.dumps(links)}
            if patterns.allow(at):
                await visit.give(visit.snapshot(page, at), notes=notes)
            else:
                visit.note(notes)
        if level < depth:
            for url in links:
                if url not in seen and within.allow(url):
                    seen.add(url)
                    waiting.append((url, level + 1))


def _links_key(url: str) -> str:
    return page_key(url).replace("page ", "links ", 1)


def _recalled(visit: Visit, url: str) -> list[str]:
    """The links of a page that is the same as last time."""
    found = json.loads(visit.recall(_links_key(url)) or "[]")
    return [str(link) for link in found] if isinstance(found, list) else []
