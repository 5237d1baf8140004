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
from ctimine.extract.caseless import caseless, folded
from ctimine.extract.gate import Gate, Scan
from ctimine.extract.passages import Layout
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.extract.service_model import features, judge
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ahocorasick_rs import AhoCorasick

_ACTING: Final = caseless(
    # who borrows the service: an intruder or a piece of malware, by an ordinary word …
    r"\b(?:malware|backdoors?|implants?|loaders?|downloaders?|droppers?|stealers?|infostealers?|"
    r"trojans?|ransomware|worms?|botnets?|bots?|RATs?|scripts?|payloads?|stagers?|samples?|"
    r"variants?|shellcode|macros?|modules?|spyware|keyloggers?|rootkits?|web ?shells?|agents?|"
    r"attackers?|intruders?|adversar(?:y|ies)|operators?|actors?|groups?|gangs?|criminals?|"
    r"hackers?|"
    r"campaigns?|operations?|cluster|intrusions?|APT\d*|C2|C&C|CnC|command[- ]and[- ]control|"
    r"dead[- ]?drops?|compromised|infected|malicious|phishing|spear-?phishing|exfiltrat\w+|"
    r"thieves|crooks?|fraudsters?|lures?|trojani[sz]ed|booby-trapped|stolen|skimmer|personas?|"
    r"sock-?puppets?|posed as|handlers?|hosts|host to contact|framework|builder|kit)\b"
)
_NAMED_ACTOR: Final = re.compile(
    # … or by a name: capitals or inner capitals that begin the sentence and do something
    r"^[\W_]*(?i:the |an? |one variant of |in (?:\w+ )?\d{4},? |during [^,]{3,50}, |some )*"
    r"[A-Z][\w.&’'-]*(?:[ -][A-Z0-9][\w.&’'-]*){0,4}(?: \([^)]{1,60}\))?"
    r"(?:'s|’s)?(?: [a-z]+(?: [A-Za-z.#]+)?)? "
    r"(?:also |then |often |later |further |primarily |has |have |had |is |was |can |could |may |"
    r"be |been |able |capable |the ability |to |of |additionally )*"
    r"(?:us\w+|utili[sz]\w+|leverag\w+|abus\w+|employ\w+|rel(?:y|ies|ied)|communicat\w+|"
    r"receiv\w+|"
    r"send\w*|sent|fetch\w*|retriev\w+|obtain\w*|download\w*|host\w*|stor\w+|read\w*|connect\w*|"
    r"contact\w*|exfiltrat\w+|upload\w*|hid\w*|incorporat\w+|establish\w*|collect\w*|deliver\w*|"
    r"distribut\w+|pars\w+|poll\w*|updat\w+|generat\w+|exploit\w*|put|puts|kept|keeps|plac\w+)\b"
)
_ADVICE: Final = re.compile(
    r"\b(?:follow us|join us|contact us|our (?:telegram|slack|discord|github|twitter|channel|"
    r"newsletter|community|customers|repository|repo)|subscribe|reach us|find us|sign up|"
    r"register "
    r"now|share (?:this|on)|read more on|see our|available (?:for|on|from) (?:download )?"
    r"(?:on |at )?(?:our|github)|integrat\w+ with|supports? integrations?|privacy policy|"
    r"terms of (?:service|use)|"
    r"(?:researchers?|analysts?|vendors?|experts?|we|users?) (?:\w+ ){0,2}"
    r"(?:tweet|post|shar|publish|disclos|warn|announc)\w*|tweet(?:s|ed)? (?:by|from) |"
    r"link (?:to|for) (?:the )?list of|(?:compromised|affected) sites:|times more likely|"
    r"\d%? of (?:survey )?(?:respondents|users|organi[sz]ations)|million (?:e-?mail |"
    r"malicious )?messages|"
    r"check\w* (?:\w+ ){0,2}(?:network|internet) connect\w*|(?:reported|described|noted|shared|"
    r"spotted|"
    r"discovered|found|posted) (?:\w+ ){0,2}(?:by|from) [^.;]{2,40} on (?:Twitter|X|LinkedIn|"
    r"Mastodon)|"
    r"download (?:the|our) (?:report|app|paper)|press release|stars? on)\b",
    re.IGNORECASE,
)
_WORN: Final = re.compile(
    # before a service's name: it is worn, not used, by a file, task or page that looks like it
    r"\b(?:named (?:after|as|like)|called|mimic\w*|imitat\w+|impersonat\w+|masquerad\w+(?: as)?|"
    r"spoof\w*|disguised as|posing as|pos(?:es|ed) as|pretend\w* to be|fake|bogus|lookalike|"
    r"look-alike|typo-?squat\w*|names? related to)(?: (?!on |over |via |in |"
    r"through |from |to |at |and )[\w'’]+){0,2}\s*[\"'“‘]?$",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"(?:'s|’s)? (?:IPs?|IP address(?:es)?|nameservers?|DNS)\b")
