"""What a report itself says about names: alias-of, overlaps, part-of, and names it introduces.

Such statements are evidence of their own. They are never forced into one: "A overlaps with B" is
no alias, a vendor's column of notes holds no names, and a denied alias stays a denied claim.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from ctimine.attack import fold
from ctimine.extract.agents import Thing
from ctimine.extract.caseless import caseless
from ctimine.extract.gate import Gate
from ctimine.extract.names import NAME, PART, PATTERNED, Names, thing_of
from ctimine.model import UNSEEN, Relation

_OPEN: Final = r"[*_`“”\"'‘’(\[]*"
_KNOWN_AS: Final = re.compile(
    r"(?P<lead>[\s,(\[–—-]*)(?:(?:which|who|that) )?(?:(?:is|are|was|were|has been|have been|"
    r"being) )?"
    r"(?P<cue>(?:(?:also|previously|formerly|otherwise|now|sometimes|often|publicly|commonly|"
    r"variously|"
    r"alternatively|better|collectively|internally) )*(?:known|tracked|referred to|designated|"
    r"dubbed|"
    r"codenamed|code-named|nicknamed|identified|labell?ed)(?: publicly| internally)?"
    r"(?: (?:by|in|at|to|within|across|among) [^,;()]{2,40}? (?:as|under the names?)|"
    r" (?:as|under the names?))?|"
    r"(?:also|previously|formerly|otherwise|now|sometimes) (?:called|named|known)|"
    r"(?:a\.k\.a|aka)\.?|"
    r"alias(?:es)?|"
    r"formerly|previously)[:\s]+(?:as )?(?:the )?" + _OPEN,
    re.IGNORECASE,
)
_NAMING: Final = re.compile(
    r"known|track|aka\b|a\.k\.a|dub|alias|refer|call|designat|formerly|nam(?:e|ing)|label|"
    r"previously|"
    r"codename|identif|moniker",
    re.IGNORECASE,
)
_KNOWN_AS_SMALL: Final = caseless(_KNOWN_AS.pattern)
_NAMING_SMALL: Final = caseless(_NAMING.pattern)
_NAME_FOR: Final = re.compile(
    rf"(?P<y>{NAME})[*_`\"”]* (?:is|was|are) (?:simply |just )?(?:(?:another|an alternative|"
    rf"an alternate|the|an|one|"
    rf"the (?:old|former|new|current|internal|public|vendor)|{PART}(?: {PART})?['’]s?) )+"
    r"(?:\w+ )?(?:name|alias|designation|moniker|label|term|codename|synonym)s?\b"
    r"(?: (?:used|given|chosen|that))?(?: (?:by [A-Z]\w+|[A-Z]\w+ uses|we use))? (?:for|of|to)"
    r"(?: track)? (?:the )?(?:(?:group|actor|cluster|activity) )?"
)
_VENDOR_CALLS: Final = re.compile(
    rf"(?P<v>{NAME})[*_`\"”]* (?:currently |now |also )?(?:tracks?|calls?|refers? to|names?|"
    rf"designates?|"
    r"labels?|knows|identifies|named|called|dubbed|dubs) (?P<what>(?:the |this |"
    r"that )?(?:\w+ ){0,2}"
    r"(?:group|actor|cluster|adversary|activity|intrusion set|gang|persona|team|operators?)|it|"
    r"them|"
    rf"{_OPEN}{NAME}[*_`\"”]*) (?:as|by the names?(?: of)?|"
    rf"under the names?(?: of)?) (?:the )?{_OPEN}"
)
_WHICH_VENDOR: Final = re.compile(
    rf"[*_`\"”]*,? (?:which|that|whom|who) (?:is )?(?:{NAME}|we|others|researchers|vendors) "
    rf"(?:tracks?|calls?|refers? to|names?|labels?|dubs?|dubbed|designates?)(?: it|"
    rf" them)?(?: as)? (?:the )?{_OPEN}"
)
_AS_ALIAS: Final = re.compile(
    rf"(?P<y>{NAME}(?:\s?/\s?{NAME})?)[*_`\"”]* (?:as|(?:is|are|was) (?P<no>not |"
    rf"no )?) ?(?:an? |the )?"
    rf"(?:[\w-]+ )?(?:(?P<x>{NAME})(?:['’]s)? alias(?:es)?\b|alias(?:es)? (?:of|for|"
    rf"equivalent to) )"
)
_LIST_LABEL: Final = re.compile(
    r"^[\W_]*(?:key |known |common |other |vendor |reported |tracked |public |associated )*"
    r"(?:aliases|alias|also known as|other names|alternative names|alternate names|aka|a\.k\.a\.|"
    r"synonyms|names used by others|also tracked as|tracked as)\b(?: (?:include|are|table|list))?"
    r"[^:\n]{0,25}?(?:[*_]*\s*(?::|–|—)[*_]*|(?<=include))\s*" + _OPEN,
    re.IGNORECASE,
)
_OVERLAP: Final = re.compile(
    r"\b(?:overlap(?:s|ped|ping)?(?: \w+){0,4} (?:with|between)|shares? (?:[\w,/-]+ ){1,6}with|"
    r"(?:possibl[ey]|potentially|loosely|likely|tentatively|suspected to be|may be|might be|"
    r"believed to be)"
    r" (?:linked|related|connected|tied|associated)(?: \w+)? (?:to|with)|"
    r"(?:shows?|has|have|bears?) (?:\w+ ){0,3}(?:overlaps?|similarit\w+|links|ties|"
    r"commonalit\w+) (?:with|to)|"
    r"closely (?:related|aligned|associated) (?:to|with))\b",
    re.IGNORECASE,
)
_SAME: Final = re.compile(
    r"\b(?:corresponds? (?:\w+ )?to|(?:is|are) the same (?:group|actor|cluster|set|entity) as|"
    r"(?:is|are) (?:synonymous with|equivalent to|identical to)|maps? to|"
    r"(?:directly )?equat(?:es?|ed|ing) (?:it |them |the group )?(?:with|"
    r"to))(?: (?-i:[a-z]+))?(?: \(?G\d{4}\)?)?\b"
    r"[\s(]*",
    re.IGNORECASE,
)
_PART_OF: Final = re.compile(
    r"\b(?:(?:a |the |an )?(?:\w+[- ]){0,2}?(?:sub-?group|sub-?cluster|sub-?set|sub-?team|"
    r"subdivision|"
    r"sub-?unit|unit|branch|arm|component|division|spin-?off|offshoot|subordinate element|element)"
    r" (?:of|within|under|inside|in|from)|subordinate to|operates under|reports to|(?:is|"
    r"as) part of|"
    r"works? (?:for|under)|housed (?:in|within))\b (?:the )?(?:\w+['’]s )?",
    re.IGNORECASE,
)
_SUBGROUP: Final = re.compile(r"\((?:an? |the )([^()]{3,60}?) sub-?(?:group|cluster|team|unit)\)")
_STATE_BODY: Final = re.compile(
    r"\b(?:Ministry|Directorate|Unit \d+|GRU|GU|IRGC|MOIS|MSS|FSB|SVR|Bureau|Corps|PLA|RGB|"
    r"Reconnaissance General|Intelligence|Agency|Command)\b"
)
_AND_PART: Final = re.compile(rf" and {PART}(?: {PART})*")
_SEPARATE: Final = re.compile(
    r"\b(?:not (?:an? )?(?:[\w-]+ ){0,2}alias|not the same|distinct (?:from|group|cluster|actor)|"
    r"separate (?:group|cluster|actor|from)|unrelated|incorrect|do not (?:merge|equate)|"
    r"not equivalent|mis-?attribut\w+)\b",
    re.IGNORECASE,
)
_LOOSE: Final = re.compile(
    r"\b(?:overlap\w*|partial(?:ly)?|not strict|different cluster boundar\w+|related cluster|"
    r"possibly|loosely|shares? (?:tooling|infrastructure))\b",
    re.IGNORECASE,
)
_PARTNER: Final = re.compile(
    r"\b(?:cooperat\w+|collaborat\w+|hand-?off|access[- ](?:side|cluster|broker)|partner\w*|"
    r"supplier|"
    r"victim|malware|tool|backdoor|campaign-level|operation-level|campaign name)\b",
    re.IGNORECASE,
)
_ALIAS_HEADING: Final = re.compile(
    r"\b(?:alias\w*|also known as|names?|naming|identifiers|crosswalk|synonyms|who is)\b",
    re.IGNORECASE,
)
_NAME_COLUMN: Final = re.compile(
    r"^\W*(?:names?|alias(?:es)?|label|designation|tracking name|cluster(?: name)?|also known as|"
    r"aka|"
    r"synonyms?|(?:actor|group|vendor|threat actor|primary|common|alternative|other) names?|"
    r"known as|tracked as|name used|moniker|actor|group|threat actor|primary|adversary)\W*$",
    re.IGNORECASE,
)
_ALIAS_COLUMN: Final = re.compile(
    r"^\W*(?:alias(?:es)?|also known as|aka|a\.k\.a\.?|synonyms?|other names?|alternative names?|"
    r"alternate names?|tracked as|vendor names?|known as)\W*$",
    re.IGNORECASE,
)
_VENDOR_COLUMN: Final = re.compile(
    r"^\W*(?:vendors?|source|organi[sz]ation|company|publisher|reported by|named by|tracked by|"
    r"tracking (?:vendor|organi[sz]ation)|taxonomy|provider|researcher)\W*$",
    re.IGNORECASE,
)
_SUBJECT_WORD: Final = re.compile(
    r"(?:\b(?:the|this|these|that) (?:\w+[- ]){0,2}?(?:group|actors?|cluster|adversary|gang|"
    r"persona|"
    r"collective|intrusion set|team|operators?|activity)|\bit|\bthey)\s*$",
    re.IGNORECASE,
)
_TOOL_WORD: Final = re.compile(
    r"\b(?:malware|backdoor|rat|loader|ransomware|trojan|implant|tool|botnet|stealer|wiper|dropper|"
    r"downloader|framework|vulnerability|exploit|kit|campaign|operation|script|plugin|module|worm|"
    r"rootkit|family|service|server|file|attack|technique|payload)s?\W*$",
    re.IGNORECASE,
)


Passing: TypeAlias = Sequence[re.Pattern[str]]
"""The patterns that can match a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """One thing that the text says about two names; ``subject`` None stands for *the group*."""

    subject: Thing | None
    relation: Relation
    object: Thing
    start: int
    end: int
    stance: str
    rule: str


