"""Reading → Report: which of the candidates for title, date, publisher … count, and why.

Each decision is kept as a :class:`~ctimine.model.Fact` with its origin, as are candidates that were
turned down for a reason that a person should know.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ctimine.model import Block, Fact, Report, Snapshot, Source, stable_id
from ctimine.read.dates import parse_date
from ctimine.read.kind import find_kind
from ctimine.read.text import Reading, visible

# -- order of trust: the first origin that says something is believed ------------------------------

TITLE_ORIGINS: Final = (
    "front matter", "mail header", "json-ld", "og:title", "citation_title", "dc.title",
    "dcterms.title", "twitter:title", "<title>", "pdf metadata", "docx metadata",
)  # fmt: skip
DATE_ORIGINS: Final = (
    "front matter", "mail header", "json-ld", "article:published_time", "article:published",
    "og:published_time", "datepublished", "citation_publication_date", "citation_date",
    "dcterms.issued", "dc.date.issued", "time pubdate", "labelled line",
    "element of class published",
)  # fmt: skip
_LATE_DATES: Final = ("docx metadata", "pdf metadata")
"""Files are often saved long after their text was published: below everything in the text."""
HINT_ORIGINS: Final = ("feed", "manifest", "sitemap", "commit")

SECTION: Final = re.compile(
    r"(?:about(?: (?:this|the) (?:report|document|author|us))?|abstract|acknowledge?ments?|"
    r"analysis|annex|appendi(?:x|ces)|at a glance|attack (?:chain|overview)|"
    r"att&?ck(?: mapping| techniques)?|attribution|author'?s? notes?|background|"
    r"blog|bottom line(?: up front)?|change ?log|classification|conclusions?|contents?|"
    r"cover(?: page)?|detections?|disclaimer|document (?:control|history|information|metadata)|"
    r"executive (?:brief|overview|summary)|foreword|hunting|"
    r"indicators of compromise|introduction|intro|ioc?s|(?:key|main) "
    r"(?:findings|judge?ments|points|takeaways)|legal notice|malware analysis|metadata|methodology|"
    r"mitigations?|mitre att&?ck(?: mapping| techniques)?|overview|preface|prologue|purpose|"
    r"read ?me|recommendations?|references?|"
    r"report (?:details|information|metadata|outline|summary)|"
    r"revision history|scope(?: and methodology)?|sources?|summary|table of contents|"
    r"technical (?:analysis|details)|threat actor profile|timeline|tl;?dr|toc|tlp.{0,20}|"
    r"version(?: history| control)?|victimology|what happened|welcome|home|index|untitled.*|"
    r"document\d*|new document|search(?: results)?|page not found|not found|404.*|"
    r"zusammenfassung|einleitung|inhalt(?:sverzeichnis)?|überblick|"
    r"résumé|sommaire|introducción|resumen(?: ejecutivo)?|índice|contenido|sommario|indice|"
    r"sumário(?: executivo)?|введение|содержание|оглавление|резюме|вступ|зміст|"
    r"概要|目次|摘要|引言)",
    re.IGNORECASE,
)
"""Headings that name a section of a report and never the report."""
_NUMBER: Final = re.compile(
    r"^[\W_]*(?:(?:chapter|part|section|appendix)\s+)?"
    r"(?:\d{1,2}(?:\.\d{1,2})*[.):]?|[IVX]{1,5}[.)]|[A-H][.)])[\s\W_]*(?=\D)",
    re.IGNORECASE,
)
_JUNK_TITLE: Final = re.compile(
    r"(?:microsoft (?:word|powerpoint) - .*|untitled.*|document\d*|"
    r"[\w-]+\.(?:docx?|pdf|md|html?|tex|indd|qxd|pptx?)|about:blank|print|slide 1|"
    r"template|layout \d+)",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"\W*(?:date(?: (?:of )?(?:publication|published|released?|issued?|issue))?"
    r"|(?:first |originally |initially )?published(?: (?:on|date|at))?"
    r"|publication date|publish date|publishing date|posted(?: on)?"
    r"|released?(?: (?:date|on))?|issued(?: on)?|issue date"
    r"|report date|date of report|report published|veröffentlicht(?: am)?|datum"
    r"|publié(?: le)?|date de publication|fecha(?: de publicación)?|publicado(?: el| em)?"
    r"|дата(?: публикации| публікації)?|опубликовано|опубліковано|发布日期|公開日)\W*",
    re.IGNORECASE,
)
_MODIFIED_LABEL: Final = re.compile(
    r"\W*(?:last (?:updated?|modified|revised|reviewed)|updated(?: on)?|modified|revised|"
    r"date modified|last update)\W*",
    re.IGNORECASE,
)
_LABELLED: Final = re.compile(
    r"(?:^|[\n|•·;]|(?<=\.)\s)[ \t]*([^\n|•·;:]{2,40}?)[ \t]*[:：][ \t]*(?=\S)([^\n|•·;]{4,60})"
)
_TOP_BLOCKS: Final = 60
_TOP_CHARACTERS: Final = 4000
_TRACKING: Final = re.compile(
    r"(?:utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_hs(?:enc|mi)|ref_src|trk|"
    r"s?cid|mkt_tok|vero_id|wt_mc|at_medium|at_campaign)",
    re.IGNORECASE,
)
_ASSET: Final = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|ico|bmp|avif|css|js|mjs|woff2?|ttf|mp4|mp3|webm|zip|gz|json|xml)$",
    re.IGNORECASE,
)
_HOME: Final = re.compile(
    r"/?(?:[@~][\w.-]+/?|index\.\w{2,5}|home|[a-z]{2}(?:[-_][a-z]{2})?/?)?", re.IGNORECASE
)


@dataclasses.dataclass(slots=True)
class _Case:
    """All that is said of one document, and what is decided of it so far."""

    reading: Reading
    snapshot: Snapshot
    source: Source | None
    said: dict[str, list[Fact]]
    hints: dict[str, list[Fact]]
    labelled: dict[str, list[Fact]]
    facts: list[Fact]

    def decide(self, field: str, value: str, origin: str) -> str:
        """The value, after keeping where it came from."""
        self.facts.append(Fact(field, value, origin))
        return value


def _by_field(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Facts by field, their values without what no reader sees and without half characters."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        shown = visible(fact.value)
        kept = fact if shown == fact.value else dataclasses.replace(fact, value=shown)
        found.setdefault(fact.field, []).append(kept)
    return found


def settle(reading: Reading, snapshot: Snapshot, source: Source | None, media: str) -> Report:
    """The report that a reading makes, its fields settled and each with a fact."""
    facts: list[Fact] = []
    case = _Case(
        reading,
        snapshot,
        source,
        said=_by_field(reading.facts),
        hints=_by_field(snapshot.hints),
        labelled=_by_field(_labelled(reading)),
        facts=facts,
    )
    declared = _url(case)
    publisher = _publisher(case)
    title = _title(case, publisher)
    published = _published(case)
    _note_change(case, published)
    authors = _authors(case)
    language = _language(case)
    kind, reason = find_kind(reading, snapshot, title=title, media=media)
    facts.append(Fact("kind", kind, reason))
    facts += [Fact("text", warning, "reader") for warning in reading.warnings]

    hinted = case.hints.get("url", [])
    addresses = (declared, snapshot.final_url, snapshot.url, *(fact.value for fact in hinted))
    url = next((address for address in addresses if address), "")
    if url and not declared:
        fetched = url in {snapshot.final_url, snapshot.url}
        case.decide("url", url, "address" if fetched else hinted[0].origin)
    key = normal_url(declared) if declared else ""
    return Report(
        id=stable_id("report", key) if key else stable_id("report", snapshot.source, snapshot.item),
        source=snapshot.source,
        item=snapshot.item,
        text=reading.text,
        blocks=reading.blocks,
        links=reading.links,
        url=url,
        places=tuple(dict.fromkeys(p for p in (snapshot.item, *addresses) if p)),
        title=title,
        publisher=publisher,
        authors=authors,
        published=published,
        language=language,
        kind=kind,
        role=source.role if source else "author",
        reliability=source.reliability if source else "F",
        tlp=source.tlp if source else "CLEAR",
        labels=source.labels if source else (),
        media_type=media,
        digest=snapshot.digest,
        facts=tuple(facts),
    )


def _ranked(candidates: Iterable[Fact], origins: tuple[str, ...]) -> list[Fact]:
    order = {origin: number for number, origin in enumerate(origins)}
    last = len(origins)
    return sorted(candidates, key=lambda fact: order.get(fact.origin, last))


# -- title -----------------------------------------------------------------------------------------


def _title(case: _Case, publisher: str) -> str:
    heading = first_heading(case.reading)
    names = {publisher, *(fact.value for fact in case.said.get("publisher", ()))}
    sites = {_plain(name) for name in names if name}
    for fact in _ranked(case.said.get("title", ()), TITLE_ORIGINS):
        title = _clean_title(fact.value, sites, heading, case.snapshot)
        if _is_title(title) and _plain(title) not in sites:
            return case.decide("title", title, fact.origin)
    if heading:
        return case.decide("title", heading, "first heading")
    for fact in _ranked(case.hints.get("title", ()), HINT_ORIGINS):
        title = " ".join(fact.value.split())
        if _is_title(title):
            return case.decide("title", title, fact.origin)
    name = _from_name(case.snapshot.item or case.snapshot.url)
    return case.decide("title", name, "file name")


def first_heading(reading: Reading) -> str:
    r"""The heading that names the document, empty if all of them name sections.

    >>> from ctimine.read.markdown import read_markdown_text
    >>> first_heading(read_markdown_text("# 1. Executive Summary\n\nText\n\n## Phishing"))
    ''
    """
    headings = [block for block in reading.blocks if block.kind == "heading"]
    if not headings:
        return ""
    tops = [block for block in headings if block.level == 1]
    named = [block for block in tops if _names_document(reading, block)]
    first = headings[0]
    if len(tops) == 1 and named:
        return _words(reading, named[0])
    if tops and named and named[0] == tops[0] and first.level <= 2:
        return _words(reading, named[0])
    if first.level <= 3 and _names_document(reading, first):
        alone = all(block.level > first.level for block in headings[1:])
        leads = first == reading.blocks[0]
        if alone or leads:
            return _words(reading, first)
    return ""


def _names_document(reading: Reading, block: Block) -> bool:
    words = _words(reading, block)
    return _is_title(words) and not _NUMBER.match(words)


def _words(reading: Reading, block: Block) -> str:
    return " ".join(reading.text[block.start : block.end].split())


def _is_title(title: str) -> bool:
    bare = _NUMBER.sub("", title).strip(" \t#*_:.-–—|")
    if not 2 < len(bare) <= 400 or not any(c.isalpha() for c in bare):
        return False
    return not SECTION.fullmatch(bare) and not _JUNK_TITLE.fullmatch(bare)


def _plain(words: str) -> str:
    return re.sub(r"\W+", "", words.casefold())


_SEPARATOR: Final = re.compile(r"\s+(?:\||::|·|•|»|«|—|–|-|/|›)\s+|\s*\|\s*")
_SURE: Final = frozenset({"|", "::", "·", "•", "»", "«", "›"})


def _clean_title(title: str, sites: set[str], heading: str, snapshot: Snapshot) -> str:
    """A title without the site's name before or after it.

    The name is known from the page or the source, or stands in the host name, or the first heading
    is the rest; else it is what stands after the last ``|`` if that is short.
    """
    title = " ".join(title.split())
    marks = list(_SEPARATOR.finditer(title))
    if not marks:
        return title
    last, first = marks[-1], marks[0]
    tail, head = title[last.end() :], title[: first.start()]
    before, after = title[: last.start()], title[first.end() :]
    host = urllib.parse.urlsplit(snapshot.final_url or snapshot.url).hostname or ""
    labels = {_plain(part) for part in host.split(".")}

    def is_site(words: str) -> bool:
        plain = _plain(words)
        return bool(plain) and (plain in sites or plain in labels)

    if heading and _plain(heading) in {_plain(before), _plain(after)}:
        return heading
    if is_site(tail):
        return _clean_title(before, sites, heading, snapshot)
    if is_site(head) and _is_title(after):
        return after
    if heading and len(heading) > 12 and _plain(title).startswith(_plain(heading)):
        return heading
    if last.group().strip() in _SURE and len(tail.split()) <= 4 and len(before.split()) >= 2:
        return before
    return title


_ABBREVIATED: Final = re.compile(
    r"\b(?:(apt|unc|uac)(?=\d|\b)|(cti|cve|ioc|ttp)(s?)\b)", re.IGNORECASE | re.ASCII
)
"""What everybody in this trade writes in capitals, whatever a file is called."""


def _from_name(item: str) -> str:
    """A file name made readable: ``cti-notes_apt28-2024.pdf`` is ``CTI notes APT28 2024``."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(item).path if "://" in item else item)
    parts = [part for part in path.split("/") if part]
    name = parts[-1] if parts else item
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name) or name
    if stem.lower() in {"index", "readme", "default", "home"} and len(parts) > 1:
        stem = parts[-2]
    words = re.sub(r"[-_+\s]+", " ", stem).strip()
    words = _ABBREVIATED.sub(lambda m: (m[1] or m[2]).upper() + (m[3] or "").lower(), words)
    return (words[:1].upper() + words[1:]) or "Untitled"


