"""One run: sources in, evidence graph out, and an account of every document."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib.resources
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ctimine.errors import CtimineError, InputError, UnsupportedMedia
from ctimine.mine.document import Mined, mine_document
from ctimine.model import (
    TLP,
    Claim,
    Mention,
    Outcome,
    Report,
    Snapshot,
    Source,
    stable_id,
    tlp_word,
)

if TYPE_CHECKING:
    import networkx as nx

    from ctimine.attack import Catalogue
    from ctimine.extract.behaviours import Threshold
    from ctimine.extract.recogniser import Names
    from ctimine.graph.folding import Copy, Result
    from ctimine.read.guard import Workers

Document: TypeAlias = tuple[Snapshot, Source]

MAX_WORKERS = 8
"""More workers than this do not pay on one machine: the parent unpickles what they send."""

OnProgress = Callable[[int, str], None]
"""Called after each document with the number done so far and the document's path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What one run found, and what became of every document.

    ``reports`` are the representatives after folding, and each copy that says something of its own;
    ``mentions`` and ``claims`` are those of the representatives and what only such a copy claims,
    in order of report and place. ``graph`` is the evidence graph over them.
    ``outcomes`` hold one entry for each document or skipped file.
    """

    reports: tuple[Report, ...]
    mentions: tuple[Mention, ...]
    claims: tuple[Claim, ...]
    graph: nx.MultiDiGraph
    outcomes: tuple[Outcome, ...]

    @property
    def account(self) -> dict[str, int]:
        """How many documents ended in which way: ``state`` or ``state: reason``, most first."""
        counts = collections.Counter(
            f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state
            for outcome in self.outcomes
        )
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The documents that could not be read, each with its reason."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


def sample_corpus() -> Path:
    """Folder of the sample reports that travel with the package.

    >>> (sample_corpus() / "manifest.json").is_file()
    True
    """
    inside = importlib.resources.files("ctimine") / "corpora" / "samples"
    if inside.is_dir():
        return Path(str(inside))
    beside = Path(__file__).resolve().parents[3] / "corpora" / "samples"  # an editable install
    if beside.is_dir():
        return beside
    raise InputError("the sample corpus is not installed", subject=str(inside))


def source_of(path: str | os.PathLike[str]) -> Source:
    """A folder source for ``path``, with what a ``manifest.json`` at its root declares.

    The manifest may give ``name``, ``publisher``, ``labels``, ``role``, ``reliability`` and ``tlp``
    for the whole folder. The key is the folder's name: the same on every machine.

    >>> source = source_of(sample_corpus())
    >>> source.key, source.publisher, source.labels
    ('samples', 'ctimine samples', ('ctimine-sample',))
    """
    place = Path(path)
    if not place.exists():
        raise InputError("no such file or folder", subject=str(path))
    key = place.resolve().name or "root"
    declared: dict[str, object] = {}
    manifest = place / "manifest.json"
    if place.is_dir() and manifest.is_file():
        try:
            loaded = json.loads(manifest.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"not a readable manifest: {error}", subject=str(manifest)) from None
        if isinstance(loaded, dict) and isinstance(loaded.get("files"), list):
            declared = loaded
    _check_marks(declared, manifest)
    labels = declared.get("labels", ())
    return Source(
        key=key,
        kind="folder",
        url=str(place),
        name=str(declared.get("name", "")),
        publisher=str(declared.get("publisher", "")),
        role="collector" if declared.get("role") == "collector" else "author",
        reliability=str(declared.get("reliability", "F")),
        tlp=str(declared.get("tlp", "CLEAR")),
        labels=tuple(str(label) for label in labels) if isinstance(labels, list) else (),
    )


def _check_marks(declared: dict[str, object], manifest: Path) -> None:
    """Raise at once for a mark that no export could write at the end."""
    if not tlp_word(str(declared.get("tlp", "CLEAR"))):
        raise InputError(f"tlp is one of {', '.join(TLP)}", subject=str(manifest))
    if str(declared.get("reliability", "F")) not in set("ABCDEF"):
        raise InputError("reliability is a letter from A to F", subject=str(manifest))


def mine(
    *places: str | os.PathLike[str] | Source,
    catalogue: Catalogue | None = None,
    archive: str | os.PathLike[str] | None = None,
    behaviours: Threshold | None = "balanced",
    names: Names = "all",
    cited: bool = True,
    workers: int | None = None,
    seconds: float = 60.0,
    megabytes: int = 2048,
    on_progress: OnProgress | None = None,
) -> Run:
    """What the reports at ``places`` say about who uses which technique.

    ``places`` are folders, git checkouts, zip archives, single files or
    :class:`~ctimine.Source` records, which may lie on the network; without any, the sample corpus
    is mined. ``archive`` is a file that keeps what was fetched: only what is new or changed is
    fetched again, and everything in it is mined. ``behaviours`` is the threshold for techniques
    that are described without a name or id (``high``, ``balanced``, ``recall``, or None for none).
    ``names="all"`` also finds actors and software by names that no list has.
    ``cited`` adds the edges of the knowledge base, with whom it cites, for comparison.
    ``workers`` is the number of worker processes (default: one a core, at most eight; 0 runs in
    this process, without bounds); ``seconds`` and ``megabytes`` bound each document. Raises
    :class:`~ctimine.errors.InputError` for a place that does not exist; a document that cannot be
    read becomes an outcome, and the run goes on.

    >>> run = mine(workers=0)
    >>> from ctimine import who_uses
    >>> "G0010" in {answer.actor for answer in who_uses(run.graph, "T1102")}
    True
    """
    from ctimine.attack import load_attack
    from ctimine.graph import fold_results

    catalogue = load_attack() if catalogue is None else catalogue
    sources = _distinct(
        [
            place if isinstance(place, Source) else source_of(place)
            for place in (places or (() if archive else (sample_corpus(),)))
        ]
    )
    outcomes: list[Outcome] = []
    work = Work(catalogue, behaviours, names)
    processes = min(os.cpu_count() or 1, MAX_WORKERS) if workers is None else workers
    documents = _documents(sources, outcomes, archive)
    with contextlib.ExitStack() as stack:
        if processes:
            pool = stack.enter_context(_workers(work, processes, seconds, megabytes))
            results = pool.all(documents)
        else:
            results = _here(work, documents)
        kept, copies = fold_results(_mined(results, outcomes, on_progress))
    return _assembled(kept, copies, outcomes, catalogue, cited=cited)


def _mined(
    results: Iterable[tuple[Document, Mined | CtimineError]],
    outcomes: list[Outcome],
    on_progress: OnProgress | None,
) -> Iterator[Result]:
    """What was read, as it comes; what could not be read goes to the account."""
    for done, ((snapshot, _), result) in enumerate(results, start=1):
        if isinstance(result, UnsupportedMedia):
            outcomes.append(Outcome(snapshot.item, "skipped", "unsupported media", result.message))
        elif isinstance(result, CtimineError):
            outcomes.append(Outcome(snapshot.item, "failed", _reason(result), result.message))
        else:
            yield result.report, result.mentions, result.claims
        if on_progress is not None:
            on_progress(done, snapshot.item)


def _assembled(
    kept: Iterable[Result],
    copies: Iterable[Copy],
    outcomes: list[Outcome],
    catalogue: Catalogue,
    *,
    cited: bool,
) -> Run:
    from ctimine.graph import build_graph

    results = list(_with_own_ids(kept))
    for report, _, _ in results:
        if any(fact.field == "copy-of" for fact in report.facts):
            continue  # a copy that says more has its outcome below
        if report.kind in {"report", "mapping"}:
            notes = [f.value for f in report.facts if (f.field, f.origin) == ("text", "extract")]
            why = "; ".join(note.partition(":")[0] for note in notes)
            outcomes.append(Outcome(report.item, "read", why, "; ".join(notes)))
        else:
            outcomes.append(Outcome(report.item, "not-a-report", report.kind))
    outcomes.extend(
        Outcome(
            copy.item,
            "folded",
            copy.reason,
            f"into {copy.kept_item} (similarity {copy.similarity:.2f}"
            f"{f', {copy.own} claims of its own kept' if copy.own else ''}"
            f"{f', {copy.otherwise} left to its reading' if copy.otherwise else ''})",
        )
        for copy in copies
    )
    return Run(
        reports=tuple(report for report, _, _ in results),
        mentions=tuple(mention for _, mentions, _ in results for mention in mentions),
        claims=tuple(claim for _, _, claims in results for claim in claims),
        graph=build_graph(results, catalogue, cited=cited),
        outcomes=tuple(sorted(outcomes, key=lambda o: (o.item, o.state, o.reason, o.detail))),
    )


def _with_own_ids(
    results: Iterable[tuple[Report, Sequence[Mention], Sequence[Claim]]],
) -> Iterator[tuple[Report, Sequence[Mention], Sequence[Claim]]]:
    """Results whose reports have distinct ids.

    Different documents that declare one address (a template's canonical link) share an id by their
    own word; all but the first by source and item get the id of a document without an address.
    """
    seen: set[str] = set()
    for report, mentions, claims in results:
        if report.id in seen:
            own = stable_id("report", report.source, report.item)
            yield (
                dataclasses.replace(report, id=own),
                tuple(dataclasses.replace(mention, report=own) for mention in mentions),
                tuple(dataclasses.replace(claim, report=own) for claim in claims),
            )
            seen.add(own)
        else:
            seen.add(report.id)
            yield report, mentions, claims


def _documents(
    sources: Sequence[Source],
    outcomes: list[Outcome],
    archive: str | os.PathLike[str] | None = None,
) -> Iterator[Document]:
    """Snapshots to read, with their source; what is no document goes straight to the account."""
    from ctimine.fetch import fetch_folder

    for source in sources:
        if source.kind == "folder":
            for found in fetch_folder(source):
                if isinstance(found, Outcome):
                    outcomes.append(found)
                else:
                    yield found, source
    remote = {source.key: source for source in sources if source.kind != "folder"}
    if archive is not None:
        yield from _archived(archive, remote, outcomes)
    elif remote:
        from ctimine.fetch import Fetcher

        with Fetcher() as fetcher:
            for snapshot in fetcher.fetch(*remote.values()):
                yield snapshot, remote[snapshot.source]
            outcomes.extend(fetcher.outcomes)


def _archived(
    path: str | os.PathLike[str], remote: dict[str, Source], outcomes: list[Outcome]
) -> Iterator[Document]:
    """Fetch into the archive what is new, then give everything that it holds."""
    from ctimine.archive import Archive

    if not remote and not Path(path).exists():
        raise InputError("no such archive", subject=str(path))
    with Archive(path) as archive:
        if remote:
            from ctimine.fetch import Fetcher

            archive.declare(*remote.values())
            with Fetcher(memory=archive) as fetcher:
                for _ in fetcher.fetch(*remote.values()):
                    pass
                outcomes.extend(fetcher.outcomes)
        declared = {source.key: source for source in archive.sources()} | remote
        for snapshot in archive.snapshots():
            yield snapshot, declared.get(snapshot.source, Source(snapshot.source))


@dataclasses.dataclass(frozen=True)
class Work:
    """What every document of a run is mined with."""

    catalogue: Catalogue
    behaviours: Threshold | None
    names: Names = "all"

    def __call__(self, document: Document) -> Mined:
        """Mine one document."""
        snapshot, source = document
        return mine_document(
            snapshot,
            self.catalogue,
            source=source,
            behaviours=self.behaviours,
            names=self.names,
        )


def _workers(
    work: Work, processes: int, seconds: float, megabytes: int
) -> Workers[Document, Mined]:
    from ctimine.read.guard import Workers

    return Workers(
        _mining,
        work,
        subject=lambda pair: pair[0].item,
        size=lambda pair: len(pair[0].body),
        workers=processes,
        seconds=seconds,
        megabytes=megabytes,
    )


def _here(
    work: Work, documents: Iterable[Document]
) -> Iterator[tuple[Document, Mined | CtimineError]]:
    """The same in this process, without bounds."""
    from ctimine.read.guard import attempt

    for document in documents:
        yield document, attempt(work, document, document[0].item)


def _mining(work: Work) -> Work:
    """The work of a worker, after one small document: automata are built before the clock."""
    small = Snapshot("warm-up", "warm-up.md", b"# Warm-up\n\nAPT28 used Pastebin (T1102).\n")
    work((small, Source("warm-up")))
    return work


def _distinct(sources: list[Source]) -> list[Source]:
    """Sources with distinct keys: of those with one name, all but the first by place get a number.

    By place and not by the order in which they are given, because ids come from the keys.
    """
    named: dict[str, list[tuple[str, int]]] = collections.defaultdict(list)
    for at, source in enumerate(sources):
        named[source.key].append((source.url, at))
    for key, group in named.items():
        for number, (_, at) in enumerate(sorted(group)[1:], start=2):
            sources[at] = dataclasses.replace(sources[at], key=f"{key}-{number}")
    return sources


def _reason(error: CtimineError) -> str:
    """A countable reason: the error's class in words (``BrokenDocument`` → ``broken document``)."""
    name = type(error).__name__
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
