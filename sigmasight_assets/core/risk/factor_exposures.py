"""What portfolios are exposed to (methodology, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.factors import BETA_COLUMNS, FACTORS, PROVIDER_FACTOR
from sigmasight_assets.core.risk.holdings import (
    coverage_pct,
    open_lots,
    open_public_lots,
)
from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.result_columns import (
    session_column,
    symbol_lists,
    without_reason,
)
from sigmasight_assets.core.shapes.book import Book, Ints, Texts, Valuation
from sigmasight_assets.core.shapes.factors import SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns, Floats, locate

_NAMES: Final = tuple(factor.name for factor in (*FACTORS, PROVIDER_FACTOR))
_BY_NAME: Final = np.argsort(np.array(_NAMES))


@dataclass(frozen=True)
class FactorExposures:
    """Exposures of the E existing portfolios.

    reason: (E,) object, None, 'no_public_positions' or 'non_positive_nav'.
    dollar: (E, 12) USD in the order of BETA_COLUMNS; NaN where there is a reason, and for a
    factor that no PUBLIC position of the portfolio has.
    rows: of factor_exposures. position_rows: of position_factor_exposures.
    """

    reason: NDArray[Any]
    dollar: Floats
    rows: Columns
    position_rows: Columns


@dataclass(frozen=True)
class _PublicLots:
    """Open PUBLIC lots, L of them, of P portfolios, whether these exist or not.

    beta: (L, 13), the twelve factors and the provider's.
    """

    portfolios: int
    lot: Ints
    portfolio: Ints
    symbol: Texts
    value: Floats
    beta: Floats


def factor_exposures(
    book: Book, valuation: Valuation, factors: SymbolFactors, session: date
) -> FactorExposures:
    """Exposures per portfolio and per position (methodology, section 5).

    exposure_dollar_f = sum of MV_i x beta_if over open PUBLIC lots with that beta, in order of
    position id; exposure_value_f divides it by NAV, exposure_invested_f by the gross value of
    open PUBLIC and OPTIONS lots (NaN where that is 0). coverage_pct is 0-100 of gross PUBLIC
    value, 0 where that is 0. The provider's beta has a row only where a position has one. A
    portfolio with a reason has no rows in either table; having no PUBLIC position comes before
    the sign of its NAV.
    """
    public = _public_lots(book, valuation, factors)
    reason = _reasons(public, valuation)
    dollar = _dollars(public)
    dollar[~without_reason(reason)] = np.nan
    return FactorExposures(
        reason[valuation.exists],
        dollar[valuation.exists, : len(FACTORS)],
        _portfolio_rows(book, valuation, public, dollar, session),
        _position_rows(book, valuation, public, reason, session),
    )


def _public_lots(book: Book, valuation: Valuation, factors: SymbolFactors) -> _PublicLots:
    lot = open_public_lots(book, valuation)
    symbol = book.lots.symbol[lot]
    known = np.column_stack([factors.betas, factors.provider_beta])
    # Index -1, that of a symbol without a row, leads to the last row: no betas.
    betas = np.vstack([known, np.full((1, known.shape[1]), np.nan)])
    return _PublicLots(
        len(book.portfolios),
        lot,
        book.lots.portfolio[lot],
        symbol,
        valuation.market_value[lot],
        betas[locate(factors.symbols, symbol)],
    )


def _reasons(public: _PublicLots, valuation: Valuation) -> NDArray[Any]:
    """(P,) object; a portfolio that does not exist has no open lots and hence a reason."""
    reason = np.full(public.portfolios, None, dtype=object)
    reason[~(valuation.net_asset_value > 0)] = "non_positive_nav"
    reason[np.bincount(public.portfolio, minlength=public.portfolios) == 0] = "no_public_positions"
    return reason


def _dollars(public: _PublicLots) -> Floats:
    """(P, 13) USD, NaN for a factor that no lot has."""
    dollar = _sums_where_known(public, public.value[:, None] * public.beta)
    return np.where(_sums_where_known(public, np.ones(public.beta.shape)) > 0, dollar, np.nan)


def _sums_where_known(public: _PublicLots, values: Floats) -> Floats:
    """(P, 13) sums per portfolio of those of (L, 13) values whose beta is known."""
    known = np.isfinite(public.beta)
    sums = [
        portfolio_sums(public.portfolio, values[:, f], known[:, f], public.portfolios)
        for f in range(len(_NAMES))
    ]
    return np.column_stack(sums)


def _portfolio_rows(
    book: Book, valuation: Valuation, public: _PublicLots, dollar: Floats, session: date
) -> Columns:
    has_rows = without_reason(_reasons(public, valuation))
    shown = np.repeat(has_rows[:, None], len(_NAMES), axis=1)
    shown[:, -1] &= np.isfinite(dollar[:, -1])
    portfolio, name = np.nonzero(shown[:, _BY_NAME])
    factor = _BY_NAME[name]
    exposure = dollar[portfolio, factor]
    invested = _invested(book, valuation)[portfolio]
    return {
        "portfolio_id": book.portfolios.id[portfolio],
        "factor_name": np.array(_NAMES, dtype=object)[factor],
        "calculation_date": session_column(session, len(portfolio)),
        "exposure_value": exposure / valuation.net_asset_value[portfolio],
        "exposure_dollar": exposure,
        "exposure_invested": exposure / np.where(invested > 0, invested, np.nan),
        "coverage_pct": _coverage(public)[portfolio, factor],
        "missing_symbols": _missing_symbols(public)[portfolio, factor],
    }


def _invested(book: Book, valuation: Valuation) -> Floats:
    """(P,) gross USD of the open PUBLIC and OPTIONS lots."""
    counted = open_lots(book, valuation) & ~book.lots.is_private
    gross = np.abs(valuation.market_value)
    return portfolio_sums(book.lots.portfolio, gross, counted, len(book.portfolios))


def _coverage(public: _PublicLots) -> Floats:
    """(P, 13) 0-100."""
    gross = np.abs(public.value)
    every = np.ones(len(gross), dtype=np.bool_)
    whole = portfolio_sums(public.portfolio, gross, every, public.portfolios)
    covered = _sums_where_known(public, np.repeat(gross[:, None], len(_NAMES), axis=1))
    return coverage_pct(covered, np.repeat(whole[:, None], len(_NAMES), axis=1), 0.0)


def _missing_symbols(public: _PublicLots) -> NDArray[Any]:
    """(P, 13) object array of sorted lists of PUBLIC symbols without that beta."""
    lot, factor = np.nonzero(~np.isfinite(public.beta))
    cell = public.portfolio[lot] * len(_NAMES) + factor
    cells = public.portfolios * len(_NAMES)
    return symbol_lists(cell, public.symbol[lot], cells).reshape(-1, len(_NAMES))


def _position_rows(
    book: Book, valuation: Valuation, public: _PublicLots, reason: NDArray[Any], session: date
) -> Columns:
    betas = public.beta[:, : len(FACTORS)]
    shown = without_reason(reason)[public.portfolio] & np.isfinite(betas).any(axis=1)
    row = np.flatnonzero(shown)
    row = row[np.argsort(book.lots.position_id[public.lot[row]])]
    portfolio = public.portfolio[row]
    return {
        "position_id": book.lots.position_id[public.lot[row]],
        "calculation_date": session_column(session, len(row)),
        "portfolio_id": book.portfolios.id[portfolio],
        "weight": public.value[row] / valuation.net_asset_value[portfolio],
        **dict(zip(BETA_COLUMNS, betas[row].T, strict=True)),
    }