def find_statements(names: Names) -> list[Statement]:
    """What the sentences, tables and lists of a report say about names, in text order."""
    found: list[Statement] = []
    layout = names.layout
    openings = _gate().over(layout.text)
    done: set[int] = set()
    for index, block in enumerate(layout.blocks):
        if block.kind in {"code", "reference"} or names.judge.section(index)[0] == "reference":
            continue
        if block.kind == "table_cell":
            if block.table not in done:
                done.add(block.table)
                found += _from_table(names, block.table)
            continue
        for start, end in layout.sentences(index):
            passing = openings.passing(start, end)
            if passing:
                found += _from_sentence(names, start, end, passing)
        if block.kind == "list_item":
            found += _from_item(names, index)
        elif block.kind == "heading":
            found += _from_parenthesis(names, block.start, block.end)
    return _distinct(found)


def _distinct(found: Iterable[Statement]) -> list[Statement]:
    seen: dict[tuple[object, ...], Statement] = {}
    for item in found:
        subject = item.subject
        if subject is not None and (
            subject.key == item.object.key or fold(subject.name) == fold(item.object.name)
        ):
            continue
        key = (subject.key if subject else "", item.relation, item.object.key, item.start)
        seen.setdefault(key, item)
    return sorted(seen.values(), key=lambda s: (s.start, s.object.start))


