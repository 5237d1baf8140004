"""Web services that intruders borrow, and in which role: the flagship's own detector.

A service name alone is nothing: people follow each other on messengers, link to code hosts and
keep files in clouds. A sentence counts when it names a service *and* says what an intruder or its
malware does with it: keeps the address of the real server there (T1102.001), exchanges orders and
results (T1102.002), only reads orders (T1102.003), hosts what it downloads (T1102), or carries data
out (T1567 and its sub-techniques). Services and roles are data: ``services.toml``,
``service_roles.toml``.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from ctimine.errors import ExtractError
from ctimine.extract.passages import Layout
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ahocorasick_rs import AhoCorasick

_ACTING: Final = re.compile(
    # who borrows the service: an intruder or a piece of malware, by an ordinary word …
    r"\b(?:malware|backdoors?|implants?|loaders?|downloaders?|droppers?|stealers?|infostealers?|"
    r"trojans?|ransomware|worms?|botnets?|bots?|RATs?|scripts?|payloads?|stagers?|samples?|"
    r"variants?|shellcode|macros?|modules?|spyware|keyloggers?|rootkits?|web ?shells?|agents?|"
    r"attackers?|intruders?|adversar(?:y|ies)|operators?|actors?|groups?|gangs?|criminals?|hackers?|"
    r"campaigns?|operations?|cluster|intrusions?|APT\d*|C2|C&C|CnC|command[- ]and[- ]control|"
    r"dead[- ]?drops?|compromised|infected|malicious|phishing|spear-?phishing|exfiltrat\w+|"
    r"thieves|crooks?|fraudsters?|lures?|trojani[sz]ed|booby-trapped|stolen|skimmer|personas?|"
    r"sock-?puppets?|posed as|handlers?|hosts|host to contact|framework|builder|kit)\b",
    re.IGNORECASE,
)
_NAMED_ACTOR: Final = re.compile(
    # … or by a name: capitals or inner capitals that begin the sentence and do something
    r"^[\W_]*(?i:the |an? |one variant of |in (?:\w+ )?\d{4},? |during [^,]{3,50}, |some )*"
    r"[A-Z][\w.&’'-]*(?:[ -][A-Z0-9][\w.&’'-]*){0,4}(?: \([^)]{1,60}\))?"
    r"(?:'s|’s)?(?: [a-z]+(?: [A-Za-z.#]+)?)? "
    r"(?:also |then |often |later |further |primarily |has |have |had |is |was |can |could |may |"
    r"be |been |able |capable |the ability |to |of |additionally )*"
    r"(?:us\w+|utili[sz]\w+|leverag\w+|abus\w+|employ\w+|rel(?:y|ies|ied)|communicat\w+|receiv\w+|"
    r"send\w*|sent|fetch\w*|retriev\w+|obtain\w*|download\w*|host\w*|stor\w+|read\w*|connect\w*|"
    r"contact\w*|exfiltrat\w+|upload\w*|hid\w*|incorporat\w+|establish\w*|collect\w*|deliver\w*|"
    r"distribut\w+|pars\w+|poll\w*|updat\w+|generat\w+|exploit\w*|put|puts|kept|keeps|plac\w+)\b"
)
_ADVICE: Final = re.compile(
    r"\b(?:follow us|join us|contact us|our (?:telegram|slack|discord|github|twitter|channel|"
    r"newsletter|community|customers|repository|repo)|subscribe|reach us|find us|sign up|register "
    r"now|share (?:this|on)|read more on|see our|available (?:for|on|from) (?:download )?"
    r"(?:on |at )?(?:our|github)|integrat\w+ with|supports? integrations?|privacy policy|"
    r"terms of (?:service|use)|"
    r"(?:researchers?|analysts?|vendors?|experts?|we|users?) (?:\w+ ){0,2}"
    r"(?:tweet|post|shar|publish|disclos|warn|announc)\w*|tweet(?:s|ed)? (?:by|from) |"
    r"download (?:the|our) (?:report|app|paper)|press release|stars? on)\b",
    re.IGNORECASE,
)
_WORN: Final = re.compile(
    # before a service's name: it is worn, not used, by a file, task or page that looks like it
    r"\b(?:named (?:after|as|like)|called|mimic\w*|imitat\w+|impersonat\w+|masquerad\w+(?: as)?|"
    r"spoof\w*|disguised as|posing as|pos(?:es|ed) as|pretend\w* to be|fake|bogus|lookalike|"
    r"look-alike|typo-?squat\w*)(?: \w+){0,2}\s*[\"'“‘]?$",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"(?:'s|’s)? (?:IPs?|IP address(?:es)?|nameservers?|DNS)\b")
_MEANS: Final = re.compile(
    # before a service's name: it is the way or the place, whatever word follows
    r"\b(?:to|into|via|through|over|on|by|using) (?:an? |the |its |their |public )*$",
    re.IGNORECASE,
)
_TARGET: Final = re.compile(
    # after a service's name: it is what the victim has, or where an address lies
    r"(?:,? (?:and|or) [A-Z]\w+)?(?:'s|’s)? (?:messages?|chats?|conversations?|histor(?:y|ies)|"
    r"data(?:bases?)?|backups?|contacts?|sessions?|credentials?|passwords?|users?|customers?|"
    r"cookies|wallets?|logins?|employees|groups? chats?|"
    r"icons?|logos?|brand(?:ing)?|themed|lures?|vulnerabilit\w+|appliances?)\b",
)
_DOT_AND_WORD: Final = re.compile(r"(?:\.|\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))\w")
_NEED_A_PAGE: Final = frozenset(
    {"dead-drop", "dead-drop-named", "exchange", "one-way", "one-way-named", "bidirectional"}
)
_NEED_AN_ACTOR: Final = frozenset(
    {"bidirectional", "one-way", "hosting", "tunnel", "blending-in", "exchange", "phishing-message"}
)
"""Roles whose words alone do not say that an intruder is meant."""
_WITHOUT_A_NAME: Final = frozenset(
    {"dead-drop", "dead-drop-named", "bidirectional", "exchange", "one-way", "hosting"}
)
_HOLD_NO_MESSAGE: Final = frozenset({"cdn", "collector", "dynamic-dns", "shortener", "tunnel"})
"""Kinds of services that relay or count; nobody can leave an address or an order there."""
_PROSE: Final = frozenset({"paragraph", "list_item", "quote", "table_cell"})
_URL: Final = re.compile(r"(?:https?|hxxps?|ftp)://\S+", re.IGNORECASE)
_GENERIC: Final = re.compile(
    r"\b(?:legitimate|public|third-party|popular|well-known|free|trusted|social|cloud|paste|"
    r"file[- ]sharing|web)[ -](?:\w+[ -]){0,2}(?:web ?services?|web ?sites?|services?|platforms?|"
    r"sites?|media|networks?|providers?|storage|blogs?|forums?|clouds?)\b|\bdead[- ]?drops?\b|"
    r"\bcommunity forums?\b|\b(?:blogs?|forums?|RSS feeds?)\b|\bvirtual private servers\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service as ``services.toml`` has it."""

    key: str
    name: str
    category: str
    names: tuple[str, ...]
    hosts: tuple[str, ...]
    needs_context: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """In which role a sentence uses a service, and the technique that this is.

    Each pattern in ``needs`` must match in the sentence, none in ``without``, not all of
    ``unless_all`` and not ``unless``.
    """

    name: str
    technique: str
    score: float
    categories: frozenset[str]
    needs: tuple[re.Pattern[str], ...]
    without: tuple[re.Pattern[str], ...]
    unless_all: tuple[re.Pattern[str], ...]
    unless: re.Pattern[str] | None
    example: str

    def fits(self, sentence: str) -> bool:
        """Whether the words of the sentence put a service into this role."""
        return (
            all(pattern.search(sentence) for pattern in self.needs)
            and not any(pattern.search(sentence) for pattern in self.without)
            and not (self.unless_all and all(p.search(sentence) for p in self.unless_all))
            and not (self.unless and self.unless.search(sentence))
        )


