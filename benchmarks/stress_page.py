"""`python -m benchmarks.stress_page`: the table of docs/method.md, made from the real prices."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from benchmarks.world import REAL_PRICES, throwaway_world
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.db.write.accounts import Account, Position, add_accounts
from sigmasight_assets.core.db.write.universe import gather_universe
from sigmasight_assets.core.demo.portfolios import demo_accounts
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.nightly.portfolio_sessions import Rules
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets.core.risk.scenarios import load_scenarios
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity

FUND_BOOKS = {
    "all SPY": (("SPY", 1_000),),
    "all TLT": (("TLT", 1_000),),
    "all VTV": (("VTV", 1_000),),
    "long and short SPY": (("SPY", 1_000), ("SPY", -1_000)),
    "long VUG, short VTV": (("VUG", 1_000), ("VTV", -1_000)),
}
SCENARIOS = (
    "market_down_10",
    "market_crash_35",
    "rates_up_100bp",
    "value_rotation_20",
    "vix_spike_150",
    "liquidity_crisis",
)
EQUITY = Decimal(1_000_000)
STRESSED = """
    SELECT p.account_name, s.gross_exposure, r.scenario_id, r.direct_pnl, r.correlated_pnl
    FROM stress_test_results r
    JOIN portfolios p ON p.id = r.portfolio_id
    JOIN portfolio_snapshots s
        ON s.portfolio_id = r.portfolio_id AND s.snapshot_date = r.calculation_date
    WHERE r.calculation_date = %s
"""


@dataclass(frozen=True)
class Stressed:
    """What scenarios cost one book. gross: USD, of every open position.

    pnl: direct and correlated by scenario, USD; None where there is no such figure.
    """

    gross: float
    pnl: Mapping[str, tuple[float | None, float | None]]


def fund_accounts(session: date) -> list[Account]:
    """Portfolios of funds alone, opened on the session."""
    return [
        Account(
            portfolio_id=uuid5(NAMESPACE_URL, name),
            user_id=uuid5(NAMESPACE_URL, "funds"),
            email="funds@example.test",
            full_name="Funds",
            account_name=name,
            starting_equity=EQUITY,
            inception_date=session,
            positions=tuple(_shares(name, *lot, session) for lot in lots),
        )
        for name, lots in FUND_BOOKS.items()
    ]


def _shares(book: str, symbol: str, quantity: int, session: date) -> Position:
    return Position(
        position_id=uuid5(NAMESPACE_URL, f"{book}/{symbol}/{quantity}"),
        symbol=symbol,
        investment_class="PUBLIC",
        investment_subtype=None,
        position_type="LONG" if quantity > 0 else "SHORT",
        quantity=Decimal(quantity),
        entry_price=Decimal(1),
        entry_date=session,
        contract=None,
        market_value=None,
    )


def books(prices: Path, session: date) -> list[Account]:
    """The books of funds, then the demo portfolios as this file of prices has them."""
    source = FilesSource(prices)
    demo = demo_accounts(PriceSources((source,), (source,)), session, session)
    return [*fund_accounts(session), *demo]


def stressed(
    database: Database, prices: Path, session: date, accounts: Iterable[Account]
) -> dict[str, Stressed]:
    """Every book by name, through the nightly run of the one session."""
    add_accounts(database, accounts)
    gather_universe(database, session, session)
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, [session], "stress page")
    )
    source = FilesSource(prices)
    sources = PriceSources((source,), (source,))
    refresh_prices(database, sources, claim, session, session, sessions.completes_at(session))
    list(refresh_symbols(database, claim, [session], session))
    rules = Rules(RateSensitivity(), matrix_sessions=1)
    list(refresh_portfolios(database, "stress page", [session], rules))
    return _read(database, session)


def _read(database: Database, session: date) -> dict[str, Stressed]:
    found: dict[str, Stressed] = {}
    with database.connection() as connection:
        for name, gross, scenario, *figures in connection.execute(STRESSED, (session,)):
            direct, correlated = (None if each is None else float(each) for each in figures)
            book = found.setdefault(name, Stressed(float(gross), {}))
            found[name] = Stressed(book.gross, {**book.pnl, scenario: (direct, correlated)})
    return found


def markdown(accounts: Iterable[Account], results: Mapping[str, Stressed]) -> str:
    """One row for each book, "direct / correlated" in percent of its gross value."""
    names = {each.scenario_id: each.name for each in load_scenarios()}
    heads = ["book", *(names[scenario] for scenario in SCENARIOS)]
    rows = [
        [
            each.account_name.removeprefix("Demo ").removesuffix(" Portfolio"),
            *(_cell(results[each.account_name], scenario) for scenario in SCENARIOS),
        ]
        for each in accounts
    ]
    return "\n".join([_line(heads), "|" + "---|" * len(heads), *map(_line, rows)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(book: Stressed, scenario: str) -> str:
    known = [pnl for pnl in book.pnl[scenario] if pnl is not None]
    # Zero is added so that a loss of nothing is not printed as -0.0.
    return " / ".join(f"{round(100 * pnl / book.gross, 1) + 0.0:.1f}" for pnl in known) or "none"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress_page", description=__doc__)
    parser.add_argument("--prices", type=Path, default=REAL_PRICES, help="Parquet file of prices")
    options = parser.parse_args()
    with throwaway_world(options.prices, 1) as world:
        accounts = books(options.prices, world.night)
        results = stressed(world.database(), options.prices, world.night, accounts)
    print(f"{world.night}, P&L in percent of gross value, direct / correlated:\n")
    print(markdown(accounts, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