def _from_sentence(names: Names, start: int, end: int, passing: Passing) -> Iterator[Statement]:
    text = names.text
    sentence = text[start:end]
    label = _LIST_LABEL.match(sentence) if _LIST_LABEL in passing else None
    if label:
        for at in names.list_from(start + label.end(), end):
            thing = names.thing(*at)
            yield Statement(None, "alias-of", thing, start, end, names.stance(thing), "alias-list")
        return
    small = names.layout.folded[start:end]
    if _NAMING not in passing or not _NAMING_SMALL.search(small):
        yield from _relations(names, start, end, passing, {})
        return
    known = list(_known_as(names, start, end)) if _KNOWN_AS in passing else []
    yield from known
    low = sentence.casefold()
    if "name" in low or "alias" in low or "design" in low or "moniker" in low or "label" in low:
        for match in _NAME_FOR.finditer(sentence) if _NAME_FOR in passing else ():
            subject = names.name_at(start + match.end(), end)
            other = names.name_at(start + match.start("y"), start + match.end("y"))
            if subject and other:
                a = names.thing(*subject)
                thing = names.thing(*other, like=a)
                yield Statement(
                    thing, "alias-of", a, start, end, names.stance(thing), "alias-name-for"
                )
        for match in _AS_ALIAS.finditer(sentence) if _AS_ALIAS in passing else ():
            yield from _as_alias(names, match, start, end)
    for match in _VENDOR_CALLS.finditer(sentence) if _VENDOR_CALLS in passing else ():
        what = match.group("what")
        subject_thing: Thing | None = None
        if re.match(r"[*_`“\"]*[A-Z]", what) and not re.match(r"(?:The|This|It)\b", what):
            called = names.name_at(
                start + match.start("what") + len(what) - len(what.lstrip('*_`“"')),
                start + match.end("what"),
            )
            if called is None:
                continue
            subject_thing = names.thing(*called)
        for at in names.list_from(start + match.end(), end):
            thing = names.thing(*at, like=subject_thing)
            yield Statement(
                subject_thing, "alias-of", thing, start, end, names.stance(thing), "alias-vendor"
            )
    for match in _WHICH_VENDOR.finditer(sentence) if _WHICH_VENDOR in passing else ():
        before = names.before(start, start + match.start())
        after = names.name_at(start + match.end(), end)
        if before and (
            _TOOL_WORD.search(names.text[max(start, before[0] - 40) : before[1]])
            or before[0] in names.tools
        ):
            continue
        if before and after:
            a = names.thing(*before)
            if not _actorish(names, a, [after], sentence):
                continue
            thing = names.thing(*after, like=a)
            yield Statement(a, "alias-of", thing, start, end, names.stance(thing), "alias-vendor")
    yield from _relations(
        names,
        start,
        end,
        passing,
        {s.object.start: s.subject for s in known if s.subject is not None},
    )


