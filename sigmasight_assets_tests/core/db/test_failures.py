"""What a batch could not do is appended, never overwritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets_tests.builders import day

ON = day("2025-07-01")


def logged(database: Database) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(
            "SELECT batch_type, batch_date, item, attempt, reason, detail FROM batch_failure_log "
            "ORDER BY 1, 2, 3, 4"
        ).fetchall()


def test_each_failure_of_an_item_is_its_next_attempt(database: Database) -> None:
    log_failures(database, "prices", ON, [])
    assert logged(database) == []
    first = [BatchFailure("B", "no_data", "none"), BatchFailure("A", "rejected", "bad")]
    log_failures(database, "prices", ON, first)
    log_failures(database, "prices", ON, [BatchFailure("A", "no_data", "none")])
    log_failures(database, "prices", day("2025-07-02"), [BatchFailure("A", "no_data", "none")])
    log_failures(database, "others", ON, [BatchFailure("A", "no_data", "none")])
    assert logged(database) == [
        ("others", ON, "A", 1, "no_data", "none"),
        ("prices", ON, "A", 1, "rejected", "bad"),
        ("prices", ON, "A", 2, "no_data", "none"),
        ("prices", ON, "B", 1, "no_data", "none"),
        ("prices", day("2025-07-02"), "A", 1, "no_data", "none"),
    ]


def test_an_item_that_is_listed_twice_is_logged_once(database: Database) -> None:
    twice = [BatchFailure("A", "no_data", "first"), BatchFailure("A", "rejected", "second")]
    log_failures(database, "prices", ON, twice)
    assert logged(database) == [("prices", ON, "A", 1, "rejected", "second")]


def test_writers_at_once_number_their_attempts_without_a_hole(database: Database) -> None:
    def log(_: int) -> None:
        log_failures(database, "prices", ON, [BatchFailure("A", "no_data", "none")])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(log, range(6)))
    assert [attempt for *_, attempt, _, _ in logged(database)] == [1, 2, 3, 4, 5, 6]
