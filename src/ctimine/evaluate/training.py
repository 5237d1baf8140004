"""Training of the behaviour model: from annotated texts to the file in the package.

Only sets whose licence lets a model be passed on are read: ATT&CK procedure examples, TRAM, the
training split of AnnoCTR, and its extra reports by our own verdicts on their sentences. Everything
is seeded and every split is by document.
"""

from __future__ import annotations

import collections
import dataclasses
import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctimine.attack import Catalogue, load_attack
from ctimine.errors import EvaluationError, in_words
from ctimine.evaluate.rows import Gold, Row, digest, read_rows
from ctimine.extract.behaviours import (
    FLOOR,
    PIECE_WEIGHT,
    Grams,
    Linear,
    Model,
    Ranker,
    calibrated,
    candidates,
    stem,
    terms,
    unit_rows,
    words_of,
)
from ctimine.extract.sentences import TECHNIQUE_ID, sentences

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from ctimine.extract.behaviours import Numbers

SETS: Final = {
    "attack": ("procedures.jsonl.gz",),
    "tram": ("tram_docs.jsonl", "tram_spans.jsonl"),
    "annoctr": ("annoctr_train.jsonl",),
}
"""The sets that a model may be trained from, and their files."""
ATTACK_BUNDLE: Final = "../attack/enterprise-attack-18.1.json.gz"
"""The official bundle, from the folder of the sets: only read to train from ATT&CK alone."""
SEEN_IN: Final = 3
"""Documents that an n-gram must occur in: one that a single text holds could give it away."""
_KEPT: Final = 8000
_KEPT_OF_MANY: Final = 6500
"""Weights of a label in the two blocks that have one for nearly every technique."""
_QUIET: Final = 8000
_MOST_ROWS: Final = 9000
"""Sentences of the primary reports that are learnt from: the square of it must fit into memory."""
_RIDGE: Final = 1.0
_LABEL_TERMS: Final = 0.5
"""Terms of single techniques count less before they are paid for: most have few examples."""
_NETS: Final = 3
_UNITS: Final = 32
_PASSES: Final = 8
_GATE_SPREAD: Final = 3.0
"""The gate's targets: its score is read as a logit."""
_READ_FOLDS: Final = 3
_GATE_LOSS: Final = 0.06
"""Share of the sentences with a technique that the gate may pass over, for speed."""


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


