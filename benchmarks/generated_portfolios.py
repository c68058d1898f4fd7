"""Portfolios out of a random generator, put into the database by COPY."""

from __future__ import annotations

import uuid
from datetime import date

import numpy as np

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.factors import symbol_factors
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.tables.accounts import portfolios, positions, users
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.shapes.panel import Floats, locate

SEED = 20260430
SHARE_SHORT = 0.1
LOT_USD = 20_000.0


def add_portfolios(
    database: Database, inception: date, session: date, count: int, size: int, seed: int = 0
) -> int:
    """`count` portfolios of `size` symbols that have a price at inception and factors on session.

    A tenth of the positions is short; every portfolio begins with a little cash. Another seed
    gives others. Returns lots.
    """
    symbols, prices = _tradable(database, inception, session)
    random = np.random.default_rng([SEED, seed])
    chosen = np.concatenate(
        [random.choice(len(symbols), size, replace=False) for _ in range(count)]
    )
    short = random.random(len(chosen)) < SHARE_SHORT
    units = np.maximum(
        1.0, np.rint(random.uniform(0.2, 3.0, len(chosen)) * LOT_USD / prices[chosen])
    )
    quantity = np.where(short, -units, units)
    owner = _ids(random, 1)
    ids = np.sort(_ids(random, count))
    opened = (quantity * prices[chosen]).reshape(count, size).sum(axis=1)
    with database.connection() as connection:
        copy_rows(
            connection,
            "users",
            users,
            {"id": owner, "email": np.array([f"benchmark-{seed}@example.test"], dtype=str)},
        )
        copy_rows(
            connection,
            "portfolios",
            portfolios,
            {
                "id": ids,
                "user_id": np.repeat(owner, count),
                "account_name": np.array([f"generated {n}" for n in range(count)], dtype=str),
                "starting_equity": np.maximum(opened, 0.0) * 1.1 + LOT_USD,
                "inception_date": np.full(count, inception, dtype="datetime64[D]"),
            },
        )
        copy_rows(
            connection,
            "positions",
            positions,
            {
                "id": _ids(random, len(chosen)),
                "portfolio_id": np.repeat(ids, size),
                "symbol": symbols[chosen],
                "investment_class": np.full(len(chosen), "PUBLIC"),
                "position_type": np.where(short, "SHORT", "LONG"),
                "quantity": quantity,
                "entry_price": prices[chosen],
                "entry_date": np.full(len(chosen), inception, dtype="datetime64[D]"),
            },
        )
    return len(chosen)


def _tradable(database: Database, inception: date, session: date) -> tuple[np.ndarray, Floats]:
    """Symbols with betas of every model on the session, and their close at inception."""
    with database.connection() as connection:
        factors = symbol_factors(connection, session)
        panel = public_panel(connection, inception, inception)
    symbols = np.asarray(factors.symbols, dtype=str)
    complete = np.isfinite(factors.betas).all(axis=1) & np.isfinite(factors.joint).all(axis=1)
    place = locate(panel.symbols, symbols)
    close = np.where(place >= 0, panel.close[0, place], np.nan)
    usable = complete & (close > 1.0)
    return symbols[usable], close[usable]


def _ids(random: np.random.Generator, count: int) -> np.ndarray:
    return np.array([str(uuid.UUID(bytes=random.bytes(16))) for _ in range(count)], dtype=str)
