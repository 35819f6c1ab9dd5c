"""Settings from the environment (and `*_FILE` for secrets). Refuses to start on a bad value, naming the variable, the fault
and an example; never prints a secret."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service import bucket, oidc
from service.bucket import Bucket
from service.errors import Invalid
from service.identity import sandbox_public_key, stored_secrets
from service.oidc import Provider
from service.origins import is_loopback, origin
from service.reading import EXAMPLES, POSTGRESQL, Reader, psycopg_url

ROOT = Path(__file__).resolve().parent.parent
TOKEN_LENGTH = 31
LIST_UNSUBSCRIBE_BYTES = 77
"""SendGrid's relay was seen to re-encode a List-Unsubscribe of 78 bytes or more, which breaks one-click leaving."""

_KEPT = {"unconfirmed": 14, "origin": 30, "payloads": 14, "events": 183, "deliveries": 730, "consent": 1826}
"""Days that personal data is kept, when nobody sets others."""


@dataclass(frozen=True)
class Settings:
    """What this process runs with. `provider` names the account that mail goes through: an issue freezes it."""

    home: Path
    epoch_file: Path
    designs: Path
    database_url: str
    database_owner_url: str
    redis_url: str
    embedded: bool
    public_url: str
    listen: str
    port: int
    trusted_proxies: int
    secret_keys: tuple[str, ...]
    address_key: bytes
    sandbox: bool
    sandbox_port: int
    sendgrid_api_key: str
    sendgrid_url: str
    webhook_keys: tuple[str, ...]
    batch_size: int
    substitution_bytes: int
    sending_workers: int
    signup_mails_per_hour: int
    keep_unconfirmed_days: int
    keep_origin_days: int
    keep_payloads_days: int
    keep_events_days: int
    keep_deliveries_days: int
    keep_consent_days: int
    log_level: str
    log_format: str
    bucket: Bucket | None = None
    oidc: Provider | None = None
    chrome: str = ""
    alarm_webhook_url: str = ""
    alarm_webhook_secret: str = ""
    metrics_token: str = ""
    post_timeout: float = 30.0
    """Seconds for connecting to SendGrid and for each read; its library has none of its own."""
    pace: float = 1.0
    """What the waits of breakers are multiplied by: less than 1 in tests, and read from no variable."""

    def __repr__(self) -> str:
        return f"<Settings home={self.home} public_url={self.public_url} sandbox={self.sandbox}>"

    @property
    def media(self) -> Path:
        return self.home / "media"

    @property
    def sandbox_webhook_key(self) -> Path:
        """The private key with which the sandbox signs its events."""
        return self.home / "sandbox_webhook.pem"

    @property
    def kind(self) -> str:
        """Whether mail reaches anybody: an installation is one or the other, for good."""
        return "sandbox" if self.sandbox else "real"

    @property
    def provider(self) -> str:
        """Where mail goes and by which account, without revealing the key. The sandbox's port may change; its key does not."""
        fingerprint = (
            hashlib.sha256(self.sendgrid_api_key.encode()).hexdigest()[:12] if self.sendgrid_api_key else "no-key"
        )
        return f"{'sandbox' if self.sandbox else self.sendgrid_url}#{fingerprint}"

    def to_environ(self) -> dict[str, str]:
        """The environment of a process of the service: from it `load` reads these settings, but for the owner's address of the
        database, which no such process needs."""
        environ = {
            "BROADSHEET_HOME": str(self.home),
            "EPOCH_FILE": str(self.epoch_file),
            "DESIGNS": str(self.designs),
            "BROADSHEET_EMBEDDED": "1" if self.embedded else "",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "PUBLIC_URL": self.public_url,
            "LISTEN": self.listen,
            "PORT": str(self.port),
            "TRUSTED_PROXIES": str(self.trusted_proxies),
            "SECRET_KEYS": ",".join(self.secret_keys),
            "ADDRESS_KEY": self.address_key.decode(),
            "BROADSHEET_SANDBOX": "1" if self.sandbox else "0",
            "SANDBOX_PORT": str(self.sandbox_port),
            "SENDGRID_BATCH_SIZE": str(self.batch_size),
            "SENDGRID_SUBSTITUTION_BYTES": str(self.substitution_bytes),
            "SENDING_WORKERS": str(self.sending_workers),
            "SIGNUP_MAILS_PER_HOUR": str(self.signup_mails_per_hour),
            **{f"KEEP_{what.upper()}_DAYS": str(getattr(self, f"keep_{what}_days")) for what in _KEPT},
            "ALARM_WEBHOOK_URL": self.alarm_webhook_url,
            "ALARM_WEBHOOK_SECRET": self.alarm_webhook_secret,
            "METRICS_TOKEN": self.metrics_token,
            "LOG_LEVEL": self.log_level,
            "LOG_FORMAT": self.log_format,
            **(self.bucket.to_environ() if self.bucket else {}),
            **(self.oidc.to_environ() if self.oidc else {}),
        }
        if not self.sandbox:
            environ["SENDGRID_API_KEY"] = self.sendgrid_api_key
            environ["SENDGRID_URL"] = self.sendgrid_url
            environ["SENDGRID_WEBHOOK_KEYS"] = ",".join(self.webhook_keys)
        return environ

    def connected(self, database_url: str, redis_url: str, database_owner_url: str) -> "Settings":
        """These settings, with the addresses of the embedded servers."""
        return replace(self, database_url=database_url, redis_url=redis_url, database_owner_url=database_owner_url)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises Invalid with one line for each fault. With embedded servers, secrets are made in the home
    when they are not there yet."""
    settings, problems = _read(Reader(os.environ if environ is None else environ))
    if problems:
        raise Invalid(*problems)
    return _with_own_secrets(settings)


def examine(environ: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings as far as they can be read, and what is wrong with them. Makes nothing: secrets that are not there yet are left out."""
    settings, problems = _read(Reader(environ))
    kept = [settings.home / "secrets.json", *([settings.sandbox_webhook_key] if settings.sandbox else [])]
    try:
        if not all(path.exists() for path in kept):
            return settings, tuple(problems)
        return _with_own_secrets(settings), tuple(problems)
    except Invalid as error:
        return settings, (*problems, *error.problems)
    except PermissionError:
        return settings, (*problems, "BROADSHEET_HOME belongs to another account. Run this as that account.")


