"""Claims of many reports as one evidence graph: built, folded, asked."""

from __future__ import annotations

from ctimine.graph.build import build_graph, merge_graphs
from ctimine.graph.folding import Copy, find_copies, fold_copies, fold_results
from ctimine.graph.questions import (
    Answer,
    combined_score,
    find_claims,
    report_of,
    supporting_reports,
    what_does,
    what_uses,
    who_uses,
)
from ctimine.graph.services import ServiceUse, services_used

__all__ = [
    "Answer",
    "Copy",
    "ServiceUse",
    "build_graph",
    "combined_score",
    "find_claims",
    "find_copies",
    "fold_copies",
    "fold_results",
    "merge_graphs",
    "report_of",
    "services_used",
    "supporting_reports",
    "what_does",
    "what_uses",
    "who_uses",
]
