"""What Yahoo's charts say reaches the answer as it was sent."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.source import ActionType, Outcome
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets_tests.core.market.bar_rows import refused, rows_of
from sigmasight_assets_tests.core.market.yahoo_asking import (
    CLOSES,
    FIRST,
    LAST,
    WEEK,
    CountedLimit,
    a_week,
    chart_requests,
    source,
    told,
    whole_chart,
)
from sigmasight_assets_tests.market_servers.loopback import as_json
from sigmasight_assets_tests.market_servers.yahoo import chart_of, serving
from sigmasight_assets_tests.market_servers.yahoo_listing import listing

DIVIDEND, SPLIT = ActionType.DIVIDEND, ActionType.SPLIT


def test_prices_arrive_as_the_very_doubles_that_were_sent():
    sent = np.random.default_rng(7).lognormal(3, 2, (5, 6))
    low, opened, close, high = np.sort(sent[:, :4], axis=1).T
    given = {"open": opened, "high": high, "low": low, "adj_close": sent[:, 4] / 3}
    volume = np.array([1.0, 2**53, 0, 12345.5, math.nan])
    with serving(a_week("AAA", close=close, volume=volume, **given)) as (server, _):
        bars = source(server).fetch(["AAA"], FIRST, LAST).bars
    for name, column in {**given, "close": close, "volume": volume}.items():
        np.testing.assert_array_equal(getattr(bars, name), column, err_msg=name)
    assert bars.date.astype(str).tolist() == [str(day) for day in WEEK]
    assert bars.date.dtype == "datetime64[D]"


def test_each_symbol_costs_one_request_besides_one_cookie_and_one_crumb():
    symbols = [f"S{number:02}" for number in range(30)]
    limit = CountedLimit()
    with serving(*map(a_week, symbols)) as (server, charts):
        asking = source(server, limit)
        asking.fetch(symbols[:10], FIRST, LAST)
        answer = asking.fetch(symbols[10:], FIRST, LAST)
        asked = charts.requests()
    assert set(answer.outcomes.values()) == {Outcome.ROWS}
    assert asked == {"kinds": {"cookie": 1, "crumb": 1, "chart": 30}, "symbols": 30, "repeats": 0}
    assert limit.sent == 32


def test_the_same_question_the_next_day_is_asked_anew():
    with serving(a_week("AAA")) as (server, charts):
        asking = source(server)
        asking.fetch(["AAA"], FIRST, LAST)
        charts.list(a_week("AAA", close=[1, 2, 3, 4, 5]))
        bars = asking.fetch(["AAA"], FIRST, LAST).bars
    assert bars.close.tolist() == [1, 2, 3, 4, 5]


def test_symbols_are_asked_for_and_answered_in_their_stored_form():
    with serving(a_week("BRK-B"), a_week("^GSPC")) as (server, _):
        answer = source(server).fetch([" brk.b", "BRK-B", "^gspc"], FIRST, LAST)
        assert sorted(chart_requests(server)) == ["BRK-B", "^GSPC"]
    assert answer.outcomes == {"BRK-B": Outcome.ROWS, "^GSPC": Outcome.ROWS}


@pytest.mark.parametrize("symbol", ["A/B", "A?B=1", "-/-/X", "A#B", "A B", "Ä", "A%2FB"])
def test_an_odd_symbol_is_one_piece_of_the_path(symbol):
    with serving() as (server, _):
        answer = source(server).fetch([symbol], FIRST, LAST)
        asked = [each.path for each in server.requests if "/v8/" in each.path]
    assert asked == [f"/v8/finance/chart/{symbol}"]
    assert set(answer.outcomes.values()) == {Outcome.NO_DATA}


def test_a_symbol_that_yahoo_does_not_know_has_no_data_and_costs_one_request():
    with serving(a_week("AAA")) as (server, charts):
        answer = source(server).fetch(["AAA", "GONE"], FIRST, LAST)
        assert sorted(chart_requests(server)) == ["AAA", "GONE"]
        assert charts.requests()["kinds"] == {"cookie": 1, "crumb": 1, "chart": 2}
    assert answer.outcomes == {"AAA": Outcome.ROWS, "GONE": Outcome.NO_DATA}
    assert answer.reasons == {"GONE": "No data found, symbol may be delisted"}


def test_a_listing_without_a_bar_in_the_range_has_no_data():
    with serving(listing("NEW", ["2025-07-01"], [5.0])) as (server, _):
        answer = source(server).fetch(["NEW"], FIRST, LAST)
    assert answer.outcomes == {"NEW": Outcome.NO_DATA}
    assert answer.reasons == {"NEW": "no price from 2025-06-02 to 2025-06-06"}
    assert answer.rejected == ()


def test_days_before_a_listing_began_have_no_data():
    words = {"code": "Bad Request", "description": "Data doesn't exist for startDate = 1, ..."}
    reply = as_json({"chart": {"result": None, "error": words}}, 400)
    with serving() as (server, _):
        server.fault(chart_of("AAA"), reply)
        answer = source(server).fetch(["AAA"], FIRST, LAST)
        assert chart_requests(server) == ["AAA"]
    assert answer.outcomes == {"AAA": Outcome.NO_DATA}


def test_a_null_newest_day_is_no_bar_and_no_fault():
    with serving(a_week("AAA")) as (server, charts):
        charts.null_last_day("AAA")
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert [row[1] for row in rows_of(answer.bars)] == [str(day) for day in WEEK[:-1]]
    assert answer.rejected == ()
    assert answer.single_series == frozenset()


def test_bars_outside_the_range_are_left_out_without_a_word():
    paid = {date(2025, 5, 30): 1.0, date(2025, 6, 9): 1.0}
    live = listing("AAA", ["2025-05-30", *WEEK, "2025-06-09"], [9, *CLOSES, 104], dividends=paid)
    with serving(live) as (server, charts):
        server.fault(chart_of("AAA"), as_json(whole_chart(charts, "AAA")))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert [row[1] for row in rows_of(answer.bars)] == [str(day) for day in WEEK]
    assert answer.rejected == ()
    assert answer.actions == ()


def test_a_source_with_one_series_has_it_serve_both():
    one = replace(a_week("ONE"), adj_close=None)
    with serving(one, a_week("BOTH")) as (server, _):
        answer = source(server).fetch(["ONE", "BOTH"], FIRST, LAST)
    assert answer.single_series == {"ONE"}
    rows = rows_of(answer.bars, "close", "adj_close")
    assert [row[2:] for row in rows if row[0] == "ONE"] == [(c, c) for c in CLOSES]


def test_a_hole_in_the_adjusted_series_is_no_missing_series():
    holed = [*CLOSES[:2], math.nan, *CLOSES[3:]]
    with serving(a_week("AAA", adj_close=holed)) as (server, _):
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert [row[2] for row in rows_of(answer.bars, "adj_close")] == [*CLOSES[:2], None, *CLOSES[3:]]
    assert answer.single_series == frozenset()


def test_the_price_of_the_moment_replaces_the_bar_of_its_day():
    with serving(a_week("AAA")) as (server, charts):
        body = whole_chart(charts, "AAA")
        result = body["chart"]["result"][0]
        result["timestamp"].append(result["meta"]["regularMarketTime"])
        quote = result["indicators"]["quote"][0]
        for name in quote:
            quote[name].append(777.0)
        result["indicators"]["adjclose"][0]["adjclose"].append(777.0)
        server.fault(chart_of("AAA"), as_json(body))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.bars.close.tolist() == [*CLOSES[:-1], 777.0]
    assert answer.rejected == ()


@pytest.mark.parametrize("old", ["FB", "fb"])
def test_a_renamed_symbol_is_refused_whole_and_the_answer_names_the_new_one(old):
    with serving(a_week("FB")) as (server, charts):
        charts.rename("FB", "META")
        answer = source(server).fetch([old], FIRST, LAST)
    assert len(answer.bars) == 0
    assert answer.outcomes == {"FB": Outcome.REJECTED}
    assert answer.rejected == (refused("FB", "2025-06-02", "wrong_symbol"),)
    assert answer.reasons == {"FB": "Yahoo answered for META"}


@pytest.mark.parametrize("currency", ["EUR", "GBp", "usd", "", None])
def test_prices_in_another_currency_are_refused_whole(currency):
    with serving(a_week("AAA", currency=currency), a_week("BBB")) as (server, _):
        answer = source(server).fetch(["AAA", "BBB"], FIRST, LAST)
    assert answer.outcomes == {"AAA": Outcome.REJECTED, "BBB": Outcome.ROWS}
    assert answer.rejected == (refused("AAA", "2025-06-02", "wrong_currency"),)
    assert answer.reasons == {"AAA": f"in {currency or 'no currency'}"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"close": 0.0}, "zero_price"),
        ({"adj_close": -1.0}, "negative_price"),
        ({"close": math.inf}, "non_finite_price"),
        ({"high": 9.0, "low": 10.0}, "high_below_low"),
        ({"volume": -1.0}, "bad_volume"),
    ],
)
def test_an_impossible_bar_is_refused_with_its_reason_and_the_others_are_kept(fault, reason):
    columns = {
        name: [value if day == 2 else 10.0 for day in range(5)] for name, value in fault.items()
    }
    with serving(a_week("AAA", **{"close": [10.0] * 5, **columns})) as (server, _):
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.rejected == (refused("AAA", "2025-06-04", reason),)
    assert answer.outcomes == {"AAA": Outcome.ROWS}
    assert len(answer.bars) == 4


def test_a_symbol_of_which_every_bar_is_impossible_is_refused_and_says_why():
    with serving(a_week("AAA", close=[0.0, 0.0, -1.0, 0.0, 0.0])) as (server, _):
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.outcomes == {"AAA": Outcome.REJECTED}
    assert answer.reasons == {"AAA": "every bar was refused: negative_price, zero_price"}


def test_contradictory_bars_of_one_day_are_refused_and_equal_ones_are_one():
    twice = ["2025-06-02", "2025-06-03", "2025-06-03", "2025-06-04", "2025-06-04", "2025-06-05"]
    with serving(listing("AAA", twice, [1.0, 2.0, 2.0, 3.0, 3.5, 4.0])) as (server, _):
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    kept = [("AAA", "2025-06-02", 1.0), ("AAA", "2025-06-03", 2.0), ("AAA", "2025-06-05", 4.0)]
    assert rows_of(answer.bars, "close") == kept
    assert set(answer.rejected) == {refused("AAA", "2025-06-04", "duplicate")}


def test_contradictory_bars_of_the_newest_day_are_refused_unless_one_is_the_live_price():
    twice = ["2025-06-05", "2025-06-06", "2025-06-06"]
    with serving(listing("AAA", twice, [1.0, 2.0, 3.0])) as (server, _):
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert rows_of(answer.bars, "close") == [("AAA", "2025-06-05", 1.0)]
    assert set(answer.rejected) == {refused("AAA", "2025-06-06", "duplicate")}


def test_a_bar_on_a_day_without_trading_is_refused():
    with serving(listing("AAA", ["2025-07-03", "2025-07-04"], [1.0, 2.0])) as (server, _):
        answer = source(server).fetch(["AAA"], date(2025, 7, 1), date(2025, 7, 7))
    assert answer.rejected == (refused("AAA", "2025-07-04", "not_a_session"),)
    assert len(answer.bars) == 1


@pytest.mark.parametrize("on", ["2025-03-07", "2025-03-10", "2025-10-31", "2025-11-03"])
def test_days_are_new_york_days_on_both_sides_of_the_clock_change(on):
    day = date.fromisoformat(on)
    with serving(listing("AAA", [on], [1.0])) as (server, _):
        answer = source(server).fetch(["AAA"], day, day)
    assert rows_of(answer.bars) == [("AAA", on)]


def test_a_bar_stamped_in_the_evening_belongs_to_its_new_york_day():
    with serving(a_week("AAA")) as (server, charts):
        body = whole_chart(charts, "AAA")
        result = body["chart"]["result"][0]
        result["timestamp"] = [instant + 12 * 3600 for instant in result["timestamp"]]
        server.fault(chart_of("AAA"), as_json(body))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert [row[1] for row in rows_of(answer.bars)] == [str(day) for day in WEEK]


def test_no_symbols_make_an_empty_answer_and_no_request():
    with serving() as (server, _):
        answer = source(server).fetch([], FIRST, LAST)
        assert server.requests == []
    assert told(answer) == {"rows": [], "symbols": (), "said": ({}, (), frozenset(), (), {})}


def test_the_source_is_metered_and_lists_no_symbols():
    yahoo = YahooSource(Unlimited(), "http://127.0.0.1:1")
    assert (yahoo.name, yahoo.metered, yahoo.symbols_per_fetch) == ("yfinance", True, 100)
    assert yahoo.listed_symbols() == ()