def train_behaviours(
    folder: Path,
    *,
    without: Collection[str] = (),
    verdicts: Path | None = None,
    catalogue: Catalogue | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Model:
    """The behaviour model trained from the sets in a folder; equal input gives equal bytes.

    ``verdicts`` is the file of what was read in the sets' reports (``corpora/behaviours``); without
    it, the model has no reader. ``without`` names sets to leave out (``annoctr``, ``tram``), their
    verdicts with them. Without both, the model learns what
    is no behaviour from ATT&CK's own descriptions, which serves reports less well.
    Needs the extra ``train`` (scikit-learn); without it, or without the files, an
    :class:`ctimine.errors.EvaluationError` says so.
    """
    unknown = set(without) - SETS.keys() | ({"attack"} & set(without))
    if unknown:
        raise EvaluationError("no set that can be left out", subject=", ".join(sorted(unknown)))
    if not _has_scikit_learn():
        raise EvaluationError("training needs it: pip install 'ctimine[train]'", subject="sklearn")
    used = {name: files for name, files in SETS.items() if name not in without}
    paths = [folder / file for files in used.values() for file in files]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise EvaluationError(f"not at hand: {', '.join(absent)}", subject=str(folder))
    catalogue = catalogue or load_attack()
    material = read_material(folder, used, catalogue, verdicts)
    if not material.prose and not material.closed:
        paths.append(folder / ATTACK_BUNDLE)
        prose, examples = made_reports(material.examples, paths[-1], seed)
        material = Material(prose, (), examples)
    about = {
        "sets": sorted(used),
        "digest": digest([*paths, *([verdicts] if verdicts else [])]),
        "seed": seed,
        "prose": len(material.prose),
        "closed": len(material.closed),
        "examples": len(material.examples),
        "read": len(material.read),
    }
    # One thread: sums in another order would end in other bytes.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        return fit(material, catalogue, seed=seed, about=about, say=say)


def _has_scikit_learn() -> bool:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True


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


def fit(
    material: Material,
    catalogue: Catalogue,
    *,
    seed: int = 0,
    about: dict[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Model:
    """A model of the material: both stages, thresholds from predictions out of fold."""
    import numpy as np

    primary = material.prose or material.closed
    secondary = material.closed if material.prose else ()
    if not primary:
        raise EvaluationError("no reports to learn from", subject="material")
    documents = {text.document for text in primary}
    # Examples cut from the very reports that the ranker learns from would look too sure to it.
    examples = tuple(item for item in material.examples if item[2] not in documents)
    read = tuple(text for text in material.read if text.document not in documents)
    material = dataclasses.replace(material, read=read)
    space = _Space(primary, secondary, examples, read, catalogue)
    say(f"{len(space.hashes)} n-grams, {len(space.labels)} techniques")

    fixed = []
    if secondary:
        fixed.append(_block(*_closed_rows(space, secondary, seed), space))
    fixed.append(
        _block(
            space.rows([text for text, _, _ in examples]),
            [_parents(ids) for _, ids, _ in examples],
            space,
            strength=0.5,
            most=_KEPT_OF_MANY,
        )
    )
    blocks = [*fixed, _read_block(space, read, seed)] if read else fixed
    say("blocks of other material fitted")

    rows = [space.rows(text.lines) for text in primary]
    marks = [[_parents(ids) for ids in text.techniques] for text in primary]
    first = _First(primary, rows, marks, space, seed)
    linear = first.linear(blocks)
    say("first stage fitted")

    # Out of document, so that the ranker sees first-stage scores as they are on texts never seen.
    outside = [first.outside(number) for number in range(len(primary))]
    loud = np.array([bool(ids) for text in marks for ids in text])
    gate_floor = float(np.quantile(np.concatenate([gate for gate, _ in outside])[loud], _GATE_LOSS))
    parts: dict[int, tuple[Any, Any, Any]] = {}
    for number, text in enumerate(primary):
        gate, own = outside[number]
        _, scores, names = linear.score(rows[number])
        parts[number] = _candidates(text, gate, [own, *scores[1:]], names, gate_floor)
    linear.gate_floor = gate_floor
    say("first stage scored out of document")
    truth = {number: _truth(part, marks[number], space.labels) for number, part in parts.items()}
    ranker, scored, right = _ranked(parts, truth, folds_of(_names(primary), 4, seed), space)
    gold = sum(len(ids) for text in marks for ids in text)
    say("ranker fitted")
    reader = _reader(material, space, first, fixed, gate_floor=gate_floor, seed=seed)
    say("reader fitted")
    subs, sub_weights, sub_bias = _subs(material, space)
    model = Model(
        labels=space.labels,
        linear=linear,
        ranker=ranker,
        reader=reader,
        subs=subs,
        sub_weights=sub_weights,
        sub_bias=sub_bias,
        sub_floor=0.0,
        thresholds=_thresholds(scored, right, gold),
        about=about or {},
    )
    say(f"thresholds {model.thresholds}")
    return model


def _names(texts: Sequence[Text]) -> list[str]:
    return [text.document for text in texts]


def _candidates(
    text: Text, gate: Numbers, blocks: Sequence[Numbers], names: Numbers, floor: float
) -> tuple[Any, Any, Any]:
    """The candidates of a report, sentences under the gate's floor shut as they are in use."""
    shut = gate < floor
    for scores in blocks:
        scores[shut] = FLOOR
    names[shut] = 0.0
    return candidates(text.lines, words_of(text.lines), gate, blocks, names)


def _truth(part: tuple[Any, Any, Any], marks: Sequence[set[str]], labels: Sequence[str]) -> Any:
    """Which candidates of a report its annotation has."""
    import numpy as np

    return np.array(
        [labels[label] in marks[at] for at, label in zip(*part[:2], strict=True)], dtype=bool
    )


def _ranked(
    parts: dict[int, tuple[Any, Any, Any]],
    truth: dict[int, Any],
    folds: Sequence[int],
    space: _Space,
) -> tuple[Ranker, Any, Any]:
    """A ranker of all reports, and its probabilities out of fold beside what is right."""
    import numpy as np

    labels = len(space.labels)
    probability = {}
    for fold in range(max(folds) + 1):
        ranker = _ranker(parts, truth, [n for n in parts if folds[n] != fold], labels)
        for number, part in parts.items():
            if folds[number] == fold:
                probability[number] = ranker.probability(part[1], part[2])
    scored = np.concatenate([probability[n] for n in parts])
    right = np.concatenate([truth[n] for n in parts])
    calibration = _calibration(scored, right)
    ranker = dataclasses.replace(
        _ranker(parts, truth, list(parts), labels), calibration=calibration
    )
    return ranker, calibrated(scored, calibration), right


def _reader(
    material: Material,
    space: _Space,
    first: _First,
    fixed: Sequence[tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]],
    *,
    gate_floor: float,
    seed: int,
) -> Ranker | None:
    """The ranker of what was read for this project; None without such reports.

    It learns from reports that no other block has seen, and whose own verdicts the last block has
    not seen either: that block is fitted anew without each third of them.
    """
    closed = set(_names(material.closed))
    own = [text for text in material.read if text.document not in closed]
    if len(own) < _READ_FOLDS:
        return None
    folds = folds_of(_names(own), _READ_FOLDS, seed)
    parts: dict[int, tuple[Any, Any, Any]] = {}
    truth: dict[int, Any] = {}
    for fold in range(_READ_FOLDS):
        held = [n for n in range(len(own)) if folds[n] == fold]
        out = {own[n].document for n in held}
        rest = [text for text in material.read if text.document not in out]
        linear = first.linear([*fixed, _read_block(space, rest, seed)])
        for number in held:
            text = own[number]
            gate, blocks, names = linear.score(space.rows(text.lines))
            parts[number] = _candidates(text, gate, blocks, names, gate_floor)
            marks = [_parents(ids) for ids in text.techniques]
            truth[number] = _truth(parts[number], marks, space.labels)
    parts = dict(sorted(parts.items()))
    return _ranked(parts, truth, folds, space)[0]


def fit_examples(
    examples: Sequence[tuple[str, frozenset[str], str]], catalogue: Catalogue
) -> Callable[[Sequence[str]], list[str]]:
    """Which technique (parent) a text that is known to describe one describes.

    The block of examples of a model by itself: no gate, no context, the best score wins. Returned
    as a function from texts to technique ids.
    """
    space = _Space((), (), examples, (), catalogue)
    rows = space.rows([text for text, _, _ in examples])
    weights, bias, labels = _block(rows, [_parents(ids) for _, ids, _ in examples], space)

    def classify(lines: Sequence[str]) -> list[str]:
        best = ((space.rows(lines) @ weights).toarray() + bias).argmax(axis=1)
        return [space.labels[labels[n]] for n in best.tolist()]

    return classify


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


# -- the parts -----------------------------------------------------------------------------------


class _Space:
    """The n-grams and labels of a model."""

    def __init__(
        self,
        primary: Sequence[Text],
        secondary: Sequence[Text],
        examples: Sequence[tuple[str, frozenset[str], str]],
        read: Sequence[Text],
        catalogue: Catalogue,
    ) -> None:
        import numpy as np

        self.catalogue = catalogue
        grams = Grams()
        known = {text.document for text in (*primary, *secondary)}
        texts = (*primary, *secondary, *(text for text in read if text.document not in known))
        lines = [(line, text.document) for text in texts for line in text.lines]
        lines += [(text, document) for text, _, document in examples]
        documents: dict[int, int | frozenset[int]] = {}
        numbers: dict[str, int] = {}
        rows: collections.Counter[int] = collections.Counter()
        for words, (_, name) in zip(words_of([line for line, _ in lines]), lines, strict=True):
            document = numbers.setdefault(name, len(numbers))
            found = grams.of(words)
            rows.update(found)
            for gram in found:
                held = documents.get(gram, frozenset())
                if isinstance(held, frozenset) and document not in held:
                    more = held | {document}
                    # Enough documents: only the fact is kept.
                    documents[gram] = len(more) if len(more) >= SEEN_IN else more
        kept = sorted(gram for gram, held in documents.items() if isinstance(held, int))
        self.hashes = np.array(kept, dtype=np.uint32)
        rarity = np.log((1 + len(lines)) / (1 + np.array([rows[gram] for gram in kept]))) + 1
        weight = rarity * np.where(self.hashes & 1, PIECE_WEIGHT, 1.0)
        # Through 16 bits, as the file keeps it: training and use see the same numbers.
        self.scale: Numbers = weight.astype(np.float16).astype(np.float32)
        self.grams = Grams({gram: number for number, gram in enumerate(kept)})
        counts: collections.Counter[str] = collections.Counter()
        for text in (*primary, *secondary, *read):
            for ids in text.techniques:
                counts.update(_parents(ids))
        for _, ids, _ in examples:
            counts.update(_parents(ids))
        self.labels = tuple(sorted(name for name, count in counts.items() if count >= 3))
        self.number = {name: number for number, name in enumerate(self.labels)}

    def rows(self, lines: Sequence[str]) -> sparse.csr_matrix:
        """Sentences as rows of n-grams."""
        import numpy as np
        from scipy import sparse

        pointers, numbers = [0], []
        for words in words_of(lines):
            numbers.extend(sorted(self.grams.of(words)))
            pointers.append(len(numbers))
        columns = np.array(numbers, dtype=np.int32)
        return unit_rows(
            sparse.csr_matrix(
                (self.scale[columns], columns, np.array(pointers)),
                shape=(len(lines), len(self.hashes)),
            )
        )

    def names(self) -> tuple[sparse.csr_matrix, npt.NDArray[np.int64]]:
        """For each name of a technique the share that each of its stems carries."""
        import numpy as np
        from scipy import sparse

        names: list[tuple[int, list[str]]] = []
        for label, identifier in enumerate(self.labels):
            own = self.catalogue.get(identifier)
            concepts = [*([own] if own else []), *self.catalogue.subs(identifier)]
            for concept in concepts:
                stems = sorted({stem(word) for word in words_of([concept.name])[0]})
                names.append((label, [word for word in stems if len(word) > 2]))
        common = collections.Counter(word for _, stems in names for word in stems)
        entries: list[tuple[int, int, float]] = []
        for column, (_, stems) in enumerate(names):
            total = sum(1 / common[word] for word in stems)
            for word in stems:
                entries += [(n, column, 1 / common[word] / total) for n in self._stem_gram(word)]
        matrix = sparse.csr_matrix(
            (
                np.array([share for _, _, share in entries], np.float32),
                (
                    np.array([gram for gram, _, _ in entries], np.int64),
                    np.array([column for _, column, _ in entries], np.int64),
                ),
            ),
            shape=(len(self.hashes), len(names)),
        )
        return matrix, np.array([label for label, _ in names], np.int64)

    def _stem_gram(self, word: str) -> tuple[int, ...]:
        import zlib

        number = (self.grams.index or {}).get(zlib.crc32(f"s{word}".encode()) & 0xFFFFFFFE)
        return () if number is None else (number,)


def _read_block(
    space: _Space, texts: Sequence[Text], seed: int
) -> tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    return _block(*_closed_rows(space, texts, seed), space, most=_KEPT_OF_MANY)


def _block(
    rows: sparse.csr_matrix,
    marks: Sequence[Collection[str]],
    space: _Space,
    *,
    strength: float = 1.0,
    most: int = _KEPT,
) -> tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """One-against-rest linear models of the labels with three examples or more."""
    import numpy as np
    from scipy import sparse
    from sklearn.svm import LinearSVC

    counts = collections.Counter(name for ids in marks for name in ids)
    names = [name for name in space.labels if counts[name] >= 3]
    model = LinearSVC(C=strength, random_state=0)
    known = set(names)
    single = [sorted(known.intersection(ids)) for ids in marks]
    if len(names) > 2 and all(len(ids) <= 1 for ids in single):
        # All labels in one call: the rows are handed over once.
        model.fit(rows, [ids[0] if ids else "" for ids in single])
        place = {name: number for number, name in enumerate(model.classes_.tolist())}
        order = [place[name] for name in names]
        columns = [_kept(model.coef_[number], most) for number in order]
        bias = [model.intercept_[number] for number in order]
    else:
        columns, bias = [], []
        for name in names:
            model.fit(rows, np.fromiter((name in ids for ids in marks), bool, len(marks)))
            columns.append(_kept(model.coef_.ravel(), most))
            bias.append(model.intercept_[0])
    none = sparse.csc_matrix((rows.shape[1], 0), dtype=np.float32)
    return (
        sparse.hstack([none, *columns]).tocsc(),
        np.array(bias, np.float32),
        np.array([space.number[name] for name in names], np.int64),
    )


class _First:
    """The first stage of the primary reports, by least squares: gate and labels.

    It also gives the scores of each report as a model without that report would: they need no
    training anew, but follow from the inverse of the kernel matrix (leaving a group
    out of ridge regression, see Cawley and Talbot 2003, "Efficient leave-one-out cross-validation
    of kernel Fisher discriminant classifiers").
    """

    def __init__(
        self,
        texts: Sequence[Text],
        rows: Sequence[sparse.csr_matrix],
        marks: Sequence[Sequence[set[str]]],
        space: _Space,
        seed: int,
    ) -> None:
        import numpy as np
        from scipy import linalg, sparse

        self.space, self.rows = space, rows
        flat = [ids for text in marks for ids in text]
        kept = np.array(_drawn(flat, seed, _MOST_ROWS))
        names = {text.document: number for number, text in enumerate(texts)}
        self.place = [names[text.document] for text in texts]
        documents = np.repeat(self.place, [len(text.lines) for text in texts])
        self.documents = documents[kept]
        stacked = sparse.vstack(rows).tocsr()[kept]
        self.grams = stacked.T.tocsr()
        counts = collections.Counter(name for n in kept for name in flat[n])
        labels = [name for name in space.labels if counts[name] >= 3]
        self.labels = np.array([space.number[name] for name in labels], np.int64)
        place = {name: column for column, name in enumerate(labels, 1)}
        targets = np.full((len(kept), len(labels) + 1), -1.0, np.float32)
        for row, n in enumerate(kept.tolist()):
            targets[row, [place[name] for name in flat[n] if name in place]] = 1.0
            targets[row, 0] = _GATE_SPREAD if flat[n] else -_GATE_SPREAD
        kernel = (stacked @ stacked.T).toarray().astype(np.float32) + 1.0  # one: the intercept
        kernel[np.diag_indices(len(kept))] += _RIDGE
        factor = linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)[0]
        inverse = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)[0]
        inverse = np.tril(inverse)
        inverse += np.tril(inverse, -1).T
        self.inverse = inverse
        self.dual = inverse @ targets
        weights = self.grams @ self.dual
        self.columns = [sparse.csc_matrix(weights[:, [0]])]
        self.columns += [_kept(weights[:, n]) for n in range(1, weights.shape[1])]
        self.held = sparse.hstack(self.columns).tocsr() != 0

    def linear(
        self,
        fixed: Sequence[tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]],
    ) -> Linear:
        """The first stage with the blocks of other material, every sentence let through."""
        import numpy as np
        from scipy import sparse

        name_grams, name_labels = self.space.names()
        return Linear(
            hashes=self.space.hashes,
            scale=self.space.scale,
            weights=sparse.hstack([*self.columns, *(block[0] for block in fixed)]).tocsr(),
            bias=np.concatenate([self.dual.sum(axis=0), *(block[1] for block in fixed)]).astype(
                np.float32
            ),
            blocks=(self.labels, *(block[2] for block in fixed)),
            name_grams=name_grams,
            name_labels=name_labels,
            labels=len(self.space.labels),
            gate_floor=-np.inf,
        )

    def outside(self, number: int) -> tuple[Numbers, Numbers]:
        """Gate and (sentence, label) scores of a report by a model that has not seen it."""
        import numpy as np

        own = np.flatnonzero(self.documents == self.place[number])
        dual = self.dual
        if len(own):
            residual = np.linalg.solve(self.inverse[np.ix_(own, own)], dual[own])
            dual = dual - self.inverse[:, own] @ residual
        rows = self.rows[number]
        used = np.unique(rows.indices)
        # The same n-grams are kept as in the whole model, so that its scores are alike.
        weights = (self.grams[used] @ dual) * self.held[used].toarray()
        raw = rows[:, used] @ weights + dual.sum(axis=0)
        scores = np.full((rows.shape[0], len(self.space.labels)), FLOOR, np.float32)
        scores[:, self.labels] = raw[:, 1:]
        return raw[:, 0].astype(np.float32), scores


