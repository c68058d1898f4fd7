"""What a bulk of symbols does when Yahoo is too busy, broken, slow or talks nonsense."""

from __future__ import annotations

import time

import pytest

from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets_tests.core.market.yahoo_asking import (
    FIRST,
    LAST,
    CountedLimit,
    a_week,
    chart_requests,
    source,
    told,
    whole_chart,
)
from sigmasight_assets_tests.market_servers.loopback import (
    HTML_PAGE,
    LoopbackServer,
    Reply,
    as_json,
)
from sigmasight_assets_tests.market_servers.yahoo import chart_of, is_chart, serving

SYMBOLS = [f"S{number:02}" for number in range(60)]
LISTINGS = [a_week(symbol, close=[10.0 + n] * 5) for n, symbol in enumerate(SYMBOLS)]
TRUNCATED = Reply(200, b'{"chart": {"result": [{"meta": {"currency": "USD", "symb')
TRUNCATED_CRUMB = Reply(200, b"crumb", cut=2)
FAULTS = {
    "429": Reply(429),
    "500": Reply(500),
    "502 page": Reply(502, HTML_PAGE),
    "503": Reply(503),
    "408": Reply(408),
    "reset": Reply(reset=True),
    "cut": Reply(200, b"{}" * 500, cut=100),
    "truncated": TRUNCATED,
    "no JSON": Reply(200, b"chart: nothing"),
    "empty body": Reply(200, b""),
    "null result": as_json({"chart": {"result": None, "error": None}}),
    "page": Reply(200, HTML_PAGE, {"Content-Type": "text/html"}),
    "page without a type": Reply(200, b"\n  " + HTML_PAGE),
    "lost page": Reply(404, HTML_PAGE),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_first_try_is_healed_by_the_second(fault):
    with serving(*LISTINGS[:3]) as (server, _):
        asking = source(server)
        sane = told(asking.fetch(SYMBOLS[:3], FIRST, LAST))
        server.requests.clear()
        server.fault(chart_of("S01"), fault)
        answer = asking.fetch(SYMBOLS[:3], FIRST, LAST)
        assert sorted(chart_requests(server)) == ["S00", "S01", "S01", "S02"]
    assert told(answer) == sane


@pytest.mark.parametrize("fault", [f for n, f in FAULTS.items() if n not in ("429", "reset")])
def test_a_fault_that_stays_is_tried_three_times_and_costs_the_others_nothing(fault):
    with serving(*LISTINGS[:3]) as (server, _):
        asking = source(server)
        asking.fetch(SYMBOLS[:1], FIRST, LAST)
        server.fault(chart_of("S01"), *[fault] * 9)
        answer = asking.fetch(SYMBOLS[:3], FIRST, LAST)
        assert chart_requests(server).count("S01") == 3
    rows, unavailable = Outcome.ROWS, Outcome.UNAVAILABLE
    assert answer.outcomes == {"S00": rows, "S01": unavailable, "S02": rows}
    assert len(answer.bars) == 10
    assert "127.0.0.1" not in answer.reasons["S01"]
    assert answer.reasons["S01"].startswith("yfinance did not answer: ")


def test_connections_that_are_always_reset_cost_the_others_nothing():
    with serving(*LISTINGS[:3]) as (server, _):
        server.fault(chart_of("S01"), *[Reply(reset=True)] * 9)
        answer = source(server).fetch(SYMBOLS[:3], FIRST, LAST)
        # curl itself asks once more where it had kept a connection open.
        assert 3 <= chart_requests(server).count("S01") <= 4
    rows, unavailable = Outcome.ROWS, Outcome.UNAVAILABLE
    assert answer.outcomes == {"S00": rows, "S01": unavailable, "S02": rows}


def test_a_crumb_that_is_refused_again_and_again_is_a_failure():
    with serving(*LISTINGS[:3]) as (server, _):
        server.fault(chart_of("S01"), *[Reply(401)] * 9)
        answer = source(server, at_once=1).fetch(SYMBOLS[:3], FIRST, LAST)
        # Each try is asked twice: yfinance fetches a new crumb between.
        assert chart_requests(server).count("S01") == 6
    assert answer.outcomes["S01"] is Outcome.UNAVAILABLE
    assert answer.outcomes["S02"] is Outcome.ROWS
    assert answer.reasons["S01"].endswith("HTTP 401 with a new crumb too")


def test_silence_ends_with_the_timeout():
    with serving(*LISTINGS[:2]) as (server, _):
        server.fault(chart_of("S01"), *[Reply(wait=3)] * 3)
        started = time.monotonic()
        answer = source(server, timeout=0.2).fetch(SYMBOLS[:2], FIRST, LAST)
    assert answer.outcomes == {"S00": Outcome.ROWS, "S01": Outcome.UNAVAILABLE}
    assert answer.reasons["S01"] == "yfinance did not answer: no whole answer in 0.2 s"
    assert time.monotonic() - started < 1.5


def test_one_byte_at_a_time_ends_with_the_timeout():
    with serving(*LISTINGS[:2]) as (server, charts):
        trickle = Reply(200, as_json(whole_chart(charts, "S01")).body, trickle=0.05)
        server.fault(chart_of("S01"), *[trickle] * 3)
        started = time.monotonic()
        answer = source(server, timeout=0.2).fetch(SYMBOLS[:2], FIRST, LAST)
    assert answer.outcomes == {"S00": Outcome.ROWS, "S01": Outcome.UNAVAILABLE}
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(("header", "first_pause"), [({"Retry-After": "1"}, 9.0), ({}, 1.0)])
def test_a_429_in_the_middle_pauses_everybody_and_then_the_bulk_goes_on(header, first_pause):
    limit = CountedLimit()
    with serving(*LISTINGS) as (server, _):
        server.fault(is_chart, *[lambda request: None] * 20, Reply(429, headers=header))
        answer = source(server, limit, first_pause).fetch(SYMBOLS, FIRST, LAST)
        sent = [each.at for each in server.requests if is_chart(each)]
    assert set(answer.outcomes.values()) == {Outcome.ROWS}
    assert len(answer.bars) == 300
    assert [pause.total_seconds() for pause in limit.pauses] == [1.0]
    assert len(sent) == 61
    in_the_pause = [at for at in sent if sent[20] < at < sent[20] + 0.95]
    assert len(in_the_pause) <= 10
    assert all(at < sent[20] + 0.4 for at in in_the_pause)


def test_a_source_that_stays_busy_is_left_alone_after_three_pauses():
    limit = CountedLimit()
    with serving(*LISTINGS) as (server, _):
        server.fault(is_chart, *[Reply(429)] * 400)
        busy = source(server, limit, first_pause=0.05)
        answer = busy.fetch(SYMBOLS, FIRST, LAST)
        asked = len(server.requests)
        again = busy.fetch(SYMBOLS, FIRST, LAST)
        assert len(server.requests) == asked
    assert set(answer.outcomes.values()) == {Outcome.RATE_LIMITED}
    assert again.outcomes == answer.outcomes
    assert set(answer.reasons.values()) == {"yfinance has been asked too often"}
    assert len(limit.pauses) == 3
    assert asked < 40


def test_a_dead_source_is_left_alone_before_it_has_been_asked_for_everything():
    symbols = [f"D{number}" for number in range(200)]
    with LoopbackServer(lambda request: Reply(500)).running() as server:
        dead = source(server, first_wait=0.05)
        started = time.monotonic()
        answer = dead.fetch(symbols, FIRST, LAST)
        asked = len(server.requests)
    assert set(answer.outcomes.values()) == {Outcome.UNAVAILABLE}
    assert time.monotonic() - started < 2
    assert asked <= 25 * 3 * 2


def test_an_address_where_nobody_listens_is_found_out_soon():
    with serving() as (server, _):
        gone = source(server, first_wait=0.05)
    started = time.monotonic()
    answer = gone.fetch([f"D{number}" for number in range(200)], FIRST, LAST)
    assert set(answer.outcomes.values()) == {Outcome.UNAVAILABLE}
    assert time.monotonic() - started < 2
    assert not any("127.0.0.1" in reason for reason in answer.reasons.values())


def test_a_source_that_recovers_after_some_failures_is_asked_for_everything():
    with serving(*LISTINGS) as (server, _):
        server.fault(is_chart, *[Reply(500)] * 30)
        answer = source(server).fetch(SYMBOLS, FIRST, LAST)
    failed = [symbol for symbol, each in answer.outcomes.items() if each is not Outcome.ROWS]
    assert len(failed) <= 10
    assert set(answer.outcomes.values()) <= {Outcome.ROWS, Outcome.UNAVAILABLE}


def test_a_failure_of_the_crumb_is_a_failure_like_any_other():
    with serving(*LISTINGS[:5]) as (server, charts):
        server.fault(lambda request: "getcrumb" in request.path, Reply(500), TRUNCATED_CRUMB)
        answer = source(server, at_once=1).fetch(SYMBOLS[:5], FIRST, LAST)
        assert charts.requests()["kinds"] == {"cookie": 1, "crumb": 1, "chart": 5}
    assert set(answer.outcomes.values()) == {Outcome.ROWS}


def test_a_busy_crumb_pauses_as_a_busy_chart_does():
    limit = CountedLimit()
    with serving(*LISTINGS[:5]) as (server, _):
        busy = Reply(429, headers={"Retry-After": "1"})
        server.fault(lambda request: "getcrumb" in request.path, busy)
        answer = source(server, limit).fetch(SYMBOLS[:5], FIRST, LAST)
    assert set(answer.outcomes.values()) == {Outcome.ROWS}
    assert [pause.total_seconds() for pause in limit.pauses] == [1.0]


def test_the_answer_is_the_same_however_many_are_asked_at_once():
    unknown = [f"X{number}" for number in range(7)]
    with serving(*LISTINGS, a_week("FOR", currency="EUR"), a_week("BAD", close=[0.0] * 5)) as (
        server,
        charts,
    ):
        charts.rename("S05", "NEW")
        charts.split("S06", LAST, 2)
        asked = [*SYMBOLS, *unknown, "FOR", "BAD"]
        answers = []
        for at_once, order in ((1, asked), (5, asked[::-1]), (16, asked)):
            server.fault(chart_of("S07"), *[Reply(500)] * 3)
            answers.append(told(source(server, at_once=at_once).fetch(order, FIRST, LAST)))
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]["rows"]) == 58 * 5
