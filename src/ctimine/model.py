"""The frozen records that cross the borders between rooms.

All fields are JSON scalars, tuples of them, or tuples of these records, so that
``dataclasses.asdict`` gives JSON as it stands. Offsets are half-open character offsets
(Unicode code points) into ``Report.text``, everywhere.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, cast

from ctimine.errors import InputError

# -- closed vocabularies ---------------------------------------------------------------------

Basis: TypeAlias = Literal["cited", "mapping", "id", "name", "behaviour"]
"""Why a mention or claim was made.

``cited``: the knowledge base maps it and cites a source. ``mapping``: a row of a structured source
(CSV, JSON, YAML, STIX) says so. ``id``: the technique id is written. ``name``: an official name
or alias is written. ``behaviour``: told in other words; its score is a probability, by a
model or as measured for the rule.
"""

Stance: TypeAlias = Literal[
    "reported",
    "assessed",
    "claimed",
    "capability",
    "forecast",
    "recommended",
    "example",
    "negated",
    "reference",
]
"""What the text says of it.

``reported``: it happened. ``assessed``: likely, "we assess". ``claimed``: the actor says so,
unverified. ``capability``: can, supports. ``forecast``: may, will. ``recommended``: detect, hunt,
mitigate. ``example``: education, fiction, tutorial, template. ``negated``: did not, incorrectly
attributed. ``reference``: contents list, link list, bibliography, pasted layer or catalogue.
"""

EVIDENT: Final[frozenset[str]] = frozenset({"reported", "assessed"})
"""The stances that make a ``uses`` edge in STIX (``assessed`` with lower confidence)."""

TLP: Final = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
"""The words of the Traffic Light Protocol 2.0 (https://www.first.org/tlp/), the mildest first."""

Relation: TypeAlias = Literal[
    "uses",
    "alias-of",
    "overlaps",
    "part-of",
    "attributed-to",
    "not-attributed-to",
    "exploits",
]

ConceptKind: TypeAlias = Literal["technique", "tactic", "actor", "software", "campaign"]

MentionKind: TypeAlias = Literal[
    "technique", "tactic", "actor", "software", "campaign", "service", "vulnerability"
]

BlockKind: TypeAlias = Literal[
    "heading",
    "paragraph",
    "list_item",
    "table_cell",
    "code",
    "quote",
    "caption",
    "reference",
]

ReportKind: TypeAlias = Literal["report", "mapping", "layer", "template", "readme", "index"]
"""What a document is. Only ``report`` and ``mapping`` can make edges; the others are kept, marked.

``mapping``: rows that pair actor and technique (CSV, JSON, YAML, STIX). ``layer``: a Navigator
layer or pasted catalogue. ``index``: a list of links to other documents, a search page, a stub.
"""

Role: TypeAlias = Literal["author", "collector"]
Status: TypeAlias = Literal["live", "revoked", "deprecated", "unknown"]

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://ctimine.example/namespace/1")
"""Namespace of every UUIDv5 that this project makes.

STIX 2.1 §2.9 reserves its own (00abedb4-…) for observables.
"""

UNSEEN: Final = "name:"
"""Prefix of the id of a subject or object that no catalogue knows (``name:silver raven``)."""


# -- records -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Where reports come from: a pure declaration, no state.

    ``kind`` names a fetcher (``folder``, ``feed``, ``site``, …). ``role`` is ``author`` for
    somebody who publishes reports of their own, ``collector`` for who gathers those of others.
    ``reliability`` is the Admiralty letter A to F, ``tlp`` a TLP 2.0 word such as ``CLEAR``.
    ``options`` are (name, value) pairs for the fetcher.

    >>> Source("unit42", kind="feed", url="https://unit42.example/feed/").role
    'author'
    """

    key: str
    kind: str = "folder"
    url: str = ""
    name: str = ""
    publisher: str = ""
    role: Role = "author"
    reliability: str = "F"
    tlp: str = "CLEAR"
    language: str = ""
    labels: tuple[str, ...] = ()
    options: tuple[tuple[str, str | int | float | bool | tuple[str, ...]], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """One found fact about a document and where it was found.

    ``field`` is a field name of :class:`Report` (``title``, ``published``, ``publisher``, ``url``,
    ``authors``, ``language``, ``kind``), ``origin`` says where the value stood, such as
    ``front matter``, ``og:title``, ``json-ld``, ``first heading``, ``feed``, ``sitemap``,
    ``manifest``, ``commit``.
    """

    field: str
    value: str
    origin: str


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """Bytes as they came, and what was asked to get them.

    ``source`` is the source's key, ``item`` the path or item id inside that source (POSIX
    separators, stable between runs), ``url`` what was asked (empty when no address is known),
    ``final_url`` what answered, ``fetched`` an RFC 3339 UTC time or empty. ``hints`` are facts that
    the source gave beside the bytes (feed title and date, manifest address, commit date).
    """

    source: str
    item: str
    body: bytes
    url: str = ""
    final_url: str = ""
    fetched: str = ""
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    hints: tuple[Fact, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the body, the snapshot's identity."""
        return hashlib.sha256(self.body).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a report's text that is one thing: a heading, a cell, a list item.

    Blocks of one report are ordered and disjoint. ``level`` is the heading level (1 to 6) or the
    nesting depth of a list item. ``path`` holds the headings above it, outermost first, without
    itself. Cells carry ``table`` (number in the report), ``row`` and ``column`` (from 0);
    ``header`` marks a header cell. ``note`` is the language of a code block or empty.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    path: tuple[str, ...] = ()
    table: int = -1
    row: int = -1
    column: int = -1
    header: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A hyperlink: the characters ``start:end`` of the text point at ``url``."""

    start: int
    end: int
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """One document as text that never changes afterwards.

    ``id`` is a UUIDv5 of the declared canonical address, else of source key + item (never of
    content, time or order). ``places`` are all addresses and paths where it was found.
    ``published`` is an RFC 3339 date or UTC time, empty when no source tells. ``credibility`` is
    the Admiralty number 1 to 6 (6: cannot be judged). ``kind`` says whether it is a report at all.
    ``facts`` tell where each found fact came from.
    """

    id: str
    source: str
    item: str
    text: str
    blocks: tuple[Block, ...] = ()
    links: tuple[Link, ...] = ()
    url: str = ""
    places: tuple[str, ...] = ()
    title: str = ""
    publisher: str = ""
    authors: tuple[str, ...] = ()
    published: str = ""
    language: str = ""
    kind: ReportKind = "report"
    role: Role = "author"
    reliability: str = "F"
    credibility: int = 6
    tlp: str = "CLEAR"
    labels: tuple[str, ...] = ()
    media_type: str = ""
    digest: str = ""
    facts: tuple[Fact, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Concept:
    """A technique, tactic, actor, software or campaign as a catalogue knows it.

    ``id`` is the ATT&CK id (``T1102.002``, ``G0069``, ``S0154``, ``TA0011``, ``C0001``) or
    ``misp:<uuid>`` for an actor that only the MISP galaxy knows. ``version`` is the release that
    the facts come from. ``created`` and ``modified`` are empty where no source tells.
    """

    kind: ConceptKind
    id: str
    name: str
    aliases: tuple[str, ...] = ()
    stix_id: str = ""
    parent: str = ""
    tactics: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    status: Status = "live"
    replaced_by: str = ""
    version: str = ""
    created: str = ""
    modified: str = ""
    url: str = ""
    software_type: str = ""
    country: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Mention:
    """Characters of a report that name, number or describe a concept.

    Always ``report.text[start:end] == quote``. ``report`` is the report's id. ``concept`` is the id
    of the concept *meant today* (a revoked id is followed to its successor; ``quote`` keeps what
    is written), or empty when unknown or ambiguous; then ``name`` and ``candidates`` say what is
    known.
    ``problem`` names why a mention makes no edge or deserves a look: ``unknown-id``, ``atlas-id``,
    ``retired-id``, ``id-name-conflict``, ``ambiguous-name``; empty when there is none. ``rule``
    names the rule that found it; ``score`` lies in 0 to 1.
    """

    report: str
    start: int
    end: int
    quote: str
    kind: MentionKind
    concept: str
    basis: Basis
    stance: Stance = "reported"
    rule: str = ""
    score: float = 1.0
    name: str = ""
    candidates: tuple[str, ...] = ()
    problem: str = ""

    @property
    def key(self) -> str:
        """Hash of what it says and where; equal mentions have equal keys."""
        return _key(self.report, self.start, self.end, self.kind, self.concept or self.name)


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Subject, relation, object as one passage of one report states them.

    Always ``report.text[start:end] == quote``: the sentence, cells of the row or list item that
    says it. ``subject`` and ``object`` are concept ids, ``misp:<uuid>``, ``name:<folded name>``
    for a thing that no catalogue knows, or a CVE id. ``subject_at`` and ``object_at`` are offsets
    of the words that name them (they may stand outside the quote: a heading, a title); empty when
    there are none. ``via`` is the abused service (``telegram``) or the software id it is done with.
    ``time`` is the time as the text states it. ``said_by`` is the source that a mapping row names.
    """

    report: str
    start: int
    end: int
    quote: str
    subject: str
    relation: Relation
    object: str
    basis: Basis
    stance: Stance = "reported"
    rule: str = ""
    score: float = 1.0
    subject_name: str = ""
    object_name: str = ""
    subject_at: tuple[int, ...] = ()
    object_at: tuple[int, ...] = ()
    via: str = ""
    time: str = ""
    said_by: str = ""

    @property
    def key(self) -> str:
        """Hash of what it says and where; equal claims have equal keys.

        >>> a = Claim("r", 0, 4, "A: B", "G0069", "uses", "T1102", "id")
        >>> a.key == dataclasses.replace(a, score=0.5).key
        True
        """
        return _key(
            self.report, self.start, self.end, self.subject, self.relation, self.object, self.via
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Citation:
    """A source that a knowledge base cites, parsed from its one citation string.

    ``date`` is the publication date as far as stated (``2021``, ``2021-05``, ``2021-05-06``),
    never the date of retrieval.
    """

    name: str
    title: str = ""
    author: str = ""
    date: str = ""
    url: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """An edge of the knowledge base: subject, relation, object, and whom it cites.

    ``versions`` are the ATT&CK releases that hold the edge, ``citations_from`` the release that the
    citations were taken from (a later release may be silent on them).
    """

    subject: str
    relation: Relation
    object: str
    versions: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    citations_from: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document or address of a run; nothing vanishes without one.

    ``state`` is ``read``, ``not-a-report``, ``folded``, ``skipped`` or ``failed``; ``reason`` is a
    word or short phrase that can be counted (``unsupported media``, ``time budget``), ``detail``
    the message for a person.
    """

    item: str
    state: Literal["read", "not-a-report", "folded", "skipped", "failed"]
    reason: str = ""
    detail: str = ""


# -- between rooms ---------------------------------------------------------------------------------


class Memory(Protocol):
    """What a fetcher needs remembered from run to run; the archive implements it.

    Notes are short texts under a key of a source: validators of an address, the mark of an item,
    a cursor. A note that is empty was never made.
    """

    def recall(self, source: str, key: str) -> str:
        """The note under this key, empty if there is none."""
        ...

    def note(self, source: str, notes: Mapping[str, str]) -> None:
        """Keep notes, all or none; an empty text forgets."""
        ...

    def keep(self, snapshot: Snapshot, notes: Mapping[str, str]) -> None:
        """Keep a snapshot and its notes, all or none."""
        ...


_SECRETS: Final = re.compile(
    r"(?P<user>(?<=://)[^/?#\s@]{1,500}@)"
    r"|(?P<name>(?<![\w.-])[\w.-]{0,40}?(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|"
    r"signature|credential|authorization)[\w.-]{0,40}\s*=)[^&#;\s'\"<>]+"
    # Names that may be harmless (?key=apt28): only values that look like no word
    r"|(?P<maybe>(?<![\w.-])(?:auth|key|sig|pwd|pass|session|sessionid|sid|code|jwt)\s*=)"
    r"[\w%.+/~-]{16,}"
    r"|(?P<scheme>\b(?:bearer|basic|token)\s+)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text without credentials in addresses and headers: for logs, errors and archives.

    >>> redacted("https://me:pw@feeds.example/x?id=7&api_key=abc")
    'https://feeds.example/x?id=7&api_key=***'
    """

    def hidden(match: re.Match[str]) -> str:
        if match["user"]:
            return ""
        return f"{match['name'] or match['maybe'] or match['scheme']}***"

    return _SECRETS.sub(hidden, text)


def tlp_word(marking: str) -> str:
    """The word of TLP 2.0 that a marking means; empty for one that TLP does not have.

    No marking, and ``WHITE`` of TLP 1, mean ``CLEAR``.

    >>> [tlp_word(marking) for marking in ("TLP:amber", "white", "", "secret")]
    ['AMBER', 'CLEAR', 'CLEAR', '']
    """
    word = marking.upper().removeprefix("TLP:")
    word = "CLEAR" if word in {"", "WHITE"} else word
    return word if word in TLP else ""


# -- identity and JSON ---------------------------------------------------------------------------

Record = TypeVar("Record")


def stable_id(kind: str, *parts: str) -> str:
    """UUIDv5 in ctimine's namespace of what a thing *is*: its kind and its canonical key.

    Halves of surrogate pairs, which are no characters, count as question marks.

    >>> stable_id("report", "https://a.example/x") == stable_id("report", "https://a.example/x")
    True
    >>> stable_id("report", "x") == stable_id("note", "x")
    False
    """
    name = "\x1f".join((kind, *parts)).encode("utf-8", "replace").decode()
    return str(uuid.uuid5(NAMESPACE, name))


def _key(*parts: str | int) -> str:
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def to_json(record: Any) -> dict[str, Any]:
    """A record as JSON scalars, lists and objects, with its ``key`` where it has one."""
    if isinstance(record, Snapshot):
        raise InputError("a snapshot holds bytes and has no JSON form", subject=record.item)
    row: dict[str, Any] = _plain(record)
    if isinstance(record, Mention | Claim):
        row["key"] = record.key
    return row


def from_json(kind: type[Record], row: dict[str, Any]) -> Record:
    """The record that :func:`to_json` wrote; unknown fields (such as ``key``) are passed over.

    >>> claim = Claim("r", 0, 4, "A: B", "G0069", "uses", "T1102", "id", subject_at=(0, 1))
    >>> from_json(Claim, to_json(claim)) == claim
    True
    """
    values: dict[str, Any] = {}
    for name in _field_names(cast("Any", kind)):
        if name not in row:
            continue
        value = row[name]
        if name in _NESTED:
            record_type = _NESTED[name]
            names = _field_names(cast("Any", record_type))
            value = tuple(
                record_type(**{k: _frozen(v) for k, v in item.items() if k in names})
                for item in value
            )
        values[name] = _frozen(value)
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"not a {kind.__name__}: {error}", subject=str(row)[:80]) from None


_NESTED: Final[dict[str, type[Any]]] = {
    "blocks": Block,
    "links": Link,
    "facts": Fact,
    "hints": Fact,
    "citations": Citation,
}
"""Fields that hold records, and which."""

_SCALARS: Final = (str, int, float, bool, type(None))


def _plain(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        row = {}
        for name in _field_names(cast("Any", type(value))):
            held = getattr(value, name)  # most are scalars: a call for each would cost the most
            row[name] = held if type(held) in _SCALARS else _plain(held)
        return row
    return value


@functools.cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
