"""Who uses T1102 Web Service, by the blogs, feeds and repositories of the source catalogue.

    python examples/mine_blogs.py [--sources FOLDER|FILE|KEY ...] [--contact mailto:you@…]

Fetches what is new into an archive (politely: one request a second to a host), mines everything
that the archive holds, and prints what became of each source and who uses the technique. It may be
stopped at any moment and run again; it goes on where it was. Without a network it says what it
could not reach, and mines what earlier runs brought in.

Exit codes: 0 every source was reached and read, 1 there is nothing to mine, 2 wrong usage,
3 answered, although some sources or documents could not be had, 130 stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import ctimine
from ctimine.archive import Archive
from ctimine.cli.show import console_for, show_account, show_answers
from ctimine.errors import CtimineError, InputError
from ctimine.export import write_all
from ctimine.fetch import Account, Fetcher, is_enabled, load_sources

NOTHING, SOME_FAILED, STOPPED = 1, 3, 130


def main() -> int:
    """Fetch, mine, print, write; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=Path("out/blogs/cti.archive"))
    parser.add_argument("--sources", nargs="+", default=[], metavar="FOLDER|FILE|KEY")
    parser.add_argument("--contact", default="", help="whom to ask about our requests")
    parser.add_argument("--technique", default="T1102")
    parser.add_argument("--out", type=Path, default=Path("out/blogs"))
    parser.add_argument("--workers", type=int, help="worker processes; one a core without it")
    arguments = parser.parse_args()
    console = console_for()
    try:
        sources = chosen(arguments.sources)
        accounts = fetch(sources, arguments.archive, arguments.contact, console)
        show_sources(console, accounts)
        return mine(arguments, accounts, console)
    except CtimineError as error:
        print(f"mine_blogs: {error}", file=sys.stderr)
        return NOTHING
    except KeyboardInterrupt:
        print("\nStopped. What came is kept; run it again to go on.", file=sys.stderr)
        return STOPPED


def chosen(words: Sequence[str]) -> tuple[ctimine.Source, ...]:
    """The sources of these files, folders and keys; without any, all that the catalogue has on."""
    files = [word for word in words if Path(word).exists()]
    keys = [word for word in words if word not in files]
    # One's own files stand in place of the catalogue; keys may be of either.
    own = load_sources(files, catalogue=False) if files or not keys else ()
    whole = {source.key: source for source in load_sources(files)}
    unknown = [key for key in keys if key not in whole]
    if unknown:
        raise InputError(
            "neither a file nor a source; see ctimine sources list", subject=unknown[0]
        )
    if not words:
        return tuple(source for source in whole.values() if is_enabled(source))
    named = [whole[key] for key in keys]
    return tuple(dict.fromkeys([*filter(is_enabled, own), *named]))


def fetch(
    sources: Sequence[ctimine.Source], archive: Path, contact: str, console: Console
) -> Mapping[str, Account]:
    """Fetch what is new or changed into the archive; the account of each source."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with Archive(archive) as memory, Fetcher(memory, contact=contact) as fetcher:
        memory.declare(*sources)
        known = memory.count()
        console.print(f"{len(sources)} sources; {known} documents of earlier runs in {archive}")
        for snapshot in fetcher.fetch(*sources):
            console.print(f"{snapshot.source}: {snapshot.item}", markup=False, highlight=False)
        for outcome in fetcher.outcomes:
            if outcome.state == "failed":
                console.print(f"{outcome.reason}: {outcome.detail}", markup=False, highlight=False)
        console.print(f"Fetching: {fetcher.account}", markup=False, highlight=False)
        return {source.key: fetcher.accounts[source.key] for source in sources}


def show_sources(console: Console, accounts: Mapping[str, Account]) -> None:
    """Print what became of each source, and name those that were not reached."""
    table = Table("Source", "Fetched", "Not modified", "Skipped", "Failed")
    for key, account in accounts.items():
        table.add_row(
            key,
            str(account.fetched),
            str(account.not_modified),
            str(account.skipped.total()),
            ", ".join(f"{count} {reason}" for reason, count in sorted(account.failed.items())),
        )
    console.print(table)
    silent = [key for key, account in accounts.items() if not reached(account)]
    if accounts and len(silent) == len(accounts):
        console.print("No source could be reached: this machine seems to have no way to them.")
    elif silent:
        console.print(f"Not reached: {', '.join(silent)}", markup=False, highlight=False)


def reached(account: Account) -> bool:
    """Whether a source gave anything, or had nothing to give."""
    return bool(account.fetched or account.not_modified) or not account.failed


def mine(arguments: argparse.Namespace, accounts: Mapping[str, Account], console: Console) -> int:
    """Mine all that the archive holds, print who uses the technique, and write the results."""
    with Archive(arguments.archive) as memory:
        documents = memory.count()
    if not documents:
        console.print("The archive is empty: there is nothing to mine.")
        return NOTHING
    run = ctimine.mine(archive=arguments.archive, workers=arguments.workers)
    answers = ctimine.who_uses(run.graph, arguments.technique)
    show_answers(console, answers, ctimine.load_attack())
    show_account(console, run)
    written = write_all(run.graph, arguments.out, results=run, technique=arguments.technique)
    console.print(f"Written to {arguments.out}: {', '.join(path.name for path in written)}")
    failed = run.failed or any(account.failed for account in accounts.values())
    return SOME_FAILED if failed else 0


if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main())
