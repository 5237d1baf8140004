"""Short forms of technique names: *DLL sideloading*, *RDP for lateral movement*, *web shells*.

Reports seldom write the official name. The forms of ``shortforms.toml`` count only where the same
clause says that somebody does it, and not in what defines, advises or advertises.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ctimine.attack import Catalogue
from ctimine.extract.candidates import is_address, plain_spaces
from ctimine.extract.caseless import AnyCase, caseless, folded
from ctimine.extract.data import compiled, read_data
from ctimine.extract.gate import Gate
from ctimine.extract.passages import split_sentences
from ctimine.model import Mention, Report

RULE: Final = "short-form"
SCORE: Final = 0.7
_USE: Final = (
    r"(?:us(?:e[sd]?|ing)|leverag\w+|abus\w+|employ\w*|deploy\w*|utili[sz]\w+|via|through|"
    r"rel(?:y|ies|ied|ying) on|execut\w+|r[ua]n(?:s|ning)?|launch\w*|invok\w+|spawn\w*|by means of)"
)
_GAP: Final = r"(?:(?!(?:and|but|or|that|which|who|not|no|without)\b)[\w'’./&-]+ ){0,4}?"
_DOES: Final = re.compile(
    rf"\b(?:{_USE}|conduct\w*|perform\w*|carr(?:y|ied|ies|ying) out|attempt\w*|with|by|gain\w*|"
    r"achiev\w+|start(?:s|ed)?|beg[iau]n(?:s|ning)?|observed|compromised?|target\w*|attack\w*|"
    r"infect\w*|deliver\w*|distribut\w+|known for|mov(?:e[sd]?|ing)|persist\w*|sen[dt](?:s|ing)?|"
    r"involv\w+)\b[^;:]{0,80}$"
    # a property of the tool or the attack, as lists give it
    r"|\b(?:characteristics|techniques?|ttps?|behaviou?rs?|methods?|tradecraft|persistence|"
    r"execution|initial access|lateral movement|credential access|privilege escalation|"
    r"defen[cs]e evasion|delivery|vectors?)[*_`]*\s*[:–—]\s[^:]{0,200}$",
    re.IGNORECASE,
)
_CROWD: Final = (
    r"(?:threat actors|attackers|adversaries|(?:cyber ?)?criminals|hackers|"
    r"(?:many|some|most|several|other) (?:\w+ )?(?:groups?|actors?|attackers?))"
)
_IDLE: Final = caseless(
    r"\b(?:is|are) (?:an?|the) (?:\w+ ){0,3}(?:type|technique|method|kind|form|tactic|attack|"
    r"practice|way|process) (?:of|in|that|where|by|used|to|for|when|which)\b|\brefers? to\b|"
    r"\b(?:can|could|may|might|should|must|would|will) (?:be|also|help|use|detect|block)\b|"
    r"\bshould\b|\brecommend\w*|(?<!remote )\bmonitor\w*|"
    r"(?<!avoid )(?<!evade )(?<!avoiding )(?<!evading )(?<!bypass )\bdetect\w*|"
    r"\bdefend(?:s|ing|ers)?\b|\b(?:prevent|mitigat|protect|block|hunt|alert|train|educat|"
    r"simulat|harden|remediat)\w*\b|"
    rf"\b{_CROWD} (?:\w+ly |often |also |typically |sometimes |can |may |will )*"
    r"(?:use|rely|employ|leverage|abuse|send|deploy|exploit|target|conduct)\b|"
    r"\b(?:our|your) (?:\w+ )?(?:products?|platforms?|solutions?|customers?|users?|"
    r"organi[sz]ation|team|environment)\b|\b(?:learn|read) more\b|"
    r"\b(?:we|you|researchers|analysts) (?:\w+ly )?(?:used?|ran|run|can|need|executed|"
    r"launched|relied)\b|\b(?:e\.g\.|for example|for instance)|\?\s*$|\bhow to\b|"
    r"\beverything from\b|"
    r"\b(?:commonly|often|frequently|typically|widely) (?:used|employed|seen|abused|leveraged) "
    r"(?:in|by|for)\b|"
    r"\bif (?:you|the|a|an)\b|\b(?:handling|response|guidance|action)s?:|"
    r"^\W*(?:Fig(?:ure)?\.?|Image)[ :]|!\[",
)
"""Sentences that define, advise, advertise, caption a picture, or speak of everybody."""
_NO_VERB: Final = re.compile(
    r"[A-Z]|(?:lsass|phish|spear|voice|vishing|powershell|reflective|lateral|scheduled|password|"
    r"pass|strategic|supply|malspam|watering|drive|web|website|kerberoast|push|mfa|dll|uac|wmi|com)",
)
"""First words of a form that are no verb."""
_LONGEST: Final = 700
"""Characters of a sentence; what is longer is a list or a dump."""


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """One short form: the technique that it means, and whether a verb of use must stand ahead."""

    technique: str
    pattern: re.Pattern[str]
    quick: AnyCase
    needs_verb: bool
    example: str


@functools.cache
def short_forms() -> tuple[Form, ...]:
    """The forms that ship with ctimine.

    >>> len(short_forms()) > 50
    True
    """
    forms = []
    for row in read_data("shortforms.toml")["form"]:
        pattern = row["pattern"].replace("{use}", _USE).replace("{gap}", _GAP)
        flags = re.NOFLAG if row.get("case") else re.IGNORECASE
        found = compiled(pattern, f"shortforms.toml: {row['example']}", flags)
        quick = AnyCase(found)
        forms.append(Form(row["technique"], found, quick, row.get("verb", False), row["example"]))
    return tuple(forms)


@functools.cache
def _gate() -> Gate:
    return Gate([form.pattern for form in short_forms()])


def find_short_forms(
    report: Report, catalogue: Catalogue, known: Sequence[Mention]
) -> Iterator[Mention]:
    """The techniques that a report names by a short form, where nothing of ``known`` says it.

    ``known`` are the ids and official names; in a sentence that has one of the same family, and in
    a table row with an id, the short form says nothing more.
    """
    blocks = [
        (block.start, block.end)
        for block in report.blocks
        if block.kind not in {"code", "heading", "reference", "table_cell"}
    ] or ([] if report.blocks else [(0, len(report.text))])
    places = sorted((m.start, m.end, m.concept.partition(".")[0]) for m in known)
    text = plain_spaces(report.text)
    openings = _gate().over(text)
    for start, end in blocks:
        if not openings.open(start, end):
            continue
        for begin, stop in split_sentences(text, start, end):
            opened = openings.open(begin, stop) if stop - begin <= _LONGEST else ()
            if opened:
                forms = [short_forms()[number] for number in opened]
                yield from _in_sentence(report, catalogue, (begin, stop), forms, places)


def _noun(match: re.Match[str]) -> int:
    """Where the words begin without their verb, which is left to tell who does it."""
    first, blank, _ = match.group().partition(" ")
    if not blank or _NO_VERB.match(first):
        return match.start()
    return match.start() + len(first) + 1


def _in_title_of_link(text: str, start: int, end: int) -> bool:
    """Whether the words are part of a longer title of another page, ``[…](…)`` or ``(… "…")``."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line_start = max(line_start, start - 400)
    line_end = min(line_end if line_end >= 0 else len(text), end + 200)
    opened, closed = text.rfind("[", line_start, start), text.find("](", end, line_end)
    if opened >= 0 and closed >= 0 and not re.search(r"[\[\]]", text[opened + 1 : closed]):
        return closed - opened > end - start + 25
    tail = text.find('")', end, line_end)
    return tail >= 0 and bool(re.search(r'\]\(\S+ "[^"]*$', text[line_start:tail]))


