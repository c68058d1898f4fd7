"""What Polygon's client says, with statuses, time limits and words of our own.

The client sends without a time limit and keeps an answer's status to itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from curl_cffi.requests import Session
from curl_cffi.requests.exceptions import RequestException, Timeout
from curl_cffi.requests.session import HttpMethod
from urllib3 import HTTPResponse

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.patience import stated_pause

NAME: Final = "polygon"


class KeyRefused(SourceRefused):
    """No contract will be answered with this key."""


class UnknownContract(SourceRefused):
    """Polygon's own word that there is no such contract."""


@dataclass(frozen=True)
class Aggregates:
    """Polygon's answer of one contract. results: bars as they came, whatever they are."""

    ticker: object
    results: list[Any]


class Transport:
    """Sends the client's requests, within a time limit for the whole answer and with our errors.

    The client sends without a time limit and keeps an answer's status to itself; urllib3, which
    it would use, bounds the silence between two bytes, so that a trickle has no end.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._session = Session[Any](timeout=timeout, allow_redirects=False)

    def request(
        self, method: HttpMethod, url: str, fields: dict[str, Any], headers: dict[str, str]
    ) -> HTTPResponse:
        """The answer with status 200.

        Raises:
            RateLimited, SourceUnavailable, SourceRefused: for every other answer, and for none.
        """
        try:
            response = self._session.request(method, url, params=fields, headers=headers)
        except Timeout:
            raise SourceUnavailable(NAME, f"no whole answer in {self._timeout:g} s") from None
        except RequestException as error:
            # The client's own message names the address.
            raise SourceUnavailable(NAME, f"{type(error).__name__} (curl {error.code})") from None
        if response.status_code != 200:
            stated = response.headers.get("Retry-After")
            raise _error(response.status_code, parsed(response.content), stated)
        return HTTPResponse(BytesIO(response.content), status=200)


def parsed(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is, or None."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def checked(said: dict[str, Any] | None) -> Aggregates:
    """The answer in a body that came with status 200.

    Raises:
        RateLimited, SourceUnavailable, SourceRefused: if it is none.
    """
    if said is None:
        raise SourceUnavailable(NAME, "HTTP 200 without JSON")
    if said.get("status") not in ("OK", "DELAYED"):
        raise _error(_status_in_words(said), said)
    results = said.get("results") or []
    promised = said.get("resultsCount") and not results
    if not isinstance(results, list) or promised or said.get("next_url"):
        raise SourceUnavailable(NAME, "the answer is not whole")
    return Aggregates(said.get("ticker"), results)


def _status_in_words(said: Mapping[str, Any]) -> int:
    """The HTTP status that an error sent with status 200 should have had."""
    words = _message(said)
    if said.get("status") == "NOT_AUTHORIZED":
        return 403
    if "api key" in words:
        return 401
    return 429 if "maximum requests" in words else 500


def _message(said: Mapping[str, Any]) -> str:
    return f"{said.get('error')} {said.get('message')}".lower()


def _error(status: int, said: dict[str, Any] | None, stated: str | None = None) -> Exception:
    """What a status means. Polygon's words are not repeated: they hold addresses.

    said: the JSON that came with it, if any; stated: its Retry-After.
    """
    if status == 429:
        return RateLimited(NAME, stated_pause(stated))
    if status in (401, 403) and "timeframe" not in _message(said or {}):
        words = f"HTTP {status}, POLYGON_API_KEY is wrong or its plan has no option bars"
        return KeyRefused(NAME, words)
    if status == 404 and "status" in (said or {}):
        return UnknownContract(NAME, "HTTP 404, no such contract")
    passing = status < 400 or status == 408 or status >= 500
    return (SourceUnavailable if passing else SourceRefused)(NAME, f"HTTP {status}")
