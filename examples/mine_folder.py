"""Every actor, technique and sentence that a folder of reports holds, as STIX 2.1.

python examples/mine_folder.py FOLDER [--out out/folder] [--misp]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import ctimine
from ctimine.errors import CtimineError
from ctimine.export import write_all


def main() -> None:
    """Mine the folder and list the edges that its reports support."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/folder"))
    parser.add_argument("--misp", action="store_true", help="write the MISP flavour of STIX")
    arguments = parser.parse_args()

    run = ctimine.mine(arguments.folder)
    titles = {report.id: report.title or report.item for report in run.reports}
    for claim in ctimine.find_claims(run.graph, relation="uses"):
        if claim.stance in {"reported", "assessed"}:
            quote = " ".join(claim.quote.split())
            print(f"{claim.subject_name} {claim.stance} {claim.object}: {quote[:120]}")
            print(f"    {titles[claim.report]} [{claim.start}:{claim.end}] {claim.rule}")
    for outcome in run.failed:
        print(f"not read: {outcome.item}: {outcome.detail}")
    flavour = "misp" if arguments.misp else "plain"
    for path in write_all(run.graph, arguments.out, results=run, flavour=flavour):
        print(f"wrote {path}")


if __name__ == "__main__":  # worker processes import this file again
    try:
        main()
    except CtimineError as error:
        sys.exit(f"mine_folder: {error}")
