"""Names of actors, malware and tools that no list knows: a small spaCy model and the whole report.

A model that reads one sentence is often wrong about a name; a report that uses the name ten times
seldom is. So the model only looks at sentences in which something capitalised stands unexplained
beside a word of the trade, every name is judged once for the whole report (by the share of its
places where the model saw the same, and by what stands beside it), and what is accepted is marked
wherever it stands. A name found so has no concept: it is never forced on a known group.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import ahocorasick_rs

from ctimine.extract.actors import find_initials
from ctimine.extract.candidates import (
    covered,
    is_address,
    plain_spaces,
    squash,
    without_surrogates,
)
from ctimine.extract.data import read_data
from ctimine.extract.sentences import sentences
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    from spacy.language import Language

    from ctimine.extract.names_model import Recogniser

Names: TypeAlias = Literal["listed", "all"]
"""Which names count: those of the catalogue and of vendors' schemes, or also what is recognised."""
_NAME: Final = re.compile(r"(?<![\w./\\@#$%&=:-])(?:[A-Z][\w’-]*|[a-z]+[A-Z]\w*)")
_CUES: Final = """
group/ groups/ gang/ gangs/ actor/ actors/ operator/ operators/ hacker crew/ crews/ cluster apt/
apts/ affiliate attacker collective/ hacktivis adversar syndicate persona/ personas/ cartel spies/
cybercriminal broker/ brokers/ team/ threat/ attribut aka/ a.k.a dubbed/ named/ nicknamed/ codename
called/ calls/ tracked/ track/ tracks/ alias associated affiliated linked tied/ ties/ behind/
malware backdoor trojan rat/ rats/ ransomware implant rootkit bootkit loader downloader dropper
stealer infostealer wiper worm/ worms/ botnet bot/ bots/ toolkit payload sample binary/ binaries/
variant spyware keylogger logger family/ families/ strain webshell miner/ miners/ skimmer stager
crypter packer beacon
""".split()  # noqa: SIM905
"""Words of the trade, which say of a name beside them what it is; those with a stroke end there."""
_REACH: Final = 40  # characters between a name and the word of the trade that speaks of it
_ENOUGH: Final = 4  # sentences that the model reads for one name


def words_of_report(text: str) -> frozenset[str]:
    """The words that a text writes in small letters."""
    return frozenset(re.findall(r"(?<![\w./\\@-])[a-z]{3,}(?![\w@])", text))


def open_sentences(
    text: str, mask: bytearray, small: frozenset[str], *, enough: int = _ENOUGH
) -> list[tuple[int, int]]:
    """The sentences that may hold a name nobody knows: the others never reach the model.

    A word is a name's if it begins with a capital, stands once behind another word of a sentence,
    has a word of the trade near it once, and neither ``mask`` (what is explained already) nor
    ``small`` (the words that the report writes in small letters) explains it. Of the sentences of
    prose with such a word those are read that are among its first ``enough``.
    """
    cues = _cues_in(text)
    prose: list[tuple[int, int, set[str]]] = []
    near: set[str] = set()
    behind: set[str] = set()
    for start, end in sentences(text):
        if not 20 <= end - start <= 1200:
            continue
        words = [
            (word, match.start(), match.end())
            for match in _NAME.finditer(text, start, end)
            if not mask[match.start()]
            and (word := match.group().lower()) not in small
            and word not in _COMMON
            and len(word) > 1
        ]
        if not words or len(_SMALL.findall(text, start, end)) < 4 or _CODE.search(text, start, end):
            continue
        prose.append((start, end, {word for word, _, _ in words}))
        for word, first, last in words:
            if first > start + 3:
                behind.add(word)
            at = bisect.bisect(cues, max(start, first - _REACH - 1))
            if at < len(cues) and cues[at] < min(end, last + _REACH):
                near.add(word)
    wanted = {word for word in near & behind if not _is_bystander(word)}
    times: Counter[str] = Counter()
    opened = []
    for start, end, held in prose:
        names = held & wanted
        if any(times[word] < enough for word in names):
            times.update(names)
            opened.append((start, end))
    return opened


def _cues_in(text: str) -> list[int]:
    """Where the words of the trade begin."""
    raw = without_surrogates(text)
    whole, automaton = _cue_words()
    return [
        start
        for index, start, end in automaton.find_matches_as_indexes(raw)
        if not text[start - 1 : start].isalnum()
        and not (whole[index] and text[end : end + 1].isalnum())
    ]


