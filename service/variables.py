"""The settings that an environment may hold, and what a person should know of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One documented setting; the README's table is made of these."""

    name: str
    what: str
    example: str
    default: str = ""
    secret: bool = False


VARIABLES = (
    Variable(
        "BROADSHEET_HOME", "Folder for data, secrets, media and logs.", "/srv/broadsheet", "`var/` in the checkout"
    ),
    Variable(
        "EPOCH_FILE",
        "File in which this machine notes the newest state of the database that it has seen. Keep it where a snapshot or a backup of the database does not take it along.",
        "/srv/elsewhere/epoch.json",
        "`epoch.json` in the home",
    ),
    Variable("DESIGNS", "Folder with your own designs, a folder each.", "/srv/designs", "`designs/` in the home"),
    Variable(
        "DATABASE_URL",
        "Your PostgreSQL (14 or newer). Goes with `REDIS_URL`.",
        "postgresql://user:password@db.example.com/broadsheet",
        "embedded PostgreSQL",
        True,
    ),
    Variable(
        "DATABASE_OWNER_URL",
        "The same database, for the role that owns its tables: migrations and `retention run` use it, the service never does. Without it, `DATABASE_URL` owns them.",
        "postgresql://owner:password@db.example.com/broadsheet",
        "`DATABASE_URL`",
        True,
    ),
    Variable(
        "REDIS_URL",
        "Your Redis (6.2 or newer) or Valkey. Goes with `DATABASE_URL`.",
        "redis://:password@cache.example.com:6379/0",
        "embedded Valkey",
        True,
    ),
    Variable(
        "PUBLIC_URL",
        "Where readers reach this service: https, a host, no path. Required with `SENDGRID_API_KEY`.",
        "https://news.example.com",
        "loopback, in the sandbox only",
    ),
    Variable("PORT", "Port of the web process.", "8000", "8000"),
    Variable(
        "LISTEN",
        "Address that the web process listens on. Anything but loopback only where nobody but your reverse proxy can reach it: in a container, or on a platform that routes to it.",
        "0.0.0.0",  # noqa: S104 - what a container needs
        "127.0.0.1",
    ),
    Variable("TRUSTED_PROXIES", "How many reverse proxies stand in front and set `X-Forwarded-*`.", "1", "0"),
    Variable(
        "SECRET_KEYS",
        "Keys that sign links, newest first, separated by commas; keep old ones so that links in mails already sent go on working.",
        "a-new-key-of-32-characters-or-more,an-older-key-of-32-characters-or-more",
        "made in the home when the servers are embedded",
        True,
    ),
    Variable(
        "ADDRESS_KEY",
        "Key for the keyed hash by which a suppression outlives erasure. Never change it; back it up apart.",
        "a-third-key-of-32-characters-or-more",
        "made in the home when the servers are embedded",
        True,
    ),
    Variable(
        "SENDGRID_API_KEY",
        "SendGrid key with the scope `mail.send`.",
        "SG.xxxxxxxx.yyyyyyyy",
        "none: the sandbox",
        True,
    ),
    Variable(
        "SENDGRID_URL",
        "SendGrid's API: the global one, or `https://api.eu.sendgrid.com` for EU subusers.",
        "https://api.eu.sendgrid.com",
        "https://api.sendgrid.com",
    ),
    Variable(
        "SENDGRID_WEBHOOK_KEYS",
        "Public keys of SendGrid's signed event webhook, separated by commas (two during a rotation). Required with `SENDGRID_API_KEY`.",
        "MFkwEwYHKoZIzj0CAQYIKoZI…",
    ),
    Variable("SENDGRID_BATCH_SIZE", "Readers a request, 1 to 1000.", "500", "1000"),
    Variable(
        "SENDGRID_SUBSTITUTION_BYTES",
        "Bytes of substitutions a request may hold. SendGrid's pages disagree: 10,000 a reader, or 50,000 a request.",
        "50000",
        "10000000",
    ),
    Variable("SENDING_WORKERS", "Requests to SendGrid under way at once on this machine, 1 to 64.", "8", "4"),
    Variable(
        "SIGNUP_MAILS_PER_HOUR",
        "Sign-ups and changes of address that are answered by mail in an hour, at most; further sign-ups wait.",
        "500",
        "2000",
    ),
    Variable("KEEP_UNCONFIRMED_DAYS", "Days until a sign-up that nobody confirmed is deleted.", "7", "14"),
    Variable(
        "KEEP_ORIGIN_DAYS", "Days until the network and the browser's family of a consent are deleted.", "90", "30"
    ),
    Variable("KEEP_PAYLOADS_DAYS", "Days until what SendGrid told us is deleted as it came.", "7", "14"),
    Variable("KEEP_EVENTS_DAYS", "Days until a person's opens and clicks are deleted; counts stay.", "90", "183"),
    Variable("KEEP_DELIVERIES_DAYS", "Days until deliveries no longer name their reader.", "365", "730"),
    Variable(
        "KEEP_CONSENT_DAYS",
        "Days that the consent records of a reader who left are kept after the last act.",
        "1096",
        "1826",
    ),
    Variable(
        "BROADSHEET_SANDBOX",
        "`1` sends to the local sandbox even with your own servers.",
        "1",
        "1 when the servers are embedded and no key is set",
    ),
    Variable("SANDBOX_PORT", "Port of the sandbox, on loopback.", "8025", "8025"),
    Variable(
        "MEDIA_BUCKET",
        "Bucket that keeps the pictures of issues, at any service that speaks S3. Goes with a key; `media/` in the home is then a copy.",
        "newsletter-pictures",
        "none: pictures lie in the home",
    ),
    Variable(
        "MEDIA_ENDPOINT",
        "Address of that service; https, no path.",
        "https://s3.eu-central-003.example.com",
        "Amazon's, for the region",
    ),
    Variable("MEDIA_REGION", "The bucket's region.", "eu-central-1", "us-east-1"),
    Variable(
        "MEDIA_ACCESS_KEY_ID",
        "Key that may get and put the objects below `media/` in the bucket. Required with it.",
        "AKIAXXXXXXXXEXAMPLE",
    ),
    Variable("MEDIA_SECRET_ACCESS_KEY", "The secret of that key.", "wJalrXUtnFEMI/bPxRfiCYEXAMPLEKEY", secret=True),
    Variable(
        "OIDC_ISSUER",
        "Who vouches for the team's people, by OpenID Connect. Goes with a client's id and secret; `/admin/single-sign-on/back` is where it sends them back.",
        "https://login.firm.example/realms/firm",
        "none: passwords and passkeys",
    ),
    Variable("OIDC_CLIENT_ID", "This installation's id there.", "broadsheet"),
    Variable("OIDC_CLIENT_SECRET", "Its secret there.", "kX3vXXXXXXXXEXAMPLE", secret=True),
    Variable("OIDC_NAME", "What the button calls it.", "the firm's account", "single sign-on"),
    Variable("CHROME", "Chromium or Chrome, for `--screenshot`.", "/usr/bin/chromium", "the first on the `PATH`"),
    Variable(
        "ALARM_WEBHOOK_URL",
        "Where alarms are posted, as signed JSON, beside the mails to the team; https, on the public internet.",
        "https://hooks.firm.example/broadsheet",
        "none: by mail alone",
    ),
    Variable(
        "ALARM_WEBHOOK_SECRET",
        "Key of the HMAC-SHA256 that they are signed with; required with it.",
        "kX3vXXXXXXXXXXXXXXXXXXXXXXXXEXAMPLE",
        secret=True,
    ),
    Variable(
        "METRICS_TOKEN",
        "Bearer token that `/metrics` demands; without it the page is open on loopback, and closed elsewhere.",
        "mT7cXXXXXXXXXXXXXXXXXXXXXXXXEXAMPLE",
        secret=True,
    ),
    Variable("LOG_LEVEL", "debug, info, warning or error.", "info", "info"),
    Variable("LOG_FORMAT", "`text` for people, `json` for machines.", "json", "text"),
)
