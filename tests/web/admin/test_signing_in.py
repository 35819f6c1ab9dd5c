"""Ways in: the first owner, the second step, links that set a password, and what keeps guessing slow."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyotp
import pytest

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import operator_links, operator_sessions, operators, passwords, second_step, signing_in
from service.operations.signing_in import TooManyTries
from tests.team import PASSWORD, actor_of, an_operator, signed_in, token_of
from tests.web.browsing import Person

Sql = Callable[..., list[Any]]
HERE = {"network": "127.0.0.0/24", "user_agent": "Chrome"}
ADA = "ada@team.example"


def enter(web: str, person: Person, password: str = PASSWORD, address: str = ADA) -> Any:
    return person.press(person.get(f"{web}/admin/sign-in"), "/sign-in", address=address, password=password)


def test_the_first_owner_sets_themselves_up_with_the_code_and_nobody_after_them(web: str) -> None:
    person = Person()
    shown = person.get(f"{web}/admin/")
    assert shown.url == f"{web}/admin/set-up"
    words = {"name": "Ada", "address": ADA, "password": PASSWORD, "time_zone": "Asia/Shanghai"}
    wrong = person.press(shown, "/set-up", code="guessed", **words)
    assert wrong.status == 422
    assert "The set-up code is wrong" in wrong.said
    assert wrong.form("/set-up")[1]["name"] == "Ada"
    home = person.press(wrong, "/set-up", code=operators.set_up_code().upper(), **words)
    assert home.url == f"{web}/admin/"
    assert "Times are in Asia/Shanghai" in home.said
    assert Person().get(f"{web}/admin/set-up").url == f"{web}/admin/sign-in"
    with pytest.raises(Conflict):
        operators.set_up(operators.set_up_code(), **{**words, "address": "eve@team.example"})


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 12"),
        ("aaaaaaaaaaaaaaa", "repeats"),
        ("x" * 300, "more than 256"),
        ("ada quill 12", "little more than your name"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str, said: str) -> None:
    assert said in passwords.problems(password, ADA, "Ada Quill")[0]


def test_with_the_second_step_a_password_alone_opens_nothing(web: str, sql: Sql) -> None:
    who = an_operator(address=ADA)
    proposal = second_step.propose(ADA)
    first_code = pyotp.TOTP(proposal.secret).now()
    codes = second_step.turn_on(who, secret=proposal.secret, code=first_code, actor="test")
    assert proposal.secret.encode() not in bytes(sql("SELECT totp_secret FROM operators")[0][0])
    person = Person()
    asked = enter(web, person)
    assert asked.url == f"{web}/admin/second-step"
    for place in ("/admin/", "/admin/team", "/admin/account"):
        assert person.get(web + place).url == f"{web}/admin/second-step"
    first = [cookie.value for cookie in person.cookies if cookie.name == "operator"]
    used = person.press(asked, "/second-step", code=first_code)
    assert "was used before" in used.said, "the code that turned it on is used up"
    home = person.press(used, "/second-step", code=codes[0].upper())
    assert home.url == f"{web}/admin/"
    second = [cookie.value for cookie in person.cookies if cookie.name == "operator"]
    assert first != second, "the session of before the second step is not the one after it"
    assert operator_sessions.find(str(first[0])) is None
    other = Person()
    assert "was used before" in other.press(enter(web, other), "/second-step", code=codes[0]).said


def test_a_code_of_the_authenticator_is_good_once(web: str, monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    who = an_operator(address=ADA)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    sql("UPDATE operators SET totp_step = totp_step - 10")
    one, two = Person(), Person()
    code = pyotp.TOTP(secret).now()
    assert one.press(enter(web, one), "/second-step", code=code).url == f"{web}/admin/"
    assert two.press(enter(web, two), "/second-step", code=code).status == 422


def test_a_link_sets_the_password_once_and_signs_everybody_else_out(web: str) -> None:
    who = an_operator(address=ADA)
    before = signed_in(who)
    link = operator_links.make(who, actor="test")
    assert link.startswith(web)
    person = Person()
    shown = person.get(link)
    assert person.get(link).status == 200, "looking at it does not use it up"
    assert person.press(shown, link.rpartition("/")[2], password="short").status == 422
    assert person.press(shown, link.rpartition("/")[2], password="seven slow otters swim").url == f"{web}/admin/"
    assert "/sign-in" in before.get(f"{web}/admin/").url
    assert Person().get(link).status == 404
    assert enter(web, Person()).status == 422
    assert enter(web, Person(), "seven slow otters swim").url == f"{web}/admin/"


def test_a_changed_password_ends_every_other_session(web: str) -> None:
    who = an_operator(address=ADA)
    mine, other = signed_in(who), signed_in(who)
    account = mine.get(f"{web}/admin/account")
    assert (
        "The present password is wrong." in mine.press(account, "/password", old="x", new="seven slow otters swim").said
    )
    assert mine.press(account, "/password", old=PASSWORD, new="seven slow otters swim").status == 200
    assert mine.get(f"{web}/admin/").url == f"{web}/admin/"
    assert "/sign-in" in other.get(f"{web}/admin/").url


def test_one_signs_out_elsewhere_and_only_ones_own_sessions(web: str, sql: Sql) -> None:
    who, stranger = an_operator(), an_operator()
    mine, other, theirs = signed_in(who), signed_in(who), signed_in(stranger)
    foreign = sql("SELECT max(id) FROM operator_sessions")[0][0]
    account = mine.get(f"{web}/admin/account")
    mine.press(account, "/sessions", session=str(foreign))
    assert theirs.get(f"{web}/admin/").url == f"{web}/admin/"
    mine.press(mine.get(f"{web}/admin/account"), "/sessions", session="others")
    assert "/sign-in" in other.get(f"{web}/admin/").url
    assert mine.get(f"{web}/admin/").url == f"{web}/admin/"


@pytest.mark.parametrize("column", ["seen_at = now() - interval '13 hours'", "created_at = now() - interval '15 days'"])
def test_a_session_ends_by_itself(web: str, sql: Sql, column: str) -> None:
    person = signed_in(an_operator())
    sql(f"UPDATE operator_sessions SET {column}")
    assert "/sign-in" in person.get(f"{web}/admin/").url


def test_whoever_fails_often_waits_and_nobody_elsewhere_does(database: object) -> None:
    an_operator(address=ADA)
    for _ in range(signing_in.FREE_TRIES):
        with pytest.raises(Invalid):
            signing_in.sign_in(ADA, "wrong", origin=HERE)
    with pytest.raises(TooManyTries, match="Wait"):
        signing_in.sign_in(ADA, PASSWORD, origin=HERE)
    assert signing_in.sign_in(ADA, PASSWORD, origin={**HERE, "network": "198.51.100.0/24"})


def test_an_unknown_address_is_slowed_down_like_a_known_one(database: object) -> None:
    for _ in range(signing_in.FREE_TRIES):
        with pytest.raises(Invalid):
            signing_in.sign_in("nobody@team.example", "wrong", origin=HERE)
    with pytest.raises(TooManyTries):
        signing_in.sign_in("nobody@team.example", "wrong", origin=HERE)


def test_the_last_owner_stays_one(database: object) -> None:
    who = an_operator()
    attempts: list[Callable[[], None]] = [
        partial(operators.disable, who, actor="test"),
        partial(operators.give_roles, who, role="editor", memberships={}, actor="test"),
    ]
    for attempt in attempts:
        with pytest.raises(Conflict, match="last owner"):
            attempt()
    other = an_operator()
    operators.disable(who, actor="test")
    with pytest.raises(Conflict, match="last owner"):
        operators.disable(other, actor="test")


def test_who_is_disabled_or_loses_a_role_is_out_at_once(web: str) -> None:
    an_operator()
    who = an_operator("editor")
    person = signed_in(who)
    operators.give_roles(who, role="analyst", memberships={}, actor="test")
    assert "/sign-in" in person.get(f"{web}/admin/").url
    person = signed_in(who)
    assert not actor_of(who).may_somewhere(Permission.WRITE)
    operators.disable(who, actor="test")
    assert "/sign-in" in person.get(f"{web}/admin/").url
    assert operator_sessions.find(token_of(who)) is None


def test_before_the_gravest_changes_the_password_is_asked_for_again(web: str, sql: Sql) -> None:
    person = signed_in(an_operator())
    team = person.get(f"{web}/admin/team")
    sql("UPDATE operator_sessions SET proved_at = now() - interval '1 hour'")
    asked = person.press(team, "/team", name="Eve", address="eve@team.example")
    assert asked.status == 403
    assert "once more" in asked.said
    assert sql("SELECT count(*) FROM operators")[0][0] == 1
    assert person.press(asked, "/proof", password="wrong").status == 422
    person.press(asked, "/proof", password=PASSWORD)
    made = person.press(
        person.get(f"{web}/admin/team"), "/team", name="Eve", address="eve@team.example", role="analyst"
    )
    assert "/admin/link/" in made.form("/sign-out")[0] + made.text
    assert sql("SELECT role FROM operators ORDER BY id DESC LIMIT 1")[0][0] == "analyst"


def test_only_an_owner_sees_the_team(web: str) -> None:
    an_operator()
    for role in ("editor", "approver", "analyst"):
        found = signed_in(an_operator(role)).get(f"{web}/admin/team")
        assert found.status == 403
        assert "Ask an owner" in found.said


def test_many_wrong_codes_at_once_are_counted_one_after_the_other(database: object, sql: Sql) -> None:
    who = an_operator(address=ADA)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    waiting = operator_sessions.find(signing_in.sign_in(ADA, PASSWORD, origin=HERE))
    assert waiting is not None

    def attempt(_: int) -> type[Exception] | None:
        try:
            signing_in.take_second_step(waiting, "abcdefgh", origin=HERE)
        except (Invalid, TooManyTries) as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(attempt, range(24)))
    assert found.count(Invalid) == signing_in.FREE_TRIES
    assert found.count(TooManyTries) == 24 - signing_in.FREE_TRIES


@pytest.mark.parametrize("form", ["proof", "password"])
def test_a_browser_left_open_is_no_place_to_guess_the_password(web: str, form: str) -> None:
    person = signed_in(an_operator(address=ADA))
    target, fields = person.get(f"{web}/admin/account").form("/account/password")
    target = target.replace("/password", f"/{form}")
    for _ in range(signing_in.FREE_TRIES):
        assert "wrong" in person.post(target, fields | {"password": "wrong", "old": "wrong", "new": "x"}).said
    right = person.post(target, fields | {"password": PASSWORD, "old": PASSWORD, "new": "six grey geese waddle"})
    assert right.status == 422
    assert "Too many attempts" in right.said


def test_who_came_in_without_a_code_does_not_stay_once_one_is_asked_for(database: object) -> None:
    who = an_operator(address=ADA)
    here, elsewhere = token_of(who), token_of(who)
    found = operator_sessions.find(here)
    assert found is not None
    secret = second_step.propose(ADA).secret
    code = pyotp.TOTP(secret).now()
    second_step.turn_on(who, secret=secret, code=code, actor=found.actor, here=found.session_id)
    assert operator_sessions.find(here) is not None
    assert operator_sessions.find(elsewhere) is None
