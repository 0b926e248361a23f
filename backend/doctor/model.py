"""Whether the version in use can be loaded."""

from __future__ import annotations

from backend.errors import BackendError
from backend.finding import Finding, Severity
from backend.settings import Settings
from backend.store.storage import Storage
from backend.store.version_comparison import describe_choice
from backend.store.versions import Versions
from model.errors import ModelError


def check_model(settings: Settings, project_id: int) -> list[Finding]:
    versions = Versions(Storage.of(settings), project_id)
    current, names = versions.current(), versions.names()
    if current is None:
        return [Finding("model", Severity.OK, "no version yet; the first label that is submitted brings one")]
    problem = _damage(versions, current)
    if problem:
        other = _replacement(versions, current)
        remedy = (
            f"python -m backend rollback --project {project_id} {other} --yes --wait"
            if other
            else "restore it from a backup"
        )
        return [
            Finding("model", Severity.ERROR, f"{current} is in use and cannot be loaded: {problem}", remedy)
        ]
    text = f"{current} is in use, of {len(names)} version{'s' if len(names) != 1 else ''}"
    choice = describe_choice(versions)
    return [Finding("model", Severity.OK, f"{text}. {choice}" if choice else text)]


def _damage(versions: Versions, name: str) -> str:
    """Why a version cannot be used; empty if it can."""
    try:
        versions.load(name)
    except (BackendError, ModelError) as error:
        return str(error)
    return ""


def _replacement(versions: Versions, current: str) -> str:
    """The newest other version that can be used;
    one that was not good enough to be published only where there is no other."""
    usable = [name for name in reversed(versions.names()) if name != current and not _damage(versions, name)]
    return next((name for name in usable if versions.record(name).published), usable[0] if usable else "")
