"""Scores claims against a hand-made truth of whole reports: which actor uses which technique.

    python scripts/score_truth.py TRUTH.jsonl [TRUTH.jsonl ...] --rows FILE.jsonl [FILE.jsonl ...]
        --corpus FOLDER [--behaviours balanced] [--show]

A line of a truth file is a report. It names its ``report`` (the id of a row of ``--rows``, or a
path below ``--corpus``; what follows a space in brackets does not count) and its ``links``:
``actor``, ``actor_id``, ``technique``, ``kind`` (``id``, ``name`` or ``described``), ``stance``,
``where`` (``[start, end]`` of the sentence), ``sure``.

A claim agrees with a link when actor and technique agree, once for each report however often it is
said. Links that are not ``sure`` count neither for nor against; ``negated``, ``recommended`` and
``capability`` are no uses. Recall is given by the surest kind in which the truth has the pair,
precision by the surest basis of a claim, both at the exact technique and at its parent; beside it
the share of pairs found whose stance agrees (``historical`` is a report of it), and of those whose
passage is found, too. With ``--show`` what is missed and wrong is listed; the texts are others'
property, so it goes to the terminal only.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctimine.attack import fold
from ctimine.model import EVIDENT, UNSEEN, Claim, Report

if TYPE_CHECKING:
    from ctimine.attack import Catalogue
    from ctimine.extract.behaviours import Threshold

KINDS: Final = ("id", "name", "described")
"""How the truth finds a link, surest first."""
BASES: Final = ("id", "name", "behaviour", "mapping")
"""On what claims rest, surest first."""
NO_USE: Final = frozenset({"negated", "recommended", "capability"})
Pair = tuple[str, str]
"""Actor (as :func:`actor_key` gives it) and technique."""


@dataclasses.dataclass
class Score:
    """Counts of one or more reports, at one level of technique."""

    found: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    must: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    claimed: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    wrong: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    same_stance: int = 0
    same_place: int = 0

    def add(self, other: Score) -> None:
        """Add the counts of another report."""
        self.found += other.found
        self.must += other.must
        self.claimed += other.claimed
        self.wrong += other.wrong
        self.same_stance += other.same_stance
        self.same_place += other.same_place

    def lines(self) -> Iterator[str]:
        """The score as lines for a person."""
        found, must = sum(self.found.values()), sum(self.must.values())
        yield f"  recall        {_share(found, must)}"
        for kind in KINDS:
            yield f"    {kind:<12}{_share(self.found[kind], self.must[kind])}"
        claimed, wrong = sum(self.claimed.values()), sum(self.wrong.values())
        yield f"  precision     {_share(claimed - wrong, claimed)}"
        for basis in BASES:
            right = self.claimed[basis] - self.wrong[basis]
            yield f"    {basis:<12}{_share(right, self.claimed[basis])}"
        yield f"  stance        {_share(self.same_stance, found)} of the pairs found"
        yield f"  passage       {_share(self.same_place, found)} of the pairs found"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:6.1%} ({part} of {whole})" if whole else "     - (0)"


def parent(technique: str) -> str:
    """The technique that a sub-technique belongs to.

    >>> parent("T1566.001")
    'T1566'
    """
    return technique.partition(".")[0]


def actor_key(name: str, identity: str, catalogue: Catalogue) -> str:
    """One key for one actor: its id, else the id of the only actor of that name, else the name."""
    if identity:
        return identity
    named = catalogue.named(name, "actor")
    return named[0].id if len(named) == 1 else UNSEEN + fold(name)


def links_of(truth: Mapping[str, Any], catalogue: Catalogue) -> list[dict[str, Any]]:
    """The links of a truth, one for each technique, as the catalogue's release numbers them."""
    links = []
    for link in truth["links"]:
        for written in str(link["technique"]).replace(",", " ").split():
            concept = catalogue.resolve(written)
            links.append({**link, "technique": concept.id if concept else written})
    return links


