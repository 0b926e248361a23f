"""Connecting a project: everything Label Studio must be told so that annotators are served the recommended order. Safe to repeat."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

from backend.errors import ConfigError, LabelStudioError
from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.config import parse

__all__ = ["Finding", "Severity", "check", "configure"]

BasicAuth = tuple[str, str]
BACKEND_TITLE = "Task-dependent active learning"
TAB_TITLE = "Recommended order"
UNCERTAINTY = "Uncertainty sampling"
_ORDERING = ["tasks:predictions_score"]
_HIDDEN = ["tasks:annotations_results", "tasks:predictions_results", "tasks:file_upload", "tasks:storage_filename", "tasks:updated_by"]
_REACH = (
    "check that `python -m backend up` runs and that Label Studio reaches it at this address; for a private address start "
    "Label Studio with USE_DEFAULT_BANNED_SUBNETS=false"
)


def check(client: LabelStudio, project_id: int, backend_url: str, basic_auth: BasicAuth | None) -> list[Finding]:
    """Look at everything `configure` sets, and change nothing. Raises ApiKeyError, UnknownProjectError, UnreachableError."""
    return _Connection(client, project_id, backend_url, basic_auth, change=False).findings()


def configure(client: LabelStudio, project_id: int, backend_url: str, basic_auth: BasicAuth | None) -> list[Finding]:
    """Connect and configure a project; what is right already stays untouched, so it can be repeated, also after connecting by hand.

    The ML backend with its Basic auth; one webhook to `backend_url`/webhook with an Authorization header in place of the bare one that
    Label Studio makes; "Uncertainty sampling"; a tab in the recommended order; a warning for maximum_annotations above 1. `backend_url` is
    the address at which Label Studio reaches the backend. What Label Studio refuses is a finding of severity "error", and the rest is
    configured. Raises ApiKeyError, UnknownProjectError, UnreachableError.
    """
    return _Connection(client, project_id, backend_url, basic_auth, change=True).findings()


class _Connection:
    """One pass over a project: each method looks at one thing, and mends it if `change`."""

    def __init__(self, client: LabelStudio, project_id: int, backend_url: str, basic_auth: BasicAuth | None, *, change: bool) -> None:
        self.client, self.basic_auth, self.change = client, basic_auth, change
        self.url = backend_url.rstrip("/")
        self.project: Project = client.project(project_id)
        self.command = f"python -m backend connect --project {project_id}"
        self.other_password = False

    def findings(self) -> list[Finding]:
        found = self._config()
        # The webhook comes first: Label Studio makes its bare one only if there is none of that address when a backend is connected.
        found += self._guard("webhook", self._webhook)
        found += self._guard("backend", self._backend)
        found += self._guard("sampling", self._sampling)
        found += self._guard("tab", self._tab)
        return found + self._annotations()

    def _guard(self, subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
        try:
            return look()
        except LabelStudioError as error:
            if error.status is None or error.status == 401:
                raise
            remedy = _REACH if subject in ("webhook", "backend") else f"then run: {self.command}"
            return [Finding(subject, Severity.ERROR, str(error), remedy)]

    def _config(self) -> list[Finding]:
        try:
            config = parse(self.project.label_config)
        except ConfigError as error:
            return [Finding("config", Severity.ERROR, str(error), "Settings, Labeling Interface")]
        warnings = [Finding("config", Severity.WARNING, text, "Settings, Labeling Interface") for text in config.warnings]
        helpers = f"; {', '.join(config.helpers)}: only to help, what they mark is not learnt" if config.helpers else ""
        return warnings or [Finding("config", Severity.OK, f"draws {', '.join(config.labels)} with {config.writer.kind.tag}{helpers}")]

    def _webhook(self) -> list[Finding]:
        wanted = {"Authorization": _basic(self.basic_auth)} if self.basic_auth else {}
        url = f"{self.url}/webhook"
        ours = [hook for hook in self.client.webhooks(self.project.id) if str(hook.get("url", "")).rstrip("/") == url]
        # One of the whole organization is seen from every project, but belongs to none.
        ours = [hook for hook in ours if hook.get("project") == self.project.id]
        if not ours:
            return self._mend(
                "webhook", f"there is no webhook to {url}", "made", lambda: self.client.create_webhook(self.project.id, url, wanted)
            )
        found = []
        first, *others = sorted(ours, key=lambda hook: int(hook["id"]))
        wrong = _difference(first, wanted)
        # Label Studio never tells a backend's password; the webhook's header betrays that it has been changed since.
        self.other_password = bool(wanted and first.get("headers")) and first["headers"] != wanted
        if wrong:
            right = {"headers": wanted, "is_active": True, "send_payload": True, "send_for_all_actions": True}
            found += self._mend(
                "webhook", f"the webhook to {url} {wrong}", "corrected", lambda: self.client.update_webhook(first["id"], **right)
            )
        for other in others:
            found += self._mend(
                "webhook", f"there is a second webhook to {url}", "removed", partial(self.client.delete_webhook, int(other["id"]))
            )
        return found or [Finding("webhook", Severity.OK, f"labels are told to {url}")]

    def _backend(self) -> list[Finding]:
        backends = self.client.ml_backends(self.project.id)
        ours = [item for item in backends if str(item.get("url", "")).rstrip("/") == self.url]
        user, password = self.basic_auth or ("", "")
        auth: dict[str, Any] = {"auth_method": "NONE"}
        if self.basic_auth:
            auth = {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}
        if not ours:
            fields = {"url": self.url, "title": BACKEND_TITLE, "is_interactive": False, **auth}
            return self._mend(
                "backend", f"{self.url} is not connected", "connected", lambda: self.client.create_ml_backend(self.project.id, **fields)
            )
        found = []
        first, *others = sorted(ours, key=lambda item: int(item["id"]))
        if first.get("auth_method") != auth["auth_method"] or (first.get("basic_auth_user") or "") != user or self.other_password:
            text = f"the connection to {self.url} has not the user and password of BASIC_AUTH_USER and BASIC_AUTH_PASS"
            fields = {"url": self.url, "project": self.project.id, **auth}
            found += self._mend("backend", text, "corrected", lambda: self.client.update_ml_backend(first["id"], **fields))
        elif first.get("state") not in ("CO", None):
            reason = first.get("error_message") or first.get("readable_state") or first.get("state")
            found.append(Finding("backend", Severity.ERROR, f"Label Studio cannot use {self.url}: {reason}", _REACH))
        if others:
            text = f"{self.url} is connected {len(ours)} times"
            found.append(Finding("backend", Severity.WARNING, text, "Settings, Model: remove all but one"))
        strange = [item["url"] for item in backends if item not in ours]
        if strange:
            text = f"other backends are connected too ({', '.join(strange)}); their predictions do not order the tasks"
            found.append(Finding("backend", Severity.WARNING, text, "Settings, Model: remove them if they are not meant"))
        return found or [Finding("backend", Severity.OK, f"{self.url} is connected")]

    def _sampling(self) -> list[Finding]:
        if self.project.sampling == UNCERTAINTY:
            return [Finding("sampling", Severity.OK, f"tasks are served by {UNCERTAINTY}")]
        text = f"tasks are served by {self.project.sampling or 'no rule'}, so annotators do not get the recommended order"
        return self._mend(
            "sampling", text, f"set to {UNCERTAINTY}", lambda: self.client.update_project(self.project.id, sampling=UNCERTAINTY)
        )

    def _tab(self) -> list[Finding]:
        titles = [(view.get("data") or {}).get("title") for view in self.client.views(self.project.id)]
        if TAB_TITLE in titles:
            return [Finding("tab", Severity.OK, f"the tab {TAB_TITLE!r} is there")]

        def make() -> None:
            if not titles:  # the page makes its own default tab only where there is none
                self.client.create_view(self.project.id, {"title": "Default", "type": "list", "target": "tasks"})
            self.client.create_view(self.project.id, _tab_data())

        return self._mend("tab", f"there is no tab {TAB_TITLE!r}", "made", make)

    def _annotations(self) -> list[Finding]:
        if self.project.maximum_annotations <= 1:
            return [Finding("annotations", Severity.OK, "each task is labelled once")]
        text = (
            f"each task is to be labelled {self.project.maximum_annotations} times; Label Studio then serves tasks that somebody has "
            "labelled before all others, at random, not in the recommended order"
        )
        return [Finding("annotations", Severity.WARNING, text, "Settings, Quality (or Annotation): annotations per task = 1")]

    def _mend(self, subject: str, text: str, done: str, mend: Callable[[], Any]) -> list[Finding]:
        if not self.change:
            return [Finding(subject, Severity.ERROR if subject != "tab" else Severity.WARNING, text, self.command)]
        mend()
        return [Finding(subject, Severity.MENDED, f"{text}: {done}")]


def _basic(auth: BasicAuth) -> str:
    return "Basic " + base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()


def _difference(hook: dict[str, Any], headers: dict[str, str]) -> str:
    """What is wrong with a webhook, "" if nothing; the password is not told."""
    if hook.get("headers") != headers:
        return "has no Authorization header, or another" if headers else "has headers, although no Basic auth is set"
    if not hook.get("is_active"):
        return "is switched off"
    if not (hook.get("send_payload") and hook.get("send_for_all_actions")):
        return "does not send all events with their content"
    return ""


def _tab_data() -> dict[str, Any]:
    return {
        "title": TAB_TITLE,
        "type": "list",
        "target": "tasks",
        "ordering": _ORDERING,
        "gridWidth": 4,
        "columnsDisplayType": {"tasks:predictions_score": "Number"},
        "hiddenColumns": {"explore": _HIDDEN, "labeling": _HIDDEN},
        "filters": {
            "conjunction": "and",
            "items": [{"filter": "filter:tasks:total_annotations", "operator": "equal", "type": "Number", "value": 0}],
        },
    }
