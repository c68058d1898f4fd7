"""The sectors of companies, under one name everywhere."""

from __future__ import annotations

from typing import Final

SECTORS: Final = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Healthcare",
    "Industrials",
    "Materials",
    "Real Estate",
    "Technology",
    "Utilities",
)
"""The GICS sectors under the names that core.risk.sectors gives them; sorted."""