@functools.cache
def services() -> dict[str, Service]:
    """The services that ship with ctimine, by key.

    >>> services()["telegram"].category, len(services()) >= 150
    ('messenger', True)
    """
    return {
        row["key"]: Service(
            row["key"],
            row["name"],
            row["category"],
            tuple(row["names"]),
            tuple(row["hosts"]),
            row.get("needs_context", False),
        )
        for row in _data("services.toml")["service"]
    }


@functools.cache
def roles() -> tuple[Role, ...]:
    """The roles in the order in which they are tried."""
    data = _data("service_roles.toml")
    words = data["words"]

    def classes(row: dict[str, Any], field: str) -> tuple[re.Pattern[str], ...]:
        return tuple(
            _compiled("|".join(words[name].strip() for name in either.split("|")), row["name"])
            for either in row.get(field, ())
        )

    return tuple(
        Role(
            row["name"],
            row["technique"],
            row["score"],
            frozenset(row.get("categories", ())),
            classes(row, "needs"),
            classes(row, "without"),
            classes(row, "unless_all"),
            _compiled(row["unless"], row["name"]) if "unless" in row else None,
            row["example"],
        )
        for row in data["role"]
    )


def services_in(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int, str]]:
    """Half-open offsets and keys of the services named in ``text[start:end]``, in order.

    Names count with their case and at word boundaries, hosts also when defanged; nothing inside
    the path of an address counts.

    >>> text = "It polls api[.]telegram[.]org and a Pastebin note."
    >>> [(text[a:b], key) for a, b, key in services_in(text)]
    [('api[.]telegram[.]org', 'telegram'), ('Pastebin', 'pastebin')]
    """
    end = len(text) if end is None else end
    part = text[start:end]
    automaton, keys = _names()
    found: list[tuple[int, int, str]] = []
    for number, a, b in automaton.find_matches_as_indexes(part):
        key, is_host = keys[number]
        if not _bounded(part, a, b, is_host=is_host):
            continue
        if services()[key].needs_context and not _has_context(part, a, b):
            continue
        if _in_address_path(part, a):
            continue
        found.append((start + a, start + b, key))
    return found