@functools.cache
def _cue_words() -> tuple[list[bool], Any]:
    words = [
        (form, cue.endswith("/"))
        for cue in _CUES
        for word in [cue.rstrip("/")]
        for form in (word, word.capitalize(), word.upper())
    ]
    automaton = ahocorasick_rs.AhoCorasick(
        [word for word, _ in words],
        matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        implementation=ahocorasick_rs.Implementation.DFA,
    )
    return [whole for _, whole in words], automaton


_SMALL: Final = re.compile(r"(?<!\S)[a-z]+(?![\w@])")
_CODE: Final = re.compile(r"[{}=]|&&|\|\s[^|]*\|[^|]*\||::|\$\w|->|\bSELECT\b|\bAND \(")


@functools.lru_cache(maxsize=16_384)
def _is_bystander(word: str) -> bool:
    return squash(word).text in bystanders()


@functools.cache
def bystanders() -> frozenset[str]:
    """Folded names that are never given: the lists of ``bystanders.toml``."""
    return frozenset(
        squash(name).text
        for names in read_data("bystanders.toml").values()
        for name in names.split(",")
    )


@functools.cache
def _no_part() -> frozenset[str]:
    """Words that make a longer name one of somebody else: firms, offices, places."""
    lists = read_data("bystanders.toml")
    return frozenset(
        squash(name).text
        for key in ("firms", "offices", "places")
        for name in lists[key].split(",")
    )


_COMMON: Final = frozenset(
    """
    the this that these those we our in on at it its an as by for from with when while after before
    during since although however also and or but if then there they their he she his her you your
    to of is was are be has have i not no yes both each all some many most other another such via
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday figure table section
    url urls http https ip dns api usa us uk eu un ioc iocs ttp ttps cve html pdf xml json
    windows microsoft linux google office word excel powershell android ios macos
    sha256 sha1 md5 mitre att ck attack cti apt c2 rat
    identity profile overview summary background introduction conclusion motivation origin aliases
    attribution targets targeting victims victimology sectors tools techniques infrastructure
    timeline assessment confidence capabilities description references appendix recommendations
    """.split()  # noqa: SIM905
)


# -- what stands beside a name --------------------------------------------------------------------

