"""What readers may see."""

from __future__ import annotations

from datetime import date, datetime

from psycopg import Connection

from sigmasight_assets.core.db.epochs import Layer


def published(connection: Connection, layer: Layer, first: date | None = None) -> list[date]:
    """The published sessions of a layer from `first` on, ascending."""
    rows = connection.execute(
        """
        SELECT session FROM published_sessions
        WHERE layer = %(layer)s AND session >= coalesce(%(first)s, session) ORDER BY session
        """,
        {"layer": layer, "first": first},
    ).fetchall()
    return [session for (session,) in rows]


def published_since(connection: Connection, layer: Layer, instant: datetime) -> list[date]:
    """The sessions of a layer that were published, or published anew, since an instant."""
    rows = connection.execute(
        "SELECT session FROM published_sessions WHERE layer = %s AND published_at >= %s "
        "ORDER BY session",
        (layer, instant),
    ).fetchall()
    return [session for (session,) in rows]


def published_at(connection: Connection, layer: Layer, session: date) -> datetime | None:
    """When a session of a layer was last published, None if it is not."""
    row = connection.execute(
        "SELECT published_at FROM published_sessions WHERE layer = %s AND session = %s",
        (layer, session),
    ).fetchone()
    return row[0] if row else None
