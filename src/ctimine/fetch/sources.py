"""The catalogue of sources: TOML files of facts, checked when they are read.

A file holds ``[[source]]`` tables and ``[[override]]`` tables. An override changes a source that is
declared elsewhere and says ``because`` of what: a grade or a switch without a reason is an opinion
nobody can check. No field holds a secret; credentials come from environment variables that options
name (``token_env``, ``password_env``, ``key_env``, ``${NAME}`` in an address).
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.resources
import json
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

from ctimine.errors import AddressRefused, InputError, in_words
from ctimine.fetch.addresses import checked_url
from ctimine.fetch.fetcher import KINDS
from ctimine.model import TLP, Role, Source, redacted

RELIABILITY: Final = {
    "government": "B",
    "vendor": "B",
    "community": "C",
    "individual": "D",
    "news": "D",
}
"""Admiralty grade of a source by the class of its publisher; F (cannot be judged) otherwise."""
CLASSES: Final = frozenset({*RELIABILITY, "knowledge-base", "unknown"})
FACTS: Final = ("class", "confidence", "enabled", "site", "terms", "because")
"""Fields of a file that have no field of their own in a Source: they become options."""

_TEXTS: Final = {
    "key", "kind", "url", "name", "publisher", "role", "reliability", "tlp", "language", "class",
    "confidence", "site", "terms", "because",
}  # fmt: skip
_FIELDS: Final = _TEXTS | {"enabled", "labels", "options"}


def load_sources(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    catalogue: bool = True,
) -> tuple[Source, ...]:
    """The declared sources, by key: those that ship, and those of ``paths`` (files or folders).

    Later files override earlier ones. Raises :class:`~ctimine.errors.InputError` for what is not
    right, with file and key. ``catalogue`` leaves out what ships when false.

    >>> by_key = {source.key: source for source in load_sources()}
    >>> by_key["unit42"].kind, by_key["unit42"].reliability, is_enabled(by_key["unit42"])
    ('feed', 'B', True)
    """
    if paths is None:
        given: list[Path] = []
    elif isinstance(paths, str | os.PathLike):
        given = [Path(paths)]
    else:
        given = [Path(path) for path in paths]
    rows: dict[str, dict[str, Any]] = {}
    for file in [*([catalogue_folder()] if catalogue else []), *given]:
        if not file.exists():
            raise InputError("no such file or folder", subject=str(file))
        for place in sorted(file.glob("*.toml")) if file.is_dir() else [file]:
            _read(place, rows)
    return tuple(_source(rows[key]) for key in sorted(rows))


def is_enabled(source: Source) -> bool:
    """Whether a source belongs to a run over the whole catalogue."""
    return bool(dict(source.options).get("enabled", True))


def catalogue_folder() -> Path:
    """Folder of the source files that travel with the package."""
    inside = importlib.resources.files("ctimine") / "corpora" / "sources"
    if inside.is_dir():
        return Path(str(inside))
    beside = Path(__file__).resolve().parents[3] / "corpora" / "sources"  # an editable install
    if beside.is_dir():
        return beside
    raise InputError("the source catalogue is not installed", subject=str(inside))


def add_source(path: str | os.PathLike[str], source: Source, *, because: str = "") -> None:
    """Write one more source at the end of a file, after checking it together with what is there.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mine = pathlib.Path(folder, "mine.toml")
    ...     add_source(mine, Source("blog", kind="feed", url="https://blog.example/feed"))
    ...     [source.key for source in load_sources(mine, catalogue=False)]
    ['blog']
    """
    place = Path(path)
    options = dict(source.options)
    row: dict[str, Any] = {
        "key": source.key,
        "kind": source.kind,
        "url": source.url,
        "name": source.name,
        "publisher": source.publisher,
        "language": source.language,
        "labels": list(source.labels),
        **{name: options.pop(name) for name in FACTS if name in options},
    }
    if source.role != "author":
        row["role"] = source.role
    if source.reliability != RELIABILITY.get(str(row.get("class", "")), "F"):
        row["reliability"] = source.reliability
    if source.tlp != "CLEAR":
        row["tlp"] = source.tlp
    row["because"] = because or row.get("because", "")
    row = {name: value for name, value in row.items() if value not in ("", [])}
    text = "\n[[source]]\n" + "".join(f"{name} = {_toml(row[name])}\n" for name in row)
    if options:
        text += "[source.options]\n" + "".join(
            f"{name} = {_toml(value)}\n" for name, value in options.items()
        )
    before = place.read_text(encoding="utf-8") if place.exists() else ""
    rows: dict[str, dict[str, Any]] = {}
    _take(tomllib.loads(before + text), str(place), rows)
    with place.open("a", encoding="utf-8") as file:
        file.write(text)


def _toml(value: Any) -> str:
    """A TOML value. Its basic strings are JSON's; DEL alone needs care."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


# -- reading ---------------------------------------------------------------------------------------


def _read(file: Path, rows: dict[str, dict[str, Any]]) -> None:
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {in_words(error)}", subject=str(file)) from None
    _take(value, str(file), rows)


