"""The sources that settings name, as a chain for each class of symbol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.patience import RequestLimit, Unlimited
from sigmasight_assets.core.market.polygon_source import PolygonSource
from sigmasight_assets.core.market.sources import make_sources
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets.core.settings import load_settings

FILE = Path("prices.parquet")


def made(**settings: Any) -> tuple[list[type], list[type], dict[str, float]]:
    """The types of both chains, and the requests a second that each budget was asked to allow."""
    budgets: dict[str, float] = {}

    def limit(name: str, per_second: float) -> RequestLimit:
        budgets[name] = per_second
        return Unlimited()

    sources = make_sources(load_settings(**settings), limit)
    return (
        [type(each) for each in sources.public],
        [type(each) for each in sources.options],
        budgets,
    )


def test_synthetic_prices_and_files_price_every_class_and_count_no_request() -> None:
    assert made() == ([SyntheticSource], [SyntheticSource], {})
    files = made(price_source="files", price_files=FILE)
    assert files == ([FilesSource], [FilesSource], {})


def test_yahoo_prices_shares_and_polygon_contracts_each_within_its_budget() -> None:
    public, options, budgets = made(price_source="yfinance")
    assert (public, options) == ([YahooSource], [PolygonSource])
    assert budgets == {"yfinance": 2.0, "polygon": 5 / 60}


def test_the_budgets_are_settings() -> None:
    *_, budgets = made(
        price_source="yfinance", yahoo_requests_per_second=4, polygon_requests_per_minute=100
    )
    assert budgets == {"yfinance": 4.0, "polygon": 100 / 60}


def test_files_can_stand_in_for_what_a_source_does_not_have() -> None:
    public, options, _ = made(
        price_source="yfinance", fallback_price_source="files", price_files=FILE
    )
    assert public == [YahooSource, FilesSource]
    assert options == [PolygonSource, FilesSource]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"price_source": "files"}, "PRICE_FILES"),
        ({"price_source": "yfinance", "fallback_price_source": "files"}, "PRICE_FILES"),
        ({"price_source": "yfinance", "fallback_price_source": "yfinance"}, "another source"),
        ({"fallback_price_source": "synthetic"}, "another source"),
        (
            {
                "price_source": "yfinance",
                "fallback_price_source": "synthetic",
                "profile": "production",
            },
            "FALLBACK_PRICE_SOURCE",
        ),
        ({"price_source": "bloomberg"}, "SIGMASIGHT_PRICE_SOURCE"),
        ({"yahoo_requests_per_second": 0}, "SIGMASIGHT_YAHOO_REQUESTS_PER_SECOND"),
        ({"yahoo_base_url": "ftp://here"}, "SIGMASIGHT_YAHOO_BASE_URL"),
    ],
)
def test_settings_that_name_no_usable_chain_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings(**settings)


def test_the_key_of_polygon_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "topsecret")
    settings = load_settings(price_source="yfinance")
    assert "topsecret" not in repr(settings)
    assert settings.polygon_api_key
    assert settings.polygon_api_key.get_secret_value() == "topsecret"
    monkeypatch.setenv("POLYGON_API_KEY", "  ")
    assert load_settings().polygon_api_key is None
