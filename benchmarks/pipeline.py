"""The whole extraction, warm, on one core: what each part costs, beside a PhraseMatcher alone.

    python benchmarks/pipeline.py [PATH...]

Each path is a JSON Lines file whose rows have a ``text``, a text or Markdown file, or a folder of
such files; without one, the sample corpus. Printed are megabytes of text a second of processor
time, best of three rounds, and the ratio to spaCy's PhraseMatcher over a blank tokenizer with the
same names, which finds less and judges nothing; at the end the most memory that the process held.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from extract_names import texts

from ctimine import extract
from ctimine.attack import Catalogue, load_attack
from ctimine.extract.candidates import squash
from ctimine.mine import sample_corpus
from ctimine.model import Report

ROUNDS = 3


def seconds(run: Callable[[], object]) -> float:
    """The least processor time of a few rounds, after one that warms up."""
    run()
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return best


def phrase_matcher(catalogue: Catalogue, bodies: list[str]) -> Callable[[], object]:
    import spacy
    from spacy.matcher import PhraseMatcher

    nlp = spacy.blank("en")
    nlp.max_length = 10**8
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    names = sorted({name for name, _ in catalogue.names() if len(squash(name).text) >= 5})
    matcher.add("name", list(nlp.pipe(names)))
    return lambda: [matcher(nlp.make_doc(body)) for body in bodies]


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]] or [sample_corpus()]
    bodies = [body for body in texts(paths) if body.strip()]
    size = sum(len(body.encode()) for body in bodies) / 1e6
    catalogue = load_attack()
    reports = [Report(f"r{n}", "s", f"i{n}", body) for n, body in enumerate(bodies)]
    ways: dict[str, Callable[[], object]] = {
        "written names and ids, services, stance, claims": lambda: [
            extract(report, catalogue, behaviours=None, names="listed") for report in reports
        ],
        "the same with described techniques": lambda: [
            extract(report, catalogue, names="listed") for report in reports
        ],
        "the same with names that no list has": lambda: [
            extract(report, catalogue) for report in reports
        ],
    }
    print(f"{len(bodies)} texts, {size:.2f} MB")
    base = seconds(phrase_matcher(catalogue, bodies))
    print(f"{size / base:6.2f} MB/s   1.00  PhraseMatcher over a blank tokenizer")
    for name, run in ways.items():
        took = seconds(run)
        print(f"{size / took:6.2f} MB/s  {base / took:5.2f}  {name}")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
