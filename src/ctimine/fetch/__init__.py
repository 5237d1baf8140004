"""Source → Snapshot: bytes as they came, from folders, zip archives and the network.

Names load when first asked for, so that who mines a folder never imports an HTTP client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ctimine.fetch.fetcher import Fetcher
    from ctimine.fetch.folder import fetch_folder
    from ctimine.fetch.visit import Account, Visit

__all__ = ["Account", "Fetcher", "Visit", "fetch_folder"]

_HOMES: Final[dict[str, str]] = {
    "Account": "visit",
    "Fetcher": "fetcher",
    "Visit": "visit",
    "fetch_folder": "folder",
}
"""Public name → module of this room that defines it."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
