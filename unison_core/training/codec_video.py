"""Training of the video VAE: short windows of corpus clips, encoded, disturbed, decoded and compared.

    z = mean(x) + std(x) eps_1 + u s eps_2,     L = picture(decode(z), x) + kl_weight KL(q(z|x) | N(0, 1))

u is uniform in [0, latent_noise] per window and s the spread of every latent channel: a generator's errors look like
eps_2, and a decoder that has seen them tolerates them. `decoder_only` keeps the encoder, and so every latent, as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unison_core.codecs import video_vae
from unison_core.codecs.codec import VIDEO_VAE, LatentStats, load_part, save_part
from unison_core.config import load_preset
from unison_core.corpus.sample import CorpusItem
from unison_core.training.accelerate_setup import make_accelerator
from unison_core.training.checkpoint import Stateful
from unison_core.training.clock import Clock, set_learning_rate
from unison_core.training.codec_run import CodecRun, Sources, VAETrainingConfig, corpus_sources
from unison_core.training.ema import EMA
from unison_core.training.graphed import GraphedBackward
from unison_core.training.latent_noise import channel_stats, disturb
from unison_core.training.master_weights import BF16_WEIGHTS, master_weights
from unison_core.training.picture_loss import PictureLossConfig, picture_loss, psnr_db
from unison_core.training.whole_window import WholeWindow
from unison_core.weights.resolve import folder_named

STATISTICS_CLIPS = 128
CHECK_FRAMES = 41
"""Held-out clips are cut to this length: one shape for every check, which spares the search for kernels."""


@dataclass(frozen=True, kw_only=True)
class VideoVAETrainingConfig(VAETrainingConfig):
    """Training of the video VAE.

    `precision` may also be `bf16_weights`, on a CPU too: the VAE itself in bf16, trained through float32 masters.
    """

    PRECISIONS: ClassVar[tuple[str, ...]] = ("bf16", "fp32", BF16_WEIGHTS)
    window: int = 17
    """Frames of a training window, 4k+1."""
    kl_weight: float = 1e-4
    loss: PictureLossConfig = field(default_factory=PictureLossConfig)
    compile: bool = False
    """Compile what is between convolutions, and the loss, on a GPU; takes a minute or two of the time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.window - 1) % video_vae.TEMPORAL_STRIDE:
            raise ValueError(f"window={self.window} is not {video_vae.TEMPORAL_STRIDE}k+1")


