"""What has become of the sources: one polite look at each, never past a refusal."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ctimine.errors import BrokenSource, CtimineError, FetchError
from ctimine.fetch.attack import index, newest_version
from ctimine.fetch.client import Page, Web
from ctimine.fetch.feeds import MAX_FEED, moment, read_feed
from ctimine.fetch.fetcher import Nothing
from ctimine.fetch.github import GitHub
from ctimine.fetch.gitlab import GitLab
from ctimine.fetch.medium import feed_address
from ctimine.fetch.misp import events_of, manifest
from ctimine.fetch.sitemaps import read_sitemap
from ctimine.fetch.taxii import look
from ctimine.fetch.visit import Account, Visit
from ctimine.model import Outcome, Snapshot, Source

if TYPE_CHECKING:
    from ctimine.fetch.fetcher import Fetcher

SILENT_DAYS: Final = 30
NAMES: Final = {
    "HTTP 404": "gone",
    "HTTP 410": "gone",
    "robots denied": "robots-denied",
    "unreachable": "unreachable",
    "address refused": "refused",
}
"""Reason of a failed fetch → state of the source. Other reasons are states as they are."""
PROMISED: Final = {
    "feed": "feed",
    "medium": "feed",
    "site": "sitemap",
    "github": "repository",
    "gitlab": "repository",
}
"""Kind of source → what it should answer with."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """The state of one source, and a word about it.

    ``state`` is ``ok``, ``moved``, ``gone``, ``blocked``, ``not a feed``, ``robots-denied``,
    ``challenge page``, ``silent``, ``unreachable`` or another reason of a failed fetch.
    """

    source: str
    state: str
    detail: str = ""


def check_sources(
    sources: Iterable[Source],
    fetcher: Fetcher,
    *,
    today: datetime.date | None = None,
    on_check: Callable[[Check], None] | None = None,
) -> tuple[Check, ...]:
    """The state of each source, in their order. Nothing is kept, nothing is bypassed.

    ``silent`` is a feed or repository whose newest entry is older than 30 days before ``today``.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()

    async def all_of_them(web: Web) -> tuple[Check, ...]:
        async def one(source: Source) -> Check:
            found = await _check(source, web, day)
            if on_check is not None:
                on_check(found)
            return found

        return tuple(await asyncio.gather(*(one(source) for source in sources)))

    return fetcher.run(all_of_them)


async def _check(source: Source, web: Web, today: datetime.date) -> Check:
    try:
        visit = Visit(source, web, Nothing(), hand_over=_ignored, tell=_untold, account=Account())
        page, newest = await _look(visit)
    except BrokenSource as error:
        promised = PROMISED.get(source.kind, "source")
        return Check(source.key, f"not a {promised}", web.hide(error.message))
    except FetchError as error:
        return Check(source.key, NAMES.get(error.reason, error.reason), web.hide(error.message))
    except CtimineError as error:
        return Check(source.key, "declared wrongly", web.hide(error.message))
    if page.moved:
        return Check(source.key, "moved", web.hide(page.final_url))
    if newest and (today - datetime.date.fromisoformat(newest[:10])).days > SILENT_DAYS:
        return Check(source.key, "silent", f"nothing newer than {newest[:10]}")
    return Check(source.key, "ok", f"newest of {newest[:10]}" if newest else "")


async def _look(visit: Visit) -> tuple[Page, str]:
    """One answer of the source, verified as what its kind promises, and its newest date."""
    kind, url = visit.source.kind, visit.url
    if kind in {"feed", "medium"}:
        address = feed_address(url) if kind == "medium" else url
        page = await visit.get(address, conditional=False, max_bytes=MAX_FEED)
        items = read_feed(page.body, page.media_type, page.final_url).items
        return page, max((item.updated or item.published for item in items), default="")
    if kind in {"github", "gitlab"}:
        repository = GitHub(visit) if kind == "github" else GitLab(visit)
        page = await repository.newest(conditional=False)
        return page, repository.commit(page).date
    if kind == "misp":
        page = await manifest(visit, conditional=False)
        newest = [str(row.get("date", "")) for _, row in events_of(page)]
        return page, max(filter(None, map(moment, newest)), default="")
    if kind == "attack":
        page = await index(visit)
        newest_version(page)
        return page, ""
    if kind == "taxii":
        return await look(visit), ""
    page = await visit.get(url, conditional=False)
    if kind == "site" and url.endswith((".xml", ".xml.gz")):
        places = read_sitemap(page.body, page.media_type, page.final_url).pages
        return page, max((place.modified for place in places), default="")
    return page, ""


async def _ignored(snapshot: Snapshot) -> None:
    """A check keeps nothing."""


def _untold(outcome: Outcome, error: FetchError | None) -> None:
    """A check has one outcome: its own."""
