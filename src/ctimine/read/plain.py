"""Plain text → blocks: paragraphs at empty lines, lists, indented code, underlined headings."""

from __future__ import annotations

import re
from typing import Final

from ctimine.model import Snapshot
from ctimine.read.media import decode
from ctimine.read.text import Reading, TextBuilder, Words

_UNDERLINE: Final = re.compile(r"(={3,}|-{3,}|~{3,}|\*{3,}|#{3,}|_{3,})\s*")
_RULE: Final = re.compile(r"\s*(?:[-=_*~#+]\s?){3,}\s*")
_NUMBERED: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3}|[IVX]{1,5}|[A-H])[.)]?\s+\S.{0,90}")
_ITEM: Final = re.compile(
    r"([ \t]*)(?:[-*+•·–‣◦▪]|\(?\d{1,3}[.)]|\(?[a-z][.)]|\[\d{1,3}\])[ \t]+(\S.*)"
)
_FIELD: Final = re.compile(r"\s*[A-Z][\w ]{2,30}:\s")
_LONGEST_HEADING: Final = 100
_WRAPPED: Final = 50
"""Characters from which a line is taken to have been broken for its length."""


def read_plain(snapshot: Snapshot) -> Reading:
    """The text of a plain text file."""
    source, _ = decode(snapshot.body, snapshot.media_type)
    return read_plain_text(source)


def read_plain_text(source: str) -> Reading:
    r"""What a plain text says.

    >>> reading = read_plain_text("NOTES\n=====\n\nIt used\nPastebin.\n\n- one\n")
    >>> [(block.kind, reading.text[block.start:block.end]) for block in reading.blocks]
    [('heading', 'NOTES'), ('paragraph', 'It used\nPastebin.'), ('list_item', 'one')]
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n").split("\n")
    text = TextBuilder()
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
        _paragraph(lines[at:end], text, first=not text.blocks)
        at = end
    return text.reading()


def _paragraph(lines: list[str], text: TextBuilder, *, first: bool) -> None:
    lines = list(lines)
    while lines and _RULE.fullmatch(lines[0]):
        del lines[0]
    if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]) and len(lines[0]) <= _LONGEST_HEADING:
        text.add("heading", lines[0], level=1 if lines[1][0] in "=#*" else 2)
        _paragraph(lines[2:], text, first=False)
        return
    lines = [line for line in lines if not _RULE.fullmatch(line)]
    if not lines:
        return
    if len(lines) == 1 and _is_heading(lines[0], first=first):
        level = 1 if first else 2 + lines[0].split(" ")[0].rstrip(".").count(".")
        text.add("heading", lines[0], level=level)
    elif _ITEM.fullmatch(lines[0]):
        _items(lines, text)
    elif all(line[:4] == "    " or line[:1] == "\t" for line in lines) and _is_code(lines):
        text.add("code", "\n".join(lines))
    else:
        _running(lines, text)


def _running(lines: list[str], text: TextBuilder) -> None:
    """A paragraph, up to the line where a list begins in it."""
    for number, line in enumerate(lines):
        if number and _ITEM.fullmatch(line) and lines[number - 1].rstrip().endswith(":"):
            _add_lines(lines[:number], text)
            _items(lines[number:], text)
            return
    _add_lines(lines, text)


def _add_lines(lines: list[str], text: TextBuilder) -> None:
    """Lines that were wrapped become one again; short lines, as in a letterhead, stay lines."""
    words = Words()
    for number, line in enumerate(lines):
        if number:
            wrapped = len(lines[number - 1].strip()) >= _WRAPPED and not _FIELD.match(line)
            if wrapped:
                words.gap()
            else:
                words.line()
        words.say(line)
    text.add("paragraph", words)


def _items(lines: list[str], text: TextBuilder) -> None:
    open_item: list[str] = []
    depth = 1
    margin = -1
    for line in lines:
        found = _ITEM.fullmatch(line)
        if found:
            if open_item:
                text.add("list_item", " ".join(open_item), level=depth)
            indent = len(found.group(1).expandtabs(4))
            margin = indent if margin < 0 else margin
            depth = 1 + max(indent - margin, 0) // 2
            open_item = [found.group(2)]
        else:
            open_item.append(line.strip())
    if open_item:
        text.add("list_item", " ".join(open_item), level=depth)


def _is_heading(line: str, *, first: bool) -> bool:
    words = line.strip()
    if not 2 < len(words) <= _LONGEST_HEADING or words[-1] in ".,;:!?…" or line[:1].isspace():
        return False
    if first or words.isupper():
        return any(c.isalpha() for c in words)
    return bool(_NUMBERED.fullmatch(words)) and any(c.isupper() for c in words)


def _is_code(lines: list[str]) -> bool:
    """Whether indented lines look like commands or code and not like an indented quotation."""
    joined = "\n".join(lines)
    marks = sum(joined.count(mark) for mark in "{}=;|<>$\\()/_")
    return marks * 25 > len(joined) or bool(re.search(r"^\s+[$#>]\s", joined, re.MULTILINE))
