"""Progress of a run on a terminal: a bar, one line for each step that did not succeed, seconds at the end."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from orchestration.runner import StepEnd


class StepPrinter:
    """Callable that the runner tells of each finished step."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._title = title
        self._not_run: list[str] = []
        self._started = time.monotonic()
        self._last = self._started
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(escape(title), total=None)

    def __enter__(self) -> "StepPrinter":
        self._progress.start()
        return self

    def __call__(self, step: "StepEnd") -> None:
        now = time.monotonic()
        took, self._last = now - self._last, now
        self._progress.update(self._task, description=escape(self._title), total=step.total, completed=step.done)
        name = escape(step.step.replace("__", "/"))
        if step.status == "failure":
            self._console.print(f"[bold red]stopped[/] {name} {took:6.1f} s  {escape(step.message)}")
        elif step.status == "not run":
            self._not_run.append(name)
        else:
            self._console.print(f"[green]done[/]    {name} {took:6.1f} s")

    def message(self, text: str) -> None:
        """Show what a long step is at."""
        self._progress.update(self._task, description=f"{escape(self._title)}: {escape(text[:60])}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._not_run:
            names = ", ".join(self._not_run)
            self._console.print(f"[yellow]not run[/] because something before them stopped: {names}")
        self._console.print(f"{escape(self._title)}: {time.monotonic() - self._started:.1f} s")
