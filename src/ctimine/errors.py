"""Every exception that ctimine raises on purpose, in one tree.

::

    CtimineError
    ├── InputError            a path, option or argument that cannot be used
    ├── CatalogueError        facts about ATT&CK that cannot be loaded or built
    ├── FetchError            a source or address that could not be fetched
    │   ├── AddressRefused    an address that is not on the public internet, or no web address
    │   ├── Unreachable       no such name, no connection, or a connection that broke
    │   │   └── TLSRefused    no encryption that can be trusted
    │   ├── DeadlineExceeded  too slow as a whole
    │   ├── TooLarge          more bytes than the bound, packed or unpacked
    │   ├── BadAnswer         an answer that cannot be used: status, redirects, coding
    │   ├── RateLimited       told to come back later than this run waits
    │   ├── RobotsDenied      the site's robots.txt asks not to
    │   ├── Blocked           a login, a challenge page, a refusal; never bypassed
    │   └── BrokenSource      not what the source's kind promises: no feed, no sitemap, no tree
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

import json


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


def in_words(error: Exception) -> str:
    """What went wrong with a file, for a message that names the file itself.

    >>> in_words(FileNotFoundError(2, "No such file or directory", "a.json"))
    'No such file or directory'
    >>> in_words(json.JSONDecodeError("Expecting value", "# Notes", 0)), in_words(KeyError("text"))
    ('no JSON (Expecting value, line 1, column 1)', 'lacks text')
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON ({error.msg}, line {error.lineno}, column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 at byte {error.start}"
    if isinstance(error, KeyError):
        return f"lacks {error.args[0]}" if error.args else "lacks a field"
    return str(error) or type(error).__name__


def _rebuild(kind: type[CtimineError], message: str, subject: str) -> CtimineError:
    return kind(message, subject=subject)


class InputError(CtimineError):
    """A path, option or argument that cannot be used."""


class CatalogueError(CtimineError):
    """Facts about ATT&CK or actor names that cannot be loaded or built."""


class FetchError(CtimineError):
    """A source or address that could not be fetched; ``reason`` is a phrase that can be counted."""

    reason = "not fetched"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.subject), self.__dict__)


class AddressRefused(FetchError):
    """An address that is not on the public internet, or no web address at all."""

    reason = "address refused"


class Unreachable(FetchError):
    """No such name, no connection, or a connection that broke."""

    reason = "unreachable"


class TLSRefused(Unreachable):
    """No encryption that can be trusted: expired, wrong host, unknown issuer, old protocol."""

    reason = "TLS refused"


class DeadlineExceeded(FetchError):
    """The answer took longer, as a whole, than one request may."""

    reason = "deadline"


class TooLarge(FetchError):
    """More bytes than the bound, as they came or unpacked."""

    reason = "too large"


class BadAnswer(FetchError):
    """An answer that cannot be used; ``status`` is its HTTP status (0: not about the status)."""

    reason = "bad answer"

    def __init__(self, message: str, *, subject: str = "", status: int = 0) -> None:
        super().__init__(message, subject=subject)
        self.status = status
        if status:
            self.reason = f"HTTP {status}"


class RateLimited(FetchError):
    """Told to come back later than this run waits; ``until`` is that time in Unix seconds."""

    reason = "rate limited"

    def __init__(self, message: str, *, subject: str = "", until: float = 0.0) -> None:
        super().__init__(message, subject=subject)
        self.until = until


class RobotsDenied(FetchError):
    """The site's robots.txt asks not to fetch this."""

    reason = "robots denied"


class Blocked(FetchError):
    """A login, a challenge page or a refusal. It is reported and never bypassed."""

    reason = "blocked"


class BrokenSource(FetchError):
    """Not what the source's kind promises: no feed, no sitemap, no tree."""

    reason = "broken source"


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
