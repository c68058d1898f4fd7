"""Ledger inputs as the arrays that portfolio calculations take, in the order they require."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import numpy as np

from sigmasight_assets.core.shapes.book import (
    Book,
    CapitalFlows,
    CorporateActions,
    Days,
    Lots,
    Portfolios,
    Texts,
    Valuations,
)
from sigmasight_assets.core.shapes.panel import Bools, Floats
from sigmasight_assets_tests.ledger_inputs import Dividend, Market, Portfolio, Position, Split


def book_of(portfolios: Iterable[Portfolio], market: Market) -> Book:
    """The book of these portfolios and the corporate actions of this market."""
    owners = sorted(portfolios, key=lambda portfolio: portfolio.id)
    lots = [
        (index, position)
        for index, owner in enumerate(owners)
        for position in sorted(owner.positions, key=lambda position: position.id)
    ]
    held = [position for _, position in lots]
    flows = [(index, flow) for index, owner in enumerate(owners) for flow in owner.flows]
    return Book(
        Portfolios(
            id=_texts(owner.id for owner in owners),
            inception=_days(owner.inception for owner in owners),
            starting_equity=_floats(owner.starting_equity for owner in owners),
        ),
        _lots(np.array([index for index, _ in lots], dtype=np.int64), held),
        _valuations(held),
        CapitalFlows(
            portfolio=np.array([index for index, _ in flows], dtype=np.int64),
            date=_days(flow.date for _, flow in flows),
            amount=_floats(flow.amount for _, flow in flows),
        ),
        _actions([*market.splits, *market.dividends]),
    )


def _lots(portfolio: np.ndarray, held: list[Position]) -> Lots:
    options = [position.investment_class == "OPTIONS" for position in held]
    return Lots(
        portfolio=portfolio,
        position_id=_texts(position.id for position in held),
        symbol=_texts(position.symbol for position in held),
        is_public=_bools(position.investment_class == "PUBLIC" for position in held),
        is_option=_bools(options),
        is_private=_bools(position.investment_class == "PRIVATE" for position in held),
        multiplier=np.where(_bools(options), 100.0, 1.0),
        quantity=_floats(position.quantity for position in held),
        entry_price=_floats(position.entry_price for position in held),
        entry_date=_days(position.entry_date for position in held),
        exit_price=_floats(position.exit_price for position in held),
        exit_date=_days(position.exit_date for position in held),
        recorded_on=_days(position.recorded_on for position in held),
        exit_recorded_on=_days(position.exit_recorded_on for position in held),
        underlying=_texts(position.underlying for position in held),
        strike=_floats(p.strike if p.investment_class == "OPTIONS" else None for p in held),
        expiration=_days(p.expiration if p.investment_class == "OPTIONS" else None for p in held),
        is_call=_bools(position.is_call for position in held),
    )


def _valuations(held: list[Position]) -> Valuations:
    stated = [
        (lot, value.date, value.market_value)
        for lot, position in enumerate(held)
        for value in sorted(position.valuations, key=lambda value: value.date)
    ]
    return Valuations(
        lot=np.array([lot for lot, _, _ in stated], dtype=np.int64),
        date=_days(day for _, day, _ in stated),
        market_value=_floats(value for _, _, value in stated),
    )


def _actions(events: list[Split | Dividend]) -> CorporateActions:
    events = sorted(events, key=lambda event: (event.symbol, event.ex_date))
    return CorporateActions(
        symbol=_texts(event.symbol for event in events),
        ex_date=_days(event.ex_date for event in events),
        split_ratio=_floats(e.ratio if isinstance(e, Split) else None for e in events),
        dividend=_floats(e.amount if isinstance(e, Dividend) else None for e in events),
    )


def _texts(values: Iterable[str]) -> Texts:
    return np.array(list(values), dtype=str)


def _bools(values: Iterable[bool]) -> Bools:
    return np.array(list(values), dtype=np.bool_)


def _floats(values: Iterable[Decimal | None]) -> Floats:
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def _days(values: Iterable[date | None]) -> Days:
    return np.array(list(values), dtype="datetime64[D]")
