"""NYSE sessions: which days trade, when they complete, and look-back arithmetic.

The one wrapper around pandas-market-calendars. Look-back is counted in sessions, never in
calendar days. Scalars are `datetime.date`, arrays `datetime64[D]`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.errors import NotASession, SessionNotComplete

Sessions = NDArray[np.datetime64]

FIRST_KNOWN: Final = date(1990, 1, 2)
LAST_KNOWN: Final = date(2039, 12, 30)


@cache
def _calendar() -> tuple[Sessions, NDArray[np.datetime64]]:
    """All known sessions and the UTC instants of their closes, early closes honoured."""
    import pandas_market_calendars  # noqa: PLC0415  (costs a second; only those who ask pay)

    schedule = pandas_market_calendars.get_calendar("NYSE").schedule(
        FIRST_KNOWN.isoformat(), LAST_KNOWN.isoformat()
    )
    closes = schedule["market_close"].dt.tz_convert("UTC").dt.tz_localize(None)
    days = schedule.index.to_numpy().astype("datetime64[D]")
    return days, closes.to_numpy().astype("datetime64[s]")


def all_sessions() -> Sessions:
    """Every known session, ascending. Shape (n,)."""
    return _calendar()[0]


def session_number(days: date | Sessions) -> NDArray[np.int64]:
    """Position in the calendar of the first session on or after each day.

    Events dated on a weekend or holiday thereby belong to the next session. NaT maps past the
    end of the calendar: an exit that never happened is later than every session.
    """
    wanted = np.asarray(days, dtype="datetime64[D]")
    return np.asarray(np.searchsorted(all_sessions(), wanted), dtype=np.int64)


def session_at(number: int) -> date:
    """The session at a calendar position."""
    found: date = all_sessions()[number].astype(object)
    return found


def is_session(day: date) -> bool:
    """Whether the NYSE trades on this day."""
    return session_at(int(session_number(day))) == day


def on_or_after(day: date) -> date:
    """The first session on or after the day."""
    return session_at(int(session_number(day)))


def on_or_before(day: date) -> date:
    """The last session on or before the day."""
    return session_at(int(np.searchsorted(all_sessions(), np.datetime64(day), side="right")) - 1)


def require_session(day: date) -> date:
    """The day itself if it is a session.

    Raises:
        NotASession: naming the sessions around it.
    """
    if not is_session(day):
        raise NotASession(day, on_or_before(day), on_or_after(day))
    return day


def offset(session: date, by: int) -> date:
    """The session `by` sessions later (negative: earlier)."""
    return session_at(int(session_number(require_session(session))) + by)


def between(first: date, last: date) -> Sessions:
    """Sessions from first to last, both included, ascending. Empty if there are none."""
    days = all_sessions()
    start = int(np.searchsorted(days, np.datetime64(first)))
    stop = int(np.searchsorted(days, np.datetime64(last), side="right"))
    return days[start:stop]


def as_dates(days: Sessions) -> list[date]:
    """The same days as `datetime.date` objects."""
    converted: list[date] = days.astype(object).tolist()
    return converted


def completes_at(session: date) -> datetime:
    """The instant of the session's own close, in UTC."""
    instant: datetime = _calendar()[1][int(session_number(require_session(session)))].astype(object)
    return instant.replace(tzinfo=UTC)


def latest_completed(now: datetime) -> date:
    """The last session whose close is not after `now` (an aware instant)."""
    instant = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "s")
    return session_at(int(np.searchsorted(_calendar()[1], instant, side="right")) - 1)


def require_completed(session: date, now: datetime) -> date:
    """The session itself if its close has passed at `now`.

    Raises:
        NotASession: for a day without trading.
        SessionNotComplete: naming the instant at which it will be available.
    """
    if session > latest_completed(now):
        raise SessionNotComplete(session, completes_at(session))
    return require_session(session)


def weekday_holidays(first: date, last: date) -> list[date]:
    """Weekdays from first to last on which the NYSE does not trade."""
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    weekdays = days[np.is_busday(days)]
    return as_dates(weekdays[~np.isin(weekdays, all_sessions())])
