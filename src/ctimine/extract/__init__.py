"""What a report mentions and claims: ids, names, actors, software, services, stance, claims.

``find_mentions`` and ``extract`` are pure functions of a report and a catalogue, and load no spaCy;
the same steps as spaCy components live in ``ctimine.extract.pipeline``.
"""

from __future__ import annotations

import importlib
from typing import Any

from ctimine.extract.finding import extract, find_mentions

_LATER = {
    "build_pipeline": "pipeline",
    "find_claims": "claims",
    "find_services": "services",
    "report_of": "docs",
    "set_stance": "stance",
    "to_doc": "docs",
}

__all__ = [
    "build_pipeline",
    "extract",
    "find_claims",
    "find_mentions",
    "find_services",
    "report_of",
    "set_stance",
    "to_doc",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ctimine.extract.{_LATER[name]}"), name)
    globals()[name] = value
    return value
