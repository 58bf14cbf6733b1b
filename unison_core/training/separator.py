"""Training of a separator: mixtures of corpus stems, and the error of the speech stem (`separation_loss.py`)."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor

from unison_core.corpus.sample import CorpusItem
from unison_core.errors import UnisonError, one_line
from unison_core.evaluation.loudness import si_sdr
from unison_core.separation.config import load_separator_preset
from unison_core.separation.inverse_stft import HostFreeISTFT
from unison_core.separation.local_mixing import start_from
from unison_core.separation.mel_roformer import (
    build_separator,
    compile_parts,
    load_separator,
    save_separator,
    uncompile_parts,
)
from unison_core.separation.separator import Separator
from unison_core.training.accelerate_setup import make_accelerator, restored_backends
from unison_core.training.checkpoint import Stateful
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.codec_run import CodecRun, CodecTrainingConfig, Sources, corpus_sources
from unison_core.training.ema import EMA
from unison_core.training.graphed import GraphedBackward, average_gradients
from unison_core.training.mixtures import MixtureConfig, Waves, gather_waves, mix_waves
from unison_core.training.muon import KINDS, Muon
from unison_core.training.phone_classifier import load_phone_classifier
from unison_core.training.separation_loss import SeparationObjective
from unison_core.types import SFX, SPEECH
from unison_core.weights.resolve import folder_named

QUIET = 1e-3
"""A stem whose peak is below this (-60 dBFS) counts as silent."""
MOST_IN_VAIN = 20
WEIGHTS = ("detail_weight", "reading_weight", "phones_weight", "missing_weight", "decibel_weight", "hardness")


@dataclass(frozen=True, kw_only=True)
class SeparatorTrainingConfig(CodecTrainingConfig):
    """Training of a separator; `preset` names one of `separation/presets`."""

    optimizer: str = "adamw"
    """`adamw`, or `muon` for the matrices of the transformers and AdamW for the rest, at the same learning rate."""
    leave_out: tuple[str, ...] = ()
    """Voices of the corpus whose speech is never trained on, so that strangers' voices can be measured."""
    often: Mapping[str, int] = field(default_factory=dict)
    """How many times as often as others a voice is mixed: of the corpus' voices one is a woman's."""
    mixtures: MixtureConfig = field(default_factory=MixtureConfig)
    last_item: int = 0
    """Stop making corpus items after this many, so that a CPU's cores are left to the training; 0 goes on."""
    compile: bool = False
    """Compile the transformers on a GPU; takes a minute first, which `minutes` does not count."""
    cuda_graphs: bool = False
    """Record mixing, forward and backward pass as one CUDA graph, instead of starting its 3,300 operations one by one
    every step; processes then average gradients after the pass, not within it. A CPU computes the same either way.
    With `compile` the graph holds compiled parts."""
    detail_weight: float = 0.0
    """Weight of the distance of compressed spectra, w in `separation_loss.py`; 0 leaves it out."""
    reading_weight: float = 0.0
    """Weight of the distance of logarithmic mel spectra, v in `separation_loss.py`; 0 leaves it out."""
    phones_weight: float = 0.0
    """Weight of what a phone classifier misreads, u in `separation_loss.py`; 0 leaves it out."""
    phones_from: str | None = None
    """Folder of that classifier, made by the stage `phones`."""
    missing_weight: float = 1.0
    """How much more missing speech costs than leftover sound in both of these, m in `separation_loss.py`."""
    decibel_weight: float = 1.0
    """Weight of the error's level and spectrum, d in `separation_loss.py`."""
    hardness: float = 0.0
    """How much more badly read mixtures count in the other terms, h in `separation_loss.py`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in KINDS:
            raise ValueError(f"optimizer={self.optimizer!r} is none of {', '.join(KINDS)}")
        if self.hardness and not self.reading_weight:
            raise ValueError(f"hardness={self.hardness} goes by `reading`: give reading_weight")
        weights = {name: getattr(self, name) for name in WEIGHTS}
        if min(weights.values()) < 0:
            named = ", ".join(f"{name}={value}" for name, value in weights.items())
            raise ValueError(f"a weight is below 0: {named}")
        if min(self.often.values(), default=1) < 1:
            raise ValueError(f"often={dict(self.often)}: at least 1 each; leave_out names those never heard")
        if self.phones_weight and not self.phones_from:
            raise ValueError(f"phones_weight={self.phones_weight} needs phones_from, a folder of the stage `phones`")


@dataclass(frozen=True)
class Entry:
    """Float16 waves `(samples,)` of a clip on the device; None where nothing sounds."""

    speech: Tensor | None
    sfx: Tensor | None
    often: int = 1
    """How many times a batch that holds it mixes its speech."""


class SeparatorTask:
    """The separator's side of `CodecRun`; entries are a clip's sounding stems."""

    def __init__(self, config: SeparatorTrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.preset = load_separator_preset(config.preset)
        self.model = build_separator(self.preset)
        if self.preset.channels != 1:
            raise ValueError(f"preset={config.preset!r} is stereo; the corpus trains mono separators")
        if config.init_from:
            start_from(self.model, load_separator(folder_named(config.init_from))[1].state_dict())
        self.model.to(accelerator.device)
        optimizer = self._new_optimizer(fused=accelerator.device.type == "cuda")
        phones = load_phone_classifier(Path(config.phones_from), self.preset.rate_hz) if config.phones_from else None
        objective = SeparationObjective(
            self.model, config.detail_weight, reading_weight=config.reading_weight,
            missing_weight=config.missing_weight, decibel_weight=config.decibel_weight, hardness=config.hardness,
            rate_hz=self.preset.rate_hz, phones=phones, phones_weight=config.phones_weight,
        ).to(accelerator.device)  # fmt: skip
        if config.cuda_graphs:  # hooks of wrappers do not run in a replay
            self.objective, self.optimizer = objective, accelerator.prepare(optimizer)
        else:
            self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.ema = EMA(self.model, config.ema)
        self.in_vain = 0  # steps in a row whose gradients were not finite
        self.noise = torch.Generator(accelerator.device).manual_seed(config.seed * 7919 + accelerator.process_index)
        self.backward = GraphedBackward(self._losses, self.model.parameters(), [self.noise], enabled=config.cuda_graphs)
        self.parts: Mapping[str, Stateful] = {"model": self.model, "optimizer": self.optimizer, "ema": self.ema}
        self.generators: Mapping[str, torch.Generator] = {"noise": self.noise}

    def _new_optimizer(self, *, fused: bool) -> torch.optim.AdamW:
        config = self.config
        if config.optimizer == "muon":
            parameters = dict(self.model.named_parameters())
            return Muon(parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=fused)
        return torch.optim.AdamW(
            self.model.parameters(), config.lr, config.betas, weight_decay=config.weight_decay, fused=fused
        )

    def keep(self, item: CorpusItem) -> Entry | None:
        stems = {name: self._wave(wave) for name, wave in item.clip.stems.items()}
        if item.scene.voice in self.config.leave_out:
            stems[SPEECH] = None
        often = self.config.often.get(str(item.scene.voice), 1)
        return Entry(stems[SPEECH], stems[SFX], often) if any(wave is not None for wave in stems.values()) else None

    def prepare(self, clock: Clock) -> None:
        """Compile where that is wanted and possible; the clock begins afterwards.

        Attention by cuDNN, torch's first choice on H100, is switched off: its backward pass in bf16 gives gradients
        that are no numbers for some lengths (pytorch/pytorch#196678).
        """
        if self.accelerator.device.type == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)
        if self.config.compile and self.accelerator.device.type == "cuda":
            try:
                compile_parts(self.model, dynamic=False)
                wave = torch.randn(self.config.batch, self.preset.window, device=self.accelerator.device)
                self.accelerator.backward(self._objective(wave, wave)["loss"])
            except Exception as error:  # compilers fail in many ways, and training does not need one
                print(f"training without compilation: {one_line(error)}", file=sys.stderr)
                uncompile_parts(self.model)
            self.optimizer.zero_grad(set_to_none=True)
        clock.start()

    def begin(self, entries: Sequence[Entry]) -> None:
        """Nothing depends on the data's statistics."""

    def step(self, entries: Sequence[Entry], clock: Clock) -> Mapping[str, Tensor]:
        set_learning_rate(self.optimizer, self.config.lr * clock.cosine(self.config.warmup))
        losses = self.backward(self._waves(entries))
        if self.config.cuda_graphs:
            average_gradients(self.model.parameters())
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.objective.parameters(), self.config.max_norm))
        if not norm.isfinite():
            self.optimizer.zero_grad(set_to_none=True)
            self.in_vain += 1
            if self.in_vain >= MOST_IN_VAIN:
                raise UnisonError(f"gradients are not finite {MOST_IN_VAIN} times in a row: lower lr={self.config.lr}")
            return {"skipped": torch.ones(())}
        self.in_vain = 0
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(clock.step)
        return {**losses, "grad_norm": norm, "skipped": torch.zeros(())}

    @torch.no_grad()
    def check(self, entries: Sequence[Entry]) -> Mapping[str, float]:
        """Of held-out mixtures at 0 dB: improvement of both stems; of lone stems: how far down the other one is."""
        found: dict[str, list[float]] = {}
        with self.ema.applied(), torch.compiler.set_stance("force_eager"):  # every length would be compiled anew
            separator = Separator(self.preset, self.model, self.accelerator.device)
            for entry in entries:
                for name, value in self._check(entry, separator).items():
                    found.setdefault(name, []).append(value)
            self.model.train()
        return {f"held_out_{name}": sum(values) / len(values) for name, values in found.items()}

    def export(self, folder: Path, entries: Sequence[Entry]) -> None:
        save_separator(folder, self.preset, self.ema.state_dict_of(self.model))

    def _waves(self, entries: Sequence[Entry]) -> Waves:
        device = self.accelerator.device
        silence = [torch.zeros(self.preset.window, dtype=torch.float16, device=device)]
        times = range(max(entry.often for entry in entries))
        voices = [e.speech for time in times for e in entries if e.speech is not None and time < e.often] or silence
        effects = [entry.sfx for entry in entries if entry.sfx is not None] or silence
        return gather_waves(voices, effects, len(entries), self.config.mixtures, device)

    def _losses(self, waves: Waves) -> tuple[Tensor, dict[str, Tensor]]:
        """Mixtures and their losses, without a word from the host, so that a graph can hold all of it."""
        made = mix_waves(waves, self.preset.window, self.preset.rate_hz, self.config.mixtures, self.noise)
        losses = self._objective(made.speech, made.mix)
        return losses["loss"], losses

    def _objective(self, speech: Tensor, mix: Tensor) -> dict[str, Tensor]:
        if not self.config.cuda_graphs:
            return cast(dict[str, Tensor], self.objective(speech, mix))
        with HostFreeISTFT(), self.accelerator.autocast():  # an objective that is not prepared brings no autocast
            return cast(dict[str, Tensor], self.objective(speech, mix))

    def _check(self, entry: Entry, separator: Separator) -> dict[str, float]:
        given = {SPEECH: entry.speech, SFX: entry.sfx}
        stems = {name: wave.float().cpu() for name, wave in given.items() if wave is not None}
        found = {}
        for name, wave in stems.items():
            wrong = self._separated(wave, separator)[SFX if name == SPEECH else SPEECH]
            found[f"{name}_alone_db"] = float(20 * (wave.norm() / wrong.norm().clamp(min=1e-9)).log10())
        if len(stems) == 2:
            stems[SFX] = stems[SFX] * stems[SPEECH].norm() / stems[SFX].norm()
            mix = stems[SPEECH] + stems[SFX]
            for name, made in self._separated(mix, separator).items():
                true = stems[name].numpy()
                found[f"{name}_si_sdri"] = si_sdr(made.numpy(), true) - si_sdr(mix.numpy(), true)
        return found

    def _separated(self, mix: Tensor, separator: Separator) -> dict[str, Tensor]:
        """Stems by windows, as they are used: a model knows no length but its window's."""
        stems = separator.separate(mix.numpy()[None], self.preset.rate_hz)
        return {name: torch.from_numpy(stem[0]) for name, stem in stems.items()}

    def _wave(self, wave) -> Tensor | None:  # type: ignore[no-untyped-def]
        tensor = torch.from_numpy(wave)
        return tensor.to(self.accelerator.device, torch.float16) if float(tensor.abs().max()) > QUIET else None


def train_separator(config: SeparatorTrainingConfig, sources: Sources | None = None) -> Path:
    """Train a separator; returns its folder. `sources` replaces the procedural corpus."""
    clock = Clock(config.steps, config.minutes)
    with restored_backends():
        return _train(config, sources, clock)


def _train(config: SeparatorTrainingConfig, sources: Sources | None, clock: Clock) -> Path:
    accelerator = make_accelerator(config)
    sources = sources or corpus_sources(config, accelerator.process_index, video=False)
    if config.last_item:
        sources = replace(sources, train=islice(sources.train, config.last_item))  # workers end with their stream
    task = SeparatorTask(config, accelerator)
    task.prepare(clock)
    return CodecRun(config, None, accelerator, task, sources, clock).run()
