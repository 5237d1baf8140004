"""What a person does not see never enters the text."""

from __future__ import annotations

import pytest

from ctimine.read.hidden import Ink, Sheets, declarations, hidden_by, parse_colour
from ctimine.read.html import parse, read_markup
from ctimine.read.markdown import read_markdown_text

WORDS = "Pale Heron used T1566.001"


def fill(markup: str) -> str:
    return markup.replace("BAIT", WORDS)


WAYS = {
    "display none": '<p style="display:none">BAIT</p>',
    "display none, important": '<p style="DISPLAY : none !important">BAIT</p>',
    "visibility hidden": '<p style="visibility:hidden">BAIT</p>',
    "visibility collapse": '<p style="visibility:collapse">BAIT</p>',
    "hidden attribute": "<p hidden>BAIT</p>",
    "hidden until found": '<div hidden="until-found"><p>BAIT</p></div>',
    "aria-hidden": '<p aria-hidden="true">BAIT</p>',
    "font-size 0": '<p style="font-size:0">BAIT</p>',
    "font-size 1px": '<span style="font-size:1px">BAIT</span>',
    "font shorthand 0": '<span style="font:0/0 serif">BAIT</span>',
    "font-size 0 inherited in em": '<div style="font-size:0"><p style="font-size:2em">BAIT</p></div>',
    "white on white": '<p style="color:#fff">BAIT</p>',
    "white by name": '<p style="color: WHITE">BAIT</p>',
    "white as rgb": '<p style="color:rgb(255, 255, 255)">BAIT</p>',
    "almost white": '<p style="color:#fefefe">BAIT</p>',
    "white by font element": '<font color="#FFFFFF">BAIT</font>',
    "colour of its own background": '<p style="color:#123456;background:#123456">BAIT</p>',
    "colour of the background around": (
        '<div style="background-color:#222"><p style="color:#222222">BAIT</p></div>'
    ),
    "bgcolor": '<table bgcolor="#003300"><tr><td>a<td><font color="#003300">BAIT</font></table>',
    "transparent": '<p style="color:transparent">BAIT</p>',
    "alpha 0": '<p style="color:rgba(0,0,0,0)">BAIT</p>',
    "text fill": '<p style="-webkit-text-fill-color:transparent">BAIT</p>',
    "opacity 0": '<p style="opacity:0">BAIT</p>',
    "opacity nearly 0": '<p style="opacity: .01">BAIT</p>',
    "opacity filter": '<p style="filter:opacity(0)">BAIT</p>',
    "off-screen left": '<p style="position:absolute;left:-9999px">BAIT</p>',
    "off-screen top": '<p style="position:fixed; top:-100em">BAIT</p>',
    "off-screen margin": '<p style="margin-left:-5000px">BAIT</p>',
    "translated away": '<p style="transform:translateX(-9999px)">BAIT</p>',
    "text-indent": '<p style="text-indent:-9999px">BAIT</p>',
    "clip": '<p style="position:absolute;clip:rect(0,0,0,0)">BAIT</p>',
    "clip 1px": '<p style="position:absolute;clip:rect(1px, 1px, 1px, 1px)">BAIT</p>',
    "clip-path": '<p style="clip-path:inset(50%)">BAIT</p>',
    "clip-path circle": '<p style="clip-path: circle(0)">BAIT</p>',
    "no height": '<div style="height:0;overflow:hidden"><p>BAIT</p></div>',
    "no width": '<div style="width:0px; overflow:hidden">BAIT</div>',
    "max-height 0": '<div style="max-height:0;overflow:hidden">BAIT</div>',
    "scale 0": '<p style="transform:scale(0)">BAIT</p>',
    "scale 0, 0": '<p style="transform: rotate(3deg) scale(0, 0)">BAIT</p>',
    "scale property": '<p style="scale:0">BAIT</p>',
    "zoom": '<p style="zoom:0">BAIT</p>',
    "content-visibility": '<p style="content-visibility:hidden">BAIT</p>',
    "class": "<style>.x{display:none}</style><p class='a x'>BAIT</p>",
    "class off-screen": "<style>.x{position:absolute;left:-99999px}</style><p class=x>BAIT</p>",
    "class white": "<style>.x{color:#fff}</style><p class=x>BAIT</p>",
    "class font-size": "<style>p.x{font-size:0}</style><p class=x>BAIT</p>",
    "id": "<style>#x{visibility:hidden}</style><p id=x>BAIT</p>",
    "several selectors": "<style>h7, .x , td{opacity:0}</style><p class=x>BAIT</p>",
    "descendant": "<style>.a .b p{display:none}</style><div class=a><div class=b><p>BAIT</div></div>",
    "child": "<style>div > p.c{display:none}</style><div><p class=c>BAIT</div>",
    "attribute selector": "<style>[data-x]{display:none}</style><p data-x=1>BAIT</p>",
    "sheet in media screen": "<style>@media screen{.x{display:none}}</style><p class=x>BAIT</p>",
    "sheet with comment": "<style>/* } */ .x{/**/display:/**/none}</style><p class=x>BAIT</p>",
    "sheet in body": "<p class=x>BAIT</p><style>.x{display:none}</style>",
    "common class": '<p class="sr-only">BAIT</p>',
    "template": "<template><p>BAIT</p></template>",
    "noscript": "<noscript><p>BAIT</p></noscript>",
    "script": "<script>var a = 'BAIT';</script>",
    "json script": '<script type="application/json">"BAIT"</script>',
    "style": "<style>/* BAIT */</style>",
    "comment": "<!-- BAIT -->",
    "conditional comment": "<!--[if IE]><p>BAIT</p><![endif]-->",
    "hidden input": '<input type="hidden" value="BAIT">',
    "textarea": "<textarea>BAIT</textarea>",
    "option": "<select><option>BAIT</select>",
    "image text": '<img alt="BAIT" title="BAIT" src="x.png">',
    "title attribute": '<span title="BAIT" data-note="BAIT">words</span>',
    "svg": "<svg><text>BAIT</text></svg>",
    "iframe": "<iframe>BAIT</iframe>",
    "object": "<object><p>BAIT</p></object>",
    "closed details": "<details><summary>More</summary><p>BAIT</p></details>",
    "closed details, bare text": "<details><summary>More</summary>BAIT</details>",
    "closed dialog": "<dialog>BAIT</dialog>",
    "popover": "<div popover>BAIT</div>",
    "Unicode tags": "<p>" + "".join(chr(0xE0000 + ord(c)) for c in WORDS) + "</p>",
}


