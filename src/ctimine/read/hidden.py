"""Which elements of an HTML page a person does not see.

Text that only a machine sees is where instructions and false evidence are planted, so it must never
become part of a report. What counts as hidden is a table of properties here, read from the
element's attributes, its ``style`` and the page's own ``<style>`` sheets (a small cascade: origin,
specificity, order; CSS Cascading 4 §6). Sheets in other files are not fetched, so a class that they
hide is not known to be hidden.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

Style = Mapping[str, str]
Attributes = Mapping[str, str | None]

SKIPPED: Final = frozenset(
    "applet area audio base button canvas col colgroup command datalist embed frame frameset head"  # noqa: SIM905
    " iframe input keygen link meta meter noembed noframes noscript object optgroup option param"
    " picture progress script select source style svg template textarea title track video".split()
)
"""Elements without text of the document: scripts, controls, embedded media, ``<template>``."""

OFF_SCREEN: Final = 900.0
"""Pixels from which an offset or indent is taken to move text off the screen."""

_PROPERTIES: Final = frozenset(
    """
    -webkit-background-clip -webkit-clip-path -webkit-text-fill-color background background-clip
    background-color background-image block-size bottom clip clip-path color content-visibility
    display filter font font-size height inline-size inset-inline-start left line-height margin-left
    margin-right margin-top max-height max-width opacity overflow overflow-x overflow-y position
    right scale text-indent top transform translate visibility width zoom
    """.split()  # noqa: SIM905
)
_NAMED: Final[dict[str, tuple[int, int, int]]] = {
    "aqua": (0, 255, 255),
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "grey": (128, 128, 128),
    "ivory": (255, 255, 240),
    "lime": (0, 255, 0),
    "maroon": (128, 0, 0),
    "navy": (0, 0, 128),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "silver": (192, 192, 192),
    "snow": (255, 250, 250),
    "teal": (0, 128, 128),
    "white": (255, 255, 255),
    "whitesmoke": (245, 245, 245),
    "ghostwhite": (248, 248, 255),
    "yellow": (255, 255, 0),
}
Colour = tuple[int, int, int]
WHITE: Final[Colour] = (255, 255, 255)
UNKNOWN: Final[Colour] = (-1, -1, -1)
"""A background that cannot be told: an image, a gradient, a variable."""
SMALL: Final = 2
"""Font size in pixels that nobody reads."""
_SAME_COLOUR: Final = 24
"""Largest sum of channel differences at which text cannot be told from its background."""
_LENGTH: Final = re.compile(
    r"^([+-]?(?:\d+\.?\d*|\.\d+))(px|em|rem|pt|%|vw|vh|ch|ex|cm|mm|in|pc|)$"
)
_PIXELS: Final[dict[str, float]] = {
    "": 1, "px": 1, "em": 16, "rem": 16, "pt": 1.33, "vw": 12, "vh": 8, "ch": 8, "ex": 8,
    "cm": 37.8, "mm": 3.78, "in": 96, "pc": 16,
}  # fmt: skip
_CLEAR: Final = re.compile(r"opacity\(\s*(?:0?\.?0+%?)?\s*\)|alpha\(opacity=0\)")
_ZERO_SCALE: Final = re.compile(
    r"scale(?:3d|x|y)?\(\s*(?:[+-]?0*\.?0+\s*(?:%\s*)?[,)]|[^,)]+,\s*[+-]?0*\.?0+\s*[,)])"
)
_FAR: Final = re.compile(r"translate(?:3d|x|y)?\(([^)]*)\)")
_NOTHING_CLIPPED_IN: Final = re.compile(
    r"rect\(\s*(?:0|1px|0px|auto)[\s,]+(?:0|1px|0px)[\s,]+(?:0|1px|0px)[\s,]+(?:0|1px|0px|auto)\s*\)"
    r"|inset\(\s*(?:50|[5-9]\d|100)%|circle\(\s*0|polygon\(\s*0(?:px|%)?\s+0(?:px|%)?\s*"
    r"(?:,\s*0(?:px|%)?\s+0(?:px|%)?\s*)*\)|ellipse\(\s*0"
)


def declarations(css: str) -> dict[str, str]:
    """Property → value, lower case, of a declaration block; the last one of a name counts.

    >>> declarations("Color: #FFF; display:none !important")
    {'color': '#fff', 'display': 'none !important'}
    """
    found: dict[str, str] = {}
    for part in _COMMENT.sub("", css).split(";"):
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if not colon or name not in _PROPERTIES:
            continue
        value = " ".join(value.lower().split())
        if name.startswith("margin") and "-" not in value:
            continue  # only a negative margin moves anything off the screen
        value = value.replace("! important", "!important")
        if name in found and "!important" in found[name] and "!important" not in value:
            continue
        found[name] = value
    return found


_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)


def hidden_by(style: Style) -> str:
    """The way in which these properties hide an element's text; empty if they do not.

    >>> hidden_by({"position": "absolute", "left": "-9999px"})
    'off-screen'
    """
    for way, hides in _WAYS:
        if hides(style):
            return way
    return ""


def _is(name: str, *values: str) -> Callable[[Style], bool]:
    return lambda style: style.get(name) in values


def _number(value: str) -> float | None:
    found = _LENGTH.match(value)
    if not found:
        return None
    number, unit = float(found.group(1)), found.group(2)
    return number * 20 if unit == "%" and number < 0 else number * _PIXELS.get(unit, 1)


def _font_size(style: Style) -> str:
    """The font size as written; of the shorthand the part before a slash."""
    value = style.get("font-size", "")
    if not value and style.get("font"):
        sizes = [part.split("/")[0] for part in style["font"].split()]
        value = next((part for part in sizes if _number(part) is not None), "")
    return value


def _opacity(style: Style) -> bool:
    value = style.get("opacity", "")
    size = _number(value.removesuffix("%")) if value else None
    if size is not None and size / (100 if value.endswith("%") else 1) <= 0.05:
        return True
    return bool(_CLEAR.search(style.get("filter", "")))


def _off_screen(style: Style) -> bool:
    if style.get("position") in {"absolute", "fixed", "relative", "sticky"}:
        for side in ("left", "top", "right", "bottom", "inset-inline-start"):
            place = _number(style.get(side, ""))
            if place is not None and place <= -OFF_SCREEN:
                return True
        if re.fullmatch(r"-?(?:[2-9]\d\d|\d{4,})(?:vw|vh)", style.get("left", "")):
            return True
    for side in ("margin-left", "margin-top", "margin-right"):
        place = _number(style.get(side, ""))
        if place is not None and place <= -OFF_SCREEN:
            return True
    for found in _FAR.finditer(style.get("transform", "") or style.get("translate", "")):
        for part in found.group(1).split(","):
            place = _number(part.strip())
            if place is not None and (abs(place) >= OFF_SCREEN or part.strip() == "-100vw"):
                return True
    return False


def _indent(style: Style) -> bool:
    place = _number((style.get("text-indent") or "").split(" ")[0])
    return place is not None and abs(place) >= OFF_SCREEN


def _clipped(style: Style) -> bool:
    return any(
        _NOTHING_CLIPPED_IN.search(style.get(name, ""))
        for name in ("clip", "clip-path", "-webkit-clip-path")
    )


def _no_size(style: Style) -> bool:
    if not any(
        style.get(name, "").split(" ")[0] in {"hidden", "clip", "scroll"}
        for name in ("overflow", "overflow-x", "overflow-y")
    ):
        return False
    for name in (
        "width",
        "height",
        "max-width",
        "max-height",
        "line-height",
        "block-size",
        "inline-size",
    ):
        size = _number(style.get(name, ""))
        if size is not None and size <= 1:
            return True
    return False


def _scaled(style: Style) -> bool:
    if re.fullmatch(r"0*\.?0+%?(?: .*)?", style.get("scale", "x")) or style.get("zoom") == "0":
        return True
    return bool(_ZERO_SCALE.search(style.get("transform", "")))


_WAYS: Final[tuple[tuple[str, Callable[[Style], bool]], ...]] = (
    ("display:none", _is("display", "none")),
    ("content-visibility", _is("content-visibility", "hidden")),
    ("opacity", _opacity),
    ("off-screen", _off_screen),
    ("text-indent", _indent),
    ("clip", _clipped),
    ("no size", _no_size),
    ("scale", _scaled),
)


@functools.lru_cache(maxsize=2048)
def parse_colour(value: str) -> Colour | None:
    """Red, green, blue of a CSS colour; UNKNOWN if it cannot be told, None if see-through.

    >>> parse_colour("#fff"), parse_colour("rgba(0,0,0,0)"), parse_colour("var(--ink)")
    ((255, 255, 255), None, (-1, -1, -1))
    """
    value = value.strip()
    if value == "transparent":
        return None
    if value in _NAMED:
        return _NAMED[value]
    if value.startswith("#"):
        digits = value[1:]
        if not re.fullmatch(r"[0-9a-f]{3,8}", digits):
            return UNKNOWN
        if len(digits) in {3, 4}:
            digits = "".join(c + c for c in digits)
        if len(digits) == 8 and int(digits[6:], 16) <= 12:
            return None
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    found = re.match(r"(rgb|hsl)a?\(([^)]*)\)", value)
    if not found:
        return UNKNOWN
    parts = [part for part in re.split(r"[\s,/]+", found.group(2)) if part]
    numbers = [re.match(r"-?\d*\.?\d+", part) for part in parts]
    if len(parts) < 3 or any(number is None for number in numbers):
        return UNKNOWN
    values = [float(number.group()) for number in numbers if number]
    alpha = values[3] / (100 if parts[3].endswith("%") else 1) if len(values) > 3 else 1.0
    if alpha <= 0.05:
        return None
    if found.group(1) == "hsl":
        return _from_hsl(values[0], values[1] / 100, values[2] / 100)
    scaled = [v * 2.55 if part.endswith("%") else v for v, part in zip(values, parts, strict=False)]
    return int(scaled[0]), int(scaled[1]), int(scaled[2])


def _from_hsl(hue: float, saturation: float, lightness: float) -> Colour:
    import colorsys

    red, green, blue = colorsys.hls_to_rgb(hue / 360 % 1, lightness, saturation)
    return int(red * 255), int(green * 255), int(blue * 255)


def background(style: Style) -> Colour | None:
    """The background that these properties set: a colour, UNKNOWN, or None where they set none."""
    value = style.get("background-color") or ""
    whole = style.get("background") or ""
    if style.get("background-image", "none") != "none":
        return UNKNOWN
    if whole and not value:
        if "url(" in whole or "gradient(" in whole or "var(" in whole:
            return UNKNOWN
        found = re.search(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^)]*\)", whole)
        value = (
            found.group() if found else next((word for word in whole.split() if word in _NAMED), "")
        )
    return parse_colour(value) if value and value not in {"none", "inherit", "initial"} else None


def indistinct(ink: Colour, paper: Colour) -> bool:
    """Whether text of one colour cannot be told from a background of the other."""
    if UNKNOWN in {ink, paper}:
        return False
    return sum(abs(a - b) for a, b in zip(ink, paper, strict=True)) <= _SAME_COLOUR


@dataclasses.dataclass(frozen=True, slots=True)
class Ink:
    """What an element's text inherits: whether it is muted, and its colours.

    Unlike ``display:none``, these ways of hiding end where a child sets the property anew.
    """

    small: bool = False
    invisible: bool = False
    colour: Colour | None = (0, 0, 0)
    paper: Colour = WHITE

    muted: str = dataclasses.field(init=False, compare=False)
    """The way in which text in this ink is hidden, or empty."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "muted", self._way())

    def _way(self) -> str:
        if self.small:
            return "font-size"
        if self.invisible:
            return "visibility"
        if self.colour is None:
            return "transparent colour"
        return "colour of the background" if indistinct(self.colour, self.paper) else ""

    def under(self, style: Style, tag: str, attributes: Attributes) -> Ink:
        """The ink of a child with these properties.

        >>> Ink().under({"color": "#fff"}, "p", {}).muted
        'colour of the background'
        """
        small, invisible, colour, paper = self.small, self.invisible, self.colour, self.paper
        size = _font_size(style)
        if size:
            number = _number(size)
            relative = size.endswith(("em", "%")) and not size.endswith("rem")
            if number is None:
                small = False
            elif not (relative and small and number > 0):
                small = number <= SMALL
        seen = style.get("visibility", "")
        if seen:
            invisible = seen in {"hidden", "collapse"}
        written = (
            style.get("-webkit-text-fill-color")
            or style.get("color")
            or ((attributes.get("color") or "").lower() if tag == "font" else "")
        )
        if written and written not in {"inherit", "currentcolor"}:
            colour = parse_colour(written)
        behind = background(style)
        if behind is None and "bgcolor" in attributes:
            behind = parse_colour((attributes["bgcolor"] or "").lower())
        if behind is not None:
            paper = behind
        elif tag in {"html", "body"} and colour is not None and indistinct(colour, paper):
            paper = UNKNOWN  # light text for a whole page: its background stands in another file
        if colour is None and (
            "background-clip" in style or "-webkit-background-clip" in style or paper == UNKNOWN
        ):
            colour = UNKNOWN  # letters cut out of a picture or gradient are seen
        return Ink(small, invisible, colour, paper)