def _take(value: dict[str, Any], file: str, rows: dict[str, dict[str, Any]]) -> None:
    unknown = set(value) - {"source", "override"}
    if unknown:
        raise InputError(f"knows no table {min(unknown)!r}", subject=file)
    for row in _tables(value, "source", file):
        key = str(row.get("key", ""))
        if key in rows:
            raise InputError(
                f"source {key!r} is declared already; change it with [[override]]", subject=file
            )
        _check(row, file)
        rows[key] = row
    for row in _tables(value, "override", file):
        key = str(row.get("key", ""))
        if key not in rows:
            raise InputError(f"there is no source {key!r} to override", subject=file)
        if not str(row.get("because", "")).strip():
            raise InputError(f"the override of {key!r} does not say because of what", subject=file)
        merged = {**rows[key], **row}
        if "options" in row and isinstance(row["options"], dict):
            merged["options"] = {**rows[key].get("options", {}), **row["options"]}
        _check(merged, file)
        rows[key] = merged


def _tables(value: dict[str, Any], name: str, file: str) -> list[dict[str, Any]]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(f"{name} is no list of tables ([[{name}]])", subject=file)
    return found


def _check(row: dict[str, Any], file: str) -> None:
    """Raises InputError for a field that is unknown, of the wrong type or of no sense."""
    key = row.get("key", "")

    def wrong(words: str) -> InputError:
        return InputError(f"source {str(key)[:60]!r}: {words}", subject=file)

    unknown = set(row) - _FIELDS
    if unknown:
        raise wrong(f"knows no field {min(unknown)!r}")
    for name in _TEXTS & set(row):
        if not isinstance(row[name], str):
            raise wrong(f"{name} is no text")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", str(key)):
        raise wrong("a key is made of a-z, 0-9, dot, hyphen and underscore")
    kind = row.get("kind", "")
    if kind not in KINDS and kind not in {
        entry.name for entry in importlib.metadata.entry_points(group="ctimine.fetchers")
    }:
        raise wrong(f"there is no kind {kind!r}")
    _check_url(row, kind, wrong)
    if row.get("role", "author") not in {"author", "collector"}:
        raise wrong("role is author or collector")
    if row.get("class", "unknown") not in CLASSES:
        raise wrong(f"class is one of {', '.join(sorted(CLASSES))}")
    usual = RELIABILITY.get(row.get("class", ""), "F")
    grade = row.get("reliability", usual)
    if not re.fullmatch(r"[A-F]", grade):
        raise wrong("reliability is a letter from A to F")
    if row.get("tlp", "CLEAR") not in TLP:
        raise wrong(f"tlp is one of {', '.join(TLP)}")
    graded = grade != usual or row.get("tlp", "CLEAR") != "CLEAR"
    if graded and not row.get("because", "").strip():
        raise wrong('another reliability or TLP than usual needs a reason: because = "…"')
    if not re.fullmatch(r"(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)?", row.get("language", "")):
        raise wrong("language is a tag such as en or pt-BR")
    if row.get("confidence", "high") not in {"high", "medium", "low"}:
        raise wrong("confidence is high, medium or low")
    if not isinstance(row.get("enabled", True), bool):
        raise wrong("enabled is true or false")
    labels = row.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise wrong("labels is a list of texts")
    options = row.get("options", {})
    if not isinstance(options, dict):
        raise wrong("options is a table")
    for name, value in options.items():
        plain = isinstance(value, str | int | float | bool)
        if not plain and not (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
        ):
            raise wrong(f"option {name!r} is neither a scalar nor a list of texts")
        if name in FACTS:
            raise wrong(f"{name!r} is a field, not an option")


def _check_url(row: dict[str, Any], kind: str, wrong: Any) -> None:
    for name in ("url", "site"):
        url = row.get(name, "")
        if redacted(url) != url:
            raise wrong(f"{name} holds a credential; name an environment variable instead")
    url = row.get("url", "")
    if kind == "folder" or (kind == "medium" and url.startswith("@")):
        if not url:
            raise wrong("url is empty")
        return
    if kind == "page" and not url and "file" in row.get("options", {}):
        return
    try:
        checked_url(re.sub(r"\$\{\w+\}", "x", url))
    except AddressRefused as error:
        raise wrong(f"url: {error.message}") from None


def _source(row: dict[str, Any]) -> Source:
    facts = {name: row[name] for name in FACTS if name in row}
    options = {**row.get("options", {}), **facts}
    usual = RELIABILITY.get(str(row.get("class", "")), "F")
    return Source(
        key=row["key"],
        kind=row["kind"],
        url=row.get("url", ""),
        name=row.get("name", ""),
        publisher=row.get("publisher", row.get("name", "")),
        role=cast("Role", row.get("role", "author")),
        reliability=row.get("reliability", usual),
        tlp=row.get("tlp", "CLEAR"),
        language=row.get("language", ""),
        labels=tuple(row.get("labels", [])),
        options=tuple(
            (name, tuple(value) if isinstance(value, list) else value)
            for name, value in sorted(options.items())
        ),
    )


def changed(source: Source, **options: str | float | bool | tuple[str, ...]) -> Source:
    """The same source with other options.

    >>> changed(Source("a", options=(("pages", 1),)), pages=3).options
    (('pages', 3),)
    """
    merged = {**dict(source.options), **options}
    return dataclasses.replace(source, options=tuple(sorted(merged.items())))
