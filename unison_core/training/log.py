"""What a training run tells: a JSON line per report, and a progress bar on stderr."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingLog:
    """Appends one JSON object a line to `path`, flushed at once; a resumed run continues the file."""

    def __init__(self, path: Path, *, enabled: bool = True) -> None:
        self.path, self.enabled = path, enabled
        if enabled:
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Add a row; floats keep six significant digits."""
        if self.enabled:
            rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rounded) + "\n")


@contextmanager
def progress_bar(title: str, *, enabled: bool = True) -> Iterator[Callable[[float], None]]:
    """A bar on stderr with the time left; yields a function that takes the fraction done, in [0, 1]."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not enabled) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda done: progress.update(task, completed=done)
