"""The exceptions of the reconciliation, a session's at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.binary_values import LARGEST_AMOUNT
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, lock_slices
from sigmasight_assets.core.db.read.reconciliation import publications
from sigmasight_assets.core.db.tables import reconciliation_exceptions
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.shapes.panel import Columns, Floats

FORGET: Final = """
    DELETE FROM reconciliation_exceptions
    WHERE snapshot_date = %(session)s
      AND (%(chosen)s::uuid[] IS NULL OR portfolio_id = ANY(%(chosen)s::uuid[]))
"""


@dataclass(frozen=True)
class ReconciliationException:
    """A money item of a portfolio on which the three accounts differ; USD, NaN where one is absent.

    detail: for a person.
    """

    portfolio_id: str
    item: str
    stored: float
    from_positions: float
    as_served: float
    detail: str


def replace_exceptions(
    database: Database,
    session: date,
    data_version: int,
    exceptions: Sequence[ReconciliationException],
) -> bool:
    """Replace a session's exceptions, unless it was published anew since they were found.

    data_version: of the publication that was compared. Returns whether it is still the one that
    readers see; if not, nothing is written: what was found is of rows that are no more.
    """
    ordered = sorted(exceptions, key=lambda each: (each.portfolio_id, each.item))

    def work(connection: Connection) -> bool:
        lock_slices(connection, [reconciliation_exceptions.name], session)
        if publications(connection, Layer.PORTFOLIOS, [session]).get(session) != data_version:
            return False
        forget_exceptions(connection, session)
        if ordered:
            table = reconciliation_exceptions
            copy_rows(connection, table.name, table, _columns(session, ordered))
        return True

    return database.transaction(work)


def forget_exceptions(
    connection: Connection, session: date, portfolio_ids: Sequence[str] | None = None
) -> None:
    """Drop a session's exceptions, of the portfolios named or of all: their rows are replaced."""
    chosen = None if portfolio_ids is None else list(portfolio_ids)
    connection.execute(FORGET, {"session": session, "chosen": chosen})


def _columns(session: date, exceptions: Sequence[ReconciliationException]) -> Columns:
    return {
        "snapshot_date": np.full(len(exceptions), np.datetime64(session, "D")),
        "portfolio_id": np.array([each.portfolio_id for each in exceptions]),
        "item": np.array([each.item for each in exceptions]),
        "stored": _storable([each.stored for each in exceptions]),
        "from_positions": _storable([each.from_positions for each in exceptions]),
        "as_served": _storable([each.as_served for each in exceptions]),
        "detail": np.array([each.detail for each in exceptions]),
    }


def _storable(amounts: Sequence[float]) -> Floats:
    """NaN for an amount beyond what money columns hold; the detail has it in words."""
    usd = np.array(amounts, dtype=np.float64)
    return np.where(np.abs(usd) < LARGEST_AMOUNT, usd, np.nan)
