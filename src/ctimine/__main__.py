"""``python -m ctimine``: the same as the command ``ctimine``."""

from __future__ import annotations

from ctimine.cli import main

if __name__ == "__main__":
    main()
