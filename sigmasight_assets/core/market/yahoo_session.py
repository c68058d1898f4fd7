"""The HTTP session that yfinance works with: counted, bounded in time, frank about failures.

yfinance asks for a cookie and a crumb before the first question, and meets every status from
400 up by fetching both anew and asking again: up to six requests where one was answered. So
this session raises what asking again cannot change, and lets through only what a new crumb heals.
"""

from __future__ import annotations

import json
import os
import threading
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import yfinance
from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import DNSError, IncompleteRead, RequestException, Timeout
from curl_cffi.requests.session import HttpMethod
from yfinance.data import SingletonMeta, YfData

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.patience import RequestLimit, stated_pause

SOURCE: Final = "yfinance"
COOKIE_HOST: Final = "fc.yahoo.com"
CRUMB_PATH: Final = "/v1/test/getcrumb"
CRUMB_IN_DOUBT: Final = (401, 403)
NO_DATA_WORDS: Final = "data doesn't exist"
LONGEST_WORDS: Final = 200

# Cookie and crumb are fetched under one lock, by one thread at a time: a source that is down
# must not hold up each of them in turn for the whole timeout.
CREDENTIAL_SHARE: Final = 1 / 3

_adopting = threading.Lock()


class UnknownToYahoo(SourceRefused):
    """Yahoo answered that it has nothing under this symbol, or nothing of these days."""


class _Kind(Enum):
    """What is due: JSON; the crumb, a word; or a page for its cookie, of whatever content."""

    DATA = auto()
    CRUMB = auto()
    PAGE = auto()


class YahooSession(Session[Response]):
    """A browser-like session that raises at once what another request cannot change.

    Every request waits for its turn first. Not counted: a redirect that is followed, and what
    curl sends anew because a connection that it had kept was closed.
    """

    def __init__(self, limit: RequestLimit, base_url: str | None, timeout: float) -> None:
        super().__init__(impersonate="chrome", max_redirects=5)
        self._limit = limit
        self._server = urlsplit(base_url.rstrip("/")) if base_url else None
        self._seconds = timeout
        self._cookie_page: Response | None = None

    def request(
        self,
        method: HttpMethod,
        url: str,
        *args: Any,  # noqa: ANN401  (passed on as they are)
        **kwargs: Any,  # noqa: ANN401
    ) -> Response:
        """Send one request; its answer is complete within the session's timeout.

        Of statuses from 400 up only 401 and 403 are returned, and any of a page for cookies.

        Raises:
            RateLimited: at 429.
            SourceUnavailable: no complete answer in time, 408, 5xx, or a web page for JSON.
            UnknownToYahoo: Yahoo's own word that it has no such data.
            SourceRefused: any other status from 400 up.
        """
        kind = _kind(url)
        # yfinance forgets the cookie unless it may write it to a file, and asks every time.
        is_cookie_page = urlsplit(url).hostname == COOKIE_HOST
        if is_cookie_page and self._cookie_page is not None:
            return self._cookie_page
        kwargs["timeout"] = self._seconds * (1 if kind is _Kind.DATA else CREDENTIAL_SHARE)
        self._limit.wait_for_turn()
        response = self._sent(method, url, *args, **kwargs)
        if response.status_code in CRUMB_IN_DOUBT:
            self._cookie_page = None
        checked = _checked(response, kind)
        if is_cookie_page:
            self._cookie_page = checked
        return checked

    def _address(self, url: str) -> str:
        if self._server is None:
            return url
        asked = urlsplit(url)
        path = self._server.path + asked.path
        return urlunsplit((self._server.scheme, self._server.netloc, path, asked.query, ""))

    def _sent(self, method: HttpMethod, url: str, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401
        try:
            return super().request(method, self._address(url), *args, **kwargs)
        except DNSError:
            # yfinance knows another way to a cookie where a filter hides this host.
            if urlsplit(url).hostname == COOKIE_HOST:
                raise
            raise SourceUnavailable(SOURCE, "its address is not known") from None
        except Timeout:
            seconds = kwargs["timeout"]
            raise SourceUnavailable(SOURCE, f"no whole answer in {seconds:.3g} s") from None
        except IncompleteRead:
            raise SourceUnavailable(SOURCE, "the answer was cut short") from None
        except RequestException as error:
            # The client's own message names addresses.
            raise SourceUnavailable(SOURCE, f"{type(error).__name__} (curl {error.code})") from None


def make_session(
    limit: RequestLimit, base_url: str | None = None, timeout: float = 10.0
) -> YahooSession:
    """A session for yfinance. base_url: where all of Yahoo's hosts are found instead.

    timeout: seconds for a whole answer.
    """
    # One question must be answered or raise; and yfinance keeps no file of cookies or time
    # zones, which processes that run at once would share: the null device is no folder.
    yfinance.config.debug.hide_exceptions = False
    yfinance.set_tz_cache_location(os.devnull)
    return YahooSession(limit, base_url, timeout)


def yahoo_data(session: YahooSession) -> YfData:
    """yfinance's one client, working with this session, without remembered answers.

    It is made anew for another session than the last one, since it keeps a cookie and a crumb.
    Two sessions take turns, they do not work at once: a Ticker takes whichever client is there.
    """
    with _adopting:
        YfData.cache_get.cache_clear()
        data = SingletonMeta._instances.get(YfData)
        if data is None or data._session is not session:
            SingletonMeta._instances.pop(YfData, None)
            data = YfData(session=session)
        return data


def _kind(url: str) -> _Kind:
    asked = urlsplit(url)
    if not (asked.hostname or "").startswith("query"):
        return _Kind.PAGE
    return _Kind.CRUMB if asked.path == CRUMB_PATH else _Kind.DATA


def _checked(response: Response, kind: _Kind) -> Response:
    """The answer itself, if it is one."""
    status = response.status_code
    if status == 429:
        raise RateLimited(SOURCE, stated_pause(response.headers.get("Retry-After")))
    if kind is _Kind.PAGE:
        return response
    if status == 408 or status >= 500:
        raise SourceUnavailable(SOURCE, f"HTTP {status}")
    if kind is _Kind.CRUMB:
        if status >= 400:
            # yfinance takes the text of a refusal for the crumb.
            response.content = b""
        return response
    if status in CRUMB_IN_DOUBT or _is_consent_page(response):
        return response
    if response.content.lstrip()[:1] == b"<":
        raise SourceUnavailable(SOURCE, f"a web page instead of data (HTTP {status})")
    if status >= 400:
        raise _refusal(response)
    return response


def _is_consent_page(response: Response) -> bool:
    """Whether Yahoo asks for consent first: yfinance gives it."""
    return (urlsplit(response.url).hostname or "").endswith("consent.yahoo.com")


def _refusal(response: Response) -> SourceRefused:
    """What Yahoo says of a question that it will not answer otherwise the next time."""
    status, words = response.status_code, _words(response.content)
    if words and (status == 404 or words.lower().startswith(NO_DATA_WORDS)):
        return UnknownToYahoo(SOURCE, words)
    return SourceRefused(SOURCE, f"HTTP {status} {words}".rstrip())


def _words(content: bytes) -> str:
    """Yahoo's description of an error: {"chart": {"error": {"description": ...}}}."""
    try:
        (answer,) = json.loads(content).values()
        return str(answer["error"]["description"])[:LONGEST_WORDS]
    except (ValueError, AttributeError, TypeError, LookupError):
        return ""
