"""Where a server of ours listens, and how to log in."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ServerAddress:
    """Where the server listens and how to log in; its text form leaves the password out."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """The address of one database as a postgresql:// URL, password included."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database, safe='')}"

    def connect(self) -> psycopg.Connection:
        """An autocommit connection to the maintenance database, whatever PG* variables say."""
        return psycopg.connect(
            host=self.host,
            hostaddr=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname="postgres",
            connect_timeout=5,
            sslmode="disable",
            gssencmode="disable",
            # A stranger on our port must not be able to ask for the password in clear.
            require_auth="scram-sha-256",
            options="",
            autocommit=True,
        )
