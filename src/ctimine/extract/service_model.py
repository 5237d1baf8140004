"""A small linear model that says whether a sentence tells of an abused service, and in which role.

Word rules lose on wording that they have not seen. This model sees less and more at once: the
service is masked by its kind, names and numbers by what they are, each word stands with the
classes that ``service_words.toml`` puts it in, and the order of classes counts ("malware … fetch …
address", a word of sending before *to* and the service). Weights are one readable file,
``models/services.tsv``, of features that three or more sentences of the training share; it is
written by ``scripts/train_services.py``. Nothing but the standard library is needed.
"""

from __future__ import annotations

import bisect
import functools
import importlib.resources
import itertools
import math
import operator
import re
from typing import TYPE_CHECKING, Final, TypeAlias

from ctimine.extract.data import read_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Token: TypeAlias = tuple[str, tuple[str, ...]]
"""A folded word, or a mark such as ``<url>``, and its classes."""

ROLES: Final = (
    "dead-drop",
    "bidirectional",
    "one-way",
    "hosting",
    "phishing",
    "exfiltration",
    "acquired",
    "link",
)
LENGTH: Final = 10.0
"""What every sentence's features are scaled to, so that long ones do not run away."""

_TOKEN: Final = re.compile(
    r"(?P<svc>\x00\w+\x00)|(?P<url>(?:hxxps?|https?|ftp)\S+)|(?P<ip>\d{1,3}(?:\[?\.\]?\d{1,3}){3})|"
    r"(?P<host>(?:[\w-]{1,63}(?:\[\.\]|\.)){1,6}[a-z]{2,24}\b(?:/\S*)?)|(?P<num>\$?\d[\d.,:%]*)|"
    r"(?P<word>[A-Za-z][\w&]*(?:[-'’][A-Za-z]\w*)*)|(?P<mark>[.,;:?!|>()\"“”]|->)"
)
_LINK_TARGET: Final = re.compile(r"\]\((?:https?:|/|\x00)[^)\s]*(?: \"[^\"]*\")?\)")
_C2: Final = re.compile(r"\bcommand[- ]and[- ]control\b|\bC&C\b|\bC&amp;C\b|\bCnC\b", re.IGNORECASE)
_DROP: Final = re.compile(r"\bdead[- ]drops?\b", re.IGNORECASE)
_COINED: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2,}\d|[A-Z][a-z]+\d")
_ENDINGS: Final = (
    ("ies", "y"),
    ("ied", "y"),
    ("sses", "ss"),
    ("ing", ""),
    ("ed", ""),
    ("es", "e"),
    ("s", ""),
)
_IRREGULAR: Final = {
    form: base
    for base, forms in {
        "send": "sent",
        "take": "took taken",
        "keep": "kept",
        "hold": "held",
        "write": "wrote written",
        "hide": "hid hidden",
        "steal": "stole stolen stealing",
        "get": "got gotten",
        "leave": "left",
        "find": "found",
        "tell": "told",
        "give": "gave given",
        "run": "ran",
        "put": "puts",
        "sell": "sold",
        "buy": "bought",
        "know": "knew known",
        "speak": "spoke spoken",
        "choose": "chose chosen",
        "make": "made",
        "bring": "brought",
        "is": "be been being are was were",
        "have": "has had",
        "do": "does did done",
        "lie": "lay lain lies",
        "go": "went gone goes",
        "come": "came",
        "see": "saw seen",
        "say": "said",
        "teach": "taught",
        "begin": "began begun",
        "drive": "drove driven",
        "draw": "drew drawn",
        "feed": "fed",
        "build": "built",
        "think": "thought",
        "lead": "led",
        "meet": "met",
        "read": "reads",
        "sit": "sat",
        "stand": "stood",
        "grow": "grew",
        "feel": "felt",
        "use": "using uses used",
        "lose": "lost",
        "pay": "paid",
        "catch": "caught",
        "set": "sets",
        "note": "note notes noted",
    }.items()
    for form in forms.split()
}
_VERBS: Final = frozenset(
    {"fetch", "send", "keep", "use", "spread", "control", "lure", "from_victim", "fake", "public"}
    | {"told", "sell", "advice", "stolen", "hide"}
)
_SUBJECTS: Final = frozenset(
    {"intruder", "malware", "victim", "good", "name", "campaign", "svc", "firm", "theirs", "ip"}
    | {"host"}
)
_AGENTS: Final = frozenset({"intruder", "malware", "campaign", "name"})
_BYSTANDERS: Final = frozenset({"victim", "good", "theirs", "firm"})
_WAYS: Final = frozenset(
    {"to", "from", "via", "on", "in", "through", "over", "with", "by", "at", "as", "into", "of"}
    | {"onto", "behind", "for", "using", "use"}
)
_PAIR: Final = 14  # tokens within which two classes count as a pair
_BESIDE: Final = (-3, -2, -1, 1, 2, 3)


