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
    ['least_described', 'least_told', 'names', 'score', 'words']
    """
    text = importlib.resources.files("ctimine.extract").joinpath("rules.toml").read_text("utf-8")
    return tomllib.loads(text)


def scores() -> dict[str, float]:
    """Rule → base score.

    >>> scores()["subject"] > scores()["main"]
    True
    """
    return cast("dict[str, float]", rule_data()["score"])


def least_described(*, sifted: bool = False) -> float:
    """The score from which a technique without name or id makes a claim.

    ``sifted`` says that a person goes through what is found.

    >>> told = 0.82
    >>> told * scores()["section"] > least_described() > told * scores()["main"]
    True
    >>> told * scores()["main"] > least_described(sifted=True)
    True
    """
    return cast("float", rule_data()["least_described" if sifted else "least_told"])
