"""Reference data: the tables say what the package says, and what users add takes part."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.errors import ScenarioFileInvalid
from sigmasight_assets.core.nightly import reference
from sigmasight_assets.core.nightly.reference import seed_reference, stored_scenarios
from sigmasight_assets.core.risk.benchmark_sectors import load_sector_weights
from sigmasight_assets.core.risk.scenarios import load_scenarios
from sigmasight_assets.core.sectors import SECTORS
from sigmasight_assets_tests.builders import add_portfolio, day, lot, run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.conftest import ON
from sigmasight_assets_tests.postgres import drop_database, fresh_database

TABLES = ("factor_definitions", "stress_test_scenarios", "benchmark_sector_weights")

ADD_CUSTOM = """
    INSERT INTO stress_test_scenarios (scenario_id, name, description, category, severity, shocks,
                                       style_shocks, is_active, display_order)
    VALUES ('custom_tariffs', 'Tariffs', 'Tariffs rise: the market falls by 12 %.', 'market',
            'moderate', '{"Market": -0.12, "Size": -0.05}', 'excess', true, 100)
"""
ADD_OTHER_BENCHMARK = """
    INSERT INTO benchmark_sector_weights VALUES ('OTHER', '2025-07-03', 'Energy', 1)
"""


def run(database: Database, *statements: str) -> None:
    with database.connection() as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def fetched(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def versions(database: Database) -> dict[str, dict[str, tuple[str, str]]]:
    """Who wrote each row, and where it lies: table -> row -> (xmin, ctid)."""
    return {
        table: {
            row: (xmin, ctid)
            for row, xmin, ctid in fetched(
                database, f"SELECT t::text, xmin::text, ctid::text FROM {table} AS t"
            )
        }
        for table in TABLES
    }


def test_the_tables_say_what_the_package_says(database: Database) -> None:
    with database.connection() as connection:
        stored = stored_scenarios(connection)
    assert sorted(stored, key=lambda each: each.display_order) == list(load_scenarios())
    assert [each.scenario_id for each in stored] == sorted(each.scenario_id for each in stored)
    weights = fetched(database, "SELECT as_of_date, sector, weight FROM benchmark_sector_weights")
    assert {(stated, sector): weight for stated, sector, weight in weights} == {
        (each.as_of_date, sector): weight
        for each in load_sector_weights()
        for sector, weight in each.weights.items()
    }
    factors = fetched(
        database,
        "SELECT name, column_name, factor_type, calculation_method, etf_proxy, "
        "regression_window_days, display_order, is_active FROM factor_definitions "
        "WHERE display_order IN (2, 9, 13) ORDER BY display_order",
    )
    assert factors == [
        ("IR Beta", "ir_beta", "macro", "ols", "TLT", 90, 2, True),
        ("Growth-Value Spread", "growth_value_spread", "spread", "spread", "VUG-VTV", 180, 9, True),
        ("Provider Beta (1Y)", "provider_beta", "market", "provider", "SPY", None, 13, True),
    ]


def test_seeding_what_is_there_writes_no_row(database: Database) -> None:
    run(database, ADD_CUSTOM, ADD_OTHER_BENCHMARK)
    before = versions(database)
    assert [len(before[table]) for table in TABLES] == [13, 23, 34]
    seed_reference(database)
    assert versions(database) == before


CHANGES = {
    "factor_definitions": (
        "UPDATE factor_definitions SET regression_window_days = 91 WHERE name = 'Size'",
        "UPDATE factor_definitions SET regression_window_days = 1 WHERE name LIKE 'Provider%'",
        "UPDATE factor_definitions SET regression_window_days = NULL WHERE name = 'IR Beta'",
        "DELETE FROM factor_definitions WHERE name = 'Value'",
        "INSERT INTO factor_definitions VALUES ('Gold', 'gold', 'macro', 'ols', 'GLD', 90, 1)",
    ),
    "stress_test_scenarios": (
        "UPDATE stress_test_scenarios SET name = 'Other' WHERE scenario_id = 'market_up_5'",
        """UPDATE stress_test_scenarios SET shocks = '{"Market": 0.06}'
           WHERE scenario_id = 'market_up_10'""",
        """UPDATE stress_test_scenarios SET shocks = shocks || '{"Size": 0}'
           WHERE scenario_id = 'market_down_5'""",
        "UPDATE stress_test_scenarios SET is_active = true WHERE category = 'historical'",
        "DELETE FROM stress_test_scenarios WHERE scenario_id = 'market_down_10'",
        "INSERT INTO stress_test_scenarios SELECT 'of_an_earlier_release', name, description, "
        "category, severity, shocks, style_shocks, is_active, display_order, origin "
        "FROM stress_test_scenarios WHERE scenario_id = 'rates_up_25bp'",
    ),
    "benchmark_sector_weights": (
        "UPDATE benchmark_sector_weights SET weight = 0.2 "
        "WHERE sector = 'Energy' AND benchmark = 'SP500'",
        "UPDATE benchmark_sector_weights SET sector = 'Oil' WHERE sector = 'Materials'",
        "DELETE FROM benchmark_sector_weights WHERE as_of_date = '2024-12-31'",
        "INSERT INTO benchmark_sector_weights VALUES ('SP500', '2024-06-28', 'Energy', 0.5)",
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_seeding_mends_what_differs_and_leaves_the_rest_alone(
    database: Database, table: str
) -> None:
    run(database, ADD_CUSTOM, ADD_OTHER_BENCHMARK)
    before = versions(database)
    run(database, *CHANGES[table])
    spared = before[table].items() & versions(database)[table].items()
    assert 0 < len(spared) < len(before[table])
    seed_reference(database)
    after = versions(database)
    assert after[table].keys() == before[table].keys()
    assert spared <= after[table].items()
    assert {name: after[name] for name in TABLES if name != table} == {
        name: before[name] for name in TABLES if name != table
    }


def test_an_edited_custom_scenario_stays_as_it_was_edited(database: Database) -> None:
    run(
        database,
        ADD_CUSTOM,
        "UPDATE stress_test_scenarios SET is_active = false WHERE scenario_id = 'custom_tariffs'",
    )
    seed_reference(database)
    with database.connection() as connection:
        (custom,) = [each for each in stored_scenarios(connection) if "custom" in each.scenario_id]
    assert custom.is_active is False
    assert custom.display_order == 100
    assert custom.shocks == {"Market": -0.12, "Size": -0.05}


def test_starts_at_the_same_time_seed_once(database: Database) -> None:
    before = versions(database)
    run(database, *(f"DELETE FROM {table}" for table in TABLES))
    with ThreadPoolExecutor(4) as starts:
        for start in [starts.submit(seed_reference, database) for _ in range(4)]:
            start.result()
    after = versions(database)
    for table in TABLES:
        assert after[table].keys() == before[table].keys()
        assert len({xmin for xmin, _ in after[table].values()}) == 1


def test_a_bad_file_leaves_the_tables_as_they_are(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "scenarios.toml"
    bad.write_text("[[scenario]]\nid = 'x'\n")
    monkeypatch.setattr(reference, "load_scenarios", lambda: load_scenarios(bad))
    run(database, "DELETE FROM factor_definitions WHERE name = 'Value'")
    before = versions(database)
    with pytest.raises(ScenarioFileInvalid, match="line 1: missing field"):
        seed_reference(database)
    assert versions(database) == before


# A night with a custom scenario, and a benchmark that is stated from the second session on.

EARLIEST, FIRST, SECOND = ON[0], ON[1], ON[3]
STATED = {
    FIRST: {"Technology": 0.5, "Energy": 0.3, "Utilities": 0.2},
    SECOND: {"Technology": 0.6, "Energy": 0.4},
}
PROFILES = """
    INSERT INTO company_profiles (symbol, sector, quote_type) VALUES
        ('AAPL', 'Technology', 'EQUITY'), ('MSFT', 'Technology', 'EQUITY'),
        ('XOM', 'Energy', 'EQUITY'), ('JPM', 'Financial Services', 'EQUITY'),
        ('SPY', '', 'ETF')
