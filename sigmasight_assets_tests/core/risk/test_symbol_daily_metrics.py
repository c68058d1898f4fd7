"""Returns against hand-set reference prices and pandas, volatility, profiles and the score."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.db.tables import symbol_daily_metrics as table
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_daily_metrics import (
    symbol_daily_metrics,
)
from sigmasight_assets.core.risk.symbol_factor_exposures import symbol_factor_exposures
from sigmasight_assets.core.shapes.factors import CompanyProfiles
from sigmasight_assets.core.shapes.panel import Columns
from sigmasight_assets_tests.symbol_panels import (
    LAST,
    PROXY_NAMES,
    SESSIONS,
    needs_real_prices,
    panel_of,
    real_prices,
    row_of,
    rows_of,
    synthetic_prices,
)

PRICES = synthetic_prices()
HORIZONS = ("return_1d", "return_1m", "return_3m", "return_1y", "return_mtd", "return_ytd")


def metrics(
    prices: pd.DataFrame, session: date = LAST, profiles: CompanyProfiles | None = None
) -> Columns:
    panel = panel_of(prices)
    return symbol_daily_metrics(panel, session, symbol_factor_exposures(panel, session), profiles)


def without(symbol: str, *days: date) -> pd.DataFrame:
    holed = PRICES.copy()
    holed.loc[pd.DatetimeIndex(days), symbol] = np.nan
    return holed


def oracle_return(prices: pd.Series, session: date, horizon: str) -> float:
    """The same return by pandas' own calendar arithmetic, one symbol and horizon at a time."""
    today = pd.Timestamp(session)
    day = {
        "return_1m": today - pd.DateOffset(months=1),
        "return_3m": today - pd.DateOffset(months=3),
        "return_1y": today - pd.DateOffset(years=1),
        "return_mtd": today - pd.offsets.MonthEnd(1) if not today.is_month_end else
        today.replace(day=1) - pd.Timedelta(days=1),
        "return_ytd": pd.Timestamp(today.year - 1, 12, 31),
    }.get(horizon)  # fmt: skip
    if day is None:
        candidates = prices.loc[prices.index < today].iloc[-1:]
    else:
        candidates = prices.loc[prices.index <= day].iloc[-6:].dropna()
    return prices.loc[today] / candidates.iloc[-1] - 1.0 if len(candidates) else np.nan


def assert_equals_oracle(prices: pd.DataFrame, session: date) -> None:
    columns = metrics(prices, session)
    for symbol in columns["symbol"].tolist():
        row, own = row_of(columns, symbol), prices[symbol]
        for horizon in HORIZONS:
            expected = oracle_return(own, session, horizon)
            assert row[horizon] == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), (
                f"{symbol} {horizon} on {session}"
            )
        recent = own.loc[: pd.Timestamp(session)]
        for n in (21, 63):
            daily = recent.div(recent.shift(1)).sub(1.0).iloc[-n:]
            expected = daily.std(ddof=0, skipna=False) * 252**0.5
            actual = row[f"realized_volatility_{n}d"]
            assert actual == pytest.approx(expected, rel=1e-12, nan_ok=True), f"{symbol} {n}"
        assert row["current_price"] == recent.iloc[-20:].dropna().iloc[-1]


def test_the_rows_have_exactly_the_columns_of_the_table():
    assert set(metrics(PRICES)) == {column.name for column in table.columns}


def test_returns_and_volatilities_equal_pandas_with_gaps():
    holed = PRICES.mask(np.random.default_rng(8).random(PRICES.shape) < 0.05)
    month_ends = [date(2025, 3, 31), date(2025, 5, 30), date(2025, 1, 2), date(2025, 2, 28)]
    for session in [LAST, SESSIONS[-47], *month_ends]:
        assert_equals_oracle(holed, session)


@needs_real_prices
def test_returns_and_volatilities_of_real_symbols_equal_pandas():
    prices = real_prices()
    known = prices.notna().sum(axis=0)
    partial = known.index[(known < len(prices)) & (known > 20)][::40].tolist()
    prices = prices[sorted({*PROXY_NAMES, *partial, *prices.columns[::400]})]
    for position in (-1, -64):
        assert_equals_oracle(prices, prices.index[position].date())


def test_references_are_the_calendar_days_clamped_to_month_ends():
    """On 31 March 2025 a month earlier is 28 February and a year earlier 28 March (Good Friday
    closed the 29th, a Friday, and the 30th and 31st were a weekend)."""
    prices = PRICES.assign(S000=100.0)
    for day, price in {
        date(2025, 3, 31): 120.0,
        date(2025, 3, 28): 96.0,
        date(2025, 2, 28): 80.0,
        date(2024, 12, 31): 60.0,
        date(2024, 3, 28): 48.0,
    }.items():
        prices.loc[pd.Timestamp(day), "S000"] = price
    row = row_of(metrics(prices, date(2025, 3, 31)), "S000")
    assert row["return_1d"] == pytest.approx(0.25)
    assert row["return_1m"] == row["return_mtd"] == pytest.approx(0.5)
    assert row["return_3m"] == row["return_ytd"] == pytest.approx(1.0)
    assert row["return_1y"] == pytest.approx(1.5)


def test_a_reference_price_may_be_five_sessions_older_and_not_six():
    reference = SESSIONS.index(date(2025, 5, 30))
    five = without("S000", *SESSIONS[reference - 4 : reference + 1])
    expected = PRICES.at[pd.Timestamp(LAST), "S000"] / PRICES["S000"].iloc[reference - 5] - 1.0
    assert row_of(metrics(five), "S000")["return_mtd"] == pytest.approx(expected)
    six = without("S000", *SESSIONS[reference - 5 : reference + 1])
    assert np.isnan(row_of(metrics(six), "S000")["return_mtd"])


