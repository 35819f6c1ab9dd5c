"""Requests to mail/send as a careful client makes them, for the tests to spoil."""

from typing import Any

HTML = (
    '<html><body><p>Dear -sg_name_h-</p><a class="x" href="https://news.example.org/items/-sg_path-?a=1&amp;b=2">One</a>'
    ' <a clicktracking=off href="https://news.example.org/u/-sg_leave-">Leave</a></body></html>'
)
TEXT = "Dear -sg_name_t-\n\nhttps://news.example.org/items/-sg_path-\n"


def reader(address: str, **more: Any) -> dict[str, Any]:
    return {
        "to": [{"email": address, "name": "Reader"}],
        "headers": {"List-Unsubscribe": f"<https://news.example.org/u/{abs(hash(address))}>"},
        "substitutions": {
            "-sg_name_h-": "Ann &amp; Bo",
            "-sg_name_t-": "Ann & Bo",
            "-sg_path-": "one",
            "-sg_leave-": "token",
        },
        "custom_args": {"delivery_id": f"d-{address.partition('@')[0]}"},
        **more,
    }


def letter(*addresses: str, tracked: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "from": {"email": "news@example.org", "name": "The News"},
        "reply_to": {"email": "office@example.org"},
        "subject": "News for -sg_name_t-",
        "personalizations": [reader(one) for one in addresses or ("ann@example.com",)],
        "content": [{"type": "text/plain", "value": TEXT}, {"type": "text/html", "value": HTML}],
        "headers": {"X-Newsletter": "monthly"},
        "categories": ["i-1"],
        "custom_args": {"attempt_id": "a-1"},
        "tracking_settings": {
            "click_tracking": {"enable": tracked, "enable_text": False},
            "open_tracking": {"enable": tracked},
            "subscription_tracking": {"enable": False},
        },
        **more,
    }


def many(count: int, **more: Any) -> dict[str, Any]:
    return letter(*(f"reader{number}@example.com" for number in range(count)), **more)
