"""Sign-ups as the form leaves them, and what the sandbox keeps of the mails that answer them."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service import queue
from service.db import transaction
from service.operations import mailing, mailing_sending
from service.tokens import email_key

Bells = list[tuple[str, tuple[int, ...]]]
Sql = Callable[..., list[Any]]
_ANSWERS: dict[str, Callable[[int], None]] = {
    queue.ANSWER_SIGNUP: mailing.answer_signup,
    queue.SEND_MAIL: mailing_sending.send_mail,
}
_networks = itertools.count()


def a_signup(
    newsletters: Sequence[int],
    address: str = "ada@readers.example",
    *,
    language: str = "en",
    attributes: Mapping[str, str] | None = None,
    **names: str,
) -> int:
    """A sent form, and the bell for its answer."""
    with transaction() as tx:
        signup_id: int = tx.execute(
            """INSERT INTO signups (address, normalised_address, email_key, first_name, last_name, language, attributes, choices, form, network, user_agent)
               VALUES (:address, lower(:address), :key, :first, :last, :language, CAST(:attributes AS jsonb), CAST(:choices AS jsonb), 'page', :network, 'Firefox') RETURNING id""",
            address=address,
            key=email_key(address.lower()),
            first=names.get("first_name", ""),
            last=names.get("last_name", ""),
            language=language,
            attributes=json.dumps(attributes or {}),
            choices=json.dumps(
                [{"newsletter": one, "tracking": False, "export": False, "wordings": {}} for one in newsletters]
            ),
            network=f"10.0.{next(_networks) % 256}.0/24",
        ).scalar_one()
        tx.enqueue(queue.ANSWER_SIGNUP, signup_id)
    return signup_id


def work(bells: Bells, only: str | None = None) -> int:
    """Answer the mail queue's bells until none is left. Returns how many."""
    answered = 0
    while due := [bell for bell in bells if bell[0] in _ANSWERS and only in (None, bell[0])]:
        bells.remove(due[0])
        _ANSWERS[due[0][0]](*due[0][1])
        answered += 1
    return answered


def states(sql: Sql) -> list[tuple[str, str]]:
    """Kind and state of every mail, in the order in which they were asked for."""
    return [(kind, state) for kind, state in sql("SELECT kind, state FROM mails ORDER BY id")]
