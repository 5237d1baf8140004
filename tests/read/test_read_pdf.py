"""PDF: paragraphs, headings, lists and tables from what pages show; what is hidden stays out."""

from __future__ import annotations

import collections
import os
import re
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import TextMode, XPos, YPos

from ctimine.errors import BrokenDocument, EmptyDocument
from ctimine.model import Snapshot
from ctimine.read import read
from ctimine.read.pdf import pdf_date, read_pdf

NEXT = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
PROSE = (
    "Silver Raven came in through a stolen account and stayed for eleven months. It read the mail "
    "of the yard every night and never needed malware on a workstation. "
)


class Paper(FPDF):
    """A paper with a running header and page numbers."""

    running = False

    def header(self):
        if self.running:
            self.set_font("helvetica", size=8)
            self.cell(0, 8, f"Lab note 7 - issue {self.page_no()}", **NEXT)

    def footer(self):
        if self.running:
            self.set_y(-12)
            self.set_font("helvetica", size=8)
            self.cell(0, 8, f"Page {self.page_no()} of 3", align="C")

    def heading(self, text, size=16):
        self.set_font("helvetica", "B", size)
        self.cell(0, 12, text, **NEXT)
        self.body()

    def body(self, style="", size=10):
        self.set_font("helvetica", style, size)

    def para(self, text):
        self.multi_cell(0, 5, text, **NEXT)
        self.ln(4)


@pytest.fixture
def paper():
    pdf = Paper()
    pdf.add_page()
    pdf.body()
    return pdf


def reading(pdf, name="a.pdf"):
    return read_pdf(Snapshot("s", name, bytes(pdf.output())))


def blocks(found, kind=None):
    return [
        found.text[block.start : block.end] for block in found.blocks if kind in {None, block.kind}
    ]


def rows(found):
    table = collections.defaultdict(dict)
    for block in found.blocks:
        if block.kind == "table_cell":
            table[block.table, block.row][block.column] = found.text[block.start : block.end]
    return [table[key] for key in sorted(table)]


def test_lines_become_paragraphs_under_headings(paper):
    paper.heading("The way in")
    paper.para(PROSE * 2)
    paper.para("It left in May. " * 12)
    found = reading(paper)
    assert blocks(found, "heading") == ["The way in"]
    assert blocks(found, "paragraph") == [(PROSE * 2).strip(), ("It left in May. " * 12).strip()]
    assert found.blocks[1].path == ("The way in",)


def test_larger_text_is_a_higher_heading(paper):
    for text, size in (("Title", 24), ("Part", 18), ("Section", 14)):
        paper.heading(text, size)
        paper.para(PROSE * 3)
    levels = [block.level for block in reading(paper).blocks if block.kind == "heading"]
    assert levels == [1, 2, 3]


def test_a_bold_line_above_text_is_a_heading(paper):
    paper.para(PROSE * 3)
    paper.body("B")
    paper.cell(0, 8, "Persistence", **NEXT)
    paper.body()
    paper.para(PROSE * 2)
    assert blocks(reading(paper), "heading") == ["Persistence"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["the group used spear-", "phishing and infra-", "structure of others"],
         "the group used spear-phishing and infrastructure of others"),
        (["the bug CVE-2024-", "21412 was used in T1566.", "001 by them"],
         "the bug CVE-2024-21412 was used in T1566.001 by them"),
        (["a command-and-", "control server and Anglo-", "Saxon names"],
         "a command-and-control server and Anglo-Saxon names"),
    ],
)  # fmt: skip
def test_hyphens_at_line_ends_are_undone_where_they_are_the_lines(paper, lines, text):
    for line in lines:
        paper.cell(0, 5, line, **NEXT)
    assert blocks(reading(paper)) == [text]


def test_running_lines_and_page_numbers_go(paper):
    pdf = Paper()
    pdf.running = True
    for number in range(3):
        pdf.add_page()
        pdf.body()
        pdf.para(f"Chapter {'abc'[number]}. " + PROSE * 3)
    text = reading(pdf).text
    assert "Lab note" not in text
    assert "Page " not in text
    assert text.count("Chapter") == 3


