"""The Traffic Light Protocol in exports: the word that a report has, and the strictest of many."""

from __future__ import annotations

from collections.abc import Iterable

from ctimine.errors import ExportError
from ctimine.model import TLP, Report, tlp_word


def tlp_of(report: Report) -> str:
    """The word of TLP 2.0 that a report has; ``CLEAR`` where it has none.

    Raises :class:`~ctimine.errors.ExportError` for a word that TLP does not have.

    >>> [tlp_of(Report("r", "s", "i", "", tlp=word)) for word in ("TLP:amber", "white", "")]
    ['AMBER', 'CLEAR', 'CLEAR']
    """
    if word := tlp_word(report.tlp):
        return word
    raise ExportError(f"unknown TLP word {report.tlp!r}", subject=report.item)


def strictest(reports: Iterable[Report]) -> str:
    """The strictest word among reports: how a page that tells of all of them may be shared.

    >>> strictest(Report("r", "s", "i", "", tlp=word) for word in ("GREEN", "AMBER", "CLEAR"))
    'AMBER'
    """
    return max(map(tlp_of, reports), key=TLP.index, default="CLEAR")
