"""Reports from marked text: ``[[a:G0016|APT29]] used [[t:T1102.001]]``.

``a`` actor, ``c`` campaign, ``s`` software, ``t`` technique (id), ``n`` technique (name),
``b`` technique (described), ``v`` vulnerability. The part after ``|`` is what the text shows; an
actor without an id is one that no list knows. ``# `` heads, ``- `` items, ``| `` table rows (the
first is the header), ``>>> `` code and other lines become blocks.
"""

from __future__ import annotations

import re

from ctimine.attack import fold
from ctimine.model import Block, Concept, Mention, Report

MARK = re.compile(r"\[\[(\w):([^|\]]*)(?:\|([^\]]*))?\]\]")
KINDS = {
    "a": ("actor", "name"),
    "c": ("campaign", "name"),
    "s": ("software", "name"),
    "t": ("technique", "id"),
    "n": ("technique", "name"),
    "b": ("technique", "behaviour"),
    "v": ("vulnerability", "name"),
}


class Names:
    """A catalogue of a few actors, enough for rules that ask for names."""

    def __init__(self) -> None:
        rows = [
            ("G0007", "APT28", ("Fancy Bear", "Sofacy")),
            ("G0016", "APT29", ("Cozy Bear", "Midnight Blizzard")),
            ("G0010", "Turla", ("Venomous Bear", "Snake", "Waterbug")),
            ("G0049", "OilRig", ("APT34", "Helix Kitten")),
            ("G0069", "MuddyWater", ("Seedworm", "Static Kitten", "TA450")),
        ]
        self.actors = [Concept("actor", key, name, aliases) for key, name, aliases in rows]

    def named(self, text, kind=None):
        return tuple(
            actor
            for actor in self.actors
            if kind in {None, "actor"} and fold(text) in map(fold, (actor.name, *actor.aliases))
        )

    def get(self, key):
        if re.fullmatch(r"T\d{4}(\.\d{3})?", key):
            return Concept("technique", key, key)
        return next((actor for actor in self.actors if actor.id == key), None)

    def resolve(self, key):
        return self.get(key)


NAMES = Names()


def marked(source: str, *, title: str = "", kind: str = "report", report: str = "r"):
    """(report, mentions) of a marked text."""
    text, mentions, blocks = "", [], []
    path: list[tuple[int, str]] = []
    table = row = -1
    for line in source.strip("\n").split("\n"):
        if not line.strip():
            row = -1
            text += "\n"
            continue
        cells = [line]
        what, level, note = "paragraph", 0, ""
        if line.startswith("|"):
            what, cells = "table_cell", [c.strip() for c in line.strip().strip("|").split("|")]
            cells = _rejoin(line)
            if row < 0:
                table, row = table + 1, 0
            else:
                row += 1
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            what, cells = "heading", [line.lstrip("# ")]
        elif line.startswith("- "):
            what, cells = "list_item", [line[2:]]
        elif line.startswith(">>> "):
            what, cells, note = "code", [line[4:].replace("\\n", "\n")], "yaml"
        for column, cell in enumerate(cells):
            start = len(text)
            at = 0
            for match in MARK.finditer(cell):
                text += cell[at : match.start()]
                at = match.end()
                key, shown = match.group(2), match.group(3) or match.group(2)
                mention_kind, basis = KINDS[match.group(1)]
                mentions.append(
                    Mention(
                        report,
                        len(text),
                        len(text) + len(shown),
                        shown,
                        mention_kind,
                        key,
                        basis,
                        name=shown,
                    )
                )
                text += shown
            text += cell[at:]
            if len(text) > start:
                if what == "heading":
                    while path and path[-1][0] >= level:
                        path.pop()
                blocks.append(
                    Block(
                        what,
                        start,
                        len(text),
                        level=level,
                        path=tuple(words for _, words in path),
                        table=table if what == "table_cell" else -1,
                        row=row if what == "table_cell" else -1,
                        column=column if what == "table_cell" else -1,
                        header=what == "table_cell" and row == 0,
                        note=note,
                    )
                )
                if what == "heading":
                    path.append((level, text[start:]))
            text += "\t" if column < len(cells) - 1 else "\n"
    return (
        Report(report, "s", "i", text, tuple(blocks), title=title, kind=kind),
        tuple(mentions),
    )


def _rejoin(line: str) -> list[str]:
    """Cells of a row; a bar inside a mark separates nothing."""
    safe = MARK.sub(lambda m: m.group().replace("|", "\0"), line)
    return [cell.strip().replace("\0", "|") for cell in safe.strip().strip("|").split("|")]
