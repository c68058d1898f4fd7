"""What the benchmarks share: the real prices, a throw-away server, the sessions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.locate import DAGSTERS, OURS
from sigmasight_assets.core.db.migrate import upgrade
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.nightly.reference import seed_reference

REAL_PRICES = Path(__file__).parents[2] / "shared" / "market_data" / "us_daily_prices.parquet"


@dataclass(frozen=True)
class World:
    """A server with our tables under `home`, prices in a file, and the sessions of the runs.

    night: the last session of the file. days: the sessions that end with it, `night` included.
    """

    home: Path
    prices: Path
    days: tuple[date, ...]

    @property
    def night(self) -> date:
        return self.days[-1]

    def database(self) -> Database:
        return Database(EmbeddedPostgres(self.home).database_url(OURS))

    def source(self) -> FilesSource:
        return FilesSource(self.prices)


@contextmanager
def throwaway_world(prices: Path, count: int) -> Iterator[World]:
    """An empty database on a server as a user has it, fsync and all; gone afterwards."""
    last = sessions.on_or_before(pc.max(pq.read_table(prices, columns=["date"])["date"]).as_py())
    days = sessions.as_dates(sessions.between(sessions.offset(last, 1 - count), last))
    with tempfile.TemporaryDirectory(prefix="sigmasight-benchmark-") as folder:
        world = World(Path(folder), prices, tuple(days))
        server = EmbeddedPostgres(world.home)
        with server.in_use():
            for name in (OURS, DAGSTERS):
                server.create_database(name)
            upgrade(world.database())
            seed_reference(world.database())
            yield world
