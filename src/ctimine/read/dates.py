"""Dates as documents write them, as RFC 3339.

A day keeps being a day: a time is given only where the document states its zone. An order of day
and month that cannot be told (03/04/2024) is no date.
"""

from __future__ import annotations

import datetime
import re
from typing import Final

_MONTHS: Final[dict[str, int]] = {}
for _number, _names in enumerate(
    (
        "january jan januar janvier enero gennaio janeiro января январь січня styczeń stycznia",
        "february feb februar février fevrier febrero febbraio fevereiro февраля февраль лютого",
        "march mar märz maerz mars marzo março марта март березня marca",
        "april apr avril abril aprile апреля апрель квітня kwietnia",
        "may mai mayo maggio maio мая май травня maja",
        "june jun juni juin junio giugno junho июня июнь червня czerwca",
        "july jul juli juillet julio luglio julho июля июль липня lipca",
        "august aug août aout agosto августа август серпня sierpnia",
        "september sep sept septembre septiembre settembre setembro сентября сентябрь вересня",
        "october oct oktober okt octobre octubre ottobre outubro октября октябрь жовтня",
        "november nov novembre noviembre novembro ноября ноябрь листопада listopada",
        "december dec dezember dez décembre diciembre dicembre dezembro декабря декабрь грудня",
    ),
    start=1,
):
    for _name in _names.split():
        _MONTHS[_name] = _number

_MONTH: Final = "|".join(sorted(map(re.escape, _MONTHS), key=len, reverse=True))
_ISO: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)-(\d\d?)-(\d\d?)"
    r"(?:[T ]\s?(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?)?(?!\d)",
    re.IGNORECASE,
)
_SLASHED: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)[/.](\d\d?)[/.](\d\d?)(?!\d)")
_COMPACT: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])([0-3]\d)(?!\d)")
_DAY_FIRST: Final = re.compile(
    rf"(?<!\d)(\d\d?)(?:st|nd|rd|th|er|\.|º)?[\s\-]+(?:of\s+|de\s+)?({_MONTH})\.?,?[\s\-]+"
    r"(?:de\s+)?((?:19|20)\d\d)(?!\d)"
    r"(?:[\s,]+(\d\d):(\d\d)(?::(\d\d))?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    rf"(?<!\w)({_MONTH})\.?\s+(\d\d?)(?:st|nd|rd|th)?,?\s+((?:19|20)\d\d)(?!\d)", re.IGNORECASE
)
_DOTTED: Final = re.compile(r"(?<![\d.])(\d\d?)\.(\d\d?)\.((?:19|20)\d\d)(?!\.?\d)")
_UNSURE: Final = re.compile(r"(?<!\d)(\d\d?)/(\d\d?)/((?:19|20)\d\d)(?!\d)")
_EAST: Final = re.compile(r"((?:19|20)\d\d)\s?[年년]\s?(\d\d?)\s?[月월]\s?(\d\d?)\s?[日일]")
_MONTH_ONLY: Final = re.compile(
    rf"(?<!\w)({_MONTH})\.?,?\s+(?:de\s+)?((?:19|20)\d\d)(?!\d)|(?<!\d)((?:19|20)\d\d)-(\d\d)(?![\d-])",
    re.IGNORECASE,
)


def parse_date(text: str, *, months: bool = False) -> str:
    """The first date in a text as RFC 3339 day or UTC time; empty if there is none.

    With ``months``, a month without a day counts as its first day.

    >>> parse_date("March 12th, 2024"), parse_date("Fri, 12 Mar 2024 23:30:00 -0500")
    ('2024-03-12', '2024-03-13T04:30:00Z')
    >>> parse_date("03/04/2024"), parse_date("May 2023", months=True)
    ('', '2023-05-01')
    """
    best: tuple[int, str] | None = None
    for pattern, order in _FORMS:
        found = pattern.search(text)
        if found and (best is None or found.start() < best[0]):
            value = _value(found, order)
            if value:
                best = (found.start(), value)
    if best is None and months:
        found = _MONTH_ONLY.search(text)
        if found:
            name, year, numeric_year, number = found.groups()
            month = _MONTHS[name.lower()] if name else int(number)
            return _day(int(year or numeric_year), month, 1)
    return best[1] if best else ""


_FORMS: Final = (
    (_ISO, "ymd"),
    (_DAY_FIRST, "dmy"),
    (_MONTH_FIRST, "mdy"),
    (_SLASHED, "ymd"),
    (_EAST, "ymd"),
    (_DOTTED, "dmy"),
    (_UNSURE, "?"),
    (_COMPACT, "ymd"),
)


def _value(found: re.Match[str], order: str) -> str:
    groups = found.groups()
    if order == "?":
        first, second = int(groups[0]), int(groups[1])
        if first <= 12 and second <= 12 and first != second:
            return ""
        order = "mdy" if second > 12 else "dmy"
    parts = dict(zip(order, groups[:3], strict=True))
    month = _MONTHS.get(parts["m"].lower()) or (int(parts["m"]) if parts["m"].isdigit() else 0)
    day = _day(int(parts["y"]), month, int(parts["d"]))
    if not day or len(groups) < 7 or not groups[3] or not groups[6]:
        return day
    return _utc(day, groups[3], groups[4], groups[5] or "00", groups[6].upper()) or day


def _day(year: int, month: int, day: int) -> str:
    try:
        return datetime.date(year, month, day).isoformat()
    except ValueError:
        return ""


def _utc(day: str, hour: str, minute: str, second: str, zone: str) -> str:
    offset = "+00:00" if zone in {"Z", "UTC", "GMT"} else zone
    if ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        moment = datetime.datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{offset}")
        return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return ""
