"""The evidence graph in other people's formats: STIX, tables, Navigator, Markdown, HTML."""

from __future__ import annotations

from ctimine.export.files import check_writable, write_all
from ctimine.export.layer import layer_bytes, to_navigator_layer
from ctimine.export.page import to_html
from ctimine.export.rows import to_csv, write_jsonl
from ctimine.export.stix import to_stix, to_stix_bytes
from ctimine.export.summary import to_markdown

__all__ = [
    "check_writable",
    "layer_bytes",
    "to_csv",
    "to_html",
    "to_markdown",
    "to_navigator_layer",
    "to_stix",
    "to_stix_bytes",
    "write_all",
    "write_jsonl",
]
