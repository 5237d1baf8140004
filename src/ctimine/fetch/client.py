"""One polite, bounded GET at a time: what every kind of source asks the web through.

A request has a deadline as a whole, follows at most five redirects, sends a credential to the
origin it belongs to and nowhere else, respects robots.txt, waits when told to, and gives bytes or
an error that names its reason. No address, header or secret of it is logged.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from ctimine.errors import (
    AddressRefused,
    BadAnswer,
    Blocked,
    BrokenSource,
    DeadlineExceeded,
    FetchError,
    RateLimited,
    RobotsDenied,
    TLSRefused,
    Unreachable,
)
from ctimine.fetch.addresses import address_reason, checked_url, host_of, origin_of
from ctimine.fetch.bodies import ACCEPTED, MAX_BYTES, Unpacker
from ctimine.fetch.pace import Pace, later_words, retry_moment
from ctimine.fetch.robots import ALLOW_ALL, DENY_ALL, Robots, read_robots
from ctimine.fetch.robots import MAX_BYTES as MAX_ROBOTS
from ctimine.model import redacted

MAX_HOPS: Final = 5
DEADLINE: Final = 60.0
ATTEMPTS: Final = 3
MAX_SITES: Final = 5_000
"""Sites whose robots.txt is kept in memory."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({429, 503})
_AGAIN: Final = frozenset({408, 425, 500, 502, 504})
_REFUSALS: Final = frozenset({401, 403, 407, 451})
_CHALLENGE: Final = re.compile(
    rb"_cf_chl_opt|/cdn-cgi/challenge-platform/|<title>Just a moment\.\.\.|"
    rb"Checking your browser before accessing|geo\.captcha-delivery\.com|"
    rb"_Incapsula_Resource|px-captcha|aws-waf-token|awsWafCookieDomainList|"
    rb"<title>(?:Access Denied|Attention Required! \| Cloudflare|DDoS-Guard|Vercel Security)|"
    rb"g-recaptcha-response|ak-challenge|sgcaptcha",
    re.IGNORECASE,
)
"""Marks of pages that ask for a browser or a person."""


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """An answer. ``unchanged``: the same as when ``note`` was made, by validators or by content.

    ``note`` is what to remember of it, for the next :meth:`Web.get`. ``moved`` says that every
    redirect on the way was a permanent one. ``headers`` have lower-case names.
    """

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    unchanged: bool = False
    moved: bool = False
    note: str = ""

    @property
    def media_type(self) -> str:
        """What the answer claims to be, with its charset; what it *is*, the content tells."""
        return self.headers.get("content-type", "")[:200]

    def json_object(self) -> dict[str, Any]:
        """The object that the body is in JSON; raises BrokenSource if it is none."""
        value = self._json()
        if not isinstance(value, dict):
            raise BrokenSource("JSON, but no object", subject=self.url)
        return value

    def json_list(self) -> list[Any]:
        """The list that the body is in JSON; raises BrokenSource if it is none."""
        value = self._json()
        if not isinstance(value, list):
            raise BrokenSource("JSON, but no list", subject=self.url)
        return value

    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise BrokenSource("no JSON", subject=self.url) from None


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """How one address is asked for.

    ``headers`` go along to every host, ``secret_headers`` to ``origin`` alone. ``private`` are the
    hosts that the user has named as internal; they are reached only from ``referrer`` hosts among
    them, so that no document or redirect from outside leads in. ``note`` makes the request
    conditional. ``robots`` is off for interfaces made for programs (APIs), never for pages.
    """

    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    secret_headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    origin: str = ""
    private: Collection[str] = ()
    referrer: str = ""
    note: str = ""
    robots: bool = True
    max_bytes: int = MAX_BYTES
    deadline: float = 0.0


