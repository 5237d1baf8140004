"""Names that no list knows, but that a vendor's naming scheme gives away as those of actors.

``UNC####``, ``Storm-####``, ``UAC-####``, … by their form alone; two-word names such as
``… Typhoon`` or ``… SPIDER`` only where they cannot be weather or animals; and coined names such as
``DarkVault`` where the text itself says *the DarkVault gang*, and then wherever they stand again.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import ahocorasick_rs

from ctimine.extract.candidates import covered, is_address, plain_spaces, without_surrogates
from ctimine.model import Mention, Report

_SCHEMES: Final = {
    "UNC": r"UNC[- ]?\d{3,5}",
    "APT": r"APT-?C-?\d{1,3}|APT[- ]?\d{1,3}",
    "TA": r"TA[1-9]\d{2,3}|TAG-\d{2,4}|TAT\d{2}-\d{3}",
    "FIN": r"FIN[- ]?\d{1,2}",
    "Storm-": r"Storm-\d{4}",
    "DEV-": r"DEV-\d{4}",
    "UAC-": r"UAC-\d{4}",
    "UNG": r"UNG\d{4}",
    "UAT": r"UAT-?\d{4,5}",
    "UTA": r"UTA\d{4}",
    "TEMP.": r"TEMP\.[A-Z][A-Za-z]+",
    "CL-": r"CL-(?:STA|CRI|UNK)-\d{4}",
    "TGR-": r"TGR-(?:STA|CRI|UNK)-\d{4}",
    "LARVA-": r"LARVA-\d{3,5}",
    "Larva-": r"Larva-\d{3,5}",
    "UNK_": r"UNK_[A-Z][A-Za-z]+",
    "REF": r"REF\d{4}",
    "ITG": r"ITG\d{2}",
    "CTG-": r"CTG-\d{4}",
    "TG-": r"TG-\d{4}",
    "Sector": r"Sector[A-Z]\d{2}",
    "GTG-": r"GTG-\d{4}",
    "ATK": r"ATK\d{1,3}",
    "WIP": r"WIP\d{2}",
    "MUT-": r"MUT-\d{3,4}",
}
"""Literal that a vendor's names begin with, and the form of the whole name."""
_SCHEME: Final = re.compile(
    rf"(?<![\w./\\@#-])(?:{'|'.join(_SCHEMES.values())})(?![\w@]|\.\w|-(?!(?:affiliated|aligned|"
    r"associated|attributed|backed|connected|controlled|linked|operated|owned|related|run|"
    r"sponsored)\b)\w)"
)
_LAST: Final = """
Typhoon Sandstorm Blizzard Sleet Tempest Tsunami Hail Cyclone Flood Dust Twister Squall
Panda Kitten Bear Chollima Spider Buffalo Jackal Leopard Lynx Wolf Hawk Crane Ocelot
Sphinx Saiga Taurus Serpens Ursa Scorpius Libra Pisces Draco Virgo Gemini Manticore PANDA
KITTEN BEAR CHOLLIMA SPIDER BUFFALO JACKAL LEOPARD TIGER HAWK SPHINX SAIGA OCELOT
""".split()  # noqa: SIM905
_FIRST: Final = re.compile(r"(?<![\w./\\@#-])(?:[A-Z][a-z]{2,}|[A-Z]{3,})$")
_NOT_FIRST: Final = frozenset(
    """
    the a an this that our their its his her super severe red white black brown grizzly polar
    teddy giant baby big little old new great every each one no my your some any and or
    activision desert snow blizzard typhoon category tropical widow house wolf recluse jumping
    trapdoor ursa major minor water bull build mama papa mother father koala american asian
    north south east west russian chinese iranian korean microsoft crowdstrike mandiant google
    operation
    """.split()  # noqa: SIM905
)
_WEATHER: Final = frozenset(
    """
    typhoon sandstorm blizzard sleet tempest tsunami cyclone
    """.split()  # noqa: SIM905
)
_SCHEME_NEAR: Final = re.compile(
    r"\b(?:groups?|gangs?|actors?|operators?|hackers?|clusters?|apts?|attackers?|adversar(?:y|"
    r"ies)|CrowdStrike|Microsoft|Unit ?42|Palo Alto|tracked|tracks|aka|a\.k\.a|known as|"
    r"alias(?:es)?|attributed|nation-?state|state-?sponsored|espionage|intrusions?)\b",
    re.IGNORECASE,
)


_MOST: Final = 40  # coined names of one report; each costs a search over its text
_TOOLS: Final = (
    r"(?:malware|backdoor|trojan|stealer|loader|implant|framework|botnet|miner|RAT\b|"
    r"ransomware(?! (?:gang|group|operators|affiliates|crew)))"
)
_COINED: Final = r"[A-Z][a-z]+(?:[A-Z][a-z]+)+\d?"
_BEFORE: Final = re.compile(
    rf"(?<![\w./\\@#-])({_COINED})(?:['’]s)? (?:(?:ransomware|hacking|threat|cybercrime|"
    rf"extortion|APT|"
    r"espionage) )?$"
)
_AFTER: Final = re.compile(
    rf"(?: (?:called|named|known as|dubbed|tracked as))? [\"“'‘]?({_COINED})(?![\w-])"
)
_CALLS_AFTER: Final = ("gang", "operators", "affiliates", "hackers", "crew")
_CALLS_BEFORE: Final = (
    "gang",
    "threat actor",
    "threat group",
    "hacking group",
    "ransomware group",
    "APT group",
    "adversary",
)
_NOT_COINED: Final = frozenset(
    """
    PowerShell JavaScript GitHub GitLab LinkedIn WhatsApp YouTube FaceBook OpenAI ChatGPT MacOS
    WordPress AnyDesk TeamViewer SolarWinds FireEye CrowdStrike SentinelOne ProofPoint FortiGuard
    BleepingComputer VirusTotal AlienVault ReliaQuest RiskIQ ThreatConnect SecureWorks ClearSky
    QuoIntelligence ThreatLabz MalwareBytes PayPal DigitalOcean SharePoint OneDrive VMware ESXi
    """.split()  # noqa: SIM905
)


