"""One index keeps addresses apart and finds them by their beginning: each of them more costs an import of a million readers two seconds."""

from alembic import op

revision = "0032"
down_revision = "0031"

_UNIQUE, _PREFIX = "uq_subscribers_normalised_address", "ix_subscribers_address_prefix"
_BY_PATTERN = {"normalised_address": "text_pattern_ops"}


def upgrade() -> None:
    op.drop_constraint(_UNIQUE, "subscribers", type_="unique")
    op.drop_index(_PREFIX, "subscribers")
    # Of the same name and with the same answer to who inserts an address twice: that it is no constraint is only for its operators.
    op.create_index(_UNIQUE, "subscribers", ["normalised_address"], unique=True, postgresql_ops=_BY_PATTERN)


def downgrade() -> None:
    op.drop_index(_UNIQUE, "subscribers")
    op.create_unique_constraint(_UNIQUE, "subscribers", ["normalised_address"])
    op.create_index(_PREFIX, "subscribers", ["normalised_address"], postgresql_ops=_BY_PATTERN)