class Web:
    """The guarded way to ask. ``outer`` reaches public hosts, ``inner`` those named as internal."""

    def __init__(
        self,
        outer: httpx.AsyncBaseTransport,
        inner: httpx.AsyncBaseTransport,
        *,
        pace: Pace | None = None,
        user_agent: str = "ctimine",
        deadline: float = DEADLINE,
        attempts: int = ATTEMPTS,
        backoff: float = 0.5,
        secrets: Collection[str] = (),
    ) -> None:
        self._outer = outer
        self._inner = inner
        self._pace = pace or Pace()
        self._user_agent = user_agent
        self._deadline = deadline
        self._attempts = attempts
        self._backoff = backoff
        self._secrets = set(secrets)
        self._robots: dict[str, asyncio.Task[Robots]] = {}
        self.requests = 0
        self.bodies = 0

    def hide(self, text: str) -> str:
        """The text without credentials: those in it by form, and those that we were given."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "***")
        return redacted(text)

    def keep_secret(self, *values: str) -> None:
        """Values that no message may hold."""
        self._secrets.update(value for value in values if len(value) >= 4)

    def wait_until(self, host: str, moment: float) -> None:
        """No request to this host before ``moment`` (Unix time)."""
        if moment > time.time():
            self._pace.wait_until(host, moment)

    async def get(self, url: str, ask: Ask | None = None) -> Page:
        """The answer to a GET, after redirects, pauses and further attempts.

        Raises :class:`~ctimine.errors.FetchError` subclasses; the message names the address.
        """
        import tenacity

        ask = ask or Ask()
        left = _Left(ask.deadline or self._deadline)
        try:
            async for attempt in tenacity.AsyncRetrying(
                stop=tenacity.stop_after_attempt(self._attempts),
                wait=tenacity.wait_random_exponential(multiplier=self._backoff, max=20),
                retry=tenacity.retry_if_exception(_may_pass),
                sleep=asyncio.sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._once(url, ask, left)
        except _NoRobots as error:
            raise self._told(error.cause, url) from None
        except FetchError as error:
            raise self._told(error, url) from None
        raise AssertionError("unreachable")

    def _told(self, error: FetchError, url: str) -> FetchError:
        """The error with the whole address as its subject and nothing secret in it."""
        told = copy.copy(error)  # what a robots.txt ended with is shared by all who waited
        told.message = self.hide(error.message)
        told.subject = self.hide(url)
        told.args = (f"{told.subject}: {told.message}",)
        return told

    async def _once(self, url: str, ask: Ask, left: _Left) -> Page:
        at = checked_url(url)
        seen = {at}
        permanent = True
        referrer = ask.referrer or url
        for hop in range(MAX_HOPS + 1):
            inner = self._goes_in(at, referrer, ask)
            if ask.robots:
                robots = await self._robots_of(at, ask, referrer, inner=inner)
                if not robots.allows(at):
                    raise RobotsDenied("its robots.txt asks not to", subject=at)
            answer = await self._exchange(at, ask, left, inner=inner)
            if answer.status not in _REDIRECTS:
                return self._page(url, at, answer, ask, moved=hop > 0 and permanent)
            location = answer.headers.get("location", "")
            if not location:
                raise BadAnswer(f"HTTP {answer.status} without a place to go", subject=at)
            permanent = permanent and answer.status in {301, 308}
            try:
                target = checked_url(urljoin(at, location))
            except ValueError:
                raise AddressRefused("redirect to no web address", subject=at) from None
            if target in seen:
                raise BadAnswer("redirects in a circle", subject=at)
            seen.add(target)
            referrer, at = at, target
        raise BadAnswer(f"more than {MAX_HOPS} redirects", subject=at)

    def _goes_in(self, url: str, referrer: str, ask: Ask) -> bool:
        """Whether this hop uses the transport for internal hosts; refuses literal addresses."""
        host = host_of(url)
        inner = host in ask.private and host_of(referrer) in ask.private
        literal = address_reason(host, private=inner)
        if literal not in {"", "not an address"}:
            raise AddressRefused(literal, subject=url)
        return inner

    async def _exchange(self, url: str, ask: Ask, left: _Left, *, inner: bool) -> _Answer:
        """One request and its answer, in turn, within what is left of the deadline."""
        host = host_of(url)
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": ACCEPTED,
            **ask.headers,
        }
        if ask.origin and origin_of(url) == ask.origin:
            headers.update(ask.secret_headers)
        known = _note(ask.note)
        if known.get("at") == _place(url):
            if known.get("etag"):
                headers["If-None-Match"] = known["etag"]
            if known.get("modified"):
                headers["If-Modified-Since"] = known["modified"]
        try:
            request = httpx.Request("GET", url, headers=headers)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise AddressRefused(f"not a web address: {error}"[:200], subject=url) from None
        transport = self._inner if inner else self._outer
        async with self._pace.turn(host):
            begun = time.monotonic()
            try:
                async with asyncio.timeout(left.seconds):
                    answer = await self._send(transport, request, ask, url)
            except TimeoutError:
                raise DeadlineExceeded("took too long as a whole", subject=url) from None
            finally:
                left.seconds = max(0.0, left.seconds - (time.monotonic() - begun))
        self._judge(answer, host, url)
        return answer

    async def _send(
        self, transport: httpx.AsyncBaseTransport, request: httpx.Request, ask: Ask, url: str
    ) -> _Answer:
        self.requests += 1
        response = await transport.handle_async_request(request)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            status = response.status_code
            if status in _REDIRECTS or status == 304:
                return _Answer(status, headers, b"")
            assert isinstance(response.stream, httpx.AsyncByteStream)
            limit = ask.max_bytes if status < 400 else min(ask.max_bytes, 256 * 1024)
            unpacker = Unpacker(headers.get("content-encoding", ""), limit=limit, subject=url)
            try:
                async for part in response.stream:
                    unpacker.feed(part)
                    await _breathe()
                body = unpacker.body()
            except FetchError:
                if status < 400:
                    raise
                body = b""  # what an error page says matters less than that it is one
            self.bodies += 1 if status < 300 else 0
            return _Answer(status, headers, body)
        finally:
            await response.aclose()

    def _judge(self, answer: _Answer, host: str, url: str) -> None:
        """Errors for answers that are none; remembers when a host wants to be asked again."""
        status = answer.status
        if status < 400 and not _is_challenge(answer):
            return
        now = time.time()
        limited = status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"
        secondary = status == 403 and "retry-after" in answer.headers
        if status in _BUSY or limited or secondary:
            moment = retry_moment(answer.headers, now)
            if moment > now:
                self._pace.wait_until(host, moment)
                if moment - now > self._pace.max_wait:
                    raise RateLimited(later_words(moment), subject=url, until=moment)
                raise _Again(f"HTTP {status}", subject=url, status=status)
        if _is_challenge(answer):
            error = Blocked("a challenge page for browsers", subject=url)
            error.reason = "challenge page"
            raise error
        if status in _BUSY or status in _AGAIN:
            raise _Again(f"HTTP {status}", subject=url, status=status)
        if status in _REFUSALS:
            raise Blocked(f"HTTP {status}", subject=url)
        raise BadAnswer(f"HTTP {status}", subject=url, status=status)

    def _page(self, url: str, at: str, answer: _Answer, ask: Ask, *, moved: bool) -> Page:
        known = _note(ask.note)
        if answer.status == 304:
            if known.get("at") != _place(at):
                raise BadAnswer("HTTP 304 to an unconditional request", subject=at, status=304)
            return Page(url, at, 304, answer.headers, b"", True, moved, ask.note)
        if not 200 <= answer.status < 300:
            raise BadAnswer(f"HTTP {answer.status}", subject=at, status=answer.status)
        digest = hashlib.sha256(answer.body).hexdigest()[:32]
        note: dict[str, str] = {"at": _place(at), "digest": digest}
        for name, header in (("etag", "etag"), ("modified", "last-modified")):
            value = answer.headers.get(header, "")
            if value.isascii() and value.isprintable() and 0 < len(value) <= 500:
                note[name] = value
        unchanged = known.get("digest") == digest
        text = json.dumps(note, sort_keys=True)
        return Page(url, at, answer.status, answer.headers, answer.body, unchanged, moved, text)

    # -- robots.txt ------------------------------------------------------------------------------

    async def robots(self, url: str, ask: Ask | None = None) -> Robots:
        """The rules of the site that an address belongs to."""
        ask = ask or Ask()
        at = checked_url(url)
        referrer = ask.referrer or url
        return await self._robots_of(at, ask, referrer, inner=self._goes_in(at, referrer, ask))

    async def _robots_of(self, url: str, ask: Ask, referrer: str, *, inner: bool) -> Robots:
        origin = origin_of(url)
        key = origin + (" inner" if inner else "")
        task = self._robots.get(key)
        if task is None:
            # A task of its own: whoever asked first may be cancelled, the others still wait for it.
            task = asyncio.create_task(self._ask_robots(origin, ask, referrer))
            self._robots[key] = task
            if len(self._robots) > MAX_SITES:
                old = next(iter(self._robots))
                if self._robots[old].done():
                    del self._robots[old]
        return await asyncio.shield(task)

    async def _ask_robots(self, origin: str, ask: Ask, referrer: str) -> Robots:
        own = dataclasses.replace(
            ask, robots=False, note="", referrer=referrer, max_bytes=8 * MAX_ROBOTS, deadline=0.0
        )
        try:
            page = await self.get(origin + "/robots.txt", own)
        except (AddressRefused, Unreachable, DeadlineExceeded, RateLimited) as error:
            # §2.3.1.4: nothing may be fetched. The reason is the better message, so it stays.
            raise _NoRobots(error) from None
        except BadAnswer as error:
            # §2.3.1.4: a server error denies; §2.3.1.3: what is not there allows, and §2.3.1.2
            # treats too many redirects so, too.
            return DENY_ALL if error.status >= 500 or error.status == 429 else ALLOW_ALL
        except FetchError:
            return ALLOW_ALL
        robots = read_robots(page.body)
        if robots.delay:
            self._pace.slow_down(host_of(origin), robots.delay)
        return robots

    async def aclose(self) -> None:
        """End what is under way and close all connections."""
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)
        await self._outer.aclose()
        await self._inner.aclose()


@dataclasses.dataclass(slots=True)
class _Left:
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _NoRobots(Exception):
    """A robots.txt could not be had, after all attempts: the page is not asked for either."""

    def __init__(self, cause: FetchError) -> None:
        super().__init__(cause)
        self.cause = cause


class _Again(BadAnswer):
    """An answer that may be another one soon."""


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, _Again) or (
        isinstance(error, Unreachable) and not isinstance(error, TLSRefused)
    )


def _is_challenge(answer: _Answer) -> bool:
    if answer.headers.get("cf-mitigated", "") == "challenge":
        return True
    if answer.headers.get("x-amzn-waf-action", "") in {"challenge", "captcha"}:
        return True
    # An article may quote such a page; a whole page that is one is short and no success.
    return answer.status in {401, 403, 405, 429, 503} and bool(
        _CHALLENGE.search(answer.body[:65536])
    )


def _place(url: str) -> str:
    """A short name for an address, so that notes hold no address that may hold a secret."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _note(text: str) -> dict[str, str]:
    try:
        value: Any = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def _breathe() -> None:
    """Let others run, and let the deadline strike, between the parts of a busy body."""
    await asyncio.sleep(0)
