"""Seeds: addresses of the team's own that get each issue outside of its audience and its rates."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column(
        "newsletters",
        sa.Column("seeds", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("issues", sa.Column("seeded_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("issues", "seeded_at")
    op.drop_column("newsletters", "seeds")
