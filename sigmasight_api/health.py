"""Is the process there, and which one is it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers; it says nothing of the database."""

    status: Literal["alive"]
    version: str


@router.get("/live")
def live(request: Request) -> Live:
    """Answer at once, whatever else is going on."""
    return Live(status="alive", version=request.app.version)
