"""What the behaviour model is trained from, as it is read: sets, verdicts, and ATT&CK alone.

Only sets whose licence lets a model be passed on are read: ATT&CK procedure examples, TRAM, the
training split of AnnoCTR, and its extra reports by our own verdicts on their sentences. All become
the same few records, technique ids followed to what is meant today, and are split by document.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import random
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from ctimine.attack import Catalogue
from ctimine.errors import EvaluationError, in_words
from ctimine.evaluate.rows import Gold, Row, read_rows
from ctimine.extract.sentences import TECHNIQUE_ID, sentences

SETS: Final = {
    "attack": ("procedures.jsonl.gz",),
    "tram": ("tram_docs.jsonl", "tram_spans.jsonl"),
    "annoctr": ("annoctr_train.jsonl",),
}
"""The sets that a model may be trained from, and their files."""
ATTACK_BUNDLE: Final = "../attack/enterprise-attack-18.1.json.gz"
"""The official bundle, from the folder of the sets: only read to train from ATT&CK alone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """One report for training: its sentences and the techniques of each."""

    document: str
    lines: tuple[str, ...]
    techniques: tuple[frozenset[str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """What a model is trained from.

    ``prose`` are reports in which a sentence without a technique has none: they teach the gate, the
    first block and the ranker. ``closed`` are reports annotated with a short list of techniques.
    ``examples`` are single sentences, each with the document it comes from. ``read`` are reports
    that were read for this project, which may be those of ``closed``: they teach the reader.
    """

    prose: tuple[Text, ...]
    closed: tuple[Text, ...]
    examples: tuple[tuple[str, frozenset[str], str], ...]
    read: tuple[Text, ...] = ()


def read_material(
    folder: Path, sets: Collection[str], catalogue: Catalogue, verdicts: Path | None = None
) -> Material:
    """The material of the named sets, technique ids followed to what is meant today."""
    examples = _read_examples(folder / SETS["attack"][0], catalogue)
    closed: tuple[Text, ...] = ()
    prose: tuple[Text, ...] = ()
    if "tram" in sets:
        documents, spans = SETS["tram"]
        closed = texts_of(read_rows(folder / documents), catalogue)
        examples += [
            (row.text, frozenset(_meant(row.report_techniques or (), catalogue)), row.document)
            for row in read_rows(folder / spans)
        ]
    if "annoctr" in sets:
        prose = texts_of(read_rows(folder / SETS["annoctr"][0]), catalogue)
    read = read_verdicts(verdicts, folder, sets, catalogue) if verdicts else ()
    return Material(prose, closed, tuple(examples), read)


def read_verdicts(
    path: Path, folder: Path, sets: Collection[str], catalogue: Catalogue
) -> tuple[Text, ...]:
    """The reports of which a file holds verdicts, with the techniques that were read in them.

    A row names the set and its file, the report, the SHA-256 of its text, up to which offset it was
    read, and ``[start, end, technique]`` of each sentence that tells of one. Raises
    :class:`ctimine.errors.EvaluationError` for a report that is missing or another.
    """
    found: list[Text] = []
    try:
        verdicts = [
            (
                (str(row["set"]), str(row["file"])),
                (str(row["document"]), row["sha256"]),
                int(row["judged"]),
                tuple(
                    Gold(str(name), int(start), int(end)) for start, end, name in row["techniques"]
                ),
            )
            for row in map(json.loads, path.read_text("utf-8").splitlines())
            if row["set"] in sets
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"no verdicts there: {in_words(error)}", subject=str(path)) from None
    for file in sorted({file for file, *_ in verdicts}):
        rows = {row.document: row for row in read_rows(folder / file[1])}
        for place, (document, digits), judged, golds in verdicts:
            if place != file:
                continue
            row = rows.get(document)
            if row is None or text_digest(row.text) != digits:
                raise EvaluationError("not the text that was read", subject=document)
            spans = tuple(span for span in row.sentences if span[1] <= judged)
            found += texts_of(
                [dataclasses.replace(row, sentences=spans, techniques=golds)], catalogue
            )
    return tuple(found)


def text_digest(text: str) -> str:
    """What tells a text that was read from another of the same name."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def texts_of(rows: Iterable[Row], catalogue: Catalogue) -> tuple[Text, ...]:
    """Annotated reports as sentences with techniques; those that write an id are left out."""
    found = []
    for row in rows:
        spans = [span for span in row.sentences if not TECHNIQUE_ID.search(row.text, *span)]
        found.append(
            Text(
                row.document,
                tuple(row.text[start:end] for start, end in spans),
                tuple(
                    frozenset(
                        _meant(
                            [
                                gold.label
                                for gold in row.techniques or ()
                                if gold.label and gold.start < end and start < gold.end
                            ],
                            catalogue,
                        )
                    )
                    for start, end in spans
                ),
            )
        )
    return tuple(found)


def made_reports(
    examples: Sequence[tuple[str, frozenset[str], str]], bundle: Path, seed: int
) -> tuple[tuple[Text, ...], tuple[tuple[str, frozenset[str], str], ...]]:
    """Stand-ins for annotated reports from ATT&CK alone, and the examples that are left.

    A fifth of the subjects lend their examples as behaviour; sentences of ATT&CK's descriptions of
    groups, software, campaigns and mitigations are what is none. It is not the prose of reports,
    and some of those sentences do describe behaviour, so the gate is weaker; the card says by how
    much.
    """
    opened = gzip.open if bundle.suffix == ".gz" else open
    try:
        with opened(bundle, "rt", encoding="utf-8") as file:
            objects = json.load(file)["objects"]
    except (OSError, ValueError, KeyError) as error:
        raise EvaluationError(
            f"needed to train from ATT&CK alone: {error}", subject=str(bundle)
        ) from None
    kinds = {"intrusion-set", "malware", "tool", "campaign", "course-of-action"}
    quiet = [
        text[start:end]
        for item in sorted(objects, key=lambda item: str(item["id"]))
        if item["type"] in kinds and not item.get("revoked")
        for text in (_plain(item.get("description", "")),)
        for start, end in sentences(text)
    ]
    names = sorted({document for _, _, document in examples})
    lent = {name for name, at in zip(names, folds_of(names, 5, seed), strict=True) if at == 0}
    loud = [(text, ids) for text, ids, document in examples if document in lent]
    # Reports hold about four sentences without a technique for each one with.
    loud = loud[: max(1, len(quiet) // 4)]
    lines = [*loud, *((line, frozenset[str]()) for line in quiet)]
    order = random.Random(seed)  # noqa: S311
    order.shuffle(lines)
    texts = tuple(
        Text(
            f"made-{at}",
            tuple(line for line, _ in lines[at : at + 60]),
            tuple(ids for _, ids in lines[at : at + 60]),
        )
        for at in range(0, len(lines), 60)
    )
    return texts, tuple(item for item in examples if item[2] not in lent)


def _plain(description: str) -> str:
    """A description without its citations, its links as words."""
    words = re.sub(r"\(Citation: [^)]*\)", "", description)
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)
    return re.sub(r"</?code>", "", words)


def _read_examples(path: Path, catalogue: Catalogue) -> list[tuple[str, frozenset[str], str]]:
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("domain", "enterprise") == "enterprise":
                ids = frozenset(_meant(row["techniques"], catalogue))
                found.append((row["text"], ids, str(row["subject"])))
    return found


def _meant(ids: Iterable[str], catalogue: Catalogue) -> set[str]:
    found = set()
    for name in ids:
        concept = catalogue.resolve(name)
        if concept is not None and concept.kind == "technique":
            found.add(concept.id)
    return found


def parents(ids: Iterable[str]) -> set[str]:
    """The techniques that are meant, sub-techniques as what they belong to."""
    return {name.partition(".")[0] for name in ids}


def folds_of(documents: Sequence[str], count: int, seed: int) -> list[int]:
    """A fold for each document, equal documents together, drawn by a seeded hash.

    >>> folds_of(["a", "b", "a"], 2, 0)[0] == folds_of(["a", "b", "a"], 2, 0)[2]
    True
    """
    order = sorted(
        set(documents), key=lambda name: hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()
    )
    place = {name: number % count for number, name in enumerate(order)}
    return [place[name] for name in documents]
