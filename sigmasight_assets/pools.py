"""Dagster's pools: one step at a time asks a price source."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Final

from dagster import DagsterInstance

YAHOO: Final = "yfinance"
POLYGON: Final = "polygon"
POOLS: Final = (YAHOO, POLYGON)


def enter_pools(instance: DagsterInstance) -> None:
    """Enter the pools that the instance does not know yet.

    Dagster itself does so when a step first asks for one. Where two runs do at once, the second
    meets the first one's row in a transaction that it does not begin anew, and fails.
    """
    storage = instance.event_log_storage
    with (Path(instance.root_directory) / "pools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {limit.name for limit in storage.get_pool_limits()}
        for pool in POOLS:
            if pool not in known:
                storage.initialize_concurrency_limit_to_default(pool)
