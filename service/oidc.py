"""Settings of single sign-on (OpenID Connect). Refuses half of them, and a provider that is not reached by https."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service.origins import is_loopback, origin

LONGEST_NAME = 60


@dataclass(frozen=True)
class Provider:
    """Who vouches for the team's people. `name` is what the button says."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"

    def to_environ(self) -> Mapping[str, str]:
        """The variables that `read` reads back."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": self.client_id,
            "OIDC_CLIENT_SECRET": self.client_secret,
            "OIDC_NAME": self.name,
        }


def is_safe(url: str) -> bool:
    """Whether nobody can listen on the way there: https, or this very machine."""
    scheme, host = origin("/".join(url.split("/")[:3])) or ("", "")
    return bool(host) and (scheme == "https" or is_loopback(host))


def read(text: Callable[[str], str], fault: Callable[[str, str], None]) -> Provider | None:
    """The provider that the environment names, or None. Faults are told by their variable."""
    given = {name: text(name) for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME")}
    if not any(given.values()):
        return None
    for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"):
        if not given[name]:
            fault(name, "must be set together with the other OIDC_ settings.")
    for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"):
        if not (given[name].isascii() and given[name].isprintable()) or " " in given[name]:
            fault(name, "holds a character that none has.")
    if len(given["OIDC_NAME"]) > LONGEST_NAME or not given["OIDC_NAME"].isprintable():
        fault("OIDC_NAME", f"must have at most {LONGEST_NAME} ordinary characters.")
    issuer = given["OIDC_ISSUER"].rstrip("/")
    if issuer and not is_safe(issuer):
        fault("OIDC_ISSUER", "must be an https address.")
    return Provider(
        issuer, given["OIDC_CLIENT_ID"], given["OIDC_CLIENT_SECRET"], given["OIDC_NAME"] or "single sign-on"
    )
