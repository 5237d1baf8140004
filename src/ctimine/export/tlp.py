"""The Traffic Light Protocol: the word that a report has, and which words are stricter.

TLP 2.0, https://www.first.org/tlp/; ``WHITE`` is what TLP 1 calls ``CLEAR``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ctimine.errors import ExportError
from ctimine.model import Report

STRICTNESS = ("WHITE", "CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
"""The words, the mildest first."""


def tlp_of(report: Report) -> str:
    """The TLP word of a report; CLEAR where it has none.

    Raises :class:`~ctimine.errors.ExportError` for a word that TLP does not have.

    >>> [tlp_of(Report("r", "s", "i", "", tlp=word)) for word in ("TLP:amber", "white", "")]
    ['AMBER', 'CLEAR', 'CLEAR']
    """
    word = report.tlp.upper().removeprefix("TLP:") or "CLEAR"
    if word not in STRICTNESS:
        raise ExportError(f"unknown TLP word {report.tlp!r}", subject=report.item)
    return "CLEAR" if word == "WHITE" else word


def strictest(reports: Iterable[Report]) -> str:
    """The strictest word among reports: how a page that tells of all of them may be shared.

    >>> strictest(Report("r", "s", "i", "", tlp=word) for word in ("GREEN", "AMBER", "CLEAR"))
    'AMBER'
    """
    return max(map(tlp_of, reports), key=STRICTNESS.index, default="CLEAR")
