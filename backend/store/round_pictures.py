"""What a round's folder keeps for the page: pictures of the next tasks, and the map of the similarity."""

from __future__ import annotations

from typing import NotRequired, TypedDict

FOLDER = "pictures"
INDEX = "pictures.json"
SIMILARITY = "similarity.json"


class Picture(TypedDict):
    """What the page knows of a task of the order."""

    name: str  # of the image file
    picture: bool  # whether there is one
    hidden: NotRequired[bool]  # whether the image is shown without its mask
    mask: NotRequired[bool]  # whether the model has found something in it; missing where it has not looked


NO_PICTURE: Picture = {"name": "", "picture": False}


def picture_name(round_folder: str, task: int) -> str:
    """Where the picture of a task is kept."""
    return f"{round_folder}/{FOLDER}/{task}.jpg"