_CLASSES: Final = frozenset(
    {
        "a11y-hidden",
        "d-none",
        "display-none",
        "hidden",
        "invisible",
        "is-hidden",
        "screen-reader-only",
        "screen-reader-text",
        "sr-only",
        "u-hidden",
        "visually-hidden",
        "visuallyhidden",
    }
)
"""Class names by which common style sheets hide things; those sheets are in files not fetched."""
_SHOWN_WIDE: Final = re.compile(
    r"(?:sm|md|lg|xl|2xl):(?:block|flex|grid|inline|table|visible|not-)"
    r"|d-(?:sm|md|lg|xl|xxl)-(?:block|flex|grid|inline|table)"
)


def hidden_by_attribute(tag: str, attributes: Attributes) -> str:
    """The way in which an element's attributes hide it; empty if they do not.

    >>> hidden_by_attribute("p", {"hidden": None})
    'hidden attribute'
    """
    if "hidden" in attributes:
        return "hidden attribute"
    if (attributes.get("aria-hidden") or "").strip().lower() == "true":
        return "aria-hidden"
    if tag == "dialog" and "open" not in attributes:
        return "closed dialog"
    if "popover" in attributes:
        return "popover"
    classes = attributes.get("class")
    if classes and _class_hides(classes):
        return "class"
    return ""


