"""Writes the two sample reports that cannot be written by hand: a PDF and a DOCX.

    python scripts/build_sample_files.py corpora/samples

Both are ours from the first word to the last; the actors in them are invented. Run it after a
change here and commit the two files. Needs ``fpdf2`` beside ctimine's own dependencies.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

PDF_TITLE = "UAC-9907: eleven months in a shipyard's mail"
PDF_PARTS: list[tuple[str, str | list[list[str]]]] = [
    (
        "Summary",
        "UAC-9907 read the mail of a shipyard for eleven months. The group came in through a "
        "stolen account (T1078.004) and never needed malware on a workstation. This paper "
        "describes how UAC-9907 worked and how it was found.",
    ),
    (
        "The way in",
        "In October 2023 UAC-9907 asked an engineer to approve a sign-in on a device of the "
        "group's own. The engineer approved it. The group registered the device as a second "
        "factor (T1098.005) and came back whenever it liked.",
    ),
    (
        "The way out",
        "UAC-9907 set a forwarding rule on four mailboxes (T1114.003). Attachments went to a "
        "folder of a cloud storage service that the group had opened under the name of the "
        "shipyard (T1567.002). A note on the same service told a script which mailboxes to read "
        "next; the script never answered (T1102.003).",
    ),
    (
        "ATT&CK mapping",
        [
            ["Tactic", "ID", "Technique", "Observed"],
            ["Initial Access", "T1078.004", "Cloud Accounts", "Account of an engineer"],
            ["Persistence", "T1098.005", "Device Registration", "Second factor of the group"],
            ["Collection", "T1114.003", "Email Forwarding Rule", "Four mailboxes"],
            ["Exfiltration", "T1567.002", "Exfiltration to Cloud Storage", "Attachments"],
            ["Command and Control", "T1102.003", "One-Way Communication", "A note for a script"],
        ],
    ),
    (
        "What it was not",
        "No evidence was found that UAC-9907 encrypted anything (T1486). We assess with moderate "
        "confidence that UAC-9907 probably bought the account from a broker (T1650).",
    ),
    (
        "Recommendations",
        "Alert on new forwarding rules (T1114.003). Require approval for new devices, and review "
        "T1098.005 once a month.",
    ),
]


def build_pdf(target: Path) -> None:
    """Write the PDF; the same bytes on every run."""
    from fpdf import FPDF
    from fpdf.enums import XPos, YPos

    when = datetime.datetime(2024, 11, 4, 9, 0, tzinfo=datetime.UTC)
    pdf = FPDF(format="A4")
    pdf.set_creation_date(when)
    pdf.set_title(PDF_TITLE)
    pdf.set_author("Quill Labs")
    pdf.set_margin(20)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 20)
    pdf.multi_cell(0, 10, PDF_TITLE, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_font("Helvetica", "", 10)
    pdf.multi_cell(0, 6, "Quill Labs, 4 November 2024", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    for heading, body in PDF_PARTS:
        pdf.ln(4)
        pdf.set_font("Helvetica", "B", 14)
        pdf.multi_cell(0, 8, heading, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.set_font("Helvetica", "", 11)
        if isinstance(body, str):
            pdf.multi_cell(0, 6, body, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        else:
            with pdf.table(col_widths=(30, 22, 50, 48)) as table:
                for row in body:
                    cells = table.row()
                    for cell in row:
                        cells.cell(cell)
    pdf.output(str(target))


def build_docx(target: Path) -> None:
    """Write the DOCX."""
    import docx

    document = docx.Document()
    properties = document.core_properties
    properties.title = "Storm-9972 and the museum: a case note"
    properties.author = "P. Adeyemi"
    properties.created = datetime.datetime(2025, 5, 19, 10, 0)  # noqa: DTZ001 (naive by format)
    properties.modified = properties.created
    document.add_heading("Storm-9972 and the museum: a case note", level=0)
    document.add_heading("What happened", level=1)
    document.add_paragraph(
        "Storm-9972 entered the ticket shop of a museum through a flaw in its web server (T1190). "
        "The group planted a web shell (T1505.003) and stayed for a week."
    )
    document.add_paragraph(
        "Storm-9972 used a GitHub gist as a dead drop: the web shell read the next address from it "
        "(T1102.001)."
    )
    document.add_heading("Mapping", level=1)
    rows = [
        ("Technique", "ID", "Use"),
        ("Exploit Public-Facing Application", "T1190", "Flaw in the ticket shop"),
        ("Web Shell", "T1505.003", "One file in the upload folder"),
        ("Dead Drop Resolver", "T1102.001", "A gist held the next address"),
    ]
    table = document.add_table(rows=0, cols=3)
    for row in rows:
        cells = table.add_row().cells
        for cell, text in zip(cells, row, strict=True):
            cell.text = text
    document.add_heading("Advice", level=1)
    document.add_paragraph("Hunt for T1505.003 in every upload folder.", style="List Bullet")
    document.save(str(target))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    build_pdf(folder / "pdf" / "uac-9907-shipyard.pdf")
    build_docx(folder / "docx" / "storm-9972-museum.docx")
