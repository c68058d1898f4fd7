"""Option bars through the real client from a loopback server, with every fault it can have."""

from __future__ import annotations

import gzip
import json
import logging
import math
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest

from sigmasight_assets.core.errors import DatabaseUnavailable
from sigmasight_assets.core.market.patience import Patience, Unlimited
from sigmasight_assets.core.market.polygon_source import PolygonSource
from sigmasight_assets.core.market.source import Outcome, PriceAnswer
from sigmasight_assets_tests.builders import day
from sigmasight_assets_tests.core.market.bar_rows import refused, rows_of
from sigmasight_assets_tests.market_servers.loopback import (
    HTML_PAGE,
    LoopbackServer,
    Reply,
    about,
    as_json,
)
from sigmasight_assets_tests.market_servers.polygon import PolygonRoute, answer, bar

KEY = "s3cr3t-K3y-of-P0lyg0n"
CALL, PUT, ADJUSTED = "AAPL260320C00150000", "MSFT260320P00300000", "AAPL1260320C00075000"
FIRST, LAST = "2026-01-14", "2026-01-16"
BARS = {
    f"O:{CALL}": {
        "2026-01-13": (9.0, 9.5, 8.5, 9.25, 4),
        "2026-01-14": (10.0, 11.0, 9.5, 10.5, 120),
        "2026-01-16": (10.5, 10.75, 10.25, 10.4, 3),
    },
    f"O:{PUT}": {"2026-01-15": (2.0, 2.0, 2.0, 2.0, 1)},
    f"O:{ADJUSTED}": {"2026-01-15": (3.0, 3.0, 3.0, 3.0, 1)},
}
PRICE = (10.0, 11.0, 9.0, 10.0, 5)


@dataclass
class Counted:
    """A limit that lets everybody through, and remembers."""

    turns: int = 0
    pauses: list[timedelta] = field(default_factory=list)

    def wait_for_turn(self) -> None:
        self.turns += 1

    def pause(self, span: timedelta) -> None:
        self.pauses.append(span)


class Listening(Patience):
    """Patience that keeps the text of every error, as a log with a traceback would show it."""

    errors: list[str]

    def ask(self, question: Callable[[], Any]) -> Any:
        def heard() -> Any:
            try:
                return question()
            except Exception as error:
                self.errors.append("".join(traceback.format_exception(error)) + repr(error))
                raise

        return super().ask(heard)


@dataclass
class Asked:
    """A server, and a source that asks it."""

    server: LoopbackServer
    limit: Counted = field(default_factory=Counted)
    errors: list[str] = field(default_factory=list)

    def source(self, key: str | None = KEY, timeout: float = 5.0) -> PolygonSource:
        patience = Listening("polygon", self.limit, first_wait=0.001)
        patience.errors = self.errors
        return PolygonSource(key, self.limit, self.server.url, timeout, patience)

    def fetch(
        self, *symbols: str, first: str = FIRST, last: str = LAST, **made: Any
    ) -> PriceAnswer:
        return self.source(**made).fetch(symbols or (CALL,), day(first), day(last))

    def says(self, *results: Any, **other: Any) -> PriceAnswer:
        """What becomes of the call if the server says this of it."""
        self.server.fault(about(CALL), as_json(answer(f"O:{CALL}", results, **other)))
        return self.fetch()


@pytest.fixture
def asked() -> Iterator[Asked]:
    with LoopbackServer(PolygonRoute(KEY, BARS)).running() as server:
        yield Asked(server)


def closes(found: PriceAnswer) -> list[tuple]:
    return rows_of(found.bars, "close")


GOOD = [(CALL, "2026-01-14", 10.5), (CALL, "2026-01-16", 10.4)]


