"""The command ``ctimine``: thin commands over the functions of the rooms."""

from __future__ import annotations

from ctimine.cli.main import main

__all__ = ["main"]
