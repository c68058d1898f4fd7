"""What a session's rows say, or shall say, of companies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.shapes.factors import CompanyProfiles
from sigmasight_assets.core.shapes.panel import Floats

TODAYS: Final = """
    SELECT symbol, coalesce(company_name, ''), coalesce(sector, ''), coalesce(industry, ''),
           market_cap, pe_ratio, beta
    FROM company_profiles ORDER BY symbol
"""

# A session that is no longer the latest keeps what was copied into it when it was.
KEPT: Final = """
    SELECT m.symbol, coalesce(m.company_name, ''), coalesce(m.sector, ''), coalesce(m.industry, ''),
           m.market_cap, m.pe_ratio, e.provider_beta
    FROM symbol_daily_metrics m JOIN symbol_factor_exposures e
        ON e.symbol = m.symbol AND e.calculation_date = m.metrics_date
    WHERE m.metrics_date = %(session)s
      AND num_nonnulls(m.company_name, m.sector, m.industry, m.market_cap, m.pe_ratio,
                       e.provider_beta) > 0
    ORDER BY m.symbol
"""


@dataclass(frozen=True)
class Companies:
    """Profiles and provider betas of the same symbols. beta: (C,), NaN = unknown."""

    profiles: CompanyProfiles
    beta: Floats


def companies_at(connection: Connection, session: date, latest: date) -> Companies:
    """What is copied into a session's rows: today's profiles if it is the latest session."""
    rows = fetch_columns(
        connection,
        TODAYS if session >= latest else KEPT,
        {"session": session},
        {
            "symbol": "text",
            "company_name": "text",
            "sector": "text",
            "industry": "text",
            "market_cap": "float",
            "pe_ratio": "float",
            "beta": "float",
        },
    )
    beta = rows.pop("beta")
    return Companies(CompanyProfiles(symbols=tuple(rows.pop("symbol").tolist()), **rows), beta)
