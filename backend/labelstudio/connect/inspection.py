"""One pass over a project:
what it is like now, and how a thing that is not as it should be is told or fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect.own_service import OwnService
from backend.labelstudio.connect.record import Record
from backend.labelstudio.http.answers import MlBackend, View, Webhook
from backend.labelstudio.project import Project


@dataclass(frozen=True)
class Intention:
    """One thing that connecting will change, in words."""

    text: str
    overwrites: bool = False
    """Whether something goes that a person has chosen."""


@dataclass
class Inspection:
    """What all checks of a pass share. With `change`, what is wrong is fixed;
    else it is told, and nothing is changed."""

    client: LabelStudio
    project: Project
    options: dict[str, Any]
    """All settings of the project, as Label Studio tells them."""
    own: OwnService
    change: bool
    record: Record | None = None
    order: str = ""
    """Name of the order that should be served; "" if there is none yet."""
    backends: list[MlBackend] = field(default_factory=list)
    hooks: list[Webhook] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    new_hooks: set[int] = field(default_factory=set)
    """Ids of webhooks that Label Studio has made of itself in this pass."""
    intended: list[Intention] = field(default_factory=list)
    """What a pass that changes nothing would have changed."""

    @property
    def hook_headers(self) -> dict[str, str]:
        """What the project's webhook must send."""
        return self.own.hook_headers(self.project.id)

    @property
    def command(self) -> str:
        """What fixes most of it."""
        return f"python -m backend connect --project {self.project.id}"

    def read_connections(self) -> None:
        """Read what the project has of backends, webhooks (its own, not the organization's) and tabs."""
        self.backends = self.client.ml_backends(self.project.id)
        self.hooks = [
            hook for hook in self.client.webhooks(self.project.id) if hook.get("project") == self.project.id
        ]
        self.views = self.client.views(self.project.id)

    def fix(
        self,
        subject: str,
        text: str,
        done: str,
        change: Callable[[], Any],
        severity: Severity = Severity.ERROR,
        *,
        will: str,
        overwrites: bool = False,
    ) -> list[Finding]:
        """Change it and say what was `done`;
        or only say what is wrong, how bad it is, and the command that fixes it.

        will: what is changed, told before somebody says yes to it; it may take the place of
        what a person has chosen (`overwrites`).
        """
        if not self.change:
            self.intended.append(Intention(will, overwrites))
            return [Finding(subject, severity, text, self.command)]
        change()
        return [Finding(subject, Severity.FIXED, f"{text}: {done}")]

    def set_option(self, **fields: Any) -> None:
        """Change settings of the project; what Label Studio made of them is noted as ours."""
        answer = self.client.set_project_options(self.project.id, **fields)
        for name in fields:
            self.options[name] = answer.get(name)
            if self.record is not None:
                self.record.add_set(name, answer.get(name))

    def written(self, name: str) -> Any:
        """The value of that name that connecting has written last;
        None if none, or if it is not recorded here."""
        return None if self.record is None else self.record.written(name)

    def note_made(self, kind: str, made: Mapping[str, object]) -> None:
        """Note something that was made here."""
        if self.record is not None:
            self.record.add_made(kind, made.get("id"))

    def is_made(self, kind: str, identity: object) -> bool:
        """Whether connecting has made it, as far as it is recorded."""
        return self.record is not None and identity in self.record.made(kind)
