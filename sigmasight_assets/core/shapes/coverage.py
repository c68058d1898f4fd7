"""How much of what a session should have is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from sigmasight_assets.core.shapes.panel import PricePanel


@dataclass(frozen=True)
class Coverage:
    """How many rows a session should have and how many it has."""

    session: date
    expected: int
    found: int

    @property
    def share(self) -> float:
        """A fraction; a session that expects nothing lacks everything."""
        return self.found / self.expected if self.expected else 0.0


def panel_coverage(panel: PricePanel, earliest: date, session: date) -> Coverage:
    """Symbols with a close on the session against those with one since `earliest`.

    Raises:
        KeyError: if the panel does not hold both sessions.
    """
    priced = np.isfinite(panel.close[panel.row(earliest) : panel.row(session) + 1])
    return Coverage(session, int(priced.any(axis=0).sum()), int(priced[-1].sum()))
