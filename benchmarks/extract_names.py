"""Finding the catalogue's names: the automaton against spaCy's PhraseMatcher on a blank pipeline.

Usage: python benchmarks/extract_names.py [PATH...]

Each path is a JSON Lines file whose rows have a ``text``, a text or Markdown file, or a folder of
such files; without one, the sample corpus. All get the same names (five characters or more) and
must end at character offsets: the PhraseMatcher over everything; the automaton over the raw text
alone, which is what ``extract`` does; and the automaton with a spaCy Doc of each line that has a
hit, for who wants tokens there. Printed are megabytes of text a second, the ratio to the
PhraseMatcher, and the recall of each against what any finds; then the speed of ``find_mentions``
as a whole, with ids, context rules and masks. Read the ratios, not the seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import spacy
from spacy.matcher import PhraseMatcher

from ctimine.attack import load_attack
from ctimine.extract.candidates import Lexicon, squash
from ctimine.extract.docs import plain_blocks
from ctimine.extract.finding import find_mentions
from ctimine.mine import sample_corpus
from ctimine.model import Report

ROUNDS = 3


def texts(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        if path.is_dir():
            found += texts(sorted(p for p in path.rglob("*") if p.suffix in {".md", ".txt"}))
        elif path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as lines:
                found += [json.loads(line)["text"] for line in lines]
        else:
            found.append(path.read_text(encoding="utf-8"))
    return found


def covered(spans: set[tuple[int, int]], by: set[tuple[int, int]]) -> int:
    return sum(any(a < end and start < b for a, b in by) for start, end in spans)


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]] or [sample_corpus()]
    bodies = texts(paths)
    size = sum(len(body.encode()) for body in bodies) / 1e6
    catalogue = load_attack()
    names = sorted({name for name, _ in catalogue.names() if len(squash(name).text) >= 5})
    nlp = spacy.blank("en")
    nlp.max_length = 10**8

    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    matcher.add("NAME", list(nlp.tokenizer.pipe(names)))
    lexicon = Lexicon((name, name) for name in names)
    reports = [
        Report(str(number), "benchmark", "", body, plain_blocks(body))
        for number, body in enumerate(bodies)
    ]

    def phrases() -> list[set[tuple[int, int]]]:
        found = []
        for body in bodies:
            doc = nlp.make_doc(body)
            found.append({(doc[a:b].start_char, doc[a:b].end_char) for _, a, b in matcher(doc)})
        return found

    def automaton() -> list[set[tuple[int, int]]]:
        return [{(hit.start, hit.end) for hit in lexicon.find(body)} for body in bodies]

    def with_docs() -> list[set[tuple[int, int]]]:
        found = []
        for body in bodies:
            hits = lexicon.find(body)
            lines = {body.rfind("\n", 0, hit.start) + 1 for hit in hits}
            for start in lines:
                end = body.find("\n", start)
                nlp.make_doc(body[start : end if end >= 0 else len(body)])
            found.append({(hit.start, hit.end) for hit in hits})
        return found

    def mentions() -> list[set[tuple[int, int]]]:
        return [
            {(mention.start, mention.end) for mention in find_mentions(report, catalogue)}
            for report in reports
        ]

    results, seconds = {}, {}
    for run in (phrases, automaton, with_docs, mentions):
        times = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            results[run.__name__] = run()
            times.append(time.process_time() - begun)
        seconds[run.__name__] = min(times)

    found_mentions = results.pop("mentions")
    either = [set().union(*spans) for spans in zip(*results.values(), strict=True)]
    total = max(1, sum(map(len, either)))
    print(f"{len(bodies)} texts, {size:.2f} MB, {len(names)} names")
    for name, found in results.items():
        hit = sum(covered(spans, own) for spans, own in zip(either, found, strict=True))
        ratio = seconds["phrases"] / seconds[name]
        print(
            f"{name:10} {size / seconds[name]:7.2f} MB/s  x{ratio:<5.1f} recall {hit / total:.3f}"
        )
    speed = size / seconds["mentions"]
    print(f"find_mentions {speed:4.2f} MB/s, {sum(map(len, found_mentions))} mentions")


if __name__ == "__main__":
    main()
