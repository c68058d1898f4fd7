"""Who is asked for which symbol."""

from __future__ import annotations

import pytest

from sigmasight_assets.core.market.chains import PriceSources, entries_for
from sigmasight_assets.core.market.planning import UniverseEntry
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.symbols import InvestmentClass
from sigmasight_assets_tests.builders import StatedPrices, day

FIRST, SECOND = StatedPrices({}, name="first"), StatedPrices({}, name="second")
CHAIN = (FIRST, SECOND)


def entry(served_by: str | None, attempts: int = 0) -> UniverseEntry:
    since = day("2024-01-02")
    return UniverseEntry(
        "A", InvestmentClass.PUBLIC, served_by, since, since, since, attempts=attempts
    )


def is_asked(place: int, who: UniverseEntry, outcome: Outcome | None = None) -> bool:
    outcomes = {} if outcome is None else {"A": outcome}
    return bool(entries_for(place, CHAIN, [who], outcomes))


@pytest.mark.parametrize(("served_by", "attempts"), [(None, 0), ("first", 9), ("gone", 9)])
def test_the_preferred_source_is_asked_for_what_nobody_after_it_serves(
    served_by: str | None, attempts: int
) -> None:
    assert is_asked(0, entry(served_by, attempts))


def test_the_preferred_source_is_asked_three_times_for_what_the_second_serves() -> None:
    assert is_asked(0, entry("second", attempts=2))
    assert not is_asked(0, entry("second", attempts=3))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_symbol_is_passed_on_when_there_was_an_answer_without_a_price(outcome: Outcome) -> None:
    expected = outcome in {Outcome.NO_DATA, Outcome.REJECTED, Outcome.NO_SOURCE}
    assert is_asked(1, entry(None), outcome) is expected
    assert is_asked(1, entry("gone"), outcome) is expected


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_window_of_the_preferred_source_is_never_passed_on(outcome: Outcome) -> None:
    assert not is_asked(1, entry("first"), outcome)


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_the_second_source_goes_on_with_its_windows_unless_the_first_took_over(
    outcome: Outcome | None,
) -> None:
    assert is_asked(1, entry("second"), outcome) is (outcome is not Outcome.ROWS)


def test_each_class_has_its_own_chain() -> None:
    sources = PriceSources(public=CHAIN, options=(SECOND,))
    assert sources.chain(InvestmentClass.PUBLIC) == CHAIN
    assert sources.chain(InvestmentClass.OPTIONS) == (SECOND,)
