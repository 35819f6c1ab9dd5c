"""Asks the provider of single sign-on who somebody is (OpenID Connect Core 1.0, code flow with PKCE). Believes what it signed, for
us, now, and in answer to what we asked; nothing else. What it publishes is kept for a while, so that strangers who begin to sign in
do not make us ask it each time."""

import base64
import hashlib
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from service.oidc import Provider, is_safe

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
PATIENCE = 10.0
MOST_BYTES = 500_000
KEPT = 600.0
"""Seconds for which what the provider publishes of itself is taken from here."""
KEYS_KEPT = 60.0
"""The same for its keys, where none of them fits: it has new ones."""
FAILURE_KEPT = 10.0
"""Seconds for which it is not asked again after it gave no answer that will do."""
MOST_KEPT = 8
LEEWAY = 60
"""Seconds that our clock and the provider's may differ."""


class NotVouched(Exception):
    """The provider does not say who it is, or not so that it can be believed."""


class Published:
    """What the provider publishes, by address: asked for once at a time, and kept, failures too. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, Any] | str]] = {}

    def get(self, url: str, read: Callable[[dict[str, Any]], dict[str, Any]], kept: float = KEPT) -> dict[str, Any]:
        """What `read` makes of the document, which is at most so many seconds old. Raises NotVouched."""
        with self._lock:
            at, found = self._kept.get(url, (0.0, ""))
            if found == "" or self._clock() - at >= (FAILURE_KEPT if isinstance(found, str) else kept):
                try:
                    found = read(_ask(url))
                except NotVouched as reason:
                    found = str(reason)
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[url] = (self._clock(), found)
        if isinstance(found, str):
            raise NotVouched(found)
        return found


_published = Published()


def way_there(provider: Provider, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
    """Where somebody's browser is sent. Raises NotVouched."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{_described(provider)['authorization_endpoint']}?{urlencode(asked)}"


def address_of(provider: Provider, *, code: str, redirect_uri: str, nonce: str, verifier: str) -> str:
    """The address that the provider has verified of whoever comes back with this code. Raises NotVouched."""
    described = _described(provider)
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    whole = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
    headers = {
        "Authorization": f"Basic {base64.b64encode(whole.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = _ask(described["token_endpoint"], urlencode(sent).encode(), headers)
    claims = _claims(provider, str(answer.get("id_token", "")), described["jwks_uri"], nonce)
    if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
        raise NotVouched("the provider has not verified the address")
    return str(claims["email"])


def _claims(provider: Provider, token: str, keys_at: str, nonce: str) -> dict[str, Any]:
    wanted = jwt.JWTClaimsRegistry(
        now=int(time.time()),
        leeway=LEEWAY,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        try:
            found = _signed(token, _published.get(keys_at, dict))
        except (InvalidKeyIdError, BadSignatureError):
            found = _signed(token, _published.get(keys_at, dict, KEYS_KEPT))
        wanted.validate(found)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotVouched(f"the provider's word cannot be believed ({type(error).__name__})") from None
    if isinstance(found.get("aud"), list) and found.get("azp") != provider.client_id:
        raise NotVouched("the provider's word is for somebody else")
    return found


def _signed(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """What the token says, if one of the keys signed it. Raises what the library does."""
    return dict(jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims)  # type: ignore[arg-type]


def _described(provider: Provider) -> dict[str, str]:
    where = f"{provider.issuer}/.well-known/openid-configuration"
    return _published.get(where, lambda found: _places(provider, found))


def _places(provider: Provider, found: dict[str, Any]) -> dict[str, str]:
    if str(found.get("issuer", "")).rstrip("/") != provider.issuer:
        raise NotVouched("the provider describes itself as another")
    places = {name: str(found.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    if not all(is_safe(one) for one in places.values()):
        raise NotVouched("the provider describes places that are not reached by https")
    return places


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever holds the secret is asked at the place that was named, and nowhere else."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def _ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - https or this machine: is_safe
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=PATIENCE) as answer:
            found = json.loads(_read(answer))
    except (OSError, ValueError, RecursionError, http.client.HTTPException, urllib.error.URLError) as error:
        raise NotVouched(f"the provider gave no answer ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise NotVouched("the provider's answer cannot be read")
    return found


def _read(answer: Any) -> bytes:
    """All of it, unless it is more than there can be, or takes longer than anybody waits. Raises ValueError."""
    ends, read = time.monotonic() + PATIENCE, b""
    while chunk := answer.read1(65_536):
        read += chunk
        if len(read) > MOST_BYTES or time.monotonic() > ends:
            raise ValueError("too much, or too slow")
    return read
