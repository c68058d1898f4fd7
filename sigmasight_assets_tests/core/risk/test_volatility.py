"""Portfolio return series and volatility, against pandas and plain loops."""

from __future__ import annotations

import itertools
import math
from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.risk.portfolio_returns import past_returns, portfolio_returns
from sigmasight_assets.core.risk.volatility import RETURNS_USED, rolling_volatility, volatility
from sigmasight_assets.core.sessions import between
from sigmasight_assets.core.shapes.panel import PricePanel
from sigmasight_assets_tests.core.risk.books import (
    Lot,
    Owner,
    make_book,
    only_row,
    private,
    rows_on,
)

NAMES = ("A", "B", "C", "D")
DAYS = between(date(2022, 11, 1), date(2024, 3, 28))
LAST = "2024-03-28"


def random_returns(seed: int, rows: int = 1, scale: float = 0.01) -> np.ndarray:
    """Series whose volatility drifts, so that a forecast has something to find."""
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(size=(rows, RETURNS_USED)) * 0.1, axis=1))
    return rng.normal(size=(rows, RETURNS_USED)) * scale * level


def random_panel(seed: int, gaps: float = 0.0) -> PricePanel:
    rng = np.random.default_rng(seed)
    shape = (len(DAYS), len(NAMES))
    adjusted = 50 * np.exp(np.cumsum(rng.normal(size=shape) * 0.02, axis=0))
    adjusted[rng.random(shape) < gaps] = np.nan
    close = np.where(np.isnan(adjusted), np.nan, adjusted * 1.1)
    return PricePanel(NAMES, DAYS, close, adjusted)


# --- return series -------------------------------------------------------------------------


def series_by_pandas(panel: PricePanel, values: dict[str, float], nav: float) -> pd.Series:
    """The series of lots worth `values` (symbol -> USD), one session at a time."""
    prices = pd.DataFrame(panel.adj_close, panel.sessions, list(panel.symbols))
    returns = prices / prices.shift(1) - 1
    gross = sum(abs(value) for value in values.values())
    series = {}
    for session, known in returns.iterrows():
        have = {name: value for name, value in values.items() if pd.notna(known.get(name))}
        covered = sum(abs(value) for value in have.values())
        if covered < 0.9 * gross:
            series[session] = math.nan
        else:
            series[session] = sum(value / nav * known[name] for name, value in have.items())
    return pd.Series(series).iloc[-RETURNS_USED:]


@pytest.mark.parametrize("gaps", [0.0, 0.02])
def test_the_series_weighs_what_is_held_on_t_over_past_sessions(gaps: float):
    panel = random_panel(1, gaps)
    values = {"A": 500.0, "B": -200.0, "C": 40.0, "UNPRICED": 20.0}
    columns = np.array([0, 1, 2, -1])
    returns = past_returns(panel, len(DAYS) - 1, columns, RETURNS_USED)
    (found,) = portfolio_returns(
        returns, np.arange(4), np.zeros(4, int), np.array(list(values.values())), np.array([600.0])
    )
    expected = series_by_pandas(panel, values, 600.0)
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-12, atol=1e-16)
    assert np.isnan(found).any() == (gaps > 0)


def test_a_session_counts_when_exactly_ninety_percent_of_gross_has_a_return():
    returns = np.array([[0.01, 0.02], [np.nan, np.nan], [0.03, 0.04]])
    nav = np.array([1_000.0])

    def series(*values: float) -> list[float]:
        lots = np.array(values)
        return portfolio_returns(returns, np.arange(3), np.zeros(3, int), lots, nav)[0].tolist()

    assert series(700, 100, 200) == pytest.approx([0.013, 0.022])
    assert series(700, -100.001, 200) == pytest.approx([np.nan, np.nan], nan_ok=True)
    # ten tenths of 0.1, which do not add up to 1 in binary
    tenths = np.full(10, 0.1)
    symbols = np.array([1] + [0] * 9)
    (found,) = portfolio_returns(returns, symbols, np.zeros(10, int), tenths, nav)
    assert np.isfinite(found).all()


def test_no_public_value_or_no_positive_nav_leaves_no_series():
    returns = np.array([[0.01, 0.02]])
    found = portfolio_returns(
        returns,
        np.zeros(3, int),
        np.array([0, 1, 2]),
        np.array([10.0, 10.0, 10.0]),
        np.array([100.0, 0.0, -5.0, 100.0]),
    )
    assert found[0].tolist() == pytest.approx([0.001, 0.002])
    assert np.isnan(found[1:]).all()


