"""Stored prices that give way to another source's."""

from __future__ import annotations

import psycopg

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import CHANNEL, Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.read.universe import universe_entries
from sigmasight_assets.core.db.write.price_sources import supersede_prices
from sigmasight_assets.core.db.write.slices import write_session
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.market.planning import plan_fetches
from sigmasight_assets.core.symbols import InvestmentClass
from sigmasight_assets_tests.builders import StatedPrices, add_prices, claim, days
from sigmasight_assets_tests.core.db.example_rows import layer_slices, versions

ON = days("2025-07-01", "2025-07-03")
LAYER = Layer.SYMBOLS


def test_every_window_is_asked_for_again_whole_even_of_the_same_source(
    database: Database,
) -> None:
    source = StatedPrices({"AAPL": {"2025-07-01": 1.0}, "SPY": {"2025-07-01": 1.0}})
    add_prices(database, source, "2025-07-01", "2025-07-03", ["AAPL", "NOSUCH"])
    add_symbols(database, ["NEW"], ON[0], "a test")
    supersede_prices(database, [], [])
    with database.connection() as connection:
        entries = universe_entries(connection, InvestmentClass.PUBLIC, ON[-1])
    now = sessions.completes_at(ON[-1])
    requests = plan_fetches(entries, source, ON[-1], ON[-1], now)
    replaced = {symbol for each in requests if each.replace for symbol in each.symbols}
    assert {"AAPL", "SPY"} <= replaced
    asked = {symbol for each in requests for symbol in each.symbols}
    assert {"NOSUCH", "NEW"} <= asked


def test_withdrawn_sessions_are_not_published_and_readers_are_told(database: Database) -> None:
    held = claim(database, LAYER, ON, "a")
    for session in ON:
        write_session(database, held, session, layer_slices(LAYER, session, 1))
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        supersede_prices(database, ON[:2], ON[:1])
        heard = {note.payload for note in listener.notifies(timeout=5, stop_after=2)}
    assert heard == {"symbols 2025-07-01", "symbols 2025-07-02"}
    with database.connection() as connection:
        assert published(connection, LAYER) == ON[2:]
        assert [versions(connection, LAYER, session) for session in ON] == [set(), {1}, {1}]
    write_session(database, held, ON[1], layer_slices(LAYER, ON[1], 2)[:-1])
    with database.connection() as connection:
        assert published(connection, LAYER) == ON[2:]
    write_session(database, held, ON[1], layer_slices(LAYER, ON[1], 2))
    with database.connection() as connection:
        assert published(connection, LAYER) == ON[1:]
