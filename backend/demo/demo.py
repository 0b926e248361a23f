"""`make demo`: everything on this machine, from nothing to a written order, and then up until Ctrl-C."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from rich.console import Console

from backend.cli.terminal import findings, follow_with_bar
from backend.demo import pictures, state
from backend.demo.pictures import Pictures
from backend.demo.project import DemoProject
from backend.demo.server import ROOT, START_SECONDS, LabelStudioServer
from backend.errors import BackendError, QueueError
from backend.labelstudio.client import LabelStudio
from backend.project.connection import configure, instance_here, own_service
from backend.project.project_status import ProjectStatus
from backend.project.status import read_status
from backend.project_settings import FEWEST_LABELS_TO_RANK, check_encoder
from backend.queue.enqueue import enqueue_live_turn, enqueue_round
from backend.queue.follow import follow
from backend.run import service
from backend.run.redis_server import write_private
from backend.run.service import Service
from backend.run.supervisor import Supervisor
from backend.settings import Settings, get_settings, read_settings
from model.machine import usable_cores

FOLDER = ROOT / "data" / "demo"
LABELLED = 3
"""Images that are labelled at the start, as in the paper."""
RECIPE = {"width": 8, "depth": 3, "max_side": 256, "crop": 96, "batch": 4, "steps": 240, "row_steps": 80}
"""Small enough for two cores: a round in two minutes.
On your own data leave RECIPE to the service's defaults."""
MOST_WORKERS = 4
"""Each takes about 700 MB."""
_LOOK_SECONDS = 10.0
_FIXED: dict[str, object] = {
    "redis_url": None,
    "storage_url": None,
    "backend_url": None,
    "public_url": None,
    "label_studio_public_url": None,
    "host": "127.0.0.1",
    "basic_auth_user": "label-studio",
    # One thread a worker: threads of one small network spend their time waiting for each other.
    "threads": 1,
}
"""Settings of the demo, whatever the environment says."""

console = Console(highlight=False)


@dataclass(frozen=True)
class Options:
    """What `make demo` can be asked for."""

    folder: Path = FOLDER
    images: Path | None = None
    masks: Path | None = None
    count: int = 24
    size: int = 384
    seed: int = 0
    exit: bool = False
    """Stop when the order is written."""


def run(options: Options) -> None:
    """Run the demo. Raises BackendError for what a user can fix."""
    start = time.monotonic()
    # Before anything is made: a typo in RECIPE would be told by the training, after everything else.
    check_encoder(
        read_settings(**_FIXED, label_studio_url="http://127.0.0.1", port=1, basic_auth_pass="none").recipe
    )
    folder = options.folder.resolve()
    with service.alone(folder), Supervisor() as supervisor:
        known = state.load(folder)
        shown = read_pictures(options, folder / "label-studio" / "files")
        server = _label_studio(supervisor, folder, known)
        everything = _service(supervisor, folder, known, server)
        with service.addresses(everything.settings):
            client = LabelStudio(server.url, server.token)
            project = take_up_project(server, client, shown, known)
            known.save(folder)
            labelled = label_first(project, shown, options.seed)
            _say("Connecting the project to the backend.")
            own = own_service(everything.settings, instance_here(everything.settings))
            _print(findings(configure(everything.settings, client, project.id, own)))
            _order(project.id, labelled)
            _tell(server, project.id, labelled, everything.settings, folder, time.monotonic() - start)
            if not options.exit:
                _say("Everything stays up until Ctrl-C.")
                supervisor.watch(until=_news(project.id))
        _say("Ending; the next run goes on from here.")


def read_pictures(options: Options, served: Path) -> Pictures:
    """The images that the demo shows: the user's own, or generated ones;
    `served` is the folder that Label Studio serves."""
    if options.images is not None:
        _say(f"Reading the images in {options.images}.")
        shown = pictures.from_folders(options.images, options.masks, served)
    else:
        _say(f"{options.count} generated images of axons.")
        shown = pictures.generated(served.parents[1], served, options.count, options.size, options.seed)
    for problem in shown.problems:
        _say(f"  left out: {problem}")
    for note in shown.notes if options.images is not None else []:
        _say(f"  {note}")
    _say(f"  {len(shown.files)} images, {len(shown.pool.labelled)} with a known mask")
    return shown


def _label_studio(supervisor: Supervisor, folder: Path, known: state.State) -> LabelStudioServer:
    server = LabelStudioServer(folder / "label-studio", known.admin, port=known.label_studio_port)
    if server.port != known.label_studio_port:
        _say(f"Port {known.label_studio_port} is taken; Label Studio listens on {server.port}.")
    known.save(folder)  # before the first start: the administrator's password is set then and never again
    _say("Starting Label Studio.")
    with console.status("waiting for Label Studio") as line:
        supervisor.add(
            server.program(),
            ready=server.healthy,
            timeout=START_SECONDS,
            tick=lambda waited: line.update(f"waiting for Label Studio, {waited:.0f} s"),
            foundation=True,
        )
    known.label_studio_port = server.port
    return server


