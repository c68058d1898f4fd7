"""Who may write a session, and when readers may see it."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import (
    CHANNEL,
    LAYER_TABLES,
    Layer,
    claim_sessions,
    publish_if_complete,
    record_slice,
)
from sigmasight_assets.core.db.read.published import published, published_at
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import write_session
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets_tests.builders import claim, days
from sigmasight_assets_tests.core.db.example_rows import (
    PORTFOLIO_IDS,
    layer_slices,
    versions,
)

SYMBOLS, PORTFOLIOS = Layer.SYMBOLS, Layer.PORTFOLIOS
ON = days("2025-07-01", "2025-07-03")
SESSION = ON[0]


def publications(database: Database) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(
            "SELECT layer, session, epoch, data_version FROM published_sessions ORDER BY 1, 2"
        ).fetchall()


def said(database: Database, layer: Layer = SYMBOLS) -> set[int]:
    with database.connection() as connection:
        return versions(connection, layer, SESSION)


def test_every_table_of_a_layer_is_a_table_and_no_other_has_slices() -> None:
    assert set.union(*map(set, LAYER_TABLES.values())) <= set(metadata.tables)
    assert not set.intersection(*map(set, LAYER_TABLES.values()))


def test_a_run_that_claims_twice_keeps_its_epoch(database: Database) -> None:
    first = claim(database, SYMBOLS, ON[:2], "a")
    assert first.epochs == dict.fromkeys(ON[:2], 1)
    assert claim(database, SYMBOLS, ON, "a").epochs == dict.fromkeys(ON, 1)
    claim(database, SYMBOLS, ON[1:], "b")
    assert claim(database, SYMBOLS, ON, "a").epochs == dict.fromkeys(ON, 1)


def test_an_overtaken_run_does_not_win_by_claiming_again(database: Database) -> None:
    claim(database, SYMBOLS, [SESSION], "a")
    claim(database, SYMBOLS, [SESSION], "b")
    again = claim(database, SYMBOLS, [SESSION], "a")
    with pytest.raises(StaleEpoch):
        write_session(database, again, SESSION, layer_slices(SYMBOLS, SESSION, 1))


def test_each_session_and_each_layer_has_epochs_of_its_own(database: Database) -> None:
    claim(database, SYMBOLS, ON[:2], "a")
    assert claim(database, SYMBOLS, ON[1:], "b").epochs == {ON[1]: 2, ON[2]: 1}
    assert claim(database, PORTFOLIOS, ON[1:], "b").epochs == {ON[1]: 1, ON[2]: 1}


def test_an_overtaken_run_writes_nothing_and_is_told_both_epochs(database: Database) -> None:
    zombie = claim(database, SYMBOLS, ON, "paused")
    write_session(database, zombie, SESSION, layer_slices(SYMBOLS, SESSION, 1))
    before = publications(database)
    retry = claim(database, SYMBOLS, [SESSION], "retry")
    with pytest.raises(StaleEpoch, match=r"symbols 2025-07-01: epoch 1 was overtaken by 2"):
        write_session(database, zombie, SESSION, layer_slices(SYMBOLS, SESSION, 2))
    assert said(database) == {1}
    assert publications(database) == before
    write_session(database, retry, SESSION, layer_slices(SYMBOLS, SESSION, 3))
    with pytest.raises(StaleEpoch):
        write_session(database, zombie, SESSION, layer_slices(SYMBOLS, SESSION, 4))
    assert said(database) == {3}
    write_session(database, zombie, ON[1], layer_slices(SYMBOLS, ON[1], 5))


def test_eight_runs_that_claim_at_once_get_eight_growing_epochs(database: Database) -> None:
    start = threading.Barrier(8)

    def claiming(number: int) -> dict:
        start.wait(10)
        on = random.Random(number).sample(ON, k=3)
        return dict(claim(database, SYMBOLS, on, f"run {number}").epochs)

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claiming, range(8)))
    for session in ON:
        assert sorted(epochs[session] for epochs in claims) == list(range(1, 9))


def test_a_session_is_published_with_its_last_table_and_not_before(database: Database) -> None:
    held = claim(database, SYMBOLS, [SESSION], "a")
    parts = layer_slices(SYMBOLS, SESSION, 1)
    for part in parts[:-1]:
        write_session(database, held, SESSION, [part])
        assert publications(database) == []
    write_session(database, held, SESSION, parts[-1:])
    ((layer, session, epoch, _),) = publications(database)
    assert (layer, session, epoch) == ("symbols", SESSION, 1)
    with database.connection() as connection:
        assert published(connection, SYMBOLS) == [SESSION]
        assert published(connection, SYMBOLS, ON[1]) == []
        assert published(connection, PORTFOLIOS) == []
        assert published_at(connection, SYMBOLS, SESSION) is not None
        assert published_at(connection, PORTFOLIOS, SESSION) is None


def test_publication_and_rows_share_a_transaction(database: Database) -> None:
    held = claim(database, SYMBOLS, [SESSION], "a")

    def die() -> None:
        with database.connection() as connection:
            for table in LAYER_TABLES[SYMBOLS]:
                record_slice(connection, held, table, SESSION, 1)
            assert publish_if_complete(connection, held, SESSION)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die()
    assert publications(database) == []


def test_each_transaction_that_changes_a_published_session_gives_one_higher_version(
    database: Database,
) -> None:
    held = claim(database, PORTFOLIOS, ON, "a")
    seen = []
    for session in (ON[0], ON[1], ON[0]):
        write_session(database, held, session, layer_slices(PORTFOLIOS, session, 1))
        seen.append(max(version for *_, version in publications(database)))
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 2, PORTFOLIO_IDS[:1]))
    seen.append(max(version for *_, version in publications(database)))
    assert seen == list(range(seen[0], seen[0] + 4))


def test_readers_are_notified_once_per_publication(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        held = claim(database, SYMBOLS, ON, "a")
        write_session(database, held, SESSION, layer_slices(SYMBOLS, SESSION, 1)[:-1])
        for session in ON[:2]:
            write_session(database, held, session, layer_slices(SYMBOLS, session, 1))
        heard = [note.payload for note in listener.notifies(timeout=5, stop_after=2)]
        heard += [note.payload for note in listener.notifies(timeout=0.1)]
    assert heard == ["symbols 2025-07-01", "symbols 2025-07-02"]


def test_a_later_version_is_never_visible_before_an_earlier_one(database: Database) -> None:
    """A cache that remembers the highest version it saw must not miss a slower publication."""
    held = claim(database, SYMBOLS, ON[:2], "a")
    for session in ON[:2]:
        write_session(database, held, session, layer_slices(SYMBOLS, session, 1))
    highest = max(version for *_, version in publications(database))
    slow = database.connection()
    connection = slow.__enter__()
    assert publish_if_complete(connection, held, ON[0])
    done = threading.Event()

    def quick() -> None:
        write_session(database, held, ON[1], layer_slices(SYMBOLS, ON[1], 2))
        done.set()

    thread = threading.Thread(target=quick)
    thread.start()
    overtaken = done.wait(0.5) and max(v for *_, v in publications(database)) > highest
    slow.__exit__(None, None, None)
    thread.join()
    assert not overtaken
    first, second = (version for *_, version in publications(database))
    assert highest < first < second


def test_two_writers_of_one_session_cannot_both_think_the_other_publishes(
    database: Database,
) -> None:
    held = claim(database, SYMBOLS, [SESSION], "a")
    first, *rest = sorted(LAYER_TABLES[SYMBOLS])
    slow = database.connection()
    connection = slow.__enter__()
    record_slice(connection, held, first, SESSION, 1)
    assert not publish_if_complete(connection, held, SESSION)
    parts = [part for part in layer_slices(SYMBOLS, SESSION, 1) if part.table.name in rest]
    thread = threading.Thread(target=write_session, args=(database, held, SESSION, parts))
    thread.start()
    thread.join(0.3)
    slow.__exit__(None, None, None)
    thread.join()
    assert len(publications(database)) == 1


def test_a_reader_never_sees_half_a_session(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 0))
    stop, seen = threading.Event(), []

    def reading() -> None:
        with psycopg.connect(database.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not stop.is_set():
                found = versions(connection, PORTFOLIOS, SESSION)
                told = connection.execute("SELECT data_version FROM published_sessions").fetchone()
                connection.rollback()
                seen.append((frozenset(found), told))

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, 16):
        write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, version))
    stop.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 20
    assert all(len(found) == 1 for found, _ in seen)
    assert len({found for found, _ in seen}) == len({told for _, told in seen}) > 3
    assert len(set(seen)) == len({told for _, told in seen})


def test_claiming_nothing_is_a_claim_of_nothing(database: Database) -> None:
    assert database.transaction(lambda c: claim_sessions(c, SYMBOLS, [], "a")).epochs == {}
