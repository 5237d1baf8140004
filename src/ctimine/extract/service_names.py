"""Names and hosts of web services in a text: which service a word or an address is.

Most names are nothing else (Telegram, Pastebin); some are ordinary words (Box, Slack, X), which
count only where their surroundings say so. Services are data in ``services.toml``, surroundings in
``service_contexts.toml``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING, Any, Final

from ctimine.extract.candidates import without_surrogates
from ctimine.extract.data import compiled, read_data
from ctimine.extract.gate import Scan

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

_BEFORE: Final = 60
_AFTER: Final = 40
"""Characters beside a name in which its surroundings are looked for."""
_DEFANGED: Final = re.compile(r"hxxp|\[\.\]|\[dot\]|\(\.\)", re.IGNORECASE)
_LINK: Final = re.compile(r"\]\([^)]*\)|(?:https?|hxxps?)://\S+")
_DOTS: Final = ("[.]", "(.)", "{.}", "[dot]", "(dot)")
_DOT_AND_WORD: Final = re.compile(r"(?:\.|\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))\w")
_CARELESS: Final = frozenset(
    {"bitbucket", "dropbox", "github", "gitlab", "gofile", "hastebin", "linkedin", "mediafire"}
    | {"ngrok", "onedrive", "pastebin", "pcloud", "rentry", "sharepoint", "trello", "whatsapp"}
    | {"youtube"}
)
"""Services whose names of one word mean nothing else, so that small letters do not matter."""


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service as ``services.toml`` has it; ``words`` are its names that are ordinary words."""

    key: str
    name: str
    category: str
    names: tuple[str, ...]
    hosts: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What must stand around a name, as ``service_contexts.toml`` has it.

    ``side`` is ``before``, ``after`` or ``around``; ``within`` counts characters on each side (0:
    the whole sentence). Without a pattern nothing fits; nor where ``unless`` follows the name.
    """

    name: str
    side: str
    within: int
    pattern: re.Pattern[str] | None
    example: str
    counterexample: str
    unless: re.Pattern[str] | None = None

    def fits(self, text: str, start: int, end: int) -> bool:
        """Whether the surroundings of ``text[start:end]`` are these."""
        if self.pattern is None or (self.unless and self.unless.match(text, end, end + _AFTER)):
            return False
        if self.side == "before":
            found = self.pattern.search(text[max(0, start - _BEFORE) : start])
        elif self.side == "after":
            found = self.pattern.match(text, end, end + _AFTER)
        elif self.within:
            found = self.pattern.search(text[max(0, start - self.within) : end + self.within])
        else:
            found = self.pattern.search(text)
        return found is not None


@functools.cache
def services() -> dict[str, Service]:
    """The services that ship with ctimine, by key.

    >>> services()["telegram"].category, len(services()) >= 150
    ('messenger', True)
    """
    return {
        row["key"]: Service(
            row["key"],
            row["name"],
            row["category"],
            tuple(row["names"]),
            tuple(row["hosts"]),
            tuple(row.get("words", ())),
        )
        for row in read_data("services.toml")["service"]
    }


@functools.cache
def contexts(table: str, field: str) -> dict[str, tuple[Context, ...]]:
    """The contexts of a table of ``service_contexts.toml``, by the values of one of its fields.

    >>> [context.name for context in contexts("word", "words")["X"]]
    ['on-x', 'account-on-x']
    """
    found: dict[str, list[Context]] = {}
    for row in read_data("service_contexts.toml")[table]:
        context = Context(
            row["name"],
            row.get("side", "around"),
            row.get("within", 0),
            compiled(row["pattern"], f"service_contexts.toml: {row['name']}", re.NOFLAG)
            if "pattern" in row
            else None,
            row.get("example", ""),
            row["counterexample"],
            compiled(row["unless"], f"service_contexts.toml: {row['name']}", re.NOFLAG)
            if "unless" in row
            else None,
        )
        values = row.get(field, ())
        for value in (values,) if isinstance(values, str) else values:
            found.setdefault(value, []).append(context)
    return {value: tuple(several) for value, several in found.items()}


_SHARES: Final = re.compile(
    r"/(?:submit|sharer?|sharearticle|share-offsite|intent|pin/create)\b", re.IGNORECASE
)


def services_in(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int, str]]:
    """Half-open offsets and keys of the services named in ``text[start:end]``, in order.

    Names count with their case and at word boundaries, hosts also when defanged; nothing inside
    the path of an address counts.

    >>> text = "It polls api[.]telegram[.]org and a Pastebin note."
    >>> [(text[a:b], key) for a, b, key in services_in(text)]
    [('api[.]telegram[.]org', 'telegram'), ('Pastebin', 'pastebin')]
    """
    end = len(text) if end is None else end
    part = without_surrogates(text[start:end])
    automaton, keys = _names()
    found: list[tuple[int, int, str]] = []
    for number, a, b in automaton.find_matches_as_indexes(part):
        key, is_host = keys[number]
        if not _bounded(part, a, b, is_host=is_host):
            continue
        if not is_host and "\\" in {part[a - 1 : a], part[b : b + 1]}:
            continue  # a folder of that name
        if part[a:b] in services()[key].words and not _is_meant(part, a, b):
            continue
        if _in_address_path(part, a) or (is_host and _is_reference(part, a, b)):
            continue
        if is_host and _SHARES.match(part, b):
            continue  # what a page offers to its readers
        found.append((start + a, start + b, key))
    return found


def is_borrowed(sentence: str, start: int, end: int, key: str) -> bool:
    """Whether a service named at these offsets can be one that an intruder uses.

    It is meant, not worn or set aside, and where everybody uses it, it is used in another way.

    >>> text = "The invoice was mailed from a Gmail address."
    >>> is_borrowed(text, 30, 35, "gmail"), is_borrowed("It asks Telegram.", 8, 16, "telegram")
    (False, True)
    """
    needed = (
        *contexts("use", "kinds").get(services()[key].category, ()),
        *contexts("use", "services").get(key, ()),
    )
    return all(context.fits(sentence, start, end) for context in needed) and not _is_aside(
        sentence, start, end
    )


def _is_aside(sentence: str, start: int, end: int) -> bool:
    """Whether a service stands there but is not meant: worn, or set aside."""
    aside = (context for several in contexts("aside", "side").values() for context in several)
    return any(context.fits(sentence, start, end) for context in aside)


def places_of_unnamed(text: str) -> list[tuple[int, int]]:
    """Half-open offsets of what may be a service without a name, outside links, in order.

    Nor is one that is only worn or set aside.

    >>> text = "It reads a paste site, see https://forum.example/paste-site for more."
    >>> [text[a:b] for a, b in places_of_unnamed(text)]
    ['paste site']
    """
    found = list(_unnamed().of(text))
    links = [link.span() for link in _LINK.finditer(text)] if found else []
    return [
        m.span()
        for m in found
        if not any(a < m.end() and m.start() < b for a, b in links)
        and not _is_aside(text, *m.span())
    ]


@functools.cache
def _unnamed() -> Scan:
    rows = read_data("service_contexts.toml")["unnamed"]
    return Scan(re.compile("|".join(row["pattern"] for row in rows), re.IGNORECASE))


@functools.cache
def _names() -> tuple[AhoCorasick, list[tuple[str, bool]]]:
    """An automaton over names and hosts, and for each pattern its service and whether a host."""
    from ahocorasick_rs import AhoCorasick, MatchKind

    keys: dict[str, tuple[str, bool]] = {}
    for service in services().values():
        for name in service.names:
            head, space, rest = name.partition(" ")
            # reports write inner capitals as they like: GitHub, Github; YouTube, Youtube
            ways = {name, head[0].upper() + head[1:].lower() + space + rest}
            if (
                name not in service.words
                and "." not in name
                and (space or service.key in _CARELESS)
            ):
                ways.add(name.lower())
            for written in sorted(ways):
                keys.setdefault(written, (service.key, False))
        for host in service.hosts:
            keys.setdefault(host, (service.key, True))
            front, _, top = host.rpartition(".")
            for dot in _DOTS:
                keys.setdefault(host.replace(".", dot), (service.key, True))
                keys.setdefault(f"{front}{dot}{top}", (service.key, True))
    patterns = sorted(keys)
    automaton = AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)
    return automaton, [keys[pattern] for pattern in patterns]


def _bounded(text: str, start: int, end: int, *, is_host: bool) -> bool:
    """Whether a name or host stands by itself: no letter, no longer host, no mail address."""
    before = text[start - 1 : start]
    if text[max(0, start - 3) : start] == "[@]":
        return False
    if before.isalnum() or before in {"_", "@", "$", "%"} or (is_host and before == "-"):
        return False
    after = text[end : end + 7]
    if not is_host and after.startswith("s"):
        after = after[1:]  # Telegram channels, S3 buckets
    if after[:1].isalnum() or after.startswith("_"):
        return False
    longer = _DOT_AND_WORD.match(after)
    return not longer and not (is_host and after.startswith("-"))


def _is_meant(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word such as "Box" is meant as a service here."""
    word, table = text[start:end], contexts("word", "words")
    several = table.get(word) or table["lower" if word.islower() else "*"]
    return any(context.fits(text, start, end) for context in several)


def _in_address_path(text: str, start: int) -> bool:
    """Whether the place lies behind the host of a written address: a path or query names nobody."""
    begin = _word_start(text, start)
    before = text[begin + 1 : start]
    return "://" in before and "/" in before.split("://", 1)[1]


def _is_reference(text: str, start: int, end: int) -> bool:
    """Whether a host stands in a live link of the text's own: a picture, or a word's target."""
    begin = _word_start(text, start)
    opened = text[begin : begin + 1]
    return (
        "://" in text[begin + 1 : start]
        and (opened == "<" or (opened == "(" and text[begin - 1 : begin] == "]"))
        and not _DEFANGED.search(text, begin, end)
    )


def _pattern(row: dict[str, Any]) -> re.Pattern[str]:
    return compiled(row["pattern"], f"service_contexts.toml: {row['name']}", re.NOFLAG)


def _word_start(text: str, start: int) -> int:
    """Offset of the mark or space before the unbroken run of characters, or -1."""
    return max(text.rfind(mark, 0, start) for mark in (" ", "\n", "\t", "(", "<", '"'))
