"""``ctimine train``: the models of the package, trained anew from annotated sets at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctimine.errors import InputError

train_app = typer.Typer(help="Train the models again.", no_args_is_help=True)


@train_app.callback()
def train() -> None:
    """Train the models again: equal input, equal bytes."""


@train_app.command("behaviours")
def train_behaviours_command(
    folder: Annotated[Path, typer.Argument(help="Folder with the annotated sets.")],
    *,
    out: Annotated[Path, typer.Option(help="The model file to write.")] = Path("behaviours.npz"),
    seed: Annotated[int, typer.Option(help="Of every draw and split.")] = 0,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="What was read in the sets' reports: corpora/behaviours/read.jsonl."),
    ] = None,
    without: Annotated[
        str,
        typer.Option(help="Sets to leave out, with commas: annoctr, tram."),
    ] = "",
) -> None:
    """Train the model of described techniques; `find_behaviours(model=read_model(FILE))` uses it.

    Needs the extra `train` (scikit-learn).
    """
    if not out.absolute().parent.is_dir():
        raise InputError("no such folder to write a model to", subject=str(out.absolute().parent))
    from ctimine.evaluate.training import train_behaviours
    from ctimine.extract.behaviours_file import save_model

    left_out = [name.strip() for name in without.split(",") if name.strip()]
    model = train_behaviours(
        folder,
        without=left_out,
        verdicts=verdicts,
        seed=seed,
        say=lambda words: typer.echo(words, err=True),
    )
    try:
        save_model(model, out)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", subject=str(out)) from None
    typer.echo(f"{out}: {len(model.labels)} techniques, {out.stat().st_size / 1e6:.1f} MB")


@train_app.command("names")
def train_names_command(
    folder: Annotated[Path, typer.Argument(help="Folder with the annotated sets.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder to write the model to.")] = Path("names"),
    seed: Annotated[int, typer.Option(help="Of every draw and split.")] = 0,
) -> None:
    """Train the recogniser of names that no list has; `load_recogniser(FOLDER)` reads it."""
    if not out.absolute().parent.is_dir():
        raise InputError("no such folder to write a model to", subject=str(out.absolute().parent))
    from ctimine.evaluate import train_names

    train_names(folder, out, seed=seed, progress=lambda words: typer.echo(words, err=True))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    typer.echo(f"{out}: {size / 1e6:.1f} MB")
