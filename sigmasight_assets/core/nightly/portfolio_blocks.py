"""Books cut into blocks of portfolios, and the one portfolio that fails found among them.

A portfolio's rows do not depend on which others share the computation. So blocks keep memory
bounded and let the database write one while the next is computed, and a block that fails is
halved until the portfolios at fault stand alone: they are left out, the others complete.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final, TypeVar

import numpy as np

from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.encoded_rows import refused_rows
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.shapes.book import Book
from sigmasight_assets.core.shapes.panel import Columns

log = logging.getLogger(__name__)

Work = TypeVar("Work")

BLOCK_LOTS: Final = 50_000
BLOCK_PORTFOLIOS: Final = 1_000

MOST_RAISED: Final = 50
"""When more raise than these and than a tenth of all, or all do, the fault is no portfolio's."""

CALCULATION_FAILED: Final = "calculation_failed"
CANNOT_BE_STORED: Final = "cannot_be_stored"


class Failures:
    """The portfolios that are left out of a session, or of all where none is given.

    inception: of the portfolios refreshed, by id; one that does not exist yet cannot fail.
    everyone: how many portfolios there are, refreshed now or not.
    """

    def __init__(self, inception: Mapping[str, date], everyone: int, session: date | None) -> None:
        self._inception = inception
        self._everyone = everyone
        self._session = session
        self._raised = 0
        self._found: dict[str, BatchFailure] = {}

    def add(self, failure: BatchFailure) -> None:
        """Leave a portfolio out."""
        if self._session is None or self._inception[failure.item] <= self._session:
            self._found[failure.item] = failure

    def add_raised(self, portfolio_id: str, error: Exception) -> None:
        """Leave out the portfolio whose calculation raised.

        Raises:
            Exception: the error itself, if so many raise that the fault is not the portfolio's.
        """
        self._raised += 1
        size = self._everyone
        if self._raised > max(MOST_RAISED, size // 10) or self._raised == size > 1:
            raise error
        log.warning("portfolio %s is left out", portfolio_id, exc_info=error)
        detail = f"{type(error).__name__}: {error}"
        self.add(BatchFailure(portfolio_id, CALCULATION_FAILED, detail))

    def listed(self) -> list[BatchFailure]:
        """The failures, by portfolio id."""
        return [self._found[item] for item in sorted(self._found)]


def blocks(book: Book) -> Iterator[Book]:
    """A book in parts of at most 1,000 portfolios and, but for larger ones, 50,000 lots."""
    first, size = 0, len(book.portfolios)
    starts = np.searchsorted(book.lots.portfolio, np.arange(size + 1))
    while first < size:
        within = int(np.searchsorted(starts, starts[first] + BLOCK_LOTS, side="right")) - 1
        last = min(max(within, first + 1), first + BLOCK_PORTFOLIOS, size)
        yield book.of_portfolios(first, last)
        first = last


def isolated(book: Book, work: Callable[[Book], Work], failures: Failures) -> Iterator[Work]:
    """The work of a book: of all its portfolios together, or of parts without those that fail."""
    size = len(book.portfolios)
    try:
        done = work(book)
    except Exception as error:
        if size == 1:
            failures.add_raised(str(book.portfolios.id[0]), error)
            return
    else:
        yield done
        return
    for part in (book.of_portfolios(0, size // 2), book.of_portfolios(size // 2, size)):
        yield from isolated(part, work, failures)


def storable(rows: Mapping[str, Columns], failures: Failures) -> Mapping[str, Columns]:
    """The rows of the portfolios whose every number can be stored; the others are left out."""
    refused: dict[str, str] = {}
    for name, columns in rows.items():
        for row, fault in refused_rows(metadata.tables[name], columns).items():
            refused.setdefault(str(columns["portfolio_id"][row]), fault)
    if not refused:
        return rows
    for portfolio_id in sorted(refused):
        log.warning("portfolio %s is left out: %s", portfolio_id, refused[portfolio_id])
        failures.add(BatchFailure(portfolio_id, CANNOT_BE_STORED, refused[portfolio_id]))
    return {name: _without(columns, sorted(refused)) for name, columns in rows.items()}


def _without(columns: Columns, portfolio_ids: list[str]) -> Columns:
    kept = ~np.isin(columns["portfolio_id"].astype(str), portfolio_ids)
    return {name: values[kept] for name, values in columns.items()}


def ahead(items: Iterator[Work]) -> Iterator[Work]:
    """The items, each made in a thread of its own while the one before is being used."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(_next, items)
        while item := coming.result():
            coming = worker.submit(_next, items)
            yield item[0]


def _next(items: Iterator[Work]) -> tuple[Work] | None:
    for item in items:
        return (item,)
    return None
