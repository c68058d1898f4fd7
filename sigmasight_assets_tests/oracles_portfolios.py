"""The portfolio tables a second time: the rows of one portfolio and session, table by table.

The books come from the Decimal ledger, betas from the symbol layer's oracle, everything else from
the oracles beside this file. Nothing is imported from the calculations that they check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pandas as pd

from sigmasight_assets_tests.ledger import LedgerRow, ledger
from sigmasight_assets_tests.ledger_inputs import Market, Portfolio
from sigmasight_assets_tests.oracles_correlations import SymbolPairs, correlation_rows
from sigmasight_assets_tests.oracles_exposures import (
    Holding,
    Holdings,
    exposure_rows,
    position_rows,
    sector_exposure,
    sector_name,
    snapshot_betas,
)
from sigmasight_assets_tests.oracles_stress import (
    MARKET_RISK,
    ProxyMoves,
    market_risk_rows,
    move_row,
    stress_row,
)
from sigmasight_assets_tests.oracles_symbols import SymbolOracle, returns_of
from sigmasight_assets_tests.oracles_volatility import portfolio_series, volatility_columns
from sigmasight_assets_tests.table_worlds import TableWorld
from sigmasight_assets_tests.world_tables import key_of

Key = tuple[str, ...]
Rows = dict[str, dict[Key, dict[str, Any]]]
"""Table -> key without the session -> column -> what it should say."""

BELONGS = 20


class Oracle:
    """What every session of a world is worked out from."""

    def __init__(self, world: TableWorld) -> None:
        self.world = world
        options = {
            lot.symbol
            for one in world.entered
            for lot in one.positions
            if lot.investment_class == "OPTIONS"
        }
        public = sorted(set(world.market.prices) - options)
        index = pd.DatetimeIndex([pd.Timestamp(day) for day in world.days])
        adjusted = {name: pd.Series(world.adj_close[name], dtype=float) for name in public}
        self.prices = pd.DataFrame(
            {
                name: prices.reindex(list(world.days)).to_numpy()
                for name, prices in adjusted.items()
            },
            index=index,
        )
        self.returns = returns_of(self.prices)
        self.sectors = {
            each.symbol: sector_name(each.sector, each.quote_type) for each in world.companies
        }

    def session(self, session: date, scenarios: Mapping[str, Mapping[str, Any]]) -> SessionOracle:
        """scenarios: the active rows of stress_test_scenarios by id."""
        return SessionOracle(self, session, scenarios)


class SessionOracle:
    """What every portfolio of a session is worked out from."""

    def __init__(
        self, oracle: Oracle, session: date, scenarios: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.oracle, self.when, self.scenarios = oracle, session, scenarios
        self.prices = oracle.prices.loc[: pd.Timestamp(session)]
        self.returns = oracle.returns.loc[: pd.Timestamp(session)]
        factors = SymbolOracle(self.prices, session)
        self.betas = {name: self._betas(factors, name) for name in self._members()}
        self.pairs = SymbolPairs.of(self.prices)
        proxies = ProxyMoves(self.returns, factors.slopes)
        self.moves = {
            name: proxies.of(each["shocks"], each["style_shocks"])
            for name, each in scenarios.items()
        }
        self.market_moves = {
            name: proxies.of({factor: shock}) for name, (factor, shock) in MARKET_RISK.items()
        }

    def _members(self) -> list[str]:
        """Symbols that belong to the session: with a stored close in the last sessions."""
        world = self.oracle.world
        recent = [day for day in world.days if day <= self.when][-BELONGS:]
        return [
            name
            for name in self.prices.columns
            if any(day in world.market.prices[name] for day in recent)
        ]

    def _betas(self, factors: SymbolOracle, symbol: str) -> dict[str, Any]:
        """With the provider's beta, which is copied into the latest session alone."""
        row = factors.row(symbol)
        if self.when == self.oracle.world.window[-1]:
            stated = {each.symbol: each.beta for each in self.oracle.world.companies}
            row["provider_beta"] = stated.get(symbol)
        return row

    def common_rows(self) -> Rows:
        """Rows that belong to no portfolio."""
        return {
            "stress_scenario_moves": {(name,): move_row(each) for name, each in self.moves.items()}
        }

    def rows(self, one: Portfolio) -> Rows:
        """Every row of one portfolio."""
        book = ledger(one, self.oracle.world.market, self.when)
        held = Holdings(
            float(book.net_asset_value), holdings(one, self.oracle.world.market, self.when)
        )
        exposures = exposure_rows(held, self.betas)
        calculation, matrix = correlation_rows(held.public, self.pairs, self.oracle.sectors)
        owner = str(key_of(one.id))
        stress: dict[Key, dict[str, Any]] = {
            (owner, name): stress_row(held, exposures, self.betas, each["shocks"], self.moves[name])
            for name, each in self.scenarios.items()
        }
        risk = market_risk_rows(held, exposures, self.betas, self.market_moves)
        lots = position_rows(held, self.betas)
        return {
            "portfolio_snapshots": {(owner,): self._snapshot(book, held)},
            "factor_exposures": {(owner, name): row for name, row in exposures.items()},
            "position_factor_exposures": {
                (str(key_of(name)),): {"portfolio_id": owner, **row} for name, row in lots.items()
            },
            "correlation_calculations": {(owner,): calculation},
            "correlation_matrices": {(owner,): matrix},
            "stress_test_results": stress,
            "market_risk_scenarios": {(owner, name): row for name, row in risk.items()},
        }

    def _snapshot(self, book: LedgerRow, held: Holdings) -> dict[str, Any]:
        series = portfolio_series(held.public, held.nav, self.returns)
        listed = [{"symbol": symbol, "reason": why} for symbol, why in book.missing_symbols]
        return {
            **asdict(book),
            "total_value": book.net_asset_value,
            "cumulative_pnl": book.total_pnl,
            "missing_symbols": listed,
            **volatility_columns(series),
            **snapshot_betas(held, self.betas),
            "sector_exposure": sector_exposure(held, self.oracle.sectors),
        }


def holdings(one: Portfolio, market: Market, session: date) -> tuple[Holding, ...]:
    """The open lots and their values: each is asked of a ledger that holds nothing else."""
    found = []
    market = replace(market, dividends=())  # they make cash, no value
    for lot in one.positions:
        if lot.entry_date <= session and (lot.exit_date is None or lot.exit_date > session):
            row = ledger(replace(one, positions=(lot,), flows=()), market, session)
            if row.num_positions:
                value = float(row.net_exposure)
                found.append(Holding(lot.id, lot.symbol, lot.investment_class, value))
    return tuple(found)
