"""Stages 1 (audio branch) and 2 (joint) of training: latents in, EMA weights out; the objective is a callable."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from unison_core.config import Preset, load_preset
from unison_core.errors import UnisonError
from unison_core.model.unison import Unison
from unison_core.training.checkpoint import load_checkpoint, save_checkpoint
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.ema import EMA
from unison_core.training.graphed import GraphedBackward, average_gradients
from unison_core.training.log import TrainingLog, progress_bar
from unison_core.training.meter import Meter
from unison_core.training.objective import Losses, Noised, ObjectiveConfig, draw_noise, flow_losses
from unison_core.training.reference_pairs import ReferencePairs
from unison_core.training.shards import LatentPool
from unison_core.types import VIDEO
from unison_core.weights.save import save_model
from unison_core.weights.state import load_model_state

AGREE_EVERY = 10
"""Steps between two moments at which processes agree on the time."""
QUARTERS = 4
"""Ranges of sigma that losses are logged for."""
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
"""Accelerate's names of mixed precision."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the latents come from."""

    shards: str
    """Folder of `*.tar` that `unison prepare` writes."""
    follow_s: float = 0.0
    """Look for new shards this often while training; 0 reads the folder once."""
    wait_for: int = 1
    """Samples to wait for before the first step."""
    reference: ReferencePairs = field(default_factory=ReferencePairs)
    """Reference voices; off unless a probability is given."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with warm-up and a schedule over the fraction of training done."""

    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    warmup: int = 1000
    """Steps of linear warm-up."""
    schedule: str = "cosine"
    """`cosine` to `final`, `constant`, or `steps`: times 0.1 at each of `milestones`."""
    final: float = 0.02
    """Share of lr that the cosine ends at."""
    milestones: tuple[float, ...] = (0.8, 0.9)
    """Fractions of training at which `steps` divides lr by ten (240k and 270k of 300k in the paper)."""
    max_norm: float = 1.0
    """Gradients are clipped to this norm."""

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "constant", "steps"):
            raise ValueError(f"schedule={self.schedule!r} is none of cosine, constant, steps")

    def rate(self, clock: Clock) -> float:
        """Learning rate at a moment of training."""
        if self.schedule == "cosine":
            return self.lr * clock.cosine(self.warmup, self.final)
        drops = sum(clock.progress >= m for m in self.milestones) if self.schedule == "steps" else 0
        return self.lr * clock.rise(self.warmup) * 0.1**drops


@dataclass(frozen=True, kw_only=True)
class FlowTrainingConfig:
    """A stage of training of the joint model."""

    stage: str
    """`audio` trains the audio branch and the text side; `joint` trains everything that is not frozen."""
    preset: str = "nano"
    out: str
    """Folder of checkpoints, log and exported weights."""
    init_from: str | None = None
    """Model folder to start from; parts that it lacks are initialised."""
    codecs: str | None = None
    """Folder of codec weights that the exported model folder gets."""
    data: DataConfig
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    freeze: tuple[str, ...] = ()
    """Top-level modules that stay as they are, for example `video` in the paper's stage 2."""
    batch: int = 32
    """Clips per process and step."""
    steps: int = 300000
    minutes: float = 0.0
    """Stop after this long, with the schedules keyed to it; 0 counts steps alone."""
    ema: float = 0.999
    seed: int = 0
    precision: str = "fp32"
    """`fp32`, or mixed precision in `bf16` or `fp16`."""
    compile: bool = False
    """Compile the repeated blocks."""
    cuda_graphs: bool = False
    """Record each clip length's forward and backward pass as a CUDA graph: for models whose kernels are so small that
    starting them takes longer than running them. Processes then average their gradients themselves."""
    log_every: int = 20
    save_every_s: float = 120.0
    resume: bool = True
    """Continue from the checkpoint in `out` if there is one."""

    def __post_init__(self) -> None:
        if self.stage not in ("audio", "joint"):
            raise ValueError(f"stage={self.stage!r} is neither 'audio' nor 'joint'")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} is none of {', '.join(PRECISIONS)}")


class ObjectiveModule(nn.Module):
    """The model with its losses as `forward`, so that data-parallel wrappers see every parameter in use."""

    def __init__(self, model: Unison) -> None:
        super().__init__()
        self.model = model

    def forward(self, noised: Noised) -> Losses:
        return flow_losses(self.model, noised)


