"""Closer evidence: the chain is written by the owner alone; limits count a mailbox, and outlast the sign-ups they counted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SIGNUP = "fk_mails_signup_id"


def upgrade() -> None:
    # As the owner, who alone may write details, the function looks at no table that the session has put before ours.
    op.execute("ALTER FUNCTION chain_consent() SECURITY DEFINER SET search_path = public, pg_temp")
    op.add_column("mails", sa.Column("mailbox_key", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_mails_mailbox_key_created_at"), "mails", ["mailbox_key", "created_at"], unique=False)
    _refer_to_signup("SET NULL")


def downgrade() -> None:
    _refer_to_signup("CASCADE")
    op.drop_index(op.f("ix_mails_mailbox_key_created_at"), table_name="mails")
    op.drop_column("mails", "mailbox_key")
    op.execute("ALTER FUNCTION chain_consent() SECURITY INVOKER RESET search_path")


def _refer_to_signup(when_deleted: str) -> None:
    op.drop_constraint(_SIGNUP, "mails", type_="foreignkey")
    op.create_foreign_key(_SIGNUP, "mails", "signups", ["signup_id"], ["id"], ondelete=when_deleted)
