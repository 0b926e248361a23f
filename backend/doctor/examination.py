"""All checks, side by side and within a time:
one that fails, hangs or has a defect keeps no other from being told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from redis.exceptions import RedisError

from backend.doctor import label_studio, projects, queues, redis_server, storage, web, workers
from backend.errors import BackendError, SettingsError
from backend.finding import Finding, Severity
from backend.queue.task_names import name_tasks
from backend.settings import Settings, masked_url
from model.errors import ModelError

SERVICE_SECONDS = 30.0
PROJECT_SECONDS = 30.0
"""For each of the first projects, and more where few are looked at: lists of 10,000 tasks take a busy Label
Studio longer. All together have ALL_SECONDS."""
ALL_SECONDS = 120.0
"""The whole examination ends by then."""

Check = Callable[[], list[Finding]]


@dataclass(frozen=True)
class Examination:
    """What was found about the service as a whole, and about each project by its number."""

    service: list[Finding]
    projects: dict[int, list[Finding]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return self._count(Severity.ERROR)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return self._count(Severity.WARNING)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready copy: {"errors", "warnings", "seconds", "service": [finding], "projects": {number:
        [finding]}}."""
        return {
            "errors": self.errors,
            "warnings": self.warnings,
            "seconds": self.seconds,
            "service": [_shown(finding) for finding in self.service],
            "projects": {
                str(number): [_shown(finding) for finding in found] for number, found in self.projects.items()
            },
        }

    def _count(self, severity: Severity) -> int:
        found = [*self.service, *(finding for listed in self.projects.values() for finding in listed)]
        return sum(finding.severity is severity for finding in found)


def examine(settings: Settings, project_id: int | None = None) -> Examination:
    """Look at the service and at one project, or at all that are known. Never raises for what it finds;
    ends after ALL_SECONDS at most."""
    started = time.monotonic()
    found = together(
        {
            "label studio": lambda: label_studio.check(settings),
            "redis": lambda: redis_server.check(settings),
            "storage": lambda: storage.check(settings),
            "web server": lambda: web.check(settings),
        },
        SERVICE_SECONDS,
    )
    broken = {finding.subject for finding in found if finding.severity is Severity.ERROR}
    redis = "redis" not in broken
    if redis:
        found += together(
            {"workers": lambda: workers.check(settings), "queues": lambda: queues.check(settings)},
            SERVICE_SECONDS,
        )
    examined: dict[int, list[Finding]] = {}
    numbers = [project_id] if project_id is not None else projects.known(settings)
    for position, number in enumerate(numbers):
        left = ALL_SECONDS - (time.monotonic() - started)
        if left < 1:
            command = f"python -m backend doctor --project {number}"
            examined[number] = [
                Finding("project", Severity.WARNING, "not looked at: the time was over", command)
            ]
            continue
        checks = projects.checks(
            settings, number, label_studio=not broken & {"label studio", "key"}, redis=redis
        )
        examined[number] = together(checks, share(left, len(numbers) - position))
        if redis:
            examined[number] = _with_names(settings, number, examined[number])
    return Examination(found, examined, round(time.monotonic() - started, 1))


def share(left: float, projects: int) -> float:
    """Of the seconds that are left for so many projects, those that the first of them may take."""
    return min(left, max(PROJECT_SECONDS, left / projects))


def _with_names(settings: Settings, project_id: int, found: list[Finding]) -> list[Finding]:
    """The findings with the file names of the tasks that they speak of."""
    with suppress(RedisError, SettingsError):  # told by a finding
        redis = redis_server.open_redis(settings)
        told = name_tasks(redis, project_id, [each.text for each in found])
        return [replace(each, text=text) for each, text in zip(found, told, strict=True)]
    return found


def together(checks: dict[str, Check], seconds: float) -> list[Finding]:
    """The findings of all checks in their order; one that is not done after `seconds` is a finding itself."""
    results: dict[str, list[Finding]] = {}

    def run(subject: str, check: Check) -> None:
        results[subject] = guarded(subject, check)

    # Daemons, as a check that hangs must not keep the command from ending.
    threads = [
        threading.Thread(target=run, args=item, name=f"check {item[0]}", daemon=True)
        for item in checks.items()
    ]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = f"no answer within {seconds:.0f} s; look at the load of its machine, and try again"
    return [
        finding
        for subject in checks
        for finding in results.get(subject, [Finding(subject, Severity.ERROR, late)])
    ]


def guarded(subject: str, check: Check) -> list[Finding]:
    """The findings of a check; its error is a finding, too."""
    try:
        return check()
    except SettingsError as error:
        return [Finding(subject, Severity.ERROR, str(error), "see docs/settings.md")]
    except (BackendError, ModelError) as error:
        return [Finding(subject, Severity.ERROR, str(error))]
    except RedisError as error:
        return [
            Finding(
                subject,
                Severity.ERROR,
                f"not looked at, as Redis does not answer ({_first_line(error)})",
                "see redis",
            )
        ]
    except Exception as error:
        text = (
            f"could not be looked at: {type(error).__name__}: {_first_line(error)}; this is a defect of the"
            " check, please report it"
        )
        return [Finding(subject, Severity.WARNING, text)]


def _first_line(error: Exception) -> str:
    return masked_url((str(error).splitlines() or [""])[0])


def _shown(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "severity": finding.severity.value,
        "text": finding.text,
        "remedy": finding.remedy,
    }
