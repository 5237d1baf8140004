"""Who does it: the agent of each technique, tool or vulnerability that a sentence names.

Works on the *shape* of a sentence, its text with every known thing replaced by one private
character, so that the grammar below sees ``A used S to T`` whatever the names are. No parser and
no model: subject and verb, passive ``by``, possessive, ``use of … by``, label and colon, relative
clauses, and the definite words that stand for an actor (*the group*, *they*).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ctimine.attack import fold
from ctimine.extract.caseless import caseless, folded
from ctimine.extract.data import read_data
from ctimine.extract.rules import rule_data

ACTOR: Final = "\ue001"
SOFTWARE: Final = "\ue002"
TARGET: Final = "\ue003"
_MARK: Final = {"actor": ACTOR, "campaign": ACTOR, "software": SOFTWARE}

_WORDS: Final = rule_data()["words"]


def _inflected(verb: str) -> set[str]:
    if verb.endswith("e"):
        return {verb, verb + "s", verb + "d", verb[:-1] + "ing"}
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return {verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"}
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return {verb, verb + "es", verb + "ed", verb + "ing"}
    doubled = verb + verb[-1]
    return {verb, verb + "s", verb + "ed", verb + "ing", doubled + "ed", doubled + "ing"}


_FORMS: Final = frozenset(
    {form for verb in _WORDS["verbs"].split() for form in _inflected(verb)}
    | set(_WORDS["irregular"].split())
)
_BEING: Final = frozenset({"is", "are", "was", "were", "been", "being"})
_LINKING: Final = frozenset(_WORDS["between"].split())
_FILLER: Final = frozenset(_WORDS["after_names"].split())


_DONE_BY: Final = caseless(
    r"\b(?:\w*(?:used|leveraged|exploited|abused|employed|deployed|adopted|conducted|performed|"
    r"executed|launched|delivered|distributed|dropped|installed|created|developed|operated|carried "
    r"out|sent|run|favou?red|preferred|utili[sz]ed|implemented|staged|hosted|registered|"
    r"perpetrated|"
    r"orchestrated|written|built|controlled|shared|in use|use|usage|abuse|exploitation|deployment|"
    r"adoption|utili[sz]ation|attempts?|attacks?|intrusions?|activity|operations?|campaigns?|"
    r"exfiltration|reconnaissance|phishing|compromise)) "
    r"(?:(?:in|at|on|against|since|during|to|for|of|from|through|primarily|mainly|both|exclusively|"
    r"previously|also|heavily|recently|frequently|commonly)\b[^;:.]{0,60}? )?by (?:the |an? )?"
    r"(?:(?:[\w-]+ ){0,3}?(?:group|actors?|cluster|gang|operators?|apt|collective|adversary|unit|"
    r"operators of|members of|affiliates of|set|hackers|team)?(?:,? (?:such as|like|including|"
    r"known as|called|dubbed))? ?)?$"
)
_VOID: Final = caseless(
    r"(?:\bunlike|\blike|\bsimilar(?:ly)? to|\bthan|\bagainst|\btargeting|\btargets?|\bmimic\w*|"
    r"\bimpersonat\w+|\bposing as|\bas with|\bcompared (?:to|with)|\breminiscent of|\bversus|"
    r"\bvs\.?|"
    r"\bnot|\brather than|\bdistinct from|\bdifferent from|\bin contrast (?:to|with)|"
    r"\bunrelated to|"
    r"\bimitat\w+|\bcopy\w*|\binspired by|\bformerly|\bexcept|\bother than|\bapart from|\bwithout|"
    r"\bblam\w+ on|\bblamed|\bconfus\w+ with|\bmistaken for|\boverlap\w* with|"
    r"\bdo not attribute to) "
    r"(?:the |an? |both )?(?:[\w-]+ ){0,1}$"
)
_LINKED: Final = caseless(
    r"\b(?:linked|attributed|tied|connected|related|associated|ascribed|belonging|affiliated|"
    r"assigned|traced)(?: \w+)? (?:to|with) (?:the |an? )?(?:[\w-]+ ){0,2}$"
)
_GIVEN: Final = ("attributed", "ascribed")
"""The first words of links that are attributions."""
_OF: Final = caseless(
    r"\b(?:implants?|backdoors?|loaders?|malware|scripts?|tools?|toolset|toolkit|arsenal|"
    r"operators?|"
    r"members?|executable|droppers?|downloaders?|servers?|infrastructure|campaigns?|attacks?|"
    r"activity|operations?|affiliates?|part|payloads?|trojans?|variants?|versions?|samples?|ttps?|"
    r"techniques?|playbook|hallmarks?|intrusions?|domains?|tradecraft|use|characteristic|typical|"
    r"emails?|lures?|wave) (?:(?:used|operated|developed|run)? ?(?:of|by|from)) (?:the )?$"
)
_DEFINITE: Final = caseless(
    r"\b(?P<np>(?:the|this|these|that|said) (?:\w+[- ]){0,2}?(?:group|actors?|threat actors?|"
    r"attackers?|adversary|operators?|intruders?|gang|hackers?|cluster|collective|persona|unit|"
    r"intrusion set|team|apt|campaign|operation|criminals?)|they|it|its operators|their|"
    r"its)\b(?P<poss>['’]s?)?"
)
_GENERIC: Final = caseless(
    r"\b(?:(?:one|other|another|several|many|multiple|various|some|most|unknown|unidentified|"
    r"different|"
    r"numerous|both|two|three|additional|a (?:second|third|different|separate|new|range of|"
    r"number of|variety of)|an? (?:unknown|unidentified|unattributed|unrelated|"
    r"rival|lesser[- ]known)) (?:\w+[- ]){0,3}?"
    r"(?:groups?|actors?|clusters?|attackers?|adversar(?:y|ies)|gangs?|operators|campaigns?|"
    r"hackers)|"
    rf"(?<!the )(?<!these )(?<!those )(?<![\w{ACTOR}{SOFTWARE})’'-] )(?:adversaries|attackers|"
    rf"(?:threat )?actors|"
    r"affiliates|operators|cyber ?criminals|criminals|hackers)|(?:an|any|a) (?:\w+ )?(?:attacker|"
    r"adversary|intruder|threat "
    r"actor|hacker)|(?:defenders|organi[sz]ations|victims should|you|"
    r"we(?! (?:are |have |now |also )*(?:call|nam|dub|track|refer)\w*)))\b(?= [a-z])"
)
_OTHERS: Final = caseless(
    r"\b(?:(?:one|other|another|several|many|multiple|various|some|most|unknown|unidentified|"
    r"different|numerous|a (?:second|third|different|separate|range of|number of|variety of)|"
    r"an? (?:unrelated|unknown|unidentified|rival)) (?:[\w-]+ ){0,2}?(?:groups?|actors?|clusters?|"
    r"attackers?|adversar(?:y|ies)|gangs?|operators|crews?|hackers))\b"
)
"""Others by whom something is done."""
_CREW: Final = re.compile(
    r"\b(?:[Gg]roups?|[Aa]ctors?|[Aa]ttackers?|[Aa]dversary|[Oo]perators?|[Gg]ang|[Hh]ackers?|"
    r"[Cc]luster|[Cc]ollective|[Cc]rew|[Cc]artel|[Ss]yndicate|[Tt]eam|[Aa]pt|APT)\b"
)
_NAME_BEFORE: Final = re.compile(
    r"(?:^|(?P<inside>[^\s“‘(][\s“‘(]+))(?P<name>(?:[^\W\d_a-z][\w’'-]*[ ”’]+){1,4})"
    r"(?:(?:threat|hacking|hacker|ransomware|extortion|(?:cyber ?)?espionage|cyber|cyber ?crime|"
    r"crime|criminal|intrusion|activity|apt|hacktivist|malware|state-sponsored|raas) ){0,2}$"
)
"""A name that ends in a word for its bearer: "Alpha Beta ransomware gang"."""
_NAME_AFTER: Final = re.compile(
    r"^(?: (?:known|tracked|referred to) as| called| dubbed| (?:nick)?named)? "
    r"[“‘]?(?P<name>(?:[^\W\d_a-z][\w’'-]*[ ,”’]+){1,4})"
)
"""A name behind a word for its bearer: "the gang known as Alpha Beta"."""
_LONGEST_NAME: Final = 90  # characters
_NO_NAME: Final = frozenset(
    fold(word)
    for kind in ("places", "words")
    for names in read_data("bystanders.toml")[kind].split(",")
    for word in names.split()
) | frozenset(_WORDS["no_name"].split())
"""Capitalised words that give no group a name of its own, folded."""
_CLAUSE: Final = re.compile(
    r";|\bwhereas\b|\bwhile\b|\bbut\b|\bhowever\b|\balthough\b|—|\s–\s|: (?=[A-Za-z])",
    re.IGNORECASE,
)
_APPOSITIVE: Final = re.compile(
    rf"(?<={ACTOR})(?P<body>\s*\((?:[^()]*{ACTOR}[^()]*|\s*[GC]\d{{4}}\b[^()]*|"
    r"(?:aka|a\.k\.a\.|also (?:known|tracked) as|tracked as|or)[^()]*|[A-Z][\w .,/-]{2,60})\)"
    rf"|,\s*(?:aka|a\.k\.a\.|(?:also|previously|formerly|otherwise|now|alternatively)\s+(?:known|"
    rf"tracked|"
    rf"referred to|called)\s+(?:as\s+)?|tracked\s+(?:by\s+[\w ]+?\s+)?as|dubbed|or)\s*"
    rf"(?:(?:{ACTOR}|[A-Z][\w.-]*|\d+)(?:[\s,/]|and |or )*)+,?"
    rf"|\s*/\s*(?:{ACTOR}|[A-Z][\w-]*(?: [A-Z][\w-]*)?))"
)
_MARKUP: Final = re.compile(r"[*_`“”\"]")


@dataclasses.dataclass(frozen=True, slots=True)
class Thing:
    """Something named in the text that can be subject or object of a claim."""

    start: int
    end: int
    key: str
    name: str
    kind: str
    stance: str = "reported"
    basis: str = "name"
    score: float = 1.0
    rule: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Agent:
    """A thing in the role of the one who does it, and where its reach begins and ends.

    ``role`` is the rule's name. ``thing`` is None for a definite word (*the group*), which the
    caller resolves, ``generic`` marks a subject that nobody named (*attackers*), and ``unsure`` one
    that is only *linked* to the thing; what is attributed to it is its own.
    """

    role: str
    at: int
    thing: Thing | None = None
    words: str = ""
    generic: bool = False
    unsure: bool = False


class Sentence:
    """One sentence with its things, ready to be asked who the agent of a target is.

    >>> text = "Unlike APT28, APT29 used T1102."
    >>> a, b = Thing(7, 12, "G0007", "APT28", "actor"), Thing(14, 19, "G0016", "APT29", "actor")
    >>> target = Thing(25, 30, "T1102", "T1102", "technique")
    >>> [agent.thing.name for agent in Sentence(text, 0, 31, [a, b], [target]).agents_of(target)]
    ['APT29']
    """

    def __init__(
        self, text: str, start: int, end: int, things: Iterable[Thing], targets: Iterable[Thing]
    ) -> None:
        self.start, self.end = start, end
        self._report = text
        self.text = text[start:end]
        self.things = sorted(
            (t for t in things if start <= t.start and t.end <= end), key=lambda t: t.start
        )
        inside = [t for t in targets if start <= t.start and t.end <= end]
        self._place: dict[int, Thing] = {}  # shape position → thing
        self._where: dict[tuple[int, int], int] = {}  # offsets → shape position
        self.shape = self._shape(inside)
        self._blank_appositives()
        self.small = folded(self.shape)
        self.agents = self._find_agents()

    def _shape(self, targets: Sequence[Thing]) -> str:
        pieces: list[str] = []
        length = at = 0
        # A described behaviour spans words that hold subject and verb: it stands at its end.
        wide = {t for t in targets if t.basis == "behaviour"}
        order = sorted(
            {*self.things, *targets},
            key=lambda t: (t.end, 1, 0) if t in wide else (t.start, 0, -t.end),
        )
        for thing in order:
            begin, stop = thing.start - self.start, thing.end - self.start
            if thing in wide:
                begin = max(at, stop)
            if begin < at:  # inside the one before: shares its place
                self._where.setdefault((thing.start, thing.end), max(0, length - 1))
                continue
            gap = _MARKUP.sub("", self.text[at:begin])
            pieces += [gap, _MARK.get(thing.kind, TARGET)]
            length += len(gap) + 1
            self._place[length - 1] = thing
            self._where[thing.start, thing.end] = length - 1
            at = stop
        pieces.append(_MARKUP.sub("", self.text[at:]))
        return "".join(pieces)

    def _blank_appositives(self) -> None:
        """Other names of the same actor beside it are no agents of their own."""
        if ACTOR not in self.shape:  # most sentences, in which the pattern looks back everywhere
            return
        for match in _APPOSITIVE.finditer(self.shape):
            body = match.start("body"), match.end("body")
            if TARGET in self.shape[body[0] : body[1]]:
                continue
            for place in range(*body):
                self._place.pop(place, None)
            comma = "," if self.shape[body[1] - 1] == "," else " "
            filler = " " * (body[1] - body[0] - 1) + comma
            self.shape = self.shape[: body[0]] + filler + self.shape[body[1] :]

    def _find_agents(self) -> list[Agent]:
        found: list[Agent] = []
        for place, thing in self._place.items():
            if thing.kind not in _MARK:
                continue
            role = self._role(place, thing)
            if role:
                unsure = role == "linked" and not self._attributed(place)
                found.append(Agent(role, place, thing, unsure=unsure))
        crews = dict(self._crews())
        for match in _DEFINITE.finditer(self.small):
            words = self.shape[slice(*match.span("np"))].casefold()
            if match.end("np") in crews:
                continue
            after = self.shape[match.end() :]
            if match.group("poss") or words in {"its", "their"}:
                continue
            if self.acts(after) or (
                words not in {"it", "they"} and _DONE_BY.search(self.small, 0, match.start())
            ):
                found.append(Agent("definite", match.start(), None, words))
        found += [
            Agent("generic", match.start(), None, self.shape[slice(*match.span())], generic=True)
            for match in _GENERIC.finditer(self.small)
            if self.acts(self.shape[match.end() :])
        ]
        found += [
            Agent("by", match.start(), None, match.group(), generic=True)
            for match in _OTHERS.finditer(self.small)
            if _DONE_BY.search(self.small, 0, match.start())
        ]
        found += crews.values()
        return sorted(found, key=lambda agent: agent.at)

    def _crews(self) -> Iterator[tuple[int, Agent]]:
        """Groups that have a name which no list knows, each by where its noun ends.

        "The Alpha Beta group" and "a gang called Alpha Beta" are none of the actors before.
        """
        for match in _CREW.finditer(self.shape):
            at, end = match.span()
            before = _NAME_BEFORE.search(self.shape, max(0, at - _LONGEST_NAME), at)
            if before is not None and self._is_name(before["name"], first=not before["inside"]):
                at = before.start("name")
            else:
                behind = _NAME_AFTER.match(self.shape[end:])
                if behind is None or not self._is_name(behind["name"]):
                    continue
                end += behind.end("name") - 1
            doing = self.acts(self.shape[end:])
            if doing or _DONE_BY.search(self.small, 0, at):
                role = "generic" if doing else "by"
                yield match.end(), Agent(role, at, None, match.group(), generic=True)

    def _is_name(self, words: str, *, first: bool = False) -> bool:
        """Whether words with capitals name a group; the ``first`` of a sentence always has one.

        What the report writes small, too, is a role ("the Provider"), no name.
        """
        return any(
            word[0].isupper()
            and fold(word) not in _NO_NAME
            and not re.search(r"-[a-z]", word)  # "Iran-linked"
            and not (
                word.lower() in self._report
                and re.search(rf"\b{re.escape(word.lower())}\b", self._report)
            )
            for word in (word.strip(",”’'") for word in words.split()[first:])
            if word
        )

    def _role(self, place: int, thing: Thing) -> str:
        before, after = self.shape[:place], self.shape[place + 1 :]
        if thing.stance == "negated" and thing.kind != "software":
            return ""
        # "unlike A and B" voids both; in "unlike A, B used" the comma ends it
        listed = len(self._listed(before))
        joined = re.search(r"(?:\band|\bor|/|&)\s*(?:the )?$", before)
        if _VOID.search(self.small, 0, listed if joined else place):
            return ""
        linked = bool(_LINKED.search(self.small, 0, listed))
        if thing.kind != "software" and _DONE_BY.search(self.small, 0, listed):
            return "by"
        if re.match(r"['’]s?\s", after):
            if re.match(
                r"['’]s?\s+(?:\w+\s){0,2}?(?:use|abuse|exploitation|deployment|adoption|reliance|"
                r"usage|misuse|employment|preference|tradecraft|ttps?|techniques?|arsenal|toolset|"
                r"toolkit|repertoire|practice|shift|move|pivot|return)\b",
                after,
            ):
                return "use-of"
            return (
                "thing-of"
                if self.acts(re.sub(r"^['’]s?\s+(?:[\w-]+\s){1,3}?", "", after))
                or (re.match(r"['’]s?\s+(?:[\w-]+\s){0,3}", after))
                else ""
            )
        if re.match(r"\s+(?:use|abuse|exploitation|usage|deployment) of\b", after):
            return "use-of"
        if self.acts(after):
            if _OF.search(self.small, 0, place):
                return "thing-of"
            return "linked" if linked else "subject"
        if re.match(r"\s*(?::|–|—|-\s)\s*", after) and not re.search(r"\w", before):
            return "label"
        if _OF.search(self.small, 0, place):
            return "thing-of"
        return ""

    def _attributed(self, place: int) -> bool:
        """Whether the words before a list of things give to it what they tell, without reserve."""
        found = _LINKED.search(self.small, 0, len(self._listed(self.shape[:place])))
        return found is not None and found.group().startswith(_GIVEN)

    @staticmethod
    def _listed(before: str) -> str:
        """What stands before a list of things: ``by A, B and`` counts for the last one, too."""
        mark = f"[{ACTOR}{SOFTWARE}]"
        return re.sub(
            rf"{mark}(?:\s*(?:,|/|&|\band\b|\bor\b)\s*(?:and |or |the )?{mark}?)*\s*$", "", before
        )

    @staticmethod
    def acts(after: str) -> bool:
        """Whether what follows a name makes it the subject of a verb of doing."""
        # names in a list, a parenthesis, a clause between commas, and a relative pronoun may stand
        # between the name and its verb
        mark = f"[{ACTOR}{SOFTWARE}]"
        after = re.sub(
            rf"^(?:\s*(?:,|/|&|\band\b|\bor\b|as well as)\s*(?:and |or |the )?{mark})+", "", after
        )
        after = re.sub(r"^\s*\([^()]*\)", "", after)
        after = re.sub(
            r"^,\s+(?:an?|the|which|who|whose|active|also|known|tracked|believed|based|operating|"
            r"suspected|assessed|like|one|as)\b[^,;]{0,120},(?=\s)",
            "",
            after,
        )
        after = re.sub(r"^,?\s+(?:which|who|that)\b", "", after)
        last = ""
        for number, word in enumerate(re.findall(r"[^\s,]+|,", after)[:9]):
            bare = word.casefold().strip("().")
            if word == ",":
                if number == 0:
                    return False
                continue
            if bare in _BEING:
                last = bare
                continue
            if bare in _LINKING:
                if bare in {"known", "observed", "seen", "reported"}:
                    last = "known"
                continue
            if bare in _FORMS:
                # "was targeted", "were breached": done to it, not by it
                return not (last in _BEING and bare.endswith("ed"))
            if bare in {"for", "as"} and last == "known":
                return True
            if bare in _FILLER or (bare.endswith("ly") and len(bare) > 4):
                continue
            return len(bare) > 4 and bare.endswith("ed") and not last
        return False

    def place(self, thing: Thing) -> int:
        """Where a thing stands in the shape, -1 where it does not."""
        return self._where.get((thing.start, thing.end), -1)

    def agents_of(self, target: Thing) -> list[Agent]:
        """The agents of a target: who the sentence says does it; empty when it does not say."""
        place = self._where.get((target.start, target.end))
        if place is None:
            return []
        result: list[Agent] = []
        left = [a for a in self.agents if a.at < place]
        chosen = self._nearest(left, place)
        if chosen:
            result += self._with_listed(chosen)
        for agent in self.agents:
            if agent.at <= place or agent.role not in {"by", "definite"}:
                continue
            between = self.shape[place : agent.at]
            if agent.role == "definite" and not _DONE_BY.search(self.small[place : agent.at]):
                continue
            if _CLAUSE.search(between) or any(
                place < other.at < agent.at and other.role != "by" for other in self.agents
            ):
                continue
            # a by-phrase to the right speaks for the target unless a subject governs it already
            # and the phrase belongs to a later noun
            if chosen and not re.match(rf".?[^{ACTOR}{TARGET},;]{{0,40}}$", between[:-3]):
                continue
            result += self._with_listed(agent)
            break
        return _unique(result)

    def _nearest(self, left: Sequence[Agent], place: int) -> Agent | None:
        for agent in reversed(left):
            between = self.shape[agent.at + 1 : place]
            if agent.role in {
                "thing-of",
                "use-of",
                "by",
                "label",
                "subject",
                "linked",
                "definite",
                "generic",
            }:
                if agent.thing and agent.thing.kind == "software" and self._object_of(agent):
                    # "A used S to T": S has no verb of its own here
                    continue
                if ";" in between and agent.role != "label" and self._new_subject(between):
                    return None
                return agent
        return None

    def _object_of(self, agent: Agent) -> bool:
        """Whether a software is what somebody uses, not the one who acts: "used S to …"."""
        after = self.shape[agent.at + 1 : agent.at + 30]
        return agent.role != "subject" or bool(
            re.match(r"\s+(?:to|for|in order|and used|via)\b", after)
        )

    @staticmethod
    def _new_subject(between: str) -> bool:
        tail = between.rsplit(";", 1)[1]
        return bool(
            re.match(r"\s*(?:the|an?|this|these|its|their|another|[A-Z])\b", tail)
        ) and not (re.match(r"\s*(?:the (?:group|actor|attackers?|operators?)|its|their)\b", tail))

    def _with_listed(self, agent: Agent) -> list[Agent]:
        """The agent and those joined to it: "A and B used" makes both agents."""
        if agent.thing is None:
            return [agent]
        joined = [agent]
        mark = f"[{ACTOR}]"
        before = self.shape[: agent.at]
        match = re.search(
            rf"(?:{mark}\s*(?:,|/|&|\band\b|\bor\b|,\s*and\b|as well as|and the)\s*)+$", before
        )
        # "A, B and C used", but not "Unlike A, B used": a list ends with more than a comma
        if (
            match
            and re.search(r"(?:/|&|\band\b|\bor\b|as well as|and the)\s*$", match.group())
            and not _VOID.search(self.small, 0, match.start())
        ):
            joined += [
                Agent(agent.role, place, self._place[place], unsure=agent.unsure)
                for place in range(match.start(), agent.at)
                if place in self._place and self._place[place].stance != "negated"
            ]
        after = re.match(
            rf"(?:\s*(?:,|/|&|\band\b|\bor\b|,\s*and\b|as well as)\s*{mark})+",
            self.shape[agent.at + 1 :],
        )
        if after:
            stop = agent.at + 1 + after.end()
            joined += [
                Agent(agent.role, place, self._place[place], unsure=agent.unsure)
                for place in range(agent.at + 1, stop)
                if place in self._place and self._place[place].stance != "negated"
            ]
        return joined


def _unique(agents: Iterable[Agent]) -> list[Agent]:
    seen: dict[tuple[str, str], Agent] = {}
    for agent in agents:
        seen.setdefault((agent.thing.key if agent.thing else "", agent.words), agent)
    return list(seen.values())
