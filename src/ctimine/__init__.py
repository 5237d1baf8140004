"""ctimine: which actor uses which ATT&CK technique, who says so, in which sentence, how sure."""

from __future__ import annotations

__version__ = "0.1.0"