def test_the_daily_return_needs_exactly_the_session_before():
    row = row_of(metrics(without("S000", SESSIONS[-2])), "S000")
    assert np.isnan(row["return_1d"])
    assert np.isfinite(row["return_1m"])
    assert np.isnan(row["realized_volatility_21d"])


def test_without_a_price_on_t_there_is_a_current_price_and_no_return():
    row = row_of(metrics(without("S000", LAST, SESSIONS[-2])), "S000")
    assert row["current_price"] == PRICES["S000"].iloc[-3]
    assert all(np.isnan(row[name]) for name in HORIZONS)
    assert row["data_quality_score"] == 20.0


def test_the_current_price_is_a_close_and_returns_are_of_adjusted_closes():
    panel = panel_of(PRICES, closes=2.0 * PRICES)
    rows = symbol_daily_metrics(panel, LAST, symbol_factor_exposures(panel, LAST))
    assert row_of(rows, "S000")["current_price"] == 2.0 * PRICES["S000"].iloc[-1]
    assert row_of(rows, "S000")["return_ytd"] == row_of(metrics(PRICES), "S000")["return_ytd"]


def test_all_21_and_63_returns_are_needed():
    row = row_of(metrics(without("S000", SESSIONS[-23])), "S000")
    assert np.isfinite(row["realized_volatility_21d"])
    assert np.isnan(row["realized_volatility_63d"])
    row = row_of(metrics(without("S000", SESSIONS[-22])), "S000")
    assert np.isnan(row["realized_volatility_21d"])


def test_a_year_that_the_panel_does_not_hold_is_unknown():
    row = row_of(metrics(PRICES.iloc[-100:]), "S000")
    assert np.isnan(row["return_1y"])
    assert np.isnan(row["return_ytd"])
    assert np.isfinite(row["return_3m"])


def some_profiles() -> CompanyProfiles:
    return CompanyProfiles(
        symbols=("S001", "S002", "S003", "ZZZ"),
        company_name=np.array(["One Holdings Incorporated", "", "", "Z"]),
        sector=np.array(["Energy", "Technology", "", "Z"]),
        industry=np.array(["", "Software", "", "Z"]),
        market_cap=np.array([1.5e9, np.nan, np.nan, 1.0]),
        pe_ratio=np.array([np.nan, 31.25, np.nan, 1.0]),
    )


def test_profile_fields_are_copied_by_symbol_and_absent_without_a_profile():
    columns = metrics(PRICES, profiles=some_profiles())
    names = ("company_name", "sector", "industry", "market_cap", "pe_ratio")
    one, two, none = ([row_of(columns, s)[name] for name in names] for s in ("S001", "S002", "SPY"))
    assert one[:4] == ["One Holdings Incorporated", "Energy", "", 1.5e9]
    assert two[:3] == ["", "Technology", "Software"]
    assert two[4] == 31.25
    assert np.isnan([one[4], two[3], none[3], none[4]]).all()
    assert none[:3] == ["", "", ""]


def test_without_profiles_their_columns_are_absent():
    columns = metrics(PRICES)
    assert set(columns["sector"]) == set(columns["company_name"]) == {""}
    assert np.isnan(columns["market_cap"]).all()


def test_the_quality_score_adds_price_returns_profile_and_factors():
    prices = PRICES.copy()
    prices.loc[prices.index[:-50], "S001"] = np.nan
    prices.loc[prices.index[:-10], "S002"] = np.nan
    columns = metrics(prices, profiles=some_profiles())
    score = dict(zip(columns["symbol"].tolist(), columns["data_quality_score"], strict=True))
    assert score["S000"] == 30 + 30 + 0 + 20
    assert score["S003"] == 30 + 30 + 0 + 20, "a profile that says nothing is none"
    assert score["S001"] == pytest.approx(30 + 30 * 3 / 6 + 20 + 10)
    assert score["S002"] == pytest.approx(30 + 30 * 1 / 6 + 20 + 0)


def test_a_symbol_that_the_panel_does_not_hold_is_refused():
    rows = symbol_factor_exposures(panel_of(PRICES), LAST)
    with pytest.raises(KeyError, match="S000"):
        symbol_daily_metrics(panel_of(PRICES.drop(columns="S000")), LAST, rows)


def test_no_bit_depends_on_other_symbols_later_prices_or_older_history():
    holed = PRICES.mask(np.random.default_rng(8).random(PRICES.shape) < 0.05)
    session, names = SESSIONS[-11], list(PRICES.columns)
    reference = metrics(holed, session)
    altered = holed.copy()
    altered.iloc[-10:] *= 3.0
    assert rows_of(metrics(altered, session), names) == rows_of(reference, names)
    older = holed.iloc[-10 - 281 :]
    assert rows_of(metrics(older, session), names) == rows_of(reference, names)
    for name in names:
        alone = metrics(holed[sorted({*PROXY_NAMES, name})], session)
        assert rows_of(alone, [name]) == rows_of(reference, [name])


def test_one_symbol_by_itself_has_the_bits_it_has_among_others():
    panel = panel_of(PRICES)
    factors, together = symbol_factor_exposures(panel, LAST), metrics(PRICES)
    returns = simple_returns(panel.adj_close)
    assert np.isfinite(together["realized_volatility_63d"]).all()
    for i, name in enumerate(panel.symbols):
        only = {column: values[i : i + 1] for column, values in factors.items()}
        alone = symbol_daily_metrics(panel, LAST, only, returns=returns)
        assert rows_of(alone, [name]) == rows_of(together, [name])
