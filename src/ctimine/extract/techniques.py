"""Technique names: which may stand alone, which need context, which mean nothing by themselves.

Taking every official name for a technique is wrong eight times in ten: *Malware*, *Server* and
*Web Services* are words. The classes of ``names.toml`` say what a name needs. An id beside a name
is one agreement, or a conflict that is flagged; in a table row that carries an id, the id wins.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ctimine.attack import Catalogue
from ctimine.extract.candidates import Hit, is_address, plain_spaces, squash
from ctimine.extract.gate import Scan
from ctimine.extract.ids import plain
from ctimine.extract.lexicon import Known, word_lists
from ctimine.extract.shortforms import find_short_forms
from ctimine.model import Concept, Mention, Report

_JOINT: Final = re.compile(r"[\s*_`]*(?::|::|-|–|—|/|>|→|»|\\|\||\()[\s*_`>]*")
_AFTER_ID: Final = re.compile(
    r"[\])*_`\"'”’]{0,4}[ \t]?(?P<mark>[:\-–—|(\[=,]{0,3})[ \t]*[*_`\"'“(\[]{0,4}"
)
_BEFORE_ID: Final = re.compile(
    r"[*_`\"'”)\]]{0,4}[ \t]?(?P<mark>[:\-–—|(\[=,]{0,3})[ \t]*[(\[*_`\"'“]{0,4}"
)
_ID_WORDS: Final = r"(?:(?:MITRE )?(?:ATT&CK )?(?:technique |ID:? )?)?"
_CLOSED: Final = re.compile(r"[*_`\"'”]*\s*(?:$|\n|[|)\].,;])")
_USE: Final = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|via|through|leverag\w+|abus\w+|execut\w+|employ\w*|perform\w*|"
    r"conduct\w*|utili[sz]\w+|rel(?:y|ies|ied|ying) on|run|runs|ran|running|spawn\w*|invok\w+|"
    r"launch\w*|"
    r"implement\w*|attempt\w*|techniques?(?: (?:called|known as|such as|like|of|is|including))?|"
    r"with|"
    r"known as|called|by means of|carr(?:y|ies|ied) out)\s+(?:(?:of|the|a|an|its|their|malicious|"
    r"custom|"
    r"obfuscated|encoded|multiple|several|additional|embedded|legitimate|native|Windows)\s+)*"
    r"[\"'“*_`(\[]*$",
    re.IGNORECASE,
)
_OURS: Final = re.compile(
    # what the authors do themselves, and what somebody is protected from
    r"\b(?:we|our|us|you|your|researchers?|analysts?|following|below|snippet|accessed|defend\w*)\b"
    r"[^.\n]{0,40}$",
    re.IGNORECASE,
)
_MORE_USED: Final = re.compile(
    r"[*_`\"'”]* (?:(?:script|command|cmdlet|code|one-?liner|payload|stager|loader|attack|"
    r"technique|"
    r"campaign|email|message|lure|method)s?|to (?:download|execute|run|load|launch|inject|evade|"
    r"gain|"
    r"establish|steal|dump))\b"
)
_PREPARING: Final = frozenset({"reconnaissance", "resource-development"})
_MOBILE: Final = Scan(re.compile(r"\b(?:Android|iOS|iPhone|APK|mobile malware|smishing)\b"))
_PLANT: Final = re.compile(
    r"\b(?:ICS|SCADA|PLCs?|RTUs?|HMIs?|OT|Modbus|substations?|protective relays?|turbines?|"
    r"IEC 6\d{4}|OPC|circuit breakers?|industrial (?:control|protocols?))\b"
)
"""Words about a plant that stand near the name of what is done to it."""
_ICS: Final = Scan(re.compile(r"\b(?:ICS|SCADA|PLCs?|HMI|Modbus|OT network|industrial control)\b"))


def find_technique_names(
    report: Report, catalogue: Catalogue, ids: Sequence[Mention], hits: Sequence[Hit[Known]]
) -> list[Mention]:
    """The ids, flagged where a name beside them disagrees, and the names that stand for themselves.

    ``ids`` are the technique and tactic ids of the report, ``hits`` the names of the catalogue in
    its text.
    """
    named = [h for h in hits if h.entry.techniques and not is_address(report.text, h.start, h.end)]
    found = _Reader(report, catalogue, ids).read(named) if named else list(ids)
    return [*found, *find_short_forms(report, catalogue, found)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Name:
    """A name, or ``Parent: Sub`` as one name, and the techniques that it may mean."""

    start: int
    end: int
    key: str
    concepts: tuple[str, ...]
    whole: bool
    """The parent's name stands with it: nothing more is needed."""


