"""Finding: one pure function from a report to its mentions, and one to mentions and claims."""

from __future__ import annotations

from ctimine.attack import Catalogue
from ctimine.extract.actors import find_names, find_patterns
from ctimine.extract.ids import find_ids
from ctimine.extract.lexicon import find_known
from ctimine.model import Claim, Mention, Report


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
    names = find_names(report, hits, ids)
    patterns = find_patterns(report, [*ids, *names])
    return in_order([*ids, *names, *patterns])


def in_order(mentions: list[Mention]) -> tuple[Mention, ...]:
    """Mentions by place, kind and concept, each once."""
    unique = {(m.start, m.end, m.kind, m.concept, m.name): m for m in reversed(mentions)}
    return tuple(sorted(unique.values(), key=lambda m: (m.start, m.end, m.kind, m.concept, m.name)))


def extract(
    report: Report, catalogue: Catalogue, *, nlp: object = None
) -> tuple[tuple[Mention, ...], tuple[Claim, ...]]:
    """The mentions and claims of a report: pure, no clock, no network.

    >>> from ctimine.attack import load_attack
    >>> report = Report("r", "s", "i", "APT29 used PowerShell (T1059.001).")
    >>> mentions, claims = extract(report, load_attack())
    >>> [(claim.subject, claim.relation, claim.object) for claim in claims]
    [('G0016', 'uses', 'T1059.001')]
    """
    from ctimine.extract.claims import find_claims
    from ctimine.extract.services import find_services
    from ctimine.extract.stance import set_stance

    mentions = in_order([*find_mentions(report, catalogue), *find_services(report)])
    mentions = set_stance(report, mentions)
    return mentions, find_claims(report, mentions, catalogue)
