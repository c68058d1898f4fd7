"""The price sources by the name that settings give them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.market.synthetic import SyntheticSource

SOURCES: Final = ("files", "synthetic")


def make_source(name: str, prices_path: Path | None) -> PriceSource:
    """The source that SIGMASIGHT_PRICE_SOURCE names; `files` reads `prices_path`.

    Raises:
        ConfigurationError: for a name that is no source, or files without a path.
    """
    if name == "synthetic":
        return SyntheticSource()
    if name != "files":
        legal = ", ".join(SOURCES)
        raise ConfigurationError(f"SIGMASIGHT_PRICE_SOURCE is {name!r}; it must be one of {legal}")
    if prices_path is None:
        raise ConfigurationError(
            "SIGMASIGHT_PRICE_SOURCE is 'files', so SIGMASIGHT_PRICE_FILES must name a Parquet "
            "file or a folder of CSV files"
        )
    return FilesSource(prices_path)