def _kept(weights: npt.NDArray[np.float64], most: int = _KEPT) -> sparse.csc_matrix:
    """The strongest weights as a column; the others are noise that costs space."""
    import numpy as np
    from scipy import sparse

    if np.count_nonzero(weights) > most:
        least = np.partition(np.abs(weights), -most)[-most]
        weights = np.where(np.abs(weights) >= least, weights, 0.0)
    return sparse.csc_matrix(weights.astype(np.float32)[:, None])


def _closed_rows(
    space: _Space, texts: Sequence[Text], seed: int
) -> tuple[sparse.csr_matrix, list[set[str]]]:
    lines = [line for text in texts for line in text.lines]
    marks = [_parents(ids) for text in texts for ids in text.techniques]
    kept = _drawn(marks, seed, 0)
    return space.rows([lines[n] for n in kept]), [marks[n] for n in kept]


def _drawn(marks: Sequence[Collection[str]], seed: int, most: int) -> list[int]:
    """Every sentence with a technique and a seeded draw of the others: enough of them is enough.

    ``most`` bounds both together; without it, only the others are bounded.
    """
    quiet = [n for n, ids in enumerate(marks) if not ids]
    count = max(0, most - len(marks) + len(quiet)) if most else _QUIET
    drawn = set(random.Random(seed).sample(quiet, min(count, len(quiet))))  # noqa: S311
    return [n for n, ids in enumerate(marks) if ids or n in drawn]


