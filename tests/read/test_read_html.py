"""HTML pages as blocks in order, the article without the page around it."""

from __future__ import annotations

import time

import pytest

from ctimine.read.html import read_markup


def blocks(markup, **options):
    reading = read_markup(markup, **options)
    return [(b.kind, reading.text[b.start : b.end]) for b in reading.blocks]


def cells(markup):
    reading = read_markup(markup)
    return [
        (b.row, b.column, b.header, reading.text[b.start : b.end])
        for b in reading.blocks
        if b.kind == "table_cell"
    ]


def test_headings_paragraphs_and_items_come_in_order_with_their_level():
    page = "<h1>A</h1><p>one</p><h2>B</h2><ul><li>x<ul><li>y</ul><li>z</ul><p>two"
    reading = read_markup(page)
    found = [(b.kind, b.level, b.path, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [
        ("heading", 1, (), "A"),
        ("paragraph", 0, ("A",), "one"),
        ("heading", 2, ("A",), "B"),
        ("list_item", 1, ("A", "B"), "x"),
        ("list_item", 2, ("A", "B"), "y"),
        ("list_item", 1, ("A", "B"), "z"),
        ("paragraph", 0, ("A", "B"), "two"),
    ]


def test_inline_markup_neither_glues_nor_splits_words():
    page = "<p>It used <b>T1102</b>, <code>T1071</code><i>.001</i> and\n <a href=x>Web\n  Service</a>s.</p>"
    assert blocks(page) == [("paragraph", "It used T1102, T1071.001 and Web Services.")]


def test_a_note_mark_is_not_glued_to_an_id():
    assert blocks(
        "<p>T1102<sup>1</sup> and T1071<sup><a href='#n2'>[2]</a></sup>, the 1<sup>st</sup>"
    ) == [("paragraph", "T1102 1 and T1071 [2], the 1st")]


def test_a_picture_between_words_parts_them():
    assert blocks("<p>left<img src=x alt=no>right") == [("paragraph", "left right")]


def test_line_breaks_stay_inside_their_block():
    assert blocks("<p>one <br> two<br/>three") == [("paragraph", "one\ntwo\nthree")]


def test_divs_without_paragraphs_are_paragraphs():
    page = "<div>one<div>two <span>three</span></div>four</div><div><span>five</span></div>"
    assert blocks(page) == [("paragraph", w) for w in ("one", "two three", "four", "five")]


def test_spans_shown_as_blocks_part_words():
    page = "<p><span style='display:block'>one</span><span style='display:block'>two</span>"
    assert blocks(page) == [("paragraph", "one"), ("paragraph", "two")]


def test_definition_lists_are_items_with_the_meaning_one_level_deeper():
    reading = read_markup("<dl><dt>T1102<dd>Web Service<dt>T1071<dd>Layer</dl>")
    assert [(b.level, reading.text[b.start : b.end]) for b in reading.blocks] == [
        (1, "T1102"),
        (2, "Web Service"),
        (1, "T1071"),
        (2, "Layer"),
    ]


def test_code_keeps_its_lines_and_names_its_language():
    page = '<pre><code class="language-KQL">A\n  | where x\n</code></pre><pre>b\n\nc</pre>'
    reading = read_markup(page)
    found = [(b.kind, b.note, reading.text[b.start : b.end]) for b in reading.blocks]
    assert found == [("code", "kql", "A\n  | where x"), ("code", "", "b\n\nc")]


def test_line_numbers_of_a_code_table_are_left_out():
    page = (
        '<div class="highlight-python"><table class="highlighttable"><tr><td class="linenos"><pre>1\n2</pre>'
        '<td class="code"><pre>a = 1\nb = 2</pre></table></div>'
    )
    reading = read_markup(page)
    assert [(b.kind, b.note) for b in reading.blocks] == [("code", "python")]
    assert reading.text == "a = 1\nb = 2"


def test_quotes_and_captions_have_their_kinds():
    page = "<blockquote><p>said</p></blockquote><figure><img alt=a><figcaption>Figure 1</figcaption></figure>"
    assert blocks(page) == [("quote", "said"), ("caption", "Figure 1")]


def test_a_table_has_rows_columns_and_header_cells():
    page = "<table><thead><tr><th>ID<th>Use<tbody><tr><td>T1102<td>dead drop<tr><td>T1071<td>C2</table>"
    assert cells(page) == [
        (0, 0, True, "ID"),
        (0, 1, True, "Use"),
        (1, 0, False, "T1102"),
        (1, 1, False, "dead drop"),
        (2, 0, False, "T1071"),
        (2, 1, False, "C2"),
    ]
    assert read_markup(page).text == "ID\tUse\nT1102\tdead drop\nT1071\tC2"


def test_a_row_of_th_is_a_header_without_thead():
    assert [cell[2] for cell in cells("<table><tr><th>A<th>B<tr><td>c<td>d</table>")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_th_beside_td_names_its_row_and_is_no_header():
    assert [cell[2] for cell in cells("<table><tr><th>A<td>b<tr><th>C<td>d</table>")] == [False] * 4


def test_a_cell_that_spans_rows_is_told_in_each():
    page = "<table><tr><td rowspan=2>Heron<td>T1102<tr><td>T1071<tr><td>Egret<td>T1105</table>"
    assert cells(page) == [
        (0, 0, False, "Heron"),
        (0, 1, False, "T1102"),
        (1, 0, False, "Heron"),
        (1, 1, False, "T1071"),
        (2, 0, False, "Egret"),
        (2, 1, False, "T1105"),
    ]


def test_a_cell_that_spans_columns_moves_the_next():
    assert cells("<table><tr><td colspan=2>a<td>b<tr><td>c<td>d<td>e</table>")[1][:2] == (0, 2)


def test_empty_cells_keep_the_columns_of_the_others():
    assert cells("<table><tr><td><td>b<tr><td>c<td></table>") == [
        (0, 1, False, "b"),
        (1, 0, False, "c"),
    ]


def test_lines_and_lists_in_a_cell_stay_in_one_cell():
    page = "<table><tr><td>T1102<br>T1071<td><ul><li>one<li>two</ul><p>three</table>"
    assert [cell[3] for cell in cells(page)] == ["T1102\nT1071", "one\ntwo\nthree"]


def test_tables_are_numbered():
    page = "<table><tr><td>a<td>b</table><p>x</p><table><tr><td>c<td>d</table>"
    assert [b.table for b in read_markup(page).blocks] == [0, 0, -1, 1, 1]


def test_a_table_that_only_places_things_is_none():
    page = "<table><tr><td><h1>Case</h1><p>one</p><table><tr><td>a<td>b</table><td>side</table>"
    assert blocks(page) == [
        ("heading", "Case"),
        ("paragraph", "one"),
        ("table_cell", "a"),
        ("table_cell", "b"),
        ("paragraph", "side"),
    ]


def test_a_caption_stands_before_its_table():
    assert blocks("<table><caption>Uses</caption><tr><td>a<td>b</table>")[0] == ("caption", "Uses")


def test_links_have_offsets_into_the_text():
    reading = read_markup(
        "<h1>x</h1><p>see <a href=' https://attack.example/T1102/ '> the <b>web</b> page </a>.</p>"
        "<table><tr><td>a<td><a href=/T1071>b</a></table>"
    )
    found = [(reading.text[link.start : link.end], link.url) for link in reading.links]
    assert found == [("the web page", "https://attack.example/T1102/"), ("b", "/T1071")]


def test_a_link_around_blocks_covers_each():
    reading = read_markup("<a href=/T1102><div>one</div><div>two</div></a>")
    assert [reading.text[link.start : link.end] for link in reading.links] == ["one", "two"]


def test_links_to_the_page_itself_and_scripts_are_no_links():
    page = "<p><a href='#top'>up</a> <a href='javascript:x()'>do</a> <a href='mailto:a@b.example'>write</a>"
    assert read_markup(page).links == ()


@pytest.mark.parametrize(
    "mark",
    [
        '<a class="headerlink" href="#x">¶</a>',
        '<a class="anchor" href="#x" aria-hidden="true"><svg></svg></a>',
        '<a href="#x">#</a>',
        '<a class="hash-link" href="#x">\u200b</a>',
    ],
)
def test_the_link_mark_of_a_heading_is_no_part_of_it(mark):
    assert blocks(f"<h2 id=x>Tools{mark}</h2><p>y") == [("heading", "Tools"), ("paragraph", "y")]


def test_sources_are_references():
    page = "<h2>Use</h2><p>a</p><ol><li>b</ol><h2>7. References</h2><ol><li>c</ol><p>d</p><h2>End</h2><p>e"
    assert [kind for kind, _ in blocks(page)] == [
        "heading",
        "paragraph",
        "list_item",
        "heading",
        "reference",
        "reference",
        "heading",
        "paragraph",
    ]


def test_a_list_of_class_references_is_references():
    assert blocks("<p>a<ol class='references'><li>b</ol>")[1] == ("reference", "b")


# -- the page around the article

PAGE = """<body><header><a href="/">Site</a></header><nav><ul><li><a href=/a>Menu entry</a></ul></nav>
<div class="cookie-banner">We use cookies.</div>
<div class="breadcrumbs"><a href=/>Home</a> / Reports</div>
<main><article><h1>Heron at work</h1><p>It used a dead drop resolver in every case we saw.</p>
<div class="share-buttons">Share on X</div>
<h2>Mapping</h2><table><tr><th>ID<th>Use<tr><td>T1102<td>C2</table>
<aside class="admonition note"><p>A note inside.</p></aside>
<div class="related-posts"><h3>Related</h3><ul><li><a href=/x>Other actor</a></ul></div>
</article>
<div id="comments"><p>First comment.</p></div></main>
<aside><p>Newest posts</p></aside><div class="sidebar"><p>Side words</p></div>
<footer><p>Copyright</p></footer>"""


@pytest.mark.parametrize(
    "words",
    [
        "Site",
        "Menu entry",
        "cookies",
        "Home",
        "Share on",
        "Other actor",
        "First comment",
        "Newest",
        "Side words",
        "Copyright",
    ],
)
def test_page_furniture_is_left_out(words):
    assert words not in read_markup(PAGE).text


def test_tables_headings_and_notes_of_the_article_stay():
    assert read_markup(PAGE).text == (
        "Heron at work\n\nIt used a dead drop resolver in every case we saw.\n\nMapping\n\n"
        "ID\tUse\nT1102\tC2\n\nA note inside."
    )


def test_furniture_goes_from_a_page_that_marks_no_article():
    page = PAGE.replace("<main>", "<div>").replace("</main>", "</div>")
    page = page.replace("<article>", "<div>").replace("</article>", "</div>")
    text = read_markup(page).text
    assert text.startswith("Heron at work")
    assert "cookies" not in text
    assert "Side words" not in text


@pytest.mark.parametrize(
    "markup",
    [
        '<section id="cookie-theft" class="cookie-theft"><h2>Cookie theft</h2><p>kept</p></section>',
        '<div class="related-techniques"><p>kept</p></div>',
        '<div class="social-engineering"><p>kept</p></div>',
        '<section id="comments-on-attribution"><p>kept</p></section>',
        '<div class="table-responsive nav-tabs-content-x"><p>kept</p></div>',
        '<div class="sidebar"><table><tr><th>ID<th>Use<tr><td>T1<td>kept</table></div>',
        "<footer><h2>References</h2><ol><li>kept</ol></footer>",
        "<header><p>kept</p></header>",
        "<aside class='technique-map'><a href='/T1102'>kept</a></aside>",
    ],
)
def test_what_only_sounds_like_furniture_stays(markup):
    page = f"<body><article><h1>Heron</h1><p>{'A long paragraph of the report. ' * 10}</p>{markup}</article>"
    assert "kept" in read_markup(page).text


def test_a_body_of_class_sidebar_is_still_the_page():
    page = (
        f"<body class=has-sidebar><div class='sidebar wrapper'><p>{'Words of it. ' * 20}</p></div>"
    )
    assert "Words of it." in read_markup(page).text


def test_an_empty_main_does_not_hide_the_text():
    assert (
        "the text"
        in read_markup("<main></main><div><p>Here is the text of the page.</p></div>").text
    )


def test_of_several_articles_the_page_keeps_all():
    page = (
        "<main>"
        + "".join(f"<article><h2>Part {i}</h2><p>words {i}</p></article>" for i in range(4))
        + "</main>"
    )
    assert all(f"words {i}" in read_markup(page).text for i in range(4))


def test_the_title_heading_above_the_article_is_kept():
    page = "<header><h1>Heron at work</h1></header><article><p>It used T1102 again and again.</p></article>"
    assert blocks(page)[0] == ("heading", "Heron at work")


def test_a_page_that_is_furniture_all_over_is_read_whole():
    assert "words" in read_markup("<nav><p>Only words here</p></nav>").text


def test_everything_stays_of_a_document_without_a_page():
    assert "Side" in read_markup("<p>a</p><aside>Side</aside>", whole=True).text


def test_a_page_without_text_is_known_by_its_title():
    reading = read_markup("<title>App</title><div id=root></div><script>x</script>")
    assert reading.text == "App"
    assert any(fact.value == "index" for fact in reading.facts)


def test_noscript_does_not_close_what_is_open_around_it():
    page = "<ul><li>a<noscript><p>b</p></noscript> c</ul><script>'<noscript>'</script><p>d</p><noscript>e</noscript>"
    assert blocks(page) == [("list_item", "a c"), ("paragraph", "d")]


# -- hostile pages

HOSTILE = {
    "deep divs": "<div>" * 10_000 + "words",
    "deep quotes": "<blockquote>" * 10_000 + "words",
    "deep lists": "<ul><li>" * 10_000 + "words",
    "deep tables": "<table><tr><td>" * 3_000 + "words",
    "deep spans": "<span style='color:red'>" * 10_000 + "words",
    "deep details": "<details open>" * 10_000 + "words",
    "deep notes": "<p>words" + "<sup>" * 50_000 + "1",
    "formatting": "".join(f"<b a={i}>" for i in range(20_000)) + "<p>words" * 20_000,
    "links": "<a href=x>words" * 30_000,
    "open tags": "<p " + 'a="b ' * 100_000 + '"">words',
    "angles": "<" * 300_000 + "<p>words",
    "entities": "<p>words" + "&amp" * 200_000,
    "row spans": "<table>" + "<tr><td rowspan=60000>words" * 5_000,
    "column spans": "<table><tr>" + "<td colspan=1000>words" * 10_000,
    "noscripts": "<p>words" + "<noscript>" * 50_000,
    "comments": "<p>words" + "<!--" * 50_000,
    "rules": "<style>" + ".a{" * 100_000 + "</style><p>words",
    "selectors": "<style>" + ".a .b > c{display:none}" * 20_000 + "</style><p>words",
    "articles": "<article><p>words" * 5_000,
}


@pytest.mark.parametrize("sort", HOSTILE)
def test_hostile_markup_is_read_in_time(sort):
    began = time.process_time()
    reading = read_markup(HOSTILE[sort])
    assert "words" in reading.text
    assert time.process_time() - began < 8


def test_nothing_is_lost_at_great_depth():
    page = "".join(f"<div><p>w{i}</p>" for i in range(10_000))
    assert len(read_markup(page).blocks) == 10_000
