"""A chart of another form than Yahoo's is no answer, whatever is wrong with it."""

from __future__ import annotations

import pytest

from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets_tests.core.market.yahoo_asking import (
    FIRST,
    LAST,
    a_week,
    chart_requests,
    source,
    whole_chart,
)
from sigmasight_assets_tests.market_servers.loopback import (
    as_json,
)
from sigmasight_assets_tests.market_servers.yahoo import chart_of, serving

SYMBOLS = [f"S{number:02}" for number in range(60)]
LISTINGS = [a_week(symbol, close=[10.0 + n] * 5) for n, symbol in enumerate(SYMBOLS)]
ABSENT = object()
SPOILT = [
    ("chart", ABSENT),
    ("chart", []),
    ("chart.result", []),
    ("chart.result.0", None),
    ("chart.error", {"code": "Internal", "description": "later"}),
    ("chart.error", "later"),
    ("chart.result.0.meta", None),
    ("chart.result.0.meta", ABSENT),
    ("chart.result.0.meta.symbol", ABSENT),
    ("chart.result.0.meta.symbol", 7),
    ("chart.result.0.meta.currency", 7),
    ("chart.result.0.meta.exchangeTimezoneName", ABSENT),
    ("chart.result.0.meta.exchangeTimezoneName", "Mars/Olympus"),
    ("chart.result.0.meta.exchangeTimezoneName", "../../etc/passwd"),
    ("chart.result.0.meta.exchangeTimezoneName", "America"),
    ("chart.result.0.timestamp", ABSENT),
    ("chart.result.0.timestamp", []),
    ("chart.result.0.timestamp", 1748957400),
    ("chart.result.0.timestamp", [None] * 5),
    ("chart.result.0.timestamp", [1748957400] * 4),
    ("chart.result.0.timestamp.0", "2025-06-02"),
    ("chart.result.0.timestamp.0", 1748957400.5),
    ("chart.result.0.timestamp.0", 10**12),
    ("chart.result.0.timestamp.0", -(10**12)),
    ("chart.result.0.timestamp.4", 10**40),
    ("chart.result.0.indicators", ABSENT),
    ("chart.result.0.indicators.quote", ABSENT),
    ("chart.result.0.indicators.quote", []),
    ("chart.result.0.indicators.quote.0", None),
    ("chart.result.0.indicators.quote.0.close", [10.0] * 4),
    ("chart.result.0.indicators.quote.0.close.0", "10.0"),
    ("chart.result.0.indicators.quote.0.close.0", True),
    ("chart.result.0.indicators.quote.0.close.0", [10.0]),
    ("chart.result.0.indicators.quote.0.volume", [1] * 6),
    ("chart.result.0.indicators.adjclose", {}),
    ("chart.result.0.indicators.adjclose.0.adjclose", [10.0] * 4),
    ("chart.result.0.events", {"splits": []}),
    ("chart.result.0.events", []),
]


def spoil(body, path, value):
    """Put a value where the path leads, or leave that place out."""
    *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    place = body
    for step in way:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize(("path", "value"), SPOILT)
def test_a_chart_of_another_form_is_no_answer_and_costs_the_others_nothing(path, value):
    with serving(*LISTINGS[:3]) as (server, charts):
        body = whole_chart(charts, "S01")
        spoil(body, path, value)
        server.fault(chart_of("S01"), *[as_json(body)] * 3)
        answer = source(server).fetch(SYMBOLS[:3], FIRST, LAST)
        assert chart_requests(server).count("S01") == 3
    rows, unavailable = Outcome.ROWS, Outcome.UNAVAILABLE
    assert answer.outcomes == {"S00": rows, "S01": unavailable, "S02": rows}
    assert answer.reasons["S01"].startswith("yfinance did not answer: not a chart: ")
    assert len(answer.bars) == 10


def test_days_without_any_close_are_no_answer():
    with serving(*LISTINGS[:1]) as (server, charts):
        body = whole_chart(charts, "S00")
        spoil(body, "chart.result.0.indicators", {"quote": [{"open": [1.0] * 5}]})
        server.fault(chart_of("S00"), *[as_json(body)] * 3)
        answer = source(server).fetch(SYMBOLS[:1], FIRST, LAST)
    assert answer.outcomes == {"S00": Outcome.UNAVAILABLE}


def test_an_unknown_symbol_is_no_data_with_status_200_too():
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    with serving(*LISTINGS[:1]) as (server, _):
        server.fault(chart_of("S00"), as_json({"chart": {"result": None, "error": error}}))
        answer = source(server).fetch(SYMBOLS[:1], FIRST, LAST)
    assert answer.outcomes == {"S00": Outcome.NO_DATA}


def test_missing_opens_and_volumes_are_unknown():
    with serving(*LISTINGS[:1]) as (server, charts):
        body = whole_chart(charts, "S00")
        spoil(body, "chart.result.0.indicators.quote.0", {"close": [10.0] * 5, "open": None})
        server.fault(chart_of("S00"), as_json(body))
        answer = source(server).fetch(SYMBOLS[:1], FIRST, LAST)
    assert answer.outcomes == {"S00": Outcome.ROWS}
    assert str(answer.bars.volume.tolist()) == str([float("nan")] * 5)
