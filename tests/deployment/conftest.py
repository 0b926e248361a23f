"""Programs that tests start here find no settings but those of the compose file."""

from tests.service.conftest import defaults

__all__ = ["defaults"]