def stem(word: str) -> str:
    """The form that a word is counted by: endings and some irregular forms folded.

    >>> [stem(word) for word in ("uploads", "uploading", "sent", "dropped", "queries")]
    ['upload', 'upload', 'send', 'drop', 'query']
    """
    word = word.lower().replace("’", "'")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    word = word.removesuffix("'s")
    for old, new in _ENDINGS:
        if len(word) - len(old) >= 3 and word.endswith(old) and not word.endswith(("ss", "us")):
            word = word[: len(word) - len(old)] + new
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


@functools.cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """The classes of each folded word.

    >>> word_classes()[stem("backdoors")]
    ('bad', 'malware', 'payload')
    """
    found: dict[str, set[str]] = {}
    for name, words in read_data("service_words.toml")["classes"].items():
        for word in words.split():
            found.setdefault(stem(word), set()).add(name)
    return {word: tuple(sorted(names)) for word, names in found.items()}


def tokens(sentence: str, named: Sequence[tuple[int, int, str]]) -> list[Token]:
    """The sentence as the model sees it; ``named`` are offsets and kinds of services.

    >>> [form for form, _ in tokens("HazeMoth reads a Pastebin note.", [(17, 25, "paste")])]
    ['<name>', 'read', 'a', '<svc>', 'note', '.']
    """
    pieces: list[str] = []
    at = 0
    for start, end, kind in named:
        if start < at:
            continue
        pieces += [sentence[at:start], f" \x00{kind.replace('-', '_')}\x00 "]
        at = end
        if sentence[at : at + 1] == "/":  # the path of a host
            while at < len(sentence) and not sentence[at].isspace():
                at += 1
    pieces.append(sentence[at:])
    text = _LINK_TARGET.sub("]", "".join(pieces))
    text = _DROP.sub("dead-drop", _C2.sub("C2", text))
    return list(_read(text))


def features(sentence: str, named: Sequence[tuple[int, int, str]]) -> set[str]:
    """What the model counts in a sentence.

    >>> found = features("It read a note at Pastebin.", [(18, 26, "paste")])
    >>> {"k_paste", "w:note", "c:fetch", "s:fetch>svc", "f:noagent"} <= found
    True
    """
    read = tokens(sentence, named)
    found: set[str] = set()
    ways = list(map(_ways, read))
    places = [(i, name) for i, (names, _) in enumerate(ways) for name in names]
    at = [i for i, (form, _) in enumerate(read) if form == "<svc>"]
    kinds = {name for i in at for name in read[i][1] if name.startswith("k_")}
    found |= {f"w:{form}" for form, _ in read} | kinds
    for name in {name for _, name in places}:
        found.add(f"c:{name}")
        found |= {f"{kind}&{name}" for kind in kinds}
    for (_, left), (_, right) in itertools.pairwise(ways):
        found |= {f"b:{one}_{two}" for one in left for two in right}
    pairs: set[tuple[str, str]] = set()
    end = 0
    for i, first in places:
        while end < len(places) and places[end][0] <= i + _PAIR:
            end += 1
        behind = bisect.bisect_right(places, i, key=_first)
        pairs |= {(first, second) for _, second in places[behind:end]}
    found |= {f"s:{first}>{second}" for first, second in pairs}
    for i in at:
        for step in _BESIDE:
            if 0 <= i + step < len(ways):
                _, own = ways[i + step]
                found |= {f"n{step:+}:{one}" for one in own}
                if abs(step) > 1:
                    found |= {f"n{'-' if step < 0 else '+'}:{one}" for one in own}
    found |= _who_does_what(read, places, at)
    return found


_first: Final = operator.itemgetter(0)