def find_services(report: Report) -> tuple[Mention, ...]:
    """Service and technique mentions of every sentence that says how a service is abused.

    A service mention has kind ``service`` and the service's key as concept; the technique mention
    covers the same sentence with basis ``behaviour`` and a rule such as ``service-dead-drop``.
    Languages other than English abstain.

    >>> text = "The implant read a Pastebin note that held the address of its C2 server."
    >>> found = find_services(Report("r", "s", "i", text))
    >>> [(m.kind, m.concept, m.rule) for m in found]
    [('technique', 'T1102.001', 'service-dead-drop'), ('service', 'pastebin', 'service-name')]
    """
    if report.language and not report.language.startswith("en"):
        return ()
    likely = sorted(
        {a for a, _, _ in services_in(report.text)}
        | {match.start() for match in _GENERIC.finditer(report.text)}
    )
    if not likely:  # most reports name no service
        return ()
    layout = Layout(report)
    found: list[Mention] = []
    for start, end in _passages(layout, likely):
        judged = judge_sentence(report.text[start:end])
        if judged is None:
            continue
        role, named = judged
        found.append(
            Mention(
                report.id,
                start,
                end,
                report.text[start:end],
                "technique",
                role.technique,
                "behaviour",
                rule=f"service-{role.name}",
                score=role.score,
            )
        )
        found += [
            Mention(
                report.id,
                start + a,
                start + b,
                report.text[start + a : start + b],
                "service",
                key,
                "name",
                rule="service-name",
                score=role.score,
                name=services()[key].name,
            )
            for a, b, key in named
        ]
    return tuple(found)


