"""What the text says of each mention: that it happened, may happen, did not, should be hunted, ….

The judgement goes from the outside in: the kind and genre of the document, the headings above,
the block, the table, the evidence labels of the report itself, and the words of the sentence with
their scope (cue, direction, terminator, as in ConText: Harkema et al., 2009). All rules are data:
``cues.toml``, each with a sentence of ours that a test holds.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias, cast

import ahocorasick_rs

from ctimine.extract.candidates import plain_spaces, without_surrogates
from ctimine.extract.caseless import AnyCase, folded
from ctimine.extract.data import compiled, read_data
from ctimine.extract.gate import Gate, Scan
from ctimine.extract.languages import other_language
from ctimine.extract.legends import Legends
from ctimine.extract.passages import Layout
from ctimine.extract.sentences import TECHNIQUE_ID
from ctimine.extract.shortforms import RULE as SHORT_FORM
from ctimine.model import Mention, Report, Stance

Genre: TypeAlias = Literal["report", "guide", "tutorial", "exercise", "template", "reference"]

_KINDS: Final[dict[str, tuple[Genre, Stance]]] = {
    "layer": ("reference", "reference"),
    "index": ("reference", "reference"),
    "readme": ("reference", "reference"),
    "template": ("template", "example"),
}
_INSTRUCTIVE: Final[tuple[Genre, ...]] = ("exercise", "tutorial", "guide")
_STRONG: Final[tuple[Stance, ...]] = ("reference", "example", "recommended", "negated")
_MILD: Final[tuple[Stance, ...]] = ("claimed", "forecast", "capability")
_SHORT: Final = 800  # characters of a paragraph that one label can speak for
_LONGEST_TAIL: Final = 40  # characters of a label at the end of a passage, brackets and all
_LABEL_NOUNS: Final = ("status", "verdict", "evidence", "label", "assessment")
"""Nouns that a label may follow: ``Status: confirmed``."""
_DASHES: Final = "–—-"
_LEAD: Final = 2500  # characters that count as the beginning of a document
_PAST_USE: Final = re.compile(
    r"\b(?:used|leveraged|exploited|deployed|employed|abused|conducted|delivered|sent|gained|stole|"
    r"targeted|compromised|installed|dropped|executed|ran|created|dumped|moved|exfiltrated|"
    r"encrypted|hosted|uploaded|downloaded|(?:was|were|has been|have been) (?:seen|observed)|"
    r"observed (?:using|exploiting)|has (?:long |also )?\w+ed|have (?:long |also )?\w+ed)\b",
    re.IGNORECASE,
)
_DATED: Final = re.compile(r"\b(?:19|20)\d\d\b|\[[A-Za-z]{0,3}\d+\]")
_RULE_CODE: Final = re.compile(
    r"\b(?:logsource|detection|condition|selection)\s*:|\battack\.t\d{4}|^\s*rule \w+|\bstrings:\s|"
    r"\|\s*(?:where|summarize|project|extend|stats|table|search|join|eval|rename)\b|\bindex\s*=|"
    r"\bsourcetype\s*=|\bEvent(?:ID|Code)\b|\bDevice\w+Events\b|\bSELECT\b.+\bFROM\b|"
    r"\balert (?:tcp|udp|http|dns|tls)\b|<RuleGroup|<Sysmon|<rule\b|\bevent\.\w+\s*:|"
    r"\bprocess\.\w+\s*:",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_LAYER_CODE: Final = re.compile(
    r"\"?techniqueID\"?\s*:|\"(?:domain|versions)\"\s*:.*attack", re.DOTALL
)
_RULE_NOTES: Final = frozenset(
    [
        "sigma",
        "yara",
        "kql",
        "kusto",
        "spl",
        "splunk",
        "eql",
        "esql",
        "snort",
        "suricata",
        "xml",
        "sql",
        "lucene",
        "aql",
    ]
)
_BLOCK_LABEL: Final = re.compile(r"[\W_]*([A-Z][\w &/()-]{3,45}?)[*_]*:")
_GRADED_DOWN: Final = re.compile(
    r"[\W_]*(?:very )?(?:low|medium|moderate)(?:[-–/ ]+(?:to[- ])?(?:low|medium|moderate))?"
    r"(?: confidence)?[\W_]*",
    re.IGNORECASE,
)
_CONFIDENCE: Final = re.compile(r"confidence|likelihood|certainty", re.IGNORECASE)
_LINKED: Final = re.compile(r"\[(?P<words>[^\[\]\n]{30,250})\]\(<?https?://")
_PICTURE: Final = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)")
_URL: Final = re.compile(r"(?:https?|hxxps?|ftp)://\S+|\bwww\.\S+", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Cue:
    """Words of a sentence that give the mentions on one side of them a stance."""

    name: str
    stance: Stance
    reach: Literal["after", "before", "both"]
    pattern: re.Pattern[str]
    quick: AnyCase
    until: re.Pattern[str]
    kinds: frozenset[str]
    example: str


@dataclasses.dataclass(frozen=True, slots=True)
class LabelForms:
    """How a report may write an evidence label in running text.

    A label begins at a mark or at one of a few words, and then says one of the words of
    ``cues.toml``: ``opening`` matches that much, so that the patterns run where a label can be.
    """

    patterns: tuple[tuple[Stance, re.Pattern[str]], ...]
    opening: re.Pattern[str]
    marks: ahocorasick_rs.AhoCorasick

    def places(self, text: str) -> list[int]:
        """Where in a text a label may begin, in order."""
        places = {0}
        for _, at, _ in self.marks.find_matches_as_indexes(without_surrogates(folded(text))):
            # a dash counts with the white space before it
            places.add(at - 1 if text[at] in _DASHES and at else at)
        return [at for at in sorted(places) if self.opening.match(text, at)]

    def find(self, text: str, places: Sequence[int], end: int) -> list[tuple[Stance, int]]:
        """Labels of ``text[:end]`` by form, with the places where they begin."""
        found: list[tuple[Stance, int]] = []
        for stance, pattern in self.patterns:
            reached = 0
            for at in places:
                match = pattern.match(text, at, end) if at >= reached else None
                if match:
                    found.append((stance, at))
                    reached = match.end()
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """The parsed ``cues.toml``."""

    cues: tuple[Cue, ...]
    gate: Gate
    labels: tuple[tuple[Stance, str], ...]
    sections: tuple[tuple[Stance, re.Pattern[str], re.Pattern[str] | None], ...]
    genres: tuple[tuple[str, str, float, re.Pattern[str]], ...]
    table: dict[str, re.Pattern[str]]
    label_forms: LabelForms
    label_cells: tuple[tuple[Stance, re.Pattern[str]], ...]


def _compile(pattern: str, subject: str) -> re.Pattern[str]:
    return compiled("".join(pattern.splitlines()), f"cues.toml: {subject}")


@functools.cache
def rules() -> Rules:
    """The stance rules that ship with ctimine.

    >>> len(rules().cues) > 30
    True
    """
    data = read_data("cues.toml")
    stops = data["terminators"].strip()
    cues = []
    for row in data["cue"]:
        ends = row.get("stops", stops)
        until = ends + "|" + row["until"] if "until" in row else ends
        pattern = _compile(row["pattern"], row["name"])
        cues.append(
            Cue(
                row["name"],
                row["stance"],
                row["reach"],
                pattern,
                AnyCase(pattern),
                _compile(until, row["name"]),
                frozenset(row.get("kinds", ())),
                row["example"],
            )
        )
    labels = tuple((cast("Stance", row["stance"]), row["words"]) for row in data["label"])
    return Rules(
        cues=tuple(cues),
        gate=Gate([cue.pattern for cue in cues]),
        labels=labels,
        sections=tuple(
            (
                row["stance"],
                _compile(row["pattern"], row["example"]),
                _compile(row["except"], row["example"]) if "except" in row else None,
            )
            for row in data["section"]
        ),
        genres=tuple(
            (row["name"], row["where"], row["weight"], _compile(row["pattern"], row["name"]))
            for row in data["genre"]
        ),
        table={name: _compile(pattern, name) for name, pattern in data["table"].items()},
        label_forms=_label_forms(labels),
        label_cells=tuple(
            (stance, _compile(rf"^[\W_]*{words}(?![\w-])", "label")) for stance, words in labels
        ),
    )


def _label_forms(labels: Sequence[tuple[Stance, str]]) -> LabelForms:
    forms = []
    for stance, words in labels:
        low = r"|\bconfidence\b\W{1,6}(?:very )?low\b" if stance == "assessed" else ""
        forms.append(
            (
                stance,
                _compile(
                    rf"[\[【]\s*{words}(?:\s*[:,;–—-][^\]】]{{0,80}})?\s*[\]】]"
                    rf"|\(\s*{words}\s*\)"
                    rf"|(?:^|\n)[\W_]*{words}(?=\W{{0,3}}:)"
                    rf"|\s[{_DASHES}]\s*[*_`]*{words}(?=[\W_]*$)"
                    rf"|\b(?:{'|'.join(_LABEL_NOUNS)})\b\W{{1,6}}{words}\b{low}",
                    f"label {stance}",
                ),
            )
        )
    any_word = f"(?:{'|'.join(words for _, words in labels)})"
    opening = _compile(
        rf"(?:[\[【(]\s*|(?:^|\n)[\W_]*|\s[{_DASHES}]\s*[*_`]*"
        rf"|\b(?:{'|'.join(_LABEL_NOUNS)})\b\W{{1,6}}){any_word}"
        r"|\bconfidence\b\W{1,6}(?:very )?low",
        "label openings",
    )
    marks = ["[", "【", "(", "\n", *_DASHES, *_LABEL_NOUNS, "confidence"]
    return LabelForms(tuple(forms), opening, ahocorasick_rs.AhoCorasick(marks))


@functools.lru_cache(maxsize=4096)
def section_stance(heading: str) -> Stance | None:
    """The stance that a heading gives what stands under it, None where it gives none.

    >>> section_stance("5. Detection and hunting"), section_stance("Defense Evasion")
    ('recommended', None)
    """
    for stance, pattern, but in rules().sections:
        if pattern.search(heading) and not (but and but.search(heading)):
            return stance
    return None


def find_genre(report: Report, layout: Layout | None = None) -> Genre:
    """What kind of document a report is, from title, beginning, headings and density of cues.

    No single word decides: each rule of ``cues.toml`` adds its weight, and 1.0 is needed.

    >>> find_genre(Report("r", "s", "i", "APT29 used T1102 in May.", title="APT29 in May"))
    'report'
    """
    if report.kind in _KINDS:
        return _KINDS[report.kind][0]
    if report.kind == "mapping":
        return "report"
    layout = layout or Layout(report)
    heads = (layout.words(i) for i, block in enumerate(layout.blocks) if block.kind == "heading")
    return _genre(plain_spaces(report.title), tuple(heads), layout.text)


@functools.lru_cache(maxsize=4)
def _genre(title: str, heads: tuple[str, ...], text: str) -> Genre:
    """The genre of a report's words; remembered, as each of its judges asks anew."""
    title = title or next(iter(heads), "")
    lead = text[:_LEAD]
    thousand = max(1.0, len(text) / 6000)
    totals: dict[str, float] = {}
    for name, where, weight, pattern in rules().genres:
        if where == "title":
            amount = float(bool(pattern.search(title)))
        elif where == "lead":
            amount = float(min(2, len({m.group().casefold() for m in _scan(pattern).of(lead)})))
            if weight >= 0.6:
                amount = min(1.0, amount)
        elif where == "heading":
            amount = float(min(6, sum(bool(pattern.search(head)) for head in heads)))
        else:
            amount = min(5.0, sum(1 for _ in _scan(pattern).of(text)) / thousand)
        totals[name] = totals.get(name, 0.0) + amount * weight
    report_like = totals.pop("report", 0.0)
    # What teaches is near to what guides. An exercise dresses up as a report: what looks like one
    # does not speak against it.
    totals["guide"] = totals.get("guide", 0.0) + 0.5 * totals.get("tutorial", 0.0)
    for genre in _INSTRUCTIVE:
        against = 0.0 if genre == "exercise" else max(-1.2, report_like)
        if totals.get(genre, 0.0) + against >= 1.0:
            return genre
    return "report"


