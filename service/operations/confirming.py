"""The second yes: turns a sign-up into subscriptions and consent records when its mailed link is confirmed. Looking at the
link changes nothing; confirming twice does nothing twice."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from service import tokens
from service.db import Transaction, transaction
from service.errors import NotFound
from service.operations import mailing
from service.operations.limits import CONFIRM_WITHIN
from service.operations.suppressing import lift_leaving
from service.operations.wordings import PURPOSES
from service.tokens import Purpose, Signer

How = Literal["button", "auto"]
NOT_OURS = "This link is not one of ours; it may have been cut off."

# Where the reader is known: the order in which everything locks, and so a leaving of this moment is seen.
_LOCK_READER = (
    "SELECT FROM subscribers WHERE email_key = (SELECT email_key FROM signups WHERE id = :id) FOR NO KEY UPDATE"
)
# The mail may lie about for a week, and be forwarded: whoever has left since is written to again by a new sign-up alone.
_LEFT_SINCE = """
    EXISTS (SELECT FROM consent_records c WHERE c.email_key = s.email_key AND c.purpose = 'newsletter' AND c.action = 'withdrawn'
        AND c.at > s.created_at AND s.choices @> jsonb_build_array(jsonb_build_object('newsletter', c.newsletter_id)))
    OR EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.kind = 'left-all' AND p.lifted_at IS NULL AND p.since > s.created_at)
