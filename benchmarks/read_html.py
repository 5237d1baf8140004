"""The HTML walk of `ctimine.read` against a BeautifulSoup walk that keeps the same blocks.

    python benchmarks/read_html.py [FOLDER_OR_FILE ...]

Without a path it reads the HTML samples of this repository, repeated into long pages. Both walks start
from the text of a page, parse it (lexbor, lxml) and give headings, paragraphs, list items, table cells,
code and quotes in order. Ours also resolves what is hidden, drops page furniture, keeps links with
offsets, and reads the metadata.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag

from ctimine.read.html import read_markup

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


def our_blocks(markup: str) -> list[tuple[str, str]]:
    reading = read_markup(markup)
    return [(block.kind, reading.text[block.start : block.end]) for block in reading.blocks]


def pages(arguments: list[str]) -> list[str]:
    if arguments:
        paths = [Path(argument) for argument in arguments]
        files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.html")))]
        return [file.read_text(encoding="utf-8", errors="replace") for file in files]
    samples = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "corpora").rglob("*.html"))]
    head, tail = "<html><body><main><article>", "</article></main></body></html>"
    bodies = [page.split("<body>", 1)[1].split("</body>", 1)[0] for page in samples]
    table = "<table><tr><th>ID<th>Use</tr>" + "<tr><td>T1102<td>a dead drop</tr>" * 30 + "</table>"
    return [head + (body + table) * 20 + tail for body in bodies] * 3


def best(work: Callable[[str], object], texts: list[str], rounds: int) -> float:
    fastest = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        for text in texts:
            work(text)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def main() -> int:
    texts = pages(sys.argv[1:])
    size = sum(len(text.encode()) for text in texts) / 1e6
    ours, soup = best(our_blocks, texts, 5), best(soup_blocks, texts, 2)
    print(f"{len(texts)} pages, {size:.1f} MB")
    print(f"ctimine.read   {size / ours:7.1f} MB/s")
    print(f"BeautifulSoup  {size / soup:7.1f} MB/s")
    print(f"ratio          {soup / ours:7.1f}")
    for name, walk in (("ctimine.read", our_blocks), ("BeautifulSoup", soup_blocks)):
        counts = Counter(kind for text in texts for kind, _ in walk(text))
        print(f"{name:14} {dict(sorted(counts.items()))}")
    return 0 if soup / ours >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
