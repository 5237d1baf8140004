"""DOCX: headings, lists, tables and notes; what Word does not show stays out."""

from __future__ import annotations

import collections
import contextlib
import datetime
import io
import zipfile

import docx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor

from ctimine.errors import BrokenDocument
from ctimine.model import Snapshot
from ctimine.read import read
from ctimine.read.docx import read_docx


def saved(document):
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def reading(document):
    return read_docx(Snapshot("s", "a.docx", saved(document)))


def blocks(found):
    return [
        (block.kind, block.level, found.text[block.start : block.end]) for block in found.blocks
    ]


def rows(found):
    table = collections.defaultdict(dict)
    for block in found.blocks:
        if block.kind == "table_cell":
            table[block.row][block.column] = found.text[block.start : block.end]
    return [table[key] for key in sorted(table)]


@pytest.fixture
def document():
    return docx.Document()


def test_titles_headings_lists_and_paragraphs(document):
    document.add_heading("Silver Raven", 0)
    document.add_heading("The way in", 1)
    document.add_paragraph("It used T1566.001.")
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph("second", style="List Number")
    document.add_paragraph("said so", style="Quote")
    document.add_paragraph("Figure 1", style="Caption")
    assert blocks(reading(document)) == [
        ("heading", 1, "Silver Raven"),
        ("heading", 2, "The way in"),
        ("paragraph", 0, "It used T1566.001."),
        ("list_item", 1, "first"),
        ("list_item", 1, "second"),
        ("quote", 0, "said so"),
        ("caption", 0, "Figure 1"),
    ]


def test_tables_keep_rows_and_cells_that_span(document):
    table = document.add_table(rows=3, cols=3)
    for at, words in enumerate(["Tactic", "ID", "Use"]):
        table.cell(0, at).text = words
    table.cell(1, 0).merge(table.cell(2, 0)).text = "Exfiltration"
    table.cell(1, 1).text, table.cell(1, 2).text = "T1567", "mail"
    table.cell(2, 1).text, table.cell(2, 2).text = "T1020", "nightly"
    found = reading(document)
    assert rows(found) == [
        {0: "Tactic", 1: "ID", 2: "Use"},
        {0: "Exfiltration", 1: "T1567", 2: "mail"},
        {0: "Exfiltration", 1: "T1020", 2: "nightly"},
    ]
    assert [block.row for block in found.blocks if block.header] == [0, 0, 0]


def test_hidden_white_and_deleted_runs_stay_out(document):
    paragraph = document.add_paragraph("seen ")
    paragraph.add_run("vanished T1001 ").font.hidden = True
    paragraph.add_run("white T1002 ").font.color.rgb = RGBColor(255, 255, 255)
    paragraph.add_run("tiny T1003 ").font.size = Pt(1)
    deleted = OxmlElement("w:del")
    run = OxmlElement("w:r")
    text = OxmlElement("w:delText")
    text.text = "deleted T1004"
    run.append(text)
    deleted.append(run)
    paragraph._p.append(deleted)
    paragraph.add_run("too")
    found = reading(document)
    assert found.text == "seen too"
    assert found.warnings == ("3 hidden runs left out",)


def test_white_text_in_a_shaded_cell_is_seen(document):
    cell = document.add_table(rows=1, cols=1).cell(0, 0)
    shade = OxmlElement("w:shd")
    shade.set(qn("w:fill"), "1F3864")
    cell._tc.get_or_add_tcPr().append(shade)
    cell.paragraphs[0].add_run("Technique").font.color.rgb = RGBColor(255, 255, 255)
    assert reading(document).text == "Technique"


def test_links_keep_their_words(document):
    paragraph = document.add_paragraph("see ")
    key = document.part.relate_to(
        "https://lab.example/1",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink",
        is_external=True,
    )
    link = OxmlElement("w:hyperlink")
    link.set(qn("r:id"), key)
    run = OxmlElement("w:r")
    text = OxmlElement("w:t")
    text.text = "the report"
    run.append(text)
    link.append(run)
    paragraph._p.append(link)
    found = reading(document)
    assert found.text == "see the report"
    assert [(found.text[a.start : a.end], a.url) for a in found.links] == [
        ("the report", "https://lab.example/1")
    ]


def test_core_properties_are_facts(document):
    document.core_properties.title = "Silver Raven"
    document.core_properties.author = "A. Author"
    document.core_properties.created = datetime.datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001
    document.add_paragraph("It used T1566.001.")
    report = read(Snapshot("s", "a.docx", saved(document)))
    assert (report.title, report.authors, report.published) == (
        "Silver Raven",
        ("A. Author",),
        "2024-05-06T07:08:09Z",
    )


def test_text_controls_and_boxes_are_read(document):
    body = document.element.body
    control, content = OxmlElement("w:sdt"), OxmlElement("w:sdtContent")
    control.append(content)
    inner = document.add_paragraph("in a control")._p
    content.append(inner)
    body.insert(0, control)
    assert reading(document).text == "in a control"


def repacked(body, change):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def test_a_bomb_is_broken_before_it_is_unpacked(document):
    body = repacked(
        saved(document),
        lambda name, part: part + b" " * (80 << 20) if name == "word/document.xml" else part,
    )
    with pytest.raises(BrokenDocument, match="unpacks"):
        read(Snapshot("s", "a.docx", body))


def with_entity(document, declaration, reference):
    document.add_paragraph("fine")

    def change(name, part):
        if name != "word/document.xml":
            return part
        head = b'<?xml version="1.0"?><!DOCTYPE d [' + declaration + b"]>"
        return head + part.split(b"?>", 1)[1].replace(b"fine", b"fine" + reference)

    return Snapshot("s", "a.docx", repacked(saved(document), change))


def test_files_outside_are_not_drawn_in(document):
    snapshot = with_entity(document, b'<!ENTITY e SYSTEM "file:///etc/passwd">', b"&e;")
    assert read_docx(snapshot).text == "fine"


def test_entities_do_not_multiply(document):
    declaration = b'<!ENTITY a "' + b"x" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">'
    snapshot = with_entity(document, declaration, b"&b;" * 50)
    with contextlib.suppress(BrokenDocument):  # newer versions of libxml2 refuse the file
        assert read_docx(snapshot).text == "fine"


@pytest.mark.parametrize("part", ["word/document.xml", "[Content_Types].xml", "word/styles.xml"])
def test_a_broken_part_is_a_broken_document(document, part):
    document.add_paragraph("fine")
    body = repacked(saved(document), lambda name, data: data[:40] if name == part else data)
    with pytest.raises(BrokenDocument):
        read(Snapshot("s", "a.docx", body))