# -- dates -----------------------------------------------------------------------------------------


def _published(case: _Case) -> str:
    candidates = [*case.said.get("published", ()), *case.labelled.get("published", ())]
    early = [fact for fact in candidates if fact.origin not in _LATE_DATES]
    late = [fact for fact in candidates if fact.origin in _LATE_DATES]
    for fact in (
        *_ranked(early, DATE_ORIGINS),
        *_ranked(late, _LATE_DATES),
        *_ranked(case.hints.get("published", ()), HINT_ORIGINS),
        *_changes(case),
    ):
        day = parse_date(fact.value)
        value = day or parse_date(fact.value, months=True)
        if value:
            note = "" if day else ", month only"
            if fact.field == "modified":
                note += ", date of change"
            return case.decide("published", value, fact.origin + note)
    return ""


def _changes(case: _Case) -> Iterator[Fact]:
    """What is said of the last change, the best first."""
    yield from case.said.get("modified", ())
    yield from case.labelled.get("modified", ())
    yield from _ranked(case.hints.get("modified", ()), HINT_ORIGINS)


def _note_change(case: _Case, published: str) -> None:
    """Keep the day of the last change as a fact, where it is later than that of publication."""
    for fact in _changes(case):
        if day := parse_date(fact.value):
            if published and day[:10] > published[:10]:
                case.decide("modified", day, fact.origin)
            return


