"""Politeness towards one host: how many at once, how long between two, and when it said "later".

Time is asked of the loop for pauses and of the clock for dates; both stand behind one small record,
so that a test may say what time it is.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from ctimine.errors import RateLimited

MAX_WAIT: Final = 120.0
"""Seconds that a run waits for a host that said "later"; a longer wait is left to the next run."""
MAX_HOSTS: Final = 10_000
"""Hosts whose state is kept at once; the longest unused go first."""


class Pace:
    """Requests to each host, spaced and bounded.

    ``interval`` are seconds between the starts of two requests to one host, ``each`` how many may
    be under way to one host, ``total`` how many in all.
    """

    def __init__(
        self,
        *,
        interval: float = 1.0,
        each: int = 2,
        total: int = 16,
        max_wait: float = MAX_WAIT,
    ) -> None:
        self.max_wait = max_wait
        self._interval = interval
        self._each = each
        self._total = asyncio.Semaphore(total)
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for this host's turn, and hold a place while the request is under way.

        Raises RateLimited if it asks for more patience than there is, however long we wait already.
        """
        state = self._host(host)
        async with state.places:
            while True:
                later = state.not_before
                if later - time.time() > self.max_wait:
                    raise RateLimited(later_words(later), subject=host, until=later)
                async with self._total:
                    pause = state.next_start - time.monotonic()
                    if pause <= 0:
                        # Nothing is awaited between this look and the reservation.
                        state.next_start = time.monotonic() + max(self._interval, state.delay)
                        yield
                        return
                # Who waits holds no place in the total: one slow host must not stop the others.
                await asyncio.sleep(pause)

    def wait_until(self, host: str, moment: float) -> None:
        """No request to this host starts before ``moment`` (Unix time)."""
        state = self._host(host)
        state.not_before = max(state.not_before, moment)
        state.next_start = max(state.next_start, time.monotonic() + moment - time.time() + 0.01)

    def slow_down(self, host: str, seconds: float) -> None:
        """At least this many seconds between two requests to this host."""
        state = self._host(host)
        state.delay = max(state.delay, seconds)

    def _host(self, host: str) -> _Host:
        state = self._hosts.pop(host, None) or _Host(self._each)
        self._hosts[host] = state
        if len(self._hosts) > MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        return state


class _Host:
    __slots__ = ("delay", "next_start", "not_before", "places")

    def __init__(self, each: int) -> None:
        self.places = asyncio.Semaphore(each)
        self.next_start = 0.0
        self.not_before = 0.0
        self.delay = 0.0


def later_words(moment: float) -> str:
    """What to say of a host that wants to be asked after ``moment``."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(moment, 253402300799.0)))
    return f"asked to come back after {when}"


def retry_moment(headers: Mapping[str, str], now: float) -> float:
    """Unix time at which a host wants to be asked again, 0 if it does not say.

    ``Retry-After`` in seconds or as a date (RFC 9110 §10.2.3), and the counters that GitHub and
    others send when the budget is used up.

    >>> retry_moment({"retry-after": "120"}, 1000.0)
    1120.0
    >>> retry_moment({"retry-after": "Thu, 01 Jan 1970 01:00:00 GMT"}, 1000.0)
    3600.0
    >>> retry_moment({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5000"}, 1000.0)
    5000.0
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value):
        return now + float(value)
    if value:
        moment = _date(value)
        if moment:
            # Counted from the host's own clock if it tells that: clocks differ.
            theirs = _date(headers.get("date", ""))
            return now + max(0.0, moment - theirs) if theirs else moment
    if headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", "")).strip() == "0":
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")).strip()
        if re.fullmatch(r"\d{1,11}", reset):
            number = float(reset)
            # GitHub gives Unix time, the IETF draft seconds from now.
            return (
                number if number > 1_000_000_000 or "x-ratelimit-reset" in headers else now + number
            )
    return 0.0


def _date(value: str) -> float:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    try:
        return max(0.0, moment.timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0
