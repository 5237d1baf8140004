"""Training of the behaviour model: from annotated texts to the file in the package.

What is read (``training_material.py``) becomes a space of n-grams and labels
(``training_space.py``), the first stage (``training_scores.py``) and the second
(``training_ranking.py``); here they are put together. Everything is seeded and every split is by
document.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctimine.attack import Catalogue, load_attack
from ctimine.errors import EvaluationError
from ctimine.evaluate.rows import digest
from ctimine.evaluate.training_material import (
    ATTACK_BUNDLE,
    SETS,
    Material,
    Text,
    folds_of,
    made_reports,
    parents,
    read_material,
)
from ctimine.evaluate.training_ranking import candidates_of, fit_ranker, thresholds_of, truth_of
from ctimine.evaluate.training_scores import (
    KEPT_OF_MANY,
    FirstStage,
    closed_rows,
    fit_block,
    fit_read_block,
    strongest,
)
from ctimine.evaluate.training_space import Space
from ctimine.extract.behaviours_model import Model
from ctimine.extract.behaviours_ranking import Ranker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

_READ_FOLDS: Final = 3
_GATE_LOSS: Final = 0.06
"""Share of the sentences with a technique that the gate may pass over, for speed."""


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
    space = Space(primary, secondary, examples, read, catalogue)
    say(f"{len(space.hashes)} n-grams, {len(space.labels)} techniques")

    fixed = []
    if secondary:
        fixed.append(fit_block(*closed_rows(space, secondary, seed), space))
    fixed.append(
        fit_block(
            space.rows([text for text, _, _ in examples]),
            [parents(ids) for _, ids, _ in examples],
            space,
            strength=0.5,
            most=KEPT_OF_MANY,
        )
    )
    blocks = [*fixed, fit_read_block(space, read, seed)] if read else fixed
    say("blocks of other material fitted")

    rows = [space.rows(text.lines) for text in primary]
    marks = [[parents(ids) for ids in text.techniques] for text in primary]
    first = FirstStage(primary, rows, marks, space, seed)
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
        parts[number] = candidates_of(text, gate, [own, *scores[1:]], names, gate_floor)
    linear.gate_floor = gate_floor
    say("first stage scored out of document")
    truth = {number: truth_of(part, marks[number], space.labels) for number, part in parts.items()}
    ranker, scored, right = fit_ranker(parts, truth, folds_of(_names(primary), 4, seed), space)
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
        thresholds=thresholds_of(scored, right, gold),
        about=about or {},
    )
    say(f"thresholds {model.thresholds}")
    return model


def _names(texts: Sequence[Text]) -> list[str]:
    return [text.document for text in texts]


def _reader(
    material: Material,
    space: Space,
    first: FirstStage,
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
        linear = first.linear([*fixed, fit_read_block(space, rest, seed)])
        for number in held:
            text = own[number]
            gate, blocks, names = linear.score(space.rows(text.lines))
            parts[number] = candidates_of(text, gate, blocks, names, gate_floor)
            marks = [parents(ids) for ids in text.techniques]
            truth[number] = truth_of(parts[number], marks, space.labels)
    parts = dict(sorted(parts.items()))
    return fit_ranker(parts, truth, folds, space)[0]


def _subs(
    material: Material, space: Space
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
        for parent in parents(ids):
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
            columns.append(strongest(model.coef_.ravel()))
            bias.append(model.intercept_[0])
    matrix = (
        sparse.hstack(columns).tocsr() if columns else sparse.csr_matrix((len(space.hashes), 0))
    )
    return tuple(names), matrix, np.array(bias, np.float32)


def fit_examples(
    examples: Sequence[tuple[str, frozenset[str], str]], catalogue: Catalogue
) -> Callable[[Sequence[str]], list[str]]:
    """Which technique (parent) a text that is known to describe one describes.

    The block of examples of a model by itself: no gate, no context, the best score wins. Returned
    as a function from texts to technique ids.
    """
    space = Space((), (), examples, (), catalogue)
    rows = space.rows([text for text, _, _ in examples])
    weights, bias, labels = fit_block(rows, [parents(ids) for _, ids, _ in examples], space)

    def classify(lines: Sequence[str]) -> list[str]:
        best = ((space.rows(lines) @ weights).toarray() + bias).argmax(axis=1)
        return [space.labels[labels[n]] for n in best.tolist()]

    return classify
