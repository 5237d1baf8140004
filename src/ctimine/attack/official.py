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
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

from ctimine.errors import CatalogueError, in_words

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
_FOREIGN: Final = {"mitre-pre-attack": "PRE-ATT&CK", "mitre-atlas": "ATLAS", "capec": "CAPEC"}
_PROSE: Final = {
    "x-mitre-detection-strategy",
    "x-mitre-analytic",
    "x-mitre-data-component",
    "course-of-action",
}
_DROPPED: Final = {
    "object_marking_refs",
    "created_by_ref",
    "x_mitre_modified_by_ref",
    "x_mitre_contributors",
}


@dataclasses.dataclass(frozen=True, slots=True)
class LogSource:
    """Where an analytic looks: a log and its channel or event."""

    name: str
    channel: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Analytic:
    """One analytic of a detection strategy: its prose and the log sources that it reads."""

    id: str
    description: str
    platforms: tuple[str, ...] = ()
    log_sources: tuple[LogSource, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Strategy:
    """A detection strategy with its analytics (since v18; before, a data component)."""

    id: str
    name: str
    analytics: tuple[Analytic, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Mitigation:
    """A mitigation and how it counters the technique at hand."""

    id: str
    name: str
    description: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Detail:
    """What an official bundle says about a concept in prose, with MITRE's notice.

    ``version`` is the release that the prose comes from. ``detection`` is the one text that
    releases before v18 have in place of strategies.
    """

    id: str
    description: str
    version: str = ""
    strategies: tuple[Strategy, ...] = ()
    mitigations: tuple[Mitigation, ...] = ()
    detection: str = ""
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


def load_official(
    path: str | os.PathLike[str],
    *,
    version: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> str:
    """Read an official ATT&CK bundle into the user's cache; gives the release that it holds.

    The release comes from the bundle's collection object, else from ``version``, else from the file
    name (``enterprise-attack-19.2.json``). Several domains of one release add up. ``cache`` is the
    folder to keep it in, in place of the user's. Raises
    :class:`~ctimine.errors.CatalogueError` for a file that is not an ATT&CK bundle.

    >>> load_official("no-such-file.json")
    Traceback (most recent call last):
    ctimine.errors.CatalogueError: no-such-file.json: cannot be read: ...
    """
    release, domain, objects = read_official(Path(path), version)
    folder = Path(cache) if cache else cache_folder()
    target = folder / f"{release}-{domain}.json.gz"
    text = json.dumps(
        {"version": release, "domain": domain, "objects": objects}, ensure_ascii=False
    )
    unfinished = target.with_suffix(f".{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A lone surrogate is legal JSON; it must not stop the writing.
        unfinished.write_bytes(gzip.compress(text.encode("utf-8", "backslashreplace"), mtime=0))
        unfinished.replace(target)
    except OSError as error:
        raise CatalogueError(f"cannot be kept: {error}", subject=str(target)) from None
    return release


def read_official(place: Path, version: str | None = None) -> tuple[str, str, list[dict[str, Any]]]:
    """Release, domain and the objects of use of an official bundle's file."""
    objects = _objects(place)
    kept = [
        {key: value for key, value in item.items() if key not in _DROPPED}
        for item in objects
        if item["type"] in KINDS or item["type"] in _PROSE or item["type"] == "relationship"
    ]
    domain = _domain(objects, place)
    return _release(objects, place, version), domain, kept


def cached_releases() -> tuple[str, ...]:
    """The releases in the user's cache, oldest first."""
    found = (re.match(r"(\d+(?:\.\d+)*)-", path.name) for path in cache_folder().glob("*.json.gz"))
    return tuple(sorted({match.group(1) for match in found if match}, key=release_order))


def cache_stamp(release: str) -> tuple[tuple[str, int], ...]:
    """What changes when the cached files of a release do."""
    return tuple(
        (str(path), path.stat().st_mtime_ns)
        for path in sorted(cache_folder().glob(f"{release}-*.json.gz"))
    )


def release_order(release: str) -> tuple[int, ...]:
    """A key that puts 9.0 before 18.1."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def cached_objects(release: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """(domain, objects) of each bundle of a release in the user's cache."""
    found = []
    for path in sorted(cache_folder().glob(f"{release}-*.json.gz")):
        try:
            stored = json.loads(gzip.decompress(path.read_bytes()))
            found.append((stored["domain"], stored["objects"]))
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise CatalogueError(
                f"is damaged, load it again: {error!r}", subject=str(path)
            ) from None
    return found


def details_of(objects: list[dict[str, Any]], release: str = "") -> dict[str, Detail]:
    """The prose of one bundle by ATT&CK id."""
    by_id = {item["id"]: item for item in objects if "id" in item}
    detected: dict[str, set[str]] = {}
    mitigated: dict[str, list[Mitigation]] = {}
    for item in objects:
        source = by_id.get(item.get("source_ref", ""))
        if item["type"] != "relationship" or source is None or not (_live(item) and _live(source)):
            continue
        kind, target = item["relationship_type"], item["target_ref"]
        if kind == "detects":
            detected.setdefault(target, set()).add(source["id"])
        elif kind == "mitigates":
            row = Mitigation(external_id(source), source["name"], item.get("description", ""))
            mitigated.setdefault(target, []).append(row)
    details = {}
    for item in objects:
        identifier = external_id(item) if item["type"] in KINDS else ""
        if not identifier:
            continue
        sources = (by_id[ref] for ref in sorted(detected.get(item["id"], ())))
        strategies = (_strategy(source, by_id) for source in sources)
        details[identifier] = Detail(
            id=identifier,
            description=item.get("description", ""),
            version=release,
            strategies=tuple(sorted(strategies, key=lambda found: (found.id, found.name))),
            mitigations=tuple(
                sorted(mitigated.get(item["id"], ()), key=lambda found: (found.id, found.name))
            ),
            detection=item.get("x_mitre_detection", ""),
        )
    return details


def _live(item: dict[str, Any]) -> bool:
    return not item.get("revoked") and not item.get("x_mitre_deprecated")


def _strategy(item: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> Strategy:
    analytics = (by_id.get(ref) for ref in item.get("x_mitre_analytic_refs", []))
    return Strategy(
        id=external_id(item),
        name=item.get("name", ""),
        analytics=tuple(_analytic(found) for found in analytics if found and _live(found)),
    )


def _analytic(item: dict[str, Any]) -> Analytic:
    return Analytic(
        id=external_id(item),
        description=item.get("description", ""),
        platforms=tuple(item.get("x_mitre_platforms", [])),
        log_sources=tuple(
            LogSource(source.get("name", ""), source.get("channel", ""))
            for source in item.get("x_mitre_log_source_references", [])
        ),
    )


def _objects(place: Path) -> list[dict[str, Any]]:
    try:
        body = place.read_bytes()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        bundle = json.loads(body)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise CatalogueError(f"cannot be read: {in_words(error)}", subject=str(place)) from None
    objects = bundle.get("objects") if isinstance(bundle, dict) else None
    if not isinstance(objects, list) or not all(
        isinstance(item, dict) and isinstance(item.get("type"), str) for item in objects
    ):
        raise CatalogueError("is no STIX bundle: it has no list of objects", subject=str(place))
    techniques = [item for item in objects if item["type"] == "attack-pattern"]
    if not any(external_id(item) for item in techniques):
        foreign = {
            _FOREIGN.get(str(reference.get("source_name")), "")
            for item in techniques
            for reference in item.get("external_references", [])
        }
        named = ", ".join(sorted(foreign - {""}))
        found = f"; these are techniques of {named}" if named else ""
        raise CatalogueError(f"holds no ATT&CK technique{found}", subject=str(place))
    for item in objects:
        missing = _MISSING.get(item["type"], _NAMED if item["type"] in KINDS else ())
        if not all(isinstance(item.get(field), str) for field in missing):
            subject = f"{place} ({item.get('id', item['type'])})"
            raise CatalogueError(f"an object lacks {' or '.join(missing)}", subject=subject)
    return objects


_NAMED: Final = ("id", "name")
_MISSING: Final = {
    "relationship": ("relationship_type", "source_ref", "target_ref"),
    "course-of-action": _NAMED,
    "x-mitre-tactic": ("id", "name", "x_mitre_shortname"),
}


def _release(objects: list[dict[str, Any]], place: Path, given: str | None) -> str:
    stated = next(
        (
            str(item["x_mitre_version"])
            for item in objects
            if item["type"] == "x-mitre-collection" and item.get("x_mitre_version")
        ),
        "",
    )
    given = (given or "").strip().removeprefix("v")
    if stated and given and stated != given:
        raise CatalogueError(f"says that it is release {stated}, not {given}", subject=str(place))
    named = re.search(r"(\d+(?:\.\d+)+)(?:\.json)?(?:\.gz)?$", place.name)
    release = stated or given or (named.group(1) if named else "")
    # The release becomes part of a file name: only digits and dots may pass.
    if not re.fullmatch(r"\d{1,4}(?:\.\d{1,4}){0,3}", release):
        raise CatalogueError(
            "does not say which release it is; give the version", subject=str(place)
        )
    return release


def _domain(objects: list[dict[str, Any]], place: Path) -> str:
    """The domain that most techniques say they belong to."""
    counts: Counter[str] = Counter()
    for item in objects:
        if item["type"] == "attack-pattern":
            stated = item.get("x_mitre_domains")
            if stated:
                counts.update(str(domain).removesuffix("-attack") for domain in stated)
                continue
            names = {str(r.get("source_name")) for r in item.get("external_references", [])}
            counts.update(DOMAINS[name] for name in names & DOMAINS.keys())
    counts = Counter({name: counts[name] for name in DOMAINS.values() if counts[name]})
    if not counts:
        raise CatalogueError("is of no domain that is known", subject=str(place))
    return counts.most_common(1)[0][0]
