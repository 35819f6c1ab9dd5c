"""What an import of a million readers need not do: keep two indexes where one serves both questions, and say for each of many readers what
they did alike. `record_acts` stays for a service of the version before."""

import sqlalchemy as sa
from alembic import op

from service.migrations.locking import lock_readers_tables

revision = "0032"
down_revision = "0031"

_UNIQUE, _PREFIX = "uq_subscribers_normalised_address", "ix_subscribers_address_prefix"
_BY_PATTERN = {"normalised_address": "text_pattern_ops"}
_PAIR, _PAIR_BEFORE = "uq_subscriptions_subscriber_id_newsletter_id", "uq_subscriptions_newsletter_id_subscriber_id"

# As record_acts: whoever calls has locked the readers; the service's role may say through it what it may insert, and neither number nor
# hashes nor the moment. A reader who is named twice fails at the number, which is unique: a second act would need the hash of the first.
# Scans of the whole table are off because a plan made while the table was empty is kept while it grows.
_RECORD = """
    CREATE FUNCTION record_act_of_each(newsletter bigint, import bigint, way text, purpose text, action text, wording bytea, keys bytea[], facts jsonb[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    #variable_conflict use_column
    DECLARE
        moment timestamptz := clock_timestamp();
        -- 244 bits that nobody keeps. From them and a record's id follows its salt: to draw one for each took a third of the time.
        secret bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        -- The hash is consent_hash's, written out: what is the same in all of them is put together once.
        between text := concat_ws('|', '', coalesce(newsletter::text, ''), purpose, action, (extract(epoch FROM moment) * 1000000)::bigint, way,
            coalesce(encode(wording, 'hex'), ''), coalesce(import::text, ''), '');
    BEGIN
        IF (cardinality(keys) = cardinality(facts)) IS NOT TRUE THEN
            RAISE EXCEPTION 'every act needs each of its parts' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF EXISTS (SELECT FROM unnest(facts) f WHERE jsonb_typeof(f) IS DISTINCT FROM 'object' OR f ?| '{network,user_agent}') THEN
            RAISE EXCEPTION 'acts with an origin are recorded one by one' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        WITH acts AS MATERIALIZED (
            SELECT a.*, CASE WHEN a.details <> '{}' THEN sha256(secret || int8send(a.id)) END AS salt FROM (
                SELECT nextval('consent_records_id_seq') AS id, u.email_key, u.details::text AS details, coalesce(l.number, 0) + 1 AS number, l.hash AS previous
                FROM unnest(keys, facts) u (email_key, details)
                LEFT JOIN LATERAL (
                    SELECT r.number, r.hash FROM consent_records r WHERE r.email_key = u.email_key ORDER BY r.number DESC LIMIT 1
                ) l ON true
            ) a
        ), kept AS (
            INSERT INTO consent_details (record_id, part, salt, details) SELECT id, 'act', salt, details FROM acts WHERE salt IS NOT NULL
        )
        INSERT INTO consent_records (id, email_key, newsletter_id, purpose, action, at, method, wording_sha256, import_id, details, number, previous, act_hash, hash)
        SELECT id, email_key, newsletter, purpose, action, moment, way, wording, import, '{}', number, previous, act_hash,
            sha256(convert_to('1|' || encode(email_key, 'hex') || '|' || number || between || coalesce(encode(act_hash, 'hex'), '') || '||'
                || coalesce(encode(previous, 'hex'), ''), 'UTF8'))
        FROM (SELECT *, sha256(salt || convert_to(details, 'UTF8')) AS act_hash FROM acts OFFSET 0) h;
        RETURN cardinality(keys);
    END $$
"""
_NAME = "record_act_of_each(bigint, bigint, text, text, text, bytea, bytea[], jsonb[])"


def upgrade() -> None:
    lock_readers_tables()
    op.drop_constraint(_UNIQUE, "subscribers", type_="unique")
    op.drop_index(_PREFIX, "subscribers")
    # Of the same name and with the same answer to who inserts an address twice: that it is no constraint is only for its operators.
    op.create_index(_UNIQUE, "subscribers", ["normalised_address"], unique=True, postgresql_ops=_BY_PATTERN)
    # By reader, too; and by newsletter those who are active, and all others.
    op.drop_constraint(_PAIR_BEFORE, "subscriptions", type_="unique")
    op.drop_index("ix_subscriptions_subscriber_id", "subscriptions")
    op.drop_index("ix_subscriptions_active", "subscriptions")
    op.create_unique_constraint(_PAIR, "subscriptions", ["subscriber_id", "newsletter_id"])
    op.create_index("ix_subscriptions_newsletter_id_state", "subscriptions", ["newsletter_id", "state"])
    # By reader, too; an import's rows lie together.
    op.drop_constraint("pk_imported_rows", "imported_rows", type_="primary")
    op.drop_index("ix_imported_rows_subscriber_id", "imported_rows")
    op.create_primary_key("pk_imported_rows", "imported_rows", ["subscriber_id", "import_id"])
    op.create_index("ix_imported_rows_import_id", "imported_rows", ["import_id"], postgresql_using="brin")
    op.execute(_RECORD)
    op.execute(f"REVOKE ALL ON FUNCTION {_NAME} FROM PUBLIC")


def downgrade() -> None:
    lock_readers_tables()
    op.execute(f"DROP FUNCTION {_NAME}")
    op.drop_index("ix_imported_rows_import_id", "imported_rows")
    op.drop_constraint("pk_imported_rows", "imported_rows", type_="primary")
    op.create_primary_key("pk_imported_rows", "imported_rows", ["import_id", "subscriber_id"])
    op.create_index("ix_imported_rows_subscriber_id", "imported_rows", ["subscriber_id"])
    op.drop_constraint(_PAIR, "subscriptions", type_="unique")
    op.drop_index("ix_subscriptions_newsletter_id_state", "subscriptions")
    op.create_index(
        "ix_subscriptions_active", "subscriptions", ["newsletter_id"], postgresql_where=sa.text("state = 'active'")
    )
    op.create_index("ix_subscriptions_subscriber_id", "subscriptions", ["subscriber_id"])
    op.create_unique_constraint(_PAIR_BEFORE, "subscriptions", ["newsletter_id", "subscriber_id"])
    op.drop_index(_UNIQUE, "subscribers")
    op.create_unique_constraint(_UNIQUE, "subscribers", ["normalised_address"])
    op.create_index(_PREFIX, "subscribers", ["normalised_address"], postgresql_ops=_BY_PATTERN)
