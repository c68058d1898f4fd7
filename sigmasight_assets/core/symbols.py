"""Symbol form, option contracts and the class of a symbol (methodology, section 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sigmasight_assets.core.factors import PROXIES

MAX_LENGTH: Final = 21

BENCHMARKS: Final = ("SPY", "QQQ")

_OCC = re.compile(r"([A-Z0-9]{1,6})([0-9]{6})([CP])([0-9]{8})")
_PRIVATE_WORDS = re.compile(r"PRIVATE|FUND|SIGMA|TREASURY|EQ[0-9A-F]{8,}")


class InvestmentClass(StrEnum):
    """What kind of thing a position holds; it decides who prices it."""

    PUBLIC = "PUBLIC"
    OPTIONS = "OPTIONS"
    PRIVATE = "PRIVATE"


@dataclass(frozen=True)
class OptionContract:
    """A listed option: `symbol` is the compact OCC form."""

    symbol: str
    root: str
    expiration: date
    is_call: bool
    strike: float


def normalize(symbol: str) -> str:
    """Upper case without surrounding blanks, `.` as `-`: brk.b -> BRK-B."""
    return symbol.strip().upper().replace(".", "-")


def option_contract(symbol: str) -> OptionContract | None:
    """The contract a strict OCC symbol names, or None if it names none.

    Padding blanks and a leading `O:` are removed; a date that does not exist is no option.
    """
    compact = symbol.strip().upper().removeprefix("O:").replace(" ", "")
    match = _OCC.fullmatch(compact)
    if match is None:
        return None
    root, day, side, strike = match.groups()
    try:
        expiration = datetime.strptime(day, "%y%m%d").date()  # noqa: DTZ007  (a bare date)
    except ValueError:
        return None
    return OptionContract(compact, root, expiration, side == "C", int(strike) / 1000)


def occ_symbol(root: str, expiration: date, is_call: bool, strike: float) -> str:
    """The compact OCC form: AAPL240119C00150000."""
    return f"{root}{expiration:%y%m%d}{'C' if is_call else 'P'}{round(strike * 1000):08d}"


def classify(symbol: str, explicit: str | None = None) -> InvestmentClass:
    """The class of a symbol: explicit, else OCC option, else private pattern, else PUBLIC."""
    if explicit:
        return InvestmentClass(explicit.strip().upper())
    if option_contract(symbol) is not None:
        return InvestmentClass.OPTIONS
    name = normalize(symbol)
    if "_" in name or (len(name) > 5 and _PRIVATE_WORDS.search(name)):
        return InvestmentClass.PRIVATE
    return InvestmentClass.PUBLIC


def canonical(symbol: str) -> str:
    """The stored form: compact OCC for an option, else the normalized symbol."""
    contract = option_contract(symbol)
    return contract.symbol if contract else normalize(symbol)


def always_in_universe() -> tuple[str, ...]:
    """Factor proxies and benchmarks: needed every night whoever holds them."""
    return tuple(sorted({*PROXIES, *BENCHMARKS}))


def sorted_symbols(symbols: Iterable[str]) -> tuple[str, ...]:
    """Distinct symbols in the one order every bulk write uses."""
    return tuple(sorted(set(symbols)))
