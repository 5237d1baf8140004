"""Copies and formats of one report, folded into one report with all its places.

Two documents are one report when their text is the same, the same but for layout, or nearly the
same word for word. Candidates come from MinHash and locality-sensitive hashing (Broder 1997;
Leskovec, Rajaraman, Ullman: *Mining of Massive Datasets*, ch. 3); each is then verified by the
exact overlap of their five-word shingles, because a sketch only guesses.

Precision goes before recall: a copy that stays apart counts a publisher once anyway (scores take
one report a publisher), while two reports in one are lost evidence. So what two texts of one
outline share is not enough, an appendix that stands word for word in its report is no copy of it,
and a title that the other text does not know speaks against.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ctimine.model import EVIDENT, TLP, Claim, Fact, Mention, Report, stable_id, tlp_word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Result = tuple[Report, Sequence[Mention], Sequence[Claim]]

SHINGLE = 5
"""Words a shingle. Shorter ones join texts of one outline, longer ones break on every edit."""

NEAR = 0.80
"""Jaccard similarity from which two texts are the same but for edits."""

NEAR_REVISION = 0.90
"""The same where both give a date of their own and the dates differ: almost nothing new."""

CONTAINED = 0.75
"""Share of the shorter text that stands in the longer one, for formats under one title."""

CONTAINED_LENGTH = 0.40
"""The shorter format has at least this share of the longer one: an excerpt is no format."""

SAME_DETAILS = 0.50
"""Jaccard similarity of the ids, hashes, versions and years: what templates do not share."""

SAME_ADDRESS = 0.50
"""The same under one declared address: enough to tell a format from a wrong declaration."""

FEW = 12
"""So many documents are compared each with each."""

BANDS, ROWS = 21, 3
"""The sketch has so many bands of so many minima: it finds nearly all pairs from 0.6 on."""

_WORD = re.compile(r"\w+")
_DETAIL = re.compile(r"^(?=.*\d)\w{3,}$")
_TRACKING = re.compile(r"^(utm_\w+|fbclid|gclid|mc_[ce]id|ref|source)=")
_MEDIA = ("markdown", "html", "wordprocessing", "plain", "rfc822", "pdf")


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """One document that was folded into another, and why.

    ``copy`` and ``kept`` are report ids, ``item`` and ``kept_item`` the paths inside their sources.
    ``reason`` is ``same text``, ``same text but for layout``, ``same address``, ``near-duplicate``
    or ``another format``; ``similarity`` is the share of common five-word runs. ``own`` counts its
    claims that the kept document has no words for, and that are kept with it; ``otherwise`` those
    that it alone makes of words that the kept document has, too, and that are left to that one.
    """

    source: str
    item: str
    copy: str
    kept_source: str
    kept_item: str
    kept: str
    reason: str
    similarity: float
    own: int = 0
    otherwise: int = 0


def fold_copies(reports: Iterable[Report]) -> tuple[tuple[Report, ...], dict[str, str]]:
    """The reports that stand for all, with every place of their copies; copy's id → kept id.

    A copy that declares the same address has the same id and needs no entry in the mapping;
    :func:`find_copies` names it too. The representative of a group is the one at its own address,
    of an author before a collector, richest in structure; its ``facts`` name each copy and why.
    Neither order nor number of copies changes the outcome.

    >>> text = "The group read its orders from a page of a public notebook service."
    >>> a = Report("1", "s", "a.md", text, title="Orders", media_type="text/markdown")
    >>> b = Report("2", "s", "b.html", text.upper(), title="Orders", media_type="text/html")
    >>> kept, folded = fold_copies([b, a])
    >>> [(report.item, report.places) for report in kept], folded
    ([('a.md', ('a.md', 'b.html'))], {'2': '1'})
    """
    results, copies = fold_results([(report, (), ()) for report in reports])
    folded = {copy.copy: copy.kept for copy in copies if copy.copy != copy.kept}
    return tuple(report for report, _, _ in results), folded


def fold_results(results: Iterable[Result]) -> tuple[tuple[Result, ...], tuple[Copy, ...]]:
    """The results of the reports that stand for all, and each copy with the reason.

    Mentions and claims of the representative count. A copy that says more, in words that the
    representative does not have, follows it as a result of its own with its mentions and just those
    claims, under a fact ``copy-of`` that holds the id of the representative: nothing counts twice.

    >>> text = "Turla read its orders from a page of a public notebook service."
    >>> a = Report("1", "s", "a.md", text, title="Orders")
    >>> b = Report("2", "s", "b.md", text, title="Orders")
    >>> claim = Claim("2", 0, len(text), text, "G0010", "uses", "T1102", "behaviour")
    >>> results, copies = fold_results([(a, (), ()), (b, (), (claim,))])
    >>> [(report.item, len(claims)) for report, _, claims in results]
    [('a.md', 0)]
    >>> [(copy.item, copy.kept_item, copy.reason, copy.otherwise) for copy in copies]
    [('b.md', 'a.md', 'same text', 1)]
    """
    # Sketched as they come, so that it is done while other documents are still read.
    sketched = [(result, _Sketch(result[0])) for result in results]
    sketched.sort(key=lambda pair: _rank(pair[0][0]))
    ordered = [result for result, _ in sketched]
    groups = _groups([sketch for _, sketch in sketched])
    kept: list[Result] = []
    copies: list[Copy] = []
    for first, members in groups:
        report, mentions, claims = ordered[first]
        told = {_statement(claim) for claim in claims}
        letters = ""
        for member, reason, similarity in members:
            other, others_mentions, others_claims = ordered[member]
            more = [claim for claim in others_claims if _statement(claim) not in told]
            letters = letters or (_letters(report.text) if more else "")
            own = [claim for claim in more if _letters(claim.quote) not in letters]
            told |= {_statement(claim) for claim in own}
            if own:
                own_result = other, others_mentions, own
                kept.append(_as_copy(own_result, report, f"{reason}, {similarity:.2f}"))
            copies.append(
                Copy(
                    other.source,
                    other.item,
                    other.id,
                    report.source,
                    report.item,
                    report.id,
                    reason,
                    round(similarity, 3),
                    len(own),
                    len(more) - len(own),
                )
            )
        others = [ordered[member][0] for member, _, _ in members]
        whys = [f"{reason}, {similarity:.2f}" for _, reason, similarity in members]
        kept.append((_with_places(report, others, whys), mentions, claims))
    kept.sort(key=lambda result: (result[0].source, result[0].item, result[0].id))
    copies.sort(key=lambda copy: (copy.source, copy.item, copy.copy))
    return tuple(kept), tuple(copies)


def _statement(claim: Claim) -> tuple[str, str, str, bool]:
    """What a claim says, wherever it stands, and whether it says that it is so."""
    return claim.subject, claim.relation, claim.object, claim.stance in EVIDENT


def _letters(text: str) -> str:
    """The text without what a format changes: case, spaces, punctuation, marks of tables."""
    return "".join(_WORD.findall(_folded(text)))


def _as_copy(result: Result, kept: Report, why: str) -> Result:
    """A result that says it is a copy.

    Where it has the id of the kept report, by its address or as another version of the same item,
    it gets one of its own, so that offsets point into its own text.
    """
    copy, mentions, claims = result
    own = copy.id
    if own == kept.id:
        own = stable_id("report", copy.source, copy.item, copy.digest)
    facts = tuple(dict.fromkeys((*copy.facts, Fact("copy-of", kept.id, why))))
    report = dataclasses.replace(copy, id=own, facts=facts)
    return (
        report,
        tuple(dataclasses.replace(mention, report=own) for mention in mentions),
        tuple(dataclasses.replace(claim, report=own) for claim in claims),
    )


def find_copies(reports: Iterable[Report]) -> tuple[Copy, ...]:
    """Each document that is a copy or another format of one kept, and why.

    >>> reports = [Report(f"{n}", "s", f"{n}.md", "Turla used Pastebin.") for n in range(3)]
    >>> [(copy.item, copy.kept_item) for copy in find_copies(reports)]
    [('1.md', '0.md'), ('2.md', '0.md')]
    """
    return fold_results([(report, (), ()) for report in reports])[1]


class _Sketch:
    """What two texts are compared by; made once a document."""

    def __init__(self, report: Report) -> None:
        self.report = report
        words = _WORD.findall(unicodedata.normalize("NFKC", report.text).casefold())
        self.exact = hashlib.sha256(report.text.encode("utf-8", "surrogatepass")).digest()
        letters = "".join(words).encode("utf-8", "surrogatepass")
        self.letters = hashlib.sha256(letters).digest() if words else self.exact
        self.words = frozenset(words)
        shingles = _shingles(words)
        self.bands = _bands(shingles)
        self.shingles = frozenset(shingles.tolist())
        self.details = frozenset(word for word in self.words if _DETAIL.search(word))
        self.title = tuple(_WORD.findall(_folded(report.title)))
        self.title_words = frozenset(word for word in self.title if len(word) > 3)
        self.address = canonical_address(report.url)


def _shingles(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes, 32 bits each, of all runs of ``SHINGLE`` words; of all words where they are fewer."""
    import numpy as np

    known = {word: zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in set(words)}
    hashes = np.array([known[word] for word in words] or [0], dtype=np.uint64)
    length = min(SHINGLE, len(hashes))
    mixed = np.zeros(len(hashes) - length + 1, dtype=np.uint64)
    factor = np.uint64(0x9E3779B97F4A7C15)
    for place in range(length):  # a polynomial modulo 2**64, so that the order of words counts
        mixed = (mixed + hashes[place : place + len(mixed)]) * factor
    return mixed >> np.uint64(32)


