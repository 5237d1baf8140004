"""What a document is: a report, or one of the things that lie beside reports.

Path and content speak together: a ``README.md`` that is forty pages of analysis is a report, a file
full of ``{{PLACEHOLDERS}}`` is a template wherever it lies. The first rule that holds decides; its
name becomes the origin of the ``kind`` fact.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from typing import Final

from ctimine.model import ReportKind, Snapshot
from ctimine.read.text import Reading

_PLACEHOLDER: Final = re.compile(
    r"\{\{\s*[A-Za-z][\w .-]{1,40}\s*\}\}"
    r"|<(?!https?:)[A-Z][A-Z0-9_ /-]{2,40}>"
    r"|\[(?:INSERT|YOUR|TODO|TBD|ACTOR|DATE|NAME|TITLE|ENTER|ADD|FILL)\b[^\]\n]{0,60}\]"
    r"|\[(?:Insert|Your|Enter|Fill in|Describe|Add)\b[^\]\n]{2,60}\](?!\()"
    r"|\bYYYY-MM-DD\b|\bX{4,}\b|\$\{[A-Z][A-Z_]{2,40}\}|\{[A-Z][A-Z0-9]*_[A-Z0-9_]{2,40}\}"
)
_BLANK: Final = re.compile(
    r"\blorem ipsum\b|\bTBD\b|\bTODO\b|\((?:add|insert|fill in|describe|list) [^)]{2,60}\)",
    re.IGNORECASE,
)
_TEMPLATE_NAME: Final = re.compile(
    r"(?:^|[-_. /])(?:templates?|tpl|skeleton|boilerplate|outline)(?:[-_. /]|$)", re.IGNORECASE
)
_TEMPLATE_TITLE: Final = re.compile(
    r"\btemplates?\b|\breport outline\b|\bfill[- ]in\b", re.IGNORECASE
)
_README: Final = re.compile(
    r"(?:read[-_ ]?me|repo[-_ ]?description)(?:[-_.]\w{2,5})?$", re.IGNORECASE
)
_REPOSITORY_FILE: Final = re.compile(
    r"(?:AUTHORS|CHANGELOG|CHANGES|CITATION|CODEOWNERS|CODE[-_]OF[-_]CONDUCT|CONTRIBUTING|"
    r"CONTRIBUTORS|COPYING|CREDITS|DISCLAIMER|FUNDING|GOVERNANCE|HISTORY|INSTALL|LICEN[CS]E|"
    r"MAINTAINERS|NEWS|NOTICE|PULL_REQUEST_TEMPLATE|ISSUE_TEMPLATE|ROADMAP|SECURITY|SUPPORT|"
    r"TODO|disclaimer|contributing|license|changelog|code_of_conduct)"
)
_REPOSITORY_FOLDER: Final = re.compile(r"(?:^|/)\.(?:github|gitlab|circleci)/")
_SETUP: Final = re.compile(
    r"(?:what'?s in (?:this|the) repo(?:sitory)?|about this repo(?:sitory)?|files?(?: in .*)?|"
    r"contents?|table of contents|(?:repository|repo|folder|directory|project) "
    r"(?:layout|structure|contents?|map)|structure|quick ?start|getting started|installation|"
    r"install|setup|usage|how to (?:use|cite|contribute|run).*|requirements|prerequisites|"
    r"build(?:ing)?|"
    r"contribut(?:e|ing|ions?)|licen[cs]e|(?:more )?links?|related(?: .*)?|reports?(?: index)?|"
    r"source|sources|author|contact|disclaimer|citation|acknowledg.*|support|see also|badges?|"
    r"roadmap|changelog|status|navigation|index|downloads?|formats?|placeholders?|maintainers?|"
    r"(?:available|published|latest) (?:reports?|articles?|research)|priority .* categories)",
    re.IGNORECASE,
)
_ABOUT_REPOSITORY: Final = re.compile(
    r"\bthis (?:repo|repository|folder|directory|project)\b|\bgit clone\b|\bpip install\b|"
    r"\bpull requests?\b|\bstar this repo\b",
    re.IGNORECASE,
)
_STUB_TITLE: Final = re.compile(
    r"(?:error )?404\b.*|.*\bpage (?:not found|has moved|moved)\b.*|not found|"
    r"redirect(?:ing)?\b.*|moved(?: permanently)?|search(?: results?)?(?:\W.*)?|just a moment.*|"
    r"access denied|forbidden|(?:403|500|503)\b.*|attention required.*|are you a robot.*",
    re.IGNORECASE,
)
_SERVICE_TITLE: Final = re.compile(
    r"(?:privacy|cookie|cookies)(?: (?:policy|notice|statement))?|terms(?: (?:of|and) .*)?|imprint|"
    r"impressum|legal notice|contact(?: us)?|about(?: us| me)?|site ?map|tags?(?:: .*)?|"
    r"categor(?:y|ies)(?:: .*)?|archives?(?:: .*)?|all (?:posts|articles|reports)|"
    r"(?:blog|news|articles|posts|reports|publications|resources|library|home ?page)",
    re.IGNORECASE,
)
_STUB_PATH: Final = re.compile(
    r"(?:^|/)(?:404|403|500|search(?:-results?)?|privacy(?:-policy)?|cookies?(?:-policy)?|terms"
    r"(?:-of-\w+)?|imprint|impressum|contact|sitemap|tags?|categor(?:y|ies)|archives?|login|about|(?:robots|humans|ads|llms)(?=\.txt))"
    r"(?:\.\w{2,5}|/(?:index\.\w{2,5})?)?$",
    re.IGNORECASE,
)
_ENTRY_PATH: Final = re.compile(
    r"(?:^|/)(?:TA\d{4}|T\d{4}(?:[./]\d{3})?|[GSCM]\d{4}|AML\.T\d{4}(?:\.\d{3})?)"
    r"(?:/index)?(?:\.\w{2,5})?/?$"
)
_FRONT: Final = re.compile(r"(?:^|/)(?:index|home|default)\.\w{2,5}$|^/?$")
_SURE: Final = frozenset(
    {"json-ld collectionpage", "json-ld searchresultspage", "meta refresh", "page without text"}
)
"""What a page says of itself that is believed however much text it has."""
_TEASERS: Final = 1500
"""Characters of running text that a page of teasers may have."""
_LONG: Final = 160
"""Characters from which a paragraph is running text and no teaser or caption."""


Verdict = tuple[ReportKind, str] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a text looks like from afar, in numbers."""

    size: int
    prose: int
    """Characters in paragraphs that are long enough to be running text, links left out."""
    linked: int
    """Characters that are the words of links."""
    links: int
    headings: int
    linked_headings: int
    items: int
    linked_items: int
    cells: int
    code: int

    @classmethod
    def of(cls, reading: Reading) -> Shape:
        """The shape of a reading."""
        blocks = reading.blocks
        inside = [0] * len(blocks)
        at = 0
        for link in reading.links:
            while at < len(blocks) and blocks[at].end <= link.start:
                at += 1
            if at < len(blocks) and blocks[at].start <= link.start:
                inside[at] += link.end - link.start
        prose = headings = linked_headings = items = linked_items = cells = code = 0
        for block, linked in zip(blocks, inside, strict=True):
            size = block.end - block.start
            mostly = linked * 10 >= size * 8
            if block.kind == "heading":
                headings += 1
                linked_headings += mostly
            elif block.kind in {"list_item", "reference"}:
                items += 1
                linked_items += mostly
                prose += size - linked if size >= _LONG and not mostly else 0
            elif block.kind == "table_cell":
                cells += 1
            elif block.kind == "code":
                code += size
            elif size >= _LONG and not mostly:
                prose += size - linked
        return cls(
            sum(block.end - block.start for block in blocks),
            prose,
            sum(inside),
            len(reading.links),
            headings,
            linked_headings,
            items,
            linked_items,
            cells,
            code,
        )


