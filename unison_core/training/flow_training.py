"""Stages 1 (audio branch) and 2 (joint) of training: latents in, EMA weights out; the objective is a callable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from unison_core.config import Preset, load_preset
from unison_core.errors import UnisonError
from unison_core.model.unison import Unison
from unison_core.training.clock import Clock
from unison_core.training.guard import GuardConfig
from unison_core.training.held_out import HeldOutConfig
from unison_core.training.latents import LatentSource, open_latents
from unison_core.training.lora import LoRAConfig, add_adapter
from unison_core.training.mixed_latents import MixedLatents
from unison_core.training.muon import KINDS, Muon, decay_groups
from unison_core.training.objective import Losses, Noised, ObjectiveConfig, flow_losses
from unison_core.training.processes import PRECISIONS
from unison_core.training.reference_pairs import ReferencePairs
from unison_core.training.samples import SamplesConfig
from unison_core.types import AUDIO_STREAMS, MIX, VIDEO
from unison_core.weights.resolve import folder_named
from unison_core.weights.state import load_model_state


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the latents come from."""

    shards: str = ""
    """Folder of `*.tar` that `unison prepare` writes: a path, or a URL that fsspec knows."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """Several folders instead, and how often each is drawn from."""
    source: str = "pool"
    """`pool` keeps all latents in the device's memory; `stream` reads each clip when it is drawn."""
    ahead: int = 4
    """Batches of a stream that are read before they are needed."""
    follow_s: float = 0.0
    """Look for new shards this often while training; 0 reads the folder once."""
    wait_for: int = 1
    """Samples to wait for before the first step."""
    reference: ReferencePairs = field(default_factory=ReferencePairs)
    """Reference voices; off unless a probability is given."""

    def __post_init__(self) -> None:
        if bool(self.shards) == bool(self.mix):
            raise ValueError("data names either one folder, `shards`, or several, `mix`")
        if self.mix and (min(self.mix.values()) < 0 or sum(self.mix.values()) <= 0):
            raise ValueError("data.mix needs non-negative shares that do not all vanish")
        if self.ahead < 0:
            raise ValueError(f"ahead={self.ahead} must not be negative")

    @property
    def folders(self) -> Mapping[str, float]:
        """Folders and their shares."""
        return self.mix or {self.shards: 1.0}


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW or Muon, with warm-up and a schedule over the fraction of training done."""

    kind: str = "adamw"
    """`adamw`, or `muon` for hidden matrices and AdamW for the rest, at the same learning rate."""
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
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} is none of {', '.join(KINDS)}")
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
    """Model folder, bundled model or `owner/name[@revision]` on the Hub; parts that it lacks are initialised."""
    init_without: tuple[str, ...] = ()
    """Top-level modules that start anew whatever `init_from` holds, for example `nodes`."""
    codecs: str | None = None
    """Folder, bundled model or Hub id whose codecs the exported model folder gets."""
    data: DataConfig
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    freeze: tuple[str, ...] = ()
    """Top-level modules that stay as they are, for example `video` in the paper's stage 2."""
    batch: int = 32
    """Clips per step, over all processes."""
    micro_batch: int = 0
    """Clips per forward pass: gradients of several are added up. 0 takes each process's share at once; with a number,
    any number of processes sees the same clips and the same noise."""
    steps: int = 300000
    minutes: float = 0.0
    """Stop after this long, with the schedules keyed to it; 0 counts steps alone."""
    ema: float = 0.999
    seed: int = 0
    precision: str = "fp32"
    """`fp32`; mixed precision in `bf16` or `fp16` (autocast of float32 weights); or `bf16_weights`: the model itself in
    bf16, trained through float32 masters, which nothing is cast for."""
    compile: bool = False
    """Compile the repeated blocks."""
    cuda_graphs: bool = False
    """Record each clip length's forward and backward pass as a CUDA graph: for models whose kernels are so small that
    starting them takes longer than running them. Processes then average their gradients themselves."""
    checkpoint_activations: bool = False
    """Compute the blocks again in the backward pass instead of keeping what is inside them: a third more time, a
    fraction of the memory."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """Which steps are passed over, and when training gives up."""
    lora: LoRAConfig | None = None
    """Train an adapter on the weights of `init_from` instead of the weights themselves."""
    held_out: HeldOutConfig | None = None
    """Measure the loss on held-out clips; the checkpoint with the lowest stays."""
    samples: SamplesConfig | None = None
    """Make clips of fixed prompts at intervals, and score them."""
    log_every: int = 20
    tensorboard: bool = False
    """Write the log for TensorBoard as well, into `out`/tensorboard."""
    save_every_s: float = 120.0
    """Seconds between two checkpoints with exported weights; 0 counts steps alone."""
    save_every: int = 0
    """Steps between two checkpoints; 0 counts seconds alone."""
    keep: int = 2
    """How many of the newest checkpoints stay, beside the best."""
    resume: bool = True
    """Continue from the newest whole checkpoint in `out` if there is one."""

    def __post_init__(self) -> None:
        if self.stage not in ("audio", "joint"):
            raise ValueError(f"stage={self.stage!r} is neither 'audio' nor 'joint'")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} is none of {', '.join(PRECISIONS)}")
        if min(self.batch, self.steps, self.log_every, self.keep) < 1 or min(self.micro_batch, self.save_every) < 0:
            raise ValueError(
                f"batch={self.batch}, steps={self.steps}, log_every={self.log_every} and keep={self.keep} must be at "
                f"least 1, micro_batch={self.micro_batch} and save_every={self.save_every} at least 0"
            )
        if self.cuda_graphs and self.checkpoint_activations:
            raise ValueError("cuda_graphs is for models that need no checkpoint_activations: choose one")
        if self.lora and not self.init_from:
            raise ValueError("lora adapts a model: name it by init_from")
        if self.lora and self.init_without:
            raise ValueError("lora adapts a whole model: init_without would leave parts that no adapter holds")


class ObjectiveModule(nn.Module):
    """The model with its losses as `forward`, so that data-parallel wrappers see every parameter in use."""

    def __init__(self, model: Unison) -> None:
        super().__init__()
        self.model = model

    def forward(self, noised: Noised) -> Losses:
        return flow_losses(self.model, noised)


def train_flow(config: FlowTrainingConfig) -> Path:
    """Train one stage; returns the exported model folder, or the adapter's where one is trained.

    Raises:
        UsageError: the data, the model and the processes do not fit together; before the first step.
        UnisonError: training diverged, or its last checkpoint could not be written.
    """
    from unison_core.training.flow_run import FlowRun

    return FlowRun(config, load_preset(config.preset)).run()


def open_source(data: DataConfig, stage: str, preset: Preset, device: torch.device) -> LatentSource:
    """The latents that a stage draws from; raises UsageError where they do not fit the model."""
    sound = AUDIO_STREAMS if preset.model.audio.dual_stream else (MIX,)
    streams = (VIDEO, *sound) if stage == "joint" else sound
    sources = [
        open_latents(folder, device, streams=streams, preset=preset, source=data.source, follow_s=data.follow_s,
                     wait_for=data.wait_for, pairs=data.reference)
        for folder in data.folders
    ]  # fmt: skip
    return sources[0] if len(sources) == 1 else MixedLatents(sources, list(data.folders.values()))


def build_model(config: FlowTrainingConfig, preset: Preset) -> Unison:
    """A model from `init_from` or from scratch, with frozen modules and, in stage 1, only the audio side trainable."""
    model = Unison(preset.model, preset.timing)
    modules = dict(model.named_children())
    frozen = {*config.freeze, *(("video", "nodes", "sigma") if config.stage == "audio" else ())}
    for field_name, names in (("freeze", frozen), ("init_without", config.init_without)):
        if unknown := sorted(set(names) - modules.keys()):
            raise UnisonError(f"{field_name} names {unknown[0]!r}, which the model does not have")
    if config.init_from:
        load_model_state(model, folder_named(config.init_from), partial=True, without=config.init_without)
    for name in frozen:
        modules[name].requires_grad_(False)
    if config.lora:
        add_adapter(model, config.lora)
    return model


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], config: OptimizerConfig, *, fused: bool
) -> torch.optim.AdamW:
    """The optimizer of those parameters that are trained, by name; vectors (biases, norms, gates) are not decayed."""
    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    if config.kind == "muon":
        return Muon(trained, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=fused)
    groups = decay_groups(list(trained.values()), config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=fused)
