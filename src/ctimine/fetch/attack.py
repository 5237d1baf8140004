"""The kind ``attack``: official ATT&CK releases, verified by what is in them.

Options: ``version`` (``18.1``; without it the newest that the index names) and ``domains``
(``enterprise``, ``mobile``, ``ics``; ``enterprise`` alone by default). The bytes go to
:func:`ctimine.attack.load_official`; this room never reads them further than to verify them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ctimine.errors import BrokenSource, InputError
from ctimine.fetch.client import Page
from ctimine.fetch.visit import Visit, page_key
from ctimine.model import Snapshot, Source

if TYPE_CHECKING:
    from ctimine.fetch.fetcher import Fetcher

ADDRESS: Final = "https://raw.githubusercontent.com/mitre-attack/attack-stix-data/master/"
DOMAINS: Final = ("enterprise", "mobile", "ics")
MAX_BUNDLE: Final = 160 * 1024 * 1024
DEADLINE: Final = 600.0


def fetch_releases(
    fetcher: Fetcher,
    version: str = "",
    *,
    domains: Iterable[str] = ("enterprise",),
    address: str = ADDRESS,
) -> tuple[Snapshot, ...]:
    """The official bundles of a release (the newest without ``version``), verified by content.

    Raises what the fetch raised. ``item`` of a snapshot is its file name, such as
    ``enterprise-attack-18.1.json``.
    """
    source = Source(
        "attack",
        kind="attack",
        url=address,
        options=(("version", version), ("domains", tuple(domains))),
    )
    before = len(fetcher.outcomes)
    found = tuple(fetcher.fetch(source))
    failed = [outcome for outcome in fetcher.outcomes[before:] if outcome.state == "failed"]
    if failed:
        raise BrokenSource(failed[0].detail or failed[0].reason, subject="ATT&CK")
    return found


async def fetch_attack(visit: Visit) -> None:
    """The bundles of one release that are new or changed."""
    base = visit.url if visit.url.endswith("/") else visit.url + "/"
    version = str(visit.options.get("version", ""))
    domains = visit.words("domains", ("enterprise",))
    if version and not re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,2}", version):
        raise InputError(f"{version!r} is no ATT&CK version", subject=visit.source.key)
    unknown = [domain for domain in domains if domain not in DOMAINS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no ATT&CK domain", subject=visit.source.key)
    if not version:
        version = newest_version(await index(visit))
    for domain in domains:
        name = f"{domain}-attack-{version}.json"
        url = f"{base}{domain}-attack/{name}"
        page = await visit.get(url, robots=False, max_bytes=MAX_BUNDLE, deadline=DEADLINE)
        if page.unchanged:
            visit.not_modified()
            continue
        _verify(page, version, domain)
        found = visit.snapshot(page, name, media_type="application/json")
        await visit.give(found, notes={page_key(url): page.note})


async def index(visit: Visit) -> Page:
    """The list of releases, as the source gives it."""
    base = visit.url if visit.url.endswith("/") else visit.url + "/"
    return await visit.get(base + "index.json", conditional=False, robots=False)


def newest_version(page: Page) -> str:
    """The newest release that a list names; raises BrokenSource for what is no such list."""
    value = page.json_object()
    found: list[tuple[tuple[int, ...], str]] = []
    for collection in value.get("collections") or []:
        for row in collection.get("versions", []) if isinstance(collection, dict) else []:
            version = row.get("version") if isinstance(row, dict) else None
            if isinstance(version, str) and re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,2}", version):
                found.append((tuple(map(int, version.split("."))), version))
    if not found:
        raise BrokenSource("its index names no version", subject=page.url)
    return max(found)[1]


def _verify(page: Page, version: str, domain: str) -> None:
    """Raises BrokenSource unless the bytes are the release and domain that were asked for."""
    value = page.json_object()
    objects = value.get("objects")
    if value.get("type") != "bundle" or not isinstance(objects, list):
        raise BrokenSource("no STIX bundle", subject=page.url)
    rows = [row for row in objects if isinstance(row, dict)]
    releases = {
        str(row.get("x_mitre_version")) for row in rows if row.get("type") == "x-mitre-collection"
    }
    if releases and releases != {version}:
        raise BrokenSource(f"holds release {', '.join(sorted(releases))}", subject=page.url)
    techniques = [row for row in rows if row.get("type") == "attack-pattern"]
    if not techniques:
        raise BrokenSource("holds no technique", subject=page.url)
    wanted = f"{domain}-attack"
    if not any(wanted in (row.get("x_mitre_domains") or [wanted]) for row in techniques):
        raise BrokenSource(f"holds nothing of {wanted}", subject=page.url)
