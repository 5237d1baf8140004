"""Which files of a folder or archive may be documents, by their names and first bytes.

What a file *is* is judged later and by content, in the reading room. Here only what can hold no
report is left out, so that a run over a source tree does not open every icon.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024
"""Larger files are skipped; the option ``max_bytes`` of a source changes it."""

MANIFEST: Final = "manifest.json"
MAX_RULES: Final = 2000
MAX_RULE: Final = 300
MAX_IGNORE: Final = 256 * 1024
"""Lines of one ``.gitignore``, characters of one line, and bytes of it, that are looked at."""
MAX_IGNORES: Final = 200
"""Files of that name that are looked at in one folder or archive, the outermost first."""

Ignored = Callable[[str, bool], bool]
"""Whether ``.gitignore`` leaves out a path (POSIX, relative to the root; whether a folder)."""

_FOLDERS: Final = frozenset(
    {"__pycache__", "bower_components", "node_modules", "site-packages", "venv"}
)
_NOT_DOCUMENTS: Final = frozenset(
    re.findall(
        r"\w+",
        # pictures, fonts, sound, film
        """
        ai avif bmp cur eps gif heic icns ico jfif jpeg jpg odg png psd svg svgz tif tiff vsdx webp
        eot otf ttf woff woff2 aac avi flac m4a m4v mkv mov mp3 mp4 mpeg mpg ogg ogv wav webm wmv
        """
        # style and script of pages, feeds and site maps, build files, templates
        """
        css js jsx less map mjs sass scss ts tsx vue wasm atom opml rdf rss webmanifest xml xsd xsl
        xslt j2 jinja liquid njk tmpl
        """
        # code, rules, configuration
        """
        asm bat c cc cfg clj cmd conf cpp cs dart dockerfile editorconfig env erl ex go gradle h hpp
        ini ipynb java kql kt lock lua m make ml nim php pl properties ps1 psd1 psm1 py pyi pyx r rb
        rs rules scala sh snort spl sql sum suricata swift tf toml vb vbs vba yar yara zeek
        """
        # binaries, archives, data that no reader reads
        """
        7z a apk avro bin bz2 class db deb dex dll dmg dylib ear elf evtx exe feather gz h5 iso jar
        lib lz4 lzma mdb msi msix npy npz o obj onnx parquet pcap pcapng pdb pkl pyc pyo rar rpm so
        sqlite sqlite3 tar tgz vhd vmdk war xz zip zst
        """,
    )
)
_NAMES: Final = re.compile(
    r"(?:licen[cs]e|copying|notice|authors|codeowners|cname)(?:\.(?:md|rst|txt))?|"
    r"(?:makefile|dockerfile|gemfile|procfile|brewfile|rakefile|vagrantfile|jenkinsfile|pipfile)"
    r"(?:\.\w+)?|"
    r"(?:robots|humans|ads|app-ads|security|requirements[\w.-]*|constraints[\w.-]*|cmakelists)\.txt|"
    r"(?:package(?:-lock)?|tsconfig[\w.-]*|jsconfig|composer|bower|angular|turbo|nx|lerna|vercel|"
    r"netlify|renovate|now|deno|biome|firebase|app|site\.webmanifest|search(?:[-_]index)?)\.json|"
    r"(?:_config|mkdocs|docker-compose[\w.-]*|compose|pnpm-(?:lock|workspace)|dependabot|"
    r"action|codecov|netlify|_quarto|_toc|environment|conda|book|antora)\.ya?ml|"
    r".*\.(?:min\.\w+|lock\.json)",
    re.IGNORECASE,
)
_SPECIAL_TEXT: Final = (b"\xff\xfe", b"\xfe\xff", b"%PDF-", b"PK\x03\x04")
"""Bytes that begin documents although zeros may follow: UTF-16, PDF, DOCX."""


def folder_reason(name: str) -> str:
    """Why a folder of this name is not entered; empty if it is.

    >>> folder_reason("node_modules"), folder_reason(".git"), folder_reason(".github")
    ('ignored folder', 'hidden', '')
    """
    if name in _FOLDERS:
        return "ignored folder"
    if name.startswith(".") and name != ".github":
        return "hidden"
    return ""


def file_reason(path: PurePosixPath) -> str:
    """Why a file of this name is no document; empty if it may be one.

    >>> file_reason(PurePosixPath("img/logo.svg")), file_reason(PurePosixPath("a/report.md"))
    ('not a document', '')
    """
    name = path.name
    if name.startswith("."):
        return "hidden"
    suffix = path.suffix[1:].lower()
    if suffix in _NOT_DOCUMENTS or _NAMES.fullmatch(name):
        return "not a document"
    if suffix in {"yml", "yaml"} and path.parts[0] == ".github":
        return "not a document"  # workflows and issue forms
    return ""


def body_reason(head: bytes) -> str:
    r"""Why bytes that begin so are no document; empty if they may be one.

    >>> body_reason(b"\x7fELF\x02\x01\x01\x00\x00"), body_reason(b"# Report")
    ('not a document', '')
    """
    if (
        b"\x00" in head[:8192]
        and not head.startswith(_SPECIAL_TEXT)
        and b"%PDF-" not in head[:1024]
    ):
        return "not a document"
    return ""


def ignored_by(files: Sequence[tuple[str, str]]) -> Ignored:
    r"""A test for paths that ``.gitignore`` files leave out; deeper files have the last word.

    ``files`` are (folder, text of its ``.gitignore``); the folder of the root is empty. The rules
    are those of gitignore(5). Patterns come from strangers: each is matched name by name, without
    backtracking, so that none can make a run hang (as it can with the usual regular expressions).

    >>> ignored = ignored_by([("", "drafts/\n*.tmp.md\n"), ("keep", "!x.tmp.md\n")])
    >>> ignored("drafts", True), ignored("a/b.tmp.md", False), ignored("keep/x.tmp.md", False)
    (True, True, False)
    """
    outermost = sorted(files, key=lambda pair: pair[0].count("/") + bool(pair[0]))
    rules = {folder: _rules(text) for folder, text in outermost[:MAX_IGNORES]}

    def ignored(path: str, folder: bool) -> bool:
        names = path.split("/")
        for depth in range(len(names) - 1, -1, -1):  # the deepest file has the last word
            for rule in reversed(rules.get("/".join(names[:depth]), ())):
                if (folder or not rule.folders_only) and _matches(rule.steps, names[depth:]):
                    return not rule.keeps
        return False

    return ignored


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    steps: tuple[re.Pattern[str] | None, ...]  # None stands for "**": any number of folders
    keeps: bool
    folders_only: bool


@functools.lru_cache(maxsize=256)
def _rules(text: str) -> tuple[_Rule, ...]:
    lines = text[:MAX_IGNORE].splitlines()[:MAX_RULES]
    return tuple(rule for rule in map(_rule, lines) if rule is not None)


def _rule(line: str) -> _Rule | None:
    line = re.sub(r"(?<!\\) +$", "", line.rstrip("\r\n"))
    if not line or line.startswith("#") or len(line) > MAX_RULE:
        return None
    keeps = line.startswith("!")
    line = line[keeps:]
    folders_only = line.endswith("/")
    line = line.rstrip("/")
    names = [name for name in line.split("/") if name]
    if not names:
        return None
    if "/" not in line:
        names.insert(0, "**")
    if names[-1] == "**":
        names.append("*")  # everything inside the folder, not the folder itself
    steps = tuple(None if name == "**" else re.compile(_one_name(name)) for name in names)
    return _Rule(steps, keeps, folders_only)


def _one_name(glob: str) -> str:
    """A pattern for one name; ``fnmatch`` builds it from atomic groups, free of backtracking."""
    literal = re.sub(r"\\(.)", lambda at: f"[{at[1]}]" if at[1] in "*?[" else at[1], glob)
    return fnmatch.translate(re.sub(r"\*+", "*", literal).replace("[^]", "[!]"))


def _matches(steps: tuple[re.Pattern[str] | None, ...], names: Sequence[str]) -> bool:
    """Whether the steps lead through all names, by the set of places reached so far."""
    places = _beyond({0}, steps)
    for name in names:
        reached = {place for place in places if place < len(steps) and steps[place] is None}
        for place in places:
            step = steps[place] if place < len(steps) else None
            if step is not None and step.match(name):
                reached.add(place + 1)
        places = _beyond(reached, steps)
        if not places:
            return False
    return len(steps) in places


def _beyond(places: set[int], steps: tuple[re.Pattern[str] | None, ...]) -> set[int]:
    reached = set(places)
    for place in sorted(places):
        at = place
        while at < len(steps) and steps[at] is None:
            at += 1
            reached.add(at)
    return reached
