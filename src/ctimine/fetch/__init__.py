"""Source → Snapshot: bytes as they came, from folders, zip archives and the network.

Names load when first asked for, so that who mines a folder never imports an HTTP client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ctimine.fetch.attack import fetch_releases
    from ctimine.fetch.check import Check, check_sources
    from ctimine.fetch.fetcher import Fetcher
    from ctimine.fetch.folder import fetch_folder
    from ctimine.fetch.sources import add_source, is_enabled, load_sources
    from ctimine.fetch.visit import Account, Visit

__all__ = [
    "Account",
    "Check",
    "Fetcher",
    "Visit",
    "add_source",
    "check_sources",
    "fetch_folder",
    "fetch_releases",
    "is_enabled",
    "load_sources",
]

_HOMES: Final[dict[str, str]] = {
    "Account": "visit",
    "Check": "check",
    "Fetcher": "fetcher",
    "Visit": "visit",
    "add_source": "sources",
    "check_sources": "check",
    "fetch_folder": "folder",
    "fetch_releases": "attack",
    "is_enabled": "sources",
    "load_sources": "sources",
}
"""Public name → module of this room that defines it."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
