"""The rows of every table of the portfolio layer, of some portfolios on one session."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from psycopg import Connection, IsolationLevel

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.factors import factor_covariance, profiles, symbol_factors
from sigmasight_assets.core.db.read.scenarios import session_scenarios
from sigmasight_assets.core.nightly.reference import stored_scenarios
from sigmasight_assets.core.risk.correlations import correlations
from sigmasight_assets.core.risk.factor_exposures import factor_exposures
from sigmasight_assets.core.risk.market_risk_scenarios import market_risk_scenarios
from sigmasight_assets.core.risk.portfolio_snapshots import snapshot_book
from sigmasight_assets.core.risk.scenarios import Scenario
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity, scenario_move_rows
from sigmasight_assets.core.risk.stress_test_results import stress_test_results
from sigmasight_assets.core.risk.valuation import PricedBook
from sigmasight_assets.core.shapes.factors import FactorCovariance, Profiles, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns


@dataclass(frozen=True)
class Market:
    """What is known on a session besides books and prices: the same for every portfolio."""

    session: date
    factors: SymbolFactors
    covariance: FactorCovariance
    companies: Profiles
    scenarios: Sequence[Scenario]
    rates: RateSensitivity


class Stopwatch:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to a phase."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began


def read_market(
    database: Database,
    session: date,
    held: Sequence[str],
    rates: RateSensitivity,
    beside: bool,
) -> Market:
    """The session's betas of the symbols held, its covariances, companies and scenarios.

    beside: rows are added to those of other portfolios, which have the session's own scenarios.
    """
    with database.connection() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return Market(
            session,
            symbol_factors(connection, session, held),
            factor_covariance(connection, session),
            profiles(connection),
            _scenarios(connection, session if beside else None),
            rates,
        )


def _scenarios(connection: Connection, session: date | None) -> Sequence[Scenario]:
    """Every scenario, or those of a session, by what they are now."""
    known = stored_scenarios(connection)
    ids = None if session is None else session_scenarios(connection, session)
    return [each for each in known if each.scenario_id in ids] if ids else known


def market_rows(market: Market) -> Mapping[str, Columns]:
    """The rows that no portfolio has a part in, by table name."""
    moves = scenario_move_rows(market.scenarios, market.covariance, market.session, market.rates)
    return {"stress_scenario_moves": moves}


def portfolio_rows(priced: PricedBook, market: Market, watch: Stopwatch) -> Mapping[str, Columns]:
    """The rows of a book's portfolios that exist on the session, by table name."""
    book, session = priced.book, market.session
    with watch.phase("snapshots"):
        snapshots = snapshot_book(priced, session, market.factors, market.companies)
        valuation = snapshots.valuation
    with watch.phase("exposures"):
        exposures = factor_exposures(book, valuation, market.factors, session)
    with watch.phase("correlations"):
        calculations, matrices = correlations(
            book, valuation, priced.closes.panel, market.companies, session
        )
    with watch.phase("stress"):
        stressed = (book, valuation, exposures, market.factors, market.covariance)
        results = stress_test_results(
            *stressed, scenarios=market.scenarios, session=session, rates=market.rates
        )
        risks = market_risk_scenarios(*stressed, session=session, rates=market.rates)
    return {
        "portfolio_snapshots": {
            **snapshots.columns,
            "factor_exposures_reason": exposures.reason,
        },
        "factor_exposures": exposures.rows,
        "position_factor_exposures": exposures.position_rows,
        "correlation_calculations": calculations,
        "correlation_matrices": matrices,
        "stress_test_results": results,
        "market_risk_scenarios": risks,
    }
