"""Data files of extraction: what is no pattern is named."""

from __future__ import annotations

import pytest

from ctimine.errors import ExtractError
from ctimine.extract.data import compiled


def test_what_is_no_pattern_is_named():
    with pytest.raises(ExtractError, match=r"^cues\.toml: denial: not a pattern: "):
        compiled("(", "cues.toml: denial")
