"""The reader's side: sign-ups, links, mails of the service's own, and consent records that prove themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_HASH = """
    CREATE FUNCTION consent_hash(r consent_records) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
        SELECT sha256(convert_to(concat_ws('|', '1', encode(r.email_key, 'hex'), r.number, coalesce(r.newsletter_id::text, ''),
            r.purpose, r.action, (extract(epoch FROM r.at) * 1000000)::bigint, r.method, coalesce(encode(r.wording_sha256, 'hex'), ''),
            coalesce(r.import_id::text, ''), coalesce(encode(r.act_hash, 'hex'), ''), coalesce(encode(r.origin_hash, 'hex'), ''),
            coalesce(encode(r.previous, 'hex'), '')), 'UTF8'))
    $$
"""
_KEEP_DETAILS = """
    CREATE FUNCTION keep_consent_details(record bigint, name text, facts jsonb) RETURNS bytea LANGUAGE plpgsql AS $$
    DECLARE
        -- 244 bits by which nobody can guess the details from their hash; no extension is needed for them.
        salt bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    BEGIN
        IF facts = '{}' THEN
            RETURN NULL;
        END IF;
        INSERT INTO consent_details (record_id, part, salt, details) VALUES (record, name, salt, facts::text);
        RETURN sha256(salt || convert_to(facts::text, 'UTF8'));
    END $$
"""
# The lock makes two acts of one reader wait for each other, and nobody else. Being volatile, the function sees what was
# committed while it waited, and the rows that the same statement has inserted before.
_CHAIN = """
    CREATE FUNCTION chain_consent() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM FROM subscribers WHERE email_key = NEW.email_key FOR NO KEY UPDATE;
        SELECT number + 1, hash INTO NEW.number, NEW.previous FROM consent_records WHERE email_key = NEW.email_key ORDER BY number DESC LIMIT 1;
        NEW.number := coalesce(NEW.number, 1);
        NEW.act_hash := keep_consent_details(NEW.id, 'act', NEW.details - '{network,user_agent}'::text[]);
        NEW.origin_hash := keep_consent_details(NEW.id, 'origin', NEW.details - (
            SELECT coalesce(array_agg(k), '{}') FROM jsonb_object_keys(NEW.details) k WHERE k NOT IN ('network', 'user_agent')
        ));
        NEW.details := '{}';
        NEW.hash := consent_hash(NEW);
        RETURN NEW;
    END $$
"""
_CHAIN_WHAT_IS_THERE = """
    DO $$
    DECLARE
        r consent_records;
        last consent_records;
    BEGIN
        FOR r IN SELECT * FROM consent_records ORDER BY id LOOP
            SELECT * INTO last FROM consent_records WHERE email_key = r.email_key AND number IS NOT NULL ORDER BY number DESC LIMIT 1;
            r.number := coalesce(last.number, 0) + 1;
            r.previous := last.hash;
            r.act_hash := keep_consent_details(r.id, 'act', r.details);
            r.details := '{}';
            r.hash := consent_hash(r);
            UPDATE consent_records SET number = r.number, previous = r.previous, act_hash = r.act_hash, details = r.details, hash = r.hash WHERE id = r.id;
        END LOOP;
    END $$
