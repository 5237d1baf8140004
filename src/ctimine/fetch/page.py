"""The kind ``page``: a list of addresses, or a saved page with the address it came from.

Options: ``urls`` (further addresses), ``file`` (a saved HTML page or PDF: then nothing is asked
for, and the source's address says where the file is from).
"""

from __future__ import annotations

import functools
from pathlib import Path

from ctimine.errors import FetchError, InputError, TooLarge, in_words
from ctimine.fetch.bodies import MAX_BYTES
from ctimine.fetch.visit import Visit, now, page_key
from ctimine.model import Fact, Snapshot


async def fetch_page(visit: Visit) -> None:
    """The pages that are new or changed."""
    file = str(visit.options.get("file", ""))
    if file:
        await _saved(visit, file)
        return
    urls = dict.fromkeys(url for url in (visit.url, *visit.words("urls")) if url)
    if not urls:
        raise InputError("no address is given", subject=visit.source.key)
    await visit.each((url, functools.partial(_page, visit, url)) for url in urls)


async def _page(visit: Visit, url: str) -> None:
    # The user wrote this address: it may be an internal one if its host is named as such.
    page = await visit.get(url, referrer=url)
    if page.unchanged:
        visit.not_modified()
        return
    await visit.give(visit.snapshot(page, url), notes={page_key(url): page.note})


async def _saved(visit: Visit, file: str) -> None:
    name, body = _read(file, visit.number("max_bytes", MAX_BYTES))
    url = visit.web.hide(visit.url)
    hints = (Fact("url", url, "manifest"),) if url else ()
    found = Snapshot(visit.source.key, name, body, url=url, fetched=now(), hints=hints)
    if not visit.known(name, found.digest):
        await visit.give(found)


def _read(file: str, limit: int) -> tuple[str, bytes]:
    path = Path(file).expanduser()
    try:
        with path.open("rb") as opened:
            body = opened.read(limit + 1)
    except (OSError, ValueError) as error:
        raise FetchError(f"cannot be read: {in_words(error)}", subject=file) from None
    if len(body) > limit:
        raise TooLarge(f"more than {limit:,} bytes", subject=file)
    return path.name, body
