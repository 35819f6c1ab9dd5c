"""Finding entries of the audit log by who, what and of what."""

from alembic import op

revision = "0017"
down_revision = "0016"

_INDEXES = {"actor": ["actor", "id"], "action": ["action", "id"], "subject": ["subject", "id"]}


def upgrade() -> None:
    for name, columns in _INDEXES.items():
        op.create_index(f"ix_audit_entries_{name}", "audit_entries", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(f"ix_audit_entries_{name}", table_name="audit_entries")
