"""The evidence graph in other people's formats."""

from __future__ import annotations

from ctimine.export.stix import to_stix, to_stix_bytes

__all__ = ["to_stix", "to_stix_bytes"]
