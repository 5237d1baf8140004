"""A feed's bytes as items: RSS, Atom, RDF and JSON Feed, broken ones too. Pure; opens nothing.

The document type is cut off before parsing and entities are never resolved: no file is read,
nothing grows. The number of tags is bounded before a tree is made of them.
"""

from __future__ import annotations

import codecs
import dataclasses
import datetime
import email.utils
import functools
import html
import html.entities
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin

from ctimine.errors import BrokenSource, TooLarge

MAX_FEED: Final = 16 * 1024 * 1024
MAX_ITEMS: Final = 10_000
MAX_TAGS: Final = 400_000
"""Tags of a whole feed or sitemap, outside of CDATA: a tree of more takes too much memory."""
MAX_NODES: Final = 800_000
"""Tags and attributes together; twice as many commas, in JSON."""
MAX_REFERENCES: Final = 1_000_000
"""References to characters that XML does not have of itself; ``&lt;`` and its like are free."""
MAX_SECTIONS: Final = 100_000
"""CDATA sections."""
MAX_FIELD: Final = 8 * 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One item as the feed tells it. ``content`` is HTML, ``summary`` what stands for it."""

    id: str
    link: str = ""
    title: str = ""
    published: str = ""
    updated: str = ""
    authors: tuple[str, ...] = ()
    content: str = ""
    summary: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """A feed's items in its order, and what it says of itself."""

    title: str = ""
    language: str = ""
    next: str = ""
    items: tuple[Item, ...] = ()


def read_feed(body: bytes, media_type: str = "", url: str = "") -> Feed:
    """The feed in ``body``, an address in it joined with ``url``, that of the feed.

    Raises :class:`~ctimine.errors.BrokenSource` if there is none and
    :class:`~ctimine.errors.TooLarge` beyond the bounds above; items beyond ``MAX_ITEMS`` are left.

    >>> feed = read_feed(b"<rss><channel><item><title>A &amp; B</title></item></channel></rss>")
    >>> feed.items[0].title
    'A & B'
    """
    if len(body) > MAX_FEED:
        raise TooLarge(f"a feed of more than {MAX_FEED:,} bytes", subject=url)
    text = as_utf8(body, media_type)
    if text[:512].lstrip().startswith((b"{", b"[")):
        return _json_feed(text, url)
    text = as_xml(text)
    start = text[:512].lstrip()
    if re.match(
        rb"(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", start, re.IGNORECASE | re.DOTALL
    ):
        raise BrokenSource("an HTML page, no feed", subject=url)
    begin = text.find(b"<", 0, 4096)  # some servers print a warning first
    if begin < 0:
        raise BrokenSource("no feed", subject=url)
    return _xml_feed(re.sub(rb"\A<\?xml[^>]{0,500}\?>", b"", text[begin:]), url)


# -- bytes to clean UTF-8 --------------------------------------------------------------------------

_REFERENCE: Final = re.compile(
    rb"&(?!(?:amp|lt|gt|quot|apos);)"
    rb"(?:(#[0-9]{1,10}|#[xX][0-9A-Fa-f]{1,8}|[A-Za-z][A-Za-z0-9]{0,31});)?"
)
_LONGEST: Final = 36
"""Bytes of the longest reference that is looked for."""
_SLICE: Final = 1 << 20
_ILLEGAL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_STATEFUL: Final = frozenset({"iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr", "hz"})


def as_utf8(body: bytes, media_type: str = "") -> bytes:
    """XML, JSON or plain text in UTF-8, without characters that XML forbids; else as written.

    A byte order mark decides first, then whether it *is* UTF-8, then what the server says, then the
    XML declaration (RFC 7303 §3 and what servers really send); Windows-1252 is the last resort.

    >>> body = '<?xml version="1.0" encoding="windows-1251"?><a>Лазарь</a>'.encode("cp1251")
    >>> as_utf8(body).decode()
    '<?xml version="1.0" encoding="windows-1251"?><a>Лазарь</a>'
    """
    return _ILLEGAL.sub(b"", _to_utf8(body, media_type))


