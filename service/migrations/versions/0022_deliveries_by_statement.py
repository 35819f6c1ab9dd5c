"""Deliveries are checked against their issue once a statement, and lie closer together.

A foreign key asks once a row, which took a quarter of the freeze of a million readers.
"""

from alembic import op

revision = "0022"
down_revision = "0021"

_HAVE_AN_ISSUE = """
    CREATE FUNCTION deliveries_have_an_issue() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        named bigint[] := ARRAY(SELECT DISTINCT issue_id FROM added);
        found bigint;
    BEGIN
        -- The lock is the foreign key's: who deletes the issue meanwhile waits, and is then refused.
        PERFORM FROM issues WHERE id = ANY (named) FOR KEY SHARE;
        GET DIAGNOSTICS found = ROW_COUNT;
        IF found <> cardinality(named) THEN
            RAISE EXCEPTION 'a delivery names an issue that is not there' USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END $$
"""
_KEEP_ISSUE = """
    CREATE FUNCTION keep_issue_of_deliveries() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF EXISTS (SELECT FROM deliveries WHERE issue_id = OLD.id) THEN
            RAISE EXCEPTION 'issue % has deliveries', OLD.id USING ERRCODE = 'foreign_key_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER have_an_issue AFTER INSERT ON deliveries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION deliveries_have_an_issue()",
    "CREATE TRIGGER keep_issue BEFORE DELETE ON issues FOR EACH ROW EXECUTE FUNCTION keep_issue_of_deliveries()",
    "CREATE TRIGGER keep_issue_id BEFORE UPDATE OF id ON issues FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION keep_issue_of_deliveries()",
)
# A delivery never changes its issue.
_STAY = """
    CREATE FUNCTION delivery_keeps_its_issue() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        RAISE EXCEPTION 'a delivery keeps its issue' USING ERRCODE = 'foreign_key_violation';
    END $$
"""
_STAYS = "CREATE TRIGGER keep_issue BEFORE UPDATE OF issue_id ON deliveries FOR EACH ROW WHEN (OLD.issue_id IS DISTINCT FROM NEW.issue_id) EXECUTE FUNCTION delivery_keeps_its_issue()"


def upgrade() -> None:
    op.drop_constraint("fk_deliveries_issue_id", "deliveries", type_="foreignkey")
    for statement in (_HAVE_AN_ISSUE, _KEEP_ISSUE, _STAY, *_TRIGGERS, _STAYS):
        op.execute(statement)
    op.execute("ALTER TABLE deliveries SET (fillfactor = 90)")


def downgrade() -> None:
    op.execute("ALTER TABLE deliveries SET (fillfactor = 80)")
    op.execute("DROP TRIGGER keep_issue_id ON issues")
    op.execute("DROP TRIGGER keep_issue ON issues")
    op.execute("DROP TRIGGER keep_issue ON deliveries")
    op.execute("DROP TRIGGER have_an_issue ON deliveries")
    for name in ("delivery_keeps_its_issue", "keep_issue_of_deliveries", "deliveries_have_an_issue"):
        op.execute(f"DROP FUNCTION {name}()")
    op.create_foreign_key("fk_deliveries_issue_id", "deliveries", "issues", ["issue_id"], ["id"])
