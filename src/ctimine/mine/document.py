"""The per-document way, Snapshot → Report → Mentions, Claims, as one pure function.

No clock, no network and no archive in it: that is what a pool or a cluster runs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ctimine.attack import Catalogue
from ctimine.model import Claim, Fact, Mention, Report, Snapshot, Source

if TYPE_CHECKING:
    from ctimine.extract.behaviours import Threshold
    from ctimine.extract.recogniser import Names


@dataclasses.dataclass(frozen=True, slots=True)
class Mined:
    """One document as text, with what was found in it."""

    report: Report
    mentions: tuple[Mention, ...]
    claims: tuple[Claim, ...]


def mine_document(
    snapshot: Snapshot,
    catalogue: Catalogue,
    *,
    source: Source | None = None,
    behaviours: Threshold | None = "balanced",
    names: Names = "all",
) -> Mined:
    r"""The report that the snapshot holds, its mentions and its claims.

    ``behaviours`` is the threshold for described techniques, ``names`` says whether names that no
    list has count, see :func:`ctimine.extract`. Raises a :class:`~ctimine.errors.ReadError` that
    names the item if the bytes cannot be read.

    >>> from ctimine import Snapshot, load_attack
    >>> body = b"# Turla\n\nTurla used Pastebin for its C2 traffic (T1102)."
    >>> mined = mine_document(Snapshot("demo", "turla.md", body), load_attack())
    >>> [(claim.subject, claim.relation, claim.object, claim.stance) for claim in mined.claims]
    [('G0010', 'uses', 'T1102', 'reported')]
    """
    from ctimine.extract import extract
    from ctimine.extract.languages import reading_notes
    from ctimine.read import read

    report = read(snapshot, source)
    notes = tuple(Fact("text", note, "extract") for note in reading_notes(report))
    if notes:
        report = dataclasses.replace(report, facts=(*report.facts, *notes))
    mentions, claims = extract(report, catalogue, behaviours=behaviours, names=names)
    return Mined(report, mentions, claims)
