"""Who a report and each of its sections is about, and which of its names are one actor."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ctimine.attack import fold
from ctimine.extract.agents import Thing
from ctimine.extract.candidates import plain_spaces
from ctimine.extract.caseless import caseless, folded, may_hold
from ctimine.extract.gate import Scan
from ctimine.extract.owners import owner_of_tool
from ctimine.extract.passages import Layout
from ctimine.extract.stance import Judge
from ctimine.model import Report

_OTHERS_HEADING: Final = re.compile(
    r"\b(?:other (?:groups?|actors?|clusters?)|similar (?:groups?|actors?|tools)|cross-group|"
    r"comparison|compared|related (?:groups?|actors?|clusters?)|landscape|ecosystem|"
    r"pre-?brand\w*|predecessors?|ancest(?:ry|ors?)|antecedents?|"
    r"(?<!malware )(?<!code )(?<!tool )(?<!family )(?<!wiper )lineage|"
    r"(?:earlier|previous|former|prior) (?:brands?|personas?|groups?|actors?)|"
    r"before (?:the )?(?:re)?brand\w*|"
    r"not (?:confirmed|attributed)|(?:overlap|correlation)s?\b.*\b(?:clusters?|groups?|actors?))\b",
    re.IGNORECASE,
)

_PROFILE_FIELD: Final = caseless(
    r"(?:^|\n)[\s\W]*(?:primary name|actor(?: name)?|threat actor|threat group|group(?: name)?|"
    r"adversary|"
    r"actor profile|intrusion set|cluster)[*_`]*\s*:[\s*_`]*",
)

_FIELD_NAME: Final = (
    r"(?:actors?|groups?|attribution|attributed to|adversar(?:y|ies)|operators?|"
    r"used by|operated by|owner|intrusion set)(?: ?\([^)]{3,30}\))?[*_`]*\s*[:=]"
)
_ENTRY_FIELD: Final = re.compile(
    r"(?:^|[\n.;,(|•–—-]|【[^】]*】)[\s*_`]*"
    r"(?P<hedge>(?:suspected|likely|possible|probable|assessed) )?"
    rf"(?:threat )?{_FIELD_NAME}\s*[*_`\[]*",
    re.IGNORECASE,
)
_FIELD_NAMES: Final = Scan(re.compile(_FIELD_NAME, re.IGNORECASE))

_FIELD_END: Final = re.compile(r"[.;\n|【]|\s[–—-]\s")

_LONGEST_FIELD: Final = 80  # characters

_NO_ACTOR: Final = re.compile(
    r"[\W_]*(?:unknown|unattributed|unclear|none|not attributed|undetermined|various|multiple|"
    r"several|n/a|tbd|unidentified|no attribution|disputed)\b",
    re.IGNORECASE,
)

_HEDGED: Final = re.compile(
    r"\b(?:suspected|likely|possibl[ey]|probabl[ey]|presumably|assessed|(?:low|medium|moderate)"
    r"(?:[- ](?:to[- ])?(?:low|medium|moderate))?(?:[- ]confidence)?)\b|\?",
    re.IGNORECASE,
)

_LONG_FORM: Final = re.compile(
    r"(?:threat)?(?:hacking|hack)?(?:group|team|gang|apt|collective|crew|hackers)$"
)

_NOT_ITSELF: Final = (
    r"-(?:inspired|like|style)\b"
    r"|(?:['’]s?)? (?:ransomware |raas |gang |group )?(?:affiliates?|customers?|partners?)\b"
)
"""What follows a name in a title that is about others: who imitates it, or uses its tools."""
_LONGER: Final = re.compile(r"[\"“‘](?P<longer>[A-Z][a-z]+ (?P<name>[A-Z]\w+))[\"”’]")
_TWO_NAMES: Final = re.compile(
    r"(?<!\w)(?P<one>[\w-]+(?: [A-Z][\w-]*){0,2}) ?/ ?(?P<other>[\w-]+(?: [A-Z][\w-]*){0,2}) "
    r"(?:threat |hacking |APT )?(?:actor|group|gang|crew)\b",
)
_DISGUISE: Final = re.compile(
    r"\b(?:posing as|impersonat\w+|mimic\w*|copycats?|fake|imitat\w+|masquerad\w+ as)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """A subject as a rule found it, with what it acts through."""

    thing: Thing
    rule: str
    via: str = ""
    assessed: bool = False


class Clusters:
    """Names that the report (or the catalogue, by the key) holds to be one actor."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def of(self, key: str) -> str:
        """The key under which a cluster's names count."""
        while key in self._up:
            key = self._up[key]
        return key

    def join(self, one: str, other: str) -> None:
        """Hold two names to be one actor."""
        a, b = self.of(one), self.of(other)
        if a != b:
            self._up[max(a, b)] = min(a, b)


