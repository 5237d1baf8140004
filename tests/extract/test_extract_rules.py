"""The rule data: each rule has a score, a place in the docs, and is one that the code makes."""

from __future__ import annotations

import re
from pathlib import Path

from ctimine.extract.rules import scores

ROOT = Path(__file__).resolve().parents[2]


def test_the_docs_list_every_rule_with_its_score():
    page = (ROOT / "docs" / "stance.md").read_text(encoding="utf-8")
    listed = {
        name: float(score)
        for name, score in re.findall(r"^\| `([a-z-]+)` \| (0\.\d\d) \|", page, re.MULTILINE)
    }
    assert listed == scores()


def test_every_score_is_of_a_rule_that_the_code_makes():
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src" / "ctimine" / "extract").glob("*.py")
    )
    made = {rule for rule in scores() if f'"{rule}"' in code}
    composed = {
        f"{prefix}-{base}" for prefix in ("item", "heading") for base in ("section", "main")
    }
    assert set(scores()) - made - composed == set()