def _labelled(reading: Reading) -> Iterator[Fact]:
    """Dates that a label at the top of the document names: ``Published: 3 May 2024``."""
    blocks = reading.blocks[:_TOP_BLOCKS]
    seen = 0
    for number, block in enumerate(blocks):
        if block.start > _TOP_CHARACTERS:
            return
        words = reading.text[block.start : block.end]
        if block.kind == "table_cell":
            following = blocks[number + 1] if number + 1 < len(blocks) else None
            if (
                following is not None
                and block.column == 0
                and (following.table, following.row) == (block.table, block.row)
                and len(words) <= 40
            ):
                yield from _label(words, reading.text[following.start : following.end])
            continue
        if block.kind in {"code", "quote", "reference"} and seen > 3:
            continue
        seen += block.kind == "paragraph" and len(words) > 300
        if seen > 2:
            return
        for found in _LABELLED.finditer(words[:600]):
            yield from _label(found.group(1), found.group(2))
        bare = re.match(
            r"\W*(published|posted|released|issued)(?: on)?\W+(.{6,40})", words, re.IGNORECASE
        )
        if bare and len(words) < 120:
            yield from _label(bare.group(1), bare.group(2))


def _label(label: str, value: str) -> Iterator[Fact]:
    value = value.strip()[:60]
    if not parse_date(value, months=True) or not _starts_with_date(value):
        return
    if _LABEL.fullmatch(label):
        yield Fact("published", value, "labelled line")
    elif _MODIFIED_LABEL.fullmatch(label):
        yield Fact("modified", value, "labelled line")


