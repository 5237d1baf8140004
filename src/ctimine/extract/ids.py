"""ATT&CK ids in every spelling that reports use, each checked against the catalogue.

``T1059.001``, ``T1102/001``, ``techniques/T1562/001``, ``attack.t1059.001``, full-width digits,
zero-width characters, a line break after the dot, lists such as ``T1059.001/.003``; ids of tactics,
groups, software and campaigns; and links whose address is a page of ATT&CK. An id means the concept
that it means today: revoked ones are followed to their successor, the quote stays as written.
What looks like an id and is none is kept with its problem, and with no concept.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import Final

from ctimine.attack import Catalogue
from ctimine.model import Link, Mention, MentionKind, Report

_ODD: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\uff01-\uff5e\u2024\u0422\u0442]")
_INVISIBLE: Final = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
# Full-width forms, the one-dot leader, and the Cyrillic letter that looks like T.
_PLAIN: Final = {point: point - 0xFEE0 for point in range(0xFF01, 0xFF5F)} | {
    0x2024: 0x2E,
    0x0422: 0x54,
    0x0442: 0x74,
}
_TECHNIQUE: Final = re.compile(r"[Tt](\d{4})(?!\d)")
_SUB: Final = re.compile(
    # next to it; with marks of emphasis or an escape between; over one space or line break
    r"(?P<near>\\?[*_`]{0,3}[./][*_`]{0,3})(?P<a>\d{3})(?!\d)"
    r"|(?P<far>[ \t]?\.[ \t]*\n?[ \t]*|[ \t]*\n[ \t]*\.|[-_:\u2010\u2011])(?P<b>\d{3})(?!\d)"
)
_BAD_SUB: Final = re.compile(r"[./](?:0\d?(?!\d)|\d{4,})")
_MORE: Final = re.compile(
    r"[*_`]{0,3}(?:\s?[/,;&+|]\s?|\s?,?\s(?:and|or|&)\s|\s)[*_`]{0,3}(?P<sub>[.]\d{3})(?![\d.]\d)"
)
_IN_PARENTHESES: Final = re.compile(r"\s?\(\s?(?P<sub>[.]\d{3})(?!\d)")
_SLASHED: Final = re.compile(r"/(?P<sub>\d{3})(?!\d)")
_TYPO: Final = re.compile(
    # the letter stands first, so that the search leaps to it
    r"T(?<![A-Za-z0-9.-]T)(?:(?:\d{3}|\d{5})[./]\d{3}|[1lI]?[Oo]\d{2,3}\.\d{3}|"
    r"\d[Oo]\d{2}(?:\.\d{3})?)"
    r"(?![A-Za-z0-9])"
)
_OTHER: Final = re.compile(r"(?:TA|G|S|C)\d{4}(?![0-9A-Za-z])")
_TAG: Final = re.compile(r"\battack\.((?:ta|[gsc])\d{4})(?![0-9a-z])")
_ATLAS: Final = re.compile(r"AML[.\-_: ]?(?:TA?)\d{4}(?:\.\d{3})?(?!\d)", re.IGNORECASE)
_ABOUT_ATTACK: Final = re.compile(r"ATT&(?:amp;)?CK|MITRE|attack\.mitre", re.IGNORECASE)
_KINDS: Final[dict[str, MentionKind]] = {
    "T": "technique",
    "TA": "tactic",
    "G": "actor",
    "S": "software",
    "C": "campaign",
}
_BINARY: Final = re.compile(
    r"\.(?:exe|dll|sys|bin|ps1|bat|vbs?|jsx?|jar|zip|rar|7z|docx?|xlsx?|pptx?|msi|dat|tmp|lnk|png|"
    r"jpe?g|gif|svg|iso|img|cab|so|elf|apk|scr|hta)\b",
    re.IGNORECASE,
)
_LABELS: Final = re.compile(
    r"(?<![A-Za-z])(?:attack|mitre|att&ck|techniques?|ttps?|id|tactics?|tag|tid|enterprise|"
    r"mobile|ics|t)[-._]$",
    re.IGNORECASE,
)
_MODEL: Final = re.compile(
    r"\b(?:Dell|Precision|PowerEdge|OptiPlex|Lenovo|ThinkPad|ThinkCentre|ThinkStation|HP|"
    r"Hewlett[- ]"
    r"Packard|LaserJet|Canon|Epson|Cisco|Bosch|Sony|Fujitsu|Samsung|Nokia|Motorola|Toshiba|Acer|"
    r"Asus|"
    r"Intel|Qualcomm|Mediatek|Huawei|Siemens|Tesla|Toyota|Terminator|model|printer|workstation|"
    r"laptop|part (?:no\.?|number)|SKU|serial(?: number)?|catalog(?:ue)? (?:no\.?|number)|invoice|"
    r"flight|room|route|engine|tank)[ :#]{1,3}$",
    re.IGNORECASE,
)
_MARKER: Final = re.compile(
    r"\s*(?:[\[(]?[A-Za-z]{0,3}\d{0,3}[\])]?|\[?(?:source|link|ref)\]?|[\W_]*)\s*"
)
_ADDRESS: Final = re.compile(
    r"attack\.mitre\.org/(?:versions/[\w.]+/)?"
    r"(?P<path>techniques|tactics|groups|software|campaigns)/"
    r"(?P<id>(?:TA?|G|S|C)\d{4})(?:[/.](?P<sub>\d{3}))?(?!\d)",
    re.IGNORECASE,
)


def find_ids(report: Report, catalogue: Catalogue) -> list[Mention]:
    """Every ATT&CK id that the text writes or links to, by offset.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "Use of T1059.001/.003 and T1102/002; AML.T0051 too.")
    >>> [(m.quote, m.concept, m.problem) for m in find_ids(report, load_attack())][:2]
    [('T1059.001', 'T1059.001', ''), ('.003', 'T1059.003', '')]
    >>> [(m.quote, m.concept, m.problem) for m in find_ids(report, load_attack())][2:]
    [('T1102/002', 'T1102.002', ''), ('AML.T0051', '', 'atlas-id')]
    """
    found = sorted(_Finder(report, catalogue).written(), key=lambda m: (m.start, m.end))
    return [*found, *_linked(report, catalogue, found)]


class _Finder:
    """One report's text in plain characters, with the way back to its offsets."""

    def __init__(self, report: Report, catalogue: Catalogue) -> None:
        self.report, self.catalogue = report, catalogue
        self.text, self._offsets = plain(report.text)
        self._about_attack: bool | None = None

    def written(self) -> Iterator[Mention]:
        taken: list[tuple[int, int]] = []
        for match in _ATLAS.finditer(self.text) if "aml" in self.text.lower() else ():
            if not _glued(self.text, match.start()):
                taken.append(match.span())
                yield self._mention(*match.span(), "technique", "", "atlas-id", problem="atlas-id")
        reached = 0
        for match in _TECHNIQUE.finditer(self.text):
            if match.start() < reached or any(a <= match.start() < b for a, b in taken):
                continue
            for mention, end in self._technique(match):
                reached = max(reached, end)
                yield mention
        for match in _TYPO.finditer(self.text):
            yield self._mention(*match.span(), "technique", "", "id", problem="unknown-id")
        yield from self._others()

    # -- techniques --------------------------------------------------------------------------

    def _technique(self, match: re.Match[str]) -> Iterator[tuple[Mention, int]]:
        text, start, end = self.text, match.start(), match.end()
        base = f"T{match.group(1)}"
        known = self.catalogue.get(base)
        upper = text[start] == "T"
        if _glued(text, start) and not (known and _labelled(text, start)):
            return
        sub = _SUB.match(text, end)
        number = ""
        if sub:
            number = sub.group("a") or sub.group("b")
            exists = f"{base}.{number}" in self.catalogue
            stop = sub.end()
            exists = exists and not _runs_on(text, stop)
            if sub.group("far") and not exists:
                number = ""  # "… T1059. 200 hosts …"
            elif (sub.group("near") or "").endswith("/") and not exists and known is None:
                number = ""  # a fraction or path, not a sub-technique
            else:
                end = stop
        if not number:
            if _runs_on(text, end) or _BINARY.match(text, end):
                return
            bad = _BAD_SUB.match(text, end)
            if bad and known:
                end = bad.end()
                number = bad.group()[1:]
        elif _BINARY.match(text, end):
            return
        written = f"{base}.{number}" if number else base
        if not upper and not self._lower_case_is_meant(start, written):
            return
        concept = self.catalogue.get(written)
        if concept is None and not self._unknown_is_worth(start, end, base, number):
            return
        if _MODEL.search(text, max(0, start - 40), start):
            return
        yield self._resolved(start, end, written, "technique", "id"), end
        if known and number:
            yield from self._list(end, base)
        elif known:
            opened = _IN_PARENTHESES.match(text, end)
            if opened and f"{base}{opened.group('sub')}" in self.catalogue:
                a, b = opened.span("sub")
                yield self._resolved(a, b, base + opened.group("sub"), "technique", "id-list"), b
                yield from self._list(b, base)

    def _list(self, at: int, base: str) -> Iterator[tuple[Mention, int]]:
        """The rest of ``T1059.001/.003, .005``: only subs that exist; ranges stay ranges."""
        while True:
            more = _MORE.match(self.text, at) or _SLASHED.match(self.text, at)
            if more is None:
                return
            a, b = more.span("sub")
            written = f"{base}.{more.group('sub').lstrip('.')}"
            if written not in self.catalogue:
                return
            yield self._resolved(a, b, written, "technique", "id-list"), b
            at = b

    def _lower_case_is_meant(self, start: int, written: str) -> bool:
        before = self.text[max(0, start - 12) : start]
        if re.search(r"(?:attack[._]|techniques?[/:= ]\s?[\"'`]?)$", before, re.IGNORECASE):
            return True
        if written not in self.catalogue:
            return False
        return "." in written or bool(re.search(r"[(\[\"'`]$", before))

    def _unknown_is_worth(self, start: int, end: int, base: str, number: str) -> bool:
        """Whether an id that nobody knows is meant as one: typos and retired ids are, T-800 not."""
        if base[1] in "01":
            return True
        before, after = self.text[max(0, start - 14) : start], self.text[end : end + 2]
        return bool(
            number
            or re.search(
                r"(?:techniques?[/: ]\s?|attack\.|ttps?:? |ATT&CK )[*`(\[]*$", before, re.IGNORECASE
            )
            or (before[-1:] in "([" and after[:1] in ")]")
        )

    # -- tactics, groups, software, campaigns ------------------------------------------------

    def _others(self) -> Iterator[Mention]:
        for match in _OTHER.finditer(self.text):
            mention = self._other(match.group(), *match.span())
            if mention:
                yield mention
        for match in _TAG.finditer(self.text) if "attack." in self.text else ():
            written = match.group(1).upper()
            kind = _KINDS[written.rstrip("0123456789")]
            if self._is(written, kind):
                yield self._resolved(*match.span(1), written, kind, "id")

    def _other(self, written: str, start: int, end: int) -> Mention | None:
        text = self.text
        if _glued(text, start) and not _labelled(text, start):
            return None
        before, after = text[max(0, start - 24) : start], text[end : end + 2]
        if (
            re.search(r"[#$@\\]$", before)
            or re.match(r"[-_/]\w|\.\d", after)
            or _BINARY.match(text, end)
        ):
            return None
        kind = _KINDS[written.rstrip("0123456789")]
        addressed = re.search(r"(?:groups|software|campaigns|tactics)/$", before)
        if before[-1:] == "/" and not addressed:
            return None
        if self._is(written, kind):
            meant = kind == "tactic" or addressed or self._speaks_of_attack()
            return self._resolved(start, end, written, kind, "id") if meant else None
        if written.startswith("TA"):
            # TA505 and TA2541 are names that a vendor gives; ATT&CK's tactics begin with TA0.
            worth = written.startswith("TA0")
        else:
            label = r"(?:ATT&CK|MITRE)\W{1,3}(?:group|software|campaign|id)?\W{0,3}$"
            worth = bool(addressed or re.search(label, before, re.IGNORECASE))
        if worth:
            return self._mention(start, end, kind, "", "id", problem="unknown-id")
        return None

    def _is(self, written: str, kind: MentionKind) -> bool:
        concept = self.catalogue.get(written)
        return concept is not None and concept.kind == kind

    def _speaks_of_attack(self) -> bool:
        if self._about_attack is None:
            self._about_attack = bool(_ABOUT_ATTACK.search(self.text)) or any(
                f"T{m.group(1)}" in self.catalogue for m in _TECHNIQUE.finditer(self.text)
            )
        return self._about_attack

    # -- mentions ----------------------------------------------------------------------------

    def _resolved(
        self, start: int, end: int, written: str, kind: MentionKind, rule: str
    ) -> Mention:
        concept, problem = _meaning(self.catalogue, written, kind)
        return self._mention(start, end, kind, concept, rule, problem=problem)

    def _mention(
        self, start: int, end: int, kind: MentionKind, concept: str, rule: str, *, problem: str = ""
    ) -> Mention:
        if self._offsets is not None:
            start, end = self._offsets[start], self._offsets[end - 1] + 1
        quote = self.report.text[start:end]
        return Mention(
            self.report.id,
            start,
            end,
            quote,
            kind,
            concept,
            "id",
            rule=rule,
            name="" if concept else quote,
            problem=problem,
        )


