"""A mail as the bytes that travel: headers, text and HTML, as the provider would put them together. Refuses to let a value
begin a new header."""

import hashlib
import unicodedata
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage

_ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Mail:
    """One reader's copy. `sender` and `reader` are names and addresses, `leave_url` the address of their own leave page."""

    sender: tuple[str, str]
    reader: tuple[str, str]
    reply_to: str | None
    subject: str
    text: str
    html: str
    leave_url: str
    list_id: str


def raw(mail: Mail) -> bytes:
    """The whole mail, lines ended by CR LF. Without Date and Message-ID, which are the provider's, and differ every time."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = _address(*mail.sender)
    message["To"] = _address(*mail.reader)
    if mail.reply_to:
        message["Reply-To"] = _address("", mail.reply_to)
    message["Subject"] = _line(mail.subject)
    message["List-Id"] = _line(mail.list_id)
    message["List-Unsubscribe"] = f"<{_line(mail.leave_url)}>"
    message["List-Unsubscribe-Post"] = _ONE_CLICK
    message["MIME-Version"] = "1.0"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    message.set_boundary(hashlib.sha256((mail.text + mail.html).encode()).hexdigest()[:32])
    return message.as_bytes()


def _line(value: str) -> str:
    """One line, whatever it holds: a control character in a header is never meant well."""
    kept = (" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs") else letter for letter in value)
    return " ".join("".join(kept).split())


def _address(name: str, address: str) -> Address:
    return Address(display_name=_line(name), addr_spec=_line(address))
