"""Real prices through Yahoo's chart server, beside the same ones read from their file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets_tests.core.market.bar_rows import rows_of
from sigmasight_assets_tests.core.market.yahoo_asking import source
from sigmasight_assets_tests.market_servers.yahoo import serving
from sigmasight_assets_tests.market_servers.yahoo_listing import listings_from_parquet

FILE = Path(__file__).parents[4] / "shared" / "market_data" / "us_daily_prices.parquet"
FIRST, LAST = date(2024, 7, 1), date(2026, 4, 30)

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the real prices are not at {FILE}")


def test_real_prices_arrive_as_they_are_in_their_file():
    listed = pq.read_table(FILE, columns=["symbol"])["symbol"].unique().to_pylist()
    symbols = [*sorted(listed)[::250], "SPY", "BRK-B", "^IRX"]
    with serving(*listings_from_parquet(FILE, symbols, FIRST, LAST)) as (server, _):
        remote = source(server).fetch(symbols, FIRST, LAST)
    local = FilesSource(FILE).fetch(symbols, FIRST, LAST)
    assert len(local.bars) > 15_000
    assert rows_of(remote.bars) == rows_of(local.bars)
    for column in ("close", "adj_close"):
        np.testing.assert_array_equal(getattr(remote.bars, column), getattr(local.bars, column))
    assert (remote.outcomes, remote.rejected) == (local.outcomes, local.rejected)