def _ranker(
    parts: dict[int, tuple[Any, Any, Any]],
    truth: dict[int, Any],
    numbers: Sequence[int],
    labels: int,
) -> Ranker:
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([parts[n][2] for n in numbers])
    label = np.concatenate([parts[n][1] for n in numbers])
    right = np.concatenate([truth[n] for n in numbers])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-3] = 1.0
    ready = terms(features, mean, spread)
    own_score, gate = 4, 0
    one = sparse.csr_matrix(
        (np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), labels)
    )
    full = sparse.hstack(
        [
            sparse.csr_matrix(ready),
            _LABEL_TERMS * one,
            _LABEL_TERMS * one.multiply(ready[:, [own_score]]),
            _LABEL_TERMS * one.multiply(ready[:, [gate]]),
        ]
    ).tocsr()
    model = LogisticRegression(C=0.1, solver="liblinear", random_state=0).fit(full, right)
    weights = model.coef_.ravel().astype(np.float32)
    width = ready.shape[1]
    hidden, out = _nets(ready[:, : features.shape[1]], right)
    return Ranker(
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        coefficients=weights[:width],
        intercept=float(model.intercept_[0]),
        by_label=_LABEL_TERMS * weights[width:].reshape(3, labels).T,
        slopes=(own_score, gate),
        hidden=hidden,
        out=out,
    )


