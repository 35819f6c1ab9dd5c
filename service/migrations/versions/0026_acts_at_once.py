"""Acts of many readers are recorded at once, and what evidence and imports refer to is checked once a statement.

The trigger that chains one record cost as much as all else that an import does; three foreign keys a record, half of what is left.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

# What the trigger does for one record, for all of an array, but for the lock: whoever calls has locked the readers in a statement
# before, by their ids. To lock them here, in the order of their keys, would write each page of a large table many times. Without
# the lock a chain cannot fork either, but who comes second fails at the number, which is unique. The service's role may say through it
# what it may insert, and no more: neither number nor hashes, and not even the moment.
# Scans of the whole table are off because a plan made while the table was empty is kept while it grows.
_RECORD = """
    CREATE FUNCTION record_acts(newsletter bigint, import bigint, way text, keys bytea[], purposes text[], actions text[], wordings bytea[], facts jsonb[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    DECLARE
        moment timestamptz := clock_timestamp();
        microseconds bigint := extract(epoch FROM moment) * 1000000;
        -- 244 bits that nobody keeps. From them and a record's id follows its salt: to draw one for each took a third of the time.
        secret bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        acts_of_one bigint;
    BEGIN
        IF (cardinality(keys) = ALL (ARRAY[cardinality(purposes), cardinality(actions), cardinality(wordings), cardinality(facts)])) IS NOT TRUE THEN
            RAISE EXCEPTION 'every act needs each of its parts' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF EXISTS (SELECT FROM unnest(facts) f WHERE jsonb_typeof(f) IS DISTINCT FROM 'object' OR f ?| '{network,user_agent}') THEN
            RAISE EXCEPTION 'acts with an origin are recorded one by one' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT max(n) INTO acts_of_one FROM (SELECT count(*) AS n FROM unnest(keys) k GROUP BY k) c;
        -- A reader's second act needs the hash of the first.
        FOR turn IN 1 .. coalesce(acts_of_one, 0) LOOP
            WITH acts AS MATERIALIZED (
                SELECT a.*, CASE WHEN a.details <> '{}' THEN sha256(secret || int8send(a.id)) END AS salt FROM (
                    SELECT nextval('consent_records_id_seq') AS id, o.email_key, o.purpose, o.action, o.wording, o.details::text AS details,
                        coalesce(l.number, 0) + 1 AS number, l.hash AS previous
                    FROM (
                        SELECT u.*, row_number() OVER (PARTITION BY u.email_key ORDER BY u.place) AS turn_of_one
                        FROM unnest(keys, purposes, actions, wordings, facts) WITH ORDINALITY u (email_key, purpose, action, wording, details, place)
                    ) o
                    LEFT JOIN LATERAL (
                        SELECT r.number, r.hash FROM consent_records r WHERE r.email_key = o.email_key ORDER BY r.number DESC LIMIT 1
                    ) l ON true
                    WHERE o.turn_of_one = turn
                ) a
            ), kept AS (
                INSERT INTO consent_details (record_id, part, salt, details) SELECT id, 'act', salt, details FROM acts WHERE salt IS NOT NULL
            )
            -- The hash is consent_hash's, written out: PostgreSQL cannot take that function apart, and calling it costs six times as much.
            INSERT INTO consent_records (id, email_key, newsletter_id, purpose, action, at, method, wording_sha256, import_id, details, number, previous, act_hash, hash)
            SELECT id, email_key, newsletter, purpose, action, moment, way, wording, import, '{}', number, previous, act_hash,
                sha256(convert_to(concat_ws('|', '1', encode(email_key, 'hex'), number, coalesce(newsletter::text, ''), purpose, action, microseconds, way,
                    coalesce(encode(wording, 'hex'), ''), coalesce(import::text, ''), coalesce(encode(act_hash, 'hex'), ''), '',
                    coalesce(encode(previous, 'hex'), '')), 'UTF8'))
            FROM (SELECT *, sha256(salt || convert_to(details, 'UTF8')) AS act_hash FROM acts OFFSET 0) h;
        END LOOP;
        RETURN cardinality(keys);
    END $$
"""
_RIGHTS = (
    "REVOKE ALL ON FUNCTION record_acts(bigint, bigint, text, bytea[], text[], text[], bytea[], jsonb[]) FROM PUBLIC"
)
# Only the owner can give a number, which is to say record_acts: to the service's role the columns are closed.
_CHAIN = "CREATE TRIGGER chain BEFORE INSERT ON consent_records FOR EACH ROW {when}EXECUTE FUNCTION chain_consent()"
_WITHOUT_NUMBER = "WHEN (NEW.number IS NULL) "

# Arguments in threes: a column, and the table and column that it refers to. As the owner, since the service's role may lock no wording.
_REFER = """
    CREATE FUNCTION refer_to_what_is_there() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        missing boolean;
    BEGIN
        FOR i IN 0 .. TG_NARGS - 1 BY 3 LOOP
            -- The lock is a foreign key's: who deletes the row meanwhile waits, and is then refused.
            EXECUTE format(
                'WITH named AS (SELECT DISTINCT %1$I AS one FROM added WHERE %1$I IS NOT NULL),
                    found AS (SELECT FROM %2$I WHERE %3$I IN (SELECT one FROM named) FOR KEY SHARE)
                 SELECT (SELECT count(*) FROM named) <> (SELECT count(*) FROM found)', TG_ARGV[i], TG_ARGV[i + 1], TG_ARGV[i + 2]
            ) INTO missing;
            IF missing THEN
                RAISE EXCEPTION '%.% names what is not there in %', TG_TABLE_NAME, TG_ARGV[i], TG_ARGV[i + 1] USING ERRCODE = 'foreign_key_violation';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$
"""
# Arguments: this table's key, then in twos a table and its column that refer to it.
_KEEP = """
    CREATE FUNCTION keep_what_is_referred_to() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        is_used boolean;
    BEGIN
        FOR i IN 1 .. TG_NARGS - 1 BY 2 LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = ($1).%I)', TG_ARGV[i], TG_ARGV[i + 1], TG_ARGV[0]) INTO is_used USING OLD;
            IF is_used THEN
                RAISE EXCEPTION '% has %', TG_TABLE_NAME, TG_ARGV[i] USING ERRCODE = 'foreign_key_violation';
            END IF;
        END LOOP;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END $$
"""
_STAY = """
    CREATE FUNCTION stay_with_what_is_referred_to() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        RAISE EXCEPTION 'a row of % keeps what it refers to', TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
    END $$
"""
_FUNCTIONS = ("refer_to_what_is_there", "keep_what_is_referred_to", "stay_with_what_is_referred_to")
_REFERENCES = {
    "consent_records": (
        ("newsletter_id", "newsletters", "id"),
        ("import_id", "imports", "id"),
        ("wording_sha256", "consent_wordings", "sha256"),
    ),
    "imported_rows": (("import_id", "imports", "id"),),
    "import_changes": (("import_id", "imports", "id"),),
    "subscriptions": (("newsletter_id", "newsletters", "id"),),
}
_CASCADING = ("imported_rows", "import_changes")


def _quoted(*names: str) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _keeping() -> dict[tuple[str, str], list[str]]:
    """Of each table and column that is referred to: by which tables and columns."""
    kept: dict[tuple[str, str], list[str]] = {}
    for table, references in _REFERENCES.items():
        for column, there, key in references:
            kept.setdefault((there, key), []).extend((table, column))
    return kept


def upgrade() -> None:
    for statement in (_RECORD, _RIGHTS, _REFER, _KEEP, _STAY, "DROP TRIGGER chain ON consent_records"):
        op.execute(statement)
    op.execute(_CHAIN.format(when=_WITHOUT_NUMBER))
    for table, references in _REFERENCES.items():
        for column, _there, _key in references:
            op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
        given = _quoted(*(name for reference in references for name in reference))
        op.execute(
            f"CREATE TRIGGER refer AFTER INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refer_to_what_is_there({given})"
        )
        for column, _there, _key in references:
            op.execute(
                f"CREATE TRIGGER stay_with_{column} BEFORE UPDATE OF {column} ON {table} FOR EACH ROW WHEN (OLD.{column} IS DISTINCT FROM NEW.{column}) EXECUTE FUNCTION stay_with_what_is_referred_to()"
            )
    for (table, key), users in _keeping().items():
        given = _quoted(key, *users)
        op.execute(
            f"CREATE TRIGGER keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_what_is_referred_to({given})"
        )
        op.execute(
            f"CREATE TRIGGER keep_key BEFORE UPDATE OF {key} ON {table} FOR EACH ROW WHEN (OLD.{key} IS DISTINCT FROM NEW.{key}) EXECUTE FUNCTION keep_what_is_referred_to({given})"
        )


def downgrade() -> None:
    for table, _key in _keeping():
        op.execute(f"DROP TRIGGER keep_key ON {table}")
        op.execute(f"DROP TRIGGER keep ON {table}")
    for table, references in _REFERENCES.items():
        op.execute(f"DROP TRIGGER refer ON {table}")
        for column, there, key in references:
            op.execute(f"DROP TRIGGER stay_with_{column} ON {table}")
            ondelete = "CASCADE" if table in _CASCADING else None
            op.create_foreign_key(f"fk_{table}_{column}", table, there, [column], [key], ondelete=ondelete)
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP TRIGGER chain ON consent_records")
    op.execute(_CHAIN.format(when=""))
    op.execute("DROP FUNCTION record_acts(bigint, bigint, text, bytea[], text[], text[], bytea[], jsonb[])")