_BAND: Final = (
    r"(?:groups?|gangs?|actors?|operators?|hackers?|crews?|apts?|affiliates?|attackers?|"
    r"collective|hacktivists?|(?:intrusion|activity) sets?|adversar(?:y|ies)|syndicate|"
    r"cartel|spies|cybercriminals?|threat clusters?|activity clusters?|brokers?)"
)
_WARE: Final = (
    r"(?:malware|backdoors?|trojans?|rats?|ransomware|implants?|rootkits?|bootkits?|loaders?|"
    r"downloaders?|droppers?|stealers?|infostealers?|wipers?|worms?|botnets?|bots?|toolkits?|"
    r"payloads?|samples?|variants?|binar(?:y|ies)|spyware|(?:key)?loggers?|exploit kit|encryptors?|"
    r"strains?|web ?shells?|miners?|adware|skimmers?|beacons?|stagers?|families|family|crypters?|"
    r"packers?)"
)
_MARKS: Final = r"[*_`\"“”'’‘)\]]*"
_OPEN: Final = r"[\s\"“”'’‘*_`(\[:–—-]*"
_OTHERS: Final = (
    r"(?:[\"“'‘*_]*(?-i:[A-Z])[\w’'-]+(?: (?-i:[A-Z])[\w’'-]+)?[\"”'’*_]*"
    r"(?:, (?:and |or )?| and | or )){0,3}"
)
"""Names of a list ahead of the name: *groups such as Alpha, Beta and …*."""
_I: Final = re.IGNORECASE
_AFTER: Final = {
    "band after": re.compile(
        rf"{_MARKS}(?:['’]s?)?{_MARKS}(?: \([^()\n]{{1,30}}\))? (?:(?:threat|hacking|ransomware|"
        rf"cyber\w*|espionage|apt|extortion|hacktivist|criminal|state-sponsored) ){{0,2}}{_BAND}\b",
        _I,
    ),
    "is a band": re.compile(
        rf"{_MARKS}(?: \([^()]{{1,60}}\))?(?::| [–—-]| as|(?:,? (?:is|was|are|has been|remains))"
        rf"(?: [\w-]+){{0,3}}? to be|,? (?:is|was|are|has been|remains))?,? (?:an?|the|"
        rf"one of the|likely an?) (?:[\w’'/-]+,? ){{0,7}}?(?:{_BAND}|threat|team|cluster)\b",
        _I,
    ),
    "deeds after": re.compile(
        rf"{_MARKS}(?:['’]s?)?{_MARKS} (?:\w+ )?(?:campaigns?|activit(?:y|ies)|operations?|"
        r"intrusions?|attacks?|infrastructure|ttps|tradecraft|toolset|arsenal)\b"
        rf"|{_MARKS}-(?:affiliated|associated|attributed|linked|related)\b",
        _I,
    ),
    "its victims": re.compile(
        r"['’]s? (?:\w+ )?(?:victims?|leak ?site|operations?|targets?|targeting|activit\w+|"
        r"members?|arsenal|infrastructure|tactics|ttps|tradecraft|toolset|campaigns?|attacks?|"
        r"intrusions?|motiv\w+|operators|malware)\b",
        _I,
    ),
    "acts": re.compile(
        rf"{_MARKS} (?:(?:has|have|had|also|then|reportedly|likely|often|previously|recently|"
        r"first|now) )*(?:been )?(?:target(?:s|ed|ing)|attack(?:s|ed|ing)|claim(?:s|ed)|"
        r"breach(?:es|ed)|compromis(?:es|ed)|stole|steals|extort\w+|recruit\w*|leaked|"
        r"conduct\w*|launch(?:es|ed)|deploy(?:s|ed)|phish\w+|impersonat\w+|masquerad\w+|"
        r"sent|sends|registered|infiltrat\w+|employ(?:s|ed)|leverag(?:es|ed)|us(?:es|ed)|"
        r"distribut(?:es|ed)|abus(?:es|ed)|exploit(?:s|ed)|operates?|emerged|weaponi[sz]\w+)\b"
    ),
    "alias after": re.compile(
        rf"{_MARKS},? \(?(?:aka|a\.k\.a\.?|also (?:known|tracked|called|referred to) as|"
        r"formerly|tracked (?:by|as))\b",
        _I,
    ),
    "ware after": re.compile(
        rf"{_MARKS}(?: \([^()]{{1,30}}\))?[ -](?:[\w-]+ ){{0,1}}?{_WARE}\b"
        rf"(?! (?:analysis|research|detection|protection|scann\w+|hunting|gang|group|actors?|"
        r"operators|crew|affiliates))",
        _I,
    ),
    "is a ware": re.compile(
        rf"{_MARKS}(?: \([^()]{{1,60}}\))?(?:,? (?:is|was))?,? (?:an?|the|our) "
        rf"(?:[\w’'/+#-]+,? ){{0,6}}?"
        rf"(?:{_WARE}|tool|framework|utility|module|script|program)\b",
        _I,
    ),
    "ware acts": re.compile(
        rf"{_MARKS} (?:(?:is|was|will|can|then|also|has|be|are) )*(?:encrypt\w*|execut\w*|"
        r"inject\w*|download(?:s|ed)?|installed|decrypt\w*|communicat\w*|beacon\w*|persist\w*|"
        r"written in|loads?|dropped|delivered|spread|propagat\w*|collects?|checks?|creates?|"
        r"contains?|supports?|uploads?|infect\w*|deployed|distributed|capable)\b"
    ),
    "firm after": re.compile(
        rf"{_MARKS}(?:['’]s?)?{_MARKS} (?:(?:threat|security|cyber\w*|own|global) )*"
        r"(?:researchers?|analysts?|reports?|reported|blog\w*|said|says|published|publishes|"
        r"observed|disclosed|warned|notes?|noted|wrote|writes|"
        r"labs?|research|intelligence|inc|ltd|llc|corp|gmbh|customers?|users?|employees?|"
        r"servers?|services?|api|vulnerabilit\w+|flaws?|platform|products?|appliances?|devices?|"
        r"accounts?|advisor\w+|detects?|blocks?|protects?|console|software|cloud|region|government|"
        r"officials?|ministry|university|bank|department|agency|policy|attacks? on|tickets?|"
        r"event|rule|files?|process|protocol|tracks|assess\w*|attribut\w+|analysis|team|"
        r"believes?|identified|discovered|has been tracking|documented|conference|hotel|airport)\b",
        _I,
    ),
}
_BEFORE: Final = {
    "band before": re.compile(
        rf"\b{_BAND}(?: (?:called|named|known as|dubbed|tracked as|such as|like|including|"
        r"we (?:call|track as)|(?:who |that )?(?:goes|go|going|known) by(?: the)?(?: "
        r"(?:alias(?:es)?|names?|monikers?|handles?|nicknames?))?(?: of)?|(?:with|under|using) the "
        r"(?:alias(?:es)?|names?|monikers?|handles?|nicknames?)(?: of)?))?(?: the)? ?[(:—–-]? ?"
        rf"{_OTHERS}{_OPEN}$",
        _I,
    ),
    "attributed": re.compile(
        r"\b(?:attribut\w+ (?:\w+ ){0,5}to|attributed to|linked to|links? to|tied to|ties to|"
        r"associated with|work of|"
        r"members? of|affiliated with|affiliates? of|attribution to|overlap\w* with|behind|"
        rf"victims of|(?:attack|target|breach|compromis|conduct|perpetrat|orchestrat|operat|"
        rf"used|run|carried out|activity|intrusions?|campaigns?|attacks?)\w*(?: \w+)? by)"
        rf"(?: the)?{_OPEN}$",
        _I,
    ),
    "called": re.compile(
        r"\b(?:known as|aka|a\.k\.a\.?|alias(?:es)?|dubbed|codenamed?|named|nicknamed|calls?|"
        r"(?:track|known|refer|identif|label|designat)\w* (?:\w+ ){0,6}as|"
        r"call(?:s|ing)? (?:it|them)sel(?:f|ves)|goes by(?: the name(?: of)?)?|"
        r"under the (?:name|alias|moniker|handle)(?: of)?)"
        rf" ?[(:]? ?{_OTHERS}{_OPEN}$",
        _I,
    ),
    "ware before": re.compile(
        rf"\b{_WARE},?(?: (?:called|named|known as|dubbed|such as|like|including|"
        rf"we (?:call|named)))?"
        rf" ?{_OTHERS}{_OPEN}$",
        _I,
    ),
    "handled": re.compile(
        r"\b(?:deploy|deliver|drop|dropp|install|distribut|load|inject|launch|execut|download|"
        r"develop|implant|spread|infect\w* with|us)(?:e[sd]?|s|ing|ed)?"
        rf"(?: (?:of|the|a|an|its|their|custom|modified|new))*{_OPEN}$"
        r"|\b(?:infected with|variants? of|versions? of|samples? of|copy of|build of|operators of)"
        rf"(?: the| a)?{_OPEN}$",
        _I,
    ),
    "firm before": re.compile(
        r"\b(?:according to|researchers? (?:at|from|with)|analysts? (?:at|from)|reported by|"
        r"published by|reports? (?:by|from)|colleagues at|blog (?:by|of)|customers of|users of|"
        r"employees of|operations?|campaign|vulnerabilit\w+ in|flaw in|version|in|at|from|mr|ms|"
        r"dr|against|imitat\w+|impersonat\w+|spoof\w*|posing as|minister|president|ceo|"
        rf"discovered by|observed by|tracked by|named by|detected by|on|via|into)(?: the)?{_OPEN}$",
        _I,
    ),
}


