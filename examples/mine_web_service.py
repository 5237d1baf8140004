"""Who uses T1102 Web Service and its sub-techniques, by which service, says who, where.

    python examples/mine_web_service.py [PATH ...] [--out out/web-service]

Without a path it mines the sample corpus that travels with the package. It prints the answer and
writes the STIX bundle and the tables to the folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import ctimine
from ctimine.cli.show import console_for, show_account, show_answers
from ctimine.errors import CtimineError
from ctimine.export import write_all


def main() -> None:
    """Mine, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--technique", default="T1102")
    parser.add_argument("--out", type=Path, default=Path("out/web-service"))
    arguments = parser.parse_args()

    run = ctimine.mine(*arguments.paths)
    answers = ctimine.who_uses(run.graph, arguments.technique)

    console = console_for()
    show_answers(console, answers, ctimine.load_attack())
    show_account(console, run)
    written = write_all(run.graph, arguments.out, results=run, technique=arguments.technique)
    console.print(f"Written to {arguments.out}: {', '.join(path.name for path in written)}")


if __name__ == "__main__":  # worker processes import this file again
    try:
        main()
    except CtimineError as error:
        sys.exit(f"mine_web_service: {error}")
