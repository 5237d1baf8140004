"""Floors: scores that a change may raise but never lower in silence.

A floor belongs to a set (its digest), a measure and its options. A changed set is an error, not a
pass: whoever changes it looks at the scores and pins again.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final, Literal, cast

from ctimine.attack import load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate.hidden_names import evaluate_hidden
from ctimine.evaluate.rows import digest, read_rows
from ctimine.evaluate.scoring import Find, Layer, Level, Scores, evaluate_files

MEASURES: Final = ("precision", "recall", "f1", "macro_f1")


@dataclasses.dataclass(frozen=True, slots=True)
class Floor:
    """What a set must score at least.

    ``files`` are relative to a data folder, ``digest`` is that of the files, ``least`` are
    (measure, number) pairs. ``finder`` is what is judged: ``extract``, the whole extraction,
    ``behaviours``, the behaviour model alone, or ``hidden names``, what finds actors that no list
    has, for the actors that ``draw`` hides (:func:`~ctimine.evaluate.evaluate_hidden`).
    """

    name: str
    files: tuple[str, ...]
    digest: str
    layer: Layer
    level: Level
    parents: bool
    closed: bool
    mask_ids: bool
    least: tuple[tuple[str, float], ...]
    finder: Literal["extract", "behaviours", "hidden names"] = "extract"
    draw: int = 0

    def paths(self, folder: Path) -> tuple[Path, ...]:
        """The set's files below a folder."""
        return tuple(folder / name for name in self.files)

    def missing(self, folder: Path) -> str:
        """Why the set cannot be scored here, empty when it can."""
        absent = [path.name for path in self.paths(folder) if not path.is_file()]
        return f"{self.name}: not at hand: {', '.join(absent)}" if absent else ""


def read_floors(path: Path) -> tuple[Floor, ...]:
    """The floors of a JSON file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Floor(
                name=name,
                files=tuple(entry["files"]),
                digest=entry["digest"],
                layer=cast("Layer", entry["layer"]),
                level=cast("Level", entry["level"]),
                parents=entry.get("parents", False),
                closed=entry.get("closed", False),
                mask_ids=entry.get("mask_ids", False),
                least=tuple((key, float(number)) for key, number in entry["least"].items()),
                finder=entry.get("finder", "extract"),
                draw=entry.get("draw", 0),
            )
            for name, entry in values.items()
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"no floors there: {error!r}", subject=str(path)) from None


def check_floor(floor: Floor, folder: Path, *, find: Find | None = None) -> Scores:
    """The scores of a floor's set; raises where one lies under it, or the set is another."""
    if absent := floor.missing(folder):
        raise EvaluationError(absent, subject=floor.name)
    if digest(floor.paths(folder)) != floor.digest:
        raise EvaluationError("the set is not the one of the floor", subject=floor.name)
    scores = _score(floor, folder, find)
    under = [
        f"{measure} {getattr(scores, measure):.4f} < {least:.4f}"
        for measure, least in floor.least
        if getattr(scores, measure) < least
    ]
    if under:
        raise EvaluationError("under the floor: " + ", ".join(under), subject=floor.name)
    return scores


def pin_floors(path: Path, folder: Path, *, lower: bool = False, find: Find | None = None) -> None:
    """Score every set at hand and write what it reaches, cut to three digits.

    A number that would sink raises :class:`ctimine.errors.EvaluationError` unless ``lower`` says
    that somebody means it. Sets that are not at hand keep their entry.
    """
    values: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    sinks: list[str] = []
    for floor in read_floors(path):
        if floor.missing(folder):
            continue
        scores = _score(floor, folder, find)
        reached = {key: int(getattr(scores, key) * 1000) / 1000 for key in MEASURES}
        if digest(floor.paths(folder)) == floor.digest:
            sinks += [
                f"{floor.name} {measure} {reached[measure]} < {least}"
                for measure, least in floor.least
                if reached[measure] < least
            ]
        measures = [measure for measure, _ in floor.least] or list(MEASURES)
        values[floor.name]["least"] = {measure: reached[measure] for measure in measures}
        values[floor.name]["digest"] = digest(floor.paths(folder))
    if sinks and not lower:
        raise EvaluationError("would lower floors: " + "; ".join(sinks), subject=str(path))
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _score(floor: Floor, folder: Path, find: Find | None) -> Scores:
    if find is None and floor.finder == "hidden names":
        rows = [row for path in floor.paths(folder) for row in read_rows(path)]
        return evaluate_hidden(rows, draw=floor.draw, catalogue=load_attack())
    if find is None and floor.finder == "behaviours":
        from ctimine.extract.behaviours import find_behaviours

        find = lambda report: (find_behaviours(report), ())  # noqa: E731
    return evaluate_files(
        floor.paths(folder),
        layer=floor.layer,
        level=floor.level,
        parents=floor.parents,
        closed=floor.closed,
        mask_ids=floor.mask_ids,
        find=find,
    )
