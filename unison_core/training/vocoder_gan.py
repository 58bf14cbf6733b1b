"""Training of the vocoder: spectra from the first step, adversaries from `adversarial_from`, the VAE's mels at the end.

    L_G = mel_weight mel + stft_weight stft + variance_weight variance
        + adversarial + feature_weight features                                            (Lee et al. 2023, eq. 5)

From progress `vae_from` on, half of the mels are taken through the mel VAE (where its folder has one yet): that is what
the vocoder will be given, and the target stays the true wave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.codec import AUDIO_VAE, VOCODER, LatentStats, load_part, save_part
from unison_core.codecs.mel import LogMel
from unison_core.codecs.vocoder import build_vocoder
from unison_core.config import Preset, load_preset
from unison_core.corpus.sample import CorpusItem
from unison_core.training.accelerate_setup import make_accelerator
from unison_core.training.checkpoint import Stateful
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.codec_run import CodecRun, CodecTrainingConfig, Sources, corpus_sources
from unison_core.training.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from unison_core.training.ema import EMA
from unison_core.training.graphed import GraphedBackward
from unison_core.training.latent_noise import disturb
from unison_core.training.segments import SegmentConfig, Stem, draw_segments, split_stems
from unison_core.training.spectral_loss import SpectralLoss
from unison_core.weights.resolve import folder_named

CHECK_SEED = 11


@dataclass(frozen=True, kw_only=True)
class VocoderTrainingConfig(CodecTrainingConfig):
    """Training of the vocoder."""

    segments: SegmentConfig = field(default_factory=lambda: SegmentConfig(seconds=0.75))
    betas: tuple[float, float] = (0.8, 0.99)
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    discriminator_lr: float = 3e-4
    mel_weight: float = 15.0
    stft_weight: float = 1.0
    variance_weight: float = 4.0
    feature_weight: float = 2.0
    adversarial_from: float = 0.15
    """Progress at which the adversaries begin."""
    vae_from: float = 0.6
    """Progress from which mels through the VAE join."""
    vae_share: float = 0.5
    """Their share of a batch."""
    vae_folder: str | None = None
    """Model folder of the mel VAE; None is `export`."""
    latent_noise: float = 0.1
    """Largest disturbance of the VAE's latents, relative to their spread."""
    compile: bool = False
    """Compile the generator: a minute of start-up, then fewer kernels."""


class LiveVAE:
    """The mel VAE as another training last exported it, or None while there is none."""

    def __init__(self, preset: Preset, folder: Path, device: torch.device) -> None:
        self._preset, self._folder, self._device = preset, folder, device
        self._stamp = 0
        self._vae: AudioVAE | None = None

    def latest(self) -> AudioVAE | None:
        """Load the file again if it has changed."""
        file = self._folder / f"{AUDIO_VAE}.safetensors"
        if file.is_file() and (stamp := file.stat().st_mtime_ns) != self._stamp:
            codecs = self._preset.codecs
            vae = AudioVAE(codecs.audio, codecs.mel.mels)
            load_part(vae, self._folder, AUDIO_VAE, LatentStats(codecs.audio.latent_channels))
            self._vae = vae.fold().requires_grad_(False).to(self._device)
            self._stamp = stamp
        return self._vae


