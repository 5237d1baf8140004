"""The model behind the recogniser: a spaCy pipeline with one small NER, and the judge's weights."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import json
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch

from ctimine.errors import ExtractError
from ctimine.extract.recogniser import FEATURES, KINDS, Thresholds

LABELS: Final = ("ACTOR", "MALWARE", "TOOL", "ORG")
"""What the model tells apart; ``ORG`` (firms, offices) is only there to be told apart."""
Marked: TypeAlias = tuple[str, Sequence[tuple[int, int, str]]]
"""A sentence and its spans: start, end, label."""
_WEIGHTS: Final = "judge.json"
_ARCHITECTURE: Final = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 32,
    "maxout_pieces": 2,
    "use_upper": True,
    "nO": None,
    "tok2vec": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 32,
        "depth": 3,
        "embed_size": 2000,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
    },
}
"""Hashed words, prefixes, suffixes and shapes; no vectors, no list of words."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recogniser:
    """The NER that reads sentences and the weights that judge names.

    ``weights`` has one row for each of ``KINDS``, one number for each of ``FEATURES``.
    """

    nlp: Language
    weights: tuple[tuple[float, ...], ...]
    least: Thresholds

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as a folder that :func:`load_recogniser` and spaCy can read."""
        path = Path(folder)
        try:
            self.nlp.to_disk(path, exclude=["vocab"])  # else it would list the words that it saw
            values = {
                "features": list(FEATURES),
                "kinds": list(KINDS),
                "weights": [[round(value, 4) for value in row] for row in self.weights],
                "least": dataclasses.asdict(self.least),
            }
            (path / _WEIGHTS).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise ExtractError(f"cannot be written: {error}", subject=str(path)) from None


def load_nlp(folder: str | os.PathLike[str]) -> Language:
    """The spaCy pipeline of a folder."""
    return spacy.load(Path(folder))


def load_recogniser(folder: str | os.PathLike[str]) -> Recogniser:
    """The model of a folder; an :class:`~ctimine.errors.ExtractError` names a folder without."""
    path = Path(folder)
    try:
        values = json.loads((path / _WEIGHTS).read_text(encoding="utf-8"))
        if values["features"] != list(FEATURES) or values["kinds"] != list(KINDS):
            raise ExtractError("made for other features", subject=str(path))
        weights = tuple(tuple(float(value) for value in row) for row in values["weights"])
        return Recogniser(load_nlp(path), weights, Thresholds(**values["least"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExtractError(f"no recogniser: {error}", subject=str(path)) from None


@functools.cache
def packaged() -> Recogniser:
    """The recogniser of the package, loaded once in a process."""
    return load_recogniser(
        str(importlib.resources.files("ctimine.extract").joinpath("models", "names"))
    )


def fit(epochs: Iterable[Sequence[Marked]], *, seed: int = 0, rounds: int = 1) -> Language:
    """A NER trained on the sentences of each epoch in turn; ``rounds`` is how many will come.

    Equal input and seed give an equal model on one machine.
    """
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner", config={"model": _ARCHITECTURE})
    for label in LABELS:
        ner.add_label(label)
    draw = random.Random(seed)  # noqa: S311
    optimizer = None
    for number, sentences in enumerate(epochs):
        examples = [_example(nlp, text, spans) for text, spans in sentences]
        if optimizer is None:
            first = examples[:200]
            optimizer = nlp.initialize(lambda first=first: first)
        draw.shuffle(examples)
        optimizer.learn_rate = 0.001 * (1 - 0.9 * number / rounds)
        for batch in minibatch(examples, 24):
            nlp.update(batch, sgd=optimizer, drop=0.25)
    if optimizer is None:
        raise ExtractError("no sentence to learn from", subject="names")
    nlp.meta.update(name="ctimine_names", license="CC-BY-SA-4.0", version="1")
    return nlp


def _example(nlp: Language, text: str, spans: Sequence[tuple[int, int, str]]) -> Example:
    plain = nlp.make_doc(text)
    gold = Doc(
        nlp.vocab, words=[t.text for t in plain], spaces=[bool(t.whitespace_) for t in plain]
    )
    entities: list[Span] = []
    for start, end, label in spans:
        span = gold.char_span(start, end, label=label, alignment_mode="expand")
        if span is not None and not any(
            span.start < e.end and e.start < span.end for e in entities
        ):
            entities.append(span)
    gold.ents = entities
    return Example(plain, gold)
