"""How much the PUBLIC positions of a portfolio move together (methodology, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.risk.correlation_stacks import (
    SymbolSets,
    Universe,
    summaries_and_matrices,
)
from sigmasight_assets.core.risk.holdings import Holdings, coverage_pct, public_holdings
from sigmasight_assets.core.risk.pairwise_correlations import MINIMUM, WINDOW, return_window
from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.result_columns import documents, session_column
from sigmasight_assets.core.risk.sectors import UNCLASSIFIED, sector_names
from sigmasight_assets.core.shapes.book import Book, Ints, Texts, Valuation
from sigmasight_assets.core.shapes.factors import Profiles
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel

_LIMITED_RETURNS: Final = 60
_LIMITED_COVERAGE: Final = 90.0


@dataclass(frozen=True)
class _Candidates:
    """H symbols of P portfolios, by portfolio and symbol, and why some are left out.

    owner: (H,) 0 to P-1. symbol: (H,) index into the universe. value: (H,) USD, signed.
    reason: (H,) '' for a symbol that has its place in the matrix.
    """

    portfolios: int
    owner: Ints
    symbol: Ints
    value: Floats
    reason: Texts


def correlations(
    book: Book, valuation: Valuation, panel: PricePanel, profiles: Profiles, session: date
) -> tuple[Columns, Columns]:
    """Rows of correlation_calculations and of correlation_matrices, one each per portfolio.

    Every portfolio that exists has both rows, whatever it holds. Log returns of adj_close over
    90 sessions, at least 30 common ones per pair. Excluded symbols are listed as
    insufficient_history (fewer than 30 returns), no_variance or zero_weight (lots that cancel).
    Weights and shares are of the gross value of the symbols in the matrix. The figures are NaN
    with fewer than two symbols or where no pair is known, and the quality is then insufficient;
    coverage_pct (0-100) is NaN without PUBLIC value. Unknown correlations are NaN.
    """
    held = public_holdings(book, valuation)
    universe = _universe(held, panel, profiles, session)
    portfolios = np.flatnonzero(valuation.exists)
    held_by = _candidates(held, portfolios, universe)
    summaries, matrices = summaries_and_matrices(_sets(held_by), universe)
    coverage = _coverage(held_by)
    key: Columns = {
        "portfolio_id": book.portfolios.id[portfolios],
        "calculation_date": session_column(session, len(portfolios)),
    }
    calculations = {
        **summaries,
        "symbols_included": np.array([len(each) for each in matrices["symbols"]], dtype=np.int64),
        "symbols_excluded": _excluded(held_by, universe),
        "coverage_pct": coverage,
        "data_quality": _quality(summaries["overall_correlation"], held_by, coverage, universe),
    }
    return {**key, **calculations}, {**key, **matrices}


def _universe(held: Holdings, panel: PricePanel, profiles: Profiles, session: date) -> Universe:
    symbols = np.unique(held.symbol)
    sector = sector_names(profiles, symbols)
    return Universe(
        symbols,
        np.where(sector == UNCLASSIFIED, "", sector),
        return_window(panel, tuple(symbols.tolist()), session),
    )


def _candidates(held: Holdings, portfolios: Ints, universe: Universe) -> _Candidates:
    window, symbol = universe.window, np.searchsorted(universe.symbols, held.symbol)
    unfit = np.where(
        window.count < MINIMUM,
        "insufficient_history",
        np.where(window.varies, "", "no_variance"),
    )
    return _Candidates(
        len(portfolios),
        np.searchsorted(portfolios, held.portfolio),
        symbol,
        held.net_value,
        np.where(held.net_value == 0, "zero_weight", unfit[symbol]),
    )


def _sets(held: _Candidates) -> SymbolSets:
    kept = held.reason == ""
    owner, value = held.owner[kept], held.value[kept]
    gross = np.bincount(owner, np.abs(value), held.portfolios)
    return SymbolSets(
        np.bincount(owner, minlength=held.portfolios), held.symbol[kept], value / gross[owner]
    )


def _coverage(held: _Candidates) -> Floats:
    """(P,) 0-100 of gross PUBLIC value."""
    gross, kept = np.abs(held.value), held.reason == ""
    whole, covered = (
        portfolio_sums(held.owner, gross, counted, held.portfolios)
        for counted in (np.ones_like(kept), kept)
    )
    return coverage_pct(covered, whole, otherwise=np.nan)


def _excluded(held: _Candidates, universe: Universe) -> NDArray[Any]:
    """(P,) lists of {symbol, reason}; portfolios without any share an empty one."""
    lists = documents([[]] * held.portfolios)
    for each in np.flatnonzero(held.reason != ""):
        told = {
            "symbol": str(universe.symbols[held.symbol[each]]),
            "reason": str(held.reason[each]),
        }
        lists[held.owner[each]] = [*lists[held.owner[each]], told]
    return lists


def _quality(
    overall: Floats, held: _Candidates, coverage: Floats, universe: Universe
) -> NDArray[Any]:
    """(P,) 'insufficient' without figures, else 'limited' or 'sufficient'."""
    kept = held.reason == ""
    returns = np.full(held.portfolios, WINDOW)
    np.minimum.at(returns, held.owner[kept], universe.window.count[held.symbol[kept]])
    limited = (returns < _LIMITED_RETURNS) | (coverage < _LIMITED_COVERAGE)
    return np.where(np.isnan(overall), "insufficient", np.where(limited, "limited", "sufficient"))
