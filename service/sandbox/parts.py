"""What the routes share, put together once at the start: settings, store, script, outbox, webhook, links."""

from dataclasses import dataclass
from pathlib import Path

from service.sandbox.database import Database
from service.sandbox.links import Links
from service.sandbox.mail import Mail, render
from service.sandbox.misbehaviour import Script
from service.sandbox.outbox import Outbox
from service.sandbox.store import Copy, Store
from service.sandbox.webhook import Webhook, load_key, public_key


@dataclass(frozen=True)
class Settings:
    """`api_key` empty: any key that looks like SendGrid's is taken. `webhook_url` empty: events stay queued."""

    home: Path
    port: int = 8025
    api_key: str = ""
    webhook_key: Path | None = None
    webhook_url: str = ""


class Parts:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.home)
        self.store = Store(self.database)
        self.outbox = Outbox(self.database, self.store)
        self.script = Script()
        self.links = Links(settings.home, f"http://127.0.0.1:{settings.port}")
        key = load_key(settings.webhook_key, settings.home)
        self.public_key = public_key(key)
        self.webhook = Webhook(self.outbox, key, settings.webhook_url)

    def mail(self, copy: Copy) -> Mail:
        """The final mail of one copy. Raises KeyError if the inbox was emptied meanwhile."""
        body = self.store.body(copy.request)
        address = _as_written(body["personalizations"][copy.position], copy.address)
        return render(
            body,
            copy.position,
            address,
            link=lambda index: self.links.click(copy.number, index),
            pixel=self.links.pixel(copy.number),
        )

    def close(self) -> None:
        self.webhook.stop()
        self.database.close()


def _as_written(entry: dict[str, list[dict[str, str]]], address: str) -> str:
    people = [person["email"] for kind in ("to", "cc", "bcc") for person in entry.get(kind) or ()]
    return next((one for one in people if one.lower() == address), address)
