"""What connects a project of Label Studio to this service, as plain data:
its settings, webhooks, tabs and ML backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_sdk.core.request_options import RequestOptions

from backend.labelstudio.http.answers import Column, MlBackend, View, Webhook
from backend.labelstudio.http.sdk_client import SdkClient


class Connections(SdkClient):
    """The requests that connecting a project takes."""

    def project_options(self, project_id: int, names: Sequence[str] = ()) -> dict[str, Any]:
        """The settings and counts of a project, as Label Studio tells them: those named, or all.

        It goes through the tasks for each count that is asked for. Raises UnknownProjectError.
        """
        options = RequestOptions(additional_query_parameters={"include": ",".join(names)} if names else {})
        get = self._sdk.projects.with_raw_response.get
        found = self._find(lambda: get(project_id, request_options=options))
        if found is None:
            raise self._unknown(project_id)
        return found

    def set_project_options(self, project_id: int, **fields: Any) -> dict[str, Any]:
        """Change settings of a project; the others stay. Returns all of them. Raises UnknownProjectError."""
        found = self._find(lambda: self._sdk.projects.with_raw_response.update(project_id, **fields))
        if found is None:
            raise self._unknown(project_id)
        return found

    def webhooks(self, project_id: int) -> list[Webhook]:
        """The project's webhooks:
        id, url, headers, send_payload, send_for_all_actions, actions, is_active."""
        return self._list(lambda: self._sdk.webhooks.with_raw_response.list(project=str(project_id)))

    def create_webhook(self, project_id: int, url: str, headers: dict[str, str]) -> Webhook:
        """Make a webhook for all events, sent with `headers`."""
        return self._dict(
            lambda: self._sdk.webhooks.with_raw_response.create(
                project=project_id,
                url=url,
                headers=headers,
                send_payload=True,
                send_for_all_actions=True,
                is_active=True,
            )
        )

    def update_webhook(self, webhook_id: int, **fields: Any) -> Webhook:
        """Change a webhook."""
        return self._dict(lambda: self._sdk.webhooks.with_raw_response.update(webhook_id, **fields))

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook, if it is still there."""
        self._delete(lambda: self._sdk.webhooks.with_raw_response.delete(webhook_id))

    def views(self, project_id: int) -> list[View]:
        """The tabs of the project's Data Manager: id, data."""
        return self._list(lambda: self._sdk.views.with_raw_response.list(project=project_id))

    def create_view(self, project_id: int, data: Mapping[str, object]) -> View:
        """Make a tab in the project's Data Manager."""
        options = RequestOptions(additional_body_parameters={"data": dict(data)})
        return self._dict(
            lambda: self._sdk.views.with_raw_response.create(project=project_id, request_options=options)
        )

    def update_view(self, project_id: int, view_id: int, data: Mapping[str, object]) -> View:
        """Give a tab other data, all of it."""
        options = RequestOptions(additional_body_parameters={"data": dict(data)})
        return self._dict(
            lambda: self._sdk.views.with_raw_response.update(
                str(view_id), project=project_id, request_options=options
            )
        )

    def order_views(self, project_id: int, ids: list[int]) -> None:
        """Put the tabs in this order, from left to right."""
        self._call(lambda: self._sdk.views.update_order(project=project_id, ids=ids))

    def columns(self, project_id: int) -> list[Column]:
        """The columns that a tab can show: id, title, type."""
        return self._own.columns(project_id)

    def delete_view(self, view_id: int) -> None:
        """Delete a tab, if it is still there."""
        self._delete(lambda: self._sdk.views.with_raw_response.delete(str(view_id)))

    def ml_backends(self, project_id: int) -> list[MlBackend]:
        """The connected ML backends:
        id, url, title, state, auth_method, basic_auth_user, extra_params, error_message."""
        return self._list(lambda: self._sdk.ml.with_raw_response.list(project=project_id))

    def create_ml_backend(self, project_id: int, **fields: Any) -> MlBackend:
        """Connect an ML backend; Label Studio calls its /health and /setup at once."""
        return self._dict(lambda: self._sdk.ml.with_raw_response.create(project=project_id, **fields))

    def update_ml_backend(self, backend_id: int, **fields: Any) -> MlBackend:
        """Change a connected ML backend; Label Studio calls its /health and /setup at once."""
        return self._dict(lambda: self._sdk.ml.with_raw_response.update(backend_id, **fields))

    def delete_ml_backend(self, backend_id: int) -> None:
        """Remove a connection, if it is still there; predictions and webhooks stay."""
        self._delete(lambda: self._sdk.ml.with_raw_response.delete(backend_id))
