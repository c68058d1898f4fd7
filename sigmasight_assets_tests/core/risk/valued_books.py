"""Books with the values of their lots written down directly, for tests of what follows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from hypothesis import strategies as st

from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS
from sigmasight_assets.core.shapes.book import Book, Valuation
from sigmasight_assets.core.shapes.factors import SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns
from sigmasight_assets_tests.core.risk.books import Lot, Owner, make_book

SESSION = date(2025, 6, 30)


@dataclass(frozen=True)
class Held:
    """One lot worth `value` USD; ids follow the order given unless all are stated."""

    symbol: str
    value: float
    kind: str = "PUBLIC"
    is_open: bool = True
    id: str = ""


@dataclass(frozen=True)
class Owned:
    nav: float
    lots: tuple[Held, ...] = ()
    exists: bool = True
    id: str = "p"


def owned(nav: float, *lots: Held, exists: bool = True, id: str = "p") -> Owned:
    return Owned(nav, lots, exists, id)


def valued(*owners: Owned) -> tuple[Book, Valuation]:
    """The book and its valuation; a lot's quantity is its value, its price 1."""
    ordered = sorted(owners, key=lambda owner: owner.id)
    book = make_book(
        *(Owner(owner.nav, "2025-01-02", _lots(owner), id=owner.id) for owner in ordered)
    )
    is_open = np.isnat(book.lots.exit_date)
    return book, Valuation(
        is_open,
        np.where(is_open, book.lots.quantity, 0.0),
        np.where(is_open, 1.0, np.nan),
        np.array([owner.exists for owner in ordered], dtype=bool),
        np.array([owner.nav if owner.exists else np.nan for owner in ordered], dtype=float),
    )


def _lots(owner: Owned) -> list[Lot]:
    return [
        Lot(
            lot.symbol,
            lot.value,
            1.0,
            "2025-01-02",
            exit_date="NaT" if lot.is_open else "2025-02-03",
            kind=lot.kind,
            id=lot.id or f"{owner.id}/{number:06}",
        )
        for number, lot in enumerate(owner.lots)
    ]


@dataclass(frozen=True)
class Betas:
    """Betas of one symbol by column; those not named are unknown."""

    named: dict[str, float] = field(default_factory=dict)
    joint: tuple[float, ...] | None = None
    provider: float = np.nan


def factors_of(betas: dict[str, Betas]) -> SymbolFactors:
    symbols = tuple(sorted(betas))
    unknown = (np.nan,) * len(JOINT_COLUMNS)
    return SymbolFactors(
        symbols,
        np.array(
            [[betas[s].named.get(column, np.nan) for column in BETA_COLUMNS] for s in symbols]
        ).reshape(len(symbols), len(BETA_COLUMNS)),
        np.array([betas[s].joint or unknown for s in symbols]).reshape(len(symbols), len(unknown)),
        np.array([betas[s].provider for s in symbols], dtype=float),
    )


def records(columns: Columns) -> list[dict[str, object]]:
    """Rows as dictionaries of plain values."""
    lengths = {len(values) for values in columns.values()}
    assert len(lengths) == 1, f"columns of unequal lengths: {lengths}"
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(values.tolist() for values in columns.values()), strict=True)
    ]


def bits_of(columns: Columns, portfolios: Iterable[str]) -> list[str]:
    """The exact values of some portfolios' rows: repr of a double names every bit."""
    wanted = set(portfolios)
    return [repr(row) for row in records(columns) if row["portfolio_id"] in wanted]


WORLD = tuple(f"S{number:02}" for number in range(12))
"""Symbols that random portfolios hold: some have all betas, some have gaps, the last has none."""


def random_factors(seed: int = 3) -> SymbolFactors:
    rng = np.random.default_rng(seed)
    betas, joint = rng.normal(0.8, 1.0, (11, 12)), rng.normal(0.3, 0.8, (11, 8))
    betas[rng.random(betas.shape) < 0.15] = np.nan
    joint[7:] = np.nan
    provider = np.where(np.arange(11) % 3 == 0, 1.1, np.nan)
    return SymbolFactors(WORLD[:11], betas, joint, provider)


_lots_drawn = st.builds(
    Held,
    st.sampled_from(WORLD),
    st.floats(1.0, 1e6).flatmap(lambda size: st.sampled_from([size, -size])),
    st.sampled_from(["PUBLIC", "PUBLIC", "PUBLIC", "OPTIONS", "PRIVATE"]),
    st.booleans() | st.just(True),
)


def portfolios_drawn(least: int = 1, most: int = 4) -> st.SearchStrategy[list[Owned]]:
    """Portfolios p0, p1, ..., some empty, some without a positive NAV, some not yet existing."""
    one = st.builds(
        Owned,
        st.floats(-1e4, 1e6).filter(lambda nav: abs(nav) > 1),
        st.lists(_lots_drawn, max_size=8).map(tuple),
        st.booleans() | st.just(True),
    )
    return st.lists(one, min_size=least, max_size=most).map(
        lambda found: [
            Owned(owner.nav, owner.lots, owner.exists, f"p{number}")
            for number, owner in enumerate(found)
        ]
    )
