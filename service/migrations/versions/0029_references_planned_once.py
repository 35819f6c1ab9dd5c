"""What evidence and imports refer to is looked for by statements that are planned once: put together anew for each record, they were planned
anew for each, which was a third of what a leaving took of the database. And deliveries are analysed by as many rows as ten thousand readers
have: a larger sample takes more memory, and changes no plan."""

from alembic import op

revision = "0029"
down_revision = "0028"

# Of each table: a column, and the table and column that it refers to.
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
# As the owner, since the service's role may lock no wording. Scans of the whole table are off because a plan made while the table was
# empty is kept while it grows.
_REFER = """
    CREATE FUNCTION {table}_refer_to_what_is_there() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    BEGIN{looks}
        RETURN NULL;
    END $$
"""
# The lock is a foreign key's: who deletes the row meanwhile waits, and is then refused.
_LOOK = """
        IF (
            WITH named AS (SELECT DISTINCT {column} AS one FROM added WHERE {column} IS NOT NULL),
                found AS (SELECT FROM {there} WHERE {key} IN (SELECT one FROM named) FOR KEY SHARE)
            SELECT (SELECT count(*) FROM named) <> (SELECT count(*) FROM found)
        ) THEN
            RAISE EXCEPTION '{table}.{column} names what is not there in {there}' USING ERRCODE = 'foreign_key_violation';
        END IF;"""
_TRIGGER = "CREATE TRIGGER refer AFTER INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {function}({given})"
_BEFORE = """
    CREATE FUNCTION refer_to_what_is_there() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        missing boolean;
    BEGIN
        FOR i IN 0 .. TG_NARGS - 1 BY 3 LOOP
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


# In the order in which the service locks them: in another, whoever leaves meanwhile and the migration would wait in a circle.
_LOCK = "LOCK TABLE subscriptions, consent_records, imported_rows, import_changes IN ACCESS EXCLUSIVE MODE"
# A trigger needs the right only when it is made: whoever may make one of a temporary table runs code of theirs as the owner by it.
_BEFORE_IT = ("keep_what_is_referred_to", "chain_consent")
_NOT_FOR_OTHERS = "REVOKE ALL ON FUNCTION {name}() FROM PUBLIC"


def upgrade() -> None:
    op.execute(_LOCK)
    for name in _BEFORE_IT:
        op.execute(_NOT_FOR_OTHERS.format(name=name))
    for table, references in _REFERENCES.items():
        looks = "".join(
            _LOOK.format(table=table, column=column, there=there, key=key) for column, there, key in references
        )
        op.execute(_REFER.format(table=table, looks=looks))
        op.execute(_NOT_FOR_OTHERS.format(name=f"{table}_refer_to_what_is_there"))
        op.execute(f"DROP TRIGGER refer ON {table}")
        op.execute(_TRIGGER.format(table=table, function=f"{table}_refer_to_what_is_there", given=""))
    op.execute("DROP FUNCTION refer_to_what_is_there()")
    op.execute("ALTER FUNCTION analyse_deliveries() SET default_statistics_target = 30")


def downgrade() -> None:
    op.execute(_LOCK)
    for name in _BEFORE_IT:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}() TO PUBLIC")
    op.execute("ALTER FUNCTION analyse_deliveries() RESET default_statistics_target")
    op.execute(_BEFORE)
    for table, references in _REFERENCES.items():
        given = ", ".join(f"'{name}'" for reference in references for name in reference)
        op.execute(f"DROP TRIGGER refer ON {table}")
        op.execute(_TRIGGER.format(table=table, function="refer_to_what_is_there", given=given))
        op.execute(f"DROP FUNCTION {table}_refer_to_what_is_there()")
