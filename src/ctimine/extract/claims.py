"""Claims: who uses what, as a sentence, row, list item, heading or report states it.

Never from two names that merely stand near each other: each claim is made by a named rule of
``rules.toml``, quotes the passage that says it at exact offsets, and keeps the stance of the text.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from ctimine.attack import Catalogue, fold
from ctimine.extract.agents import Agent, Sentence, Thing
from ctimine.extract.aliases import Names, Statement, find_statements, introduced, thing_of
from ctimine.extract.passages import Layout, Row
from ctimine.extract.stance import Judge
from ctimine.model import UNSEEN, Basis, Claim, Mention, Relation, Report, Stance

_SILENT: Final = frozenset({"layer", "index", "readme", "template"})
_ASIDE: Final = frozenset({"reference", "recommended", "example"})
"""Stances of which no claim is made without a subject in the sentence itself."""
_NO_STATEMENT: Final = frozenset({"example", "reference"})
"""Nobody is said to use anything: what stands in a tutorial or a list of links makes no claim."""
_BROKEN: Final = frozenset({"unknown-id", "atlas-id"})
_NAMED_IN_ROW: Final = frozenset({"row-actor", "row-evidence", "row-software", "mapping-row"})
_CVE: Final = re.compile(r"\bCVE-\d{4}-\d{4,7}\b", re.IGNORECASE)
_ACTOR_COLUMN: Final = re.compile(
    r"^\W*(?:(?:threat|associated|known|reported|attributed|related|example|primary) )*(?:actors?|groups?|"
    r"adversar(?:y|ies)|apts?|intrusion[ _-]?sets?|clusters?|who|operators?|attribution|used by|users?|"
    r"subject|campaign)(?:[ _-]?(?:id|name|s))?\W*$",
    re.IGNORECASE,
)
_TOOL_COLUMN: Final = re.compile(
    r"\b(?:malware|tools?|software|famil(?:y|ies)|implants?|backdoors?|payloads?|rats?)\b", re.IGNORECASE
)
_SOURCE_COLUMN: Final = re.compile(
    r"^\W*(?:sources?|references?|refs?|citations?|source[ _-]?ids?|reported[ _-]?by|publisher|said[ _-]?by|"
    r"report)\W*$",
    re.IGNORECASE,
)
_TECHNIQUE_COLUMN: Final = re.compile(
    r"\b(?:technique|attack|ttp|mitre|att&ck|object)[ _-]?(?:id)?s?\b", re.IGNORECASE
)
_TIME_COLUMN: Final = re.compile(
    r"\b(?:years?|dates?|time|period|phase|when|first seen|last seen|timeframe|observed)\b", re.IGNORECASE
)
_CONFIDENCE_COLUMN: Final = re.compile(r"\b(?:confidence|certainty|likelihood)\b", re.IGNORECASE)
_OTHERS_HEADING: Final = re.compile(
    r"\b(?:other (?:groups?|actors?|clusters?)|similar (?:groups?|actors?|tools)|cross-group|"
    r"comparison|compared|related (?:groups?|actors?|clusters?)|landscape|ecosystem|"
    r"not (?:confirmed|attributed)|(?:overlap|correlation)s?\b.*\b(?:clusters?|groups?|actors?))\b",
    re.IGNORECASE,
)
_TOOL_HEADING: Final = re.compile(
    r"\b(?:malware|tools?|tooling|arsenal|software|families|implants|toolset|toolkit|stack|rmm)\b",
    re.IGNORECASE,
)
_NOBODY: Final = re.compile(
    r"^\W*(?:various|multiple|several|many|unknown|all|any|n/?a|none|generic|tbd|-|–|—|\?|other|others)\b",
    re.IGNORECASE,
)
_PROFILE_FIELD: Final = re.compile(
    r"(?:^|\n)[\s\W]*(?:primary name|actor(?: name)?|threat actor|threat group|group(?: name)?|adversary|"
    r"actor profile|intrusion set|cluster)[*_`]*\s*:[\s*_`]*",
    re.IGNORECASE,
)
_MAPPING_HEADING: Final = re.compile(
    r"\b(?:att&ck|attack (?:mapping|techniques?|matrix)|mitre|mapping|ttps?|techniques?|tactics|tradecraft)\b",
    re.IGNORECASE,
)
_LONG_FORM: Final = re.compile(r"(?:threat)?(?:hacking|hack)?(?:group|team|gang|apt|collective|crew|hackers)$")
_TOOL_LINK: Final = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|leverag\w+|deploy\w*|deliver\w*|drop(?:s|ped|ping)?|install\w*|employ\w*|"
    r"execut\w+|load(?:s|ed|ing)?|r[ua]n(?:s|ning)?|develop\w*|creat\w+|distribut\w+|launch\w*|"
    r"download\w*|sen[dt](?:s|ing)?|utili[sz]\w+|operat(?:e|es|ed|ing)|introduc\w+|abus\w+|adopt\w*|"
    r"rel(?:y|ies|ied|ying) on|with|via|through|wr(?:ite|ites|ote|itten)|spread(?:s|ing)?|plant\w*|"
    r"push\w*|switch\w* to|mov(?:e|ed|es) to|updat\w+|maintain\w*|host\w*|inject\w*|stag(?:e|ed|es)|"
    r"purchas\w+|bought|infect\w*|customi[sz]\w+|weaponi[sz]\w+|combin\w+|compil\w+|embed\w*|"
    r"arsenal|toolset|toolkit|known for|favou?r\w*|prefer\w*|backdoors?|implant\w*)\b",
    re.IGNORECASE,
)
_DISGUISE: Final = re.compile(
    r"\b(?:posing as|impersonat\w+|mimic\w*|copycats?|fake|imitat\w+|masquerad\w+ as)\b", re.IGNORECASE
)
_MONTH: Final = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DATE: Final = (
    rf"(?:(?:early|mid|late|spring|summer|autumn|fall|winter|Q[1-4]|H[12])[- ](?:of )?)?"
    rf"(?:\d{{1,2}} )?(?:{_MONTH} )?(?:\d{{1,2}}, )?(?:19|20)\d\d"
)
_TIME: Final = re.compile(
    rf"\b(?:since|in|during|by|from|between|until|before|after|as of|throughout|around|on)\s+"
    rf"(?:at least |the (?:first|second|third|fourth) (?:half|quarter) of |the (?:beginning|start|end|"
    rf"middle) of |approximately |about )?(?:{_MONTH}(?: (?:and|to|through|until) |\s?[–-]\s?))?{_DATE}"
    rf"(?:\s?(?:–|-|to|and|through|until)\s?(?:{_DATE}|\d\d\b))?",
    re.IGNORECASE,
)
_EXPLOITS: Final = re.compile(
    r"\b(?:exploit\w*|abus\w+|weaponi[sz]\w+|leverag\w+|us(?:e|es|ed|ing)|vulnerabilit\w+|via|through|"
    r"CVEs?\b)", re.IGNORECASE
)
_EXPLOITED: Final = re.compile(r"\b(?:exploit|abus|weaponi[sz]|leverag|zero-days? used)\w*\b", re.IGNORECASE)
_AROUND: Final = frozenset({"section", "main", "item-section", "item-main", "heading-section", "heading-main"})
_NOT_ATTRIBUTED: Final = re.compile(
    r"\b(?:(?:incorrectly|wrongly|falsely|mistakenly|erroneously|prematurely|inaccurately) (?:been )?"
    r"(?:attributed|linked|ascribed|tied|assigned|connected|associated|blamed)(?: \w+){0,3}? (?:to|with|on)|"
    r"mis-?attributed(?: \w+){0,3}? to|"
    r"(?:not|cannot|never|unable to|declines? to|declined to) (?:\w+ ){0,2}?(?:attribut\w+|ascrib\w+|"
    r"link(?:ed)?|tie[ds]?|assign(?:ed)?)\b[^;.]{0,60}? (?:to|with)|"
    r"not (?:the work of|attributable to|conducted by|carried out by|perpetrated by)|"
    r"no (?:\w+ )?evidence (?:that )?(?:links?|linking|ties|tying|connects?|connecting|to attribute|to link)\b"
    r"[^;.]{0,60}? (?:to|with))\s+(?:the )?[*_`“\"]*$",
    re.IGNORECASE,
)
_ATTRIBUTION_WRONG: Final = re.compile(
    r"^[*_`”\"’s]*\s*(?:attribution )?(?:is|was|has been|were) (?:\w+ ){0,2}?(?:incorrect|wrong|false|"
    r"withdrawn|retracted|unsupported|unfounded|disproved|debunked)\b",
    re.IGNORECASE,
)
_ATTRIBUTED: Final = re.compile(
    r"\b(?:attribut\w+|ascribed|assigned|traced)(?: \w+){0,4}? to (?:the )?[*_`“\"]*$", re.IGNORECASE
)


@functools.cache
def _data() -> dict[str, Any]:
    text = importlib.resources.files("ctimine.extract").joinpath("rules.toml").read_text("utf-8")
    return tomllib.loads(text)


def scores() -> dict[str, float]:
    """Rule → base score, as ``rules.toml`` has them.

    >>> scores()["subject"] > scores()["main"]
    True
    """
    return cast("dict[str, float]", _data()["score"])


@functools.cache
def _services() -> re.Pattern[str]:
    names = sorted(_data()["services"]["names"], key=len, reverse=True)
    return re.compile(
        r"\b(?:via|through|over|using|on|to|from|by|abus\w+|used?|leverag\w+) (?:the |a |an |public |"
        rf"legitimate |its |their )*(?P<name>{'|'.join(map(re.escape, names))})\b"
        r"(?! (?:icons?|logos?|accounts?|credentials|users?|lures?|themed|logins?|passwords?|servers?|"
        r"appliances?|vulnerabilit\w+|flaws?|employees|customers))",
        re.IGNORECASE,
    )


def find_claims(
    report: Report, mentions: Sequence[Mention], catalogue: Catalogue
) -> tuple[Claim, ...]:
    """The claims of one report, sorted by where they stand.

    The mentions carry the stance that :func:`ctimine.extract.stance.set_stance` gave them.

    >>> from ctimine.attack import load_attack
    >>> text = "APT29 used dead drops (T1102.001) in May 2024."
    >>> report = Report("r", "s", "i", text)
    >>> actor = Mention("r", 0, 5, "APT29", "actor", "G0016", "name")
    >>> technique = Mention("r", 23, 32, "T1102.001", "technique", "T1102.001", "id")
    >>> claim = find_claims(report, [actor, technique], load_attack())[0]
    >>> claim.subject, claim.relation, claim.object, claim.rule, claim.time
    ('G0016', 'uses', 'T1102.001', 'subject', 'in May 2024')
    """
    if report.kind in _SILENT:
        return ()
    return _Finder(report, mentions, catalogue).run()


@dataclasses.dataclass(frozen=True, slots=True)
class _Subject:
    """A subject as a rule found it, with what it acts through."""

    thing: Thing
    rule: str
    via: str = ""
    assessed: bool = False


class _Clusters:
    """Names that the report (or the catalogue, by the key) holds to be one actor."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def of(self, key: str) -> str:
        while key in self._up:
            key = self._up[key]
        return key

    def join(self, one: str, other: str) -> None:
        a, b = self.of(one), self.of(other)
        if a != b:
            self._up[max(a, b)] = min(a, b)