_MEANS: Final = re.compile(
    # before a service's name: it is the way or the place, whatever word follows
    r"\b(?:to|into|via|through|over|on|by|using|with|hijack\w*|receiv\w+|sent|sends|got|"
    r"malicious|"
    r"spear-phishing) (?:an? |the |its |their |public )*$",
    re.IGNORECASE,
)
_TARGET: Final = re.compile(
    # after a service's name: it is what the victim has, or where an address lies
    r"(?:,? (?:and|or) [A-Z]\w+)?(?:'s|’s)?(?: [Dd]esktop)?(?: message)? (?:messages?|personas?|"
    r"[Pp]hishing|accounts? of|"
    r"chats?|conversations?|histor(?:y|ies)|"
    r"[Dd]ata(?:bases?)?|activit\w+|calls|notifications|app(?:lication)? (?:was|is)|backups?|"
    r"contacts?|sessions?|credentials?|passwords?|users?|customers?|"
    r"cookies|wallets?|logins?|employees|groups? chats?|"
    r"icons?|logos?|brand(?:ing)?|themed|lures?|vulnerabilit\w+|appliances?)\b",
)
_ON_X: Final = re.compile(
    r"(?:\b(?:on|via|over|through|from|to) |\bmessage[ds]? (?:on|via) |\b(?:Facebook|Instagram|"
    r"Reddit|"
    r"Mastodon|LinkedIn|Telegram|YouTube|Bluesky|Discord)(?:,| and| or|, and|, or) )$"
)
_ON_MEDIUM: Final = re.compile(r"\b(?:on|to|from|via) $")
_X_ACCOUNT: Final = re.compile(
    r" (?:accounts?|posts?|profiles?|handles?|users?|feed|timeline|\((?:formerly|ex-)?)"
)
_SERVICE_NOUN: Final = re.compile(
    r"(?:'s|’s)? (?:\w+ )?(?:APIs?|channels?|webhooks?|workspaces?|accounts?|bots?|tokens?|"
    r"folders?|"
    r"storage|links?|messages?|messenger|pages?|databases?|servers?|rooms?|chats?|profiles?|"
    r"users?|"
    r"communit(?:y|ies)|boards?|buckets?|objects?|drives?|articles?|blogs?|posts?|drafts?|"
    r"mailbox\w*|"
    r"uploads?|app|repos?\w*|projects?|calls?|tenants?|C2|for (?:its |their )?(?:C2|command))\b"
)
_NAMED_BESIDE: Final = re.compile(
    r"(?:[A-Z][\w.]*[a-z],? (?:and|or|&) |[A-Z][\w.]*[a-z], |[A-Z]\w*[a-z]/|(?:->|[>|:=]) ?)$"
)
_NAMED_AFTER: Final = re.compile(r"(?:,|,? (?:and|or)|/) ?[A-Z]\w*[a-z]\b")
_LOWER_BEFORE: Final = re.compile(
    r"(?:\brclone\b[^.]*|\b(?:to|via|from) |(?:->|[>|:=]) ?)$", re.IGNORECASE
)
_WORD_BEFORE: Final = re.compile(r"([\w'’-]+)[,;]? (?:[\"“(])?$")
_DEFANGED: Final = re.compile(r"hxxp|\[\.\]|\[dot\]|\(\.\)", re.IGNORECASE)
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
_IN_SMALL_LETTERS: Final = frozenset(
    {
        "bitbucket",
        "dropbox",
        "github",
        "gitlab",
        "gofile",
        "hastebin",
        "mediafire",
        "ngrok",
        "onedrive",
    }
    | {"pastebin", "pcloud", "rentry", "sharepoint", "trello", "whatsapp", "youtube", "linkedin"}
)
"""Services whose names of one word mean nothing else, so that careless spelling does not matter."""
_MODELLED: Final = {
    "one-way-named": "one-way",
    "one-way": "one-way",
    "phishing-message": "phishing",
    "dead-drop-named": "dead-drop",
    "dead-drop": "dead-drop",
    "exchange": "bidirectional",
    "bidirectional": "bidirectional",
    "tunnel": "hosting",
    "hosting": "hosting",
    "blending-in": "hosting",
}
"""The model's role for each rule's; all others carry data out."""
_PLAINEST: Final = {
    "dead-drop": "dead-drop",
    "bidirectional": "bidirectional",
    "one-way": "one-way",
    "hosting": "hosting",
    "phishing": "phishing-message",
}
_ENOUGH: Final = 0.42
"""Probability of abuse that a sentence needs; chosen on writers that the model had not seen."""
_ENOUGH_WITH_RULE: Final = 0.38
_ENOUGH_RULE_ALONE: Final = 0.4
_ENOUGH_UNNAMED: Final = 0.75
"""What is needed where no service is named, or nobody and nothing that could abuse it."""
_SIGNS_OF_ABUSE: Final = frozenset(
    {"c:intruder", "c:malware", "c:campaign", "c:bad", "c:payload"}
    | {"c:stolen", "c:control", "c:drop", "c:order"}
)
_SURE: Final = 0.65
_UNCLEAR: Final = 0.35
_LONG: Final = 800
_WEBHOOK: Final = re.compile(
    r"\bweb ?hooks?\b|/api/webhooks|webhook\b|requestbin|pipedream|zapier|hooks\.slack",
    re.IGNORECASE,
)
_ORDERS_READER: Final = re.compile(
    r"^\W*(?:(?:[A-Z][\w ]{2,25}|\d+)[.:)] )?(?:Block|Run (?:periodic )?hunts|Monitor|Watch|"
    r"Look|Hunt|Consider|Review|"
    r"Restrict|"
    r"Deny|Alert|Limit|Do not|Don[’']t|Teach|Train|Ensure|Enable|Disable|Follow|Join|Subscribe|"
    r"Please|"
    r"Register|Implement|Investigate|Filter|Revoke|Audit|Enforce|Stay|Create an|Set (?:an?|up)|"
    r"Be "
    r"(?:wary|careful|suspicious|sure)|Report suspicious|Detect|Inspect|Avoid|Educate|Prevent)\b|"
    r"\b(?:organi[sz]ations|defenders|administrators|admins|(?:security|IT) teams?|employees|"
    r"customers|"
    r"companies|businesses|proxies|proxy rules) (?:should|ought|must|can|may want|"
    r"are (?:advised|urged))\b|"
    r"\b(?:we|agencies|is|are) (?:recommend(?:ed)?|advised?|urged?)\b",
)
_NEVER_BORROWED: Final = frozenset({"dynamic-dns", "mail-sender", "security"})
"""Kinds of services whose names in a sentence say nothing of T1102: names of own, mailers, labs."""
_LEDGER_USE: Final = re.compile(
    r"\b(?:C2|C&C|command|control|server|domain|IP|URL|host\w*|OP_RETURN|instructions?|orders?|"
    r"payload|code|panel|contracts?|RPC)\b(?!.*\b(?:ransoms?|monetiz\w*|clipboard)\b)",
    re.IGNORECASE,
)
_BLOG: Final = re.compile(
    r"\b(?:blogs?|posts?|articles?|feeds?|profiles?)\b|wordpress(?:\.|\[\.\])com",
    re.IGNORECASE,
)
_MODEL_USE: Final = re.compile(
    r"\b(?:APIs?|keys?|assistants?|endpoints?|relay\w*|C2|C&C)\b", re.IGNORECASE
)
_MAILBOXES: Final = frozenset(
    {"gmail", "yahoo-mail", "protonmail", "yandex-mail", "tutanota", "mailru"}
)
_MAIL_USE: Final = re.compile(
    r"\b(?:C2|C&C|command\w*|drafts?|APIs?|exfiltrat\w*|tasks?|instructions?|orders?|replies|"
    r"jobs|loot)\b",
    re.IGNORECASE,
)
"""Anybody mails from such a box; a mail that carries orders or loot is another thing."""
_TELLS: Final = re.compile(
    # after a service's name: it is the firm that says or does something
    r"(?:'s|’s)? (?:reports? (?!to )|reported|reporting|publish\w*|updates (?:its|on|malicious)|"
    r"announc\w*|"
    r"emphasi\w*|disrupt\w*|document(?:s|ed) |said|says|warn\w*|suspend\w*|disclos\w*|"
    r"confirm\w*|took down|"
    r"banned|has removed|removed)",
)
_OTHER_APPS: Final = re.compile(
    # before a service's name: one of many programs that are offered, raided or copied
    r"\b(?:free|popular|steal\w*|target\w*|from|original|fake|"
    r"including) (?:\w+ ){0,3}(?:applications|"
    r"apps|software|programs|messengers|clients) (?:such as|like|"
    r"including) (?:\w+,? (?:and )?){0,4}$",
    re.IGNORECASE,
)
_CREDENTIAL_PAGE: Final = re.compile(
    r"\b(?:credential[- ]?(?:phishing|harvest\w*|theft)|phishing (?:pages?|sites?|urls?|"
    r"campaigns?|"
    r"landing)|(?:login|sign-in|account) page|enter\w* (?:their|his|her|the) (?:credentials|"
    r"password))\b",
    re.IGNORECASE,
)
_MALWARE: Final = re.compile(
    r"\b(?:malware|payloads?|trojan\w*|RAT|loaders?|downloaders?|stealers?|backdoors?|ransomware|"
    r"executables?|MSI|DLL|ISO|LNK|ZIP|RAR|scripts?|macros?|C2)\b",
    re.IGNORECASE,
)
_LINK: Final = re.compile(r"\]\([^)]*\)|(?:https?|hxxps?)://\S+")
_GENERIC_OF: Final = {
    # a place that anybody may own is none, when nothing but malware lies there
    "T1102": re.compile(
        r"\bweb ?services?\b|\bfile[- ](?:sharing|hosting)\b|\bcloud (?:storage|services?|"
        r"hosting)\b|"
        r"\b(?:paste|code[- ]sharing) sites?\b|\blegitimate (?:\w+ )?(?:services?|platforms?)\b",
        re.IGNORECASE,
    )
}
_SET_ASIDE: Final = re.compile(
    # before a service's name: it is not the one
    r"\b(?:rather than|instead of|in place of|as opposed to|in contrast to|unlike|neither|nor|"
    r"not|"
    r"than|without|no longer uses?|contrary to|nothing to do with|no tie to|no connection to)"
    r"(?: (?:a|an|the|any|in|on|to|from|via|through|over|with|by|at))?(?: use of)? $",
    re.IGNORECASE,
)
_DENIALS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:turned out to be|proved|proven|was|were|is|are|be) (?:false|wrong|incorrect|"
        r"untrue|unfounded|"
        r"ruled out|not (?:involved|used|abused|confirmed|implemented|enabled))\b",
        r"\b(?:found|saw|seen|is|was|with|there (?:is|was)) no (?:evidence|signs?|traces?|"
        r"indications?|"
        r"proof|hint)\b|\bnothing (?:in|suggests?|indicates?|to (?:support|suggest))\b",
        r"^\W*no (?:data|files?|documents?|payloads?|connections?|traffic|evidence|exfiltration|"
        r"signs?)\b",
        r"\b(?:plays?|played|had|has|have) no (?:part|role)\b|\bhad any part in\b|"
        r"^\W*contrary to\b",
        r"\b(?:did|does|do|has|have|had|was|were|is|are)(?: not|n[’']t) (?:\w+ly )?(?:us\w+|"
        r"abus\w+|"
        r"contact\w*|communicat\w+|download\w*|exfiltrat\w+|upload\w*|observed?|seen?|"
        r"confirm\w*|fetch\w*|"
        r"rel\w+|leav\w+|implement\w*|allow\w*|see)\b(?![^,;]*\b(?:but|instead|"
        r"any(?:thing)? of its own)\b)",
        r"\bnever (?:used|uses|contact\w*|touched|abused|called|relied|communicated)\b",
        r"\b(?:failed|was (?:stopped|blocked|prevented|thwarted|foiled))\b[^,;]*$|"
        r"\bneither\b[^.]{0,60}\bnor\b",
        r"\bwould (?:\w+ )?(?:have|be|show|notice)\b|^\W*(?:were the|had (?:they|the|it|he))\b|"
        r"\b(?:few|nobody|none) (?:\w+ )?would\b|^\W*(?:let us|imagine|suppose|could)\b|"
        r"\b(?:one|we|you) could imagine\b",
    )
)
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
    words: tuple[str, ...] = ()


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
        """Whether the words of the sentence, in small letters, put a service into this role."""
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
            tuple(row.get("words", ())),
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
        if not is_host and "\\" in {part[a - 1 : a], part[b : b + 1]}:
            continue  # a folder of that name
        if part[a:b] in services()[key].words and not _has_context(part, a, b):
            continue
        if _in_address_path(part, a) or (is_host and _is_reference(part, a, b)):
            continue
        found.append((start + a, start + b, key))
    return found


