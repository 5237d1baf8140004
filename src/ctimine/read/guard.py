r"""Reading in worker processes that can be killed: a document ends, the run goes on.

A document that hangs, eats memory or crashes a library ends as a named
:class:`~ctimine.errors.ReadError`. :func:`read_guarded` starts a process for one document;
:class:`Reader` keeps its processes for many, and :class:`Workers` does any other work so.

Worker processes are spawned, not forked, and do not run the caller's script again: it needs no
``if __name__ == "__main__":``, and may come from standard input.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import multiprocessing.context
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from ctimine.errors import BrokenDocument, BudgetExceeded, CtimineError
from ctimine.model import Report, Snapshot, Source

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from pebble import ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")

SECONDS: Final = 30.0
MEGABYTES: Final = 1024
WINDOW: Final = 8
"""Documents under way for each worker."""
WINDOW_BYTES: Final = 64 * 1024 * 1024
"""Bytes under way in all, so that a few large documents do not fill the memory."""
GRACE: Final = 5.0
"""Seconds after the time bound at which a worker without a parent ends itself."""


class Workers(Generic[Item, Result]):
    """Work on many items in a few persistent processes, each item within time and memory.

    ``build(*arguments)`` makes the work once in each process; it and what it takes must be defined
    in modules. ``seconds`` is wall time for one item, ``megabytes`` bounds a worker's own memory
    (where the system can: on Windows only the time bound holds). ``subject`` names an item in
    errors, ``size`` tells how many bytes it holds. An item that fails ends as the error of its own
    that :class:`~ctimine.errors.CtimineError` names; the others go on.
    """

    def __init__(
        self,
        build: Callable[..., Callable[[Item], Result]],
        *arguments: Any,
        subject: Callable[[Item], str],
        size: Callable[[Item], int],
        workers: int = 2,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
    ) -> None:
        from pebble import ProcessPool

        self.workers = max(workers, 1)
        self.seconds = seconds
        self.megabytes = megabytes
        self._subject = subject
        self._size = size
        self._pool: ProcessPool = ProcessPool(
            max_workers=self.workers,
            initializer=_start,
            initargs=(build, arguments, megabytes),
            context=spawn_context(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; what is under way is given up."""
        self._pool.stop()
        self._pool.join()

    def one(self, item: Item) -> Result | CtimineError:
        """What one item gave."""
        return self._finished(item, self._begin(item))

    def all(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | CtimineError]]:
        """Each item with what it gave, or with the error that ended it, in the order given.

        Items are taken from the iterable a few at a time, so that memory stays flat.
        """
        under_way: collections.deque[tuple[Item, Future[Result | CtimineError | None]]] = (
            collections.deque()
        )
        size = 0
        try:
            for item in items:
                under_way.append((item, self._begin(item)))
                size += self._size(item)
                while len(under_way) > self.workers * WINDOW or (
                    size > WINDOW_BYTES and len(under_way) > self.workers
                ):
                    first, future = under_way.popleft()
                    size -= self._size(first)
                    yield first, self._finished(first, future)
            while under_way:
                first, future = under_way.popleft()
                yield first, self._finished(first, future)
        finally:
            for _, future in under_way:
                future.cancel()

    def _begin(self, item: Item) -> Future[Result | CtimineError | None]:
        future: Future[Result | CtimineError | None] = self._pool.schedule(
            _do, args=(item, self._subject(item), self.seconds), timeout=self.seconds
        )
        return future

    def _finished(
        self, item: Item, future: Future[Result | CtimineError | None]
    ) -> Result | CtimineError:
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        subject = self._subject(item)
        try:
            result = future.result()
        except TimeoutError:
            return BudgetExceeded(f"took longer than {self.seconds:g} s", subject=subject)
        except ProcessExpired as error:
            return BrokenDocument(f"ended its process: {_ended(error.exitcode)}", subject=subject)
        except (_Unable, BrokenProcessPool) as error:  # no document's fault
            raise CtimineError(f"worker processes cannot run: {error}") from error
        except MemoryError:  # while the result was packed for its way back
            result = None
        except Exception as error:  # noqa: BLE001 (such as a result that cannot be packed)
            return BrokenDocument(f"{type(error).__name__}: {error}", subject=subject)
        if result is None:
            return BudgetExceeded(f"needs more than {self.megabytes} MB", subject=subject)
        return result


