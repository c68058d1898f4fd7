"""What people own, as the portfolio calculations take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.shapes.book import (
    Book,
    CapitalFlows,
    CorporateActions,
    Lots,
    Portfolios,
    Valuations,
)

CHOSEN: Final = """
    FROM portfolios
    WHERE deleted_at IS NULL AND inception_date <= %(last)s
      AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
    ORDER BY id
"""

PORTFOLIOS: Final = f"SELECT id, inception_date, starting_equity::float8 {CHOSEN}"

MARKS: Final = f"SELECT id, data_version, stale_from {CHOSEN}"

HELD: Final = f"""
    SELECT DISTINCT p.symbol FROM positions p
    WHERE p.deleted_at IS NULL AND p.portfolio_id IN (SELECT id {CHOSEN})
"""

LOTS: Final = """
    SELECT p.portfolio_id, p.id, p.symbol, coalesce(p.investment_class, 'PUBLIC'),
           p.quantity::float8, p.entry_price::float8, p.entry_date,
           p.exit_price::float8, p.exit_date, p.recorded_on, p.exit_recorded_on,
           coalesce(p.underlying_symbol, ''), p.strike_price::float8, p.expiration_date,
           coalesce(p.option_type = 'CALL', false)
    FROM positions p
    WHERE p.deleted_at IS NULL AND p.portfolio_id = ANY(%(ids)s::uuid[])
    ORDER BY p.portfolio_id, p.id
"""

VALUATIONS: Final = """
    SELECT v.position_id, v.valuation_date, v.market_value::float8
    FROM position_valuations v JOIN positions p ON p.id = v.position_id
    WHERE p.deleted_at IS NULL AND p.portfolio_id = ANY(%(ids)s::uuid[])
    ORDER BY p.portfolio_id, v.position_id, v.valuation_date
"""

FLOWS: Final = """
    SELECT portfolio_id, change_date,
           (CASE change_type WHEN 'CONTRIBUTION' THEN amount ELSE -amount END)::float8
    FROM equity_changes
    WHERE deleted_at IS NULL AND portfolio_id = ANY(%(ids)s::uuid[])
    ORDER BY portfolio_id, id
"""

# A single series already contains its dividends, so none is paid beside it.
ACTIONS: Final = """
    SELECT a.symbol, a.action_date,
           (CASE a.action_type WHEN 'split' THEN a.value END)::float8,
           (CASE a.action_type WHEN 'dividend' THEN a.value END)::float8
    FROM corporate_actions a JOIN symbol_universe u ON u.symbol = a.symbol
    WHERE a.action_date <= u.last_price_date
      AND (a.action_type = 'split' OR NOT u.single_series)
    ORDER BY a.symbol, a.action_date, a.action_type
"""


@dataclass(frozen=True)
class ChangeMarks:
    """Which portfolios have stored rows that a later change can alter.

    id: (P,) str, sorted. data_version: (P,) when it was read. stale_from: (P,) datetime64[D],
    NaT where nothing stored is out of date.
    """

    id: NDArray[Any]
    data_version: NDArray[np.int64]
    stale_from: NDArray[np.datetime64]


def change_marks(
    connection: Connection, last: date, portfolio_ids: Sequence[str] | None = None
) -> ChangeMarks:
    """The marks of the portfolios with an inception not after `last`."""
    types = {"id": "text", "data_version": "int", "stale_from": "date"}
    return ChangeMarks(**fetch_columns(connection, MARKS, _chosen(last, portfolio_ids), types))


def portfolio_count(connection: Connection, last: date) -> int:
    """How many portfolios have an inception not after `last`."""
    row = connection.execute(f"SELECT count(*) FROM (SELECT id {CHOSEN}) AS c", _chosen(last, None))
    return int((row.fetchone() or (0,))[0])


def held_symbols(
    connection: Connection, last: date, portfolio_ids: Sequence[str] | None = None
) -> list[str]:
    """The symbols of all lots, open or not, of the portfolios with an inception up to `last`."""
    rows = connection.execute(HELD, _chosen(last, portfolio_ids)).fetchall()
    return [symbol for (symbol,) in rows]


def read_book(
    connection: Connection, last: date, portfolio_ids: Sequence[str] | None = None
) -> Book:
    """Portfolios with an inception not after `last`, and all that is stated about them.

    Read it in one REPEATABLE READ transaction: five queries have to see one state.
    """
    types = {"id": "text", "inception": "date", "starting_equity": "float"}
    heads = fetch_columns(connection, PORTFOLIOS, _chosen(last, portfolio_ids), types)
    portfolios = Portfolios(**heads)
    chosen = {"ids": portfolios.id.tolist()}
    lots = _lots(connection, portfolios, chosen)
    return Book(
        portfolios,
        lots,
        _valuations(connection, lots, chosen),
        _flows(connection, portfolios, chosen),
        _actions(connection),
    )


def _chosen(last: date, portfolio_ids: Sequence[str] | None) -> Mapping[str, Any]:
    return {"last": last, "ids": None if portfolio_ids is None else list(portfolio_ids)}


def _lots(connection: Connection, portfolios: Portfolios, chosen: Mapping[str, Any]) -> Lots:
    rows = fetch_columns(
        connection,
        LOTS,
        chosen,
        {
            "portfolio": "text",
            "position_id": "text",
            "symbol": "text",
            "class": "text",
            "quantity": "float",
            "entry_price": "float",
            "entry_date": "date",
            "exit_price": "float",
            "exit_date": "date",
            "recorded_on": "date",
            "exit_recorded_on": "date",
            "underlying": "text",
            "strike": "float",
            "expiration": "date",
            "is_call": "bool",
        },
    )
    kind = rows.pop("class")
    owner = rows.pop("portfolio")
    is_option = kind == "OPTIONS"
    return Lots(
        portfolio=np.searchsorted(portfolios.id, owner).astype(np.int64),
        is_public=kind == "PUBLIC",
        is_option=is_option,
        is_private=kind == "PRIVATE",
        multiplier=np.where(is_option, 100.0, 1.0),
        **rows,
    )


def _valuations(connection: Connection, lots: Lots, chosen: Mapping[str, Any]) -> Valuations:
    rows = fetch_columns(
        connection,
        VALUATIONS,
        chosen,
        {"position_id": "text", "date": "date", "market_value": "float"},
    )
    order = np.argsort(lots.position_id)
    place = np.searchsorted(lots.position_id, rows["position_id"], sorter=order)
    return Valuations(order[place].astype(np.int64), rows["date"], rows["market_value"])


def _flows(
    connection: Connection, portfolios: Portfolios, chosen: Mapping[str, Any]
) -> CapitalFlows:
    rows = fetch_columns(
        connection, FLOWS, chosen, {"portfolio": "text", "date": "date", "amount": "float"}
    )
    owner = np.searchsorted(portfolios.id, rows["portfolio"]).astype(np.int64)
    return CapitalFlows(owner, rows["date"], rows["amount"])


def _actions(connection: Connection) -> CorporateActions:
    rows = fetch_columns(
        connection,
        ACTIONS,
        {},
        {"symbol": "text", "ex_date": "date", "split_ratio": "float", "dividend": "float"},
    )
    return CorporateActions(**rows)
