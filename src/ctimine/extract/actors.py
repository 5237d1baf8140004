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

from ctimine.extract.candidates import Hit, is_address
from ctimine.extract.lexicon import Known
from ctimine.model import Mention, MentionKind, Report

_ACTOR_WORD: Final = (
    r"(?:groups?|gangs?|actors?|operators?|team|hackers?|crew|clusters?|apts?|affiliates?|attackers?|"
    r"collective|hacktivists?|(?:intrusion|activity) set|threat|adversar(?:y|ies)|syndicate|personas?|"
    r"cyber-?espionage|espionage|cartel|spies|criminals?|cybercriminals?)"
)
_SOFTWARE_WORD: Final = (
    r"(?:malware|backdoors?|trojans?|rats?|ransomware|implants?|rootkits?|bootkits?|loaders?|"
    r"downloaders?|droppers?|stealers?|infostealers?|wipers?|worms?|botnets?|bots?|frameworks?|tools?|"
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
    rf"| (?:is|was|are|has been|remains) (?:an?|the|one of|believed|assessed|known|suspected|attributed)"
    rf"\b(?: [\w-]+){{0,6}}? {_ACTOR_WORD}\b",
    re.IGNORECASE,
)
_ACTOR_BEFORE: Final = re.compile(
    rf"\b{_ACTOR_WORD}(?: (?:called|named|known as|dubbed|tracked as|such as|like|including|is|was))?"
    rf"(?: the)?{_GAP}$"
    r"|\b(?:attributed to|linked to|tied to|ties to|associated with|conducted by|operated by|carried out "
    r"by|work of|members? of|affiliated with|affiliates? of|operators? (?:of|behind)|behind|tracked as|"
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
_SOFTWARE_BEFORE: Final = re.compile(
    rf"\b{_SOFTWARE_WORD}(?: (?:called|named|known as|dubbed|such as|like|including))?{_GAP}$"
    r"|\b(?:deploy|deliver|drop|dropp|install|distribut|load|inject|us|launch|execut|leverag|spread|"
    r"infect\w* with|download|develop|utili[sz]|run|runn|implant|employ)(?:e[sd]?|s|ing|ed)?"
    rf"(?: (?:of|the|a|an|its|their|custom|modified|new))*{_GAP}$"
    r"|\b(?:via|using|infected with|variants? of|versions? of|samples? of|copy of|port of|build of)"
    rf"(?: the| a)?{_GAP}$",
    re.IGNORECASE,
)
_AGENT: Final = re.compile(
    r"[*_`\"”)]* (?:(?:has|have|had|also|then|reportedly|likely) )*(?:been )?(?:targeted|targets|targeting|"
    r"attacked|claimed|claims|breached|compromised|stole|extorted|listed|recruit\w*|published|leaked|"
    r"conduct\w*|launched|exploited|leveraged|deployed|used|focus\w*|operates?|emerged|sent|registered)\b"
)
_MEMBER_OF_LIST: Final = re.compile(
    r"[\s\"“”'’‘*_`]*(?:\([^()]{1,40}\)[\s*_`]*)?(?:[,/;|()\[\]=+&•·]|\band\b|\bor\b|\baka\b|a\.k\.a\.?|"
    r"\balso (?:known|tracked|referred to) as\b|\bformerly(?: known as)?\b|\bet\b|\bund\b|\by\b|\s)*"
    r"[\s\"“”'’‘*_`]*"
)
_COMMAND: Final = {
    "net": re.compile(r"(?:1?\.exe)?\s+(?:user|group|localgroup|use|view|start|stop|time|share|accounts|session|config|computer)\b", re.I),
    "reg": re.compile(r"(?:\.exe)?\s+(?:add|query|save|delete|export|import|copy|load)\b", re.I),
    "at": re.compile(r"(?:\.exe)\b|\s+\\\\|\s+\d{1,2}:\d\d\s+\S*(?:cmd|\.exe|\.bat)", re.I),
    "cmd": re.compile(r"(?:\.exe)\b|\s+/[ckqCKQ]\b", re.I),
    "ping": re.compile(r"(?:\.exe)\b|\s+-[nact]\b", re.I),
    "route": re.compile(r"(?:\.exe)\b|\s+(?:print|add|delete)\b"),
    "arp": re.compile(r"(?:\.exe)\b|\s+-[a-z]\b"),
    "ftp": re.compile(r"(?:\.exe)\b|\s+-s:"),
    "expand": re.compile(r"(?:\.exe)\b"),
}  # fmt: skip
_COMMAND_WORD: Final = re.compile(
    r"[`'\"’”]*(?:\.exe)?[`'\"’”]* (?:command|utility|tool|binary)s?\b", re.IGNORECASE
)


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
    return _Judge(report, hits, ids).mentions()


class _Judge:
    def __init__(
        self, report: Report, hits: Sequence[Hit[Known]], ids: Iterable[Mention]
    ) -> None:
        self.report, self.text = report, report.text
        self.lower = Counter(h.entry.key for h in hits if h.quote.islower())
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
        alone = known.strong and not (hit.quote.islower() and not known.numbered)
        if alone and known.one_word and self.lower[known.key] and not hit.quote.islower():
            # the report itself writes the word in small letters, so it is a word there
            alone = hit.quote in known.forms and (hit.quote.isupper() or not hit.quote.istitle())
        found = _Found(hit, alone)
        before = text[max(0, hit.start - 70) : hit.start]
        before = before[max(before.rfind("\n\n"), before.rfind(". ") + 1, 0) :]
        after = text[hit.end : hit.end + 80].split("\n\n")[0]
        found.actor = bool(_ACTOR_AFTER.match(after) or _ACTOR_BEFORE.search(before))
        found.software = bool(_SOFTWARE_AFTER.match(after) or _SOFTWARE_BEFORE.search(before))
        if found.actor and found.software:
            # the nearer word decides
            found.software = bool(re.match(rf"[\s*_`\"”-]*{_SOFTWARE_WORD}\b", after, re.I))
            found.actor = not found.software
        if not found.actor and not found.software and known.actors and _AGENT.match(after):
            found.actor = known.software != () or known.strong
        return found

    def _command(self, hit: Hit[Known]) -> _Found | None:
        """A program of the system, where a command line or the word *command* says so."""
        after = self.text[hit.end : hit.end + 40]
        pattern = _COMMAND[hit.entry.key]
        inside = self.text[hit.start - 1 : hit.start] in "\\/" if hit.start else False
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
        self._accept_neighbours()
        self._accept_supported()
        leaning = self._leanings()
        sure = self._sure_concepts()
        return [
            mention
            for found in self.found
            if found.accepted
            for mention in self._mention(found, leaning, sure)
        ]

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
        for found in self.found:
            if found.accepted or not set(found.known.concepts) & certain:
                continue
            if found.known.ordinary and not self._inside_sentence(found.hit.start):
                continue
            if _capital(found.hit.quote) or (" " in found.hit.quote and not found.known.ordinary):
                found.accepted, found.rule = True, "lexicon-supported"

    def _inside_sentence(self, start: int) -> bool:
        """Whether a capital means something here: it does not at the beginning of a sentence."""
        before = self.text[max(0, start - 12) : start].rstrip(" *_`\"“‘'(")
        return bool(before) and before[-1] not in ".!?:\n•-–—|"

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
            else:
                yield self._made(found, "actor", (*known.actors, *known.software))
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
        if hit.quote:
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


_SCORES: Final = {"lexicon-context": 0.9, "lexicon-list": 0.85, "lexicon-supported": 0.8}


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


# -- names that no list knows, but that a vendor's scheme gives away -----------------------------

_PATTERN: Final = re.compile(
    r"(?<![\w./\\@#-])(?:"
    r"UNC[- ]?\d{3,5}|APT-?C-?\d{1,3}|APT[- ]?\d{1,3}|TA[1-9]\d{2,3}|FIN[- ]?\d{1,2}|Storm-\d{4}|"
    r"DEV-\d{4}|UAC-\d{4}|UAT-?\d{4,5}|UTA\d{4}|TAG-\d{2,4}|TEMP\.[A-Z][A-Za-z]+|"
    r"(?:CL|TGR)-(?:STA|CRI|UNK)-\d{4}|LARVA-\d{3,5}|Larva-\d{3,5}|UNK_[A-Z][A-Za-z]+|REF\d{4}|"
    r"ITG\d{2}|CTG-\d{4}|TG-\d{4}|TAT\d{2}-\d{3}|SectorA\d{2}|GTG-\d{4}|ATK\d{1,3}|WIP\d{2}|MUT-\d{3,4}|"
    r"Void [A-Z][a-z]+|"
    r"(?:Red|Blue|Green|Purple|Gray|Grey)(?:Alpha|Bravo|Charlie|Delta|Echo|Foxtrot|Golf|Hotel|India|"
    r"Juliett|Kilo|Lima|Mike|November|Oscar|Papa|Quebec|Romeo|Sierra|Tango|Victor|Whiskey)"
    r")(?![\w@]|-\w|\.\w)"
)
_TAXONOMY: Final = re.compile(
    r"(?<![\w./\\@#-])(?P<first>[A-Z][a-z]{2,}|[A-Z]{3,}) "
    r"(?P<last>Typhoon|Sandstorm|Blizzard|Sleet|Tempest|Tsunami|Hail|Cyclone|Flood|Dust|Twister|Squall|"
    r"Panda|Kitten|Bear|Chollima|Spider|Buffalo|Jackal|Leopard|Lynx|Wolf|Hawk|Crane|Ocelot|Sphinx|Saiga|"
    r"Taurus|Serpens|Ursa|Scorpius|Libra|Pisces|Draco|Virgo|Gemini|Manticore|"
    r"PANDA|KITTEN|BEAR|CHOLLIMA|SPIDER|BUFFALO|JACKAL|LEOPARD|TIGER|HAWK|SPHINX|SAIGA|OCELOT)"
    r"(?![\w@]|-\w|\.\w)"
)
_NOT_FIRST: Final = frozenset(
    "the a an this that our their its his her super severe red white black brown grizzly polar teddy "
    "giant baby big little old new great every each one no my your some any and or activision desert "
    "snow blizzard typhoon category tropical widow house wolf recluse jumping trapdoor ursa major minor "
    "water bull build mama papa mother father koala american asian north south east west russian "
    "chinese iranian korean microsoft crowdstrike mandiant google operation".split()
)
_WEATHER: Final = frozenset(
    "typhoon sandstorm blizzard sleet tempest tsunami hail cyclone flood dust twister squall".split()
)
_SCHEME_NEAR: Final = re.compile(
    rf"\b(?:{_ACTOR_WORD}|CrowdStrike|Microsoft|Unit ?42|Palo Alto|tracked|tracks|aka|a\.k\.a|known as|"
    r"alias(?:es)?|attributed|nation-?state|state-?sponsored|espionage|intrusions?)\b",
    re.IGNORECASE,
)


def find_patterns(report: Report, taken: Sequence[Mention]) -> list[Mention]:
    """Names that follow a vendor's naming scheme and that the catalogue does not have.

    >>> report = Report("r", "s", "i", "UNC9999 and the actor Velvet Typhoon, not Super Typhoon.")
    >>> [m.quote for m in find_patterns(report, [])]
    ['UNC9999', 'Velvet Typhoon']
    """
    text = report.text
    spans = sorted((m.start, m.end) for m in taken)
    found = []
    for match in (*_PATTERN.finditer(text), *_TAXONOMY.finditer(text)):
        start, end = match.span()
        if "last" in match.groupdict() and not _is_taxonomy(text, match):
            continue
        if any(a < end and start < b for a, b in spans) or is_address(text, start, end):
            continue
        quote = match.group()
        found.append(
            Mention(
                report.id,
                start,
                end,
                quote,
                "actor",
                "",
                "name",
                rule="vendor-pattern",
                score=0.8,
                name=quote,
            )
        )
    return found


def _is_taxonomy(text: str, match: re.Match[str]) -> bool:
    first, last = match.group("first"), match.group("last")
    if first.lower() in _NOT_FIRST:
        return False
    if first.isupper() != last.isupper():
        return False
    if last.isupper() or last.lower() in _WEATHER:
        return first.isupper() == last.isupper()
    near = text[max(0, match.start() - 80) : match.end() + 80]
    return bool(_SCHEME_NEAR.search(near))
