"""Exposures by hand, against pandas, and as properties of any book."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.factors import BETA_COLUMNS, FACTORS
from sigmasight_assets.core.risk.factor_exposures import FactorExposures, factor_exposures
from sigmasight_assets.core.shapes.factors import SymbolFactors
from sigmasight_assets_tests.core.risk.valued_books import (
    SESSION,
    Betas,
    Held,
    Owned,
    bits_of,
    factors_of,
    owned,
    portfolios_drawn,
    random_factors,
    records,
    valued,
)

MARKET = "Market Beta (90D)"
KNOWN = factors_of(
    {
        "A": Betas({"market_beta": 1.5, "value_beta": 0.5}, provider=1.2),
        "B": Betas({"market_beta": 0.5}),
        "C": Betas({"value_beta": -2.0}),
    }
)


def exposed(*owners: Owned, factors: SymbolFactors = KNOWN) -> FactorExposures:
    return factor_exposures(*valued(*owners), factors, SESSION)


def row(found: FactorExposures, factor: str, portfolio: str = "p") -> dict[str, object]:
    rows = [
        each
        for each in records(found.rows)
        if (each["portfolio_id"], each["factor_name"]) == (portfolio, factor)
    ]
    assert len(rows) == 1
    return rows[0]


def test_exposures_are_nav_weighted_sums_of_signed_positions():
    found = exposed(
        owned(
            1000.0,
            Held("A", 600.0),
            Held("B", -200.0),
            Held("A250919C00150000", 100.0, "OPTIONS"),
            Held("HOUSE_FUND", 400.0, "PRIVATE"),
        )
    )
    assert row(found, MARKET) == {
        "portfolio_id": "p",
        "factor_name": MARKET,
        "calculation_date": SESSION,
        "exposure_value": 0.8,  # 0.6 x 1.5 - 0.2 x 0.5
        "exposure_dollar": 800.0,
        "exposure_invested": 800.0 / 900.0,  # gross of PUBLIC and OPTIONS
        "coverage_pct": 100.0,
        "missing_symbols": [],
    }


def test_a_position_without_a_beta_is_listed_once_and_lowers_the_coverage():
    found = exposed(
        owned(2000.0, Held("A", 600.0), Held("C", -100.0), Held("C", -100.0), Held("ZZ", 200.0))
    )
    market = row(found, MARKET)
    assert market["exposure_dollar"] == 900.0
    assert market["coverage_pct"] == 60.0
    assert market["missing_symbols"] == ["C", "ZZ"]
    value = row(found, "Value")
    assert value["exposure_dollar"] == 300.0 + 400.0
    assert value["coverage_pct"] == 80.0
    assert value["missing_symbols"] == ["ZZ"]


def test_a_factor_that_no_public_position_has_is_unknown_and_not_zero():
    size = row(exposed(owned(1000.0, Held("A", 600.0))), "Size")
    assert np.isnan(
        [size["exposure_value"], size["exposure_dollar"], size["exposure_invested"]]
    ).all()
    assert size["coverage_pct"] == 0.0
    assert size["missing_symbols"] == ["A"]


def test_a_symbol_counts_by_its_public_lots_only():
    found = exposed(owned(1000.0, Held("A", 600.0), Held("A", 400.0, "PRIVATE")))
    assert row(found, MARKET)["exposure_dollar"] == 900.0


def test_closed_lots_and_portfolios_before_inception_have_no_part():
    found = exposed(
        owned(1000.0, Held("A", 600.0), Held("B", 300.0, is_open=False), id="a"),
        owned(1000.0, Held("A", 600.0), exists=False, id="b"),
        owned(1000.0, Held("B", 500.0), id="c"),
    )
    assert {each["portfolio_id"] for each in records(found.rows)} == {"a", "c"}
    assert row(found, MARKET, "a")["exposure_dollar"] == 900.0
    assert row(found, MARKET, "c")["exposure_dollar"] == 250.0
    assert found.reason.tolist() == [None, None]
    assert found.dollar.shape == (2, 12)


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        (owned(1000.0), "no_public_positions"),
        (owned(1000.0, Held("X_1", 500.0, "PRIVATE")), "no_public_positions"),
        (owned(-5.0, Held("X_1", 500.0, "PRIVATE")), "no_public_positions"),
        (owned(0.0, Held("A", 500.0)), "non_positive_nav"),
        (owned(-5.0, Held("A", 500.0)), "non_positive_nav"),
    ],
)
def test_a_portfolio_without_exposures_has_a_reason_and_no_rows(owner, reason):
    found = exposed(owner)
    assert found.reason.tolist() == [reason]
    assert np.isnan(found.dollar).all()
    assert records(found.rows) == []
    assert records(found.position_rows) == []


def test_the_provider_beta_has_a_row_only_where_a_position_has_one():
    found = exposed(
        owned(1000.0, Held("A", 500.0), Held("B", 500.0), id="a"),
        owned(1000.0, Held("B", 500.0), id="b"),
    )
    provider = row(found, "Provider Beta (1Y)", "a")
    assert provider["exposure_value"] == 0.6
    assert provider["coverage_pct"] == 50.0
    assert provider["missing_symbols"] == ["B"]
    names = [each["factor_name"] for each in records(found.rows) if each["portfolio_id"] == "b"]
    assert names == sorted(factor.name for factor in FACTORS)


def test_every_public_lot_with_a_beta_has_a_row_of_its_own():
    found = exposed(
        owned(
            2000.0,
            Held("B", 500.0, id="3"),
            Held("A", -200.0, id="1"),
            Held("A", 100.0, id="2"),
            Held("ZZ", 50.0, id="4"),
            Held("A", 70.0, "PRIVATE", id="5"),
        )
    )
    rows = records(found.position_rows)
    assert [(each["position_id"], each["weight"]) for each in rows] == [
        ("1", -0.1),
        ("2", 0.05),
        ("3", 0.25),
    ]
    assert rows[0]["market_beta"] == 1.5
    assert rows[0]["value_beta"] == 0.5
    assert np.isnan(rows[0]["ir_beta"])
    assert {each["portfolio_id"] for each in rows} == {"p"}


def test_position_rows_are_sorted_by_position_whatever_the_portfolio():
    found = exposed(
        owned(1000.0, Held("A", 1.0, id="2"), Held("A", 1.0, id="4"), id="a"),
        owned(1000.0, Held("A", 1.0, id="1"), Held("A", 1.0, id="3"), id="b"),
    )
    rows = records(found.position_rows)
    assert [each["position_id"] for each in rows] == ["1", "2", "3", "4"]
    assert [each["portfolio_id"] for each in rows] == ["b", "a", "b", "a"]


def test_the_rows_have_the_columns_of_their_tables():
    found = exposed(owned(1000.0, Held("A", 600.0)))
    assert set(found.rows) == set(tables.factor_exposures.columns.keys())
    assert set(found.position_rows) == set(tables.position_factor_exposures.columns.keys())


def test_without_any_stored_betas_every_factor_is_unknown():
    found = exposed(owned(1000.0, Held("A", 600.0)), factors=factors_of({}))
    rows = records(found.rows)
    assert len(rows) == 12
    assert all(np.isnan(each["exposure_value"]) for each in rows)
    assert records(found.position_rows) == []


def test_without_portfolios_there_are_no_rows():
    found = exposed()
    assert records(found.rows) == []
    assert found.dollar.shape == (0, 12)


@settings(max_examples=60, deadline=None)
@given(portfolios_drawn())
def test_exposures_agree_with_pandas_on_any_book(owners):
    factors = random_factors()
    found = exposed(*owners, factors=factors)
    betas = pd.DataFrame(factors.betas, index=list(factors.symbols), columns=list(BETA_COLUMNS))
    lots = pd.DataFrame(
        [
            {"p": owner.id, "symbol": lot.symbol, "value": lot.value, "kind": lot.kind}
            for owner in owners
            for lot in owner.lots
            if owner.exists and lot.is_open
        ],
        columns=["p", "symbol", "value", "kind"],
    )
    shown = records(found.rows)
    names = {factor.name: factor.column_name for factor in FACTORS}
    expected = {
        (owner.id, name)
        for owner in owners
        for name in names
        if owner.exists
        and owner.nav > 0
        and ((lots["p"] == owner.id) & (lots["kind"] == "PUBLIC")).any()
    }
    regressed = [each for each in shown if each["factor_name"] in names]
    assert {(each["portfolio_id"], each["factor_name"]) for each in regressed} == expected
    for each in regressed:
        own = lots[lots["p"] == each["portfolio_id"]]
        public = own[own["kind"] == "PUBLIC"]
        beta = betas[names[each["factor_name"]]].reindex(public["symbol"]).to_numpy()
        dollar = pd.Series(public["value"].to_numpy() * beta).sum(min_count=1)
        gross = public["value"].abs().to_numpy()
        np.testing.assert_allclose(each["exposure_dollar"], dollar, rtol=1e-9, atol=1e-6)
        assert each["coverage_pct"] == pytest.approx(
            100 * gross[~np.isnan(beta)].sum() / gross.sum()
        )
        assert each["missing_symbols"] == sorted(set(public["symbol"][np.isnan(beta)]))


@settings(max_examples=60, deadline=None)
@given(portfolios_drawn(least=2), st.data())
def test_a_portfolio_has_the_same_bits_whichever_portfolios_share_the_run(owners, data):
    some = data.draw(st.lists(st.sampled_from(owners), unique_by=lambda owner: owner.id))
    ids = [owner.id for owner in some]
    factors = random_factors()
    together, alone = exposed(*owners, factors=factors), exposed(*some, factors=factors)
    assert bits_of(together.rows, ids) == bits_of(alone.rows, ids)
    assert bits_of(together.position_rows, ids) == bits_of(alone.position_rows, ids)


@settings(max_examples=60, deadline=None)
@given(portfolios_drawn(most=1))
def test_splitting_every_lot_in_two_leaves_the_exposures(owners):
    factors = random_factors()
    halves = [
        Owned(
            owner.nav,
            tuple(
                Held(lot.symbol, lot.value * part, lot.kind, lot.is_open)
                for lot in owner.lots
                for part in (0.3, 0.7)
            ),
            owner.exists,
            owner.id,
        )
        for owner in owners
    ]
    whole, split = exposed(*owners, factors=factors), exposed(*halves, factors=factors)
    np.testing.assert_allclose(split.dollar, whole.dollar, rtol=1e-9, atol=1e-6)
    assert split.rows["missing_symbols"].tolist() == whole.rows["missing_symbols"].tolist()


@settings(max_examples=60, deadline=None)
@given(portfolios_drawn(most=1), st.randoms())
def test_the_order_of_positions_does_not_matter(owners, random):
    factors = random_factors()
    shuffled = [
        Owned(o.nav, tuple(random.sample(o.lots, len(o.lots))), o.exists, o.id) for o in owners
    ]
    np.testing.assert_allclose(
        exposed(*shuffled, factors=factors).dollar,
        exposed(*owners, factors=factors).dollar,
        rtol=1e-9,
        atol=1e-6,
    )


@settings(max_examples=60, deadline=None)
@given(portfolios_drawn())
def test_reversing_every_position_negates_every_exposure_exactly(owners):
    factors = random_factors()
    reversed_ = [
        Owned(
            o.nav,
            tuple(Held(lot.symbol, -lot.value, lot.kind, lot.is_open) for lot in o.lots),
            o.exists,
            o.id,
        )
        for o in owners
    ]
    np.testing.assert_array_equal(
        exposed(*reversed_, factors=factors).dollar, -exposed(*owners, factors=factors).dollar
    )
