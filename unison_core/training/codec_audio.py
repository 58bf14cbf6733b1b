"""Training of the mel VAE: stretches of speech and effects, encoded, disturbed, decoded and compared as log-mels.

    L = L1(m', m) + mse + slopes + variance + kl_weight KL(q(z|m) | N(0, 1)),    m' = decode(disturb(q(z|m)))

m is the log-mel normalised per band; slopes are its differences along time and frequency, variance is
`global_variance`. Latents are disturbed as in `codec_video`, and `decoder_only` is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.codec import AUDIO_VAE, LatentStats, load_part, save_part
from unison_core.codecs.mel import LogMel
from unison_core.config import load_preset
from unison_core.corpus.sample import CorpusItem
from unison_core.training.accelerate_setup import make_accelerator
from unison_core.training.checkpoint import Stateful
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.codec_run import CodecRun, Sources, VAETrainingConfig, corpus_sources
from unison_core.training.ema import EMA
from unison_core.training.global_variance import GlobalVariance
from unison_core.training.graphed import GraphedBackward
from unison_core.training.latent_noise import channel_stats, disturb
from unison_core.training.segments import SegmentConfig, Stem, draw_segments, split_stems
from unison_core.weights.resolve import folder_named

STATISTICS_SEGMENTS = 2048
CHECK_SEED = 11


@dataclass(frozen=True, kw_only=True)
class AudioVAETrainingConfig(VAETrainingConfig):
    """Training of the mel VAE."""

    segments: SegmentConfig = field(default_factory=SegmentConfig)
    kl_weight: float = 1e-3
    mse: float = 0.5
    slopes: float = 0.5
    global_variance: float = 0.3


class AudioObjective(nn.Module):
    """Losses of a batch of log-mels."""

    def __init__(self, vae: AudioVAE, config: AudioVAETrainingConfig) -> None:
        super().__init__()
        self.vae, self.config = vae, config
        self.variance = GlobalVariance(vae.data_std.shape[1])

    def forward(self, mel: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Scalars by name, `loss` among them, for log-mels `(B, mels, L)`."""
        with torch.set_grad_enabled(not self.config.decoder_only):
            posterior = self.vae.encode(mel)
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        z = disturb(mean, logvar, self.config.latent_noise, generator)
        error = (self.vae.decode(z).float() - mel) / self.vae.data_std
        l1, mse = error.abs().mean(), error.square().mean()
        slopes = error.diff(dim=1).abs().mean() + error.diff(dim=2).abs().mean()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        true = (mel - self.vae.data_mean) / self.vae.data_std
        variance = self.variance(true + error, true)
        loss = l1 + self.config.mse * mse + self.config.slopes * slopes + self.config.global_variance * variance
        losses = {"l1": l1, "mse": mse, "slopes": slopes, "global_variance": variance, "kl": kl}
        return {"loss": loss + self.config.kl_weight * kl, **losses}


