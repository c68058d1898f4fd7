"""Three accounts of the same money side by side, and where two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core.db.read.reconciliation import (
    COMPARED_ITEMS,
    NAV_CHANGE,
    SessionFigures,
)
from sigmasight_assets.core.db.read.reconciliation_figures import ITEMS
from sigmasight_assets.core.db.write.reconciliation import ReconciliationException
from sigmasight_assets.core.risk.portfolio_snapshots import accounts
from sigmasight_assets.core.risk.valuation import PricedBook, value_on
from sigmasight_assets.core.sessions import session_number
from sigmasight_assets.core.shapes.panel import Bools, Floats, locate

TOLERANCE_USD: Final = 0.005
EXACT_UP_TO_USD: Final = 1e11
"""Doubles keep 15 to 16 digits: where larger amounts were added, the tolerance is the same share
of their sum as it is of this."""

VISIBLE_USD: Final = 0.0095
"""Figures this far apart or further differ in print with two decimals."""


def differences(
    figures: SessionFigures, priced: PricedBook, session: date
) -> Iterator[ReconciliationException]:
    """The items on which two of three accounts differ, and the snapshots that are not there.

    Portfolios that the book lacks have two accounts. NAV_CHANGE is compared where the session
    before has a snapshot.
    """
    row = locate(tuple(priced.book.portfolios.id.tolist()), figures.portfolio_id)
    answered = row >= 0
    served = np.full(figures.stored.shape, np.nan)
    served[answered] = served_money(priced, session)[row[answered]]
    differs = _differ(figures, served, answered)
    for place, item in np.argwhere(differs).tolist():
        amounts = (
            float(figures.stored[place, item]),
            float(figures.from_positions[place, item]),
            float(served[place, item]),
        )
        name = str(figures.portfolio_id[place])
        yield ReconciliationException(name, COMPARED_ITEMS[item], *amounts, sentence(*amounts))


def _differ(figures: SessionFigures, served: Floats, answered: Bools) -> Bools:
    """Which items are exceptions, (P, I); of a portfolio without a snapshot the first alone."""
    stored, worked = figures.stored, figures.from_positions
    tolerance = TOLERANCE_USD * np.maximum(figures.magnitude / EXACT_UP_TO_USD, 1.0)[:, None]
    wrongly_served = _apart(stored, served, tolerance) | _apart(worked, served, tolerance)
    differs = _apart(stored, worked, tolerance) | (answered[:, None] & wrongly_served)
    differs[:, COMPARED_ITEMS.index(NAV_CHANGE)] &= np.isfinite(stored[:, -1])
    differs[~figures.has_snapshot] = False
    differs[:, 0] |= ~figures.has_snapshot & ~figures.failed
    return differs


def _apart(one: Floats, other: Floats, tolerance: Floats) -> Bools:
    """Whether figures differ by more than the tolerance; one that is NaN always does."""
    apart: Bools = ~(np.abs(one - other) <= tolerance)
    return apart


def served_money(priced: PricedBook, session: date) -> Floats:
    """The compared items of every portfolio of a book as the service works them out, (P, I) USD."""
    amounts = accounts(priced, value_on(priced, int(session_number(session))))
    change = amounts["daily_pnl"] + amounts["capital_flow"]
    return np.stack([*(amounts[item] for item in ITEMS), change], axis=1)


def sentence(stored: float, worked: float, served: float) -> str:
    """The three figures in words, with as many decimals as their difference needs."""
    known = [usd for usd in (stored, worked, served) if np.isfinite(usd)]
    decimals = 6 if TOLERANCE_USD < max(known) - min(known) < VISIBLE_USD else 2
    snapshot = f"the snapshot says {stored:,.{decimals}f}"
    service = f"the service would answer {served:,.{decimals}f}"
    return ", ".join(
        (
            snapshot if np.isfinite(stored) else "no snapshot is stored",
            f"positions x prices {worked:,.{decimals}f}",
            service if np.isfinite(served) else "the service was not asked",
        )
    )
