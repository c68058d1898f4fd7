"""The few errors that cross rooms. Each carries the values a person needs to act on it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path


class SigmaSightError(Exception):
    """Base of every error that is reported to a person as one line."""


class ConfigurationError(SigmaSightError):
    """A setting or argument is unusable; the message names it and its legal values."""


class DatabaseUnavailable(SigmaSightError):
    """The database could not be reached, started or migrated."""


class PriceFileUnreadable(SigmaSightError):
    """A configured price file or folder is missing or is not what it should be."""


class SourceUnavailable(SigmaSightError):
    """A remote source did not answer, or not in its language; asking again may help."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source} did not answer: {reason}")


class RateLimited(SigmaSightError):
    """A remote source has been asked too often. retry_after: how long it wants to be left alone."""

    def __init__(self, source: str, retry_after: timedelta | None) -> None:
        self.source, self.retry_after = source, retry_after
        super().__init__(f"{source} has been asked too often")


class SourceRefused(SigmaSightError):
    """A remote source will not answer this, however often it is asked: a wrong key, a bad path."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source} refused: {reason}")


class SessionNotComplete(SigmaSightError):
    """A session was asked for before its own close."""

    def __init__(self, session: date, available_at: datetime) -> None:
        self.session = session
        self.available_at = available_at
        super().__init__(
            f"session {session} is not complete: it is available after {available_at.isoformat()}"
        )


class NotASession(SigmaSightError):
    """A day on which the NYSE does not trade was asked for as a session."""

    def __init__(self, day: date, before: date, after: date) -> None:
        self.day, self.before, self.after = day, before, after
        super().__init__(f"{day} is not an NYSE session; the nearest are {before} and {after}")


class StaleEpoch(SigmaSightError):
    """A newer run has claimed the session: this run's writes are refused."""

    def __init__(self, layer: str, session: date, held: int, current: int) -> None:
        super().__init__(
            f"{layer} {session}: epoch {held} was overtaken by {current}; nothing was written"
        )


class ReviewedFileInvalid(SigmaSightError):
    """A file of reviewed data breaks a rule. line: from 1, None when the file cannot be read."""

    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        self.path, self.line, self.problem = path, line, problem
        where = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}")


class ScenarioFileInvalid(ReviewedFileInvalid):
    """The file of stress scenarios breaks a rule."""


class SectorWeightFileInvalid(ReviewedFileInvalid):
    """The file of benchmark sector weights breaks a rule."""
