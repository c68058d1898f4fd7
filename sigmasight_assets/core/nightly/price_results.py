"""What became of each symbol that a night asked prices for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.db.write.prices import StoredPrices
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets.core.market.source import Outcome, PriceAnswer
from sigmasight_assets.core.symbols import option_contract


class Result(StrEnum):
    """What became of a symbol; the last five are failures, which the next run asks again."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NOT_TRADED = "not_traded"
    DELISTED = "delisted"
    NO_DATA = "no_data"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    NO_SOURCE = "no_source"


HAVE_BARS: Final = frozenset({Result.UPDATED, Result.UNCHANGED})
FAILURES: Final = frozenset(
    {Result.NO_DATA, Result.REJECTED, Result.RATE_LIMITED, Result.UNAVAILABLE, Result.NO_SOURCE}
)


@dataclass(frozen=True)
class SymbolResult:
    """One symbol's result, the source that gave it, and why, for a person."""

    symbol: str
    result: Result
    source: str
    reason: str = ""


def symbol_results(
    request: FetchRequest, answer: PriceAnswer, stored: StoredPrices
) -> list[SymbolResult]:
    """The result of every symbol of one request.

    Not of those whose windows are fetched again, and not the silence of a source about a symbol
    that another one serves: it is asked on the chance alone.
    """
    refused: Counter[str] = Counter(bar.symbol for bar in answer.rejected)
    idle = _idle_contracts(request, answer)
    return [
        SymbolResult(symbol, Result.NOT_TRADED, answer.source, idle[symbol])
        if symbol in idle
        else SymbolResult(
            symbol,
            _result(symbol, answer, stored),
            answer.source,
            _reason(symbol, request, answer, refused),
        )
        for symbol in request.symbols
        if symbol not in stored.restated and symbol not in stored.kept_elsewhere
    ]


def _idle_contracts(request: FetchRequest, answer: PriceAnswer) -> dict[str, str]:
    """Contracts with bars, but none on the last session of their life that was asked for."""
    bars = answer.bars
    ends = np.searchsorted(bars.symbol, np.arange(len(bars.symbols)), side="right")
    idle = {}
    for number in np.unique(bars.symbol).tolist():
        contract = option_contract(bars.symbols[number])
        newest: date = bars.date[ends[number] - 1].astype(object)
        if contract and newest < min(request.last, sessions.on_or_before(contract.expiration)):
            idle[contract.symbol] = f"did not trade since {newest}: keeps that mark"
    return idle


def _result(symbol: str, answer: PriceAnswer, stored: StoredPrices) -> Result:
    outcome = answer.outcome(symbol)
    if outcome is Outcome.ROWS:
        return Result.UPDATED if symbol in stored.changed else Result.UNCHANGED
    if symbol in stored.overtaken:
        return Result.UNCHANGED
    if stored.statuses.get(symbol) == "delisted":
        return Result.DELISTED
    if outcome is Outcome.NO_DATA and option_contract(symbol):
        return Result.NOT_TRADED
    return Result(outcome)


def _reason(
    symbol: str, request: FetchRequest, answer: PriceAnswer, refused: Mapping[str, int]
) -> str:
    outcome = answer.outcome(symbol)
    if outcome is Outcome.ROWS and not refused.get(symbol):
        return ""
    words = answer.reasons.get(symbol)
    if outcome is not Outcome.ROWS and words:
        return words
    if symbol in refused:
        bars = [bar for bar in answer.rejected if bar.symbol == symbol]
        named = ", ".join(f"{bar.date} {bar.reason}" for bar in bars[:5])
        return f"{len(bars)} refused: {named}"
    return f"{outcome} from {request.first} to {request.last}"


def failures(results: Iterable[SymbolResult]) -> dict[str, list[BatchFailure]]:
    """What goes to batch_failure_log, by asset: failed symbols, and those with refused bars."""
    found: dict[str, list[BatchFailure]] = {}
    for each in results:
        reason = each.result if each.result in FAILURES else Result.REJECTED
        if each.result in FAILURES or (each.result in HAVE_BARS and each.reason):
            failure = BatchFailure(each.symbol, str(reason), f"{each.source}: {each.reason}")
            found.setdefault(price_asset(each.symbol), []).append(failure)
    return found


def price_asset(symbol: str) -> str:
    """The asset that asks for a symbol's prices."""
    return "option_prices" if option_contract(symbol) else "market_data_cache"
