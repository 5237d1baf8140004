"""Commands and their options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from ctimine.cli.attack import Contact, attack_app
from ctimine.cli.train import train_app
from ctimine.errors import CtimineError, InputError
from ctimine.model import Source

if TYPE_CHECKING:
    from ctimine.attack import Catalogue

app = typer.Typer(
    name="ctimine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(attack_app, name="attack")
app.add_typer(train_app, name="train")
sources_app = typer.Typer(help="Declared sources.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")

SourceFiles = Annotated[
    list[Path] | None,
    typer.Option("--sources", help="Your own source files (TOML), beside those that ship."),
]
Behaviours = Annotated[
    Literal["off", "high", "balanced", "recall"],
    typer.Option(help="How sure a technique must be that is described without its name or id."),
]
Names = Annotated[
    Literal["listed", "all"],
    typer.Option(help="Names that count: known ones, or also those that no list has."),
]

SOME_FAILED = 3
"""Exit code of a run that wrote its answer although some documents could not be read."""


def _print_version(wanted: bool) -> None:
    if wanted:
        import ctimine
        from ctimine.attack import available_versions

        typer.echo(f"ctimine {ctimine.__version__}, ATT&CK {', '.join(available_versions())}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and the ATT&CK releases at hand.",
        ),
    ] = False,
) -> None:
    """Who uses which ATT&CK technique, who says so, in which sentence, how sure."""


@app.command("mine")
def mine_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders, git checkouts, zip archives or files; without any, the sample corpus.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    technique: Annotated[
        str,
        typer.Option(
            help="Print and export this technique (such as T1102) and its sub-techniques only."
        ),
    ] = "",
    services: Annotated[
        bool, typer.Option("--services", help="Print who uses which web service for what.")
    ] = False,
    archive: Annotated[
        Path | None, typer.Option(help="Also mine what this archive file holds.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Also fetch this declared source and mine it; give it again for more."),
    ] = None,
    sources: SourceFiles = None,
    behaviours: Behaviours = "balanced",
    names: Names = "all",
    flavour: Annotated[
        Literal["plain", "misp"],
        typer.Option(help="STIX flavour: plain (OpenCTI, TAXII) or misp."),
    ] = "plain",
    with_cited: Annotated[
        bool,
        typer.Option("--with-cited", help="Also export what ATT&CK cites, as its own reports."),
    ] = False,
    attack: Annotated[str, typer.Option(help="ATT&CK release to use; the newest without it.")] = "",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; one a core without it.", min=0)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Mine reports; write bundle.json, *.jsonl, claims.csv, layer.json, summary.md, answer.html.

    Exit codes:
    0 all documents read,
    1 an error ended the run,
    2 wrong usage,
    3 results written, but some documents could not be read (each is named).
    """
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from ctimine.attack import load_attack
    from ctimine.cli.show import console_for, show_account, show_answers, show_services
    from ctimine.export import check_writable, write_all
    from ctimine.graph import services_used, who_uses
    from ctimine.mine import mine, sample_corpus

    if sources and not source:
        raise typer.BadParameter(
            "they are for --source, which is not given", param_hint="--sources"
        )
    console, errors = console_for(quiet=quiet), Console(stderr=True)
    catalogue = load_attack(attack or None)
    if technique:
        technique = _technique(technique, catalogue)
    check_writable(out)
    places: list[Path | Source] = [*(paths or []), *(_chosen(source, sources) if source else [])]
    if not places and archive is None:
        places = [sample_corpus()]
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    ) as progress:
        task = progress.add_task("reading", total=None)
        run = mine(
            *places,
            archive=archive,
            behaviours=None if behaviours == "off" else behaviours,
            names=names,
            catalogue=catalogue,
            workers=workers,
            on_progress=lambda done, item: progress.update(
                task, completed=done, description=item[-60:]
            ),
        )
    written = write_all(
        run.graph,
        out,
        results=run,
        flavour=flavour,
        with_cited=with_cited,
        technique=technique,
    )
    if technique:
        show_answers(console, who_uses(run.graph, technique), catalogue)
    if services:
        show_services(console, services_used(run.graph, technique=technique))
    show_account(console, run)
    files = ", ".join(path.name for path in written)
    console.print(f"Written to {out}: {files}", markup=False, soft_wrap=True)
    if run.failed:
        raise typer.Exit(SOME_FAILED)


def _technique(asked: str, catalogue: Catalogue) -> str:
    """The id of a live technique; an error says what stands in its place."""
    concept = catalogue.get(asked.upper())
    if concept is None or concept.kind != "technique":
        raise InputError(f"no technique of ATT&CK {catalogue.version}", subject=asked)
    if concept.status != "live":
        now = catalogue.resolve(concept.id)
        instead = f"; it is {now.id} {now.name} now" if now else ""
        raise InputError(
            f"{concept.status} in ATT&CK {catalogue.version}{instead}", subject=concept.id
        )
    return concept.id


