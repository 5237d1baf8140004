"""Mail (RFC 5322 with MIME) and saved pages (``.mht``): the message's text, header fields as facts.

Attachments are not read: each is named in the report's facts, so that nothing is lost unseen.
"""

from __future__ import annotations

import dataclasses
import datetime
import email
import email.policy
import email.utils
import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Final

from ctimine.model import Fact, Snapshot
from ctimine.read.text import Reading

_REPLY: Final = re.compile(r"^(?:(?:re|fw|fwd|aw|wg|tr)\s*:\s*)+", re.IGNORECASE)
_KEPT: Final = frozenset({"language", "url"})
"""Facts of the text part that still hold: a mail's title and date stand in its header."""


def read_mail(snapshot: Snapshot) -> Reading:
    r"""The text of a mail: its HTML part if it has one with words, else its plain part.

    >>> mail = b"Subject: Advisory 7\nFrom: Port Watch <w@lab.example>\n\nIt used T1102.\n"
    >>> reading = read_mail(Snapshot("s", "a.eml", mail))
    >>> reading.text, [(fact.field, fact.value) for fact in reading.facts]
    ('It used T1102.', [('title', 'Advisory 7'), ('author', 'Port Watch')])
    """
    message = email.message_from_bytes(snapshot.body, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    facts = list(_header_facts(message))
    reading: Reading | None = None
    html, plain = _part(message, "html"), _part(message, "plain")
    for part in (html, plain):
        if part is not None and (reading is None or not reading.text.strip()):
            reading = _read_part(part, snapshot)
    warnings = [
        f"attachment not read: {_describe(part)}"
        for part in message.walk()
        if part not in (message, html, plain) and _is_attachment(part)
    ]
    if reading is None:
        reading = _read_whole(message)
    kept = [fact for fact in reading.facts if fact.field in _KEPT]
    return dataclasses.replace(
        reading, facts=(*facts, *kept), warnings=(*reading.warnings, *warnings)
    )


def _part(message: EmailMessage, kind: str) -> EmailMessage | None:
    try:
        found = message.get_body(preferencelist=(kind,))
    except (AttributeError, IndexError, KeyError, LookupError, TypeError, ValueError):
        found = None  # malformed structures break the search in several ways
    if found is None and message.is_multipart():
        wanted = f"text/{kind}"
        found = next(
            (
                part
                for part in message.walk()
                if part.get_content_type() == wanted and not part.get_filename()
            ),
            None,
        )
    return found if isinstance(found, EmailMessage) else None


def _read_part(part: EmailMessage, snapshot: Snapshot) -> Reading:
    from ctimine.read.html import read_html
    from ctimine.read.plain import read_plain

    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or ""
    media = f"{part.get_content_type()}; charset={charset}" if charset else part.get_content_type()
    inner = dataclasses.replace(
        snapshot, body=body, media_type=media, headers=(("content-type", media),)
    )
    return read_html(inner) if part.get_content_subtype() == "html" else read_plain(inner)


def _read_whole(message: EmailMessage) -> Reading:
    """What stands below the header as plain text, where MIME parts are announced and missing."""
    from ctimine.read.plain import read_plain_text

    payload = message.get_payload()
    plain = isinstance(payload, str) and message.get_content_maintype() in {"multipart", "text"}
    return read_plain_text(str(payload)) if plain else Reading("")


def _header_facts(message: EmailMessage) -> Iterator[Fact]:
    subject = _REPLY.sub("", _field(message, "Subject"))
    if subject:
        yield Fact("title", subject, "mail header")
    date = _date(_field(message, "Date"))
    if date:
        yield Fact("published", date, "mail header")
    name, address = email.utils.parseaddr(_field(message, "From"))
    if (name or address) and "saved by" not in name.lower() and not address.startswith("Saved"):
        yield Fact("author", name or address, "mail header")
    place = _field(message, "Snapshot-Content-Location")  # as browsers save pages
    if place:
        yield Fact("url", place, "mail header")


def _field(message: EmailMessage, name: str) -> str:
    try:
        value = str(message.get(name, ""))
    except (AttributeError, IndexError, LookupError, TypeError, ValueError):
        value = next((str(v) for k, v in message.raw_items() if k.lower() == name.lower()), "")
    return " ".join(value.split())


def _date(value: str) -> str:
    try:
        moment = email.utils.parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (IndexError, OverflowError, TypeError, ValueError):
        return ""


def _is_attachment(part: EmailMessage) -> bool:
    """Whether somebody meant the part to be opened: not the pictures of the text."""
    if part.get_content_disposition() == "attachment" or part.get_filename():
        return part.get_content_maintype() != "image" or not part.get("Content-ID")
    return part.get_content_maintype() in {"application", "message"}


def _describe(part: EmailMessage) -> str:
    try:
        name = part.get_filename() or "unnamed"
    except (AttributeError, LookupError, TypeError, ValueError):
        name = "unnamed"
    payload = part.get_payload(decode=True)
    size = len(payload) if isinstance(payload, bytes) else 0
    return f"{' '.join(name.split())[:200]} ({part.get_content_type()}, {size} bytes)"
