"""Progress on a terminal: bars with the time that is left."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class ProgressBar(Progress):
    """Lines of a step each:
    what of it is done, for how long it has been going on, and how long the rest will take."""

    def __init__(self, console: Console, get_time: Callable[[], float] | None = None) -> None:
        """`get_time` is the clock, in seconds."""
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeLeft(),
            console=console,
            get_time=get_time,
        )

    def report(self, line: TaskID, done: int, total: int, step: str | None = None) -> None:
        """Show that `done` of `total` parts are done, of another `step` than before if it is given.

        The first report of a step tells what was done before:
        the time it took is not known, so that it does not count.
        """
        shown = next(task for task in self.tasks if task.id == line)
        step = shown.description if step is None else step
        now = self.get_time()
        if (step, total) != (shown.description, shown.total):
            if not self.console.is_terminal and step != shown.description:
                self.console.print(f"{step} ...", markup=False)  # a log holds no bars before the end
            self.reset(
                line,
                total=total,
                completed=done,
                visible=True,
                description=step,
                before=done,
                begun=now,
                last=now,
            )
        else:
            self.update(line, completed=done, last=now)


class TimeLeft(ProgressColumn):
    """The time left by the mean pace since the first report, however long a part takes;
    it counts down between two reports."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds, or dashes until something is done."""
        done = task.completed - task.fields.get("before", task.completed)
        if task.total is None or done <= 0:
            return Text("-:--:--", style="progress.remaining")
        pace = (task.fields["last"] - task.fields["begun"]) / done
        left = pace * (task.total - task.completed) - (task.get_time() - task.fields["last"])
        minutes, seconds = divmod(max(0, round(left)), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}", style="progress.remaining")
