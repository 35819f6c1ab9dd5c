"""What an email address must look like here, and its one normalised spelling. Refuses whatever SendGrid cannot send to, in
one sentence that says what to change; never asks the network whether the mailbox is there."""

import re
import unicodedata
from typing import NamedTuple

import idna
from email_validator import EmailNotValidError, validate_email

MAXIMUM_LENGTH = 254
MAXIMUM_LOCAL_LENGTH = 64

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Nearly every address is settled by this pattern: the validator takes twenty times as long.
_ORDINARY = re.compile(rf"({_LOCAL.pattern})@((?:{_LABEL}\.)+[A-Za-z]{{2,63}})")
_ENCODED_LABEL = "xn--"
_AROUND = " \t\r\n\u00a0\u3000\u200b\u2060\ufeff"
"""Stripped at both ends: white space, and the invisible characters that spreadsheets and web pages leave there."""

_ROLES = """
    abuse accounts admin administrator billing careers compliance contact dpo enquiries hello help helpdesk hostmaster hr info
    inquiries jobs legal mail marketing newsletter no-reply noreply office postmaster press privacy reception root sales
    security service support team webmaster
"""
ROLES = frozenset(_ROLES.split())

_EAST_ASIAN = frozenset(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"))
"""First words of the names that Unicode gives to letters of scripts that are written together."""


class AddressError(ValueError):
    """The text is no address that can be written to; says in one sentence what to change. Never holds the text itself.

    `text` is the sentence to be translated, with its `values` as %(name)s.
    """

    def __init__(self, text: str, **values: int) -> None:
        super().__init__(text % values)
        self.text, self.values = text, values


class Address(NamedTuple):
    """`as_typed_clean` is written to; two spellings with one `normalised` are one reader. `domain_ascii` is lower case."""

    as_typed_clean: str
    normalised: str
    domain_ascii: str


def normalise(text: str) -> Address:
    """Tidy an address and tell which reader it is. The part before the @ is kept as typed, but its case tells nobody apart.

    Raises AddressError. Names of domains are not looked up, so reserved ones (`.test`, `.example`, `.invalid`) pass.
    """
    clean = text.strip(_AROUND)
    if clean[:7].lower() == "mailto:":
        clean = clean[7:].strip(_AROUND)
    found = _ORDINARY.fullmatch(clean)
    if found is None or len(clean) > MAXIMUM_LENGTH or found.end(1) > MAXIMUM_LOCAL_LENGTH or _is_encoded(clean):
        return _normalise_unusual(clean)
    local, domain = found.groups()
    domain = domain.lower()
    return Address(f"{local}@{domain}", f"{local.lower()}@{domain}", domain)


def looks_like_role(address: Address) -> bool:
    """Whether a function (`info@`, `admin@`) rather than a person may read there: worth a look, never a reason to refuse."""
    local = address.normalised.rpartition("@")[0]
    return local.partition("+")[0] in ROLES


def mailbox(normalised: str) -> str:
    """Where the mail of a normalised address ends up, as far as its spelling tells: tags after a plus, and Google's dots, tell
    readers apart but not mailboxes. For limits only; nobody is written to by it."""
    local, _, domain = normalised.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def _is_encoded(clean: str) -> bool:
    return _ENCODED_LABEL in clean.lower()


def _normalise_unusual(clean: str) -> Address:
    _refuse_characters(clean)
    local, domain = _split(unicodedata.normalize("NFC", clean))
    _check_local(local)
    domain = _ascii_domain(domain.removesuffix("."))
    address = f"{local}@{domain}"
    if len(address) > MAXIMUM_LENGTH:
        raise AddressError(
            "The address has %(count)s characters; at most %(most)s can be sent to.",
            count=len(address),
            most=MAXIMUM_LENGTH,
        )
    _ask_validator(local, domain)
    return Address(address, f"{local.lower()}@{domain}", domain)


def _refuse_characters(clean: str) -> None:
    if not clean:
        raise AddressError("The address is empty; write one such as name@example.com.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs") for character in clean):
        raise AddressError("The address holds a line break or another invisible character; remove it.")
    if "＠" in clean:
        raise AddressError("The address has a full-width ＠; write a plain @.")
    if clean.count("@") > 1 and re.search(r"[,;\s/|]", clean):
        raise AddressError("The field holds several addresses; keep one, and give each of the others its own.")
    if "<" in clean or ">" in clean:
        raise AddressError("The field holds more than the address; keep only what stands between < and >.")


