"""The project's labelling instructions: written where there are none, never over a person's."""

from __future__ import annotations

import html

from backend.finding import Finding, Severity
from backend.labelstudio.connect.inspection import Inspection
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.controls import Kind

NAME = "expert_instruction"
_SKIPPED = {
    "": "you are not shown it again",
    "REQUEUE_FOR_ME": "it comes back to you when all others are done",
    "IGNORE_SKIPPED": "it counts as done",
}
"""What becomes of a skipped image, by the project's setting; by default others may still get it."""


def check_instructions(found: Inspection) -> list[Finding]:
    """Written once; our own text is kept up to date, a person's, or an emptied field, is left alone."""
    kind, skip = parse(found.project.label_config).writer.kind, str(found.options.get("skip_queue") or "")
    text = write_instructions(kind, skip, found.own.pages, found.project.id)
    now, ours = str(found.options.get(NAME) or "").strip(), found.written(NAME)
    if now == text:
        return [
            Finding("instructions", Severity.OK, "they tell how to correct a mask, and what the order means")
        ]
    if now and now != ours:
        return [Finding("instructions", Severity.OK, "they are the lab's own, and stay")]
    if not now and ours is not None:
        return [
            Finding(
                "instructions",
                Severity.OK,
                "there are none: those that were written have been removed by a person",
            )
        ]
    what, will = (
        (
            "are those of another address or an earlier edition",
            "the labelling instructions, which connecting has written, are brought up to date",
        )
        if now
        else (
            "are empty: annotators are not told how to correct a mask",
            "the labelling instructions, which are empty, tell how to correct a mask",
        )
    )
    return found.fix(
        "instructions",
        f"the labelling instructions {what}",
        # Not shown before labelling (show_instruction): that covers the image at every start;
        # the button is always there.
        "written; the button Instructions on the labelling page shows them",
        lambda: found.set_option(**{NAME: text}),
        Severity.WARNING,
        will=will,
    )


def write_instructions(kind: Kind, skip_queue: str, pages: str, project_id: int) -> str:
    """What annotators need to know, as HTML of the tags that Label Studio keeps.

    `skip_queue` is the project's setting;
    `pages` is where browsers reach the status pages, "" if that is not known.
    """
    tool = {
        Kind.BRUSH: "then paint with the brush (B) or rub out with the eraser (E)",
        Kind.POLYGON: "then move its points",
    }.get(kind, "then change it")
    # Choosing a label leaves the eraser in the hand, which does nothing then.
    draw = "then draw with the brush (B)" if kind is Kind.BRUSH else "then draw"
    points = (
        (
            "<b>To correct a mask, select it first</b>: click its line in the <i>Regions</i> list beside the"
            f" image, {tool}. Until it is selected, the tools do nothing."
        ),
        f"<b>To add what the model has missed</b>, choose the label below the image, {draw}.",
        (
            "<b>If the mask is right</b>, submit it as it is. <b>If it is all wrong</b>, select it, press"
            " Backspace, and draw your own."
        ),
        (
            "<b>Skip</b> passes an image over: the model learns nothing from it, and"
            f" {_SKIPPED.get(skip_queue, _SKIPPED[''])}."
        ),
        (
            "<b>A new order</b> may come while you work. The image that you have open stays yours, with all"
            " that you have drawn; only the next one follows the new order."
        ),
    )
    text = (
        "<h4>How to label here</h4><p>The images come in a recommended order, so that few labels go a long"
        " way. The model has drawn a mask on most of them: correct it, and"
        f" submit.</p><ul>{''.join(f'<li>{point}</li>' for point in points)}</ul>"
    )
    if not pages:
        return text
    address = html.escape(f"{pages}/projects/{project_id}")
    # Label Studio takes target="_blank" away, so the link would leave an image that is being labelled.
    link = f'<a href="{address}">status page</a> (with Ctrl or Cmd and a click it opens beside this one)'
    return f"{text}<p>Which image is next and why, and how good the model is: {link}.</p>"