def as_xml(text: bytes) -> bytes:
    """UTF-8 from :func:`as_utf8` as XML without declaration, document type or named entities.

    Only for XML: in JSON and plain text ``&`` stands for itself.

    >>> as_xml(b'<?xml version="1.0"?><!DOCTYPE a><a href="?x=1&y=2">&copy;</a>')
    b'<a href="?x=1&amp;y=2">&#169;</a>'
    """
    text = re.sub(rb"^\s*<\?xml[^>]{0,500}\?>\s*", b"", text, count=1)
    return b"".join(_well_referenced(_without_doctype(text)))


def _sections(text: bytes) -> Iterator[tuple[bool, bytes]]:
    """The document in pieces: (whether it is CDATA, bytes)."""
    if text.count(b"<![CDATA[") > MAX_SECTIONS:
        raise TooLarge(f"more than {MAX_SECTIONS:,} CDATA sections")
    at = 0
    while True:
        start = text.find(b"<![CDATA[", at)
        end = text.find(b"]]>", start) if start >= 0 else -1
        if end < 0:
            yield False, text[at:]
            return
        yield False, text[at:start]
        yield True, text[start : end + 3]
        at = end + 3


def _well_referenced(text: bytes) -> Iterator[bytes]:
    """The document in pieces, with references alone that XML has without a document type."""
    left = MAX_REFERENCES
    for verbatim, section in _sections(text):
        if verbatim:
            yield section
            continue
        for part in _slices(section):
            mended, count = _REFERENCE.subn(_reference, part)
            left -= count
            if left < 0:
                raise TooLarge(f"more than {MAX_REFERENCES:,} references to characters")
            yield mended


def _slices(text: bytes) -> Iterator[bytes]:
    """Text in slices that cut through no reference: replacing takes memory for each it finds."""
    at = 0
    while at < len(text):
        end = at + _SLICE
        if end < len(text):
            cut = text.rfind(b"&", end - _LONGEST, end)
            end = cut if cut > at else end
        yield text[at:end]
        at = end