def _starts_with_date(value: str) -> bool:
    """Whether the date begins the value, so that "Date: seen first in May 2024" is none."""
    return (
        bool(
            re.match(
                r"\W*(?:on\s+|am\s+|le\s+|the\s+|[A-Za-z]{3,9}day,?\s+)?(?:\d|\w{3,10}\.?\s)", value
            )
        )
        and len(re.findall(r"[^\W\d_]{3,}", value)) <= 4
    )


# -- the rest --------------------------------------------------------------------------------------


def _publisher(case: _Case) -> str:
    origins = ("front matter", "json-ld", "og:site_name", "citation_publisher", "dc.publisher")
    candidates = [*_ranked(case.said.get("publisher", ()), origins)]
    if case.source and case.source.publisher:
        declared = Fact("publisher", case.source.publisher, "source")
        # Who declares an author source knows whose reports it holds, and under one name; a
        # collector's documents have publishers of their own.
        own = case.source.role == "author"
        candidates.insert(0 if own else len(candidates), declared)
    candidates += _ranked(case.hints.get("publisher", ()), HINT_ORIGINS)
    for fact in candidates:
        value = " ".join(fact.value.split())[:200]
        if value:
            return case.decide("publisher", value, fact.origin)
    return ""


def _authors(case: _Case) -> tuple[str, ...]:
    origins = ("front matter", "json-ld", "citation_author", "author", "article:author")
    candidates = _ranked(case.said.get("author", ()), origins) or case.hints.get("author", [])
    names: dict[str, None] = {}
    for fact in candidates:
        if fact.origin == candidates[0].origin:
            for part in re.split(r"\s*[,;]\s+|\s+(?:and|und|&)\s+", fact.value):
                name = re.sub(
                    r"\s*<[^<>]*@[^<>]*>\s*|^by\s+", "", part, flags=re.IGNORECASE
                ).strip()
                if name and len(name) <= 100:
                    names.setdefault(name)
    if names:
        case.decide("authors", ", ".join(names), candidates[0].origin)
    return tuple(names)


