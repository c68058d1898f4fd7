"""The people of worlds for the tables: more lots, partial exits, and what is deleted later."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets_tests.ledger_inputs import Flow, Portfolio, Position
from sigmasight_assets_tests.worlds import TROUBLED, Draw, exact

Days = tuple[date, ...]
Closes = dict[str, NDArray[np.float64]]

ONE_SIX = Decimal("0.000001")
UNSTEADY = (*TROUBLED, "SPY", "TLT", "USMV", "YOUNG", "MATURE", "EARLY", "PATCHA", "PATCHB")
"""With holes in their history: a fourth of the portfolios does without them."""
TOGETHER = {
    2: ["RIPE", "RIPE"],
    3: ["OILA", "OILB"],
    5: ["PATCHA", "PATCHB", "EARLY", "MATURE", "KINA", "KINB"],
}
"""What is held together by portfolios of this number, counted in eights."""


def enlarged(draw: Draw, number: int, one: Portfolio, extra: Closes, window: Days) -> Portfolio:
    """With lots of extra symbols; of every tenth portfolio nothing PUBLIC is left."""
    names = list(extra)
    wanted = draw.choice(names, size=int(draw.integers(1, 6))).tolist()
    wanted += [names[number % len(names)], names[(3 * number + 1) % len(names)]]
    wanted += TOGETHER.get(number % 8, [])
    added = [_lots(draw, symbol, extra[symbol], one, window) for symbol in wanted]
    held = [*one.positions, *(lot for lots in added if number for lot in lots)]
    if number % 4 == 2:
        held = [lot for lot in held if lot.symbol not in UNSTEADY]
    if number % 10 == 7:
        held = [lot for lot in held if lot.investment_class != "PUBLIC"]
    lots = [replace(lot, id=f"{one.id}-{key:03d}") for key, lot in enumerate(held)]
    return replace(one, positions=tuple(_storable(lot) for lot in lots))


def _lots(
    draw: Draw, symbol: str, close: NDArray[np.float64], owner: Portfolio, window: Days
) -> list[Position]:
    """One lot, or what two partial exits and a rest have made of it."""
    known = close[~np.isnan(close)]
    price = exact(float(draw.choice(known)), 4)
    sign = -1 if draw.random() < 0.3 else 1
    value = float(owner.starting_equity or 50_000) * draw.uniform(0.01, 0.4)
    quantity = sign * exact(max(value / float(price), 0.01), 2)
    span = (window[-1] - owner.inception).days
    entered = owner.inception + timedelta(int(draw.integers(-15, max(span, 1))))
    lot = Position("", symbol, "PUBLIC", quantity, price, entered, entered)
    if draw.random() < 0.6:
        return [lot]
    parts, rest = [], lot
    for _ in range(int(draw.integers(1, 3))):
        sold = (rest.quantity * Decimal("0.3")).quantize(Decimal("0.01"))
        left = entered + timedelta(int(draw.integers(0, 30)))
        gone = replace(rest, quantity=sold, exit_date=left, exit_price=price + 1)
        parts += [gone] if sold else []
        rest = replace(rest, quantity=rest.quantity - sold)
    return [*parts, rest]


def _storable(lot: Position) -> Position:
    """With six decimals, as the tables keep them."""
    values = tuple(
        replace(value, market_value=value.market_value.quantize(ONE_SIX))
        for value in lot.valuations
    )
    return replace(lot, quantity=lot.quantity.quantize(ONE_SIX), valuations=values)


def with_deleted(draw: Draw, number: int, one: Portfolio, window: Days) -> Portfolio:
    """As it was entered: with lots and a flow that are deleted later, of every third."""
    if number % 3:
        return one
    copies = draw.choice(len(one.positions), min(2, len(one.positions)), replace=False)
    doomed = [replace(one.positions[int(k)], id=f"{one.id}-deleted-{int(k)}") for k in copies]
    flow = Flow(window[1], exact(draw.uniform(100, 9000), 2))
    return replace(one, positions=(*one.positions, *doomed), flows=(*one.flows, flow))


def deleted_copy(one: Portfolio, inception: date) -> Portfolio:
    """Another portfolio that is soft-deleted with all it holds."""
    lots = tuple(replace(lot, id=f"{lot.id}-deleted") for lot in one.positions)
    return replace(one, id=f"{one.id}-deleted", inception=inception, positions=lots)
