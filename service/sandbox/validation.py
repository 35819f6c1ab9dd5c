"""SendGrid's rules for the root of a mail/send request. Reports every fault it finds; changes nothing in the request."""

from typing import Any

from service.sandbox import checks, personalizations
from service.sandbox.answers import BAD_REQUEST, Error, error
from service.sandbox.personalizations import SubstitutionLimit

_KNOWN = frozenset(
    (
        "personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments", "template_id",
        "headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name", "mail_settings",
        "tracking_settings", "sections",
    )
)  # fmt: skip
_SETTINGS: dict[str, dict[str, frozenset[str]]] = {
    "mail_settings": {
        "bypass_list_management": frozenset(("enable",)),
        "bypass_spam_management": frozenset(("enable",)),
        "bypass_bounce_management": frozenset(("enable",)),
        "bypass_unsubscribe_management": frozenset(("enable",)),
        "footer": frozenset(("enable", "text", "html")),
        "sandbox_mode": frozenset(("enable",)),
    },
    "tracking_settings": {
        "click_tracking": frozenset(("enable", "enable_text")),
        "open_tracking": frozenset(("enable", "substitution_tag")),
        "subscription_tracking": frozenset(("enable", "text", "html", "substitution_tag")),
        "ganalytics": frozenset(("enable", "utm_source", "utm_medium", "utm_term", "utm_content", "utm_campaign")),
    },
}
_BYPASS_ALL = "bypass_list_management"


def validate(body: Any, *, limit: SubstitutionLimit, now: float) -> list[Error]:
    """All faults of a decoded request; an empty answer means SendGrid would take it."""
    if not isinstance(body, dict):
        return [BAD_REQUEST]
    found = checks.unknown_keys(body, _KNOWN, None)
    found += personalizations.check(body, limit=limit, now=now)
    found += _sender(body) + _subject(body) + _content(body) + _attachments(body)
    if "headers" in body:
        found += checks.check_headers(body["headers"], "headers", "message.headers")
    if "sections" in body:
        found += checks.check_strings(body["sections"], "sections", "message.sections")
    if "send_at" in body:
        found += checks.check_send_at(body["send_at"], "send_at", "message.send_at", now=now)
    return found + _custom_args(body) + _categories(body) + _routing(body) + _settings(body)


def is_rehearsal(body: dict[str, Any]) -> bool:
    """True when `mail_settings.sandbox_mode` asks for a check only: answered 200, never kept."""
    settings = body.get("mail_settings") or {}
    return bool((settings.get("sandbox_mode") or {}).get("enable"))


def _sender(body: dict[str, Any]) -> list[Error]:
    found: list[Error] = []
    sender = body.get("from")
    if not isinstance(sender, dict) or "email" not in sender:
        text = (
            "The from object must be provided for every email send. It is an object that requires the email parameter, "
            'but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : '
            '"example@example.com", "name" : "Example Recipient"}.'
        )
        found.append(error(text, "from.email", "message.from"))
    else:
        found += checks.check_person(sender, "from", "message.from")
    if "reply_to" in body:
        found += checks.check_person(body["reply_to"], "reply_to", "message.reply_to")
    if "reply_to_list" in body:
        found += _reply_to_list(body["reply_to_list"])
        if "reply_to" in body:
            text = "The reply_to and reply_to_list parameters may not be used together. Please use only one of them."
            found.append(error(text, "reply_to", "message.reply_to"))
    return found


def _reply_to_list(people: Any) -> list[Error]:
    topic = "message.reply_to_list"
    if not isinstance(people, list) or not 1 <= len(people) <= 1000:
        return [error("The reply_to_list must be an array of 1 to 1000 email objects.", "reply_to_list", topic)]
    found: list[Error] = []
    for index, person in enumerate(people):
        found += checks.check_person(person, f"reply_to_list.{index}", topic)
    if not found and len({person["email"].lower() for person in people}) < len(people):
        found.append(error("Each email address in reply_to_list should be unique.", "reply_to_list", topic))
    return found


def _subject(body: dict[str, Any]) -> list[Error]:
    if "subject" in body:
        if isinstance(body["subject"], str) and body["subject"]:
            return []
        text = "The subject must be a string at least one character in length."
        return [error(text, "subject", "message.subject")]
    entries = body.get("personalizations")
    everyone = isinstance(entries, list) and all(isinstance(one, dict) and one.get("subject") for one in entries)
    if body.get("template_id") or (everyone and entries):
        return []
    text = (
        "The subject is required. You can get around this requirement if you use a template with a subject defined or "
        "if every personalization has a subject defined."
    )
    return [error(text, "subject", "message.subject")]


