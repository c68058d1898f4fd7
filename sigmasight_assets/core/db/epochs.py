"""Who may write a session, and what readers may see of it.

A run claims a session and gets an epoch that only grows. Every write checks, in its own
transaction, that no later run has claimed the session since: a run that was paused, declared
dead and resumed cannot overwrite its own retry. A run that claims twice keeps its first epoch.

A session of a layer is published when each of its tables has been written. `published_sessions`
is the one place that says so: readers ask it what is there, and its `data_version` grows once
with every transaction that changes what they see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.errors import StaleEpoch

CHANNEL: Final = "sigmasight_published"


class Layer(StrEnum):
    """What is published together."""

    SYMBOLS = "symbols"
    PORTFOLIOS = "portfolios"


LAYER_TABLES: Final[Mapping[Layer, frozenset[str]]] = {
    Layer.SYMBOLS: frozenset(
        {
            "symbol_factor_exposures",
            "symbol_daily_metrics",
            "factor_covariances",
            "factor_correlations",
            "factor_market_slopes",
        }
    ),
    Layer.PORTFOLIOS: frozenset(
        {
            "portfolio_snapshots",
            "factor_exposures",
            "position_factor_exposures",
            "correlation_calculations",
            "correlation_matrices",
            "stress_test_results",
            "stress_scenario_moves",
            "market_risk_scenarios",
        }
    ),
}


@dataclass(frozen=True)
class Claim:
    """A run's right to write sessions of a layer, until a later run claims them."""

    layer: Layer
    run_id: str
    epochs: Mapping[date, int]


def claim_sessions(
    connection: Connection, layer: Layer, sessions: Collection[date], run_id: str
) -> Claim:
    """Claim sessions for a run; sessions it holds already keep their epoch."""
    _lock_claims(connection, layer)
    connection.execute(
        """
        INSERT INTO session_epochs (layer, session, epoch, run_id)
        SELECT %(layer)s, wanted.session, coalesce(max(e.epoch), 0) + 1, %(run_id)s
        FROM unnest(%(sessions)s::date[]) AS wanted (session)
        LEFT JOIN session_epochs e ON e.layer = %(layer)s AND e.session = wanted.session
        GROUP BY wanted.session
        ORDER BY wanted.session
        ON CONFLICT (layer, session, run_id) DO NOTHING
        """,
        {"layer": layer, "sessions": sorted(sessions), "run_id": run_id},
    )
    rows = connection.execute(
        """
        SELECT session, epoch FROM session_epochs
        WHERE layer = %s AND run_id = %s AND session = ANY(%s::date[])
        """,
        (layer, run_id, sorted(sessions)),
    ).fetchall()
    return Claim(layer, run_id, dict(rows))


def _lock_claims(connection: Connection, layer: Layer) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 0)", (f"claim {layer}",))


def join_sessions(
    connection: Connection, layer: Layer, sessions: Collection[date], run_id: str
) -> Claim:
    """A right to add to sessions beside whoever claimed them last; unclaimed ones are claimed.

    For a run that replaces the rows of a few symbols or portfolios: it ends with the next claim,
    as any other, but ends nobody's.
    """
    _lock_claims(connection, layer)
    newest = _newest_epochs(connection, layer, sessions)
    first = claim_sessions(connection, layer, set(sessions) - set(newest), run_id)
    return Claim(layer, run_id, {**newest, **first.epochs})


def _newest_epochs(
    connection: Connection, layer: Layer, sessions: Collection[date]
) -> dict[date, int]:
    """The highest epoch of each session that was ever claimed, in their order."""
    return dict(
        connection.execute(
            """
            SELECT session, max(epoch) FROM session_epochs
            WHERE layer = %s AND session = ANY(%s::date[]) GROUP BY session ORDER BY session
            """,
            (layer, sorted(sessions)),
        ).fetchall()
    )


def claimed_by(connection: Connection, layer: Layer, session: date) -> str | None:
    """The run that claimed a session last, if any did."""
    row = connection.execute(
        "SELECT run_id FROM session_epochs WHERE layer = %s AND session = %s "
        "ORDER BY epoch DESC LIMIT 1",
        (layer, session),
    ).fetchone()
    return row[0] if row else None


def check_claim(connection: Connection, claim: Claim, sessions: Collection[date]) -> None:
    """Refuse the transaction if a later run has claimed any of the sessions.

    Raises:
        StaleEpoch: naming the session and both epochs.
    """
    for session, current in _newest_epochs(connection, claim.layer, sessions).items():
        if claim.epochs[session] != current:
            raise StaleEpoch(claim.layer, session, claim.epochs[session], current)


def lock_slices(connection: Connection, tables: Collection[str], session: date) -> None:
    """Hold (table, session) until the transaction ends, in one order for everyone."""
    for table in sorted(tables):
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), %s - DATE '2000-01-01')", (table, session)
        )


def record_slice(
    connection: Connection, claim: Claim, table: str, session: date, rows: int
) -> None:
    """Note, in the transaction that wrote it, that a table's slice is in place."""
    connection.execute(
        """
        INSERT INTO written_slices (table_name, session, layer, epoch, row_count)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (table_name, session) DO UPDATE SET
            layer = excluded.layer, epoch = excluded.epoch, row_count = excluded.row_count,
            written_at = clock_timestamp()
        """,
        (table, session, claim.layer, claim.epochs[session], rows),
    )


def lock_publications(connection: Connection) -> None:
    """One publication at a time, until the transaction ends.

    A data version must not become visible after a higher one, which a reader may have remembered;
    and of two transactions that complete a session together the second has to see what the first
    wrote. It is taken last, when all that takes long is written, so nobody waits long.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('published_sessions'), 0)")


def publish_if_complete(connection: Connection, claim: Claim, session: date) -> bool:
    """Publish the session if each table of its layer is in place; readers are told on commit."""
    lock_publications(connection)
    written = connection.execute(
        "SELECT count(*) FROM written_slices WHERE session = %s AND table_name = ANY(%s)",
        (session, sorted(LAYER_TABLES[claim.layer])),
    ).fetchone()
    if written is None or written[0] < len(LAYER_TABLES[claim.layer]):
        return False
    connection.execute(
        """
        INSERT INTO published_sessions (layer, session, epoch, data_version)
        VALUES (%s, %s, %s, nextval('data_version'))
        ON CONFLICT (layer, session) DO UPDATE SET
            epoch = excluded.epoch, data_version = excluded.data_version,
            published_at = clock_timestamp()
        """,
        (claim.layer, session, claim.epochs[session]),
    )
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{claim.layer} {session}"))
    return True
