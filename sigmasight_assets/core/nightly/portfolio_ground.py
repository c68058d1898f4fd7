"""What a refresh of portfolios reads once, at one moment, for all its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from psycopg import IsolationLevel

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.book import (
    ChangeMarks,
    change_marks,
    portfolio_count,
    read_book,
)
from sigmasight_assets.core.db.read.prices import first_stored_session, panel_of
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.portfolio_blocks import Failures, blocks, isolated
from sigmasight_assets.core.risk.last_closes import last_closes
from sigmasight_assets.core.risk.valuation import PricedBook, price_at
from sigmasight_assets.core.shapes.book import Book
from sigmasight_assets.core.shapes.panel import PricePanel


@dataclass(frozen=True)
class Ground:
    """Statements and prices, prepared.

    priced: parts of the book, in order. held: its symbols. inception: of each portfolio, by id.
    everyone: how many portfolios there are, in the book or not. marks: what had changed when it
    was read. left_out: portfolios that could not even be prepared.
    """

    priced: Sequence[PricedBook]
    held: Sequence[str]
    inception: dict[str, date]
    everyone: int
    marks: ChangeMarks
    left_out: Sequence[BatchFailure]

    def failures(self, session: date) -> Failures:
        """Where the failures of a session are noted; those of the preparation are there."""
        found = Failures(self.inception, self.everyone, session)
        for failure in self.left_out:
            found.add(failure)
        return found


def read_ground(
    database: Database, days: Sequence[date], portfolio_ids: Sequence[str] | None
) -> Ground:
    """Statements as of one moment, and prices back to 280 sessions before they are needed."""
    with database.connection() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        marks = change_marks(connection, days[-1], portfolio_ids)
        book = read_book(connection, days[-1], portfolio_ids)
        everyone = portfolio_count(connection, days[-1])
        held = sorted({*book.lots.symbol.tolist(), *book.lots.underlying.tolist()} - {""})
        # Before the first price of all there is nothing to read, however early an inception.
        stored = first_stored_session(connection) or days[0]
        first = max(_history_from(book, days[0]), min(stored, days[0]))
        panel = panel_of(connection, held, first, days[-1])
    return _prepared(book, panel, everyone, marks)


def _history_from(book: Book, session: date) -> date:
    opened = sessions.as_dates(book.portfolios.inception)
    return sessions.offset(sessions.on_or_after(min([*opened, session])), -HISTORY_SESSIONS)


def _prepared(book: Book, panel: PricePanel, everyone: int, marks: ChangeMarks) -> Ground:
    closes = last_closes(panel)
    opened = sessions.as_dates(book.portfolios.inception)
    inception = dict(zip(book.portfolios.id.tolist(), opened, strict=True))
    failures = Failures(inception, everyone, None)
    priced = [
        part
        for block in blocks(book)
        for part in isolated(block, lambda each: price_at(each, closes), failures)
    ]
    held = np.unique(book.lots.symbol).tolist()
    return Ground(priced, held, inception, everyone, marks, failures.listed())
