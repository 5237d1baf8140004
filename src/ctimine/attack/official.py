"""Official ATT&CK bundles: STIX 2.0 or 2.1, any release, read from a file into the user's cache.

The package ships facts alone. What a release says in prose (descriptions, detection strategies,
analytics, mitigations) is MITRE's text: it is read from the user's own copy and shown with MITRE's
notice.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any, Final

from ctimine.errors import CatalogueError

NOTICE: Final = (
    "© The MITRE Corporation. This work is reproduced and distributed with the permission of "
    "The MITRE Corporation."
)
KINDS: Final = {
    "attack-pattern": "technique",
    "x-mitre-tactic": "tactic",
    "intrusion-set": "actor",
    "malware": "software",
    "tool": "software",
    "campaign": "campaign",
}
"""STIX type → kind of concept. Mitigations carry ids like T1102, too: the type decides."""

DOMAINS: Final = {
    "mitre-attack": "enterprise",
    "mitre-mobile-attack": "mobile",
    "mitre-ics-attack": "ics",
}
_PROSE: Final = {
    "x-mitre-detection-strategy",
    "x-mitre-analytic",
    "course-of-action",
    "x-mitre-data-component",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Analytic:
    """One analytic of a detection strategy: its prose and the log sources that it reads."""

    id: str
    description: str
    platforms: tuple[str, ...] = ()
    log_sources: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Detail:
    """What an official bundle says about a concept in prose, with MITRE's notice."""

    id: str
    description: str
    strategies: tuple[str, ...] = ()
    analytics: tuple[Analytic, ...] = ()
    mitigations: tuple[tuple[str, str], ...] = ()
    notice: str = NOTICE


def cache_folder() -> Path:
    """Folder of the releases that the user has loaded; ``CTIMINE_CACHE`` overrides it."""
    override = os.environ.get("CTIMINE_CACHE")
    if override:
        return Path(override) / "attack"
    from platformdirs import user_cache_path

    return user_cache_path("ctimine", appauthor=False) / "attack"


def external_id(item: dict[str, Any]) -> str:
    """The ATT&CK id of a STIX object, empty when it has none."""
    for reference in item.get("external_references", []):
        if reference.get("source_name") in DOMAINS and reference.get("external_id"):
            return str(reference["external_id"])
    return ""


def concept_row(item: dict[str, Any], domain: str, version: str) -> dict[str, Any]:
    """The facts of one STIX object as a row of the facts file."""
    kind = KINDS[item["type"]]
    known_as = item.get("aliases") or item.get("x_mitre_aliases") or []
    identifier = external_id(item)
    if item.get("revoked"):
        status = "revoked"
    elif item.get("x_mitre_deprecated"):
        status = "deprecated"
    else:
        status = "live"
    return {
        "kind": kind,
        "id": identifier,
        "name": item["name"],
        "aliases": [alias for alias in dict.fromkeys(known_as) if alias != item["name"]],
        "stix_id": item["id"],
        "parent": identifier.split(".")[0] if kind == "technique" and "." in identifier else "",
        "tactics": [item["x_mitre_shortname"]]
        if kind == "tactic"
        else sorted({phase["phase_name"] for phase in item.get("kill_chain_phases", [])}),
        "platforms": item.get("x_mitre_platforms", []),
        "domains": [domain],
        "status": status,
        "replaced_by": "",
        "version": version,
        "created": item.get("created", ""),
        "modified": item.get("modified", ""),
        "software_type": item["type"] if kind == "software" else "",
    }


def load_official(path: str | os.PathLike[str], *, version: str | None = None) -> str:
    """Read an official ATT&CK bundle into the user's cache; gives the release that it holds.

    The release comes from the bundle's collection object, else from ``version``, else from the file
    name (``enterprise-attack-19.2.json``). Several domains of one release add up. Raises
    :class:`~ctimine.errors.CatalogueError` for a file that is not an ATT&CK bundle.

    >>> load_official("no-such-file.json")
    Traceback (most recent call last):
    ctimine.errors.CatalogueError: no-such-file.json: cannot be read: ...
    """
    place = Path(path)
    objects = _objects(place)
    release = _release(objects, place, version)
    domain = _domain(objects, place)
    kept = [
        _slim(item)
        for item in objects
        if item["type"] in KINDS or item["type"] in _PROSE or item["type"] == "relationship"
    ]
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{release}-{domain}.json.gz"
    text = json.dumps({"version": release, "domain": domain, "objects": kept}, ensure_ascii=False)
    unfinished = target.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    unfinished.replace(target)
    return release


