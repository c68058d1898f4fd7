"""The symbol layer's nights: profiles are copied once, factors are noted, reads are whole."""

from __future__ import annotations

from typing import Any

import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.nightly import portfolio_rows
from sigmasight_assets.core.nightly.stress_sanity import stress_breaks
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets.core.risk.stress_scenario_moves import DEFAULT_RATES
from sigmasight_assets_tests.builders import claim, run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.conftest import ON

COPIED = "company_name, sector, industry, market_cap, pe_ratio"


def profile(database: Database, beta: float) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO company_profiles (symbol, company_name, sector, industry, market_cap, "
            "pe_ratio, beta) VALUES ('AAPL', 'Apple', 'Technology', 'Phones', 3e12, 30, %(beta)s) "
            "ON CONFLICT (symbol) DO UPDATE SET beta = %(beta)s, pe_ratio = %(beta)s * 10",
            {"beta": beta},
        )


def copied(database: Database) -> dict[Any, tuple]:
    with database.connection() as connection:
        rows = connection.execute(
            f"SELECT metrics_date, {COPIED}, provider_beta FROM symbol_daily_metrics m "
            "JOIN symbol_factor_exposures e ON e.symbol = m.symbol "
            "AND calculation_date = metrics_date WHERE m.symbol = 'AAPL'"
        ).fetchall()
    return {day: tuple(values) for day, *values in rows}


def test_profiles_are_copied_into_the_latest_session_and_never_changed_afterwards(
    market: Database,
) -> None:
    nothing = (None,) * 6
    profile(market, 1.2)
    latest, before = ON[2], ON[:2]
    held = claim(market, Layer.SYMBOLS, ON, "a")
    list(refresh_symbols(market, held, ON[:3], latest))
    then = ("Apple", "Technology", "Phones", 3e12, 30.0, 1.2)
    assert copied(market) == {**dict.fromkeys(before, nothing), latest: then}
    profile(market, 0.9)
    list(refresh_symbols(market, held, ON[:4], ON[3]))
    now = ("Apple", "Technology", "Phones", 3e12, 9.0, 0.9)
    assert copied(market) == {**dict.fromkeys(before, nothing), latest: then, ON[3]: now}
    list(refresh_symbols(market, held, ON[:3], ON[-1]))
    assert copied(market) == {**dict.fromkeys(before, nothing), latest: then, ON[3]: now}


def test_profiles_are_outside_the_checksums_of_the_symbol_layer(
    market: Database, undisturbed: Database
) -> None:
    profile(market, 1.2)
    held = claim(market, Layer.SYMBOLS, ON, "a")
    list(refresh_symbols(market, held, ON, ON[-1]))
    found, expected = table_checksums(market), table_checksums(undisturbed)
    for name in ("symbol_daily_metrics", "symbol_factor_exposures"):
        assert found[name] == expected[name]


def noted(database: Database) -> set:
    with database.connection() as connection:
        return set(
            connection.execute(
                "SELECT last_factor_date FROM symbol_universe WHERE investment_class = 'PUBLIC'"
            ).fetchall()
        )


def test_the_last_session_with_factors_is_noted_and_never_moves_back(market: Database) -> None:
    assert noted(market) == {(None,)}
    run_symbols(market, ON[:4])
    assert noted(market) == {(ON[3],)}
    run_symbols(market, ON[:2], "earlier")
    assert noted(market) == {(ON[3],)}


def test_the_report_of_a_session_says_what_share_has_a_beta(market: Database) -> None:
    with market.connection() as connection:
        connection.execute(
            "DELETE FROM market_data_cache WHERE symbol = 'AAPL' AND date < '2025-06-20'"
        )
    done = run_symbols(market, ON[:1])[0]
    symbols = done.rows["symbol_factor_exposures"]
    assert done.session == ON[0]
    assert done.market_beta_coverage == (symbols - 1) / symbols
    assert len(done.market_betas) == symbols - 1


def test_a_portfolio_session_reads_one_state_of_the_symbol_layer(
    computed: Database, undisturbed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewritten between two reads, a session must not give betas of one run and covariances of
    another."""
    read = portfolio_rows.symbol_factors

    def reading(*args: Any) -> Any:
        found = read(*args)
        with computed.connection() as connection:
            connection.execute("UPDATE factor_covariances SET covariance = covariance * 4")
            connection.execute("UPDATE factor_market_slopes SET slope = slope + 1")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(portfolio_rows, "symbol_factors", reading)
        run_portfolios(computed, ON[-1:], "torn")
    found, expected = table_checksums(computed), table_checksums(undisturbed)
    assert found["factor_covariances"] != expected["factor_covariances"]
    for name in ("stress_test_results", "stress_scenario_moves", "market_risk_scenarios"):
        assert found[name] == expected[name]


def test_the_synthetic_market_passes_the_sanity_of_stress_and_a_wrong_beta_does_not(
    computed: Database,
) -> None:
    assert stress_breaks(computed, ON, DEFAULT_RATES) == []
    with computed.connection() as connection:
        connection.execute(
            "UPDATE symbol_factor_exposures SET joint_market = 0.9, market_beta = 0.9 "
            "WHERE symbol = 'SPY' AND calculation_date = %s",
            (ON[1],),
        )
    broken = stress_breaks(computed, ON, DEFAULT_RATES)
    assert broken
    assert all(sentence.startswith(f"{ON[1]} all SPY: ") for sentence in broken)
