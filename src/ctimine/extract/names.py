"""Names of actors in a text: known ones by their mentions, others by how they are written."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ctimine.attack import Catalogue, fold
from ctimine.extract.agents import Thing
from ctimine.extract.gate import Gate
from ctimine.extract.passages import Layout
from ctimine.extract.rules import rule_data
from ctimine.extract.schemes import is_malware_name
from ctimine.extract.stance import Judge
from ctimine.model import UNSEEN, Mention

PART: Final = r"(?:[A-Z][\w’'.+&-]*[\w+]|[A-Z]|\d[\w-]*)"
NAME: Final = rf"{PART}(?:[ ](?:(?:of|the|and the)[ ])?{PART}){{0,4}}"
NAME_AT: Final = re.compile(NAME)
_SKIP: Final = re.compile(
    r"(?:\s|[*_`“”\"]|\[[A-Za-z]{0,3}\d+[a-z]?\]|【[^】]*】|\((?:[^()]{0,60})\))*"
)
_SEPARATOR: Final = re.compile(
    r"(?:\s|[*_`“”\"])*(?:,|/|;|&|\band\b|\bor\b|↔|\|)(?:\s|[*_`“”\"]|\band\b|\bor\b|\bas\b|"
    r"\b(?:previously|formerly|also|the)\b)*"
)
_NO_NAMES: Final = frozenset(fold(name) for name in rule_data()["names"]["never"])
_LEAD_WORDS: Final = re.compile(
    r"^(?:The|This|These|That|A|An|In|On|At|By|As|And|Or|But|When|While|Unlike|Both|Since|Its|"
    r"Their|"
    r"Our|Actor|Group|Threat Actor|Iran's|Russia's|China's|Microsoft's|Google's)\s+"
)
_INTRODUCED: Final = re.compile(
    rf"(?:^|(?<=[.\n] )|(?<=\n)|(?<=, ))(?P<x>{NAME})[*_`]*(?:\s*\([^()]*\))?,? (?:is|are|was|"
    rf"remains|has been) "
    r"(?:likely |probably |believed to be |assessed to be |considered |one of )?(?:an? |the |most )"
    r"(?:[\w’'-]+,? ){0,8}?(?:intrusion (?:set|group)|threat (?:group|actor|cluster)|hacking group|"
    r"espionage (?:group|actor)|group|gang|threat cluster|activity cluster|cluster|persona|"
    r"apt|crew|collective|adversary|hacktivist\w*|nation-state actor|state-sponsored actor)\b"
)
PATTERNED: Final = re.compile(
    r"(?<![\w/.-])(?:UNC\d{3,5}|TA\d{3,4}|APT[- ]?C[- ]?\d{1,3}|APT[- ]?\d{1,3}|FIN\d{1,2}|"
    r"UAC-\d{4}|"
    r"UAT-\d{4,5}|DEV-\d{4}|Storm-\d{3,4}|TAG-\d{2,4}|UNK_[A-Z]\w+|UTA\d{4}|TEMP\.[A-Z]\w+|"
    r"CL-(?:STA|CRI|UNK)-\d{4}|TGR-(?:STA|CRI)-\d{4}|REF\d{4}|GOLD [A-Z]{4,}|COBALT [A-Z]{4,}|"
    r"BRONZE [A-Z]{4,}|IRON [A-Z]{4,}|NICKEL [A-Z]{4,}|TIN [A-Z]{4,}|ALUMINUM [A-Z]{4,}|"
    r"[A-Z][a-z]+ (?:Typhoon|Blizzard|Sandstorm|Tempest|Sleet|Tsunami|Hail|Dust|Cyclone)|"
    r"[A-Z][A-Z]+ (?:BEAR|PANDA|KITTEN|SPIDER|CHOLLIMA|BUFFALO|TIGER|LEOPARD|WOLF|LYNX|JACKAL)|"
    r"[A-Z][a-z]+ (?:Panda|Kitten|Spider|Chollima|Taurus|Serpens|Libra|Pisces|Ursa|"
    r"Scorpius))(?![\w-])"
)


class Names:
    """Reads the names of one report.

    >>> from ctimine.attack import load_attack
    >>> from ctimine.model import Report
    >>> report = Report("r", "s", "i", "Silver Raven and Storm-9931")
    >>> layout = Layout(report)
    >>> names = Names(layout, Judge(report, [], layout), load_attack(), [])
    >>> [report.text[a:b] for a, b in names.list_from(0, 27)]
    ['Silver Raven', 'Storm-9931']
    """

    def __init__(
        self, layout: Layout, judge: Judge, catalogue: Catalogue, mentions: Sequence[Mention]
    ) -> None:
        self.layout, self.judge, self.catalogue = layout, judge, catalogue
        self.text = layout.text
        self.actors = sorted(
            (m for m in mentions if m.kind in {"actor", "campaign"}), key=lambda m: m.start
        )
        self.others = [m for m in mentions if m.kind in {"software", "technique", "tactic"}]
        self.known = {m.start: m for m in self.actors}
        self.tools = {m.start: m for m in self.others if m.kind == "software"}

    # -- names -------------------------------------------------------------------------------

    def thing(self, start: int, end: int, *, like: Thing | None = None) -> Thing:
        """The name at an offset as a thing: a mention, the catalogue's one, or an unseen name."""
        known = self.known.get(start)
        if known is not None and known.end <= end + 2:
            thing = thing_of(known)
            if like is not None and thing.key == like.key and fold(thing.name) != fold(like.name):
                thing = dataclasses.replace(thing, key=UNSEEN + fold(known.quote), name=known.quote)
            return thing
        name = self.text[start:end]
        concepts = self.catalogue.named(name, "actor")
        key = concepts[0].id if len(concepts) == 1 else UNSEEN + fold(name)
        if like is not None and key == like.key and fold(name) != fold(like.name):
            key = UNSEEN + fold(name)
        return Thing(start, end, key, name, "actor")

    def is_name(self, start: int, end: int) -> bool:
        """Whether characters are a name that an actor could bear."""
        name = self.text[start:end]
        if start in self.known:
            return True
        if any(o.start <= start < o.end for o in self.others):
            return False
        folded = fold(name)
        return (
            2 < len(folded) <= 40
            and folded not in _NO_NAMES
            and not re.fullmatch(r"[TSGCM]\d{4}(?:\.\d{3})?|\d+|CVE.*|(?:19|20)\d\d.*", name)
            and bool(re.search(r"[A-Za-z]", name))
        )

    def name_at(self, at: int, stop: int) -> tuple[int, int] | None:
        """The name that begins at an offset, if one does."""
        known = self.known.get(at)
        if known is not None and known.end <= stop:
            return known.start, known.end
        match = NAME_AT.match(self.text, at, stop)
        if not match:
            return None
        start, end = match.span()
        lead = _LEAD_WORDS.match(self.text[start:end] + " ")
        if lead and lead.end() < end - start:
            start += lead.end()
        # a known actor inside the run of capitals is the name
        for actor in self.actors:
            if start < actor.start < end:
                end = actor.start
                break
        while end > start and self.text[end - 1] in " .’'":
            end -= 1
        return (start, end) if end > start and self.is_name(start, end) else None

    def list_from(self, at: int, stop: int) -> Iterator[tuple[int, int]]:
        """Offsets of the names of a list such as ``A, B (Vendor) and C`` that begins at ``at``."""
        while at < stop:
            found = self.name_at(at, stop)
            if found is None:
                return
            yield found
            skipped = _SKIP.match(self.text, found[1], stop)
            after = skipped.end() if skipped else found[1]
            separator = _SEPARATOR.match(self.text, after, stop)
            if not separator:
                return
            at = separator.end()
            while at < stop and self.text[at] in "*_`“”\"'‘(":
                at += 1

    def before(self, start: int, at: int) -> tuple[int, int] | None:
        """The name that ends right before an offset (marks, an id in parentheses between)."""
        head = self.text[start:at]
        head = re.sub(r"[\s*_`“”\"',(\[–—-]+$", "", head)
        head = re.sub(r"[*_`\s]*\((?:[^()]{0,40})\)?\s*,?$", "", head).rstrip(" *_`“”\"',")
        end = start + len(head)
        for actor in self.actors:
            if actor.end == end:
                return actor.start, actor.end
        match = re.search(rf"(?<![\w-]){NAME}$", head)
        if not match:
            return None
        begin = start + match.start()
        lead = _LEAD_WORDS.match(match.group())
        if lead:
            begin += lead.end()
        return (begin, end) if self.is_name(begin, end) else None

    def stance(self, thing: Thing) -> str:
        """The stance that the text takes towards a name as object of a statement."""
        mention = Mention(
            self.layout.report.id, thing.start, thing.end, thing.name, "actor", "", "name"
        )
        return self.judge.judge(mention)[0]


