"""Clips of fixed prompts and their metrics, at intervals, as files to watch while training goes on.

    samples/step-00010000/clips/ID/video.mp4 ...    summary.md  index.html
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unison_core.errors import UnisonError


@dataclass(frozen=True, kw_only=True)
class SamplesConfig:
    """Which clips are made, how often, and how they are scored."""

    prompts: str
    """JSONL or CSV file, as `unison generate --prompts` reads it; rows with a `seed` are the same noise every time."""
    every: int = 5000
    """Steps between two sets of samples."""
    metrics: tuple[str, ...] | None = None
    """Names of metrics (`unison eval`); None takes those that need no weights."""
    steps: int | None = None
    """Sampling steps; None takes the model's own."""
    limit: int | None = None
    """Only the first so many prompts."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every={self.every} must be at least 1")


class _Quiet:
    """Training has its own progress bar: an evaluation inside it says nothing but warnings."""

    def info(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        print(f"warning: samples: {text}", file=sys.stderr)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        yield

    @contextmanager
    def steps(self, text: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: None


def make_samples(
    config: SamplesConfig, model: Path, out: Path, device: str, precision: str = "auto", loras: tuple[str, ...] = ()
) -> dict[str, float]:
    """Make the clips with the exported weights and score them; every process makes its share.

    Args:
        config: prompts and metrics. model: model folder. out: folder of this set of samples.
        device: where. precision: `auto`, `bf16` or `fp32`. loras: adapters on the model.

    Returns:
        Mean of every figure that could be scored; what fails is told of and does not end the training.
    """
    from unison_core.evaluation.run import EvalRequest, run_evaluation

    request = EvalRequest(
        source=Path(config.prompts), model=str(model), metrics=config.metrics, steps=config.steps, limit=config.limit,
        out=out, device=device, precision=precision, offline=True, loras=loras,
    )  # fmt: skip
    try:
        summary = run_evaluation(request, _Quiet())
    except UnisonError as error:
        print(f"warning: no samples in {out}: {error}", file=sys.stderr)
        return {}
    means = {name: figure.overall.mean for name, figure in summary.figures.items() if figure.overall}
    return {name: float(value) for name, value in means.items()}