def train_flow(config: FlowTrainingConfig) -> Path:
    """Train one stage; returns the exported model folder."""
    preset = load_preset(config.preset)
    accelerator = Accelerator(mixed_precision=PRECISIONS[config.precision])
    torch.set_float32_matmul_precision("high")
    set_seed(config.seed)
    out = Path(config.out)
    model = build_model(config, preset)
    pool = LatentPool(
        Path(config.data.shards), accelerator.device,
        streams=(VIDEO, *model.audio.stream_names) if config.stage == "joint" else model.audio.stream_names,
        caption_length=preset.model.caption.length, follow_s=config.data.follow_s, wait_for=config.data.wait_for,
        pairs=config.data.reference, latent_rate_hz=preset.timing.latent_rate_hz,
    )  # fmt: skip
    optimizer = build_optimizer(model, config.optimizer, fused=accelerator.device.type == "cuda")
    if config.compile:
        model.compile_blocks()
    module, optimizer = ObjectiveModule(model), accelerator.prepare(optimizer)
    if not config.cuda_graphs:
        module = accelerator.prepare(module)
    backward = Backward(module.to(accelerator.device), accelerator, graphs=config.cuda_graphs)
    ema, clock = EMA(model, config.ema), Clock(steps=config.steps, minutes=config.minutes)
    draw = torch.Generator().manual_seed(config.seed * 7919 + accelerator.process_index)
    noise = torch.Generator(accelerator.device).manual_seed(config.seed * 7919 + accelerator.process_index)
    parts = {"module": model, "optimizer": optimizer, "ema": ema, "clock": clock}
    if config.resume:
        load_checkpoint(out / "checkpoint.pt", parts, {"draw": draw, "noise": noise})

    clock.start()
    clock.agree(accelerator)
    log = TrainingLog(out / "log.jsonl", enabled=accelerator.is_main_process)
    meter = Meter()
    saved = time.monotonic()
    with progress_bar(f"training {config.stage}", enabled=accelerator.is_main_process) as bar:
        while clock.progress < 1:
            rate = config.optimizer.rate(clock)
            set_learning_rate(optimizer, rate)
            batch = pool.sample(config.batch, draw)
            losses = backward(draw_noise(batch, config.objective, progress=clock.progress, generator=noise))
            norm = accelerator.clip_grad_norm_(module.parameters(), config.optimizer.max_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            clock.step += 1
            if clock.step % AGREE_EVERY == 0:
                clock.agree(accelerator)
            ema.update(clock.step)
            _record(meter, losses, norm)
            bar(clock.progress)
            if clock.step % config.log_every == 0:
                row, seconds = meter.take()
                if not all(math.isfinite(v) for v in row.values()):
                    raise UnisonError(f"loss is not finite at step {clock.step}: {row}; lower the learning rate")
                speed = config.log_every * config.batch * accelerator.num_processes / seconds
                log.write({"step": clock.step, "elapsed_s": clock.elapsed_s, "progress": clock.progress, "lr": rate,
                           "clips_per_s": speed, "pool": len(pool), **row})  # fmt: skip
            if accelerator.is_main_process and time.monotonic() - saved > config.save_every_s:
                _save(config, preset, model, ema, parts, {"draw": draw, "noise": noise})
                saved = time.monotonic()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _save(config, preset, model, ema, parts, {"draw": draw, "noise": noise})
    return out / "model"


class Backward:
    """Losses of a noised batch, and their gradients, averaged over the processes.

    Args:
        module: prepared by `accelerator`, except where `graphs` is set: hooks of wrappers do not run in a replay.
        accelerator: precision and processes.
        graphs: see `FlowTrainingConfig.cuda_graphs`.
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator, *, graphs: bool) -> None:
        self.module, self.accelerator, self.graphs = module, accelerator, graphs
        self._graphed = GraphedBackward(self._losses, module.parameters()) if graphs else None

    def __call__(self, noised: Noised) -> Losses:
        if self._graphed is None:
            losses = self.module(noised)
            self.accelerator.backward(losses.total)
            return losses.map(Tensor.detach)
        losses = self._graphed(noised)
        average_gradients(self.module.parameters())
        return losses

    def _losses(self, noised: Noised) -> tuple[Tensor, Losses]:
        with self.accelerator.autocast():
            losses = self.module(noised)
        return losses.total, losses


def build_model(config: FlowTrainingConfig, preset: Preset) -> Unison:
    """A model from `init_from` or from scratch, with frozen modules and, in stage 1, only the audio side trainable."""
    model = Unison(preset.model, preset.timing)
    if config.init_from:
        load_model_state(model, Path(config.init_from), partial=True)
    frozen = {*config.freeze, *(("video", "nodes", "sigma") if config.stage == "audio" else ())}
    for name in frozen:
        if not hasattr(model, name):
            raise UnisonError(f"freeze names {name!r}, which the model does not have")
        getattr(model, name).requires_grad_(False)
    return model


def build_optimizer(model: nn.Module, config: OptimizerConfig, *, fused: bool) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms, gates) are not decayed."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=fused)


def _record(meter: Meter, losses: Losses, norm: Tensor | float | None) -> None:
    """Loss per generated stream, in all and by quarter of the noise levels."""
    meter.put("loss", losses.total)
    for stream, loss in losses.plain.items():
        counted = losses.counted[stream].to(loss)
        meter.put(f"loss_{stream}", (loss * counted).sum(), counted.sum())
        inside = F.one_hot((losses.sigmas[stream] * QUARTERS).long().clamp(max=QUARTERS - 1), QUARTERS).to(loss)
        sums, counts = (loss * counted) @ inside, counted @ inside
        for quarter in range(QUARTERS):
            meter.put(f"loss_{stream}_sigma_{quarter / QUARTERS:g}", sums[quarter], counts[quarter])
    if norm is not None:
        meter.put("grad_norm", norm)


def _save(config: FlowTrainingConfig, preset: Preset, model: Unison, ema: EMA, parts: dict, generators: dict) -> None:
    out = Path(config.out)
    save_checkpoint(out / "checkpoint.pt", parts, generators)
    save_model(out / "model", preset, ema.state_dict_of(model), codecs=Path(config.codecs) if config.codecs else None)