@functools.lru_cache(maxsize=1 << 15)
def _ways(token: Token) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of a token but for the kind of a service, and the ways in which it can be told.

    >>> _ways(("<svc>", ("svc", "k_paste")))
    (('svc',), ('<svc>', '(svc)'))
    """
    form, names = token
    classes = tuple(name for name in names if not name.startswith("k_"))
    return classes, (form, *(f"({name})" for name in classes))


def judge(found: set[str]) -> tuple[float, dict[str, float]]:
    """The probability of abuse, and of each role in case of abuse.

    >>> text = "The implant reads its C2 address from Pastebin."
    >>> p, roles = judge(features(text, [(38, 46, "paste")]))
    >>> p > 0.9, max(roles, key=roles.get)
    (True, 'dead-drop')
    """
    table, starts = weights()
    known = list(filter(None, map(table.get, found)))
    scale = LENGTH / max(1.0, math.sqrt(len(known)))
    sums = map(sum, zip(*known, strict=True)) if known else itertools.repeat(0)
    totals = [start + scale * total / 1000 for start, total in zip(starts, sums, strict=False)]
    abuse = 1 / (1 + math.exp(-max(-30.0, min(30.0, totals[0]))))
    top = max(totals[1:])
    powers = [math.exp(total - top) for total in totals[1:]]
    return round(abuse, 4), {
        role: round(power / sum(powers), 4) for role, power in zip(ROLES, powers, strict=True)
    }


def _read(text: str) -> Iterator[Token]:
    """The tokens of a text in which services are masked."""
    begins = True
    for match in _TOKEN.finditer(text):
        kind, form = str(match.lastgroup), match.group()
        if kind == "svc":
            yield "<svc>", ("svc", "k_" + form.strip("\x00"))
        elif kind == "mark":
            yield form, ()
        elif kind == "word":
            yield _word(form, begins=begins)
        else:
            yield f"<{kind}>", (kind,)
        begins = kind == "mark" and form in ".?!|:"


@functools.lru_cache(maxsize=1 << 15)
def _word(form: str, *, begins: bool) -> Token:
    folded = stem(form)
    names = word_classes().get(folded, ())
    if not names and "-" in form:
        parts = {name for part in form.split("-") for name in word_classes().get(stem(part), ())}
        names = tuple(sorted(parts))
    coined = _COINED.search(form) or (form.isupper() and len(form) > 3)
    if not names and (coined or (form[0].isupper() and not begins and len(form) > 2)):
        return "<name>", ("name",)
    return folded, names


def _who_does_what(
    read: Sequence[Token], places: Sequence[tuple[int, str]], at: Sequence[int]
) -> set[str]:
    """Features of subject, verb and way: who is spoken of first, what is done, by which word."""
    found: set[str] = set()
    names = {name for _, name in places}
    subjects = [(i, name) for i, name in places if name in _SUBJECTS]
    verbs = [(i, name) for i, name in places if name in _VERBS]
    if subjects:
        first = subjects[0][0]
        done = min((i for i, _ in verbs if i > first), default=-1)
        for name in {name for i, name in subjects if i == first}:
            found.add(f"f:{name}")
            found |= {f"f:{name}|{verb}" for i, verb in verbs if i == done}
    if not names & _AGENTS:
        found.add("f:noagent")
    elif names & (_AGENTS - {"campaign"}) and not names & _BYSTANDERS:
        found.add("f:onlyagent")
    for place in at:
        before = read[max(0, place - 4) : place]
        way = next((form for form, _ in reversed(before) if form in _WAYS), "")
        found.add(f"v0:{way}")
        last = max((i for i, _ in verbs if place - 14 <= i < place), default=-1)
        found |= {f"v:{verb}|{way}" for i, verb in verbs if i == last}
        after = min((i for i, _ in verbs if place < i <= place + 10), default=-1)
        found |= {f"v+:{verb}" for i, verb in verbs if i == after}
    return found


@functools.cache
def weights() -> tuple[Mapping[str, tuple[int, ...]], tuple[float, ...]]:
    """The weights of each feature in thousandths, for abuse and each role, and the intercepts."""
    file = importlib.resources.files("ctimine.extract").joinpath("models/services.tsv")
    return read_weights(file.read_text("utf-8"))


def read_weights(text: str) -> tuple[Mapping[str, tuple[int, ...]], tuple[float, ...]]:
    r"""What a file of weights holds.

    >>> read_weights("(start)\t-500\t0\nw:loader\t120\t-3")
    ({'w:loader': (120, -3)}, (-0.5, 0.0))
    """
    table: dict[str, tuple[int, ...]] = {}
    starts: tuple[float, ...] = ()
    for line in text.splitlines():
        name, *values = line.split("\t")
        if name == "(start)":
            starts = tuple(int(value) / 1000 for value in values)
        elif not line.startswith("#"):
            table[name] = tuple(int(value) for value in values)
    return table, starts
