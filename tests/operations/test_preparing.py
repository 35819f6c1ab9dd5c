"""A freeze that does not add up keeps nothing and sends nothing: whatever was lost, moved or let in, the sums tell."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.db import Transaction
from service.errors import BroadsheetError
from service.operations import editing, preparing, scheduling, segments
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, people, readers
from tests.operations.test_sending import Sql, small

__all__ = ["small"]

ONE = "(SELECT min(id) FROM subscribers)"
WRONG = {
    "lost": (f"IF NEW.subscriber_id = {ONE} THEN RETURN NULL; END IF;", "deliveries=11"),
    "moved": (
        f"IF NEW.subscriber_id = {ONE} THEN NEW.batch_id := (SELECT min(id) FROM batches WHERE id <> NEW.batch_id); END IF;",
        "wrong_batches=2",
    ),
    "left-out": (f"IF NEW.subscriber_id = {ONE} THEN NEW.batch_id := NULL; END IF;", "wrong_batches=1"),
    "let-in": (
        "IF NEW.excluded IS NOT NULL THEN NEW.batch_id := (SELECT max(id) FROM batches); END IF;",
        "without_batch=0",
    ),
    "marked": (f"IF NEW.subscriber_id = {ONE} THEN NEW.excluded := 'paused'; END IF;", "wrong_batches=1"),
}


@pytest.fixture
def wrong(request: pytest.FixtureRequest, sql: Sql) -> Iterator[str]:
    """A fault in the database, and what the sums say of it."""
    does, told = WRONG[request.param]
    sql(f"CREATE FUNCTION wrong() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} RETURN NEW; END $$")
    sql("CREATE TRIGGER wrong BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION wrong()")
    yield told
    sql("DROP TRIGGER wrong ON deliveries")
    sql("DROP FUNCTION wrong()")


@pytest.mark.parametrize("wrong", [*WRONG], indirect=True)
def test_a_freeze_that_does_not_add_up_is_refused(small: Settings, sql: Sql, wrong: str) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(12))
    sql(
        "UPDATE subscriptions SET paused_until = now() + interval '1 day' WHERE id = (SELECT max(id) FROM subscriptions)"
    )
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    with pytest.raises(BroadsheetError, match=rf"does not add up: .*\b{wrong}\b"):
        preparing.prepare(issue)
    assert sql("SELECT count(*) FROM deliveries") == sql("SELECT count(*) FROM batches") == [(0,)]


def test_readers_are_hashed_whole_where_an_issue_is_not_for_a_large_set(
    small: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the room to hash it, each reader is compared with all of the set: a freeze of 100,000 would take hours."""
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent) VALUES (%s, 'a.csv', '\\x00', 'Words')",
        newsletter,
    )
    sql(
        "SET session_replication_role = replica;"
        " INSERT INTO imported_rows (import_id, subscriber_id) SELECT i.id, n FROM imports i, generate_series(1000000, 1200000) n;"
        " SET session_replication_role = origin"
    )
    sql("ANALYZE imported_rows")
    ((imported,),) = sql("SELECT max(id) FROM imports")
    block = [{"what": "import", "how": "is_not", "value": str(imported), "name": ""}]
    segment = segments.save(newsletter, "New", [block], actor="test")[0]
    issue = an_issue(newsletter)
    editing.set_audience(issue, {"segments": [segment]}, actor="test")
    scheduling.schedule(issue, actor="test")
    plan: list[str] = []
    execute = Transaction.execute

    def explained(tx: Transaction, statement: str, *given: Any, **named: Any) -> Any:
        if "TEMPORARY TABLE candidates" in statement:
            plan.extend(execute(tx, f"EXPLAIN {statement}", *given, **named).scalars())
        return execute(tx, statement, *given, **named)

    monkeypatch.setattr(Transaction, "execute", explained)
    assert preparing.prepare(issue)
    assert any("hashed SubPlan" in line for line in plan), "\n".join(plan)
