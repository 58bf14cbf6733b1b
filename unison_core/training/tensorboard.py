"""The log's rows as TensorBoard scalars, beside the JSON lines."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from unison_core.errors import UsageError


class TensorBoard:
    """Writes scalars into `folder`; a resumed run hides what was written after its step.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        if find_spec("tensorboard") is None:
            raise UsageError("tensorboard=true needs the package: pip install -e '.[train]'")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Add a row; its `step` is the horizontal axis, and names are grouped by their first word."""
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                self._writer.add_scalar(name.replace("_", "/", 1), value, int(row["step"]))
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