_RUN: Final = r"[A-Z][\w’&-]*(?:[ ][A-Z0-9][\w’&-]*){0,3}"
_PROPOSED: Final = re.compile(
    rf"(?<![\w./\\@#$%&=:-])(?P<left>{_RUN})(?=['’]?s? (?:(?:threat|hacking|ransomware|apt|APT|"
    rf"extortion) )?(?:group|gang|actors?|hackers|operators|crew|APT|affiliates)\b)"
    r"|(?:(?:[Gg]roup|[Gg]ang|[Aa]ctor|[Cc]rew|[Cc]ollective|[Aa]dversary|APT|[Pp]ersona|[Cc]luster|"
    r"affiliate|operator|hacker)s?(?:,? (?:such as|like|including|namely|called|named|dubbed))?|"
    r"aka|known as|dubbed|(?:track|identifi)ed as|[Aa]ttributed to|by the alias(?:es)?|called|"
    r"named|call(?:s|ing)? (?:itself|themselves)|under the (?:name|alias|moniker))"
    rf"[ :](?:the )?[\"“'‘*_`(\[]*(?P<right>{_RUN})"
)
_NEXT: Final = re.compile(
    rf"[\"”'’*_`\])]*(?: \((?:aka |also known as )?|, (?:aka |also known as |and |or )?| and | or |"
    rf" / |/)[\"“'‘*_`\[]*(?P<name>{_RUN})"
)
"""The next name of a list."""
_AHEAD: Final = re.compile(
    rf"(?P<name>{_RUN})[\"”'’*_`\])]*(?: \(|, (?:and |or )?| and | or | / |/)[\"“'‘*_`\[]*$"
)
"""The name ahead of another of a list."""
_TRIM_LEFT: Final = re.compile(
    r"^(?:(?:(?:the|a|an|this|its|their|new|actor|group|malware|recent|threat|known|while|both|in|"
    r"when|as|and|see|figure|operation)\s+)|[\s\"“”'‘’*_`(\[<]+)+",
    re.IGNORECASE,
)
_TRIM_RIGHT: Final = re.compile(
    r"(?:['’]s?|[\s\"“”'‘’*_`)\]>.,:;-]+|\s+(?:group|gang|actors?|operators?|malware|ransomware|"
    r"backdoor|threat|campaigns?|apt|trojan|loader|stealer|rat|hackers))$",
    re.IGNORECASE,
)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the words and marks around a name."""
    lead = _TRIM_LEFT.match(text[start:end])
    if lead:
        start += lead.end()
    while (tail := _TRIM_RIGHT.search(text[start:end])) and tail.start() > 0:
        end = start + tail.start()
    return start, end


@dataclasses.dataclass(slots=True)
class Candidate:
    """A name that may be one nobody knows: where it stands and what speaks for which kind."""

    name: str
    places: list[tuple[int, int]]
    read: int
    """Places in sentences that the model read."""
    votes: Counter[str]
    """What the model saw there."""
    beside: Counter[str]
    """What stands beside its places."""
    listed: int = 0
    """Places in a list with another actor."""
    small: bool = False
    """The report writes the same word in small letters."""
    titled: bool = False
    """Stands in the first line."""
    within: int = 0
    """Places behind a word of the same sentence: there a capital says something."""
    spelled_out: bool = False
    """The report says what its letters stand for: *Client Records System (CRS)*."""


def candidates_of(
    report: Report, taken: Sequence[Mention], nlp: Language | None = None
) -> list[Candidate]:
    """Every name that the model or the words beside it propose, with all that is known of it.

    The model of the package, unless one is given, is loaded when there is something to read.
    """
    text = plain_spaces(report.text)
    small = words_of_report(text)
    mask = covered(text, ((m.start, m.end) for m in taken))
    opened = open_sentences(text, mask, small)
    if not opened:
        return []
    if nlp is None:
        from ctimine.extract.names_model import packaged

        nlp = packaged().nlp
    votes: dict[str, Counter[str]] = {}

    def propose(start: int, end: int, label: str) -> None:
        start, end = _trimmed(text, start, end)
        if end - start < 2 or mask.find(1, start, end) >= 0 or not _may_be_name(text[start:end]):
            return
        votes.setdefault(text[start:end], Counter())[label] += 1

    def propose_list(at: int, end: int) -> None:
        while match := _NEXT.match(text, at, end):
            propose(*match.span("name"), "")
            at = match.end()

    known = sorted((m.start, m.end) for m in taken if m.kind == "actor")
    docs = nlp.pipe((text[a:b] for a, b in opened), batch_size=128)
    for (start, end), doc in zip(opened, docs, strict=True):
        for span in doc.ents:
            propose(start + span.start_char, start + span.end_char, span.label_)
        for match in _PROPOSED.finditer(text, start, end):
            propose(*match.span(match.lastgroup or 0), "")
            if match.lastgroup == "right":
                propose_list(match.end(), end)
        for first, last in known[bisect.bisect(known, (start,)) : bisect.bisect(known, (end,))]:
            propose_list(last, end)
            ahead = _AHEAD.search(text, max(start, first - 60), first)
            if ahead:
                propose(*ahead.span("name"), "")
    page = _Page(text, mask, inside=covered(text, opened), small=small)
    candidates = [_weighed(page, name, seen) for name, seen in sorted(votes.items())]
    _count_listed(text, candidates, covered(text, known))
    return candidates


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    """A text and what is known of its characters: explained, read by the model."""

    text: str
    mask: bytearray
    inside: bytearray
    small: frozenset[str]


_NO_NAME: Final = re.compile(
    r"[\n/\\|<>{}=\[\]()#]|\w\.\w|  |\d{5}|^[\d.,-]+$|^CVE|^T\d{4}"
    r"|^[A-Z][a-z]+-[a-z]"
    r"|CERT\b|\b(?:CSIRT|University|Institute|Ministry|Embassy|Labs?|Inc|Ltd|Foundation|Council)\b"
    r"|^(?:Operation|Project|Campaign|Event|Rule|Step|Stage|Phase|Chapter|Section|Table|Figure|"
    r"Appendix|Case|Version|Unit|Type|Known|See|Mr|Ms|Dr|Top|Level|Class)\b"
)


def _may_be_name(name: str) -> bool:
    """Whether anybody could be called so."""
    if not 3 <= len(name) <= 32 or _NO_NAME.search(name) or not any(map(str.isupper, name)):
        return False
    folded = squash(name).text
    if len(folded) < 3 or folded in bystanders() or name.lower() in _COMMON:
        return False
    words = [squash(word).text for word in re.split(r"[\s-]+", name)]
    if words[-1] in _COMMON:
        return False
    if any(word in _no_part() for word in words) or len(words) > 4:
        return False
    return not all(word in bystanders() or word in _COMMON or word.isdigit() for word in words)


_FIRM_WORD: Final = re.compile(r" (?:Group|Team|Labs?|Security|Research|Networks)\b")
_EDGE: Final = re.compile(r"(?<![\w./\\@#$%-])")
_GOES_ON: Final = re.compile(r"[\w@]|\.\w|-\d")


def _weighed(page: _Page, name: str, votes: Counter[str]) -> Candidate:
    text = page.text
    found = Candidate(name, [], 0, votes, Counter(), small=name.lower() in page.small)
    end = 0
    while (start := text.find(name, end)) >= 0:
        end = start + len(name)
        if not _EDGE.match(text, start) or _GOES_ON.match(text, end):
            continue
        if page.mask.find(1, start, end) >= 0 or is_address(text, start, end):
            continue
        longer = _FIRM_WORD.match(text, end)
        if longer and _is_bystander(name + longer.group()):
            continue
        found.places.append((start, end))
        found.read += page.inside[start]
        before = text[max(0, start - 60) : start]
        before = before[max(before.rfind("\n"), before.rfind(". ") + 1, 0) :]
        after = text[end : end + 80].partition("\n")[0]
        ends = {key: m.end() for key, words in _AFTER.items() if (m := words.match(after))}
        if ends.get("is a ware", 0) < ends.get("is a band", 0) and "is a ware" in ends:
            del ends["is a band"]  # the nearer word says what it is: "a loader that its operators"
        found.beside.update(ends.keys())
        for key, words in _BEFORE.items():
            found.beside[key] += bool(words.search(before))
        found.titled |= text.find("\n", 0, start) < 0
        found.within += bool(_BEHIND_WORD.search(before))
        found.spelled_out |= _stands_for(text, start, name)
    return found


_BEHIND_WORD: Final = re.compile(r"[a-z,][\"“'‘(*_]* [\"“'‘(*_\[]*$")


def _stands_for(text: str, start: int, name: str) -> bool:
    """Whether letters in brackets are the initials of the words before."""
    if not name.isupper() or not name.isalpha() or text[start - 1 : start] != "(":
        return False
    words = re.findall(r"[A-Za-z]+", text[max(0, start - 90) : start])
    words = [w for w in words if w not in _LINKING and w.lower() != name.lower()][-len(name) :]
    return "".join(word[0] for word in words).upper() == name


_LINKING: Final = frozenset({"of", "the", "and", "for", "in", "on", "to", "de", "la"})
_CALLED: Final = r"(?:also )?(?:known|tracked|called|referred to) (?:as )?"
_ALSO: Final = rf"(?:and |or |[*_]*(?:aka|a\.k\.a\.)[*_]* |{_CALLED})?"
_LINK_LEFT: Final = re.compile(rf"\s?[,/;(]?\s?{_ALSO}[\"“'‘*_\[]*$")
_LINK_RIGHT: Final = re.compile(rf"[\"”'’*_)]*\s?[,/;(]?\s?{_ALSO}[\"“'‘*_(\[]*")


def _count_listed(text: str, candidates: Sequence[Candidate], actors: bytearray) -> bool:
    """Count each name's places in a list with one of the ``actors``; whether any number rose."""
    rose = False
    for found in candidates:
        listed = sum(_beside_actor(text, actors, start, end) for start, end in found.places)
        rose |= listed > found.listed
        found.listed = max(found.listed, listed)
    return rose