def test_returns_before_the_first_session_of_a_panel_are_missing():
    panel = random_panel(2)
    found = past_returns(panel, 3, np.array([1, -1]), 5)
    adjusted = panel.adj_close[:, 1]
    expected = [np.nan, np.nan, *(adjusted[1:4] / adjusted[:3] - 1)]
    assert found[0].tolist() == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found[1]).all()


def test_a_series_has_the_same_bits_alone_and_among_any_others():
    rng = np.random.default_rng(3)
    returns = rng.normal(size=(40, RETURNS_USED)) * 0.02
    returns[rng.random(returns.shape) < 0.001] = np.nan
    sizes = rng.integers(0, 30, size=600)
    portfolio = np.repeat(np.arange(600), sizes)
    symbol = rng.integers(0, 40, size=len(portfolio))
    value = rng.normal(size=len(portfolio)) * 1_000
    nav = rng.uniform(500, 5_000, size=600)
    together = portfolio_returns(returns, symbol, portfolio, value, nav)
    for p in range(0, 600, 37):
        own = portfolio == p
        alone = portfolio_returns(
            returns, symbol[own], np.zeros(own.sum(), int), value[own], nav[p : p + 1]
        )
        assert alone[0].tobytes() == together[p].tobytes()
    halves = np.flatnonzero(portfolio >= 300)
    second = portfolio_returns(
        returns, symbol[halves], portfolio[halves] - 300, value[halves], nav[300:]
    )
    assert second.tobytes() == together[300:].tobytes()


# --- volatility of a series ----------------------------------------------------------------


def rolling_by_pandas(returns: np.ndarray, n: int) -> pd.Series:
    return pd.Series(returns).rolling(n).std(ddof=0) * math.sqrt(252)


def test_realised_volatility_agrees_with_pandas():
    returns = random_returns(4, rows=3)
    columns = volatility(returns)
    for p, series in enumerate(returns):
        for n in (21, 63):
            expected = np.std(series[-n:]) * math.sqrt(252)
            assert columns[f"realized_volatility_{n}d"][p] == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(
            rolling_volatility(returns, 21)[p], rolling_by_pandas(series, 21)[20:], rtol=1e-8
        )


@pytest.mark.parametrize(
    ("back", "known_21", "known_63"),
    [(21, False, False), (22, True, False), (63, True, False), (64, True, True)],
)
def test_realised_volatility_needs_every_return_of_its_window(back, known_21, known_63):
    returns = random_returns(5)
    returns[0, -back] = np.nan
    columns = volatility(returns)
    assert np.isfinite(columns["realized_volatility_21d"][0]) == known_21
    assert np.isfinite(columns["realized_volatility_63d"][0]) == known_63


@pytest.mark.parametrize(
    ("ratio", "trend"),
    [(1.51, "increasing"), (1.49, "stable"), (1 / 1.49, "stable"), (1 / 1.51, "decreasing")],
)
def test_trend_compares_the_last_21_sessions_with_the_21_before(ratio: float, trend: str):
    returns = random_returns(6)
    returns[0, -21:] = returns[0, -42:-21] * ratio + 0.001
    assert volatility(returns)["volatility_trend"][0] == trend


def test_trend_is_unknown_unless_both_volatilities_are_known():
    returns = random_returns(7, rows=3)
    returns[0, -42] = np.nan
    returns[1, -43] = np.nan
    returns[2, -1] = np.nan
    assert [word is None for word in volatility(returns)["volatility_trend"]] == [True, False, True]


def test_trend_of_a_portfolio_that_never_moves_is_stable():
    assert volatility(np.zeros((1, RETURNS_USED)))["volatility_trend"][0] == "stable"


def test_percentile_is_the_share_of_252_earlier_values_below_the_current_one():
    returns = random_returns(8, rows=4)
    columns = volatility(returns)
    for p, series in enumerate(returns):
        rolling = rolling_by_pandas(series, 21).dropna().to_list()
        *earlier, current = rolling
        assert len(earlier) == 252
        assert columns["volatility_percentile"][p] == sum(v < current for v in earlier) / 252
        assert columns["volatility_percentile_observations"][p] == 252


def test_percentile_needs_63_values_and_counts_them_anyway():
    returns = np.full((3, RETURNS_USED), np.nan)
    # 21 + 62 returns give 62 values before the last, 21 + 63 give 63
    for p, known in enumerate((83, 84, 84)):
        returns[p, -known:] = random_returns(9)[0, -known:]
    returns[2, -1] = np.nan
    columns = volatility(returns)
    assert columns["volatility_percentile_observations"].tolist() == [62, 63, 63]
    assert np.isnan(columns["volatility_percentile"]).tolist() == [True, False, True]


# --- forecast ------------------------------------------------------------------------------