def _split(clean: str) -> tuple[str, str]:
    if '"' in clean:
        raise AddressError("The address has quotation marks, which cannot be sent to; remove them.")
    if any(character.isspace() for character in clean):
        raise AddressError("The address has a space in it; remove it.")
    if clean.count("@") > 1:
        raise AddressError("The address has more than one @; keep one.")
    local, at, domain = clean.partition("@")
    if not at:
        raise AddressError("The address has no @; write one such as name@example.com.")
    if not local:
        raise AddressError("Nothing stands before the @; write one such as name@example.com.")
    if not domain:
        raise AddressError("Nothing stands after the @; write one such as name@example.com.")
    return local, domain


def _check_local(local: str) -> None:
    if not local.isascii():
        raise AddressError("SendGrid cannot send to letters such as ü or 王 before the @; another address is needed.")
    if len(local) > MAXIMUM_LOCAL_LENGTH:
        raise AddressError(
            "The part before the @ has %(count)s characters; at most %(most)s are allowed.",
            count=len(local),
            most=MAXIMUM_LOCAL_LENGTH,
        )
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressError("The part before the @ begins or ends with a dot, or has two in a row; correct it.")
    if not _LOCAL.fullmatch(local):
        raise AddressError("The part before the @ has a character that addresses cannot have; correct it.")


def _ascii_domain(domain: str) -> str:
    if domain.startswith("["):
        raise AddressError("The part after the @ is a number in brackets; write the name of the domain.")
    if not domain.isascii() or _is_encoded(domain):
        try:
            domain = idna.encode(domain, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise AddressError(
                "The part after the @ is no domain that can be registered; correct its spelling."
            ) from None
    domain = domain.lower()
    _refuse_look_alikes(domain)
    if "." not in domain:
        raise AddressError("The domain after the @ has no dot; write it in full, such as example.com.")
    labels = domain.split(".")
    if "" in labels:
        raise AddressError("The domain after the @ begins with a dot or has two in a row; correct it.")
    if not all(re.fullmatch(_LABEL, label) for label in labels):
        raise AddressError("The domain after the @ may have letters, digits and hyphens, 63 between dots; correct it.")
    if not labels[-1][-1].isalpha() or len(labels[-1]) < 2:
        raise AddressError("The domain after the @ must end in a name such as .com or .org; correct it.")
    return domain


def _refuse_look_alikes(domain: str) -> None:
    """One label in Latin and Cyrillic, or the like, is written so in order to look like another one. Chinese, Japanese and
    Korean do mix with Latin."""
    for label in domain.split("."):
        if not label.startswith(_ENCODED_LABEL):
            continue
        try:
            shown = idna.decode(label)
        except (idna.IDNAError, UnicodeError):
            continue  # the checks below say what is wrong with it
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in shown if letter.isalpha()}
        if len(scripts - _EAST_ASIAN) + bool(scripts & _EAST_ASIAN and scripts - _EAST_ASIAN - {"LATIN"}) > 1:
            raise AddressError(
                "The domain after the @ mixes letters of two scripts that look alike; type it anew instead of pasting it."
            )


def _ask_validator(local: str, domain: str) -> None:
    """A second opinion on what the plain pattern does not settle: encoded domains above all."""
    # The validator refuses `.invalid`, which is reserved for examples exactly as `.test` is.
    if domain.endswith(".invalid"):
        domain = domain.removesuffix("invalid") + "test"
    try:
        validate_email(
            f"{local}@{domain}",
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
        )
    except EmailNotValidError:
        raise AddressError("The address cannot be sent to; check how it is spelt.") from None