def _beside_actor(text: str, actors: bytearray, start: int, end: int) -> bool:
    """Whether a place stands in one list with an actor: ``APT28, X and Y``."""
    left = _LINK_LEFT.search(text, max(0, start - 24), start)
    if left and left.group().strip() and left.start() and actors[left.start() - 1]:
        return True
    right = _LINK_RIGHT.match(text, end)
    return bool(
        right and right.group().strip() and right.end() < len(actors) and actors[right.end()]
    )


FEATURES: Final = (
    "bias",
    "log count",
    "actor votes",
    "ware votes",
    "firm votes",
    "any votes",
    "actor votes twice",
    "read",
    *_AFTER,
    *_BEFORE,
    "any band",
    "band twice",
    "band share",
    "any ware",
    "ware twice",
    "ware share",
    "kinds of band",
    "sure band",
    "titled",
    "more band",
    "more ware",
    "listed",
    "small",
    "plain word",
    "camel",
    "upper",
    "short",
    "digits",
    "words",
)
"""What the judge weighs of a name; see :func:`features_of`."""
_BAND_SIGNS: Final = ("band after", "is a band", "band before", "attributed")
_WARE_SIGNS: Final = ("ware after", "is a ware", "ware before")


def features_of(found: Candidate) -> list[float]:
    """What the judge sees of a name, in the order of ``FEATURES``: counts and looks, no words."""
    n, read, name = max(1, len(found.places)), max(1, found.read), found.name
    votes, beside = found.votes, found.beside
    actor, ware, firm = votes["ACTOR"], votes["MALWARE"] + votes["TOOL"], votes["ORG"]
    band = sum(beside[key] for key in _BAND_SIGNS)
    goods = sum(beside[key] for key in _WARE_SIGNS)

    def some(count: int) -> float:
        return min(1.0, count / min(n, 4))

    return [
        1.0,
        math.log1p(min(n, 50)),
        min(1.0, actor / read),
        min(1.0, ware / read),
        min(1.0, firm / read),
        min(1.0, (actor + ware) / read),
        float(actor >= 2),
        min(1.0, found.read / 5),
        *(some(beside[key]) for key in _AFTER),
        *(some(beside[key]) for key in _BEFORE),
        float(band >= 1),
        float(band >= 2),
        min(1.0, band / n),
        float(goods >= 1),
        float(goods >= 2),
        min(1.0, goods / n),
        sum(beside[key] > 0 for key in _BAND_SIGNS) / 2,
        float(band >= 3 and band > 2 * goods),
        float(found.titled),
        float(band > goods),
        float(goods > band),
        some(found.listed),
        float(found.small),
        float(name.istitle() and " " not in name),
        float(bool(re.search(r"[a-z][A-Z]", name))),
        float(name.isupper()),
        float(len(name) <= 4),
        float(any(map(str.isdigit, name))),
        min(3, name.count(" ")) / 2,
    ]


