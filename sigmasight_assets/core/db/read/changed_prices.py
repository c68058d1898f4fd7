"""What has changed under the stored results of the symbol layer."""

from __future__ import annotations

from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.shapes.panel import Columns

CHANGES: Final = """
    SELECT symbol, first_changed, last_changed, version, settled FROM changed_prices
    ORDER BY symbol
"""


def changed_prices(connection: Connection) -> Columns:
    """The newest change of each symbol; `settled` says whether results bear it already."""
    types = {
        "symbol": "text",
        "first_changed": "date",
        "last_changed": "date",
        "version": "int",
        "settled": "bool",
    }
    return fetch_columns(connection, CHANGES, {}, types)