def _to_utf8(body: bytes, media_type: str) -> bytes:
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if body.startswith(mark):
            rest = body[len(mark) :]
            return rest if codec == "utf-8" else rest.decode(codec, "replace").encode()
    if body[:4] == b"<\x00?\x00":
        return body.decode("utf-16-le", "replace").encode()
    if body[:4] == b"\x00<\x00?":
        return body.decode("utf-16-be", "replace").encode()
    said = re.search(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", media_type, re.IGNORECASE)
    written = re.match(rb"\s*<\?xml[^>]{0,300}?encoding\s*=\s*[\"']([\w.:-]{1,40})", body)
    names = [said[1] if said else "", written[1].decode("ascii", "replace") if written else ""]
    declared = [codec for codec in map(_codec, names) if codec]
    if not any(codec in _STATEFUL for codec in declared):
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return body
    for codec in declared:
        try:
            return body.decode(codec).encode("utf-8", "replace")
        except (UnicodeError, ValueError):
            continue
    if "utf-8" in declared:  # UTF-8 with a few broken bytes is still UTF-8
        return body.decode("utf-8", "replace").encode()
    fallback = next((codec for codec in declared if codec), "cp1252")
    return body.decode(fallback, "replace").encode("utf-8", "replace")


def _codec(name: str) -> str:
    """Python's name of a charset; browsers read Latin-1 as Windows-1252, and the like."""
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # some codecs are not for text
        b"".decode(codec)
    except (LookupError, UnicodeError, ValueError, TypeError, AssertionError):
        return ""
    if codec in {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "undefined"}:
        return ""
    return {
        "iso8859-1": "cp1252",
        "ascii": "cp1252",
        "iso8859-9": "cp1254",
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "euc_kr": "cp949",
        "shift_jis": "cp932",
    }.get(codec, codec)


def _without_doctype(text: bytes) -> bytes:
    """The document without ``<!DOCTYPE …>``: no entity is ever declared."""
    found = re.search(rb"<!DOCTYPE", text[:100_000], re.IGNORECASE)
    if found is None or re.search(rb"<[A-Za-z]", text[: found.start()]):
        return text
    depth = 0
    at = found.end()
    closing = re.compile(rb"[\[\]>\"']|<!--|<\?")
    while True:
        mark = closing.search(text, at)
        if mark is None:
            raise BrokenSource("a document type without end")
        token, at = mark[0], mark.end()
        if token == b"[":
            depth += 1
        elif token == b"]":
            depth -= 1
        elif token == b">" and depth <= 0:
            return text[: found.start()] + text[at:]
        elif token in {b'"', b"'", b"<!--", b"<?"}:
            end = {b"<!--": b"-->", b"<?": b"?>"}.get(token, token)
            close = text.find(end, at)
            if close < 0:
                raise BrokenSource("a document type without end")
            at = close + len(end)


def _reference(match: re.Match[bytes]) -> bytes:
    name: bytes | None = match[1]
    return b"&amp;" if name is None else _spelled(name)


@functools.lru_cache(maxsize=4096)  # a text uses the same few again and again
def _spelled(name: bytes) -> bytes:
    """What is between ``&`` and ``;``, as references that XML knows."""
    if name.startswith(b"#"):
        hexadecimal = name[1:2] in {b"x", b"X"}
        number = int(name[1 + hexadecimal :], 16 if hexadecimal else 10)
        legal = number in {9, 10, 13} or 0x20 <= number < 0xD800 or 0xE000 <= number < 0x110000
        # libxml2 would pass on halves of surrogate pairs.
        return b"&#%d;" % number if legal and number not in {0xFFFE, 0xFFFF} else "\ufffd".encode()
    value = html.entities.html5.get(name.decode() + ";")
    if value is None:
        return b"&amp;" + name + b";"  # as it is written, whatever a document type may have said
    return "".join(f"&#{ord(c)};" for c in value).encode()


# -- XML -------------------------------------------------------------------------------------------


def elements(text: bytes, names: frozenset[str], subject: str = "") -> Iterator[tuple[str, Any]]:
    """(local name, element) of each outermost element with one of these names.

    The other elements come, too, after those inside them, with ``^`` before the name. Recovers
    from broken markup as far as libxml2 does; raises BrokenSource where it cannot.
    """
    from lxml import etree  # type: ignore[import-untyped,unused-ignore]

    _check_size(text, subject)
    # Parsed as one piece: in steps, libxml2 looks for each missing ">" up to the end, again and
    # again, and a megabyte of "<b <b <b" takes minutes.
    parser = etree.XMLParser(
        recover=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.LxmlError, ValueError) as error:
        raise BrokenSource(f"not XML: {error}"[:200], subject=subject) from None
    if root is None:
        return
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = _local(element.tag)
        if name in names:
            if event == "start":
                yield name, element
                walk.skip_subtree()
        elif event == "end":
            yield "^" + name, element


def _check_size(text: bytes, subject: str) -> None:
    """Raises TooLarge for a document whose tree would take too much memory."""
    tags = attributes = 0
    for verbatim, part in _sections(text):
        if not verbatim:
            tags += part.count(b"<")
            attributes += sum(1 for _ in re.finditer(rb"=\s*[\"']", part))
    if tags > MAX_TAGS:
        raise TooLarge(f"more than {MAX_TAGS:,} tags", subject=subject)
    if tags + attributes > MAX_NODES:
        raise TooLarge(f"more than {MAX_NODES:,} tags and attributes", subject=subject)


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _xml_feed(text: bytes, url: str) -> Feed:
    items: list[Item] = []
    seen_root = False
    title = language = following = ""
    for name, element in elements(text, frozenset({"item", "entry"}), url):
        if not name.startswith("^"):
            seen_root = True
            if len(items) < MAX_ITEMS:
                items.append(_xml_item(element, url))
            continue
        if name in {"^rss", "^feed", "^channel", "^rdf"}:
            seen_root = True
            language = language or element.get("{http://www.w3.org/XML/1998/namespace}lang", "")
        elif name == "^title" and not title and _local(_parent_tag(element)) in {"channel", "feed"}:
            title = _words(element)
        elif name == "^language" and not language:
            language = _words(element)
        elif name == "^link" and element.get("rel") == "next" and element.get("href"):
            following = _joined(url, element.get("href"))
    if not seen_root:
        raise BrokenSource("no feed: neither items nor a feed's root", subject=url)
    return Feed(title[:500], language[:40], following, tuple(_with_ids(items)))


def _parent_tag(element: Any) -> str:
    parent = element.getparent()
    return parent.tag if parent is not None and isinstance(parent.tag, str) else ""


def _xml_item(element: Any, url: str) -> Item:
    found: dict[str, str] = {}
    authors: list[str] = []
    about = element.get("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about", "")

    def first(field: str, value: str) -> None:
        """Keep the first value that is one: an empty element hides no later one."""
        if value:
            found.setdefault(field, value)

    for child in element:
        name = _local(child.tag)
        namespace = child.tag.rpartition("}")[0] if isinstance(child.tag, str) else ""
        if name == "link":
            href = child.get("href")
            if href is None:
                first("link", _words(child))
            elif child.get("rel", "alternate") == "alternate":
                first("link", href.strip())
        elif name == "origlink":
            found["link"] = _words(child) or found.get("link", "")
        elif name in {"guid", "id"}:
            first("id", _words(child))
            if name == "guid" and child.get("ispermalink", child.get("isPermaLink")) != "false":
                first("permalink", _words(child))
        elif name == "title" and "media" not in namespace and "mrss" not in namespace:
            first("title", _title(child))
        elif name in {"pubdate", "published", "issued", "date"}:
            first("published", moment(_words(child)))
        elif name in {"updated", "modified"}:
            first("updated", moment(_words(child)))
        elif name in {"encoded", "fulltext"}:
            if "excerpt" not in namespace:
                found["content"] = _field(child) or found.get("content", "")
        elif name == "content" and "media" not in namespace and "mrss" not in namespace:
            if child.get("src"):
                first("link", child.get("src"))
            else:
                first("content", _markup(child))
        elif name == "body":
            first("content", _inside(child))
        elif name in {"description", "summary"} and "itunes" not in namespace:
            first("summary", _markup(child))
        elif name in {"author", "creator"}:
            names = [_words(inner) for inner in child if _local(inner.tag) == "name"]
            authors += names or [_person(_words(child))]
    link = found.get("link") or ""
    permalink = found.get("permalink", "")
    if not link and re.match(r"https?://", permalink):
        link = permalink
    link = _joined(url, link) if link else ""
    if not link and re.match(r"https?://", about):
        link = about
    return Item(
        id=(found.get("id") or about)[:2000],
        link=link,
        title=found.get("title", "")[:2000],
        published=found.get("published", ""),
        updated=found.get("updated", ""),
        authors=tuple(dict.fromkeys(name[:200] for name in authors if name))[:20],
        content=found.get("content", ""),
        summary=found.get("summary", ""),
    )


def _words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())[:4000]


