"""The model of described techniques as a whole: the sentences of a report in, probabilities out.

It holds both stages, the reader, and the sub-techniques within each technique. What is made of the
probabilities is decided in ``behaviours.py``; the file of a model is ``behaviours_file.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ctimine.extract.behaviours_ranking import Ranker, candidates
from ctimine.extract.behaviours_scores import Linear
from ctimine.extract.grams import words_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from ctimine.extract.behaviours_scores import Numbers
    from ctimine.extract.grams import Indices

_TELLING: Final = 3
_LIKELY: Final = 0.05
"""The probability from which the reader is asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """The candidates of a report: sentence number, label number, probability.

    ``read`` is the reader's probability of each; empty where a model has no reader.
    """

    sentence: Indices
    label: Indices
    probability: Numbers
    read: Numbers

    def sure(self, sentence: float, report: float) -> npt.NDArray[np.bool_]:
        """Of which candidates the reader is sure: of the sentence, and of the report as a whole."""
        import numpy as np

        if not len(self.read):
            return np.zeros(len(self.label), np.bool_)
        read = np.flatnonzero(self.read)  # most are hopeless, and tell nothing
        order = read[np.lexsort((-self.read[read], self.label[read]))]
        label = self.label[order]
        starts = np.flatnonzero(np.diff(label, prepend=-1))
        place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        none = np.ones(int(self.label.max()) + 1)
        best = order[place < _TELLING]
        np.multiply.at(none, self.label[best], 1.0 - self.read[best])
        told: npt.NDArray[np.bool_] = 1.0 - none[self.label] >= report
        return told & (self.read >= sentence)


@dataclasses.dataclass(slots=True)
class Model:
    """A trained model: labels, both stages, thresholds, and its card in short.

    ``labels`` are technique ids at parent level, ``subs`` the sub-technique of each column of
    ``sub_weights``. ``about`` says what it was trained from.
    """

    labels: tuple[str, ...]
    linear: Linear
    ranker: Ranker
    subs: tuple[str, ...]
    sub_weights: sparse.csr_matrix
    sub_bias: Numbers
    sub_floor: float
    thresholds: dict[str, float]
    about: dict[str, Any]
    reader: Ranker | None = None
    _subs_of: dict[str, list[int]] = dataclasses.field(init=False)
    _by_sub: sparse.csc_matrix = dataclasses.field(init=False)
    _tables: dict[str, tuple[Indices, Numbers]] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._subs_of = {}
        for number, name in enumerate(self.subs):
            self._subs_of.setdefault(name.partition(".")[0], []).append(number)
        self._by_sub = self.sub_weights.tocsc()
        self._tables = {}

    def score(self, lines: Sequence[str]) -> tuple[Scored, sparse.csr_matrix]:
        """Candidates of a report given as its sentences in order, and the rows of n-grams."""
        import numpy as np

        words = words_of(lines)
        rows = self.linear.rows(words)
        at, label, features = candidates(lines, words, *self.linear.score(rows))
        probability = self.ranker.probability(label, features)
        if self.reader is None:
            return Scored(at, label, probability, probability[:0]), rows
        read = np.zeros_like(probability)
        likely = np.flatnonzero(probability >= _LIKELY)  # most are hopeless, and need no reader
        read[likely] = self.reader.probability(label[likely], features[likely])
        return Scored(at, label, probability, read), rows

    def most_exact(self, rows: sparse.csr_matrix, parents: Sequence[str]) -> list[str]:
        """The sub-technique where a sentence carries it, the technique itself otherwise.

        ``rows`` are the n-grams of a sentence for each of ``parents``.
        """
        found = list(parents)
        for number, parent in enumerate(parents):
            if parent not in self._subs_of:
                continue
            own = self._subs_of[parent]
            held, weights = self._table(parent)
            grams = rows.indices[rows.indptr[number] : rows.indptr[number + 1]]
            data = rows.data[rows.indptr[number] : rows.indptr[number + 1]]
            place = held.searchsorted(grams)
            known = (held[place] == grams).nonzero()[0]
            scores = data[known] @ weights[place[known]] + self.sub_bias[own]
            best = int(scores.argmax())
            if scores[best] >= self.sub_floor:
                found[number] = self.subs[own[best]]
        return found

    def _table(self, parent: str) -> tuple[Indices, Numbers]:
        """The n-grams that tell the sub-techniques of a technique, and the weights of each."""
        import numpy as np

        if parent not in self._tables:
            weights = self._by_sub[:, self._subs_of[parent]].tocsr()
            held = np.flatnonzero(np.diff(weights.indptr))
            # A last one that no n-gram is, for places behind the last.
            self._tables[parent] = (
                np.append(held, weights.shape[0]).astype(np.int32),
                np.vstack([weights[held].toarray(), np.zeros((1, weights.shape[1]), np.float32)]),
            )
        return self._tables[parent]
