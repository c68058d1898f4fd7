"""The synthetic source answers like any other, with the same bits however it is asked."""

from __future__ import annotations

import csv
import hashlib
import random
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from sigmasight_assets.core import sessions
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.market.screening import screen
from sigmasight_assets.core.market.source import Outcome, PriceBars
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.market.synthetic_universe import GROUPS, known_symbols, traits
from sigmasight_assets.core.symbols import BENCHMARKS, canonical, classify
from sigmasight_assets_tests.core.market.bar_rows import FIELDS

DEMO = Path(__file__).parents[4] / "shared" / "demo" / "demo_portfolios.csv"
SOURCE = SyntheticSource()
FIRST, LAST = date(2025, 1, 2), date(2025, 12, 31)
MIXED = (
    "SPY",
    "NVDA",
    "FXNAX",
    "BIL",
    "UNHEARD",
    "ZZ9",
    "SPY270115C00680000",
    "TSLA270115P00330000",
)


def cells(bars: PriceBars) -> dict[tuple[str, str], bytes]:
    """(symbol, date) -> the bits of its values."""
    table = np.stack([getattr(bars, field) for field in FIELDS], axis=1)
    names = [bars.symbols[number] for number in bars.symbol]
    return {
        (name, str(day)): row.tobytes()
        for name, day, row in zip(names, bars.date, table, strict=True)
    }


def closes(symbol: str, first: date, last: date) -> np.ndarray:
    return SOURCE.fetch([symbol], first, last).bars.close


@pytest.fixture(scope="module")
def whole() -> dict[tuple[str, str], bytes]:
    return cells(SOURCE.fetch(MIXED, date(2022, 1, 3), date(2026, 6, 30)).bars)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2022, 1, 3), date(2022, 1, 3)),
        (date(2022, 1, 4), date(2022, 3, 1)),
        (date(2025, 7, 1), date(2025, 7, 1)),
        (date(2025, 6, 30), date(2025, 7, 3)),
        (date(2026, 6, 29), date(2026, 6, 30)),
    ],
)
def test_any_range_has_the_bits_of_the_whole(whole, first, last):
    part = cells(SOURCE.fetch(MIXED, first, last).bars)
    assert part == {key: whole[key] for key in whole if str(first) <= key[1] <= str(last)}
    assert len(part) == len(MIXED) * len(sessions.between(first, last))


def test_any_set_and_order_of_symbols_has_the_same_bits(whole):
    everyone = [*SOURCE.listed_symbols(), *MIXED]
    random.Random(3).shuffle(everyone)
    crowd = cells(SOURCE.fetch(everyone, FIRST, LAST).bars)
    for symbol in MIXED:
        alone = cells(SOURCE.fetch([symbol], FIRST, LAST).bars)
        assert alone == {key: bits for key, bits in crowd.items() if key[0] == symbol}
        assert alone == {key: whole[key] for key in alone}


def test_a_horizon_further_away_changes_nothing_before_it():
    near, far = (
        cells(SOURCE.fetch(["SPY", "ZZ9"], FIRST, last).bars) for last in (LAST, date(2035, 1, 2))
    )
    assert near == {key: far[key] for key in near}


def test_the_bits_are_these_on_every_machine():
    bars = SOURCE.fetch([*SOURCE.listed_symbols(), "UNHEARD"], FIRST, LAST).bars
    digest = hashlib.sha256()
    for field in FIELDS:
        digest.update(getattr(bars, field).astype("<f8").tobytes())
    assert digest.hexdigest() == (
        "f35b6956a97655e7afb5b2628999cd7d3327cd896ebd082f111d5290ee59719f"
    )


def test_bars_come_sorted_for_every_session_from_2022_on_and_none_before():
    answer = SOURCE.fetch(["ZZ9", "AAPL"], date(2021, 12, 1), date(2022, 2, 28))
    days = sessions.between(date(2022, 1, 3), date(2022, 2, 28))
    assert answer.source == "synthetic"
    assert answer.bars.symbols == ("AAPL", "ZZ9")
    assert answer.bars.date.tolist() == [*days.tolist(), *days.tolist()]
    assert answer.bars.symbol.tolist() == [0] * len(days) + [1] * len(days)
    before = SOURCE.fetch(["AAPL"], date(2021, 1, 4), date(2021, 12, 31))
    assert len(before.bars) == 0
    assert dict(before.outcomes) == {"AAPL": Outcome.NO_DATA}


def test_sessions_far_ahead_are_answered():
    # 260 weekdays, of which nine are holidays.
    assert len(closes("AAPL", date(2038, 1, 4), date(2038, 12, 31))) == 251


def test_screening_finds_nothing_to_refuse():
    names = [*SOURCE.listed_symbols(), *(f"X{number}" for number in range(200)), *MIXED]
    bars = SOURCE.fetch(names, date(2022, 1, 3), date(2030, 12, 31)).bars
    good, rejected = screen(bars)
    assert rejected == ()
    assert len(good) == len(bars)
    assert bars.close.min() > 0
    assert np.array_equal(bars.close, bars.adj_close)


def test_a_day_holds_its_open_and_close_between_its_extremes():
    names = [name for name in SOURCE.listed_symbols() if known_symbols()[name]["kind"] != "fund"]
    bars = SOURCE.fetch(names, FIRST, LAST).bars
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    assert np.mean(bars.high > bars.low) > 0.99
    assert np.all((bars.volume >= 1) & (bars.volume == np.floor(bars.volume)))
    usual, busy = np.quantile(bars.volume[bars.symbol == 0], [0.5, 0.99])
    assert busy > 1.5 * usual