def find_kind(
    reading: Reading, snapshot: Snapshot, *, title: str, media: str
) -> tuple[ReportKind, str]:
    r"""The kind of a document and the rule that tells.

    >>> from ctimine.read.markdown import read_markdown_text
    >>> reading = read_markdown_text("# {{ACTOR}}\n\n{{SUMMARY}} in {{YEAR}}, {{SECTOR}}")
    >>> find_kind(reading, Snapshot("s", "a.md", b""), title="", media="text/markdown")
    ('template', 'placeholders')
    """
    if reading.kind is not None:
        return reading.kind, media
    document = _Document(reading, Shape.of(reading), _path(snapshot), title)
    for rule in (_template, _entry, _readme, _stub, _index):
        found = rule(document)
        if found is not None:
            return found
    return "report", "text"


def _path(snapshot: Snapshot) -> str:
    url = snapshot.final_url or snapshot.url
    return snapshot.item or urllib.parse.unquote(urllib.parse.urlsplit(url).path)


@dataclasses.dataclass(frozen=True, slots=True)
class _Document:
    reading: Reading
    shape: Shape
    path: str
    title: str


def _is_front(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return False
    return bool(parts.netloc) and not parts.path.strip("/") and not parts.query


def _template(document: _Document) -> Verdict:
    text = document.reading.text
    holes = len(_PLACEHOLDER.findall(text)) + len(_BLANK.findall(text))
    per_page = holes * 3000 / max(len(text), 300)
    named = bool(_TEMPLATE_NAME.search(re.sub(r"\.\w{1,5}$", "", document.path)))
    titled = bool(_TEMPLATE_TITLE.search(document.title))
    if holes >= 3 and per_page >= 4:
        return "template", "placeholders"
    if (named or titled) and (holes >= 1 or document.shape.prose < 600):
        return "template", "template by name, with blanks" if holes else "template by name"
    if named and titled:
        return "template", "template by name and title"
    return None


def _entry(document: _Document) -> Verdict:
    if _ENTRY_PATH.search(document.path):
        return "index", "entry of a catalogue"
    return None


def _stub(document: _Document) -> Verdict:
    facts = document.reading.facts
    said = {fact.origin for fact in facts if fact.field == "kind" and fact.value == "index"}
    sure = said & _SURE
    if sure:
        return "index", min(sure)
    if said and document.shape.prose < _TEASERS:
        return "index", min(said)
    titles = {document.title, *(fact.value for fact in facts if fact.field == "title")}
    if document.shape.size < 4000 and any(map(_STUB_TITLE.fullmatch, titles)):
        return "index", "title of an error, search or redirect page"
    article = any(fact.field == "kind" and fact.value == "report" for fact in facts)
    home = any(fact.field == "url" and _is_front(fact.value) for fact in facts)
    if home and not article and _FRONT.search(document.path):
        return "index", "front page of a site"
    if _STUB_PATH.search(document.path):
        return "index", "path of a service page"
    if any(map(_SERVICE_TITLE.fullmatch, titles)):
        return "index", "title of a service or listing page"
    return None


def _readme(document: _Document) -> Verdict:
    name = document.path.rsplit("/", 1)[-1]
    stem = name.split(".", 1)[0] if not name.startswith(".") else name
    if _REPOSITORY_FOLDER.search(document.path):
        return "readme", "file about a repository"
    if _REPOSITORY_FILE.fullmatch(stem) and document.shape.size < 20_000:
        return "readme", "file about a repository"
    if not _README.match(stem):
        return None
    headings = [
        document.reading.text[b.start : b.end].strip(" \t#*:_.0123456789")
        for b in document.reading.blocks
        if b.kind == "heading"
    ]
    setup = sum(bool(_SETUP.fullmatch(heading)) for heading in headings)
    about = len(_ABOUT_REPOSITORY.findall(document.reading.text))
    pages = document.shape.size / 3000
    if document.shape.prose >= 5000 and setup * 3 <= len(headings) and about <= pages:
        return None
    if document.shape.prose >= 2500 and setup * 6 <= len(headings) and about == 0:
        return None
    return "readme", "readme that tells about a repository"


def _index(document: _Document) -> Verdict:
    if document.shape.links < 5:
        return None
    if document.shape.linked * 2 >= document.shape.size and document.shape.prose < 3000:
        return "index", "mostly links"
    if (
        document.shape.headings >= 4
        and document.shape.linked_headings * 2 >= document.shape.headings
        and (document.shape.prose < document.shape.size * 0.6)
    ):
        return "index", "headings that are links"
    if (
        document.shape.items >= 8
        and document.shape.linked_items * 10 >= document.shape.items * 8
        and document.shape.prose < 1000
    ):
        return "index", "list of links"
    return None