@functools.cache
def _gate() -> Gate:
    naming = (_LIST_LABEL, _NAMING, _KNOWN_AS, _NAME_FOR, _AS_ALIAS, _VENDOR_CALLS, _WHICH_VENDOR)
    return Gate([*naming, _SAME, _OVERLAP, _PART_OF, _SUBGROUP])


def _known_as(names: Names, start: int, end: int) -> Iterator[Statement]:
    sentence = names.text[start:end]
    for match in _KNOWN_AS_SMALL.finditer(names.layout.folded[start:end]):
        cue = match.group("cue").casefold()
        if cue in {"formerly", "previously"} and "(" not in match.group("lead"):
            continue
        if cue.endswith(
            ("known", "tracked", "identified", "labeled", "labelled", "dubbed")
        ) and not (cue.endswith("dubbed") or "also" in cue):
            continue
        head = sentence[: match.start()]
        subject: Thing | None = None
        at = names.before(start, start + match.start("cue"))
        tail = re.sub(
            r"[\s,(]*(?:(?:which|who|that) )?(?:(?:is|are|was|were|has been) )?$", "", head
        )
        at = names.before(start, start + len(tail)) or at
        if at is not None:
            if names.text[at[0] : at[1]].split()[0] in {"Operation", "Campaign"}:
                continue
            if _TOOL_WORD.search(names.text[max(start, at[0] - 40) : at[0]]):
                continue
            if any(at[0] <= tool < at[1] for tool in names.tools):
                continue
            subject = names.thing(*at)
        elif not _SUBJECT_WORD.search(tail):
            continue
        others = list(names.list_from(start + match.end(), end))
        if not others or not _actorish(names, subject, others, sentence):
            continue
        for span in others:
            thing = names.thing(*span, like=subject)
            yield Statement(
                subject, "alias-of", thing, start, end, names.stance(thing), "alias-statement"
            )


def _actorish(
    names: Names, subject: Thing | None, others: Sequence[tuple[int, int]], sentence: str
) -> bool:
    """Names that no list knows count as actors only where something says that they are."""
    if subject is None or not subject.key.startswith(UNSEEN):
        return True
    if any(not names.thing(*span).key.startswith(UNSEEN) for span in others):
        return True
    if any(
        PATTERNED.fullmatch(names.text[a:b]) for a, b in [(subject.start, subject.end), *others]
    ):
        return True
    return bool(
        re.search(
            r"\b(?:group|actors?|cluster|adversary|gang|persona|intrusion set|apt|collective|"
            r"operators?|hacktivists?|crew)\b",
            sentence,
            re.IGNORECASE,
        )
    ) and not re.search(
        r"\b(?:malware|backdoor|trojan|ransomware family|loader|implant)\b", sentence
    )


def _as_alias(names: Names, match: re.Match[str], start: int, end: int) -> Iterator[Statement]:
    if match.group("x"):
        subject = names.name_at(start + match.start("x"), start + match.end("x"))
    else:
        subject = names.name_at(start + match.end(), end)
    if not subject:
        return
    a = names.thing(*subject)
    for span in names.list_from(start + match.start("y"), start + match.end("y")):
        thing = names.thing(*span, like=a)
        stances = {names.stance(thing), names.stance(a)}
        denied = bool(match.group("no")) or "negated" in stances
        stance = "negated" if denied else names.stance(thing)
        rule = "alias-denied" if denied else "alias-statement"
        yield Statement(thing, "alias-of", a, start, end, stance, rule)