def score_report(
    truth: Mapping[str, Any],
    claims: Iterable[Claim],
    catalogue: Catalogue,
    *,
    exact: bool,
) -> tuple[Score, list[str]]:
    """The score of one report's claims, and a line for each pair missed or wrong."""

    def level(technique: str) -> str:
        return technique if exact else parent(technique)

    must: dict[Pair, list[dict[str, Any]]] = {}
    open_to_doubt: set[Pair] = set()
    named: dict[str, str] = {}
    for link in links_of(truth, catalogue):
        key = actor_key(str(link["actor"]), str(link.get("actor_id") or ""), catalogue)
        named[fold(str(link["actor"]))] = key
        pair = key, level(link["technique"])
        if link["stance"] in NO_USE:
            continue
        if link.get("sure", True):
            must.setdefault(pair, []).append(link)
        else:
            open_to_doubt.add(pair)
    made: dict[Pair, list[Claim]] = {}
    for claim in claims:
        concept = catalogue.get(claim.object)
        if (
            claim.relation != "uses"
            or claim.stance not in EVIDENT
            or (concept is None or concept.kind != "technique")
            or not _is_actor(claim, catalogue, named)
        ):
            continue
        key = named.get(fold(claim.subject_name), claim.subject)
        made.setdefault((key, level(claim.object)), []).append(claim)
    score, notes = Score(), []
    for pair, links in sorted(must.items()):
        kind = min((str(link["kind"]) for link in links), key=KINDS.index)
        score.must[kind] += 1
        if pair not in made:
            notes += [_note("missed", pair, link) for link in links if link["kind"] == kind]
            continue
        score.found[kind] += 1
        stances = {"assessed" if link["stance"] == "assessed" else "reported" for link in links}
        score.same_stance += bool(stances & {claim.stance for claim in made[pair]})
        score.same_place += any(_same_place(link, claim) for link in links for claim in made[pair])
    for pair, found in sorted(made.items()):
        basis = min((claim.basis for claim in found), key=BASES.index)
        if pair in must:
            score.claimed[basis] += 1
        elif pair not in open_to_doubt:
            score.claimed[basis] += 1
            score.wrong[basis] += 1
            first = found[0]
            notes.append(
                f"wrong   {pair[0]} {pair[1]} {first.rule} {first.basis} "
                f"{first.start}:{first.end} {first.quote[:160]!r}"
            )
    return score, notes


def _is_actor(claim: Claim, catalogue: Catalogue, named: Collection[str]) -> bool:
    """Whether the subject is an actor: a tool has links of its own in no truth."""
    concept = catalogue.get(claim.subject)
    if concept is not None:
        return concept.kind in {"actor", "campaign"}
    return claim.subject.startswith("misp:") or fold(claim.subject_name) in named


def _note(what: str, pair: Pair, link: Mapping[str, Any]) -> str:
    return f"{what:<8}{pair[0]} {pair[1]} {link['kind']} {link['where']}"


def _same_place(link: Mapping[str, Any], claim: Claim) -> bool:
    start, end = (int(offset) for offset in link["where"])
    return claim.start < end and start < claim.end


def reports_of(
    names: Collection[str], rows: Iterable[Path], corpus: Path | None
) -> dict[str, Report]:
    """The reports that truths name, from annotated rows and from the files of a corpus.

    Raises ``KeyError`` with the name of a report that is in neither.
    """
    from ctimine.evaluate import read_rows
    from ctimine.model import Snapshot, Source
    from ctimine.read import read

    found: dict[str, Report] = {}
    for file in rows:
        for row in read_rows(file):
            if row.report.item in names or row.report.id in names:
                first = next((line for line in row.text.splitlines() if line.strip()), "")
                report = dataclasses.replace(row.report, title=first.strip(" #*_")[:200])
                found[row.report.item if row.report.item in names else row.report.id] = report
    for name in set(names) - set(found):
        path = corpus / name if corpus else Path(name)
        if not path.is_file():
            raise KeyError(name)
        found[name] = read(Snapshot("truth", name, path.read_bytes()), Source("truth"))
    return found


def report_name(truth: Mapping[str, Any]) -> str:
    """The row or path that a truth is about.

    >>> report_name({"report": "set:one (train.jsonl)"})
    'set:one'
    """
    return str(truth["report"]).split(" (")[0].strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Extract, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("truths", nargs="+", type=Path, metavar="TRUTH")
    parser.add_argument("--rows", nargs="*", type=Path, default=(), metavar="FILE")
    parser.add_argument("--corpus", type=Path, help="folder that paths of reports start from")
    parser.add_argument(
        "--behaviours",
        choices=("high", "balanced", "recall", "none"),
        default="balanced",
        help="threshold of described techniques; only recall lets them make claims",
    )
    parser.add_argument("--show", action="store_true", help="list what is missed and wrong")
    options = parser.parse_args(arguments)

    from ctimine.attack import load_attack
    from ctimine.extract import extract

    catalogue = load_attack()
    behaviours: Threshold | None = None if options.behaviours == "none" else options.behaviours
    truths = [
        json.loads(line)
        for path in options.truths
        for line in path.read_text("utf-8").splitlines()
        if line.strip()
    ]
    reports = reports_of({report_name(truth) for truth in truths}, options.rows, options.corpus)
    totals = {True: Score(), False: Score()}
    for truth in truths:
        report = reports[report_name(truth)]
        _, claims = extract(report, catalogue, behaviours=behaviours)
        for exact, total in totals.items():
            score, notes = score_report(truth, claims, catalogue, exact=exact)
            total.add(score)
            if exact:
                found, must = sum(score.found.values()), sum(score.must.values())
                claimed, wrong = sum(score.claimed.values()), sum(score.wrong.values())
                print(
                    f"{report_name(truth)}: recall {_share(found, must)}, "
                    f"precision {_share(claimed - wrong, claimed)}"
                )
                if options.show:
                    print("\n".join(f"    {note}" for note in notes))
    for exact, total in totals.items():
        print("exact techniques" if exact else "parents")
        print("\n".join(total.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
