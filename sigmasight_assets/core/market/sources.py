"""The sources that settings name: a chain of prices for each class of symbol, and companies."""

from __future__ import annotations

from collections.abc import Callable

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.companies import CompanySource
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.patience import Patience, RequestLimit
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.settings import PriceSourceName, Settings

Limits = Callable[[str, float], RequestLimit]
"""The shared budget of a source, by its name and the requests a second that it allows."""


def make_sources(settings: Settings, limits: Limits) -> PriceSources:
    """The chain of each class: the configured source, then the fallback.

    Yahoo has no prices of option contracts: where it is the source, Polygon prices them.

    Raises:
        ConfigurationError: for files without a path.
    """
    names = [settings.source_name()]
    if settings.fallback_price_source:
        names.append(settings.fallback_price_source)
    public = tuple(_public(name, settings, limits) for name in names)
    options = tuple(
        _polygon(settings, limits) if name is PriceSourceName.YFINANCE else source
        for name, source in zip(names, public, strict=True)
    )
    return PriceSources(public, options)


def make_company_source(settings: Settings, limits: Limits) -> CompanySource | None:
    """The source of profiles and statements; None where the configured prices come without."""
    if not settings.knows_companies():
        return None
    from sigmasight_assets.core.market.yahoo_companies import YahooCompanies  # noqa: PLC0415
    from sigmasight_assets.core.market.yahoo_session import (  # noqa: PLC0415
        make_session,
        yahoo_data,
    )

    limit = limits("yfinance", settings.yahoo_requests_per_second)
    data = yahoo_data(make_session(limit, settings.yahoo_base_url))
    return YahooCompanies(data, Patience("yfinance", limit))


def _public(name: PriceSourceName, settings: Settings, limits: Limits) -> PriceSource:
    if name is PriceSourceName.SYNTHETIC:
        return SyntheticSource()
    if name is PriceSourceName.YFINANCE:
        return _yahoo(settings, limits)
    if settings.price_files is None:
        raise ConfigurationError(
            "SIGMASIGHT_PRICE_SOURCE is 'files', so SIGMASIGHT_PRICE_FILES must name a Parquet "
            "file or a folder of CSV files"
        )
    return FilesSource(settings.price_files)


def _yahoo(settings: Settings, limits: Limits) -> PriceSource:
    # The clients take a second to import, which the other sources spare.
    from sigmasight_assets.core.market.yahoo import YahooSource  # noqa: PLC0415

    return YahooSource(
        limits("yfinance", settings.yahoo_requests_per_second),
        base_url=settings.yahoo_base_url,
        at_once=settings.yahoo_at_once,
    )


def _polygon(settings: Settings, limits: Limits) -> PriceSource:
    from sigmasight_assets.core.market.polygon_source import PolygonSource  # noqa: PLC0415

    key = settings.polygon_api_key
    return PolygonSource(
        key.get_secret_value() if key else None,
        limits("polygon", settings.polygon_requests_per_minute / 60),
        base_url=settings.polygon_base_url,
    )
