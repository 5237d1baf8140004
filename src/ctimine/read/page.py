"""What an HTML page says of itself: Open Graph, JSON-LD, ``<meta>``, ``<time>``, ``<link>``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ctimine.model import Fact
from ctimine.read.dates import parse_date

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_META: Final[dict[str, str]] = {
    "og:title": "title",
    "twitter:title": "title",
    "dc.title": "title",
    "dcterms.title": "title",
    "citation_title": "title",
    "og:site_name": "publisher",
    "dc.publisher": "publisher",
    "dcterms.publisher": "publisher",
    "citation_publisher": "publisher",
    "og:url": "url",
    "og:locale": "language",
    "content-language": "language",
    "dc.language": "language",
    "author": "author",
    "article:author": "author",
    "dc.creator": "author",
    "dcterms.creator": "author",
    "citation_author": "author",
    "parsely-author": "author",
    "sailthru.author": "author",
    "article:published_time": "published",
    "article:published": "published",
    "og:published_time": "published",
    "datepublished": "published",
    "date": "published",
    "dc.date": "published",
    "dc.date.issued": "published",
    "dc.date.created": "published",
    "dcterms.date": "published",
    "dcterms.issued": "published",
    "dcterms.created": "published",
    "pubdate": "published",
    "publishdate": "published",
    "publish-date": "published",
    "publish_date": "published",
    "publication_date": "published",
    "publication-date": "published",
    "published": "published",
    "published_at": "published",
    "citation_publication_date": "published",
    "citation_date": "published",
    "parsely-pub-date": "published",
    "sailthru.date": "published",
    "article:modified_time": "modified",
    "og:updated_time": "modified",
    "dcterms.modified": "modified",
    "datemodified": "modified",
    "last-modified": "modified",
    "revised": "modified",
}
_ARTICLES: Final = frozenset(
    {
        "advertisercontentarticle", "analysisnewsarticle", "article", "blogposting",
        "discussionforumposting", "liveblogposting", "medicalscholarlyarticle", "newsarticle",
        "report", "reportagenewsarticle", "scholarlyarticle", "socialmediaposting", "techarticle",
        "dataset", "learningresource", "course", "howto",
    }
)  # fmt: skip
_LISTS: Final = frozenset(
    {
        "blog",
        "collectionpage",
        "contactpage",
        "itemlist",
        "profilepage",
        "searchresultspage",
        "webapplication",
    }
)
_DATED: Final = (
    ".published, .pubdate, .post-date, .entry-date, .publish-date, .published-date, .article-date,"
    " .date-published, .post__date, .article__date, .post-published"
)
_ASIDE: Final = frozenset({"nav", "aside", "footer", "li", "table", "form"})
_MOST: Final = 500
"""Elements of one sort that are looked at."""
_LONGEST: Final = 400_000
"""Characters of JSON-LD that are parsed."""


def page_facts(tree: LexborHTMLParser) -> tuple[Fact, ...]:
    """Candidates for title, dates, publisher, authors, URL, language and kind, with origins."""
    facts = [*_json_ld(tree), *_meta(tree), *_links(tree), *_times(tree)]
    title = tree.css_first("title")
    if title is not None:
        words = " ".join(title.text(deep=True).split())
        if words:
            facts.append(Fact("title", words, "<title>"))
    root = tree.root
    language = (root.attributes.get("lang") or "") if root is not None else ""
    if language:
        facts.append(Fact("language", language, "html lang"))
    return tuple(facts)


def _meta(tree: LexborHTMLParser) -> Iterator[Fact]:
    for node in tree.css("meta")[:_MOST]:
        attributes = node.attributes
        content = " ".join((attributes.get("content") or "").split())
        if not content:
            continue
        if (attributes.get("http-equiv") or "").lower() == "refresh":
            found = re.match(r"\s*(\d+)\s*[;,]\s*url\s*=\s*\S", content, re.IGNORECASE)
            if found and int(found.group(1)[:6]) <= 15:
                yield Fact("kind", "index", "meta refresh")
            continue
        for key in ("property", "name", "itemprop", "http-equiv"):
            name = (attributes.get(key) or "").strip().lower()
            if name == "og:type" and content.lower() == "article":
                yield Fact("kind", "report", "og:type")
            field = _META.get(name)
            if field:
                if not (field == "author" and content.startswith("http")):
                    yield Fact(field, content, name)
                break


def _links(tree: LexborHTMLParser) -> Iterator[Fact]:
    for node in tree.css("link[rel]")[:_MOST]:
        attributes = node.attributes
        href = (attributes.get("href") or "").strip()
        if href and "canonical" in (attributes.get("rel") or "").lower().split():
            yield Fact("url", href, "link rel=canonical")


def _times(tree: LexborHTMLParser) -> Iterator[Fact]:
    plain = ""
    for node in tree.css("time[datetime]")[:_MOST]:
        attributes = node.attributes
        value = parse_date(attributes.get("datetime") or "")
        if not value:
            continue
        marks = f"{attributes.get('itemprop') or ''} {attributes.get('class') or ''}".lower()
        if "modif" in marks or "updated" in marks:
            yield Fact("modified", value, "time")
        elif "pubdate" in attributes or re.search(r"publish|pubdate|(?:entry|post)-date", marks):
            yield Fact("published", value, "time pubdate")
        elif not plain and not _stands_aside(node):
            plain = value
    for node in tree.css(_DATED)[:20]:
        value = parse_date(node.text(deep=True)[:200])
        if value and not _stands_aside(node):
            yield Fact("published", value, "element of class published")
            break
    if plain:
        yield Fact("published", plain, "time")


def _stands_aside(node: LexborNode) -> bool:
    """Whether a date belongs to a list of other articles, a footer or a comment."""
    at = node.parent
    for _ in range(40):
        if at is None or at.tag in {"body", "html"}:
            return False
        if at.tag in _ASIDE:
            return True
        name = f"{at.attributes.get('class') or ''} {at.attributes.get('id') or ''}".lower()
        if re.search(r"comment|related|sidebar|recent|card|teaser|widget", name):
            return True
        at = at.parent
    return True


# -- JSON-LD ---------------------------------------------------------------------------------------


def _json_ld(tree: LexborHTMLParser) -> Iterator[Fact]:
    nodes: list[dict[str, Any]] = []
    for script in tree.css('script[type="application/ld+json"]')[:20]:
        text = script.text(deep=True)
        if len(text) > _LONGEST:
            continue
        try:
            _collect(json.loads(text, strict=False), nodes)
        except (ValueError, RecursionError):
            continue
    known = {
        node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1
    }
    articles = [node for node in nodes if _types(node) & _ARTICLES]
    pages = [node for node in nodes if "webpage" in _types(node)]
    for node in articles[:1] or pages[:1]:
        yield from _article(node, known)
    if articles:
        yield Fact("kind", "report", f"json-ld {min(_types(articles[0]) & _ARTICLES)}")
        return
    for node in nodes:
        lists = _types(node) & _LISTS
        if lists:
            yield Fact("kind", "index", f"json-ld {min(lists)}")
            return


def _collect(value: Any, nodes: list[dict[str, Any]], depth: int = 0) -> None:
    if depth > 4 or len(nodes) > _MOST:
        return
    if isinstance(value, list):
        for item in value[:_MOST]:
            _collect(item, nodes, depth + 1)
    elif isinstance(value, dict):
        nodes.append(value)
        for key in ("@graph", "mainEntity", "mainEntityOfPage"):
            if isinstance(value.get(key), dict | list):
                _collect(value[key], nodes, depth + 1)


def _types(node: dict[str, Any]) -> set[str]:
    value = node.get("@type")
    values = value if isinstance(value, list) else [value]
    return {item.rsplit("/", 1)[-1].lower() for item in values if isinstance(item, str)}


def _article(node: dict[str, Any], known: dict[str, dict[str, Any]]) -> Iterator[Fact]:
    for field, keys in (
        ("title", ("headline", "name")),
        ("published", ("datePublished", "dateCreated", "uploadDate")),
        ("modified", ("dateModified",)),
        ("language", ("inLanguage",)),
    ):
        for key in keys:
            value = node.get(key)
            if isinstance(value, str) and value.strip():
                yield Fact(field, " ".join(value.split()), "json-ld")
                break
    for field in ("author", "publisher"):
        for name in _names(node.get(field), known):
            yield Fact(field, name, "json-ld")
    page = node.get("mainEntityOfPage")
    for value in (node.get("url"), page.get("@id") if isinstance(page, dict) else page):
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            yield Fact("url", value, "json-ld")
            break


def _names(value: Any, known: dict[str, dict[str, Any]]) -> Iterator[str]:
    for item in (value if isinstance(value, list) else [value])[:20]:
        node = known.get(item.get("@id", ""), item) if isinstance(item, dict) else item
        name = node.get("name") if isinstance(node, dict) else node
        if isinstance(name, list):
            name = name[0] if name else ""
        if isinstance(name, str) and name.strip() and not name.startswith("http"):
            yield " ".join(name.split())
