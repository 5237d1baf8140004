"""Markdown → HTML → blocks: what a reader of the rendered page sees, in the same walk as HTML.

markdown-it-py (CommonMark, tables, strikethrough) renders, and the HTML reader reads what came out,
so that embedded HTML, hidden text and links are treated by one set of rules.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import re
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast

from ctimine.model import Fact, Snapshot
from ctimine.read.html import Walk, parse
from ctimine.read.media import decode
from ctimine.read.plain import read_plain_text
from ctimine.read.text import Reading, TextBuilder

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

_FRONT: Final = re.compile(
    r"\A(?:---|\+\+\+)[ \t]*\n(.*?)\n(?:---|\+\+\+|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_DEEPEST: Final = 100
"""Levels of nesting that are parsed, a few more than anyone writes; what stands deeper is lost."""
_LONGEST_FRONT: Final = 65536
_FENCE: Final = re.compile(r"[ \t]*(?:[-*+>][ \t]+)*(`{3,}|~{3,})")
_ADMONITION: Final = re.compile(r'( *)(?:!!!|\?\?\?\+?|===)\s+(?:[\w-]+\s*)*(?:"([^"\n]*)")?\s*')
_LIQUID: Final = re.compile(r"\s*\{%-?.*?-?%\}\s*")
_DIV_FENCE: Final = re.compile(r"\s*:{3,}.*")
_KRAMDOWN: Final = re.compile(r"\s*\{:[^}\n]*\}\s*")
_ATTRIBUTES: Final = re.compile(r"[ \t]*\{[#.:][^{}\n]*\}[ \t]*$")
_ALERT: Final = re.compile(r"\[!([A-Za-z]+)\][+-]?[ \t]*")
_NOTE: Final = re.compile(r"\[\^([^\]\s]{1,60})\]")
_NOTE_START: Final = re.compile(r"\[\^([^\]\s]{1,60})\]:[ \t]*")
_TAG: Final = re.compile(r"</?([A-Za-z][\w:.-]*)(?:\s[^<>]*)?/?>")
_ELEMENTS: Final = frozenset(
    "a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink"  # noqa: SIM905
    " blockquote body br button canvas caption center cite code col colgroup data datalist dd del"
    " details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form frame"
    " frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend"
    " li link main map mark marquee math menu meta meter nav nobr noembed noframes noscript object"
    " ol optgroup option output p param picture plaintext pre progress q rp rt ruby s samp script"
    " search section select slot small source span strike strong style sub summary sup svg table"
    " tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr".split()
)


def read_markdown(snapshot: Snapshot) -> Reading:
    """The text of a Markdown file and what its front matter says."""
    source, _ = decode(snapshot.body, snapshot.media_type)
    return read_markdown_text(source)


def read_markdown_text(source: str) -> Reading:
    r"""What a Markdown text says.

    >>> reading = read_markdown_text("# Turla\n\n* uses [Web Service](https://a.example/T1102)")
    >>> reading.text, [(link.start, link.end) for link in reading.links]
    ('Turla\n\nuses Web Service', [(12, 23)])
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    facts, body = split_front_matter(source)
    walk = Walk(parse(_renderer().render(_plainer(body))), whole=True)
    text = TextBuilder()
    walk.build(text)
    warnings = walk.warnings
    if not text.length and body.strip() and "<" not in body:
        # Nested deeper than the parser goes, or all of it a fence's first line.
        plain = read_plain_text(body)
        return dataclasses.replace(plain, facts=facts, warnings=("read as plain text",))
    return text.reading(facts=facts, warnings=warnings)


# -- front matter ----------------------------------------------------------------------------------

_KEYS: Final[dict[str, str]] = {
    "title": "title",
    "headline": "title",
    "date": "published",
    "published": "published",
    "published_at": "published",
    "published_on": "published",
    "publish_date": "published",
    "publishdate": "published",
    "published_date": "published",
    "pubdate": "published",
    "publication_date": "published",
    "date_published": "published",
    "datepublished": "published",
    "release_date": "published",
    "created": "published",
    "lastmod": "modified",
    "last_modified": "modified",
    "last_modified_at": "modified",
    "last_updated": "modified",
    "modified": "modified",
    "updated": "modified",
    "publisher": "publisher",
    "organisation": "publisher",
    "organization": "publisher",
    "site_name": "publisher",
    "author": "author",
    "authors": "author",
    "canonical": "url",
    "canonical_url": "url",
    "original_url": "url",
    "url": "url",
    "lang": "language",
    "language": "language",
    "locale": "language",
}


def split_front_matter(source: str) -> tuple[tuple[Fact, ...], str]:
    r"""The facts of a YAML or TOML front matter, and the text after it.

    >>> split_front_matter("---\ntitle: Turla\ndate: 2024-05-06\n---\nText")[0][0]
    Fact(field='title', value='Turla', origin='front matter')
    """
    source = source.lstrip("\ufeff")
    found = _FRONT.match(source)
    if not found or found.end() > _LONGEST_FRONT:
        return (), source
    values = _toml(found.group(1)) if source.startswith("+++") else _yaml(found.group(1))
    if values is None:
        return (), source
    facts: list[Fact] = []
    for key, value in values.items():
        name = re.sub(r"[\s-]+", "_", str(key).strip().lower())
        field = _KEYS.get(name)
        if field:
            facts.extend(Fact(field, item, "front matter") for item in _scalars(value))
        elif name in {"layout", "type", "kind"} and isinstance(value, str):
            facts.append(Fact("layout", value.strip().lower(), "front matter"))
    return tuple(facts), source[found.end() :]