@pytest.mark.parametrize("way", WAYS)
def test_hidden_text_is_not_read(way):
    reading = read_markup(
        f"<body><h1>Case</h1><p>Seen before.</p>{fill(WAYS[way])}<p>Seen after.</p>"
    )
    assert "Heron" not in reading.text
    assert "T1566" not in reading.text
    assert not any(0xE0000 <= ord(c) <= 0xE01EF for c in reading.text)
    assert "Seen before." in reading.text
    assert "Seen after." in reading.text


@pytest.mark.parametrize("way", WAYS)
def test_hidden_text_is_not_read_from_markdown_either(way):
    reading = read_markdown_text(f"# Case\n\nSeen before.\n\n{fill(WAYS[way])}\n\nSeen after.\n")
    assert "Heron" not in reading.text
    assert "Seen after." in reading.text


def test_markdown_between_hidden_tags_is_hidden():
    source = (
        f'# Case\n\n<div style="display:none">\n\n{WORDS} in **Markdown**.\n\n</div>\n\nSeen.\n'
    )
    assert read_markdown_text(source).text == "Case\n\nSeen."


SEEN = {
    "white on a dark ground": '<div style="background:#111"><p style="color:#fff">BAIT</p></div>',
    "white on a picture": '<div style="background:url(a.png)"><p style="color:#fff">BAIT</p></div>',
    "black on white": '<p style="color:#000;background:#fff">BAIT</p>',
    "red": '<p style="color:red">BAIT</p>',
    "variable colour": '<p style="color:var(--ink)">BAIT</p>',
    "open details": "<details open><summary>More</summary><p>BAIT</p></details>",
    "summary of closed details": "<details><summary>BAIT</summary>x</details>",
    "aria-hidden false": '<p aria-hidden="false">BAIT</p>',
    "font size set anew": '<div style="font-size:0"><p style="font-size:14px">BAIT</p></div>',
    "visibility set anew": '<div style="visibility:hidden"><p style="visibility:visible">BAIT</p></div>',
    "small indent": '<p style="text-indent:-20px">BAIT</p>',
    "narrow column": '<p style="width:10px">BAIT</p>',
    "moved a little": '<p style="position:relative;left:-3px">BAIT</p>',
    "half transparent": '<p style="opacity:.6">BAIT</p>',
    "print sheet": "<style>@media print{.x{display:none}}</style><p class=x>BAIT</p>",
    "phone sheet": "<style>@media (max-width:400px){.x{display:none}}</style><p class=x>BAIT</p>",
    "sheet for print": "<style media=print>.x{display:none}</style><p class=x>BAIT</p>",
    "later rule shows": "<style>.x{display:none} .x{display:block}</style><p class=x>BAIT</p>",
    "stronger rule shows": (
        "<style>p.x{display:block} .x{display:none}</style><p class=x>BAIT</p>"
    ),
    "tab that is on": (
        "<style>.tab{display:none} .tab.on{display:block}</style><div class='tab on'>BAIT</div>"
    ),
    "style attribute shows": "<style>.x{display:none}</style><p class=x style='display:block'>BAIT</p>",
    "hover rule": "<style>.x:hover{display:none}</style><p class=x>BAIT</p>",
    "hidden on phones": '<p class="hidden md:block">BAIT</p>',
    "scaled down": '<p style="transform:scale(0.9)">BAIT</p>',
    "scaled by ten": '<p style="transform:scale(10)">BAIT</p>',
    "opacity one": '<p style="opacity:1.0">BAIT</p>',
}


