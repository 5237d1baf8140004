"""Scores as text for a person, as JSON for a program, as a plot of their reliability."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from ctimine.evaluate.scoring import Bin, Judged, Scores


def to_text(scores: Scores, *, labels: int = 25, errors: int = 10) -> str:
    """A printable account: totals, labels, reliability, and the worst errors with their words.

    The errors quote the annotated texts. They are for reading, not for publishing: many sets may
    not be passed on.

    >>> from ctimine.evaluate import evaluate_rows
    >>> from ctimine.evaluate.rows import row_of
    >>> row = row_of({"id": "a", "level": "sentence", "text": "It ran.", "techniques": ["T1059"]})
    >>> print(to_text(evaluate_rows([row], find=lambda report: ((), ()))).splitlines()[0])
    techniques by sentence, 1 rows: precision 0.000, recall 0.000, F1 0.000 (macro 0.000)
    """
    total = scores.total
    lines = [
        f"{scores.layer} by {scores.level}, {scores.rows} rows: precision {total.precision:.3f}, "
        f"recall {total.recall:.3f}, F1 {total.f1:.3f} (macro {scores.macro_f1:.3f})",
        f"right {total.right}, false {total.false}, missed {total.missed}"
        + (f"; set {scores.digest[:16]}" if scores.digest else ""),
    ]
    if scores.false_positive_rate is not None:
        lines.append(f"something found in {scores.false_positive_rate:.3f} of sentences without")
    if scores.linked is not None:
        lines.append(f"linked to the right one: {scores.linked:.3f} of those that can be")
    if labels and scores.labels:
        lines += ["", f"{'label':<44} {'right':>6} {'false':>6} {'missed':>6} {'P':>6} {'R':>6} F1"]
        lines += [
            f"{one.label[:44] or '(no label)':<44} {one.right:>6} {one.false:>6} {one.missed:>6} "
            f"{one.precision:>6.3f} {one.recall:>6.3f} {one.f1:.3f}"
            for one in scores.labels[:labels]
        ]
    if scores.reliability:
        lines += ["", f"calibration error {scores.calibration_error:.3f}"]
        lines += [
            f"score {part.low:.2f} to {part.high:.2f}: mean {part.mean_score:.3f}, "
            f"right {part.share_right:.3f} of {part.count}"
            for part in scores.reliability
        ]
    if errors:
        false = [one for one in scores.errors if one.found][:errors]
        missed = [one for one in scores.errors if not one.found][:errors]
        lines += _errors("surest false hits", false) + _errors("missed", missed)
    return "\n".join(lines)


def to_values(scores: Scores) -> dict[str, Any]:
    """The scores as JSON values, without any annotated text."""
    return {
        "layer": scores.layer,
        "level": scores.level,
        "rows": scores.rows,
        "digest": scores.digest,
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "macro_f1": scores.macro_f1,
        "false_positive_rate": scores.false_positive_rate,
        "linked": scores.linked,
        "calibration_error": scores.calibration_error,
        "labels": [
            {
                "label": one.label,
                "right": one.right,
                "false": one.false,
                "missed": one.missed,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
            }
            for one in scores.labels
        ],
        "reliability": [
            {
                "low": part.low,
                "high": part.high,
                "count": part.count,
                "mean_score": part.mean_score,
                "share_right": part.share_right,
            }
            for part in scores.reliability
        ],
    }


def to_svg(table: Sequence[Bin], title: str = "Reliability") -> str:
    """Reliability plot as SVG: a dot a bin, its area by its mass, on the line where right is right.

    >>> to_svg([Bin(0.4, 0.6, 10, 0.5, 0.6)]).count("<circle")
    1
    """
    size, margin = 320, 48
    most = max((part.count for part in table), default=1)

    def across(value: float) -> float:
        return margin + value * size

    def up(value: float) -> float:
        return margin + (1 - value) * size

    whole = size + 2 * margin
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{whole}" '
        f'viewBox="0 0 {whole} {whole}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{html.escape(title)}</title>",
        f'<rect x="{margin}" y="{margin}" width="{size}" height="{size}" fill="none" '
        'stroke="#999"/>',
        f'<line x1="{across(0):.1f}" y1="{up(0):.1f}" x2="{across(1):.1f}" y2="{up(1):.1f}" '
        'stroke="#999" stroke-dasharray="4"/>',
    ]
    parts += [
        f'<text x="{across(mark):.1f}" y="{up(0) + 16:.1f}" text-anchor="middle">{mark}</text>'
        f'<text x="{across(0) - 6:.1f}" y="{up(mark) + 4:.1f}" text-anchor="end">{mark}</text>'
        for mark in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    parts += [
        f'<circle cx="{across(part.mean_score):.1f}" cy="{up(part.share_right):.1f}" '
        f'r="{3 + 6 * (part.count / most) ** 0.5:.1f}" fill="#1f5fa8" fill-opacity="0.75"/>'
        for part in table
    ]
    parts += [
        f'<text x="{whole / 2}" y="{margin - 18}" text-anchor="middle">{html.escape(title)}</text>',
        f'<text x="{whole / 2}" y="{whole - 8}" text-anchor="middle">mean score</text>',
        f'<text x="12" y="{whole / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {whole / 2})">share right</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def _errors(title: str, items: Sequence[Judged]) -> list[str]:
    if not items:
        return []
    lines = ["", title]
    for one in items:
        words = " ".join(one.text.split())
        shown = words if len(words) <= 240 else words[:237] + "..."
        lines.append(f"  {one.label} {one.score:.2f} {one.row} {one.start}:{one.end}  {shown}")
    return lines
