"""Label Studio's API: authentication of both kinds, retries, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Only = Literal["all", "labelled", "unlabelled"]


@dataclass(frozen=True)
class Project:
    """A project's settings, as far as the service needs them."""

    id: int
    title: str
    label_config: str
    model_version: str  # "" if none: the predictions of this version order the tasks and are shown
    sampling: str
    maximum_annotations: int
    created_by: int | None
    tasks: int
    labelled: int  # tasks that Label Studio counts as finished


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction in Label Studio, without its regions."""

    id: int
    task_id: int
    score: float | None
    model_version: str
    regions: int  # how many regions it draws


class LabelStudio:
    """One Label Studio server seen with one user's API key (legacy token or personal access token). Safe to share between threads."""

    def __init__(self, url: str, api_key: str, *, timeout: float = 60.0, attempts: int = 4) -> None:
        """`timeout` in seconds per request; `attempts` per request while the server is away or overloaded. Makes no request."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""

    def server_version(self) -> str:
        """Label Studio's version, such as "1.23.2". Raises UnreachableError; needs no key."""
        raise NotImplementedError

    def user(self) -> dict[str, Any]:
        """The key's user: id, email, active_organization. Raises ApiKeyError."""
        raise NotImplementedError

    def users(self) -> dict[int, str]:
        """Ids and e-mail addresses of all users of the organization."""
        raise NotImplementedError

    def organization_owner(self) -> int | None:
        """User id of the creator of the key user's organization."""
        raise NotImplementedError

    def access_token(self) -> str:
        """The token that downloads images: the legacy token itself, or a fresh access token (valid 300 s) for a personal one."""
        raise NotImplementedError

    def download(self, path: str) -> bytes:
        """The bytes at an absolute path of this server, or at a web address (without the key)."""
        raise NotImplementedError

    def project(self, project_id: int) -> Project:
        """One project. Raises UnknownProjectError."""
        raise NotImplementedError

    def projects(self) -> list[Project]:
        """All projects that the key's user sees, by id."""
        raise NotImplementedError

    def update_project(self, project_id: int, **fields: Any) -> Project:
        """Change settings of a project (`sampling`, ...); the others stay."""
        raise NotImplementedError

    def switch_version(self, project_id: int, version: str) -> None:
        """Make the predictions of `version` the ones that order the tasks and are shown. Label Studio refuses a version it has none of."""
        raise NotImplementedError

    def task(self, task_id: int) -> dict[str, Any] | None:
        """One task with its annotations, None if it is deleted."""
        raise NotImplementedError

    def tasks(self, project_id: int, only: Only = "all", *, page_size: int = 500) -> Iterator[dict[str, Any]]:
        """Tasks in the order of ids, each with "id", "data", "annotations" (regions included), and without predictions and drafts.

        "labelled": with an annotation that is not cancelled. "unlabelled": that Label Studio would still serve (not skipped).
        """
        raise NotImplementedError

    def task_ids(self, project_id: int, only: Only = "all") -> list[int]:
        """Ids of the tasks, ascending, without loading them; 10,000 in a few seconds."""
        raise NotImplementedError

    def count(self, project_id: int, only: Only = "all") -> int:
        """Number of tasks, in one request."""
        raise NotImplementedError

    def next_task(self, project_id: int) -> dict[str, Any] | None:
        """What the "Label All Tasks" button would serve the key's user now; it LOCKS that task for this user. None: nothing to label."""
        raise NotImplementedError

    def versions(self, project_id: int) -> dict[str, int]:
        """Versions of the project's predictions and how many of each there are."""
        raise NotImplementedError

    def predictions(self, project_id: int, version: str) -> list[StoredPrediction]:
        """All predictions of one version, by task id then id."""
        raise NotImplementedError

    def import_predictions(self, project_id: int, predictions: Sequence[dict[str, Any]]) -> int:
        """Write predictions {"task", "result", "score", "model_version"} in bulk; returns how many Label Studio says it created.

        It SILENTLY drops scores outside [0, 1], unknown labels and controls: compare the number.
        """
        raise NotImplementedError

    def delete_version(self, project_id: int, version: str) -> int:
        """Delete all predictions of one version; returns how many there were."""
        raise NotImplementedError

    def delete_predictions(self, ids: Iterable[int]) -> int:
        """Delete single predictions; those already gone are passed over. Returns how many were deleted."""
        raise NotImplementedError

    def webhooks(self, project_id: int) -> list[dict[str, Any]]:
        """The project's webhooks: id, url, headers, send_payload, send_for_all_actions, actions, is_active."""
        raise NotImplementedError

    def create_webhook(self, project_id: int, url: str, headers: dict[str, str]) -> dict[str, Any]:
        """Make a webhook for all events, sent with `headers`."""
        raise NotImplementedError

    def update_webhook(self, webhook_id: int, **fields: Any) -> dict[str, Any]:
        """Change a webhook."""
        raise NotImplementedError

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook."""
        raise NotImplementedError

    def views(self, project_id: int) -> list[dict[str, Any]]:
        """The tabs of the project's Data Manager: id, data."""
        raise NotImplementedError

    def create_view(self, project_id: int, data: dict[str, Any]) -> dict[str, Any]:
        """Make a tab in the project's Data Manager."""
        raise NotImplementedError

    def ml_backends(self, project_id: int) -> list[dict[str, Any]]:
        """The connected ML backends: id, url, title, state, auth_method, basic_auth_user, extra_params, error_message."""
        raise NotImplementedError

    def create_ml_backend(self, project_id: int, **fields: Any) -> dict[str, Any]:
        """Connect an ML backend; Label Studio calls its /health and /setup at once."""
        raise NotImplementedError

    def update_ml_backend(self, backend_id: int, **fields: Any) -> dict[str, Any]:
        """Change a connected ML backend."""
        raise NotImplementedError
