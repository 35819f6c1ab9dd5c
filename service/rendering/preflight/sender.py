"""Rules on who sends: a domain that mail providers believe, and an address that answers."""

from collections.abc import Iterator

from service.rendering.preflight.facts import Domain, Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail

_FREE_MAIL = (
    "gmail.com googlemail.com yahoo.com yahoo.de yahoo.fr yahoo.co.uk ymail.com aol.com outlook.com hotmail.com live.com msn.com icloud.com "
    "me.com mac.com gmx.de gmx.net gmx.com web.de t-online.de freenet.de mail.ru yandex.ru yandex.com proton.me protonmail.com orange.fr "
    "free.fr laposte.net wanadoo.fr sfr.fr qq.com 163.com 126.com sina.com foxmail.com zoho.com mail.com hey.com"
)
FREE_MAIL = frozenset(_FREE_MAIL.split())
_MUTE = ("noreply", "no-reply", "donotreply", "do-not-reply", "nicht-antworten", "nepasrepondre")


def domain_of(address: str | None) -> str:
    """The domain of an address, in small letters."""
    return (address or "").rpartition("@")[2].lower()


def check(mail: Mail, facts: Facts) -> Iterator[Finding]:
    """Addresses by themselves, then what the DNS says of their domains."""
    if mail.head.sender_address:
        yield from _addresses(mail.head.sender_address, mail.head.reply_to)
    if facts.sender is not None:
        yield from of_domain(facts.sender)
    answering = facts.reply_to or facts.sender
    if answering is not None and answering.takes_mail is False:
        text = f"{answering.name} takes no mail: whoever answers gets an error"
        yield Finding("warns", "answers-lost", text, "Reply-To", "Set a reply-to address that takes mail.")
    for what, why in facts.unasked:
        yield Finding(
            "notes", "not-checked", f"{what} could not be checked: {why}", what, "Check again before sending."
        )


def of_domain(domain: Domain) -> Iterator[Finding]:
    """What the DNS says of who may send in the domain's name."""
    yield from _spf(domain)
    yield from _dkim(domain)
    yield from _dmarc(domain)


def _addresses(sender: str, reply_to: str | None) -> Iterator[Finding]:
    if domain_of(sender) in FREE_MAIL:
        yield Finding(
            "warns",
            "sender-free-mail",
            f"{domain_of(sender)} tells receivers to reject mail in its name that it did not send itself",
            "From",
            "Send from a domain of your own.",
        )
    answers_to = reply_to or sender
    if answers_to.partition("@")[0].lower() in _MUTE:
        yield Finding(
            "notes",
            "sender-mute",
            f"{answers_to} says that nobody reads answers",
            "Reply-To" if reply_to else "From",
            "Use an address that somebody reads.",
        )
    if reply_to and domain_of(reply_to) != domain_of(sender):
        yield Finding(
            "notes",
            "reply-to-elsewhere",
            f"answers go to {domain_of(reply_to)}, not to {domain_of(sender)}; some filters count that",
            "Reply-To",
            "Use an address of the sender's domain, if there is one.",
        )


def _spf(domain: Domain) -> Iterator[Finding]:
    if domain.spf is None:
        return
    if len(domain.spf) != 1:
        several = len(domain.spf) > 1
        yield Finding(
            "warns",
            "sender-spf",
            f"{domain.name} has {'several SPF records, so none counts' if several else 'no SPF record'}",
            f"DNS of {domain.name}",
            "Keep one TXT record that begins with v=spf1."
            if several
            else "Add a TXT record: v=spf1 include:sendgrid.net ~all",
        )
    elif domain.spf[0].lower().split()[-1:] in (["+all"], ["all"]):
        text = f"the SPF record of {domain.name} lets everybody send in its name (+all)"
        yield Finding("warns", "sender-spf", text, f"DNS of {domain.name}", "End it with ~all or -all.")


def _dkim(domain: Domain) -> Iterator[Finding]:
    if domain.dkim is not None and len(domain.dkim) < 2:
        lacking = [name for name in ("s1", "s2") if name not in domain.dkim]
        yield Finding(
            "warns",
            "sender-dkim",
            f"{domain.name} does not let SendGrid sign: {' and '.join(f'{name}._domainkey' for name in lacking)} is no CNAME",
            f"DNS of {domain.name}",
            "Authenticate the domain in SendGrid, and add the CNAME records that it names.",
        )


def _dmarc(domain: Domain) -> Iterator[Finding]:
    if domain.dmarc is None:
        return
    if not domain.dmarc:
        yield Finding(
            "warns",
            "sender-dmarc",
            f"{domain.name} has no DMARC record; Gmail and Yahoo ask senders of many mails for one",
            f"DNS of {domain.name}",
            f"Add a TXT record at _dmarc.{domain.name}: v=DMARC1; p=none; rua=mailto:…",
        )
    elif "p=none" in domain.dmarc[0].replace(" ", "").lower().split(";"):
        text = f"the DMARC record of {domain.name} asks for nothing (p=none): others may send in its name"
        yield Finding("notes", "sender-dmarc-none", text, f"DNS of {domain.name}", "Move on to p=quarantine in time.")
