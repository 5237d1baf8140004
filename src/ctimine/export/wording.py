"""How an edge is said in words, one way for all formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctimine.graph.questions import by_passage, name_of
from ctimine.model import Claim

if TYPE_CHECKING:
    import networkx as nx

LONGEST_QUOTE = 1500
"""Characters of a quote in a note; the whole passage stands in ``claims.jsonl``."""

# Characters that no reader shows or that turn the text around: controls, format characters
# (bidirectional overrides among them), lone surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

_VERBS = {
    "uses": "uses",
    "exploits": "exploits",
    "attributed-to": "is attributed to",
    "not-attributed-to": "is not attributed to",
    "alias-of": "is another name of",
    "overlaps": "overlaps with",
    "part-of": "is part of",
}


def one_line(text: str) -> str:
    r"""Text on one line, without characters that cannot be seen.

    >>> one_line("sent  to\n the\u202e server")
    'sent to the server'
    """
    return " ".join(_UNSEEN.sub(" ", text).split())


def shortened(text: str, longest: int = LONGEST_QUOTE) -> str:
    """One line of at most ``longest`` characters."""
    line = one_line(text)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def thing(graph: nx.MultiDiGraph, node: str) -> str:
    """A subject or object with its id: ``Turla (G0010)``, ``T1102 Web Service``, ``CVE-2020-1``."""
    name = one_line(name_of(graph, node))
    if node.startswith(("name:", "misp:", "service:")) or name == node:
        return name
    return f"{node} {name}" if node.startswith("T") else f"{name} ({node})"


def edge_line(graph: nx.MultiDiGraph, subject: str, relation: str, target: str) -> str:
    """``Turla (G0010) uses T1102 Web Service``."""
    return f"{thing(graph, subject)} {_VERBS[relation]} {thing(graph, target)}"


def besides(claims: Sequence[Claim], against: Sequence[Claim] = ()) -> str:
    """What there is besides the best sentence, in parentheses; empty where there is nothing.

    >>> told = [Claim("r", n, n + 5, "Told.", "G0010", "uses", "T1102", "id") for n in (0, 9)]
    >>> besides(told), besides(told[:1]), besides(told[:1], against=told)
    (' (+1 more sentence)', '', ' (2 sentences deny it)')
    """
    more, denying = len(by_passage(claims)) - 1, len(by_passage(against))
    parts = [f"+{more} more sentence{'s'[: more > 1]}"] * (more > 0)
    if denying:
        words = ("sentences deny", "sentence denies")[denying == 1]
        parts.append(f"{denying} {words} it")
    return f" ({', '.join(parts)})" if parts else ""


def via_of(graph: nx.MultiDiGraph, claims: list[Claim]) -> list[str]:
    """Names of the services and software that the claims say it is done with."""
    from ctimine.extract.service_names import services  # compiles many patterns

    names = set()
    for claim in claims:
        if claim.via:
            service = services().get(claim.via)
            node = f"service:{claim.via}"
            known = name_of(graph, node if node in graph else claim.via)
            names.add(service.name if service else one_line(known))
    return sorted(names)
