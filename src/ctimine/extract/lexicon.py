"""What each name of the catalogue stands for, and how much a text must add to mean it."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final

from ctimine.attack import Catalogue
from ctimine.extract.candidates import Hit, Lexicon, outermost, squash_name
from ctimine.extract.data import compiled, read_data
from ctimine.model import ConceptKind

_SUFFIX: Final = re.compile(
    r" (?:group|gang|team|apt|crew|framework|campaign|collective|hack|hackers|ransomware group)$",
    re.IGNORECASE,
)
_PORT: Final = re.compile(
    r" (?:for|on) (?:Windows|Linux|Android|macOS|Mac|iOS)$|[ _-](?:RAT|Backdoor)$"
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
    ports: tuple[str, ...] = ()
    """Malware called like the actor and something more: ``Winnti for Windows``."""
    longer: tuple[str, ...] = ()
    """Groups of ATT&CK that bear a longer form of it, where another actor is called so itself."""
    prefers: str = ""
    """``actor`` or ``software`` where both bear it and only one as its first name."""
    ordinary: bool = False
    never: bool = False
    command: bool = False
    one_word: bool = False
    """No form has a space."""
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
        if re.search("[\u2e80-\ufeff]", self.key):
            return len(self.key) > 2  # one such letter says as much as a few Latin ones
        return len(self.key) > 4 or any(re.search(r"[a-z][A-Z]", form) for form in self.forms)


@functools.cache
def word_lists() -> dict[str, frozenset[str]]:
    """The lists of ``names.toml``: ``names.ordinary``, ``technique.never`` and so on.

    >>> "silence" in word_lists()["names.ordinary"]
    True
    """
    return {
        f"{section}.{name}": frozenset(squash_name(word)[0] for word in words.split())
        for section, lists in _data().items()
        if section != "commands"
        for name, words in lists.items()
    }


@functools.cache
def command_lines() -> dict[str, re.Pattern[str]]:
    """For programs whose names are English words, what must follow for them to be meant.

    >>> bool(command_lines()["net"].match(" user /domain"))
    True
    """
    return {
        name: compiled(pattern, f"names.toml: commands, {name}")
        for name, pattern in _data()["commands"].items()
    }


@functools.cache
def _data() -> dict[str, dict[str, str]]:
    return read_data("names.toml")


def lexicon_of(catalogue: Catalogue) -> Lexicon[Known]:
    """The automaton over all names of a catalogue; built once for each."""
    for kept, lexicon in _lexicons:
        if kept is catalogue:
            return lexicon
    lexicon = Lexicon(
        [(form, known) for known in _known(catalogue) for form in sorted(known.forms)]
    )
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
        key = squash_name(name)[0]
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
        known.prefers = _preference(known, catalogue)
    _add_implied(table, catalogue)
    for key, known in table.items():
        known.ordinary = key in lists["names.ordinary"] or (known.is_name and len(key) <= 2)
        known.never = key in lists["names.never"] and known.is_name
        known.command = key in command_lines() and bool(known.software)
        known.one_word = not any(" " in form for form in known.forms)
    return list(table.values())


def _preference(known: Known, catalogue: Catalogue) -> str:
    """What a name of an actor and a software means where nothing else says it.

    The one whose first name it is; where it is an alias of both, the actor; empty where it is the
    first name of both.
    """
    if not (known.actors and known.software):
        return ""
    first = [
        any(squash_name(catalogue[concept].name)[0] == known.key for concept in concepts)
        for concepts in (known.actors, known.software)
    ]
    if all(first):
        return ""
    return "software" if first[1] else "actor"


def _add_implied(table: dict[str, Known], catalogue: Catalogue) -> None:
    """``Lazarus`` for ``Lazarus Group``, where the catalogue does not say what it means itself.

    What is part of ATT&CK's own name for a group wins over an alias that only the galaxy has.
    """
    for concept in catalogue.concepts("actor"):
        for name in (concept.name, *concept.aliases):
            short = _SUFFIX.sub("", name)
            short = re.sub(r"^The (?=[A-Z])", "", short)
            key = squash_name(short)[0]
            if short == name or len(key) < 4 or not short[0].isupper():
                continue
            if name == concept.name and key in table and not concept.id.startswith("misp:"):
                if not _attack_says(table[key], catalogue):
                    table[key].actors = (concept.id,)
                    table[key].forms.add(short)
                continue
            known = table.setdefault(key, Known(key, set(), implied=True))
            if known.actors and not known.implied and concept.id not in known.actors:
                known.longer = tuple(sorted({*known.longer, concept.id}))
            known.forms.add(short)
            if not known.actors:
                known.actors = (concept.id,)
            elif known.implied and concept.id not in known.actors:
                known.actors = tuple(sorted((*known.actors, concept.id)))
    for concept in catalogue.concepts("software"):
        for name in (concept.name, *concept.aliases):
            known_actor = table.get(squash_name(_PORT.sub("", name))[0])
            if _PORT.search(name) and known_actor is not None and known_actor.actors:
                known_actor.ports = tuple(sorted({*known_actor.ports, concept.id}))


def _attack_says(known: Known, catalogue: Catalogue) -> bool:
    """Whether ATT&CK itself gives an actor this name."""
    return any(
        "attack" in catalogue.alias_sources(actor).get(form, ())
        for actor in known.actors
        for form in known.forms
    )