class _Finder:
    def __init__(
        self, report: Report, mentions: Sequence[Mention], catalogue: Catalogue
    ) -> None:
        self.report, self.catalogue = report, catalogue
        self.layout = Layout(report)
        self.text = report.text
        self.judge = Judge(report, mentions, self.layout)
        self.names = Names(self.layout, self.judge, catalogue, mentions)
        self.statements = find_statements(self.names)
        things = [thing_of(m) for m in mentions if m.kind in {"actor", "campaign", "software"}]
        things += introduced(self.names, self.statements)
        self.things = sorted(
            (t for t in things if t.stance != "reference"), key=lambda t: (t.start, -t.end)
        )
        self.actors = [t for t in self.things if t.kind != "software"]
        self.techniques = _targets(mentions)
        self.cves = self._find_cves(mentions)
        self.clusters = _Clusters()
        for statement in self.statements:
            if statement.subject and _joins(statement):
                self.clusters.join(statement.subject.key, statement.object.key)
        self._join_long_forms()
        self.title = self._find_main()
        self._resolve_statements()
        self.tools: set[tuple[str, str]] = set()  # (actor cluster, software key) stated as used
        self.found: dict[tuple[object, ...], Claim] = {}
        self._sentences: dict[tuple[int, int], Sentence] = {}

    def run(self) -> tuple[Claim, ...]:
        self._add_statements()
        done: set[tuple[int, int]] = set()
        # Tools first: what a tool does is its owner's doing only where the report says whose it is.
        for techniques in (False, True):
            done.clear()
            for index, block in enumerate(self.layout.blocks):
                if block.kind in {"code", "reference"} or not self._busy(block.start, block.end):
                    if block.kind != "table_cell":
                        continue
                if block.kind == "table_cell":
                    if (block.table, block.row) not in done and not self.layout.is_header(index):
                        done.add((block.table, block.row))
                        self._row(self.layout.rows[block.table, block.row], techniques=techniques)
                    if block.table >= 0:
                        continue
                for start, end in self.layout.sentences(index):
                    if techniques:
                        self._techniques_of(index, start, end)
                    else:
                        self._others_of(index, start, end)
        return tuple(
            sorted(self.found.values(), key=lambda c: (c.start, c.end, c.subject, c.object, c.rule))
        )

    def _join_long_forms(self) -> None:
        """"Alpha" and "Alpha Group" of one text are one; so are spellings that fold alike."""
        forms: dict[str, str] = {}
        for thing in self.actors:
            if thing.kind == "actor":
                short = _LONG_FORM.sub("", fold(thing.name)) or fold(thing.name)
                self.clusters.join(thing.key, forms.setdefault(short, thing.key))

    # -- who the report is about -----------------------------------------------------------------

    def _busy(self, start: int, end: int) -> bool:
        return any(True for _ in _within(self.techniques, start, end)) or any(
            True for _ in _within(self.things, start, end)
        ) or any(True for _ in _within(self.cves, start, end))

    def _clusters_in(self, things: Iterable[Thing]) -> dict[str, Thing]:
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
            if thing.kind != "actor" or thing.stance == "negated":
                continue
            key = self.clusters.of(thing.key)
            counts[key] = counts.get(key, 0) + 1
            first.setdefault(key, thing)
        total = sum(counts.values())
        if not total:
            return None
        heads = [b for b in self.layout.blocks if b.kind == "heading"]
        title = self.report.title or (self.text[heads[0].start : heads[0].end] if heads else "")
        if _DISGUISE.search(title):
            return None
        in_title = self._named_in(title, first)
        profile = self._profile_actor()
        if len(in_title) > 1:
            return first.get(profile) if profile in in_title else None
        if in_title:
            key = in_title.pop()
            return first[key] if counts[key] >= 0.25 * total else None
        if profile in first:
            return first[profile]
        key = max(counts, key=lambda k: (counts[k], -first[k].start))
        lead = self._lead_end()
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

    def _named_in(self, title: str, known: dict[str, Thing]) -> set[str]:
        """Clusters that a title names; the longest name wins where one holds another."""
        found: set[str] = set()
        names = {self.text[t.start : t.end]: t for t in self.actors if t.kind == "actor"}
        for name in sorted(names, key=lambda n: (-len(n), n)):
            cluster = self.clusters.of(names[name].key)
            pattern = rf"(?<!\w)(?<!not )(?<!unlike ){re.escape(name)}(?!\w)"
            if cluster in known and re.search(pattern, title, re.IGNORECASE):
                title = re.sub(pattern, " ", title, flags=re.IGNORECASE)
                found.add(cluster)
        return found

    def _profile_actor(self) -> str:
        """The cluster that a field such as ``Primary name: X`` at the beginning names, or empty."""
        for match in _PROFILE_FIELD.finditer(self.text, 0, 12000):
            end = self.text.find("\n", match.end())
            stop = min(match.end() + 40, end if end >= 0 else len(self.text))
            named = [t for t in _within(self.actors, match.end() - 1, stop) if t.kind == "actor"]
            if named and named[0].start <= match.end() + 4:
                return self.clusters.of(named[0].key)
        return ""

    def _lead_end(self) -> int:
        seen = 0
        for block in self.layout.blocks:
            if block.kind != "heading":
                seen += 1
            if seen == 4:
                return max(block.end, 1500)
        return max(len(self.text), 1500)

    def _section_actor(self, index: int) -> tuple[bool, Thing | None]:
        """(whether a heading decides, the one actor that it names)."""
        for heading in reversed(self.layout.above[index]):
            block = self.layout.blocks[heading]
            if _OTHERS_HEADING.search(self.text[block.start : block.end]):
                return True, None
            if self._is_title(heading):
                break
            named = self._clusters_in(_within(self.actors, block.start, block.end))
            if len(named) == 1:
                return True, next(iter(named.values()))
            if len(named) > 1:
                return True, None
        return False, None

    def _section_software(self, index: int) -> Thing | None:
        for heading in reversed(self.layout.above[index]):
            block = self.layout.blocks[heading]
            if self._is_title(heading):
                return None
            inside = list(_within(self.things, block.start, block.end))
            if any(t.kind != "software" for t in inside):
                return None
            keys = {t.key for t in inside}
            if len(keys) == 1:
                # "3.2 Bilgewater" or "Bilgewater: a loader", not a heading that names it in passing
                before = self.text[block.start : inside[0].start]
                after = self.text[inside[0].end : block.end]
                plain = not re.search(r"[A-Za-z]{2,}", before) and re.match(
                    r"[*_`\s]*(?:$|[:–—/(-]|(?:malware|backdoor|ransomware|loader|analysis|family)\b)",
                    after,
                    re.IGNORECASE,
                )
                return inside[0] if plain else None
        return None

    def _is_title(self, heading: int) -> bool:
        block = self.layout.blocks[heading]
        words = fold(self.text[block.start : block.end])
        return (block.level <= 1 and heading <= 2) or words == fold(self.report.title)

    def _about(self, index: int, *, row: bool = False) -> _Subject | None:
        """The subject of a statement that has none: the section's actor, else the report's."""
        decided, actor = self._section_actor(index)
        if actor is not None:
            rule = "row-section" if row else "section"
            if self.title and self.clusters.of(actor.key) == self.clusters.of(self.title.key):
                return _Subject(self.title, rule)  # another name of the report's own actor
            return _Subject(actor, rule)
        if decided or self.title is None:
            return None
        return _Subject(self.title, "row-main" if row else "main")

    # -- sentences ---------------------------------------------------------------------------------

    def _sentence(self, start: int, end: int) -> Sentence:
        key = (start, end)
        if key not in self._sentences:
            targets = [*_within(self.techniques, start, end), *_within(self.cves, start, end)]
            self._sentences[key] = Sentence(
                self.text, start, end, list(_within(self.things, start, end)), targets
            )
        return self._sentences[key]

    def _techniques_of(self, index: int, start: int, end: int) -> None:
        targets = _distinct_targets(list(_within(self.techniques, start, end)), self.catalogue)
        if not targets:
            return
        sentence = self._sentence(start, end)
        for target in targets:
            for subject in self._subjects(index, sentence, target):
                span = start, end
                if subject.rule.startswith("item-"):
                    # the whole item is the evidence: its first sentence is often the bare name
                    block = self.layout.blocks[index]
                    span = (block.start, block.end) if block.end - block.start <= 700 else span
                self._claim(subject, "uses", target, *span)

    def _others_of(self, index: int, start: int, end: int) -> None:
        """Tools and vulnerabilities of a sentence, attributions."""
        tools = [t for t in _within(self.things, start, end) if t.kind == "software"]
        cves = list(_within(self.cves, start, end))
        if tools or cves:
            sentence = self._sentence(start, end)
            for tool in tools:
                if tool.stance in {"reference"}:
                    continue
                for subject in self._owners(index, sentence, tool):
                    self._claim(subject, "uses", tool, start, end)
                    self.tools.add((self.clusters.of(subject.thing.key), tool.key))
            for cve in cves:
                if not _EXPLOITS.search(self.text[start:end]):
                    continue
                for subject in self._subjects(index, sentence, cve):
                    if subject.rule in _AROUND and not _EXPLOITED.search(self.text[start:end]):
                        continue  # a section about an actor also explains vulnerabilities
                    if subject.thing.kind != "software":
                        self._claim(subject, "exploits", cve, start, end)
        self._attributions(index, start, end)

    def _subjects(self, index: int, sentence: Sentence, target: Thing) -> list[_Subject]:
        agents = sentence.agents_of(target)
        if not agents and target.stance in _ASIDE:
            return []
        if agents:
            result: list[_Subject] = []
            for agent in agents:
                result += self._resolve(index, sentence, agent)
            if result or any(agent.generic for agent in agents):
                return result
            if any(agent.thing is None for agent in agents):
                return []
        return self._without_agent(index, sentence)

    def _resolve(self, index: int, sentence: Sentence, agent: Agent) -> list[_Subject]:
        if agent.generic:
            return []
        if agent.thing is None:
            found = self._antecedent(index, sentence, agent)
            return [found] if found else []
        if agent.thing.kind == "software":
            return self._by_software(index, agent.thing, agent.role)
        return [_Subject(agent.thing, agent.role, assessed=agent.role == "linked")]

    def _by_software(self, index: int, tool: Thing, rule: str) -> list[_Subject]:
        """A tool as subject speaks for itself, and for its owner where the report names one."""
        result = [_Subject(tool, rule)]
        owner = self._about(index)
        if owner and (self.clusters.of(owner.thing.key), tool.key) in self.tools:
            result.append(_Subject(owner.thing, "via-software", via=tool.key))
        return result

    def _antecedent(self, index: int, sentence: Sentence, agent: Agent) -> _Subject | None:
        """Whom *the group*, *they* or *it* stands for, where that is safe to say."""
        before = [a for a in sentence.agents if a.at < agent.at and a.thing is not None]
        if before:
            last = before[-1].thing
            if last is not None:
                return _Subject(last, "definite")
        earlier = [s for s in self.layout.sentences(index) if s[1] <= sentence.start][-3:]
        for start, end in reversed(earlier):
            previous = self._sentence(start, end)
            acting = [a.thing for a in previous.agents if a.thing is not None]
            if agent.words in {"it", "they"} and acting and acting[0].kind == "software":
                return _Subject(acting[0], "definite") if agent.words == "it" else None
            named = self._clusters_in(_within(self.actors, start, end))
            if agent.words in {"it", "they"}:
                # only for who acted in the sentence before, not for whom it merely names
                named = self._clusters_in(t for t in acting if t.kind == "actor")
                if not named:
                    return None
            if len(named) == 1:
                return _Subject(next(iter(named.values())), "definite")
            if len(named) > 1:
                acting_clusters = self._clusters_in(t for t in acting if t.kind == "actor")
                if len(acting_clusters) == 1:
                    return _Subject(next(iter(acting_clusters.values())), "definite")
                return None
        if agent.words == "it":
            return None
        about = self._about(index)
        return _Subject(about.thing, "definite") if about else None

    def _without_agent(self, index: int, sentence: Sentence) -> list[_Subject]:
        """Subjects from what stands around a sentence that names no agent."""
        block = self.layout.blocks[index]
        lead = self._from_lead_in(index)
        about = self._about(index)
        inside = self._clusters_in(_within(self.actors, sentence.start, sentence.end))
        if lead is not None:
            return [lead] if not inside or self.clusters.of(lead.thing.key) in inside else []
        if block.kind == "heading":
            if about is None or (inside and self.clusters.of(about.thing.key) not in inside):
                return []
            return [dataclasses.replace(about, rule=f"heading-{about.rule}")]
        if about is not None:
            if inside and set(inside) != {self.clusters.of(about.thing.key)}:
                return []
            if self._unlisted_subject(sentence):
                return []
            if self._is_mapping_item(index, sentence):
                return [dataclasses.replace(about, rule=f"item-{about.rule}")]
            tool = self._section_software(index)
            if tool is not None:
                via = (self.clusters.of(about.thing.key), tool.key) in self.tools
                result = [_Subject(tool, "section-software")]
                return [*result, _Subject(about.thing, "via-software", via=tool.key)] if via else result
            return [about]
        if inside:
            return []
        tool = self._section_software(index) or self._main_software()
        if any(agent.thing is None or agent.thing.kind != "software" for agent in sentence.agents):
            return []
        if tool is not None and self.judge.genre == "report" and self.report.kind == "report":
            rule = "section-software" if self._section_software(index) else "main-software"
            return [_Subject(tool, rule)]
        return []

    def _is_mapping_item(self, index: int, sentence: Sentence) -> bool:
        """A list item or line that begins with a technique id under a heading about techniques."""
        block = self.layout.blocks[index]
        at = next((t.start for t in _within(self.techniques, block.start, block.end)), -1)
        return (
            block.start <= sentence.start <= block.start + 3
            and 0 <= at - block.start < 60
            and not re.search(r"[.;:!?]\s", self.text[block.start : at])
            and any(_MAPPING_HEADING.search(heading) for heading in self.layout.path(index))
        )

    def _unlisted_subject(self, sentence: Sentence) -> bool:
        """Whether a name that no list knows is what the sentence speaks of ("Bilgewater can …").

        A capital at the beginning says nothing; the name must stand inside other sentences, too,
        and never in lower case.
        """
        match = re.match(r"[\W_]*([A-Z][\w.-]{3,})(?= [a-z])", sentence.text)
        if not match or not Sentence.acts(sentence.text[match.end() :]):
            return False
        word = match.group(1)
        if any(sentence.start <= t.start < sentence.start + match.end() for t in sentence.things):
            return False
        return bool(re.search(rf"[a-z,] {re.escape(word)}\b", self.text)) and not re.search(
            rf"\b{re.escape(word.lower())}\b", self.text
        )

    def _from_lead_in(self, index: int) -> _Subject | None:
        span = self.layout.lead_in(index)
        if span is None:
            return None
        sentence = self._sentence(*span)
        at = self.layout.block_at(span[0])
        found: dict[str, _Subject] = {}
        for agent in sentence.agents:
            for subject in self._resolve(at, sentence, agent):
                found.setdefault(self.clusters.of(subject.thing.key), subject)
        if len(found) != 1:
            return None
        return dataclasses.replace(next(iter(found.values())), rule="lead-in")

    @functools.cached_property
    def _title_software(self) -> Thing | None:
        if self.title is not None:
            return None
        title = self.report.title
        if not title:
            return None
        named = {
            t.key: t
            for t in reversed(self.things)
            if re.search(rf"(?<!\w){re.escape(t.name)}(?!\w)", title, re.IGNORECASE)
        }
        if len(named) == 1 and next(iter(named.values())).kind == "software":
            return next(iter(named.values()))
        return None

    def _main_software(self) -> Thing | None:
        return self._title_software

    def _owners(self, index: int, sentence: Sentence, tool: Thing) -> list[_Subject]:
        """Actors that a sentence says use a tool; the section's or report's in a list of tools."""
        result: list[_Subject] = []
        before = self.text[sentence.start : tool.start]
        for agent in sentence.agents_of(tool):
            if agent.generic:
                return []
            if not self._links(sentence, agent, tool):
                continue
            for subject in self._resolve(index, sentence, agent):
                if subject.thing.kind != "software" and subject.thing.key != tool.key:
                    result.append(subject)
        if result:
            return result
        block = self.layout.blocks[index]
        path = self.layout.path(index)
        leading = block.kind == "list_item" and not re.search(r"\w", self.text[block.start : tool.start])
        if leading and path and _TOOL_HEADING.search(path[-1]) and not re.search(r"\w", before):
            about = self._about(index)
            inside = self._clusters_in(_within(self.actors, block.start, block.end))
            if about and not (set(inside) - {self.clusters.of(about.thing.key)}):
                return [about]
        return []

    @staticmethod
    def _links(sentence: Sentence, agent: Agent, tool: Thing) -> bool:
        """Whether what stands between an agent and a tool says that the one uses the other."""
        place = sentence.place(tool)
        if any(a.at == place and a.role == "subject" for a in sentence.agents):
            return False  # the tool acts itself: another clause
        between = sentence.shape[min(agent.at, place) + 1 : max(agent.at, place)]
        if re.search(r"\b(?:overlap\w*|similar\w*|resembl\w+|compar\w+|beyond)\b", between):
            return False
        if agent.role == "by":
            return agent.at < place or (len(between) < 70 and not re.search(r"[,;:]\s\w", between[1:]))
        if agent.role in {"thing-of", "linked"} and agent.thing is not None:
            return len(between) < 40 and not re.search(r"[,;:]", between)
        return len(between) < 200 and bool(_TOOL_LINK.search(between))

    # -- rows ----------------------------------------------------------------------------------------

    def _row(self, row: Row, *, techniques: bool) -> None:
        mapping = self.report.kind == "mapping"
        targets = [t for t in _within(self.techniques, row.start, row.end)]
        if mapping and not targets:
            targets = self._raw_techniques(row)
        written = [t for t in targets if t.basis == "id"]
        targets = _distinct_targets(written or targets, self.catalogue)
        subjects = self._row_subjects(row, mapping=mapping)
        if techniques:
            for target in targets:
                for subject in subjects:
                    if target.stance not in _ASIDE or subject.rule in _NAMED_IN_ROW:
                        self._claim(subject, "uses", target, row.start, row.end, row=row)
            return
        for tool in [t for t in _within(self.things, row.start, row.end) if t.kind == "software"]:
            cell = self.layout.block_at(tool.start)
            if not _TOOL_COLUMN.search(self.layout.header(cell)):
                continue
            for subject in subjects:
                if subject.thing.kind != "software":
                    self._claim(dataclasses.replace(subject, via=""), "uses", tool, row.start, row.end, row=row)
                    self.tools.add((self.clusters.of(subject.thing.key), tool.key))
        for cve in _within(self.cves, row.start, row.end):
            for subject in subjects:
                if subject.rule in {"row-actor", "mapping-row"} and subject.thing.kind != "software":
                    self._claim(subject, "exploits", cve, row.start, row.end, row=row)

    def _row_subjects(self, row: Row, *, mapping: bool) -> list[_Subject]:
        layout = self.layout
        column = next((c for c in row.cells if _ACTOR_COLUMN.match(layout.header(c))), -1)
        rule = "mapping-row" if mapping else "row-actor"
        inside = [t for t in _within(self.things, row.start, row.end)]
        tools = [
            t for t in inside
            if t.kind == "software" and _TOOL_COLUMN.search(layout.header(layout.block_at(t.start)))
        ]
        via = tools[0].key if len({t.key for t in tools}) == 1 else ""
        if column >= 0:
            block = layout.blocks[column]
            named = self._clusters_in(_within(self.actors, block.start, block.end))
            campaigns = [t for t in _within(self.actors, block.start, block.end) if t.kind == "campaign"]
            if named:
                return [_Subject(thing, rule, via=via) for thing in named.values()]
            if campaigns:
                return [_Subject(campaigns[0], rule, via=via)]
            raw = self._raw_actor(column)
            return [_Subject(raw, rule, via=via)] if raw else []
        if mapping:
            return []
        first = layout.blocks[row.cells[0]]
        whole = self._clusters_in(_within(self.actors, first.start, first.end))
        cell_words = fold(layout.words(row.cells[0]))
        if whole and all(fold(t.name) in cell_words for t in whole.values()) and len(cell_words) <= 1.6 * sum(
            len(fold(t.name)) for t in whole.values()
        ):
            return [_Subject(thing, "row-actor", via=via) for thing in whole.values()]
        index = row.cells[0]
        about = self._about(index, row=True)
        named = self._clusters_in(t for t in inside if t.kind == "actor")
        if len(named) == 1:
            cluster, thing = next(iter(named.items()))
            if about and self.clusters.of(about.thing.key) == cluster:
                return [dataclasses.replace(about, via=via)]
            sentence = self._sentence(*layout.sentence_at(thing.start))
            if any(a.thing and a.thing.key == thing.key for a in sentence.agents):
                return [_Subject(thing, "row-evidence", via=via)]
            return []
        if len(named) > 1:
            return []
        if tools and about is None:
            return [_Subject(tools[0], "row-software")] if len({t.key for t in tools}) == 1 else []
        if about is not None:
            acting = self._acting_software(row)
            if acting is not None:
                return [dataclasses.replace(about, via=acting.key), _Subject(acting, "row-software")]
            return [dataclasses.replace(about, via=via)]
        main = self._main_software()
        return [_Subject(main, "main-software")] if main and not tools else []

    def _acting_software(self, row: Row) -> Thing | None:
        for cell in row.cells:
            for start, end in self.layout.sentences(cell)[:1]:
                for agent in self._sentence(start, end).agents:
                    if agent.thing and agent.thing.kind == "software" and agent.role == "subject":
                        return agent.thing
        return None

    def _raw_actor(self, cell: int) -> Thing | None:
        """The actor that a cell of an actor column names although no list knows it."""
        block = self.layout.blocks[cell]
        words = self.text[block.start : block.end].strip(" *_`\"'\t\n")
        if not words or _NOBODY.match(words) or len(words.split()) > 5 or len(words) > 50:
            return None
        start = self.text.index(words, block.start)
        concept = self.catalogue.get(words.strip())
        if concept is not None and concept.kind in {"actor", "campaign", "software"}:
            return Thing(start, start + len(words), concept.id, concept.name, concept.kind)
        named = self.catalogue.named(words, "actor")
        key = named[0].id if len(named) == 1 else UNSEEN + fold(words)
        if key == UNSEEN or not re.search(r"[A-Z\d]", words):
            return None
        return Thing(start, start + len(words), key, words, "actor")

    def _raw_techniques(self, row: Row) -> list[Thing]:
        for cell in row.cells:
            if _TECHNIQUE_COLUMN.search(self.layout.header(cell)):
                words = self.layout.words(cell).strip()
                concept = self.catalogue.resolve(words) if words else None
                if concept is not None and concept.kind == "technique":
                    start = self.text.index(words, self.layout.blocks[cell].start)
                    return [Thing(start, start + len(words), concept.id, concept.name, "technique", basis="id")]
        return []

    # -- names ---------------------------------------------------------------------------------------

    def _resolve_statements(self) -> None:
        resolved: list[Statement] = []
        for statement in self.statements:
            if statement.subject is None:
                about = self._about(self.layout.block_at(statement.start))
                if about is None or about.thing.start == statement.object.start:
                    continue
                thing = statement.object
                if thing.key == about.thing.key:
                    if fold(thing.name) == fold(about.thing.name):
                        continue
                    thing = dataclasses.replace(thing, key=UNSEEN + fold(thing.name))
                statement = dataclasses.replace(statement, subject=about.thing, object=thing)
                if _joins(statement):
                    self.clusters.join(about.thing.key, thing.key)
            resolved.append(statement)
        self.statements = resolved

    def _add_statements(self) -> None:
        for statement in self.statements:
            if statement.subject is not None:
                self._claim(
                    _Subject(statement.subject, statement.rule),
                    statement.relation,
                    dataclasses.replace(statement.object, stance=statement.stance, score=1.0),
                    statement.start,
                    statement.end,
                )

    def _attributions(self, index: int, start: int, end: int) -> None:
        for thing in [t for t in _within(self.actors, start, end) if t.kind == "actor"]:
            head = self.text[start : thing.start]
            tail = self.text[thing.end : end]
            wrong = bool(_NOT_ATTRIBUTED.search(head)) or (
                bool(re.search(r"\battribution (?:of [^,;]{3,60} )?to (?:the )?$", head, re.IGNORECASE))
                and bool(_ATTRIBUTION_WRONG.match(tail))
            ) or bool(re.match(r"[*_`]*\s*attribution (?:is|was|has been) (?:\w+ ){0,2}?(?:incorrect|wrong|false|"
                               r"unsupported|withdrawn|retracted)", tail, re.IGNORECASE))
            if wrong:
                subject = self._attributed_thing(index, start, thing)
                claimed = dataclasses.replace(thing, stance="reported", score=1.0)
                self._claim(_Subject(subject, "not-attributed-statement"), "not-attributed-to", claimed, start, end)
            elif _ATTRIBUTED.search(head) and thing.stance not in {"negated", "reference"}:
                lefts = [t for t in _within(self.things, start, thing.start)]
                if not lefts or self.clusters.of(lefts[-1].key) == self.clusters.of(thing.key):
                    continue
                left = lefts[-1]
                if left.kind == "software":
                    tool = dataclasses.replace(left, stance=thing.stance)
                    self._claim(_Subject(thing, "attributed-statement"), "uses", tool, start, end)
                    self.tools.add((self.clusters.of(thing.key), left.key))
                elif left.kind == "campaign":
                    self._claim(_Subject(left, "attributed-statement"), "attributed-to", thing, start, end)

    def _attributed_thing(self, index: int, start: int, actor: Thing) -> Thing:
        """What was (not) attributed: a named thing ahead, the report's actor, else its own words."""
        lefts = [
            t for t in _within(self.things, start, actor.start)
            if self.clusters.of(t.key) != self.clusters.of(actor.key)
        ]
        if lefts:
            return lefts[-1]
        about = self._about(index)
        if about and self.clusters.of(about.thing.key) != self.clusters.of(actor.key):
            return about.thing
        head = self.text[start : actor.start]
        noun = re.search(
            r"\b(?:the|this|that|these|those|an?) ((?:[\w-]+ ){0,2}?(?:intrusions?|attacks?|campaigns?|activity|"
            r"operations?|incidents?|breach(?:es)?|wiper|malware|ransomware|leak|compromise|hack|cluster|"
            r"backdoor|implant|toolset|infrastructure))\b",
            head,
            re.IGNORECASE,
        )
        if noun:
            at = start + noun.start(1)
            return Thing(at, at + len(noun.group(1)), UNSEEN + fold(noun.group(1)), noun.group(1), "campaign")
        return Thing(start, start, UNSEEN + "activity", "activity", "campaign")

    # -- making a claim ------------------------------------------------------------------------------

    def _claim(
        self,
        subject: _Subject,
        relation: Relation,
        target: Thing,
        start: int,
        end: int,
        *,
        row: Row | None = None,
    ) -> None:
        thing = subject.thing
        if thing.key == target.key:
            return
        if relation in {"uses", "exploits"} and {thing.stance, target.stance} & _NO_STATEMENT:
            return
        mapping = self.report.kind == "mapping"
        stance = target.stance
        if subject.assessed and stance == "reported":
            stance = "assessed"
        score = scores()[subject.rule] * (target.score if relation in {"uses", "exploits"} else 1.0)
        time, said_by, via = "", "", subject.via
        if row is not None:
            time, said_by, factor = self._row_facts(row)
            score *= factor
            if not mapping:
                said_by = ""
        if relation in {"uses", "exploits"}:
            time = time or self._time(start, end, target)
            via = via or self._via(start, end, target, thing, row)
        claim = Claim(
            report=self.report.id,
            start=start,
            end=end,
            quote=self.text[start:end],
            subject=thing.key,
            relation=relation,
            object=target.key,
            basis="mapping" if mapping else cast("Basis", target.basis),
            stance=cast("Stance", stance),
            rule=subject.rule,
            score=round(min(1.0, score), 3),
            subject_name=thing.name,
            object_name=target.name,
            subject_at=(thing.start, thing.end) if thing.end > thing.start else (),
            object_at=(target.start, target.end) if target.end > target.start else (),
            via="" if via == target.key else via,
            time=time,
            said_by=said_by,
        )
        key = (claim.subject, relation, claim.object, start, end)
        old = self.found.get(key)
        if old is None or claim.score > old.score:
            self.found[key] = claim

    def _time(self, start: int, end: int, target: Thing) -> str:
        matches = list(_TIME.finditer(self.text, start, end))
        if not matches:
            return ""
        nearest = min(matches, key=lambda m: min(abs(m.start() - target.start), abs(m.end() - target.start)))
        return nearest.group()

    def _via(self, start: int, end: int, target: Thing, subject: Thing, row: Row | None) -> str:
        """The service or software that the passage states as the way."""
        text = self.text
        if row is None:
            # the target's own clause: another technique's service is no way of this one
            others = [t for t in _within(self.techniques, start, end) if t.key != target.key]
            start = max([start, *(t.end for t in others if t.end <= target.start)])
            stop = [t.start for t in others if t.start >= target.end]
            end = min([end, *stop])
        for tool in _within(self.things, start, end):
            if tool.kind == "software" and tool.key not in {subject.key, target.key} and re.search(
                r"\b(?:using|via|with|through|by means of|used|deployed|uses)(?: (?:the|an?|its|their|custom|"
                r"open-source|legitimate|own))* [*_`]*$",
                text[max(start, tool.start - 50) : tool.start],
                re.IGNORECASE,
            ):
                return tool.key
        match = _services().search(text, start, end)
        return fold(match.group("name")) if match else ""

    def _row_facts(self, row: Row) -> tuple[str, str, float]:
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
                factor = 0.6 if low.startswith("low") else 0.85 if low.startswith(("medium", "moderate")) else 1.0
        return time, source, factor

    def _find_cves(self, mentions: Sequence[Mention]) -> list[Thing]:
        found = [
            Thing(m.start, m.end, (m.concept or m.quote).upper(), m.quote.upper(), "vulnerability",
                  m.stance, m.basis, m.score)
            for m in mentions
            if m.kind == "vulnerability"
        ]
        have = {(t.start, t.end) for t in found}
        for match in _CVE.finditer(self.text):
            if match.span() in have:
                continue
            name = match.group().upper()
            mention = Mention(self.report.id, *match.span(), match.group(), "vulnerability", name, "name")
            found.append(
                Thing(*match.span(), name, name, "vulnerability", self.judge.judge(mention)[0], "name")
            )
        return sorted(found, key=lambda t: t.start)