def best_non_negative(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Non-negative least squares by trying every set of positive coefficients."""
    best, best_error = np.zeros(4), float(target @ target)
    for size in range(1, 5):
        for chosen in map(list, itertools.combinations(range(4), size)):
            solved = np.linalg.lstsq(matrix[:, chosen], target, rcond=None)[0]
            error = float(np.sum((matrix[:, chosen] @ solved - target) ** 2))
            if (solved >= 0).all() and error < best_error:
                best, best_error = np.zeros(4), error
                best[chosen] = solved
    return best


def forecast_by_hand(series: np.ndarray) -> float:
    last = series[-252:]

    def v(h: int, s: int) -> float:
        if s - h + 1 < 0:
            return math.nan
        return math.sqrt(sum(x * x for x in last[s - h + 1 : s + 1]) / h)

    rows = [(1.0, v(1, s), v(5, s), v(21, s), v(21, s + 21)) for s in range(252) if s + 21 <= 251]
    pairs = np.array([row for row in rows if not any(map(math.isnan, row))])
    if len(pairs) < 126:
        return math.nan
    slopes = best_non_negative(pairs[:, :4], pairs[:, 4])
    now = np.array([1.0, v(1, 251), v(5, 251), v(21, 251)])
    return float(slopes @ now) * math.sqrt(252)


@pytest.mark.parametrize("seed", range(8))
def test_the_forecast_agrees_with_trying_every_set_of_coefficients(seed: int):
    returns = random_returns(100 + seed)
    if seed % 2:
        returns[0, [30, 140]] = np.nan
    expected = forecast_by_hand(returns[0])
    assert np.isfinite(expected)
    assert volatility(returns)["expected_volatility_21d"][0] == pytest.approx(expected, rel=1e-9)


def test_the_forecast_needs_126_pairs():
    for known, enough in ((166, False), (167, True)):
        returns = np.full((1, RETURNS_USED), np.nan)
        returns[0, -known:] = random_returns(10)[0, -known:]
        # known - 41 pairs have 21 returns up to s and 21 after it
        assert known - 41 == 126 - (not enough)
        assert np.isfinite(volatility(returns)["expected_volatility_21d"][0]) == enough


def test_the_forecast_needs_the_last_21_returns():
    returns = random_returns(11, rows=2)
    returns[0, -21] = np.nan
    returns[1, -22] = np.nan
    found = volatility(returns)["expected_volatility_21d"]
    assert np.isfinite(found).tolist() == [False, True]


def test_the_forecast_ignores_what_is_older_than_252_sessions():
    returns = random_returns(12, rows=2)
    returns[1] = returns[0]
    returns[1, :-252] = 0.5
    found = volatility(returns)["expected_volatility_21d"]
    assert found[0] == found[1]


def test_a_portfolio_that_never_moves_is_expected_not_to_move():
    assert volatility(np.zeros((1, RETURNS_USED)))["expected_volatility_21d"][0] == 0


def test_volatility_has_the_same_bits_alone_and_among_any_others():
    returns = random_returns(13, rows=300)
    returns[5, 100] = np.nan
    together = volatility(returns)
    for rows in (slice(0, 1), slice(5, 6), slice(7, 64), slice(299, 300)):
        some = volatility(np.ascontiguousarray(returns[rows]))
        for name, values in some.items():
            if values.dtype == object:
                assert values.tolist() == together[name][rows].tolist()
            else:
                assert values.tobytes() == together[name][rows].tobytes(), name


# --- in a snapshot -------------------------------------------------------------------------


def test_a_snapshot_takes_its_volatility_from_public_lots_over_nav():
    panel = random_panel(14)
    lots = [
        Lot("A", 10, 5, "2023-06-01"),
        Lot("B", -4, 5, "2023-06-01"),
        Lot("A", 2, 5, LAST),
        Lot("C", 50, 5, "2023-06-01", 6, LAST),  # gone by t: no part of the series
        private("P_ONE", 1, 300, "2023-06-01", {}),
    ]
    book = make_book(Owner(20_000, "2024-03-01", lots))
    row = only_row(rows_on(book, panel, LAST))
    price = dict(zip(NAMES, panel.close[-1], strict=True))
    values = {"A": 12 * price["A"], "B": -4 * price["B"]}
    series = series_by_pandas(panel, values, float(row["net_asset_value"]))  # type: ignore[arg-type]
    expected = rolling_by_pandas(series.to_numpy(), 21).to_list()
    assert row["realized_volatility_21d"] == pytest.approx(expected[-1], rel=1e-9)
    assert row["expected_volatility_21d"] == pytest.approx(
        forecast_by_hand(series.to_numpy()), rel=1e-8
    )
    assert row["volatility_percentile_observations"] == 252
