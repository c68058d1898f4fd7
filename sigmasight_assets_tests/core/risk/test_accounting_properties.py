"""What must hold for any book: invented ones that meet every rule of the accounting at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.risk.portfolio_snapshots import portfolio_snapshots, snapshot_book
from sigmasight_assets.core.risk.valuation import price_book
from sigmasight_assets.core.sessions import as_dates, between, offset
from sigmasight_assets.core.shapes.factors import Profiles, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns, PricePanel
from sigmasight_assets_tests.core.risk.books import Action, Lot, Owner, make_book, option, private

FIRST, LAST = date(2024, 1, 2), date(2024, 2, 2)
SESSIONS = as_dates(between(FIRST, LAST))
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "OPT1", "OPT2")
FACTORS = SymbolFactors(
    ("AAA", "CCC"),
    np.linspace(-1, 2, 24).reshape(2, 12),
    np.zeros((2, 8)),
    np.array([0.7, np.nan]),
)
PROFILES = Profiles(
    ("AAA", "BBB"),
    np.array(["Energy", "Basic Materials"], dtype=object),
    np.array(["EQUITY", "EQUITY"], dtype=object),
)

seeds = st.integers(0, 2**32 - 1)
quickly = settings(max_examples=25, deadline=None)


class World:
    """A few portfolios and their prices, drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.panel = self._panel()
        self.splits: list[Action] = [
            (str(self.rng.choice(SYMBOLS[:4])), self._day(), float(ratio)) for ratio in (4, 0.5)
        ]
        self.dividends: list[Action] = [
            (name, self._day(), float(self.rng.uniform(0.1, 2))) for name in SYMBOLS[:4]
        ]
        self.owners = [self._owner(f"p{n}") for n in range(int(self.rng.integers(1, 4)))]

    def _panel(self) -> PricePanel:
        days = between(offset(FIRST, -290), LAST)
        shape = (len(days), len(SYMBOLS))
        close = 50 * np.exp(np.cumsum(self.rng.normal(size=shape) * 0.02, axis=0))
        close[self.rng.random(shape) < 0.01] = np.nan
        close[-int(self.rng.integers(1, 20)) :, 3] = np.nan
        return PricePanel(SYMBOLS, days, close, close * np.linspace(0.9, 1, len(days))[:, None])

    def _day(self, earliest: int = 0) -> str:
        span = (LAST - FIRST).days
        return str(FIRST + timedelta(days=int(self.rng.integers(earliest, span + 1))))

    def _owner(self, name: str) -> Owner:
        lots = [self._lot() for _ in range(int(self.rng.integers(0, 9)))]
        flows = [(self._day(), float(self.rng.normal() * 500)) for _ in range(3)]
        inception = SESSIONS[int(self.rng.integers(0, 8))]
        equity = float(self.rng.uniform(500, 20_000))
        return Owner(equity, str(inception), lots, flows, id=name)

    def _lot(self) -> Lot:
        rng = self.rng
        quantity = float(rng.integers(1, 50)) * float(rng.choice([-1, 1]))
        price, entered = float(rng.uniform(20, 80)), self._day(-10)
        exit_terms: dict[str, object] = {}
        if rng.random() < 0.4:
            days = int(rng.integers(0, 15))
            exit_terms = {
                "exit_price": float(rng.uniform(20, 80)),
                "exit_date": str(date.fromisoformat(entered) + timedelta(days=days)),
                "exit_recorded_on": str(rng.choice([self._day(), "NaT"])),
            }
        kind = rng.random()
        if kind < 0.15:
            values = {self._day(-5): quantity * price * 1.1, self._day(): quantity * price * 0.9}
            return replace(private("P_ONE", quantity, price, entered, values), **exit_terms)
        if kind < 0.4:
            contract = option(
                str(rng.choice(["OPT1", "OPT2", "OPT3"])), quantity, price, entered,
                is_call=bool(rng.random() < 0.5), strike=float(rng.uniform(30, 70)),
                expiration=self._day(), underlying=str(rng.choice(["AAA", "DDD", "NOBODY"])),
            )  # fmt: skip
            return replace(contract, **exit_terms)
        symbol = str(rng.choice(["AAA", "BBB", "CCC", "DDD", "NEVER"]))
        return Lot(symbol, quantity, price, entered, recorded_on=self._day(), **exit_terms)  # type: ignore[arg-type]

    def rows(self, session: date, owners: list[Owner] | None = None) -> Columns:
        chosen = self.owners if owners is None else owners
        book = make_book(*chosen, splits=self.splits, dividends=self.dividends)
        return portfolio_snapshots(book, self.panel, session, FACTORS, PROFILES)

    def every_session(self, owners: list[Owner] | None = None) -> list[Columns]:
        """The rows of every session, from one preparation of the book."""
        chosen = self.owners if owners is None else owners
        book = make_book(*chosen, splits=self.splits, dividends=self.dividends)
        priced = price_book(book, self.panel)
        return [snapshot_book(priced, day, FACTORS, PROFILES).columns for day in SESSIONS]

    def changed(self, change: Callable[[Lot], list[Lot]]) -> list[Owner]:
        return [
            replace(owner, lots=[new for lot in owner.lots for new in change(lot)])
            for owner in self.owners
        ]


