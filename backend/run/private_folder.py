"""Folders that no other user of the machine may read: they hold keys, passwords, jobs and images."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Permissions of the group and of everybody else."""


def keep_private(folder: Path, report: Callable[[str], None]) -> None:
    """Make a folder, or tighten one that others could enter, with all that is in it;
    says so where it was open.

    Links are left as they are, and so is what they lead to.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = folder.resolve()  # it may itself be a link
    if not folder.stat().st_mode & OTHERS:
        return
    try:
        _tighten(folder)  # first, so that nobody gets in while the rest follows
    except OSError as error:
        report(
            f"Other users of this machine can read {folder}, which holds keys and images, and it cannot be"
            f" changed ({error})."
        )
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                _tighten(Path(parent, name))
            except OSError:  # of another user, or gone meanwhile; nobody else gets as far as this
                continue
    report(f"Other users of this machine could read {folder}; it is for you alone now.")


@contextmanager
def private_files() -> Iterator[None]:
    """What this process and those that it starts create within is for its owner alone."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def _tighten(path: Path) -> None:
    if not path.is_symlink():
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
