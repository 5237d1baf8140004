"""Rows of tables: whom a row speaks of, when, and on whose word."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Final

from ctimine.attack import Catalogue, fold
from ctimine.extract.about import About, Subject, within
from ctimine.extract.agents import Sentence, Thing
from ctimine.extract.passages import Layout, Row
from ctimine.extract.service_names import services_in
from ctimine.model import UNSEEN

_ACTOR_COLUMN: Final = re.compile(
    r"^\W*(?:(?:threat|associated|known|reported|attributed|related|example|"
    r"primary) )*(?:actors?|groups?|"
    r"adversar(?:y|ies)|apts?|intrusion[ _-]?sets?|clusters?|who|operators?|attribution|used by|"
    r"users?|"
    r"subject|campaign)(?:[ _-]?(?:id|name|s)|\(s\))?\W*$",
    re.IGNORECASE,
)

TOOL_COLUMN: Final = re.compile(
    r"\b(?:malware|tools?|software|famil(?:y|ies)|implants?|backdoors?|payloads?|rats?)\b",
    re.IGNORECASE,
)

_SOURCE_COLUMN: Final = re.compile(
    r"^\W*(?:sources?|references?|refs?|citations?|source[ _-]?ids?|reported[ _-]?by|publisher|"
    r"said[ _-]?by|"
    r"report)\W*$",
    re.IGNORECASE,
)

_TECHNIQUE_COLUMN: Final = re.compile(
    r"\b(?:technique|attack|ttp|mitre|att&ck|object)[ _-]?(?:id)?s?\b", re.IGNORECASE
)

_TIME_COLUMN: Final = re.compile(
    r"\b(?:years?|dates?|time|period|phase|when|first seen|last seen|timeframe|observed)\b",
    re.IGNORECASE,
)

_CONFIDENCE_COLUMN: Final = re.compile(r"\b(?:confidence|certainty|likelihood)\b", re.IGNORECASE)

_NOBODY: Final = re.compile(
    r"^\W*(?:various|multiple|several|many|unknown|all|any|n/?a|none|generic|tbd|-|–|—|\?|other|"
    r"others)\b",
    re.IGNORECASE,
)


_PART: Final = re.compile(r"[^,;/&]+")
_MARKS: Final = " *_`\"'\t\n"
_CVE: Final = re.compile(r"CVE-\d", re.IGNORECASE)


def named_as_actors(layout: Layout, things: Sequence[Thing]) -> set[str]:
    """Keys of what columns of actors list as one of them, though no list knows it as an actor.

    Crews named after their tool, and names that a tool and a crew share.
    """
    found: set[str] = set()
    for row in layout.rows.values():
        for cell in row.cells:
            if not _ACTOR_COLUMN.match(layout.header(cell)) or layout.is_header(cell):
                continue
            block = layout.blocks[cell]
            parts = {fold(part) for part in _PART.findall(layout.words(cell))}
            found |= {
                thing.key
                for thing in within(things, block.start, block.end)
                if (thing.kind == "software" or thing.key.startswith(UNSEEN))
                and fold(layout.text[thing.start : thing.end]) in parts
            }
    return found


class Rows:
    """Reads the rows of one report; ``sentence`` gives the agents of a passage."""

    def __init__(
        self, about: About, catalogue: Catalogue, sentence: Callable[[int, int], Sentence]
    ) -> None:
        self.about, self.catalogue, self.sentence = about, catalogue, sentence
        self.layout, self.text = about.layout, about.text
        self.things, self.actors = about.things, about.actors

    def tools(self, row: Row) -> list[Thing]:
        """Software in a column of software."""
        return [
            t
            for t in within(self.things, row.start, row.end)
            if t.kind == "software"
            and TOOL_COLUMN.search(self.layout.header(self.layout.block_at(t.start)))
        ]

    def subjects(self, row: Row, *, mapping: bool) -> list[Subject]:
        """Whom a row speaks of: its actor column, its evidence, its section, its report."""
        layout = self.layout
        column = next((c for c in row.cells if _ACTOR_COLUMN.match(layout.header(c))), -1)
        rule = "mapping-row" if mapping else "row-actor"
        inside = list(within(self.things, row.start, row.end))
        tools = [
            t
            for t in inside
            if t.kind == "software" and TOOL_COLUMN.search(layout.header(layout.block_at(t.start)))
        ]
        via = tools[0].key if len({t.key for t in tools}) == 1 else ""
        if column >= 0:
            block = layout.blocks[column]
            named = self.about.actors_in(within(self.actors, block.start, block.end))
            campaigns = [
                t for t in within(self.actors, block.start, block.end) if t.kind == "campaign"
            ]
            if named:
                # "APT28, Kinsing": what lists keep as software acts there, too
                beside = () if mapping else self._software_named_as_actors(column)
                return [
                    *(Subject(thing, rule, via=via) for thing in named.values()),
                    *(Subject(tool, rule) for tool in beside if tool not in tools),
                ]
            if campaigns:
                return [Subject(campaigns[0], rule, via=via)]
            return [Subject(raw, rule, via=via) for raw in self._raw_actors(column)]
        if mapping:
            return []
        first = layout.blocks[row.cells[0]]
        whole = self.about.actors_in(within(self.actors, first.start, first.end))
        cell_words = fold(layout.words(row.cells[0]))
        if (
            whole
            and all(fold(t.name) in cell_words for t in whole.values())
            and len(cell_words) <= 1.6 * sum(len(fold(t.name)) for t in whole.values())
        ):
            return [Subject(thing, "row-actor", via=via) for thing in whole.values()]
        index = row.cells[0]
        about = self.about.subject_at(index, row=True)
        named = self.about.actors_in(t for t in inside if t.kind == "actor")
        if len(named) == 1:
            cluster, thing = next(iter(named.items()))
            if about and self.about.cluster(about.thing) == cluster:
                return [dataclasses.replace(about, via=via)]
            sentence = self.sentence(*layout.sentence_at(thing.start))
            if any(a.thing and a.thing.key == thing.key for a in sentence.agents):
                return [Subject(thing, "row-evidence", via=via)]
            return []
        if len(named) > 1:
            return []
        if tools and about is None:
            return [Subject(tools[0], "row-software")] if len({t.key for t in tools}) == 1 else []
        if about is not None:
            acting = self._acting_software(row)
            if acting is not None:
                return [
                    dataclasses.replace(about, via=acting.key),
                    Subject(acting, "row-software"),
                ]
            return [dataclasses.replace(about, via=via)]
        main = self.about.title_software
        return [Subject(main, "main-software")] if main and not tools else []

    def _acting_software(self, row: Row) -> Thing | None:
        for cell in row.cells:
            for start, end in self.layout.sentences(cell)[:1]:
                for agent in self.sentence(start, end).agents:
                    if agent.thing and agent.thing.kind == "software" and agent.role == "subject":
                        return agent.thing
        return None

    def _software_named_as_actors(self, cell: int) -> list[Thing]:
        """Software that stands in a list of actors as one of them: a crew named after its tool."""
        block = self.layout.blocks[cell]
        parts = {fold(part) for part, _ in self._parts(cell)}
        found = {
            thing.key: thing
            for thing in within(self.things, block.start, block.end)
            if thing.kind == "software" and fold(self.text[thing.start : thing.end]) in parts
        }
        return list(found.values())

    def _parts(self, cell: int) -> list[tuple[str, int]]:
        """What a list in a cell names, each with its place in the text."""
        start = self.layout.blocks[cell].start
        words = self.layout.words(cell)
        if _NOBODY.match(words.strip(_MARKS)):
            return []
        found = []
        for match in _PART.finditer(words):
            part = match.group().strip(_MARKS)
            if part:
                found.append((part, start + match.start() + match.group().index(part)))
        return found

    def _raw_actors(self, cell: int) -> list[Thing]:
        """The actors that a cell of an actor column names although no list knows them."""
        found = []
        for words, start in self._parts(cell):
            if len(words.split()) > 5 or len(words) > 50 or _CVE.match(words):
                continue
            concept = self.catalogue.get(words)
            if concept is not None and concept.kind in {"actor", "campaign", "software"}:
                thing = Thing(start, start + len(words), concept.id, concept.name, concept.kind)
            else:
                named = self.catalogue.named(words, "actor")
                key = named[0].id if len(named) == 1 else UNSEEN + fold(words)
                if key == UNSEEN or not re.search(r"[A-Z\d]", words):
                    continue
                thing = Thing(start, start + len(words), key, words, "actor")
            found.append(thing)
        return found

    def raw_techniques(self, row: Row) -> list[Thing]:
        """The technique of a mapping row whose id no finder saw."""
        for cell in row.cells:
            if _TECHNIQUE_COLUMN.search(self.layout.header(cell)):
                words = self.layout.words(cell).strip()
                concept = self.catalogue.resolve(words) if words else None
                if concept is not None and concept.kind == "technique":
                    start = self.text.index(words, self.layout.blocks[cell].start)
                    return [
                        Thing(
                            start,
                            start + len(words),
                            concept.id,
                            concept.name,
                            "technique",
                            basis="id",
                        )
                    ]
        return []

    def facts(self, row: Row) -> tuple[str, str, float]:
        """Time, source and the factor of the confidence that a row states."""
        time = source = ""
        factor = 1.0
        for cell in row.cells:
            header, words = self.layout.header(cell), self.layout.words(cell).strip()
            if _TIME_COLUMN.search(header) and re.search(r"\b(?:19|20)\d\d\b", words):
                time = time or re.sub(r"^\[[^\]]*\]\s*", "", words)[:80]
            if _SOURCE_COLUMN.match(header):
                source = source or words
            if _CONFIDENCE_COLUMN.search(header):
                low = words.casefold()
                factor = (
                    0.6
                    if low.startswith("low")
                    else 0.85
                    if low.startswith(("medium", "moderate"))
                    else 1.0
                )
        return time, source, factor

    def services(self, row: Row) -> tuple[str, ...]:
        """Services that the row names, but for the columns of who says it and who does it."""
        found: dict[str, None] = {}
        for cell in row.cells:
            header = self.layout.header(cell)
            if not _SOURCE_COLUMN.match(header) and not _ACTOR_COLUMN.match(header):
                block = self.layout.blocks[cell]
                found |= {key: None for _, _, key in services_in(self.text, block.start, block.end)}
        return tuple(found)
