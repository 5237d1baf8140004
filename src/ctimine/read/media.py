"""What kind of bytes these are: by content first, then by what the server or file name claims.

Signatures follow the WHATWG MIME Sniffing Standard (§7, HTML and archive signatures) and the
formats' own specifications. A claim decides only where the content leaves it open, as between
plain text, Markdown and CSV.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

LAYER: Final = "application/vnd.attack.layer+json"
STIX: Final = "application/stix+json"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90\x00", "application/x-executable"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"{\\rtf", "application/rtf"),
)
_OFFICE: Final = (
    (b"word/", DOCX),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_SUFFIXES: Final[dict[str, str]] = {
    "csv": "text/csv",
    "eml": "message/rfc822",
    "htm": "text/html",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "mdown": "text/markdown",
    "mdx": "text/markdown",
    "mkd": "text/markdown",
    "ndjson": "application/x-ndjson",
    "qmd": "text/markdown",
    "rmd": "text/markdown",
    "text": "text/plain",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "xhtml": "text/html",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
_UNREAD_SUFFIXES: Final = re.compile(
    "bat|bib|c|cfg|cmd|conf|cpp|cs|css|go|h|ini|ioc|ipynb|java|js|jsx|kql|less|lock|log|lua|map|"
    "php|pl|ps1|py|r|rb|rs|rules|scss|sh|snort|spl|sql|suricata|svg|tex|toml|ts|tsx|vbs|vue|xml|"
    "yar|yara"
)
"""Text of these names is code, style or configuration: named by a type that no reader has."""
_CLAIMS: Final[dict[str, str]] = {
    "application/csv": "text/csv",
    "application/ld+json": "application/json",
    "application/x-yaml": "application/yaml",
    "application/xhtml+xml": "text/html",
    "text/json": "application/json",
    "text/x-markdown": "text/markdown",
    "text/x-yaml": "application/yaml",
    "text/yaml": "application/yaml",
}
_HTML: Final = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*){0,20}"
    rb"<(?:!doctype\s+html|html|head|title|meta|body|script|style|link|base)\b",
    re.IGNORECASE | re.DOTALL,
)
_ARTICLE: Final = re.compile(
    rb"\s*<(?:article|main|section|div|h[1-6]|p|table|ul|ol|header|nav|span|blockquote|pre|center|"
    rb"font|a|b|br|iframe|img|template|noscript|details)\b",
    re.IGNORECASE,
)
_XML: Final = re.compile(
    rb"\s*<(?:\?xml\b|rss\b|feed\b|urlset\b|sitemapindex\b|svg\b)", re.IGNORECASE
)
_MAIL_FIELD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,60}:[ \t]*\S")
_MAIL_NAMES: Final = frozenset(
    {b"received", b"message-id", b"mime-version", b"return-path", b"delivered-to"}
)
_MAIL_FROM: Final = frozenset({b"from", b"to", b"subject", b"date"})
_MARKDOWN: Final = re.compile(
    r"^(?:#{1,6} \S|```|~~~|\|.*\|[ \t]*$|\|?[ \t]*:?-{3,}:?[ \t]*\|)"
    r"|\]\([^)\s]+\)|\*\*[^*\n]+\*\*",
    re.MULTILINE,
)
_SNIFFED: Final = 65536


def media_type(body: bytes, name: str = "", claimed: str = "") -> str:
    """The media type of bytes, by their content first; ``application/octet-stream`` if unknown.

    ``name`` is a file name, path or address, ``claimed`` a ``Content-Type``. Structured files that
    ctimine knows get a type of their own (STIX bundles, ATT&CK Navigator layers).

    >>> media_type(b"%PDF-1.7 ...", "report.html", "text/html")
    'application/pdf'
    >>> media_type(b"# Heading", "notes.md"), media_type(b"a;b", "x.csv")
    ('text/markdown', 'text/csv')
    """
    head = body[:_SNIFFED]
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _archive(body)
    for signature, media in _SIGNATURES:
        if head.startswith(signature) and not _reads_as_text(head, signature):
            return media
    if head[8:12] == b"WEBP" and head.startswith(b"RIFF"):
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return _text_type(head, _suffix(name), _claim(claimed))


def _reads_as_text(head: bytes, signature: bytes) -> bool:
    """Whether a short signature of letters merely begins a text, as "BM" and "ID3" may."""
    return len(signature) <= 4 and signature.isalnum() and b"\x00" not in head[:512]


def _archive(body: bytes) -> str:
    names = body[-_SNIFFED:] + body[:4096]
    if b"[Content_Types].xml" in names:
        for part, media in _OFFICE:
            if part in names:
                return media
    if b"mimetypeapplication/" in body[:200]:
        found = re.search(rb"mimetype(application/[\w.+-]+)", body[:200])
        if found:
            return found.group(1).decode("ascii").removesuffix("PK")
    return "application/zip"


def _text_type(head: bytes, suffix: str, claim: str) -> str:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide:
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    head = head.removeprefix(codecs.BOM_UTF8)
    zeros = head.count(0)
    if zeros > len(head) // 10 or (zeros and not head[:512].isascii()):
        return "application/octet-stream"
    named = _SUFFIXES.get(suffix, "")
    if named == "text/markdown":
        return named  # Markdown may begin with HTML, a table or anything else
    if _HTML.match(head):
        return "text/html"
    if _XML.match(head):
        return "text/html" if b"<html" in head[:2048].lower() else "application/xml"
    start = head.lstrip()[:1]
    if start in {b"{", b"["} and (
        named == "application/json" or claim.endswith("json") or _looks_like_json(head)
    ):
        return _json(head, named)
    if named == "message/rfc822" or (not named and _is_mail(head)):
        return "message/rfc822"
    if _UNREAD_SUFFIXES.fullmatch(suffix):
        return f"text/x-{suffix}"
    if named == "text/plain" and _ARTICLE.match(head):
        return "text/html"
    if named:
        return named
    if claim in _SUFFIXES.values():
        return claim
    if _ARTICLE.match(head):
        return "text/html"
    text = head.decode("utf-8", "replace")
    if text.startswith("---\n") or len(_MARKDOWN.findall(text)) >= 2:
        return "text/markdown"
    if _looks_binary(text):
        return "application/octet-stream"
    return "text/plain"


def _looks_binary(text: str) -> bool:
    """Whether more than a tenth of the characters are controls, or a third is no UTF-8."""
    sample = text[:4096]
    controls = sum(1 for c in sample if c < " " and not c.isspace())
    return controls * 10 > len(sample) or sample.count("\ufffd") * 3 > len(sample) * 2


def _looks_like_json(head: bytes) -> bool:
    return bool(re.match(rb'\s*(?:\{\s*"[^"\n]{0,200}"\s*:|\{\s*\}|\[\s*(?:\{|"|\[|\]))', head))


def _json(head: bytes, named: str) -> str:
    if re.search(rb'"type"\s*:\s*"bundle"', head) or (
        re.search(rb'"spec_version"\s*:\s*"2\.', head) and b'"objects"' in head
    ):
        return STIX
    if b'"techniques"' in head and re.search(
        rb'"(?:techniqueID|domain|gradient|versions|filters|layout)"', head
    ):
        return LAYER
    if named == "application/x-ndjson":
        return named
    return "application/json"


def _is_mail(head: bytes) -> bool:
    """Whether it begins with header fields (RFC 5322 §2.2), some of which only a mail has."""
    names: set[bytes] = set()
    for line in head[:8192].splitlines()[:60]:
        if not line.strip():
            break
        if line[:1] in b" \t":
            continue
        if not _MAIL_FIELD.match(line):
            if line.startswith(b"From ") and not names:
                continue
            return False
        names.add(line.split(b":", 1)[0].strip().lower())
    return bool(names & _MAIL_NAMES) and bool(names & _MAIL_FROM)


def _suffix(name: str) -> str:
    path = name.split("?", 1)[0].split("#", 1)[0] if "://" in name else name
    last = path.rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[1].lower() if "." in last else ""


def _claim(claimed: str) -> str:
    media = claimed.split(";", 1)[0].strip().lower()
    return _CLAIMS.get(media, media)


# -- characters ------------------------------------------------------------------------------------

_META_CHARSET: Final = re.compile(
    rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE
)
_HEADER_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_MEANT: Final = {"ascii": "cp1252", "us-ascii": "cp1252", "iso8859-1": "cp1252"}
"""The Encoding Standard (WHATWG, §4.2) reads these labels as windows-1252; so do browsers."""


def decode(body: bytes, claimed: str = "", *, html: bool = False) -> tuple[str, str]:
    """The text in bytes and the name of the encoding that it was read with.

    In this order: byte order mark; UTF-8 if the bytes are valid UTF-8; the ``Content-Type`` header;
    ``<meta charset>``; statistical detection (charset-normalizer); Windows-1252. Valid UTF-8 comes
    before the declarations because bytes that are wrong UTF-8 by chance hardly exist, while wrong
    declarations are common.

    >>> decode("Прокси".encode("cp1251"), "text/html; charset=windows-1251")
    ('Прокси', 'cp1251')
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            text = body.decode(name, "replace")
            return text.removeprefix("\ufeff"), name
    declared = _HEADER_CHARSET.search(claimed)
    names = [declared.group(1)] if declared else []
    if html:
        meta = _META_CHARSET.search(body[:4096])
        names += [meta.group(1).decode("ascii")] if meta else []
    # ISO-2022 and HZ encodings are seven bits wide: they pass as UTF-8 and need their declaration.
    seven = [name for name in names if name.lower().startswith(("iso-2022", "hz"))]
    for name in (*seven, "utf-8", *names):
        codec = _codec(name)
        if codec:
            try:
                return body.decode(codec), codec
            except (UnicodeError, ValueError):
                continue
    return _detect(body)


def _codec(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    if not getattr(found, "_is_text_encoding", True):
        return ""  # rot13, base64, zip: codecs by name, no encodings
    codec = _MEANT.get(found.name, found.name)
    return (
        ""
        if codec
        in {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7"}
        else codec
    )


_ENOUGH: Final = 24
"""Bytes beyond ASCII from which their encoding can be guessed."""
_WIDE: Final = ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"]


def _detect(body: bytes) -> tuple[str, str]:
    broken = body.decode("utf-8", "replace")
    if broken.count("\ufffd") <= len(broken) // 1000:
        return broken, "utf-8"  # a few bad bytes in a long UTF-8 text
    if sum(byte > 0x7F for byte in body[:_SNIFFED]) >= _ENOUGH:
        from charset_normalizer import from_bytes

        # Wide encodings are told by their byte order mark; as a guess they turn any text to noise.
        best = from_bytes(body[:_SNIFFED], cp_exclusion=_WIDE).best()
        if best is not None:
            return body.decode(best.encoding, "replace"), best.encoding
    return body.decode("cp1252", "replace"), "cp1252"
