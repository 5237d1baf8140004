"""Writing the bundle: to_stix_bytes against bundle.serialize(pretty=True), on the same bundle.

    python benchmarks/export_stix.py [--reports 6] [--runs 3]

The graph is made up: reports that each pair ten actors and techniques. A B A B, medians. Both write
the same objects; `pretty` also sorts the keys of each, in time that grows with the square of the
bundle.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time

from ctimine.attack import load_attack
from ctimine.export import to_stix, to_stix_bytes
from ctimine.graph import build_graph
from ctimine.model import Claim, Report, stable_id


def made_up(reports: int):
    attack = load_attack()
    draw = random.Random(1)
    actors = [concept.id for concept in attack.concepts("actor")]
    techniques = [concept.id for concept in attack.concepts("technique")]
    text = "The group used it."
    for n in range(reports):
        report = Report(
            stable_id("report", str(n)),
            "made-up",
            f"{n}.md",
            text,
            title=f"Report {n}",
            published=f"2024-01-{n % 28 + 1:02d}",
        )
        claims = [
            Claim(
                report.id,
                0,
                len(text),
                text,
                draw.choice(actors),
                "uses",
                draw.choice(techniques),
                "id",
            )
            for _ in range(10)
        ]
        yield report, (), claims


def timed(function, *arguments):
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=6)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()

    graph = build_graph(made_up(arguments.reports), load_attack(), cited=False)
    to_stix(graph)  # the first call imports stix2
    making, bundle = timed(to_stix, graph)
    count = len(bundle.objects)
    ours, theirs = [], []
    for _ in range(arguments.runs):
        seconds, body = timed(to_stix_bytes, bundle)
        ours.append(seconds)
        seconds, pretty = timed(lambda: bundle.serialize(pretty=True))
        theirs.append(seconds)
    if json.loads(body) != json.loads(pretty):
        raise SystemExit("the two wrote different objects")
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{count} objects; made from the graph at {count / making:,.0f} objects/s")
    print(f"to_stix_bytes          {a * 1000:9.1f} ms  {count / a:12,.0f} objects/s")
    print(f"serialize(pretty=True) {b * 1000:9.1f} ms  {count / b:12,.0f} objects/s")
    print(f"ratio                  {b / a:9.1f}")


if __name__ == "__main__":
    main()
