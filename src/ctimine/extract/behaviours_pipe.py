"""Described techniques as a spaCy component: ``nlp.add_pipe("ctimine_behaviours")``."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.language import Language
from spacy.tokens import Doc

from ctimine.extract.behaviours import Threshold
from ctimine.extract.docs import mentions_of, report_of, set_mentions
from ctimine.extract.finding import in_order, tells_deeds
from ctimine.extract.told import find_described
from ctimine.model import Mention


class Behaviours:
    """Finds techniques that sentences describe without naming them.

    >>> import spacy
    >>> nlp = spacy.blank("en")
    >>> component = nlp.add_pipe("ctimine_behaviours", config={"threshold": "recall"})
    >>> doc = nlp("The actor sent spearphishing emails with a malicious Word attachment to staff.")
    >>> [span.kb_id_ for span in doc.spans["ctimine"]]
    ['T1566.001']
    """

    def __init__(self, threshold: Threshold = "balanced") -> None:
        self.threshold = threshold

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of described techniques."""
        report = report_of(doc)
        return find_described(report, threshold=self.threshold) if tells_deeds(report) else ()

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Add the mentions to the Doc."""
        return set_mentions(doc, in_order([*mentions_of(doc), *mentions]))


@Language.factory(
    "ctimine_behaviours",
    default_config={"threshold": "balanced"},
    assigns=["doc.spans", "doc._.cti_mentions"],
)
def make_behaviours(nlp: Language, name: str, threshold: Threshold) -> Behaviours:  # noqa: ARG001
    """The component that finds described techniques."""
    return Behaviours(threshold)
