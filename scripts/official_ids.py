"""Writes the official ids of the built-in catalogue as a STIX bundle, for tools that check ids.

    python scripts/official_ids.py OUT.json

For acceptance harnesses and platforms that know an older ATT&CK release or one domain only: the
objects carry MITRE's id, external id, name and aliases, nothing else. No substitute for MITRE's
own bundle.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ctimine.attack import load_attack

SOURCES = {"mobile": "mitre-mobile-attack", "ics": "mitre-ics-attack"}


def main(out: Path) -> None:
    """Write every concept that has an official STIX id."""
    objects = []
    for concept in load_attack().concepts(live_only=False):
        if not concept.stix_id:
            continue
        domain = concept.domains[0] if concept.domains else "enterprise"
        item = {
            "type": concept.stix_id.split("--")[0],
            "spec_version": "2.1",
            "id": concept.stix_id,
            "name": concept.name,
            "aliases": list(concept.aliases),
            "revoked": concept.status == "revoked",
            "x_mitre_deprecated": concept.status == "deprecated",
            "external_references": [
                {
                    "source_name": SOURCES.get(domain, "mitre-attack"),
                    "external_id": concept.id,
                    "url": concept.url,
                }
            ],
        }
        objects.append(item)
    bundle = {
        "type": "bundle",
        "id": "bundle--1a4f6a52-9a0e-5d6b-8f0c-2b8c3d1e4f5a",
        "objects": objects,
    }
    out.write_text(json.dumps(bundle), encoding="utf-8")
    print(f"{len(objects)} objects to {out}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