def _within(things: Sequence[Thing], start: int, end: int) -> Iterator[Thing]:
    """Things of a sorted list that lie between two offsets."""
    low, high = 0, len(things)
    while low < high:
        middle = (low + high) // 2
        if things[middle].start < start:
            low = middle + 1
        else:
            high = middle
    while low < len(things) and things[low].start < end:
        if things[low].end <= end:
            yield things[low]
        low += 1


def _joins(statement: Statement) -> bool:
    return statement.relation == "alias-of" and statement.stance in {"reported", "assessed"}


def _targets(mentions: Sequence[Mention]) -> list[Thing]:
    return sorted(
        (
            Thing(m.start, m.end, m.concept, m.name or m.quote, "technique", m.stance, m.basis, m.score)
            for m in mentions
            if m.kind == "technique" and m.concept and m.problem not in _BROKEN
        ),
        key=lambda t: (t.start, -t.end),
    )


def _distinct_targets(targets: Sequence[Thing], catalogue: Catalogue) -> list[Thing]:
    """One target per technique: the id before the name, and no parent that only names its sub."""
    order = {"id": 0, "name": 1, "behaviour": 2}
    best: dict[str, Thing] = {}
    for target in sorted(targets, key=lambda t: (order.get(t.basis, 3), t.start)):
        best.setdefault(target.key, target)
    written = {t.key for t in best.values() if t.basis == "id"}
    parents = {key.partition(".")[0] for key in written}
    return sorted(
        (
            t
            for t in best.values()
            if t.basis == "id"
            or not (t.key in parents or t.key.partition(".")[0] in written)
        ),
        key=lambda t: t.start,
    )
