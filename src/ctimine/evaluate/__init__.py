"""Scores against annotated texts, floors that only rise, and the training of models."""

from __future__ import annotations

from ctimine.evaluate.floors import Floor, check_floor, pin_floors, read_floors
from ctimine.evaluate.hidden_names import evaluate_hidden
from ctimine.evaluate.name_training import train_names
from ctimine.evaluate.reporting import to_svg, to_text, to_values
from ctimine.evaluate.rows import Gold, Row, read_rows, row_of
from ctimine.evaluate.scoring import (
    Bin,
    Find,
    Judged,
    LabelScores,
    Layer,
    Level,
    Scores,
    calibration_error,
    evaluate_files,
    evaluate_rows,
    reliability,
)

__all__ = [
    "Bin",
    "Find",
    "Floor",
    "Gold",
    "Judged",
    "LabelScores",
    "Layer",
    "Level",
    "Row",
    "Scores",
    "calibration_error",
    "check_floor",
    "evaluate_files",
    "evaluate_hidden",
    "evaluate_rows",
    "pin_floors",
    "read_floors",
    "read_rows",
    "reliability",
    "row_of",
    "to_svg",
    "to_text",
    "to_values",
    "train_names",
]
