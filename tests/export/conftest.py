"""Puts the makers of reports and claims beside the graph's tests within reach."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "graph"))