@functools.lru_cache(maxsize=4096)
def _class_hides(classes: str) -> bool:
    return not _CLASSES.isdisjoint(classes.split()) and not _SHOWN_WIDE.search(classes)


_INKS: Final = re.compile(r"colou?r|background|font|visibility|text-fill")
_LIKE_BLOCK: Final = frozenset({"block", "flex", "grid", "list-item", "table", "table-row"})


class Look:
    """What the properties of an element amount to."""

    __slots__ = ("_dyed", "block", "inks", "style", "way")

    def __init__(self, style: Style) -> None:
        self.style = style
        self.way = hidden_by(style)
        self.inks = any(_INKS.search(name) for name in style)
        self.block = style.get("display", "") in _LIKE_BLOCK
        self._dyed: dict[int, tuple[Ink, Ink]] = {}  # by identity: hashing costs more than dyeing

    def dye(self, ink: Ink, tag: str, attributes: Attributes) -> Ink:
        """The ink of what stands in an element that looks so."""
        if not self.inks and "bgcolor" not in attributes and tag != "font":
            return ink
        known = self._dyed.get(id(ink))
        if known is not None and "bgcolor" not in attributes and tag != "font":
            return known[1]
        found = ink.under(self.style, tag, attributes)
        if "bgcolor" not in attributes and tag != "font":
            self._dyed[id(ink)] = (ink, found)
        return found


