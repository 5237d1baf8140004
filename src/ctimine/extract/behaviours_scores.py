"""The first stage of the model of described techniques: what the n-grams of a sentence say.

Linear models give each sentence a score of the gate (does it describe a technique at all) and, in
a block for each kind of training material, one of every technique; the words of technique names
count beside them. The second stage weighs these scores (``behaviours_ranking.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ctimine.extract.grams import GramIndex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from ctimine.extract.grams import Indices

    Numbers: TypeAlias = npt.NDArray[np.float32]

FLOOR: Final = -1.2
"""The score of what was not scored: a label that a stage does not know, a sentence off the gate."""
PIECE_WEIGHT: Final = 0.5
"""Weight of a piece of a word against a word: there are many of them."""
_FREQUENT: Final = 24_000


@dataclasses.dataclass(slots=True)
class Linear:
    """The first stage: n-gram weights for the gate and for blocks of labels.

    ``weights`` has a column for the gate, then one for each entry of ``columns`` (label number).
    ``blocks`` says which columns stem from which training material. ``names`` holds the n-grams of
    technique names, ``name_labels`` the label of each.
    """

    hashes: npt.NDArray[np.uint32]
    scale: Numbers
    weights: sparse.csr_matrix
    bias: Numbers
    blocks: tuple[Indices, ...]
    name_grams: sparse.csr_matrix
    name_labels: Indices
    labels: int
    gate_floor: float
    index: GramIndex = dataclasses.field(init=False)
    gate: Numbers = dataclasses.field(init=False)
    fast: Weights = dataclasses.field(init=False)
    _sources: list[Indices] = dataclasses.field(init=False)
    """For each block and label the column of ``weights``, the one behind the last for none."""
    _in_names: npt.NDArray[np.bool_] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        import numpy as np

        self.fast = Weights(self.weights, self.frequent(_FREQUENT))
        self._sources, at = [], 1
        for labels in self.blocks:
            source = np.full(self.labels, len(self.bias), np.int64)
            source[labels] = np.arange(at, at + len(labels))
            self._sources.append(source)
            at += len(labels)
        self._in_names = np.diff(self.name_grams.indptr) > 0
        self.gate = self.weights[:, [0]].toarray().ravel()
        self.index = GramIndex(self.hashes)

    def frequent(self, count: int) -> Indices:
        """The numbers of the most frequent n-grams."""
        import numpy as np

        rarity = self.scale * np.where(self.hashes & 1, np.float32(1 / PIECE_WEIGHT), 1)
        return np.argsort(rarity, kind="stable")[:count]

    def rows(self, words: Sequence[Sequence[str]]) -> sparse.csr_matrix:
        """Sentences as rows of weighted n-grams of length one."""
        import numpy as np
        from scipy import sparse

        starts, columns = self.index.of(words)
        matrix = sparse.csr_matrix(
            (self.scale[columns], columns.astype(np.int32), starts.astype(np.int32)),
            shape=(len(words), len(self.hashes)),
        )
        return unit_rows(matrix)

    def score(self, rows: sparse.csr_matrix) -> tuple[Numbers, list[Numbers], Numbers]:
        """Gate, one (sentence, label) matrix a block, and how much of a technique's name is there.

        Sentences under the gate's floor are not scored further.
        """
        import numpy as np

        count = rows.shape[0]
        gate = rows @ self.gate + self.bias[0]
        open_ = np.flatnonzero(gate >= self.gate_floor)
        chosen = rows[open_]
        # Behind the scores the floor, for the labels that a block does not know.
        raw = np.full((len(open_), len(self.bias) + 1), FLOOR, np.float32)
        raw[:, :-1] = self.fast.product(chosen)
        raw[:, :-1] += self.bias
        blocks = []
        for source in self._sources:
            scores = np.full((count, self.labels), FLOOR, np.float32)
            scores[open_] = raw.take(source, axis=1)
            blocks.append(scores)
        names = np.zeros((count, self.labels), np.float32)
        if self.name_grams.shape[1]:
            inside = np.flatnonzero(self._in_names[chosen.indices])
            present = chosen.copy()
            present.data[:] = 1.0
            shares = spread(present, inside, self.name_grams)
            # Names stand label by label; the best of a label's names counts.
            starts = np.flatnonzero(np.diff(self.name_labels, prepend=-1))
            best = np.zeros((len(open_), self.labels), np.float32)
            best[:, self.name_labels[starts]] = np.maximum.reduceat(shares, starts, axis=1)
            names[open_] = best
        return gate.astype(np.float32), blocks, names


class Weights:
    """Sparse weights with the rows of frequent n-grams at hand as a dense block.

    Most n-grams of a sentence are frequent ones: a dense block multiplies them several times as
    fast as sparse rows do, and the rare ones cost little either way.
    """

    def __init__(self, weights: sparse.csr_matrix, frequent: Indices) -> None:
        import numpy as np

        self.sparse = weights
        self.dense = weights[frequent].toarray()
        self.place = np.full(weights.shape[0], -1, np.int32)
        self.place[frequent] = np.arange(len(frequent), dtype=np.int32)

    def product(self, rows: sparse.csr_matrix) -> Numbers:
        """``rows @ weights``, dense."""
        import numpy as np
        from scipy import sparse

        place = self.place[rows.indices]
        near, far = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
        ends = np.searchsorted(near, rows.indptr).astype(np.int32)
        frequent = sparse.csr_matrix(
            (rows.data[near], place[near], ends), shape=(rows.shape[0], len(self.dense))
        )
        total: Numbers = frequent @ self.dense
        total += spread(rows, far, self.sparse)
        return total


def spread(rows: sparse.csr_matrix, entries: Indices, weights: sparse.csr_matrix) -> Numbers:
    """``rows @ weights``, dense, of some entries of the rows: the sooner the fewer those are.

    >>> from scipy import sparse
    >>> both = sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]])
    >>> spread(both, both.indptr[1:] - 1, both).tolist()
    [[0.0, 6.0], [0.0, 9.0]]
    """
    import numpy as np

    count, width = rows.shape[0], weights.shape[1]
    grams = rows.indices[entries]
    begins = weights.indptr[grams]
    sizes = weights.indptr[grams + 1] - begins
    filled = np.flatnonzero(sizes)
    entries, begins, sizes = entries[filled], begins[filled], sizes[filled]
    ends = np.cumsum(sizes)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - ends + sizes, sizes)
    row = np.searchsorted(rows.indptr, entries, side="right") - 1
    place = np.repeat(row * width, sizes) + weights.indices[at]
    values = np.repeat(rows.data[entries], sizes) * weights.data[at]
    total = np.zeros(count * width, values.dtype)
    np.add.at(total, place, values)  # in order, as the product of sparse matrices adds them
    return total.reshape(count, width)


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with rows of Euclidean length one; empty rows stay empty."""
    import numpy as np

    sizes = np.diff(matrix.indptr)
    filled = np.flatnonzero(sizes)
    lengths = np.sqrt(np.add.reduceat(matrix.data**2, matrix.indptr[filled]))
    lengths[lengths == 0] = 1.0
    matrix.data /= np.repeat(lengths, sizes[filled]).astype(np.float32)
    return matrix
