"""What the nightly reconciliation reads: stored money, the same worked out anew, and who is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.db.read.reconciliation_figures import FIGURES, ITEMS
from sigmasight_assets.core.db.read.reconciliation_ground import STEPS
from sigmasight_assets.core.shapes.panel import Bools, Floats, PricePanel

NAV_CHANGE: Final = "nav_change"
"""The item beside the columns: NAV_t - NAV_{t-1} as stored against daily_pnl + capital_flow."""

COMPARED_ITEMS: Final = (*ITEMS, NAV_CHANGE)

COMPARED: Final = f"""
    SELECT w.id, w.magnitude, s.portfolio_id IS NOT NULL, EXISTS (
               SELECT FROM batch_failure_log l WHERE l.batch_type = %(batch_type)s
                 AND l.batch_date = %(session)s AND l.item = w.id::text),
           {", ".join(f"s.{item}" for item in ITEMS)},
           CASE WHEN f.inception < %(session)s THEN s.net_asset_value - b.net_asset_value END,
           {", ".join(f"w.{item}" for item in ITEMS)}, w.daily_pnl + w.capital_flow
    FROM ({FIGURES}) AS w JOIN recon_portfolios f USING (id)
    LEFT JOIN portfolio_snapshots s ON s.portfolio_id = w.id AND s.snapshot_date = %(session)s
    LEFT JOIN portfolio_snapshots b ON b.portfolio_id = w.id AND b.snapshot_date = %(eve)s
    ORDER BY w.id
"""

STALE: Final = """
    SELECT count(*) FROM recon_portfolios WHERE inception <= %(session)s
      AND stale_from <= %(session)s
"""

CLOSES: Final = "SELECT DISTINCT symbol, date, close FROM recon_closes"

# Days are New York's: a session's snapshots are written after its close, so those of a session
# after the day of the deletion were written by somebody who did not look.
UNDUE: Final = """
    SELECT s.portfolio_id::text, s.net_asset_value::float8,
           CASE WHEN p.deleted_at IS NULL
                THEN 'a snapshot is stored for a session before the inception on '
                     || p.inception_date
                ELSE 'a snapshot is stored for a session after the portfolio was deleted on '
                     || (p.deleted_at AT TIME ZONE 'America/New_York')::date END
    FROM portfolio_snapshots s JOIN portfolios p ON p.id = s.portfolio_id
    WHERE s.snapshot_date = %(session)s AND CASE WHEN p.deleted_at IS NULL
        THEN p.inception_date > %(session)s AND coalesce(p.stale_from > %(session)s, true)
        ELSE (p.deleted_at AT TIME ZONE 'America/New_York')::date < %(session)s END
    ORDER BY s.portfolio_id
"""

WORST: Final = """
    SELECT portfolio_id::text, snapshot_date, item, detail FROM reconciliation_exceptions
    WHERE snapshot_date = ANY(%(days)s::date[])
    ORDER BY GREATEST(coalesce(stored, 0), from_positions, as_served)
           - LEAST(coalesce(stored, 0), from_positions, as_served) DESC,
           snapshot_date, portfolio_id, item
    LIMIT 1
"""

COUNTS: Final = """
    SELECT count(*), count(DISTINCT portfolio_id) FROM reconciliation_exceptions
    WHERE snapshot_date = ANY(%(days)s::date[])
"""


@dataclass(frozen=True)
class SessionFigures:
    """The money of the P portfolios that a session should have, by id; I items.

    portfolio_id: (P,) str, sorted. magnitude: (P,) USD, the sum of all amounts that make up the
    figures, each without its sign. has_snapshot, failed: (P,), failed by the log of the session.
    stored, from_positions: (P, I) USD in the order of COMPARED_ITEMS; stored NaN where
    there is no snapshot, of NAV_CHANGE also where there is none of the session before.
    stale: how many are left out because they are known to be out of date.
    """

    portfolio_id: NDArray[Any]
    magnitude: Floats
    has_snapshot: Bools
    failed: Bools
    stored: Floats
    from_positions: Floats
    stale: int


@dataclass(frozen=True)
class UndueSnapshot:
    """A snapshot that should not be there, and why not."""

    portfolio_id: str
    net_asset_value: float
    detail: str


@dataclass(frozen=True)
class StoredExceptions:
    """How many exceptions sessions have, of how many portfolios, and the worst in words."""

    count: int
    portfolios: int
    worst: str | None


def prepare_figures(connection: Connection, days: Sequence[date]) -> None:
    """Work out, in temporary tables of this transaction, what the figures of the days share."""
    eves = {sessions.offset(day, -1) for day in days}
    values = {
        "calendar": sessions.as_dates(sessions.all_sessions()),
        "days": sorted(eves.union(days)),
        "last": max(days),
    }
    connection.execute("SET LOCAL work_mem = '256MB'")
    for step in STEPS:
        connection.execute(step, values if "%(" in step else None)


def session_figures(connection: Connection, session: date, batch_type: str) -> SessionFigures:
    """The figures of one of the days prepared. batch_type: under which failures are logged."""
    values = {"session": session, "eve": sessions.offset(session, -1), "batch_type": batch_type}
    stored, worked = (
        [f"{side} {item}" for item in COMPARED_ITEMS] for side in ("stored", "worked")
    )
    heads = {"id": "text", "magnitude": "float", "has_snapshot": "bool", "failed": "bool"}
    types = {**heads, **dict.fromkeys([*stored, *worked], "float")}
    rows = fetch_columns(connection, COMPARED, values, types)
    (stale,) = connection.execute(STALE, values).fetchone() or (0,)
    return SessionFigures(
        rows["id"],
        rows["magnitude"],
        rows["has_snapshot"],
        rows["failed"],
        np.stack([rows[name] for name in stored], axis=1),
        np.stack([rows[name] for name in worked], axis=1),
        stale,
    )


def closes_in_use(connection: Connection, first: date, last: date) -> PricePanel:
    """The closes that value the days prepared, alone among the sessions from first to last.

    Those of every other session are NaN, which no valuation of these days asks for. Reading them
    all would take longer the older the oldest portfolio is.
    """
    types = {"symbol": "text", "date": "date", "close": "float"}
    rows = fetch_columns(connection, CLOSES, {}, types)
    days = sessions.between(min([first, *sessions.as_dates(rows["date"])]), last)
    symbols, column = np.unique(rows["symbol"], return_inverse=True)
    close = np.full((len(days), len(symbols)), np.nan)
    close[np.searchsorted(days, rows["date"]), column] = rows["close"]
    return PricePanel(tuple(symbols.tolist()), days, close, close)


def undue_snapshots(connection: Connection, session: date) -> list[UndueSnapshot]:
    """Snapshots of portfolios deleted before the session, or that begin after it."""
    return [UndueSnapshot(*row) for row in connection.execute(UNDUE, {"session": session})]


def publications(connection: Connection, layer: str, days: Sequence[date]) -> Mapping[date, int]:
    """The data version of each of the days that a layer has published."""
    rows = connection.execute(
        "SELECT session, data_version FROM published_sessions "
        "WHERE layer = %s AND session = ANY(%s) ORDER BY session",
        (layer, list(days)),
    )
    return dict(rows.fetchall())


def stored_exceptions(connection: Connection, days: Sequence[date]) -> StoredExceptions:
    """What the sessions' exceptions come to."""
    values = {"days": list(days)}
    worst = connection.execute(WORST, values).fetchone()
    count, portfolios = connection.execute(COUNTS, values).fetchone() or (0, 0)
    sentence = "{} on {}, {}: {}".format(*worst) if worst else None
    return StoredExceptions(count, portfolios, sentence)