def test_a_paragraph_goes_on_over_the_page(paper):
    pdf = Paper()
    pdf.add_page()
    pdf.body()
    pdf.set_y(-60)
    pdf.multi_cell(0, 5, PROSE * 8)
    assert blocks(reading(pdf), "paragraph") == [(PROSE * 8).strip()]


MAPPING = [
    ["Tactic", "Technique", "ID", "Use"],
    ["Initial Access", "Spearphishing Attachment", "T1566.001",
     "Mails about a tender with an archive that holds a link file, sent to eight yards in spring"],
    ["Command and Control", "Dead Drop Resolver", "T1102.001", "A note on a paste site"],
    ["Exfiltration", "Exfiltration to Cloud Storage", "T1567.002", "Archives of mail"],
]  # fmt: skip


@pytest.mark.parametrize("layout", ["ALL", "HORIZONTAL_LINES", "SINGLE_TOP_LINE", "NONE"])
def test_a_mapping_table_keeps_its_rows(paper, layout):
    paper.para(PROSE)
    with paper.table(
        borders_layout=layout, col_widths=(3, 4, 2, 6), first_row_as_headings=True
    ) as table:
        for line in MAPPING:
            table.row(line)
    paper.ln(5)
    paper.para(PROSE)
    found = reading(paper)
    assert rows(found) == [dict(enumerate(line)) for line in MAPPING]
    headers = [block for block in found.blocks if block.header]
    assert [found.text[b.start : b.end] for b in headers] == MAPPING[0]
    assert blocks(found, "paragraph") == [PROSE.strip(), PROSE.strip()]


def test_rows_between_three_rules_stay_rows(paper):
    """As books set tables: a rule above, one under the header and one below, none between rows."""
    paper.para(PROSE)
    widths = (45, 55, 25, 45)

    def rule():
        paper.line(paper.l_margin, paper.get_y(), paper.l_margin + sum(widths), paper.get_y())

    rule()
    for number, line in enumerate([MAPPING[0], *([*row[:3], "A use"] for row in MAPPING[1:])]):
        for width, text in zip(widths, line, strict=True):
            paper.cell(width, 6, text[:20])
        paper.ln()
        if number == 0:
            rule()
    rule()
    found = rows(reading(paper))
    assert [row[2] for row in found] == ["ID", "T1566.001", "T1102.001", "T1567.002"]
    assert all(len(row) == 4 for row in found)


def test_a_table_goes_on_over_the_page_without_a_second_header(paper):
    lines = [MAPPING[0], *(["Discovery", "System Owner", f"T1{n:03}", "x"] for n in range(60))]
    with paper.table(col_widths=(3, 4, 2, 6)) as table:
        for line in lines:
            table.row(line)
    found = reading(paper)
    assert {block.table for block in found.blocks if block.table >= 0} == {0}
    assert rows(found) == [dict(enumerate(line)) for line in lines]


def test_two_columns_of_text_are_no_table(paper):
    with paper.text_columns(ncols=2, gutter=8, text_align="L") as columns:
        columns.write(PROSE * 14)
    found = reading(paper)
    assert not rows(found)
    assert " ".join(found.text.split()) == (PROSE * 14).strip()


def test_code_keeps_its_lines_and_aligned_code_is_no_table(paper):
    paper.para(PROSE)
    paper.set_font("courier", size=9)
    code = ["title:   rule", "status:  test", "level:   high", "  id:    T1059"]
    for line in code:
        paper.cell(0, 4, line, **NEXT)
    found = reading(paper)
    assert blocks(found, "code") == ["\n".join(code)]
    assert not rows(found)


def test_bullets_are_list_items(paper):
    paper.para(PROSE)
    for item in ("- first thing", "- second thing"):
        paper.cell(0, 5, item, **NEXT)
    assert blocks(reading(paper), "list_item") == ["first thing", "second thing"]


