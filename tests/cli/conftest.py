"""The fake internet of the fetch tests, for the commands that reach out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "fetch"))
from fetch_internet import Internet


@pytest.fixture
def internet():
    """An empty fake internet."""
    internet = Internet()
    yield internet
    internet.close()