# -- judging -------------------------------------------------------------------------------------

KINDS: Final = ("", "actor", "software")
"""What the judge decides between; the first is neither."""


@dataclasses.dataclass(frozen=True, slots=True)
class Thresholds:
    """How sure the judge must be, and how sure a mention is called at least."""

    actor: float = 0.55
    software: float = 0.65


_CALLED_LEAST: Final = 0.6
"""How sure the judge must be of what is only *called* so: malware is called something, too."""
_LISTED_LEAST: Final = 0.4
"""How sure the judge must be of what the model takes for an actor in a list with another one."""
_MANY: Final = 4
"""Places with words of a band beside it that make a name of a word that the report also writes."""
_NUMBER: Final = re.compile(r"[A-Z]{1,4}[- ]?\d{1,4}")
"""Numbers of lists and models; those of vendors' schemes are found by ``schemes``."""


def verdict(
    found: Candidate, weights: Sequence[Sequence[float]], least: Thresholds
) -> tuple[str, float]:
    """What a candidate is (of ``KINDS``) and how probable that is.

    Beside the probability, words that say what it is must stand beside a place of it: what the
    model alone believes is not enough.
    """
    seen = features_of(found)
    sums = [sum(w * x for w, x in zip(row, seen, strict=True)) for row in weights]
    top = max(sums)
    parts = [math.exp(value - top) for value in sums]
    neither, actor, software = (part / sum(parts) for part in parts)
    beside, votes = found.beside, found.votes
    band = sum(beside[key] for key in _BAND_SIGNS) + found.listed
    goods = sum(beside[key] for key in _WARE_SIGNS)
    if not goods and actor >= _CALLED_LEAST:
        band += min(beside["called"], votes["ACTOR"])
    plain = found.name.istitle() and " " not in found.name
    if plain and ((found.small and band < _MANY) or not found.within):
        return "", neither  # an ordinary word, or one that only begins sentences
    if found.spelled_out or _NUMBER.fullmatch(found.name):
        return "", neither
    kinds = sum(beside[key] > 0 for key in _BAND_SIGNS)
    if kinds > 1 and band >= max(_MANY, len(found.places) / 3) and band > 2 * goods:
        return "actor", max(actor, least.actor)  # the report says so too often to be doubted
    listed = found.listed and votes["ACTOR"] and not goods
    if actor >= (_LISTED_LEAST if listed else least.actor) and band and actor >= software:
        return "actor", actor
    if software >= least.software and goods and votes["MALWARE"] + votes["TOOL"]:
        return "software", software
    return "", neither


