"""The budget of requests to a source: one row that every process asks in turn.

Nobody reserves a turn ahead: whoever finds the gap since the last request over takes the turn,
the others sleep and ask again. So a process that dies in its sleep leaves nothing to wait for, a
pause holds for everybody who has not sent yet, and no row is locked while anybody sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database

# The row is locked before WHERE and SET are evaluated, so the clock is read in turn too.
TAKE: Final = """
    INSERT INTO source_limits AS kept (source, next_request_at)
    VALUES (%(source)s, clock_timestamp() + %(gap)s)
    ON CONFLICT (source) DO UPDATE SET next_request_at = clock_timestamp() + %(gap)s
    WHERE greatest(kept.next_request_at, kept.paused_until) <= clock_timestamp()
    RETURNING source
"""

# Nobody has to wait for longer than one gap of the present rate, whatever rate was set before.
SECONDS_LEFT: Final = """
    UPDATE source_limits
    SET next_request_at = least(next_request_at, clock_timestamp() + %(gap)s)
    WHERE source = %(source)s
    RETURNING extract(epoch FROM
        greatest(next_request_at, paused_until) - clock_timestamp())::float8
"""

PAUSE: Final = """
    INSERT INTO source_limits AS kept (source, paused_until)
    VALUES (%(source)s, clock_timestamp() + %(span)s)
    ON CONFLICT (source) DO UPDATE
    SET paused_until = greatest(kept.paused_until, excluded.paused_until)
"""

SHORTEST_SLEEP: Final = 0.001


class DatabaseLimit:
    """At most `per_second` requests a second to `source`, whichever process sends them.

    Requests are at least 1 / per_second seconds apart by the database's clock, without bursts.
    Waiting costs two transactions a turn, and one more for each other caller that waits.
    """

    def __init__(
        self,
        database: Database,
        source: str,
        per_second: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._source = source
        self._gap = timedelta(seconds=1 / per_second)
        self._sleep = sleep

    def wait_for_turn(self) -> None:
        """Return when one more request may be sent, and count it as sent.

        Raises:
            DatabaseUnavailable, psycopg.OperationalError: after three tries.
        """
        while (seconds := self._database.transaction(self._seconds_to_wait)) > 0:
            self._sleep(seconds)

    def pause(self, span: timedelta) -> None:
        """Nobody takes a turn before `span` has passed; a longer pause stays."""
        values = {"source": self._source, "span": span}
        self._database.transaction(lambda connection: connection.execute(PAUSE, values))

    def _seconds_to_wait(self, connection: Connection) -> float:
        """0 with the turn taken, or how long until it is worth asking again."""
        values = {"source": self._source, "gap": self._gap}
        if connection.execute(TAKE, values).fetchone():
            return 0.0
        left = connection.execute(SECONDS_LEFT, values).fetchone()
        # The instant may have come, or the row gone, between the two statements.
        return max(left[0], SHORTEST_SLEEP) if left else SHORTEST_SLEEP
