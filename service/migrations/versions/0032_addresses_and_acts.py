"""What an import of a million readers need not do: keep two indexes where one serves both questions, and look up, for each of the readers
whom it makes, what is recorded of them."""

import sqlalchemy as sa
from alembic import op

from service.migrations.locking import lock_readers_tables

revision = "0032"
down_revision = "0031"

_UNIQUE, _PREFIX = "uq_subscribers_normalised_address", "ix_subscribers_address_prefix"
_BY_PATTERN = {"normalised_address": "text_pattern_ops"}
_PAIR, _PAIR_BEFORE = "uq_subscriptions_subscriber_id_newsletter_id", "uq_subscriptions_newsletter_id_subscriber_id"

# As record_acts, for readers of whom nothing is recorded yet, which nobody looks up: where it is not so, the number fails, which is unique.
# Each agrees to the newsletter; to tracking, `tracking` says whether consent is given, withdrawn or (NULL) neither. What the acts have in
# common is put together once, and the hash is consent_hash's, written out. The service's role may say through it what it may insert, and
# neither numbers nor hashes nor the moment.
_RECORD = """
    CREATE FUNCTION record_first_acts(newsletter bigint, import bigint, way text, wording bytea, tracking_wording bytea, facts jsonb,
        keys bytea[], lines integer[], tracking text[], tracking_lines integer[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
        moment timestamptz := clock_timestamp();
        microseconds bigint := extract(epoch FROM moment) * 1000000;
        -- 244 bits that nobody keeps. From them and a record's id follows its salt: to draw one for each took a third of the time.
        secret bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        -- As jsonb writes it, around the number of the line.
        around text[] := string_to_array((facts || '{"line": null}')::text, '"line": null');
        given text := concat_ws('|', '1', coalesce(newsletter::text, ''), 'newsletter', 'given', microseconds, way,
            coalesce(encode(wording, 'hex'), ''), coalesce(import::text, ''), '');
        tracking_given text := concat_ws('|', '2', coalesce(newsletter::text, ''), 'tracking', 'given', microseconds, way,
            coalesce(encode(tracking_wording, 'hex'), ''), coalesce(import::text, ''), '');
        tracking_withdrawn text := concat_ws('|', '2', coalesce(newsletter::text, ''), 'tracking', 'withdrawn', microseconds, way,
            '', coalesce(import::text, ''), '');
    BEGIN
        IF (cardinality(keys) = ALL (ARRAY[cardinality(lines), cardinality(tracking), cardinality(tracking_lines)])) IS NOT TRUE THEN
            RAISE EXCEPTION 'every act needs each of its parts' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF (jsonb_typeof(facts) = 'object' AND NOT facts ?| '{line,network,user_agent}' AND cardinality(around) = 2) IS NOT TRUE THEN
            RAISE EXCEPTION 'these facts are no plain ones of many acts' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        WITH firsts AS MATERIALIZED (
            SELECT *, sha256(convert_to('1|' || encode(email_key, 'hex') || '|' || given || encode(act_hash, 'hex') || '||', 'UTF8')) AS hash FROM (
                SELECT *, sha256(salt || convert_to(details, 'UTF8')) AS act_hash FROM (
                    SELECT *, sha256(secret || int8send(id)) AS salt FROM (
                        SELECT nextval('consent_records_id_seq') AS id, around[1] || '"line": ' || line || around[2] AS details, email_key, tracking, tracking_line
                        FROM unnest(keys, lines, tracking, tracking_lines) u (email_key, line, tracking, tracking_line)
                    ) a OFFSET 0
                ) s OFFSET 0
            ) h
        ), seconds AS MATERIALIZED (
            SELECT *, sha256(convert_to('1|' || encode(email_key, 'hex') || '|' || CASE tracking WHEN 'given' THEN tracking_given ELSE tracking_withdrawn END
                || encode(act_hash, 'hex') || '||' || encode(previous, 'hex'), 'UTF8')) AS hash FROM (
                SELECT *, sha256(salt || convert_to(details, 'UTF8')) AS act_hash FROM (
                    SELECT *, sha256(secret || int8send(id)) AS salt FROM (
                        SELECT nextval('consent_records_id_seq') AS id, '{"line": ' || tracking_line || '}' AS details, email_key, tracking, hash AS previous
                        FROM firsts WHERE tracking IS NOT NULL
                    ) a OFFSET 0
                ) s OFFSET 0
            ) h
        ), kept AS (
            INSERT INTO consent_details (record_id, part, salt, details)
            SELECT id, 'act', salt, details FROM firsts UNION ALL SELECT id, 'act', salt, details FROM seconds
        )
        INSERT INTO consent_records (id, email_key, newsletter_id, purpose, action, at, method, wording_sha256, import_id, details, number, previous, act_hash, hash)
        SELECT id, email_key, newsletter, 'newsletter', 'given', moment, way, wording, import, jsonb '{}', 1, NULL::bytea, act_hash, hash FROM firsts
        UNION ALL
        SELECT id, email_key, newsletter, 'tracking', tracking, moment, way, CASE tracking WHEN 'given' THEN tracking_wording END, import, jsonb '{}', 2,
            previous, act_hash, hash FROM seconds;
        RETURN cardinality(keys);
    END $$
"""
_NAME = "record_first_acts(bigint, bigint, text, bytea, bytea, jsonb, bytea[], integer[], text[], integer[])"


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
