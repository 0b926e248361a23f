"""What people should know of a labelling configuration that can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backend.labelstudio.labels.controls import WRITERS, Control, Kind, list_controls, teaches


def warn_of_controls(
    labels: Sequence[str],
    controls: Sequence[Control],
    prompts: Sequence[Control],
    unlabelled: Sequence[str],
    elsewhere: Sequence[str],
    image_name: str,
) -> Iterator[str]:
    """What people should know of a configuration that can be used."""
    drawn = {label for control in controls if control.kind in WRITERS for label in control.labels}
    for label in labels:
        if label not in drawn:
            kinds = {
                control.kind for control in controls if label in control.labels and control not in prompts
            }
            whole = " All pixels of a box count as the label." if kinds == {Kind.RECTANGLE} else ""
            yield (
                f"The label {label!r} is learnt but not pre-annotated: no BrushLabels or PolygonLabels"
                f" control has it.{whole}"
            )
    boxes = [control for control in controls if control.kind is Kind.RECTANGLE and not control.smart]
    boxes_beside = [
        control
        for control in boxes
        if not all(teaches(control.kind, False, label, controls) for label in control.labels)
    ]
    if boxes_beside:
        yield (
            f"Boxes of {list_controls(boxes_beside)} are not learnt, as a brush or polygon draws the same"
            " labels exactly; outline with these what the model is to learn."
        )
    if unlabelled:
        yield (
            f"What {', '.join(unlabelled)} draws carries no label of its own and is not learnt; use"
            " BrushLabels or PolygonLabels."
        )
    if elsewhere:
        yield (
            f"{', '.join(elsewhere)} draws on another image; only what is drawn on the Image {image_name!r}"
            " is learnt."
        )


def warn_of_twins(labels: Sequence[str], aliases: Mapping[str, str]) -> Iterator[str]:
    """Labels that look like one to annotators, and are classes of their own."""
    shown = {alias: value for value, alias in aliases.items()}
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(" ".join(shown.get(label, label).casefold().split()), []).append(label)
    for names in alike.values():
        if len(names) > 1:
            yield (
                f"The labels {', '.join(map(repr, names))} look like one, and are learnt as {len(names)}"
                " classes: Label Studio stores the alias of a label where it has one, and each name as it is"
                " written. If they mean the same, give all of them the same value and alias."
            )
