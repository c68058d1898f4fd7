"""Yahoo as a source of companies: one request per profile, one per company's statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

from curl_cffi.requests.exceptions import HTTPError
from yfinance.data import YfData
from yfinance.exceptions import YFException

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.companies import ProfileAnswer, StatementsAnswer
from sigmasight_assets.core.market.patience import Patience
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_fundamentals import TYPES, read_statements
from sigmasight_assets.core.market.yahoo_profiles import MODULES, read_profile
from sigmasight_assets.core.market.yahoo_session import SOURCE, UnknownToYahoo

QUERY: Final = "https://query2.finance.yahoo.com"
PROFILE_URL: Final = f"{QUERY}/v10/finance/quoteSummary"
STATEMENTS_URL: Final = f"{QUERY}/ws/fundamentals-timeseries/v1/finance/timeseries"
EARLIEST: Final = date(2016, 12, 31)

# What the client raises where an answer, or a page it passes on the way, is not what it expects.
CARELESS: Final = (
    YFException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
)

Answer = TypeVar("Answer", ProfileAnswer, StatementsAnswer)


class YahooCompanies:
    """Asks through yfinance's client, which takes care of the cookie and the crumb.

    Its Ticker would spend six requests on what is asked here in one.
    """

    name = SOURCE

    def __init__(self, data: YfData, patience: Patience) -> None:
        self._data = data
        self._patience = patience

    def profile(self, symbol: str) -> ProfileAnswer:
        """The profile and the estimates of one symbol."""
        asked = {
            "modules": ",".join(MODULES),
            "corsDomain": "finance.yahoo.com",
            "formatted": "false",
            "symbol": symbol,
            "lang": "en-US",
            "region": "US",
        }
        url = f"{PROFILE_URL}/{quote(symbol, safe='')}"
        return self._asked(ProfileAnswer, lambda: read_profile(symbol, self._json(url, asked)))

    def statements(
        self, symbol: str, last_fiscal_year_end: date | None, today: date
    ) -> StatementsAnswer:
        """The statements of one company, as many periods as Yahoo has: 4 years, 5 quarters."""
        asked = {
            "symbol": symbol,
            "type": ",".join(TYPES),
            "period1": _seconds(EARLIEST),
            "period2": _seconds(today + timedelta(days=1)),
        }
        url = f"{STATEMENTS_URL}/{quote(symbol, safe='')}"
        return self._asked(
            StatementsAnswer,
            lambda: read_statements(symbol, self._json(url, asked), last_fiscal_year_end),
        )

    def _asked(self, kind: type[Answer], question: Callable[[], Answer]) -> Answer:
        """The answer to a question, or why there is none."""
        try:
            return self._patience.ask(question)
        except UnknownToYahoo as unknown:
            return kind(Outcome.NO_DATA, reason=unknown.reason)
        except RateLimited as limited:
            return kind(Outcome.RATE_LIMITED, reason=str(limited))
        except (SourceUnavailable, SourceRefused) as failure:
            return kind(Outcome.UNAVAILABLE, reason=str(failure))

    def _json(self, url: str, asked: Mapping[str, str]) -> object:
        try:
            found: Any = self._data.get_raw_json(url, params=dict(asked))
        except HTTPError as error:
            # Its text names the address, and the address the crumb.
            status = error.response.status_code
            raise SourceUnavailable(SOURCE, f"HTTP {status}") from None
        except CARELESS as error:
            raise SourceUnavailable(SOURCE, f"unreadable ({type(error).__name__})") from None
        return found


def _seconds(day: date) -> str:
    return str(int(datetime.combine(day, time(), UTC).timestamp()))
