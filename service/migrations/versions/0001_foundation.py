"""Foundation"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


# The moves between states, as they were when this was written; a later migration adds rows for later moves.
MOVES = {
    "issues": "draft>approved draft>scheduled draft>held approved>draft approved>scheduled approved>held scheduled>draft "
    "scheduled>preparing scheduled>paused scheduled>cancelled scheduled>held preparing>sending preparing>scheduled preparing>paused "
    "preparing>cancelled preparing>held sending>sent sending>paused sending>cancelled sending>held paused>scheduled paused>sending "
    "paused>cancelled paused>held held>draft held>scheduled held>sending held>cancelled",
    "batches": "pending>claimed pending>failed pending>split pending>accepted claimed>sending claimed>pending claimed>failed claimed>split "
    "sending>accepted sending>failed sending>unknown sending>split sending>pending unknown>accepted unknown>pending",
    "attempts": "claimed>sending claimed>released sending>accepted sending>rejected sending>released sending>unknown unknown>accepted",
}


def upgrade() -> None:
    op.execute("CREATE SEQUENCE payloads_id_seq")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_table(
        "consent_wordings",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_consent_wordings")),
    )
    op.create_table(
        "duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    op.create_table(
        "events",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.UUID(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("issue_id", "key", name=op.f("pk_events")),
        postgresql_partition_by="LIST (issue_id)",
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address_key_check", sa.LargeBinary(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_because", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "newsletters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("sender_address", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("postal_address", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("design", sa.Text(), server_default="gazette", nullable=False),
        sa.Column("brand_colour", sa.Text(), server_default="#1f3a5f", nullable=False),
        sa.Column("tracking_policy", sa.Text(), server_default="agreed", nullable=False),
        sa.Column("needs_approval", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("maximum_audience", sa.Integer(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "tracking_policy IN ('agreed', 'not-objected', 'none')", name=op.f("ck_newsletters_tracking_policy")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletters")),
        sa.UniqueConstraint("slug", name=op.f("uq_newsletters_slug")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("role IN ('owner', 'editor', 'approver', 'analyst')", name=op.f("ck_operators_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("address", name=op.f("uq_operators_address")),
    )
    op.create_table(
        "payloads",
        sa.Column("id", sa.BigInteger(), server_default=sa.text("nextval('payloads_id_seq')"), nullable=False),
        sa.Column("received_on", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=True),
        sa.Column("fresh", sa.Integer(), nullable=True),
        sa.Column("strays", sa.Integer(), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'ingested', 'set-aside')", name=op.f("ck_payloads_state")),
        sa.PrimaryKeyConstraint("id", "received_on", name=op.f("pk_payloads")),
        postgresql_partition_by="RANGE (received_on)",
    )
    op.create_index(
        "ix_payloads_pending", "payloads", ["id"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_table(
        "subscribers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("normalised_address", sa.Text(), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscribers_email_key")),
        sa.UniqueConstraint("normalised_address", name=op.f("uq_subscribers_normalised_address")),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('left-all', 'hard-bounce', 'complaint', 'provider', 'manual')", name=op.f("ck_suppressions_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    op.create_index(
        "uq_suppressions_in_force",
        "suppressions",
        ["email_key", "kind"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("tracking_consent", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_imports_newsletter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "issues",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("audience", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("audience_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("sender_address", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("tracking_policy", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("marker", sa.Text(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=True),
        sa.Column("candidates", sa.Integer(), nullable=True),
        sa.Column("excluded_at_freeze", sa.Integer(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'approved', 'scheduled', 'preparing', 'sending', 'sent', 'paused', 'cancelled', 'held')",
            name=op.f("ck_issues_state"),
        ),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_issues_newsletter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
    )
    op.create_index(
        op.f("ix_issues_newsletter_id_content_hash"), "issues", ["newsletter_id", "content_hash"], unique=False
    )
    op.create_index(
        "ix_issues_open",
        "issues",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('scheduled', 'preparing', 'sending')"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tracking", sa.Text(), server_default="unasked", nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("state IN ('pending', 'active', 'unsubscribed')", name=op.f("ck_subscriptions_state")),
        sa.CheckConstraint("tracking IN ('unasked', 'agreed', 'objected')", name=op.f("ck_subscriptions_tracking")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_subscriptions_newsletter_id")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_subscriptions_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint(
            "newsletter_id", "subscriber_id", name=op.f("uq_subscriptions_newsletter_id_subscriber_id")
        ),
    )
    op.create_index(op.f("ix_subscriptions_subscriber_id"), "subscriptions", ["subscriber_id"], unique=False)
    op.create_table(
        "consent_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("wording_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.CheckConstraint("action IN ('given', 'confirmed', 'withdrawn')", name=op.f("ck_consent_records_action")),
        sa.CheckConstraint("purpose IN ('newsletter', 'tracking')", name=op.f("ck_consent_records_purpose")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_consent_records_import_id")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_consent_records_newsletter_id")),
        sa.ForeignKeyConstraint(
            ["wording_sha256"], ["consent_wordings.sha256"], name=op.f("fk_consent_records_wording_sha256")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_records")),
    )
    op.create_index(
        op.f("ix_consent_records_email_key_newsletter_id"),
        "consent_records",
        ["email_key", "newsletter_id"],
        unique=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("values", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("excluded", sa.Text(), nullable=True),
        sa.Column("failed", sa.Text(), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deferred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_by_machine_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_deliveries_issue_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("issue_id", "email_key", name=op.f("uq_deliveries_issue_id_email_key")),
        sa.UniqueConstraint("issue_id", "subscriber_id", name=op.f("uq_deliveries_issue_id_subscriber_id")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(op.f("ix_deliveries_batch_id"), "deliveries", ["batch_id"], unique=False)
    op.create_index(
        "ix_deliveries_excluded",
        "deliveries",
        ["issue_id"],
        unique=False,
        postgresql_where=sa.text("excluded IS NOT NULL OR failed IS NOT NULL"),
    )
    op.create_table(
        "imported_rows",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_imported_rows_import_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_imported_rows_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "subscriber_id", name=op.f("pk_imported_rows")),
    )
    op.create_index(op.f("ix_imported_rows_subscriber_id"), "imported_rows", ["subscriber_id"], unique=False)
    op.create_table(
        "variants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default="default", nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_variants_issue_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variants")),
        sa.UniqueConstraint("issue_id", "name", name=op.f("uq_variants_issue_id_name")),
    )
    op.create_table(
        "cohorts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("tracked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_cohorts_issue_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_cohorts_variant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cohorts")),
        sa.UniqueConstraint("issue_id", "variant_id", "tracked", name=op.f("uq_cohorts_issue_id_variant_id_tracked")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("cohort_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'claimed', 'sending', 'accepted', 'failed', 'unknown', 'split')",
            name=op.f("ck_batches_state"),
        ),
        sa.CheckConstraint(
            "excluded >= 0 AND failed >= 0 AND excluded + failed <= size", name=op.f("ck_batches_counts")
        ),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_batches_cohort_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_batches_issue_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["batches.id"], name=op.f("fk_batches_parent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(op.f("ix_batches_issue_id"), "batches", ["issue_id"], unique=False)
    op.create_index(
        "ix_batches_open",
        "batches",
        ["issue_id", "state"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'claimed', 'sending', 'unknown')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="claimed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("armed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "state IN ('claimed', 'sending', 'accepted', 'rejected', 'released', 'unknown')",
            name=op.f("ck_attempts_state"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_attempts_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_attempts_issue_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_attempts_batch_id_number")),
    )
    op.create_index(op.f("ix_attempts_issue_id"), "attempts", ["issue_id"], unique=False)
    op.create_index(
        "ix_attempts_leased",
        "attempts",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.execute("INSERT INTO installation (id) VALUES (1)")
    # Catches what arrives on a day whose partition nobody made yet: intake must never fail for want of one.
    op.execute("CREATE TABLE payloads_default PARTITION OF payloads DEFAULT")
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute("CREATE TABLE moves (kind text, before text, after text, PRIMARY KEY (kind, before, after))")
    for kind, pairs in MOVES.items():
        for before, after in (pair.split(">") for pair in pairs.split()):
            op.execute(f"INSERT INTO moves VALUES ('{kind}', '{before}', '{after}')")
    op.execute("""
        CREATE FUNCTION refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT FROM moves WHERE kind = TG_TABLE_NAME AND before = OLD.state AND after = NEW.state) THEN
                RAISE EXCEPTION '% must not go from % to %', TG_TABLE_NAME, OLD.state, NEW.state USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    for kind in MOVES:
        op.execute(
            f"CREATE TRIGGER moves BEFORE UPDATE OF state ON {kind} FOR EACH ROW "
            "WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION refuse_move()"
        )
    for table in ("consent_records", "consent_wordings", "audit_entries"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_index(
        "ix_attempts_leased", table_name="attempts", postgresql_where=sa.text("state IN ('claimed', 'sending')")
    )
    op.drop_index(op.f("ix_attempts_issue_id"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(
        "ix_batches_open",
        table_name="batches",
        postgresql_where=sa.text("state IN ('pending', 'claimed', 'sending', 'unknown')"),
    )
    op.drop_index(op.f("ix_batches_issue_id"), table_name="batches")
    op.drop_table("batches")
    op.drop_table("cohorts")
    op.drop_table("variants")
    op.drop_index(op.f("ix_imported_rows_subscriber_id"), table_name="imported_rows")
    op.drop_table("imported_rows")
    op.drop_index(
        "ix_deliveries_excluded",
        table_name="deliveries",
        postgresql_where=sa.text("excluded IS NOT NULL OR failed IS NOT NULL"),
    )
    op.drop_index(op.f("ix_deliveries_batch_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_consent_records_email_key_newsletter_id"), table_name="consent_records")
    op.drop_table("consent_records")
    op.drop_index(op.f("ix_subscriptions_subscriber_id"), table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_index(
        "ix_issues_open",
        table_name="issues",
        postgresql_where=sa.text("state IN ('scheduled', 'preparing', 'sending')"),
    )
    op.drop_index(op.f("ix_issues_newsletter_id_content_hash"), table_name="issues")
    op.drop_table("issues")
    op.drop_table("imports")
    op.drop_index("uq_suppressions_in_force", table_name="suppressions", postgresql_where=sa.text("lifted_at IS NULL"))
    op.drop_table("suppressions")
    op.drop_table("subscribers")
    op.drop_index("ix_payloads_pending", table_name="payloads", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("payloads")
    op.drop_table("operators")
    op.drop_table("newsletters")
    op.drop_table("installation")
    op.drop_table("events")
    op.drop_table("duties")
    op.drop_table("consent_wordings")
    op.drop_table("audit_entries")
    op.execute("DROP SEQUENCE payloads_id_seq")
    op.execute("DROP FUNCTION refuse_change()")
    op.execute("DROP FUNCTION refuse_move()")
    op.execute("DROP TABLE moves")
