"""Web services that intruders borrow, and in which role: the flagship's own detector.

A service name alone is nothing: people follow each other on messengers, link to code hosts and
keep files in clouds. A sentence counts when it names a service *and* says what an intruder or its
malware does with it: keeps the address of the real server there (T1102.001), exchanges orders and
results (T1102.002), only reads orders (T1102.003), hosts what it downloads (T1102), reaches a
person (T1566.003), carries data out (T1567 and its sub-techniques) or only takes an account there
for later (T1583.006). Names are found by
``service_names.py``; whether and how a service is abused is judged by ``service_model.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ctimine.extract.candidates import plain_spaces
from ctimine.extract.passages import Layout
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.extract.service_model import features, judge
from ctimine.extract.service_names import is_borrowed, places_of_unnamed, services, services_in
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

Named = list[tuple[int, int, str]]
"""Half-open offsets, and the key or kind of a service there."""

TECHNIQUES: Final = {
    "dead-drop": "T1102.001",
    "bidirectional": "T1102.002",
    "one-way": "T1102.003",
    "hosting": "T1102",
    "link": "T1566.002",
    "phishing": "T1566.003",
    "exfiltration": "T1567",
    "acquired": "T1583.006",
}
"""The technique that each role is."""
_CARRIED_OUT_TO: Final = {
    "cloud-storage": "T1567.002",
    "file-sharing": "T1567.002",
    "storage-bucket": "T1567.002",
    "cloud": "T1567.002",
    "code-host": "T1567.001",
    "paste": "T1567.003",
}
"""The sub-technique of exfiltration by the kind of service, where it has one."""
_WEBHOOK: Final = re.compile(
    r"\bweb ?hooks?\b|/api/webhooks|webhook\b|requestbin|pipedream|zapier|hooks\.slack",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(
    r"\b(?:e-?mails?|mails?|malspam|(?:spear-?)?phishing|smishing|PDFs?|"
    r"attachments?)\b",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"(?<![\w-])(?:links?|linking to|linked (?:from|in|to)|URLs?)\b", re.IGNORECASE
)
"""With both, a person is to follow a link to what a service keeps."""
_CREDENTIAL_PAGE: Final = re.compile(
    r"\b(?:credential[- ]?(?:phish\w*|harvest\w*|theft)|phishing (?:pages?|sites?|kits?|landing)|"
    r"(?:login|sign-?in|landing|account) pages?)\b",
    re.IGNORECASE,
)
"""Such a page takes passwords; it relays nothing to or from a compromised system."""
_LINK_SENT: Final = re.compile(
    r"\b(?:send|sent|shar|receiv|provid|deliver|distribut|mail)\w*\b[^.;]{0,80}?"
    r"\b(?:links?|URLs?)\b",
    re.IGNORECASE,
)
"""What is sent so lies on the service already: nothing is carried out."""
_CARRIED_OUT: Final = re.compile(
    r"\b(?:exfil\w*|stolen|steal\w*|loot\w*|leak\w*|upload\w*|collected|harvest\w*|gathered|"
    r"staged|data|credentials|victim['’]?s['’]? files)\b",
    re.IGNORECASE,
)
_FETCHED: Final = re.compile(
    r"\b(?:cop(?:y|ies|ied)|download\w*|fetch\w*|retriev\w+|pull\w*|load\w*)\b[^.;]{0,60}? from "
    r"[^.;]{0,60}? (?:to|on|onto) (?:an? |the |each )?(?:infected |compromised )?"
    r"(?:victim|host|machine|system|computer|device|endpoint)s?\b",
    re.IGNORECASE,
)
"""What comes from a service is not carried out to it."""
_BOT: Final = re.compile(r"\bbot[ -]?tokens?\b|\bchat[ _-]?ids?\b", re.IGNORECASE)
"""What a programme needs that reports to a messenger: nobody is written to."""
_MESSAGES_TAKEN: Final = re.compile(
    r"\b(?:messages?|chats?|conversations?) (?:exfiltration|theft|intercept\w*|extraction|"
    r"collection)\b|\b(?:exfiltrat|steal|stole|intercept|extract|collect|read)\w* "
    r"(?:[\w’'-]+ ){0,5}?(?:messages|chats|conversations|communications)\b",
    re.IGNORECASE,
)
"""The messenger is what is robbed, not the way."""
_ENOUGH: Final = 0.65
"""Probability of abuse that a sentence needs."""
_ENOUGH_UNNAMED: Final = 0.75
"""The same where no service is named: two in five were wrong between the two when read."""
_LONG: Final = 800
_PROSE: Final = frozenset({"paragraph", "list_item", "quote", "table_cell"})


class Role(NamedTuple):
    """The role of a service in a sentence, its technique, and the probability of any abuse."""

    name: str
    technique: str
    score: float


def find_services(report: Report, layout: Layout | None = None) -> tuple[Mention, ...]:
    """Service and technique mentions of every sentence that says how a service is abused.

    A service mention has kind ``service`` and the service's key as concept; the technique mention
    covers the same sentence with basis ``behaviour`` and a rule such as ``service-dead-drop``, and
    the next one, too, where only that says what is done. A
    sentence that writes a technique id has mapped itself: of it only the services are told.
    Languages other than English abstain.

    >>> text = "The implant read a Pastebin note that held the address of its C2 server."
    >>> found = find_services(Report("r", "s", "i", text))
    >>> [(m.kind, m.concept, m.rule) for m in found]
    [('technique', 'T1102.001', 'service-dead-drop'), ('service', 'pastebin', 'service-name')]
    """
    if report.language and not report.language.startswith("en"):
        return ()
    text = plain_spaces(report.text)
    likely = sorted({a for a, _, _ in services_in(text)} | {a for a, _ in places_of_unnamed(text)})
    if not likely:  # most reports name no service
        return ()
    found: list[Mention] = []
    for start, first, stop in _passages(layout or Layout(report), likely):
        judged = _judge_passage(text, start, first, stop)
        if judged is None:
            continue
        role, named, end = judged
        if not TECHNIQUE_ID.search(text, start, end):
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


def judge_sentence(sentence: str) -> tuple[Role, Named] | None:
    """The role in which a sentence uses a service and the services it names, or None.

    >>> judge_sentence("Follow us on Telegram and read the code on GitHub.") is None
    True
    """
    named, kinds = _seen(sentence)
    if not kinds:
        return None
    near, shift = _near(sentence, kinds)
    abuse, roles = judge(features(near, [(a - shift, b - shift, kind) for a, b, kind in kinds]))
    if abuse < (_ENOUGH if named else _ENOUGH_UNNAMED):
        return None
    name = max(roles, key=lambda role: roles[role])
    if name == "phishing" and _MESSAGES_TAKEN.search(near):
        return None
    is_c2 = any(near.startswith(" C2", b - shift) for _, b, _ in kinds)  # "Telegram C2"
    if name == "phishing" and (is_c2 or _BOT.search(near)):
        name = "bidirectional"
    if name == "exfiltration" and _LINK_SENT.search(near) and not _CARRIED_OUT.search(near):
        if not _MAIL.search(near):
            return None
        name = "link"
    if name == "exfiltration" and _FETCHED.search(near):
        name = "hosting"
    if name == "hosting" and links_in_a_mail(near):
        name = "link"
    if name == "hosting" and _CREDENTIAL_PAGE.search(near):
        return None
    technique = TECHNIQUES[name]
    if name == "exfiltration":
        technique = _exfiltration(near, [kind for _, _, kind in kinds])
    return Role(name, technique, round(abuse, 3)), named


def links_in_a_mail(sentence: str) -> bool:
    """Whether a sentence speaks of a mail or a document, and of a link.

    >>> links_in_a_mail("The mail had a link to Dropbox."), links_in_a_mail("It asks Dropbox.")
    (True, False)
    """
    return bool(_MAIL.search(sentence) and _LINK.search(sentence))


def _judge_passage(text: str, start: int, end: int, stop: int) -> tuple[Role, Named, int] | None:
    """Role, services and where the quote ends: a sentence, or two where it takes both to tell.

    Of an account that was taken, only the next sentence tells the use.
    """
    alone = judge_sentence(text[start:end])
    both = judge_sentence(text[start:stop]) if stop > end else None
    if alone and both and (alone[0].name != "acquired" or both[0].name == "acquired"):
        return both[0], alone[1], end
    if both:
        return *both, stop
    return (*alone, end) if alone else None


def kinds_of(sentence: str) -> Named:
    """Offsets and kinds of the services that a sentence may use, as the model takes them.

    Where it names none, what may be a service without a name counts as one of kind ``unnamed``.

    >>> kinds_of("The loader fetches a note from Pastebin.")
    [(31, 39, 'paste')]
    >>> kinds_of("The loader fetches a note from a paste site.")
    [(33, 43, 'unnamed')]
    """
    return _seen(sentence)[1]


def _seen(sentence: str) -> tuple[Named, Named]:
    """The services named that can be borrowed, and what the model takes for services."""
    written = services_in(sentence)
    if not written:
        return [], [(a, b, "unnamed") for a, b in places_of_unnamed(sentence)]
    named = [found for found in written if is_borrowed(sentence, *found)]
    return named, [(a, b, services()[key].category) for a, b, key in named]


def _near(sentence: str, kinds: Named) -> tuple[str, int]:
    """The part of an overlong sentence (a table, a dump) around its first services."""
    if len(sentence) <= _LONG:
        return sentence, 0
    first = kinds[0][0]
    last = max((b for _, b, _ in kinds if b <= first + _LONG // 2), default=first)
    start = max(0, first - _LONG // 4)
    return sentence[start : last + _LONG // 4], start


def _exfiltration(sentence: str, kinds: list[str]) -> str:
    """The sub-technique of exfiltration: a webhook by its word, else by the kind of service."""
    if _WEBHOOK.search(sentence):
        return "T1567.004"
    ways = {_CARRIED_OUT_TO.get(kind, "") for kind in kinds} - {""}
    return next(
        (way for way in _CARRIED_OUT_TO.values() if way in ways), TECHNIQUES["exfiltration"]
    )


def _passages(layout: Layout, likely: list[int]) -> Iterator[tuple[int, int, int]]:
    """The sentences that hold at least one of the places, in order, each with a third offset.

    It is the end of the next sentence, where that may go on about the same service.
    """
    last = (-1, -1)
    for offset in likely:
        index = layout.block_at(offset)
        if index < 0 or layout.blocks[index].kind not in _PROSE:
            continue
        start, end = sentence = layout.sentence_at(offset)
        if sentence == last:
            continue
        last = sentence
        after = next((s for s in layout.sentences(index) if s[0] >= end), None)
        goes_on = (
            after is not None and after[1] - start <= _LONG and not services_in(layout.text, *after)
        )
        yield start, end, after[1] if after is not None and goes_on else end
