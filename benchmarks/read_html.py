"""The HTML walk of `ctimine.read` on its own tree and on BeautifulSoup's, with the same rules.

    python benchmarks/read_html.py [FOLDER_OR_FILE ...]

Without a path it reads the HTML samples of this repository, repeated into long pages under a
style sheet. Three rows, each from the text of a page to blocks in order:

- `ctimine.read`: the walk as it is, on lexbor's tree (selectolax);
- `BeautifulSoup, same rules`: the very same walk (hidden text, style sheets, furniture, tables,
  links) on the tree that BeautifulSoup makes with lxml, its fastest parser, and its own selectors;
- `BeautifulSoup, bare`: a walk that only keeps blocks, and neither sees what is hidden nor leaves
  out furniture, nor keeps links, rows and columns: less work than the other two.

CPU time, best of several rounds. The exit code tells whether the same rules run at least five
times faster here.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag

from ctimine.read.html import Walk, parse
from ctimine.read.text import TextBuilder

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "heading"),
    "p": "paragraph",
    "li": "list_item",
    "dt": "list_item",
    "dd": "list_item",
    "td": "table_cell",
    "th": "table_cell",
    "pre": "code",
    "blockquote": "quote",
    "figcaption": "caption",
}
SKIPPED = {"script", "style", "template", "noscript", "nav", "header", "footer", "aside"}


def soup_blocks(markup: str) -> list[tuple[str, str]]:
    """Blocks by BeautifulSoup on lxml, its fastest parser, in one iterative walk."""
    soup = BeautifulSoup(markup, "lxml")
    blocks: list[tuple[str, str]] = []
    stack = [(soup.body or soup, "paragraph")]
    while stack:
        node, kind = stack.pop()
        words: list[str] = []
        inner: list[tuple[Tag, str]] = []
        for child in node.children:
            if isinstance(child, Tag):
                if child.name in SKIPPED or child.get("hidden") is not None:
                    continue
                own = KINDS.get(child.name)
                if own or child.find(True) is not None:
                    inner.append((child, own or kind))
                else:
                    words.append(child.get_text())
            elif type(child) is NavigableString:
                words.append(child)
        text = " ".join("".join(words).split())
        if text:
            blocks.append((kind, text))
        stack.extend(reversed(inner))
    return blocks


SHEET = """
body{margin:0;color:#222;background:#fff;font-size:16px} a{color:#06c} a:hover{color:#039}
.site-header{position:sticky;top:0;background:#123} .site-header a{color:#fff} .menu{display:none}
.menu.open{display:block} .menu ul li{display:inline-block} .hero{background:#123;color:#fff}
.hero h1{font-size:2.4rem;color:#fff} article p{line-height:1.6} article > h2{margin-top:2em}
article ul li{margin-left:1em} .card{border:1px solid #ddd} .card .card-title{font-size:1.2em}
.card .badge{display:inline-block;color:#fff;background:#c33} table{width:100%} table td{color:#333}
table thead th{background:#eee} pre{overflow:auto;background:#f6f6f6} pre code{font-size:.9em}
figure figcaption{color:#777} .sr-only{position:absolute;width:1px;height:1px;overflow:hidden}
.modal{display:none} .modal.is-active{display:flex} .toast{opacity:0} footer p{color:#999}
@media print{nav{display:none}} @media (max-width:600px){.card{display:none}}
"""
"""A style sheet such as pages carry in their head; without one, no selector is to be matched."""


class SoupNode:
    """A BeautifulSoup node that answers as a node of selectolax does."""

    __slots__ = ("soup",)

    def __init__(self, soup: PageElement) -> None:
        self.soup = soup

    @property
    def tag(self) -> str:
        if isinstance(self.soup, Tag):
            return self.soup.name
        return "-text" if type(self.soup) is NavigableString else "-comment"

    @property
    def child(self) -> SoupNode | None:
        contents = getattr(self.soup, "contents", None)
        return SoupNode(contents[0]) if contents else None

    @property
    def next(self) -> SoupNode | None:
        following = self.soup.next_sibling
        return None if following is None else SoupNode(following)

    @property
    def parent(self) -> SoupNode | None:
        above = self.soup.parent
        return None if above is None else SoupNode(above)

    @property
    def attributes(self) -> dict[str, str]:
        found = getattr(self.soup, "attrs", None) or {}
        return {k: " ".join(v) if isinstance(v, list) else v for k, v in found.items()}

    @property
    def text_content(self) -> str:
        return str(self.soup)

    @property
    def mem_id(self) -> int:
        return id(self.soup)

    def text(self, *, deep: bool = True) -> str:
        return self.soup.get_text() if deep else ""


class SoupTree:
    """A BeautifulSoup document that answers as a tree of selectolax does."""

    def __init__(self, markup: str) -> None:
        self.soup = BeautifulSoup(markup, "lxml")
        self.body = SoupNode(self.soup.body) if self.soup.body else None
        self.root = SoupNode(self.soup.html) if self.soup.html else None

    def css(self, selector: str) -> list[SoupNode]:
        return [SoupNode(tag) for tag in self.soup.select(selector)]

    def css_first(self, selector: str) -> SoupNode | None:
        return next(iter(self.css(selector)), None)


def walked(tree: object) -> list[tuple[str, str]]:
    text = TextBuilder()
    Walk(tree).build(text)  # type: ignore[arg-type]
    reading = text.reading()
    return [(block.kind, reading.text[block.start : block.end]) for block in reading.blocks]


def our_blocks(markup: str) -> list[tuple[str, str]]:
    return walked(parse(markup))


def same_rules(markup: str) -> list[tuple[str, str]]:
    return walked(SoupTree(markup))


def pages(arguments: list[str]) -> list[str]:
    if arguments:
        paths = [Path(argument) for argument in arguments]
        files = [
            file
            for path in paths
            for file in ([path] if path.is_file() else sorted(path.rglob("*.html")))
        ]
        return [file.read_text(encoding="utf-8", errors="replace") for file in files]
    samples = [
        file.read_text(encoding="utf-8") for file in sorted((ROOT / "corpora").rglob("*.html"))
    ]
    head = f"<html><head><style>{SHEET}</style></head><body><main><article>"
    tail = "</article></main></body></html>"
    bodies = [page.split("<body>", 1)[1].split("</body>", 1)[0] for page in samples]
    table = "<table><tr><th>ID<th>Use</tr>" + "<tr><td>T1102<td>a dead drop</tr>" * 8 + "</table>"
    return [head + (body + table) * 20 + tail for body in bodies] * 3


def best(work: Callable[[str], object], texts: list[str], rounds: int) -> float:
    fastest = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        for text in texts:
            work(text)
        fastest = min(fastest, time.process_time() - start)
    return fastest


def main() -> int:
    texts = pages(sys.argv[1:])
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} pages, {size:.1f} MB")
    ours = best(our_blocks, texts, 5)
    ratios = {}
    for name, walk, rounds in (
        ("ctimine.read", our_blocks, 5),
        ("BeautifulSoup, same rules", same_rules, 2),
        ("BeautifulSoup, bare", soup_blocks, 2),
    ):
        seconds = ours if walk is our_blocks else best(walk, texts, rounds)
        ratios[name] = seconds / ours
        counts = Counter(kind for text in texts for kind, _ in walk(text))
        blocks = dict(sorted(counts.items()))
        print(f"{name:26} {size / seconds:6.1f} MB/s   x {seconds / ours:4.1f}   {blocks}")
    return 0 if ratios["BeautifulSoup, same rules"] >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
