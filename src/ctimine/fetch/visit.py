"""One visit to one source: what a kind of source is written against.

A kind is a coroutine ``async def fetch_x(visit) -> None``. It asks for addresses with
:meth:`Visit.get`, hands over what it found with :meth:`Visit.give` and says what it left out. A
package of somebody else's adds a kind by an entry point in the group ``ctimine.fetchers``: its
name is the kind, its value such a coroutine.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import hashlib
import math
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from ctimine.errors import BadAnswer, CtimineError, FetchError, InputError, RateLimited
from ctimine.fetch.addresses import host_of, origin_of
from ctimine.fetch.bodies import MAX_BYTES
from ctimine.fetch.client import Ask, Page, Web
from ctimine.fetch.robots import Robots
from ctimine.model import Fact, Memory, Outcome, Snapshot, Source

KEPT_HEADERS: Final = ("content-language", "content-type", "last-modified", "link", "x-robots-tag")
AT_ONCE: Final = 8
"""Documents of one source that are under way at once; the pace of each host bounds it further."""


@dataclasses.dataclass(slots=True)
class Account:
    """What became of everything that was asked for.

    ``fetched`` documents came and were handed over, ``not_modified`` are known and the same.
    ``skipped`` and ``failed`` count by reason.

    >>> account = Account(fetched=2)
    >>> account.failed["HTTP 404"] += 1
    >>> print(account)
    2 fetched, 0 not modified, 0 skipped, 1 failed (1 HTTP 404)
    """

    fetched: int = 0
    not_modified: int = 0
    skipped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    failed: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: Account) -> None:
        """Count what another account counts, too."""
        self.fetched += other.fetched
        self.not_modified += other.not_modified
        self.skipped.update(other.skipped)
        self.failed.update(other.failed)

    def __str__(self) -> str:
        return ", ".join(
            (
                f"{self.fetched} fetched",
                f"{self.not_modified} not modified",
                _counted(self.skipped, "skipped"),
                _counted(self.failed, "failed"),
            )
        )


def _counted(reasons: collections.Counter[str], word: str) -> str:
    rows = sorted(reasons.items(), key=lambda row: (-row[1], row[0]))
    shown = ", ".join(f"{count} {reason}" for reason, count in rows)
    return f"{reasons.total()} {word}" + (f" ({shown})" if shown else "")


class Visit:
    """One source while it is fetched. See the module's page for how a kind uses it."""

    def __init__(
        self,
        source: Source,
        web: Web,
        memory: Memory,
        *,
        hand_over: Callable[[Snapshot], Awaitable[None]],
        tell: Callable[[Outcome, FetchError | None], None],
        account: Account,
    ) -> None:
        self.source = source
        self.web = web
        self.options: dict[str, Any] = dict(source.options)
        self.url = self._from_environment(source.url)
        self.complete = True
        """False as soon as something failed that may work next time."""
        self._memory = memory
        self._hand_over = hand_over
        self._tell = tell
        self._account = account
        self._given: set[str] = set()
        self._secret_headers = self._credentials()

    # -- what is declared ------------------------------------------------------------------------

    def words(self, name: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """An option that is one text or several, always as several."""
        value = self.options.get(name, tuple(default))
        return (value,) if isinstance(value, str) else tuple(str(item) for item in value)

    def number(self, name: str, default: int) -> int:
        """An option that is a number."""
        value = self.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"option {name!r} is no number", subject=self.source.key)
        return value

    def secret(self, name: str, default: str = "") -> str:
        """The secret in the environment variable that the option ``name`` names; may be empty."""
        variable = str(self.options.get(name, default))
        value = os.environ.get(variable, "") if variable else ""
        self.web.keep_secret(value)
        return value

    def _from_environment(self, url: str) -> str:
        """The address with ``${NAME}`` replaced, so that a file need not hold a key."""

        def value(match: re.Match[str]) -> str:
            found = os.environ.get(match[1], "")
            if not found:
                raise InputError(f"{match[1]} is not set", subject=self.source.key)
            self.web.keep_secret(found)
            return found

        return re.sub(r"\$\{(\w+)\}", value, url)

    def _credentials(self) -> dict[str, str]:
        """Headers that go to the source's own origin and nowhere else."""
        import base64

        bearer = self.secret("token_env")
        if bearer:
            return {"Authorization": f"{self.options.get('token_scheme', 'Bearer')} {bearer}"}
        key = self.secret("key_env")
        if key:
            return {str(self.options.get("key_header", "Authorization")): key}
        user, password = self.secret("user_env"), self.secret("password_env")
        if user or password:
            packed = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.web.keep_secret(packed)
            return {"Authorization": f"Basic {packed}"}
        return {}

    # -- asking ----------------------------------------------------------------------------------

    def ask(self, **changes: Any) -> Ask:
        """How this source's addresses are asked for."""
        origin = origin_of(self.url) if "://" in self.url else ""
        basis = Ask(
            secret_headers=self._secret_headers,
            origin=origin,
            private=frozenset(host.lower() for host in self.words("allow_private")),
            max_bytes=self.number("max_bytes", MAX_BYTES),
        )
        return dataclasses.replace(basis, **changes)

    async def get(
        self, url: str, *, referrer: str = "", conditional: bool = True, **changes: Any
    ) -> Page:
        """The answer to a GET. ``referrer`` is the document that named the address.

        ``conditional`` asks only for what changed since its :attr:`Page.note` was kept.
        """
        note = self._memory.recall(self.source.key, page_key(url)) if conditional else ""
        host = host_of(url)
        # "Later" is meant for whoever asks, in this run or the next, for this source or another.
        later = self._memory.recall("", f"later {host}")
        if re.fullmatch(r"\d{1,12}", later):
            self.web.wait_until(host, float(later))
        try:
            return await self.web.get(
                url, self.ask(note=note, referrer=referrer or self.url, **changes)
            )
        except RateLimited as error:
            self._memory.note("", {f"later {host}": f"{math.ceil(error.until)}"})
            raise

    async def robots(self, url: str) -> Robots:
        """The robots.txt of the site that an address belongs to."""
        return await self.web.robots(url, self.ask(referrer=self.url))

    # -- remembering -----------------------------------------------------------------------------

    def recall(self, key: str) -> str:
        """A note of this source, empty if there is none."""
        return self._memory.recall(self.source.key, key)

    def note(self, notes: Mapping[str, str]) -> None:
        """Remember notes of this source."""
        self._memory.note(self.source.key, notes)

    def known(self, item: str, mark: str) -> bool:
        """Whether this item was kept with this mark before; then it is counted as not modified."""
        if self.recall(item_key(self.web.hide(item))) != mark:
            return False
        self.not_modified()
        return True

    def marked(self, item: str, mark: str) -> dict[str, str]:
        """The note that says: this item was kept with this mark."""
        return {item_key(self.web.hide(item)): mark}

    # -- handing over ----------------------------------------------------------------------------

    def snapshot(
        self,
        page: Page,
        item: str,
        *,
        hints: Iterable[Fact] = (),
        body: bytes | None = None,
        media_type: str = "",
    ) -> Snapshot:
        """A snapshot of an answer, without the secrets that its address may hold."""
        return Snapshot(
            source=self.source.key,
            item=self.web.hide(item),
            body=page.body if body is None else body,
            url=self.web.hide(page.url),
            final_url=self.web.hide(page.final_url),
            fetched=now(),
            media_type=media_type or page.media_type,
            headers=tuple(
                (name, page.headers[name][:1000]) for name in KEPT_HEADERS if name in page.headers
            ),
            hints=tuple(hints),
        )

    async def give(
        self, snapshot: Snapshot, *, mark: str = "", notes: Mapping[str, str] | None = None
    ) -> None:
        """Keep a snapshot with its mark and notes, all or none, then hand it over.

        Waits while nobody takes snapshots off: memory stays flat however many there are.
        """
        if snapshot.item in self._given:
            self.skip(snapshot.item, "twice in one source")
            return
        self._given.add(snapshot.item)
        kept = {item_key(snapshot.item): mark or snapshot.digest, **(notes or {})}
        self._memory.keep(snapshot, kept)
        self._account.fetched += 1
        await self._hand_over(snapshot)

    def not_modified(self, count: int = 1) -> None:
        """Count what is known and the same."""
        self._account.not_modified += count

    def skip(self, item: str, reason: str, detail: str = "") -> None:
        """Say what was left out, and why."""
        self._tell(Outcome(self.web.hide(item), "skipped", reason, self.web.hide(detail)), None)

    def fail(self, item: str, error: FetchError) -> None:
        """Say what could not be had, and why."""
        if not lasting(error):
            self.complete = False
        outcome = Outcome(self.web.hide(item), "failed", error.reason, self.web.hide(str(error)))
        self._tell(outcome, error)

    async def each(
        self,
        work: Iterable[tuple[str, Callable[[], Awaitable[None]]]],
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        """Do all of it, a few at once; what fails is told under its item's name."""
        places = asyncio.Semaphore(at_once)

        async def one(item: str, do: Callable[[], Awaitable[None]]) -> None:
            try:
                await do()
            except FetchError as error:
                self.fail(item, error)
            except CtimineError as error:
                self.fail(item, FetchError(error.message, subject=error.subject))
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for item, do in work:
                await places.acquire()
                group.create_task(one(item, do))


def lasting(error: FetchError) -> bool:
    """Whether asking again soon would end the same way."""
    from ctimine.errors import (
        AddressRefused,
        Blocked,
        BrokenSource,
        DeadlineExceeded,
        RobotsDenied,
        TooLarge,
        Unreachable,
    )

    if isinstance(error, Unreachable | DeadlineExceeded | RateLimited):
        return False
    if isinstance(error, BadAnswer):
        return 400 <= error.status < 500
    return isinstance(error, AddressRefused | Blocked | BrokenSource | RobotsDenied | TooLarge)


def page_key(url: str) -> str:
    """The key of an address's note; the address itself may hold a secret."""
    return "page " + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def item_key(item: str) -> str:
    """The key of an item's mark."""
    return "item " + hashlib.sha256(item.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mark_of(*parts: str) -> str:
    """A short digest of what makes an item what it is: another mark, another version."""
    joined = "\x1f".join(parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def now() -> str:
    """The time in UTC, as RFC 3339 writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
