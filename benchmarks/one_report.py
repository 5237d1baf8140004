"""One report as a whole process: ctimine against ttprism (ids only), on the same files.

    python benchmarks/one_report.py [FILE ...] [--runs 5] [--peer PATH/TO/ttprism]

ttprism comes from the package registry (``pip install ttprism==0.2.0``) and needs no environment of
its own. Each command runs in turn, A B A B; the table shows medians, the ratio, and how many
technique ids each found. ctimine also finds actors, stance and claims, and writes STIX: the ratio
is what a user waits for, not equal work.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "corpora" / "samples"
DEFAULT = [
    SAMPLES / "repo" / "turla-web-services.md",
    SAMPLES / "repo" / "web-service-abuse-survey.md",
]


def timed(command: list[str], output: Path) -> tuple[float, float]:
    """Wall seconds and peak megabytes of one run."""
    with output.open("wb") as stdout:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return wall, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=DEFAULT)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer", default=shutil.which("ttprism") or "ttprism")
    arguments = parser.parse_args()
    if not shutil.which(arguments.peer):
        sys.exit("ttprism is not here: pip install ttprism==0.2.0, or give --peer")

    print(f"{'file':<44} {'ids':>9} {'wall s':>13} {'ratio':>6} {'MB':>10}")
    for file in arguments.files:
        ours, theirs = [], []
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            command = [sys.executable, "-m", "ctimine", "mine", str(file), "--workers", "0"]
            for _ in range(arguments.runs):
                ours.append(timed([*command, "--out", str(folder / "a")], folder / "a.txt"))
                theirs.append(
                    timed([arguments.peer, "extract", "-q", str(file)], folder / "b.json")
                )
            mentions = (folder / "a" / "mentions.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in mentions]
            mine = {r["concept"] for r in rows if r["kind"] == "technique" and r["basis"] == "id"}
            peer = {
                row["id"]
                for row in json.loads((folder / "b.json").read_text(encoding="utf-8"))["techniques"]
                if row["reported"]
            }
        a, b = (statistics.median(wall for wall, _ in runs) for runs in (ours, theirs))
        rss = " / ".join(f"{max(mb for _, mb in runs):.0f}" for runs in (ours, theirs))
        ids = f"{len(mine - {''})} / {len(peer)}"
        print(f"{file.name:<44} {ids:>9} {a:>5.2f} / {b:<5.2f} {a / b:>6.1f} {rss:>10}")


if __name__ == "__main__":
    main()
