"""Report to spaCy Doc and back; what a Doc of ctimine carries.

Only lists, dicts and scalars are stored (``doc.user_data["ctimine"]``), so that ``DocBin``,
``to_bytes`` and ``n_process`` keep them. Everything else is a getter: ``doc._.cti_report``,
``doc._.cti_mentions``, ``doc._.cti_claims``, ``span._.cti_stance``. Mentions keep their exact
character offsets; the spans of ``doc.spans["ctimine"]`` cover the tokens that hold them, with
``label_`` = kind, ``kb_id_`` = concept, ``id_`` = rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from spacy.language import Language
from spacy.tokens import Doc, Span

from ctimine.model import Block, Claim, Mention, Report, from_json, stable_id, to_json

DATA: Final = "ctimine"
"""Key of a Doc's ``user_data`` and name of its span group."""
BLOCKS: Final = "blocks"
_LINE: Final = re.compile(r"[^\n]+")


def to_doc(report: Report, nlp: Language) -> Doc:
    r"""The report as a Doc: the same text, blocks as spans, sentences that end where blocks end.

    >>> import spacy
    >>> text = "A heading\nIt used T1102."
    >>> blocks = (Block("heading", 0, 9, level=1), Block("paragraph", 10, 24))
    >>> doc = to_doc(Report("r", "s", "i", text, blocks), spacy.blank("en"))
    >>> doc.text == text, [span.label_ for span in doc.spans["blocks"]]
    (True, ['heading', 'paragraph'])
    """
    words: list[str] = []
    edges: list[tuple[Block, int, int]] = []
    at = 0
    for block in report.blocks or plain_blocks(report.text):
        if block.start > at:
            words.append(report.text[at : block.start])
        first = len(words)
        for token in nlp.tokenizer(report.text[block.start : block.end]):
            words.append(token.text)
            if token.whitespace_:
                words.append(" ")
        if len(words) > first:
            edges.append((block, first, len(words)))
        at = block.end
    if at < len(report.text):
        words.append(report.text[at:])
    doc = _joined(nlp, words, edges)
    doc.user_data[DATA] = {"report": to_json(report), "mentions": [], "claims": []}
    return doc


def _joined(nlp: Language, words: list[str], edges: list[tuple[Block, int, int]]) -> Doc:
    """The Doc of words in which a single space after a word belongs to it, as spaCy has it."""
    starts = {first for _, first, _ in edges}
    kept: list[str] = []
    spaces: list[bool] = []
    begins: list[bool | None] = []
    number: list[int] = []
    for index, word in enumerate(words):
        number.append(len(kept))
        joins = word == " " and index not in starts and kept and not spaces[-1]
        if joins and not kept[-1].isspace():
            spaces[-1] = True
            continue
        kept.append(word)
        spaces.append(False)
        # True: a block begins here; None: a sentencizer or parser may still decide.
        begins.append(True if index in starts or not index else None)
    number.append(len(kept))
    doc = Doc(nlp.vocab, words=kept, spaces=spaces, sent_starts=begins)
    doc.spans[BLOCKS] = [
        Span(doc, number[first], number[last], label=block.kind) for block, first, last in edges
    ]
    return doc


def plain_blocks(text: str) -> tuple[Block, ...]:
    """One paragraph for each line that is not blank: what a text without blocks is taken as."""
    return tuple(
        Block("paragraph", match.start(), match.end())
        for match in _LINE.finditer(text)
        if not match.group().isspace()
    )


def report_of(doc: Doc) -> Report:
    """The report that a Doc was made from; of an ordinary Doc, one with a paragraph a line.

    >>> import spacy
    >>> report_of(spacy.blank("en")("It used T1102.")).blocks[0].kind
    'paragraph'
    """
    data = doc.user_data.get(DATA)
    if data and data.get("report"):
        return from_json(Report, data["report"])
    text = doc.text
    return Report(stable_id("text", text), "doc", "", text, plain_blocks(text))


def mentions_of(doc: Doc) -> tuple[Mention, ...]:
    """The mentions that the components found, by offset."""
    data = doc.user_data.get(DATA) or {}
    return tuple(from_json(Mention, row) for row in data.get("mentions", ()))


def claims_of(doc: Doc) -> tuple[Claim, ...]:
    """The claims that the components made, by offset."""
    data = doc.user_data.get(DATA) or {}
    return tuple(from_json(Claim, row) for row in data.get("claims", ()))


def set_mentions(doc: Doc, mentions: Iterable[Mention]) -> Doc:
    """The Doc with exactly these mentions, as data and as spans."""
    mentions = tuple(mentions)
    _data(doc)["mentions"] = [to_json(mention) for mention in mentions]
    spans, scores = [], []
    for mention in mentions:
        span = doc.char_span(
            mention.start,
            mention.end,
            label=mention.kind,
            kb_id=mention.concept,
            span_id=mention.rule,
            alignment_mode="expand",
        )
        if span is not None:
            spans.append(span)
            scores.append(mention.score)
    doc.spans[DATA] = spans
    doc.spans[DATA].attrs["scores"] = scores
    return doc


def set_claims(doc: Doc, claims: Iterable[Claim]) -> Doc:
    """The Doc with exactly these claims."""
    _data(doc)["claims"] = [to_json(claim) for claim in claims]
    return doc


def _data(doc: Doc) -> dict[str, Any]:
    data: dict[str, Any] = doc.user_data.setdefault(
        DATA, {"report": to_json(report_of(doc)), "mentions": [], "claims": []}
    )
    return data


def _stance_of(span: Span) -> str:
    """The stance of the mention that a span of the group stands for; empty for other spans.

    Looked up by place, kind, concept and rule: several mentions may share one place.
    """
    for mention in mentions_of(span.doc):
        if (
            mention.kind == span.label_
            and mention.concept == span.kb_id_
            and mention.rule == span.id_
            and span.start_char <= mention.start
            and mention.end <= span.end_char
        ):
            return mention.stance
    return ""


def _register() -> None:
    for owner, name, getter in (
        (Doc, "cti_report", report_of),
        (Doc, "cti_mentions", mentions_of),
        (Doc, "cti_claims", claims_of),
        (Span, "cti_stance", _stance_of),
    ):
        # Never forced: a name that somebody else has taken stays theirs.
        if not owner.has_extension(name):
            owner.set_extension(name, getter=getter)


_register()