"""


@dataclass(frozen=True)
class Chosen:
    """One newsletter of a sign-up, and what else was agreed to for it. `leave_token` is there after confirming only."""

    slug: str
    name: str
    description: str
    language: str
    has_archive: bool
    tracking: bool
    export: bool
    leave_token: str | None = None


@dataclass(frozen=True)
class SignupView:
    """A sign-up as its link may show it: nothing of the person, since mails get forwarded. `state` is open, expired or
    confirmed; `is_stopped` says that mail to the address is suppressed, so that nothing will arrive."""

    id: int | None
    state: Literal["open", "expired", "confirmed"]
    language: str | None
    newsletters: tuple[Chosen, ...]
    is_stopped: bool = False

    @property
    def is_begun(self) -> bool:
        """Whether it was this very confirmation that began it."""
        return any(one.leave_token for one in self.newsletters)


class _Begun(NamedTuple):
    """A subscription that a confirmation made active. `objects`: by leaving the box for tracking empty."""

    id: int
    newsletter_id: int
    was_active: bool
    objects: bool


def view(token: str) -> SignupView:
    """What a confirmation link is about. Changes nothing. Raises NotFound for anything we did not sign."""
    signup_id = _signup(token)
    with transaction() as tx:
        return _view(tx, _read(tx, signup_id))


def confirm(token: str, how: How, *, origin: Mapping[str, str] = MappingProxyType({})) -> SignupView:
    """Begin what the sign-up asked for; in force when this returns. The view's state is `confirmed` when it now is, and
    `expired` when it was too late, or the reader has left since signing up. A second time, nothing changes. `origin`: network
    and user_agent of whoever pressed the button, which may be another machine than the form's. Raises NotFound for anything
    we did not sign."""
    signup_id = _signup(token)
    with transaction() as tx:
        tx.execute(_LOCK_READER, id=signup_id)
        signup = _read(tx, signup_id, lock="FOR UPDATE OF s")
        if signup is None or signup["confirmed_at"] is not None or signup["is_expired"]:
            return _view(tx, signup)
        subscriber_id = _subscriber(tx, signup)
        begun = [_subscribe(tx, subscriber_id, choice) for choice in signup["choices"]]
        _record(tx, signup, subscriber_id, begun, {"method": f"confirm-{how}", "origin": origin})
        lift_leaving(tx, signup["email_key"], because="a new sign-up was confirmed")
        _welcome(tx, signup, subscriber_id, begun)
        tx.execute(
            "UPDATE signups SET state = 'confirmed', confirmed_at = clock_timestamp() WHERE id = :id", id=signup_id
        )
        return _view(tx, {**signup, "confirmed_at": True}, begun)


def _signup(token: str) -> int:
    signup_id = tokens.read(Purpose.CONFIRM, token)
    if signup_id is None:
        raise NotFound(NOT_OURS)
    return signup_id


def _read(tx: Transaction, signup_id: int, lock: Literal["", "FOR UPDATE OF s"] = "") -> Mapping[str, Any] | None:
    _lock = lock
    row = tx.execute(
        f"SELECT s.*, s.created_at < clock_timestamp() - :within OR {_LEFT_SINCE} AS is_expired FROM signups s WHERE s.id = :id {_lock}",
        id=signup_id,
        within=CONFIRM_WITHIN,
    ).one_or_none()
    return None if row is None else row._asdict()


def _view(tx: Transaction, signup: Mapping[str, Any] | None, begun: Sequence[_Begun] = ()) -> SignupView:
    if signup is None:
        return SignupView(None, "expired", None, ())
    confirmed = signup["confirmed_at"] is not None
    choices = {choice["newsletter"]: choice for choice in signup["choices"]}
    rows = tx.execute(
        "SELECT id, slug, name, description, language, has_archive FROM newsletters WHERE id = ANY (:ids)",
        ids=list(choices),
    ).mappings()
    found = {row.pop("id"): row for row in rows}
    signer = Signer(Purpose.LEAVE)
    leave = {one.newsletter_id: signer.sign(one.id) for one in begun}
    newsletters = tuple(
        Chosen(
            **found[newsletter_id],
            tracking=choice["tracking"],
            export=choice["export"],
            leave_token=leave.get(newsletter_id),
        )
        for newsletter_id, choice in choices.items()
        if newsletter_id in found
    )
    state: Literal["open", "expired", "confirmed"] = (
        "confirmed" if confirmed else "expired" if signup["is_expired"] else "open"
    )
    stopped = bool(begun) and _is_stopped(tx, signup["email_key"])
    return SignupView(signup["id"], state, signup["language"], newsletters, stopped)


def _subscriber(tx: Transaction, signup: Mapping[str, Any]) -> int:
    """The reader, new or known. A form fills what is empty of a known one and replaces nothing: whoever sent it may have
    typed anything."""
    subscriber_id: int = tx.execute(
        """INSERT INTO subscribers AS s (address, normalised_address, email_key, first_name, last_name, language, attributes)
           VALUES (:address, :normalised_address, :email_key, :first_name, :last_name, :language, CAST(:attributes AS jsonb))
           ON CONFLICT (normalised_address) DO UPDATE SET
               first_name = coalesce(nullif(s.first_name, ''), EXCLUDED.first_name),
               last_name = coalesce(nullif(s.last_name, ''), EXCLUDED.last_name),
               language = coalesce(nullif(s.language, ''), EXCLUDED.language),
               attributes = EXCLUDED.attributes || s.attributes
           RETURNING id""",
        {**signup, "attributes": json.dumps(signup["attributes"])},
    ).scalar_one()
    return subscriber_id


def _subscribe(tx: Transaction, subscriber_id: int, choice: Mapping[str, Any]) -> _Begun:
    """One subscription, active from now on. A ticked box agrees; one left empty takes nothing back from somebody who is
    subscribed, begins anew for who is not, and never turns an objection into silence. Where readers are tracked unless they
    object, it is an objection: they were asked, and did not agree."""
    row = tx.execute(
        """WITH before AS (SELECT state, tracking FROM subscriptions WHERE newsletter_id = :newsletter AND subscriber_id = :subscriber)
           INSERT INTO subscriptions AS n (subscriber_id, newsletter_id, state, tracking, export_consent)
           SELECT :subscriber, w.id, 'active',
               CASE WHEN :tracking THEN 'agreed' WHEN w.tracking_policy = 'not-objected' THEN 'objected' ELSE 'unasked' END,
               CASE WHEN :export THEN 'agreed' ELSE 'unasked' END
           FROM newsletters w WHERE w.id = :newsletter
           ON CONFLICT (newsletter_id, subscriber_id) DO UPDATE SET
               state = 'active',
               tracking = CASE WHEN :tracking OR (n.state <> 'active' AND n.tracking <> 'objected') THEN EXCLUDED.tracking ELSE n.tracking END,
               export_consent = CASE WHEN :export OR n.state <> 'active' THEN EXCLUDED.export_consent ELSE n.export_consent END,
               paused_until = CASE WHEN n.state = 'active' THEN n.paused_until END,
               expires_at = NULL,
               changed_at = clock_timestamp()
           RETURNING id, coalesce((SELECT state FROM before) = 'active', false) AS was_active,
               tracking = 'objected' AND (SELECT tracking FROM before) IS DISTINCT FROM 'objected' AS objects""",
        subscriber=subscriber_id,
        newsletter=choice["newsletter"],
        tracking=choice["tracking"],
        export=choice["export"],
    ).one()
    return _Begun(row.id, choice["newsletter"], row.was_active, row.objects)


def _record(
    tx: Transaction, signup: Mapping[str, Any], subscriber_id: int, begun: Sequence[_Begun], second: Mapping[str, Any]
) -> None:
    """Two acts for each ticked box, in their order: given with the form, confirmed by the mailed link (`second`: method and
    origin), each with where it came from. An objection is one act."""
    common = {
        "signup": signup["id"],
        "subscriber": subscriber_id,
        "form": signup["form"],
        "language": signup["language"],
        "default": "unticked",
    }
    sent = {
        "at": signup["created_at"].isoformat(),
        "method": "form" if signup["form"] == "page" else signup["form"],
        "details": {**common, "network": signup["network"], "user_agent": signup["user_agent"]},
    }
    followed = {"method": second["method"], "details": {**common, **_mail(tx, signup["id"]), **second["origin"]}}
    acts = [
        {"newsletter": choice["newsletter"], "purpose": purpose, "wording": wording, "action": action, **step}
        for choice in signup["choices"]
        for purpose, wording in sorted(choice["wordings"].items(), key=lambda one: PURPOSES.index(one[0]))
        for action, step in (("given", sent), ("confirmed", followed))
    ]
    acts += [
        {"newsletter": one.newsletter_id, "purpose": "tracking", "action": "withdrawn", **sent}
        for one in begun
        if one.objects
    ]
    tx.execute(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, at, method, wording_sha256, details)
           SELECT :key, a.newsletter, a.purpose, a.action, coalesce(a.at, clock_timestamp()), a.method, decode(a.wording, 'hex'), a.details
           FROM ROWS FROM (jsonb_to_recordset(CAST(:acts AS jsonb)) AS (
                   newsletter bigint, purpose text, action text, at timestamptz, method text, wording text, details jsonb))
               WITH ORDINALITY a (newsletter, purpose, action, at, method, wording, details, number) ORDER BY a.number""",
        key=signup["email_key"],
        acts=json.dumps(acts),
    )