def _from_parenthesis(names: Names, start: int, end: int) -> Iterator[Statement]:
    """A heading such as ``Alpha (Beta, Gamma)``: known names, or names beside known ones."""
    for match in re.finditer(r"\(([^()]{3,120})\)", names.text[start:end]):
        before = names.before(start, start + match.start())
        if not before or before[0] not in names.known:
            continue
        subject = names.thing(*before)
        spans = list(names.list_from(start + match.start(1), start + match.end(1)))
        covered = sum(b - a for a, b in spans)
        if not spans or covered < 0.6 * (match.end(1) - match.start(1)):
            continue
        for span in spans:
            name = names.text[span[0] : span[1]]
            if span[0] in names.known or PATTERNED.fullmatch(name):
                thing = names.thing(*span, like=subject)
                yield Statement(
                    subject, "alias-of", thing, start, end, names.stance(thing), "alias-parenthesis"
                )


def _relations(
    names: Names, start: int, end: int, passing: Passing, other_names: dict[int, Thing]
) -> Iterator[Statement]:
    """Overlaps and parts; ``other_names`` tell of whom a name beside the subject is a name."""
    if not passing:
        return
    sentence = names.text[start:end]
    first = bisect.bisect_left(names.actors, start, key=lambda a: a.start)
    inside = []
    while first < len(names.actors) and names.actors[first].end <= end:
        inside.append(names.actors[first])
        first += 1
    if not inside:
        return
    rows: tuple[tuple[re.Pattern[str], Relation, str], ...] = (
        (_SAME, "alias-of", "alias-statement"),
        (_OVERLAP, "overlaps", "overlap-statement"),
        (_PART_OF, "part-of", "part-of-statement"),
    )
    for pattern, relation, rule in rows:
        for match in pattern.finditer(sentence) if pattern in passing else ():
            left, right = start + match.start(), start + match.end()
            objects = list(names.list_from(_past_marks(names.text, right, end), end))
            if relation == "part-of" and objects and objects[0][0] not in names.known:
                more = _AND_PART.match(names.text, objects[0][1], end)
                if more and _STATE_BODY.search(names.text[objects[0][0] : objects[0][1]]):
                    objects = [(objects[0][0], more.end())]
            objects = [
                span
                for span in objects
                if span[0] in names.known
                or PATTERNED.fullmatch(names.text[span[0] : span[1]])
                or (relation == "part-of" and _STATE_BODY.search(names.text[span[0] : span[1]]))
            ]
            tools = [t for t in names.tools.values() if start <= t.start and t.end <= left]
            befores = sorted((a for a in [*inside, *tools] if a.end <= left), key=lambda a: a.start)
            if befores and befores[-1].kind == "software":
                continue
            between = names.text[befores[-1].end : left] if befores else ""
            if (
                not objects
                or len(between) > 90
                or re.search(r"[;:]|\bbut\b|\bbased on\b|\battribut", between)
            ):
                continue
            subject: Thing | None = None
            if befores and not re.search(r"\b(?:the|this) (?:group|actor|cluster)\b", between):
                subject = other_names.get(befores[-1].start) or thing_of(befores[-1])
            elif not _SUBJECT_WORD.search(names.text[start:left].rstrip()) and not re.search(
                r"\b(?:the|this) (?:group|actor|cluster|activity)\b",
                names.text[start:left],
                re.IGNORECASE,
            ):
                continue
            for span in objects:
                thing = names.thing(*span, like=subject if relation == "alias-of" else None)
                yield Statement(subject, relation, thing, start, end, names.stance(thing), rule)
    # "Lyceum (an OilRig subgroup)"
    for match in _SUBGROUP.finditer(sentence) if _SUBGROUP in passing else ():
        before = names.before(start, start + match.start())
        spans = list(names.list_from(start + match.start(1), start + match.end(1)))
        if before and spans:
            subject = names.thing(*before)
            for span in spans[:1]:
                thing = names.thing(*span)
                yield Statement(
                    subject, "part-of", thing, start, end, names.stance(thing), "part-of-statement"
                )


def _past_marks(text: str, at: int, stop: int) -> int:
    while at < stop and text[at] in " *_`“”\"'‘(":
        at += 1
    return at