class About:
    """Answers whom a place of a report is about: its section's actor, else the report's.

    ``things`` are the actors and tools that the text names, sorted by place.
    """

    def __init__(
        self, report: Report, layout: Layout, judge: Judge, things: Sequence[Thing]
    ) -> None:
        self.report, self.layout, self.judge = report, layout, judge
        self.text = layout.text
        self.title = plain_spaces(report.title)
        self.things = things
        self.actors = [t for t in things if t.kind != "software"]
        self.clusters = Clusters()
        self.main: Thing | None = None
        self._fields: dict[int, list[tuple[re.Match[str], int]]] = {}
        self.reserves: tuple[tuple[Thing | None, int], ...] = ()
        """Where the report is not sure whose doing it is, see :func:`find_reserves`."""

    def settle(self) -> None:
        """Find the report's own actor, once the names that are one are joined."""
        self._join_long_forms()
        self._join_in_title()
        self.main = self._find_main()

    def cluster(self, thing: Thing) -> str:
        """The name under which all names of one actor count."""
        return self.clusters.of(thing.key)

    def _join_long_forms(self) -> None:
        """Join "Alpha" and "Alpha Group" of one text, and spellings that fold alike."""
        forms: dict[str, str] = {}
        for thing in self.actors:
            if thing.kind == "actor":
                short = _LONG_FORM.sub("", fold(thing.name)) or fold(thing.name)
                self.clusters.join(thing.key, forms.setdefault(short, thing.key))

    def _join_in_title(self) -> None:
        """Join the names of a title such as "Alpha/Beta group strikes ports": one group, two names.

        A plural ("Alpha/Beta groups") is of several.
        """
        match = _TWO_NAMES.search(self.title)
        if match is None:
            return
        named = {fold(t.name): t for t in self.actors if t.kind == "actor"}
        one = next((named[n] for n in _endings(match["one"]) if n in named), None)
        other = named.get(fold(match["other"]))
        if one is not None and other is not None:
            self.clusters.join(one.key, other.key)

    def actors_in(self, things: Iterable[Thing]) -> dict[str, Thing]:
        """The actors among things, one for each cluster, denied ones left out."""
        found: dict[str, Thing] = {}
        for thing in things:
            if thing.kind == "actor" and thing.stance != "negated":
                found.setdefault(self.clusters.of(thing.key), thing)
        return found

    def _find_main(self) -> Thing | None:
        """The one actor that a report is about; None for guides, surveys and the like."""
        if self.judge.genre != "report" or self.report.kind != "report":
            return None
        counts: dict[str, int] = {}
        first: dict[str, Thing] = {}
        for thing in self.actors:
            if thing.kind != "actor" or thing.stance == "negated" or self._is_tool(thing):
                continue
            key = self.clusters.of(thing.key)
            counts[key] = counts.get(key, 0) + 1
            first.setdefault(key, thing)
        total = sum(counts.values())
        if not total:
            return None
        heads = [b for b in self.layout.blocks if b.kind == "heading"]
        title = self.title or (self.text[heads[0].start : heads[0].end] if heads else "")
        if _DISGUISE.search(title) or self._lengthens_a_name(title):
            return None
        in_title = self._named_in(title, first)
        profile = self._profile_actor()
        if len(in_title) > 1:
            return None  # what names none of them may be the doing of either
        if in_title:
            key = in_title.pop()
            return first[key] if counts[key] >= 0.25 * total else None
        if profile in first:
            return first[profile]
        tools = [key for key, thing in self._titled(title).items() if thing.kind == "software"]
        owner = (
            owner_of_tool(tools[0], self.things, self.layout.folded, self.clusters.of)
            if len(tools) == 1
            else ""
        )
        if owner in first and counts[owner] >= max(4, 0.5 * total):
            return first[owner]
        key = max(counts, key=lambda k: (counts[k], -first[k].start))
        lead = self.lead_end
        places = [
            t.start for t in self.actors if t.kind == "actor" and self.clusters.of(t.key) == key
        ]
        blocks = {self.layout.block_at(at) for at in places}
        if (
            counts[key] >= 5
            and counts[key] >= 0.8 * total
            and len(blocks) >= 4
            and first[key].start < lead
            and max(places) > len(self.text) / 2
        ):
            return first[key]
        return None

    def _lengthens_a_name(self, title: str) -> bool:
        """Whether a title quotes a longer name that holds an actor's ("Velvet Turla")."""
        return any(
            fold(match["name"]) in {fold(t.name) for t in self.actors if t.kind == "actor"}
            and fold(match["longer"]) not in {fold(t.name) for t in self.actors}
            for match in _LONGER.finditer(title)
        )

    def _named_in(self, title: str, known: dict[str, Thing]) -> set[str]:
        """Clusters that a title names; the longest name wins where one holds another."""
        found: set[str] = set()
        names = {self.text[t.start : t.end]: t for t in self.actors if t.kind == "actor"}
        for name in sorted(names, key=lambda n: (-len(n), n)):
            if not may_hold(folded(title), name):
                continue
            cluster = self.clusters.of(names[name].key)
            pattern = rf"(?<!\w)(?<!not )(?<!unlike ){re.escape(name)}(?!\w)(?!{_NOT_ITSELF})"
            if cluster in known and re.search(pattern, title, re.IGNORECASE):
                title = re.sub(pattern, " ", title, flags=re.IGNORECASE)
                found.add(cluster)
        return found

    @functools.cached_property
    def _tool_names(self) -> set[str]:
        """Names that the report gives to a tool far more often than to an actor."""
        tools: dict[str, int] = {}
        actors: dict[str, int] = {}
        for thing in self.things:
            counts = tools if thing.kind == "software" else actors
            name = fold(thing.name)
            counts[name] = counts.get(name, 0) + 1
        return {name for name, count in tools.items() if count > 2 * actors.get(name, 0)}

    def _is_tool(self, thing: Thing) -> bool:
        """Whether an actor has the name of a tool, and the report is about the tool."""
        return fold(thing.name) in self._tool_names

    def _profile_actor(self) -> str:
        """The cluster that a field such as ``Primary name: X`` at the beginning names, or empty."""
        for match in _PROFILE_FIELD.finditer(self.layout.folded, 0, 12000):
            end = self.text.find("\n", match.end())
            stop = min(match.end() + 40, end if end >= 0 else len(self.text))
            named = [t for t in within(self.actors, match.end() - 1, stop) if t.kind == "actor"]
            if named and named[0].start <= match.end() + 4:
                return self.clusters.of(named[0].key)
        return ""

    @functools.cached_property
    def lead_end(self) -> int:
        """Where the beginning of the report ends: with its fourth block of text."""
        seen = 0
        for block in self.layout.blocks:
            if block.kind != "heading":
                seen += 1
            if seen == 4:
                return max(block.end, 1500)
        return max(len(self.text), 1500)

    def section_actor(self, index: int) -> tuple[bool, Thing | None]:
        """(whether a heading decides, the one actor that it names)."""
        for heading in reversed(self.layout.above[index]):
            block = self.layout.blocks[heading]
            if _OTHERS_HEADING.search(self.text[block.start : block.end]):
                return True, None
            if self.is_title(heading):
                break
            named = self.actors_in(within(self.actors, block.start, block.end))
            if len(named) == 1:
                return True, next(iter(named.values()))
            if len(named) > 1:
                return True, None
        return False, None

    def entry_actor(self, index: int) -> tuple[bool, Subject | None]:
        """(whether a field such as ``Actor: X`` of the entry decides, the one actor that it names).

        An entry is a list item or paragraph; in a list of fields the item that is only this field
        speaks for those below it.
        """
        if index < 0 or self.layout.blocks[index].kind not in {"list_item", "paragraph"}:
            return False, None
        found = self._field(index)
        if found[0] or self.layout.blocks[index].kind != "list_item":
            return found
        for above in range(index - 1, max(-1, index - 12), -1):
            if self.layout.blocks[above].kind != "list_item":
                break
            decided, subject = self._field(above)
            if decided:
                short = len(self.layout.words(above)) <= _LONGEST_FIELD
                return (True, subject) if short else (False, None)
        return False, None

    def _field(self, index: int) -> tuple[bool, Subject | None]:
        """What the actor's field in one block says."""
        base = self.layout.blocks[index].start
        for match, length in self._fields_of(index):
            begin = base + match.end()
            stop = begin + length
            value = self.text[begin:stop]
            things = [t for t in within(self.actors, begin, stop) if t.stance != "negated"]
            named = self.actors_in(things)
            if not named:
                if match.start() == 0 and len(value) > _LONGEST_FIELD:
                    continue  # "Attribution: a long story" is a heading, no field
                if _NO_ACTOR.match(value):
                    return True, None
                continue
            if things[0].start > begin + 40:
                continue
            if len(named) > 1:
                return True, None
            assessed = bool(match.group("hedge") or _HEDGED.search(match.group() + value))
            return True, Subject(next(iter(named.values())), "entry", assessed=assessed)
        return False, None

    def _fields_of(self, index: int) -> list[tuple[re.Match[str], int]]:
        """The fields of a block that could name an actor, each with the length of its value."""
        if index not in self._fields:
            words = self.layout.words(index)
            self._fields[index] = found = []
            for match in _ENTRY_FIELD.finditer(words) if next(_FIELD_NAMES.of(words), None) else ():
                end = _FIELD_END.search(words, match.end())
                found.append((match, (end.start() if end else len(words)) - match.end()))
        return self._fields[index]

    def other_named_before(self, index: int, offset: int, thing: Thing) -> bool:
        """Whether the actor named last in the same block before an offset is another one."""
        block = self.layout.blocks[index]
        named = [t for t in within(self.actors, block.start, offset) if t.kind == "actor"]
        return bool(named) and all(
            self.cluster(t) != self.cluster(thing) for t in named if t.start >= named[-1].start
        )

    def section_software(self, index: int) -> Thing | None:
        """The tool that a heading is about, where no actor is."""
        for heading in reversed(self.layout.above[index]):
            block = self.layout.blocks[heading]
            if self.is_title(heading):
                return None
            inside = list(within(self.things, block.start, block.end))
            if any(t.kind != "software" for t in inside):
                return None
            keys = {t.key for t in inside}
            if len(keys) == 1:
                # "3.2 Bilgewater" or "Bilgewater: a loader", not a heading that names it in passing
                before = self.text[block.start : inside[0].start]
                after = self.text[inside[0].end : block.end]
                plain = not re.search(r"[A-Za-z]{2,}", before) and re.match(
                    r"[*_`\s]*(?:$|[:–—/(-]|(?:malware|backdoor|ransomware|loader|analysis|"
                    r"family)\b)",
                    after,
                    re.IGNORECASE,
                )
                return inside[0] if plain else None
        return None

    @functools.cached_property
    def _tops(self) -> int:
        """How many headings of the first level the report has."""
        return sum(b.kind == "heading" and b.level <= 1 for b in self.layout.blocks)

    def is_title(self, heading: int) -> bool:
        """Whether a heading is the document's own title: the only one of the first level."""
        block = self.layout.blocks[heading]
        if self._tops > 1 and block.level <= 1:
            return False
        words = fold(self.text[block.start : block.end])
        return block.level <= 1 or words == fold(self.report.title)

    def subject_at(self, index: int, *, row: bool = False) -> Subject | None:
        """The subject of a statement that has none: of its entry, its section, or its report."""
        stated, entry = (False, None) if row else self.entry_actor(index)
        if stated:
            return entry
        decided, actor = self.section_actor(index)
        if actor is not None:
            rule = "row-section" if row else "section"
            if self.main and self.cluster(actor) == self.cluster(self.main):
                return Subject(self.main, rule)  # another name of the report's own actor
            return Subject(actor, rule)
        if decided or self.main is None:
            return None
        rule = "row-main" if row else "main"
        for said, heading in self.reserves:
            if heading < 0 or heading in self.layout.above[index]:
                at = said or self.main
                main = dataclasses.replace(self.main, start=at.start, end=at.end)
                return Subject(main, rule, assessed=True)
        return Subject(self.main, rule)

    def is_main(self, thing: Thing) -> bool:
        """Whether a thing is the report's own actor, by any of its names."""
        return self.main is not None and self.cluster(thing) == self.cluster(self.main)

    @functools.cached_property
    def title_software(self) -> Thing | None:
        """The one tool that a title is about, where no actor is."""
        if self.main is not None:
            return None
        named = [
            thing
            for thing in self._titled(self.title).values()
            if thing.kind == "software" or not self._is_tool(thing)
        ]
        return named[0] if len(named) == 1 and named[0].kind == "software" else None

    def _titled(self, title: str) -> dict[str, Thing]:
        """What a title names, each by its key where the text has it first."""
        small = folded(title)
        return {
            thing.key: thing
            for thing in reversed(self.things)
            if may_hold(small, thing.name)
            and re.search(rf"(?<!\w){re.escape(thing.name)}(?!\w)", title, re.IGNORECASE)
        }


def _endings(words: str) -> Iterator[str]:
    """The words folded, and again without the first, the second …: a name may end them."""
    parts = words.split()
    for start in range(len(parts)):
        yield fold(" ".join(parts[start:]))


def within(things: Sequence[Thing], start: int, end: int) -> Iterator[Thing]:
    """Things of a sorted list that lie between two offsets."""
    for at in range(bisect.bisect_left(things, start, key=_start), len(things)):
        thing = things[at]
        if thing.start >= end:
            return
        if thing.end <= end:
            yield thing


_start: Final = operator.attrgetter("start")
