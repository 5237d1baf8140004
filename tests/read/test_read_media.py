"""Media types by content, and the characters in bytes."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from ctimine.read.media import DOCX, LAYER, STIX, decode, media_type


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as pack:
        for name in names:
            pack.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "name", "claimed", "media"),
    [
        (b"\n%PDF-1.7", "a.html", "text/html", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "a.md", "", "image/png"),
        (b"<!DOCTYPE html><p>x", "a.txt", "", "text/html"),
        (b"\xef\xbb\xbf<html>", "", "", "text/html"),
        (b"<!-- saved --><!-- x -->\n<html>", "page", "text/plain", "text/html"),
        ("<html>".encode("utf-16"), "a", "", "text/html"),
        (b'<?xml version="1.0"?><html xmlns="x"><p>x', "a.xhtml", "", "text/html"),
        (b'<?xml version="1.0"?><rss/>', "a.html", "", "application/xml"),
        (b"<div>x</div>", "a", "", "text/html"),
        (b"<div>x</div>", "a.md", "", "text/markdown"),
        (b"# Heading\n", "README.MD", "", "text/markdown"),
        (b"# Heading\n\n- [a](b)\n", "notes", "text/plain", "text/plain"),
        (b"# Heading\n\n- [a](b)\n", "notes", "", "text/markdown"),
        (b"words", "https://a.example/x.md?raw=1", "", "text/markdown"),
        (b"plain words", "", "text/plain; charset=utf-8", "text/plain"),
        (b"BMW of the minister", "note.txt", "", "text/plain"),
        (b"GIF8 is no picture here", "note.txt", "", "text/plain"),
        (b"a,b\n1,2", "x.csv", "", "text/csv"),
        (b"a\tb", "x.tsv", "", "text/tab-separated-values"),
        (b"a: b", "x.yaml", "", "application/yaml"),
        (b'{"a": 1}', "x.json", "", "application/json"),
        (b'[{"a": 1}]', "x", "", "application/json"),
        (b'{"a": 1}\n{"a": 2}', "x.jsonl", "", "application/x-ndjson"),
        (b'{"type": "bundle", "objects": []}', "x.json", "", STIX),
        (b'{"name":"x","versions":{"layer":"4.5"},"techniques":[]}', "x.json", "", LAYER),
        (b"[note] words of a text", "x.txt", "", "text/plain"),
        (b"Received: from a\r\nFrom: b\r\nSubject: c\r\n\r\nx", "x", "", "message/rfc822"),
        (b"Date: 2024-01-01\nFrom: here\n\nplain notes", "x.txt", "", "text/plain"),
        (b"import os", "x.py", "", "text/x-py"),
        (b"rule x { }", "x.yar", "", "text/x-yar"),
        (bytes(range(256)) * 8, "x.md", "", "application/octet-stream"),
        (b"\x7fELF\x01", "x", "", "application/x-executable"),
    ],
)
def test_content_decides_before_name_and_claim(body, name, claimed, media):
    assert media_type(body, name, claimed) == media


def test_office_files_are_told_from_archives():
    assert media_type(archive("[Content_Types].xml", "word/document.xml"), "a.zip") == DOCX
    assert media_type(archive("a.md"), "a.docx") == "application/zip"
    assert media_type(archive("[Content_Types].xml", "xl/book.xml")).endswith("spreadsheetml.sheet")


def test_a_big_json_is_known_by_its_beginning():
    body = json.dumps({"type": "bundle", "id": "bundle--1", "objects": [{"x": "y" * 200_000}]})
    assert media_type(body.encode(), "x.json") == STIX


WORDS = "Злоумышленники использовали веб-сервис для управления и передачи файлов. " * 3


@pytest.mark.parametrize(
    ("body", "claimed", "encoding"),
    [
        (b"\xef\xbb\xbf" + WORDS.encode(), "", "utf-8"),
        (WORDS.encode("utf-16"), "", "utf-16"),
        (WORDS.encode(), "text/html; charset=iso-8859-1", "utf-8"),
        (WORDS.encode("cp1251"), 'text/html; charset="windows-1251"', "cp1251"),
        (b"<meta charset=windows-1251>" + WORDS.encode("cp1251"), "", "cp1251"),
        (b"<meta charset=nonsense>" + WORDS.encode("koi8-r"), "text/html;charset=koi8-r", "koi8-r"),
    ],
)
def test_encodings_by_mark_validity_and_declaration(body, claimed, encoding):
    text, found = decode(body, claimed, html=True)
    assert found == encoding
    assert text.endswith(WORDS)


def test_an_undeclared_encoding_is_detected():
    assert decode(WORDS.encode("cp1251"))[0] == WORDS


def test_latin_1_means_windows_1252_as_in_browsers():
    assert decode(b"\x93x\x94 caf\xe9", "text/html; charset=ISO-8859-1")[0] == "“x” café"


def test_a_few_bad_bytes_do_not_change_the_encoding():
    text, encoding = decode((WORDS * 20).encode() + b"\xff")
    assert encoding == "utf-8"
    assert text.startswith(WORDS)


@pytest.mark.parametrize("name", ["rot13", "zlib", "idna", "utf-7", "undefined", "\x00", "x" * 40])
def test_codecs_that_are_no_encodings_are_passed_over(name):
    assert decode(b"caf\xe9", f"text/html; charset={name}")[0].startswith("caf")
