"""Where pictures are kept besides this machine: a bucket of any service that speaks S3. Refuses half a setting."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from service.origins import is_loopback, origin

_NAMES = ("MEDIA_BUCKET", "MEDIA_ENDPOINT", "MEDIA_REGION", "MEDIA_ACCESS_KEY_ID", "MEDIA_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Bucket:
    """A bucket and the key to it. `endpoint` is empty for Amazon's own."""

    name: str
    endpoint: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    def to_environ(self) -> dict[str, str]:
        """The variables that `read` makes this of."""
        values = (self.name, self.endpoint, self.region, self.access_key_id, self.secret_access_key)
        return dict(zip(_NAMES, values, strict=True))


def read(text: Callable[[str], str], fault: Callable[[str, str], None]) -> Bucket | None:
    """The bucket that the variables name; None where they name none. Faults go to `fault`, by the variable's name."""
    name, endpoint, region, key, secret = values = [text(one) for one in _NAMES]
    if not name:
        for other in (one for one, value in zip(_NAMES, values, strict=True) if value):
            fault("MEDIA_BUCKET", f"is missing although {other} is set. Set both, or neither.")
            break
        return None
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        fault("MEDIA_BUCKET", "must be a bucket's name: 3 to 63 small letters, digits, hyphens and dots.")
    endpoint = endpoint.rstrip("/")
    scheme, host = origin(endpoint) or ("", "")
    if endpoint and (not host or (scheme != "https" and not is_loopback(host))):
        fault("MEDIA_ENDPOINT", "must be https and a host, without a path.")
    if not re.fullmatch(r"[a-z0-9-]*", region):
        fault("MEDIA_REGION", "must be a region's name in small letters, digits and hyphens.")
    for one, value in (("MEDIA_ACCESS_KEY_ID", key), ("MEDIA_SECRET_ACCESS_KEY", secret)):
        if not value:
            fault(one, "is required with MEDIA_BUCKET.")
        elif not (value.isascii() and value.isprintable()) or " " in value:
            fault(one, "holds a character that no key has.")
    return Bucket(name, endpoint, region or "us-east-1", key, secret)
