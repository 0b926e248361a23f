"""Settings of the tests' Label Studio on PostgreSQL: those of the add-on, and the tables are made as they are
now.

Its own way through the hundreds of changes since its first release takes 40 s of processor time.
"""

from recompute_queries.settings import *  # noqa: F403


class _None:
    """No changes of any app, whatever its name."""

    def __contains__(self, app: str) -> bool:
        return True

    def __getitem__(self, app: str) -> None:
        return None


MIGRATION_MODULES = _None()
