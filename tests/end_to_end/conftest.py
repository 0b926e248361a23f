"""The stack is shared with the tests of pages: see tests/stack.py."""

from tests.stack import CONFIG, PATIENCE, RECIPE, Annotator, CellProject, Stack

__all__ = ["CONFIG", "PATIENCE", "RECIPE", "Annotator", "CellProject", "Stack"]
