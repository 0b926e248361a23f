"""The export that is asked for on the status page: the same as on the command line, as a zip file."""

from __future__ import annotations

import shutil

from backend.errors import CancelledError
from backend.export.archive import publish_archive
from backend.export.project_masks import export_masks
from backend.project.context import Context
from backend.queue.job_result import JobResult
from backend.queue.progress import Progress
from model.export.mask_format import MaskFormat


def export_archive(context: Context, progress: Progress, mask_format: MaskFormat) -> JobResult:
    """Write all masks into a folder of this machine, and pack it. A killed run leaves the folder for the
    next one, a cancelled one does not."""
    work = context.settings.model_dir.resolve() / "cache" / f"export-{context.project_id}"
    try:
        done = export_masks(context, work, mask_format=mask_format, force=True, on_progress=progress)
        shutil.rmtree(work / "earlier", ignore_errors=True)  # of a run before with another format
        publish_archive(context, work, str(mask_format), done.summary, done.problems, progress)
    except CancelledError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    named = f"; {len(done.problems)} images or labels could not be exported" if done.problems else ""
    return {"reason": f"{done.summary}{named}. Download the zip file under Masks."}
