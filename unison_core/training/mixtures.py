"""Varied mixtures of corpus speech and effects, made in batches on the training device.

    speech = filter(voice at another speed)
    sfx = filter(effects + coloured noise + hum + melodies)
    mix = g (B(speech) + r B(sfx)),   10 log10 |speech|^2 / |r sfx|^2 uniform in `ratio_db`

`filter` is a random equaliser times a random room; B, the recording's band limits, is common to both stems. Speed
changes pitch and formants alike, which makes many voices of few.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from unison_core.training.synthetic_sound import band_limits, coloured_noise, equaliser, hum, melody, room

SOUNDING = 1e-4
"""RMS under which a stretch counts as silent."""
ROUND = 2**14
"""Waves are padded to a multiple of this many samples: few shapes, of which a CUDA graph each can be recorded."""


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """What mixtures are like; probabilities are per mixture."""

    ratio_db: tuple[float, float] = (-11.0, 16.0)
    """Speech to effects."""
    gain_db: tuple[float, float] = (-36.0, 0.0)
    """Level of the mixture's peak, relative to full scale."""
    speech_speed: float = 0.4
    """Voices are sped up or slowed down by at most this many octaves."""
    effects_speed: float = 0.7
    speechless: float = 0.12
    effectless: float = 0.12
    effects: tuple[float, ...] = (0.9, 0.45, 0.2)
    """Probabilities of a first, second and third corpus effect."""
    noise: float = 0.3
    hum: float = 0.1
    melodies: float = 0.25
    equaliser_db: float = 9.0
    """Largest gain of the random equalisers."""
    room: float = 0.4
    """Share of stems that sound in a room."""
    band_limited: float = 0.25
    short: float = 0.0
    """Share of mixtures that are shorter than the window, as a short recording is: silence before and after."""


@dataclass(frozen=True, kw_only=True)
class Waves:
    """What a batch of mixtures is made of.

    Attributes:
        samples: `(1 + effects, B, n)`, on the device: a row's voice and its effects, silence behind each one's end.
        lengths: `(1 + effects, B, 1)`, float32: samples of each.
    """

    samples: Tensor
    lengths: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Waves":
        return Waves(samples=function(self.samples), lengths=function(self.lengths))


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """A batch: float32 stems `(B, samples)` that add up to the mixtures."""

    speech: Tensor
    sfx: Tensor

    @property
    def mix(self) -> Tensor:
        return self.speech + self.sfx


def make_mixtures(
    voices: Sequence[Tensor],
    effects: Sequence[Tensor],
    count: int,
    samples: int,
    rate_hz: int,
    config: MixtureConfig,
    generator: torch.Generator,
) -> Mixtures:
    """Draw `count` mixtures of `samples` samples.

    Args:
        voices, effects: waves `(n,)` on the generator's device, any number from one, any lengths; reused in turn.
        generator: on the device where mixtures are made.
    """
    waves = gather_waves(voices, effects, count, config, generator.device)
    return mix_waves(waves, samples, rate_hz, config, generator)


