"""Takes sign-ups: checks what was typed, keeps it with the words that were agreed to, and asks for the answer. Looks no
address up: known or not, every sign-up costs the same and is answered the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from service import queue
from service.db import Transaction, transaction
from service.domain.addresses import Address, looks_like_role
from service.domain.mail_domains import is_disposable
from service.errors import BroadsheetError
from service.operations.embedding import embed_form
from service.operations.limits import NETWORK_SPAN, REQUESTS_PER_NETWORK, remaining_wait
from service.operations.signup_forms import read_form
from service.operations.signup_input import Accepted, Problem, check
from service.tokens import email_key

__all__ = ["Origin", "Rejected", "TooMany", "embed_form", "sign_up"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Origin:
    """Where a form came from: `form` is page, embed or api; a network and a browser's family, nothing finer."""

    form: str
    network: str
    user_agent: str


class Rejected(BroadsheetError):
    """What was sent cannot be taken like this; nothing was kept. `problems` say what to change."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("The sign-up has to be corrected.")
        self.problems = tuple(problems)


class TooMany(BroadsheetError):
    """This network has sent too many sign-ups; nothing was kept. It may send the next one after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("Too many sign-ups came from this network.")
        self.wait = wait


def sign_up(given: Mapping[str, Sequence[str]], *, slugs: Sequence[str], language: str, origin: Origin) -> int:
    """Keep a sign-up and ask for its answer; the sign-up's id. `slugs` and `language` are those of the form that was shown.

    Raises Rejected, TooMany, and NotFound where a newsletter of the form takes no sign-ups any more.
    """
    with transaction() as tx:
        checked = check(given, read_form(tx, slugs, language, turn_of=origin.network))
        if isinstance(checked, tuple):
            raise Rejected(checked)
        signup_id = _keep(tx, checked, origin)
        if signup_id is None:
            log.warning("sign-ups refused: too many from one network", network=origin.network, form=origin.form)
            raise TooMany(remaining_wait(tx, "signups", origin.network) or timedelta(minutes=1))
        tx.enqueue(queue.ANSWER_SIGNUP, signup_id)
    return signup_id


def _keep(tx: Transaction, accepted: Accepted, origin: Origin) -> int | None:
    """Keep the words and the sign-up, unless its network, whose turn it must be, has sent too many: one statement, because this
    path is measured in round trips."""
    signup_id: int | None = tx.execute(
        """WITH words AS (
               INSERT INTO consent_wordings (sha256, wording)
               SELECT decode(sha256, 'hex'), wording FROM unnest(CAST(:hashes AS text[]), CAST(:texts AS text[])) t (sha256, wording)
               ON CONFLICT DO NOTHING
           ), too_many AS (
               SELECT FROM signups WHERE network = :network AND created_at > statement_timestamp() - :span OFFSET :most LIMIT 1
           )
           INSERT INTO signups (address, normalised_address, email_key, first_name, last_name, language, attributes, choices, form, network, user_agent, flags, rung_at)
           SELECT :address, :normalised, :key, :first_name, :last_name, :language, CAST(:attributes AS jsonb), CAST(:choices AS jsonb),
               :form, :network, :user_agent, CAST(:flags AS text[]), clock_timestamp()
           WHERE NOT EXISTS (SELECT FROM too_many) RETURNING id""",
        span=NETWORK_SPAN,
        most=REQUESTS_PER_NETWORK - 1,
        hashes=[wording.sha256 for wording in accepted.words],
        texts=[wording.text for wording in accepted.words],
        address=accepted.address.as_typed_clean,
        normalised=accepted.address.normalised,
        key=email_key(accepted.address.normalised),
        first_name=accepted.first_name,
        last_name=accepted.last_name,
        language=accepted.language,
        attributes=json.dumps(accepted.attributes),
        choices=json.dumps(accepted.choices),
        form=origin.form,
        network=origin.network,
        user_agent=origin.user_agent,
        flags=_flags(accepted.address),
    ).scalar_one_or_none()
    return signup_id


def _flags(address: Address) -> list[str]:
    """What a team may want to look at; never a reason to refuse."""
    flags = ["role"] if looks_like_role(address) else []
    return [*flags, "disposable"] if is_disposable(address.domain_ascii) else flags
