"""Who prices which class of symbol, in which order (methodology, section 2).

A symbol's stored window has one source, so a chain never mixes two in one window. The first
source of a class is preferred: a symbol is passed on only when it has an answer and that answer
holds no price, and the first source is asked for it again on the next runs, three times in all.
After that the symbol stays with the source that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sigmasight_assets.core.market.planning import UniverseEntry
from sigmasight_assets.core.market.source import Outcome, PriceSource
from sigmasight_assets.core.symbols import InvestmentClass

ATTEMPTS: Final = 3
"""Answers without a price after which the first source is not asked again."""

PASSED_ON: Final = frozenset({Outcome.NO_DATA, Outcome.REJECTED, Outcome.NO_SOURCE})


@dataclass(frozen=True)
class PriceSources:
    """The chain of sources of each class that has prices: PUBLIC and OPTIONS."""

    public: tuple[PriceSource, ...]
    options: tuple[PriceSource, ...]

    def chain(self, investment_class: InvestmentClass) -> tuple[PriceSource, ...]:
        """The sources of a class, the preferred one first."""
        return self.options if investment_class is InvestmentClass.OPTIONS else self.public


def entries_for(
    place: int,
    chain: Sequence[PriceSource],
    entries: Iterable[UniverseEntry],
    outcomes: Mapping[str, Outcome],
) -> list[UniverseEntry]:
    """The entries that the source at a place of its chain is asked for.

    outcomes: what the sources before it said in this run, by symbol.
    """
    names = [source.name for source in chain]
    return [entry for entry in entries if _is_asked(place, names, entry, outcomes)]


def _is_asked(
    place: int, names: list[str], entry: UniverseEntry, outcomes: Mapping[str, Outcome]
) -> bool:
    served_by = names.index(entry.price_source) if entry.price_source in names else None
    outcome = outcomes.get(entry.symbol)
    if served_by == place:
        return outcome is not Outcome.ROWS
    if place == 0:
        return served_by is None or entry.attempts < ATTEMPTS
    if served_by is not None and served_by < place:
        return False
    return outcome in PASSED_ON
