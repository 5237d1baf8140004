"""Words of sentences, and the hashed n-grams that models of prose see of them.

Words, their stems, pairs of stems and pieces of words, each by its CRC-32: a model that holds
hashes alone gives no sentence back. Training asks sentence by sentence (:class:`Grams`), a trained
model for whole reports at once (:class:`GramIndex`).
"""

from __future__ import annotations

import functools
import itertools
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Indices: TypeAlias = npt.NDArray[np.int64]

_LONGEST: Final = 80
"""Words of a sentence that are looked at; longer ones are lists that lost their breaks."""
_NEAR: Final = 12
"""Bits of a hash that are left away where it is first asked whether any known one is near."""
_MOST_REMEMBERED: Final = 200_000
_MASK: Final = re.compile(
    r"(?P<zurl>h(?:tt|xx)ps?(?:\[?:\]?|\b)//\S+|www\.\S+)|(?P<zcve>\bcve-\d{4}-\d+)"
    r"|(?P<zhash>\b[0-9a-f]{32,}\b)|(?P<zip>\b(?:\d{1,3}\[?\.\]?){3}\d{1,3}\b)"
    r"|(?P<zid>\b[tsg]\d{4}(?:[./]\d{3})?\b)"
)
WORD: Final = re.compile(r"[^\W_]+")
_SMALL: Final = frozenset(
    re.findall(
        r"\w+",
        "the a an of to in and or is are was were be been by for on with as at from that this it "
        "its their his her they he she which has have had will would can could may also we our",
    )
)
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
_chained = itertools.chain.from_iterable


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


class _Tokens(dict[str, tuple[str, ...]]):
    """The words of each piece of a line that stands between white space."""

    def __missing__(self, token: str) -> tuple[str, ...]:
        masked = _MASK.sub(lambda match: f" {match.lastgroup} ", token)
        words = tuple("zn" if word.isdigit() else word for word in WORD.findall(masked))
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
