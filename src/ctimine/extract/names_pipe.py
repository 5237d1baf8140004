"""Names that no list knows as a spaCy component: ``nlp.add_pipe("ctimine_names")``."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from spacy.language import Language
from spacy.tokens import Doc

from ctimine.extract.docs import mentions_of, report_of, set_mentions
from ctimine.extract.finding import in_order, tells_deeds
from ctimine.extract.names_model import Recogniser, load_recogniser, packaged
from ctimine.extract.recogniser import find_new_names
from ctimine.model import Mention


class NewNames:
    """Finds actors and software by names that the mentions on the Doc do not explain.

    Stands behind ``ctimine_actors``. ``model`` is the folder of another model than the package's.

    >>> import spacy
    >>> nlp = spacy.blank("en")
    >>> component = nlp.add_pipe("ctimine_names")
    >>> doc = nlp(
    ...     "The Velvet Anvil group targets shipping firms. We attribute the intrusion to the "
    ...     "threat actor Velvet Anvil."
    ... )
    >>> [(span.text, span.label_, span.id_) for span in doc.spans["ctimine"]]
    [('Velvet Anvil', 'actor', 'recognised'), ('Velvet Anvil', 'actor', 'recognised')]
    """

    def __init__(self, model: str = "") -> None:
        self.model = model

    @functools.cached_property
    def recogniser(self) -> Recogniser:
        """The model, loaded when first needed."""
        return load_recogniser(self.model) if self.model else packaged()

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of names that no list knows."""
        report = report_of(doc)
        if not tells_deeds(report):
            return ()
        return tuple(find_new_names(report, mentions_of(doc), self.recogniser))

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Add the mentions to the Doc."""
        return set_mentions(doc, in_order([*mentions_of(doc), *mentions]))


@Language.factory(
    "ctimine_names",
    default_config={"model": ""},
    requires=["doc._.cti_mentions"],
    assigns=["doc.spans", "doc._.cti_mentions"],
)
def make_names(nlp: Language, name: str, model: str) -> NewNames:  # noqa: ARG001
    """The component that finds names that no list knows."""
    return NewNames(model)
