"""Correlations against pandas on log returns, and their summaries by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.risk import correlation_stacks
from sigmasight_assets.core.risk.correlations import correlations
from sigmasight_assets.core.risk.pairwise_correlations import (
    completed_matrices,
    pairwise_correlations,
    return_window,
)
from sigmasight_assets.core.risk.result_columns import documents
from sigmasight_assets.core.shapes.factors import Profiles
from sigmasight_assets_tests.core.risk.books import NO_PROFILES
from sigmasight_assets_tests.core.risk.valued_books import (
    SESSION,
    WORLD,
    Held,
    bits_of,
    owned,
    portfolios_drawn,
    records,
    valued,
)
from sigmasight_assets_tests.symbol_panels import (
    SESSIONS,
    needs_real_prices,
    panel_of,
    real_prices,
)

assert SESSIONS[-1] == SESSION


def prices_of(log_returns: dict[str, list[float] | np.ndarray]) -> pd.DataFrame:
    """Prices whose last log returns are these; before them there is no price."""
    frame = pd.DataFrame(index=pd.DatetimeIndex(SESSIONS))
    for symbol, returns in log_returns.items():
        path = 50.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
        frame[symbol] = pd.Series(path, index=frame.index[-len(path) :])
    return frame


def gappy_prices(seed: int = 11, symbols: tuple[str, ...] = WORLD) -> pd.DataFrame:
    """Correlated prices with holes of every size, a late listing, a halt and an outlier."""
    rng = np.random.default_rng(seed)
    n = len(SESSIONS)
    returns = rng.normal(0, 0.01, (n, 1)) + rng.normal(0, 0.01, (n, len(symbols)))
    returns[-45, 0] = 2.3
    prices = 50 * np.exp(np.cumsum(returns, axis=0))
    holes = rng.random(prices.shape) < np.linspace(0.0, 0.35, len(symbols))
    prices[holes] = np.nan
    prices[:-40, 1] = np.nan
    prices[-70:-30, 2:3] = np.nan
    return pd.DataFrame(prices, index=pd.DatetimeIndex(SESSIONS), columns=list(symbols))


def pandas_correlation(prices: pd.DataFrame) -> pd.DataFrame:
    ratio = prices / prices.shift(1)
    return np.log(ratio).iloc[-90:].corr(min_periods=30)


def pandas_observations(prices: pd.DataFrame) -> pd.DataFrame:
    known = (prices / prices.shift(1)).iloc[-90:].notna().astype(int)
    return known.T @ known


def calculated(*owners, prices, profiles=NO_PROFILES, session=SESSION):
    summary, matrix = correlations(*valued(*owners), panel_of(prices), profiles, session)
    return summary, with_lists(matrix)


def with_lists(matrix):
    """The same columns with arrays as the database returns them: lists, unknown as None."""
    return {
        name: documents([_as_list(array) for array in column])
        if name in ("symbols", "correlations", "observations")
        else column
        for name, column in matrix.items()
    }


def _as_list(array):
    return np.where(pd.isna(array), None, array).tolist()


def one(*lots, prices, profiles=NO_PROFILES):
    summary, matrix = calculated(owned(1000.0, *lots), prices=prices, profiles=profiles)
    return {**records(summary)[0], **records(matrix)[0]}


def equally_held(symbols):
    return [Held(symbol, 100.0) for symbol in symbols]


def assert_matrix_is(row, expected, observations):
    names = row["symbols"]
    upper = np.triu_indices(len(names), 1)
    wanted = expected.loc[names, names].to_numpy()[upper]
    stored = np.array(row["correlations"], dtype=float)
    np.testing.assert_array_equal(np.isnan(stored), np.isnan(wanted))
    np.testing.assert_allclose(stored, wanted, rtol=0, atol=1e-9)
    assert row["observations"] == observations.loc[names, names].to_numpy()[upper].tolist()


def test_the_matrix_is_that_of_pandas_whatever_the_gaps():
    prices = gappy_prices()
    row = one(*equally_held(WORLD), prices=prices)
    counts = (prices / prices.shift(1)).iloc[-90:].notna().sum()
    assert row["symbols"] == [symbol for symbol in WORLD if counts[symbol] >= 30]
    assert len(row["symbols"]) >= 8
    assert None in row["correlations"]
    assert_matrix_is(row, pandas_correlation(prices), pandas_observations(prices))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_every_pair_equals_numpy_on_the_common_sessions(seed, n):
    prices = gappy_prices(seed, WORLD[:n])
    window = return_window(panel_of(prices), WORLD[:n], SESSION)
    (found,), (observations,) = pairwise_correlations(window.centred[None], window.known[None])
    returns = np.log((prices / prices.shift(1)).iloc[-90:].to_numpy())
    i, j = np.triu_indices(n, 1)
    for pair, (a, b) in enumerate(zip(i, j, strict=True)):
        both = np.isfinite(returns[:, a]) & np.isfinite(returns[:, b])
        assert observations[pair] == both.sum()
        if both.sum() < 30:
            assert np.isnan(found[pair])
        else:
            expected = np.corrcoef(returns[both, a], returns[both, b])[0, 1]
            assert found[pair] == pytest.approx(expected, abs=1e-9)


def test_an_outlier_outside_the_common_sessions_costs_no_digits():
    # A moves by 1e-6 a day but for one jump of 5, on a session that B lacks: computed from raw
    # moments around A's own mean, the pair would keep two digits.
    rng = np.random.default_rng(2)
    steady, other = rng.normal(0, 1e-6, 90), rng.normal(0, 0.01, 90)
    steady += 2e-5 * other
    steady[10] = 5.0
    prices = prices_of({"A": steady, "B": other})
    prices.loc[prices.index[-80], "B"] = np.nan
    row = one(*equally_held("AB"), prices=prices)
    assert_matrix_is(row, pandas_correlation(prices), pandas_observations(prices))


def test_a_pair_that_stands_still_while_both_trade_is_unknown_and_not_zero():
    # B has no price in the first half; in the second half A's price does not change.
    rng = np.random.default_rng(4)
    a = np.concatenate([rng.normal(0, 0.01, 45), np.zeros(45)])
    prices = prices_of({"A": a, "B": rng.normal(0, 0.01, 44), "C": rng.normal(0, 0.01, 90)})
    row = one(*equally_held("ABC"), prices=prices)
    assert row["symbols"] == ["A", "B", "C"]
    assert row["correlations"][0] is None
    assert row["observations"] == [44, 90, 44]
    assert None not in row["correlations"][1:]


@needs_real_prices
def test_real_prices_with_their_own_gaps_agree_with_pandas():
    symbols = [
        "AAPL",
        "BIL",
        "BRK-B",
        "CRWV",
        "FIG",
        "GLD",
        "JPM",
        "KO",
        "MSFT",
        "NVDA",
        "SHV",
        "TLT",
    ]
    prices = real_prices(symbols).loc[:"2025-09-30"]
    session = prices.index[-1].date()
    summary, matrix = calculated(
        owned(1e6, *equally_held(prices.columns)), prices=prices, session=session
    )
    row = {**records(summary)[0], **records(matrix)[0]}
    assert "AAPL" in row["symbols"]
    assert len(row["symbols"]) >= 12
    assert_matrix_is(row, pandas_correlation(prices), pandas_observations(prices))


TWO_COLUMNS = np.random.default_rng(5).normal(0, 0.01, (90, 3))


def test_left_out_symbols_are_listed_with_their_reasons():
    rng = np.random.default_rng(6)
    prices = prices_of(
        {
            "A": TWO_COLUMNS[:, 0],
            "B": TWO_COLUMNS[:, 1],
            "FLAT": np.zeros(90),
            "GROWS": np.full(90, 0.001),
            "YOUNG": rng.normal(0, 0.01, 29),
            "OLDER": rng.normal(0, 0.01, 30),
            "ZERO": TWO_COLUMNS[:, 2],
        }
    )
    held = [*equally_held(["A", "B", "FLAT", "GROWS", "YOUNG", "OLDER", "NOPRICE"])]
    row = one(*held, Held("ZERO", 50.0), Held("ZERO", -50.0), prices=prices)
    assert row["symbols"] == ["A", "B", "OLDER"]
    assert row["symbols_included"] == 3
    assert row["symbols_excluded"] == [
        {"symbol": "FLAT", "reason": "no_variance"},
        {"symbol": "GROWS", "reason": "no_variance"},
        {"symbol": "NOPRICE", "reason": "insufficient_history"},
        {"symbol": "YOUNG", "reason": "insufficient_history"},
        {"symbol": "ZERO", "reason": "zero_weight"},
    ]
    assert row["coverage_pct"] == pytest.approx(100 * 3 / 7)
    assert row["data_quality"] == "limited"


def test_lots_that_cancel_but_for_rounding_have_no_weight():
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:, 1]})
    row = one(Held("A", 0.1), Held("A", 0.2), Held("A", -0.3), Held("B", 1.0), prices=prices)
    assert row["symbols_excluded"] == [{"symbol": "A", "reason": "zero_weight"}]
    assert row["coverage_pct"] == 100.0


def test_the_lots_of_a_symbol_are_netted_and_other_classes_ignored():
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:, 1], "C": TWO_COLUMNS[:, 2]})
    netted = one(Held("A", 300.0), Held("B", -100.0), Held("C", 200.0), prices=prices)
    in_lots = one(
        Held("A", 400.0),
        Held("B", 50.0),
        Held("C", 200.0),
        Held("A", -100.0),
        Held("B", -150.0),
        Held("C", 900.0, "PRIVATE"),
        Held("A", 900.0, is_open=False),
        prices=prices,
    )
    assert in_lots == netted


def test_the_figures_of_three_symbols_are_those_worked_by_hand():
    prices = prices_of({s: TWO_COLUMNS[:, k] for k, s in enumerate("ABC")})
    rho = pandas_correlation(prices)
    ab, ac, bc = rho.loc["A", "B"], rho.loc["A", "C"], rho.loc["B", "C"]
    row = one(Held("A", 300.0), Held("B", -500.0), Held("C", 200.0), prices=prices)
    total = 0.15 + 0.06 + 0.10
    assert row["overall_correlation"] == pytest.approx(
        (0.15 * abs(ab) + 0.06 * abs(ac) + 0.10 * abs(bc)) / total, abs=1e-9
    )
    assert row["signed_correlation"] == pytest.approx(
        (-0.15 * ab + 0.06 * ac - 0.10 * bc) / total, abs=1e-9
    )
    variance = 0.09 + 0.25 + 0.04 + 2 * (-0.15 * ab + 0.06 * ac - 0.10 * bc)
    assert row["effective_positions"] == pytest.approx(min(3, 1 / variance), abs=1e-9)
    assert row["correlation_concentration_score"] == 0.0
    assert row["clusters"] == []
    assert row["coverage_pct"] == 100.0
    assert row["data_quality"] == "sufficient"
    assert row["psd_adjusted"] is False


def test_the_same_thing_twice_is_one_position_in_one_cluster():
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:, 0]})
    profiles = Profiles(
        ("A", "B"),
        np.array(["Financial Services"] * 2, object),
        np.array(["EQUITY", "EQUITY"], object),
    )
    row = one(Held("A", 300.0), Held("B", 100.0), prices=prices, profiles=profiles)
    assert row["overall_correlation"] == pytest.approx(1.0)
    assert row["overall_correlation"] <= 1.0
    assert row["effective_positions"] == pytest.approx(1.0)
    assert row["correlation_concentration_score"] == pytest.approx(1.0)
    (cluster,) = row["clusters"]
    assert cluster["name"] == "Financials"
    assert cluster["symbols"] == ["A", "B"]


def test_a_perfect_hedge_counts_as_all_its_positions():
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:, 0]})
    row = one(Held("A", 100.0), Held("B", -100.0), prices=prices)
    assert row["effective_positions"] == 2.0
    assert row["signed_correlation"] == pytest.approx(-1.0)


def test_positions_that_offset_each_other_count_no_more_than_they_are():
    opposite = 0.6 * TWO_COLUMNS[:, 1] - TWO_COLUMNS[:, 0]
    row = one(*equally_held("AB"), prices=prices_of({"A": TWO_COLUMNS[:, 0], "B": opposite}))
    assert row["signed_correlation"] < -0.5
    assert row["effective_positions"] == 2.0


@pytest.mark.parametrize("lots", [(), (Held("A", 100.0),), (Held("X_1", 5.0, "PRIVATE"),)])
def test_with_fewer_than_two_symbols_there_is_a_row_without_figures(lots):
    row = one(*lots, prices=prices_of({"A": TWO_COLUMNS[:, 0]}))
    for figure in (
        "overall_correlation",
        "signed_correlation",
        "effective_positions",
        "correlation_concentration_score",
    ):
        assert np.isnan(row[figure])
    assert row["data_quality"] == "insufficient"
    assert row["clusters"] == []
    assert row["correlations"] == []
    assert row["symbols_included"] == len(row["symbols"])


def test_two_symbols_that_never_trade_together_have_no_figures():
    rng = np.random.default_rng(8)
    prices = prices_of({"A": rng.normal(0, 0.01, 90), "B": rng.normal(0, 0.01, 40)})
    prices.loc[prices.index[-41:], "A"] = np.nan
    row = one(*equally_held("AB"), prices=prices)
    assert row["symbols"] == ["A", "B"]
    assert row["correlations"] == [None]
    assert row["observations"] == [0]
    assert np.isnan(row["overall_correlation"])
    assert np.isnan(row["effective_positions"])
    assert row["data_quality"] == "insufficient"


@pytest.mark.parametrize(("returns", "quality"), [(59, "limited"), (60, "sufficient")])
def test_fewer_than_sixty_returns_make_the_data_limited(returns, quality):
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:returns, 1]})
    assert one(*equally_held("AB"), prices=prices)["data_quality"] == quality


@pytest.mark.parametrize(("left_out", "quality"), [(20.0, "sufficient"), (20.1, "limited")])
def test_coverage_below_ninety_percent_makes_the_data_limited(left_out, quality):
    prices = prices_of({"A": TWO_COLUMNS[:, 0], "B": TWO_COLUMNS[:, 1]})
    row = one(Held("A", 90.0), Held("B", -90.0), Held("GONE", left_out), prices=prices)
    assert row["data_quality"] == quality


def test_a_matrix_that_cannot_be_is_clipped_for_effective_positions_only():
    # A with B, and A with C, are known as nearly one, B with C as nearly opposite.
    raw = np.array([0.95, 0.95, -0.95])
    (matrix,), (adjusted,) = completed_matrices(raw[None], 3)
    assert adjusted
    # The eigenvalues are 1.95 twice and -0.9 with v = (1, -1, -1) / sqrt 3, so clipping leaves
    # 1.95 (I - v v'): +-1.95 / 3 beside a diagonal of 1.95 x 2 / 3.
    expected = [[1, 0.5, 0.5], [0.5, 1, -0.5], [0.5, -0.5, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12


def test_a_matrix_that_is_only_just_singular_stays_as_it_is():
    (matrix,), (adjusted,) = completed_matrices(np.array([[1.0, 1.0, 1.0]]), 3)
    assert not adjusted
    np.testing.assert_array_equal(matrix, np.ones((3, 3)))


def test_an_unknown_pair_takes_the_mean_of_the_known_ones():
    (matrix,), (adjusted,) = completed_matrices(np.array([[0.2, np.nan, 0.6]]), 3)
    assert not adjusted
    assert matrix[0, 2] == matrix[2, 0] == pytest.approx(0.4)


def test_an_impossible_raw_matrix_is_stored_raw_and_flagged():
    prices = gappy_prices(3)
    prices = prices.where(np.random.default_rng(1).random(prices.shape) > 0.2)
    twin = prices["S03"] * np.exp(np.random.default_rng(2).normal(0, 1e-4, len(prices)))
    twin[np.random.default_rng(3).random(len(prices)) < 0.2] = np.nan
    prices["S04"] = twin
    row = one(*equally_held(WORLD), prices=prices)
    assert row["psd_adjusted"] is True
    raw = pandas_correlation(prices)
    assert_matrix_is(row, raw, pandas_observations(prices))
    kept = raw.loc[row["symbols"], row["symbols"]]
    n = len(kept)
    mean = (kept.sum().sum() - n) / (kept.notna().sum().sum() - n)
    completed = kept.fillna(mean).to_numpy()
    values, vectors = scipy.linalg.eigh(completed)
    assert values[0] < -1e-8
    root = vectors * np.sqrt(values.clip(0.0))
    root /= np.linalg.norm(root, axis=1)[:, None]
    assert row["effective_positions"] == pytest.approx(
        min(n, n**2 / (root @ root.T).sum()), abs=1e-8
    )
    assert row["effective_positions"] != pytest.approx(n**2 / completed.sum(), abs=1e-4)


def test_the_panel_may_be_shorter_than_the_window():
    prices = gappy_prices().iloc[-60:]
    row = one(*equally_held(WORLD), prices=prices)
    assert_matrix_is(row, pandas_correlation(prices), pandas_observations(prices))


def test_the_rows_have_the_columns_of_their_tables():
    summary, matrix = calculated(owned(1.0), prices=gappy_prices())
    assert set(summary) == set(tables.correlation_calculations.columns.keys())
    assert set(matrix) == set(tables.correlation_matrices.columns.keys())


def test_portfolios_before_inception_have_no_rows():
    summary, matrix = calculated(
        owned(1.0, *equally_held(WORLD), id="a", exists=False),
        owned(1.0, *equally_held(WORLD[3:6]), id="b"),
        prices=gappy_prices(),
    )
    assert summary["portfolio_id"].tolist() == matrix["portfolio_id"].tolist() == ["b"]
    assert matrix["symbols"][0] == list(WORLD[3:6])


@settings(max_examples=30, deadline=None)
@given(portfolios_drawn(least=2), st.data())
def test_a_portfolio_has_the_same_bits_whichever_portfolios_and_symbols_share_the_run(owners, data):
    some = data.draw(st.lists(st.sampled_from(owners), unique_by=lambda owner: owner.id))
    ids = [owner.id for owner in some]
    held = sorted({lot.symbol for owner in some for lot in owner.lots})
    prices = gappy_prices()
    together = calculated(*owners, prices=prices)
    alone = calculated(*some, prices=prices[held].iloc[-91:])
    for all_rows, own_rows in zip(together, alone, strict=True):
        assert bits_of(all_rows, ids) == bits_of(own_rows, ids)


MANY = tuple(f"M{number:02}" for number in range(45))


def crowd(count, sizes, seed=1):
    """Portfolios of random symbols of MANY, of a few sizes each, so that stacks fill up."""
    rng = np.random.default_rng(seed)
    return [
        owned(
            1e6,
            *(
                Held(symbol, value)
                for symbol, value in zip(
                    sorted(rng.choice(MANY, size, replace=False)),
                    rng.normal(0, 1000, size),
                    strict=True,
                )
            ),
            id=f"p{number:03}",
        )
        for number, size in enumerate(rng.choice(sizes, count))
    ]


@pytest.mark.parametrize("elements", [1, 5_000, 200_000])
def test_a_portfolio_has_the_same_bits_whatever_the_stack_it_is_computed_in(elements, monkeypatch):
    monkeypatch.setattr(correlation_stacks, "_ELEMENTS", elements)
    owners, prices = crowd(40, [0, 1, 2, 3, 17, 40, 41]), gappy_prices(9, MANY)
    together = calculated(*owners, prices=prices)
    assert any(together[0]["psd_adjusted"])
    assert any(together[0]["clusters"])
    for owner in owners:
        alone = calculated(owner, prices=prices)
        for all_rows, own_rows in zip(together, alone, strict=True):
            assert bits_of(all_rows, [owner.id]) == bits_of(own_rows, [owner.id])


def test_every_portfolio_of_a_crowd_has_the_figures_of_pandas():
    owners, prices = crowd(25, [2, 5, 30, 41]), gappy_prices(9, MANY)
    raw, observations = pandas_correlation(prices), pandas_observations(prices)
    summaries, matrices = calculated(*owners, prices=prices)
    for owner, summary, matrix in zip(owners, records(summaries), records(matrices), strict=True):
        assert_matrix_is(matrix, raw, observations)
        names = matrix["symbols"]
        value = pd.Series({lot.symbol: lot.value for lot in owner.lots})[names]
        signs, rho = np.sign(np.outer(value, value)), raw.loc[names, names].to_numpy()
        weight = np.abs(np.outer(value, value))
        weight[np.isnan(rho) | np.eye(len(names), dtype=bool)] = 0.0
        if not weight.any():
            assert np.isnan(summary["overall_correlation"])
            continue
        overall = np.nansum(weight * np.abs(rho)) / weight.sum()
        signed = np.nansum(weight * signs * rho) / weight.sum()
        assert summary["overall_correlation"] == pytest.approx(overall, abs=1e-9)
        assert summary["signed_correlation"] == pytest.approx(signed, abs=1e-9)
        shares = [cluster["gross_share"] for cluster in summary["clusters"]]
        assert summary["correlation_concentration_score"] == pytest.approx(sum(shares), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(portfolios_drawn(most=1), st.randoms())
def test_the_order_and_the_splitting_of_lots_do_not_matter(owners, random):
    prices = gappy_prices()
    parts = [
        owned(
            owner.nav,
            *random.sample(
                halves := [
                    Held(lot.symbol, lot.value * part, lot.kind, lot.is_open)
                    for lot in owner.lots
                    for part in (0.3, 0.7)
                ],
                len(halves),
            ),
            exists=owner.exists,
            id=owner.id,
        )
        for owner in owners
    ]
    whole, split = calculated(*owners, prices=prices), calculated(*parts, prices=prices)
    assert records(whole[1]) == records(split[1])
    for name in ("overall_correlation", "signed_correlation", "effective_positions"):
        np.testing.assert_allclose(split[0][name], whole[0][name], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(portfolios_drawn(most=1))
def test_reversing_every_position_changes_no_figure(owners):
    prices = gappy_prices()
    reversed_ = [
        owned(
            owner.nav,
            *(Held(lot.symbol, -lot.value, lot.kind, lot.is_open) for lot in owner.lots),
            exists=owner.exists,
            id=owner.id,
        )
        for owner in owners
    ]
    for before, after in zip(
        calculated(*owners, prices=prices), calculated(*reversed_, prices=prices), strict=True
    ):
        assert [repr(row) for row in records(after)] == [repr(row) for row in records(before)]


def test_the_matrix_columns_are_arrays_in_which_nan_is_unknown():
    held = owned(1.0, *equally_held(WORLD))
    _, columns = correlations(*valued(held), panel_of(gappy_prices()), NO_PROFILES, SESSION)
    symbols, rho, observations = (
        columns[name][0] for name in ("symbols", "correlations", "observations")
    )
    assert [symbols.dtype.kind, rho.dtype.kind, observations.dtype.kind] == ["U", "f", "i"]
    assert len(rho) == len(observations) == len(symbols) * (len(symbols) - 1) // 2
    known = observations >= 30
    assert not known.all()
    assert np.isnan(rho[~known]).all()
    assert (np.abs(rho[known]) <= 1).all()


def test_a_session_that_the_panel_lacks_is_an_error():
    with pytest.raises(KeyError, match="2031-01-02"):
        calculated(owned(1.0), prices=gappy_prices(), session=date(2031, 1, 2))
