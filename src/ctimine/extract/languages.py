"""What is left unsaid of a report because of its language, and text that runs backwards.

Ids and names are found in any language and script. Stance, described techniques and abused services
have rules for English alone: of another language they say nothing, and the report is told so.
"""

from __future__ import annotations

import re
from typing import Final

from ctimine.extract.behaviours import silence
from ctimine.model import Report

_FINAL: Final = "ךםןףץ"
"""Letters of Hebrew that stand only at the end of a word."""
_HEBREW: Final = re.compile(r"[\u05d0-\u05ea]{2,}")
_ARABIC: Final = re.compile(r"[\u0621-\u064a]{4,}")
_SAMPLE: Final = 50_000
_ENOUGH: Final = 5
"""Words that speak for one direction, from which a text is judged."""


def other_language(report: Report) -> str:
    """The language of a report that the rules do not know (``?`` where it is not told), or empty.

    >>> other_language(Report("r", "s", "i", "Le groupe a fait cela.", language="fr"))
    'fr'
    >>> other_language(Report("r", "s", "i", "The group did it."))
    ''
    """
    if not silence(report):
        return ""
    if report.language:
        return report.language
    # Nobody told the language, and lists of names and numbers are like no language.
    letters = [letter for letter in report.text[:_SAMPLE] if letter.isalpha()]
    ascii_letters = sum(letter.isascii() for letter in letters)
    return "?" if ascii_letters < 0.8 * len(letters) else ""


def runs_backwards(text: str) -> bool:
    """Whether Hebrew or Arabic words stand in the text last letter first, as some PDFs give them.

    Told by letters that end a word in Hebrew and by the article that begins one in Arabic.

    >>> words = "שלום עולם ושלום לכם מן העם"
    >>> runs_backwards(words), runs_backwards(words[::-1])
    (False, True)
    """
    right = wrong = 0
    for word in _HEBREW.findall(text, 0, _SAMPLE):
        right += word[-1] in _FINAL
        wrong += word[0] in _FINAL
    for word in _ARABIC.findall(text, 0, _SAMPLE):
        right += word.startswith("ال")
        wrong += word.endswith("لا")
    return wrong >= _ENOUGH and wrong > 3 * right


def reading_notes(report: Report) -> tuple[str, ...]:
    """What a reader of the results must know about a report's language; mostly nothing.

    >>> reading_notes(Report("r", "s", "i", "Le groupe a fait cela.", language="fr"))
    ('language fr: ids and names only; no rules of stance, described techniques and services',)
    """
    notes = []
    language = other_language(report)
    if language:
        notes.append(
            f"language {language}: ids and names only; no rules of stance, described techniques "
            f"and services"
        )
    if runs_backwards(report.text):
        notes.append("text runs backwards: right-to-left words stand last letter first")
    return tuple(notes)