@functools.cache
def _scan(pattern: re.Pattern[str]) -> Scan:
    return Scan(pattern)


class Judge:
    """Judges the mentions of one report.

    >>> report = Report("r", "s", "i", "The group did not use T1102.")
    >>> mention = Mention("r", 22, 27, "T1102", "technique", "T1102", "id")
    >>> Judge(report, [mention]).judge(mention)
    ('negated', 'cue did-not')
    """

    def __init__(
        self, report: Report, mentions: Sequence[Mention], layout: Layout | None = None
    ) -> None:
        self.report = report
        self._spans = sorted((m.start, m.end) for m in mentions if not _is_passage(m))
        self.layout = (layout or Layout(report)).keeping(self._spans)
        self.genre = find_genre(report, self.layout)
        self.legends = Legends(self.layout)
        self.language = other_language(report)
        self._by_sentence: dict[tuple[int, int], list[tuple[Cue, int, int]]] = {}
        self._label_places: dict[int, list[int]] = {}
        self._heads: dict[tuple[int, int], list[tuple[Stance, int]]] = {}
        self._actors = [m for m in mentions if m.kind in {"actor", "campaign"}]
        self._sections: dict[int, tuple[Stance | None, str]] = {}
        self._tables: dict[int, Stance | None] = {}
        self._defensive = bool(
            re.search(
                r"\b(?:detect|hunt|defen|mitigat|hardening|protect)",
                report.title + " " + self.layout.text[:_LEAD],
                re.IGNORECASE,
            )
        )

    def judge(self, mention: Mention) -> tuple[Stance, str]:
        """The stance of a mention and the rule that decided."""
        if self.report.kind in _KINDS:
            return _KINDS[self.report.kind][1], f"kind {self.report.kind}"
        layout = self.layout
        index = layout.block_at(mention.start)
        section, heading = self.section(index)
        if section == "reference":
            return section, f"section {heading}"
        if self._is_link(mention, index):
            return "reference", "link list"
        if self.genre in {"exercise", "tutorial"}:
            return "example", f"genre {self.genre}"
        if index >= 0 and layout.blocks[index].kind == "code":
            code = self._code(index)
            chain = mention.basis == "id" and code[0] == "reference" and layout.is_chain(index)
            if not chain:
                return code
        if index >= 0 and layout.blocks[index].kind == "reference":
            return "reference", "block reference"
        if self.language and mention.kind in {"technique", "tactic"} and not self._placed(index):
            return "reference", f"language {self.language}"
        start, end = layout.sentence_at(mention.start)
        cue = self._cue(mention, start, end)
        if cue and cue.stance in _STRONG:
            return cue.stance, f"cue {cue.name}"
        if section in {"example", "recommended"}:
            return section, f"section {heading}"
        if mention.kind == "technique" and layout.text[start:end].rstrip().endswith("?"):
            return "example", "question"
        row = self._row(mention, index)
        if row and row[0] in {"recommended", "negated"}:
            return row
        lead = self._lead_in(mention, index)
        if lead and lead.stance in _STRONG and not (cue and cue.stance in _MILD):
            return lead.stance, f"lead-in {lead.name}"
        label = self._label(mention, index, start, end) or row
        if label and label[0] == "negated":
            return label
        if section == "negated" and not (label and label[0] == "reported"):
            return section, f"section {heading}"
        if self.genre == "guide" and not (_is_named(mention) and self._happened(start, end)):
            return ("recommended" if self._defensive else "example"), "genre guide"
        if cue and cue.stance in _MILD:
            return cue.stance, f"cue {cue.name}"
        if lead and lead.stance in _MILD and not label:
            return lead.stance, f"lead-in {lead.name}"
        if label and label[0] != "reported":
            return label
        if section and section not in {"negated", "reported"} and not label:
            return section, f"section {heading}"
        if cue:
            return cue.stance, f"cue {cue.name}"
        if lead and not label:
            return lead.stance, f"lead-in {lead.name}"
        return "reported", label[1] if label else "default"

    # -- the parts ---------------------------------------------------------------------------

    def section(self, index: int) -> tuple[Stance | None, str]:
        """Stance by the innermost heading that a rule knows; the document's title is none."""
        if index < 0:
            return None, ""
        if index not in self._sections:
            found: tuple[Stance | None, str] = (None, "")
            path = list(self.layout.path(index))
            block = self.layout.blocks[index]
            if block.kind == "heading" and index > 0:
                path.append(self.layout.words(index))
            path += self._labels_like_headings(index)
            for heading in reversed(path):
                if heading.strip(" #*_") == plain_spaces(self.report.title).strip():
                    continue
                if self._is_title(heading):
                    continue
                stance = section_stance(heading)
                if stance:
                    found = (stance, heading.strip())
                    break
            self._sections[index] = found
        return self._sections[index]

    def _labels_like_headings(self, index: int) -> list[str]:
        """Short lines that serve as headings: before a list, and as "Label:" of a block."""
        found: list[str] = []
        span = self.layout.lead_in(index)
        if span is not None:
            block = self.layout.blocks[self.layout.block_at(span[0])]
            if block.end - block.start <= 120:
                found.append(self.layout.text[block.start : block.end])
        label = _BLOCK_LABEL.match(self.layout.words(index))
        if label and section_stance(label.group(1)) in {"recommended", "negated", "forecast"}:
            found.append(label.group(1))
        return found

    def _is_title(self, heading: str) -> bool:
        first = next((b for b in self.layout.blocks if b.kind == "heading"), None)
        return (
            first is not None
            and first.level <= 1
            and not self.report.title
            and self.report.text[first.start : first.end].strip() == heading.strip()
        )

    def _placed(self, index: int) -> bool:
        """Whether the place says what the words, of a language without rules, cannot: a table."""
        return index >= 0 and self.layout.blocks[index].kind == "table_cell"

    def _is_link(self, mention: Mention, index: int) -> bool:
        """Inside an address or a picture, or in a list item that is a link and nothing else."""
        text = self.layout.text
        line_start = text.rfind("\n", 0, mention.start) + 1
        if text.find("![", line_start, mention.end) >= 0:
            for picture in _PICTURE.finditer(text, line_start, mention.end + 400):
                if picture.start() <= mention.start and mention.end <= picture.end():
                    return True
        opened = text.rfind("[", line_start, mention.start)
        if opened >= 0 and mention.kind == "technique":
            linked = _LINKED.match(text, opened)
            if linked and mention.end <= linked.end("words") and _is_title(linked["words"]):
                return True
        word_start = max(line_start, text.rfind(" ", line_start, mention.start) + 1)
        head = text[word_start : mention.start + 9]  # up to the marks of an address
        marked = "://" in head or "www." in head.lower()
        end = min(len(text), mention.end + 200)
        for url in _URL.finditer(text, word_start, end) if marked else ():
            if url.start() <= mention.start < url.end():
                return True
            if url.start() > mention.start:
                break
        if index < 0:
            return False
        block = self.layout.blocks[index]
        if block.kind != "list_item":
            return False
        covered = sum(
            link.end - link.start
            for link in self.report.links
            if block.start <= link.start and link.end <= block.end
        )
        bare = re.sub(r"\W", "", self.layout.words(index))
        return bool(covered) and covered >= 0.8 * (block.end - block.start) and len(bare) > 0

    def _code(self, index: int) -> tuple[Stance, str]:
        block, words = self.layout.blocks[index], self.layout.words(index)
        if block.note.strip().casefold() in _RULE_NOTES or _RULE_CODE.search(words):
            return "recommended", "code rule"
        if _LAYER_CODE.search(words):
            return "reference", "code layer"
        return "reference", "code"

    def _matches(self, start: int, end: int) -> list[tuple[Cue, int, int]]:
        key = (start, end)
        if key not in self._by_sentence:
            text, small = self.layout.text[start:end], self.layout.folded[start:end]
            cues = rules().cues
            self._by_sentence[key] = [
                (cue, start + match.start(), start + match.end())
                for cue in map(cues.__getitem__, rules().gate.open(small))
                for match in cue.quick.finditer(text, small)
            ]
        return self._by_sentence[key]

    def _cue(self, mention: Mention, start: int, end: int) -> Cue | None:
        """The strongest cue of the sentence whose scope holds the mention."""
        best: Cue | None = None
        for cue, cue_start, cue_end in self._matches(start, end):
            if cue.kinds and mention.kind not in cue.kinds:
                continue
            if mention.start <= cue_start and cue_end <= mention.end and _is_passage(mention):
                if not self._governs(cue, cue_start, cue_end, mention):
                    continue
                between = ""
            elif self._inside_mention(cue, cue_start, cue_end, mention):
                continue
            elif cue.reach in {"after", "both"} and mention.start >= cue_end:
                between = self.layout.text[cue_end : mention.start]
            elif cue.reach in {"before", "both"} and mention.end <= cue_end:
                between = self.layout.text[mention.end : max(mention.end, cue_start)]
            else:
                continue
            if cue.until.search(between):
                continue
            if best is None or _weight(cue.stance) < _weight(best.stance):
                best = cue
        return best

    def _governs(self, cue: Cue, start: int, end: int, mention: Mention) -> bool:
        """Whether a cue speaks of most of the passage that it stands in.

        A described technique has no words of its own to stand on one side of the cue.
        """
        text = self.layout.text
        size = 0
        if cue.reach in {"after", "both"}:
            stop = cue.until.search(text, end, mention.end)
            size += len(text[end : stop.start() if stop else mention.end].split())
        if cue.reach in {"before", "both"}:
            stops = list(cue.until.finditer(text, mention.start, start))
            size += len(text[stops[-1].end() if stops else mention.start : start].split())
        rest = len(text[mention.start : start].split()) + len(text[end : mention.end].split())
        return 2 * size >= rest

    def _inside_mention(self, cue: Cue, start: int, end: int, mention: Mention) -> bool:
        """Words that are part of a name are no cue: "Disable or Modify Tools" advises nothing."""
        if cue.reach == "before" and mention.start >= start:
            return False
        return any(a <= start and end <= b for a, b in self._near(start, end))

    def _near(self, start: int, end: int) -> Iterable[tuple[int, int]]:
        return (span for span in self._spans if span[0] < end and start < span[1])

    def _lead_in(self, mention: Mention, index: int) -> Cue | None:
        """The cue of a sentence that introduces the list, as if the mention stood at its end."""
        span = self.layout.lead_in(index) if index >= 0 else None
        if span is None:
            return None
        best: Cue | None = None
        for cue, _, cue_end in self._matches(*span):
            if cue.kinds and mention.kind not in cue.kinds:
                continue
            if cue.reach == "before" or cue.until.search(self.layout.text[cue_end : span[1]]):
                continue
            if best is None or _weight(cue.stance) < _weight(best.stance):
                best = cue
        return best

    def _labels(self, index: int, size: int) -> list[tuple[Stance, int]]:
        """Evidence labels among the first characters of a block, by form, with their places."""
        block = self.layout.blocks[index]
        key = (index, min(size, max(0, block.end - block.start)))
        if key not in self._heads:
            forms, words = rules().label_forms, self.layout.words(index)
            if index not in self._label_places:
                self._label_places[index] = forms.places(words)
            self._heads[key] = forms.find(words, self._label_places[index], key[1])
        return self._heads[key]

    def _label(
        self, mention: Mention, index: int, start: int, end: int
    ) -> tuple[Stance, str] | None:
        """The evidence label that covers the mention: before it, or in its own sentence or item."""
        if index < 0:
            return None
        block = self.layout.blocks[index]
        whole = block.kind == "list_item" and block.end - block.start < 1200
        head = max(end - block.start, 2000)
        best: tuple[int, Stance] | None = None
        for stance, place in self._labels(index, head):
            at = block.start + place
            if at > mention.start and not whole and not start <= at < end:
                # a label at the very end of a short paragraph speaks for all of it
                tail = self.layout.text[at : block.end]
                if len(tail) > _LONGEST_TAIL or block.end - block.start > _SHORT:
                    continue
            # The nearest label before the mention wins; one after it only where none precedes.
            rank = at if at <= mention.start else at - 1_000_000_000
            if stance == "negated" and whole:
                rank = 1_000_000_000
            if best is None or rank > best[0]:
                best = (rank, stance)
        return (best[1], f"label {best[1]}") if best else None

    def _row(self, mention: Mention, index: int) -> tuple[Stance, str] | None:
        """What the table says: its headers, its status column, how the other cells begin."""
        row = self.layout.row_of(index) if index >= 0 else None
        if row is None:
            return None
        layout, table = self.layout, rules().table
        header = layout.header(index)
        if mention.kind in {"technique", "tactic"} and header:
            if table["detection"].search(header) and not table["use"].search(header):
                return "recommended", f"column {header}"
            number = layout.blocks[index].table
            if number not in self._tables:
                heads = list(layout.headers.get(number, {}).values())
                use = any(table["use"].search(w) for w in heads) or any(
                    table["mapping"].search(h) for h in layout.path(index)[-1:]
                )
                detection = any(table["detection"].search(w) for w in heads)
                self._tables[number] = "recommended" if detection and not use else None
            if self._tables[number]:
                return "recommended", "table of detections"
        best: tuple[Stance, str] | None = None
        graded_down = labelled = False
        for cell in row.cells:
            words, head = layout.words(cell), layout.header(cell)
            if _GRADED_DOWN.fullmatch(words) and _CONFIDENCE.search(head):
                graded_down = True
                continue
            found: Stance | None = self.legends.grade(cell, words)
            if len(words) < 40 or table["status"].search(head):
                for stance, pattern in rules().label_cells:
                    match = pattern.search(words)
                    if match and (table["status"].search(head) or match.end() >= len(words) - 3):
                        found, labelled = stance, True
            for stance, _ in () if found else self._labels(cell, 60)[:1]:
                found = stance
            if not found and cell != index:
                found = self._cell_cue(cell, mention.kind)
            if found and (best is None or _weight(found) < _weight(best[0])):
                best = (found, f"row {found}")
        if (
            graded_down
            and not labelled
            and (best is None or _weight("assessed") < _weight(best[0]))
        ):
            # a row that says itself what kind of statement it is keeps that; the grade is its score
            return "assessed", "row assessed"
        return best

    def _cell_cue(self, cell: int, kind: str) -> Stance | None:
        """A cue at the very beginning of another cell of the row speaks of the row."""
        sentences = self.layout.sentences(cell)
        if not sentences:
            return None
        start, end = sentences[0]
        for cue, at, _ in self._matches(start, end):
            if cue.kinds and kind not in cue.kinds:
                continue
            if at - start <= 25 and cue.stance in {*_MILD, "negated", "assessed"}:
                return cue.stance
        return None

    def _happened(self, start: int, end: int) -> bool:
        """Whether a sentence tells what a named actor did, in the past tense and with a date."""
        words = self.layout.text[start:end]
        return (
            bool(_PAST_USE.search(words))
            and bool(_DATED.search(words))
            and any(start <= actor.start < end for actor in self._actors)
        )


