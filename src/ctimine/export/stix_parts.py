"""Parts of a bundle that need no graph: times, markings, identities, MITRE's objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ctimine.model import Concept

EPOCH = "1970-01-01T00:00:00.000Z"
"""The date of what has none; its report carries the label ``date-unknown``."""

MITRE = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"
MITRE_STATEMENT = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"

LOW = 10
"""Confidence of ATT&CK objects: any copy that the platform has already stays as it is."""

UNKNOWN = 50
"""Confidence where neither source nor report has been judged."""

LADDER = {"A": 90, "B": 70, "C": 50, "D": 30, "E": 10, 1: 90, 2: 70, 3: 50, 4: 30, 5: 10}
"""Admiralty letters and numbers on STIX's 0 to 100 (STIX 2.1, appendix A; letters alike)."""

MARKINGS = {
    "WHITE": "TLP_WHITE",
    "CLEAR": "TLP_WHITE",
    "GREEN": "TLP_GREEN",
    "AMBER": "TLP_AMBER",
    "RED": "TLP_RED",
}
"""TLP 2.0 words to the objects of TLP 1 that the STIX specification fixes."""

GALAXY = {
    "attack-pattern": ("mitre-attack-pattern", "Attack Pattern"),
    "intrusion-set": ("mitre-intrusion-set", "Intrusion Set"),
    "malware": ("mitre-malware", "Malware"),
    "tool": ("mitre-tool", "Tool"),
}
"""STIX type → MISP's galaxy of ATT&CK, which keeps relations between its clusters."""

ATTRIBUTE = {
    "campaign": ("campaign-name", "Attribution"),
    "vulnerability": ("vulnerability", "External analysis"),
}
"""STIX type → type and category of the MISP attribute for what MISP reads into no galaxy."""

_MOMENT = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?(.*))?$")


def stix_time(date: str) -> str:
    """A date or time as STIX writes times; :data:`EPOCH` for none.

    >>> stix_time("2024-03-12"), stix_time("2024-03-12T10:00:00+02:00"), stix_time("")
    ('2024-03-12T00:00:00.000Z', '2024-03-12T08:00:00.000Z', '1970-01-01T00:00:00.000Z')
    """
    import datetime

    match = _MOMENT.match(date)
    if match is None:
        return EPOCH
    year, month, day, clock, fraction, zone = match.groups()
    text = f"{year}-{month or '01'}-{day or '01'}T{clock or '00:00'}"
    zone = "+00:00" if not zone or zone in {"Z", "z"} else zone
    try:
        moment = datetime.datetime.fromisoformat(text + zone).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return EPOCH
    millis = ((fraction or ".") + "000")[1:4]
    return moment.strftime(f"%Y-%m-%dT%H:%M:%S.{millis}Z").rjust(24, "0")


def attack_part(concept: Concept, kind: str) -> dict[str, Any]:
    """MITRE's object with its facts and no description: it never weakens a fuller copy."""
    part: dict[str, Any] = {
        "type": kind,
        "id": concept.stix_id,
        "created_by_ref": MITRE,
        "created": stix_time(concept.created),
        "modified": max(stix_time(concept.modified), stix_time(concept.created)),
        "name": concept.name,
        "confidence": LOW,
        "external_references": [
            {
                "source_name": "mitre-attack",
                "external_id": concept.id,
                **({"url": concept.url} if concept.url else {}),
            }
        ],
        "object_marking_refs": [MITRE_STATEMENT],
    }
    if part["type"] == "malware":
        part["is_family"] = True
    if concept.tactics:
        part["kill_chain_phases"] = phases(concept)
    return part


def misp_labels(part: Mapping[str, Any]) -> list[str]:
    """The labels by which MISP's importer keeps an object and its relations, then its own."""
    if part["type"] in GALAXY:
        kind, name = GALAXY[part["type"]]
        own = [f'misp:galaxy-name="{name}"', f'misp:galaxy-type="{kind}"']
    else:
        kind, category = ATTRIBUTE[part["type"]]
        own = [f'misp:type="{kind}"', f'misp:category="{category}"']
    return [*own, *part.get("labels", [])]  # MISP reads a galaxy's name from the first two only


def is_mitre(part: Mapping[str, Any]) -> bool:
    """Whether MITRE is the creator of an object."""
    return part.get("created_by_ref") == MITRE


def is_software(via: str) -> bool:
    """Whether a use goes through software (an ATT&CK id) and not through a service."""
    return re.fullmatch(r"S\d{4}", via) is not None


def by_type(stix_id: str) -> tuple[int, str]:
    """Sort key of ids: what is referenced stands before what refers to it."""
    order = (
        "attack-pattern",
        "intrusion-set",
        "campaign",
        "malware",
        "tool",
        "vulnerability",
        "relationship",
        "note",
    )
    return order.index(stix_id.split("--", maxsplit=1)[0]), stix_id


def phases(concept: Concept) -> list[dict[str, str]]:
    """The tactics of a technique as phases of its kill chain."""
    chains = {"mobile": "mitre-mobile-attack", "ics": "mitre-ics-attack"}
    chain = chains.get("".join(concept.domains[:1]), "mitre-attack")
    return [
        {"kill_chain_name": chain, "phase_name": tactic.casefold().replace(" ", "-")}
        for tactic in concept.tactics
    ]


def marking_object(tlp: str) -> Any:
    """The marking object of a TLP word."""
    import stix2

    if tlp in MARKINGS:
        return getattr(stix2, MARKINGS[tlp])
    # TLP 1 has no such word, and AMBER would be milder than what the source asks for.
    return stix2.MarkingDefinition(
        id="marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
        created="2022-10-01T00:00:00.000Z",
        name="TLP:AMBER+STRICT",
        extensions={
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension",
                "tlp_2_0": "amber+strict",
            }
        },
    )


def identities(creator: str, *, mitre: bool) -> list[Any]:
    """The identities that the bundle speaks of: ours, and MITRE's with its statement."""
    import stix2

    objects: list[Any] = [
        stix2.Identity(
            id=creator,
            created="2024-01-01T00:00:00.000Z",
            modified="2024-01-01T00:00:00.000Z",
            name="ctimine",
            description="Mines intrusion reports for who uses which technique.",
            identity_class="system",
            object_marking_refs=[stix2.TLP_WHITE.id],
        )
    ]
    if mitre:
        objects += [
            stix2.MarkingDefinition(
                id=MITRE_STATEMENT,
                created="2017-06-01T00:00:00.000Z",
                created_by_ref=MITRE,
                definition_type="statement",
                definition={
                    "statement": "Copyright 2015-2025, The MITRE Corporation. MITRE ATT&CK and "
                    "ATT&CK are registered trademarks of The MITRE Corporation."
                },
            ),
            stix2.Identity(
                id=MITRE,
                created="2017-06-01T00:00:00.000Z",
                modified="2025-03-19T15:00:40.855Z",
                name="The MITRE Corporation",
                identity_class="organization",
                object_marking_refs=[MITRE_STATEMENT],
            ),
        ]
    return objects
