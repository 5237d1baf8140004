"""Claims: who uses what, as a sentence, row, list item, heading or report states it.

Never from two names that merely stand near each other: each claim is made by a named rule of
``rules.toml``, quotes the passage that says it at exact offsets, and keeps the stance of the text.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final, cast

from ctimine.attack import Catalogue, fold
from ctimine.extract.about import About, Subject, within
from ctimine.extract.agents import Agent, Sentence, Thing
from ctimine.extract.aliases import Statement, find_statements
from ctimine.extract.attributions import find_attributions, find_reserves
from ctimine.extract.behaviours import LIKELY, SURE
from ctimine.extract.behaviours import RULE as BEHAVIOUR
from ctimine.extract.caseless import caseless
from ctimine.extract.names import Names, introduced, thing_of
from ctimine.extract.passages import LONGEST_HEADING, Row
from ctimine.extract.rows import Rows, named_as_actors
from ctimine.extract.rules import least_described, scores
from ctimine.extract.service_names import services_in
from ctimine.extract.shortforms import RULE as SHORT_FORM
from ctimine.extract.stance import Judge
from ctimine.extract.told import ALONE, SCORES
from ctimine.extract.told import RULE as TOLD
from ctimine.model import EVIDENT, UNSEEN, Basis, Claim, Mention, Relation, Report, Stance

_SILENT: Final = frozenset({"layer", "index", "readme", "template"})
_ASIDE: Final = frozenset({"reference", "recommended", "example"})
"""Stances of which no claim is made without a subject in the sentence itself."""
_NO_STATEMENT: Final = frozenset({"example", "reference"})
"""Nobody is said to use anything: what stands in a tutorial or a list of links makes no claim."""
_BROKEN: Final = frozenset({"unknown-id", "atlas-id"})
_NAMED_IN_ROW: Final = frozenset({"row-actor", "row-evidence", "row-software", "mapping-row"})
_CARRIED: Final = frozenset(
    [
        "command-and-control",
        "exfiltration",
        "collection",
        "initial-access",
        "resource-development",
        "reconnaissance",
        "lateral-movement",
    ]
)
"""Tactics of what can go by way of a service."""
_CVE: Final = re.compile(r"\bCVE-\d{4}-\d{4,7}\b", re.IGNORECASE)
_TOOL_HEADING: Final = re.compile(
    r"\b(?:malware|tools?|tooling|arsenal|software|families|implants|toolset|toolkit|stack|rmm)\b",
    re.IGNORECASE,
)
_MAPPING_HEADING: Final = re.compile(
    r"\b(?:att&ck|attack (?:mapping|techniques?|matrix)|mitre|mapping|ttps?|techniques?|tactics|"
    r"tradecraft)\b",
    re.IGNORECASE,
)
_LONGEST_STORY: Final = 600  # characters
_AIM_COLUMN: Final = re.compile(
    r"[\W_]*(?:motiv\w+|goals?|objectives?|aims?|intent\w*|targets?|targeting|victims?|sectors?)\b",
    re.IGNORECASE,
)
_LABELLED: Final = re.compile(r"\[\.\]|hxxps?\b", re.IGNORECASE)
_LONGEST_LABEL: Final = 12  # words
_FEWEST_WORDS: Final = 4
_HASH: Final = re.compile(r"\b[0-9a-fA-F]{32,64}\b")
_TOOL_LINK: Final = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|leverag\w+|deploy\w*|deliver\w*|drop(?:s|ped|ping)?|install\w*|"
    r"employ\w*|"
    r"execut\w+|load(?:s|ed|ing)?|r[ua]n(?:s|ning)?|develop\w*|creat\w+|distribut\w+|launch\w*|"
    r"download\w*|sen[dt](?:s|ing)?|utili[sz]\w+|operat(?:e|es|ed|ing)|introduc\w+|abus\w+|"
    r"adopt\w*|"
    r"rel(?:y|ies|ied|ying) on|with|via|through|wr(?:ite|ites|ote|itten)|spread(?:s|ing)?|plant\w*|"
    r"push\w*|switch\w* to|mov(?:e|ed|es) to|maintain\w*|host\w*|inject\w*|stag(?:e|ed|es)|"
    r"purchas\w+|bought|infect\w*|customi[sz]\w+|weaponi[sz]\w+|combin\w+|compil\w+|embed\w*|"
    r"arsenal|toolset|toolkit|known for|favou?r\w*|prefer\w*|backdoors?|implant\w*)\b",
    re.IGNORECASE,
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
    rf"(?:at least |the (?:first|second|third|fourth) (?:half|quarter) of |the (?:beginning|"
    rf"start|end|"
    rf"middle) of |approximately |about )?(?:{_MONTH}(?: (?:and|to|through|until) |"
    rf"\s?[–-]\s?))?{_DATE}"
    rf"(?:\s?(?:–|-|to|and|through|until)\s?(?:{_DATE}|\d\d\b))?",
    re.IGNORECASE,
)
_EMERGED: Final = re.compile(
    r"[*_`]*(?:[’']s)?(?: (?:[\w-]+ ){0,3}?)(?<![Rr]e-)(?:emerg(?:ed|ence)|surfaced|appeared|"
    r"(?:was|were) (?:founded|formed|created|launched)|debut(?:ed)?)\b[^.;\n]{0,30}?"
    rf"\b(?:in|on|around) (?:early |mid-?|late )?(?P<when>(?:{_MONTH} )?(?:\d{{1,2}},? )?20\d\d)\b",
    re.IGNORECASE,
)
"""What follows the name of an actor that a report saw come into being."""
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_MONTH_OR_YEAR: Final = re.compile(
    rf"\b(?:(?P<month>{_MONTH})|(?<!CVE-)(?P<year>(?:19|20)\d\d))(?!\w)"
)
_EXPLOITS: Final = re.compile(
    r"\b(?:exploit\w*|abus\w+|weaponi[sz]\w+|leverag\w+|us(?:e|es|ed|ing)|vulnerabilit\w+|via|"
    r"through|"
    r"CVEs?\b)",
    re.IGNORECASE,
)
_EXPLOITED: Final = re.compile(
    r"\b(?:exploit|abus|weaponi[sz]|leverag|zero-days? used)\w*\b", re.IGNORECASE
)
_BORROWED: Final = re.compile(
    r"\b(?:via|through|over|using|on|to|from|by|abus\w+|used?|leverag\w+) (?:the |a |an |public |"
    r"legitimate |its |their )*$",
    re.IGNORECASE,
)
_BY_SERVICE: Final = frozenset({"T1102", "T1567"})
"""Techniques that are the abuse of a service: in their rows, a service named is the way."""
_LISTED: Final = re.compile(
    r"[*_`]*(?:,| and| or| as well as|/|, and|, or)[\s*_`]*(?:the |a |an )?"
)
_NOT_BORROWED: Final = re.compile(
    r" (?:icons?|logos?|accounts?|credentials|users?|lures?|themed|logins?|passwords?|servers?|"
    r"appliances?|vulnerabilit\w+|flaws?|employees|customers)",
    re.IGNORECASE,
)
_PLAIN: Final = frozenset({TOLD, ALONE})
_DESCRIBED: Final = _PLAIN | {BEHAVIOUR, LIKELY, SURE}
_AROUND: Final = frozenset(
    {"entry", "section", "main", "item-section", "item-main", "heading-section", "heading-main"}
)


_WEAK: Final = (
    r"[\"“'‘]?(?:(?:very )?low|medium|moderate|weak|tentative|uncertain|unclear|unconfirmed|"
    r"disputed|contested|debated|open|partial|not (?:confirmed|certain|firm|settled))"
)
_DOUBTED: Final = caseless(
    rf"\battribution(?: caveats?)?\b[*_`]*\W{{1,6}}(?:\w+ ){{0,3}}?{_WEAK}\b"
    rf"|\battribution (?:\w+ ){{0,4}}?(?:is|are|remains|was|stays) (?:\w+ ){{0,2}}?{_WEAK}\b"
    r"|\b(?:low|medium|moderate)(?:[- ](?:to[- ])?(?:low|medium|moderate))?[- ]confidence "
    r"(?:attribution|link|overlap)\b"
    r"|\b(?:attributed|linked|tied) (?:\w+ ){0,6}?with (?:low|medium|moderate|some)"
    r"(?:[- ]to[- ]\w+)? confidence\b"
    r"|\b(?:possibly|perhaps|maybe|may be|might be|could be) (?:the work of )?(?:another|"
    r"a different|an unrelated|a related|some other) (?:group|actor|cluster|operator|team)\b"
    r"|\b(?:does|did|do) not (?:name|attribute (?:it|this|them|the \w+) to) (?:the |any |an? )?"
    r"(?:\w+ )?(?:actor|group|operator|culprit|adversary|attackers?)\b"
    r"|\bnot (?:firmly|definitively|conclusively|formally|independently) (?:attributed|linked|"
    r"tied)\b",
)
"""Words of an entry that leave it open whose doing it is."""
_DISOWNED: Final = re.compile(
    r"\b(?:(?:does|did|do) not (?:name|attribute (?:it|this|them|the \w+) to)|not attributed to)"
    r"\s[*_`]*$",
    re.IGNORECASE,
)
"""Words right before an actor who is said to have no part in the entry."""
_BESIDE: Final = caseless(
    r"\b(?:reminiscent of|similar(?:ity|ities)? (?:to|with|between)|resembl\w+|in common with|"
    r"overlaps? (?:with|between|in)|overlapp\w+|compared (?:to|with)|"
    r"(?:been|was|were|publicly|previously) linked to|differs? from|"
    r"(?:is|was|are|were) different from|"
    r"(?:commonly|often|frequently|widely|typically) (?:\w+ )?(?:ab)?used (?:by|in) "
    r"(?!the (?:group|actor)|its\b)|"
    r"windows (?:provides|offers|includes)|list of detection|detection names|"
    r"attributes? \w+ to|"
    r"(?:in|see|read) our (?:[\w-]+ ){0,3}(?:blogs?|reports?|posts?|article)\b|"
    r"took (?:an? )?(?:\w+ ){0,2}break|"
    r"(?:we|(?:our )?(?:analysts|researchers)) (?:were|was|are) able to|(?:allow|enabl)\w+ us to)\b"
    r"|^\W*(?:Figure|Fig\.?|Image|Table) \d+[.:*]",
)
"""Sentences that compare, attribute, explain, point elsewhere, caption a picture or tell what the
authors did: what they describe is not told of their subject."""
_ELSEWHERE: Final = re.compile(
    r"\bfirst (?:observed|seen|used|documented|reported|identified) (?:in|during) (?:an?|the) "
    r"(?:[\w-]+ ){0,3}?$"
    r"|\b(?:establish|show|suggest|reveal|indicat)\w* (?:\w+ )?(?:links?|ties|connections?) "
    r"(?:to|with) (?:[\w-]+ ){0,3}?$"
    r"|\b(?:similar|identical|comparable) to (?:[\w-]+ ){0,9}?$",
    re.IGNORECASE,
)
"""What stands before the name of a deed of another affair."""
_OTHER_REPORT: Final = re.compile(
    r"^\W*The (?:\w+ ){0,2}?(?:report|paper|article|publication|research|study) (?:also )?"
    r"(?:indicat|describ|stat|not|say|said|claim|mention|explain|document)\w*\b"
)
"""How a sentence begins that retells another report: whose deed it is was said there."""
_LIKEWISE: Final = caseless(r"^\W*(?:[\w /]{2,30}: )?(?:similar|compared) to [^,]{3,80}, ")
"""A comparison ahead of what a sentence tells."""
_GOES_ON: Final = re.compile(
    r"^\W*(?:Th(?:is|ese|ose)|Such|The latter|Its|Their)\b(?! (?:\w+ )?(?:actors?|groups?|gang|"
    r"crew|campaigns?|attacks?|activity|operations?|report|blog|post|article|section)\b)"
)
"""How a sentence begins that goes on about a thing of the one before it."""
_RUNNING: Final = frozenset({"paragraph", "list_item", "quote"})
_LONGEST_ENTRY: Final = 1500  # characters
_CITED: Final = re.compile(r"\[[A-Z]?\d{1,3}\]")
_FEW_SOURCES: Final = 3
_TELLS: Final = re.compile(
    r"^[\W_]*(?:[Aa]ccording to\b|[Aa]s (?:noted|reported|described|documented) (?:by|in)\b|"
    r"(?:[A-Z][\w&.'’-]*(?: |, )){1,4}(?:(?:also|further|later|has|have|researchers?|analysts?) )*"
    r"(?:cites?|cited|notes?|noted|says?|said|reports?|reported|states?|stated|writes?|wrote|"
    r"describes?|described|documents?|documented|lists?|listed|maps?|mapped|confirms?|confirmed|"
    r"published|publishes|summari[sz]\w+|tracks?|tracked|points? out)\b)"
)
"""How a sentence begins that tells who says something, and not who does it."""


def find_claims(
    report: Report,
    mentions: Sequence[Mention],
    catalogue: Catalogue,
    *,
    described: bool = False,
    judge: Judge | None = None,
) -> tuple[Claim, ...]:
    """The claims of one report, sorted by where they stand.

    The mentions carry the stance that :func:`ctimine.extract.stance.set_stance` gave them.
    ``described`` is for a person to sift: techniques that only the model describes make claims,
    too, and so do plain words or the reader alone for a report's main actor, as far as
    ``least_described`` in ``rules.toml`` allows; read by eye, two in three of them are right.
    ``judge`` is the one that gave the stances, if at hand.

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
    if not described:
        mentions = [mention for mention in mentions if mention.rule != BEHAVIOUR]
    judge = judge or Judge(report, mentions)
    return _Finder(report, mentions, catalogue, judge, sifted=described).run()


