"""One run from sources to graph: the joins between rooms that must not know each other."""

from __future__ import annotations

from ctimine.mine.document import Mined, mine_document
from ctimine.mine.run import Run, mine, sample_corpus, source_of

__all__ = ["Mined", "Run", "mine", "mine_document", "sample_corpus", "source_of"]
