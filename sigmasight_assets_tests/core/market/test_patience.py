"""How a source is asked again, held back, and left alone."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.patience import Patience, Unlimited, stated_pause
from sigmasight_assets_tests.core.market.yahoo_asking import CountedLimit

DOWN = SourceUnavailable("stated", "down")
BUSY = RateLimited("stated", None)


class Script:
    """A question that is answered as stated, one word per try, and then with "fine"."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.tries = 0

    def __call__(self):
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else "fine"
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pauses:
    """A budget that only remembers its pauses."""

    def __init__(self) -> None:
        self.spans: list[float] = []

    def wait_for_turn(self) -> None:
        pass

    def pause(self, span: timedelta) -> None:
        self.spans.append(span.total_seconds())


def patience(limit=None, first_wait=0.0) -> Patience:
    return Patience("stated", limit or Unlimited(), first_wait)


def fail(asked: Patience, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SourceUnavailable):
            asked.ask(Script(*[DOWN] * 3))


@pytest.mark.parametrize("fault", [DOWN, BUSY])
def test_what_passes_within_three_tries_is_answered(fault):
    question = Script(fault, fault)
    assert patience().ask(question) == "fine"
    assert question.tries == 3


def test_the_third_failure_is_raised_as_it_is():
    question = Script(*[DOWN] * 3)
    with pytest.raises(SourceUnavailable) as raised:
        patience().ask(question)
    assert raised.value is DOWN
    assert question.tries == 3


@pytest.mark.parametrize("final", [SourceRefused("stated", "wrong key"), ValueError("a bug")])
def test_what_another_try_cannot_change_is_raised_at_once(final):
    question = Script(final)
    with pytest.raises(type(final)):
        patience().ask(question)
    assert question.tries == 1


def test_tries_wait_longer_and_longer_and_never_over_the_limit():
    asked, waits = patience(first_wait=0.02), []
    for _ in range(10):
        started = time.monotonic()
        asked.ask(Script(DOWN, DOWN))
        waits.append(time.monotonic() - started)
    assert max(waits) < 0.02 + 0.04 + 0.05
    assert len({round(wait, 4) for wait in waits}) > 1


def test_after_twenty_failures_in_a_row_nothing_is_asked_any_more():
    asked = patience(first_wait=0.0)
    fail(asked, 20)
    question = Script()
    with pytest.raises(SourceUnavailable, match="left alone"):
        asked.ask(question)
    assert question.tries == 0


def test_a_source_that_is_left_alone_costs_no_waiting():
    asked = patience(first_wait=0.0)
    fail(asked, 20)
    asked._first_wait = 5.0
    started = time.monotonic()
    for _ in range(100):
        with pytest.raises(SourceUnavailable):
            asked.ask(Script())
    assert time.monotonic() - started < 0.5


def test_whoever_leaves_does_not_try_again_even_when_others_are_answered():
    asked = patience(first_wait=0.0)

    def fails_as_the_run_ends():
        asked.give_up()
        raise DOWN

    question = Script()
    with pytest.raises(SourceUnavailable):
        asked.ask(fails_as_the_run_ends)
    with pytest.raises(SourceUnavailable, match="is ending"):
        asked.ask(question)
    assert question.tries == 0


def test_an_answer_between_failures_begins_the_count_anew():
    asked = patience()
    fail(asked, 19)
    asked.ask(Script())
    fail(asked, 19)
    assert asked.ask(Script()) == "fine"


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("7", timedelta(seconds=7)),
        (" 90 ", timedelta(seconds=90)),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_a_retry_after_that_states_no_time_to_come_is_none(stated, wanted):
    assert stated_pause(stated) == wanted


def test_a_retry_after_may_be_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert timedelta(minutes=9) < stated_pause(later) <= timedelta(minutes=10)


@pytest.mark.parametrize("absurd", ["9" * 30, "Wed, 21 Oct 2999 07:28:00 GMT"])
def test_an_absurd_retry_after_is_five_minutes_at_most(absurd):
    limit = Pauses()
    patience(limit).ask(Script(RateLimited("stated", stated_pause(absurd))))
    assert limit.spans[0] <= 300


def test_pauses_are_as_long_as_asked_for_and_at_most_five_minutes():
    limit = Pauses()
    asked = patience(limit)
    asked.ask(Script(RateLimited("stated", timedelta(seconds=7))))
    asked.ask(Script(RateLimited("stated", timedelta(hours=1))))
    assert limit.spans == [7, 300]


def test_unstated_pauses_double_and_after_the_third_the_source_is_left_alone():
    limit = Pauses()
    asked = patience(limit)
    with pytest.raises(RateLimited):
        asked.ask(Script(*[BUSY] * 3))
    assert limit.spans == [30, 60, 120]
    question = Script()
    with pytest.raises(RateLimited):
        asked.ask(question)
    assert question.tries == 0


def test_an_answer_after_a_pause_begins_the_doubling_anew():
    limit = Pauses()
    asked = patience(limit)
    for _ in range(4):
        assert asked.ask(Script(BUSY, BUSY)) == "fine"
    assert limit.spans == [30, 60] * 4


def together(asked: Patience, *questions) -> list:
    """Ask from one thread each, all under way before the first is answered."""
    ready, told = threading.Barrier(len(questions)), []

    def ask(question) -> None:
        first = [True]

        def under_way():
            if first.pop() if first else False:
                ready.wait()
            return question()

        try:
            told.append(asked.ask(under_way))
        except (RateLimited, SourceUnavailable) as error:
            told.append(error)

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_requests_that_were_under_way_together_make_one_pause():
    limit = Pauses()
    assert together(patience(limit, 0.2), *[Script(BUSY) for _ in range(5)]) == ["fine"] * 5
    assert limit.spans == [30]


def test_an_answer_that_was_under_way_at_a_pause_does_not_end_the_doubling():
    limit = Pauses()
    asked = patience(limit)
    late = threading.Event()

    def slow():
        late.wait()
        return "fine"

    thread = threading.Thread(target=asked.ask, args=(slow,))
    thread.start()

    def busy_then_late():
        if len(limit.spans) == 1:
            late.set()
            thread.join()
        raise BUSY

    with pytest.raises(RateLimited):
        asked.ask(busy_then_late)
    assert limit.spans == [30, 60, 120]


def test_nobody_sends_a_request_during_a_pause():
    limit = CountedLimit()
    asked = patience(limit)
    sent = []

    def question():
        limit.wait_for_turn()
        sent.append(time.monotonic())
        if len(sent) == 1:
            raise RateLimited("stated", timedelta(seconds=0.3))
        return "fine"

    assert asked.ask(question) == "fine"
    assert sent[1] - sent[0] >= 0.3


def test_pauses_are_logged_without_what_was_asked(caplog):
    with caplog.at_level("WARNING"):
        patience(Pauses()).ask(Script(BUSY))
    assert [record.message for record in caplog.records] == ["stated asks for a pause: 30 s"]
