r"""What a site's robots.txt allows, by RFC 9309.

Written out here because the usual parsers turn rules of strangers into regular expressions, where
``/*a*a*a*a*b`` takes for ever, and differ from the RFC in which group and which rule wins. Matching
is linear: the parts of a rule are looked for one after the other, leftmost first.

- The groups that name our product token (letters, case folded) count together; if none does, those
  of ``*``; if there are none either, everything is allowed (§2.2.1).
- The longest matching rule wins, and ``allow`` wins a tie (§2.2.2); octets are compared after
  percent-encoding is brought to one form.
- ``*`` stands for any octets, ``$`` at the end for the end (§2.2.3).
- A file that is not there (4xx) allows everything; one that cannot be had (5xx, no connection)
  denies everything (§2.3.1). The first 500 KiB are read (§2.5).
"""

from __future__ import annotations

import dataclasses
import re
import string
from typing import Final
from urllib.parse import urlsplit

MAX_BYTES: Final = 500 * 1024
MAX_RULES: Final = 5000
MAX_DELAY: Final = 60.0
"""Seconds between requests that a ``Crawl-delay`` (not in the RFC, widely meant) may ask for."""

_UNRESERVED: Final = frozenset((string.ascii_letters + string.digits + "-._~").encode())


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    allow: bool
    parts: tuple[bytes, ...]
    anchored: bool
    length: int

    def matches(self, target: bytes) -> bool:
        first, *rest = self.parts
        if not target.startswith(first):
            return False
        at = len(first)
        if not rest:
            return not self.anchored or at == len(target)
        *middle, last = rest
        for part in middle:
            found = target.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if self.anchored:
            return target.endswith(last) and len(target) - len(last) >= at
        return target.find(last, at) >= 0


@dataclasses.dataclass(frozen=True, slots=True)
class Robots:
    r"""The rules of one site for one product token.

    >>> robots = read_robots(b"User-agent: *\nDisallow: /private\nAllow: /private/reports$")
    >>> robots.allows("https://a.example/private/x"), robots.allows("https://a.example/private/reports")
    (False, True)
    """

    rules: tuple[_Rule, ...] = ()
    delay: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Whether this address may be fetched. ``/robots.txt`` itself always may."""
        parts = urlsplit(url)
        target = parts.path or "/"
        if target == "/robots.txt":
            return True
        if parts.query:
            target += "?" + parts.query
        octets = _one_form(target)
        best: _Rule | None = None
        for rule in self.rules:
            if (
                best is None
                or rule.length > best.length
                or (rule.length == best.length and rule.allow and not best.allow)
            ) and rule.matches(octets):
                best = rule
        return best is None or best.allow


ALLOW_ALL: Final = Robots()
DENY_ALL: Final = Robots(rules=(_Rule(allow=False, parts=(b"/",), anchored=False, length=1),))


def read_robots(body: bytes, product: str = "ctimine") -> Robots:
    """The rules in ``body`` that hold for our product token."""
    token = product.lower()
    text = body[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    ours: list[_Rule] = []
    general: list[_Rule] = []
    delays: dict[bool, float] = {}
    sitemaps: list[str] = []
    named_us = False
    agents: set[str] = set()
    in_rules = True
    for line in re.split(r"\r\n|\r|\n", text):
        name, colon, value = line.split("#", 1)[0].partition(":")
        if not colon:
            continue
        key, value = name.strip().lower(), value.strip()
        if key in {"user-agent", "useragent", "user agent"}:
            if in_rules:
                agents, in_rules = set(), False
            # Only the token counts: "ctimine/2.0 (+…)" names ctimine.
            named = re.match(r"[A-Za-z_-]+", value)
            agents.add("*" if value.startswith("*") else (named[0].lower() if named else value))
            named_us = named_us or token in agents
        elif key in {"allow", "disallow"}:
            in_rules = True
            rule = _rule(value, allow=key == "allow")
            if rule is None:
                continue
            if token in agents and len(ours) < MAX_RULES:
                ours.append(rule)
            elif "*" in agents and len(general) < MAX_RULES:
                general.append(rule)
        elif key == "crawl-delay":
            # Not in the RFC. Like every other line, it does not end the list of agents (§2.2.4).
            seconds = re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?", value)
            if seconds:
                for mine in (True, False):
                    if (token if mine else "*") in agents:
                        delays[mine] = min(float(value), MAX_DELAY)
        elif key == "sitemap" and value and len(sitemaps) < 100:
            sitemaps.append(value)
    return Robots(
        rules=tuple(ours if named_us else general),
        delay=delays.get(named_us, 0.0),
        sitemaps=tuple(sitemaps),
    )


def _rule(value: str, *, allow: bool) -> _Rule | None:
    if not value:
        return None  # an empty rule says nothing
    pattern = value if value.startswith(("/", "*")) else "/" + value
    anchored = pattern.endswith("$")
    pattern = pattern.removesuffix("$")
    parts = tuple(_one_form(part) for part in re.sub(r"\*+", "*", pattern).split("*"))
    return _Rule(allow, parts, anchored, len(_one_form(pattern)))


def _one_form(text: str) -> bytes:
    """Octets with unreserved characters plain and all others outside ASCII percent-encoded."""
    raw = text.encode("utf-8", "replace")
    out = bytearray()
    at = 0
    while at < len(raw):
        octet = raw[at]
        if octet == 0x25 and re.fullmatch(rb"[0-9A-Fa-f]{2}", raw[at + 1 : at + 3]):
            value = int(raw[at + 1 : at + 3], 16)
            out += bytes([value]) if value in _UNRESERVED else b"%%%02X" % value
            at += 3
            continue
        out += bytes([octet]) if 0x20 < octet < 0x7F else b"%%%02X" % octet
        at += 1
    return bytes(out)