def _field(element: Any) -> str:
    return "".join(element.itertext())[:MAX_FIELD].strip()


def _markup(element: Any) -> str:
    """HTML of an Atom text construct (RFC 4287 §3.1) or of an RSS field."""
    kind = (element.get("type") or "").lower()
    if kind in {"xhtml", "application/xhtml+xml"} or (len(element) and kind != "text"):
        return _inside(element)
    text = _field(element)
    return html.escape(text, quote=False) if kind in {"text", "text/plain"} else text


def _inside(element: Any) -> str:
    from lxml import etree  # type: ignore[import-untyped,unused-ignore]

    parts = [html.escape(element.text or "", quote=False)]
    for child in element:
        for inner in child.iter():
            if isinstance(inner.tag, str):
                try:
                    inner.tag = inner.tag.rpartition("}")[2]
                except ValueError:  # libxml2 lets names such as ":" pass, lxml does not
                    inner.tag = "span"
        text = etree.tostring(child, encoding="unicode", method="html")
        parts.append(re.sub(r'\sxmlns(?::[\w.-]{1,40})?="[^"]*"', "", text))
    return "".join(parts)[:MAX_FIELD].strip()


def _title(element: Any) -> str:
    kind = (element.get("type") or "").lower()
    text = _words(element)
    if kind == "text" or len(element):
        return text
    # Many feeds escape titles twice; "<b>" in a title is markup far more often than a sign.
    plain = re.sub(r"</?[A-Za-z][^<>]{0,200}>", "", text)
    return " ".join(html.unescape(plain).split())


