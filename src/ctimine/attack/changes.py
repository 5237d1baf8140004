"""What became of ids and names between two releases."""

from __future__ import annotations

import dataclasses

from ctimine.attack.catalogue import Catalogue


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """How a newer catalogue differs from an older one; everything sorted by id.

    ``added``: live ids that the older does not know. ``revoked``: (id, what it means today or
    empty). ``deprecated``: ids that were live. ``silent``: live ids that the newer does not list.
    ``renamed``: (id, old name, new name). ``moved``: (id, old tactics, new tactics).
    """

    added: tuple[str, ...]
    revoked: tuple[tuple[str, str], ...]
    deprecated: tuple[str, ...]
    silent: tuple[str, ...]
    renamed: tuple[tuple[str, str, str], ...]
    moved: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


def compare(old: Catalogue, new: Catalogue) -> Changes:
    """What became of the ids of one catalogue in another.

    >>> from ctimine.attack import load_attack
    >>> changes = compare(load_attack("18.1"), load_attack("19"))
    >>> dict(changes.revoked)["T1562.001"]
    'T1685'
    >>> [row for row in changes.renamed if row[0] == "TA0005"]
    [('TA0005', 'Defense Evasion', 'Stealth')]
    """
    shared = [
        (before, new[before.id])
        for before in old.concepts()
        if before.id in new and not before.id.startswith("misp:")
    ]
    live = [pair for pair in shared if pair[1].status == "live"]
    gone = [before.id for before, after in shared if after.status == "revoked"]
    meaning = {key: new.resolve(key) for key in gone}
    return Changes(
        added=tuple(
            c.id for c in new.concepts() if c.id not in old and not c.id.startswith("misp:")
        ),
        revoked=tuple(
            (key, successor.id if successor else "") for key, successor in meaning.items()
        ),
        deprecated=tuple(before.id for before, after in shared if after.status == "deprecated"),
        silent=tuple(
            c.id for c in old.concepts() if c.id not in new and not c.id.startswith("misp:")
        ),
        renamed=tuple((b.id, b.name, a.name) for b, a in live if b.name != a.name),
        moved=tuple((b.id, b.tactics, a.tactics) for b, a in live if b.tactics != a.tactics),
    )
