"""What stands on a PDF page: words with their places, ruling lines, links; what is hidden is not.

PDFium says in which order the page's program writes its characters and where its lines end. The
rest is geometry, in points with the origin at the lower left.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import itertools
import re
import struct
from collections.abc import Iterator
from typing import Any, Final

import pypdfium2.raw as pdfium

MAX_OBJECTS: Final = 20_000
"""Drawn objects of one page that are looked at for ruling lines; diagrams have more."""
MAX_CHARACTERS: Final = 200_000
"""Characters of one page that are read."""
_NEST: Final = 4
_SAME: Final = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_TINY: Final = 1.5
"""Text lower than this many points is not for people."""
_WHITE: Final = 248
_HYPHEN: Final = "\x02"
"""PDFium's mark for a hyphen at the end of a line, with the two halves joined."""
_FIXED_PITCH: Final = 1
_MONO: Final = re.compile(
    r"mono|courier|consol|menlo|typewriter|\bcode|fixed|andale", re.IGNORECASE
)
_BOLD: Final = re.compile(r"bold|black|heavy|semib|demi", re.IGNORECASE)
_LIGATURES: Final = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)

Box = tuple[float, float, float, float]  # left, bottom, right, top
Matrix = tuple[float, float, float, float, float, float]


def _quick(function: Any, result: Any, *takes: Any) -> Any:
    """A function of PDFium that takes and gives addresses as numbers.

    For what is asked at every word: to make an object of each address takes longer than the answer.
    """
    address = ctypes.cast(function, ctypes.c_void_p).value
    return ctypes.PYFUNCTYPE(result, *takes)(address or 0)


_At: Final = ctypes.c_void_p
_Int: Final = ctypes.c_int
_object = _quick(pdfium.FPDFPage_GetObject, _At, _At, _Int)
_object_inside = _quick(pdfium.FPDFFormObj_GetObject, _At, _At, ctypes.c_ulong)
_object_kind = _quick(pdfium.FPDFPageObj_GetType, _Int, _At)
_box_at = _quick(pdfium.FPDFText_GetLooseCharBox, _Int, _At, _Int, _At)
_text_at = _quick(pdfium.FPDFText_GetTextObject, _At, _At, _Int)
_ink_at = _quick(pdfium.FPDFText_GetFillColor, _Int, _At, _Int, _At, _At, _At, _At)
_text_mode = _quick(pdfium.FPDFTextObj_GetTextRenderMode, _Int, _At)
_text_font = _quick(pdfium.FPDFTextObj_GetFont, _At, _At)
_UNSEEN_MODES: Final = frozenset(
    {pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP}
)
_FILLED_MODES: Final = frozenset(
    {pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP}
)


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


@dataclasses.dataclass(slots=True)
class Word:
    """A word and its box; ``line`` is the number of its line in writing order."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float
    bold: bool
    mono: bool
    line: int
    url: str = ""

    @property
    def x(self) -> float:
        """Middle, from left to right."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Middle, from bottom to top."""
        return (self.bottom + self.top) / 2


@dataclasses.dataclass(slots=True)
class Page:
    """One page as it is seen: words in writing order, horizontal and vertical rules."""

    width: float
    height: float
    words: list[Word]
    across: list[tuple[float, float, float]]  # y, left, right
    down: list[tuple[float, float, float]]  # x, bottom, top
    dots: list[tuple[float, float]] = dataclasses.field(default_factory=list)  # drawn bullets
    hidden: int = 0


def open_page(page: Any) -> Page:
    """The page of a PDFium document as :class:`Page`; the page object is closed afterwards."""
    try:
        width, height = page.get_size()
        drawn = _Drawn(page, width, height)
        words, hidden = _words(page, drawn)
        _mark_links(page, words)
        return Page(width, height, words, drawn.across, drawn.down, drawn.dots, hidden)
    finally:
        page.close()


# -- ruling lines and what lies behind text --------------------------------------------------------


