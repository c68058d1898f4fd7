"""The form of Yahoo's chart: what it must be before a number of it is believed.

Strict: a string is no number. Other keys are ignored. A malformed split or distribution is left
out by itself; anything else malformed makes the whole answer useless.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sigmasight_assets.core.errors import SourceUnavailable
from sigmasight_assets.core.market.source import ActionType
from sigmasight_assets.core.market.yahoo_session import SOURCE, UnknownToYahoo

CURRENCY: Final = "USD"
LONGEST_WORDS: Final = 160

# Seconds that stand for a day from 1900 to 2199.
Instant = Annotated[int, Field(ge=-2_208_988_800, lt=7_258_118_400)]
Numbers = list[float | None]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Meta(_Form):
    """Whose chart it is. newest_trade: seconds."""

    symbol: str
    currency: str | None = None
    zone: str = Field(alias="exchangeTimezoneName")
    newest_trade: int | None = Field(None, alias="regularMarketTime")


class Quote(_Form):
    """Bars of a day, split-adjusted; null where unknown."""

    open: Numbers | None = None
    high: Numbers | None = None
    low: Numbers | None = None
    close: Numbers | None = None
    volume: Numbers | None = None


class Adjusted(_Form):
    """Closes adjusted for splits and dividends."""

    adjclose: Numbers | None = None


class Indicators(_Form):
    """One quote, and one adjusted series unless there is none."""

    quote: list[Quote] = Field(min_length=1)
    adjclose: list[Adjusted] | None = None


class Result(_Form):
    """The chart of one symbol. timestamp: seconds, one per bar."""

    meta: Meta
    timestamp: list[Instant] | None = None
    indicators: Indicators
    events: dict[str, dict[str, Any] | None] | None = None

    def actions(self) -> Iterator[tuple[int, ActionType, float]]:
        """Instant, kind and value of each event that is well-formed and in dollars."""
        for name, form in EVENT_FORMS.items():
            for event in ((self.events or {}).get(name) or {}).values():
                try:
                    action = form.model_validate(event)
                except ValidationError:
                    continue
                if math.isfinite(action.value) and action.value > 0:
                    yield action.date, action.kind, action.value


class Distribution(_Form):
    """Cash per share: a dividend, or the capital gains that a fund passes on."""

    date: Instant
    amount: float
    currency: str | None = None

    @property
    def kind(self) -> ActionType:
        """It is paid as a dividend is."""
        return ActionType.DIVIDEND

    @property
    def value(self) -> float:
        """USD per share, NaN in another currency."""
        return self.amount if (self.currency or CURRENCY) == CURRENCY else math.nan


class Split(_Form):
    """New shares for old ones."""

    date: Instant
    numerator: float
    denominator: float

    @property
    def kind(self) -> ActionType:
        """A split, or a reverse split below 1."""
        return ActionType.SPLIT

    @property
    def value(self) -> float:
        """New shares per old one."""
        return self.numerator / self.denominator if self.denominator else math.nan


EVENT_FORMS: Final[dict[str, type[Distribution] | type[Split]]] = {
    "dividends": Distribution,
    "capitalGains": Distribution,
    "splits": Split,
}


class _Error(_Form):
    code: str | None = None
    description: str | None = None


class _Body(_Form):
    result: list[Result] | None = None
    error: _Error | None = None


class _Answer(_Form):
    chart: _Body


def parse_chart(content: bytes) -> Result:
    """The one result of an answer.

    Raises:
        UnknownToYahoo: the answer says that there is no such symbol.
        SourceUnavailable: the answer has another form; the reason says where.
    """
    try:
        chart = _Answer.model_validate_json(content).chart
    except ValidationError as error:
        raise malformed(_first_problem(error)) from None
    if chart.error is not None:
        words = (chart.error.description or chart.error.code or "an error")[:LONGEST_WORDS]
        if chart.error.code == "Not Found":
            raise UnknownToYahoo(SOURCE, words)
        raise malformed(words)
    if not chart.result:
        raise malformed("no result")
    return chart.result[0]


def malformed(problem: str) -> SourceUnavailable:
    """The error for an answer that is no chart."""
    return SourceUnavailable(SOURCE, f"not a chart: {problem}")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where} {problem['msg']}".strip()[:LONGEST_WORDS]
