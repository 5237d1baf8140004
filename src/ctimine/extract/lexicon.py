"""What each name of the catalogue stands for, and how much a text must add to mean it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from typing import Final

from ctimine.attack import Catalogue, fold
from ctimine.extract.candidates import Hit, Lexicon, outermost, squash
from ctimine.model import ConceptKind

_SUFFIX: Final = re.compile(
    r" (?:group|gang|team|apt|crew|framework|campaign|collective|ransomware group)$", re.IGNORECASE
)
_KEPT: Final = 4  # catalogues whose automata stay in memory


@dataclasses.dataclass(slots=True)
class Known:
    """One name: its written forms, the concepts that bear it, and how ordinary it is."""

    key: str
    forms: set[str]
    actors: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    ordinary: bool = False
    never: bool = False
    command: bool = False
    implied: bool = False
    """Not a name of the catalogue but a part of one: ``Lazarus`` of ``Lazarus Group``."""

    @property
    def concepts(self) -> tuple[str, ...]:
        """Actors, software and campaigns of this name."""
        return (*self.actors, *self.software, *self.campaigns)

    @property
    def is_name(self) -> bool:
        """Whether an actor, a software or a campaign bears it."""
        return bool(self.actors or self.software or self.campaigns)

    @property
    def one_word(self) -> bool:
        """Whether no form has a space."""
        return not any(" " in form for form in self.forms)

    @property
    def numbered(self) -> bool:
        """Letters and digits in one, such as ``APT28``: no word of a language."""
        return bool(re.fullmatch(r"[a-z]+\d+[a-z0-9]*|(?:apt)?[a-z]+\d{2,}", self.key))

    @property
    def strong(self) -> bool:
        """Whether the name means nothing else, so that no context is needed."""
        if self.ordinary or self.never:
            return False
        if self.numbered:
            return len(self.key) > 3
        return len(self.key) > 4 or any(re.search(r"[a-z][A-Z]", form) for form in self.forms)


@functools.cache
def word_lists() -> dict[str, frozenset[str]]:
    """The lists of ``names.toml``: ``names.ordinary``, ``technique.never``, …

    >>> "silence" in word_lists()["names.ordinary"]
    True
    """
    text = importlib.resources.files("ctimine.extract").joinpath("names.toml").read_text("utf-8")
    return {
        f"{section}.{name}": frozenset(squash(word).text for word in words.split())
        for section, lists in tomllib.loads(text).items()
        for name, words in lists.items()
    }


def lexicon_of(catalogue: Catalogue) -> Lexicon[Known]:
    """The automaton over all names of a catalogue; built once for each."""
    for kept, lexicon in _lexicons:
        if kept is catalogue:
            return lexicon
    lexicon = Lexicon([(form, known) for known in _known(catalogue) for form in sorted(known.forms)])
    _lexicons.append((catalogue, lexicon))
    del _lexicons[:-_KEPT]
    return lexicon


_lexicons: list[tuple[Catalogue, Lexicon[Known]]] = []


def find_known(text: str, catalogue: Catalogue) -> list[Hit[Known]]:
    """The names of the catalogue that stand in a text; of nested ones the longest."""
    return list(outermost(lexicon_of(catalogue).find(text)))


def _known(catalogue: Catalogue) -> list[Known]:
    table: dict[str, Known] = {}
    owners: dict[str, dict[ConceptKind, dict[str, None]]] = {}
    for name, concept in catalogue.names():
        if concept.kind == "tactic":
            continue
        key = squash(name).text
        table.setdefault(key, Known(key, set())).forms.add(name)
        owners.setdefault(key, {}).setdefault(concept.kind, {})[concept.id] = None
    lists = word_lists()
    for key, known in table.items():
        kinds = owners[key]
        meant = {c.id for form in known.forms for c in catalogue.named(form, "actor")}
        known.actors = tuple(sorted(i for i in kinds.get("actor", ()) if not meant or i in meant))
        known.software = tuple(sorted(kinds.get("software", ())))
        known.campaigns = tuple(sorted(kinds.get("campaign", ())))
        known.techniques = tuple(sorted(kinds.get("technique", ())))
    _add_implied(table, catalogue)
    for key, known in table.items():
        known.ordinary = key in lists["names.ordinary"] or (known.is_name and len(key) <= 2)
        known.never = key in lists["names.never"] and known.is_name
        known.command = key in lists["names.commands"] and bool(known.software)
    return list(table.values())


def _add_implied(table: dict[str, Known], catalogue: Catalogue) -> None:
    """``Lazarus`` for ``Lazarus Group``, where the catalogue does not say what it means itself."""
    for concept in catalogue.concepts("actor"):
        for name in (concept.name, *concept.aliases):
            short = _SUFFIX.sub("", name)
            short = re.sub(r"^The (?=[A-Z])", "", short)
            key = squash(short).text
            if short == name or len(key) < 4 or not short[0].isupper():
                continue
            known = table.setdefault(key, Known(key, set(), implied=True))
            known.forms.add(short)
            if not known.actors:
                known.actors = (concept.id,)
            elif known.implied and concept.id not in known.actors:
                known.actors = tuple(sorted((*known.actors, concept.id)))


__all__ = ["Known", "find_known", "fold", "lexicon_of", "word_lists"]
