"""Asks the provider of single sign-on who somebody is (OpenID Connect Core 1.0, code flow with PKCE). Believes what it signed, for
us, now, and in answer to what we asked; nothing else."""

import base64
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from service.oidc import Provider, is_safe

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
PATIENCE = 10.0
MOST_BYTES = 500_000
LEEWAY = 60
"""Seconds that our clock and the provider's may differ."""


class NotVouched(Exception):
    """The provider does not say who it is, or not so that it can be believed."""


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
    claims = _claims(provider, str(answer.get("id_token", "")), _ask(described["jwks_uri"]), nonce)
    if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
        raise NotVouched("the provider has not verified the address")
    return str(claims["email"])


def _claims(provider: Provider, token: str, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
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
        found = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
        wanted.validate(found)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotVouched(f"the provider's word cannot be believed ({type(error).__name__})") from None
    if isinstance(found.get("aud"), list) and found.get("azp") != provider.client_id:
        raise NotVouched("the provider's word is for somebody else")
    return dict(found)


def _described(provider: Provider) -> dict[str, str]:
    found = _ask(f"{provider.issuer}/.well-known/openid-configuration")
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
            found = json.loads(answer.read(MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException, urllib.error.URLError) as error:
        raise NotVouched(f"the provider gave no answer ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise NotVouched("the provider's answer cannot be read")
    return found