class _Drawn:
    """Paths and pictures of a page: rules for tables, grounds that white text is seen on."""

    def __init__(self, page: Any, width: float, height: float) -> None:
        self.across: list[tuple[float, float, float]] = []
        self.down: list[tuple[float, float, float]] = []
        self.grounds: list[Box] = []
        self.dots: list[tuple[float, float]] = []
        self.pictures: list[Box] = []
        self.area = max(width * height, 1.0)
        self._left = MAX_OBJECTS
        count = pdfium.FPDFPage_CountObjects(page.raw)
        at = _address(page.raw)
        self._take((_object(at, number) for number in range(count)), _SAME, 0)

    def _take(self, objects: Iterator[int | None], matrix: Matrix, depth: int) -> None:
        for at in itertools.islice(objects, max(self._left, 0)):
            self._left -= 1
            kind = _object_kind(at)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                continue
            item = ctypes.cast(at or 0, pdfium.FPDF_PAGEOBJECT)
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                self._path(item, matrix)
            elif kind in {pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING}:
                box = _bounds(item, matrix)
                if box:
                    self.pictures.append(box)
            elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _NEST:
                count = pdfium.FPDFFormObj_CountObjects(item)
                inside = (_object_inside(at, number) for number in range(max(count, 0)))
                self._take(inside, _product(_matrix(item), matrix), depth + 1)

    def _path(self, item: Any, matrix: Matrix) -> None:
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        if not pdfium.FPDFPath_GetDrawMode(item, fill, stroke) or not (fill.value or stroke.value):
            return
        box = _bounds(item, matrix)
        if box is None:
            return
        left, bottom, right, top = box
        wide, high = right - left, top - bottom
        if 1 <= wide <= 6 and abs(wide - high) < 0.5:
            self.dots.append(((left + right) / 2, (bottom + top) / 2))
            return
        if min(wide, high) <= 3.5:  # a rule, as a stroke or as a thin rectangle
            if wide > high:
                self.across.append(((bottom + top) / 2, left, right))
            elif high > wide:
                self.down.append(((left + right) / 2, bottom, top))
            return
        ground = bool(fill.value) and not _is_white(item)
        if ground:
            self.grounds.append(box)
        segments = pdfium.FPDFPath_CountSegments(item)
        if segments <= 5:
            if (ground or stroke.value) and wide * high < 0.8 * self.area:
                self.across += [(bottom, left, right), (top, left, right)]
                self.down += [(left, bottom, top), (right, bottom, top)]
        elif stroke.value and segments <= 400:
            self._polyline(item, segments, _product(_matrix(item), matrix))

    def _polyline(self, item: Any, segments: int, matrix: Matrix) -> None:
        x, y = ctypes.c_float(), ctypes.c_float()
        last: tuple[float, float] | None = None
        for number in range(segments):
            segment = pdfium.FPDFPath_GetPathSegment(item, number)
            if not pdfium.FPDFPathSegment_GetPoint(segment, x, y):
                return
            at = _moved(x.value, y.value, matrix)
            if pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_LINETO and last:
                (a, b), (c, d) = last, at
                if abs(b - d) <= 1 < abs(a - c):
                    self.across.append((b, min(a, c), max(a, c)))
                elif abs(a - c) <= 1 < abs(b - d):
                    self.down.append((a, min(b, d), max(b, d)))
            last = at

    def shows_white(self, x: float, y: float) -> bool:
        """Whether something that is not white lies at the place."""
        return any(
            left <= x <= right and bottom <= y <= top
            for boxes in (self.grounds, self.pictures)
            for left, bottom, right, top in boxes
        )

    def scanned(self) -> bool:
        """Whether pictures cover most of the page, so that invisible text may be their OCR."""
        covered = sum((r - left) * (top - b) for left, b, r, top in self.pictures)
        return covered > self.area / 2