def cached_releases() -> tuple[str, ...]:
    """The releases in the user's cache, oldest first."""
    names = {path.name.split("-")[0] for path in cache_folder().glob("*-*.json.gz")}
    return tuple(sorted(names, key=release_order))


def release_order(release: str) -> tuple[int, ...]:
    """A key that puts 9.0 before 18.1."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def cached_objects(release: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """(domain, objects) of each bundle of a release in the user's cache."""
    found = []
    for path in sorted(cache_folder().glob(f"{release}-*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            stored = json.load(file)
        found.append((stored["domain"], stored["objects"]))
    return found


def details_of(objects: list[dict[str, Any]]) -> dict[str, Detail]:
    """The prose of one bundle by ATT&CK id."""
    by_id = {item["id"]: item for item in objects if "id" in item}
    detected: dict[str, list[str]] = {}
    mitigated: dict[str, list[tuple[str, str]]] = {}
    for item in objects:
        if item["type"] != "relationship" or item.get("revoked") or item.get("x_mitre_deprecated"):
            continue
        source = by_id.get(item["source_ref"])
        if source is None:
            continue
        kind = item["relationship_type"]
        if kind == "detects" and source["type"] == "x-mitre-detection-strategy":
            detected.setdefault(item["target_ref"], []).append(source["id"])
        elif kind == "mitigates":
            row = (f"{external_id(source)} {source['name']}", item.get("description", ""))
            mitigated.setdefault(item["target_ref"], []).append(row)
    details = {}
    for item in objects:
        identifier = external_id(item) if item["type"] in KINDS else ""
        if not identifier:
            continue
        strategies = [by_id[ref] for ref in sorted(detected.get(item["id"], []))]
        details[identifier] = Detail(
            id=identifier,
            description=item.get("description", ""),
            strategies=tuple(f"{external_id(s)} {s['name']}" for s in strategies),
            analytics=tuple(
                _analytic(by_id[ref])
                for strategy in strategies
                for ref in strategy.get("x_mitre_analytic_refs", [])
                if ref in by_id
            ),
            mitigations=tuple(sorted(mitigated.get(item["id"], []))),
        )
    return details


def _analytic(item: dict[str, Any]) -> Analytic:
    return Analytic(
        id=external_id(item),
        description=item.get("description", ""),
        platforms=tuple(item.get("x_mitre_platforms", [])),
        log_sources=tuple(
            f"{source.get('name', '')}: {source.get('channel', '')}".rstrip(": ")
            for source in item.get("x_mitre_log_source_references", [])
        ),
    )


def _objects(place: Path) -> list[dict[str, Any]]:
    try:
        body = place.read_bytes()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        bundle = json.loads(body)
    except (OSError, EOFError, ValueError) as error:
        raise CatalogueError(f"cannot be read: {error}", subject=str(place)) from None
    objects = bundle.get("objects") if isinstance(bundle, dict) else None
    if not isinstance(objects, list) or not all(
        isinstance(item, dict) and isinstance(item.get("type"), str) for item in objects
    ):
        raise CatalogueError("is no STIX bundle: it has no list of objects", subject=str(place))
    if not any(item["type"] == "attack-pattern" and external_id(item) for item in objects):
        raise CatalogueError("holds no ATT&CK technique", subject=str(place))
    return objects


def _release(objects: list[dict[str, Any]], place: Path, given: str | None) -> str:
    for item in objects:
        if item["type"] == "x-mitre-collection" and item.get("x_mitre_version"):
            return str(item["x_mitre_version"])
    named = re.search(r"(\d+\.\d+)(?:\.json)?(?:\.gz)?$", place.name)
    release = given or (named.group(1) if named else "")
    if not re.fullmatch(r"\d+(?:\.\d+)*", release):
        raise CatalogueError(
            "does not say which release it is; give the version", subject=str(place)
        )
    return release


def _domain(objects: list[dict[str, Any]], place: Path) -> str:
    for item in objects:
        if item["type"] == "attack-pattern":
            domains = item.get("x_mitre_domains")
            if domains:
                return str(domains[0]).removesuffix("-attack")
            for reference in item.get("external_references", []):
                if reference.get("source_name") in DOMAINS:
                    return DOMAINS[reference["source_name"]]
    raise CatalogueError("does not say which domain it is", subject=str(place))


def _slim(item: dict[str, Any]) -> dict[str, Any]:
    drop = {
        "object_marking_refs",
        "created_by_ref",
        "x_mitre_modified_by_ref",
        "x_mitre_contributors",
    }
    return {key: value for key, value in item.items() if key not in drop}
