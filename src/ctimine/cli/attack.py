"""``ctimine attack``: the releases of ATT&CK that are at hand, and how newer ones come."""

from __future__ import annotations

import contextlib
import enum
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ctimine.errors import InputError

attack_app = typer.Typer(help="ATT&CK releases.", no_args_is_help=True)


Contact = Annotated[
    str,
    typer.Option(help="In the User-Agent: whom to ask about our requests (or CTIMINE_CONTACT)."),
]


class Domain(enum.StrEnum):
    """The matrices that MITRE publishes."""

    enterprise = "enterprise"
    mobile = "mobile"
    ics = "ics"


@attack_app.command("update")
def attack_update(
    version: Annotated[
        str, typer.Argument(help="The release, such as 18.1; without it the newest.")
    ] = "",
    *,
    domain: Annotated[
        list[Domain] | None,
        typer.Option(help="Domain to fetch; give it again for more. Enterprise without it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also keep the official files, as they came, in a folder.")
    ] = None,
    contact: Contact = "",
) -> None:
    """Fetch an official ATT&CK release, verify it by its content, and read it into the cache.

    `ctimine mine --attack RELEASE` then uses it. Nothing is kept unless every domain that was asked
    for could be had and is what it should be.
    """
    from ctimine.attack import load_official
    from ctimine.fetch import Fetcher, fetch_releases

    domains = dict.fromkeys(domain or [Domain.enterprise])
    with Fetcher(contact=contact) as fetcher:
        bundles = fetch_releases(fetcher, version, domains=domains)
    with _folder(out) as folder:
        for bundle in bundles:
            release = load_official(_kept(folder / bundle.item, bundle.body))
            typer.echo(f"{bundle.item}: ATT&CK {release} is in the cache.")
    typer.echo(f"Use it with: ctimine mine --attack {release}")


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """The folder that was asked for, else one for the moment."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="ctimine-") as folder:
            yield Path(folder)
    else:
        yield kept


def _kept(file: Path, body: bytes) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", subject=str(file)) from None
    return file


@attack_app.command("load")
def attack_load(
    file: Annotated[Path, typer.Argument(help="An official STIX bundle, plain or gzipped.")],
    version: Annotated[str, typer.Option(help="Its release, where the file does not say.")] = "",
) -> None:
    """Read an official ATT&CK bundle into the cache: descriptions, detection, mitigations."""
    from ctimine.attack import load_official

    Console().print(f"ATT&CK {load_official(file, version=version or None)} is in the cache.")


@attack_app.command("versions")
def attack_versions() -> None:
    """List the ATT&CK releases at hand."""
    from ctimine.attack import available_versions

    for version in available_versions():
        Console().print(version)
