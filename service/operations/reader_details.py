"""Whose business a reader's details are. Names, language and what else is known belong to the person, not to a newsletter: they are
seen and overwritten by whoever has a role in all newsletters that the person is or was in, and by nobody else."""

import re

from service.db import Transaction
from service.domain.permissions import Actor, Permission
from service.operations.operator_sessions import actor_of
from service.operations.permitting import within

HIDDEN = """(CAST(:only AS bigint[]) IS NOT NULL AND EXISTS (
    SELECT FROM subscriptions e WHERE e.subscriber_id = s.id AND e.newsletter_id <> ALL(CAST(:only AS bigint[]))))"""
"""Whether the details of the subscriber `s` are none of the business of somebody with a role in the newsletters `:only`; null: all."""

NOT_YOURS = (
    "This reader is also in newsletters that you have no role in: their details are seen and changed by whoever has one in all of "
    "them. Ask an owner."
)


def are_hidden(tx: Transaction, subscriber_id: int, actor: str, permission: Permission) -> bool:
    """Whether this actor, who may see that there is this reader, may not do this with their details."""
    return bool(
        tx.execute(
            f"SELECT {HIDDEN} FROM subscribers s WHERE s.id = :id", id=subscriber_id, only=within(actor, permission)
        ).scalar_one()
    )


def present_actor(tx: Transaction, name: str) -> str:
    """Whoever is called so in what waited for a worker, with the roles that they hold now; a disabled person and a revoked key
    hold none."""
    found = re.fullmatch(r"(operator|key) (\d+)", name)
    if found is None:
        return name
    if found[1] == "key":
        key = tx.execute(
            "SELECT newsletter_id, role FROM api_keys WHERE id = :id AND revoked_at IS NULL", id=int(found[2])
        ).one_or_none()
        return Actor(name, {} if key is None else {key.newsletter_id: {key.role}})
    person = tx.execute(
        """SELECT o.id, o.role, (SELECT coalesce(jsonb_object_agg(m.newsletter_id, m.role), '{}') FROM memberships m WHERE m.operator_id = o.id) AS memberships
           FROM operators o WHERE o.id = :id AND o.disabled_at IS NULL""",
        id=int(found[2]),
    ).one_or_none()
    return Actor(name, {}) if person is None else actor_of(person.id, person.role, person.memberships)