def _read(read: Reader) -> tuple[Settings, list[str]]:
    database_url, redis_url, embedded = _servers(read)
    sandbox = _is_sandbox(read, embedded, api_key := read.text("SENDGRID_API_KEY"))
    port = read.number("PORT", 8000, 1, 65535)
    settings = Settings(
        home=(home := _folder(read, "BROADSHEET_HOME", ROOT / "var")),
        epoch_file=_folder(read, "EPOCH_FILE", home / "epoch.json"),
        designs=_folder(read, "DESIGNS", home / "designs"),
        database_url=database_url,
        database_owner_url=_owner_url(read, database_url),
        redis_url=redis_url,
        embedded=embedded,
        public_url=_public_url(read, sandbox, port),
        listen=read.address("LISTEN", "127.0.0.1"),
        port=port,
        trusted_proxies=read.number("TRUSTED_PROXIES", 0, 0, 9),
        secret_keys=read.keys("SECRET_KEYS"),
        address_key=read.text("ADDRESS_KEY").encode(),
        sandbox=sandbox,
        sandbox_port=read.number("SANDBOX_PORT", 8025, 1, 65535),
        sendgrid_api_key=api_key,
        sendgrid_url=_sendgrid_url(read),
        webhook_keys=read.keys("SENDGRID_WEBHOOK_KEYS"),
        batch_size=read.number("SENDGRID_BATCH_SIZE", 1000, 1, 1000),
        substitution_bytes=read.number("SENDGRID_SUBSTITUTION_BYTES", 10_000_000, 1_000, 10_000_000),
        sending_workers=read.number("SENDING_WORKERS", 4, 1, 64),
        signup_mails_per_hour=read.number("SIGNUP_MAILS_PER_HOUR", 2000, 1, 1_000_000),
        **_keeping(read),
        log_level=read.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        log_format=read.choice("LOG_FORMAT", "text", ("text", "json")),
        bucket=bucket.read(read.text, read.fault),
        oidc=oidc.read(read.text, read.fault),
        chrome=read.text("CHROME"),
        alarm_webhook_url=read.text("ALARM_WEBHOOK_URL"),
        alarm_webhook_secret=read.text("ALARM_WEBHOOK_SECRET"),
        metrics_token=read.text("METRICS_TOKEN"),
    )
    _check_keys(read, settings)
    return settings, read.problems


