"""Roles: who may do what, where; and that what is nobody's business is not even there."""

import itertools

import pytest

from service.domain.permissions import EVERYWHERE_ONLY, ROLES, Actor, Permission
from service.errors import Forbidden, NotFound
from service.operations.permitting import require, require_somewhere, within


@pytest.mark.parametrize(("role", "permission"), list(itertools.product(ROLES, Permission)))
def test_a_role_in_one_newsletter_is_none_in_another(role: str, permission: Permission) -> None:
    mine = Actor("operator 1", {1: {role}})
    assert mine.may(permission, 1) == (permission in ROLES[role] and permission not in EVERYWHERE_ONLY)
    assert not mine.may(permission, 2)
    assert not mine.may(permission)
    everywhere = Actor("operator 2", {None: {role}})
    assert everywhere.may(permission, 1) == everywhere.may(permission) == (permission in ROLES[role])


def test_who_writes_does_not_approve_and_who_approves_does_not_write() -> None:
    assert Permission.APPROVE not in ROLES["editor"]
    assert Permission.WRITE not in ROLES["approver"]


def test_a_foreign_newsletter_is_not_there_and_ones_own_is_refused_with_a_reason() -> None:
    analyst = Actor("operator 1", {1: {"analyst"}})
    with pytest.raises(NotFound):
        require(analyst, Permission.SEND, 2)
    with pytest.raises(Forbidden, match="send, schedule"):
        require(analyst, Permission.SEND, 1)
    require(analyst, Permission.SEE, 1)
    require("console", Permission.ADMINISTER)


def test_lists_hold_what_one_may_see() -> None:
    both = Actor("operator 1", {1: {"analyst"}, 3: {"editor"}})
    assert within(both, Permission.SEE) == [1, 3]
    assert within(both, Permission.SEE_READERS) == [3]
    assert within(Actor("operator 2", {None: {"owner"}}), Permission.SEE) is None
    assert within("console", Permission.SEE) is None
    with pytest.raises(Forbidden):
        require_somewhere(both, Permission.AUDIT)