class Reader:
    r"""Reads documents in a few persistent worker processes, each within time and memory.

    ``seconds`` is wall time for one document, ``megabytes`` bounds a worker's own memory (where the
    system can: on Windows only the time bound holds).

    >>> documents = [Snapshot("lab", "a.md", b"T1102"), Snapshot("lab", "b.pdf", b"%PDF-1.7")]
    >>> with Reader(workers=1) as reader:
    ...     for snapshot, result in reader.read_all(documents):
    ...         print(snapshot.item, type(result).__name__)
    a.md Report
    b.pdf BrokenDocument
    """

    def __init__(
        self, *, workers: int = 2, seconds: float = SECONDS, megabytes: int = MEGABYTES
    ) -> None:
        self._workers: Workers[tuple[Snapshot, Source | None], Report] = Workers(
            _reading,
            subject=lambda pair: pair[0].item or pair[0].url,
            size=lambda pair: len(pair[0].body),
            workers=workers,
            seconds=seconds,
            megabytes=megabytes,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; what is under way is given up."""
        self._workers.close()

    def read(self, snapshot: Snapshot, source: Source | None = None) -> Report:
        """The report of one snapshot; raises the :class:`~ctimine.errors.ReadError` it ended in."""
        result = self._workers.one((snapshot, source))
        if isinstance(result, CtimineError):
            raise result
        return result

    def read_all(
        self, snapshots: Iterable[Snapshot], source: Source | None = None
    ) -> Iterator[tuple[Snapshot, Report | CtimineError]]:
        """Each snapshot with its report, or with the error that ended it, in the order given.

        Snapshots are taken from the iterable a few at a time, so that memory stays flat.
        """
        pairs = ((snapshot, source) for snapshot in snapshots)
        for (snapshot, _), result in self._workers.all(pairs):
            yield snapshot, result


def read_guarded(
    snapshot: Snapshot,
    source: Source | None = None,
    *,
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
) -> Report:
    r"""The report that the snapshot holds, read in a process of its own that can be killed.

    Like :func:`ctimine.read.read`, and raises :class:`~ctimine.errors.BudgetExceeded` when the
    document takes more than ``seconds`` or ``megabytes``. For many documents, use :class:`Reader`.

    >>> read_guarded(Snapshot("demo", "a.md", b"# Silver Raven\n\nIt used T1102.")).title
    'Silver Raven'
    """
    with Reader(workers=1, seconds=seconds, megabytes=megabytes) as reader:
        return reader.read(snapshot, source)


# -- starting worker processes ---------------------------------------------------------------------


class _Process(multiprocessing.context.SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802 (the name that multiprocessing calls)
        # Spawning runs the caller's script again in each worker, so that work defined there can be
        # found. Ours is defined in modules; a script without a guard would start itself over.
        names = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {
            name: names[name] for name in ("__spec__", "__file__") if name in names
        }
        try:
            names.update(dict.fromkeys(kept))
            return multiprocessing.context.SpawnProcess._Popen(process)  # noqa: SLF001
        finally:
            names.update(kept)


class _Spawn(multiprocessing.context.SpawnContext):
    Process = _Process


def spawn_context() -> multiprocessing.context.SpawnContext:
    """A multiprocessing context that spawns workers without running the caller's script again.

    For work that is defined in modules, as a pool of ctimine's own is.

    >>> spawn_context().get_start_method()
    'spawn'
    """
    return _Spawn()


# -- inside a worker process -----------------------------------------------------------------------

_work: Callable[[Any], Any] | None = None
"""The work of this worker process, built once by :func:`_start`."""


def _start(
    build: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], megabytes: int
) -> None:
    global _work  # noqa: PLW0603 (a worker process has one work)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # What the work needs once comes before the bounds and the clock: it is not the document's.
    try:
        _work = build(*arguments)
    except Exception as error:  # noqa: BLE001 (told by the first item: an initialiser cannot)
        _work = _unable(f"{type(error).__name__}: {error}")
    # A worker is told to end only when it holds no lock, so nothing is lost by ending at once, and
    # libraries that never return to Python end too.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        import resource
    except ImportError:
        return
    limit = megabytes * 1024 * 1024
    for name, bound in (("RLIMIT_DATA", limit), ("RLIMIT_CORE", 0)):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (bound, bound))


class _Unable(Exception):
    """The work of a worker process could not be built."""


def _unable(why: str) -> Callable[[Any], Any]:
    def work(_: Any) -> Any:
        raise _Unable(why)

    return work


def _reading() -> Callable[[tuple[Snapshot, Source | None]], Report]:
    import ctimine.read.metadata  # noqa: F401 (its library is what takes time to load)
    from ctimine.read import read

    return lambda pair: read(*pair)


def _do(item: Any, subject: str, seconds: float) -> Any:
    """The result or its error; None when memory ran out. Errors travel without their causes."""
    if _work is None:
        raise CtimineError("the worker was not started")
    parent = os.getppid()
    if hasattr(signal, "setitimer"):
        # The parent kills a worker that takes too long. Should the parent be gone, this alarm ends
        # the process, even from within a library that never returns.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    try:
        return attempt(_work, item, subject)
    except MemoryError:
        return None
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        if os.getppid() != parent:
            os._exit(0)


def attempt(work: Callable[[Item], Result], item: Item, subject: str) -> Result | CtimineError:
    """What the work gives for one item, or the error that ended it; only memory errors are raised.

    >>> attempt(int, "x", "a.md")
    BrokenDocument("a.md: ValueError: invalid literal for int() with base 10: 'x'")
    """
    try:
        return work(item)
    except CtimineError as error:
        return type(error)(error.message, subject=error.subject)
    except (MemoryError, _Unable):
        raise
    except RecursionError:
        return BrokenDocument("nested too deeply", subject=subject)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (any fault in one document)
        return BrokenDocument(f"{type(error).__name__}: {error}", subject=subject)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
