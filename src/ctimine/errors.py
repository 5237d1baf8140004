"""Every exception that ctimine raises on purpose, in one tree.

::

    CtimineError
    ├── InputError            a path, option or argument that cannot be used
    ├── CatalogueError        facts about ATT&CK that cannot be loaded or built
    ├── FetchError            a source or address that could not be fetched
    ├── ReadError             a document that could not be turned into a Report
    │   ├── UnsupportedMedia  no reader for this kind of bytes
    │   ├── BrokenDocument    a reader exists, the bytes defeat it
    │   ├── EmptyDocument     read without fault, and nothing to read in it
    │   └── BudgetExceeded    the time or memory bound of one document ended it
    ├── ExtractError          a component or rule file that is set up wrongly
    ├── ExportError           a graph that cannot be written in the format asked for
    ├── ArchiveError          an archive file that cannot be opened or is not ours
    └── EvaluationError       a set, split or floor that cannot be scored

Each carries ``subject``: the path, address, id or name that it is about. The message always
names it, so that a log line alone tells what to look at.
"""

from __future__ import annotations


class CtimineError(Exception):
    """Base of all errors of ctimine; ``subject`` names the thing that it is about.

    >>> error = CtimineError("no such file", subject="reports/a.md")
    >>> str(error), error.subject
    ('reports/a.md: no such file', 'reports/a.md')
    """

    def __init__(self, message: str, *, subject: str = "") -> None:
        self.message = message
        self.subject = subject
        super().__init__(f"{subject}: {message}" if subject else message)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive pickling by default, and errors cross processes.
        return (_rebuild, (type(self), self.message, self.subject))


def _rebuild(kind: type[CtimineError], message: str, subject: str) -> CtimineError:
    return kind(message, subject=subject)


class InputError(CtimineError):
    """A path, option or argument that cannot be used."""


class CatalogueError(CtimineError):
    """Facts about ATT&CK or actor names that cannot be loaded or built."""


class FetchError(CtimineError):
    """A source or address that could not be fetched."""


class ReadError(CtimineError):
    """A document that could not be turned into a Report."""


class UnsupportedMedia(ReadError):
    """No reader for this kind of bytes."""


class BrokenDocument(ReadError):
    """A reader exists, but the bytes defeat it."""


class EmptyDocument(ReadError):
    """Read without fault, and there is nothing to read in it."""


class BudgetExceeded(ReadError):
    """The time or memory bound of one document ended its reading."""


class ExtractError(CtimineError):
    """A component or rule file that is set up wrongly."""


class ExportError(CtimineError):
    """A graph that cannot be written in the format asked for."""


class ArchiveError(CtimineError):
    """An archive file that cannot be opened, or is not one of ours."""


class EvaluationError(CtimineError):
    """A set, split or floor that cannot be scored."""