_MALWARE_NAME: Final = re.compile(
    r"\w(?:[Bb]ot|[Ll]oader|[Ss]tealer|[Mm]iner|[Ww]iper|[Dd]ropper|[Dd]oor|Rat|RAT)(?:net)?$"
)


def is_malware_name(name: str) -> bool:
    """Whether a name that no list has is coined as malware is, not as those who run it are.

    >>> is_malware_name("TrueBot"), is_malware_name("RATPAK"), is_malware_name("Snatch")
    (True, False, False)
    """
    return bool(_MALWARE_NAME.search(name))


def find_scheme_names(report: Report, taken: Sequence[Mention]) -> list[Mention]:
    """Names that follow a vendor's naming scheme and that the catalogue does not have.

    >>> report = Report("r", "s", "i", "UNC9999 and the actor Velvet Typhoon, not Super Typhoon.")
    >>> [m.quote for m in find_scheme_names(report, [])]
    ['UNC9999', 'Velvet Typhoon']
    """
    text = plain_spaces(report.text)
    raw = without_surrogates(text)
    mask = covered(text, ((m.start, m.end) for m in taken))
    found = {}
    for index, at, stop in _triggers().find_matches_as_indexes(raw):
        if index < len(_SCHEMES):
            match = _SCHEME.match(text, at)
            start, end = match.span() if match else (0, 0)
        else:
            first = _FIRST.search(text, max(0, at - 20), at)
            start, end = (first.start(), stop) if first else (0, 0)
            if first and not _is_taxonomy(text, start, at, end):
                continue
        if not end or mask.find(1, start, end) >= 0 or is_address(text, start, end):
            continue
        quote = report.text[start:end]
        found[start] = Mention(
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
    for mention in found.values():
        mask[mention.start : mention.end] = b"\x01" * (mention.end - mention.start)
    return [*found.values(), *_introduced(report, mask)]


def _callings(text: str) -> Iterator[tuple[str, int, int]]:
    """Coined names beside a word such as *gang*, with their offsets."""
    raw = without_surrogates(text)
    words, automaton = _calls()
    for index, start, end in automaton.find_matches_as_indexes(raw):
        if words[index] in _CALLS_AFTER:
            match = _BEFORE.search(text, max(0, start - 60), start)
            if match and not text[end : end + 1].isalnum():
                yield match.group(1), *match.span(1)
        if words[index] in _CALLS_BEFORE:
            match = _AFTER.match(text, end)
            if match:
                yield match.group(1), *match.span(1)


@functools.cache
def _calls() -> tuple[list[str], Any]:
    words = sorted({*_CALLS_AFTER, *_CALLS_BEFORE})
    return words, ahocorasick_rs.AhoCorasick(words)


def _introduced(report: Report, mask: bytearray) -> Iterator[Mention]:
    """Coined names that the text calls a gang, and all other places where they stand."""
    text = plain_spaces(report.text)
    called = Counter(
        name
        for name, start, end in _callings(text)
        if name not in _NOT_COINED and not is_malware_name(name) and mask.find(1, start, end) < 0
    )
    for name, times in sorted(called.items(), key=lambda item: (-item[1], item[0]))[:_MOST]:
        if times < len(re.findall(rf"(?<!\w){re.escape(name)} {_TOOLS}", text)):
            continue  # the name of a malware that somebody operates
        places = [
            m
            for m in re.finditer(rf"(?<![\w./\\@#-]){re.escape(name)}(?!\w|\.\w|-\w)", text)
            if mask.find(1, *m.span()) < 0 and not is_address(text, *m.span())
        ]
        if len(places) < 2:
            continue
        for place in places:
            yield Mention(
                report.id,
                *place.span(),
                name,
                "actor",
                "",
                "name",
                rule="introduced",
                score=0.7,
                name=name,
            )


@functools.cache
def _triggers() -> Any:
    """One automaton over what such names begin or end with."""
    return ahocorasick_rs.AhoCorasick(
        [*_SCHEMES, *(f" {word}" for word in _LAST)],
        matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        implementation=ahocorasick_rs.Implementation.DFA,
    )


def _is_taxonomy(text: str, start: int, at: int, end: int) -> bool:
    first, last = text[start:at], text[at + 1 : end]
    if re.match(r"[\w@]|-\w|\.\w", text[end : end + 2]) or first.lower() in _NOT_FIRST:
        return False
    if first.isupper() != last.isupper():
        return False
    if last.isupper() or last.lower() in _WEATHER:
        return True
    return bool(_SCHEME_NEAR.search(text[max(0, start - 80) : end + 80]))
