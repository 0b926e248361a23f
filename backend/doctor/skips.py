"""Whether skipped images leave annotators with nothing to do."""

from __future__ import annotations

from backend.doctor.label_studio import connect
from backend.finding import Finding, Severity
from backend.labelstudio.skips import SkipQueue, Skips, read_skips
from backend.settings import Settings

WHAT_BECOMES_OF_THEM = {
    SkipQueue.OTHERS: (
        "everyone who labels here has skipped them, and Label Studio never serves them to the same person"
        " again"
    ),
    SkipQueue.ME: (
        "Label Studio serves them again to those who skipped them, once nothing else is left for them"
    ),
    SkipQueue.IGNORE: (
        "the project's setting 'ignore skipped' counts them as labelled, so that nobody is served them"
    ),
}


def check_skips(settings: Settings, project_id: int) -> list[Finding]:
    """Which images are skipped for good, and whether anybody is served nothing because of skips."""
    client = connect(settings)
    skips = read_skips(client, client.project(project_id))
    open_tasks = set(client.task_ids(project_id, "unlabelled"))
    command = f"python -m backend unskip --project {project_id}"
    if not skips.by_task:
        return [Finding("skips", Severity.OK, "no open image is skipped")]
    if not open_tasks - skips.done:
        count = len(skips.done)
        all_ = "the only open image is" if count == 1 else f"all {count} open images are"
        text = (
            f"{all_} skipped: {WHAT_BECOMES_OF_THEM[skips.queue]}. No new order is made until others are"
            " imported or put back"
        )
        return [Finding("skips", Severity.WARNING, text, f"{command} (or import more images)")]
    found = [Finding("skips", Severity.OK, _summary(skips))]
    if skips.queue is SkipQueue.OTHERS:
        names = client.contributors(project_id)
        for person in sorted(skips.people):
            if all(person in skips.by_task.get(task, ()) for task in open_tasks):
                text = (
                    f"{names.get(person, person)} has skipped all {len(open_tasks)} open images, and is"
                    " served nothing; others are"
                )
                found.append(
                    Finding(
                        "skips", Severity.WARNING, text, f"{command} --task NUMBER (for each to be put back)"
                    )
                )
    return found


def _summary(skips: Skips) -> str:
    done, partly = len(skips.done), len(skips.by_task) - len(skips.done)
    texts = (
        [f"{done} skipped {'image is' if done == 1 else 'images are'} waited for by nothing"] if done else []
    )
    texts += (
        [f"{partly} {'is' if partly == 1 else 'are'} skipped by some and served to others"] if partly else []
    )
    return "; ".join(texts)