def test_a_fund_has_one_price_a_day_and_no_volume():
    bars = SOURCE.fetch(["FCNTX"], FIRST, LAST).bars
    for field in ("open", "high", "low"):
        assert np.array_equal(getattr(bars, field), bars.close)
    assert not bars.volume.any()


@pytest.mark.parametrize(
    ("symbol", "outcome"),
    [
        ("TWO_SIGMA_FUND", Outcome.NO_DATA),
        ("PRIVATECO", Outcome.NO_DATA),
        ("", Outcome.NO_DATA),
        ("A B", Outcome.NO_DATA),
        ("A/B", Outcome.NO_DATA),
        ("É", Outcome.NO_DATA),
        ("A" * 22, Outcome.NO_DATA),
        ("A" * 21, Outcome.ROWS),
        ("NA", Outcome.ROWS),
        ("1E5", Outcome.ROWS),
        ("^TNX", Outcome.ROWS),
        ("BTC-USD", Outcome.ROWS),
        ("BRK-B", Outcome.ROWS),
    ],
)
def test_every_well_formed_public_symbol_has_prices_and_nothing_else_does(symbol, outcome):
    answer = SOURCE.fetch([symbol], FIRST, FIRST)
    assert dict(answer.outcomes) == {symbol: outcome}
    assert len(answer.bars) == (outcome is Outcome.ROWS)


def test_a_symbol_is_answered_in_its_stored_form():
    assert dict(SOURCE.fetch(["brk.b"], FIRST, FIRST).outcomes) == {"BRK-B": Outcome.ROWS}


def test_an_option_has_closes_until_its_expiration_and_not_after():
    answer = SOURCE.fetch(["SPY250718C00600000"], date(2025, 7, 14), date(2025, 7, 25))
    assert answer.bars.date[-1] == np.datetime64("2025-07-18")
    assert len(answer.bars) == 5
    spot = closes("SPY", date(2025, 7, 18), date(2025, 7, 18))[0]
    assert answer.bars.close[-1] == pytest.approx(max(spot - 600, 0.01), abs=1e-4)
    after = SOURCE.fetch(["SPY250718C00600000"], date(2025, 7, 21), date(2025, 7, 25))
    assert dict(after.outcomes) == {"SPY250718C00600000": Outcome.NO_DATA}


def test_an_option_expiring_on_a_closed_day_ends_on_the_session_before():
    bars = SOURCE.fetch(["SPY250704C00600000"], date(2025, 7, 1), date(2025, 7, 31)).bars
    assert bars.date[-1] == np.datetime64("2025-07-03")


def test_a_worthless_option_costs_one_cent():
    assert closes("SPY250718C09000000", date(2025, 7, 17), date(2025, 7, 18)).tolist() == [
        0.01,
        0.01,
    ]


def test_an_option_is_priced_by_black_scholes_at_its_underlyings_long_run_volatility():
    day, expiration = date(2025, 9, 15), date(2027, 1, 15)
    spot = closes("NVDA", day, day)[0]
    volatility, strike, years = traits("NVDA").volatility(), 170.0, (expiration - day).days / 365
    d1 = (np.log(spot / strike) + (0.04 + volatility**2 / 2) * years) / (volatility * years**0.5)
    d2 = d1 - volatility * years**0.5
    expected = spot * norm.cdf(d1) - strike * np.exp(-0.04 * years) * norm.cdf(d2)
    assert closes("NVDA270115C00170000", day, day)[0] == pytest.approx(expected, abs=1e-4)


def test_call_and_put_of_a_strike_are_at_parity_on_every_session():
    first, last = date(2025, 7, 1), date(2026, 12, 31)
    call, put = (closes(f"AAPL270115{side}00210000", first, last) for side in "CP")
    days = sessions.between(first, last)
    years = (np.datetime64("2027-01-15") - days).astype(float) / 365
    forward = closes("AAPL", first, last) - 210 * np.exp(-0.04 * years)
    above_floor = (call > 0.01) & (put > 0.01)
    assert above_floor.sum() > 350
    assert (call - put)[above_floor] == pytest.approx(forward[above_floor], abs=2e-4)


def test_the_sample_universe_holds_proxies_benchmarks_and_only_public_symbols():
    listed = SOURCE.listed_symbols()
    assert listed == tuple(sorted(set(listed)))
    assert {*PROXIES, *BENCHMARKS} <= set(listed)
    assert len(listed) > 200
    assert all(classify(symbol) == "PUBLIC" and canonical(symbol) == symbol for symbol in listed)


def test_the_table_of_known_symbols_is_sound():
    for symbol in known_symbols():
        known = traits(symbol)
        assert known.kind in {"stock", "etf", "fund"}
        assert known.group in GROUPS
        assert known.price > 1
        assert 0 <= known.residual <= 0.45
        assert 0 < known.volatility() < 0.7 or symbol == "BIL"


@pytest.mark.skipif(not DEMO.exists(), reason=f"the demo portfolios are not at {DEMO}")
def test_the_demo_portfolios_cost_their_entry_prices_at_inception():
    with DEMO.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["investment_class"] == "PUBLIC"]
    inception = date(2025, 7, 1)
    for row in rows:
        assert closes(row["symbol"], inception, inception)[0] == pytest.approx(
            float(row["entry_price"]), abs=0.006
        )
