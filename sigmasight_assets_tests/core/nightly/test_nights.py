"""What a night leaves does not depend on how it was run (invariants I1, I2, I3 and I7)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date

import psycopg
import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import session_column
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.nightly.portfolios import ASSET_TABLES as PORTFOLIO_ASSETS
from sigmasight_assets.core.nightly.symbols import ASSET_TABLES as SYMBOL_ASSETS
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets_tests.builders import (
    RULES,
    add_portfolio,
    add_prices,
    claim,
    lot,
    run_night,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.core.db.broken_connections import killing
from sigmasight_assets_tests.core.nightly.conftest import ON, add_demo_accounts

OTHERS = ("AAAA", "MMMM", "QQQQ", "TTTT", "ZZZZ")
COMPUTED = sorted(set.union(*map(set, LAYER_TABLES.values())))


def computed_checksums(database: Database) -> Mapping[str, str]:
    found = table_checksums(database)
    return {name: found[name] for name in COMPUTED}


def count(database: Database, table: str, where: str = "true") -> int:
    with database.connection() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]


def test_every_table_of_a_layer_is_filled_by_one_asset() -> None:
    for assets, layer in ((SYMBOL_ASSETS, Layer.SYMBOLS), (PORTFOLIO_ASSETS, Layer.PORTFOLIOS)):
        filled = [name for names in assets.values() for name in names]
        assert sorted(filled) == sorted(LAYER_TABLES[layer])


def test_a_night_fills_every_table_and_publishes_every_session(undisturbed: Database) -> None:
    for name in COMPUTED:
        assert count(undisturbed, name) > 0, name
    with undisturbed.connection() as connection:
        assert published(connection, Layer.SYMBOLS) == ON
        assert published(connection, Layer.PORTFOLIOS) == ON
        marks = connection.execute("SELECT DISTINCT stale_from FROM portfolios").fetchall()
    assert marks == [(None,)]


def test_sessions_one_by_one_in_any_order_give_the_bytes_of_one_range(
    market: Database, undisturbed: Database
) -> None:
    for number, session in enumerate(random.Random(5).sample(ON, k=len(ON))):
        run_symbols(market, [session], f"symbols {number}")
    for number, session in enumerate(random.Random(6).sample(ON, k=len(ON))):
        run_portfolios(market, [session], f"portfolios {number}")
    assert table_checksums(market) == table_checksums(undisturbed)


def test_whole_nights_one_by_one_give_the_bytes_of_one_range(
    database: Database, undisturbed: Database
) -> None:
    """Universe and prices too: nothing of what is stored tells how the nights were cut."""
    add_demo_accounts(database)
    for session in ON:
        run_night(database, SyntheticSource(), [session], f"night of {session}")
    assert table_checksums(database) == table_checksums(undisturbed)


def test_the_same_run_twice_changes_nothing(computed: Database, undisturbed: Database) -> None:
    run_night(computed, SyntheticSource(), ON, "again")
    run_portfolios(computed, ON[2:4], "and again")
    assert table_checksums(computed) == table_checksums(undisturbed)


def test_other_symbols_leave_the_rows_of_each_alone(
    market: Database, undisturbed: Database
) -> None:
    add_prices(
        market,
        SyntheticSource(),
        ON[0].isoformat(),
        ON[-1].isoformat(),
        OTHERS,
        run_id="more",
    )
    run_symbols(market, ON)
    run_portfolios(market, ON)
    others = f"symbol NOT IN {OTHERS}"
    for name in ("symbol_factor_exposures", "symbol_daily_metrics"):
        more = count(market, name) - count(undisturbed, name)
        assert more == count(market, name, f"NOT ({others})") == 5 * len(ON)
        assert rows(market, name, others) == rows(undisturbed, name, "true")
    changed = {"symbol_factor_exposures", "symbol_daily_metrics"}
    found, expected = computed_checksums(market), computed_checksums(undisturbed)
    assert {name for name in COMPUTED if found[name] != expected[name]} == changed


def rows(database: Database, table: str, where: str) -> list[tuple]:
    key = ", ".join(column.name for column in metadata.tables[table].primary_key)
    with database.connection() as connection:
        return connection.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY {key}").fetchall()  # type: ignore[arg-type]


def test_another_portfolio_leaves_the_rows_of_each_alone(
    market: Database, undisturbed: Database
) -> None:
    new = add_portfolio(
        market,
        lot("AAPL", "1000", "3", "2024-01-02"),
        lot("MSFT", "-500", "3", "2025-07-03"),
        inception=ON[0].isoformat(),
    )
    run_symbols(market, ON)
    run_portfolios(market, ON)
    for name in sorted(LAYER_TABLES[Layer.PORTFOLIOS] - {"stress_scenario_moves"}):
        assert rows(market, name, f"portfolio_id <> '{new}'") == rows(undisturbed, name, "true")
    assert count(market, "portfolio_snapshots", f"portfolio_id = '{new}'") == len(ON)


def test_one_portfolio_alone_gives_its_rows_of_a_full_refresh(
    market: Database, undisturbed: Database
) -> None:
    run_symbols(market, ON)
    with market.connection() as connection:
        ids = [str(one) for (one,) in connection.execute("SELECT id FROM portfolios ORDER BY id")]
    for portfolio in ids:
        run_portfolios(market, ON, f"only {portfolio}", [portfolio])
    assert computed_checksums(market) == computed_checksums(undisturbed)
    with market.connection() as connection:
        assert published(connection, Layer.PORTFOLIOS) == []


def test_one_asset_at_a_time_gives_the_bytes_of_all_together(
    market: Database, undisturbed: Database
) -> None:
    for asset in SYMBOL_ASSETS:
        held = claim(market, Layer.SYMBOLS, ON, asset)
        list(refresh_symbols(market, held, ON, sessions.offset(ON[-1], 1), [asset]))
    for asset in PORTFOLIO_ASSETS:
        run_portfolios(market, ON, asset, assets=[asset])
    assert computed_checksums(market) == computed_checksums(undisturbed)
    with market.connection() as connection:
        assert published(connection, Layer.SYMBOLS) == ON
        assert published(connection, Layer.PORTFOLIOS) == ON


@pytest.mark.parametrize("connections", [4, 8, 12])
def test_a_run_that_dies_between_sessions_is_healed_by_the_next(
    market: Database, undisturbed: Database, connections: int
) -> None:
    """After so many connections every further one is killed, as when the host dies."""
    with psycopg.connect(market.url, autocommit=True) as control:
        for layer in (run_symbols, run_portfolios):
            with (
                killing(control, before=1, times=10**6, tries=1, spare=connections),
                pytest.raises(psycopg.OperationalError),
            ):
                layer(market, ON, "dies")
            layer(market, ON, "heals")
    assert table_checksums(market) == table_checksums(undisturbed)


def test_a_killed_session_is_not_published_and_those_before_it_are(market: Database) -> None:
    held = claim(market, Layer.SYMBOLS, ON, "dies")
    refreshing = refresh_symbols(market, held, ON, sessions.offset(ON[-1], 1))
    assert [next(refreshing).session for _ in range(3)] == ON[:3]
    refreshing.close()
    with market.connection() as connection:
        assert published(connection, Layer.SYMBOLS) == ON[:3]
        days = connection.execute(
            "SELECT DISTINCT calculation_date FROM symbol_factor_exposures ORDER BY 1"
        ).fetchall()
    assert [day for (day,) in days] == ON[:3]


def test_rows_expected_are_rows_stored(undisturbed: Database) -> None:
    portfolios = count(undisturbed, "portfolios")
    active = count(undisturbed, "stress_test_scenarios", "is_active")
    known = count(undisturbed, "symbol_universe", "investment_class = 'PUBLIC'")
    per_session = {
        "symbol_factor_exposures": known,
        "symbol_daily_metrics": known,
        "factor_covariances": 36,
        "factor_correlations": 36,
        "factor_market_slopes": 6,
        "portfolio_snapshots": portfolios,
        "correlation_calculations": portfolios,
        "stress_test_results": portfolios * active,
        "stress_scenario_moves": active,
        "market_risk_scenarios": portfolios * 10,
        "factor_exposures": 12
        * (
            portfolios
            - count(
                undisturbed,
                "portfolio_snapshots",
                f"factor_exposures_reason IS NOT NULL AND snapshot_date = '{ON[0]}'",
            )
        ),
        "position_factor_exposures": count(
            undisturbed, "positions", "investment_class = 'PUBLIC' AND exit_date IS NULL"
        ),
    }
    for name, expected in per_session.items():
        day = session_column(metadata.tables[name])
        for session in ON:
            found = count(undisturbed, name, f"{day} = '{session}'")
            assert found == expected, (name, session)
    kept = dict.fromkeys(ON[-RULES.matrix_sessions :], portfolios)
    assert {
        session: count(undisturbed, "correlation_matrices", f"calculation_date = '{session}'")
        for session in ON
    } == {**dict.fromkeys(ON, 0), **kept}


def test_no_session_looks_ahead(market: Database, undisturbed: Database) -> None:
    """Whatever the prices after t say, the rows of t stay as they are."""
    pivot = ON[3]
    with market.connection() as connection:
        connection.execute(
            "UPDATE market_data_cache SET close = close * (1.1 + 0.2 * random()), "
            "adj_close = adj_close * (0.7 + 0.2 * random()) WHERE date > %s",
            (pivot,),
        )
    run_symbols(market, ON)
    run_portfolios(market, ON)
    for name in sorted(set(COMPUTED) - {"correlation_matrices"}):
        day = session_column(metadata.tables[name])
        before, after = f"{day} <= '{pivot}'", f"{day} > '{pivot}'"
        assert rows(market, name, before) == rows(undisturbed, name, before), name
        assert rows(market, name, after) != rows(undisturbed, name, after), name


def test_history_of_which_no_formula_needs_more_does_not_matter(
    market: Database, undisturbed: Database
) -> None:
    """Prices older than 280 sessions change nothing (methodology, section 1, History)."""
    with market.connection() as connection:
        connection.execute(
            "INSERT INTO market_data_cache (symbol, date, close, adj_close, data_source) "
            "SELECT u.symbol, d.day, 1 + random(), 1 + random(), 'older' "
            "FROM symbol_universe u CROSS JOIN unnest(%s::date[]) AS d (day)",
            (older(ON[0], 30),),
        )
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert computed_checksums(market) == computed_checksums(undisturbed)


def older(first: date, by: int) -> list[date]:
    """The sessions before the 280 that the first night needs."""
    last = sessions.offset(first, -281)
    return sessions.as_dates(sessions.between(sessions.offset(last, 1 - by), last))


def test_sessions_without_any_price_are_skipped_with_a_reason(database: Database) -> None:
    add_portfolio(database, lot("AAPL", "10", "3", "2025-07-01"), inception="2025-07-01")
    assert run_symbols(database, ON[:2]) == []
    skipped = [(each.session, each.reason) for each in run_portfolios(database, ON[:2])]
    assert skipped == [(day, "symbols_not_published") for day in ON[:2]]
    with database.connection() as connection:
        assert published(connection, Layer.SYMBOLS) == published(connection, Layer.PORTFOLIOS) == []
        logged = connection.execute(
            "SELECT batch_date, item, reason FROM batch_failure_log "
            "WHERE batch_type = 'portfolio_layer' ORDER BY batch_date"
        ).fetchall()
    assert logged == [(day, str(day), "symbols_not_published") for day in ON[:2]]
    assert count(database, "portfolio_snapshots") == 0


def test_a_position_without_a_single_price_is_at_cost_and_says_so(computed: Database) -> None:
    add_portfolio(computed, lot("NEVERSEEN", "10", "3", str(ON[0])), inception=str(ON[0]))
    run_portfolios(computed, ON[:2])
    with computed.connection() as connection:
        found = connection.execute(
            "SELECT net_asset_value, is_partial, missing_symbols FROM portfolio_snapshots "
            'WHERE missing_symbols @> \'[{"symbol": "NEVERSEEN"}]\' AND snapshot_date <= %s',
            (ON[1],),
        ).fetchall()
    assert found == [(100000, True, [{"symbol": "NEVERSEEN", "reason": "at_cost"}])] * 2