def _keeping(read: Reader) -> dict[str, int]:
    return {
        f"keep_{what}_days": read.number(f"KEEP_{what.upper()}_DAYS", days, 1, 36_500) for what, days in _KEPT.items()
    }


def _is_sandbox(read: Reader, embedded: bool, api_key: str) -> bool:
    """Whether mail goes to the sandbox. What only real mail needs, but no key, is a fault: a misspelt name must not turn
    into a sandbox that nobody asked for. Silence must never look like success."""
    if read.choice("BROADSHEET_SANDBOX", "0", ("0", "1")) == "1":
        return True
    if api_key:
        return False
    if not embedded:
        read.fault(
            "SENDGRID_API_KEY", "is required with DATABASE_URL, unless BROADSHEET_SANDBOX=1: then nobody gets mail."
        )
        return False
    real = [name for name in ("SENDGRID_WEBHOOK_KEYS", "SENDGRID_URL") if read.text(name)]
    real += ["PUBLIC_URL"] if read.text("PUBLIC_URL").startswith("https:") else []
    if real:
        read.fault(
            "SENDGRID_API_KEY", f"is missing although {real[0]} is set. Set it, or BROADSHEET_SANDBOX=1 for a trial."
        )
    return True


def _servers(read: Reader) -> tuple[str, str, bool]:
    """Where PostgreSQL and Redis are, and whether they are the embedded ones."""
    database_url, redis_url = read.text("DATABASE_URL"), read.text("REDIS_URL")
    if database_url and not redis_url:
        read.fault("REDIS_URL", "must be set together with DATABASE_URL.")
    if redis_url and not database_url:
        read.fault("DATABASE_URL", "must be set together with REDIS_URL.")
    for name, url, what, schemes in (
        ("DATABASE_URL", database_url, "must be a PostgreSQL address.", POSTGRESQL),
        ("REDIS_URL", redis_url, "must start with redis:// or rediss://.", ("redis://", "rediss://")),
    ):
        if url and not url.startswith(schemes):
            read.fault(name, what)
        elif not _has_good_port(url):
            # What a driver would say of it may quote the password.
            read.fault(name, "has no number as its port. In a password, write : / @ # as %3A %2F %40 %23.")
    embedded = read.environ.get("BROADSHEET_EMBEDDED") == "1" or not (database_url or redis_url)
    return psycopg_url(database_url), redis_url, embedded


def _owner_url(read: Reader, database_url: str) -> str:
    """The address of the role that owns the tables; the service's own where only one is set."""
    url = read.text("DATABASE_OWNER_URL")
    if url and not database_url:
        read.fault("DATABASE_URL", "must be set together with DATABASE_OWNER_URL.")
    if url and not (url.startswith(POSTGRESQL) and _has_good_port(url)):
        read.fault("DATABASE_OWNER_URL", "must be a PostgreSQL address.")
    return psycopg_url(url) or database_url


def _folder(read: Reader, name: str, default: Path) -> Path:
    try:
        return Path(read.text(name, str(default))).expanduser().absolute()
    except RuntimeError:
        read.fault(name, "begins with ~ and the name of nobody on this machine.")
        return default


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _sendgrid_url(read: Reader) -> str:
    url = read.text("SENDGRID_URL", "https://api.sendgrid.com").rstrip("/")
    scheme, host = origin(url) or ("", "")
    if not host or (scheme != "https" and host not in ("127.0.0.1", "localhost", "[::1]")):
        read.fault("SENDGRID_URL", "must be https and a host, without a path.")
    return url


def _public_url(read: Reader, sandbox: bool, port: int) -> str:
    url = read.text("PUBLIC_URL").rstrip("/")
    if not url:
        if not sandbox:
            read.fault("PUBLIC_URL", "is required to send real mail: the leave link in every mail starts with it.")
        return f"http://127.0.0.1:{port}"
    scheme, host = origin(url) or ("", "")
    if not host:
        read.fault("PUBLIC_URL", "must be https:// and a host in ASCII, with no path.")
    elif not sandbox and (scheme != "https" or is_loopback(host)):
        read.fault("PUBLIC_URL", "must be https and a host that readers can reach, not loopback.")
    excess = len(f"<{url}/u/>".encode()) + TOKEN_LENGTH - LIST_UNSUBSCRIBE_BYTES
    if excess > 0:
        read.fault(
            "PUBLIC_URL",
            f"is {excess} characters too long: the List-Unsubscribe header of every mail may have {LIST_UNSUBSCRIBE_BYTES} bytes. Use a shorter host.",
        )
    return url


