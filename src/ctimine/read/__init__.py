r"""Snapshot → Report: what the bytes say, as text that never changes afterwards.

>>> from ctimine.model import Snapshot
>>> report = read(Snapshot("demo", "a.md", b"# Silver Raven\n\nIt used **T1102**."))
>>> report.title, report.text
('Silver Raven', 'Silver Raven\n\nIt used T1102.')

A reader is a function ``(Snapshot) -> Reading`` in a module of this room, named in :data:`READERS`
by the media type that it reads; its module, and the library behind it, load when first needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ctimine.errors import BrokenDocument, EmptyDocument, ReadError, UnsupportedMedia
from ctimine.model import Report, Snapshot, Source

if TYPE_CHECKING:
    from ctimine.read.guard import read_guarded
    from ctimine.read.media import media_type
    from ctimine.read.text import Reading

__all__ = ["READERS", "media_type", "read", "read_guarded"]

READERS: Final[dict[str, str]] = {
    "application/json": "rows:read_json",
    "application/pdf": "pdf:read_pdf",
    "application/stix+json": "rows:read_stix",
    "application/vnd.attack.layer+json": "layer:read_layer",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx:read_docx",
    "application/x-ndjson": "rows:read_json_lines",
    "application/yaml": "rows:read_yaml",
    "message/rfc822": "mail:read_mail",
    "text/csv": "rows:read_csv",
    "text/html": "html:read_html",
    "text/markdown": "markdown:read_markdown",
    "text/plain": "plain:read_plain",
    "text/tab-separated-values": "rows:read_csv",
}
"""Media type → ``module:function`` of this room that reads it."""


def read(snapshot: Snapshot, source: Source | None = None) -> Report:
    r"""The report that the snapshot's bytes hold; a :class:`ReadError` that names the item if none.

    Pure: no clock, no network, and the same snapshot gives the same report. ``source`` adds what
    its declaration says (publisher, role, reliability, TLP, labels).

    >>> from ctimine.model import Source
    >>> body = b"<title>Turla at work | Lab</title><article><p>It used Pastebin.</p></article>"
    >>> report = read(Snapshot("lab", "a.html", body), Source("lab", publisher="The Lab"))
    >>> report.title, report.publisher, report.text
    ('Turla at work', 'The Lab', 'It used Pastebin.')
    """
    from ctimine.read.media import media_type
    from ctimine.read.metadata import settle

    subject = snapshot.item or snapshot.url
    if not snapshot.body.strip():
        raise EmptyDocument("no bytes", subject=subject)
    media = media_type(snapshot.body, snapshot.item or snapshot.url, snapshot.media_type)
    try:
        reading = _reader(media, subject)(snapshot)
        report = settle(reading, snapshot, source, media) if reading.text else None
    except ReadError:
        raise
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        # A reader's library met bytes that it was not made for. The run names it and goes on.
        raise BrokenDocument(f"{type(error).__name__}: {error}", subject=subject) from error
    if report is None:
        raise EmptyDocument(f"no text in this {media}", subject=subject)
    return report


def _reader(media: str, subject: str) -> Callable[[Snapshot], Reading]:
    place = READERS.get(media)
    if place is None:
        raise UnsupportedMedia(f"no reader for {media}", subject=subject)
    module, name = place.split(":")
    reader: Callable[[Snapshot], Reading] = getattr(
        importlib.import_module(f"{__name__}.{module}"), name
    )
    return reader


def __getattr__(name: str) -> Any:
    if name == "media_type":
        from ctimine.read.media import media_type

        return media_type
    if name == "read_guarded":
        from ctimine.read.guard import read_guarded

        return read_guarded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
