"""Asks whether somebody may do what they ask for. Every operation that a person of the team can call asks here first."""

from service.domain.permissions import Actor, Permission
from service.errors import Forbidden, NotFound


def require(actor: str, permission: Permission, newsletter_id: int | None = None) -> None:
    """Let pass who may do this in that newsletter (None: in the installation as a whole). The shell may do everything.

    Raises Forbidden; and NotFound to whom the newsletter is none of their business, so that they learn nothing of it.
    """
    if not isinstance(actor, Actor) or actor.may(permission, newsletter_id):
        return
    if newsletter_id is not None and not actor.may(Permission.SEE, newsletter_id):
        raise NotFound("There is no such thing, or it is in a newsletter that you have no role in.")
    raise Forbidden(f"Your role does not let you {permission.value}. Ask an owner to do it, or for another role.")


def require_somewhere(actor: str, permission: Permission) -> None:
    """The same for what is not in one newsletter, such as a list of all that somebody may see. Raises Forbidden."""
    if isinstance(actor, Actor) and not actor.may_somewhere(permission):
        raise Forbidden(f"Your role does not let you {permission.value}. Ask an owner to do it, or for another role.")


def within(actor: str, permission: Permission) -> list[int] | None:
    """The newsletters in which somebody may do this, for the WHERE of a query; None: all of them."""
    return actor.newsletters(permission) if isinstance(actor, Actor) else None
