"""What outlives a run: snapshots and what a fetcher needs remembered, in one SQLite file.

>>> import ctimine.archive
>>> ctimine.archive.__all__
['Archive']
"""

from ctimine.archive.archive import Archive

__all__ = ["Archive"]
