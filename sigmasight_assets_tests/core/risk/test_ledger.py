"""The oracle itself, by numbers worked on paper: nothing here touches the implementation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sigmasight_assets_tests.ledger import ledger
from sigmasight_assets_tests.ledger_inputs import (
    Dividend,
    Flow,
    Market,
    Portfolio,
    Position,
    Split,
    Valuation,
)

TUE, WED, THU, FRI = (date(2024, 1, day) for day in (2, 3, 4, 5))
SAT, MON = date(2024, 1, 6), date(2024, 1, 8)
WEEKDAYS = tuple(TUE + timedelta(n) for n in range(30) if (TUE + timedelta(n)).weekday() < 5)


def d(number: str | int) -> Decimal:
    return Decimal(number)


def market(*, splits=(), dividends=(), sessions=WEEKDAYS, **closes) -> Market:
    """closes: from the first session on, one close per session, None where there is none."""
    prices = {
        symbol: {
            day: d(close) for day, close in zip(sessions, column, strict=False) if close is not None
        }
        for symbol, column in closes.items()
    }
    return Market(sessions, prices, tuple(splits), tuple(dividends))


def lot(symbol="A", quantity=10, entry_price=50, entry_date=TUE, **more) -> Position:
    stated = {"id": symbol, "investment_class": "PUBLIC", "recorded_on": entry_date} | more
    return Position(
        symbol=symbol,
        quantity=d(quantity),
        entry_price=d(entry_price),
        entry_date=entry_date,
        **stated,
    )


def option(**more) -> Position:
    contract = {
        "symbol": "A240105P00100000",
        "investment_class": "OPTIONS",
        "underlying": "A",
        "strike": d(100),
        "expiration": FRI,
        "is_call": False,
    }
    return lot(**(contract | more))


def owner(*positions: Position, flows=(), equity=10_000) -> Portfolio:
    return Portfolio("P", TUE, d(equity), positions, tuple(flows))


def test_positions_count_at_their_price_on_inception_whatever_they_cost():
    row = ledger(owner(lot()), market(A=[100]), TUE)
    # 10 shares at 100 are 1,000 of the 10,000; the 500 gained before inception are no P&L
    assert (row.net_asset_value, row.cash_value, row.long_value) == (10_000, 9_000, 1_000)
    assert (row.unrealized_pnl, row.total_cost) == (500, 500)
    assert (row.daily_pnl, row.daily_return, row.total_pnl, row.pnl_percent) == (0, 0, 0, 0)


def test_a_held_position_earns_its_price_change():
    row = ledger(owner(lot(), lot("B", -5, 20)), market(A=[100, 110], B=[20, 24]), WED)
    # A: 10 x 10 = 100; B short: -5 x 4 = -20. NAV 10,000 + 80, cash 10,000 - 1,000 + 100
    assert (row.daily_pnl, row.net_asset_value, row.cash_value) == (80, 10_080, 9_100)
    assert (row.daily_return, row.pnl_percent) == (d("0.008"), d("0.8"))
    assert (row.long_value, row.short_value) == (1_100, -120)
    assert (row.gross_exposure, row.net_exposure) == (1_220, 980)


def test_a_weekend_entry_and_a_weekend_flow_belong_to_monday():
    book = owner(lot(entry_date=SAT, entry_price=90), flows=[Flow(SAT, d(2_500))])
    closes = market(A=[100, 100, 100, 95, 96])
    friday, monday = ledger(book, closes, FRI), ledger(book, closes, MON)
    # Monday: (96 - 90) x 10 = 60 on Friday's 10,000; 60 of the 12,500 paid in are 0.48 %
    assert (friday.num_positions, friday.capital_flow, friday.price_date) == (0, 0, None)
    assert (monday.daily_pnl, monday.daily_return, monday.capital_flow) == (60, d("0.006"), 2_500)
    assert (monday.net_asset_value, monday.cash_value) == (12_560, 11_600)
    assert (monday.pnl_percent, monday.cumulative_capital_flow) == (d("0.48"), 2_500)


def test_an_exit_earns_from_the_last_price_and_realizes_against_the_entry_price():
    sold = lot(exit_date=WED, exit_price=d(104))
    wed, thu = (ledger(owner(sold), market(A=[100, 110, 120]), day) for day in (WED, THU))
    # daily (104 - 100) x 10 = 40, realized (104 - 50) x 10 = 540
    assert (wed.daily_pnl, wed.realized_pnl, wed.cumulative_realized_pnl) == (40, 540, 540)
    assert (wed.net_asset_value, wed.cash_value, wed.num_positions) == (10_040, 10_040, 0)
    assert (thu.daily_pnl, thu.realized_pnl, thu.cumulative_realized_pnl) == (0, 0, 540)


def test_a_round_trip_within_one_session_earns_exit_less_entry():
    trip = lot(entry_date=SAT, entry_price=90, exit_date=MON, exit_price=d(93))
    row = ledger(owner(trip), market(A=[100] * 5), MON)
    assert (row.daily_pnl, row.realized_pnl, row.net_asset_value) == (30, 30, 10_030)


def test_trades_and_flows_up_to_inception_are_already_in_the_starting_equity():
    gone = lot(entry_date=date(2023, 12, 1), exit_date=TUE, exit_price=d(300))
    row = ledger(owner(gone, flows=[Flow(TUE, d(500))]), market(A=[100, 200]), WED)
    assert (row.net_asset_value, row.cumulative_realized_pnl) == (10_000, 0)
    assert (row.capital_flow, row.cumulative_capital_flow) == (0, 0)


def test_a_split_changes_no_value_in_any_session():
    # 10 shares at 400 before a 4:1 split on Thursday are 40 at 100; they are sold on Friday at
    # 110, stated after the split: proceeds 4,400, realized 4,400 - 4,000
    held = lot(entry_price=400, exit_date=FRI, exit_price=d(110), exit_recorded_on=FRI)
    closes = market(A=[100, 100, 100, 105], splits=[Split("A", THU, d(4))])
    for day in (TUE, WED, THU):
        row = ledger(owner(held), closes, day)
        assert (row.long_value, row.total_cost, row.daily_pnl) == (4_000, 4_000, 0)
    row = ledger(owner(held), closes, FRI)
    assert (row.daily_pnl, row.realized_pnl, row.net_asset_value) == (400, 400, 10_400)


def test_figures_recorded_on_the_ex_date_or_later_are_left_alone():
    held = lot(entry_price=100, recorded_on=THU)
    row = ledger(owner(held), market(A=[100, 100], splits=[Split("A", THU, d(4))]), WED)
    assert (row.long_value, row.total_cost) == (1_000, 1_000)


def test_dividends_go_to_what_was_held_the_session_before_and_shorts_pay():
    held, short = lot(), lot("B", -4, 20)
    late = lot("A", 100, 100, entry_date=THU, id="late")
    sold = lot("A", 1, 50, exit_date=THU, exit_price=d(100), id="sold")
    payments = [Dividend("A", THU, d(2)), Dividend("B", THU, d(3)), Dividend("A", TUE, d(9))]
    closes = market(A=[100] * 3, B=[20] * 3, dividends=payments)
    row = ledger(owner(held, short, late, sold), closes, THU)
    # (10 + 1) x 2 - 4 x 3; the one of inception day and the late buyer's do not count
    assert (row.dividends, row.cumulative_dividends, row.daily_pnl) == (10, 10, 10)
    assert ledger(owner(held, short), closes, WED).dividends == 0


def test_an_option_in_the_money_is_closed_in_cash_at_intrinsic_value():
    written = option(quantity=-2, entry_price=3)
    closes = market(A=[100, 99, 98, 94], A240105P00100000=[3, 4, 5, 7])
    thu, fri = (ledger(owner(written), closes, day) for day in (THU, FRI))
    # inception cash 10,000 + 2 x 100 x 3; Friday pays 2 x 100 x (100 - 94) = 1,200
    assert (thu.short_value, thu.net_asset_value) == (-1_000, 9_600)
    assert (fri.daily_pnl, fri.realized_pnl, fri.cash_value) == (-200, -600, 9_400)
    assert (fri.num_positions, fri.num_option_positions) == (0, 0)


@pytest.mark.parametrize(("expiration", "closing_session"), [(FRI, FRI), (SAT, FRI), (MON, MON)])
def test_an_option_is_closed_on_the_last_session_up_to_its_expiration(expiration, closing_session):
    held = option(expiration=expiration, entry_price=3)
    closes = market(A=[200] * 5, A240105P00100000=[3] * 5)
    for day in (THU, FRI, MON):
        row = ledger(owner(held), closes, day)
        assert row.num_option_positions == (day < closing_session)
        assert row.daily_pnl == (-3_000 if day == closing_session else 0)


def test_the_strike_meets_the_close_as_traded_on_the_closing_session():
    # the stored 25 is a close of 100 before the 4:1 split of the Monday after: nothing is due
    closes = market(A=[25] * 4, A240105P00100000=[3] * 4, splits=[Split("A", MON, d(4))])
    assert ledger(owner(option(entry_price=3)), closes, FRI).realized_pnl == -3_000


def test_an_option_whose_underlying_never_had_a_price_is_closed_at_its_own():
    closes = market(A240105P00100000=[3, 4, 6, None])
    row = ledger(owner(option(entry_price=3)), closes, FRI)
    # closed at Thursday's 6: 10 x 100 x (6 - 3); the guess is stated on the day it is made
    assert (row.daily_pnl, row.realized_pnl, row.num_positions) == (0, 3_000, 0)
    assert (row.is_partial, row.missing_symbols) == (True, (("A240105P00100000", "stale"),))
    assert not ledger(owner(option(entry_price=3)), closes, MON).is_partial


def test_an_option_without_any_price_is_closed_at_what_it_cost():
    row = ledger(owner(option(entry_price=3)), market(), FRI)
    assert (row.daily_pnl, row.realized_pnl, row.num_positions) == (0, 0, 0)
    assert row.missing_symbols == (("A240105P00100000", "at_cost"),)


def test_an_option_closed_against_an_old_close_of_its_underlying_says_so():
    closes = market(A=[90], A240105P00100000=[3] * 7)
    held = option(entry_price=3, expiration=WEEKDAYS[6])
    row = ledger(owner(held), closes, WEEKDAYS[6])
    assert (row.realized_pnl, row.price_date) == (7_000, None)
    assert row.missing_symbols == (("A240105P00100000", "stale"),)


def test_an_exit_recorded_by_the_owner_replaces_the_expiration():
    held = option(entry_price=3, exit_date=MON, exit_price=d(1))
    closes = market(A=[50] * 5, A240105P00100000=[3, 3, 3, 2])
    fri, mon = (ledger(owner(held), closes, day) for day in (FRI, MON))
    assert (fri.num_option_positions, fri.daily_pnl) == (1, -1_000)
    assert (mon.num_option_positions, mon.daily_pnl) == (0, -1_000)


def test_a_close_is_stale_when_more_than_five_sessions_old():
    closes = market(A=[100], B=[50] * 9)
    fifth, sixth = (ledger(owner(lot(), lot("B")), closes, WEEKDAYS[n]) for n in (5, 6))
    assert (fifth.is_partial, fifth.missing_symbols) == (False, ())
    assert (sixth.is_partial, sixth.missing_symbols) == (True, (("A", "stale"),))
    assert (sixth.long_value, sixth.price_date) == (1_500, WEEKDAYS[6])


def test_a_close_older_than_280_sessions_is_no_price():
    days = tuple(TUE + timedelta(n) for n in range(300))
    book = replace(owner(lot()), inception=days[100])
    closes = market(A=[100], sessions=days)
    last, beyond = (ledger(book, closes, days[n]) for n in (279, 280))
    assert (last.long_value, last.missing_symbols) == (1_000, (("A", "stale"),))
    assert (beyond.long_value, beyond.missing_symbols) == (500, (("A", "at_cost"),))
    assert (beyond.daily_pnl, beyond.price_date) == (-500, None)


def test_a_private_lot_is_worth_what_its_owner_last_said():
    said = (Valuation(SAT, d(9_500)), Valuation(WED, d(600)))
    fund = lot("A_FUND", investment_class="PRIVATE", valuations=said)
    tue, wed, mon = (ledger(owner(fund), market(), day) for day in (TUE, WED, MON))
    assert (tue.long_value, tue.missing_symbols) == (500, (("A_FUND", "at_cost"),))
    assert (wed.long_value, wed.daily_pnl, wed.is_partial) == (600, 100, False)
    assert (mon.long_value, mon.daily_pnl, mon.price_date) == (9_500, 8_900, None)
    # cash 10,000 - 500, so half of 19,000
    assert (mon.net_asset_value, mon.private_allocation_pct) == (19_000, 50)


def test_counts_and_concentration_net_the_lots_of_a_symbol():
    lots = [lot("A", 80), lot("A", -30), lot("B", -30), lot("C", 20), lot("D", 7), lot("D", -7)]
    row = ledger(owner(*lots), market(A=[10], B=[10], C=[10], D=[10]), TUE)
    # netted 500, -300, 200 and nothing of D: weights .5 .3 .2 0
    assert (row.num_positions, row.num_long_positions, row.num_short_positions) == (4, 2, 1)
    assert (row.hhi, row.top_3_concentration, row.top_10_concentration) == (3_800, 1, 1)
    assert row.effective_num_positions == pytest.approx(d(10_000) / 3_800)
    assert (row.gross_exposure, row.net_exposure) == (1_740, 400)


def test_a_book_that_nets_to_nothing_has_no_concentration():
    row = ledger(owner(lot("A", 7), lot("A", -7)), market(A=[10]), TUE)
    assert (row.num_positions, row.num_long_positions, row.num_short_positions) == (1, 0, 0)
    assert (row.hhi, row.effective_num_positions, row.top_3_concentration) == (None, None, None)


def test_without_equity_there_is_no_return_and_no_percentage():
    book = owner(lot(), flows=[Flow(WED, d(-12_000))])
    closes = market(A=[100, 110, 130])
    wed, thu = ledger(book, closes, WED), ledger(book, closes, THU)
    assert (wed.net_asset_value, wed.daily_return, wed.pnl_percent) == (-1_900, d("0.01"), None)
    assert (thu.daily_pnl, thu.daily_return) == (200, None)


def test_nothing_is_kept_before_inception():
    with pytest.raises(ValueError, match="begins on 2024-01-03"):
        ledger(replace(owner(), inception=WED), market(), TUE)
