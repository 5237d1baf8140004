"""What a person reads on the terminal after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctimine.export.wording import besides, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctimine.attack import Catalogue
    from ctimine.graph import Answer, ServiceUse
    from ctimine.mine import Run
    from ctimine.model import Claim, Report

PLAIN_WIDTH = 120
"""Columns where the output is no terminal: a log or a pipe."""

STANCE_STYLE = {"reported": "bold", "assessed": "yellow"}


def console_for(*, quiet: bool = False) -> Console:
    """A console as wide as the terminal, or as a log can bear."""
    console = Console(quiet=quiet)
    return console if console.is_terminal else Console(quiet=quiet, width=PLAIN_WIDTH)


def _safe(text: str) -> str:
    """Words of a document as the terminal may show them: no markup, nothing that steers it."""
    return escape(one_line(text))


def show_answers(console: Console, answers: Sequence[Answer], catalogue: Catalogue) -> None:
    """Print who uses a technique: one row an actor and technique, its best sentence below."""
    mined = [answer for answer in answers if answer.claims]
    table = Table(show_lines=True, expand=True)
    table.add_column("Technique", no_wrap=True)
    table.add_column("Actor", ratio=2)
    table.add_column("Stance", no_wrap=True)
    table.add_column("Basis", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Report, date, sentence", ratio=7)
    for answer in mined:
        ways = [_way(key, catalogue) for key in answer.via]
        via = f"\n[cyan]via {_safe(', '.join(sorted(ways)))}[/]" if ways else ""
        table.add_row(
            answer.technique,
            _safe(answer.name) + via,
            f"[{STANCE_STYLE.get(answer.stance, 'dim')}]{answer.stance}[/]",
            ", ".join(answer.basis),
            f"{answer.score:.2f}",
            _said(answer.reports[0], answer.claims, answer.against),
        )
    if mined:
        console.print(table)
    else:
        console.print("No report says that anybody uses it.")
    _show_cited(console, answers, catalogue)


def _said(report: Report, claims: Sequence[Claim], against: Sequence[Claim] = ()) -> str:
    """The report and its date, how many sentences there are besides, and the best one below."""
    title, date = _safe(report.title or report.item), report.published[:10] or "no date"
    also = f"[dim]{besides(claims, against)}[/]"
    return f"[italic]{title}[/], {date}{also}\n“{_safe(claims[0].quote)}”"


def _way(key: str, catalogue: Catalogue) -> str:
    """The name of a service or of software that a use goes by."""
    from ctimine.extract.service_names import services

    concept = catalogue.get(key)
    service = services().get(key)
    return concept.name if concept else service.name if service else key


def show_services(console: Console, uses: Sequence[ServiceUse]) -> None:
    """Print who uses which web service for what: one row a service, user and technique."""
    if not uses:
        console.print("No report says that anybody uses a web service.")
        return
    table = Table(title="Web services that are used", show_lines=True, expand=True)
    table.add_column("Service", no_wrap=True)
    table.add_column("Used by", ratio=2)
    table.add_column("For", ratio=2)
    table.add_column("Stance", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Report, date, sentence", ratio=7)
    for use in uses:
        table.add_row(
            _safe(use.service_name),
            _safe(use.name),
            f"{use.technique} {_safe(use.role or use.technique_name)}",
            f"[{STANCE_STYLE.get(use.stance, 'dim')}]{use.stance}[/]",
            f"{use.score:.2f}",
            _said(use.reports[0], use.claims),
        )
    console.print(table)


def _show_cited(console: Console, answers: Sequence[Answer], catalogue: Catalogue) -> None:
    cited = sorted(
        (answer for answer in answers if "cited" in answer.basis),
        key=lambda answer: (answer.technique, answer.name),
    )
    if not cited:
        return
    table = Table(
        title=f"Cited by ATT&CK {catalogue.version} (no finding of this run)", expand=True
    )
    table.add_column("Technique", no_wrap=True)
    table.add_column("Actor", no_wrap=True)
    table.add_column("Sources cited", ratio=1)
    for answer in cited:
        sources = "; ".join(
            f"{citation.title or citation.name}{f' ({citation.date[:4]})' if citation.date else ''}"
            for citation in answer.citations
        )
        sources = sources or "new in this release, its citations are not known here"
        table.add_row(answer.technique, _safe(answer.name), _safe(sources))
    console.print(table)


def show_account(console: Console, run: Run) -> None:
    """Print what became of every document, and each failure by name.

    Failures go to standard error, a quiet console or not.
    """
    seen = f"; of {len(run.outcomes)} seen:" if run.outcomes else ""
    numbers = (
        _counted(len(rows), word)
        for rows, word in (
            (run.reports, "document"),
            (run.mentions, "mention"),
            (run.claims, "claim"),
        )
    )
    console.print(", ".join(numbers) + seen)
    for reason, count in run.account.items():
        console.print(f"  {count:>6}  {reason}", highlight=False, markup=False)
    for outcome in run.failed:
        show_error(f"failed {outcome.item}", outcome.detail or outcome.reason)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def show_error(what: str, message: str) -> None:
    """Print one line to standard error, however long it is: a log is searched by line."""
    console = Console(stderr=True)
    console.print(f"[red]{_safe(what)}:[/] {_safe(message)}", highlight=False, soft_wrap=True)