def _service(supervisor: Supervisor, folder: Path, known: state.State, server: LabelStudioServer) -> Service:
    _say("Starting Redis, the backend, its workers and the scheduler.")
    chosen: dict[str, object] = {} if os.environ.get("RECIPE") else {"recipe": RECIPE}
    settings = read_settings(
        **_FIXED,
        label_studio_url=server.url,
        label_studio_api_key=server.token,
        port=known.backend_port,
        model_dir=folder / "backend",
        basic_auth_pass=known.backend_password,
        workers=min(usable_cores(), MOST_WORKERS),
        **chosen,
    )
    everything = Service(settings, logs=folder / "logs", any_port=True, say=lambda text: _say(f"  {text}"))
    everything.start(supervisor)
    known.backend_port = everything.settings.port
    # The functions of backend.jobs read this process's environment, as those in the workers do.
    os.environ.update(service.environment(everything.settings))
    get_settings.cache_clear()
    _write_environment(folder / "environment", everything.settings)
    return everything


def take_up_project(
    server: LabelStudioServer, client: LabelStudio, shown: Pictures, known: state.State
) -> DemoProject:
    """The project of these images, made if there is none, and noted in what is known."""
    project = DemoProject(server, client, shown)
    made = project.ensure(known.projects.get(shown.source))
    known.projects[shown.source] = project.id
    _say(f"{'Made' if made else 'Taking up'} project {project.id}.")
    return project


def label_first(project: DemoProject, shown: Pictures, seed: int) -> int:
    """Add the tasks that are missing and label the first images; returns how many tasks are labelled."""
    tasks = project.add_tasks()
    names = shown.first(LABELLED, seed)
    with console.status("labelling") as line:
        labelled = project.label(
            names, tasks, lambda done, total: line.update(f"labelling image {done + 1} of {total}")
        )
    _say(f"  {len(tasks)} tasks, {labelled} of them labelled")
    return labelled


def _order(project: int, labelled: int) -> None:
    """Have the first order written, unless an earlier run did."""
    now = read_status(project)
    if now.round:
        _say("The order of the last run is in force.")
        return
    if now.live and labelled:
        _say("Learning from the labels and computing the order; the U-Net is trained behind it.")
        job = enqueue_live_turn(project)
    else:
        enough = labelled >= FEWEST_LABELS_TO_RANK
        _say("Training on the labels and computing the order." if enough else "Computing a first order.")
        # It trains first if no training has seen the labels: one that a sync began meanwhile is waited for.
        job = enqueue_round(project, "the demo's first order")
    last = follow_with_bar(follow(project, job), console)
    if last["state"] != "finished":
        raise QueueError(
            f"The round {last['state']}: {last.get('message')}; see the files in the logs folder, then run"
            " `make demo` again."
        )


def _tell(
    server: LabelStudioServer, project: int, labelled: int, settings: Settings, folder: Path, seconds: float
) -> None:
    now = read_status(project)
    lost = lost_labels(now, labelled)
    for text in lost:
        console.print(f"ATTENTION: {text}", style="bold red", markup=False, soft_wrap=True)
    _say(
        f"The order is written{', BUT SEE ABOVE' if lost else ''}, {seconds / 60:.1f} minutes after the"
        " start. Next images:"
    )
    for number, place in enumerate(now.next_tasks[:5], start=1):
        _print(f"  {number:>3}. {place.title}  {place.summary}\n")
    user, password = settings.basic_auth or ("", "")
    _print(
        f"\n  Open      {server.url}/projects/{project}/data\n  Log in    {server.admin.email}  "
        f" {server.admin.password}\n  Then      click “Label All Tasks”: the recommended image opens with a"
        " mask drawn; correct it and submit.\n  Later     select any task and choose Actions, Recompute"
        f" queries: a new order at any time.\n  Status    {settings.page_of(project)}   {user}   {password}\n"
        f"  Backend   {settings.own_url}, logs in {folder / 'logs'}\n  Shell     source"
        f" {shlex.quote(str(folder / 'environment'))}; python -m backend status --project {project}\n\n"
    )


def lost_labels(now: ProjectStatus, labelled: int) -> list[str]:
    """What is to be said loudly of a project of which so many images are labelled;
    empty when all labels are learnt from."""
    trained = now.labels.trained
    if labelled < FEWEST_LABELS_TO_RANK or trained + now.labels.waiting >= labelled:
        return []
    return [
        f"{labelled} images are labelled, and the model was trained on {trained} of them.",
        *now.warnings,
    ]


def _news(project: int) -> Callable[[], bool]:
    """A condition that never holds, and tells now and then what has changed."""
    seen, looked = names_in_force(project), time.monotonic()

    def look() -> bool:
        nonlocal seen, looked
        if time.monotonic() - looked >= _LOOK_SECONDS:
            names, looked = names_in_force(project), time.monotonic()
            for what, name in names.items():
                if name and name != seen.get(what):
                    _say(f"{time.strftime('%H:%M:%S')} {what}: {name}")
            seen |= names
        return False

    return look


def names_in_force(project: int) -> dict[str, str]:
    """Model, order and last error of a project; nothing while Redis is away."""
    try:
        now = read_status(project)
    except (BackendError, RedisError):  # restarting; the next try sees it
        return {}
    return {
        "new model": now.version.name if now.version else "",
        "new order": now.round.name if now.round else "",
        "error": now.last_error.message if now.last_error else "",
    }


def _write_environment(path: Path, settings: Settings) -> None:
    """A file for `source`, so that the commands in another shell speak to this demo."""
    lines = [
        f"export {name}={shlex.quote(value)}\n"
        for name, value in service.environment(settings).items()
        if value
    ]
    lines.append(f"PATH={shlex.quote(str(ROOT / '.venv' / 'bin'))}:$PATH\n")
    write_private(path, "".join(lines))


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _print(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True, end="")


def quiet_logs() -> None:
    """Only warnings of this process on the terminal; the programs have files of their own."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