def _in_sentence(
    report: Report,
    catalogue: Catalogue,
    sentence: tuple[int, int],
    forms: Sequence[Form],
    places: Sequence[tuple[int, int, str]],
) -> Iterator[Mention]:
    start, end = sentence
    words = plain_spaces(report.text[start:end])
    small = folded(words)
    matching = [form for form in forms if form.quick.search(words, small)]
    if not matching or _IDLE.search(small):
        return
    said = {family for a, b, family in places if a < end and start < b}
    found: dict[str, Mention] = {}
    for form in matching:
        concept = catalogue.resolve(form.technique)
        if concept is None or concept.id.partition(".")[0] in said:
            continue
        for match in form.pattern.finditer(words):
            if form.needs_verb and not _DOES.search(words, 0, match.start()):
                continue
            a, b = start + _noun(match), start + match.end()
            if is_address(report.text, a, b) or _in_title_of_link(report.text, a, b):
                continue
            mention = Mention(
                report.id,
                a,
                b,
                report.text[a:b],
                "technique",
                concept.id,
                "name",
                rule=RULE,
                score=SCORE,
            )
            # of one family the narrowest, of one technique the first
            family = concept.id.partition(".")[0]
            if family not in found or len(concept.id) > len(found[family].concept):
                found[family] = mention
            break
    yield from found.values()
