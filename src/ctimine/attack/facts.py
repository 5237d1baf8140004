"""The built-in facts: what the package ships, decoded when first asked for."""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from ctimine.errors import CatalogueError
from ctimine.model import Citation, Use

BUILT_IN: Final = ("18.1", "19")
"""The releases whose facts the package ships, oldest first."""

_LETTERS: Final = {"o": "18.1", "n": "19"}


class Edges(Protocol):
    """Edges of a knowledge base, to be asked from either end."""

    def start(self, subject_id: str) -> tuple[Use, ...]:
        """Edges that start at a concept."""
        ...

    def end(self, object_id: str, by: Callable[[str], bool]) -> tuple[Use, ...]:
        """Edges that end at a concept, of the subjects that ``by`` takes."""
        ...


class GivenEdges:
    """Edges that are at hand as records."""

    def __init__(self, uses: Iterable[Use]) -> None:
        self._forward: dict[str, list[Use]] = {}
        self._backward: dict[str, list[Use]] = {}
        for use in uses:
            self._forward.setdefault(use.subject, []).append(use)
            self._backward.setdefault(use.object, []).append(use)

    def start(self, subject_id: str) -> tuple[Use, ...]:
        """Edges that start at a concept."""
        return tuple(self._forward.get(subject_id, ()))

    def end(self, object_id: str, by: Callable[[str], bool]) -> tuple[Use, ...]:
        """Edges that end at a concept, of the subjects that ``by`` takes."""
        return tuple(use for use in self._backward.get(object_id, ()) if by(use.subject))


class _BuiltInEdges:
    """Edges of the facts file in the view of one release; records are made when asked for.

    A row is relation, object, the views that hold it (``o``: 18.1, ``n``: 19), the releases that
    state it, its citations at 18.1, and those that only the view of 19 adds.
    """

    def __init__(self, facts: dict[str, Any], version: str) -> None:
        self._letter = next(letter for letter, name in _LETTERS.items() if name == version)
        self._rows: dict[str, list[Any]] = facts["uses"]
        self._citations = [Citation(*row) for row in facts["citations"]]
        self._backward: dict[str, list[tuple[str, Any]]] = {}
        for subject, rows in self._rows.items():
            for row in rows:
                if self._letter in row[2]:
                    self._backward.setdefault(row[1], []).append((subject, row))

    def start(self, subject_id: str) -> tuple[Use, ...]:
        """Edges that start at a concept."""
        rows = self._rows.get(subject_id, ())
        return tuple(self._use(subject_id, row) for row in rows if self._letter in row[2])

    def end(self, object_id: str, by: Callable[[str], bool]) -> tuple[Use, ...]:
        """Edges that end at a concept, of the subjects that ``by`` takes."""
        found = self._backward.get(object_id, ())
        return tuple(self._use(subject, row) for subject, row in found if by(subject))

    def _use(self, subject: str, row: Any) -> Use:
        relation, object_id, _, stated, then, more = row
        pure = self._letter == "o"
        citations = tuple(self._citations[n] for n in (then if pure else then + more))
        versions = tuple(_LETTERS[letter] for letter in ("o" if pure and not stated else stated))
        return Use(
            subject,
            relation,
            object_id,
            versions=versions,
            citations=citations,
            citations_from="18.1" if citations else "",
        )


def built_in_edges(version: str) -> Edges:
    """The edges of a built-in release."""
    return _BuiltInEdges(_uses(), version)


@functools.cache
def _uses() -> dict[str, Any]:
    found: dict[str, Any] = read_facts("uses.json.gz")
    return found


def read_facts(name: str) -> Any:
    """One file of the built-in facts."""
    try:
        packed = importlib.resources.files("ctimine.attack").joinpath("data", name).read_bytes()
        return json.loads(gzip.decompress(packed))
    except (OSError, EOFError, ValueError) as error:
        raise CatalogueError(f"the built-in facts are damaged: {error}", subject=name) from None
