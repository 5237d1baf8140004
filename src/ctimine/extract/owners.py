"""Whose own a tool is: who operates, develops or keeps it, not who merely uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ctimine.extract.agents import Thing
from ctimine.extract.caseless import caseless

_OPERATES: Final = caseless(
    r"\W[^.;:]{0,40}?\b(?:operat(?:es?|ed|ing)|operation of|maintain(?:s|ed|ing)?|"
    r"develop(?:s|ed|ing)?|authored|behind|owns?|responsible for)\b"
    r"(?: (?!(?:in|on|at|to|by|as|and|for|from|with|using)\b)[\w'’-]+){0,3} [*_`“\"]*$"
)
"""What stands between an actor and its tool: "A, which has been operating the T"."""
_OPERATED_BY: Final = caseless(
    r"\W[^.;:]{0,40}?\b(?:(?:operated|maintained|developed|written|created|run|owned|controlled)|"
    r"(?:only|exclusively|solely) used|used (?:only|exclusively|solely)) (?:[\w'’-]+ ){0,3}?by "
    r"(?:[\w'’-]+ ){0,3}?[*_`“\"]*$"
)
"""What stands between a tool and its actor: "T is only used by A"."""
_BEHIND: Final = caseless(
    r"\b(?:group|gang|actors?|adversary|team|crew|cluster|operators?|attackers?) "
    r"(?:behind|that (?:operates|runs|developed|maintains)|responsible for) "
    r"(?:[\w'’-]+ ){0,2}?[*_`“\"]*$"
)
"""What stands ahead of a tool whose actor is named after it: "the gang behind T is A"."""
_IS: Final = caseless(r"[^.;:]{0,40}?\b(?:as|is|are|called|dubbed|,) (?:the )?[*_`“\"]*$")
_DENIED: Final = caseless(
    r"\b(?:not|never|unlikely|unclear|if|whether|false(?:ly)?|wrong(?:ly)?)\b"
)
_AHEAD: Final = 80  # characters


def owner_of_tool(
    tool: str, things: Sequence[Thing], words: str, cluster: Callable[[str], str]
) -> str:
    """The cluster of the one actor whose own a tool is said to be, else nothing.

    ``tool`` is its key, ``things`` are sorted by place, ``words`` is the text in lower case,
    ``cluster`` gives the key under which an actor's names count.

    >>> text = "the gang behind brine is called alpha."
    >>> brine = Thing(16, 21, "brine", "Brine", "software")
    >>> alpha = Thing(32, 37, "alpha", "Alpha", "actor")
    >>> owner_of_tool("brine", [brine, alpha], text, str)
    'alpha'
    >>> owner_of_tool("brine", [brine, alpha], text.replace("gang", "page"), str)
    ''
    """
    owners = {
        cluster(actor.key)
        for at, thing in enumerate(things)
        if thing.key == tool and thing.kind == "software"
        for actor in things[max(0, at - 1) : at + 2]
        if actor.kind == "actor" and actor.stance != "negated" and _owns(actor, thing, words)
    }
    return owners.pop() if len(owners) == 1 else ""


def _owns(actor: Thing, tool: Thing, words: str) -> bool:
    """Whether what stands between two neighbours says that the tool is the actor's own."""
    between = words[min(actor.end, tool.end) : max(actor.start, tool.start)]
    if _DENIED.search(between):
        return False
    if actor.start < tool.start:
        return bool(_OPERATES.match(between))
    if _OPERATED_BY.match(between):
        return True
    return bool(
        _IS.match(between) and _BEHIND.search(words[max(0, tool.start - _AHEAD) : tool.start])
    )