def _nets(ready: Any, right: Any) -> tuple[Numbers, Numbers]:
    """Small nets of the features alone; several, since each depends on its draw of first weights.

    Few passes: they are stopped before they learn single candidates by heart.
    """
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    hidden, out = [], []
    for seed in range(_NETS):
        net = MLPClassifier(
            (_UNITS,),
            alpha=0.1,
            max_iter=_PASSES,
            batch_size=min(256, len(ready)),
            learning_rate_init=2e-3,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(ready, right)
        (inner, outer), (inner_shift, outer_shift) = net.coefs_, net.intercepts_
        hidden.append(np.vstack([inner, inner_shift]))
        out.append(np.r_[outer.ravel(), outer_shift])
    return np.array(hidden, np.float32), np.array(out, np.float32)


def _calibration(scored: Any, right: Any) -> tuple[float, float]:
    """Slope and shift of the logit that make probabilities out of fold honest (Platt 1999)."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    # Only what could be emitted: the mass of hopeless candidates would drown it.
    near = scored >= 0.08
    if right[near].all() or not right[near].any():
        return 1.0, 0.0
    logit = np.log(scored[near] / (1 - np.minimum(scored[near], 1 - 1e-7)))
    model = LogisticRegression(C=1e6, solver="liblinear", random_state=0)
    model.fit(logit[:, None], right[near])
    slope = float(model.coef_[0, 0])
    if not 0.2 <= slope <= 1.5:
        return 1.0, 0.0  # too few candidates to tell: they part by chance
    return slope, float(model.intercept_[0])


def _subs(
    material: Material, space: _Space
) -> tuple[tuple[str, ...], sparse.csr_matrix, npt.NDArray[np.float32]]:
    """Within each technique, a model of each sub-technique against what else the technique is."""
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    by_parent: dict[str, list[tuple[str, frozenset[str]]]] = collections.defaultdict(list)
    closed = [
        (line, ids)
        for text in (*material.closed, *material.prose, *material.read)
        for line, ids in zip(text.lines, text.techniques, strict=True)
        if any("." in name for name in ids)
    ]
    for line, ids in [*((text, ids) for text, ids, _ in material.examples), *closed]:
        for parent in _parents(ids):
            by_parent[parent].append((line, ids))
    names: list[str] = []
    columns, bias = [], []
    for parent in space.labels:
        group = by_parent.get(parent, [])
        counts = collections.Counter(
            name for _, ids in group for name in ids if name.startswith(parent + ".")
        )
        rows = space.rows([line for line, _ in group]) if counts else None
        for name, count in sorted(counts.items()):
            if count < 8:
                continue
            target = np.fromiter((name in ids for _, ids in group), bool, len(group))
            if target.all():
                # Every example is of this one: none says when the parent alone is meant.
                continue
            model = LogisticRegression(C=10, solver="liblinear", random_state=0).fit(rows, target)
            names.append(name)
            columns.append(_kept(model.coef_.ravel()))
            bias.append(model.intercept_[0])
    matrix = (
        sparse.hstack(columns).tocsr() if columns else sparse.csr_matrix((len(space.hashes), 0))
    )
    return tuple(names), matrix, np.array(bias, np.float32)


def _thresholds(scored: Any, right: Any, gold: int) -> dict[str, float]:
    """Thresholds by what they give out of fold."""
    import numpy as np

    order = np.argsort(-scored, kind="stable")
    hits = np.cumsum(right[order])
    found = np.arange(1, len(order) + 1)
    precision = hits / found
    f1 = 2 * hits / (found + gold)

    def at_precision(least: float) -> float:
        good = np.flatnonzero((precision >= least) & (found >= 20))
        return _plain_number(float(scored[order][good[-1]])) if len(good) else 1.0

    # The best F1 is a flat hill: of what is as good, the most precise.
    near = np.flatnonzero(f1 >= 0.995 * f1.max())
    balanced = _plain_number(float(scored[order][near[0]]))
    return {
        "high": max(at_precision(0.68), balanced),
        "balanced": balanced,
        "recall": min(at_precision(0.40), balanced),
    }


def _plain_number(threshold: float) -> float:
    """In hundredths: what was measured tells no finer; near the ends it may matter."""
    return round(threshold, 2 if 0.05 < threshold < 0.95 else 4)


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


def _parents(ids: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in ids}