"""
LOTS = {
    "Long": (("AAPL", "100"), ("MSFT", "50"), ("JPM", "30"), ("JNJ", "20")),
    "Hedged": (("AAPL", "100"), ("MSFT", "-80"), ("XOM", "-40"), ("SPY", "10")),
}
SECTOR_OF = {
    "AAPL": "Technology",
    "MSFT": "Technology",
    "XOM": "Energy",
    "JPM": "Financials",
    "SPY": "ETFs",
    "JNJ": "Unclassified",
}


@pytest.fixture(scope="module")
def night(server: EmbeddedPostgres, market_url: str) -> Iterator[Database]:
    """The market and two portfolios more, after a night of four sessions; to be read only."""
    url = fresh_database(server, template=urlsplit(market_url).path.removeprefix("/"))
    database = Database(url)
    for name, held in LOTS.items():
        lots = [lot(symbol, size, "100", "2025-06-02", name=name) for symbol, size in held]
        add_portfolio(database, *lots, inception=ON[0].isoformat(), name=name)
    weights = [
        f"('SP500', '{stated}', '{sector}', {weight})"
        for stated, sectors in STATED.items()
        for sector, weight in sectors.items()
    ]
    run(
        database,
        PROFILES,
        ADD_CUSTOM,
        "DELETE FROM benchmark_sector_weights",
        f"INSERT INTO benchmark_sector_weights VALUES {', '.join(weights)}",
        ADD_OTHER_BENCHMARK,
    )
    run_symbols(database, ON[:4])
    run_portfolios(database, ON[:4])
    yield database
    drop_database(server, url)


def test_a_custom_scenario_is_computed_with_those_of_the_package(night: Database) -> None:
    shown = {each.scenario_id for each in load_scenarios() if each.is_active} | {"custom_tariffs"}
    for table in ("stress_test_results", "stress_scenario_moves"):
        query = f"SELECT calculation_date, array_agg(DISTINCT scenario_id) FROM {table} GROUP BY 1"
        found = {session: set(names) for session, names in fetched(night, query)}
        assert found == dict.fromkeys(ON[:4], shown)
    for moves, reason in fetched(
        night,
        "SELECT implied_moves, reason FROM stress_scenario_moves "
        "WHERE scenario_id = 'custom_tariffs'",
    ):
        assert reason is None
        assert moves["SPY"] == -0.12


def test_the_direct_figure_of_a_custom_scenario_is_its_shocks_times_the_exposures(
    night: Database,
) -> None:
    rows = fetched(
        night,
        "SELECT r.direct_pnl, -0.12 * market.exposure_dollar - 0.05 * size.exposure_dollar "
        "FROM stress_test_results r "
        "JOIN factor_exposures market USING (portfolio_id, calculation_date) "
        "JOIN factor_exposures size USING (portfolio_id, calculation_date) "
        "WHERE scenario_id = 'custom_tariffs' AND size.factor_name = 'Size' "
        "AND market.factor_name = 'Market Beta (90D)'",
    )
    assert len(rows) >= len(LOTS) * 4
    for stored, expected in rows:
        assert float(stored) == pytest.approx(float(expected), abs=1e-5)


def sectors(database: Database, name: str, session: date, benchmark: str = "SP500") -> list[tuple]:
    return fetched(
        database,
        "SELECT sector, net, gross, benchmark_weight, over_underweight, benchmark_as_of "
        "FROM portfolio_sector_exposures x JOIN portfolios p ON p.id = x.portfolio_id "
        f"WHERE account_name = '{name}' AND snapshot_date = '{session}' "
        f"AND benchmark = '{benchmark}' ORDER BY sector",
    )


def worked_out(database: Database, name: str, session: date) -> dict[str, tuple[float, float]]:
    """Net and gross over NAV of each sector held, from lots and closes."""
    ((nav,),) = fetched(
        database,
        "SELECT net_asset_value FROM portfolio_snapshots JOIN portfolios ON id = portfolio_id "
        f"WHERE account_name = '{name}' AND snapshot_date = '{session}'",
    )
    closes = dict(
        fetched(database, f"SELECT symbol, close FROM market_data_cache WHERE date = '{session}'")
    )
    found: dict[str, tuple[float, float]] = {}
    for symbol, size in LOTS[name]:
        share = float(size) * closes[symbol] / float(nav)
        net, gross = found.get(SECTOR_OF[symbol], (0.0, 0.0))
        found[SECTOR_OF[symbol]] = (net + share, gross + abs(share))
    return found


@pytest.mark.parametrize("name", LOTS)
@pytest.mark.parametrize(("session", "stated"), [(FIRST, FIRST), (ON[2], FIRST), (SECOND, SECOND)])
def test_sectors_of_either_side_appear_with_net_gross_and_the_weight_then_valid(
    night: Database, name: str, session: date, stated: date
) -> None:
    held, weights = worked_out(night, name, session), STATED[stated]
    expected = []
    for sector in sorted(held.keys() | weights.keys()):
        net, gross = held.get(sector, (0.0, 0.0))
        weight = weights.get(sector, 0.0)
        figures = [pytest.approx(one, abs=1e-9) for one in (net, gross, weight, net - weight)]
        expected.append((sector, *figures, stated))
    assert sectors(night, name, session) == expected


def test_both_portfolios_and_both_sides_have_sectors_of_their_own(night: Database) -> None:
    """Or the test above would show less than it says."""
    found = {name: {row[0] for row in sectors(night, name, FIRST)} for name in LOTS}
    assert found == {
        "Long": {"Energy", "Financials", "Technology", "Unclassified", "Utilities"},
        "Hedged": {"ETFs", "Energy", "Technology", "Utilities"},
    }
    technology = next(row for row in sectors(night, "Hedged", FIRST) if row[0] == "Technology")
    assert technology[1] < 0 < technology[2]


def test_a_session_before_the_first_statement_has_no_sectors(night: Database) -> None:
    ((count,),) = fetched(
        night, f"SELECT count(*) FROM portfolio_snapshots WHERE snapshot_date = '{EARLIEST}'"
    )
    assert count > len(LOTS)
    assert not fetched(
        night, f"SELECT * FROM portfolio_sector_exposures WHERE snapshot_date = '{EARLIEST}'"
    )


def test_each_benchmark_is_compared_with_by_itself(night: Database) -> None:
    assert not sectors(night, "Long", FIRST, "OTHER")
    found = {row[0]: row[3:] for row in sectors(night, "Long", SECOND, "OTHER")}
    assert found.keys() == {"Energy", "Financials", "Technology", "Unclassified"}
    assert found["Energy"] == (1.0, -1.0, day("2025-07-03"))
    assert found["Technology"][0] == 0.0


def test_the_package_states_a_benchmark_for_the_demo_portfolios(undisturbed: Database) -> None:
    """No company has a profile there: what is held is on one side, every sector on the other."""
    rows = fetched(
        undisturbed,
        "SELECT portfolio_id, snapshot_date, array_agg(sector ORDER BY sector), "
        "sum(benchmark_weight), min(benchmark_as_of), max(benchmark_as_of) "
        "FROM portfolio_sector_exposures GROUP BY 1, 2",
    )
    ((snapshots,),) = fetched(undisturbed, "SELECT count(*) FROM portfolio_snapshots")
    assert len(rows) == snapshots > 0
    assert any("Unclassified" in names for _, _, names, *_ in rows)
    for _, _, names, total, first, last in rows:
        assert [name for name in names if name != "Unclassified"] == list(SECTORS)
        assert total == pytest.approx(1.0)
        assert first == last == day("2025-06-30")
