"""Reads hostile documents, each in a process of its own, and says what it cost.

For each line of JSON on standard input (``kind``: feed or sitemap, ``file``) a process is forked
from this warm one. It says a line of JSON: ``end`` (``read``, or the error of ours), ``seconds``
of work, and ``mebibytes``, the most memory that the process as a whole had (VmHWM).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from lxml import etree

from ctimine.errors import FetchError
from ctimine.fetch.feeds import read_feed
from ctimine.fetch.sitemaps import read_sitemap

READERS = {"feed": read_feed, "sitemap": read_sitemap}


def measured(kind: str, file: str) -> dict[str, object]:
    body = Path(file).read_bytes()
    begun = time.process_time()  # nothing is waited for: other work on the machine does not count
    try:
        READERS[kind](body, "application/xml", "https://a.example/feed")
        end = "read"
    except FetchError as error:
        end = type(error).__name__
    seconds = time.process_time() - begun
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return {"end": end, "seconds": seconds, "mebibytes": peak / 1024}


def main() -> None:
    etree.fromstring(b"<warm/>", etree.XMLParser())
    for line in sys.stdin:
        if os.fork() == 0:
            try:
                sys.stdout.write(json.dumps(measured(**json.loads(line))) + "\n")
                sys.stdout.flush()
            finally:
                os._exit(0)
        status = os.wait()[1]
        if status:
            sys.stdout.write(json.dumps({"end": f"status {status}"}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
