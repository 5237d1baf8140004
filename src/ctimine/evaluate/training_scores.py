"""Training of the behaviour model's first stage: the gate, and a block for each kind of material.

The primary reports are fitted by least squares, which also say how a model without a report would
score it; other material by linear SVMs. Every seeded draw is of sentences without a technique.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from ctimine.evaluate.training_material import Text, parents
from ctimine.evaluate.training_space import Space
from ctimine.extract.behaviours_scores import FLOOR, Linear

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from ctimine.extract.behaviours_scores import Numbers

_KEPT: Final = 8000
KEPT_OF_MANY: Final = 6500
"""Weights of a label in the two blocks that have one for nearly every technique."""
_QUIET: Final = 8000
_MOST_ROWS: Final = 9000
"""Sentences of the primary reports that are learnt from: the square of it must fit into memory."""
_RIDGE: Final = 1.0
_GATE_SPREAD: Final = 3.0
"""The gate's targets: its score is read as a logit."""


class FirstStage:
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
        space: Space,
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
        self.columns += [strongest(weights[:, n]) for n in range(1, weights.shape[1])]
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


def fit_block(
    rows: sparse.csr_matrix,
    marks: Sequence[Collection[str]],
    space: Space,
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
        columns = [strongest(model.coef_[number], most) for number in order]
        bias = [model.intercept_[number] for number in order]
    else:
        columns, bias = [], []
        for name in names:
            model.fit(rows, np.fromiter((name in ids for ids in marks), bool, len(marks)))
            columns.append(strongest(model.coef_.ravel(), most))
            bias.append(model.intercept_[0])
    none = sparse.csc_matrix((rows.shape[1], 0), dtype=np.float32)
    return (
        sparse.hstack([none, *columns]).tocsc(),
        np.array(bias, np.float32),
        np.array([space.number[name] for name in names], np.int64),
    )


def fit_read_block(
    space: Space, texts: Sequence[Text], seed: int
) -> tuple[sparse.csc_matrix, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    return fit_block(*closed_rows(space, texts, seed), space, most=KEPT_OF_MANY)


def closed_rows(
    space: Space, texts: Sequence[Text], seed: int
) -> tuple[sparse.csr_matrix, list[set[str]]]:
    lines = [line for text in texts for line in text.lines]
    marks = [parents(ids) for text in texts for ids in text.techniques]
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


def strongest(weights: npt.NDArray[np.float64], most: int = _KEPT) -> sparse.csc_matrix:
    """The strongest weights as a column; the others are noise that costs space."""
    import numpy as np
    from scipy import sparse

    if np.count_nonzero(weights) > most:
        least = np.partition(np.abs(weights), -most)[-most]
        weights = np.where(np.abs(weights) >= least, weights, 0.0)
    return sparse.csc_matrix(weights.astype(np.float32)[:, None])