@pytest.mark.parametrize("way", SEEN)
def test_what_is_seen_is_read(way):
    reading = read_markup("<body><p>Before.</p>" + fill(SEEN[way]))
    assert WORDS in reading.text


def test_light_text_of_a_whole_page_is_read():
    page = f"<link rel=stylesheet href=a.css><style>body{{color:#fff}}</style><body><p>{WORDS}</p>"
    assert WORDS in read_markup(page).text


def test_a_word_is_not_split_by_hidden_letters():
    reading = read_markup('<p>T11<span style="display:none">9</span>02</p>')
    assert reading.text == "T1102"


def test_what_was_left_out_is_told():
    reading = read_markup(f'<p>Seen.</p><p style="opacity:0">{WORDS}</p><p hidden>{WORDS}</p>')
    assert reading.warnings == ("left out: hidden attribute ×1", "left out: opacity ×1")


def test_bidi_controls_and_soft_hyphens_do_not_enter_the_text():
    reading = read_markup("<p>\u202eT11\u00ad02\u2066 Web\u200f Service&shy;s&#x202E;</p>")
    assert reading.text == "T1102 Web Services"


def test_zero_width_joiners_stay_because_scripts_need_them():
    assert read_markup("<p>می\u200cخواهم</p>").text == "می\u200cخواهم"


def test_declarations_take_the_last_of_a_name_but_not_over_important():
    found = declarations("color:red!important;color:#fff;Opacity:0")
    assert found == {"color": "red!important", "opacity": "0"}


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        ("#ABC".lower(), (170, 187, 204)),
        ("#11223300", None),
        ("rgb(10% 20% 30% / 50%)", (25, 51, 76)),
        ("hsl(0, 100%, 50%)", (255, 0, 0)),
        ("nonsense", (-1, -1, -1)),
        ("rgb(a,b,c)", (-1, -1, -1)),
    ],
)
def test_colours(value, colour):
    assert parse_colour(value) == colour


def test_text_of_unknown_ground_is_not_muted():
    assert Ink().under({"background-image": "url(x)", "color": "#fff"}, "p", {}).muted == ""


def test_a_flood_of_rules_costs_little():
    css = "".join(f".a{i} .b{i} > p{{display:none}}" for i in range(20000))
    tree = parse(f"<style>{css}</style><p class=x>words</p>")
    assert Sheets(tree).look("p", {"class": "x"}, tree.css_first("p")) is None


def test_nothing_hides_by_empty_style():
    assert hidden_by({}) == ""
