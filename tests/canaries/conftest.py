"""A home of its own, as tests of backups have one."""

from tests.backup.conftest import home

__all__ = ["home"]
