"""Annotated texts: one JSON object a line, read as reports with their gold.

The row format is that of the development sets (``docs/evaluate.md``). Offsets count Unicode code
points and are half-open, as everywhere.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ctimine.errors import EvaluationError, in_words
from ctimine.extract.sentences import sentences
from ctimine.model import Block, BlockKind, Report, stable_id


@dataclasses.dataclass(frozen=True, slots=True)
class Gold:
    """One annotated thing: its label, where it stands (-1: anywhere in the text), its stance.

    ``label`` is a technique id, an actor's id, or ``subject relation object`` of a claim; empty
    where the annotators link the words to nothing.
    """

    label: str
    start: int = -1
    end: int = -1
    stance: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One annotated text with its sentences and the gold of each layer.

    ``document`` is what a split must keep together. A layer that is ``None`` is not annotated;
    an empty one says that there is nothing of it in the text.
    """

    key: str
    document: str
    text: str
    sentences: tuple[tuple[int, int], ...]
    techniques: tuple[Gold, ...] | None = None
    report_techniques: tuple[str, ...] | None = None
    actors: tuple[Gold, ...] | None = None
    claims: tuple[Gold, ...] | None = None
    stances: tuple[Gold, ...] | None = None

    @property
    def report(self) -> Report:
        """The row as a report: every line a block, marked by how Markdown would read it.

        Lines that were broken in the middle of a sentence are one again, at the same offsets.
        """
        text = unbroken(self.text)
        return Report(
            id=stable_id("report", "evaluation", self.key),
            source="evaluation",
            item=self.key,
            text=text,
            blocks=_blocks(text),
            language="en",
        )


_LONG_LINE: Final = 50
"""Characters from which a line may have been broken because the page was full."""
_FULL_LINE: Final = 60
"""Characters from which it was, in a text of broken lines, whatever comes next."""
_BROKEN_TEXT: Final = 0.1
"""Share of the long lines that the next one goes on in small letters, from which a text is such."""
_OPEN_END: Final = re.compile(r"[A-Za-z]{2}[,)’'”\"-]?\s*$")
_GOES_ON: Final = re.compile(r"[a-z]+[,)]? [a-z]{2}")
_NEW_LINE: Final = re.compile(r"\s*(?:#|[-*•–|]\s|\d{1,2}[.)]\s|[\w /-]{1,30}:\s|h(?:tt|xx)ps?:|$)")


def unbroken(text: str) -> str:
    r"""The text with blanks for the breaks of lines that were set to the width of a page.

    As long as before, so that offsets stay. A text counts as such where many of its long lines are
    gone on with in small letters; other texts, whose lines are paragraphs, stay as they are.

    >>> page = "The group sent mails with documents in which a macro\nstarted the loader.\nNext"
    >>> unbroken(page).splitlines()
    ['The group sent mails with documents in which a macro started the loader.', 'Next']
    """
    lines = text.split("\n")
    pairs = [
        (number, lines[number], after)
        for number, after in enumerate(lines[1:])
        if len(lines[number]) >= _LONG_LINE
    ]
    going_on = [
        number
        for number, line, after in pairs
        if _GOES_ON.match(after) and _OPEN_END.search(line[-6:])
    ]
    if not going_on or len(going_on) < _BROKEN_TEXT * len(pairs):
        return text
    joined = set(going_on) | {
        number
        for number, line, after in pairs
        if len(line) >= _FULL_LINE and _OPEN_END.search(line[-6:]) and not _NEW_LINE.match(after)
    }
    parts = []
    for number, line in enumerate(lines):
        parts += [line, " " if number in joined else "\n"]
    return "".join(parts[:-1])


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, plain or gzipped.

    Raises :class:`ctimine.errors.EvaluationError` that names file and line.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    yield row_of(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                    raise EvaluationError(
                        f"line {number} is not an annotated text: {in_words(error)}",
                        subject=str(path),
                    ) from None
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise EvaluationError(f"cannot be read: {in_words(error)}", subject=str(path)) from None


def row_of(values: dict[str, Any]) -> Row:
    """A row from its JSON object.

    >>> row = row_of({"id": "a", "text": "It ran.", "techniques_mentions": [], "claims": []})
    >>> row.sentences, row.techniques, row.claims, row.actors
    (((0, 7),), (), (), None)
    """
    text = values["text"]
    if not isinstance(text, str):
        raise TypeError("text is not a string")
    given = values.get("sentences")
    whole = values.get("level") in {"sentence", "span"}
    parts = tuple((int(a), int(b)) for a, b in given) if given else ()
    if not parts:
        parts = ((0, len(text)),) if whole else tuple(sentences(text))
    names = tuple(str(name) for name in values["techniques"]) if "techniques" in values else None
    marks = values.get("techniques_mentions")
    found = _golds(marks, "id", text) if marks is not None else None
    if not found and names and whole:
        # One short text with labels for the whole of it: the text is the mention.
        found = tuple(Gold(name, 0, len(text)) for name in names)
    elif not found and names:
        found = None  # labels of the whole document only, no places
    return Row(
        key=str(values["id"]),
        document=str(values.get("doc_id") or values.get("subject") or values["id"]),
        text=text,
        sentences=parts,
        techniques=found,
        report_techniques=names or (tuple(g.label for g in found) if found is not None else None),
        actors=_golds(values["actors"], "link", text) if "actors" in values else None,
        claims=_claims(values["claims"], text) if "claims" in values else None,
        stances=_golds(values["stance"], "id", text) if "stance" in values else None,
    )


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the files' contents in the order of their names: the identity of a set."""
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda item: item.name):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _golds(marks: list[dict[str, Any]], label: str, text: str) -> tuple[Gold, ...]:
    found: list[Gold] = []
    for mark in marks:
        start, end = mark.get("start"), mark.get("end")
        if start is None or end is None:
            start = end = -1
        elif not 0 <= start < end <= len(text):
            raise ValueError(f"offsets {start}:{end} lie outside the text")
        found.append(Gold(str(mark.get(label) or ""), start, end, str(mark.get("stance") or "")))
    return tuple(found)


def _claims(marks: list[dict[str, Any] | list[str]], text: str) -> tuple[Gold, ...]:
    found: list[Gold] = []
    for mark in marks:
        if isinstance(mark, list):
            subject, relation, object_, *rest = mark
            values: dict[str, Any] = {"stance": rest[0] if rest else "reported"}
        else:
            subject, relation, object_ = mark["subject"], mark["relation"], mark["object"]
            values = {"stance": "reported", **mark}
        values["id"] = f"{subject} {relation} {object_}"
        found.extend(_golds([values], "id", text))
    return tuple(found)


def _blocks(text: str) -> tuple[Block, ...]:
    found = []
    for match in re.finditer(r"\S[^\n]*", text):
        line = match.group().rstrip()
        heading = re.match(r"(#{1,6})\s", line)
        kind: BlockKind = "paragraph"
        if heading:
            kind = "heading"
        elif re.match(r"(?:[-*•–]|\d{1,2}[.)])\s", line):
            kind = "list_item"
        found.append(
            Block(
                kind,
                match.start(),
                match.start() + len(line),
                level=len(heading.group(1)) if heading else 0,
            )
        )
    return tuple(found)
