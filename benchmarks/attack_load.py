"""Loading the built-in catalogue against plain ways to the same facts.

    python benchmarks/attack_load.py [OFFICIAL_BUNDLE.json[.gz]]

Each way runs in a process of its own, three times; the least counts. Read the ratios: machines and
their load differ. With an official bundle, ``stix2.MemoryStore`` on its first 2,000 objects is
measured, too.
"""

from __future__ import annotations

import json
import subprocess
import sys

BEFORE = """
import gc, gzip, importlib.resources, json, sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20
def packed(name):
    return importlib.resources.files("ctimine.attack").joinpath("data", name).read_bytes()
"""
AFTER = """
print(json.dumps([(time.perf_counter() - begun) * 1e3, resident() - held]))
"""
START = "held = resident(); begun = time.perf_counter()\n"

WAYS = {
    "load_attack()": "from ctimine.attack import load_attack\n"
    + START
    + "catalogue = load_attack(); catalogue['T1102']",
    "… and the first name": "from ctimine.attack import load_attack\n"
    + START
    + "catalogue = load_attack(); catalogue.named('Turla')",
    "… and the first edge": "from ctimine.attack import load_attack\n"
    + START
    + "catalogue = load_attack(); catalogue.named('Turla'); catalogue.users('T1102')",
    "json.loads of the same files": "names = ('concepts-19', 'actors', 'uses')\n"
    + START
    + "kept = [json.loads(gzip.decompress(packed(f'{n}.json.gz'))) for n in names]",
}
STORE = (
    "import stix2\nbody = open(sys.argv[1], 'rb').read()\n"
    "body = gzip.decompress(body) if body[:2] == b'\\x1f\\x8b' else body\n"
    "objects = json.loads(body)['objects'][:2000]\n"
    + START
    + "store = stix2.MemoryStore(stix_data=objects, allow_custom=True)"
)


def measure(way: str) -> tuple[float, float]:
    runs = []
    for _ in range(3):
        command = [sys.executable, "-c", BEFORE + way + AFTER, *sys.argv[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def main() -> None:
    ways = dict(WAYS)
    if sys.argv[1:]:
        ways["stix2.MemoryStore, 2,000 objects"] = STORE
    base = None
    for name, way in ways.items():
        milliseconds, megabytes = measure(way)
        base = base or milliseconds
        print(
            f"{name:36} {milliseconds:8.0f} ms {megabytes:7.1f} MB   {milliseconds / base:6.2f} x"
        )


if __name__ == "__main__":
    main()
