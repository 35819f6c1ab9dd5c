"""Which state of the database is the newest that was seen, so that a restored one does not send by itself; and by which keys the
links in mails were signed."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("epoch", sa.Text()),
        sa.Column("mark", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True)),
        sa.Column("restored_at", sa.DateTime(timezone=True)),
        sa.Column("restored_because", sa.Text()),
        sa.Column("secret_key_checks", postgresql.ARRAY(sa.LargeBinary()), server_default="{}", nullable=False),
    ]


def upgrade() -> None:
    for column in _columns():
        op.add_column("installation", column)


def downgrade() -> None:
    for column in reversed(_columns()):
        op.drop_column("installation", column.name)
