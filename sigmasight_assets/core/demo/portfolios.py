"""The demo accounts as they are at a given time, on a given price source."""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.write.accounts import Account, Position
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.symbols import (
    InvestmentClass,
    OptionContract,
    occ_symbol,
    option_contract,
)

FOLDER: Final = Path(__file__).parent
LEAST_LIFE: Final = timedelta(days=184)
"""Six months, whichever they are."""


def demo_accounts(sources: PriceSources, first: date, last: date) -> list[Account]:
    """The demo accounts for a run of the sessions from first to last.

    They open on 2025-07-01, or with the first session of a run that ends before. Entry prices
    are the closes of that session as the preferred sources say; where they have none, those of
    the file. Options that end within half a year of `last` are rolled to a later listed expiry,
    at the same strike.
    """
    heads = _heads()
    inception = sessions.on_or_after(heads["inception_date"])
    if inception > last:
        inception = first
    rows = _rows(last)
    prices = _closes(sources, rows, inception)
    held: dict[str, list[Position]] = defaultdict(list)
    for row in rows:
        held[row["portfolio_name"]].append(_position(row, inception, prices))
    return [
        Account(
            portfolio_id=UUID(head["id"]),
            user_id=uuid5(NAMESPACE_URL, head["email"]),
            email=head["email"],
            full_name=head["owner"],
            account_name=head["name"],
            starting_equity=Decimal(head["starting_equity"]),
            inception_date=inception,
            positions=tuple(held[head["name"]]),
        )
        for head in heads["portfolios"]
    ]


def demo_portfolio_ids() -> list[UUID]:
    """The ids that the demo portfolios always have."""
    return [UUID(head["id"]) for head in _heads()["portfolios"]]


def _heads() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "demo_portfolios.toml").read_text())


def _rows(last: date) -> list[dict[str, str]]:
    with (FOLDER / "demo_portfolios.csv").open(newline="") as file:
        return [_rolled(row, last) for row in csv.DictReader(file)]


def _rolled(row: dict[str, str], last: date) -> dict[str, str]:
    """An option that lives long enough, on the same underlying at the same strike."""
    contract = option_contract(row["symbol"])
    if contract is None or contract.expiration >= last + LEAST_LIFE:
        return row
    expiration = monthly_expiration(last + LEAST_LIFE)
    symbol = occ_symbol(contract.root, expiration, contract.is_call, contract.strike)
    return row | {"symbol": symbol, "expiration_date": expiration.isoformat()}


def monthly_expiration(after: date) -> date:
    """The first expiration of monthly options that is not before `after`.

    The third Friday of a month, or the session before it where that is a holiday.
    """
    first_of_month = after.replace(day=1)
    third_friday = first_of_month + timedelta(days=(4 - first_of_month.weekday()) % 7 + 14)
    expiration = sessions.on_or_before(third_friday)
    if expiration >= after:
        return expiration
    return monthly_expiration((first_of_month + timedelta(days=32)).replace(day=1))


def _closes(
    sources: PriceSources, rows: list[dict[str, str]], session: date
) -> Mapping[str, Decimal]:
    closes: dict[str, Decimal] = {}
    for investment_class in (InvestmentClass.PUBLIC, InvestmentClass.OPTIONS):
        symbols = {row["symbol"] for row in rows if row["investment_class"] == investment_class}
        bars = sources.chain(investment_class)[0].fetch(sorted(symbols), session, session).bars
        closes |= {
            bars.symbols[number]: Decimal(repr(float(close)))
            for number, close in zip(bars.symbol, bars.close, strict=True)
            if np.isfinite(close)
        }
    return closes


def _position(row: dict[str, str], inception: date, prices: Mapping[str, Decimal]) -> Position:
    contract: OptionContract | None = option_contract(row["symbol"])
    manual = row["market_value_manual"]
    return Position(
        position_id=uuid5(NAMESPACE_URL, f"{row['portfolio_name']}/{row['symbol']}"),
        symbol=row["symbol"],
        investment_class=row["investment_class"],
        investment_subtype=row["investment_subtype"] or None,
        position_type=row["position_type"],
        quantity=Decimal(row["quantity"]),
        entry_price=prices.get(row["symbol"], Decimal(row["entry_price"])),
        entry_date=inception,
        contract=contract,
        market_value=Decimal(manual) if manual else None,
    )
