"""Stored prices as panels, against a pivot by pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.prices import last_stored_session, panel_of, public_panel
from sigmasight_assets.core.db.read.quality import Coverage, price_coverage
from sigmasight_assets.core.db.tables import market_data_cache
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets_tests.builders import days

ON = days("2025-06-02", "2025-07-11")
FIRST, LAST = ON[5], ON[-3]
CLASSES = {"AAPL": "PUBLIC", "BRK-B": "PUBLIC", "ZZZ": "PUBLIC", "AAPL260116C00200000": "OPTIONS"}


@pytest.fixture
def rows(database: Database) -> pd.DataFrame:
    """Prices with gaps, of four symbols of the universe and one that is not in it."""
    chance = np.random.default_rng(7)
    every = pd.MultiIndex.from_product([[*CLASSES, "STRAY"], ON], names=["symbol", "date"])
    frame = pd.DataFrame(index=every).sample(frac=0.7, random_state=7).reset_index()
    frame["close"] = chance.lognormal(3, 1, len(frame))
    frame["adj_close"] = frame["close"] * chance.uniform(0.9, 1, len(frame))
    frame.loc[chance.random(len(frame)) < 0.1, "close"] = np.nan
    frame.loc[(chance.random(len(frame)) < 0.1) & frame["close"].notna(), "adj_close"] = np.nan
    with database.connection() as connection:
        copy_rows(
            connection,
            "market_data_cache",
            market_data_cache,
            {
                "symbol": frame["symbol"].to_numpy(dtype=str),
                "date": frame["date"].to_numpy(dtype="datetime64[D]"),
                "close": frame["close"].to_numpy(),
                "adj_close": frame["adj_close"].to_numpy(),
                "data_source": np.full(len(frame), "a test"),
            },
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO symbol_universe (symbol, investment_class, status) "
                "VALUES (%s, %s, 'active')",
                list(CLASSES.items()),
            )
    return frame


def pivot(rows: pd.DataFrame, column: str, symbols: list[str]) -> np.ndarray:
    wanted = rows[rows["date"].between(FIRST, LAST)]
    table = wanted.pivot(index="date", columns="symbol", values=column)
    return table.reindex(
        index=days(FIRST.isoformat(), LAST.isoformat()), columns=symbols
    ).to_numpy()


def test_the_panel_of_public_symbols_is_their_pivot(database: Database, rows: pd.DataFrame) -> None:
    with database.connection() as connection:
        panel = public_panel(connection, FIRST, LAST)
    assert panel.symbols == ("AAPL", "BRK-B", "ZZZ")
    assert panel.sessions.astype(object).tolist() == days(FIRST.isoformat(), LAST.isoformat())
    for found, column in ((panel.close, "close"), (panel.adj_close, "adj_close")):
        expected = pivot(rows, column, list(panel.symbols))
        assert np.isnan(expected).any()
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float64
        assert found.flags.c_contiguous


def test_the_panel_of_named_symbols_has_any_class_and_none_that_is_absent(
    database: Database, rows: pd.DataFrame
) -> None:
    named = ["ZZZ", "STRAY", "NOSUCH", "AAPL260116C00200000", "ZZZ"]
    with database.connection() as connection:
        panel = panel_of(connection, named, FIRST, LAST)
    assert panel.symbols == ("AAPL260116C00200000", "STRAY", "ZZZ")
    np.testing.assert_array_equal(panel.close, pivot(rows, "close", list(panel.symbols)))
    np.testing.assert_array_equal(panel.adj_close, pivot(rows, "adj_close", list(panel.symbols)))


def test_symbols_come_in_the_order_of_their_bytes(database: Database) -> None:
    names = ["B", "A-B", "AB", "A1", "Z", "^GSPC", "A"]
    with database.connection() as connection:
        for name in names:
            connection.execute(
                "INSERT INTO market_data_cache (symbol, date, close, data_source) "
                "VALUES (%s, %s, 1, 'a test')",
                (name, FIRST),
            )
        assert panel_of(connection, names, FIRST, LAST).symbols == tuple(sorted(names))


def test_a_database_without_prices_gives_an_empty_panel(database: Database) -> None:
    with database.connection() as connection:
        for panel in (public_panel(connection, FIRST, LAST), panel_of(connection, [], FIRST, LAST)):
            assert panel.symbols == ()
            assert panel.close.shape == panel.adj_close.shape == (len(panel.sessions), 0)
            assert len(panel.sessions) == len(ON) - 7
        assert last_stored_session(connection) is None


def test_the_last_stored_session_is_the_newest_of_any_symbol(
    database: Database, rows: pd.DataFrame
) -> None:
    with database.connection() as connection:
        assert last_stored_session(connection) == rows["date"].max()


def test_price_coverage_counts_public_symbols_that_belong_to_the_session(
    database: Database, rows: pd.DataFrame
) -> None:
    asked = [ON[4], ON[12], ON[-1]]
    earliest = [ON[0], ON[10], ON[-4]]
    public = rows[rows["symbol"].isin(["AAPL", "BRK-B", "ZZZ"]) & rows["close"].notna()]
    expected = [
        Coverage(
            on,
            public[public["date"].between(since, on)]["symbol"].nunique(),
            public[public["date"] == on]["symbol"].nunique(),
        )
        for on, since in zip(asked, earliest, strict=True)
    ]
    with database.connection() as connection:
        assert price_coverage(connection, asked, earliest) == expected
        assert price_coverage(connection, [], []) == []


def test_coverage_of_an_empty_database_is_nothing_of_nothing(database: Database) -> None:
    with database.connection() as connection:
        (found,) = price_coverage(connection, [LAST], [FIRST])
    assert (found.session, found.expected, found.found, found.share) == (LAST, 0, 0, 0.0)
