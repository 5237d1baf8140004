"""Training of the behaviour model's second stage: rankers, their calibration, and thresholds.

A ranker learns from the candidates of reports that the first stage has not seen, and is measured
on reports that it has not seen itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ctimine.evaluate.training_material import Text
from ctimine.evaluate.training_space import Space
from ctimine.extract.behaviours_ranking import Ranker, calibrated, candidates, terms
from ctimine.extract.behaviours_scores import FLOOR
from ctimine.extract.grams import words_of

if TYPE_CHECKING:
    from ctimine.extract.behaviours_scores import Numbers

_LABEL_TERMS: Final = 0.5
"""Terms of single techniques count less before they are paid for: most have few examples."""
_NETS: Final = 3
_UNITS: Final = 32
_PASSES: Final = 8


def candidates_of(
    text: Text, gate: Numbers, blocks: Sequence[Numbers], names: Numbers, floor: float
) -> tuple[Any, Any, Any]:
    """The candidates of a report, sentences under the gate's floor shut as they are in use."""
    shut = gate < floor
    for scores in blocks:
        scores[shut] = FLOOR
    names[shut] = 0.0
    return candidates(text.lines, words_of(text.lines), gate, blocks, names)


def truth_of(part: tuple[Any, Any, Any], marks: Sequence[set[str]], labels: Sequence[str]) -> Any:
    """Which candidates of a report its annotation has."""
    import numpy as np

    return np.array(
        [labels[label] in marks[at] for at, label in zip(*part[:2], strict=True)], dtype=bool
    )


def fit_ranker(
    parts: dict[int, tuple[Any, Any, Any]],
    truth: dict[int, Any],
    folds: Sequence[int],
    space: Space,
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


def thresholds_of(scored: Any, right: Any, gold: int) -> dict[str, float]:
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