def _check_keys(read: Reader, settings: Settings) -> None:
    if settings.chrome and not settings.chrome.startswith("/"):
        read.fault("CHROME", "must be a whole path.")
    _check_alarm_webhook(read, settings)
    if settings.metrics_token and len(settings.metrics_token) < 32:
        read.fault("METRICS_TOKEN", "has fewer than 32 characters.")
    key = settings.sendgrid_api_key
    if not (key.isascii() and key.isprintable()) or " " in key:
        read.fault("SENDGRID_API_KEY", "holds a character that no key has.")
    if settings.sandbox and settings.port == settings.sandbox_port:
        read.fault("SANDBOX_PORT", "must not be the same as PORT.")
    if not settings.embedded:
        if not settings.secret_keys:
            read.fault("SECRET_KEYS", "is required with DATABASE_URL.")
        if not settings.address_key:
            read.fault("ADDRESS_KEY", "is required with DATABASE_URL.")
    if any(len(key) < 32 for key in settings.secret_keys):
        read.fault("SECRET_KEYS", "holds a key of fewer than 32 characters.")
    if settings.address_key and len(settings.address_key) < 32:
        read.fault("ADDRESS_KEY", "has fewer than 32 characters.")
    if settings.sandbox:
        return
    if not settings.webhook_keys:
        read.fault(
            "SENDGRID_WEBHOOK_KEYS",
            "is required with SENDGRID_API_KEY: without SendGrid's signed events nobody learns what became of a mail.",
        )
    for key in settings.webhook_keys:
        try:
            public = serialization.load_der_public_key(base64.b64decode(key, validate=True))
        except ValueError:
            public = None
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
            read.fault(
                "SENDGRID_WEBHOOK_KEYS", "holds something that is no P-256 public key in base64, as SendGrid shows it."
            )


def _check_alarm_webhook(read: Reader, settings: Settings) -> None:
    url, secret = settings.alarm_webhook_url, settings.alarm_webhook_secret
    if url and not (url.startswith("https://") and _has_good_port(url) and urlsplit(url).hostname):
        read.fault("ALARM_WEBHOOK_URL", "must be an address that starts with https://.")
    elif url and not secret:
        read.fault("ALARM_WEBHOOK_SECRET", "must be set together with ALARM_WEBHOOK_URL.")
    if secret and len(secret) < 32:
        read.fault("ALARM_WEBHOOK_SECRET", "has fewer than 32 characters.")


def _with_own_secrets(settings: Settings) -> Settings:
    """Fill in what an installation makes for itself: keys beside an embedded database, and the sandbox's identity."""
    if not settings.embedded and not settings.sandbox:
        return settings
    try:
        settings.home.mkdir(mode=0o711, parents=True, exist_ok=True)
        stored = stored_secrets(settings.home / "secrets.json")
        public_key = sandbox_public_key(settings.sandbox_webhook_key) if settings.sandbox else ""
    except OSError as error:
        raise Invalid(
            f"BROADSHEET_HOME: {error.filename or settings.home}: {error.strerror}. Set it to a folder that is yours."
            f" Example: BROADSHEET_HOME={EXAMPLES['BROADSHEET_HOME']}"
        ) from None
    if settings.embedded:
        settings = replace(
            settings,
            secret_keys=settings.secret_keys or tuple(stored["secret_keys"].split(",")),
            address_key=settings.address_key or stored["address_key"].encode(),
        )
    if not settings.sandbox:
        return settings
    return replace(
        settings,
        sendgrid_api_key=stored["sandbox_api_key"],
        sendgrid_url=f"http://127.0.0.1:{settings.sandbox_port}",
        webhook_keys=(public_key,),
    )


_current: Settings | None = None


def configure(settings: Settings) -> None:
    """Make these the settings of this process."""
    global _current
    _current = settings


def current() -> Settings:
    """The settings this process was wired with."""
    if _current is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    return _current