def _by_notes(notes: str) -> Relation | Literal["denied"] | None:
    """What the rest of a row or item makes of its name: alias-of, overlaps, denied, or nothing."""
    if _SEPARATE.search(notes):
        return "denied"
    if _PARTNER.search(notes) and not re.search(
        r"\balias|\bnaming\b|tracking name", notes, re.IGNORECASE
    ):
        return None
    if re.search(
        r"\b(?:directly )?equat\w+|\bsame (?:as|group|actor)|\bidentical\b", notes, re.IGNORECASE
    ):
        return "alias-of"
    return "overlaps" if _LOOSE.search(notes) else "alias-of"


def _from_item(names: Names, index: int) -> Iterator[Statement]:
    """An item of a section about names that begins with one: ``- **NAME** Vendor: …``."""
    block = names.layout.blocks[index]
    path = names.layout.path(index)
    if (
        not path
        or len(path[-1]) > 80
        or not re.search(r"\balias|\bcrosswalk|also known as|naming", path[-1], re.IGNORECASE)
    ):
        return
    at = block.start
    while at < block.end and not names.text[at].isalnum():
        at += 1
    span = names.name_at(at, block.end)
    if span is None:
        return
    rest = names.text[span[1] : block.end]
    if not re.match(r"[*_`]*\s*(?:\n|:|–|—|-\s|\(|\.?$)|[*_`]+\s", rest):
        return
    thing = names.thing(*span)
    relation = _by_notes(rest)
    if relation == "denied":
        yield Statement(None, "alias-of", thing, block.start, block.end, "negated", "alias-denied")
    elif relation is not None:
        rule = "alias-section" if relation == "alias-of" else "overlap-statement"
        yield Statement(None, relation, thing, block.start, block.end, "reported", rule)


def _from_table(names: Names, table: int) -> Iterator[Statement]:
    layout = names.layout
    headers = layout.headers.get(table, {})
    if not headers:
        return
    aliases = [c for c, head in headers.items() if _ALIAS_COLUMN.match(head)]
    plain = [c for c, head in headers.items() if _NAME_COLUMN.match(head) and c not in aliases]
    vendors = [c for c, head in headers.items() if _VENDOR_COLUMN.match(head)]
    rows = sorted((key, row) for key, row in layout.rows.items() if key[0] == table)
    any_cell = rows[0][1].cells[0]
    about_names = any(_ALIAS_HEADING.search(h) for h in layout.path(any_cell)[-1:]) or bool(
        layout.path(any_cell)
        and re.search(r"alias|crosswalk", layout.path(any_cell)[-1], re.IGNORECASE)
    )
    if any(
        re.search(r"technique|tactic|cve|malware|tool|family|hash|ioc", h, re.IGNORECASE)
        for h in headers.values()
    ):
        return
    for _, row in rows:
        if layout.is_header(row.cells[0]):
            continue
        by_column = {layout.blocks[cell].column: cell for cell in row.cells}
        rest = " ".join(
            layout.words(cell)
            for column, cell in by_column.items()
            if column not in aliases and column not in plain
        )
        if aliases and plain and plain[0] in by_column:
            subjects = _cell_names(names, by_column[plain[0]])
            for column in aliases:
                if not subjects or column not in by_column:
                    continue
                subject = names.thing(*subjects[0])
                for span in _cell_names(names, by_column[column]):
                    thing = names.thing(*span, like=subject)
                    yield Statement(
                        subject,
                        "alias-of",
                        thing,
                        row.start,
                        row.end,
                        names.stance(thing),
                        "alias-table",
                    )
            continue
        columns = aliases or plain
        if (
            not columns
            or not (vendors or about_names)
            or (vendors and not (about_names or len(headers) <= 3))
        ):
            continue
        relation = _by_notes(rest)
        for span in _cell_names(names, by_column.get(columns[0], -1)):
            thing = names.thing(*span)
            if relation == "denied":
                yield Statement(
                    None, "alias-of", thing, row.start, row.end, "negated", "alias-denied"
                )
            elif relation is not None:
                rule = "alias-table" if relation == "alias-of" else "overlap-statement"
                yield Statement(
                    None,
                    relation,
                    thing,
                    row.start,
                    row.end,
                    names.stance(thing),
                    rule,
                )


def _cell_names(names: Names, cell: int) -> list[tuple[int, int]]:
    if cell < 0:
        return []
    block = names.layout.blocks[cell]
    return list(names.list_from(_past_marks(names.text, block.start, block.end), block.end))
