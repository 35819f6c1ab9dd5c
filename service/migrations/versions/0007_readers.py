"""Finding readers: what a search over a million of them is answered from."""

from alembic import op

revision = "0007"
down_revision = "0006"

# Prefixes are found by ordinary indexes; embedded servers have no extension for more.
_INDEXES = {
    "ix_subscribers_address_prefix": "normalised_address text_pattern_ops",
    "ix_subscribers_first_name_prefix": "lower(first_name) text_pattern_ops",
    "ix_subscribers_last_name_prefix": "lower(last_name) text_pattern_ops",
    "ix_subscribers_organisation_prefix": "lower(attributes ->> 'organisation') text_pattern_ops",
    "ix_subscribers_domain": "split_part(normalised_address, '@', 2)",
}


def upgrade() -> None:
    for name, what in _INDEXES.items():
        column = (
            what
            if what.startswith("normalised_address ")
            else f"({what.removesuffix(' text_pattern_ops')}){' text_pattern_ops' if what.endswith('_ops') else ''}"
        )
        op.execute(f"CREATE INDEX {name} ON subscribers ({column})")


def downgrade() -> None:
    for name in _INDEXES:
        op.execute(f"DROP INDEX {name}")