class VideoObjective(nn.Module):
    """Losses of a batch of windows; `compiler` is a backend of torch.compile, or None."""

    def __init__(self, vae: video_vae.VideoVAE, config: VideoVAETrainingConfig, compiler: str | None = None) -> None:
        super().__init__()
        self.vae, self.config = vae, config
        self.passes = WholeWindow(vae, compiler)
        self.picture_loss = torch.compile(picture_loss, dynamic=False, backend=compiler) if compiler else picture_loss

    def forward(self, frames: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Scalars by name, `loss` among them, for uint8 frames `(B, F, H, W, 3)`."""
        x = video_vae.to_pixels(frames)
        with torch.set_grad_enabled(not self.config.decoder_only):
            mean, logvar = self.passes.moments(x)
        mean, logvar = mean.float(), logvar.float()
        z = disturb(mean, logvar, self.config.latent_noise, generator)
        losses = self.picture_loss(self.passes.synthesise(z), x, self.config.loss)
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return {"loss": losses["picture"] + self.config.kl_weight * kl, "kl": kl, **losses}


class VideoTask:
    """The video VAE's side of `CodecRun`; entries are uint8 clips `(F, H, W, 3)` on the device."""

    def __init__(self, config: VideoVAETrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        codecs = load_preset(config.preset).codecs
        self.vae = video_vae.build_video_vae(codecs.video)
        self.stats = LatentStats(codecs.video.z_dim)
        if config.init_from:
            load_part(self.vae, folder_named(config.init_from), VIDEO_VAE, self.stats)
        if config.decoder_only:
            for part in (self.vae.encoder, self.vae.quant_conv):
                part.requires_grad_(False)
        self.vae.to(accelerator.device)
        self.masters = master_weights(self.vae, config.precision)
        self.trained = list((self.masters.parameters if self.masters else dict(self.vae.named_parameters())).values())
        self.trained = [p for p in self.trained if p.requires_grad]
        optimizer = torch.optim.AdamW(
            self.trained, config.lr, config.betas, weight_decay=config.weight_decay,
            fused=accelerator.device.type == "cuda",
        )  # fmt: skip
        compiler = "inductor" if config.compile and accelerator.device.type == "cuda" else None
        objective = VideoObjective(self.vae, config, compiler)
        if self.masters:  # processes average the masters' gradients themselves
            self.objective, self.optimizer = objective, accelerator.prepare(optimizer)
        else:
            self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.ema = EMA(self.vae, config.ema, self.masters.parameters if self.masters else None)
        self.noise = torch.Generator(accelerator.device).manual_seed(config.seed * 7919 + accelerator.process_index)
        self.cut = torch.Generator().manual_seed(config.seed * 104729 + accelerator.process_index)
        self.backward = GraphedBackward(
            self._losses, self.vae.parameters(), [self.noise],
            enabled=accelerator.num_processes == 1 or self.masters is not None,
        )  # fmt: skip
        weights = self.masters or self.vae
        self.parts: Mapping[str, Stateful] = {"vae": weights, "optimizer": self.optimizer, "ema": self.ema}
        self.generators: Mapping[str, torch.Generator] = {"noise": self.noise, "cut": self.cut}

    def keep(self, item: CorpusItem) -> Tensor | None:
        frames = item.clip.frames
        if frames is None or len(frames) < self.config.window:
            return None
        return torch.from_numpy(frames).to(self.accelerator.device)

    def begin(self, entries: Sequence[Tensor]) -> None:
        """Nothing to prepare: pixels have a fixed range."""

    def step(self, entries: Sequence[Tensor], clock: Clock) -> Mapping[str, Tensor]:
        set_learning_rate(self.optimizer, self.config.lr * clock.cosine(self.config.warmup))
        losses = self.backward(self._windows(entries))
        if self.masters:
            self.masters.collect()
            self.masters.average()
        norm = self.accelerator.clip_grad_norm_(self.trained, self.config.max_norm)
        self.optimizer.step()
        if self.masters:
            self.masters.publish()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(clock.step)
        return {**losses, "grad_norm": torch.as_tensor(norm)}

    def _losses(self, windows: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        losses = self.objective(windows, self.noise)
        return losses["loss"], losses

    @torch.no_grad()
    def check(self, entries: Sequence[Tensor]) -> Mapping[str, float]:
        """PSNR in dB of held-out clips, through the posterior mean."""
        frames = torch.stack([clip[:CHECK_FRAMES] for clip in entries if len(clip) >= CHECK_FRAMES])
        with self.ema.applied(), self.accelerator.autocast():
            values = psnr_db(self._round_trip(frames), frames)
        return {"held_out_psnr_db": float(values.mean()), "held_out_psnr_db_min": float(values.min())}

    @torch.no_grad()
    def export(self, folder: Path, entries: Sequence[Tensor]) -> None:
        if not self.config.decoder_only:
            self._measure_latents(entries)
        with self.ema.applied():
            save_part(self.vae, folder, VIDEO_VAE, self.stats)

    def _measure_latents(self, entries: Sequence[Tensor]) -> None:
        """Mean and spread of the latents' channels, by the averaged weights."""
        with self.ema.applied(), self.accelerator.autocast():
            windows = torch.stack([frames[: self.config.window] for frames in entries[-STATISTICS_CLIPS:]])
            batches = (video_vae.to_pixels(part) for part in windows.split(self.config.batch))
            latents = [video_vae.moments(self.vae, batch)[0] for batch in batches]
        self.stats.mean, self.stats.std = channel_stats(torch.cat(latents))

    def _windows(self, entries: Sequence[Tensor]) -> Tensor:
        """A random window of each clip, half of them mirrored, `(B, window, H, W, 3)`."""
        draws = torch.rand(len(entries), 2, generator=self.cut).tolist()
        windows = []
        for frames, (place, side) in zip(entries, draws, strict=True):
            start = int(place * (len(frames) - self.config.window + 1))
            window = frames[start : start + self.config.window]
            windows.append(window.flip(2) if side < 0.5 else window)
        return torch.stack(windows)

    def _round_trip(self, frames: Tensor) -> Tensor:
        mean, _ = video_vae.moments(self.vae, video_vae.to_pixels(frames))
        return video_vae.to_frames(video_vae.synthesise(self.vae, mean.float()))


def train_video_vae(config: VideoVAETrainingConfig, sources: Sources | None = None) -> Path:
    """Train the video VAE; returns the model folder. `sources` replaces the procedural corpus."""
    clock = Clock(config.steps, config.minutes)
    accelerator = make_accelerator(config)
    sources = sources or corpus_sources(config, accelerator.process_index, video=True)
    task = VideoTask(config, accelerator)
    return CodecRun(config, load_preset(config.preset), accelerator, task, sources, clock).run()
