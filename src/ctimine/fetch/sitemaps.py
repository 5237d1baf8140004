"""A sitemap's bytes as addresses: XML, text, indexes, packed ones. Pure; opens nothing."""

from __future__ import annotations

import dataclasses
from typing import Final
from urllib.parse import urljoin

from ctimine.errors import BrokenSource
from ctimine.fetch.bodies import MAX_BYTES, gunzip
from ctimine.fetch.feeds import as_utf8, as_xml, elements, moment, read_feed

MAX_URLS: Final = 50_000
"""Addresses of one sitemap (the protocol's own bound)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """An address of a sitemap, and when it says that it was last changed."""

    url: str
    modified: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Sitemap:
    """What one sitemap holds: pages, or further sitemaps."""

    pages: tuple[Place, ...] = ()
    maps: tuple[Place, ...] = ()


def read_sitemap(body: bytes, media_type: str = "", url: str = "") -> Sitemap:
    """The sitemap in ``body``; raises :class:`~ctimine.errors.BrokenSource` if there is none.

    >>> read_sitemap(b"<urlset><url><loc>https://a.example/x</loc></url></urlset>").pages
    (Place(url='https://a.example/x', modified=''),)
    """
    text = as_utf8(gunzip(body, limit=MAX_BYTES, subject=url), media_type)
    start = text[:2048].lstrip()
    if not start.startswith(b"<"):
        return _plain(text, url)
    text = as_xml(text)
    start = text[:2048].lstrip()
    head = start.lower()
    if b"<rss" in head or b"<feed" in head or b"<rdf" in head:
        items = read_feed(text, "", url).items
        return Sitemap(
            pages=tuple(Place(i.link, i.updated or i.published) for i in items if i.link)
        )
    if b"<html" in head or b"<!doctype html" in head:
        raise BrokenSource("an HTML page, no sitemap", subject=url)
    pages: dict[str, Place] = {}
    maps: dict[str, Place] = {}
    rooted = False
    for name, element in elements(text, frozenset({"url", "sitemap"}), url):
        if name.startswith("^"):
            rooted = rooted or name in {"^urlset", "^sitemapindex"}
            continue
        found: dict[str, str] = {}
        for child in element:
            if isinstance(child.tag, str):
                inner = " ".join("".join(child.itertext()).split())
                found.setdefault(child.tag.rpartition("}")[2].lower(), inner)
        place = _place(found.get("loc", ""), found.get("lastmod", ""), url)
        into = pages if name == "url" else maps
        if place is not None and len(into) < MAX_URLS:
            into.setdefault(place.url, place)
    if not (rooted or pages or maps):
        raise BrokenSource("no sitemap: neither addresses nor a sitemap's root", subject=url)
    return Sitemap(tuple(pages.values()), tuple(maps.values()))


def _place(loc: str, modified: str, url: str) -> Place | None:
    try:
        joined = urljoin(url, loc) if loc else ""
    except ValueError:
        return None
    return Place(joined, moment(modified)) if joined.startswith(("http://", "https://")) else None


def _plain(text: bytes, url: str) -> Sitemap:
    lines = text.decode("utf-8", "replace").split("\n")[:MAX_URLS]
    pages = dict.fromkeys(line.strip() for line in lines)
    found = tuple(Place(page) for page in pages if page.startswith(("http://", "https://")))
    if not found:
        raise BrokenSource("no sitemap: no line is an address", subject=url)
    return Sitemap(pages=found)