def _language(case: _Case) -> str:
    origins = ("front matter", "html lang", "json-ld", "og:locale")
    for fact in _ranked(case.said.get("language", ()), origins):
        code = _code(fact.value)
        if code:
            return case.decide("language", code, fact.origin)
    code = _detect(case.reading)
    if code:
        return case.decide("language", code, "detected")
    if case.source and case.source.language:
        return case.decide("language", case.source.language, "source")
    return ""


def _code(value: str) -> str:
    """The primary subtag of a language tag (BCP 47): ``en`` of ``en_US.UTF-8``."""
    found = re.match(r"([A-Za-z]{2,3})(?:$|[-_.])", value.strip())
    return found.group(1).lower() if found else ""


_CODE_LIKE: Final = re.compile(r"\S*(?:://|[\\/_=<>{}@\d]|\w\.\w)\S*|\[[^\]]*\]")
_SHORT: Final = 120
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        """
        a also an and are as at be because been between both by can could each for from has have in
        into is it its more not of on or other over should some such than that the their these they
        this those through to under used uses using was were when where which while with would
        """,
    )
)
_NOT_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        """
        adalah af ali als ang att auf av az bir bu che como dan dari das de dei del della dem dengan
        der des det di dos een ei egy ein eine el em en er est et het hogy ihr il ini ist itu ja je
        jest joka kun kwa la las le les lo los med mga mit na nao naar ng nicht nie niet och oder og
        oli om para pada per pour que sa se sich som sono su sur tidak til uma un una und une untuk
        van ve vom von voor wa werden wird wordt ya yang za zijn zu
        """,
    )
)
"""The commonest words of other languages, as written in ASCII."""
_PLAINLY: Final = 0.02
"""Share of English words from which a text can be English; below it holds hardly a sentence."""
_ENGLISH_TO_OTHERS: Final = 4
_WORD: Final = re.compile(r"[a-z]+")
_SURE_ENOUGH: Final = 0.9


