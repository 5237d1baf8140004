"""The rule data of the judging half: scores, words and names of ``rules.toml``."""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from typing import Any, cast


@functools.cache
def rule_data() -> dict[str, Any]:
    """What ``rules.toml`` holds.

    >>> sorted(rule_data())
    ['least_described', 'names', 'score', 'words']
    """
    text = importlib.resources.files("ctimine.extract").joinpath("rules.toml").read_text("utf-8")
    return tomllib.loads(text)


def scores() -> dict[str, float]:
    """Rule → base score.

    >>> scores()["subject"] > scores()["main"]
    True
    """
    return cast("dict[str, float]", rule_data()["score"])


def least_described() -> float:
    """The score from which a technique that is only described makes a claim.

    >>> 0.6 * scores()["subject"] > least_described() > 0.6 * scores()["main"]
    True
    """
    return cast("float", rule_data()["least_described"])
