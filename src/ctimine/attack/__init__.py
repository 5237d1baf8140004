"""ATT&CK and actor names as one versioned catalogue; takes files, never opens a socket."""

from __future__ import annotations

from ctimine.attack.catalogue import (
    Catalogue,
    GalaxyActor,
    available_versions,
    fold,
    load_attack,
)
from ctimine.attack.changes import Changes, compare
from ctimine.attack.citations import parse_citation
from ctimine.attack.official import (
    Analytic,
    Detail,
    LogSource,
    Mitigation,
    Strategy,
    load_official,
)

__all__ = [
    "Analytic",
    "Catalogue",
    "Changes",
    "Detail",
    "GalaxyActor",
    "LogSource",
    "Mitigation",
    "Strategy",
    "available_versions",
    "compare",
    "fold",
    "load_attack",
    "load_official",
    "parse_citation",
]
