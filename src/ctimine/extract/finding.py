"""Finding: one pure function from a report to its mentions, and one to mentions and claims."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ctimine.attack import Catalogue
from ctimine.extract.actors import find_names
from ctimine.extract.candidates import Hit, covered
from ctimine.extract.ids import find_ids
from ctimine.extract.lexicon import Known, find_known
from ctimine.extract.schemes import find_scheme_names
from ctimine.extract.techniques import find_technique_names
from ctimine.model import Claim, Mention, Report

if TYPE_CHECKING:
    from spacy.language import Language

    from ctimine.extract.behaviours import Threshold
    from ctimine.extract.passages import Layout
    from ctimine.extract.recogniser import Names


def find_mentions(report: Report, catalogue: Catalogue) -> tuple[Mention, ...]:
    """Every written id and name of a report, by offset; the stance is not judged yet.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "APT-29 used Cobalt Strike and PowerShell (T1059.001).")
    >>> [(m.quote, m.kind, m.concept) for m in find_mentions(report, load_attack())]
    [('APT-29', 'actor', 'G0016'), ('Cobalt Strike', 'software', 'S0154'), \
('T1059.001', 'technique', 'T1059.001')]
    """
    ids = find_ids(report, catalogue)
    hits = find_known(report.text, catalogue)
    return in_order([*_techniques(report, catalogue, ids, hits), *_actors(report, ids, hits)])


def find_techniques(report: Report, catalogue: Catalogue) -> tuple[Mention, ...]:
    """The techniques and tactics that a report writes by id or name.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "Turla used Process Injection and T1102.")
    >>> [m.concept for m in find_techniques(report, load_attack())]
    ['T1055', 'T1102']
    """
    ids = find_ids(report, catalogue)
    return in_order(_techniques(report, catalogue, ids, find_known(report.text, catalogue)))


def find_actors(report: Report, catalogue: Catalogue) -> tuple[Mention, ...]:
    """The actors, software and campaigns that a report writes by id or name.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "Turla used Process Injection and T1102.")
    >>> [m.concept for m in find_actors(report, load_attack())]
    ['G0010']
    """
    ids = find_ids(report, catalogue)
    return in_order(_actors(report, ids, find_known(report.text, catalogue)))


def _techniques(
    report: Report, catalogue: Catalogue, ids: list[Mention], hits: list[Hit[Known]]
) -> list[Mention]:
    written = [mention for mention in ids if mention.kind in {"technique", "tactic"}]
    return find_technique_names(report, catalogue, written, hits)


def _actors(report: Report, ids: list[Mention], hits: list[Hit[Known]]) -> list[Mention]:
    written = [mention for mention in ids if mention.kind not in {"technique", "tactic"}]
    names = find_names(report, hits, written)
    # A link whose words name something already says nothing more than they do.
    mask = covered(report.text, ((m.start, m.end) for m in names))
    written = [m for m in written if m.rule != "link" or mask.find(1, m.start, m.end) < 0]
    written = [m for m in written if not _told_by_words(report.text, m, names)]
    return [*written, *names, *find_scheme_names(report, [*ids, *names])]


_LINK: Final = re.compile(r"\[([^\[\]\n]{1,80})\]\(<?https?://[^\s()]*$")


def _told_by_words(text: str, mention: Mention, names: list[Mention]) -> bool:
    """Whether an id stands in the address of a link whose words name the same thing already.

    Plain text may keep the Markdown of a link: ``[Some Group](https://…/groups/G0001/)``.
    """
    if mention.rule != "id" or mention.kind not in {"actor", "software", "campaign"}:
        return False
    link = _LINK.search(text, max(0, mention.start - 160), mention.start)
    if not link:
        return False
    start, end = link.span(1)
    return any(
        start <= name.start < end and mention.concept in {name.concept, *name.candidates}
        for name in names
    )


def tells_deeds(report: Report, layout: Layout | None = None) -> bool:
    """Whether a report tells what was done, and is no guide, lesson, exercise or template.

    What those describe, and whom they make up, is nobody's deed and nobody: there neither
    described techniques nor names that no list has are looked for.

    >>> tells_deeds(Report("r", "s", "i", "APT29 used T1102 in May.", kind="template"))
    False
    """
    from ctimine.extract.stance import find_genre

    return find_genre(report, layout) == "report"


def in_order(mentions: list[Mention]) -> tuple[Mention, ...]:
    """Mentions by place, kind and concept, each once."""
    unique = {(m.start, m.end, m.kind, m.concept, m.name): m for m in reversed(mentions)}
    return tuple(sorted(unique.values(), key=lambda m: (m.start, m.end, m.kind, m.concept, m.name)))


def extract(
    report: Report,
    catalogue: Catalogue,
    *,
    behaviours: Threshold | None = "balanced",
    names: Names = "all",
    nlp: Language | None = None,
) -> tuple[tuple[Mention, ...], tuple[Claim, ...]]:
    """The mentions and claims of a report: pure, no clock, no network.

    ``behaviours`` is the threshold for techniques that are described without a name or id:
    ``high``, ``balanced`` or ``recall``; with None only what is written, and abused services,
    counts. What the model finds are mentions with a probability; only ``recall``, which is for a
    person to sift, lets the surer of them make claims. What is told in plain words makes claims
    where the words around it say who does it.
    ``names="listed"`` counts only known names and those of vendors' schemes; ``"all"`` also what a
    small spaCy model recognises, which is loaded when a text has a name to judge. Neither is looked
    for where no deeds are told (:func:`tells_deeds`).
    With ``nlp``, a pipeline with components of ctimine (and perhaps of others), that pipeline does
    the work instead; the catalogue is then its own.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "APT29 used PowerShell (T1059.001).")
    >>> mentions, claims = extract(report, load_attack())
    >>> [(claim.subject, claim.relation, claim.object) for claim in claims]
    [('G0016', 'uses', 'T1059.001')]
    """
    if nlp is not None:
        from ctimine.extract.docs import claims_of, mentions_of, to_doc

        doc = nlp(to_doc(report, nlp))
        return mentions_of(doc), claims_of(doc)
    from ctimine.extract.claims import find_claims
    from ctimine.extract.passages import Layout
    from ctimine.extract.services import find_services
    from ctimine.extract.stance import Judge, set_stance

    layout = Layout(report)
    found = [*find_mentions(report, catalogue), *find_services(report, layout)]
    told = tells_deeds(report, layout)
    if told and names == "all":
        from ctimine.extract.recogniser import find_new_names

        found += find_new_names(report, found)
    if told and behaviours is not None:
        from ctimine.extract.told import find_described

        found += find_described(report, layout, threshold=behaviours)
    mentions = in_order(found)
    judge = Judge(report, mentions, layout)
    mentions = set_stance(report, mentions, judge)
    return mentions, find_claims(
        report, mentions, catalogue, described=behaviours == "recall", judge=judge
    )