def test_links_keep_their_words(paper):
    paper.cell(0, 5, "See")
    paper.ln()
    paper.cell(0, 5, "the first report", link="https://lab.example/1", **NEXT)
    found = reading(paper)
    assert [(found.text[link.start : link.end], link.url) for link in found.links] == [
        ("the first report", "https://lab.example/1")
    ]


def test_white_tiny_and_invisible_text_stays_out(paper):
    paper.para(PROSE)
    paper.set_text_color(255, 255, 255)
    paper.cell(0, 5, "WHITE T1001", **NEXT)
    paper.set_fill_color(20, 20, 80)
    paper.cell(0, 5, "GROUND T1002", fill=True, **NEXT)
    paper.set_text_color(0, 0, 0)
    with paper.local_context(text_mode=TextMode.INVISIBLE):
        paper.cell(0, 5, "INVISIBLE T1003", **NEXT)
    paper.set_font("helvetica", size=1)
    paper.cell(0, 5, "TINY T1004", **NEXT)
    paper.body()
    paper.text(-300, 50, "OUTSIDE T1005")
    found = reading(paper)
    assert re.findall(r"[A-Z]{4,} T\d{4}", found.text) == ["GROUND T1002"]
    assert any("hidden" in warning for warning in found.warnings)


def test_metadata_are_facts_and_junk_titles_are_refused(paper):
    paper.heading("Silver Raven at sea", 24)
    paper.para(PROSE * 3)
    paper.set_title("Microsoft Word - draft7.docx")
    paper.set_author("A. Author")
    report = read(Snapshot("s", "x.pdf", bytes(paper.output())))
    assert report.title == "Silver Raven at sea"
    assert report.authors == ("A. Author",)


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("D:20241104110000+02'00'", "2024-11-04T09:00:00Z"),
        ("D:20241104110000Z", "2024-11-04T11:00:00Z"),
        ("D:20241104110000-0530", "2024-11-04T16:30:00Z"),
        ("D:20241104110000", "2024-11-04"),
        ("20241104", "2024-11-04"),
        ("D:20241399", ""),
        ("D:00010101000000+23'00'", ""),
        ("today", ""),
    ],
)
def test_pdf_dates(value, date):
    assert pdf_date(value) == date


def test_an_encrypted_pdf_says_so(paper):
    paper.para(PROSE)
    paper.set_encryption(owner_password="o", user_password="u")
    with pytest.raises(BrokenDocument, match="password"):
        reading(paper)


@pytest.mark.parametrize("cut", [9, 200, 600])
def test_a_truncated_pdf_is_broken_or_read(paper, cut):
    paper.para(PROSE)
    body = bytes(paper.output())[:cut]
    with pytest.raises((BrokenDocument, EmptyDocument)):
        read(Snapshot("s", "a.pdf", body))


def test_a_pdf_of_pictures_is_empty(paper):
    with pytest.raises(EmptyDocument):
        read(Snapshot("s", "a.pdf", bytes(paper.output())))


def test_hebrew_in_page_order_is_flagged(paper):
    from ctimine.read.pdf import _backwards

    right = "שלום עולם הם רצים אל המים בין העצים"
    assert not _backwards(right)
    assert _backwards(" ".join(word[::-1] for word in right.split()))


@pytest.mark.data
def test_real_papers_hold_every_id_of_their_web_pages():
    """A paper and the page that it was printed from hold the same ids, each as often."""
    data = os.environ.get("CTIMINE_DATA")
    if not data:
        pytest.skip("CTIMINE_DATA is not set")
    written = re.compile(r"(?<![A-Za-z0-9.\-])T1\d{3}(?:[./]\d{3})?(?![0-9])")
    compared = 0
    for path in sorted(Path(data, "corpora", "1200km").rglob("*.pdf")):
        twin = path.with_suffix(".html")
        if not twin.exists():
            continue
        paper, page = (
            collections.Counter(written.findall(read(Snapshot("s", p.name, p.read_bytes())).text))
            for p in (path, twin)
        )
        assert paper == page, path.name
        compared += sum(page.values())
    assert compared > 300
