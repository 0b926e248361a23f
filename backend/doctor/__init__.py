"""Looks at everything the service depends on, changes nothing, and names for each thing that is wrong what
fixes it."""

from backend.doctor.examination import Examination, examine

__all__ = ["Examination", "examine"]
