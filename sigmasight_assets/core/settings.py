"""Environment to one frozen `Settings`. Read once at the edge, then passed as an argument."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from sigmasight_assets.core.errors import ConfigurationError


class Profile(StrEnum):
    """Where the platform runs. Nothing in production has a default secret or invented price."""

    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


class PriceSourceName(StrEnum):
    """The price sources that can be configured."""

    SYNTHETIC = "synthetic"
    FILES = "files"
    YFINANCE = "yfinance"


class Settings(BaseSettings):
    """Settings from the environment; every name has the prefix SIGMASIGHT_."""

    model_config = SettingsConfigDict(env_prefix="SIGMASIGHT_", frozen=True, extra="ignore")

    profile: Profile = Profile.DEMO
    home: Path = Path(".sigmasight")
    database_url: str | None = None
    dagster_postgres_url: Annotated[str | None, Field(validation_alias="DAGSTER_POSTGRES_URL")] = (
        None
    )
    price_source: PriceSourceName | None = None
    fallback_price_source: PriceSourceName | None = None
    price_files: Path | None = None
    yahoo_base_url: str | None = None
    yahoo_at_once: Annotated[int, Field(ge=1, le=50)] = 5
    yahoo_requests_per_second: Annotated[float, Field(gt=0, le=1000)] = 2.0
    polygon_base_url: str | None = None
    polygon_requests_per_minute: Annotated[float, Field(gt=0, le=60_000)] = 5.0
    polygon_api_key: Annotated[SecretStr | None, Field(validation_alias="POLYGON_API_KEY")] = None
    profiles_per_night: Annotated[int, Field(ge=0)] = 2_000
    fundamentals_per_night: Annotated[int, Field(ge=0)] = 500
    onboarding_wait_seconds: Annotated[
        float, Field(ge=0, le=3600, validation_alias="SIGMASIGHT_ONBOARDING_WAIT")
    ] = 120.0
    start_date: date = date(2024, 1, 2)
    now: AwareDatetime | None = None
    correlation_matrix_sessions: Annotated[int, Field(ge=1)] = 20
    tlt_duration: Annotated[float, Field(gt=0, le=40)] = 16.0
    tlt_convexity: Annotated[float, Field(ge=0, le=2000)] = 360.0

    @field_validator("database_url", "dagster_postgres_url")
    @classmethod
    def _postgres_only(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("postgresql://", "postgresql+", "postgres://")):
            raise ValueError("must be a postgresql:// URL")
        return url

    @field_validator("yahoo_base_url", "polygon_base_url")
    @classmethod
    def _web_only(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must be a http:// or https:// URL")
        return url.rstrip("/") if url else None

    @field_validator("polygon_api_key")
    @classmethod
    def _blank_is_none(cls, key: SecretStr | None) -> SecretStr | None:
        return key if key and key.get_secret_value().strip() else None

    @model_validator(mode="after")
    def _production_invents_nothing(self) -> Self:
        if self.profile is Profile.PRODUCTION:
            if self.price_source in (None, PriceSourceName.SYNTHETIC):
                raise ValueError("PRICE_SOURCE must name a real source in the production profile")
            if self.now is not None:
                raise ValueError("NOW freezes the clock: refused in the production profile")
            if self.fallback_price_source is PriceSourceName.SYNTHETIC:
                raise ValueError("FALLBACK_PRICE_SOURCE must not be invented in production")
        named = (self.source_name(), self.fallback_price_source)
        if PriceSourceName.FILES in named and self.price_files is None:
            raise ValueError("PRICE_FILES must name the file or folder when the source is files")
        if named[0] is named[1]:
            raise ValueError("FALLBACK_PRICE_SOURCE must be another source than PRICE_SOURCE")
        return self

    def source_name(self) -> PriceSourceName:
        """The price source: synthetic unless configured (never in production)."""
        return self.price_source or PriceSourceName.SYNTHETIC

    def knows_companies(self) -> bool:
        """Whether profiles and statements come with the configured prices."""
        return self.source_name() is PriceSourceName.YFINANCE

    def clock(self) -> datetime:
        """The present instant, or the one that NOW freezes. The only clock there is."""
        return self.now or datetime.now(UTC)


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401  (values are validated by field)
    """Settings from the environment, with overrides.

    Raises:
        ConfigurationError: one line that names each wrong setting.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    """Each wrong setting with its reason, never its value (a URL holds a password)."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        field = "_".join(str(part) for part in problem["loc"])
        name = field if field.isupper() else f"SIGMASIGHT_{field.upper()}" if field else "settings"
        parts.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
