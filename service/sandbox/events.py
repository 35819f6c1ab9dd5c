"""Makes the events SendGrid would report for a request, in its words: one wave per stage of a mail's life.

Pure but for the numbers it is given: the same request, behaviour and time give the same events.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service.sandbox import mail
from service.sandbox.behaviour import SUPPRESSION_REASONS, Behaviour, Fate
from service.sandbox.store import recipients

Event = dict[str, Any]

_MAIL_SERVER = "198.51.100.25"
_READER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
)
_WAVES = ("processed", "deferred", "delivered", "open", "click", "spamreport")
_AGAIN = len(_WAVES)
_HARD = (
    ("550 5.1.1 The email account that you tried to reach does not exist.", "5.1.1", "Invalid Address"),
    ("554 5.7.1 Recipient address rejected: user unknown", None, "Invalid Address"),
    ("550 5.2.1 The mailbox has been disabled.", "5.2.1", "Mailbox Unavailable"),
)
_SOFT = (
    ("552 5.2.2 The mailbox is over quota.", "5.2.2", "Mailbox Unavailable"),
    ("unable to get mx info: failed to get IPs from PTR record: lookup: NXDOMAIN", None, "Unclassified"),
    ("550 5.7.1 Message refused because of the reputation of the sending address.", "5.7.1", "Reputation"),
)


@dataclass
class Harvest:
    """The events of one request by wave, and the suppressions they cause: (kind, address, reason, status)."""

    waves: list[list[Event]] = field(default_factory=lambda: [[] for _ in range(_AGAIN + 1)])
    suppressions: list[tuple[str, str, str, str]] = field(default_factory=list)


def event_id(*parts: object) -> str:
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _delivery_id(kind: str, request_id: str, position: int) -> str:
    # SendGrid's ids of delivery events decode to something like this; they repeat exactly when an event does.
    text = f"{kind}-{position}-29193521-{request_id}-0"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def common(body: dict[str, Any], request_id: str, position: int, email: str) -> Event:
    """The fields every event of one mail has. SendGrid's own names win over custom_args."""
    entry = body["personalizations"][position]
    event: Event = {**(body.get("custom_args") or {}), **(entry.get("custom_args") or {})}
    event["email"] = email
    event["sg_message_id"] = f"{request_id}.filterdrecv-5f8d6b9c74-{position:04d}-1-0.0"
    if body.get("categories"):
        event["category"] = body["categories"]
    if "asm" in body:
        event["asm_group_id"] = body["asm"]["group_id"]
    return event


class Generator:
    """Lives for one request. `suppressed` maps lower-cased addresses to the kind of their suppression."""

    def __init__(
        self, body: dict[str, Any], request_id: str, at: float, behaviour: Behaviour, suppressed: dict[str, str]
    ) -> None:
        self._body, self._request_id, self._behaviour = body, request_id, behaviour
        self._suppressed = suppressed | behaviour.suppressions
        self._fate = Fate(behaviour)
        self._smtp_id = f"<{request_id}@geopod-ismtpd-1>"
        self._times = [int(at + (wave + 1) * behaviour.delay_ms / 1000) for wave in range(_AGAIN)]
        self._content = mail.cut(body)
        self._links = len(self._content.links())
        self._tracks_opens = bool(mail.setting(body, "open_tracking").get("enable"))
        self._harvest = Harvest()

    def run(self) -> Harvest:
        for position, email in recipients(self._body):
            self._recipient(position, email)
        return self._harvest

    def _recipient(self, position: int, email: str) -> None:
        address = email.lower()
        fate = self._fate.of(address)
        base = common(self._body, self._request_id, position, email)
        add = self._adder(base, position, twice="duplicate" in fate)
        if address in self._suppressed:
            add("dropped", 0, {"smtp-id": self._smtp_id, "reason": SUPPRESSION_REASONS[self._suppressed[address]]})
            return
        if "missing_processed" not in fate:
            add("processed", 0, {"smtp-id": self._smtp_id})
        if "deferred" in fate:
            response = "450 4.2.1 The user you are trying to contact is receiving mail too quickly."
            add("deferred", 1, {"smtp-id": self._smtp_id, "response": response, "attempt": "1"})
        if fate & {"bounce", "blocked"}:
            self._bounce(add, base, address, hard="bounce" in fate)
            return
        response = "250 2.0.0 OK: queued"
        add("delivered", 2, {"smtp-id": self._smtp_id, "response": response, "ip": _MAIL_SERVER, "tls": 1})
        self._reading(add, fate, address, position)

    def _adder(self, base: Event, position: int, *, twice: bool) -> Callable[[str, int, Event], None]:
        def add(kind: str, wave: int, extra: Event) -> None:
            event = {
                **base,
                "event": kind,
                "timestamp": self._times[wave],
                "sg_event_id": _delivery_id(kind, self._request_id, position)
                if wave < 3
                else event_id(kind, self._request_id, position, base["email"], extra.get("sg_machine_open")),
                **extra,
            }
            self._harvest.waves[wave].append(event)
            if twice:
                self._harvest.waves[_AGAIN].append(event)

        return add

    def _bounce(self, add: Callable[[str, int, Event], None], base: Event, address: str, *, hard: bool) -> None:
        pick = hashlib.blake2b(address.encode(), digest_size=2).digest()
        reason, status, classification = (_HARD if hard else _SOFT)[pick[0] % 3]
        extra: Event = {
            "type": "bounce" if hard else "blocked",
            "reason": reason,
            "bounce_classification": classification,
            "tls": 0 if status is None else 1,
        }
        if status:
            extra["status"] = status
        if pick[1] % 8 == 0:
            base.pop("sg_message_id")  # a bounce reported days later comes without it, and without an ip
        else:
            extra |= {"smtp-id": self._smtp_id, "ip": _MAIL_SERVER}
        add("bounce", 2, extra)
        self._harvest.suppressions.append(("bounces" if hard else "blocks", address, reason, status or ""))

    def _reading(self, add: Callable[[str, int, Event], None], fate: set[str], address: str, position: int) -> None:
        digest = hashlib.blake2b(address.encode(), digest_size=4).digest()
        reader = {"useragent": _READER_AGENT, "ip": f"203.0.113.{digest[0] % 254 + 1}"}
        if self._tracks_opens and "machine_open" in fate:
            machine = {"useragent": "Mozilla/5.0", "ip": "203.0.113.254", "sg_machine_open": True}
            add("open", 3, {**machine, "sg_content_type": "html"})
        if self._tracks_opens and "open" in fate:
            add("open", 3, {**reader, "sg_machine_open": False, "sg_content_type": "html"})
        if self._links and "click" in fate:
            index = digest[1] % self._links
            target = mail.link_target(self._body, self._content, position, index)
            if target:
                add("click", 4, {**reader, "url": target[0], "url_offset": {"index": index, "type": target[1]}})
        if "complaint" in fate:
            add("spamreport", 5, {})
            self._harvest.suppressions.append(("spam_reports", address, "", ""))