def _meaning(catalogue: Catalogue, written: str, kind: MentionKind) -> tuple[str, str]:
    """The id of the concept meant today, and the problem where there is none."""
    known = catalogue.get(written)
    if known is None or known.kind != kind:
        return "", "unknown-id"
    today = catalogue.resolve(written)
    return (today.id, "") if today is not None else ("", "retired-id")


def _glued(text: str, start: int) -> bool:
    """Whether the characters before make it a part of something longer."""
    if not start:
        return False
    before = text[start - 1]
    if before.isalnum():
        # In scripts without spaces an id may touch the character before it.
        return ord(before) < 0x2E80
    if before in "-\u2010\u2011_.+=":
        return before == "+" or (start > 1 and text[start - 2].isalnum())
    return False


def _runs_on(text: str, end: int) -> bool:
    """Whether a word goes on behind.

    In scripts without spaces the next character may touch, and in matrices that lost their layout
    the name does: ``T1078Valid Accounts``.
    """
    if end >= len(text) or not text[end].isalnum() or ord(text[end]) >= 0x2E80:
        return False
    return not re.match(r"[A-Z][a-z]{2}|OS |AS-|IDE |LSA|[A-Z]{2,4} [A-Z]", text[end : end + 6])


def _labelled(text: str, start: int) -> bool:
    """Whether what is glued before says that an id follows: ``attack.``, ``T1059-``, ``MITRE_``."""
    if text[start - 1].isalnum() or text[start - 1] == "+":
        return False
    if text[start - 1] == "=":
        return True
    head = text[max(0, start - 14) : start]
    return bool(_LABELS.search(head) or re.search(r"T\d{4}(?:\.\d{3})?[-\u2010\u2011_.]$", head))


