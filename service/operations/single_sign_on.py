"""Signs in people of the team for whom the organisation's own provider vouches. Makes nobody a member: whoever is not in the team, or
let in no more, stays outside. The second step is asked for as after a password."""

import secrets
from collections.abc import Mapping

import structlog

from service.clients import identity_provider
from service.clients.identity_provider import NotVouched
from service.db import transaction
from service.domain.addresses import AddressError, normalise
from service.errors import Invalid, NotFound
from service.oidc import Provider
from service.operations import operator_sessions, second_step, signing_in
from service.operations.auditing import audit
from service.settings import current

log = structlog.get_logger(__name__)

_REFUSED = (
    "You could not be signed in that way. Ask an owner whether you are in the team, or sign in with your password."
)
CALLBACK = "/admin/single-sign-on/back"


def name() -> str | None:
    """What the button says; None where there is no provider."""
    provider = current().oidc
    return provider.name if provider else None


def begin() -> tuple[str, dict[str, str]]:
    """Where the browser is sent, and what it keeps until it comes back: state, nonce and verifier. Raises NotFound, Invalid."""
    kept = {part: secrets.token_urlsafe(32) for part in ("state", "nonce", "verifier")}
    try:
        return identity_provider.way_there(_provider(), redirect_uri=_back(), **kept), kept
    except NotVouched as reason:
        log.warning("single sign-on failed", why=str(reason))
        raise Invalid("The provider cannot be reached just now. Try again, or sign in with your password.") from None


def finish(code: str, state: str, kept: Mapping[str, str], *, origin: Mapping[str, str]) -> str:
    """Sign in whoever came back; what the browser's cookie is to hold. Raises NotFound, Invalid, and TooManyTries: for each attempt
    the provider is asked."""
    provider = _provider()
    with transaction() as tx:
        signing_in.make_wait(tx, b"", origin["network"])
    if not kept.get("state") or not secrets.compare_digest(state.encode(), kept["state"].encode()):
        raise Invalid("That took too long, or was begun elsewhere. Begin again.")
    try:
        address = normalise(
            identity_provider.address_of(
                provider, code=code, redirect_uri=_back(), nonce=kept["nonce"], verifier=kept["verifier"]
            )
        ).normalised
    except (NotVouched, AddressError) as reason:
        # It is known of no account. The network alone counts, and with its failed passwords.
        signing_in.note_failure(secrets.token_bytes(32), origin["network"])
        log.warning("single sign-on failed", why=str(reason) if isinstance(reason, NotVouched) else "no address")
        raise Invalid(_REFUSED) from None
    with transaction() as tx:
        who = tx.execute(
            "SELECT id FROM operators WHERE address = :address AND disabled_at IS NULL", address=address
        ).scalar_one_or_none()
        if who is None:
            raise Invalid(_REFUSED)
        awaits = second_step.is_on(tx, who)
        if not awaits:
            audit(tx, f"operator {who}", "sign in", f"operator {who}", by="single sign-on", **origin)
        return operator_sessions.begin(tx, who, origin, awaits_step=awaits)


def _provider() -> Provider:
    if (provider := current().oidc) is None:
        raise NotFound("There is no single sign-on here.")
    return provider


def _back() -> str:
    return current().public_url + CALLBACK
