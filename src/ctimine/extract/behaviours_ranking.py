"""The second stage of the model of described techniques: which candidates are right.

A candidate is a sentence and a technique that the first stage gives a good score. Its features are
those scores with what stands around the sentence; a ranker turns them into a probability.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ctimine.extract.behaviours_scores import FLOOR

if TYPE_CHECKING:
    from ctimine.extract.behaviours_scores import Numbers
    from ctimine.extract.grams import Indices

_TOP: Final = 4
_SERIAL: Final = 1 << 18
"""Multiplications of a product of matrices up to which OpenBLAS stays with one thread."""
_SERIAL_VECTOR: Final = 9_000
"""The same of a matrix and a vector."""
_MOST_SPREAD: Final = 4.0
_MOST_GATE: Final = 3.0
_MOST_SCORE: Final = 0.5
_SHAPES: Final = 9
_FIRST_BLOCK: Final = 4
_BLOCK_FEATURES: Final = 9
_OTHER_FEATURES: Final = 7 + _SHAPES
"""Features before the blocks, of each block, and after them; see :func:`candidates`."""


def candidates(
    lines: Sequence[str],
    words: Sequence[Sequence[str]],
    gate: Numbers,
    blocks: Sequence[Numbers],
    names: Numbers,
) -> tuple[Indices, Indices, Numbers]:
    """(sentence, label, features) of what the ranker looks at: one report, in order.

    A candidate is among the first few labels of a block, or nearly named.
    """
    import numpy as np

    # Bounded, so that the plainest sentences count as sure and not as something never seen.
    gate = np.clip(gate, -_MOST_GATE, _MOST_GATE)
    blocks = [np.clip(scores, FLOOR, _MOST_SCORE) for scores in blocks]
    odds = 1 / (1 + np.exp(-gate))
    count, labels = names.shape
    open_ = np.flatnonzero(np.max([scores.max(axis=1) for scores in blocks], axis=0) > FLOOR)
    opened = [scores[open_] for scores in blocks]
    # From the lowest to the highest of each sentence: its leaders and how far they are ahead.
    ordered = [np.sort(scores, axis=1) for scores in opened]
    shares = names[open_]
    named = shares > 0.8
    chosen = named.copy()
    for scores, order in zip(opened, ordered, strict=True):
        least = order[:, max(0, order.shape[1] - _TOP)]
        chosen |= (scores >= least[:, None]) & (scores > FLOOR)
    row, label = np.nonzero(chosen)
    at = open_[row]
    before, after = at - 1, at + 1
    first, last = before < 0, after >= count
    before[first] = after[last] = 0

    def beside(values: Numbers, *rest: Indices) -> tuple[Numbers, Numbers]:
        earlier, later = values[(before, *rest)], values[(after, *rest)]
        earlier[first] = later[last] = FLOOR
        return earlier, later

    features: list[Any] = [gate[at], *beside(gate), gate.mean() if count else 0.0]
    few = min(3, count)
    for scores, opened_scores, order in zip(blocks, opened, ordered, strict=True):
        own = opened_scores[row, label]
        lead = order[:, -1]
        ahead = lead - order[:, -2] if labels > 1 else np.zeros_like(lead)
        rank = labels * (row + 1) - _places(order, row, own)
        around = np.maximum(*beside(scores, label))
        # Sentences off the gate have the floor: where too few are open, they make up the number.
        best = np.full((labels, len(open_) + few), FLOOR, np.float32)
        best[:, few:] = opened_scores.T
        best.partition(len(open_), axis=1)
        best = best[:, len(open_) :]
        features += [own, own - lead[row], ahead[row], np.log1p(rank)]
        features += [around, best.max(axis=1)[label], best.mean(axis=1)[label]]
        features += [own * odds[at], np.maximum(own, -0.4)]
    one, other = blocks[0][at, label], blocks[-1][at, label]
    share = shares[row, label]
    features += [np.minimum(one, other), odds[at]]
    features += [share, share * named[row, label]]
    features.append(shares.max(axis=1)[row])
    shape = np.array([_shape(lines[n], len(words[n])) for n in open_.tolist()])
    features += list(shape.reshape(len(open_), _SHAPES)[row].T)
    features += [at / max(1, count), np.log1p(count)]
    found = np.empty((len(at), len(features)), np.float32)
    for number, values in enumerate(features):
        found[:, number] = values
    return at, label, found


def _places(ordered: Numbers, row: Indices, values: Numbers) -> Indices:
    """How many numbers of earlier rows, and of its own that are no greater, stand before each.

    Each row is sorted. All are searched at once: the bits of a number, as a whole number, sort as
    it does (those of negative ones turned round), and behind the number of its row as one key.
    """
    import numpy as np

    def keys(numbers: Numbers, rows: Indices) -> Indices:
        bits = (numbers + np.float32(0)).view(np.int32)  # plus zero: there is one zero only
        return (rows << 32) + (bits ^ (bits >> 31 & 0x7FFFFFFF))

    every = keys(ordered, np.arange(len(ordered))[:, None]).ravel()
    return np.searchsorted(every, keys(values, row), side="right")


def _shape(line: str, words: int) -> tuple[float, ...]:
    raw = line.encode("utf-8", "surrogatepass")
    return (
        min(words, 60) / 10,
        line.startswith("#"),
        "*" in line,
        line.startswith("|"),
        "http" in line,
        line[:1].isupper(),
        line[-1:] in ".!?",
        (len(raw) - len(raw.translate(None, b"0123456789"))) / max(1, len(line)),
        line[:6].lower() == "figure",
    )


@dataclasses.dataclass(slots=True)
class Ranker:
    """The second stage: what a candidate's features say, the mean of a logistic model and nets.

    The logistic model has terms for each label; the nets (one small hidden layer each) see how
    features work together.
    """

    mean: Numbers
    spread: Numbers
    coefficients: Numbers
    intercept: float
    by_label: Numbers
    """Per label: an own intercept, and own slopes on the first block's score and on the gate."""
    slopes: tuple[int, int]
    hidden: Numbers
    """(net, feature or intercept, unit); the intercepts stand last."""
    out: Numbers
    """(net, unit or intercept)."""
    calibration: tuple[float, float] = (1.0, 0.0)
    """Slope and shift of the logit."""

    def probability(self, label: Indices, features: Numbers) -> Numbers:
        """The probability of each candidate."""
        import numpy as np

        ready = terms(features, self.mean, self.spread)
        own = self.by_label[label]
        logit = _times(ready, self.coefficients) + self.intercept + own[:, 0]
        logit += own[:, 1] * ready[:, self.slopes[0]] + own[:, 2] * ready[:, self.slopes[1]]
        total = _logistic(logit)
        plain = ready[:, : features.shape[1]]
        for hidden, out in zip(self.hidden, self.out, strict=True):
            units = np.maximum(_times(plain, hidden[:-1]) + hidden[-1], 0.0)
            total += _logistic(_times(units, out[:-1]) + out[-1]) / len(self.out)
        total /= 2
        return calibrated(total, self.calibration)