def test_a_contract_is_one_request_for_its_whole_range(asked: Asked) -> None:
    found = asked.fetch(PUT, CALL)
    assert rows_of(found.bars, "open", "high", "low", "close", "adj_close", "volume") == [
        (CALL, "2026-01-14", 10.0, 11.0, 9.5, 10.5, 10.5, 120.0),
        (CALL, "2026-01-16", 10.5, 10.75, 10.25, 10.4, 10.4, 3.0),
        (PUT, "2026-01-15", 2.0, 2.0, 2.0, 2.0, 2.0, 1.0),
    ]
    assert found.outcomes == {CALL: Outcome.ROWS, PUT: Outcome.ROWS}
    assert (found.source, found.single_series) == ("polygon", {CALL, PUT})
    assert (found.actions, found.reasons, found.rejected) == (None, {}, ())
    assert [each.path for each in asked.server.requests] == [
        f"/v2/aggs/ticker/O:{symbol}/range/1/day/{FIRST}/{LAST}" for symbol in (CALL, PUT)
    ]
    assert asked.limit.turns == 2
    for request in asked.server.requests:
        assert request.query == {"adjusted": "true", "sort": "asc", "limit": "50000"}
        assert request.headers["authorization"] == f"Bearer {KEY}"


def test_contracts_are_asked_for_in_any_spelling_and_adjusted_roots_as_they_are(
    asked: Asked,
) -> None:
    found = asked.fetch(f"o:{CALL.lower()}", CALL, "AAPL1 260320C00075000")
    assert found.outcomes == {CALL: Outcome.ROWS, ADJUSTED: Outcome.ROWS}
    assert len(asked.server.requests) == 2


def test_it_lists_no_symbols(asked: Asked) -> None:
    source = asked.source()
    assert source.listed_symbols() == ()
    assert (source.metered, source.symbols_per_fetch) == (True, 10)


def test_floats_arrive_to_the_last_bit(asked: Asked) -> None:
    close = [0.1 + 0.2, 1 / 3, math.nextafter(2.0, 3.0)]
    on = ["2026-01-14", "2026-01-15", "2026-01-16"]
    stated = [bar(d, (1e-5, 1e22, 1e-5, c, 1e15 + 0.5)) for d, c in zip(on, close, strict=True)]
    found = asked.says(*stated)
    assert found.bars.close.tolist() == close
    assert set(found.bars.volume.tolist()) == {1e15 + 0.5}


