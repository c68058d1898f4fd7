"""The nightly three-way reconciliation: three accounts of every portfolio's money must agree.

stored: what portfolio_snapshots says. from_positions: positions x prices, worked out by the
database in numeric arithmetic. as_served: what the service answers, which works it out on request
with `core/risk` from what is stored, and so from a fresh reading here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

import numpy as np
from psycopg import Connection, IsolationLevel

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import read_book
from sigmasight_assets.core.db.read.reconciliation import (
    COMPARED_ITEMS,
    SessionFigures,
    closes_in_use,
    prepare_figures,
    publications,
    session_figures,
    undue_snapshots,
)
from sigmasight_assets.core.db.write.reconciliation import (
    ReconciliationException,
    replace_exceptions,
)
from sigmasight_assets.core.nightly.portfolio_sessions import BATCH_TYPE
from sigmasight_assets.core.nightly.three_accounts import differences
from sigmasight_assets.core.risk.valuation import PricedBook, price_book

log = logging.getLogger(__name__)

SESSIONS_TOGETHER: Final = 20
"""Sessions compared as of one moment; a longer range is cut, lest its moment be long ago."""


@dataclass(frozen=True)
class ReconciledSession:
    """What the reconciliation of one session came to.

    portfolios: compared, those without a snapshot included. stale, failed: left out because they
    are known to be out of date, or lack a snapshot as the log of failures says.
    """

    session: date
    portfolios: int
    stale: int
    failed: int
    exceptions: Sequence[ReconciliationException]
    seconds: float


@dataclass(frozen=True)
class _Compared:
    """A session, and the publication of it that was compared."""

    result: ReconciledSession
    data_version: int


def reconcile(database: Database, days: Sequence[date]) -> Iterator[ReconciledSession]:
    """Compare the accounts of each session that the portfolio layer has published.

    Each session's exceptions replace those it had, in one transaction. A session that is published
    anew while it is compared is compared again; one that is not published is left out.
    """
    due = list(days)
    while due:
        together, due = due[:SESSIONS_TOGETHER], due[SESSIONS_TOGETHER:]
        for each in database.transaction(partial(_compare, days=together)):
            done = each.result
            if not replace_exceptions(database, done.session, each.data_version, done.exceptions):
                due.append(done.session)
                continue
            log.info(
                "reconciled %s: %d portfolios, exceptions: %d, %.2f s",
                done.session,
                done.portfolios,
                len(done.exceptions),
                done.seconds,
            )
            yield done


def _compare(connection: Connection, days: Sequence[date]) -> list[_Compared]:
    """All three accounts of the sessions as of one moment: no edit can come in between."""
    began = time.perf_counter()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    versions = publications(connection, Layer.PORTFOLIOS, days)
    if not versions:
        return []
    prepare_figures(connection, list(versions))
    figures = {day: session_figures(connection, day, BATCH_TYPE) for day in versions}
    priced = _read_priced_book(connection, figures)
    found = {
        day: [*differences(each, priced, day), *_undue(connection, day)]
        for day, each in figures.items()
    }
    seconds = (time.perf_counter() - began) / len(versions)
    return [
        _Compared(_result(day, figures[day], found[day], seconds), version)
        for day, version in versions.items()
    ]


def _result(
    session: date,
    figures: SessionFigures,
    exceptions: Sequence[ReconciliationException],
    seconds: float,
) -> ReconciledSession:
    failed = int((figures.failed & ~figures.has_snapshot).sum())
    compared = len(figures.portfolio_id) - failed
    return ReconciledSession(session, compared, figures.stale, failed, exceptions, seconds)


def _read_priced_book(connection: Connection, figures: Mapping[date, SessionFigures]) -> PricedBook:
    """The book of every portfolio that is to be compared on some session.

    One that failed on any of the sessions is left out of it: what was stated about it may be such
    that no calculation ends well.
    """
    known = {name for each in figures.values() for name in each.portfolio_id.tolist()}
    failed = [each.portfolio_id[each.failed & ~each.has_snapshot] for each in figures.values()]
    ids = sorted(known.difference(*(names.tolist() for names in failed)))
    first, last = min(figures), max(figures)
    book = read_book(connection, last, ids)
    opened = min([*sessions.as_dates(book.portfolios.inception), first])
    return price_book(book, closes_in_use(connection, sessions.on_or_before(opened), last))


def _undue(connection: Connection, session: date) -> Iterator[ReconciliationException]:
    """Snapshots that should not be there: the service would answer nothing."""
    for each in undue_snapshots(connection, session):
        yield ReconciliationException(
            each.portfolio_id, COMPARED_ITEMS[0], each.net_asset_value, np.nan, np.nan, each.detail
        )
