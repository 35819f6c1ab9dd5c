"""Alembic's migrations: numbered, additive to what has landed, tested up and down."""