def same_bits(first: Columns, second: Columns) -> None:
    assert first.keys() == second.keys()
    for name, values in first.items():
        if values.dtype == object:
            assert values.tolist() == second[name].tolist(), name
        else:
            assert values.tobytes() == second[name].tobytes(), name


def nearly_same(first: Columns, second: Columns, scale: float) -> None:
    """Equal to 1e-9 of the money or of the number at stake."""
    for name, values in first.items():
        if values.dtype == np.float64:
            unit = scale if np.nanmax(np.abs(values), initial=0) > 100 or "pnl" in name else 1.0
            np.testing.assert_allclose(
                values, second[name], rtol=1e-9, atol=1e-9 * unit, err_msg=name
            )
        elif name == "sector_exposure":
            flat = [flattened(values), flattened(second[name])]
            assert flat[0].keys() == flat[1].keys()
            assert list(flat[0].values()) == pytest.approx(list(flat[1].values()), abs=1e-9)
        else:
            assert values.tolist() == second[name].tolist(), name


def flattened(documents: np.ndarray) -> dict[tuple[int, str, str], float]:
    return {
        (row, sector, side): weight
        for row, document in enumerate(documents)
        for sector, sides in (document or {}).items()
        for side, weight in sides.items()
    }


def money_at_stake(world: World) -> float:
    return 1e4 + sum(
        abs(lot.quantity) * 100 * (100 if lot.kind == "OPTIONS" else 4)
        for owner in world.owners
        for lot in owner.lots
    )


@quickly
@given(seeds)
def test_the_change_of_nav_is_what_was_earned_and_paid_in(seed: int):
    world = World(seed)
    days = world.every_session()
    before: dict[str, float] = {}
    for rows in days:
        after = dict(zip(rows["portfolio_id"], rows["net_asset_value"], strict=True))
        earned = dict(zip(rows["portfolio_id"], rows["daily_pnl"], strict=True))
        flowed = dict(zip(rows["portfolio_id"], rows["capital_flow"], strict=True))
        for owner, nav in before.items():
            assert after[owner] - nav == pytest.approx(
                earned[owner] + flowed[owner], abs=1e-9 * money_at_stake(world)
            )
        before = after


@quickly
@given(seeds)
def test_on_inception_nav_is_the_starting_equity_to_the_last_bit(seed: int):
    world = World(seed)
    for owner in world.owners:
        rows = world.rows(date.fromisoformat(owner.inception), [owner])
        assert rows["net_asset_value"].tolist() == [owner.equity]
        for name in ("total_pnl", "cumulative_pnl", "pnl_percent", "daily_pnl", "daily_return"):
            assert rows[name].tolist() == [0], name


@quickly
@given(seeds)
def test_cumulative_figures_are_the_sums_of_daily_ones(seed: int):
    world = World(seed)
    pairs = {
        "cumulative_pnl": "daily_pnl",
        "cumulative_realized_pnl": "realized_pnl",
        "cumulative_dividends": "dividends",
        "cumulative_capital_flow": "capital_flow",
    }
    sums: dict[tuple[str, str], float] = {}
    for rows in world.every_session():
        for cumulative, daily in pairs.items():
            for owner, total, part in zip(
                rows["portfolio_id"], rows[cumulative], rows[daily], strict=True
            ):
                key = (owner, cumulative)
                sums[key] = sums.get(key, 0.0) + part
                assert total == pytest.approx(sums[key], abs=1e-9 * money_at_stake(world)), key


