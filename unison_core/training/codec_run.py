"""The loop that every codec's training shares: a pool of corpus items, a clock, EMA, log, checkpoints and exports.

A codec brings a `CodecTask`: what to keep of an item, one optimizer step, a check on held-out items, and an export.
"""

import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor

from unison_core.config import Preset
from unison_core.corpus.sample import CorpusItem
from unison_core.errors import UnisonError
from unison_core.training.checkpoint import Stateful, load_checkpoint, save_checkpoint
from unison_core.training.clock import Clock
from unison_core.training.log import TrainingLog, progress_bar
from unison_core.training.meter import Meter
from unison_core.training.pool import Pool
from unison_core.weights.resolve import PRESET_FILE
from unison_core.weights.save import write_preset

T = TypeVar("T")
ENDLESS = 2**31
"""Items of a stream that is read until training ends."""


@dataclass(frozen=True, kw_only=True)
class CodecTrainingConfig:
    """What the training of any codec needs to know."""

    PRECISIONS: ClassVar[tuple[str, ...]] = ("bf16", "fp32")
    stage: str
    """Which codec: `video_vae`, `audio_vae` or `vocoder`; or `separator`."""
    preset: str = "nano"
    out: str
    """Folder of the run: checkpoint, log."""
    export: str
    """Model folder that the EMA weights are written to; several codecs may share it."""
    seed: int = 0
    steps: int = 100_000
    """Optimizer steps at most."""
    minutes: float = 0.0
    """Stop after this long, start-up included, with the learning rate keyed to it; 0 counts steps alone."""
    batch: int = 32
    """Windows per process and step."""
    lr: float = 3e-4
    warmup: int = 200
    """Steps of linear warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    max_norm: float = 1.0
    """Gradients are clipped to this norm."""
    ema: float = 0.999
    """Decay of the averaged weights."""
    precision: str = "bf16"
    """`bf16` (autocast) on a GPU, or `fp32`; a CPU always trains in float32."""
    tf32: bool = True
    """Products of float32 matrices on a GPU by TF32, whose factors have 10 bits of mantissa; spectra never are."""
    workers: int = 4
    """Processes that make corpus items; 0 makes them in this one's thread."""
    items: int = 2000
    """Items kept in memory; newer ones replace older ones."""
    wait_items: int = 200
    """Training begins with this many."""
    variants: int = 1
    """Corpus items in a row that share one utterance: saves synthesis where pictures matter more."""
    check_items: int = 8
    """Held-out items that exports are measured on; 0 skips it."""
    log_every: int = 50
    save_every_s: float = 60.0
    """Seconds between checkpoints and exports."""
    resume: bool = True
    """Continue from `out`/checkpoint.pt where there is one."""
    init_from: str | None = None
    """Model folder, bundled model or `owner/name[@revision]` on the Hub whose weights training starts from."""

    def __post_init__(self) -> None:
        if self.precision not in self.PRECISIONS:
            raise ValueError(f"precision={self.precision!r} is none of {', '.join(self.PRECISIONS)}")
        if self.batch < 1 or self.steps < 1:
            raise ValueError(f"batch={self.batch} and steps={self.steps} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class VAETrainingConfig(CodecTrainingConfig):
    """What the trainings of both VAEs share."""

    latent_noise: float = 0.1
    """Largest disturbance of training latents, relative to their spread."""
    decoder_only: bool = False
    """Train the decoder of `init_from` alone: latents, and a model of them, stay valid."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder_only and not self.init_from:
            raise ValueError("decoder_only needs the encoder of an init_from")


class CodecTask(Protocol[T]):
    """One codec's side of training.

    Attributes:
        parts: what a checkpoint holds.
        generators: random states that a checkpoint holds.
    """

    parts: Mapping[str, Stateful]
    generators: Mapping[str, torch.Generator]

    def keep(self, item: CorpusItem) -> T | None:
        """The pool's entry for an item; None drops it."""

    def begin(self, entries: Sequence[T]) -> None:
        """Called once before the first step of a new training (not on resume)."""

    def step(self, entries: Sequence[T], clock: Clock) -> Mapping[str, Tensor]:
        """One optimizer step; returns losses as scalar tensors on the device."""

    def check(self, entries: Sequence[T]) -> Mapping[str, float]:
        """Quality of the EMA weights on held-out entries."""

    def export(self, folder: Path, entries: Sequence[T]) -> None:
        """Write the EMA weights; `entries` give the latents' statistics."""


@dataclass(frozen=True)
class Sources:
    """Streams of corpus items: endless ones to train on, a few held-out ones to check on."""

    train: Iterator[CorpusItem]
    held_out: Iterator[CorpusItem]


def corpus_sources(config: CodecTrainingConfig, process: int, *, video: bool) -> Sources:
    """The procedural corpus; every process of a distributed training reads other seeds."""
    from unison_core.corpus.stream import stream_items

    first = config.seed * 1_000_003 % ENDLESS + process * (ENDLESS // 64)
    helpers = min(config.workers, 1)
    return Sources(
        train=stream_items("train", first, ENDLESS, config.workers, video, variants=config.variants),
        held_out=stream_items("held_out", 0, config.check_items, helpers, video),
    )


class CodecRun(Generic[T]):
    """Runs a task to the end of its clock."""

    def __init__(
        self,
        config: CodecTrainingConfig,
        preset: Preset | None,
        accelerator: Accelerator,
        task: CodecTask[T],
        sources: Sources,
        clock: Clock,
    ) -> None:
        self.config, self.preset, self.accelerator, self.task = config, preset, accelerator, task
        self.clock = clock
        self.checkpoint = Path(config.out) / "checkpoint.pt"
        self.draw = torch.Generator().manual_seed(config.seed * 7919 + accelerator.process_index)
        self.log = TrainingLog(Path(config.out) / "log.jsonl", enabled=accelerator.is_main_process)
        self.pool = Pool(sources.train, config.items, task.keep)
        self.held_out = Pool(sources.held_out, max(config.check_items, 1), task.keep)

    def run(self) -> Path:
        """Train; returns the model folder that was exported to."""
        resumed = self.config.resume and load_checkpoint(self.checkpoint, self._parts(), self._generators())
        try:
            with progress_bar(f"{self.config.stage}: items", enabled=self.accelerator.is_main_process) as bar:
                self.pool.wait(self.config.wait_items, bar)
            if not resumed:
                self.task.begin(self.pool.entries)
            with progress_bar(f"{self.config.stage}: training", enabled=self.accelerator.is_main_process) as bar:
                self._loop(bar)
            self.accelerator.wait_for_everyone()
            self._save()
        finally:
            self.pool.close()
            self.held_out.close()
        return Path(self.config.export)

    def _loop(self, bar) -> None:  # type: ignore[no-untyped-def]
        meter, saved = Meter(), time.monotonic()
        self.clock.agree(self.accelerator)
        while self.clock.progress < 1:
            self.pool.refill()
            meter.add(self.task.step(self.pool.sample(self.config.batch, self.draw), self.clock))
            self.clock.step += 1
            bar(self.clock.progress)
            if self.clock.step % self.config.log_every == 0:
                self._report(meter)
                self.clock.agree(self.accelerator)
            if time.monotonic() - saved > self.config.save_every_s:
                self._save()
                saved = time.monotonic()

    def _report(self, meter: Meter) -> None:
        losses, seconds = meter.take()
        if not all(math.isfinite(value) for value in losses.values()):
            raise UnisonError(f"a loss is not finite at step {self.clock.step}: {losses}; lower lr={self.config.lr}")
        windows = self.config.log_every * self.config.batch * self.accelerator.num_processes
        self.log.write(
            {
                "step": self.clock.step,
                "elapsed_s": self.clock.elapsed_s,
                "progress": self.clock.progress,
                "lr": self.config.lr * self.clock.cosine(self.config.warmup),
                "windows_per_s": windows / max(seconds, 1e-9),
                "pool": len(self.pool),
                "items_seen": self.pool.received,
                **losses,
            }
        )

    def _save(self) -> None:
        """Checkpoint, export and check, by the main process."""
        if not self.accelerator.is_main_process:
            return
        save_checkpoint(self.checkpoint, self._parts(), self._generators())
        folder = Path(self.config.export)
        if self.preset is not None:  # a separator brings a configuration of its own
            ensure_preset(folder, self.preset)
        self.task.export(folder, self.pool.entries)
        self.held_out.refill()
        if self.config.check_items and len(self.held_out):
            checks = self.task.check(self.held_out.entries)
            self.log.write({"step": self.clock.step, "elapsed_s": self.clock.elapsed_s, **checks})

    def _parts(self) -> dict[str, Stateful]:
        return {**self.task.parts, "clock": self.clock}

    def _generators(self) -> dict[str, torch.Generator]:
        return {**self.task.generators, "draw": self.draw}


def ensure_preset(folder: Path, preset: Preset) -> None:
    """Write `unison.yaml` into a model folder that lacks it; safe when several trainings share the folder."""
    if (folder / PRESET_FILE).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".preset-") as own:
        write_preset(Path(own), preset)
        os.replace(Path(own) / PRESET_FILE, folder / PRESET_FILE)