def judge_sentence(sentence: str) -> tuple[Role, list[tuple[int, int, str]]] | None:
    """The role in which a sentence uses a service and the services it names, or None.

    >>> judge_sentence("Follow us on Telegram and read the code on GitHub.") is None
    True
    """
    named = [
        (a, b, key)
        for a, b, key in services_in(sentence)
        if not _WORN.search(sentence[max(0, a - 60) : a])
        and not _ADDRESS.match(sentence, b)
        and (_MEANS.search(sentence[max(0, a - 40) : a]) or not _TARGET.match(sentence, b))
    ]
    if not named and not _GENERIC.search(sentence):
        return None
    if _ADVICE.search(sentence):
        return None
    plain = _URL.sub(" ", sentence)
    acting = bool(_ACTING.search(plain) or _NAMED_ACTOR.search(plain))
    categories = {services()[key].category for _, _, key in named}
    for role in roles():
        if not named and role.technique.split(".")[0] != "T1102":
            continue
        if role.categories and not role.categories & categories:
            continue
        if not named and role.name not in _WITHOUT_A_NAME:
            continue
        if not acting and role.name in _NEED_AN_ACTOR:
            continue
        if categories and role.name in _NEED_A_PAGE and categories <= _HOLD_NO_MESSAGE:
            continue
        if role.fits(sentence):
            return role, named
    return None


def _passages(layout: Layout, likely: list[int]) -> Iterator[tuple[int, int]]:
    """The sentences that hold at least one of the places, in order."""
    last = (-1, -1)
    for offset in likely:
        index = layout.block_at(offset)
        if index < 0 or layout.blocks[index].kind not in _PROSE:
            continue
        sentence = layout.sentence_at(offset)
        if sentence != last:
            yield sentence
        last = sentence


@functools.cache
def _names() -> tuple[AhoCorasick, list[tuple[str, bool]]]:
    """An automaton over names and hosts, and for each pattern its service and whether a host."""
    from ahocorasick_rs import AhoCorasick, MatchKind

    keys: dict[str, tuple[str, bool]] = {}
    for service in services().values():
        for name in service.names:
            head, space, rest = name.partition(" ")
            # reports write inner capitals as they like: GitHub, Github; YouTube, Youtube
            for written in (name, head[0].upper() + head[1:].lower() + space + rest):
                keys.setdefault(written, (service.key, False))
        for host in service.hosts:
            keys.setdefault(host, (service.key, True))
            for dot in ("[.]", "(.)", "{.}", "[dot]", "(dot)"):
                keys.setdefault(host.replace(".", dot), (service.key, True))
                front, _, top = host.rpartition(".")
                keys.setdefault(f"{front}{dot}{top}", (service.key, True))
    patterns = sorted(keys)
    automaton = AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)
    return automaton, [keys[pattern] for pattern in patterns]


def _bounded(text: str, start: int, end: int, *, is_host: bool) -> bool:
    """Whether a name or host stands by itself: no letter, no longer host, no mail address."""
    before = text[start - 1 : start]
    if before.isalnum() or before in {"_", "@"} or (is_host and before == "-"):
        return False
    after = text[end : end + 7]
    if not is_host and after.startswith("s"):
        after = after[1:]  # Telegram channels, S3 buckets
    if after[:1].isalnum() or after.startswith("_"):
        return False
    longer = _DOT_AND_WORD.match(after)
    return not longer and not (is_host and after.startswith("-"))


def _has_context(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word such as "Box" is meant as a service here."""
    before, after = text[max(0, start - 60) : start], text[end : end + 60]
    return bool(
        re.match(
            r"(?:'s)? (?:API|channel|webhook|workspace|account|bot|token|folder|storage|link|"
            r"message|page|database|for (?:its |their )?(?:C2|command))",
            after,
        )
        or re.search(r"\b(?:to|via|on|from|over|using|through|abus\w+) (?:an? |the )?$", before)
        or re.search(r"(?:[A-Z][\w.]+, |[A-Z][\w.]+,? (?:and|or) )$", before)
        or "." in text[start:end]
    )


def _in_address_path(text: str, start: int) -> bool:
    """Whether the place lies behind the host of a written address: a path or query names nobody."""
    begin = max(text.rfind(mark, 0, start) for mark in (" ", "\n", "\t", "(", "<", '"'))
    before = text[begin + 1 : start]
    return "://" in before and "/" in before.split("://", 1)[1]


def _compiled(pattern: str, subject: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.strip(), re.IGNORECASE)
    except re.error as error:
        raise ExtractError(f"not a pattern: {error}", subject=f"service_roles: {subject}") from None


def _data(name: str) -> dict[str, Any]:
    text = importlib.resources.files("ctimine.extract").joinpath(name).read_text("utf-8")
    return tomllib.loads(text)
