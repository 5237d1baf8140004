"""The rule data of the judging half: scores, words and names of ``rules.toml``."""

from __future__ import annotations

import functools
from typing import Any, cast

from ctimine.extract.data import read_data


@functools.cache
def rule_data() -> dict[str, Any]:
    """What ``rules.toml`` holds.

    >>> sorted(rule_data())
    ['least_described', 'least_told', 'names', 'score', 'words']
    """
    return read_data("rules.toml")


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