@quickly
@given(seeds)
def test_nav_is_cash_and_the_value_of_what_is_open(seed: int):
    world = World(seed)
    for rows in world.every_session():
        np.testing.assert_allclose(
            rows["net_asset_value"],
            rows["cash_value"] + rows["long_value"] + rows["short_value"],
            atol=1e-9 * money_at_stake(world),
        )


@quickly
@given(seeds)
def test_reversing_every_position_negates_what_is_earned(seed: int):
    world = World(seed)

    def reverse(lot: Lot) -> list[Lot]:
        values = {text: -value for text, value in lot.values.items()}
        return [replace(lot, quantity=-lot.quantity, values=values)]

    reversed_days = world.every_session(world.changed(reverse))
    for rows, mirrored in zip(world.every_session(), reversed_days, strict=True):
        for name in ("daily_pnl", "realized_pnl", "unrealized_pnl", "dividends", "net_exposure"):
            assert (rows[name] == -mirrored[name]).all(), name


@quickly
@given(seeds, st.floats(0.01, 0.99))
def test_splitting_every_lot_in_two_changes_nothing(seed: int, part: float):
    world = World(seed)

    def halve(lot: Lot) -> list[Lot]:
        return [
            replace(
                lot,
                quantity=lot.quantity * share,
                values={text: value * share for text, value in lot.values.items()},
            )
            for share in (part, 1 - part)
        ]

    for rows, halved in zip(
        world.every_session()[::5], world.every_session(world.changed(halve))[::5], strict=True
    ):
        nearly_same(rows, halved, money_at_stake(world))


@quickly
@given(seeds)
def test_the_order_of_positions_changes_nothing(seed: int):
    world = World(seed)
    shuffled = [
        replace(owner, lots=[owner.lots[i] for i in world.rng.permutation(len(owner.lots))])
        for owner in world.owners
    ]
    for rows, other in zip(
        world.every_session()[::5], world.every_session(shuffled)[::5], strict=True
    ):
        nearly_same(rows, other, money_at_stake(world))


@quickly
@given(seeds)
def test_a_session_alone_has_the_same_bits_as_in_a_range(seed: int):
    world = World(seed)
    days = world.every_session()
    for i in world.rng.choice(len(SESSIONS), 4, replace=False):
        same_bits(world.rows(SESSIONS[i]), days[i])


@quickly
@given(seeds)
def test_a_portfolio_alone_has_the_same_bits_as_among_others(seed: int):
    world = World(seed)
    together = world.rows(LAST)
    for row, owner in enumerate(world.owners):
        alone = world.rows(LAST, [owner])
        same_bits(alone, {name: values[row : row + 1] for name, values in together.items()})


@quickly
@given(seeds)
def test_prices_after_the_session_and_before_its_history_do_not_matter(seed: int):
    world = World(seed)
    whole = world.panel
    for i in world.rng.choice(len(SESSIONS), 3, replace=False):
        rows = world.rows(SESSIONS[i])
        later = whole.row(SESSIONS[i]) + 1
        close, adjusted = whole.close.copy(), whole.adj_close.copy()
        close[later:] = world.rng.uniform(1, 500, close[later:].shape)
        adjusted[later:] = close[later:]
        world.panel = replace(whole, close=close, adj_close=adjusted)
        same_bits(world.rows(SESSIONS[i]), rows)
        kept = slice(10, later)
        world.panel = PricePanel(
            whole.symbols, whole.sessions[kept], whole.close[kept], whole.adj_close[kept]
        )
        same_bits(world.rows(SESSIONS[i]), rows)
        world.panel = whole


@quickly
@given(seeds)
def test_other_symbols_in_the_panel_do_not_matter(seed: int):
    world = World(seed)
    rows = world.rows(LAST)
    whole = world.panel
    extra = world.rng.uniform(1, 500, (len(whole.sessions), 2))
    world.panel = PricePanel(
        ("AA", *whole.symbols, "ZZ"),
        whole.sessions,
        np.column_stack([extra[:, 0], whole.close, extra[:, 1]]),
        np.column_stack([extra[:, 0], whole.adj_close, extra[:, 1]]),
    )
    same_bits(world.rows(LAST), rows)
