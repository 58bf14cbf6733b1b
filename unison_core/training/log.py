"""What a training run tells: a JSON line per report, and a progress bar on stderr."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingLog:
    """Appends one JSON object a line to `path`, flushed at once; a resumed run continues the file."""

    def __init__(self, path: Path, *, enabled: bool = True) -> None:
        self.path, self.enabled = path, enabled
        if enabled:
            path.parent.mkdir(parents=True, exist_ok=True)

    def rewind(self, step: int) -> None:
        """Forget rows after `step`, and a last line that a kill cut short: a resumed run writes them again."""
        if not self.enabled or not self.path.is_file():
            return
        kept = [line for line in self.path.read_text(encoding="utf-8").splitlines() if _step(line) <= step]
        partial = self.path.with_name(f".{self.path.name}.partial")
        partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        os.replace(partial, self.path)

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Add a row; floats keep six significant digits."""
        if self.enabled:
            rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rounded) + "\n")


def _step(line: str) -> float:
    """The step that a row is of; infinite for a line that is no row."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


class Bar(Protocol):
    """Moves a progress bar to the fraction done, in [0, 1]; `text` replaces what stands before it."""

    def __call__(self, done: float, text: str | None = None) -> None: ...


@contextmanager
def progress_bar(title: str, *, enabled: bool = True) -> Iterator[Bar]:
    """A bar on stderr with the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not enabled) as progress:
        task = progress.add_task(title, total=1.0)

        def move(done: float, text: str | None = None) -> None:
            progress.update(task, completed=done, description=text)

        yield move
