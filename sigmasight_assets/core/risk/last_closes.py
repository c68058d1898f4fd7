"""The last stored close at or before a session (methodology, sections 1 and 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.sessions import session_number
from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Floats, PricePanel

LOOK_BACK: Final = 280
"""Sessions up to and including t in which a close is looked for; an older one is no price."""

STALE_AFTER: Final = 5
"""A close more than this many sessions old makes its position stale."""


@dataclass(frozen=True)
class LastCloses:
    """Where the last close of each symbol stands on each session of a panel.

    first_session: calendar position (core.sessions) of the panel's first session.
    last_row: (T, S) row of the last close at or before each session, -1 = none yet.
    """

    panel: PricePanel
    first_session: int
    last_row: NDArray[np.int32]

    def at(self, column: Ints, session: Ints) -> tuple[Floats, Ints]:
        """The close used, and its age in sessions, for pairs of panel column and session.

        column, session: (N,), sessions as calendar positions. The close is NaN and the age -1
        where the column is -1, the session is outside the panel, or none of the 280 sessions up
        to it has a close.
        """
        price = np.full(len(column), np.nan)
        age = np.full(len(column), -1, dtype=np.int64)
        row = session - self.first_session
        inside = np.flatnonzero((column >= 0) & (row >= 0) & (row < len(self.last_row)))
        found = self.last_row[row[inside], column[inside]]
        sessions_old = row[inside] - found
        usable = (found >= 0) & (sessions_old < LOOK_BACK)
        priced = inside[usable]
        price[priced] = self.panel.close[found[usable], column[priced]]
        age[priced] = sessions_old[usable]
        return price, age


def last_closes(panel: PricePanel) -> LastCloses:
    """The index of last closes of a panel: one pass, whatever the number of sessions asked for."""
    rows = np.arange(len(panel.sessions), dtype=np.int32)[:, None]
    last_row = np.where(np.isfinite(panel.close), rows, np.int32(-1))
    np.maximum.accumulate(last_row, axis=0, out=last_row)
    return LastCloses(panel, int(session_number(panel.sessions[:1])[0]), last_row)
