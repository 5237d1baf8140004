"""The face of the room: sources in, snapshots out, one plain iterator.

Inside, sources are visited side by side on one event loop in a thread of its own; a bounded queue
stands between it and whoever takes the snapshots.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import logging
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from ctimine.errors import CtimineError, FetchError, InputError
from ctimine.fetch.client import DEADLINE, Web
from ctimine.fetch.network import GuardedTransport, Network, trusted
from ctimine.fetch.pace import MAX_WAIT, Pace
from ctimine.fetch.visit import Account, Visit
from ctimine.model import Memory, Outcome, Snapshot, Source

Kind = Callable[[Visit], Awaitable[None]]
OnError = Callable[[Outcome, FetchError], None]
"""Called for each failure with its outcome; what it raises ends the run."""
OnProgress = Callable[[Account, str], None]
"""Called with the account so far and the item that it last counted."""

KINDS: Final[Mapping[str, str]] = {
    "attack": "ctimine.fetch.attack:fetch_attack",
    "feed": "ctimine.fetch.feed:fetch_feed",
    "folder": "ctimine.fetch.fetcher:_folder",
    "github": "ctimine.fetch.github:fetch_github",
    "gitlab": "ctimine.fetch.gitlab:fetch_gitlab",
    "medium": "ctimine.fetch.medium:fetch_medium",
    "misp": "ctimine.fetch.misp:fetch_misp",
    "page": "ctimine.fetch.page:fetch_page",
    "site": "ctimine.fetch.site:fetch_site",
    "taxii": "ctimine.fetch.taxii:fetch_taxii",
}
"""Kind of source → where its coroutine lives. Entry points of ``ctimine.fetchers`` add to it."""

CONTACT: Final = "https://pypi.org/project/ctimine/"
QUEUE: Final = 16
MAX_TOLD: Final = 100_000
"""Outcomes kept in memory; the account goes on counting."""

_log = logging.getLogger("ctimine.fetch")
_THREAD: Final = "ctimine-fetch"


def _not_ours(record: logging.LogRecord) -> bool:
    """Whether a line of httpcore's log is about somebody else's requests.

    At DEBUG it writes the headers of answers, and a redirect may hold the secret of its request.
    """
    return record.threadName != _THREAD


for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_not_ours)
_Result = TypeVar("_Result")


class Nothing:
    """A memory that forgets: each run fetches everything."""

    def recall(self, source: str, key: str) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def note(self, source: str, notes: Mapping[str, str]) -> None:
        """Forget."""

    def keep(self, snapshot: Snapshot, notes: Mapping[str, str]) -> None:
        """Forget."""


class Fetcher:
    """Snapshots of declared sources, fetched safely and politely.

    ``memory`` keeps what makes the next run short (an :class:`~ctimine.archive.Archive`); without
    one, everything is fetched. ``authorities`` are PEM files of certificate authorities trusted
    beside the usual ones; nothing switches verification off. ``proxy`` is a trusted hop that
    resolves names itself. ``contact`` stands in the User-Agent (default: ``CTIMINE_CONTACT``, else
    the project's page). ``interval`` are seconds between two requests to one host, ``each`` how
    many may be under way to it. ``transport`` and ``network`` are for tests.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Fetcher() as fetcher:
    ...     _ = pathlib.Path(folder, "a.md").write_text("T1102", encoding="utf-8")
    ...     found = [snapshot.item for snapshot in fetcher.fetch(Source("demo", url=folder))]
    >>> found, str(fetcher.account)
    (['a.md'], '1 fetched, 0 not modified, 0 skipped, 0 failed')
    """

    def __init__(
        self,
        memory: Memory | None = None,
        *,
        authorities: Sequence[str] = (),
        proxy: str = "",
        contact: str = "",
        interval: float = 1.0,
        each: int = 2,
        total: int = 16,
        deadline: float = DEADLINE,
        max_wait: float = MAX_WAIT,
        backoff: float = 0.5,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        network: Network | None = None,
    ) -> None:
        self.accounts: dict[str, Account] = {}
        """The account of each source that was visited, by its key."""
        self.outcomes: list[Outcome] = []
        self._memory: Memory = Nothing() if memory is None else memory
        self._on_error = on_error
        self._on_progress = on_progress
        self._context: ssl.SSLContext | None = None
        self._authorities = tuple(authorities)
        self._proxy = proxy
        self._network = network
        self._transport = transport
        self._pace: dict[str, Any] = {
            "interval": interval,
            "each": each,
            "total": total,
            "max_wait": max_wait,
        }
        self._bounds: dict[str, Any] = {
            "deadline": deadline,
            "backoff": backoff,
            "user_agent": user_agent(contact),
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._web: Web | None = None

    @property
    def account(self) -> Account:
        """What became of everything that was asked for: the sum of :attr:`accounts`."""
        whole = Account()
        for account in tuple(self.accounts.values()):
            whole.add(account)
        return whole

    def fetch(self, *sources: Source) -> Iterator[Snapshot]:
        """The documents of ``sources`` that are new or changed, as they come.

        What cannot be had becomes an outcome in :attr:`outcomes` and a number in :attr:`account`;
        the run goes on. Raises :class:`~ctimine.errors.InputError` for a kind that nobody knows.
        """
        kinds = [(source, kind_of(source)) for source in sources]
        return self._taken(kinds)

    def run(self, work: Callable[[Web], Coroutine[Any, Any, _Result]]) -> _Result:
        """What a coroutine of this room gives, run on the fetcher's loop with its client."""
        web = self._start()
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work(web), self._loop).result()

    def _taken(self, kinds: list[tuple[Source, Kind]]) -> Iterator[Snapshot]:
        web = self._start()
        assert self._loop is not None
        loop = self._loop
        queue: asyncio.Queue[Snapshot | None] = asyncio.Queue(QUEUE)
        running: Future[None] = asyncio.run_coroutine_threadsafe(
            self._visit_all(kinds, web, queue), loop
        )
        try:
            while True:
                snapshot = asyncio.run_coroutine_threadsafe(queue.get(), loop).result()
                if snapshot is None:
                    break
                yield snapshot
            running.result()
        finally:
            running.cancel()

    async def _visit_all(
        self, kinds: list[tuple[Source, Kind]], web: Web, queue: asyncio.Queue[Snapshot | None]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for source, kind in kinds:
                    group.create_task(self._visit(source, kind, web, queue))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # what ``on_error`` raised
        finally:
            # Whoever takes snapshots waits for this, even when the run ends in an error.
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                await queue.put(None)

    async def _visit(
        self, source: Source, kind: Kind, web: Web, queue: asyncio.Queue[Snapshot | None]
    ) -> None:
        account = self.accounts.setdefault(source.key, Account())

        async def hand_over(snapshot: Snapshot) -> None:
            await queue.put(snapshot)
            if self._on_progress is not None:
                self._on_progress(self.account, snapshot.item)

        def tell(outcome: Outcome, error: FetchError | None) -> None:
            counts = account.failed if outcome.state == "failed" else account.skipped
            counts[outcome.reason] += 1
            self._tell(outcome, error)

        def fail(error: FetchError) -> None:
            outcome = Outcome(source.key, "failed", error.reason, web.hide(str(error)))
            tell(outcome, error)

        try:
            visit = Visit(
                source, web, self._memory, hand_over=hand_over, tell=tell, account=account
            )
            await kind(visit)
        except FetchError as error:
            fail(error)
        except CtimineError as error:
            fail(FetchError(error.message, subject=error.subject))
        except BaseExceptionGroup:
            raise
        except Exception as error:  # noqa: BLE001 - a kind of somebody else's must not end the run
            broken = FetchError(f"{type(error).__name__}: {error}"[:300], subject=source.url)
            broken.reason = "broken fetcher"
            fail(broken)

    def _tell(self, outcome: Outcome, error: FetchError | None) -> None:
        if len(self.outcomes) < MAX_TOLD:
            self.outcomes.append(outcome)
        if error is not None:
            _log.info("%s: %s", outcome.reason, outcome.detail)
            if self._on_error is not None:
                self._on_error(outcome, error)
        if self._on_progress is not None:
            self._on_progress(self.account, outcome.item)

    # -- the loop and its thread -----------------------------------------------------------------

    def _start(self) -> Web:
        if self._web is not None:
            return self._web
        ready = threading.Event()
        loop = asyncio.new_event_loop()

        def turn() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
            loop.run_forever()

        self._loop = loop
        self._thread = threading.Thread(target=turn, name=_THREAD, daemon=True)
        self._thread.start()
        ready.wait()
        self._web = asyncio.run_coroutine_threadsafe(self._connect(), loop).result()
        return self._web

    async def _connect(self) -> Web:
        if self._transport is not None:
            outer = inner = self._transport
        else:
            context = trusted(*self._authorities)
            outer = GuardedTransport(self._network, context=context, proxy=self._proxy)
            inner = GuardedTransport(self._network, context=context, private=True)
        return Web(outer, inner, pace=Pace(**self._pace), **self._bounds)

    def close(self) -> None:
        """End what is under way and close all connections."""
        loop, self._loop = self._loop, None
        web, self._web = self._web, None
        if loop is None:
            return
        if web is not None:
            asyncio.run_coroutine_threadsafe(_end(web), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        assert self._thread is not None
        self._thread.join()
        loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def _end(web: Web) -> None:
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await web.aclose()


def kind_of(source: Source) -> Kind:
    """The coroutine that fetches this kind of source: ours, or one of an entry point."""
    place = KINDS.get(source.kind)
    if place is not None:
        module, _, name = place.partition(":")
        found: Kind = getattr(importlib.import_module(module), name)
        return found
    for entry in importlib.metadata.entry_points(group="ctimine.fetchers"):
        if entry.name == source.kind:
            theirs: Kind = entry.load()
            return theirs
    known = ", ".join(sorted(KINDS))
    raise InputError(f"no kind {source.kind!r} (there are {known})", subject=source.key)


async def _folder(visit: Visit) -> None:
    """The local folder, checkout or archive, through the same door."""
    import dataclasses

    from ctimine.fetch.folder import fetch_folder
    from ctimine.fetch.visit import item_key, now

    for found in fetch_folder(visit.source):
        if isinstance(found, Outcome):
            error = FetchError(found.detail or found.reason, subject=found.item)
            error.reason = found.reason
            if found.state == "failed":
                visit.fail(found.item, error)
            else:
                visit.skip(found.item, found.reason, found.detail)
        elif visit.recall(item_key(found.item)) == found.digest:
            visit.not_modified()
        else:
            await visit.give(dataclasses.replace(found, fetched=now()))


def user_agent(contact: str = "") -> str:
    """Who we say we are: the product, its version, and whom to ask about it.

    >>> user_agent("mailto:cti@company.example")
    'ctimine/... (+mailto:cti@company.example)'
    """
    import ctimine

    contact = contact or os.environ.get("CTIMINE_CONTACT", "") or CONTACT
    contact = "".join(c for c in contact if c.isascii() and c.isprintable())[:200]
    return f"ctimine/{ctimine.__version__} (+{contact})"
