"""What connects a project of Label Studio to this service, as plain data:
its settings, webhooks, tabs and ML backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.labelstudio.http.answers import Column, MlBackend, View, Webhook
from backend.labelstudio.http.json_client import JsonClient


class Connections(JsonClient):
    """The requests that connecting a project takes."""

    def project_options(self, project_id: int) -> dict[str, Any]:
        """All settings of a project, as Label Studio tells them. Raises UnknownProjectError."""
        answer = self._http.json("GET", f"/api/projects/{project_id}/", missing_ok=True)
        if not isinstance(answer, dict):
            raise self._unknown(project_id)
        return answer

    def set_project_options(self, project_id: int, **fields: Any) -> dict[str, Any]:
        """Change settings of a project; the others stay. Returns all of them. Raises UnknownProjectError."""
        answer = self._http.json("PATCH", f"/api/projects/{project_id}/", body=fields, missing_ok=True)
        if not isinstance(answer, dict):
            raise self._unknown(project_id)
        return answer

    def webhooks(self, project_id: int) -> list[Webhook]:
        """The project's webhooks:
        id, url, headers, send_payload, send_for_all_actions, actions, is_active."""
        return self._list("GET", "/api/webhooks/", query={"project": project_id})

    def create_webhook(self, project_id: int, url: str, headers: dict[str, str]) -> Webhook:
        """Make a webhook for all events, sent with `headers`."""
        body = {
            "project": project_id,
            "url": url,
            "headers": headers,
            "send_payload": True,
            "send_for_all_actions": True,
            "is_active": True,
        }
        return self._dict("POST", "/api/webhooks/", body=body)

    def update_webhook(self, webhook_id: int, **fields: Any) -> Webhook:
        """Change a webhook."""
        return self._dict("PATCH", f"/api/webhooks/{webhook_id}/", body=fields)

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook, if it is still there."""
        self._delete(f"/api/webhooks/{webhook_id}/")

    def views(self, project_id: int) -> list[View]:
        """The tabs of the project's Data Manager: id, data."""
        return self._list("GET", "/api/dm/views/", query={"project": project_id})

    def create_view(self, project_id: int, data: Mapping[str, object]) -> View:
        """Make a tab in the project's Data Manager."""
        return self._dict("POST", "/api/dm/views/", body={"project": project_id, "data": data})

    def update_view(self, project_id: int, view_id: int, data: Mapping[str, object]) -> View:
        """Give a tab other data, all of it."""
        return self._dict("PATCH", f"/api/dm/views/{view_id}/", body={"project": project_id, "data": data})

    def order_views(self, project_id: int, ids: list[int]) -> None:
        """Put the tabs in this order, from left to right."""
        self._http.json("POST", "/api/dm/views/order/", body={"project": project_id, "ids": ids})

    def columns(self, project_id: int) -> list[Column]:
        """The columns that a tab can show: id, title, type."""
        found = self._dict("GET", "/api/dm/columns/", query={"project": project_id}).get("columns")
        return list(found) if isinstance(found, list) else []

    def delete_view(self, view_id: int) -> None:
        """Delete a tab, if it is still there."""
        self._delete(f"/api/dm/views/{view_id}/")

    def ml_backends(self, project_id: int) -> list[MlBackend]:
        """The connected ML backends:
        id, url, title, state, auth_method, basic_auth_user, extra_params, error_message."""
        return self._list("GET", "/api/ml/", query={"project": project_id})

    def create_ml_backend(self, project_id: int, **fields: Any) -> MlBackend:
        """Connect an ML backend; Label Studio calls its /health and /setup at once."""
        return self._dict("POST", "/api/ml", body={"project": project_id, **fields})

    def update_ml_backend(self, backend_id: int, **fields: Any) -> MlBackend:
        """Change a connected ML backend; Label Studio calls its /health and /setup at once."""
        return self._dict("PATCH", f"/api/ml/{backend_id}", body=fields)

    def delete_ml_backend(self, backend_id: int) -> None:
        """Remove a connection, if it is still there; predictions and webhooks stay."""
        self._delete(f"/api/ml/{backend_id}")