"""
# What the service's role may not do by itself: it owns nothing.
_FOR_THE_SERVICE = (
    """
    CREATE FUNCTION make_event_partition(issue bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        name text := 'events_' || issue;
    BEGIN
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', name);
            EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES IN (%s)', name, issue);
        END IF;
    END $$
    """,
    """
    CREATE FUNCTION make_payload_partition(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        EXECUTE format('CREATE TABLE %I PARTITION OF payloads FOR VALUES FROM (%L) TO (%L)', 'payloads_' || to_char(day, 'YYYYMMDD'), day, day + 1);
    END $$
    """,
    # Returns how many payloads in it were never taken in; with any, it stays.
    """
    CREATE FUNCTION drop_payload_partition(day date) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        name text := 'payloads_' || to_char(day, 'YYYYMMDD');
        waiting bigint;
    BEGIN
        EXECUTE format('SELECT count(*) FROM %I WHERE state <> %L', name, 'ingested') INTO waiting;
        IF waiting = 0 THEN
            EXECUTE format('DROP TABLE %I', name);
        END IF;
        RETURN waiting;
    END $$
    """,
    """
    CREATE FUNCTION analyse_deliveries() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        ANALYZE deliveries, batches;
    END $$
    """,
)
# The owner's alone: the service's role may neither run it nor delete.
_REMOVE = """
    CREATE FUNCTION remove_consent_records(ids bigint[], note text, seal bytea) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        tombstone bigint;
        removed bigint;
    BEGIN
        INSERT INTO consent_tombstones (body, signature) VALUES (note, seal) RETURNING id INTO tombstone;
        INSERT INTO removed_consent_records (id, hash, tombstone_id) SELECT r.id, r.hash, tombstone FROM consent_records r WHERE r.id = ANY (ids);
        DELETE FROM consent_details d WHERE d.record_id = ANY (ids);
        PERFORM set_config('broadsheet.tombstone', tombstone::text, true);
        DELETE FROM consent_records r WHERE r.id = ANY (ids);
        GET DIAGNOSTICS removed = ROW_COUNT;
        PERFORM set_config('broadsheet.tombstone', '', true);
        IF removed <> cardinality(ids) THEN
            RAISE EXCEPTION '% records were to be removed, and % were there', cardinality(ids), removed;
        END IF;
        RETURN tombstone;
    END $$
"""
_REFUSE_CHANGE = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {exception}
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
"""
_BUT_BY_TOMBSTONE = """
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'consent_records' AND current_setting('broadsheet.tombstone', true) <> '' THEN
            RETURN NULL;
        END IF;"""
_OWN_FUNCTIONS = (
    "make_event_partition(bigint)",
    "make_payload_partition(date)",
    "drop_payload_partition(date)",
    "analyse_deliveries()",
    "remove_consent_records(bigint[], text, bytea)",
)
_APPEND_ONLY = ("consent_digests", "consent_tombstones", "removed_consent_records", "erasures")
_PURPOSES = "purpose IN ('newsletter', 'tracking', 'export')"
_OLD_PURPOSES = "purpose IN ('newsletter', 'tracking')"
# Nothing that separates the hashed values may stand in one.
_METHODS = "method ~ '^[a-z-]+$'"


def upgrade() -> None:
    op.create_table(
        "consent_details",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.CheckConstraint("part IN ('act', 'origin')", name=op.f("ck_consent_details_part")),
        sa.PrimaryKeyConstraint("record_id", "part", name=op.f("pk_consent_details")),
    )
    op.create_table(
        "consent_digests",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("through_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_consent_digests")),
    )
    op.create_table(
        "consent_tombstones",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_tombstones")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_email_key"), "erasures", ["email_key"], unique=False)
    op.create_table(
        "link_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_requests")),
    )
    op.create_index(
        op.f("ix_link_requests_network_created_at"), "link_requests", ["network", "created_at"], unique=False
    )
    op.create_index(
        "ix_link_requests_pending",
        "link_requests",
        ["id"],
        unique=False,
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "signups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("normalised_address", sa.Text(), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("choices", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'asked', 'known', 'limited', 'suppressed', 'confirmed')",
            name=op.f("ck_signups_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signups")),
    )
    op.create_index(op.f("ix_signups_created_at"), "signups", ["created_at"], unique=False)
    op.create_index(op.f("ix_signups_email_key_created_at"), "signups", ["email_key", "created_at"], unique=False)
    op.create_index(op.f("ix_signups_network_created_at"), "signups", ["network", "created_at"], unique=False)
    op.create_index(
        "ix_signups_pending", "signups", ["id"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_table(
        "address_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("normalised_address", sa.Text(), nullable=False),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("old_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_address_changes_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_changes")),
    )
    op.create_index(op.f("ix_address_changes_subscriber_id"), "address_changes", ["subscriber_id"], unique=False)
    op.create_table(
        "links",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_links_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_subscriber_id"), "links", ["subscriber_id"], unique=False)
    op.create_table(
        "newsletter_wordings",
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('newsletter', 'tracking', 'export')", name=op.f("ck_newsletter_wordings_purpose")
        ),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_newsletter_wordings_newsletter_id")
        ),
        sa.PrimaryKeyConstraint("newsletter_id", "purpose", "language", name=op.f("pk_newsletter_wordings")),
    )
    op.create_table(
        "removed_consent_records",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("tombstone_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tombstone_id"], ["consent_tombstones.id"], name=op.f("fk_removed_consent_records_tombstone_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removed_consent_records")),
    )
    op.create_table(
        "leave_reasons",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_leave_reasons_issue_id")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_leave_reasons_newsletter_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_leave_reasons_subscription_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leave_reasons")),
        sa.UniqueConstraint("subscription_id", name=op.f("uq_leave_reasons_subscription_id")),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("email_key", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("signup_id", sa.BigInteger(), nullable=True),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("address_change_id", sa.BigInteger(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('confirm', 'known', 'welcome', 'manage', 'change-old', 'change-new', 'changed')",
            name=op.f("ck_mails_kind"),
        ),
        sa.CheckConstraint("state IN ('pending', 'sending', 'sent', 'failed', 'unknown')", name=op.f("ck_mails_state")),
        sa.ForeignKeyConstraint(
            ["address_change_id"], ["address_changes.id"], name=op.f("fk_mails_address_change_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_mails_newsletter_id")),
        sa.ForeignKeyConstraint(["signup_id"], ["signups.id"], name=op.f("fk_mails_signup_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_mails_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index(op.f("ix_mails_created_at"), "mails", ["created_at"], unique=False)
    op.create_index(op.f("ix_mails_email_key_created_at"), "mails", ["email_key", "created_at"], unique=False)
    op.create_index(op.f("ix_mails_signup_id"), "mails", ["signup_id"], unique=False)
    op.create_index(
        "ix_mails_open", "mails", ["id"], unique=False, postgresql_where=sa.text("state IN ('pending', 'sending')")
    )
    op.create_index(op.f("ix_events_delivery_id"), "events", ["delivery_id"], unique=False)
    op.add_column(
        "issues",
        sa.Column("forgotten", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("issues", sa.Column("in_archive", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("newsletters", sa.Column("description", sa.Text(), server_default="", nullable=False))
    op.add_column("newsletters", sa.Column("privacy_url", sa.Text(), nullable=True))
    op.add_column("newsletters", sa.Column("logo", sa.Text(), nullable=True))
    op.add_column("newsletters", sa.Column("accepts_signups", sa.Boolean(), server_default="false", nullable=False))
    op.add_column(
        "newsletters",
        sa.Column("signup_fields", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "newsletters", sa.Column("allowed_origins", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column(
        "newsletters", sa.Column("needs_export_consent", sa.Boolean(), server_default="false", nullable=False)
    )
    op.add_column("newsletters", sa.Column("has_archive", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("newsletters", sa.Column("welcome", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("export_consent", sa.Text(), server_default="unasked", nullable=False))
    op.create_check_constraint(
        op.f("ck_subscriptions_export_consent"), "subscriptions", "export_consent IN ('unasked', 'agreed', 'objected')"
    )
    _chain()
    for statement in (*_FOR_THE_SERVICE, _REMOVE, _REFUSE_CHANGE.format(exception=_BUT_BY_TOMBSTONE)):
        op.execute(statement)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        )
    for name in _OWN_FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _chain() -> None:
    """Give every record its number, hashes and place in its reader's chain."""
    op.add_column("consent_records", sa.Column("number", sa.Integer(), nullable=True))
    for name in ("previous", "act_hash", "origin_hash", "hash"):
        op.add_column("consent_records", sa.Column(name, sa.LargeBinary(), nullable=True))
    op.create_unique_constraint(op.f("uq_consent_records_email_key_number"), "consent_records", ["email_key", "number"])
    op.drop_index(op.f("ix_consent_records_email_key_newsletter_id"), table_name="consent_records")
    op.drop_constraint(op.f("ck_consent_records_purpose"), "consent_records", type_="check")
    op.create_check_constraint(op.f("ck_consent_records_purpose"), "consent_records", _PURPOSES)
    op.create_check_constraint(op.f("ck_consent_records_method"), "consent_records", _METHODS)
    for statement in (_HASH, _KEEP_DETAILS, _CHAIN):
        op.execute(statement)
    op.execute("ALTER TABLE consent_records DISABLE TRIGGER append_only")
    op.execute(_CHAIN_WHAT_IS_THERE)
    op.execute("ALTER TABLE consent_records ENABLE TRIGGER append_only")
    op.alter_column("consent_records", "number", nullable=False)
    op.alter_column("consent_records", "hash", nullable=False)
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON consent_records FOR EACH ROW EXECUTE FUNCTION chain_consent()")


def downgrade() -> None:
    op.execute("DROP TRIGGER chain ON consent_records")
    op.execute("DROP FUNCTION chain_consent()")
    op.execute("DROP FUNCTION keep_consent_details(bigint, text, jsonb)")
    op.execute("DROP FUNCTION consent_hash(consent_records)")
    for name in _OWN_FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute(_REFUSE_CHANGE.format(exception=""))
    op.execute("ALTER TABLE consent_records DISABLE TRIGGER append_only")
    op.execute("DELETE FROM consent_records WHERE purpose = 'export'")
    op.execute("ALTER TABLE consent_records ENABLE TRIGGER append_only")
    op.drop_constraint(op.f("ck_consent_records_purpose"), "consent_records", type_="check")
    op.create_check_constraint(op.f("ck_consent_records_purpose"), "consent_records", _OLD_PURPOSES)
    op.drop_constraint(op.f("ck_consent_records_method"), "consent_records", type_="check")
    op.drop_constraint(op.f("ck_subscriptions_export_consent"), "subscriptions", type_="check")
    op.drop_column("subscriptions", "export_consent")
    op.drop_column("newsletters", "welcome")
    op.drop_column("newsletters", "has_archive")
    op.drop_column("newsletters", "needs_export_consent")
    op.drop_column("newsletters", "allowed_origins")
    op.drop_column("newsletters", "signup_fields")
    op.drop_column("newsletters", "accepts_signups")
    op.drop_column("newsletters", "logo")
    op.drop_column("newsletters", "privacy_url")
    op.drop_column("newsletters", "description")
    op.drop_column("issues", "in_archive")
    op.drop_column("issues", "forgotten")
    op.drop_index(op.f("ix_events_delivery_id"), table_name="events")
    op.drop_constraint(op.f("uq_consent_records_email_key_number"), "consent_records", type_="unique")
    op.create_index(
        op.f("ix_consent_records_email_key_newsletter_id"),
        "consent_records",
        ["email_key", "newsletter_id"],
        unique=False,
    )
    op.drop_column("consent_records", "hash")
    op.drop_column("consent_records", "origin_hash")
    op.drop_column("consent_records", "act_hash")
    op.drop_column("consent_records", "previous")
    op.drop_column("consent_records", "number")
    op.drop_index("ix_mails_open", table_name="mails", postgresql_where=sa.text("state IN ('pending', 'sending')"))
    op.drop_index(op.f("ix_mails_signup_id"), table_name="mails")
    op.drop_index(op.f("ix_mails_email_key_created_at"), table_name="mails")
    op.drop_index(op.f("ix_mails_created_at"), table_name="mails")
    op.drop_table("mails")
    op.drop_table("leave_reasons")
    op.drop_table("removed_consent_records")
    op.drop_table("newsletter_wordings")
    op.drop_index(op.f("ix_links_subscriber_id"), table_name="links")
    op.drop_table("links")
    op.drop_index(op.f("ix_address_changes_subscriber_id"), table_name="address_changes")
    op.drop_table("address_changes")
    op.drop_index("ix_signups_pending", table_name="signups", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index(op.f("ix_signups_network_created_at"), table_name="signups")
    op.drop_index(op.f("ix_signups_email_key_created_at"), table_name="signups")
    op.drop_index(op.f("ix_signups_created_at"), table_name="signups")
    op.drop_table("signups")
    op.drop_index(
        "ix_link_requests_pending", table_name="link_requests", postgresql_where=sa.text("answered_at IS NULL")
    )
    op.drop_index(op.f("ix_link_requests_network_created_at"), table_name="link_requests")
    op.drop_table("link_requests")
    op.drop_index(op.f("ix_erasures_email_key"), table_name="erasures")
    op.drop_table("erasures")
    op.drop_table("consent_tombstones")
    op.drop_table("consent_digests")
    op.drop_table("consent_details")