def find_services(report: Report, layout: Layout | None = None) -> tuple[Mention, ...]:
    """Service and technique mentions of every sentence that says how a service is abused.

    A service mention has kind ``service`` and the service's key as concept; the technique mention
    covers the same sentence with basis ``behaviour`` and a rule such as ``service-dead-drop``. A
    sentence that writes a technique id has mapped itself: of it only the services are told.
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
        | {match.start() for match in _generic().of(report.text)}
    )
    if not likely:  # most reports name no service
        return ()
    layout = layout or Layout(report)
    found: list[Mention] = []
    for start, end in _passages(layout, likely):
        judged = judge_sentence(report.text[start:end])
        if judged is None:
            continue
        role, named = judged
        if not TECHNIQUE_ID.search(report.text, start, end):
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


@functools.cache
def _generic() -> Scan:
    return Scan(_GENERIC)


@functools.cache
def _against() -> Gate:
    return Gate([caseless(pattern.pattern) for pattern in (_ADVICE, *_DENIALS)])


def judge_sentence(sentence: str) -> tuple[Role, list[tuple[int, int, str]]] | None:
    """The role in which a sentence uses a service and the services it names, or None.

    The role's ``score`` is the model's probability that a service is abused at all.

    >>> judge_sentence("Follow us on Telegram and read the code on GitHub.") is None
    True
    """
    written = services_in(sentence)
    named = [found for found in written if _is_used(sentence, *found)]
    if not named and (written or not _GENERIC.search(_LINK.sub(" ", sentence))):
        return None
    if _ORDERS_READER.search(sentence) or _against().matches(folded(sentence)):
        return None
    near, shift = _near(sentence, named)
    kinds = [(a - shift, b - shift, services()[key].category) for a, b, key in named]
    seen = features(near, kinds)
    abuse, likely = judge(seen)
    ruled = _by_rule(near, {kind for _, _, kind in kinds}, named=bool(named))
    needed = _ENOUGH if named and seen & _SIGNS_OF_ABUSE else _ENOUGH_UNNAMED
    if ruled:
        needed = _ENOUGH_WITH_RULE if named else _ENOUGH_RULE_ALONE
    if abuse < needed:
        return None
    if not named and (ruled is None or not _GENERIC_OF.get(ruled.technique, _GENERIC).search(near)):
        return None
    role = _settled(near, kinds, likely, ruled)
    if role.technique == "T1102" and _CREDENTIAL_PAGE.search(near) and not _MALWARE.search(near):
        return None
    return dataclasses.replace(role, score=round(abuse, 3)), named


def kinds_of(sentence: str) -> list[tuple[int, int, str]]:
    """Offsets and kinds of the services that a sentence may use, as the model takes them.

    >>> kinds_of("The loader fetches a note from Pastebin.")
    [(31, 39, 'paste')]
    """
    return [
        (a, b, services()[key].category)
        for a, b, key in services_in(sentence)
        if _is_used(sentence, a, b, key)
    ]


def _is_used(sentence: str, start: int, end: int, key: str) -> bool:
    """Whether a named service can be what the sentence says is used: not worn, not owned."""
    before = sentence[max(0, start - 60) : start]
    kind = services()[key].category
    if kind in _NEVER_BORROWED or (kind == "ledger" and not _LEDGER_USE.search(sentence)):
        return False
    if key == "wordpress" and not _BLOG.search(sentence[max(0, start - 40) : end + 40]):
        return False  # a programme that runs on many servers; only its hosted blogs are a service
    if kind == "ai-api" and not _MODEL_USE.search(sentence[max(0, start - 40) : end + 40]):
        return False  # the firm speaks, or its model is used as anybody does
    if key in _MAILBOXES and not _MAIL_USE.search(sentence):
        return False
    if _OTHER_APPS.search(before) or _TELLS.match(sentence, end):
        return False
    if _WORN.search(before) or _SET_ASIDE.search(before) or _ADDRESS.match(sentence, end):
        return False
    return bool(_MEANS.search(before)) or not _TARGET.match(sentence, end)


def _near(sentence: str, named: list[tuple[int, int, str]]) -> tuple[str, int]:
    """The part of an overlong sentence (a table, a dump) around its first services."""
    if len(sentence) <= _LONG:
        return sentence, 0
    first = named[0][0] if named else 0
    last = max((b for _, b, _ in named if b <= first + _LONG // 2), default=first)
    start = max(0, first - _LONG // 4)
    return sentence[start : last + _LONG // 4], start


def _by_rule(sentence: str, categories: set[str], *, named: bool) -> Role | None:
    """The first role whose words the sentence has."""
    plain = _URL.sub(" ", sentence)
    acting = bool(_ACTING.search(folded(plain)) or _NAMED_ACTOR.search(plain))
    small = folded(sentence)
    for role in roles():
        if not named and role.name not in _WITHOUT_A_NAME:
            continue
        if role.categories and not role.categories & categories:
            continue
        if not acting and role.name in _NEED_AN_ACTOR:
            continue
        if categories and role.name in _NEED_A_PAGE and categories <= _HOLD_NO_MESSAGE:
            continue
        if role.fits(small):
            return role
    return None


def _settled(
    sentence: str, kinds: list[tuple[int, int, str]], likely: dict[str, float], ruled: Role | None
) -> Role:
    """The role: the model's, or the rule's where the model is not sure of another."""
    best = max(likely, key=lambda name: likely[name])
    by_name = {role.name: role for role in roles()}
    if ruled is not None:
        own = _MODELLED.get(ruled.name, "exfiltration")
        if own == best or likely[best] < _SURE:
            return ruled
    if best != "exfiltration":
        if likely[best] < _UNCLEAR and best in {"dead-drop", "bidirectional", "one-way"}:
            best = "hosting"
        return dataclasses.replace(by_name[_PLAINEST[best]], name=f"learned-{best}")
    way = "exfiltration-service"
    categories = {kind for _, _, kind in kinds}
    if _WEBHOOK.search(sentence):
        way = "exfiltration-webhook"
    else:
        for name in ("exfiltration-storage", "exfiltration-code-host", "exfiltration-paste"):
            if by_name[name].categories & categories:
                way = name
                break
    return dataclasses.replace(by_name[way], name=f"learned-{way}")


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
            ways = {name, head[0].upper() + head[1:].lower() + space + rest}
            if (
                name not in service.words
                and "." not in name
                and (space or service.key in _IN_SMALL_LETTERS)
            ):
                ways.add(name.lower())
            for written in sorted(ways):
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
    if text[max(0, start - 3) : start] == "[@]":
        return False
    if before.isalnum() or before in {"_", "@", "$", "%"} or (is_host and before == "-"):
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
    before, after = text[max(0, start - 60) : start], text[end : end + 40]
    if text[start:end] == "Medium":  # of confidence, of severity
        return bool(_SERVICE_NOUN.match(after) or _ON_MEDIUM.search(before))
    if text[start:end] == "X":
        return bool(_ON_X.search(before) or _X_ACCOUNT.match(after))
    if _SERVICE_NOUN.match(after) or _NAMED_BESIDE.search(before) or _NAMED_AFTER.match(after):
        return True
    if text[start:end].islower():
        return bool(_LOWER_BEFORE.search(before))
    previous = _WORD_BEFORE.search(before)
    # inside a sentence a capital is enough, unless it is one of a row: "Purple Teams"
    return previous is not None and not (previous[1][:1].isupper() and previous[1].isalpha())


def _in_address_path(text: str, start: int) -> bool:
    """Whether the place lies behind the host of a written address: a path or query names nobody."""
    begin = max(text.rfind(mark, 0, start) for mark in (" ", "\n", "\t", "(", "<", '"'))
    before = text[begin + 1 : start]
    return "://" in before and "/" in before.split("://", 1)[1]


def _is_reference(text: str, start: int, end: int) -> bool:
    """Whether a host stands in a live link of the text's own: a picture, or a word's target."""
    begin = max(text.rfind(mark, 0, start) for mark in (" ", "\n", "\t", "(", "<", '"'))
    return (
        "://" in text[begin + 1 : start]
        and text[begin : begin + 1] in {"(", "<"}
        and (text[begin - 1 : begin] == "]" or text[begin : begin + 1] == "<")
        and not _DEFANGED.search(text, begin, end)
    )


def _compiled(pattern: str, subject: str) -> re.Pattern[str]:
    try:
        return caseless(pattern.strip())
    except re.error as error:
        raise ExtractError(f"not a pattern: {error}", subject=f"service_roles: {subject}") from None


def _data(name: str) -> dict[str, Any]:
    text = importlib.resources.files("ctimine.extract").joinpath(name).read_text("utf-8")
    return tomllib.loads(text)
