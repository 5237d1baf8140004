"""Mail: header fields as facts, the text part as text, attachments named."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from ctimine.model import Snapshot
from ctimine.read import read


def mail(**fields):
    message = EmailMessage()
    message["Subject"] = "Re: Advisory 7: Silver Raven"
    message["From"] = "Port Watch <watch@lab.example>"
    message["Date"] = "Tue, 08 Jul 2025 11:30:00 +0200"
    for name, value in fields.items():
        message[name] = value
    return message


def read_mail(message, name="a.eml"):
    body = message if isinstance(message, bytes) else bytes(message)
    return read(Snapshot("s", name, body))


def test_header_fields_are_title_date_and_author():
    message = mail()
    message.set_content("Silver Raven used T1102.002.\n")
    report = read_mail(message)
    assert (report.title, report.published, report.authors) == (
        "Advisory 7: Silver Raven",
        "2025-07-08T09:30:00Z",
        ("Port Watch",),
    )
    assert report.text == "Silver Raven used T1102.002."


def test_the_html_part_is_read_with_its_structure_and_only_once():
    message = mail()
    message.set_content("plain T1001")
    message.add_alternative("<h1>Case</h1><p>It used <b>T1102</b>.</p>", subtype="html")
    report = read_mail(message)
    assert report.text == "Case\n\nIt used T1102."
    assert report.title == "Advisory 7: Silver Raven"


def test_an_html_part_without_words_gives_way_to_the_plain_one():
    message = mail()
    message.set_content("plain T1001")
    message.add_alternative("<img src='cid:x'>", subtype="html")
    assert read_mail(message).text == "plain T1001"


def test_attachments_are_named():
    message = mail()
    message.set_content("see attached")
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="r.pdf")
    facts = [fact.value for fact in read_mail(message).facts]
    assert "attachment not read: r.pdf (application/pdf, 8 bytes)" in facts


def test_a_declared_charset_is_used():
    message = mail()
    message.set_content("Группа использовала T1102", charset="koi8-r", cte="base64")
    assert read_mail(message).text == "Группа использовала T1102"


def test_a_saved_page_is_read_and_knows_its_address():
    page = (
        b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://lab.example/blog/1\r\n"
        b"Subject: Silver Raven\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/related; type="text/html"; boundary="B"\r\n\r\n'
        b"--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        b"<html><body><p>It used T1102.</p></body></html>\r\n"
        b"--B\r\nContent-Type: image/png\r\nContent-Location: https://lab.example/x.png\r\n\r\n"
        b"PNG\r\n--B--\r\n"
    )
    report = read_mail(page, "page.mht")
    assert (report.text, report.url, report.authors) == (
        "It used T1102.",
        "https://lab.example/blog/1",
        (),
    )


@pytest.mark.parametrize(
    "header",
    [
        b"Date: someday",
        b"Date: Thu, 99 Foo 2025 99:99:99",
        b"From: =?utf-8?b?broken",
        b"From: <<<>>>,,,",
        b"Subject: =?no-such-charset?q?x?=",
        b"Content-Type: text/plain; charset=no-such",
        b"Content-Type: multipart/mixed",
        b"Content-Type: ;;;",
        b"Content-Transfer-Encoding: base65",
    ],
)
def test_odd_headers_do_not_lose_the_text(header):
    body = b"Message-ID: <1@x>\nFrom: a@b.example\n" + header + b"\n\nIt used T1102.\n"
    assert read_mail(body).text == "It used T1102."
