"""Sends one issue through django-newsletter, by its own way of sending what is queued. Run as a file by the Python of an environment in
which that is installed; takes one job as JSON on stdin and prints what it measured. Never imported by the product."""

import csv
import json
import re
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

JOB: dict[str, Any] = json.load(sys.stdin)
settings.configure(
    SECRET_KEY="for-a-benchmark-alone",  # noqa: S106 (signs nothing)
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": JOB["database"]}},
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sites",
        "sorl.thumbnail",
        "newsletter",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SITE_ID=1,
    USE_TZ=True,
    ROOT_URLCONF="newsletter.urls",
    NEWSLETTER_THUMBNAIL="sorl-thumbnail",
    STATIC_URL="/static/",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=JOB["port"],
)
django.setup()

from django.utils import timezone  # noqa: E402 - Django wants its settings first
from newsletter.models import Article, Message, Newsletter, Submission, Subscription  # noqa: E402


def main() -> None:
    """Each issue to everybody, as often as the job says."""
    call_command("migrate", verbosity=0)
    letter = Newsletter.objects.create(title="Benchmark Letter", slug="benchmark", email="a@b.example", sender="B")
    with Path(JOB["audience"]).open(newline="", encoding="utf-8") as file:
        people = [
            Subscription(newsletter=letter, email_field=address, name_field=name, subscribed=True)
            for address, name in csv.reader(file)
        ]
    Subscription.objects.bulk_create(people)
    found = {"versions": f"Django {django.get_version()}", "seconds": _send(letter, JOB["number"])}
    print(json.dumps(found | {"memory_mib": _memory()}))


def _send(letter: Any, number: int) -> float:
    message = Message.objects.create(title=JOB["subject"], slug=f"issue-{number}", newsletter=letter)
    Article.objects.create(title=JOB["subject"], text=JOB["html"], post=message, sortorder=10)
    submission = Submission.from_message(message)
    submission.publish_date = timezone.now() - timedelta(seconds=1)
    submission.prepared = True
    submission.save()
    begun = time.monotonic()
    Submission.submit_queue()
    return time.monotonic() - begun


def _memory() -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else 0.0


main()