def find_new_names(
    report: Report, taken: Sequence[Mention], recogniser: Recogniser | None = None
) -> list[Mention]:
    """Mentions of actors and software by names that none of ``taken`` explains.

    ``taken`` are the mentions found already. Loads spaCy and the model of the package unless a
    ``recogniser`` is given. The mentions have no concept, the name as it is written, the rule
    ``recognised`` and the probability as score. A report in another language than English has none.

    >>> text = (
    ...     "The Velvet Anvil group targets shipping firms. We attribute the intrusion to the "
    ...     "threat actor Velvet Anvil. In May, Velvet Anvil sent lures to a port."
    ... )
    >>> [(m.quote, m.kind, m.concept) for m in find_new_names(Report("r", "s", "i", text), [])]
    [('Velvet Anvil', 'actor', ''), ('Velvet Anvil', 'actor', ''), ('Velvet Anvil', 'actor', '')]
    """
    if report.language not in {"", "en"}:
        return []
    # A passage that describes something explains none of the names in it.
    taken = [mention for mention in taken if mention.basis != "behaviour"]
    candidates = candidates_of(report, taken, recogniser and recogniser.nlp)
    if not candidates:
        return []
    if recogniser is None:
        from ctimine.extract.names_model import packaged

        recogniser = packaged()
    decided = _decided(plain_spaces(report.text), taken, candidates, recogniser)
    found: dict[int, Mention] = {}
    for candidate, kind, probability in decided:
        for start, end in candidate.places:
            mention = Mention(
                report.id,
                start,
                end,
                report.text[start:end],
                "actor" if kind == "actor" else "software",
                "",
                "name",
                rule="recognised",
                score=round(probability, 3),
                name=candidate.name,
            )
            other = found.get(start)
            if other is None or (other.end, other.score) < (end, mention.score):
                found[start] = mention
    kept: list[Mention] = []
    for start in sorted(found):
        if not kept or kept[-1].end <= start:
            kept.append(found[start])
    return [*kept, *find_initials(report, [*taken, *kept])]


def _decided(
    text: str, taken: Sequence[Mention], candidates: list[Candidate], recogniser: Recogniser
) -> list[tuple[Candidate, str, float]]:
    """The candidates that are names, with kind and probability.

    What stands in a list with an actor found only now is judged once more.
    """
    actors = [(m.start, m.end) for m in taken if m.kind == "actor"]
    while True:
        judged = [(c, *verdict(c, recogniser.weights, recogniser.least)) for c in candidates]
        decided = [(c, kind, probability) for c, kind, probability in judged if kind]
        more = [place for c, kind, _ in decided if kind == "actor" for place in c.places]
        if not _count_listed(text, candidates, covered(text, [*actors, *more])):
            return decided
