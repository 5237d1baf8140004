"""Actors, software and campaigns by the names that the catalogue has for them.

Many of those names are ordinary words (Silence, Play, Net), many are borne by an actor and by its
malware (Winnti, Carbanak, Snake), some by several actors. So a name counts alone only where it can
mean nothing else; else the words around it, the list that it stands in, or the rest of the report
must say what is meant. What stays undecided keeps all candidates and no concept.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ctimine.extract.candidates import Hit, covered, is_address, plain_spaces
from ctimine.extract.caseless import caseless, folded
from ctimine.extract.gate import Gate
from ctimine.extract.lexicon import Known, command_lines
from ctimine.model import Mention, MentionKind, Report

_ACTOR_WORD: Final = (
    r"(?:groups?|gangs?|actors?|operators?|team|hackers?|crew|clusters?|apts?|affiliates?|"
    r"attackers?|"
    r"collective|hacktivists?|(?:intrusion|activity) set|threat|adversar(?:y|ies)|syndicate|"
    r"personas?|"
    r"cyber-?espionage|espionage|cartel|spies|criminals?|cybercriminals?)"
)
_SOFTWARE_WORD: Final = (
    r"(?:malware|backdoors?|trojans?|rats?|ransomware|implants?|rootkits?|bootkits?|loaders?|"
    r"downloaders?|droppers?|stealers?|infostealers?|wipers?|worms?|botnets?|bots?|frameworks?|"
    r"tools?|"
    r"toolkits?|toolset|utilit(?:y|ies)|beacons?|payloads?|samples?|variants?|binar(?:y|ies)|"
    r"spyware|keyloggers?|shellcode|exploit kit|agents?|c2|cnc|c&c|encryptors?|lockers?|family|"
    r"families|strains?|modules?|plug-?ins?|web ?shells?|miners?|adware|bankers?|servers?|dlls?|"
    r"infections?|executables?|scripts?|commands?|proxy|tunnel|stagers?|installers?)"
)
_GAP: Final = r"[\s\"“”'’‘*_`(\[:,–—-]*"
_ACTOR_AFTER: Final = re.compile(
    rf"(?:['’]s?)?[*_`\"”)\s]*\s(?:[\w-]+\s){{0,2}}?{_ACTOR_WORD}\b"
    r"|['’]s? (?:victims?|leak ?site|operations?|targets?|targeting|activit\w+|members?|arsenal|"
    r"infrastructure|tactics|TTPs|tradecraft|toolset|campaigns?|attacks?)\b"
    rf"|[*_`\"”\s]*\((?:[^()]{{0,60}}\s)?(?:aka|a\.k\.a\.|also (?:known|tracked|called)|formerly)\b"
    rf"|,? (?:aka|a\.k\.a\.|also (?:known|tracked|referred to) as)\b"
    rf"|,? an? (?:[\w-]+,?\s){{0,6}}?{_ACTOR_WORD}\b"
    rf"| (?:is|was|are|has been|remains) (?:an?|the|one of|believed|assessed|known|suspected|"
    rf"attributed)"
    rf"\b(?: [\w-]+){{0,6}}? {_ACTOR_WORD}\b",
    re.IGNORECASE,
)
_ACTOR_BEFORE: Final = re.compile(
    rf"\b{_ACTOR_WORD}(?: (?:called|named|known as|dubbed|tracked as|such as|like|including|is|"
    rf"was))?"
    rf"(?: the)?{_GAP}$"
    r"|\b(?:attacked|targeted|breached|compromised|conducted|perpetrated|orchestrated|claimed|"
    r"employed|"
    rf"leveraged|used|operated|carried out|run|campaigns?|intrusions?|"
    rf"operations?) by(?: the)?{_GAP}$"
    r"|\b(?:attributed to|linked to|tied to|ties to|associated with|conducted by|operated by|"
    r"carried out "
    r"by|work of|members? of|affiliated with|affiliates? of|operators? (?:of|behind)|behind|"
    r"tracked as|"
    r"tracks? (?:\w+ )?as|known as|aka|a\.k\.a\.|alias(?:es)?|dubbed|codenamed?|"
    rf"overlaps? with|attribution to)(?: the)?{_GAP}$",
    re.IGNORECASE,
)
_SOFTWARE_AFTER: Final = re.compile(
    rf"[*_`\"”)\s]*[\s-](?:[\w-]+\s){{0,1}}?{_SOFTWARE_WORD}\b"
    rf"|,? an? (?:[\w-]+,?\s){{0,5}}?{_SOFTWARE_WORD}\b"
    rf"| (?:is|was) an? (?:[\w-]+,?\s){{0,5}}?{_SOFTWARE_WORD}\b"
    r"|(?:\.exe|\.dll|\.ps1)\b|\s?v?\d+\.\d",
    re.IGNORECASE,
)
_PORT_WORD: Final = re.compile(
    r"[*_`\"”]*[ -](?:malware|backdoors?|trojans?|rats?|implants?|rootkits?)\b", re.IGNORECASE
)
_SOFTWARE_BEFORE: Final = re.compile(
    rf"\b{_SOFTWARE_WORD}(?: (?:called|named|known as|dubbed|such as|like|including))?{_GAP}$"
    r"|\b(?:deploy|deliver|drop|dropp|install|distribut|load|inject|us|launch|execut|leverag|"
    r"spread|"
    r"infect\w* with|download|develop|utili[sz]|run|runn|implant|employ)(?:e[sd]?|s|ing|ed)?"
    rf"(?: (?:of|the|a|an|its|their|custom|modified|new))*{_GAP}$"
    r"|\b(?:via|using|infected with|variants? of|versions? of|samples? of|copy of|port of|build of)"
    rf"(?: the| a)?{_GAP}$",
    re.IGNORECASE,
)
_ACTOR_AHEAD: Final = Gate([caseless(_ACTOR_BEFORE.pattern)])
_SOFTWARE_AHEAD: Final = Gate([caseless(_SOFTWARE_BEFORE.pattern)])
_AGENT: Final = re.compile(
    r"[*_`\"”)]* (?:(?:has|have|had|also|then|reportedly|likely) )*(?:been )?(?:targeted|targets|"
    r"targeting|"
    r"attacked|claimed|claims|breached|compromised|stole|extorted|listed|recruit\w*|published|"
    r"leaked|"
    r"conduct\w*|launched|exploited|leveraged|deployed|used|focus\w*|operates?|emerged|sent|"
    r"registered)\b"
)
_ACTS: Final = re.compile(r"[*_`\"”]* (?:(?:also|then|often) )?(?:[a-z]{2,}(?:s|ed)|had)\b")
_VERBS: Final = frozenset(
    [
        "play",
        "lead",
        "mask",
        "tick",
        "spark",
        "ping",
        "expand",
        "route",
        "anchor",
        "embargo",
        "plead",
        "page",
        "cannon",
    ]
)
_MEMBER_OF_LIST: Final = re.compile(
    r"[\s\"“”'’‘*_`]*(?:\([^()]{1,40}\)[\s*_`]*)?(?:[,/;|()\[\]=+&•·]|\band\b|\bor\b|\baka\b|"
    r"a\.k\.a\.?|"
    r"\balso (?:known|tracked|referred to) as\b|\bformerly(?: known as)?\b|\bet\b|\bund\b|\by\b|"
    r"\s)*"
    r"[\s\"“”'’‘*_`]*"
)
_COMMAND_WORD: Final = re.compile(
    r"[`'\"’”]*(?:\.exe)?[`'\"’”]* (?:command|utility|tool|binary)s?\b", re.IGNORECASE
)


_USUAL: Final = 3
"""Places where a word is a name for sure, from which on it is one where a sentence begins, too."""


@dataclasses.dataclass(slots=True)
class _Found:
    """A place where a name stands, and what speaks for which meaning."""

    hit: Hit[Known]
    alone: bool
    """The name means nothing else; no context needed."""
    actor: bool = False
    software: bool = False
    accepted: bool = False
    rule: str = "lexicon"

    @property
    def known(self) -> Known:
        return self.hit.entry


def find_names(report: Report, hits: Sequence[Hit[Known]], ids: Iterable[Mention]) -> list[Mention]:
    """Mentions of actors, software and campaigns among the names found in a report.

    ``ids`` are the mentions that are already certain: what they mean supports a weak name.
    """
    named = _Judge(report, hits, ids).mentions()
    return [*named, *find_initials(report, named)]


_IN_BRACKETS: Final = re.compile(r"[*_`\"”’']*\s?\([\"“‘'*_`]*([A-Z]{2,5})[\"”’'*_`]*\)")


def find_initials(report: Report, named: Sequence[Mention]) -> Iterator[Mention]:
    """The short form that a report gives an actor, wherever it stands: ``Golden Anvils (GA)``."""
    text = plain_spaces(report.text)
    short: dict[str, Mention] = {}
    for mention in named:
        words = re.findall(r"[A-Z]", mention.quote)
        if mention.kind != "actor" or len(words) < 2 or " " not in mention.quote:
            continue
        given = _IN_BRACKETS.match(text, mention.end)
        if given and given.group(1) == "".join(words):
            short.setdefault(given.group(1), mention)
    if not short:
        return
    mask = covered(text, ((m.start, m.end) for m in named))
    for letters, meant in short.items():
        for place in re.finditer(rf"(?<![\w./\\@#-]){letters}(?![\w-]|\.\w)", text):
            start, end = place.span()
            if mask.find(1, start, end) < 0 and not is_address(text, start, end):
                yield dataclasses.replace(
                    meant, start=start, end=end, quote=letters, rule="initials", name=meant.name
                )


_WORD_AHEAD: Final = re.compile(r"\b([A-Z][a-z]+) [\"“*_`]*$")
_DEMONYM: Final = re.compile(
    r"\w+(?:an|ese|ish|eli|stani)|Greek|French|Dutch|Iraqi|The|This|That|And|Or|But|In|By|With|"
    r"From|While|When|Like|Unlike|Both|Also|As|Although|However|Since|Notorious|Infamous|"
    r"Group|Actor|Actors|Gang|Team|Operation|Campaign|Ransomware|Malware|Trojan|Backdoor|Threat|"
    r"Microsoft|Windows|Linux|Android"
)
"""Words ahead of a name that make no other name of it."""


class _Judge:
    def __init__(self, report: Report, hits: Sequence[Hit[Known]], ids: Iterable[Mention]) -> None:
        self.report, self.text = report, plain_spaces(report.text)
        self.lower = Counter(
            h.entry.key
            for h in hits
            if h.entry.one_word and h.quote.islower() and not is_address(self.text, h.start, h.end)
        )
        self.certain = {m.concept for m in ids if m.concept}
        self.found: list[_Found] = []
        for hit in hits:
            if hit.entry.is_name:
                found = self._weigh(hit)
                if found is not None:
                    self.found.append(found)

    def _weigh(self, hit: Hit[Known]) -> _Found | None:
        text, known = self.text, hit.entry
        if known.never:
            return None
        if known.command:
            return self._command(hit)
        if is_address(text, hit.start, hit.end):
            return None
        if not _case_fits(hit.quote, known):
            return None
        coined = known.numbered or bool(re.search(r"[@\d]", hit.quote))
        alone = known.strong and (coined or not hit.quote.islower())
        if alone and known.one_word and self.lower[known.key] and not hit.quote.islower():
            # the report itself writes the word in small letters, so it is a word there
            alone = hit.quote in known.forms and (hit.quote.isupper() or not hit.quote.istitle())
        found = _Found(hit, alone)
        before = text[max(0, hit.start - 70) : hit.start]
        before = before[max(before.rfind("\n\n"), before.rfind(". ") + 1, 0) :]
        after = text[hit.end : hit.end + 80].split("\n\n")[0]
        small = folded(before)
        found.actor = bool(_ACTOR_AFTER.match(after)) or _ACTOR_AHEAD.matches(small)
        found.software = bool(_SOFTWARE_AFTER.match(after)) or _SOFTWARE_AHEAD.matches(small)
        if found.actor and found.software:
            # the nearer word decides
            found.software = bool(
                re.match(rf"[\s*_`\"”-]*{_SOFTWARE_WORD}\b", after, re.IGNORECASE)
            )
            found.actor = not found.software
        if not found.actor and not found.software and known.actors and _AGENT.match(after):
            # a word in capitals among small letters that does something: POLONIUM has used …
            shouted = hit.quote.isupper() and len(hit.quote) >= 5 and hit.quote in known.forms
            found.actor = bool(known.software) or known.strong or known.implied or shouted
        return found

    def _command(self, hit: Hit[Known]) -> _Found | None:
        """A program of the system, where a command line or the word *command* says so."""
        after = self.text[hit.end : hit.end + 40]
        pattern = command_lines()[hit.entry.key]
        inside = hit.start > 0 and self.text[hit.start - 1] in "\\/."
        if not inside and (pattern.match(after) or _COMMAND_WORD.match(after)):
            if hit.quote.istitle() and not after.startswith("."):
                return None
            return _Found(hit, alone=True, software=True, rule="command")
        return None

    # -- deciding ----------------------------------------------------------------------------

    def mentions(self) -> list[Mention]:
        for found in self.found:
            known = found.known
            fits = (found.actor and known.actors) or (found.software and known.software)
            if found.alone:
                found.accepted = True
            elif fits:
                found.accepted, found.rule = True, "lexicon-context"
            elif self._in_capitals(found.hit):
                found.accepted, found.rule = True, "lexicon-capitals"
        self._accept_neighbours()
        self._accept_supported()
        self._refuse_lengthened()
        leaning = self._leanings()
        sure = self._sure_concepts()
        return [
            mention
            for found in self.found
            if found.accepted
            for mention in self._mention(found, leaning, sure)
        ]

    def _refuse_lengthened(self) -> None:
        """A name that the report never writes alone, always behind one word, is part of another.

        *Velvet Lazarus* throughout a report is nobody's Lazarus; *North Korean Lazarus* is.
        """
        ahead: dict[str, set[str]] = {}
        for found in self.found:
            match = _WORD_AHEAD.search(self.text, max(0, found.hit.start - 40), found.hit.start)
            ahead.setdefault(found.known.key, set()).add(match.group(1) if match else "")
        count = Counter(found.known.key for found in self.found)
        for found in self.found:
            key = found.known.key
            words = ahead[key]
            if count[key] < 2 or len(words) != 1 or not found.known.one_word:
                continue
            (word,) = words
            if word and not _DEMONYM.fullmatch(word) and not found.known.numbered:
                found.accepted = False

    def _accept_neighbours(self) -> None:
        """A weak name in one list with an accepted actor: ``APT28, Sofacy, Bears``."""
        for _ in range(2):
            for left, right in zip(self.found, self.found[1:], strict=False):
                if left.accepted == right.accepted:
                    continue
                weak, strong = (right, left) if left.accepted else (left, right)
                if not (weak.known.actors and strong.known.actors and _capital(weak.hit.quote)):
                    continue
                between = self.text[left.hit.end : right.hit.start]
                if len(between) <= 48 and between.strip() and _MEMBER_OF_LIST.fullmatch(between):
                    weak.accepted, weak.actor, weak.rule = True, True, "lexicon-list"

    def _accept_supported(self) -> None:
        """A weak name of something that the report names strongly elsewhere."""
        certain = set(self.certain)
        for found in self.found:
            if found.accepted and len(found.known.concepts) == 1:
                certain |= set(found.known.concepts)
        times = Counter(found.known.key for found in self.found if found.accepted)
        for found in self.found:
            if found.accepted or not set(found.known.concepts) & certain:
                continue
            key = found.known.key
            usual = times[key] >= _USUAL and not self.lower[key] and key not in _VERBS
            if found.known.ordinary and not usual and not self._means_a_name(found.hit):
                continue
            if _capital(found.hit.quote) or (" " in found.hit.quote and not found.known.ordinary):
                found.accepted, found.rule = True, "lexicon-supported"

    def _in_capitals(self, hit: Hit[Known]) -> bool:
        """Whether a name that its givers write in capitals stands so among small letters."""
        if len(hit.quote) < 5 or not hit.quote.isupper() or hit.quote not in hit.entry.forms:
            return False
        around = self.text[max(0, hit.start - 40) : hit.start] + self.text[hit.end : hit.end + 40]
        small = sum(map(str.islower, around))
        return small > 3 * sum(map(str.isupper, around)) and small > 5

    def _means_a_name(self, hit: Hit[Known]) -> bool:
        """Whether a capital means something here: where a sentence begins, only with a verb."""
        before = self.text[max(0, hit.start - 12) : hit.start].rstrip(" *_`\"“‘'(")
        if before and before[-1] not in ".!?:\n•-–—|":
            return True
        return hit.entry.key not in _VERBS and bool(_ACTS.match(self.text, hit.end))

    def _leanings(self) -> dict[str, MentionKind]:
        """For names of an actor and its malware: what the report means where it says so."""
        votes: dict[str, Counter[MentionKind]] = {}
        for found in self.found:
            if found.accepted and found.known.actors and found.known.software:
                vote = votes.setdefault(found.known.key, Counter())
                if found.actor != found.software:
                    vote["actor" if found.actor else "software"] += 1
        leaning: dict[str, MentionKind] = {}
        for key, vote in votes.items():
            if vote["actor"] >= 2 * vote["software"] and vote["actor"]:
                leaning[key] = "actor"
            elif vote["software"] >= 2 * vote["actor"] and vote["software"]:
                leaning[key] = "software"
        return leaning

    def _sure_concepts(self) -> set[str]:
        sure = set(self.certain)
        for found in self.found:
            if found.accepted and len(found.known.actors) == 1 and not found.known.software:
                sure |= set(found.known.actors)
        return sure

    def _mention(
        self, found: _Found, leaning: dict[str, MentionKind], sure: set[str]
    ) -> Iterator[Mention]:
        known, hit = found.known, found.hit
        kind: MentionKind
        if known.actors and known.software:
            if found.actor != found.software:
                kind = "actor" if found.actor else "software"
            elif known.key in leaning:
                kind = leaning[known.key]
            elif known.prefers:
                kind = "actor" if known.prefers == "actor" else "software"
            else:
                yield self._made(found, "actor", (*known.actors, *known.software))
                return
        elif known.ports and found.software and _PORT_WORD.match(self.text, hit.end):
            yield self._made(found, "software", known.ports)
            return
        else:
            kind = "actor" if known.actors else "software" if known.software else "campaign"
        ids = {"actor": known.actors, "software": known.software}.get(kind, known.campaigns)
        if len(ids) > 1:
            settled = [concept for concept in ids if concept in sure]
            if len(settled) == 1:
                yield dataclasses.replace(
                    self._made(found, kind, tuple(settled)), rule="settled-by-alias"
                )
                return
        longer = [concept for concept in known.longer if concept in sure]
        if kind == "actor" and len(longer) == 1 and ids[0].startswith("misp:"):
            # "Handala" of a report that also says "Handala Hack" or "Void Manticore"
            yield dataclasses.replace(
                self._made(found, kind, tuple(longer)), rule="settled-by-alias"
            )
            return
        yield self._made(found, kind, ids)

    def _made(self, found: _Found, kind: MentionKind, ids: tuple[str, ...]) -> Mention:
        hit, one = found.hit, len(ids) == 1
        return Mention(
            self.report.id,
            hit.start,
            hit.end,
            hit.quote,
            kind,
            ids[0] if one else "",
            "name",
            rule=found.rule,
            score=_SCORES.get(found.rule, 1.0) if one else 0.5,
            name="" if one else hit.quote,
            candidates=() if one else ids,
            problem="" if one else "ambiguous-name",
        )


_SCORES: Final = {
    "lexicon-context": 0.9,
    "lexicon-capitals": 0.8,
    "lexicon-list": 0.85,
    "lexicon-supported": 0.8,
}


def _case_fits(quote: str, known: Known) -> bool:
    """Whether the letters are as a name has them: one word in small letters is only a word."""
    if quote in known.forms or known.numbered:
        return True
    if known.one_word:
        return _capital(quote)
    return quote[0].isupper() or not known.ordinary


def _capital(quote: str) -> bool:
    words = re.findall(r"[^\W\d_]+", quote)
    small = {"of", "the", "and", "for", "in", "on", "de", "a"}
    return all(word[0].isupper() for word in words if word not in small) if words else True
