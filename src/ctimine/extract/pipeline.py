"""The steps of extraction as spaCy components.

Factories are found by entry points: ``nlp.add_pipe("ctimine_techniques")`` works without an import
of ctimine. The catalogue stands in the config of a component as
``{"@misc": "ctimine.attack.v1", "version": "19"}``, so a saved pipeline says which ATT&CK it used.
Each component computes (``match``), then writes (``set_annotations``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ctimine.attack import Catalogue, load_attack
from ctimine.extract.docs import mentions_of, report_of, set_claims, set_mentions
from ctimine.extract.finding import find_actors, find_techniques, in_order
from ctimine.model import Claim, Mention

FACTORIES: Final = (
    "ctimine_techniques",
    "ctimine_actors",
    "ctimine_services",
    "ctimine_names",
    "ctimine_behaviours",
    "ctimine_stance",
    "ctimine_claims",
)
"""The components of the default pipeline, in order."""
_ATTACK: Final = {"@misc": "ctimine.attack.v1", "version": None}
_NOTES: Final = ["doc.spans", "doc._.cti_mentions"]


@spacy.registry.misc("ctimine.attack.v1")
def attack(version: str | None = None) -> Catalogue:
    """The catalogue of an ATT&CK release, for the config of a component.

    >>> attack("18.1").version
    '18.1'
    """
    return load_attack(version)


class Techniques:
    """Finds technique and tactic ids and technique names.

    >>> nlp = spacy.blank("en")
    >>> component = nlp.add_pipe("ctimine_techniques")
    >>> doc = nlp("It used PowerShell (T1059.001).")
    >>> [span.kb_id_ for span in doc.spans["ctimine"]]
    ['T1059.001']
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of techniques and tactics."""
        return find_techniques(report_of(doc), self.catalogue)

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Add the mentions to the Doc."""
        return _add(doc, mentions)


class Actors:
    """Finds actors, software and campaigns.

    >>> nlp = spacy.blank("en")
    >>> component = nlp.add_pipe("ctimine_actors")
    >>> doc = nlp("Fancybear used Mimikatz.")
    >>> [span.kb_id_ for span in doc.spans["ctimine"]]
    ['G0007', 'S0002']
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of actors, software and campaigns."""
        return find_actors(report_of(doc), self.catalogue)

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Add the mentions to the Doc."""
        return _add(doc, mentions)


class Services:
    """Finds web services that intruders borrow, with the technique that it is.

    >>> nlp = spacy.blank("en")
    >>> component = nlp.add_pipe("ctimine_services")
    >>> doc = nlp("The implant read a Pastebin note that held the address of its C2 server.")
    >>> [span.kb_id_ for span in doc.spans["ctimine"]]
    ['T1102.001', 'pastebin']
    """

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of services and of what is done with them."""
        from ctimine.extract.services import find_services

        return find_services(report_of(doc))

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Add the mentions to the Doc."""
        return _add(doc, mentions)


class Stance:
    """Judges what the text says of each mention that stands on the Doc."""

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Mention, ...]:
        """The mentions of the Doc, each with its stance."""
        from ctimine.extract.stance import set_stance

        return set_stance(report_of(doc), mentions_of(doc))

    def set_annotations(self, doc: Doc, mentions: Iterable[Mention]) -> Doc:
        """Replace the mentions of the Doc."""
        return set_mentions(doc, mentions)


class Claims:
    """Makes the claims that the mentions of the Doc support."""

    def __init__(self, catalogue: Catalogue, *, described: bool = False) -> None:
        self.catalogue, self.described = catalogue, described

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with what :meth:`match` finds."""
        return self.set_annotations(doc, self.match(doc))

    def match(self, doc: Doc) -> tuple[Claim, ...]:
        """The claims of the Doc."""
        from ctimine.extract.claims import find_claims

        return find_claims(
            report_of(doc), mentions_of(doc), self.catalogue, described=self.described
        )

    def set_annotations(self, doc: Doc, claims: Iterable[Claim]) -> Doc:
        """Replace the claims of the Doc."""
        return set_claims(doc, claims)


def _add(doc: Doc, mentions: Iterable[Mention]) -> Doc:
    return set_mentions(doc, in_order([*mentions_of(doc), *mentions]))


class Component(Protocol):
    """What spaCy runs on each Doc."""

    def __call__(self, doc: Doc) -> Doc:
        """The Doc, annotated."""


@Language.factory("ctimine_techniques", default_config={"attack": _ATTACK}, assigns=_NOTES)
def make_techniques(nlp: Language, name: str, attack: Catalogue) -> Component:  # noqa: ARG001
    """The component that finds techniques."""
    return Techniques(attack)


@Language.factory("ctimine_actors", default_config={"attack": _ATTACK}, assigns=_NOTES)
def make_actors(nlp: Language, name: str, attack: Catalogue) -> Component:  # noqa: ARG001
    """The component that finds actors, software and campaigns."""
    return Actors(attack)


@Language.factory("ctimine_services", assigns=_NOTES)
def make_services(nlp: Language, name: str) -> Component:  # noqa: ARG001
    """The component that finds abused web services."""
    return Services()


@Language.factory("ctimine_stance", requires=["doc._.cti_mentions"], assigns=["doc._.cti_mentions"])
def make_stance(nlp: Language, name: str) -> Component:  # noqa: ARG001
    """The component that judges the stance."""
    return Stance()


@Language.factory(
    "ctimine_claims",
    default_config={"attack": _ATTACK, "described": False},
    requires=["doc._.cti_mentions"],
    assigns=["doc._.cti_claims"],
)
def make_claims(
    nlp: Language,  # noqa: ARG001
    name: str,  # noqa: ARG001
    attack: Catalogue,
    described: bool,  # spaCy passes it by name
) -> Component:
    """The component that makes claims."""
    return Claims(attack, described=described)


def build_pipeline(catalogue: Catalogue | None = None) -> Language:
    """A blank English pipeline with all components of ctimine, in order.

    >>> nlp = build_pipeline(load_attack())
    >>> doc = nlp("APT29 used PowerShell (T1059.001).")
    >>> [(claim.subject, claim.object) for claim in doc._.cti_claims]
    [('G0016', 'T1059.001')]
    """
    nlp = spacy.blank("en")
    config = {"attack": dict(_ATTACK, version=catalogue.version if catalogue else None)}
    nlp.add_pipe("sentencizer")
    for factory in FACTORIES:
        takes = "attack" in Language.get_factory_meta(factory).default_config
        nlp.add_pipe(factory, config=config if takes else {})
    return nlp