def plain(text: str) -> tuple[str, list[int] | None]:
    """The text without invisible and with ordinary characters, and the offsets if any were dropped.

    >>> plain("Ｔ１０\u200b５９")
    ('T1059', [0, 1, 2, 4, 5])
    """
    if text.isascii() or not _ODD.search(text):
        return text, None
    swapped = text.translate(_PLAIN)
    if _INVISIBLE.isdisjoint(swapped):
        return swapped, None
    offsets = [at for at, char in enumerate(swapped) if char not in _INVISIBLE]
    return "".join(swapped[at] for at in offsets), offsets


def _linked(report: Report, catalogue: Catalogue, written: list[Mention]) -> Iterator[Mention]:
    """Words that are linked to a page of ATT&CK, where the id itself is not written in them."""
    starts = [mention.start for mention in written]
    for link in report.links:
        match = _ADDRESS.search(link.url)
        quote = report.text[link.start : link.end]
        if match is None or _MARKER.fullmatch(quote) or len(quote) > 160:
            continue  # a note mark such as [R6] names nobody
        inside = written[
            bisect.bisect_left(starts, link.start) : bisect.bisect_left(starts, link.end)
        ]
        mention = _of_link(report, catalogue, link, match)
        if mention is not None and not any(m.kind == mention.kind for m in inside):
            yield mention


def _of_link(
    report: Report, catalogue: Catalogue, link: Link, match: re.Match[str]
) -> Mention | None:
    base, sub = match.group("id").upper(), match.group("sub")
    kind = _KINDS[base.rstrip("0123456789")]
    written = f"{base}.{sub}" if sub and kind == "technique" else base
    concept, problem = _meaning(catalogue, written, kind)
    quote = report.text[link.start : link.end]
    start = link.start + len(quote) - len(quote.lstrip())
    end = start + len(quote.strip())
    return Mention(
        report.id,
        start,
        end,
        report.text[start:end],
        kind,
        concept,
        "id",
        rule="link",
        name="" if concept else written,
        problem=problem,
    )
