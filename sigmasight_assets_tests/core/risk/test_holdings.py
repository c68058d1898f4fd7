"""Open lots of existing portfolios, netted per symbol."""

import numpy as np
import pytest

from sigmasight_assets.core.risk.holdings import coverage_pct, open_lots, public_holdings
from sigmasight_assets_tests.core.risk.valued_books import Held, owned, valued


def test_lots_are_netted_per_portfolio_and_symbol_and_sorted():
    held = public_holdings(
        *valued(
            owned(1.0, Held("B", 5.0), Held("A", -2.0), Held("B", 1.0), id="q"),
            owned(1.0, Held("B", 7.0), Held("A", 1.0, "PRIVATE"), id="p"),
        )
    )
    assert held.portfolio.tolist() == [0, 1, 1]
    assert held.symbol.tolist() == ["B", "A", "B"]
    assert held.net_value.tolist() == [7.0, -2.0, 6.0]


def test_a_symbol_whose_lots_cancel_but_for_rounding_is_held_at_exactly_zero():
    held = public_holdings(*valued(owned(1.0, Held("A", 0.1), Held("A", 0.2), Held("A", -0.3))))
    assert 0.1 + 0.2 - 0.3 != 0.0
    assert held.net_value.tolist() == [0.0]


@pytest.mark.parametrize("rest", [1e-6, -1e-6])
def test_a_small_rest_of_large_lots_is_no_rounding(rest):
    held = public_holdings(*valued(owned(1.0, Held("A", 1e5 + rest), Held("A", -1e5))))
    assert held.net_value[0] == pytest.approx(rest, rel=1e-4)


def test_lots_of_a_portfolio_before_its_inception_are_not_open():
    book, valuation = valued(
        owned(1.0, Held("A", 1.0), id="a", exists=False),
        owned(1.0, Held("A", 1.0), Held("B", 1.0, is_open=False), id="b"),
    )
    assert open_lots(book, valuation).tolist() == [False, True, False]
    assert public_holdings(book, valuation).portfolio.tolist() == [1]


def test_all_of_something_is_exactly_a_hundred_percent_and_nothing_has_the_stated_coverage():
    part = np.array([0.1, 1 / 3, 25.0, 0.0])
    whole = np.array([0.1, 1 / 3, 100.0, 0.0])
    assert coverage_pct(part, whole, 0.0).tolist() == [100.0, 100.0, 25.0, 0.0]
    assert np.isnan(coverage_pct(part, whole, np.nan)[3])
