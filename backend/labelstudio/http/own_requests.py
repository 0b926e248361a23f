"""The requests that the SDK does not make, or does clearly worse; everything else goes through it.

- `/api/version` without a key: the SDK always sends one, and an address is looked at before it gets any.
- The log-in page, which alone tells under which name Label Studio knows itself: no API tells it.
- `model-versions` of a project, the columns of its Data Manager, and everybody's drafts on a task: the SDK
  has none of them.
- Predictions with masks, one or many: the SDK walks each number of a mask in Python before it sends it. The
  import of 1,000 predictions with 200 masks takes it 2.7 s of its own time, 0.2 s here, and 2.3 times as long
  altogether; with 1,000 masks 9.4 s, 0.8 s, and 3 times as long.
- Images (backend.labelstudio.http.image_requests): they come from other servers as well, which must not get
  the key, and the SDK reads them without bounds.
- The exchange of a personal access token for the header of what is listed here
  (backend.labelstudio.http.key): the SDK makes headers for its own requests, and tells them nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from backend.labelstudio.http.answers import Column, Draft
from backend.labelstudio.http.keyed_client import KeyedClient, ask
from backend.labelstudio.http.refusals import is_of_another, is_page, no_json, other_form
from backend.stopping import wait_for

BULK_TIMEOUT = 600.0
"""Seconds to wait for bulk imports and deletions: on two busy cores 10,000 predictions take a minute each."""
CHECK_SECONDS = 5.0
"""Label Studio tells within so many seconds whether it is there."""


class OwnRequests:
    """Requests to one Label Studio beside those of the SDK. Safe to share between threads."""

    def __init__(self, url: str, keyed: KeyedClient, plain: httpx.Client, *, attempts: int) -> None:
        """`plain` has no key."""
        self._url, self._keyed, self._plain, self._attempts = url, keyed, plain, attempts

    def version(self) -> Mapping[str, Any]:
        """What Label Studio tells of itself; needs no key."""
        return _object(
            wait_for(
                lambda: ask(
                    lambda: self._plain.get(f"{self._url}/api/version"),
                    self._url,
                    attempts=self._attempts,
                    repeatable=True,
                )
            )
        )

    def answers(self) -> bool:
        """Whether Label Studio is there, asked once."""
        try:
            answer = self._plain.get(f"{self._url}/api/version", timeout=CHECK_SECONDS)
        except httpx.HTTPError:
            return False
        return answer.status_code < 500 and not is_page(answer) and not is_of_another(answer)

    def host_names(self) -> list[str]:
        """The addresses that Label Studio gives itself (LABEL_STUDIO_HOST), read out of the links of the
        log-in page. Raises httpx.HTTPError when it is busy, or away."""
        page = self._plain.get(f"{self._url}/user/login/", timeout=CHECK_SECONDS)
        return re.findall(r"""["'](https?://[^"'\s<>]+?)/static/""", page.text if page.is_success else "")

    def model_versions(self, project_id: int) -> dict[str, int]:
        """Versions of a project's predictions and how many of each there are."""
        found = _object(self._send("GET", f"/api/projects/{project_id}/model-versions/"))
        return {str(version): int(count) for version, count in found.items()}

    def delete_model_version(self, project_id: int, version: str) -> None:
        """Delete all predictions of a version, and with them the project's choice of it."""
        path = f"/api/projects/{project_id}/model-versions/"
        self._send("DELETE", path, body={"model_version": version}, seconds=BULK_TIMEOUT)

    def columns(self, project_id: int) -> list[Column]:
        """The columns that a tab of the Data Manager can show."""
        found = _object(self._send("GET", "/api/dm/columns/", query={"project": project_id})).get("columns")
        return list(found) if isinstance(found, list) else []

    def drafts(self, task_id: int) -> list[Draft]:
        """What people have drawn on a task and not submitted."""
        answer = self._send("GET", f"/api/tasks/{task_id}/drafts")
        found = read_json(answer)
        if not isinstance(found, list):
            raise other_form(answer.request, found, "a list")
        return found

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, object]]) -> int:
        """Write predictions in bulk; returns how many Label Studio says it created."""
        path = f"/api/projects/{project_id}/import/predictions"
        answer = _object(self._send("POST", path, body=list(predictions), seconds=BULK_TIMEOUT))
        return int(answer.get("created", 0))

    def update_prediction(self, prediction_id: int, fields: Mapping[str, object]) -> Mapping[str, Any]:
        """Change a prediction in place, its regions among them; returns all of it."""
        return _object(self._send("PATCH", f"/api/predictions/{prediction_id}/", body=fields))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        request = self._keyed.build_request(
            method,
            path,
            params=query,
            content=content,
            headers={"Content-Type": "application/json"} if content is not None else {},
            timeout=httpx.USE_CLIENT_DEFAULT if seconds is None else seconds,
        )
        return wait_for(lambda: self._keyed.send(request, auth=self._keyed.key))


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    found = read_json(answer)
    if not isinstance(found, dict):
        raise other_form(answer.request, found, "an object")
    return found


def read_json(answer: httpx.Response) -> Any:
    """What a successful answer holds, None for an empty one. Raises LabelStudioError if it is no JSON."""
    if not answer.content:
        return None
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        request = answer.request
        raise no_json(f"{request.method} {request.url.copy_with(query=None)}", answer.text[:80]) from error
