"""The chart server that a benchmark starts as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets_tests.core.market.bar_rows import rows_of

ROOT = Path(__file__).parents[3]
SERVER = [sys.executable, "-m", "sigmasight_assets_tests.market_servers.yahoo", "--prices"]


def test_a_file_of_prices_is_served_and_its_requests_are_counted(tmp_path):
    rows = [
        ("AAA", date(2025, 6, 2), 10.1),
        ("AAA", date(2025, 6, 3), 10.3),
        ("BBB", date(2025, 6, 3), 7.7),
    ]
    frame = pd.DataFrame(rows, columns=["symbol", "date", "adj_close"])
    frame["adj_close"] = frame["adj_close"].astype(np.float32)
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "prices.parquet")
    served = subprocess.Popen(
        [*SERVER, str(tmp_path / "prices.parquet")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        url = served.stdout.readline().strip()
        asking = YahooSource(Unlimited(), url)
        asking.fetch(["AAA"], date(2025, 6, 2), date(2025, 6, 3))
        answer = asking.fetch(["AAA", "BBB", "GONE"], date(2025, 6, 2), date(2025, 6, 3))
        with urllib.request.urlopen(f"{url}/_requests") as told:
            counted = json.load(told)
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(10)
        served.stdout.close()
    widened = [(symbol, str(day), float(np.float32(price))) for symbol, day, price in rows]
    assert rows_of(answer.bars, "close") == widened
    assert rows_of(answer.bars, "adj_close") == widened
    kinds = {"cookie": 1, "crumb": 1, "chart": 4}
    assert counted == {"kinds": kinds, "symbols": 3, "repeats": 1}
    assert served.returncode == 0
