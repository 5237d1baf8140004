"""All results of a run as files of one folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctimine.errors import ExportError
from ctimine.export.layer import layer_bytes, to_navigator_layer
from ctimine.export.page import to_html
from ctimine.export.rows import Found, to_csv, write_jsonl
from ctimine.export.stix import Flavour, to_stix, to_stix_bytes
from ctimine.export.summary import to_markdown
from ctimine.graph.questions import around

if TYPE_CHECKING:
    import os

    import networkx as nx


def write_all(
    graph: nx.MultiDiGraph,
    folder: str | os.PathLike[str],
    *,
    results: Found | None = None,
    flavour: Flavour = "plain",
    with_cited: bool = False,
    technique: str = "",
) -> tuple[Path, ...]:
    """Write the bundle, tables, layer, summary and page to a folder; give their paths.

    ``technique`` bounds ``bundle.json``, ``claims.csv``, ``layer.json``, ``summary.md`` and
    ``answer.html`` to it and its sub-techniques. The JSON Lines, written when ``results`` (a
    :class:`ctimine.Run`) are given, always hold the whole run. Raises
    :class:`~ctimine.errors.ExportError` that names the place where a file cannot be written.

    >>> import ctimine
    >>> run = ctimine.mine(workers=0)
    >>> [path.name for path in write_all(run.graph, "out", results=run)][:2]
    ['bundle.json', 'reports.jsonl']
    """
    place = Path(folder)
    with _named_if_unwritable(place):
        place.mkdir(parents=True, exist_ok=True)
        bounded = around(graph, technique) if technique else graph
        bundle = to_stix(bounded, flavour=flavour, with_cited=with_cited)
        (place / "bundle.json").write_bytes(to_stix_bytes(bundle))
        written = [place / "bundle.json"]
        if results is not None:
            written += write_jsonl(results, place)
        texts = {
            "claims.csv": to_csv(graph, technique=technique).encode("utf-8"),
            "layer.json": layer_bytes(to_navigator_layer(graph, technique=technique)),
            "summary.md": to_markdown(graph, technique=technique).encode("utf-8", "replace"),
            "answer.html": to_html(graph, technique=technique).encode("utf-8", "replace"),
        }
        for name, body in texts.items():
            (place / name).write_bytes(body)
            written.append(place / name)
        return tuple(written)


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Make the folder if it is not there, and try to write to it: before a long run, not after.

    Raises :class:`~ctimine.errors.ExportError` that names the place.

    >>> check_writable("results")
    """
    import tempfile

    place = Path(folder)
    with _named_if_unwritable(place):
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()


@contextlib.contextmanager
def _named_if_unwritable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise ExportError(message, subject=str(error.filename or place)) from None
