"""Bars from rows written out by hand, and back."""

from __future__ import annotations

import math
from datetime import date

import numpy as np

from sigmasight_assets.core.market.source import PriceBars, RejectedBar

FIELDS = ("open", "high", "low", "close", "adj_close", "volume")


def bars_of(*rows: tuple) -> PriceBars:
    """Rows of (symbol, ISO date, {field: value}); absent fields are NaN, order is kept."""
    symbols = tuple(dict.fromkeys(row[0] for row in rows))
    columns = {
        field: np.array([row[2].get(field, math.nan) for row in rows], dtype=float)
        for field in FIELDS
    }
    return PriceBars(
        symbols,
        np.array([symbols.index(row[0]) for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype="datetime64[D]"),
        **columns,
    )


def rows_of(bars: PriceBars, *fields: str) -> list[tuple]:
    """(symbol, ISO date, field, field, ...) of every bar; None where unknown."""
    return [
        (
            bars.symbols[bars.symbol[row]],
            str(bars.date[row]),
            *(_known(getattr(bars, field)[row]) for field in fields),
        )
        for row in range(len(bars))
    ]


def refused(symbol: str, day: str, reason: str) -> RejectedBar:
    return RejectedBar(symbol, date.fromisoformat(day), reason)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
