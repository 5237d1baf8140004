"""ctimine: which actor uses which ATT&CK technique, who says so, in which sentence, how sure.

>>> import ctimine
>>> run = ctimine.mine(workers=0)  # without a place: the sample corpus
>>> answer = next(a for a in ctimine.who_uses(run.graph, "T1102") if a.actor == "G0010")
>>> answer.stance
'reported'

The names here load their rooms when first used: ``import ctimine`` stays quick.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctimine.attack import Catalogue, load_attack
    from ctimine.errors import CtimineError
    from ctimine.export import to_csv, to_markdown, to_navigator_layer, to_stix, write_jsonl
    from ctimine.extract import build_pipeline, extract, to_doc
    from ctimine.graph import build_graph, find_claims, fold_copies, who_uses
    from ctimine.mine import Run, mine
    from ctimine.model import Claim, Concept, Mention, Report, Snapshot, Source
    from ctimine.read import read

__version__ = "0.1.0"

_ROOMS = {
    "Catalogue": "attack",
    "Claim": "model",
    "Concept": "model",
    "CtimineError": "errors",
    "Mention": "model",
    "Report": "model",
    "Run": "mine",
    "Snapshot": "model",
    "Source": "model",
    "build_graph": "graph",
    "build_pipeline": "extract",
    "extract": "extract",
    "find_claims": "graph",
    "fold_copies": "graph",
    "load_attack": "attack",
    "mine": "mine",
    "read": "read",
    "to_csv": "export",
    "to_doc": "extract",
    "to_markdown": "export",
    "to_navigator_layer": "export",
    "to_stix": "export",
    "who_uses": "graph",
    "write_jsonl": "export",
}
"""Public name → the room that it lives in."""

__all__ = [
    "Catalogue",
    "Claim",
    "Concept",
    "CtimineError",
    "Mention",
    "Report",
    "Run",
    "Snapshot",
    "Source",
    "build_graph",
    "build_pipeline",
    "extract",
    "find_claims",
    "fold_copies",
    "load_attack",
    "mine",
    "read",
    "to_csv",
    "to_doc",
    "to_markdown",
    "to_navigator_layer",
    "to_stix",
    "who_uses",
    "write_jsonl",
]


_ALSO_ROOMS = frozenset({"extract", "mine", "read"})
"""Functions that are called like the room that they live in."""


class _Package(types.ModuleType):
    """Keeps ``ctimine.mine`` the function, although a room is called so, too.

    The import system binds a subpackage to its name in the parent as soon as anything imports it.
    Without this, ``ctimine.mine(...)`` would work or fail by what was imported before.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ALSO_ROOMS and isinstance(value, types.ModuleType):
            value = getattr(value, name, value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
