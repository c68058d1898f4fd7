"""The demo accounts: who they are, what they hold, and what it cost on which source."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.accounts import Account, Position, add_accounts
from sigmasight_assets.core.demo.portfolios import demo_accounts, monthly_expiration
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets_tests.builders import alone

FIRST, LAST = date(2025, 12, 9), date(2025, 12, 11)
INCEPTION = date(2025, 7, 1)

# As the front end knows them.
KNOWN = [
    ("1d8ddd95-3b45-0ac5-35bf-cf81af94a5fe", "demo_individual", "515000.00", 16, 0, 0, 0),
    ("e23ab931-a033-edfe-ed4f-9d02474780b4", "demo_hnw", "3250000.00", 18, 11, 0, 0),
    ("fcd71196-e93e-f000-5a74-31a9eead3118", "demo_hedgefundstyle", "3200000.00", 22, 0, 8, 9),
    ("9381dd8d-db58-9843-f5e4-4eea0ae62e9a", "demo_familyoffice", "1250000.00", 12, 0, 0, 0),
    ("ab46c3c0-ed71-6f5b-b3f3-d36fa65e210c", "demo_familyoffice", "950000.00", 0, 9, 0, 0),
]


@pytest.fixture(scope="module")
def accounts() -> list[Account]:
    return demo_accounts(alone(SyntheticSource()), FIRST, LAST)


def positions(accounts: list[Account]) -> list[Position]:
    return [position for account in accounts for position in account.positions]


def test_ids_owners_equity_and_holdings_are_those_the_front_end_knows(
    accounts: list[Account],
) -> None:
    found = []
    for account in accounts:
        classes = Counter(each.investment_class for each in account.positions)
        kinds = Counter(each.position_type for each in account.positions)
        found.append(
            (
                str(account.portfolio_id),
                account.email.removesuffix("@sigmasight.com"),
                str(account.starting_equity),
                classes["PUBLIC"],
                classes["PRIVATE"],
                classes["OPTIONS"],
                kinds["SHORT"],
            )
        )
    assert found == KNOWN
    assert len(positions(accounts)) == 96
    assert len({each.position_id for each in positions(accounts)}) == 96
    assert len({account.user_id for account in accounts}) == 4


def test_they_open_on_the_first_of_july(accounts: list[Account]) -> None:
    assert {account.inception_date for account in accounts} == {INCEPTION}
    assert {each.entry_date for each in positions(accounts)} == {INCEPTION}


def test_a_run_that_ends_before_opens_them_on_its_first_session() -> None:
    early = demo_accounts(alone(SyntheticSource()), date(2025, 3, 3), date(2025, 3, 31))
    assert {account.inception_date for account in early} == {date(2025, 3, 3)}
    reaching = demo_accounts(alone(SyntheticSource()), date(2025, 3, 3), INCEPTION)
    assert {account.inception_date for account in reaching} == {INCEPTION}


def test_entry_prices_are_the_closes_of_the_source_at_inception(accounts: list[Account]) -> None:
    traded = [each for each in positions(accounts) if each.investment_class != "PRIVATE"]
    bars = SyntheticSource().fetch([each.symbol for each in traded], INCEPTION, INCEPTION).bars
    closes = dict(zip((bars.symbols[code] for code in bars.symbol), bars.close, strict=True))
    assert {each.symbol: float(each.entry_price) for each in traded} == closes


def test_what_the_source_does_not_have_costs_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    day = pa.array([INCEPTION], pa.date32())
    pq.write_table(pa.table({"symbol": ["SPY"], "date": day, "close": [123.25]}), path)
    found = {
        each.symbol: each
        for each in positions(demo_accounts(alone(FilesSource(path)), FIRST, LAST))
    }
    assert found["SPY"].entry_price == Decimal("123.25")
    assert found["FXNAX"].entry_price == Decimal("10.2400")
    assert found["AAPL"].entry_price == Decimal("206.9988")


def test_private_positions_carry_the_value_their_owner_states(accounts: list[Account]) -> None:
    private = [each for each in positions(accounts) if each.investment_class == "PRIVATE"]
    assert len(private) == 20
    for each in private:
        assert each.market_value is not None
        assert each.market_value == each.quantity * each.entry_price
    public = [each for each in positions(accounts) if each.investment_class != "PRIVATE"]
    assert {each.market_value for each in public} == {None}


def test_options_that_live_half_a_year_longer_are_left_as_they_are(
    accounts: list[Account],
) -> None:
    symbols = {each.symbol for each in positions(accounts) if each.contract}
    assert "SPY270115C00680000" in symbols
    assert len(symbols) == 8


@pytest.mark.parametrize(
    ("last", "expiration"),
    [
        (date(2026, 7, 15), date(2027, 1, 15)),
        (date(2026, 7, 16), date(2027, 2, 19)),
        # Juneteenth is observed on the third Friday of June 2027.
        (date(2026, 11, 19), date(2027, 6, 17)),
        (date(2027, 12, 1), date(2028, 6, 16)),
    ],
)
def test_others_are_rolled_to_a_listed_expiration(last: date, expiration: date) -> None:
    rolled = [
        each
        for each in positions(demo_accounts(alone(SyntheticSource()), FIRST, last))
        if each.contract
    ]
    assert {each.contract.expiration for each in rolled if each.contract} == {expiration}
    spy = next(each for each in rolled if each.symbol.startswith("SPY"))
    assert spy.symbol == f"SPY{expiration:%y%m%d}C00680000"
    assert spy.contract is not None
    assert spy.contract.strike == 680.0
    assert spy.contract.is_call


def test_monthly_options_expire_on_third_fridays_or_the_session_before() -> None:
    assert monthly_expiration(date(2026, 6, 1)) == date(2026, 6, 18)
    assert monthly_expiration(date(2026, 6, 18)) == date(2026, 6, 18)
    assert monthly_expiration(date(2026, 6, 19)) == date(2026, 7, 17)
    assert monthly_expiration(date(2025, 4, 1)) == date(2025, 4, 17)
    assert monthly_expiration(date(2026, 12, 19)) == date(2027, 1, 15)


def test_seeding_twice_is_seeding_once(database: Database, accounts: list[Account]) -> None:
    assert add_accounts(database, accounts) == 5
    later = demo_accounts(alone(SyntheticSource()), FIRST, date(2026, 11, 19))
    assert add_accounts(database, later) == 0
    with database.connection() as connection:
        row = connection.execute(
            """
            SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM portfolios),
                   (SELECT count(*) FROM positions), (SELECT count(*) FROM position_valuations)
            """
        ).fetchone()
    assert row == (4, 5, 96, 20)


def test_lists_show_the_public_portfolio_of_the_family_office_first(
    database: Database, accounts: list[Account]
) -> None:
    add_accounts(database, accounts)
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT id::text FROM portfolios ORDER BY display_order"
        ).fetchall()
    assert [row[0] for row in rows] == [known[0] for known in KNOWN]
