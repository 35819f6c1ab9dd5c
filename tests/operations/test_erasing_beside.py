"""Erasing a reader beside whoever takes events of theirs: both lock the reader first, and so nobody waits in a circle."""

import threading

from service.db import transaction
from service.operations import erasing
from service.settings import Settings
from tests.conftest import Sandbox
from tests.operations.test_leaving_counts import until_waiting
from tests.operations.test_sending import Drain, Sql, scheduled
from tests.web.test_deadline import owner


def test_an_erasure_waits_for_events_of_the_reader_and_holds_nothing_meanwhile(
    drain: Drain, sandbox: Sandbox, sql: Sql, database: Settings
) -> None:
    scheduled(2, drain)
    drain()
    ((reader,),) = sql("SELECT min(id) FROM subscribers")

    def erase() -> None:
        with transaction() as tx:
            erasing.erase(tx, reader, method="test")

    with owner(database) as connection:
        # As a complaint is taken: the reader, and then the copies.
        connection.execute("SELECT FROM subscribers WHERE id = %s FOR NO KEY UPDATE", [reader])
        erasure = threading.Thread(target=erase)
        erasure.start()
        until_waiting(connection, 1)
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("SELECT FROM deliveries WHERE subscriber_id = %s FOR UPDATE", [reader])
        connection.rollback()
        erasure.join(10)
    assert sql("SELECT count(*) FROM subscribers WHERE id = %s", reader) == [(0,)]
    assert sql("SELECT count(*) FROM deliveries WHERE subscriber_id = %s", reader) == [(0,)]