def _yaml(text: str) -> dict[Any, Any] | None:
    import yaml

    # Without resolving: "2024-02-31" and "on" stay the words that they are.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        values = yaml.load(text, Loader=loader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return _lines(text)
    return values if isinstance(values, dict) else None


def _lines(text: str) -> dict[Any, Any] | None:
    """``key: value`` lines of a front matter that is no YAML, as an unquoted colon makes it."""
    pairs = re.findall(r"^([A-Za-z][\w -]{0,40}):[ \t]+(.+?)[ \t]*$", text, re.MULTILINE)
    return {key: value.strip("\"'") for key, value in pairs} or None


def _toml(text: str) -> dict[Any, Any] | None:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _scalars(value: Any) -> Iterator[str]:
    for item in (value if isinstance(value, list) else [value])[:50]:
        name = item.get("name") if isinstance(item, dict) else item
        if isinstance(name, MutableMapping | list) or name is None:
            continue
        words = " ".join(str(name).split())
        if words and words.lower() not in {"null", "none", "~"}:
            yield words


# -- dialects --------------------------------------------------------------------------------------


def _plainer(source: str) -> str:
    """The text without the marks of dialects that CommonMark does not know.

    Liquid tags, Pandoc's ``:::`` fences and attribute lists go; the body of an admonition
    (``!!! note``) loses its indentation, which would make it code.
    """
    if not _DIALECT.search(source):
        return source
    lines: list[str] = []
    fence = ""
    admonition = -1
    for line in source.split("\n"):
        if admonition >= 0:
            if line.strip() and not line.startswith(" " * (admonition + 4)):
                admonition = -1
                lines.append("")
            else:
                line = line[admonition + 4 :]  # noqa: PLW2901
        opened = _FENCE.match(line)
        if fence:
            if opened and opened.group(1).startswith(fence) and not line.strip(" `~>"):
                fence = ""
            lines.append(line)
            continue
        if opened:
            fence = opened.group(1)
            lines.append(line)
            continue
        found = _ADMONITION.fullmatch(line)
        if found:
            admonition = len(found.group(1))
            lines += ["", found.group(2) or "", ""]
        elif _DIV_FENCE.fullmatch(line) or _KRAMDOWN.fullmatch(line) or _LIQUID.fullmatch(line):
            lines.append("")
        else:
            if line.startswith("#"):
                line = _ATTRIBUTES.sub("", line)  # noqa: PLW2901
            lines.append(line)
    return "\n".join(lines)


_DIALECT: Final = re.compile(r"^(?: *(?:!!!|\?\?\?|===)| *:::|\s*\{[:%]|#.*\})", re.MULTILINE)


@functools.lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": True, "maxNesting": _DEEPEST}).enable(
        ["table", "strikethrough"]
    )
    renderer.block.ruler.before("reference", "note", _note, {"alt": []})
    rules = cast("Any", renderer.renderer).rules
    rules["html_block"] = _raw_html
    rules["html_inline"] = _raw_html
    rules["image"] = lambda *_: " "
    rules["text"] = _text
    rules["note_open"] = lambda tokens, at, *_: (
        f'<div class="footnotes"><p>[{html.escape(tokens[at].info)}] '
    )
    rules["note_close"] = lambda *_: "</p></div>\n"
    return renderer


def _text(tokens: list[Token], at: int, *_: Any) -> str:
    words = tokens[at].content
    if "[" in words:
        words = _NOTE.sub(r"[\1]", words)
        if at == 0:
            words = _ALERT.sub("", words, count=1) if words.startswith("[!") else words
    return html.escape(words, quote=False)


def _raw_html(tokens: list[Token], at: int, *_: Any) -> str:
    """Embedded HTML as it stands; what merely looks like a tag (``<ACTOR>``) as text."""
    return _TAG.sub(
        lambda found: (
            found.group()
            if found.group(1).lower() in _ELEMENTS
            else html.escape(found.group(), quote=False)
        ),
        tokens[at].content,
    )


def _note(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Block rule for a footnote's text, ``[^1]: …`` with its indented lines."""
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    found = _NOTE_START.match(first)
    if not found:
        return False
    if silent:
        return True
    lines = [first[found.end() :]]
    line = start + 1
    while line < end and not state.isEmpty(line):
        following = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if _NOTE_START.match(following) or state.sCount[line] < state.blkIndent:
            break
        lines.append(following)
        line += 1
    state.push("note_open", "div", 1).info = found.group(1)
    inline = state.push("inline", "", 0)
    inline.content = "\n".join(lines).strip()
    inline.children = []
    inline.map = [start, line]
    state.push("note_close", "div", -1)
    state.line = line
    return True