def _person(text: str) -> str:
    """``me@a.example (Name)`` as RSS has it: the name."""
    named = re.fullmatch(r"[^\s()]+@[^\s()]+\s*\((.+)\)", text)
    return named[1].strip() if named else text


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link.strip())
    except ValueError:
        return ""


def _with_ids(items: list[Item]) -> Iterator[Item]:
    """Items whose ids tell them apart: some feeds give all items the same, or none."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.id] = counts.get(item.id, 0) + 1
    for item in items:
        if item.id and counts[item.id] == 1:
            yield item
        elif item.link:
            yield dataclasses.replace(item, id=item.link)
        elif item.title or item.content or item.summary:
            yield dataclasses.replace(item, id="title " + (item.title or item.summary)[:300])


# -- JSON Feed -------------------------------------------------------------------------------------


def _json_feed(text: bytes, url: str) -> Feed:
    if text.count(b"[") + text.count(b"{") > MAX_TAGS or text.count(b",") > 2 * MAX_NODES:
        raise TooLarge("JSON of too many parts", subject=url)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenSource("neither JSON nor XML", subject=url) from None
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise BrokenSource("JSON, but no JSON Feed: it has no items", subject=url)
    items = []
    for row in value["items"][:MAX_ITEMS]:
        if not isinstance(row, dict):
            continue
        people = row.get("authors") or [row.get("author")]
        names = [
            str(person.get("name", ""))[:200]
            for person in (people if isinstance(people, list) else [])
            if isinstance(person, dict)
        ]
        content = _text(row, "content_html")
        if not content and _text(row, "content_text"):
            paragraphs = re.split(r"\n\s*\n", _text(row, "content_text"))
            content = "".join(f"<p>{html.escape(part, quote=False)}</p>\n" for part in paragraphs)
        link = _text(row, "url") or _text(row, "external_url")
        items.append(
            Item(
                id=_text(row, "id")[:2000],
                link=_joined(url, link) if link else "",
                title=" ".join(_text(row, "title").split())[:2000],
                published=moment(_text(row, "date_published")),
                updated=moment(_text(row, "date_modified")),
                authors=tuple(dict.fromkeys(name for name in names if name))[:20],
                content=content[:MAX_FIELD],
                summary=html.escape(_text(row, "summary"), quote=False),
            )
        )
    following = _text(value, "next_url")
    return Feed(
        _text(value, "title")[:500],
        _text(value, "language")[:40],
        _joined(url, following) if following else "",
        tuple(_with_ids(items)),
    )


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        # JSON may hold halves of surrogate pairs, which no text file may.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


# -- dates -----------------------------------------------------------------------------------------


def moment(text: str) -> str:
    """A date or time of a feed or sitemap as RFC 3339, empty if it is none.

    A time comes in UTC; a date without a time stays one.

    >>> moment("Tue, 05 Mar 2024 09:30:00 +0100"), moment("2024-03-05"), moment("soon")
    ('2024-03-05T08:30:00Z', '2024-03-05', '')
    """
    text = " ".join(text.split())[:60]
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return datetime.date.fromisoformat(text).isoformat()
        except ValueError:
            return ""
    found: datetime.datetime | None = None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            found = email.utils.parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return ""
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    try:
        found = found.astimezone(datetime.UTC)
    except (OverflowError, ValueError):
        return ""
    if not 1990 <= found.year <= 2100:
        return ""
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
