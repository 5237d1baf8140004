"""Techniques that are described, not named, with a calibrated probability.

Two stages. Linear models over hashed word and character n-grams score every sentence: does it
describe a technique at all (the gate), and which one. Rankers then weigh those scores
with what stands around the sentence (its neighbours, the rest of the report, names of techniques):
one gives the probability that AnnoCTR's annotators would mark it, another, the reader, that it is
told at all; of what the reader is sure, claims may be made. Nothing but numpy and scipy is needed;
the model file holds hashes and 8-bit weights, so no sentence can be rebuilt from it. See
``docs/models/behaviours.md``.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import json
import logging
import re
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ctimine.errors import ExtractError
from ctimine.extract.sentences import TECHNIQUE_ID, sentences
from ctimine.model import Mention, Report

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    Numbers: TypeAlias = npt.NDArray[np.float32]
    Indices: TypeAlias = npt.NDArray[np.int64]

Threshold: TypeAlias = Literal["high", "balanced", "recall"]
"""``high``: what is found is mostly right. ``balanced``: best F1. ``recall``: for a person to sift.
"""

log = logging.getLogger(__name__)

MODEL_FILE: Final = "behaviours.npz"
RULE: Final = "behaviour"
SURE: Final = "behaviour-sure"
"""The rule of a mention of which the reader is sure, too."""
_FORMAT: Final = 3
_SILENT_BLOCKS: Final = frozenset({"code", "reference"})
FLOOR: Final = -1.2
"""The score of what was not scored: a label that a stage does not know, a sentence off the gate."""
_LONGEST: Final = 80
"""Words of a sentence that are looked at; longer ones are lists that lost their breaks."""
_TOP: Final = 4
PIECE_WEIGHT: Final = 0.5
"""Weight of a piece of a word against a word: there are many of them."""
_SURE: Final = {"high": (0.5, 0.9), "balanced": (0.5, 0.9), "recall": (0.5, 0.7)}
"""Of what the reader is sure: its probability of the sentence, and that one of the three sentences
that say it best does, which it takes for independent. Chosen on hand-made truths of whole reports
(``docs/models/behaviours.md``)."""
_TELLING: Final = 3
_LIKELY: Final = 0.05
"""The probability from which the reader is asked."""
_SAMPLE: Final = 8_000
"""Characters that a language is guessed from where the report states none."""
_SHOWN: Final = {
    "T1566.001": re.compile(
        r"attach|document|\bdocs?\b|\bfiles?\b|archive|macro|maldoc|excel|\bword\b|powerpoint|"
        r"spreadsheet|workbook|\b(?:zip|rar|7z|iso|rtf|pdf|lnk|docx?|docm|xlsx?|xlsm|xll|chm)\b",
        re.IGNORECASE,
    ),
    "T1566.002": re.compile(
        r"\blink|\burls?\b|site|\bdomain|\bpages?\b|\bportal|qr code|oauth", re.IGNORECASE
    ),
}
"""Sub-techniques that are told by what a mail carries: without a word of it, it is the parent."""
_SERIAL: Final = 1 << 18
"""Multiplications of a product of matrices up to which OpenBLAS stays with one thread."""
_SERIAL_VECTOR: Final = 9_000
"""The same of a matrix and a vector."""
_FREQUENT: Final = 24_000
_MOST_SPREAD: Final = 4.0
_MOST_GATE: Final = 3.0
_MOST_SCORE: Final = 0.5

_MASK: Final = re.compile(
    r"(?P<zurl>h(?:tt|xx)ps?(?:\[?:\]?|\b)//\S+|www\.\S+)|(?P<zcve>\bcve-\d{4}-\d+)"
    r"|(?P<zhash>\b[0-9a-f]{32,}\b)|(?P<zip>\b(?:\d{1,3}\[?\.\]?){3}\d{1,3}\b)"
    r"|(?P<zid>\b[tsg]\d{4}(?:[./]\d{3})?\b)"
)
_WORD: Final = re.compile(r"[^\W_]+")
_SMALL: Final = frozenset(
    re.findall(
        r"\w+",
        "the a an of to in and or is are was were be been by for on with as at from that this it "
        "its their his her they he she which has have had will would can could may also we our",
    )
)
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+", "the of and are were been with that this which their from by its have has they"
    )
)
"""Frequent words of English that its neighbours do not write alike."""
_ENDINGS: Final = (
    "ations",
    "ation",
    "ings",
    "ing",
    "ers",
    "ies",
    "ied",
    "ed",
    "es",
    "er",
    "s",
    "ly",
)


def stem(word: str) -> str:
    """The word without a common English ending.

    >>> stem("downloading"), stem("downloads"), stem("keys")
    ('download', 'download', 'keys')
    """
    if len(word) >= 5:
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= 4:
                return word[: -len(ending)]
    return word


def words_of(lines: Sequence[str]) -> list[list[str]]:
    """The lower-case words of each line; addresses, hashes, ids and numbers as one word each.

    >>> words_of(["It got 3 files from https://a.example/x", "T1105"])
    [['it', 'got', 'zn', 'files', 'from', 'zurl'], ['zid']]
    """
    # By token: the same ones come again and again, and most need neither mask nor search.
    tokens = _TOKENS
    if len(tokens) > _MOST_REMEMBERED:
        tokens.clear()  # bounded: a run over millions of reports must not grow
    return [
        list(itertools.islice(_chained(map(tokens.__getitem__, line.lower().split())), _LONGEST))
        for line in lines
    ]


_chained = itertools.chain.from_iterable
_NEAR: Final = 12
"""Bits of a hash that are left away where it is first asked whether any known one is near."""
_MOST_REMEMBERED: Final = 200_000


class _Tokens(dict[str, tuple[str, ...]]):
    """The words of each piece of a line that stands between white space."""

    def __missing__(self, token: str) -> tuple[str, ...]:
        masked = _MASK.sub(lambda match: f" {match.lastgroup} ", token)
        words = tuple("zn" if word.isdigit() else word for word in _WORD.findall(masked))
        self[token] = words
        return words


_TOKENS: Final = _Tokens()


class Grams:
    """Hashed n-grams of sentences: words, stems, pairs of stems, pieces of words.

    An n-gram is its CRC-32; the lowest bit is set for pieces of words. With an ``index``, known
    hashes become its numbers and others are dropped. Words are looked up once and remembered.

    >>> one, two = Grams().of(["it", "downloads"]), Grams().of(["it", "downloaded"])
    >>> len(one & two) > 10
    True
    """

    def __init__(self, index: dict[int, int] | None = None) -> None:
        self.index = index
        self._words: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._pairs: dict[tuple[str, str, str], int] = {}

    def of(self, words: Sequence[str]) -> set[int]:
        """The n-grams of one sentence."""
        known = self._words
        entries = [known.get(word) or self._learn(word) for word in words]
        stems = [entry[0] for entry in entries]
        found: set[int] = set().union(*[entry[1] for entry in entries])
        content = [word for word in stems if word not in _SMALL]
        pairs = self._pairs
        for kind, first, second in (
            ("b", stems, stems[1:]),
            ("k", content, content[1:]),
            ("j", content, content[2:]),
        ):
            for key in zip((kind,) * len(second), first, second, strict=False):
                number = pairs.get(key)
                if number is None:
                    number = self._learn_pair(key)
                if number >= 0:
                    found.add(number)
        return found

    def _number(self, gram: str, *, piece: bool = False) -> int:
        value = zlib.crc32(gram.encode("utf-8", "surrogatepass")) & 0xFFFFFFFE | piece
        return value if self.index is None else self.index.get(value, -1)

    def _learn(self, word: str) -> tuple[str, tuple[int, ...]]:
        if len(self._words) > 200_000:
            self._words.clear()  # bounded: a run over millions of reports must not grow
        root = stem(word)
        numbers = [self._number("u" + word), self._number("s" + root)]
        if len(word) >= 4:
            edged = f"<{word[:40]}>"
            numbers += [
                self._number("c" + edged[at : at + size], piece=True)
                for size in (3, 4, 5)
                if size < len(edged)
                for at in range(len(edged) - size + 1)
            ]
        entry = root, tuple(number for number in numbers if number >= 0)
        self._words[word] = entry
        return entry

    def _learn_pair(self, key: tuple[str, str, str]) -> int:
        if len(self._pairs) > 500_000:
            self._pairs.clear()
        number = self._number(f"{key[0]}{key[1]} {key[2]}")
        self._pairs[key] = number
        return number

    def grams_of_word(self, word: str) -> tuple[int, ...]:
        """The n-grams that a word brings by itself."""
        return (self._words.get(word) or self._learn(word))[1]


class GramIndex:
    """The numbers of known n-grams in many sentences at once: what :class:`Grams` finds, in bulk.

    The pieces of a word are looked up once and remembered. Pairs are not: the CRC-32 of two stems
    follows from those of each (zlib's ``crc32_combine``), so arrays of them are made and searched.

    >>> import numpy as np
    >>> sentence = ["it", "downloads", "files"]
    >>> hashes = sorted(Grams().of(sentence))
    >>> starts, numbers = GramIndex(np.array(hashes, np.uint32)).of([sentence])
    >>> len(numbers) == len(hashes)
    True
    """

    def __init__(self, hashes: npt.NDArray[np.uint32]) -> None:
        import numpy as np

        self.hashes = hashes
        self._near = np.full(1 << (32 - _NEAR), -1, np.int32)
        front, first = np.unique(hashes >> _NEAR, return_index=True)
        self._near[front] = first  # the number of the first hash that begins so
        self.words = Grams({int(value): number for number, value in enumerate(hashes.tolist())})
        self._clear()

    def _clear(self) -> None:
        import numpy as np

        self._ids: dict[str, int] = {}
        self._long: dict[int, bytes] = {}
        self._found: list[tuple[int, ...]] = []
        self._new: list[tuple[int, ...]] = []
        self._facts = np.zeros((6, 0), np.uint32)
        self._sizes = self._starts = np.zeros(0, np.int64)
        self._flat = np.zeros(0, np.int32)

    def of(self, words: Sequence[Sequence[str]]) -> tuple[Indices, Indices]:
        """Where each sentence begins among the numbers, and the numbers, each once a sentence."""
        import numpy as np

        if len(self._ids) > _MOST_REMEMBERED:
            self._clear()
        ids = self._ids
        flat = list(_chained(words))
        try:
            known = np.fromiter(map(ids.__getitem__, flat), np.int64, len(flat))
        except KeyError:
            for word in flat:
                if word not in ids:
                    self._learn(word)
            known = np.fromiter(map(ids.__getitem__, flat), np.int64, len(flat))
        self._grow()
        # A key is a sentence and an n-gram in one number; narrow ones are sorted in half the time.
        wide = len(words) * len(self.hashes) >= 2**31
        first: npt.NDArray[Any] = np.arange(len(words) + 1, dtype=np.int64 if wide else np.int32)
        first *= len(self.hashes)
        row = np.repeat(first[:-1], np.fromiter(map(len, words), np.int64, len(words)))
        # The n-grams of words: one run of the flat array for each.
        sizes = self._sizes[known]
        offset = np.cumsum(sizes) - sizes
        own = self._flat[np.arange(sizes.sum()) + np.repeat(self._starts[known] - offset, sizes)]
        every = np.concatenate([np.repeat(row, sizes) + own, self._pairs(row, known)])
        every.sort()
        fresh = np.empty(len(every), np.bool_)
        fresh[:1] = True
        np.not_equal(every[1:], every[:-1], out=fresh[1:])
        every = every[fresh]
        starts = np.searchsorted(every, first)
        every -= np.repeat(first[:-1], np.diff(starts))
        return starts, every

    def _pairs(self, row: npt.NDArray[Any], known: Indices) -> npt.NDArray[Any]:
        """The keys of the known pairs of stems: of neighbours, and of those but for small words."""
        import numpy as np

        facts = self._facts
        content = np.flatnonzero(facts[5][known] == 0)
        rows: list[npt.NDArray[Any]] = []
        firsts, seconds = [], []
        for kind, step, places in ((0, 1, None), (1, 1, content), (2, 2, content)):
            own_row, own = (row, known) if places is None else (row[places], known[places])
            same = np.flatnonzero(own_row[:-step] == own_row[step:])
            rows.append(own_row[same])
            firsts.append(facts[kind][own[same]])
            seconds.append(own[same + step])
        row, before, second = map(np.concatenate, (rows, firsts, seconds))
        size, value = facts[4][second], facts[3][second]
        shifts = _shifts()
        fits = size < len(shifts) // 1024
        at = np.where(fits, size, 0) << 10
        for byte in range(4):
            value ^= shifts[at + (byte << 8) + (before >> (8 * byte) & 0xFF)]
        for n in np.flatnonzero(~fits).tolist():
            value[n] = zlib.crc32(self._long[int(second[n])], int(before[n]))
        value &= 0xFFFFFFFE
        near = self._near[value >> _NEAR]
        left = np.flatnonzero(near >= 0)
        value, place = value[left], near[left]
        row = row[left]
        held = self.hashes[place]
        # The first hash that is near may be a smaller one: hashes are spread evenly, so that the
        # right one, if any, is at most a few further.
        while len(smaller := np.flatnonzero(held < value)):
            place[smaller] += 1
            held[smaller] = self.hashes.take(place[smaller], mode="clip")
            smaller = smaller[place[smaller] >= len(self.hashes)]
            held[smaller] = 0xFFFFFFFF
        right = np.flatnonzero(held == value)
        return row[right] + place[right].astype(row.dtype)

    def _learn(self, word: str) -> None:
        root = stem(word).encode("utf-8", "surrogatepass")
        number = self._ids[word] = len(self._ids)
        if len(root) >= len(_shifts()) // 1024:
            self._long[number] = root
        self._found.append(self.words.grams_of_word(word))
        kinds = (zlib.crc32(kind + root + b" ") for kind in (b"b", b"k", b"j"))
        self._new.append((*kinds, zlib.crc32(root), len(root), int(stem(word) in _SMALL)))

    def _grow(self) -> None:
        """The arrays with what was learnt since."""
        import numpy as np

        if not self._new:
            return
        self._facts = np.hstack([self._facts, np.array(self._new, np.uint32).T])
        sizes = np.array([len(found) for found in self._found], np.int64)
        self._sizes = np.concatenate([self._sizes, sizes])
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._flat = np.concatenate([self._flat, np.array(list(_chained(self._found)), np.int32)])
        self._new.clear()
        self._found.clear()


@functools.lru_cache(maxsize=1)
def _shifts() -> npt.NDArray[np.uint32]:
    """What a CRC-32 becomes when zero bytes are appended: [count, which byte of it, its value]."""
    import numpy as np

    step = np.arange(256, dtype=np.int64)
    for _ in range(8):
        step = np.where(step & 1, step >> 1 ^ 0xEDB88320, step >> 1)
    value = np.arange(256, dtype=np.int64)[None, :] << (8 * np.arange(4))[:, None]
    found = [value]
    for _ in range(127):
        value = value >> 8 ^ step[value & 0xFF]
        found.append(value)
    return np.stack(found).astype(np.uint32).ravel()


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


_SHAPES: Final = 9
_FIRST_BLOCK: Final = 4
_BLOCK_FEATURES: Final = 9
_OTHER_FEATURES: Final = 7 + _SHAPES
"""Features before the blocks, of each block, and after them; see :func:`candidates`."""


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


def silence(report: Report) -> str:
    """Why nothing is said of a report's behaviour: its language; empty where there is no reason.

    >>> silence(Report("r", "s", "i", "Die Gruppe lädt Dateien.", language="de"))
    'language de: no model of described behaviour'
    """
    language = report.language.casefold()
    if language and language.partition("-")[0] not in {"en", "eng", "english", "und"}:
        return f"language {report.language}: no model of described behaviour"
    if language not in {"", "und"}:
        return ""
    if _unlike_english(report.text[:_SAMPLE]):
        return "language unlike English: no model of described behaviour"
    return ""


@functools.lru_cache(maxsize=4)
def _unlike_english(sample: str) -> bool:
    """Whether a text is hardly English; remembered, as each step asks anew."""
    # Enough for as many words as there can be: each takes a letter and a blank.
    small = sample.lower()
    plenty = max(20, 0.03 * (len(small) + 1) / 2)
    if sum(map(_ENGLISH.__contains__, small.split())) >= plenty:  # without a search: most texts
        return False
    english = count = 0
    for match in _WORD.finditer(small):
        count += 1
        english += match.group() in _ENGLISH
        if english >= plenty:
            return False
    if count >= 20:
        return english < 0.03 * count
    letters = [c for c in sample if c.isalpha()]
    return sum(map(str.isascii, letters)) < 0.7 * len(letters)


def find_behaviours(
    report: Report, *, threshold: Threshold = "balanced", model: Model | None = None
) -> tuple[Mention, ...]:
    """Mentions of techniques that sentences describe, each over its sentence, by offset.

    ``score`` is the calibrated probability, the rule says whether the reader is sure. Sentences
    that write a technique id are left to it; code, lists of sources and languages other than
    English are left alone (:func:`silence`).

    >>> text = "The actor sent spearphishing emails with a malicious Word attachment to staff."
    >>> [m.concept for m in find_behaviours(Report("r", "s", "i", text), threshold="recall")]
    ['T1566.001']
    """
    if reason := silence(report):
        log.info("%s: %s", report.item or report.id, reason)
        return ()
    model = model or load_model()
    try:
        least = model.thresholds[threshold]
    except KeyError:
        raise ExtractError(
            f"no such threshold, choose one of {', '.join(model.thresholds)}", subject=threshold
        ) from None
    spans = _spans(report)
    if TECHNIQUE_ID.search(report.text):
        spans = [span for span in spans if not TECHNIQUE_ID.search(report.text, *span)]
    if not spans:
        return ()
    lines = [report.text[start:end] for start, end in spans]
    scored, rows = model.score(lines)
    # As rounded in the mention: a threshold on scores that were read finds the same.
    near = (scored.probability >= least - 1e-4).nonzero()[0].tolist()
    chosen = [n for n in near if round(float(scored.probability[n]), 4) >= least]
    sure = scored.sure(*_SURE.get(threshold, _SURE["balanced"]))
    if not chosen:
        return ()
    at = scored.sentence[chosen]
    parents = [model.labels[n] for n in scored.label[chosen].tolist()]
    exact = model.most_exact(rows[at], parents)
    found = []
    for number, place, parent, concept in zip(chosen, at.tolist(), parents, exact, strict=True):
        start, end = spans[place]
        shown = _SHOWN.get(concept)
        found.append(
            Mention(
                report=report.id,
                start=start,
                end=end,
                quote=lines[place],
                kind="technique",
                concept=parent if shown and not shown.search(lines[place]) else concept,
                basis="behaviour",
                rule=SURE if sure[number] else RULE,
                score=round(float(scored.probability[number]), 4),
            )
        )
    return tuple(sorted(found, key=lambda m: (m.start, m.end, m.concept)))


def why(quote: str, technique: str, *, model: Model | None = None) -> tuple[tuple[str, float], ...]:
    """The words of a sentence that speak for a technique, strongest first, with their weight.

    >>> words = why("The actor sent spearphishing emails with attachments.", "T1566")
    >>> "spearphishing" in [word for word, _ in words[:3]]
    True
    """
    import numpy as np

    model = model or load_model()
    parent = technique.partition(".")[0]
    if parent not in model.labels:
        return ()
    label = model.labels.index(parent)
    columns, at = [], 1
    for block in model.linear.blocks:
        columns += (at + np.flatnonzero(block == label)).tolist()
        at += len(block)
    weights = np.asarray(model.linear.weights[:, columns].sum(axis=1)).ravel()
    words = words_of([quote])[0]
    grams = model.linear.index.words
    shares: dict[str, float] = {}
    all_grams = grams.of(words)
    # Rows have length one: shares are parts of the sentence's score, pairs counted with each word.
    length = float(np.linalg.norm(model.linear.scale[sorted(all_grams)])) or 1.0
    for word in dict.fromkeys(words):
        # What the sentence would lose without the word, pairs with it included.
        rest = grams.of([other for other in words if other != word])
        lost = np.array(sorted(all_grams - rest), dtype=np.int64)
        shares[word] = float((weights[lost] * model.linear.scale[lost]).sum()) / length
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((word, round(share, 3)) for word, share in ranked if share > 0)


def _spans(report: Report) -> list[tuple[int, int]]:
    if not report.blocks:
        return sentences(report.text)
    found = []
    for block in report.blocks:
        if block.kind not in _SILENT_BLOCKS:
            found += sentences(report.text, block.start, block.end)
    return found


# -- the model file ----------------------------------------------------------------------------


def save_model(model: Model, path: Path) -> None:
    """Write a model: arrays in a zip, no pickle, equal bytes for an equal model."""
    import zipfile

    import numpy as np

    linear, ranker = model.linear, model.ranker
    weights, columns = _pressed(linear.weights)
    subs, sub_columns = _pressed(model.sub_weights)
    arrays = {
        "hashes": linear.hashes,
        "scale": linear.scale.astype(np.float16),
        **{f"weights_{key}": value for key, value in weights.items()},
        "weights_step": columns,
        "bias": linear.bias,
        "name_labels": linear.name_labels.astype(np.int16),
        "name_data": linear.name_grams.data.astype(np.float16),
        "name_indices": linear.name_grams.indices.astype(np.int16),
        "name_indptr": np.diff(linear.name_grams.indptr).astype(np.uint16),
        **{f"block_{n}": block.astype(np.int16) for n, block in enumerate(linear.blocks)},
        **{f"subs_{key}": value for key, value in subs.items()},
        "subs_step": sub_columns,
        "sub_bias": model.sub_bias,
        **_arrays_of("ranker", ranker),
        **(_arrays_of("reader", model.reader) if model.reader else {}),
    }
    head = {
        "format": _FORMAT,
        "labels": model.labels,
        "subs": model.subs,
        "blocks": len(linear.blocks),
        "names": linear.name_grams.shape[1],
        "gate_floor": linear.gate_floor,
        "sub_floor": model.sub_floor,
        "ranker": _numbers_of(ranker),
        "reader": _numbers_of(model.reader) if model.reader else None,
        "thresholds": model.thresholds,
        "about": model.about,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:

        def add(name: str, body: bytes) -> None:
            # A fixed date: the same model has the same bytes whenever it is written.
            file.writestr(
                zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED, 9
            )

        add("head.json", json.dumps(head, sort_keys=True).encode())
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            add(f"{name}.npy", buffer.getvalue())


def read_model(path: Path) -> Model:
    """A model from its file."""
    import zipfile

    import numpy as np
    from scipy import sparse

    try:
        with zipfile.ZipFile(path) as file:
            head = json.loads(file.read("head.json"))
        if head["format"] != _FORMAT:
            raise ExtractError(f"model format {head['format']} is not ours", subject=str(path))
        arrays = np.load(path, allow_pickle=False)
        features = len(arrays["hashes"])
        pointers = np.r_[0, np.cumsum(arrays["name_indptr"], dtype=np.int32)].astype(np.int32)
        labels = tuple(head["labels"])
        linear = Linear(
            hashes=arrays["hashes"],
            scale=arrays["scale"].astype(np.float32),
            weights=_unpressed(arrays, "weights", features),
            bias=arrays["bias"],
            blocks=tuple(arrays[f"block_{n}"].astype(np.int64) for n in range(head["blocks"])),
            name_grams=sparse.csr_matrix(
                (
                    arrays["name_data"].astype(np.float32),
                    arrays["name_indices"].astype(np.int32),
                    pointers,
                ),
                shape=(features, head["names"]),
            ),
            name_labels=arrays["name_labels"].astype(np.int64),
            labels=len(labels),
            gate_floor=head["gate_floor"],
        )
        return Model(
            labels=labels,
            linear=linear,
            ranker=_ranker_from(arrays, head, "ranker"),
            reader=_ranker_from(arrays, head, "reader") if head["reader"] else None,
            subs=tuple(head["subs"]),
            sub_weights=_unpressed(arrays, "subs", features),
            sub_bias=arrays["sub_bias"],
            sub_floor=head["sub_floor"],
            thresholds=head["thresholds"],
            about=head["about"],
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExtractError(f"not a model of behaviours: {error!r}", subject=str(path)) from None


def _arrays_of(name: str, ranker: Ranker) -> dict[str, Numbers]:
    return {f"{name}_{field}": getattr(ranker, field) for field in _RANKER_ARRAYS}


def _numbers_of(ranker: Ranker) -> dict[str, Any]:
    return {field: getattr(ranker, field) for field in ("intercept", "slopes", "calibration")}


def _ranker_from(arrays: Any, head: dict[str, Any], name: str) -> Ranker:
    return Ranker(
        **{field: arrays[f"{name}_{field}"] for field in _RANKER_ARRAYS},
        intercept=head[name]["intercept"],
        slopes=tuple(head[name]["slopes"]),
        calibration=tuple(head[name]["calibration"]),
    )


_RANKER_ARRAYS: Final = ("mean", "spread", "coefficients", "by_label", "hidden", "out")


@functools.lru_cache(maxsize=1)
def load_model() -> Model:
    """The model in the package, loaded once."""
    with resources.as_file(resources.files("ctimine.extract") / "models" / MODEL_FILE) as path:
        return read_model(path)


def _pressed(matrix: sparse.csr_matrix) -> tuple[dict[str, Any], Numbers]:
    """Columns as 8-bit numbers with a step each, kept by column for short index differences."""
    import numpy as np

    by_column = matrix.tocsc()
    by_column.sort_indices()
    sizes = np.diff(by_column.indptr)
    steps = np.ones(by_column.shape[1], np.float32)
    for number in range(by_column.shape[1]):
        part = by_column.data[by_column.indptr[number] : by_column.indptr[number + 1]]
        if len(part):
            steps[number] = max(float(np.abs(part).max()) / 127, 1e-9)
    data = np.rint(by_column.data / np.repeat(steps, sizes)).astype(np.int8)
    gaps = np.diff(by_column.indices, prepend=0).astype(np.int64)
    starts = by_column.indptr[:-1][sizes > 0]
    gaps[starts] = by_column.indices[starts]
    # Gaps are small: a low and a high byte apart compress far better than one number.
    return {
        "data": data,
        "gaps_low": (gaps & 0xFF).astype(np.uint8),
        "gaps_high": (gaps >> 8).astype(np.uint16),
        "sizes": sizes.astype(np.uint32),
    }, steps


def _unpressed(arrays: Any, name: str, features: int) -> sparse.csr_matrix:
    import numpy as np
    from scipy import sparse

    sizes = arrays[f"{name}_sizes"].astype(np.int64)
    gaps = arrays[f"{name}_gaps_low"].astype(np.int64)
    gaps += arrays[f"{name}_gaps_high"].astype(np.int64) << 8
    pointers = np.r_[0, np.cumsum(sizes)]
    total = np.cumsum(gaps)
    before = np.r_[0, total][pointers[:-1]]
    # Index arrays of one type, the rows' own: scipy copies a matrix for every product otherwise.
    indices = (total - np.repeat(before, sizes)).astype(np.int32)
    data = arrays[f"{name}_data"].astype(np.float32) * np.repeat(arrays[f"{name}_step"], sizes)
    pointers = pointers.astype(np.int32)
    return sparse.csc_matrix((data, indices, pointers), shape=(features, len(sizes))).tocsr()
