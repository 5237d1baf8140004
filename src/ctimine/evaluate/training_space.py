"""The n-grams and labels that a behaviour model knows, drawn from what it is trained from."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ctimine.attack import Catalogue
from ctimine.evaluate.training_material import Text, parents
from ctimine.extract.behaviours_scores import PIECE_WEIGHT, unit_rows
from ctimine.extract.grams import Grams, stem, words_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from ctimine.extract.behaviours_scores import Numbers

SEEN_IN: Final = 3
"""Documents that an n-gram must occur in: one that a single text holds could give it away."""


class Space:
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
                counts.update(parents(ids))
        for _, ids, _ in examples:
            counts.update(parents(ids))
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