def _detect(reading: Reading) -> str:
    """The language of running text, empty where there is too little to tell."""
    words: list[str] = []
    size = 0
    for block in reading.blocks:
        if block.kind in {"paragraph", "list_item", "quote", "table_cell"}:
            part = _CODE_LIKE.sub(
                " ", reading.text[block.start : min(block.end, block.start + 1500)]
            )
            words.append(part)
            size += len(part)
            if size > 3000:
                break
    sample = " ".join(" ".join(words).split())
    if sum(c.isalpha() for c in sample) < _SHORT:
        return ""
    if _is_plainly_english(sample):
        return "en"  # without the model, which takes most of a second to load
    code, share = _identifier().classify(sample)
    return str(code) if share >= _SURE_ENOUGH else ""


def _is_plainly_english(sample: str) -> bool:
    """Whether English words outnumber those of other languages, with few letters beyond ASCII."""
    words = _WORD.findall(sample.lower())
    english = [word for word in words if word in _ENGLISH]
    others = sum(word in _NOT_ENGLISH for word in words)
    return (
        len(set(english)) >= 4
        and len(english) >= max(_PLAINLY * len(words), _ENGLISH_TO_OTHERS * others)
        and sum(c.isalpha() for c in sample if c > "\x7f") * 200 <= len(sample)
    )


def _url(case: _Case) -> str:
    """The address that the document declares as its own, if it can be that."""
    origins = ("front matter", "link rel=canonical", "og:url", "json-ld")
    base = case.snapshot.final_url or case.snapshot.url
    for fact in _ranked(case.said.get("url", ()), origins):
        try:
            url = urllib.parse.urljoin(base, fact.value.strip())
            parts = urllib.parse.urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            continue
        if parts.scheme not in {"http", "https"} or not host or " " in url:
            continue
        if _ASSET.search(parts.path):
            case.decide("url", url, f"ignored: {fact.origin} is a file of another kind")
        elif _HOME.fullmatch(parts.path) and not parts.query and not _is_home(case.snapshot, host):
            case.decide("url", url, f"ignored: {fact.origin} is a site's front page")
        else:
            return case.decide("url", url, fact.origin)
    return ""


def _is_home(snapshot: Snapshot, host: str) -> bool:
    """Whether the snapshot itself is the front page of that host."""
    for url in (snapshot.final_url, snapshot.url):
        if url:
            parts = urllib.parse.urlsplit(url)
            return parts.hostname == host and bool(_HOME.fullmatch(parts.path))
    return bool(re.fullmatch(r"(?:index|home|default)\.\w+", snapshot.item))


def normal_url(url: str) -> str:
    """An address as identity: what may differ without meaning another document is left out.

    Scheme and host lower case, ``http`` as ``https``, no ``www.``, default port, fragment, tracking
    parameters or ``index.html``; parameters sorted; no slash at the end (RFC 3986 §6 and beyond).

    >>> normal_url("HTTP://WWW.Lab.example:80/a/index.html?utm_source=x&b=2&a=1#top")
    'https://lab.example/a?a=1&b=2'
    """
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url.strip()
    host = (parts.hostname or "").removeprefix("www.")
    if port and port not in {80, 443}:
        host = f"{host}:{port}"
    query = sorted(
        pair
        for pair in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(pair[0])
    )
    path = urllib.parse.quote(urllib.parse.unquote(parts.path), safe="/~:@!$&'()*+,;=-._")
    path = re.sub(r"/(?:index|default)\.(?:html?|php|aspx?)$", "/", path).rstrip("/")
    tail = "?" + urllib.parse.urlencode(query) if query else ""
    return f"https://{host}{path}{tail}"


@functools.lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