def _times(left: Numbers, right: Numbers) -> Numbers:
    """``left @ right`` in parts so small that BLAS takes no second thread.

    Threads that wait for their next product spin: where other work runs beside, that costs many
    times what the products do.
    """
    import numpy as np

    step = max(1, (_SERIAL if right.ndim > 1 else _SERIAL_VECTOR) // max(1, right.size))
    found = np.empty((len(left), *right.shape[1:]), np.result_type(left, right))
    for at in range(0, len(left), step):
        np.matmul(left[at : at + step], right, out=found[at : at + step])
    return found


def _logistic(logit: Numbers) -> Numbers:
    import numpy as np

    return (1 / (1 + np.exp(-np.clip(logit, -30, 30)))).astype(np.float32)


def terms(features: Numbers, mean: Numbers, spread: Numbers) -> Numbers:
    """What the ranker weighs: features in units of their spread, and products of some of them.

    Bounded: a text of one sentence must not run away.
    """
    import numpy as np

    ready = np.clip((features - mean) / spread, -_MOST_SPREAD, _MOST_SPREAD)
    first, second = np.array(_products(features.shape[1])).T
    return np.hstack([ready, ready[:, first] * ready[:, second]])


def _products(width: int) -> tuple[tuple[int, int], ...]:
    """Pairs of features that say more together: scores of blocks, gates, the rest of the report."""
    gate, before, after, own = 0, 1, 2, _FIRST_BLOCK
    around, best, mean = own + 4, own + 5, own + 6
    other = own + _BLOCK_FEATURES
    examples = width - _OTHER_FEATURES - _BLOCK_FEATURES
    return (
        *((own, with_) for with_ in (own, other, examples, gate, around, best, mean)),
        *((gate, with_) for with_ in (gate, before, after, examples, best)),
        (examples, examples),
    )


def calibrated(probability: Numbers, calibration: tuple[float, float]) -> Numbers:
    """Probabilities with their logit stretched and shifted."""
    import numpy as np

    safe = np.clip(probability, 1e-7, 1 - 1e-7)
    logit = np.log(safe / (1 - safe)) * calibration[0] + calibration[1]
    return (1 / (1 + np.exp(-logit))).astype(np.float32)
