"""The file source on the real prices beside the project, where they are present."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.source import Outcome

FILE = Path(__file__).parents[4] / "shared" / "market_data" / "us_daily_prices.parquet"
FIRST, LAST = date(2024, 7, 1), date(2026, 4, 30)

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the real prices are not at {FILE}")


@pytest.fixture(scope="module")
def frame():
    return pd.read_parquet(FILE)


def test_every_row_of_the_file_is_answered_as_it_stands(frame):
    files = FilesSource(FILE)
    listed = files.listed_symbols()
    assert len(listed) == 11_317
    answer = files.fetch(listed, FIRST, LAST)
    bars = answer.bars
    assert len(bars) == 4_500_735
    assert answer.rejected == ()
    assert answer.single_series == frozenset(listed)
    assert set(answer.outcomes.values()) == {Outcome.ROWS}
    in_order = frame.sort_values(["symbol", "date"], ignore_index=True)
    assert np.array_equal(
        np.array(bars.symbols)[bars.symbol], in_order["symbol"].to_numpy(dtype=str)
    )
    assert np.array_equal(bars.date, pd.to_datetime(in_order["date"]).to_numpy("datetime64[D]"))
    assert np.array_equal(bars.adj_close, in_order["adj_close"].to_numpy().astype(np.float64))
    assert np.array_equal(bars.close, bars.adj_close)


def test_a_range_and_some_symbols_are_a_part_of_the_whole(frame):
    wanted = ["SPY", "BRK-B", "ON", "MAR", "FXNAX"]
    first, last = sessions.offset(LAST, -363), date(2026, 4, 1)
    answer = FilesSource(FILE).fetch(wanted, first, last)
    part = frame[frame["symbol"].isin(wanted) & frame["date"].between(first, last)]
    assert len(answer.bars) == len(part) > 1_000
    assert answer.outcomes["FXNAX"] is Outcome.NO_DATA
    assert answer.single_series == {"SPY", "BRK-B", "ON", "MAR"}
