"""An issue sent at each reader's own hour."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("issues", sa.Column("local_at", sa.DateTime(timezone=False)))


def downgrade() -> None:
    op.drop_column("issues", "local_at")
