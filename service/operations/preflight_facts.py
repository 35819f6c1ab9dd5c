"""What preflight asks outside of the database: links, the DNS of the sender's domain, a spam filter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import format_datetime, localtime, make_msgid

from service.clients import dns, links, spam
from service.clients.dns import Resolver
from service.clients.link_cache import LinkCache
from service.rendering import mime
from service.rendering.preflight import links as link_rules
from service.rendering.preflight.facts import Answer, Domain, Facts, Spam
from service.rendering.preflight.mail import Mail
from service.rendering.preflight.sender import domain_of
from service.settings import current

CACHE = "link-checks.json"


@dataclass(frozen=True)
class Outside:
    """Whether the network may be asked, and by which name servers."""

    network: bool
    resolver: Resolver


def ask_outside(facts: Facts, mails: Sequence[Mail], outside: Outside) -> Facts:
    """The facts with those that the outside adds; what could not be asked is said."""
    facts = _with_spam(facts, mails)
    if not outside.network:
        return replace(
            facts, unasked=(*facts.unasked, ("links and the sender's domain", "the network was not to be used"))
        )
    urls = list(dict.fromkeys(url for mail in mails for url in link_rules.asked(mail)))
    answers = links.check(urls, resolver=outside.resolver, cache=LinkCache(current().home / CACHE))
    facts = replace(facts, links={url: Answer(answer.state, answer.why) for url, answer in answers.items()})
    sender, reply_to = domain_of(mails[0].head.sender_address), domain_of(mails[0].head.reply_to)
    facts, domain = _with_domain(facts, sender, outside.resolver)
    facts, answering = _with_domain(facts, reply_to if reply_to != sender else "", outside.resolver)
    return replace(facts, sender=domain, reply_to=answering)


def _with_domain(facts: Facts, name: str, resolver: Resolver) -> tuple[Facts, Domain | None]:
    if not name:
        return facts, None
    if link_rules.is_reserved(name):
        why = "it is a name for examples"
    else:
        found = dns.look_up(name, resolver)
        if not found.is_unknown:
            return facts, Domain(name, found.spf, found.dkim, found.dmarc, found.takes_mail)
        why = "no name server answered"
    return replace(facts, unasked=(*facts.unasked, (f"the domain {name}", why))), None


def _with_spam(facts: Facts, mails: Sequence[Mail]) -> Facts:
    try:
        opinions = [spam.ask(_raw(mail)) for mail in mails]
    except spam.NotAsked as reason:
        return replace(facts, unasked=(*facts.unasked, ("the spam filter", str(reason))))
    worst = max(opinions, key=lambda opinion: opinion.points)
    return replace(facts, spam=Spam(worst.points, worst.required, worst.reasons))


def _raw(mail: Mail) -> bytes:
    """The mail as it would arrive, for a filter to read: with what the provider adds."""
    head = mail.head
    sent = mime.Mail(
        sender=(head.masthead.sender_name, head.sender_address or "news@newsletter.invalid"),
        reader=("", "reader@reader.invalid"),
        reply_to=head.reply_to,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        leave_url=head.leave_url,
        list_id="<newsletter.invalid>",
    )
    added = f"Date: {format_datetime(localtime())}\r\nMessage-ID: {make_msgid(domain='newsletter.invalid')}\r\n"
    return added.encode() + mime.raw(sent)