class _Finder:
    def __init__(
        self,
        report: Report,
        mentions: Sequence[Mention],
        catalogue: Catalogue,
        judge: Judge,
        *,
        sifted: bool,
    ) -> None:
        self.report, self.catalogue, self.sifted = report, catalogue, sifted
        self.judge, self.layout = judge, judge.layout
        self.text = self.layout.text
        self.names = Names(self.layout, self.judge, catalogue, mentions)
        self.statements = find_statements(self.names)
        things = [self._thing(m) for m in mentions if m.kind in {"actor", "campaign", "software"}]
        things += introduced(self.names, _said(self.statements))
        self.things = self._with_crews(
            sorted((t for t in things if t.stance != "reference"), key=lambda t: (t.start, -t.end))
        )
        self.actors = [t for t in self.things if t.kind != "software"]
        self.techniques = _targets(mentions)
        self.cves = self._find_cves(mentions)
        self.places = sorted(t.start for t in (*self.techniques, *self.things, *self.cves))
        self.services = sorted(
            (
                Thing(m.start, m.end, m.concept or fold(m.name or m.quote), m.name, "service")
                for m in mentions
                if m.kind == "service"
            ),
            key=lambda t: t.start,
        )
        self.about = About(report, self.layout, self.judge, self.things)
        for statement in self.statements:
            if statement.subject and _joins(statement):
                self.about.clusters.join(statement.subject.key, statement.object.key)
        self.about.settle()
        self.about.reserves = tuple(find_reserves(self.about))
        self.rows = Rows(self.about, catalogue, self._sentence)
        self._resolve_statements()
        self.tools: dict[
            tuple[str, str], Thing
        ] = {}  # (actor cluster, software key) stated as used
        self.found: dict[tuple[object, ...], Claim] = {}
        self._sentences: dict[tuple[int, int], Sentence] = {}

    def _thing(self, mention: Mention) -> Thing:
        """A mention as a thing; a section of denials denies deeds, not that its actors exist."""
        thing = thing_of(mention)
        if mention.stance == "negated" and not self.judge.judge(mention)[1].startswith("cue"):
            return dataclasses.replace(thing, stance="reported")
        return thing

    def _with_crews(self, things: list[Thing]) -> list[Thing]:
        """The things, of which what a column of actors lists is the actor of that name."""
        crews: dict[str, str] = {}
        for key in named_as_actors(self.layout, things):
            name = next(thing.name for thing in things if thing.key == key)
            actors = self.catalogue.named(name, "actor")
            if len(actors) == 1:
                crews[key] = actors[0].id
        return [
            dataclasses.replace(thing, key=crews[thing.key], kind="actor")
            if thing.key in crews
            else thing
            for thing in things
        ]

    def run(self) -> tuple[Claim, ...]:
        self._add_statements()
        done: set[tuple[int, int]] = set()
        # Tools first: what a tool does is its owner's doing only where the report says whose it is.
        for techniques in (False, True):
            done.clear()
            for index, block in enumerate(self.layout.blocks):
                quiet = (
                    block.kind == "reference"
                    or (block.kind == "code" and not self.layout.is_chain(index))
                    or not self._busy(block.start, block.end)
                )
                if quiet and block.kind != "table_cell":
                    continue
                if block.kind == "table_cell":
                    if (block.table, block.row) not in done and not self.layout.is_header(index):
                        done.add((block.table, block.row))
                        self._row(self.layout.rows[block.table, block.row], techniques=techniques)
                    if block.table >= 0:
                        continue
                for start, end in self.layout.sentences(index):
                    if not self._busy(start, end):
                        continue
                    if techniques:
                        self._techniques_of(index, start, end)
                    else:
                        self._others_of(index, start, end)
        return tuple(
            sorted(self._not_vague(), key=lambda c: (c.start, c.end, c.subject, c.object, c.rule))
        )

    def _not_vague(self) -> Iterator[Claim]:
        """The claims but for vague ones: a description that leaves open which sub-technique.

        Where the report says elsewhere which one the subject uses, it adds nothing but a service.
        """
        exact = {
            (claim.subject, claim.object.partition(".")[0])
            for claim in self.found.values()
            if "." in claim.object and claim.stance in EVIDENT
        }
        for claim in self.found.values():
            vague = (claim.subject, claim.object) in exact and not claim.via
            if claim.basis != "behaviour" or not vague:
                yield claim

    def _busy(self, start: int, end: int) -> bool:
        """Whether anything that a claim could be about begins in a passage."""
        at = bisect.bisect_left(self.places, start)
        return at < len(self.places) and self.places[at] < end

    # -- sentences ---------------------------------------------------------------------------------

    def _sentence(self, start: int, end: int) -> Sentence:
        key = (start, end)
        if key not in self._sentences:
            targets = [*within(self.techniques, start, end), *within(self.cves, start, end)]
            self._sentences[key] = Sentence(
                self.text, start, end, list(within(self.things, start, end)), targets
            )
        return self._sentences[key]

    def _techniques_of(self, index: int, start: int, end: int) -> None:
        targets = _distinct_targets(list(within(self.techniques, start, end)))
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
        tools = [t for t in within(self.things, start, end) if t.kind == "software"]
        cves = list(within(self.cves, start, end))
        if tools or cves:
            sentence = self._sentence(start, end)
            for tool in tools:
                if tool.stance == "reference":
                    continue
                for subject in self._owners(index, sentence, tool):
                    self._claim(subject, "uses", tool, start, end)
                    self._own(subject, tool)
            for cve in cves:
                if not _EXPLOITS.search(self.text[start:end]):
                    continue
                for subject in self._subjects(index, sentence, cve):
                    if subject.rule in _AROUND and not _EXPLOITED.search(self.text[start:end]):
                        continue  # a section about an actor also explains vulnerabilities
                    if subject.thing.kind != "software":
                        self._claim(subject, "exploits", cve, start, end)
        for subject, relation, thing in find_attributions(self.about, index, start, end):
            self._claim(subject, relation, thing, start, end)
            if relation == "uses":
                self._own(subject, thing)

    def _own(self, subject: Subject, tool: Thing) -> None:
        """Remember that the report says of an actor that it uses a tool."""
        if tool.stance in EVIDENT:
            self.tools.setdefault((self.about.cluster(subject.thing), tool.key), subject.thing)

    def _subjects(self, index: int, sentence: Sentence, target: Thing) -> list[Subject]:
        weak = target.basis == "behaviour" or target.rule == SHORT_FORM
        if weak and _BESIDE.search(
            _LIKEWISE.sub("", self.layout.folded[sentence.start : sentence.end])
        ):
            return []
        if target.basis != "id" and _ELSEWHERE.search(self.text[sentence.start : target.start]):
            return []
        agents = sentence.agents_of(target)
        if not agents and target.stance in _ASIDE:
            return []
        if agents:
            result: list[Subject] = []
            for agent in agents:
                result += self._resolve(index, sentence, agent)
            if result or any(agent.generic for agent in agents):
                return result
            if any(agent.thing is None for agent in agents) and not self._is_impersonal(
                index, sentence, agents
            ):
                return []
        return self._without_agent(index, sentence, target)

    def _resolve(self, index: int, sentence: Sentence, agent: Agent) -> list[Subject]:
        if agent.generic:
            return []
        if agent.thing is None:
            found = self._antecedent(index, sentence, agent) or self.about.entry_actor(index)[1]
            return [found] if found else []
        if agent.thing.kind == "software":
            return self._by_software(index, agent.thing, agent.role)
        return [Subject(agent.thing, agent.role, assessed=agent.unsure)]

    def _by_software(self, index: int, tool: Thing, rule: str) -> list[Subject]:
        """A tool as subject speaks for itself, and for its owner where the report names one."""
        owner = self._owner(index, tool)
        return [Subject(tool, rule), *([owner] if owner else [])]

    def _owner(self, index: int, tool: Thing) -> Subject | None:
        """Whose a tool is: of whom the place is about, where the report says that they use it.

        Where it is about nobody, of the only actor of whom the report says so.
        """
        about = self.about.subject_at(index)
        if about is not None:
            stated = (self.about.cluster(about.thing), tool.key) in self.tools
            return dataclasses.replace(about, rule="via-software", via=tool.key) if stated else None
        owners = {cluster: one for (cluster, key), one in self.tools.items() if key == tool.key}
        if len(owners) != 1 or self.judge.genre != "report":
            return None
        return Subject(next(iter(owners.values())), "via-software", via=tool.key)

    def _antecedent(self, index: int, sentence: Sentence, agent: Agent) -> Subject | None:
        """Whom *the group*, *they* or *it* stands for, where that is safe to say."""
        before = [a for a in sentence.agents if a.at < agent.at and a.thing is not None]
        if before:
            last = before[-1].thing
            if last is not None:
                return Subject(last, "definite")
        passed = 0
        pronoun = agent.words in {"it", "they"}
        for start, end in self._earlier(index, sentence.start, across=not pronoun):
            previous = self._sentence(start, end)
            acting = [a.thing for a in previous.agents if a.thing is not None]
            named = self.about.actors_in(within(self.actors, start, end))
            if not named and not acting and _TELLS.match(previous.text):
                continue  # who says it is not who does it
            if pronoun and acting and acting[0].kind == "software":
                return Subject(acting[0], "definite") if agent.words == "it" else None
            if pronoun:
                # only for who acted in the sentence before, not for whom it merely names
                named = self.about.actors_in(t for t in acting if t.kind == "actor")
                if not named:
                    if agent.words == "they" and not passed and self._is_neutral(previous):
                        passed += 1
                        continue
                    return None
            if len(named) == 1:
                found = next(iter(named.values()))
                if passed and not self.about.is_main(found):
                    return None
                return Subject(found, "definite")
            if len(named) > 1:
                acting_clusters = self.about.actors_in(t for t in acting if t.kind == "actor")
                if len(acting_clusters) == 1:
                    return Subject(next(iter(acting_clusters.values())), "definite")
                if start < self.layout.blocks[index].start:
                    break  # another paragraph: no more than the place itself says
                return None
        if agent.words == "it":
            return None
        about = self.about.subject_at(index)
        return dataclasses.replace(about, rule="definite") if about else None

    def _earlier(self, index: int, start: int, *, across: bool) -> Iterator[tuple[int, int]]:
        """Up to four sentences of the block before an offset, nearest first.

        Across paragraphs, too: of a paragraph also those of the paragraphs right before it.
        """
        left = 4
        while left:
            before = [span for span in self.layout.sentences(index) if span[1] <= start]
            for span in before[: -left - 1 : -1]:
                left -= 1
                yield span
            if not across or index == 0:
                return
            if {self.layout.blocks[at].kind for at in (index, index - 1)} != {"paragraph"}:
                return
            index -= 1

    def _is_impersonal(self, index: int, sentence: Sentence, agents: Sequence[Agent]) -> bool:
        """Whether *it* stands for nothing that its block names: for whatever the place is about."""
        return all(agent.words == "it" for agent in agents) and all(
            self._is_neutral(self._sentence(*span))
            for span in self._earlier(index, sentence.start, across=False)
        )

    def _is_neutral(self, sentence: Sentence) -> bool:
        """Whether nobody acts in a sentence and it names no actor or tool that words may mean."""
        return not sentence.things and not any(agent.generic for agent in sentence.agents)

    def _without_agent(self, index: int, sentence: Sentence, target: Thing) -> list[Subject]:
        """Subjects from what stands around a sentence that names no agent."""
        block = self.layout.blocks[index]
        if target.basis == "behaviour" and (
            sentence.end - sentence.start > _LONGEST_STORY
            or _HASH.search(sentence.text)
            or (words := len(sentence.text.split())) < _FEWEST_WORDS
            or (words <= _LONGEST_LABEL and _LABELLED.search(sentence.text))
        ):
            return []  # indicators with a label describe nothing, nor does a word or two
        lead = self._from_lead_in(index)
        about = self.about.subject_at(index)
        inside = self.about.actors_in(within(self.actors, sentence.start, sentence.end))
        if lead is not None:
            return [lead] if not inside or self.about.cluster(lead.thing) in inside else []
        if block.kind == "heading" and block.end - block.start <= LONGEST_HEADING:
            if about is None or (inside and self.about.cluster(about.thing) not in inside):
                return []
            return [dataclasses.replace(about, rule=f"heading-{about.rule}")]
        if about is not None:
            if inside and set(inside) != {self.about.cluster(about.thing)}:
                return []
            if self._unlisted_subject(sentence):
                return []
            if about.rule != "entry" and self.about.other_named_before(
                index, sentence.start, about.thing
            ):
                return []  # the entry speaks of somebody else
            if target.basis != "id" and _OTHER_REPORT.match(sentence.text):
                return []
            if about.rule != "entry" and self._goes_on_about_another(index, sentence, about.thing):
                return []
            if about.rule != "entry" and self._is_mapping_item(index, sentence):
                return [dataclasses.replace(about, rule=f"item-{about.rule}")]
            tool = self.about.section_software(index)
            if tool is not None:
                result = [Subject(tool, "section-software")]
                if (self.about.cluster(about.thing), tool.key) in self.tools:
                    result.append(dataclasses.replace(about, rule="via-software", via=tool.key))
                return result
            return [about]
        if inside:
            return []
        tool = self.about.section_software(index) or self.about.title_software
        if any(agent.thing is None or agent.thing.kind != "software" for agent in sentence.agents):
            return []
        if tool is not None and self.judge.genre == "report" and self.report.kind == "report":
            rule = "section-software" if self.about.section_software(index) else "main-software"
            return [Subject(tool, rule)]
        return []

    def _goes_on_about_another(self, index: int, sentence: Sentence, thing: Thing) -> bool:
        """Whether "This command …" goes on about what the sentence before says of another actor."""
        if not _GOES_ON.match(sentence.text):
            return False
        at = index
        spans = [span for span in self.layout.sentences(at) if span[1] <= sentence.start]
        if not spans and at and self.layout.blocks[at - 1].kind in _RUNNING:
            spans = self.layout.sentences(at - 1)
        named = self.about.actors_in(within(self.actors, *spans[-1])) if spans else {}
        return bool(named) and self.about.cluster(thing) not in named

    def _is_mapping_item(self, index: int, sentence: Sentence) -> bool:
        """A list item or line that begins with a technique id under a heading about techniques."""
        block = self.layout.blocks[index]
        at = next((t.start for t in within(self.techniques, block.start, block.end)), -1)
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

    def _from_lead_in(self, index: int) -> Subject | None:
        span = self.layout.lead_in(index)
        if span is None:
            return None
        sentence = self._sentence(*span)
        at = self.layout.block_at(span[0])
        found: dict[str, Subject] = {}
        for agent in sentence.agents:
            for subject in self._resolve(at, sentence, agent):
                found.setdefault(self.about.cluster(subject.thing), subject)
        if len(found) != 1:
            return None
        return dataclasses.replace(next(iter(found.values())), rule="lead-in")

    def _owners(self, index: int, sentence: Sentence, tool: Thing) -> list[Subject]:
        """Actors that a sentence says use a tool; the section's or report's in a list of tools."""
        result: list[Subject] = []
        before = self.text[sentence.start : tool.start]
        for agent in sentence.agents_of(tool):
            if agent.generic:
                return []
            if agent.role == "label" or not self._links(sentence, agent, tool):
                continue
            result += [
                subject
                for subject in self._resolve(index, sentence, agent)
                if subject.thing.kind != "software" and subject.rule != "via-software"
            ]
        if result:
            return result
        block = self.layout.blocks[index]
        path = self.layout.path(index)
        leading = block.kind == "list_item" and not re.search(
            r"\w", self.text[block.start : tool.start]
        )
        if leading and path and _TOOL_HEADING.search(path[-1]) and not re.search(r"\w", before):
            about = self.about.subject_at(index)
            inside = self.about.actors_in(within(self.actors, block.start, block.end))
            if about and not (set(inside) - {self.about.cluster(about.thing)}):
                return [about]
        return []

    @staticmethod
    def _links(sentence: Sentence, agent: Agent, tool: Thing) -> bool:
        """Whether what stands between an agent and a tool says that the one uses the other."""
        place = sentence.place(tool)
        if re.search(r"\bby (?:the |both )?$", sentence.shape[:place]):
            return False  # "… used by the tool"
        if any(a.at == place and a.role == "subject" for a in sentence.agents):
            return False  # the tool acts itself: another clause
        between = sentence.shape[min(agent.at, place) + 1 : max(agent.at, place)]
        if re.search(r"\b(?:overlap\w*|similar\w*|resembl\w+|compar\w+|beyond)\b", between):
            return False
        if agent.role == "by":
            return agent.at < place or (
                len(between) < 70 and not re.search(r"[,;:]\s\w", between[1:])
            )
        if agent.role in {"thing-of", "linked"} and agent.thing is not None:
            return len(between) < 40 and not re.search(r"[,;:]", between)
        return len(between) < 200 and bool(_TOOL_LINK.search(between))

    # -- rows ------------------------------------------------------------

    def _row(self, row: Row, *, techniques: bool) -> None:
        mapping = self.report.kind == "mapping"
        targets = list(within(self.techniques, row.start, row.end))
        if mapping and not targets:
            targets = self.rows.raw_techniques(row)
        written = [t for t in targets if t.basis == "id"]
        targets = [t for t in targets if t.basis != "behaviour" or not self._is_aim(t)]
        targets = _distinct_targets(written or targets)
        subjects = self.rows.subjects(row, mapping=mapping)
        if techniques:
            if not mapping and all(subject.thing.kind == "software" for subject in subjects):
                subjects = [*subjects, *self._owner_in_row(row)]
            for target in targets:
                for subject in subjects:
                    if target.stance not in _ASIDE or subject.rule in _NAMED_IN_ROW:
                        self._claim(subject, "uses", target, row.start, row.end, row=row)
            return
        for tool in self.rows.tools(row):
            for subject in subjects:
                if subject.thing.kind != "software":
                    plain = dataclasses.replace(subject, via="")
                    self._claim(plain, "uses", tool, row.start, row.end, row=row)
                    self._own(subject, tool)
        for cve in within(self.cves, row.start, row.end):
            for subject in subjects:
                if (
                    subject.rule in {"row-actor", "mapping-row"}
                    and subject.thing.kind != "software"
                ):
                    self._claim(subject, "exploits", cve, row.start, row.end, row=row)

    def _is_aim(self, target: Thing) -> bool:
        """Whether a cell says what somebody is after, not what was done."""
        return bool(_AIM_COLUMN.match(self.layout.header(self.layout.block_at(target.start))))

    def _owner_in_row(self, row: Row) -> list[Subject]:
        """The actor whose tools a row names that names no actor: the only one who has them all."""
        named = [t for t in within(self.things, row.start, row.end) if t.stance != "negated"]
        tools = [t for t in named if t.kind == "software"]
        if not tools or len(tools) < len(named) or self.judge.genre != "report":
            return []
        owners = [
            {cluster: one for (cluster, key), one in self.tools.items() if key == tool.key}
            for tool in tools
        ]
        if any(len(found) != 1 for found in owners) or len({next(iter(o)) for o in owners}) != 1:
            return []
        return [Subject(next(iter(owners[0].values())), "via-software", via=tools[0].key)]

    # -- names ------------------------------------------------------------

    def _resolve_statements(self) -> None:
        resolved: list[Statement] = []
        for statement in self.statements:
            if statement.subject is None:
                about = self.about.subject_at(self.layout.block_at(statement.start))
                if about is None or about.thing.start == statement.object.start:
                    continue
                thing = statement.object
                if thing.key == about.thing.key:
                    if fold(thing.name) == fold(about.thing.name):
                        continue
                    thing = dataclasses.replace(thing, key=UNSEEN + fold(thing.name))
                found = dataclasses.replace(statement, subject=about.thing, object=thing)
                if _joins(found):
                    self.about.clusters.join(about.thing.key, thing.key)
                resolved.append(found)
            else:
                resolved.append(statement)
        self.statements = resolved

    def _add_statements(self) -> None:
        for statement in self.statements:
            if statement.subject is not None:
                self._claim(
                    Subject(statement.subject, statement.rule),
                    statement.relation,
                    dataclasses.replace(statement.object, stance=statement.stance, score=1.0),
                    statement.start,
                    statement.end,
                )

    # -- making a claim ------------------------------------------------------------

    def _claim(
        self,
        subject: Subject,
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
        if subject.rule.endswith("main") and self._is_older(start, end):
            if row is None or target.basis != "id":
                return
            # the author maps it to the actor nonetheless, as the doing of its forerunner
            subject = dataclasses.replace(subject, assessed=True)
        if relation == "uses" and not mapping and stance in {"reported", "assessed"}:
            doubt = self._doubt(start, end, thing, row)
            if doubt == "disowned":
                return
            if doubt and stance == "reported":
                stance = "assessed"
        if subject.assessed and stance == "reported":
            stance = "assessed"
        score = scores()[subject.rule] * (target.score if relation in {"uses", "exploits"} else 1.0)
        time = said_by = ""
        ways: tuple[str, ...] = (subject.via,) if subject.via else ()
        if row is not None:
            time, said_by, factor = self.rows.facts(row)
            score *= factor
            if not mapping:
                said_by = ""
        if relation in {"uses", "exploits"}:
            time = time or self._time(start, end, target)
            ways = ways or self._ways(start, end, target, thing, row)
        if target.rule in _DESCRIBED and score < least_described(sifted=self.sifted):
            return
        for via in dict.fromkeys("" if way == target.key else way for way in ways or ("",)):
            claim = Claim(
                report=self.report.id,
                start=start,
                end=end,
                quote=self.report.text[start:end],
                subject=thing.key,
                relation=relation,
                object=target.key,
                basis="mapping" if mapping else cast("Basis", target.basis),
                stance=cast("Stance", stance),
                rule=subject.rule,
                score=round(min(1.0, score), 3),
                subject_name=self._name_of(thing),
                object_name=self._name_of(target),
                subject_at=(thing.start, thing.end) if thing.end > thing.start else (),
                object_at=(target.start, target.end) if target.end > target.start else (),
                via=via,
                time=time,
                said_by=said_by,
            )
            key = (claim.subject, relation, claim.object, via, start, end)
            old = self.found.get(key)
            if old is None or claim.score > old.score:
                self.found[key] = claim

    @functools.cached_property
    def _born(self) -> tuple[int, int]:
        """Year and month in which the report's own actor came into being, as far as it says so."""
        dates = [
            found[0]
            for thing in self.actors
            if self.about.is_main(thing)
            and (match := _EMERGED.match(self.text, thing.end))
            and (found := _dates(match["when"], month=1))
        ]
        return min(dates, default=(0, 0))

    def _is_older(self, start: int, end: int) -> bool:
        """Whether all that a passage is dated to lies before the report's own actor."""
        if self._born == (0, 0):
            return False
        return max(_dates(self.text[start:end], month=12), default=self._born) < self._born

    def _doubt(self, start: int, end: int, thing: Thing, row: Row | None) -> str:
        """What the entry says of whose doing it is: ``open``, ``disowned``, or nothing.

        The entry is the row, or the list item or paragraph around the passage.
        """
        if row is None:
            index = self.layout.block_at(start)
            block = self.layout.blocks[index] if index >= 0 else None
            if block is not None and block.end - block.start <= _LONGEST_ENTRY:
                start, end = min(start, block.start), max(end, block.end)
        for actor in within(self.actors, start, end):
            if self.about.cluster(actor) == self.about.cluster(thing) and _DISOWNED.search(
                self.text, max(start, actor.start - 60), actor.start
            ):
                return "disowned"
        sources = set(_CITED.findall(self.text, start, end))
        if sources and sources <= self._contested:
            return "open"
        return "open" if _DOUBTED.search(self.layout.folded, start, end) else ""

    @functools.cached_property
    def _contested(self) -> set[str]:
        """Marks of the sources of sections that leave open whose doing they tell.

        A section that cites many is about more than one affair: its marks are none.
        """
        found: set[str] = set()
        for _, heading in self.about.reserves:
            if heading >= 0:
                cited = {
                    mark
                    for index, above in enumerate(self.layout.above)
                    if heading in above
                    for mark in _CITED.findall(self.layout.words(index))
                }
                found |= cited if len(cited) <= _FEW_SOURCES else set()
        return found

    def _name_of(self, target: Thing) -> str:
        """The catalogue's name of a technique or of a bare id, the text's name of all else."""
        if target.kind != "technique" and fold(target.name) != fold(target.key):
            return target.name
        concept = self.catalogue.get(target.key)
        return concept.name if concept is not None else target.name

    def _time(self, start: int, end: int, target: Thing) -> str:
        matches = list(_TIME.finditer(self.text, start, end))
        if not matches:
            return ""
        nearest = min(
            matches, key=lambda m: min(abs(m.start() - target.start), abs(m.end() - target.start))
        )
        return nearest.group()

    def _ways(
        self, start: int, end: int, target: Thing, subject: Thing, row: Row | None
    ) -> tuple[str, ...]:
        """The services, or the one tool, that the passage states as the way."""
        text = self.text
        if row is None:
            # the target's own clause: another technique's service is no way of this one
            others = [t for t in within(self.techniques, start, end) if t.key != target.key]
            start = max([start, *(t.end for t in others if t.end <= target.start)])
            stop = [t.start for t in others if t.start >= target.end]
            if stop and text[target.end : target.end + 1] == ")":
                stop = [target.end]  # an id in brackets maps what stands before it
            end = min([end, *stop])
        for tool in within(self.things, start, end):
            if (
                tool.kind == "software"
                and tool.key not in {subject.key, target.key}
                and re.search(
                    r"\b(?:using|via|with|through|by means of|used|deployed|uses)(?: (?:the|an?|"
                    r"its|their|custom|"
                    r"open-source|legitimate|own))* [*_`]*$",
                    text[max(start, tool.start - 50) : tool.start],
                    re.IGNORECASE,
                )
            ):
                return (tool.key,)
        if not self._crosses_the_network(target.key):
            return ()
        found = [service.key for service in within(self.services, start, end)]
        if found:
            return tuple(found)
        if row is not None and target.key[:5] in _BY_SERVICE:
            return self.rows.services(row)
        last = -1
        for a, b, key in services_in(text, start, end):
            listed = found and _LISTED.fullmatch(text, last, a)
            borrowed = _BORROWED.search(text[max(start, a - 40) : a])
            if (listed or borrowed) and not _NOT_BORROWED.match(text, b):
                found.append(key)
                last = b
            elif found:
                break
        return tuple(found)

    def _crosses_the_network(self, technique: str) -> bool:
        """Whether a service can be the way of it: nobody decodes a file or runs a shell by one."""
        concept = self.catalogue.get(technique)
        tactics = concept.tactics if concept else ()
        return not tactics or not _CARRIED.isdisjoint(tactics)

    def _find_cves(self, mentions: Sequence[Mention]) -> list[Thing]:
        found = [
            Thing(
                m.start,
                m.end,
                (m.concept or m.quote).upper(),
                m.quote.upper(),
                "vulnerability",
                m.stance,
                m.basis,
                m.score,
            )
            for m in mentions
            if m.kind == "vulnerability"
        ]
        have = {(t.start, t.end) for t in found}
        for match in _CVE.finditer(self.text) if "cve-" in self.layout.folded else ():
            if match.span() in have:
                continue
            name = match.group().upper()
            mention = Mention(
                self.report.id, *match.span(), match.group(), "vulnerability", name, "name"
            )
            found.append(
                Thing(
                    *match.span(), name, name, "vulnerability", self.judge.judge(mention)[0], "name"
                )
            )
        return sorted(found, key=lambda t: t.start)


def _dates(words: str, *, month: int) -> list[tuple[int, int]]:
    """Years and months of a passage, ``month`` where a year has none; of a range both its ends."""
    found: list[tuple[int, int]] = []
    before: list[int] = []
    for match in _MONTH_OR_YEAR.finditer(words):
        if match["month"]:
            before.append(_MONTHS.index(match["month"][:3].casefold()) + 1)
        else:
            found += [(int(match["year"]), number) for number in before or [month]]
            before = []
    return found


def _said(statements: Sequence[Statement]) -> list[Thing]:
    """The names that statements hold to be an actor's."""
    return [
        thing
        for s in statements
        if s.relation == "alias-of" and s.stance != "negated"
        for thing in (s.subject, s.object)
        if thing is not None
    ]


def _joins(statement: Statement) -> bool:
    return statement.relation == "alias-of" and statement.stance in {"reported", "assessed"}


def _targets(mentions: Sequence[Mention]) -> list[Thing]:
    return sorted(
        (
            Thing(
                m.start,
                m.end,
                m.concept,
                m.name or m.quote,
                "technique",
                m.stance,
                m.basis,
                SCORES[m.rule] if m.rule in {LIKELY, SURE} else m.score,
                m.rule,
            )
            for m in mentions
            if m.kind == "technique" and m.concept and m.problem not in _BROKEN
        ),
        key=lambda t: (t.start, -t.end),
    )


def _distinct_targets(targets: Sequence[Thing]) -> list[Thing]:
    """One target per technique: the id before the name, and no parent that only names its sub."""
    order = {"id": 0, "name": 1, "behaviour": 2}
    best: dict[str, Thing] = {}
    for target in sorted(targets, key=lambda t: (order.get(t.basis, 3), t.start)):
        best.setdefault(target.key, target)
    written = {t.key for t in best.values() if t.basis == "id"}
    parents = {key.partition(".")[0] for key in written}
    # The name of a parent says less than words beside it that tell of one of its subs.
    described = {
        t.key.partition(".")[0] for t in best.values() if "." in t.key and t.basis == "behaviour"
    }
    vague = {t.key for t in best.values() if t.basis == "name" and t.key in described}
    # What the author wrote down settles the family: a described sibling would contradict it.
    # Beside a name, plain words tell of another sub-technique ("with links or attachments").
    by_id = parents | {key.partition(".")[0] for key in written}
    families = by_id | {
        t.key.partition(".")[0] for t in best.values() if t.basis == "name" and t.key not in vague
    }
    return sorted(
        (
            t
            for t in best.values()
            if t.basis == "id"
            or (
                not (t.key in parents or t.key.partition(".")[0] in written)
                and t.key not in vague
                and not (
                    t.basis == "behaviour"
                    and t.key.partition(".")[0] in (by_id if t.rule in _PLAIN else families)
                )
            )
        ),
        key=lambda t: t.start,
    )