class VocoderTask:
    """The vocoder's side of `CodecRun`; entries are the sounding stems of a clip."""

    def __init__(self, config: VocoderTrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        preset, device = load_preset(config.preset), accelerator.device
        timing, codecs = preset.timing, preset.codecs
        self.length = round(config.segments.seconds * timing.latent_rate_hz) * timing.samples_per_latent
        self.mel = LogMel(codecs.mel, timing.sample_rate_hz).to(device)
        self.vocoder = build_vocoder(codecs, timing.sample_rate_hz)
        if config.init_from:
            load_part(self.vocoder, folder_named(config.init_from), VOCODER)
        self.vocoder.to(device)
        self.judges = Discriminators(config.discriminators).to(device)
        self.spectra = SpectralLoss(timing.sample_rate_hz).to(device)
        self.ema = EMA(self.vocoder, config.ema)
        if config.compile:
            self.vocoder.compile()
        self.generator, self.optimizer = accelerator.prepare(self.vocoder, self._adamw(self.vocoder, config.lr))
        self.critics, self.critic_optimizer = accelerator.prepare(
            self.judges, self._adamw(self.judges, config.discriminator_lr)
        )
        self.vae = LiveVAE(preset, Path(config.vae_folder or config.export), device)
        self.noise = torch.Generator(device).manual_seed(config.seed * 7919 + accelerator.process_index)
        self.cut = torch.Generator().manual_seed(config.seed * 104729 + accelerator.process_index)
        graphs = accelerator.num_processes == 1
        self.spectral_pass, self.judged_pass = (
            GraphedBackward(function, self.vocoder.parameters(), enabled=graphs)
            for function in (self._spectral, self._judged)
        )
        self.critic_pass = GraphedBackward(self._criticised, self.judges.parameters(), enabled=graphs)
        self.parts: Mapping[str, Stateful] = {
            "vocoder": self.vocoder, "judges": self.judges, "ema": self.ema,
            "optimizer": self.optimizer, "critic_optimizer": self.critic_optimizer,
        }  # fmt: skip
        self.generators: Mapping[str, torch.Generator] = {"noise": self.noise, "cut": self.cut}

    def keep(self, item: CorpusItem) -> list[Stem] | None:
        return split_stems(item.clip.stems, item.clip.rate_hz) or None

    def begin(self, entries: Sequence[Sequence[Stem]]) -> None:
        """Nothing to prepare: mels are taken as they are."""

    def step(self, entries: Sequence[Sequence[Stem]], clock: Clock) -> Mapping[str, Tensor]:
        factor = clock.cosine(self.config.warmup)
        set_learning_rate(self.optimizer, self.config.lr * factor)
        set_learning_rate(self.critic_optimizer, self.config.discriminator_lr * factor)
        real = draw_segments(entries, self.length, self.config.segments, self.cut)
        real = real.to(self.accelerator.device, non_blocking=True)
        judged = clock.progress >= self.config.adversarial_from
        passes = self.judged_pass if judged else self.spectral_pass
        losses, made = passes({"mel": self._input_mel(real, clock), "real": real}).values()
        norm = self.accelerator.clip_grad_norm_(self.vocoder.parameters(), self.config.max_norm)
        self.optimizer.step()
        if judged:
            losses |= self.critic_pass({"real": real, "made": made})
            self.accelerator.clip_grad_norm_(self.judges.parameters(), self.config.max_norm)
            self.critic_optimizer.step()
        self.ema.update(clock.step)
        return {**losses, "grad_norm": torch.as_tensor(norm)}

    @torch.no_grad()
    def check(self, entries: Sequence[Sequence[Stem]]) -> Mapping[str, float]:
        """Spectral distances of held-out segments from their true mels, and the level of vocoded silence in dBFS."""
        fixed = torch.Generator().manual_seed(CHECK_SEED)
        real = draw_segments(entries, self.length, self.config.segments, fixed).to(self.accelerator.device)
        with self.ema.applied():
            distances = self.spectra(self.vocoder(self.mel(real)), real)
            silence = self.vocoder(self.mel(torch.zeros_like(real[:1])))
        level = 20 * silence.square().mean().sqrt().clamp(min=1e-9).log10()
        return {**{f"held_out_{k}": float(v) for k, v in distances.items()}, "silence_dbfs": float(level)}

    def export(self, folder: Path, entries: Sequence[Sequence[Stem]]) -> None:
        with self.ema.applied():
            save_part(self.vocoder, folder, VOCODER, None)

    @torch.no_grad()
    def _input_mel(self, real: Tensor, clock: Clock) -> Tensor:
        """Mels of the true waves; from `vae_from` on, the first part of the batch has been through the VAE."""
        mel = self.mel(real)
        vae = self.vae.latest() if clock.progress >= self.config.vae_from else None
        if vae is None:
            return mel
        count = round(self.config.vae_share * len(mel))
        posterior = vae.encode(mel[:count])
        decoded = vae.decode(disturb(posterior.mean, posterior.logvar, self.config.latent_noise, self.noise))
        return torch.cat([decoded.clamp(min=self.mel.floor), mel[count:]])

    def _spectral(self, waves: Mapping[str, Tensor]) -> tuple[Tensor, dict]:
        """Loss of the generator without adversaries, and its waves."""
        made = self.generator(waves["mel"])
        losses = self.spectra(made, waves["real"])
        config = self.config
        loss = config.mel_weight * losses["mel"] + config.stft_weight * losses["stft"]
        loss = loss + config.variance_weight * losses["variance"]
        return loss, {"losses": {"loss": loss, **losses}, "made": made}

    def _judged(self, waves: Mapping[str, Tensor]) -> tuple[Tensor, dict]:
        """Loss of the generator with adversaries, whose weights stand still."""
        loss, outputs = self._spectral(waves)
        self.judges.requires_grad_(False)
        with self._reduced_precision():
            judged_made = self.judges(outputs["made"])
            with torch.no_grad():
                judged_real = self.judges(waves["real"])
        self.judges.requires_grad_(True)
        against = {"adversarial": adversarial_loss(judged_made), "features": feature_loss(judged_real, judged_made)}
        loss = loss + against["adversarial"] + self.config.feature_weight * against["features"]
        return loss, {**outputs, "losses": {**outputs["losses"], **against, "loss": loss}}

    def _criticised(self, waves: Mapping[str, Tensor]) -> tuple[Tensor, dict]:
        """Loss of the adversaries."""
        with self._reduced_precision():
            loss = discriminator_loss(self.critics(torch.cat([waves["real"], waves["made"]])))
        return loss, {"critic": loss}

    def _reduced_precision(self) -> torch.autocast:
        device = self.accelerator.device.type
        return torch.autocast(device, torch.bfloat16, enabled=device == "cuda" and self.config.precision == "bf16")

    def _adamw(self, module: torch.nn.Module, rate: float) -> torch.optim.AdamW:
        fused = self.accelerator.device.type == "cuda"
        weight_decay = self.config.weight_decay
        return torch.optim.AdamW(module.parameters(), rate, self.config.betas, weight_decay=weight_decay, fused=fused)


def train_vocoder(config: VocoderTrainingConfig, sources: Sources | None = None) -> Path:
    """Train the vocoder; returns the model folder. `sources` replaces the procedural corpus."""
    clock = Clock(config.steps, config.minutes)
    accelerator = make_accelerator(config, autocast=False)
    sources = sources or corpus_sources(config, accelerator.process_index, video=False)
    task = VocoderTask(config, accelerator)
    return CodecRun(config, load_preset(config.preset), accelerator, task, sources, clock).run()
