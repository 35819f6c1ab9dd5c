"""What this installation is: its version, servers and settings, as far as they may be shown."""

from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.operations import overall
from service.operations.checking import WEBHOOK_PATH
from service.operations.permitting import require
from service.operations.workers import version
from service.settings import current


def about(*, actor: str) -> dict[str, Any]:
    """Version, servers, addresses, duties and the state of the switch that stops everything. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    settings, status = current(), overall.status()
    with transaction() as tx:
        row = tx.execute(
            """SELECT i.stopped_at, i.stopped_because, i.restored_at, i.restored_because, i.created_at, current_setting('server_version') AS postgresql,
                   pg_size_pretty(pg_database_size(current_database())) AS size,
                   (SELECT version_num FROM alembic_version) AS migration FROM installation i"""
        ).one()
    return {
        "version": version(),
        "postgresql": row.postgresql,
        "size": row.size,
        "migration": row.migration,
        "since": row.created_at,
        "stopped_at": row.stopped_at,
        "stopped_because": row.stopped_because,
        "restored_at": row.restored_at,
        "restored_because": row.restored_because,
        "public_url": settings.public_url,
        "webhook_url": settings.public_url.rstrip("/") + WEBHOOK_PATH,
        "sends_by": "the sandbox: nobody gets mail" if settings.sandbox else settings.sendgrid_url,
        "is_embedded": settings.embedded,
        "workers": settings.sending_workers,
        "duties": status["duties"],
        "payloads": status["payloads"],
    }
