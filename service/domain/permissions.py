"""Who may do what: the one table of roles and permissions, and the actor whose rights are asked about. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self


class Permission(StrEnum):
    """One kind of thing that a person of the team does. Its value is what a refusal says may not be done."""

    SEE = "see this"
    SEE_READERS = "see who the readers are"
    WRITE = "write or change issues"
    SEND = "send, schedule, pause or cancel issues"
    APPROVE = "approve issues"
    DECIDE = "decide on copies that nobody can vouch for"
    CHANGE_READERS = "change readers"
    IMPORT = "import readers or undo an import"
    EXPORT = "export readers"
    ERASE = "erase readers or lift a suppression"
    CONFIGURE = "change a newsletter's settings"
    ADMINISTER = "change the installation, its operators or its keys"
    AUDIT = "read the audit log"


_EVERYTHING = frozenset(Permission)
_ANALYST = frozenset({Permission.SEE})
_APPROVER = _ANALYST | {Permission.SEE_READERS, Permission.APPROVE}
_EDITOR = _ANALYST | {
    Permission.SEE_READERS,
    Permission.WRITE,
    Permission.SEND,
    Permission.CHANGE_READERS,
    Permission.IMPORT,
    Permission.EXPORT,
}

ROLES: Mapping[str, frozenset[Permission]] = {
    "owner": _EVERYTHING,
    "editor": _EDITOR,
    "approver": _APPROVER,
    "analyst": _ANALYST,
}
"""Role → what it may do in the newsletters where it is held. Whoever may approve does not write: two people, four eyes."""

EVERYWHERE_ONLY = frozenset({Permission.ADMINISTER, Permission.AUDIT, Permission.ERASE})
"""What concerns all newsletters at once: a role held in one of them is not enough for it."""


class Actor(str):
    """Who acts, as the audit log names them (`operator 3`, `key 2`), with their roles: newsletter → roles, None for all of them.

    A plain `str` in its place is the shell or the service itself (`console`), which nobody restricts: whoever has the shell has
    the database. What comes over HTTP acts as an Actor, always.
    """

    grants: Mapping[int | None, frozenset[str]]

    def __new__(cls, name: str, grants: Mapping[int | None, Iterable[str]]) -> Self:
        made = super().__new__(cls, name)
        made.grants = {newsletter: frozenset(roles) for newsletter, roles in grants.items()}
        return made

    def may(self, permission: Permission, newsletter_id: int | None = None) -> bool:
        """Whether they may do this in that newsletter; None: in the installation as a whole."""
        held = set(self.grants.get(None, ()))
        if newsletter_id is not None and permission not in EVERYWHERE_ONLY:
            held |= self.grants.get(newsletter_id, frozenset())
        return any(permission in ROLES[role] for role in held)

    def may_somewhere(self, permission: Permission) -> bool:
        """Whether there is a newsletter in which they may do this, or all: for what a menu shows."""
        return self.may(permission) or any(
            self.may(permission, newsletter) for newsletter in self.grants if newsletter is not None
        )

    def newsletters(self, permission: Permission) -> list[int] | None:
        """The newsletters in which they may do this; None: in all."""
        if self.may(permission):
            return None
        return sorted(one for one in self.grants if one is not None and self.may(permission, one))
