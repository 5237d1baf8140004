"""Training of the behaviour model: from annotated texts to the file in the package.

Only sets whose licence lets a model be passed on are read: ATT&CK procedure examples, TRAM and the
training split of AnnoCTR. Everything is seeded and every split is by document.
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
from ctimine.errors import EvaluationError
from ctimine.evaluate.rows import TECHNIQUE_ID, Row, digest, read_rows
from ctimine.extract.behaviours import (
    PIECE_WEIGHT,
    Grams,
    Linear,
    Model,
    Ranker,
    calibrated,
    candidates,
    standard,
    stem,
    unit_rows,
    words_of,
)
from ctimine.extract.sentences import sentences

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
_KEPT: Final = 4000
_QUIET: Final = 8000
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
    ``examples`` are single sentences, each with the document it comes from.
    """

    prose: tuple[Text, ...]
    closed: tuple[Text, ...]
    examples: tuple[tuple[str, frozenset[str], str], ...]


def train_behaviours(
    folder: Path,
    *,
    without: Collection[str] = (),
    catalogue: Catalogue | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Model:
    """The behaviour model trained from the sets in a folder; equal input gives equal bytes.

    ``without`` names sets to leave out (``annoctr``, ``tram``). Without both, the model learns what
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
    material = read_material(folder, used, catalogue)
    if not material.prose and not material.closed:
        paths.append(folder / ATTACK_BUNDLE)
        prose, examples = made_reports(material.examples, paths[-1], seed)
        material = Material(prose, (), examples)
    about = {
        "sets": sorted(used),
        "digest": digest(paths),
        "seed": seed,
        "prose": len(material.prose),
        "closed": len(material.closed),
        "examples": len(material.examples),
    }
    return fit(material, catalogue, seed=seed, about=about, say=say)


def _has_scikit_learn() -> bool:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True


def read_material(folder: Path, sets: Collection[str], catalogue: Catalogue) -> Material:
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
    return Material(prose, closed, tuple(examples))


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
    space = _Space(primary, secondary, material.examples, catalogue)
    say(f"{len(space.hashes)} n-grams, {len(space.labels)} techniques")

    fixed = []
    if secondary:
        fixed.append(_block(*_closed_rows(space, secondary, seed), space))
    fixed.append(
        _block(
            space.rows([text for text, _, _ in material.examples]),
            [_parents(ids) for _, ids, _ in material.examples],
            space,
            strength=0.5,
        )
    )
    say("blocks of other material fitted")

    folds = folds_of([text.document for text in primary], 4, seed)
    name_grams, name_labels = space.names()
    rows = [space.rows(text.lines) for text in primary]
    marks = [[_parents(ids) for ids in text.techniques] for text in primary]

    def linear_of(numbers: Sequence[int], gate_floor: float) -> Linear:
        from scipy import sparse

        flat = [ids for n in numbers for ids in marks[n]]
        kept = _drawn(flat, seed)
        stacked = sparse.vstack([rows[n] for n in numbers]).tocsr()[kept]
        flat = [flat[n] for n in kept]
        gate = _gate(stacked, flat)
        blocks = [_block(stacked, flat, space), *fixed]
        return Linear(
            hashes=space.hashes,
            scale=space.scale,
            weights=sparse.hstack([gate[0], *(block[0] for block in blocks)]).tocsr(),
            bias=np.concatenate([gate[1], *(block[1] for block in blocks)]).astype(np.float32),
            blocks=tuple(block[2] for block in blocks),
            name_grams=name_grams,
            name_labels=name_labels,
            labels=len(space.labels),
            gate_floor=gate_floor,
        )

    # Out of fold, so that the ranker sees first-stage scores as they are on texts never seen.
    parts: dict[int, tuple[Any, Any, Any]] = {}
    outside = [[n for n in range(len(primary)) if folds[n] != fold] for fold in range(4)]
    stages = [linear_of(numbers, -np.inf) for numbers in outside]
    gates = [
        stages[folds[n]].score(rows[n])[0][[bool(ids) for ids in marks[n]]]
        for n in range(len(primary))
    ]
    gate_floor = float(np.quantile(np.concatenate(gates), _GATE_LOSS))
    for number, text in enumerate(primary):
        stage = stages[folds[number]]
        stage.gate_floor = gate_floor
        words = words_of(text.lines)
        parts[number] = candidates(text.lines, words, *stage.score(rows[number]))
    say("first stage fitted out of fold")
    truth = {
        number: np.array(
            [space.labels[label] in marks[number][at] for at, label in zip(*part[:2], strict=True)],
            dtype=bool,
        )
        for number, part in parts.items()
    }
    everything = list(range(len(primary)))
    probability = {}
    for fold in range(4):
        ranker = _ranker(parts, truth, outside[fold], len(space.labels))
        for number in everything:
            if folds[number] == fold:
                probability[number] = ranker.probability(parts[number][1], parts[number][2])
    scored = np.concatenate([probability[n] for n in everything])
    right = np.concatenate([truth[n] for n in everything])
    calibration = _calibration(scored, right)
    scored = calibrated(scored, calibration)
    gold = sum(len(ids) for text in marks for ids in text)
    subs, sub_weights, sub_bias = _subs(material, space)
    model = Model(
        labels=space.labels,
        linear=linear_of(everything, gate_floor),
        ranker=dataclasses.replace(
            _ranker(parts, truth, everything, len(space.labels)), calibration=calibration
        ),
        subs=subs,
        sub_weights=sub_weights,
        sub_bias=sub_bias,
        sub_floor=0.0,
        thresholds=_thresholds(scored, right, gold),
        about=about or {},
    )
    say(f"thresholds {model.thresholds}")
    return model


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
        catalogue: Catalogue,
    ) -> None:
        import numpy as np

        self.catalogue = catalogue
        grams = Grams()
        lines = [(line, text.document) for text in (*primary, *secondary) for line in text.lines]
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
        for text in (*primary, *secondary):
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


def _block(
    rows: sparse.csr_matrix, marks: Sequence[Collection[str]], space: _Space, strength: float = 1.0
) -> tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """One-against-rest linear models of the labels with three examples or more."""
    import numpy as np
    from scipy import sparse
    from sklearn.svm import LinearSVC

    counts = collections.Counter(name for ids in marks for name in ids)
    names = [name for name in space.labels if counts[name] >= 3]
    columns, bias = [], []
    for name in names:
        target = np.fromiter((name in ids for ids in marks), bool, len(marks))
        model = LinearSVC(C=strength, random_state=0).fit(rows, target)
        columns.append(_kept(model.coef_.ravel()))
        bias.append(model.intercept_[0])
    return (
        sparse.hstack(columns).tocsc(),
        np.array(bias, np.float32),
        np.array([space.number[name] for name in names], np.int64),
    )


def _gate(
    rows: sparse.csr_matrix, marks: Sequence[Collection[str]]
) -> tuple[sparse.csc_matrix, npt.NDArray[np.float32]]:
    import numpy as np
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    target = np.fromiter((bool(ids) for ids in marks), bool, len(marks))
    model = LogisticRegression(C=4, solver="liblinear", class_weight="balanced", random_state=0)
    model.fit(rows, target)
    weights = model.coef_.ravel().astype(np.float32)[:, None]
    return sparse.csc_matrix(weights), model.intercept_.astype(np.float32)


def _kept(weights: npt.NDArray[np.float64]) -> sparse.csc_matrix:
    """The strongest weights as a column; the others are noise that costs space."""
    import numpy as np
    from scipy import sparse

    if np.count_nonzero(weights) > _KEPT:
        least = np.partition(np.abs(weights), -_KEPT)[-_KEPT]
        weights = np.where(np.abs(weights) >= least, weights, 0.0)
    return sparse.csc_matrix(weights.astype(np.float32)[:, None])


def _closed_rows(
    space: _Space, texts: Sequence[Text], seed: int
) -> tuple[sparse.csr_matrix, list[set[str]]]:
    lines = [line for text in texts for line in text.lines]
    marks = [_parents(ids) for text in texts for ids in text.techniques]
    kept = _drawn(marks, seed)
    return space.rows([lines[n] for n in kept]), [marks[n] for n in kept]


def _drawn(marks: Sequence[Collection[str]], seed: int) -> list[int]:
    """Every sentence with a technique and a seeded draw of the others: enough of them is enough."""
    quiet = [n for n, ids in enumerate(marks) if not ids]
    drawn = set(random.Random(seed).sample(quiet, min(_QUIET, len(quiet))))  # noqa: S311
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
    ready = standard(features, mean, spread)
    own_score, gate = 4, 0
    one = sparse.csr_matrix(
        (np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), labels)
    )
    full = sparse.hstack(
        [
            sparse.csr_matrix(ready),
            one,
            one.multiply(ready[:, [own_score]]),
            one.multiply(ready[:, [gate]]),
        ]
    ).tocsr()
    model = LogisticRegression(C=0.1, solver="liblinear", random_state=0).fit(full, right)
    weights = model.coef_.ravel().astype(np.float32)
    width = ready.shape[1]
    return Ranker(
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        coefficients=weights[:width],
        intercept=float(model.intercept_[0]),
        by_label=weights[width:].reshape(3, labels).T.copy(),
        slopes=(own_score, gate),
    )


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
        for text in (*material.closed, *material.prose)
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
        return round(float(scored[order][good[-1]]), 4) if len(good) else 1.0

    balanced = round(float(scored[order][int(np.argmax(f1))]), 4)
    return {
        "high": max(at_precision(0.68), balanced),
        "balanced": balanced,
        "recall": min(at_precision(0.40), balanced),
    }


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
