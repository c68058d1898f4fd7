"""The application factory."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from sigmasight_api.health import router as health


def create_app() -> FastAPI:
    """The service; nothing is opened before a request needs it."""
    app = FastAPI(title="SigmaSight", version=version("sigmasight"))
    app.include_router(health)
    return app
