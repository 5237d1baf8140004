"""The data files beside the code of extraction: read, and their patterns compiled."""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from typing import Any

from ctimine.errors import ExtractError


def read_data(name: str) -> dict[str, Any]:
    """What a TOML file of this package holds.

    >>> sorted(read_data("service_words.toml"))
    ['classes']
    """
    text = importlib.resources.files("ctimine.extract").joinpath(name).read_text("utf-8")
    return tomllib.loads(text)


def compiled(pattern: str, subject: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """The pattern of a data file; an :class:`ExtractError` names the ``subject`` if it is none.

    >>> bool(compiled("pastes?", "services").search("A Paste"))
    True
    """
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise ExtractError(f"not a pattern: {error}", subject=subject) from None