def _bands(shingles: npt.NDArray[np.uint64]) -> tuple[bytes, ...]:
    """The least of the shingles in each of many orders (MinHash), put into bands.

    Two texts share a minimum as often as their shingles are the same, so those that share no band
    of minima are not alike.
    """
    import numpy as np

    minima = np.array([(shingles * factor).min() for factor in _orders()], dtype=np.uint64)
    return tuple(band.tobytes() for band in minima.reshape(BANDS, ROWS))


@functools.cache
def _orders() -> tuple[np.uint64, ...]:
    """Odd factors, each of which puts numbers into another order (Dietzfelbinger et al. 1997)."""
    import numpy as np

    digests = (hashlib.sha256(bytes([n])).digest() for n in range(BANDS * ROWS))
    return tuple(np.uint64(int.from_bytes(digest[:8], "little") | 1) for digest in digests)


def canonical_address(url: str) -> str:
    """An address as it is compared: no scheme, no ``www.``, no tracking, no trailing slash.

    Empty for what is no address.

    >>> canonical_address("http://www.Vendor.example/a/?utm_source=x#top")
    'vendor.example/a'
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an IPv6 address without its end
        return ""
    if not parts.netloc:
        return ""
    query = "&".join(part for part in parts.query.split("&") if part and not _TRACKING.match(part))
    place = parts.netloc.lower().removeprefix("www.") + parts.path.rstrip("/")
    return f"{place}?{query}" if query else place


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _rank(report: Report) -> tuple[object, ...]:
    """Best representative first. Every part is a fact of the document, none of the run."""
    own = canonical_address(report.url)
    declared = {canonical_address(fact.value) for fact in report.facts if fact.field == "url"}
    places = {canonical_address(place) for place in report.places if "://" in place}
    elsewhere = bool((declared | places) - {own, ""})
    cells = sum(block.kind == "table_cell" for block in report.blocks)
    media = next((n for n, word in enumerate(_MEDIA) if word in report.media_type), len(_MEDIA))
    word = tlp_word(report.tlp)
    return (
        report.kind not in {"report", "mapping"},
        TLP.index(word) if word else len(TLP),  # what all may read is no secret
        elsewhere,  # it names another address as its own: a mirror
        not own,
        report.role != "author",
        not report.published,
        media == len(_MEDIA) - 1,  # a PDF has lost its tables
        -(cells // 8),
        media,
        report.source,
        report.item,
        report.id,
        report.digest,
        report.text,
    )


def _alike(a: _Sketch, b: _Sketch) -> tuple[str, float] | None:
    """Why two documents are one report, or None."""
    if a.exact == b.exact:
        return "same text", 1.0
    if a.letters == b.letters:
        return "same text but for layout", 1.0
    common = len(a.shingles & b.shingles)
    jaccard = common / (len(a.shingles) + len(b.shingles) - common)
    short, long = sorted((len(a.shingles), len(b.shingles)))
    contained = common / short
    if a.address and a.address == b.address and contained >= SAME_ADDRESS:
        return "same address", jaccard
    if _strangers(a, b):
        return None
    dates = {date[:10] for date in (a.report.published, b.report.published) if date}
    if jaccard >= (NEAR_REVISION if len(dates) > 1 else NEAR):
        return "near-duplicate", jaccard
    if (
        _one_title(a, b)
        and len(dates) < 2
        and contained >= CONTAINED
        and short >= CONTAINED_LENGTH * long
    ):
        return "another format", jaccard
    return None


def _one_title(a: _Sketch, b: _Sketch) -> bool:
    """Whether two titles are the same, or one is the other with words added at its end."""
    short, long = sorted((a.title, b.title), key=len)
    return len(short) > 0 and (short == long or (len(short) > 2 and long[: len(short)] == short))


def _strangers(a: _Sketch, b: _Sketch) -> bool:
    """Whether two alike texts are about different things, as pages from one template are.

    A mirror may give a new title, but then it still carries the text that the old one is made of;
    "Profile of A" and "Profile of B" differ just there, "Week 12" and "Week 13" in a number, two
    tables of indicators in what they list.
    """
    either = a.details | b.details
    if either and len(a.details & b.details) < SAME_DETAILS * len(either):
        return True
    if a.title == b.title:
        return False
    numbers = [{word for word in one.title if any(map(str.isdigit, word))} for one in (a, b)]
    if all(numbers) and numbers[0] != numbers[1]:
        return True
    return bool(a.title_words - b.title_words - b.words) and bool(
        b.title_words - a.title_words - a.words
    )


def _groups(sketches: list[_Sketch]) -> list[tuple[int, list[tuple[int, str, float]]]]:
    """Groups as (representative, members with reason); ``sketches`` stand best first."""
    links: dict[int, dict[int, tuple[str, float]]] = collections.defaultdict(dict)
    for low, high in sorted(_candidates(sketches)):
        why = _alike(sketches[low], sketches[high])
        if why is not None:
            links[low][high] = links[high][low] = why
    groups = []
    free = set(range(len(sketches)))
    for first in range(len(sketches)):
        if first not in free:
            continue
        free.discard(first)
        members: dict[int, tuple[str, float]] = {}
        reached = [first]
        while reached:
            here = reached.pop()
            for other, (reason, similarity) in sorted(links[here].items()):
                # Through a third format, too (PDF ~ HTML ~ Markdown), but never by a chain that
                # ends at a text which the representative hardly shares.
                if other in free and (
                    here == first or _contained(sketches[first], sketches[other]) >= SAME_ADDRESS
                ):
                    free.discard(other)
                    members[other] = (reason, similarity)
                    reached.append(other)
        groups.append((first, [(n, *members[n]) for n in sorted(members)]))
    return groups


def _contained(a: _Sketch, b: _Sketch) -> float:
    return len(a.shingles & b.shingles) / min(len(a.shingles), len(b.shingles))


def _candidates(sketches: list[_Sketch]) -> set[tuple[int, int]]:
    """Pairs worth a close look: all of a few, what the sketch names of many."""
    if len(sketches) <= FEW:
        return set(itertools.combinations(range(len(sketches)), 2))

    pairs: set[tuple[int, int]] = set()
    for key in ("exact", "letters", "address"):
        same: dict[object, list[int]] = collections.defaultdict(list)
        for n, sketch in enumerate(sketches):
            if value := getattr(sketch, key):
                same[value].append(n)
        # The first stands for all that are equal to it; each other needs a link to it only.
        pairs |= {(group[0], other) for group in same.values() for other in group[1:]}
    titled: dict[tuple[str, ...], list[int]] = collections.defaultdict(list)
    for n, sketch in enumerate(sketches):
        if sketch.title:
            titled[sketch.title[:3]].append(n)  # so many words may be all that two formats share
    for group in titled.values():
        if len(group) <= 20:  # a title that everybody has says nothing
            pairs |= {(low, high) for low in group for high in group if low < high}
    # A page that a site gives for thousands of addresses has a pair with its first already.
    equal: collections.Counter[bytes] = collections.Counter()
    banded: dict[tuple[int, bytes], list[int]] = collections.defaultdict(list)
    for n, sketch in enumerate(sketches):
        equal[sketch.exact] += 1
        if equal[sketch.exact] <= FEW:
            for place, band in enumerate(sketch.bands):
                banded[place, band].append(n)
    for group in banded.values():
        pairs |= set(itertools.combinations(group, 2))
    return pairs


def _with_places(report: Report, copies: Sequence[Report], whys: Sequence[str]) -> Report:
    if not copies:
        return report
    places = set(report.places)
    for one in (report, *copies):
        places |= {one.item, *one.places}
        if one.url:
            places.add(one.url)
    facts = [Fact("copy", copy.item, why) for copy, why in zip(copies, whys, strict=True)]
    return dataclasses.replace(
        report,
        places=tuple(sorted(places)),
        facts=tuple(dict.fromkeys((*report.facts, *facts))),
        published=report.published or min((c.published for c in copies if c.published), default=""),
    )
