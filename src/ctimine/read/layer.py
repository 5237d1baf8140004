"""ATT&CK Navigator layers: techniques that somebody coloured, with score and comment.

A layer says which techniques somebody looked at, not who uses them; it is of kind ``layer``. The
format is that of the Navigator's layer files, versions 1 to 4.5.
"""

from __future__ import annotations

from typing import Any, Final

from ctimine.errors import UnsupportedMedia
from ctimine.model import Fact, Snapshot
from ctimine.read.rows import load_json
from ctimine.read.text import Cell, Reading, TextBuilder

_COLUMNS: Final = (
    ("techniqueID", "Technique ID"),
    ("tactic", "Tactic"),
    ("score", "Score"),
    ("comment", "Comment"),
    ("metadata", "Metadata"),
)


def read_layer(snapshot: Snapshot) -> Reading:
    r"""The layer's description and a row for each technique.

    >>> body = b'{"name": "Cover", "techniques": [{"techniqueID": "T1102", "score": 2}]}'
    >>> reading = read_layer(Snapshot("s", "layer.json", body))
    >>> reading.kind, reading.text
    ('layer', 'Cover\n\nTechnique ID\tScore\nT1102\t2')
    """
    value = load_json(snapshot)
    if not is_layer(value):
        from ctimine.read.rows import read_value

        return read_value(value, snapshot)
    reading = read_layer_value(value)
    if not reading.text:
        raise UnsupportedMedia("an empty layer", subject=snapshot.item or snapshot.url)
    return reading


def is_layer(value: Any) -> bool:
    """Whether a loaded JSON value is a layer."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("techniques"), list)
        and any(
            isinstance(one, dict) and isinstance(one.get("techniqueID"), str)
            for one in value["techniques"]
        )
    )


def read_layer_value(value: dict[str, Any]) -> Reading:
    """The reading of a loaded layer."""
    builder = TextBuilder()
    facts = []
    name, description = value.get("name"), value.get("description")
    if isinstance(name, str) and name.strip():
        facts.append(Fact("title", name.strip(), "layer"))
        builder.add("heading", name, level=1)
    if isinstance(description, str):
        builder.add("paragraph", description)
    rows = [
        [_cell(one.get(key)) for key, _ in _COLUMNS]
        for one in value["techniques"]
        if isinstance(one, dict) and one.get("enabled") is not False
    ]
    kept = [at for at in range(len(_COLUMNS)) if any(row[at] for row in rows)]
    if kept:
        header = [Cell(_COLUMNS[at][1], header=True) for at in kept]
        builder.table([header, *([row[at] for at in kept] for row in rows)])
    return builder.reading(facts=facts, kind="layer")


def _cell(value: Any) -> str:
    if isinstance(value, list):
        pairs = [item for item in value if isinstance(item, dict)]
        return "; ".join(f"{pair.get('name', '')}: {pair.get('value', '')}" for pair in pairs)[
            :2000
        ]
    return "" if value is None or isinstance(value, dict) else str(value)[:20_000]