@pytest.mark.parametrize("host", ["America/New_York", "Asia/Tokyo", "Pacific/Honolulu"])
def test_a_bar_belongs_to_the_day_that_begins_in_new_york(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("TZ", host)
    time.tzset()
    # Midnight is 05:00 UTC in winter and 04:00 in summer, which began on 8 March; the third is
    # 20:00 of its day, when it is the next day in UTC.
    stated = [1768366800000, 1767848400000, 1768525200000, 1773028800000, 1773374400000]
    results = [{**bar(FIRST, PRICE), "t": each} for each in stated]
    asked.server.fault(about(CALL), as_json(answer(f"O:{CALL}", results)))
    found = asked.fetch(first="2026-01-02", last="2026-03-20")
    monkeypatch.undo()
    time.tzset()
    expected = ["2026-01-08", "2026-01-14", "2026-01-15", "2026-03-09", "2026-03-13"]
    assert found.bars.date.astype(str).tolist() == expected


def test_half_days_are_sessions(asked: Asked) -> None:
    half_days = ["2024-07-03", "2024-11-29", "2024-12-24", "2025-07-03", "2025-11-28"]
    results = [bar(on, PRICE) for on in half_days]
    asked.server.fault(about(CALL), as_json(answer(f"O:{CALL}", results)))
    found = asked.fetch(first="2024-01-02")
    assert found.bars.date.astype(str).tolist() == half_days
    assert found.rejected == ()


def test_a_contract_that_did_not_trade_has_no_data(asked: Asked) -> None:
    found = asked.fetch(CALL, first="2026-01-15", last="2026-01-15")
    assert found.outcomes == {CALL: Outcome.NO_DATA}
    assert found.reasons == {CALL: "did not trade from 2026-01-15 to 2026-01-15"}
    assert (len(found.bars), found.single_series) == (0, frozenset())
    assert asked.says(results=None).outcomes == {CALL: Outcome.NO_DATA}


def test_nobody_asks_for_the_days_after_expiry(asked: Asked) -> None:
    found = asked.fetch(
        CALL, PUT.replace("260320", "260115"), first="2026-01-15", last="2026-06-01"
    )
    assert [each.path.rsplit("/", 2)[1:] for each in asked.server.requests] == [
        ["2026-01-15", "2026-03-20"],
        ["2026-01-15", "2026-01-15"],
    ]
    assert found.outcomes[CALL] is Outcome.ROWS
    found = asked.fetch(CALL, first="2026-03-23", last="2026-06-01")
    assert found.outcomes == {CALL: Outcome.NO_DATA}
    assert found.reasons == {CALL: "expired on 2026-03-20"}
    assert len(asked.server.requests) == 2


def test_what_is_no_contract_has_no_source(asked: Asked) -> None:
    found = asked.fetch("aapl", "AAPL260230C00150000", CALL)
    assert found.outcomes == {
        "AAPL": Outcome.NO_SOURCE,
        "AAPL260230C00150000": Outcome.NO_SOURCE,
        CALL: Outcome.ROWS,
    }
    assert set(found.reasons.values()) == {"not an option contract"}
    assert len(asked.server.requests) == 1


@pytest.mark.parametrize("key", [None, "", " \n"])
def test_without_a_key_nothing_is_asked(asked: Asked, key: str | None) -> None:
    found = asked.fetch(CALL, PUT, "IBM", key=key)
    assert set(found.outcomes.values()) == {Outcome.NO_SOURCE}
    assert set(found.reasons) == {CALL, PUT, "IBM"}
    assert set(found.reasons.values()) == {
        "POLYGON_API_KEY is not set: option contracts have no price source"
    }
    assert (len(found.bars), asked.server.requests, asked.limit.turns) == (0, [], 0)


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Other: 1", f"{KEY} {KEY}", f"{KEY}é", f"{KEY}\0"])
def test_a_key_that_is_none_is_not_sent_and_not_said(asked: Asked, key: str) -> None:
    found = asked.fetch(CALL, key=key)
    assert found.reasons == {CALL: "POLYGON_API_KEY has characters that no key has"}
    assert asked.server.requests == []


def test_blanks_around_a_key_are_no_part_of_it(asked: Asked) -> None:
    assert asked.fetch(key=f" {KEY}\n").outcomes == {CALL: Outcome.ROWS}


def test_a_wrong_key_is_asked_once(asked: Asked) -> None:
    found = asked.fetch(ADJUSTED, CALL, PUT, key="wrong-key")
    assert set(found.outcomes.values()) == {Outcome.NO_SOURCE}
    assert set(found.reasons) == {ADJUSTED, CALL, PUT}
    (reason,) = set(found.reasons.values())
    assert reason.startswith("polygon refused: HTTP 401, POLYGON_API_KEY is wrong")
    assert len(asked.server.requests) == 1


NOT_ENTITLED = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
OLD_DAYS = {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."}
TOO_OFTEN = {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}
UNKNOWN_KEY = {"status": "ERROR", "error": "Unknown API Key"}


@pytest.mark.parametrize(
    "reply", [as_json(NOT_ENTITLED, 403), as_json(NOT_ENTITLED), as_json(UNKNOWN_KEY), Reply(403)]
)
def test_a_key_without_a_right_to_option_bars_ends_the_fetch(asked: Asked, reply: Reply) -> None:
    asked.server.fault(about(CALL), reply)
    found = asked.fetch(ADJUSTED, CALL, PUT)
    assert found.outcomes == {
        ADJUSTED: Outcome.ROWS,
        CALL: Outcome.NO_SOURCE,
        PUT: Outcome.NO_SOURCE,
    }
    assert len(asked.server.requests) == 2
    assert "http" not in found.reasons[PUT].replace("HTTP", "")


@pytest.mark.parametrize("status", [200, 403])
def test_days_that_the_plan_does_not_cover_concern_one_contract(asked: Asked, status: int) -> None:
    asked.server.fault(about(CALL), as_json(OLD_DAYS, status))
    found = asked.fetch(CALL, PUT)
    assert found.outcomes == {CALL: Outcome.NO_SOURCE, PUT: Outcome.ROWS}


def test_a_contract_unknown_to_polygon_has_no_data(asked: Asked) -> None:
    asked.server.fault(about(CALL), as_json({"status": "NOT_FOUND", "message": "none"}, 404))
    found = asked.fetch(CALL, PUT)
    assert found.outcomes == {CALL: Outcome.NO_DATA, PUT: Outcome.ROWS}
    assert len(asked.server.requests) == 2


@pytest.mark.parametrize("reply", [Reply(404, HTML_PAGE), as_json({"detail": "Not Found"}, 404)])
def test_a_404_of_somebody_else_says_nothing_of_the_contract(asked: Asked, reply: Reply) -> None:
    asked.server.fault(about(CALL), reply)
    found = asked.fetch(CALL, PUT)
    assert found.outcomes == {CALL: Outcome.NO_SOURCE, PUT: Outcome.ROWS}
    assert found.reasons == {CALL: "polygon refused: HTTP 404"}


def test_a_refused_question_is_not_repeated(asked: Asked) -> None:
    asked.server.fault(about(CALL), as_json({"status": "ERROR", "error": "bad"}, 400))
    assert asked.fetch(CALL, PUT).outcomes == {CALL: Outcome.NO_SOURCE, PUT: Outcome.ROWS}
    assert len(asked.server.requests) == 2


GOOD_BODY = json.dumps(answer(f"O:{CALL}", [bar("2026-01-14", PRICE)])).encode()
FAULTS = {
    "500": Reply(500, b"{}"),
    "502": Reply(502, HTML_PAGE),
    "503": Reply(503, b"", {"Retry-After": "9"}),
    "408": Reply(408),
    "redirect": Reply(302, b"", {"Location": "/elsewhere"}),
    "204": Reply(204),
    "reset": Reply(reset=True),
    "cut": Reply(200, GOOD_BODY, cut=40),
    "truncated": Reply(200, GOOD_BODY[:40]),
    "empty": Reply(200, b""),
    "html": Reply(200, HTML_PAGE),
    "no object": as_json([1, 2]),
    "no answer": as_json({}),
    "deep": Reply(200, b"[" * 100_000),
    "not UTF-8": Reply(200, b'{"status":"\xff"}'),
    "broken gzip": Reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
    "error in 200": as_json({"status": "ERROR", "error": "internal"}),
    "odd status": as_json(answer(f"O:{CALL}", [], status=["OK"])),
    "results no list": as_json(answer(f"O:{CALL}", [], results={"t": 1})),
    "promised": as_json(answer(f"O:{CALL}", [], resultsCount=2)),
    "first page": as_json(answer(f"O:{CALL}", [bar("2026-01-14", PRICE)], next_url="more")),
}


@pytest.mark.parametrize("reply", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_healed_by_another_try(asked: Asked, reply: Reply) -> None:
    asked.server.fault(about(CALL), reply, reply)
    assert closes(asked.fetch()) == GOOD
    assert (len(asked.server.requests), asked.limit.turns) == (3, 3)


@pytest.mark.parametrize("reply", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_stays_is_an_outcome_after_three_tries(asked: Asked, reply: Reply) -> None:
    asked.server.fault(about(CALL), *[reply] * 3)
    found = asked.fetch(CALL, PUT)
    assert found.outcomes == {CALL: Outcome.UNAVAILABLE, PUT: Outcome.ROWS}
    assert found.reasons[CALL].startswith("polygon did not answer: ")
    assert asked.server.url.removeprefix("http://") not in str(found.reasons)
    assert len(asked.server.requests) == 4


@pytest.mark.parametrize("reply", [Reply(wait=0.5), Reply(200, GOOD_BODY, trickle=0.02)])
def test_an_answer_must_be_whole_within_the_timeout(asked: Asked, reply: Reply) -> None:
    asked.server.fault(about(CALL), *[reply] * 3)
    found = asked.fetch(timeout=0.1)
    assert found.outcomes == {CALL: Outcome.UNAVAILABLE}
    assert found.reasons == {CALL: "polygon did not answer: no whole answer in 0.1 s"}
    assert len(asked.server.requests) == 3


def test_a_server_that_is_away_is_an_outcome() -> None:
    source = PolygonSource(KEY, Unlimited(), "http://127.0.0.1:1", 1.0)
    found = source.fetch([CALL], day(FIRST), day(LAST))
    assert found.outcomes == {CALL: Outcome.UNAVAILABLE}
    assert "127.0.0.1" not in found.reasons[CALL]


@pytest.mark.parametrize(
    ("stated", "pause"),
    [({}, 30.0), ({"Retry-After": "7"}, 7.0), ({"Retry-After": "9" * 30}, 300.0)]
    + [({"Retry-After": odd}, 30.0) for odd in ("soon", "", "-1", "٣", "0", "1.5", "9" * 9000)],
)
def test_a_429_pauses_everybody_and_then_the_contract_is_asked_again(
    asked: Asked, stated: dict[str, str], pause: float
) -> None:
    stated = {name: value.encode().decode("latin-1") for name, value in stated.items()}
    asked.server.fault(about(CALL), Reply(429, b"", stated))
    assert closes(asked.fetch()) == GOOD
    assert asked.limit.pauses == [timedelta(seconds=pause)]
    assert asked.limit.turns == 2


def test_a_429_may_state_a_date(asked: Asked) -> None:
    date = formatdate(time.time() + 100, usegmt=True)
    asked.server.fault(about(CALL), Reply(429, b"", {"Retry-After": date}))
    asked.fetch()
    (pause,) = asked.limit.pauses
    assert timedelta(seconds=30) < pause <= timedelta(seconds=100)


@pytest.mark.parametrize("reply", [as_json(TOO_OFTEN, 429), as_json(TOO_OFTEN)])
def test_a_source_that_stays_too_busy_is_left_alone(asked: Asked, reply: Reply) -> None:
    asked.server.fault(lambda request: True, *[reply] * 9)
    found = asked.fetch(CALL, PUT)
    assert found.outcomes == dict.fromkeys((CALL, PUT), Outcome.RATE_LIMITED)
    assert len(asked.limit.pauses) == len(asked.server.requests) == 3


def test_bars_that_are_delayed_are_bars(asked: Asked) -> None:
    assert asked.says(bar(FIRST, PRICE), status="DELAYED").outcomes == {CALL: Outcome.ROWS}


def test_a_compressed_answer_is_read(asked: Asked) -> None:
    body = Reply(200, gzip.compress(GOOD_BODY), {"Content-Encoding": "gzip"})
    asked.server.fault(about(CALL), body)
    assert closes(asked.fetch()) == [(CALL, "2026-01-14", 10.0)]


@pytest.mark.parametrize("ticker", [f"O:{PUT}", CALL, None, 7])
@pytest.mark.parametrize("results", [[], [bar(FIRST, PRICE)]])
def test_an_answer_for_another_contract_is_rejected(
    asked: Asked, ticker: object, results: list
) -> None:
    found = asked.says(*results, ticker=ticker)
    assert found.outcomes == {CALL: Outcome.REJECTED}
    assert found.rejected == (refused(CALL, FIRST, "wrong_symbol"),)
    assert found.reasons == {CALL: "every bar was refused: wrong_symbol"}
    assert (len(found.bars), found.single_series) == (0, frozenset())


def changed(**values: Any) -> dict[str, Any]:
    """A bar of the second session with other values."""
    return {**bar("2026-01-15", PRICE), **values}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (changed(c=0.0), "zero_price"),
        (changed(l=0), "zero_price"),
        (changed(o=-1.0), "negative_price"),
        (changed(h=8.0), "high_below_low"),
        (changed(v=-1), "bad_volume"),
        (changed(c=None), "no_price"),
        (changed(c=math.nan), "no_price"),
        (changed(h=math.inf), "non_finite_price"),
    ],
)
def test_an_impossible_bar_is_refused_and_the_others_are_kept(
    asked: Asked, bad: dict[str, Any], reason: str
) -> None:
    found = asked.says(bar(FIRST, PRICE), bad)
    assert found.rejected == (refused(CALL, "2026-01-15", reason),)
    assert closes(found) == [(CALL, FIRST, 10.0)]
    assert (found.outcomes, found.reasons) == ({CALL: Outcome.ROWS}, {})


UNREADABLE = (
    [None, 1, "bar", [], {}]
    + [changed(t=each) for each in (None, "1768453200000", 1e300, math.nan, 10**400)]
    + [changed(c=each) for each in ("10.0", True, 10**400)]
    + [changed(v=[])]
)


@pytest.mark.parametrize("bad", UNREADABLE)
def test_a_bar_that_cannot_be_read_is_refused_and_the_others_are_kept(
    asked: Asked, bad: object
) -> None:
    found = asked.says(bad, bar("2026-01-15", PRICE))
    assert found.rejected == (refused(CALL, FIRST, "unreadable_bar"),)
    assert closes(found) == [(CALL, "2026-01-15", 10.0)]


def test_bars_of_other_days_than_asked_for_are_refused(asked: Asked) -> None:
    stated = [bar(on, PRICE) for on in ("2026-01-13", FIRST, LAST, "2026-01-20")]
    found = asked.says(*stated)
    assert closes(found) == [(CALL, FIRST, 10.0), (CALL, LAST, 10.0)]
    assert found.rejected == (
        refused(CALL, "2026-01-13", "not_asked_for"),
        refused(CALL, "2026-01-20", "not_asked_for"),
    )


def test_days_without_trading_and_contradictions_are_refused(asked: Asked) -> None:
    stated = [bar("2026-01-19", PRICE), bar("2026-01-16", PRICE), bar("2026-01-20", PRICE)]
    stated += [stated[1], {**stated[2], "c": 9.5}]
    asked.server.fault(about(CALL), as_json(answer(f"O:{CALL}", stated)))
    found = asked.fetch(last="2026-01-20")
    assert closes(found) == [(CALL, "2026-01-16", 10.0)]
    assert set(found.rejected) == {
        refused(CALL, "2026-01-19", "not_a_session"),
        refused(CALL, "2026-01-20", "duplicate"),
    }


def test_a_contract_with_refused_bars_only_is_rejected_with_every_reason(asked: Asked) -> None:
    found = asked.says(bar(FIRST, (0, 0, 0, 0, 0)), "bar")
    assert found.outcomes == {CALL: Outcome.REJECTED}
    assert found.reasons == {CALL: "every bar was refused: unreadable_bar, zero_price"}


def test_what_a_bar_does_not_state_is_unknown(asked: Asked) -> None:
    found = asked.says({"t": bar(FIRST, PRICE)["t"], "c": 10.0, "o": None})
    assert found.bars.close.tolist() == found.bars.adj_close.tolist() == [10.0]
    for column in (found.bars.open, found.bars.high, found.bars.low, found.bars.volume):
        assert np.isnan(column).all()


def test_errors_of_the_limit_go_through(asked: Asked) -> None:
    class Away(Counted):
        def wait_for_turn(self) -> None:
            raise DatabaseUnavailable("the database cannot be reached")

    asked.limit = Away()
    with pytest.raises(DatabaseUnavailable):
        asked.fetch()
    assert asked.server.requests == []


def test_the_key_is_said_to_the_server_and_to_nobody_else(
    asked: Asked, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with LoopbackServer().running() as other:
        away = Reply(302, b"", {"Location": other.url})
        told = Reply(500, f"you are {KEY}".encode())
        faults = [*FAULTS.values(), away, told, Reply(429), Reply(400), Reply(403)]
        for reply in [*faults, Reply(wait=0.2), *[None] * 3]:
            if reply:
                asked.server.fault(about(CALL), *[reply] * 3)
            source = asked.source(timeout=0.1 if reply and reply.wait else 5.0)
            found = source.fetch([CALL], day(FIRST), day(LAST))
            assert KEY not in repr(found) + repr(source) + str(source)
            asked.server.heal()
        assert other.requests == []
    assert len(asked.errors) > len(faults)
    out = capfd.readouterr()
    assert KEY not in caplog.text + out.out + out.err + "".join(asked.errors)
    assert out.out == ""