class _Reader:
    def __init__(self, report: Report, catalogue: Catalogue, ids: Sequence[Mention]) -> None:
        self.report, self.catalogue = report, catalogue
        self.text = plain_spaces(report.text)
        self.ids = sorted(ids, key=lambda m: m.start)
        self._id_starts = [m.start for m in self.ids]
        self._block_starts = [block.start for block in report.blocks]
        self._rows: dict[tuple[int, int], tuple[int, int]] = {}
        for block in report.blocks:
            if block.kind == "table_cell" and block.table >= 0:
                key = block.table, block.row
                start, end = self._rows.get(key, (block.start, block.end))
                self._rows[key] = min(start, block.start), max(end, block.end)
        self.flagged: set[int] = set()
        self._domain: str | None = None

    def read(self, hits: Sequence[Hit[Known]]) -> list[Mention]:
        names = list(self._joined(hits))
        found = [mention for name in names for mention in self._judge(name)]
        marked = [
            dataclasses.replace(m, problem="id-name-conflict")
            if index in self.flagged and m.concept and not m.problem
            else m
            for index, m in enumerate(self.ids)
        ]
        return [*marked, *found]

    def _joined(self, hits: Sequence[Hit[Known]]) -> Iterator[_Name]:
        """Names in order; ``Obtain Capabilities: Tool`` is one, and means the sub-technique."""
        at = 0
        while at < len(hits):
            hit = hits[at]
            follower = hits[at + 1] if at + 1 < len(hits) else None
            if follower is not None and follower.start - hit.end <= 6:
                between = self.text[hit.end : follower.start]
                subs = tuple(
                    concept
                    for concept in follower.entry.techniques
                    if self.catalogue[concept].parent in hit.entry.techniques
                )
                if subs and _JOINT.fullmatch(between):
                    yield _Name(hit.start, follower.end, follower.entry.key, subs, whole=True)
                    at += 2
                    continue
            yield _Name(hit.start, hit.end, hit.entry.key, hit.entry.techniques, whole=False)
            at += 1

    # -- one name ----------------------------------------------------------------------------

    def _judge(self, name: _Name) -> Iterator[Mention]:
        beside = self._beside(name)
        row = self._row(name.start)
        in_row = [i for i in self._ids_in(*row) if self.ids[i].kind == "technique"] if row else []
        if any(self._agree(name, index) for index, _ in beside):
            return
        if any(self._agree(name, index) for index in in_row or self._ids_in_line(name)):
            return
        lists = word_lists()
        never = name.key in lists["technique.never"]
        capital = _title(self.text[name.start : name.end])
        if beside and capital:
            for index, mark in beside:
                if not never and "," not in mark and self._stands_apart(name, mark):
                    self.flagged.add(index)
            return
        if row and len(in_row) == 1 and not never and self._whole_cell(name):
            self.flagged.add(in_row[0])
            return
        if (
            not name.whole
            and not any(
                self._domain_of_report() in self.catalogue[concept].domains
                for concept in name.concepts
            )
            and not (capital and self._in_a_plant(name))
        ):
            return  # names of plants and phones are plain words elsewhere
        rule, score = self._rule(name, never=never, capital=capital, strict=bool(in_row))
        if rule:
            yield from self._mention(name, rule, score)

    def _in_a_plant(self, name: _Name) -> bool:
        """Whether a technique of plants is named, in words about one, in a report about others."""
        return any("ics" in self.catalogue[c].domains for c in name.concepts) and bool(
            _PLANT.search(self.text, max(0, name.start - 400), name.end + 200)
        )

    def _rule(self, name: _Name, *, never: bool, capital: bool, strict: bool) -> tuple[str, float]:
        """By what right the name counts, and how sure that is; empty when it does not."""
        lists = word_lists()
        if name.whole:
            return "name-with-parent", 0.95
        if never:
            return "", 0.0
        quote = self.text[name.start : name.end]
        words = len(re.findall(r"[^\W_]+", quote))
        special = name.key in lists["technique.anycase"] or name.key in lists["technique.alone"]
        weak = name.key in lists["technique.context"]
        if not strict:
            if capital and (not weak if words > 1 else weak and self._whole_cell(name)):
                return "name", 0.85
            if special and not weak and (words > 1 or capital):
                return ("name", 0.85) if capital else ("name-lower", 0.75)
        if words == 1 and not capital:
            return "", 0.0
        before = self.text[max(0, name.start - 60) : name.start]
        if _OURS.search(before):
            return "", 0.0
        if _USE.search(before) or (words == 1 and _MORE_USED.match(self.text, name.end)):
            return "name-context", 0.7
        return "", 0.0

    def _mention(self, name: _Name, rule: str, score: float) -> Iterator[Mention]:
        start, end = name.start, name.end
        meant, settled = self._meant(name)
        quote = self.report.text[start:end]
        yield Mention(
            self.report.id,
            start,
            end,
            quote,
            "technique",
            meant[0] if len(meant) == 1 else "",
            "name",
            rule=settled or rule,
            score=score if len(meant) == 1 else 0.4,
            name="" if len(meant) == 1 else quote,
            candidates=() if len(meant) == 1 else meant,
            problem="" if len(meant) == 1 else "ambiguous-name",
        )

    def _meant(self, name: _Name) -> tuple[tuple[str, ...], str]:
        """Of several techniques with one name those that fit the text, and the rule if one does."""
        concepts = [self.catalogue[concept] for concept in name.concepts]
        if len(concepts) == 1:
            return name.concepts, ""
        domain = [c for c in concepts if self._domain_of_report() in c.domains]
        concepts = domain or concepts
        if len(concepts) > 1:
            tactics = self._tactics_near(name.start)
            fitting = [c for c in concepts if tactics & set(c.tactics)]
            if len(fitting) == 1:
                return (fitting[0].id,), "name-by-tactic"
            # Before an intrusion (reconnaissance, resources) is meant only where it is said.
            inside = [c for c in concepts if not _PREPARING & set(c.tactics)]
            if len(inside) == 1 and not fitting:
                return (inside[0].id,), "name-by-default"
        return tuple(c.id for c in concepts), ""

    def _domain_of_report(self) -> str:
        """Enterprise, unless the ids of the report or its words speak of phones or plants."""
        if self._domain is None:
            votes = {"enterprise": 0, "mobile": 0, "ics": 0}
            for mention in self.ids:
                concept = self.catalogue.get(mention.concept)
                for domain in concept.domains if concept else ():
                    votes[domain] = votes.get(domain, 0) + 1
            if not any(votes.values()):
                lead = self.text[:30_000]
                votes["mobile"] = sum(1 for _ in _MOBILE.of(lead)) // 8
                votes["ics"] = sum(1 for _ in _ICS.of(lead)) // 8
                votes["enterprise"] = 1
            self._domain = max(votes, key=lambda domain: (votes[domain], domain == "enterprise"))
        return self._domain

    def _tactics_near(self, start: int) -> set[str]:
        """The tactics that the row, or else the nearest heading, names."""
        index = bisect.bisect_right(self._block_starts, start) - 1
        block = self.report.blocks[index] if index >= 0 else None
        row = self._row(start)
        places = [self.text[row[0] : row[1]]] if row else []
        places += list(reversed(block.path)) if block is not None else []
        for place in places:
            words = place.lower()
            named = {
                tactic
                for concept in self.catalogue.concepts("tactic")
                for tactic in (concept.name.lower().replace(" ", "-"),)
                if concept.name.lower() in words or concept.id.lower() in words
            }
            if named:
                return named
        return set()

    # -- ids beside and around ---------------------------------------------------------------

    def _beside(self, name: _Name) -> list[tuple[int, str]]:
        """Ids right before or behind the name, with the marks between."""
        found = []
        at = bisect.bisect_left(self._id_starts, name.start)
        for index in (at - 1, at):
            if not 0 <= index < len(self.ids):
                continue
            mention = self.ids[index]
            if mention.kind != "technique":
                continue
            if mention.end <= name.start:
                match = _AFTER_ID.fullmatch(self.text, mention.end, name.start)
            else:
                match = _BEFORE_ID.fullmatch(self.text, name.end, mention.start)
            if match:
                found.append((index, match.group("mark")))
        return found

    def _agree(self, name: _Name, index: int) -> bool:
        """Whether a name is that of an id, of its parent, or of one of its parts."""
        mention = self.ids[index]
        if mention.concept in name.concepts:
            return True
        written = _written(mention.quote)
        for concept_id in (written, mention.concept, written[:5]):
            concept = self.catalogue.get(concept_id)
            if concept is None:
                continue
            if concept.id in name.concepts or _key(concept.name) == name.key:
                return True
            if concept_id == written[:5] != written:
                continue  # the parent's own name agrees, its other parts do not
            if concept.parent and concept.parent in name.concepts:
                return True
            if any(self._parent(i) == concept.id for i in name.concepts):
                return True
        return False

    def _parent(self, concept_id: str) -> str:
        concept: Concept | None = self.catalogue.get(concept_id)
        return concept.parent if concept else ""

    def _ids_in(self, start: int, end: int) -> range:
        return range(
            bisect.bisect_left(self._id_starts, start), bisect.bisect_left(self._id_starts, end)
        )

    def _ids_in_line(self, name: _Name) -> range:
        """The ids of the same line, not too far: ``T1059.001 / T1059.003: PowerShell and cmd``."""
        start = max(self.text.rfind("\n", 0, name.start) + 1, name.start - 150)
        end = self.text.find("\n", name.end)
        return self._ids_in(start, min(end if end >= 0 else len(self.text), name.end + 150))

    def _stands_apart(self, name: _Name, mark: str) -> bool:
        """Whether the name is all that stands beside the id, no part of a longer phrase."""
        before = self.text[max(0, name.start - 3) : name.start].rstrip(' *_`"“')
        if before and before[-1].isalpha():
            return False
        if mark == "(" and (not before or before[-1] in "\n|•:.-"):
            return True
        return bool(mark.strip() and mark != "(") or bool(_CLOSED.match(self.text, name.end))

    def _row(self, offset: int) -> tuple[int, int] | None:
        """The table row at an offset; without blocks, a line that is divided by bars."""
        index = bisect.bisect_right(self._block_starts, offset) - 1
        if index >= 0 and offset < self.report.blocks[index].end:
            block = self.report.blocks[index]
            if block.kind == "table_cell":
                return self._rows.get((block.table, block.row))
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        end = len(self.text) if end < 0 else end
        if end - start < 2000 and self.text.count("|", start, end) >= 2:
            return start, end
        return None

    def _whole_cell(self, name: _Name) -> bool:
        before = self.text[max(0, name.start - 6) : name.start].rstrip(" *_`")
        after = self.text[name.end : name.end + 6].lstrip(" *_`")
        return before[-1:] in {"", "\n", "|"} and after[:1] in {"", "\n", "|"}


@functools.lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return squash(name).text


def _written(quote: str) -> str:
    digits = re.findall(r"\d+", plain(quote)[0])
    return "T" + ".".join(digits[:2])


def _title(quote: str) -> bool:
    """Whether the words are written as a title, small words aside."""
    words = re.findall(r"[^\W_]+", quote)
    small = {
        "of",
        "the",
        "and",
        "or",
        "in",
        "on",
        "to",
        "via",
        "for",
        "from",
        "by",
        "a",
        "an",
        "with",
    }
    return all(not word[0].islower() for word in words if word not in small)
