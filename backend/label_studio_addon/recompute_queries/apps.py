"""The app that Django loads; it has no models, so Label Studio's database stays as it is."""

import logging

from django.apps import AppConfig

log = logging.getLogger(__name__)


class RecomputeQueriesConfig(AppConfig):
    """Registers the action when Label Studio starts."""

    name = "recompute_queries"

    def ready(self) -> None:
        """Register the action;
        whatever another version of Label Studio does otherwise, it starts as usual."""
        try:
            from recompute_queries.action import register

            register()
        except Exception as error:
            log.warning(
                "'Recompute queries' is not in the Actions menu, because this version of Label Studio is not"
                " the one expected (%s: %s); recompute on the backend's status page, or with: python -m"
                " backend recompute --project NUMBER",
                type(error).__name__,
                error,
            )
