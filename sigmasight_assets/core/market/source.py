"""The protocol every price source speaks: many symbols and a range of sessions per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray


class Outcome(StrEnum):
    """What became of one symbol in one call.

    NO_DATA is an answer: the source knows of no bar. RATE_LIMITED, UNAVAILABLE and NO_SOURCE are
    none: nothing was learnt of the symbol, and nothing stored of it changes.
    """

    ROWS = "rows"
    NO_DATA = "no_data"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    NO_SOURCE = "no_source"


UNANSWERED: Final = frozenset({Outcome.RATE_LIMITED, Outcome.UNAVAILABLE, Outcome.NO_SOURCE})


class ActionType(StrEnum):
    """What a company does to its shares."""

    SPLIT = "split"
    DIVIDEND = "dividend"


@dataclass(frozen=True, order=True)
class CorporateAction:
    """A split or a cash dividend. value: new shares per old one, or USD per share (split-adjusted).

    ex_date is an NYSE session or, for some dividends of funds, any other day.
    """

    symbol: str
    ex_date: date
    action_type: ActionType
    value: float


@dataclass(frozen=True)
class PriceBars:
    """Daily bars of many symbols as arrays of equal length, sorted by symbol and date.

    symbols: sorted, distinct; some may have no bar. symbol: indices into `symbols`, int32.
    date: datetime64[D]. Prices are float64 USD, NaN where the source has no such column or
    value. volume: float64 shares, NaN where unknown. close is split-adjusted, adj_close split-
    and dividend-adjusted. Arrays may be read-only and may share memory.
    """

    symbols: tuple[str, ...]
    symbol: NDArray[np.int32]
    date: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    adj_close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.symbol)


@dataclass(frozen=True)
class RejectedBar:
    """One bar that was refused, and why: a word of `screening`, or of the source.

    date: the bar's own; where a file's row has none that can be read, the first one asked for.
    """

    symbol: str
    date: date
    reason: str


@dataclass(frozen=True)
class PriceAnswer:
    """What a source said: bars, and an outcome for every symbol that was asked for.

    A symbol with some good and some refused bars has outcome ROWS; its refused bars are listed.
    single_series: symbols for which the source has only one of close and adj_close, on whatever
    date, so that the one given serves both.
    actions: splits and dividends with an ex-date in the range asked for, sorted, distinct; None
    from a source that knows of none. reasons: why, for a person, by symbol whose outcome is not
    ROWS; never a secret, never an address.
    """

    source: str
    bars: PriceBars
    outcomes: Mapping[str, Outcome]
    rejected: tuple[RejectedBar, ...] = ()
    single_series: frozenset[str] = frozenset()
    actions: tuple[CorporateAction, ...] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def outcome(self, symbol: str) -> Outcome:
        """Sources answer for stored forms: a symbol of any other form has no price."""
        return self.outcomes.get(symbol, Outcome.NO_DATA)

    def date_ranges(self) -> dict[str, tuple[date, date, int]]:
        """First date, last date and count of each symbol's bars; bars are sorted."""
        bars = self.bars
        if not len(bars):
            return {}
        starts = np.flatnonzero(np.r_[True, bars.symbol[1:] != bars.symbol[:-1]])
        ends = np.r_[starts[1:], len(bars)]
        names = [bars.symbols[number] for number in bars.symbol[starts].tolist()]
        first: list[date] = bars.date[starts].astype(object).tolist()
        last: list[date] = bars.date[ends - 1].astype(object).tolist()
        counts: list[int] = (ends - starts).tolist()
        return dict(zip(names, zip(first, last, counts, strict=True), strict=True))


class PriceSource(Protocol):
    """Where daily prices come from.

    metered: its requests are counted, so it is not asked twice without a reason.
    symbols_per_fetch: how many symbols one call may ask for; each answer is one transaction.
    """

    name: str
    metered: bool
    symbols_per_fetch: int

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        """Bars of the symbols for the sessions from first to last, both included.

        The bars have passed `screening.screen`; `outcomes` has every symbol asked for.
        """
        ...

    def listed_symbols(self) -> tuple[str, ...]:
        """Symbols this source offers by itself: a file's contents, the synthetic market's sample.

        Empty if the source has no such list.
        """
        ...
