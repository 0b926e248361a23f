"""Settings of the project that decide whether annotators get the recommended order, with the masks."""

from __future__ import annotations

from backend.finding import Finding, Severity
from backend.labelstudio.connect.inspection import Inspection

UNCERTAINTY = "Uncertainty sampling"
_UNCHOSEN = ("", "Sequential sampling")
"""What a project has where nobody has chosen its sampling."""


def check_sampling(found: Inspection) -> list[Finding]:
    """Only Uncertainty sampling serves tasks by their scores."""
    if found.project.sampling == UNCERTAINTY:
        return [Finding("sampling", Severity.OK, f"tasks are served by {UNCERTAINTY}")]
    text = (
        f"tasks are served by {found.project.sampling or 'no rule'}, so annotators do not get the recommended"
        " order"
    )
    before = found.project.sampling or ""
    return found.fix(
        "sampling",
        text,
        f"set to {UNCERTAINTY}",
        lambda: found.set_option(sampling=UNCERTAINTY),
        will=f"tasks are served by {UNCERTAINTY}{f', in place of {before}' if before else ''}",
        overwrites=before not in _UNCHOSEN,
    )


def check_masks_shown(found: Inspection) -> list[Finding]:
    """Predictions must be shown, or annotators draw every mask from nothing."""
    if found.options.get("show_collab_predictions") is False:
        # Switching it off also empties the project's model_version, and without it the order is not served
        # either.
        text = (
            "the masks are hidden from annotators: 'Use predictions to prelabel tasks' is off (Settings,"
            " Annotation)"
        )
        fields = {"show_collab_predictions": True}
        if found.order and found.client.versions(found.project.id).get(found.order):
            fields |= {"model_version": found.order}  # type: ignore[dict-item]
        return found.fix(
            "masks",
            text,
            "switched on",
            lambda: found.set_option(**fields),
            will="annotators see the model's masks, which this project hides now",
            overwrites=True,
        )
    return [Finding("masks", Severity.OK, "annotators see the masks")]


def check_annotations(found: Inspection) -> list[Finding]:
    """How often each task is labelled, and whether an image with nothing on it can be submitted."""
    listed = []
    if found.project.maximum_annotations > 1:
        text = (
            f"each task is to be labelled {found.project.maximum_annotations} times; Label Studio then serves"
            " tasks that somebody has labelled before all others, at random, not in the recommended order"
        )
        listed.append(
            Finding(
                "annotations",
                Severity.WARNING,
                text,
                "Settings, Quality (or Annotation): annotations per task = 1",
            )
        )
    if found.options.get("enable_empty_annotation") is False:
        text = (
            "an image on which there is nothing to draw cannot be submitted: empty annotations are not"
            " allowed"
        )
        remedy = "Settings, Annotation (or Quality): allow empty annotations"
        listed.append(Finding("annotations", Severity.WARNING, text, remedy))
    if found.options.get("min_annotations_to_start_training"):
        text = (
            "each submit asks for a whole training and a new order, as 'Start model training on annotation"
            " submission' is on; labels are learnt without it"
        )
        listed.append(
            Finding("annotations", Severity.WARNING, text, "Settings, Model: switch it off, and Save")
        )
    return listed or [Finding("annotations", Severity.OK, "each task is labelled once")]
