"""Documents through killable worker processes, in order, with a bounded window.

A document that hangs or eats memory ends as a named error of its own; the others go on. Results
come back in the order of the items, so that a run does not depend on which worker was faster.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ctimine.errors import BrokenDocument, BudgetExceeded, CtimineError

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW = 4
"""Items under way for each worker: enough to keep it busy, few enough to keep memory flat."""

_work: Callable[[Any], Any] | None = None
"""The work of this worker process, built once by :func:`_start`."""


def in_pool(
    build: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    *,
    workers: int,
    seconds: float,
    megabytes: int,
    subject: Callable[[Item], str] = str,
) -> Iterator[tuple[Item, Result | CtimineError]]:
    """Each item with its result, or with the error that ended it, in the order of ``items``.

    ``build(*arguments)`` makes the work once in each worker process; both must be picklable by
    name. ``seconds`` is wall time for one item, ``megabytes`` bounds a worker's data. ``workers=0``
    runs everything in this process, without bounds: for debugging and for callers who bound it
    themselves.
    """
    if workers <= 0:
        work = build(*arguments)
        for item in items:
            yield item, _attempt(work, item, subject)
        return

    from pebble import ProcessPool

    from ctimine.read.guard import spawn_context

    pool = ProcessPool(
        max_workers=workers,
        initializer=_start,
        initargs=(build, arguments, megabytes),
        context=spawn_context(),
    )
    under_way: collections.deque[tuple[Item, Future[Result | CtimineError]]] = collections.deque()
    try:
        for item in items:
            # The first item of a worker also pays for its imports; they are not the document's.
            under_way.append((item, pool.schedule(_do, args=(item,), timeout=seconds)))
            if len(under_way) >= workers * WINDOW:
                yield _finished(under_way.popleft(), subject, seconds, megabytes)
        while under_way:
            yield _finished(under_way.popleft(), subject, seconds, megabytes)
        pool.close()
    finally:
        pool.stop()
        pool.join()


def _attempt(
    work: Callable[[Item], Result], item: Item, subject: Callable[[Item], str]
) -> Result | CtimineError:
    try:
        return work(item)
    except CtimineError as error:
        return error
    except RecursionError as error:
        return BrokenDocument(f"nested too deeply: {error}", subject=subject(item))
    except Exception as error:  # noqa: BLE001 (a fault of ours in one document must not end the run)
        return CtimineError(f"internal: {type(error).__name__}: {error}", subject=subject(item))


def _finished(
    pair: tuple[Item, Future[Result | CtimineError]],
    subject: Callable[[Item], str],
    seconds: float,
    megabytes: int,
) -> tuple[Item, Result | CtimineError]:
    from pebble import ProcessExpired

    item, future = pair
    name = subject(item)
    try:
        return item, future.result()
    except CtimineError as error:
        return item, error
    except TimeoutError:
        return item, BudgetExceeded(f"took longer than {seconds:g} s", subject=name)
    except MemoryError:
        return item, BudgetExceeded(f"needs more than {megabytes} MB", subject=name)
    except ProcessExpired as error:
        return item, BrokenDocument(
            f"ended its worker process (exit code {error.exitcode})", subject=name
        )
    except RecursionError as error:
        return item, BrokenDocument(f"nested too deeply: {error}", subject=name)
    except Exception as error:  # noqa: BLE001 (a fault of ours in one document must not end the run)
        return item, CtimineError(f"internal: {type(error).__name__}: {error}", subject=name)


def _start(
    build: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], megabytes: int
) -> None:
    global _work  # noqa: PLW0603 (a worker process has one work)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _work = build(*arguments)
    try:
        import resource
    except ImportError:  # not on Windows: there only the time bound holds
        return
    limit = megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _do(item: Any) -> Any:
    if _work is None:
        raise CtimineError("the worker was not started")
    return _work(item)
