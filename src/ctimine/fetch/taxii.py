"""The kind ``taxii``: the reports of a TAXII 2.1 collection.

The address is a collection's (``…/collections/ID/``), an API root's or a server's; for the last two
every readable collection is asked. What came is remembered by the server's own "added" time
(``added_after``), which is what the protocol has for it. A report becomes a STIX bundle of its own:
the report and the objects that it refers to, those that came in an earlier run included. Objects
that no report refers to come in one bundle for each answer.

Options: ``user_env`` and ``password_env``, ``token_env`` or ``key_env`` with ``key_header`` name
environment variables; ``allow_private`` for a server inside; ``max_objects`` (200,000).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from ctimine.errors import BadAnswer, BrokenSource, FetchError
from ctimine.fetch.client import Page
from ctimine.fetch.visit import Visit, mark_of, now
from ctimine.model import Fact, Snapshot, stable_id

ACCEPT: Final = "application/taxii+json;version=2.1"
MAX_OBJECTS: Final = 200_000
MAX_PAGES: Final = 10_000
ASKED_AT_ONCE: Final = 25
"""Objects asked for by id in one address."""
_STIX: Final = "application/stix+json;version=2.1"
_ID: Final = re.compile(
    r"[a-z0-9-]{1,60}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


async def fetch_taxii(visit: Visit) -> None:
    """The reports that were added since the last run."""
    for collection in await _collections(visit):
        try:
            await _collection(visit, collection)
        except FetchError as error:
            visit.fail(collection, error)


async def look(visit: Visit) -> Page:
    """What a server, API root or collection says of itself; raises BrokenSource for others."""
    url = visit.url if visit.url.endswith("/") else visit.url + "/"
    page = await _page(visit, url)
    if not {"api_roots", "max_content_length", "versions", "can_read"} & page.json_object().keys():
        raise BrokenSource("neither a TAXII server, nor an API root, nor a collection", subject=url)
    return page


async def _collections(visit: Visit) -> list[str]:
    url = visit.url if visit.url.endswith("/") else visit.url + "/"
    if re.search(r"/collections/[^/]+/$", urlsplit(url).path):
        return [url]
    value = await _get(visit, url)
    if isinstance(value.get("api_roots"), list):
        roots = [urljoin(url, str(root)) for root in value["api_roots"][:50]]
    elif "max_content_length" in value or "versions" in value:
        roots = [url]
    else:
        raise BrokenSource("neither a TAXII server nor an API root", subject=url)
    found: list[str] = []
    for root in roots:
        root = root if root.endswith("/") else root + "/"  # noqa: PLW2901
        listed = (await _get(visit, root + "collections/")).get("collections")
        found += [
            f"{root}collections/{quote(row['id'], safe='')}/"
            for row in (listed if isinstance(listed, list) else [])
            if isinstance(row, dict) and row.get("can_read") and isinstance(row.get("id"), str)
        ]
    if not found:
        visit.skip(url, "no readable collection")
    return found


async def _collection(visit: Visit, url: str) -> None:
    cursor = f"added {mark_of(url)}"
    since = visit.recall(cursor)
    objects: dict[str, dict[str, Any]] = {}
    latest, following = since, ""
    for _ in range(MAX_PAGES):
        parts = [f"added_after={quote(since)}"] if since else []
        parts += [f"next={quote(following, safe='')}"] if following else []
        page = await _page(visit, url + "objects/" + ("?" + "&".join(parts) if parts else ""))
        value = page.json_object() if page.body else {}
        rows = value.get("objects", [])
        if not isinstance(rows, list):
            raise BrokenSource("objects is no list", subject=url)
        for row in rows:
            if (
                isinstance(row, dict)
                and isinstance(row.get("id"), str)
                and _ID.fullmatch(row["id"])
            ):
                known = objects.get(row["id"])
                if known is None or str(row.get("modified", "")) >= str(known.get("modified", "")):
                    objects[row["id"]] = row
        if len(objects) > visit.number("max_objects", MAX_OBJECTS):
            visit.skip(url, "object limit")
            break
        latest = max(latest, page.headers.get("x-taxii-date-added-last", ""))
        token = value.get("next")
        if not value.get("more") or not isinstance(token, str) or token == following:
            break
        following = token
    if since:
        await _add_earlier(visit, url, objects)
    await _bundles(visit, url, objects)
    if visit.complete and latest != since:
        visit.note({cursor: latest})


async def _add_earlier(visit: Visit, url: str, objects: dict[str, dict[str, Any]]) -> None:
    """Ask for what the new reports refer to and what is not new itself (TAXII 2.1, §3.4)."""
    wanted = {ref for one in objects.values() if _holds(one) for ref in _references(one)}
    missing = sorted(ref for ref in wanted - objects.keys() if _ID.fullmatch(ref))
    for at in range(0, len(missing), ASKED_AT_ONCE):
        names = ",".join(missing[at : at + ASKED_AT_ONCE])
        try:
            page = await _page(visit, f"{url}objects/?match%5Bid%5D={names}")
        except BadAnswer as error:
            visit.skip(url, "earlier objects are not served", str(error))
            return
        rows = page.json_object().get("objects", []) if page.body else []
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.get("id") in missing:
                objects[row["id"]] = row


def _holds(one: dict[str, Any]) -> bool:
    return one.get("type") in {"report", "grouping", "note"}


def _references(one: dict[str, Any]) -> list[str]:
    """What a report refers to, in its order, and who made it."""
    refs = one.get("object_refs")
    named = [*(refs if isinstance(refs, list) else []), one.get("created_by_ref")]
    return list(dict.fromkeys(ref for ref in named if isinstance(ref, str)))


async def _bundles(visit: Visit, url: str, objects: dict[str, dict[str, Any]]) -> None:
    used: set[str] = set()
    containers = [o for o in objects.values() if _holds(o)]
    for report in sorted(containers, key=lambda o: str(o["id"])):
        inside = [objects[name] for name in _references(report) if name in objects]
        used.update([str(report["id"]), *(str(o["id"]) for o in inside)])
        await _give(visit, url, str(report["id"]), [report, *inside])
    rest = [o for name, o in sorted(objects.items()) if name not in used]
    if any(o.get("type") == "relationship" for o in rest):
        # Relationships that no report holds still say who uses what.
        key = mark_of(*(str(o["id"]) for o in rest))
        await _give(visit, url, f"objects--{key}", rest)
    elif rest:
        visit.skip(url, "objects of no report", f"{len(rest)} objects")


async def _give(visit: Visit, url: str, item: str, objects: list[dict[str, Any]]) -> None:
    bundle = {
        "type": "bundle",
        "id": f"bundle--{stable_id('taxii', url, item)}",
        "objects": objects,
    }
    body = json.dumps(bundle, ensure_ascii=True, sort_keys=True).encode()
    first = objects[0]
    hints = [
        Fact(field, str(first[name]), "feed")
        for field, name in (("title", "name"), ("published", "published"), ("modified", "modified"))
        if first.get("type") == "report" and isinstance(first.get(name), str) and first[name]
    ]
    shown = visit.web.hide(url)
    found = Snapshot(
        visit.source.key,
        item,
        body,
        fetched=now(),
        media_type=_STIX,
        hints=tuple(hints),
        headers=(("collection", shown),),
    )
    if not visit.known(item, found.digest):
        await visit.give(found)


async def _page(visit: Visit, url: str) -> Page:
    return await visit.get(url, conditional=False, robots=False, headers={"Accept": ACCEPT})


async def _get(visit: Visit, url: str) -> dict[str, Any]:
    return (await _page(visit, url)).json_object()