@app.command("fetch")
def fetch_command(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Keys of sources; without any, all that are enabled."),
    ] = None,
    *,
    archive: Annotated[Path, typer.Option(help="The archive file to fetch into.")],
    sources: SourceFiles = None,
    contact: Contact = "",
) -> None:
    """Fetch what is new or changed into an archive; `ctimine mine --archive` then mines it.

    Exit codes:
    0 all reached,
    1 an error ended the run,
    2 wrong usage,
    3 some sources or documents could not be had (each is named).
    """
    from ctimine.archive import Archive
    from ctimine.cli.show import show_error
    from ctimine.export.wording import one_line
    from ctimine.fetch import Fetcher

    chosen = _chosen(keys or [], sources)
    with Archive(archive) as kept:
        kept.declare(*chosen)
        with Fetcher(kept, contact=contact) as fetcher:
            for snapshot in fetcher.fetch(*chosen):
                typer.echo(one_line(f"{snapshot.source}: {snapshot.item}"))
            failed = [outcome for outcome in fetcher.outcomes if outcome.state == "failed"]
            for outcome in failed:
                show_error(f"failed {outcome.item}", outcome.detail or outcome.reason)
            typer.echo(str(fetcher.account))
    if failed:
        raise typer.Exit(SOME_FAILED)


def _chosen(keys: list[str], files: list[Path] | None) -> list[Source]:
    from ctimine.fetch import is_enabled, load_sources

    by_key = {source.key: source for source in load_sources(files)}
    unknown = [key for key in keys if key not in by_key]
    if unknown:
        raise InputError("no source has this key; see ctimine sources list", subject=unknown[0])
    if keys:
        return [by_key[key] for key in keys]
    return [source for source in by_key.values() if is_enabled(source)]


@sources_app.command("list")
def sources_list(sources: SourceFiles = None) -> None:
    """List the declared sources: key, kind, reliability, role, whether enabled, address."""
    from ctimine.fetch import is_enabled, load_sources

    for source in load_sources(sources):
        enabled = "on " if is_enabled(source) else "off"
        typer.echo(
            f"{source.key:<28} {source.kind:<8} {source.reliability} {source.role:<9} {enabled} "
            f"{source.url}"
        )


@sources_app.command("check")
def sources_check(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Keys; without any, all enabled.")
    ] = None,
    *,
    sources: SourceFiles = None,
    contact: Contact = "",
) -> None:
    """Say the state of each source: ok, moved, gone, blocked, silent … Nothing is bypassed."""
    from ctimine.fetch import Fetcher, check_sources

    with Fetcher(contact=contact) as fetcher:
        checks = check_sources(
            _chosen(keys or [], sources),
            fetcher,
            on_check=lambda check: typer.echo(
                f"{check.source:<28} {check.state}{f': {check.detail}' if check.detail else ''}"
            ),
        )
    if any(check.state not in {"ok", "moved"} for check in checks):
        raise typer.Exit(SOME_FAILED)


@sources_app.command("add")
def sources_add(
    file: Annotated[Path, typer.Argument(help="Your source file (TOML); made if not there.")],
    key: Annotated[str, typer.Argument(help="A key of its own.")],
    url: Annotated[str, typer.Argument(help="The address.")],
    *,
    kind: Annotated[
        str, typer.Option(help="feed, site, page, github, gitlab, medium, taxii, misp …")
    ] = "feed",
    publisher: Annotated[str, typer.Option(help="Who publishes there.")] = "",
) -> None:
    """Add a source to a file of your own, checked together with what is there."""
    from ctimine.fetch import add_source

    add_source(file, Source(key, kind=kind, url=url, publisher=publisher))
    typer.echo(f"{key} is in {file}.")


@app.command("evaluate")
def evaluate_command(
    files: Annotated[list[Path], typer.Argument(help="Annotated sets, JSON Lines.")],
    *,
    layer: Annotated[
        Literal["techniques", "actors", "claims", "stance"], typer.Option(help="What to score.")
    ] = "techniques",
    level: Annotated[
        Literal["sentence", "report"], typer.Option(help="Per sentence or per report.")
    ] = "sentence",
    parents: Annotated[
        bool, typer.Option("--parents", help="Fold sub-techniques to their technique.")
    ] = False,
    closed: Annotated[
        bool, typer.Option("--closed", help="Count only labels that the set itself uses.")
    ] = False,
    mask_ids: Annotated[
        bool, typer.Option("--mask-ids", help="Leave out sentences that write a technique id.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON, without texts.")
    ] = False,
    behaviours: Behaviours = "balanced",
    names: Names = "all",
    plot: Annotated[Path | None, typer.Option(help="Write the reliability plot, SVG.")] = None,
) -> None:
    """Score the extraction against annotated texts: precision, recall, F1, worst errors."""
    import functools
    import json

    from ctimine.attack import load_attack
    from ctimine.evaluate import evaluate_files, to_svg, to_text, to_values
    from ctimine.extract import extract

    scores = evaluate_files(
        files,
        layer=layer,
        level=level,
        parents=parents,
        closed=closed,
        mask_ids=mask_ids,
        find=functools.partial(
            extract,
            catalogue=load_attack(),
            behaviours=None if behaviours == "off" else behaviours,
            names=names,
        ),
    )
    if plot is not None:
        try:
            plot.write_text(to_svg(scores.reliability), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", subject=str(plot)) from None
    typer.echo(json.dumps(to_values(scores), indent=1) if as_json else to_text(scores))


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit code 1."""
    try:
        app()
    except CtimineError as error:
        from ctimine.cli.show import show_error

        show_error("ctimine", str(error))
        sys.exit(1)
