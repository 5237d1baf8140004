"""The kind ``misp``: the events of a MISP feed (a folder with ``manifest.json``).

The manifest gives each event's time stamp; events with another one than last time are fetched.
Options: ``max_pages`` (events of one run, 500), ``allow_private`` and credentials as for ``taxii``.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final
from urllib.parse import urljoin

from ctimine.fetch.client import Page
from ctimine.fetch.feeds import moment
from ctimine.fetch.visit import Visit, item_key, page_key
from ctimine.model import Fact

MAX_EVENTS: Final = 500
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def fetch_misp(visit: Visit) -> None:
    """The events that are new or changed."""
    base = _base(visit)
    page = await manifest(visit)
    if page.unchanged:
        visit.not_modified()
        return
    rows = events_of(page)
    wanted = [
        (uuid, row) for uuid, row in rows if visit.recall(item_key(uuid)) != f"stamp {_stamp(row)}"
    ]
    visit.not_modified(len(rows) - len(wanted))
    most = visit.number("max_pages", MAX_EVENTS)
    if len(wanted) > most:
        visit.skip(
            visit.url, "page limit", f"{len(wanted) - most} events are left for the next run"
        )
    await visit.each(
        (uuid, functools.partial(_event, visit, base, uuid, row)) for uuid, row in wanted[:most]
    )
    if visit.complete and len(wanted) <= most:
        visit.note({page_key(base + "manifest.json"): page.note})


def _base(visit: Visit) -> str:
    url = visit.url.removesuffix("manifest.json")
    return url if url.endswith("/") else url + "/"


async def manifest(visit: Visit, *, conditional: bool = True) -> Page:
    """The list of the feed's events."""
    return await visit.get(_base(visit) + "manifest.json", conditional=conditional, robots=False)


def events_of(page: Page) -> list[tuple[str, dict[str, Any]]]:
    """(UUID, what the manifest says) of each event, the newest first."""
    rows = [
        (uuid, row)
        for uuid, row in page.json_object().items()
        if _UUID.fullmatch(uuid) and isinstance(row, dict)
    ]
    return sorted(rows, key=lambda pair: (-_stamp(pair[1]), pair[0]))


async def _event(visit: Visit, base: str, uuid: str, row: dict[str, Any]) -> None:
    page = await visit.get(urljoin(base, f"{uuid}.json"), conditional=False, robots=False)
    info, date = row.get("info"), row.get("date")
    hints = [
        Fact(field, value, "feed")
        for field, value in (
            ("title", " ".join(info.split())[:500] if isinstance(info, str) else ""),
            ("published", moment(date) if isinstance(date, str) else ""),
        )
        if value
    ]
    found = visit.snapshot(page, uuid, hints=hints, media_type="application/json")
    await visit.give(found, mark=f"stamp {_stamp(row)}")


def _stamp(row: dict[str, Any]) -> int:
    value = str(row.get("timestamp", ""))
    return int(value) if re.fullmatch(r"[0-9]{1,12}", value) else 0
