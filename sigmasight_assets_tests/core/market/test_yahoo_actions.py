"""Splits, dividends and capital gains of Yahoo's charts, with the prices that go with them."""

from __future__ import annotations

import math
from datetime import date

import pytest

from sigmasight_assets.core.market.source import ActionType, CorporateAction
from sigmasight_assets_tests.core.market.yahoo_asking import (
    FIRST,
    LAST,
    WEEK,
    a_week,
    source,
    whole_chart,
)
from sigmasight_assets_tests.market_servers.loopback import as_json
from sigmasight_assets_tests.market_servers.yahoo import chart_of, serving

DIVIDEND, SPLIT = ActionType.DIVIDEND, ActionType.SPLIT


def test_splits_and_dividends_of_the_range_are_told_sorted():
    given = {
        "splits": {WEEK[1]: (4, 1), WEEK[3]: (1, 8), date(2025, 5, 1): (2, 1)},
        "dividends": {WEEK[4]: 0.1, WEEK[1]: 0.24, date(2025, 6, 9): 9.0},
    }
    with serving(a_week("BBB", **given), a_week("AAA", dividends={WEEK[0]: 1.5})) as (server, _):
        answer = source(server).fetch(["BBB", "AAA"], FIRST, LAST)
    assert answer.actions == (
        CorporateAction("AAA", WEEK[0], DIVIDEND, 1.5),
        CorporateAction("BBB", WEEK[1], DIVIDEND, 0.24),
        CorporateAction("BBB", WEEK[1], SPLIT, 4.0),
        CorporateAction("BBB", WEEK[3], SPLIT, 0.125),
        CorporateAction("BBB", WEEK[4], DIVIDEND, 0.1),
    )


def test_capital_gains_of_a_fund_are_paid_with_its_dividend():
    given = {"dividends": {WEEK[1]: 0.25}, "capital_gains": {WEEK[1]: 1.5, WEEK[2]: 0.5}}
    with serving(a_week("FND", quote_type="MUTUALFUND", **given)) as (server, _):
        answer = source(server).fetch(["FND"], FIRST, LAST)
    assert answer.actions == (
        CorporateAction("FND", WEEK[1], DIVIDEND, 1.75),
        CorporateAction("FND", WEEK[2], DIVIDEND, 0.5),
    )


def test_a_restated_history_arrives_with_the_split_that_restated_it():
    with serving(a_week("AAA", volume=[1000.0] * 5)) as (server, charts):
        asking = source(server)
        before = asking.fetch(["AAA"], FIRST, LAST)
        charts.split("AAA", WEEK[3], 4)
        after = asking.fetch(["AAA"], FIRST, LAST)
    assert (before.bars.close / after.bars.close).tolist() == [4, 4, 4, 1, 1]
    assert after.bars.volume.tolist() == [4000, 4000, 4000, 1000, 1000]
    assert before.actions == ()
    assert after.actions == (CorporateAction("AAA", WEEK[3], SPLIT, 4.0),)


def test_a_dividend_restates_the_adjusted_closes_before_it():
    with serving(a_week("AAA", close=[100.0] * 5)) as (server, charts):
        charts.dividend("AAA", WEEK[2], 2.0)
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.bars.close.tolist() == [100.0] * 5
    assert answer.bars.adj_close.tolist() == [98.0, 98.0, 100.0, 100.0, 100.0]
    assert answer.actions == (CorporateAction("AAA", WEEK[2], DIVIDEND, 2.0),)


def test_no_action_is_told_without_the_prices_that_go_with_it():
    given = {"splits": {WEEK[1]: (4, 1)}}
    refused_bars = a_week("BAD", close=[0.0] * 5, **given)
    foreign = a_week("FOR", currency="EUR", **given)
    with serving(refused_bars, foreign) as (server, _):
        assert source(server).fetch(["BAD", "FOR"], FIRST, LAST).actions == ()


@pytest.mark.parametrize(
    "event",
    [
        {"numerator": 4},
        {"numerator": 4, "denominator": 0},
        {"numerator": "4", "denominator": 1},
        {"numerator": -4, "denominator": 1},
        {"numerator": math.nan, "denominator": 1},
        {"numerator": math.inf, "denominator": 1},
        {"numerator": 0, "denominator": 1},
        {"numerator": 4, "denominator": 1, "date": "2025-06-04"},
        {"numerator": 4, "denominator": 1, "date": 10**30},
        None,
        [],
        "4:1",
    ],
)
def test_a_malformed_split_is_left_out_and_the_bars_are_kept(event):
    good = {"date": 1748957400, "amount": 0.5}
    if isinstance(event, dict):
        event = {"date": 1748957400, **event}
    with serving(a_week("AAA")) as (server, charts):
        body = whole_chart(charts, "AAA")
        events = {"splits": {"1748957400": event}, "dividends": {"1748957400": good}}
        body["chart"]["result"][0]["events"] = events
        server.fault(chart_of("AAA"), as_json(body))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert len(answer.bars) == 5
    assert answer.actions == (CorporateAction("AAA", date(2025, 6, 3), DIVIDEND, 0.5),)


def test_two_splits_of_one_day_are_one_after_the_other():
    with serving(a_week("AAA")) as (server, charts):
        body = whole_chart(charts, "AAA")
        both = {
            str(instant): {"date": instant, "numerator": new, "denominator": 1}
            for instant, new in ((1748957400, 2), (1748957401, 3))
        }
        body["chart"]["result"][0]["events"] = {"splits": both}
        server.fault(chart_of("AAA"), as_json(body))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.actions == (CorporateAction("AAA", date(2025, 6, 3), SPLIT, 6.0),)


def test_a_dividend_in_another_currency_is_left_out():
    with serving(a_week("AAA")) as (server, charts):
        body = whole_chart(charts, "AAA")
        paid = {
            str(1748957400 + second): {"date": 1748957400, "amount": amount, "currency": currency}
            for second, (amount, currency) in enumerate([(9.0, "EUR"), (0.5, "USD"), (0.25, "")])
        }
        body["chart"]["result"][0]["events"] = {"dividends": paid}
        server.fault(chart_of("AAA"), as_json(body))
        answer = source(server).fetch(["AAA"], FIRST, LAST)
    assert answer.actions == (CorporateAction("AAA", date(2025, 6, 3), DIVIDEND, 0.75),)
