"""A second source prices what the first has no price of, and gives it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.nightly.prices import PriceReport, refresh_prices
from sigmasight_assets.core.symbols import InvestmentClass, always_in_universe
from sigmasight_assets_tests.builders import StatedPrices, claim, day, days

ON = days("2025-07-01", "2025-07-10")
PUBLIC = [InvestmentClass.PUBLIC]


def closes(price: float, first: str = "2025-06-02") -> dict[str, float]:
    return {on.isoformat(): price for on in days(first, "2025-07-10")}


def first_source(**more: dict[str, float]) -> StatedPrices:
    return StatedPrices({**dict.fromkeys(always_in_universe(), closes(9.0)), **more}, name="first")


def second_source(**more: dict[str, float]) -> StatedPrices:
    return StatedPrices({"OWN": closes(5.0), **more}, name="second")


def night(database: Database, number: int, *chain: StatedPrices) -> PriceReport:
    on = ON[number]
    add_symbols(database, ["OWN"], ON[0], "a test")
    gather_universe(database, on, on)
    held = claim(database, Layer.SYMBOLS, [on], f"night {number}")
    now = sessions.completes_at(on)
    return refresh_prices(database, PriceSources(chain, ()), held, on, on, now, PUBLIC)


def window(database: Database, symbol: str = "OWN") -> tuple[str | None, str, int, int]:
    """Source of the window, status, attempts, and how many prices it has."""
    with database.connection() as connection:
        (row,) = connection.execute(
            "SELECT price_source, status, attempts, "
            "(SELECT count(*) FROM market_data_cache m WHERE m.symbol = u.symbol) "
            "FROM symbol_universe u WHERE symbol = %s",
            (symbol,),
        ).fetchall()
    return row


def asked(source: StatedPrices) -> Sequence[str]:
    return sorted({symbol for symbols, *_ in source.asked for symbol in symbols})


def test_what_the_first_source_does_not_know_has_its_window_from_the_second(
    database: Database,
) -> None:
    first, second = first_source(), second_source()
    report = night(database, 0, first, second)
    assert asked(second) == ["OWN"]
    assert window(database) == ("second", "active", 1, 21)
    assert {str(each.result) for each in report.results} == {"updated"}


def test_the_first_source_is_asked_three_times_and_takes_over_with_a_whole_window(
    database: Database,
) -> None:
    night(database, 0, first_source(), second_source())
    night(database, 1, first_source(OWN=closes(6.0)), second_source())
    source, status, attempts, count = window(database)
    assert (source, status, attempts, count) == ("first", "active", 0, 22)


def test_after_three_attempts_it_stays_with_the_second(database: Database) -> None:
    for number in range(3):
        report = night(database, number, first_source(), second_source())
        assert report.failed_share() == 0
    late = first_source(OWN=closes(6.0))
    night(database, 3, late, second_source())
    assert "OWN" not in asked(late)
    assert window(database) == ("second", "active", 3, 24)


def test_a_symbol_that_neither_knows_is_in_error_after_three_nights(database: Database) -> None:
    nobody = StatedPrices({}, name="second")
    for number, status in enumerate(["active", "active", "error"]):
        night(database, number, first_source(), nobody)
        assert window(database)[1:3] == (status, number + 1)


def test_a_first_source_that_does_not_answer_passes_nothing_on(database: Database) -> None:
    busy = replace(first_source(), limited=["OWN"])
    second = second_source()
    night(database, 0, busy, second)
    assert asked(second) == []
    assert window(database) == (None, "active", 0, 0)


def test_another_chain_replaces_the_windows_of_the_past_in_one_night(database: Database) -> None:
    past = replace(first_source(OWN=closes(7.0)), name="past")
    night(database, 0, past)
    assert window(database)[0] == "past"
    night(database, 1, first_source(), second_source())
    assert window(database)[:1] + window(database)[3:] == ("second", 22)
    assert window(database, "SPY")[0] == "first"


def test_days_are_those_of_one_source(database: Database) -> None:
    night(database, 0, first_source(), second_source())
    night(database, 1, first_source(OWN={day("2025-07-02").isoformat(): 6.0}), second_source())
    assert window(database) == ("first", "active", 0, 1)
