"""Our reading of a chart beside `Ticker.history`: equal where both can read it.

And what `Ticker.history` loses, which is why it does not do the reading.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import yfinance

from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.source import ActionType
from sigmasight_assets.core.market.yahoo_session import make_session, yahoo_data
from sigmasight_assets_tests.builders import days
from sigmasight_assets_tests.core.market.bar_rows import rows_of
from sigmasight_assets_tests.core.market.yahoo_asking import FIRST, LAST, WEEK, a_week, source
from sigmasight_assets_tests.market_servers.yahoo import serving
from sigmasight_assets_tests.market_servers.yahoo_listing import listing

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

YEAR = days("2024-07-01", "2025-07-01")


def history(server, symbol, first, last):
    session = make_session(Unlimited(), server.url)
    yahoo_data(session)
    ticker = yfinance.Ticker(symbol, session=session)
    ticker._tz = "America/New_York"
    end = last + timedelta(days=1)
    return ticker.history(start=first, end=end, auto_adjust=False, actions=True, keepna=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_sound_chart_is_read_as_yfinance_reads_it(seed):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, len(YEAR))))
    spread = random.uniform(1, 1.05, len(YEAR))
    sent = listing(
        "AAA",
        YEAR,
        close,
        adj_close=close * 0.93,
        open=close * random.uniform(0.99, 1.0, len(YEAR)),
        high=close * spread,
        low=close / spread / 1.02,
        volume=random.integers(0, 10**9, len(YEAR)),
        dividends={YEAR[30]: 0.25, YEAR[93]: 0.26},
        splits={YEAR[60]: (3, 2), YEAR[120]: (1, 10)},
    )
    with serving(sent) as (server, _):
        frame = history(server, "AAA", YEAR[5], YEAR[-5])
        answer = source(server).fetch(["AAA"], YEAR[5], YEAR[-5])
    assert [row[1] for row in rows_of(answer.bars)] == [str(day.date()) for day in frame.index]
    theirs = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}
    for ours, their in {**theirs, "adj_close": "Adj Close", "volume": "Volume"}.items():
        np.testing.assert_array_equal(getattr(answer.bars, ours), frame[their], err_msg=ours)
    for kind, their in {ActionType.DIVIDEND: "Dividends", ActionType.SPLIT: "Stock Splits"}.items():
        paid = frame[their][frame[their] != 0]
        mine = [(each.ex_date, each.value) for each in answer.actions if each.action_type is kind]
        assert mine == [(day.date(), value) for day, value in paid.items()]


def test_history_makes_an_unknown_volume_zero():
    with serving(a_week("AAA", volume=[1.0, math.nan, 3.0, 4.0, 5.0])) as (server, _):
        assert history(server, "AAA", FIRST, LAST)["Volume"].tolist() == [1, 0, 3, 4, 5]
        bars = source(server).fetch(["AAA"], FIRST, LAST).bars
    np.testing.assert_array_equal(bars.volume, [1, math.nan, 3, 4, 5])


def test_history_passes_close_off_as_adj_close():
    with serving(replace(a_week("AAA"), adj_close=None)) as (server, _):
        frame = history(server, "AAA", FIRST, LAST)
        assert frame["Adj Close"].tolist() == frame["Close"].tolist()
        assert source(server).fetch(["AAA"], FIRST, LAST).single_series == {"AAA"}


def test_history_keeps_the_first_of_two_contradictory_bars():
    twice = listing("AAA", [WEEK[0], WEEK[0], WEEK[1]], [1.0, 2.0, 3.0])
    with serving(twice) as (server, _):
        assert history(server, "AAA", FIRST, LAST)["Close"].tolist() == [1.0, 3.0]
        assert source(server).fetch(["AAA"], FIRST, LAST).bars.close.tolist() == [3.0]