def _content(body: dict[str, Any]) -> list[Error]:
    blocks = body.get("content")
    if "content" not in body and body.get("template_id"):
        return []
    if not isinstance(blocks, list) or not blocks:
        text = (
            "Unless a valid template_id is provided, the content parameter is required. There must be at least one "
            "defined content block. We typically suggest both text/plain and text/html blocks are included, but only "
            "one block is required."
        )
        return [error(text, "content", "message.content")]
    found: list[Error] = []
    kinds: list[str] = []
    for index, block in enumerate(blocks):
        block = block if isinstance(block, dict) else {}
        kind, value = block.get("type"), block.get("value")
        if not isinstance(kind, str) or not kind or set(";\r\n") & set(kind):
            text = "The content type must be a string at least one character in length, without ';' or CRLF."
            found.append(error(text, f"content.{index}.type", "message.content.type"))
        if not isinstance(value, str) or not value:
            text = "The content value must be a string at least one character in length."
            found.append(error(text, f"content.{index}.value", "message.content.value"))
        kinds.append(str(kind))
        found += checks.unknown_keys(block, frozenset(("type", "value")), f"content.{index}")
    order = [{"text/plain": 0, "text/html": 1}.get(kind, 2) for kind in kinds]
    if order != sorted(order):
        text = "If present, text/plain and text/html must be the first content blocks, in that order."
        found.append(error(text, "content", "message.content"))
    return found


def _attachments(body: dict[str, Any]) -> list[Error]:
    found: list[Error] = []
    attachments = body.get("attachments", [])
    for index, item in enumerate(attachments if isinstance(attachments, list) else [None]):
        item = item if isinstance(item, dict) else {}
        for key in ("content", "filename"):
            if not isinstance(item.get(key), str) or not item[key]:
                text = f"The attachment {key} must be a string at least one character in length."
                found.append(error(text, f"attachments.{index}.{key}", f"message.attachments.{key}"))
    return found


def _custom_args(body: dict[str, Any]) -> list[Error]:
    if "custom_args" not in body:
        return []
    args = body["custom_args"]
    found = checks.check_strings(args, "custom_args", "message.custom_args", may_be_empty=False)
    if isinstance(args, dict) and checks.size_of(args) > checks.CUSTOM_ARGS_BYTES:
        text = f"The custom_args may not exceed {checks.CUSTOM_ARGS_BYTES} bytes."
        found.append(error(text, "custom_args", "message.custom_args"))
    return found


def _categories(body: dict[str, Any]) -> list[Error]:
    categories = body.get("categories", [])
    topic = "message.categories"
    if not isinstance(categories, list):
        return [error("The categories parameter must be an array of strings.", "categories", topic)]
    found: list[Error] = []
    if len(categories) > 10:
        found.append(error("You may not specify more than 10 categories.", "categories", topic))
    for index, category in enumerate(categories):
        if not isinstance(category, str) or not category.isascii() or not 1 <= len(category) <= 255:
            text = "Each category must be a string of 1 to 255 ASCII characters."
            found.append(error(text, f"categories.{index}", topic))
    if not found and len(set(categories)) < len(categories):
        found.append(error("Each category must be unique.", "categories", topic))
    return found


def _routing(body: dict[str, Any]) -> list[Error]:
    found = []
    for key in ("template_id", "batch_id"):
        if not isinstance(body.get(key, ""), str):
            found.append(error(f"The {key} must be a string.", key, f"message.{key}"))
    pool = body.get("ip_pool_name", "pool")
    if not isinstance(pool, str) or not 2 <= len(pool) <= 64:
        found.append(error("The ip_pool_name must be 2 to 64 characters.", "ip_pool_name", "message.ip_pool_name"))
    if "asm" in body:
        asm = body["asm"] if isinstance(body["asm"], dict) else {}
        if isinstance(asm.get("group_id"), bool) or not isinstance(asm.get("group_id"), int):
            found.append(error("The asm.group_id must be an integer.", "asm.group_id", "message.asm"))
        shown = asm.get("groups_to_display", [])
        if not isinstance(shown, list) or len(shown) > 25 or any(type(one) is not int for one in shown):
            text = "The asm.groups_to_display must be an array of at most 25 integers."
            found.append(error(text, "asm.groups_to_display", "message.asm"))
    return found


def _settings(body: dict[str, Any]) -> list[Error]:
    found: list[Error] = []
    for group, known in _SETTINGS.items():
        settings = body.get(group, {})
        if not isinstance(settings, dict):
            found.append(error(f"The {group} parameter must be an object.", group, f"message.{group}"))
            continue
        found += checks.unknown_keys(settings, frozenset(known), group)
        for name, keys in known.items():
            if name in settings:
                found += _setting(settings[name], keys, f"{group}.{name}")
    mail = body.get("mail_settings")
    if (
        isinstance(mail, dict)
        and _BYPASS_ALL in mail
        and any(k.startswith("bypass_") and k != _BYPASS_ALL for k in mail)
    ):
        text = f"The {_BYPASS_ALL} setting may not be combined with any other bypass setting."
        found.append(error(text, f"mail_settings.{_BYPASS_ALL}", "message.mail_settings"))
    return found


def _setting(setting: Any, keys: frozenset[str], field: str) -> list[Error]:
    topic = f"message.{field}"
    if not isinstance(setting, dict):
        return [error("The setting must be an object.", field, topic)]
    found = checks.unknown_keys(setting, keys, field)
    for key, value in setting.items():
        if key in ("enable", "enable_text"):
            if not isinstance(value, bool):
                found.append(error(f"The {key} parameter must be a boolean.", f"{field}.{key}", topic))
        elif key in keys and not isinstance(value, str):
            found.append(error(f"The {key} parameter must be a string.", f"{field}.{key}", topic))
    return found