def thing_of(mention: Mention) -> Thing:
    """A mention as a thing with the key that claims use."""
    name = mention.name or mention.quote
    return Thing(
        mention.start,
        mention.end,
        mention.concept or UNSEEN + fold(name),
        name,
        mention.kind,
        mention.stance,
        mention.basis,
        mention.score,
    )


@functools.cache
def _gate(pattern: re.Pattern[str]) -> Gate:
    return Gate([pattern])


def _in_lines(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches of a pattern that stays within a line."""
    for start, end in _gate(pattern).over(text).lines():
        yield from pattern.finditer(text, start, end)


def introduced(names: Names, said: Sequence[Thing]) -> list[Thing]:
    """Every place where a name stands that only the report's own words make an actor.

    ``said`` are the names that its statements hold to be an actor's.
    """
    text = names.text
    wanted: dict[str, str] = {}
    for thing in said:
        if thing.start not in names.known and not is_malware_name(thing.name):
            wanted.setdefault(thing.name, thing.key)
    for match in _in_lines(_INTRODUCED, text):
        span = names.name_at(*match.span("x"))
        if span and span == match.span("x") and span[0] not in names.known:
            thing = names.thing(*span)
            if is_malware_name(thing.name):
                continue
            wanted.setdefault(thing.name, thing.key)
    for match in _in_lines(PATTERNED, text):
        if re.match(r"(?:The|This|These|Our|New|Both|An?|In|For|\w+ed|\w+ing) ", match.group()):
            continue
        if match.start() not in names.known:
            thing = names.thing(*match.span())
            wanted.setdefault(thing.name, thing.key)
    taken = sorted((m.start, m.end) for m in [*names.actors, *names.others])
    things: list[Thing] = []
    if not wanted:
        return things
    forms = sorted(wanted, key=len, reverse=True)
    pattern = re.compile(
        r"(?<![\w-])(?:" + "|".join(map(re.escape, forms)) + r")(?![\w-])", re.IGNORECASE
    )
    folded = {fold(name): key for name, key in wanted.items()}
    for match in pattern.finditer(text):
        start, end = match.span()
        if not text[start].isupper() and not text[start].isdigit():
            continue
        if any(a < end and start < b for a, b in taken):
            continue
        key = folded.get(fold(match.group()))
        if key:
            mention = Mention(
                names.layout.report.id, start, end, match.group(), "actor", "", "name"
            )
            things.append(
                Thing(
                    start,
                    end,
                    key,
                    match.group(),
                    "actor",
                    names.judge.judge(mention)[0],
                    "name",
                    0.8,
                )
            )
    return things