class Sheets:
    """The rules of a page's ``<style>`` elements that bear on whether something is seen."""

    MOST_COMPLEX: Final = 64
    """Selectors with combinators that are matched, a bound on the work of a hostile sheet."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._by_name: dict[str, list[tuple[int, int, frozenset[str], dict[str, str]]]] = {}
        self.by_node: dict[int, list[tuple[int, int, dict[str, str]]]] = {}
        self._looks: dict[tuple[str | tuple[int, ...] | None, ...], Look | None] = {}
        rules: list[tuple[list[str], dict[str, str]]] = []
        for sheet in tree.css("style"):
            media = (sheet.attributes.get("media") or "all").lower()
            if media.strip() in {"all", "screen"} and not _inside(sheet, "noscript", "template"):
                rules += _rules(sheet.text(deep=True))
        if rules:
            own = {node.attributes.get("style") or "" for node in tree.css("[style]")}
            self._file(tree, rules, _live([*(r[1] for r in rules), *map(declarations, own)]))
        self.any = bool(self._by_name or self.by_node)

    def _file(
        self,
        tree: LexborHTMLParser,
        rules: list[tuple[list[str], dict[str, str]]],
        live: frozenset[str],
    ) -> None:
        order = 0
        complex_left = self.MOST_COMPLEX
        for selectors, found in rules:
            kept = {name: value for name, value in found.items() if _GROUPS.get(name, "") in live}
            if not kept:
                continue
            for selector in selectors:
                order += 1
                if _COMPOUND.fullmatch(selector):
                    self._add(selector, order, kept)
                elif complex_left and _COMPLEX.fullmatch(selector):
                    complex_left -= 1
                    weight = _weight(selector)
                    for node in tree.css(selector):
                        self.by_node.setdefault(node.mem_id, []).append((weight, order, kept))

    def _add(self, selector: str, order: int, found: dict[str, str]) -> None:
        names = frozenset(
            name.lower() if name[0] not in ".#" else name
            for name in re.findall(r"[.#]?[\w-]+|\*", selector)
        )
        # Filed under its rarest part: an id, else a class, else the tag.
        key = max(names, key=lambda name: ((name[0] == "#") * 2 + (name[0] == "."), name))
        self._by_name.setdefault(key, []).append((_weight(selector), order, names, found))

    def look(self, tag: str, attributes: Attributes, node: LexborNode | None = None) -> Look | None:
        """How an element looks by its attributes and rules; None if nothing is said of it.

        Without the node, rules whose selector has a combinator are left out.
        """
        get = attributes.get
        own = get("style")
        if not self.any and own is None:
            return None
        more = self.by_node.get(node.mem_id) if node is not None else None
        key: tuple[str | tuple[int, ...] | None, ...] = (tag, get("id"), get("class"), own)
        if more:
            key = (*key, tuple(order for _, order, _ in more))
        if key not in self._looks:
            rules = self._named(tag, get("id") or "", get("class") or "")
            if more:
                rules = sorted([*rules, *more], key=lambda rule: rule[:2])
            style = _merged(rules, own)
            self._looks[key] = Look(style) if style else None
        return self._looks[key]

    def _named(self, tag: str, name: str, classes: str) -> list[tuple[int, int, dict[str, str]]]:
        if not self._by_name:
            return []
        parts = {tag, "*"}
        if name:
            parts.add(f"#{name}")
        if classes:
            parts.update(f".{part}" for part in classes.split())
        found = [
            rule[:2] + rule[3:]
            for part in parts
            if part in self._by_name
            for rule in self._by_name[part]
            if rule[2] <= parts
        ]
        if len(found) > 1:
            found.sort(key=lambda rule: rule[:2])
        return found


_GROUPS: Final[dict[str, str]] = {
    name: group
    for group, names in {
        "": "-webkit-background-clip -webkit-text-fill-color background background-clip "
        "background-color background-image color",
        "clip": "-webkit-clip-path clip clip-path",
        "content-visibility": "content-visibility",
        "display": "display",
        "font": "font font-size",
        "indent": "text-indent",
        "margin": "margin-left margin-right margin-top",
        "opacity": "filter opacity",
        "place": "bottom inset-inline-start left position right top",
        "size": "block-size height inline-size line-height max-height max-width overflow "
        "overflow-x overflow-y width",
        "transform": "scale transform translate zoom",
        "visibility": "visibility",
    }.items()
    for name in names.split()
}
"""Property → the group of those that hide together; colours have the empty name."""
# (a display that makes a block of a span matters, too: it parts words)
_MAY_HIDE: Final = re.compile(
    r"display:(?:none|block|flex|grid|list-item|table)|visibility:(?:hidden|collapse)|content-visibility:hidden|(?:clip|-webkit-clip)"
    r"|(?:opacity|scale|zoom):[0.]|filter:.*(?:opacity|alpha)"
    r"|(?:font|font-size):(?:.* )?[0-2.]|text-indent:"
    r"|(?:left|right|top|bottom|inset-inline-start):-|left:.*(?:vw|vh)|margin-\w+:-"
    r"|(?:(?:max-)?(?:width|height)|line-height|block-size|inline-size):[01.-]"
    r"|(?:transform|translate):.*(?:scale|translate|\d)"
)


def _live(all_found: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """The groups of which some value may hide; rules that set only others need no matching."""
    live = {""}
    for found in all_found:
        for name, value in found.items():
            group = _GROUPS[name]
            if group not in live and _MAY_HIDE.match(f"{name}:{value}"):
                live.add(group)
    return frozenset(live)


def _merged(rules: Sequence[tuple[int, int, dict[str, str]]], own: str | None) -> dict[str, str]:
    """The properties that win: later and stronger rules over others, ``!important`` over all."""
    merged: dict[str, str] = {}
    for found in (*(rule[2] for rule in rules), declarations(own) if own else {}):
        for name, value in found.items():
            if "!important" in merged.get(name, "") and "!important" not in value:
                continue
            merged[name] = value
    return {name: value.replace("!important", "").strip() for name, value in merged.items()}


_COMPOUND: Final = re.compile(r"(?:\*|[A-Za-z][\w-]*)?(?:[.#][A-Za-z_-][\w-]*)*")
_COMPLEX: Final = re.compile(
    r"(?:[\w.#\s>+~*-]|\[[\w-]{1,60}(?:[*^$~|]?=(?:\"[^\"\]]{0,60}\"|'[^'\]]{0,60}'|[\w-]{1,60}))?\])+"
)


def _weight(selector: str) -> int:
    """Specificity as one number (Selectors 4 §17)."""
    ids = selector.count("#")
    classes = selector.count(".") + selector.count("[")
    tags = len(re.findall(r"(?:^|[\s>+~])[A-Za-z]", selector))
    return ids * 10000 + classes * 100 + tags


def _inside(node: LexborNode, *tags: str) -> bool:
    parent = node.parent
    depth = 0
    while parent is not None and depth < 64:
        if parent.tag in tags:
            return True
        parent = parent.parent
        depth += 1
    return False


@functools.lru_cache(maxsize=32)
def _rules(css: str) -> list[tuple[list[str], dict[str, str]]]:
    """Selectors and relevant declarations of a sheet; of at-rules only those that always hold."""
    found: list[tuple[list[str], dict[str, str]]] = []
    css = _COMMENT.sub("", css).replace("<!--", "").replace("-->", "")
    at = 0
    while (brace := css.find("{", at)) >= 0:
        prelude = css[at:brace].rsplit(";", 1)[-1].rsplit("}", 1)[-1].strip()
        if prelude.startswith("@"):
            holds = _ALWAYS.fullmatch(prelude)
            at = brace + 1 if holds else _block_end(css, brace)
            continue
        end = css.find("}", brace)
        end = len(css) if end < 0 else end
        at = end + 1
        relevant = declarations(css[brace + 1 : end])
        if relevant:
            found.append(([part.strip() for part in prelude.split(",") if part.strip()], relevant))
    return found


def _block_end(css: str, brace: int) -> int:
    depth = 0
    for found in _BRACES.finditer(css, brace):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return found.end()
    return len(css)


_BRACES: Final = re.compile("[{}]")
_ALWAYS: Final = re.compile(
    r"@(?:media\s+(?:all|screen)|layer\b[^(]*|supports\s*\(.*)", re.IGNORECASE | re.DOTALL
)
"""At-rules that hold on any screen; ``print`` and widths do not."""
