"""The session that yfinance works with: what a request costs, and what comes of a bad answer."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import yfinance

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.yahoo_session import (
    UnknownToYahoo,
    YahooSession,
    make_session,
    yahoo_data,
)
from sigmasight_assets_tests.core.market.yahoo_asking import CountedLimit, a_week
from sigmasight_assets_tests.market_servers.loopback import (
    HTML_PAGE,
    LoopbackServer,
    Reply,
    as_json,
)
from sigmasight_assets_tests.market_servers.yahoo import CRUMB, is_chart, serving

CHART = "https://query2.finance.yahoo.com/v8/finance/chart/AAA"
RANGE = {"period1": "0", "period2": "4000000000", "events": "div"}


def ask(session: YahooSession, url: str = CHART):
    return yahoo_data(session).get(url, RANGE)


def asked(server: LoopbackServer) -> list[str]:
    return [each.path for each in server.requests]


def test_a_cookie_and_a_crumb_are_fetched_once_and_every_request_waits_for_its_turn():
    limit = CountedLimit()
    with serving(a_week("AAA")) as (server, _):
        session = make_session(limit, server.url)
        for _ in range(3):
            assert ask(session).status_code == 200
        assert asked(server) == ["/", CRUMB, *["/v8/finance/chart/AAA"] * 3]
        assert [each.query.get("crumb") for each in server.requests[2:]] == ["crumb"] * 3
        assert "A3=" in server.requests[2].headers["cookie"]
    assert limit.sent == 5


def test_the_path_of_the_base_address_and_the_query_are_kept():
    with serving() as (server, _):
        session = make_session(Unlimited(), f"{server.url}/yahoo/")
        with pytest.raises(SourceRefused):
            session.get("https://query1.finance.yahoo.com/v1/x?a=1", params={"b": "2 3"})
        request = server.requests[0]
    assert (request.path, dict(request.query)) == ("/yahoo/v1/x", {"a": "1", "b": "2 3"})


def test_a_429_costs_one_request():
    with serving(a_week("AAA")) as (server, _):
        session = make_session(Unlimited(), server.url)
        ask(session)
        server.requests.clear()
        server.fault(is_chart, Reply(429))
        with pytest.raises(RateLimited):
            ask(session)
        assert asked(server) == ["/v8/finance/chart/AAA"]


@pytest.mark.parametrize(
    ("headers", "wanted"), [({}, None), ({"Retry-After": "7"}, timedelta(seconds=7))]
)
def test_a_429_says_how_long_it_wants_to_be_left_alone(headers, wanted):
    with LoopbackServer(lambda request: Reply(429, headers=headers)).running() as server:
        session = make_session(Unlimited(), server.url)
        with pytest.raises(RateLimited) as limited:
            session.get(CHART)
    assert (limited.value.source, limited.value.retry_after) == ("yfinance", wanted)


UNAVAILABLE = [
    (Reply(500), "HTTP 500"),
    (Reply(503, HTML_PAGE), "HTTP 503"),
    (Reply(408), "HTTP 408"),
    (Reply(200, HTML_PAGE), "a web page instead of data (HTTP 200)"),
    (Reply(200, b"\n  " + HTML_PAGE), "a web page instead of data (HTTP 200)"),
    (Reply(404, HTML_PAGE), "a web page instead of data (HTTP 404)"),
    (Reply(200, b"{}" * 99, cut=20), "the answer was cut short"),
    (Reply(wait=2), "no whole answer in 0.3 s"),
    (Reply(200, b"{}" * 99, trickle=0.05), "no whole answer in 0.3 s"),
    (Reply(reset=True), "ConnectionError (curl 56)"),
]


@pytest.mark.parametrize(("reply", "reason"), UNAVAILABLE)
def test_what_may_pass_is_raised_at_once_after_one_request(reply, reason):
    with LoopbackServer(lambda request: reply).running() as server:
        session = make_session(Unlimited(), server.url, timeout=0.3)
        started = time.monotonic()
        with pytest.raises(SourceUnavailable) as unavailable:
            session.get(CHART)
        assert asked(server) == ["/v8/finance/chart/AAA"]
    assert unavailable.value.reason == reason
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("reply", "error"), [(Reply(429), RateLimited), (Reply(500), SourceUnavailable)]
)
def test_yfinances_own_questions_raise_what_the_session_raises(reply, error):
    with serving(a_week("AAA")) as (server, _):
        session = make_session(Unlimited(), server.url)
        yahoo_data(session)
        ticker = yfinance.Ticker("AAA", session=session)
        server.fault(is_chart, reply)
        with pytest.raises(error):
            ticker.history(period="5d")
        assert len([each for each in server.requests if is_chart(each)]) == 1


def test_a_server_that_is_gone_is_unavailable_and_its_address_is_not_told():
    with serving() as (server, _):
        session = make_session(Unlimited(), server.url)
    with pytest.raises(SourceUnavailable) as unavailable:
        session.get(CHART)
    assert "127.0.0.1" not in str(unavailable.value)
    assert unavailable.value.__suppress_context__


def test_yahoos_own_word_that_it_has_nothing_costs_one_request():
    with serving() as (server, _):
        session = make_session(Unlimited(), server.url)
        with pytest.raises(UnknownToYahoo) as unknown:
            ask(session)
        assert asked(server) == ["/", CRUMB, "/v8/finance/chart/AAA"]
    assert unknown.value.reason == "No data found, symbol may be delisted"


@pytest.mark.parametrize("body", [b"", b"Not Found", b"{}", b"[]", b'{"a": {"error": null}}'])
def test_a_404_without_yahoos_words_is_a_wrong_path_and_not_an_unknown_symbol(body):
    with LoopbackServer(lambda request: Reply(404, body)).running() as server:
        session = make_session(Unlimited(), server.url)
        with pytest.raises(SourceRefused) as refused:
            session.get(CHART)
    assert not isinstance(refused.value, UnknownToYahoo)
    assert refused.value.reason == "HTTP 404"


def test_a_bad_request_is_refused_with_yahoos_words():
    error = {"code": "Bad Request", "description": "start date cannot be after end date"}
    reply = as_json({"chart": {"result": None, "error": error}}, 400)
    with LoopbackServer(lambda request: reply).running() as server:
        session = make_session(Unlimited(), server.url)
        with pytest.raises(SourceRefused) as refused:
            session.get(CHART)
    assert not isinstance(refused.value, UnknownToYahoo)
    assert refused.value.reason == "HTTP 400 start date cannot be after end date"


@pytest.mark.parametrize("status", [401, 403])
def test_a_stale_crumb_is_healed_by_yfinance_within_the_question(status):
    with serving(a_week("AAA")) as (server, _):
        session = make_session(Unlimited(), server.url)
        ask(session)
        server.fault(is_chart, Reply(status))
        server.fault(lambda request: request.path == CRUMB, Reply(200, b"fresh"))
        assert ask(session).status_code == 200
        assert server.requests[-1].query["crumb"] == "fresh"
        assert asked(server).count("/") == 2


@pytest.mark.parametrize("page", [Reply(404, HTML_PAGE), Reply(502, b"Bad Gateway"), Reply(200)])
def test_the_page_that_sets_the_cookie_may_say_what_it_likes(page):
    with serving(a_week("AAA")) as (server, _):
        server.fault(lambda request: request.path == "/", page)
        session = make_session(Unlimited(), server.url)
        for _ in range(3):
            assert ask(session).status_code == 200
        assert asked(server).count("/") == 1


def test_the_text_of_a_refused_crumb_is_not_sent_as_the_crumb():
    with serving(a_week("AAA")) as (server, _):
        server.fault(lambda request: request.path == CRUMB, as_json({"error": "cookie"}, 401))
        assert ask(make_session(Unlimited(), server.url)).status_code == 200
        assert server.requests[-1].query.get("crumb") in (None, "")


def test_cookie_and_crumb_of_one_session_are_never_sent_to_the_server_of_another():
    with serving(a_week("AAA")) as (one, _), serving(a_week("AAA")) as (other, _):
        one.fault(lambda request: request.path == CRUMB, Reply(200, b"one"))
        other.fault(lambda request: request.path == CRUMB, Reply(200, b"other"))
        first, second = (make_session(Unlimited(), server.url) for server in (one, other))
        ask(first), ask(second)
        assert [each.query["crumb"] for each in one.requests if is_chart(each)] == ["one"]
        assert [each.query["crumb"] for each in other.requests if is_chart(each)] == ["other"]
        assert "cookie" not in other.requests[0].headers


def test_one_session_keeps_its_client_and_the_client_remembers_no_answer():
    with serving(a_week("AAA")) as (server, _):
        session = make_session(Unlimited(), server.url)
        data = yahoo_data(session)
        data.cache_get(CHART, RANGE)
        data.cache_get(CHART, RANGE)
        assert len([each for each in server.requests if is_chart(each)]) == 1
        assert yahoo_data(session) is data
        data.cache_get(CHART, RANGE)
        assert len([each for each in server.requests if is_chart(each)]) == 2
        assert yfinance.Ticker("AAA", session=session)._data is data


def test_nothing_is_logged_of_an_ordinary_question(caplog):
    caplog.set_level(logging.INFO)
    with serving(a_week("AAA")) as (server, _):
        ask(make_session(Unlimited(), server.url))
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []


ASK_IN_A_PROCESS = """
import sys
from datetime import date
from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.yahoo import YahooSource
source = YahooSource(Unlimited(), sys.argv[1])
answer = source.fetch(["AAA"], date(2025, 6, 2), date(2025, 6, 6))
print(len(answer.bars))
"""


def test_yfinance_writes_no_file(tmp_path):
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with serving(a_week("AAA")) as (server, _):
        told = subprocess.run(
            [sys.executable, "-c", ASK_IN_A_PROCESS, server.url],
            env={**os.environ, **home},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (told.stdout, told.stderr) == ("5\n", "")
    assert list(tmp_path.rglob("*")) == []