def _mail(tx: Transaction, signup_id: int) -> dict[str, Any]:
    """Which mail the link stood in, the last where it was sent again, and when it was handed over: its row is gone in a month."""
    row = tx.execute(
        """SELECT id AS mail, sent_at AS mail_sent_at FROM mails WHERE signup_id = :id AND kind = 'confirm' AND state <> 'failed'
           ORDER BY id DESC LIMIT 1""",
        id=signup_id,
    ).one_or_none()
    if row is None:
        return {}
    return {"mail": row.mail} | ({"mail_sent_at": row.mail_sent_at.isoformat()} if row.mail_sent_at else {})


def _is_stopped(tx: Transaction, email_key: bytes) -> bool:
    return bool(
        tx.execute(
            "SELECT EXISTS (SELECT FROM suppressions WHERE email_key = :key AND lifted_at IS NULL)", key=email_key
        ).scalar_one()
    )


def _welcome(tx: Transaction, signup: Mapping[str, Any], subscriber_id: int, begun: Sequence[_Begun]) -> None:
    """A welcome from each newsletter that has one and was not being read already."""
    wanted = tx.execute(
        "SELECT id FROM newsletters WHERE welcome IS NOT NULL AND id = ANY (:ids) ORDER BY id",
        ids=[one.newsletter_id for one in begun if not one.was_active],
    ).scalars()
    for newsletter_id in wanted:
        mailing.ask_for(
            tx,
            "welcome",
            email_key=signup["email_key"],
            language=signup["language"],
            newsletter_id=newsletter_id,
            subscriber_id=subscriber_id,
        )