class AudioTask:
    """The mel VAE's side of `CodecRun`; entries are the sounding stems of a clip."""

    def __init__(self, config: AudioVAETrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        preset = load_preset(config.preset)
        timing, codecs = preset.timing, preset.codecs
        self.mel = LogMel(codecs.mel, timing.sample_rate_hz).to(accelerator.device)
        self.vae = AudioVAE(codecs.audio, codecs.mel.mels)
        self.stats = LatentStats(codecs.audio.latent_channels)
        self.length = round(config.segments.seconds * timing.latent_rate_hz) * timing.samples_per_latent
        if config.init_from:
            load_part(self.vae, folder_named(config.init_from), AUDIO_VAE, self.stats)
        if config.decoder_only:
            self.vae.encoder.requires_grad_(False)
        self.vae.to(accelerator.device)
        self.trained = [p for p in self.vae.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            self.trained, config.lr, config.betas, weight_decay=config.weight_decay,
            fused=accelerator.device.type == "cuda",
        )  # fmt: skip
        objective = AudioObjective(self.vae, config).to(accelerator.device)
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.ema = EMA(self.vae, config.ema)
        self.noise = torch.Generator(accelerator.device).manual_seed(config.seed * 7919 + accelerator.process_index)
        self.cut = torch.Generator().manual_seed(config.seed * 104729 + accelerator.process_index)
        self.backward = GraphedBackward(
            self._losses, self.vae.parameters(), [self.noise], enabled=accelerator.num_processes == 1
        )
        self.parts: Mapping[str, Stateful] = {"vae": self.vae, "optimizer": self.optimizer, "ema": self.ema}
        self.generators: Mapping[str, torch.Generator] = {"noise": self.noise, "cut": self.cut}

    def keep(self, item: CorpusItem) -> list[Stem] | None:
        return split_stems(item.clip.stems, item.clip.rate_hz) or None

    @torch.no_grad()
    def begin(self, entries: Sequence[Sequence[Stem]]) -> None:
        """Set the normalisation of mel bands from what the pool holds; initial weights keep theirs."""
        if not self.config.init_from:
            mean, std = channel_stats(self._mel(self._many(entries, torch.Generator().manual_seed(CHECK_SEED))))
            self.vae.data_mean.copy_(mean.view(1, -1, 1))
            self.vae.data_std.copy_(std.view(1, -1, 1))

    def step(self, entries: Sequence[Sequence[Stem]], clock: Clock) -> Mapping[str, Tensor]:
        set_learning_rate(self.optimizer, self.config.lr * clock.cosine(self.config.warmup))
        waves = draw_segments(entries, self.length, self.config.segments, self.cut)
        losses = self.backward(self._mel(waves))
        norm = self.accelerator.clip_grad_norm_(self.trained, self.config.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(clock.step)
        return {**losses, "grad_norm": torch.as_tensor(norm)}

    def _losses(self, mel: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        losses = self.objective(mel, self.noise)
        return losses["loss"], losses

    @torch.no_grad()
    def check(self, entries: Sequence[Sequence[Stem]]) -> Mapping[str, float]:
        """Mean absolute error of held-out log-mels through the posterior mean, in `log` units, and of silence."""
        fixed = torch.Generator().manual_seed(CHECK_SEED)
        mel = self._mel(draw_segments(entries, self.length, self.config.segments, fixed))
        silence = torch.full_like(mel[:1], self.mel.floor)
        with self.ema.applied():
            error, silent = ((self.vae.decode(self.vae.encode(m).mean) - m).abs() for m in (mel, silence))
        return {"held_out_mel_l1": float(error.mean()), "silence_mel_max": float(silent.max())}

    @torch.no_grad()
    def export(self, folder: Path, entries: Sequence[Sequence[Stem]]) -> None:
        waves = self._many(entries, torch.Generator().manual_seed(CHECK_SEED))
        with self.ema.applied():
            if not self.config.decoder_only:
                latents = [self.vae.encode(self._mel(part)).mean for part in waves.split(self.config.batch)]
                self.stats.mean, self.stats.std = channel_stats(torch.cat(latents))
            save_part(self.vae, folder, AUDIO_VAE, self.stats)

    def _mel(self, waves: Tensor) -> Tensor:
        return self.mel(waves.to(self.accelerator.device, non_blocking=True))

    def _many(self, entries: Sequence[Sequence[Stem]], generator: torch.Generator) -> Tensor:
        picks = torch.randint(len(entries), (STATISTICS_SEGMENTS,), generator=generator).tolist()
        return draw_segments([entries[i] for i in picks], self.length, self.config.segments, generator)


def train_audio_vae(config: AudioVAETrainingConfig, sources: Sources | None = None) -> Path:
    """Train the mel VAE; returns the model folder. `sources` replaces the procedural corpus."""
    clock = Clock(config.steps, config.minutes)
    accelerator = make_accelerator(config)
    sources = sources or corpus_sources(config, accelerator.process_index, video=False)
    task = AudioTask(config, accelerator)
    return CodecRun(config, load_preset(config.preset), accelerator, task, sources, clock).run()