_ORDER: Final[tuple[Stance, ...]] = (
    "example",
    "recommended",
    "reference",
    "negated",
    "claimed",
    "forecast",
    "assessed",
    "capability",
    "reported",
)


def _weight(stance: Stance) -> int:
    return _ORDER.index(stance)


def set_stance(
    report: Report, mentions: Sequence[Mention], judge: Judge | None = None
) -> tuple[Mention, ...]:
    """The same mentions, each with the stance that the text takes; ``judge`` is theirs, if at hand.

    >>> report = Report("r", "s", "i", "Defenders should hunt for T1102.")
    >>> mention = Mention("r", 26, 31, "T1102", "technique", "T1102", "id")
    >>> set_stance(report, [mention])[0].stance
    'recommended'
    """
    if not mentions:
        return ()
    judge = judge or Judge(report, mentions)
    stances = (judge.judge(mention)[0] for mention in mentions)
    return tuple(
        mention if mention.stance == stance else dataclasses.replace(mention, stance=stance)
        for mention, stance in zip(mentions, stances, strict=True)
    )


def explain_stance(report: Report, mentions: Sequence[Mention]) -> tuple[str, ...]:
    """For each mention the rule that decided, for a person who asks why.

    >>> report = Report("r", "s", "i", "Defenders should hunt for T1102.")
    >>> mention = Mention("r", 26, 31, "T1102", "technique", "T1102", "id")
    >>> explain_stance(report, [mention])
    ('cue and-imperative',)
    """
    judge = Judge(report, mentions)
    return tuple(judge.judge(mention)[1] for mention in mentions)


def _is_title(words: str) -> bool:
    """Whether the words of a link are another text's title: most of them with a capital."""
    long = [word for word in words.split() if len(word) > 3]
    return (
        len(long) >= 4
        and not TECHNIQUE_ID.search(words)
        and sum(word[0].isupper() for word in long) >= 0.8 * len(long)
    )


def _is_named(mention: Mention) -> bool:
    """Whether the text writes a technique by its id or its own name; true of all other mentions."""
    return not (_is_passage(mention) or mention.rule == SHORT_FORM)


def _is_passage(mention: Mention) -> bool:
    """Whether the mention is a whole passage that describes a technique, and no name or id."""
    return mention.kind == "technique" and mention.basis == "behaviour"