def gather_waves(
    voices: Sequence[Tensor], effects: Sequence[Tensor], count: int, config: MixtureConfig, device: torch.device
) -> Waves:
    """The host's part of `make_mixtures`: which waves go together. It does not wait for the device."""
    places = len(config.effects)
    picked = [voices[row % len(voices)] for row in range(count)]
    for place in range(places):
        picked += [effects[(place * len(effects) // 3 + row) % len(effects)] for row in range(count)]
    if len({wave.dtype for wave in picked}) > 1:
        picked = [wave.float() for wave in picked]
    lengths = torch.tensor([len(wave) for wave in picked], dtype=torch.float32)
    if device.type == "cuda":
        lengths = lengths.pin_memory()
    bank = pad_sequence(picked, batch_first=True)
    bank = pad(bank, (0, -bank.shape[1] % ROUND))
    return Waves(
        samples=rearrange(bank, "(p b) n -> p b n", b=count),
        lengths=rearrange(lengths.to(device, non_blocking=True), "(p b) -> p b 1", b=count),
    )


def mix_waves(waves: Waves, samples: int, rate_hz: int, config: MixtureConfig, generator: torch.Generator) -> Mixtures:
    """The device's part of `make_mixtures`, which a CUDA graph can record: no copy from the host, and no waiting."""
    count = waves.samples.shape[1]
    draw = _Draw(count, samples, rate_hz, generator)
    speech = _unit(draw.stretch(waves, 0, config.speech_speed)) * ~draw.happens(config.speechless)
    sfx = torch.zeros_like(speech)
    for place, share in enumerate(config.effects, start=1):
        wave = _unit(draw.stretch(waves, place, config.effects_speed))
        sfx = sfx + wave * draw.happens(share) * draw.gain(-9, 0)
    sfx = sfx + _some(draw, config.noise, coloured_noise) * draw.gain(-20, 3)
    sfx = sfx + _some(draw, config.hum, hum) * draw.gain(-20, 0)
    sfx = sfx + _some(draw, config.melodies, melody) * draw.gain(-9, 3)
    sfx = sfx * ~draw.happens(config.effectless)
    speech, sfx = (_filtered(draw, stem, config) for stem in (speech, sfx))
    ratio = draw.gain(*config.ratio_db)
    sfx = _unit(sfx) / ratio
    both = torch.stack((_unit(speech), sfx))
    both = draw.apply(both, _limits(draw, config))
    both = both * _clips(draw, config.short)
    peak = both.sum(dim=0).abs().amax(dim=-1, keepdim=True).clamp(min=1e-6)
    both = both * torch.where(peak > 1e-6, draw.gain(*config.gain_db) / peak, 0.0)
    return Mixtures(speech=both[0], sfx=both[1])


def vary_voices(
    waves: Waves, samples: int, rate_hz: int, config: MixtureConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Voices as in mixtures, alone: speech `(B, samples)`, and where in its wave each sample lies, `(B, samples)`."""
    draw = _Draw(waves.samples.shape[1], samples, rate_hz, generator)
    where = draw.place(waves, 0, config.speech_speed)
    speech = _filtered(draw, _unit(cubic(waves.samples[0].float(), where)), config)
    return draw.apply(_unit(speech), _limits(draw, config)), where


@dataclass(frozen=True)
class _Draw:
    """Random choices for `rows` mixtures."""

    rows: int
    samples: int
    rate_hz: int
    generator: torch.Generator

    @property
    def fft(self) -> int:
        """Length of filters: the stretch and a room's half second."""
        return 2 ** math.ceil(math.log2(self.samples + self.rate_hz // 2))

    @property
    def bins_hz(self) -> Tensor:
        return torch.fft.rfftfreq(self.fft, 1 / self.rate_hz, device=self.generator.device)

    def uniform(self, low: float, high: float) -> Tensor:
        """`(rows, 1)`."""
        return low + (high - low) * torch.rand(self.rows, 1, generator=self.generator, device=self.generator.device)

    def happens(self, probability: float) -> Tensor:
        return self.uniform(0, 1) < probability

    def gain(self, low_db: float, high_db: float) -> Tensor:
        return 10 ** (self.uniform(low_db, high_db) / 20)

    def stretch(self, waves: Waves, place: int, octaves: float) -> Tensor:
        """A random stretch of every wave at a place, at a random speed (cubic interpolation), `(rows, samples)`."""
        return cubic(waves.samples[place].float(), self.place(waves, place, octaves))

    def place(self, waves: Waves, place: int, octaves: float) -> Tensor:
        """Where in the waves a random stretch lies, `(rows, samples)` in samples.

        The wave's middle lies within the stretch or near it; beyond the wave's ends there is silence.
        """
        lengths = waves.lengths[place]
        speed = 2 ** self.uniform(-octaves, octaves)
        slack = lengths - self.samples * speed  # what does not fit, or the room that is left when negative
        start = slack * self.uniform(-0.1, 1.1) - (slack < 0) * 0.1 * lengths * self.uniform(-1, 1)
        return start + speed * torch.arange(self.samples, device=self.generator.device)

    def apply(self, waves: Tensor, response: Tensor) -> Tensor:
        """Filter `(..., rows, samples)` by a spectrum `(rows, bins)`; tails beyond the stretch are cut."""
        return torch.fft.irfft(torch.fft.rfft(waves, self.fft) * response, self.fft)[..., : self.samples]


def cubic(waves: Tensor, place: Tensor) -> Tensor:
    """Values of `(B, n)` at fractional positions `(B, m)` by Catmull-Rom interpolation; 0 outside."""
    whole = place.floor()
    t = place - whole
    weights = (
        (-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2,
    )  # fmt: skip
    total = torch.zeros_like(place)
    for shift, weight in zip((-1, 0, 1, 2), weights, strict=True):
        index = whole.long() + shift
        inside = (index >= 0) & (index < waves.shape[1])
        total = total + weight * inside * waves.gather(1, index.clamp(0, waves.shape[1] - 1))
    return total


def _some(draw: _Draw, share: float, make) -> Tensor:  # type: ignore[no-untyped-def]
    """Unit-RMS sounds in a fixed share of the rows, at random places: what does not sound is not computed."""
    count = max(1, round(share * draw.rows)) if share else 0
    total = torch.zeros(draw.rows, draw.samples, device=draw.generator.device)
    if not count:
        return total
    where = torch.randperm(draw.rows, generator=draw.generator, device=draw.generator.device)[:count]
    return total.index_copy(0, where, _unit(make(count, draw.samples, draw.rate_hz, draw.generator)))


def _filtered(draw: _Draw, stem: Tensor, config: MixtureConfig) -> Tensor:
    response = equaliser(draw.rows, draw.bins_hz, config.equaliser_db, draw.generator).to(torch.complex64)
    rooms = torch.fft.rfft(room(draw.rows, draw.rate_hz, draw.generator), draw.fft)
    return draw.apply(stem, response * torch.where(draw.happens(config.room), rooms, 1.0))


def _limits(draw: _Draw, config: MixtureConfig) -> Tensor:
    """The recordings' band limits `(rows, bins)`."""
    limited = draw.happens(config.band_limited)
    return torch.where(limited, band_limits(draw.rows, draw.bins_hz, draw.generator), 1.0)


def _clips(draw: _Draw, share: float) -> Tensor:
    """1 within a clip `(rows, samples)`: of all but a share of the rows, everywhere; of those, a quarter or more."""
    if not share:
        return torch.ones(1, 1, device=draw.generator.device)
    length = torch.where(draw.happens(share), draw.uniform(0.25, 1), 1.0)
    start = (1 - length) * draw.uniform(0, 1) * draw.happens(0.5)
    where = torch.arange(draw.samples, device=draw.generator.device) / draw.samples
    return ((where >= start) & (where < start + length)).float()


def _unit(waves: Tensor) -> Tensor:
    """Scale `(B, samples)` to unit RMS; silence stays silence."""
    rms = rearrange(waves.square().mean(dim=-1).sqrt(), "b -> b 1")
    return torch.where(rms > SOUNDING, waves / rms.clamp(min=SOUNDING), 0.0)