def _bounds(item: Any, matrix: Matrix) -> Box | None:
    a, b, c, d = ctypes.c_float(), ctypes.c_float(), ctypes.c_float(), ctypes.c_float()
    if not pdfium.FPDFPageObj_GetBounds(item, a, b, c, d):
        return None
    left, bottom, right, top = a.value, b.value, c.value, d.value
    if matrix == _SAME:
        return left, bottom, right, top
    corners = [_moved(x, y, matrix) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _matrix(item: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return _SAME
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _product(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (
        a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s,
        e * p + f * r + t, e * q + f * s + u,
    )  # fmt: skip


def _moved(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _is_white(item: Any) -> bool:
    parts = [ctypes.c_uint() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetFillColor(item, *parts):
        return False
    red, green, blue, alpha = (part.value for part in parts)
    return min(red, green, blue) >= _WHITE or alpha < 8


# -- words -----------------------------------------------------------------------------------------


def _words(page: Any, drawn: _Drawn) -> tuple[list[Word], int]:
    text = page.get_textpage()
    try:
        return _Characters(text.raw, drawn, page.get_size()).words()
    finally:
        text.close()


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """What the characters of one run share."""

    bold: bool
    mono: bool
    unseen: bool = False
    white: bool = False


_WORD: Final = re.compile("([^ \n\r\t\xa0\x02\ufffe]*)([ \n\r\t\xa0\x02\ufffe]|\\Z)")
_HYPHENS: Final = frozenset({_HYPHEN, "\ufffe"})
_HALVES: Final = re.compile("[\ud800-\udfff]")
_BOX: Final = struct.Struct("4f").unpack_from  # left, top, right, bottom, as in FS_RECTF
_BOXES: Final = struct.Struct("8f").unpack_from


class _Characters:
    """The characters of one page, gathered to words."""

    def __init__(self, raw: Any, drawn: _Drawn, size: tuple[float, float]) -> None:
        self.raw = raw
        self.at = _address(raw)
        self.drawn = drawn
        self.width, self.height = size
        self.runs: dict[int, _Run] = {}
        self.faces: dict[int, tuple[bool, bool]] = {}
        self.ink = (ctypes.c_uint * 4)()
        self.inks = tuple(ctypes.addressof(self.ink) + 4 * n for n in range(4))
        self.boxes = (pdfium.FS_RECTF * 2)()
        self.first_box = ctypes.addressof(self.boxes)
        self.last_box = self.first_box + ctypes.sizeof(pdfium.FS_RECTF)
        self.name = ctypes.create_string_buffer(256)

    def words(self) -> tuple[list[Word], int]:
        text = _text(self.raw, min(_count(self.raw), MAX_CHARACTERS))
        words: list[Word] = []
        hidden = line = 0
        for match in _WORD.finditer(text):
            letters, end = match.groups()
            hyphen = end in _HYPHENS
            if letters:
                word = self._word(letters, match.start(), match.end(1) - 1, line)
                if word is None:
                    hidden += 1
                else:
                    word.text += "-" if hyphen else ""
                    words.append(word)
            if hyphen or end == "\n":
                line += 1
        return words, hidden

    def _word(self, letters: str, first: int, last: int, line: int) -> Word | None:
        """The word, or None if it is not to be seen."""
        _box_at(self.at, first, self.first_box)
        run = self._run(first)
        mono = run.mono
        if first == last:
            left, top, right, bottom = _BOX(self.boxes)
        else:
            _box_at(self.at, last, self.last_box)
            left, top, right, bottom, a, b, c, d = _BOXES(self.boxes)
            left, top = min(left, a), max(top, b)
            right, bottom = max(right, c), min(bottom, d)
            mono = mono and self._run(last).mono
        if run.unseen or (top - bottom < _TINY and right - left < 4 * _TINY * len(_whole(letters))):
            return None
        x, y = (left + right) / 2, (bottom + top) / 2
        if not (-2 <= x <= self.width + 2 and -2 <= y <= self.height + 2):
            return None
        if run.white and not self.drawn.shows_white(x, y):
            return None
        size = round(top - bottom, 1)
        return Word(_whole(letters), left, bottom, right, top, size, run.bold, mono, line)

    def _run(self, at: int) -> _Run:
        """Face and ink of the run of text that the character belongs to."""
        thing = _text_at(self.at, at)
        run = self.runs.get(thing)
        if run is None:
            run = self._new_run(at, thing)
            if thing:
                self.runs[thing] = run
        return run

    def _new_run(self, at: int, thing: int | None) -> _Run:
        bold, mono = self._face_at(at, thing)
        mode = _text_mode(thing) if thing else pdfium.FPDF_TEXTRENDERMODE_FILL
        if mode in _UNSEEN_MODES:
            return _Run(bold, mono, unseen=not self.drawn.scanned())
        if mode not in _FILLED_MODES or not _ink_at(self.at, at, *self.inks):
            return _Run(bold, mono)
        red, green, blue, alpha = self.ink
        return _Run(bold, mono, unseen=alpha < 8, white=min(red, green, blue) >= _WHITE)

    def _face_at(self, at: int, thing: int | None) -> tuple[bool, bool]:
        """Whether the character is bold, and of one width: asked once a font."""
        key = _text_font(thing) if thing else None
        face = self.faces.get(key) if key else None
        if face is None:
            flags = ctypes.c_int()
            size = pdfium.FPDFText_GetFontInfo(self.raw, at, self.name, 256, flags)
            weight = pdfium.FPDFText_GetFontWeight(self.raw, at)
            face = _face(self.name.value if size else b"", flags.value, weight)
            if key:
                self.faces[key] = face
        return face


@functools.lru_cache(maxsize=1024)
def _face(font: bytes, flags: int, weight: int) -> tuple[bool, bool]:
    """Whether a font is bold, and whether it is of one width."""
    name = font.decode("utf-8", "replace")
    bold = bool(_BOLD.search(name)) or weight >= 600
    return bold, bool(flags & _FIXED_PITCH) or bool(_MONO.search(name))


def _text(raw: Any, count: int) -> str:
    """The characters of a page, each at its place; one beyond U+FFFF may stand as two halves.

    One call gives them all, but leaves out what has no code and writes one beyond U+FFFF as two;
    only where the number shows that neither happened do its places agree.
    """
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(raw, 0, count, buffer) - 1
    text = bytes(buffer)[: 2 * count].decode("utf-16-le", "surrogatepass")
    if written == count == len(text) and not _HALVES.search(text):
        return text
    get = pdfium.FPDFText_GetUnicode
    return "".join(chr(get(raw, at)) for at in range(count))


def _count(raw: Any) -> int:
    return max(int(pdfium.FPDFText_CountChars(raw)), 0)


def _whole(letters: str) -> str:
    """A word as it is read: no ligatures, no halves of characters."""
    if letters.isascii():
        return letters
    if _HALVES.search(letters):
        letters = letters.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return letters.translate(_LIGATURES)


# -- links -----------------------------------------------------------------------------------------


def _mark_links(page: Any, words: list[Word]) -> None:
    document = page.pdf.raw
    position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
    boxes: list[tuple[Box, str]] = []
    while len(boxes) < 2000 and pdfium.FPDFLink_Enumerate(page.raw, position, link):
        rect = pdfium.FS_RECTF()
        action = pdfium.FPDFLink_GetAction(link)
        if not action or not pdfium.FPDFLink_GetAnnotRect(link, rect):
            continue
        size = pdfium.FPDFAction_GetURIPath(document, action, None, 0)
        if not 1 < size <= 4096:
            continue
        buffer = ctypes.create_string_buffer(size)
        pdfium.FPDFAction_GetURIPath(document, action, buffer, size)
        url = buffer.value.decode("utf-8", "replace").strip()
        if re.match(r"https?://", url):
            bottom, top = sorted((rect.bottom, rect.top))
            boxes.append(((rect.left, bottom, rect.right, top), url))
    for word in words if boxes else ():
        for (left, bottom, right, top), url in boxes:
            if left <= word.x <= right and bottom <= word.y <= top:
                word.url = url
                break
