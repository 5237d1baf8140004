"""The reports of a bundle: names that no two share, references, markings, dates of evidence."""

from __future__ import annotations

import collections
import dataclasses
import re
import uuid
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ctimine.export.stix_parts import EPOCH, LADDER, UNKNOWN, stix_time
from ctimine.export.tlp import tlp_of
from ctimine.export.wording import one_line
from ctimine.model import TLP, Claim, Report, stable_id

_ADDRESS = re.compile(r"https?://[^\s<>\"\\^`{|}\x00-\x20\ud800-\udfff]+")

_DATE = re.compile(
    r"\d{4}|\d[./-]\d|\bat\s+\d|\b(jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
"""What pycti's date finder takes for a date, and a little more."""


@dataclasses.dataclass(slots=True)
class Document:
    """One report object to be: what it is and what it lists."""

    stix_id: str
    name: str
    time: str
    modified: str
    url: str
    source_name: str
    tlp: str
    confidence: int
    labels: set[str]
    about: list[str]
    refs: set[str] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def reference(self) -> dict[str, str]:
        """The external reference to it.

        Never a description: OpenCTI shows one text for each address, and pycti guesses dates from
        it.
        """
        return {"source_name": self.source_name, "url": self.url}


class Documents(dict[str, Document]):
    """The documents of one bundle, by report id; cited sources by a key of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, str] = {}

    def add_reports(self, reports: list[Report]) -> None:
        """Add the reports that were mined."""
        names = _distinct_titles(reports)
        for report in reports:
            labels = {*report.labels}
            about = []
            if not report.published:
                labels.add("date-unknown")
                about.append("The document states no date of publication.")
            if report.kind == "mapping":
                about.append("A table that pairs actors and techniques.")
            changes = [fact.value for fact in report.facts if fact.field == "modified"]
            marks = [LADDER.get(report.reliability), LADDER.get(report.credibility)]
            self._add(
                report.id,
                Document(
                    stix_id=_report_id(report),
                    name=names[report.id],
                    time=stix_time(report.published),
                    modified=max(stix_time(date) for date in (report.published, *changes)),
                    url=report.url,
                    source_name=one_line(report.publisher) or one_line(report.source),
                    tlp=tlp_of(report),
                    confidence=min((m for m in marks if m is not None), default=UNKNOWN),
                    labels=labels,
                    about=about,
                ),
            )

    def add_cited(self, sources: Mapping[str, Mapping[str, str]]) -> None:
        """Add sources that the knowledge base cites, by key of the citation."""
        named = {(d.name.casefold(), d.time) for d in self.values()}
        for key, citation in sorted(sources.items()):
            url, name, date = citation.get("url", ""), citation["name"], citation.get("date", "")
            shown = one_line(citation.get("title") or name)
            for more in ("", name, url):
                shown += f" ({more})" if more else ""
                if (shown.casefold(), stix_time(date)) not in named:
                    break
            named.add((shown.casefold(), stix_time(date)))
            undated = () if date else ("date-unknown",)
            self._add(
                key,
                Document(
                    stix_id=f"report--{stable_id('report', key)}",
                    name=shown,
                    time=stix_time(date),
                    modified=stix_time(date),
                    url=url,
                    source_name="",  # the names of citations carry dates; the host will do
                    tlp="CLEAR",
                    confidence=UNKNOWN,
                    labels={"attack-cited", *undated},
                    about=[
                        "A source that MITRE ATT&CK cites; it was not read here.",
                        *("Its citation states no date of publication." for _ in undated),
                    ],
                ),
            )

    def _add(self, key: str, document: Document) -> None:
        host = _host(document.url)
        if not host:
            # An address must be there (MISP and OpenCTI key references by it). A path on somebody's
            # machine is none; the report's own UUID names it anywhere and leads nobody astray.
            document.url = f"urn:uuid:{document.stix_id.split('--')[1]}"
        name = _dateless(document.source_name, host)
        # OpenCTI keeps one reference an address: the first name that it hears must be the only one.
        document.source_name = self.sources.setdefault(document.url, name)
        self[key] = document

    def mildest(self, claims: Iterable[Claim]) -> str:
        """The mildest marking of the evidence: what stricter reports say stays in their notes."""
        words = {self[claim.report].tlp for claim in claims}
        return min(words, key=TLP.index, default="CLEAR")

    def heard(self, claims: Iterable[Claim]) -> tuple[str, list[Claim]]:
        """The mildest marking of the evidence, and the claims under it."""
        claims = list(claims)
        tlp = self.mildest(claims)
        return tlp, [claim for claim in claims if self[claim.report].tlp == tlp]

    def times(self, claims: Iterable[Claim]) -> tuple[str, str]:
        """The earliest date of the evidence, and the latest at which it changed."""
        found = [self[claim.report] for claim in claims]
        return (
            min((document.time for document in found), default=EPOCH),
            max((document.modified for document in found), default=EPOCH),
        )

    def labels(self, claims: Iterable[Claim]) -> list[str]:
        """Labels that every report of the evidence carries, such as that of the samples."""
        sets = [self[claim.report].labels for claim in claims]
        return sorted(set.intersection(*sets) - {"date-unknown"}) if sets else []

    def references(self, keys: Iterable[str]) -> list[dict[str, str]]:
        """References to documents, one an address."""
        rows = {self[key].url: self[key].reference for key in keys}
        return [rows[url] for url in sorted(rows)]


def _host(url: str) -> str:
    """The host of a web address; empty for what is none."""
    try:
        return (_ADDRESS.fullmatch(url) and urlsplit(url).hostname) or ""
    except ValueError:  # such as an IPv6 address without its end
        return ""


def _report_id(report: Report) -> str:
    try:
        if uuid.UUID(report.id).version in {3, 4, 5}:
            return f"report--{report.id}"
    except ValueError:
        pass
    return f"report--{stable_id('report', report.id)}"


def _distinct_titles(reports: list[Report]) -> dict[str, str]:
    """A name for each report that no other of its date has, by publisher, then path."""
    names = {r.id: one_line(r.title) or one_line(r.item) or r.id for r in reports}
    for part in ("publisher", "item", "id"):
        taken = collections.Counter(
            (names[r.id].casefold(), stix_time(r.published)) for r in reports
        )
        names = {
            r.id: f"{names[r.id]} ({more})"
            if taken[names[r.id].casefold(), stix_time(r.published)] > 1
            and (more := one_line(getattr(r, part)))
            else names[r.id]
            for r in reports
        }
    return names


def _dateless(*names: str) -> str:
    """The first name in which nobody could read a date.

    pycti dates a relationship by what it finds in its references, a ``source_name`` such as
    "Unit 42 May 2020" included.
    """
    return next((name for name in names if name and not _DATE.search(name)), "report")
