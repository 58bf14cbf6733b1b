"""Sounds and filters drawn at random in batches: coloured noise, hum, melodies, equalisers, rooms, band limits."""

import torch
from einops import rearrange, reduce
from torch import Tensor

HARMONICS = 8
PRESENCE = (1.0, 0.6, 0.4)
"""Probabilities of a melody's first, second and third voice."""
VOICES = len(PRESENCE)
CONTROLS = 9
"""Points of an equaliser, evenly spaced in octaves from 60 Hz."""


def coloured_noise(count: int, samples: int, rate_hz: int, generator: torch.Generator) -> Tensor:
    """Noise with a spectrum of f^-a, a from 0 (white) over 1 (pink) to 2 (brown), swelling slowly in part: `(B, S)`."""
    device = generator.device
    bins_hz = torch.fft.rfftfreq(samples, 1 / rate_hz, device=device)
    slope = 2 * _rand((count, 1), generator)
    shape = bins_hz.clamp(min=30) ** (-slope / 2)
    white = torch.randn(count, samples, generator=generator, device=device)
    noise = torch.fft.irfft(torch.fft.rfft(white) * shape, samples)
    depth = _rand((count, 1), generator) * (_rand((count, 1), generator) < 0.5)
    swell_hz, phase = 0.2 + 4 * _rand((count, 1), generator), 6.28 * _rand((count, 1), generator)
    time_s = torch.arange(samples, device=device) / rate_hz
    return noise * (1 + depth * (6.2832 * swell_hz * time_s + phase).sin())


def hum(count: int, samples: int, rate_hz: int, generator: torch.Generator) -> Tensor:
    """The mains, 50 or 60 Hz with harmonics: `(B, S)`."""
    mains_hz = 50 + 10 * (_rand((count, 1, 1), generator) < 0.5).float()
    order = rearrange(torch.arange(1, HARMONICS + 1, device=generator.device), "h -> h 1")
    strength = _rand((count, HARMONICS, 1), generator) / order
    time_s = torch.arange(samples, device=generator.device) / rate_hz
    phase = 6.2832 * _rand((count, HARMONICS, 1), generator)
    return reduce(strength * (6.2832 * mains_hz * order * time_s + phase).sin(), "b h s -> b s", "sum")


def melody(count: int, samples: int, rate_hz: int, generator: torch.Generator) -> Tensor:
    """Voices of harmonic notes on the semitones from 80 to 1300 Hz, each note with an attack and a decay: `(B, S)`."""
    device, shape = generator.device, (count, VOICES, 1)
    note_s = 0.12 + 0.7 * _rand(shape, generator)
    time_s = torch.arange(samples, device=device) / rate_hz + note_s * _rand(shape, generator)
    number = (time_s / note_s).long()  # (B, V, S): which note sounds
    since_s = time_s - number * note_s
    most = int(samples / rate_hz / 0.12) + 3
    centre = 48 * _rand(shape, generator)
    steps = (centre + 12 * (_rand((count, VOICES, most), generator) - 0.5)).round().clamp(0, 48)
    vibrato = 1 + 0.012 * _rand(shape, generator) * (6.2832 * (3 + 4 * _rand(shape, generator)) * time_s).sin()
    pitch_hz = 80 * 2 ** (steps.gather(2, number.clamp(max=most - 1)) / 12) * vibrato
    phase = 6.2832 * (pitch_hz / rate_hz).cumsum(dim=-1)
    attack_s, decay_s = 0.003 + 0.06 * _rand(shape, generator) ** 2, 0.08 + 1.5 * _rand(shape, generator)
    envelope = (since_s / attack_s).clamp(max=1) * (-since_s / decay_s).exp()
    brightness = 0.5 + 2 * _rand(shape, generator)
    # Filled in on the device: a CUDA graph takes no copies from the host.
    presence = torch.cat([torch.full((1, 1), share, device=device) for share in PRESENCE])
    audible = _rand(shape, generator) < presence
    total = torch.zeros(count, samples, device=device)
    for order in range(1, HARMONICS + 1):
        strength = (order**-brightness) * (pitch_hz * order < 0.48 * rate_hz) * audible
        total = total + reduce(strength * envelope * (order * phase).sin(), "b v s -> b s", "sum")
    return total


def equaliser(count: int, bins_hz: Tensor, most_db: float, generator: torch.Generator) -> Tensor:
    """Smooth random gains of at most `most_db`, `(B, bins)`."""
    controls = most_db * (2 * _rand((count, CONTROLS), generator) - 1)
    octave = (bins_hz.clamp(min=60) / 60).log2().clamp(max=CONTROLS - 1.001)
    low = octave.long()
    part = octave - low
    return 10 ** ((controls[:, low] * (1 - part) + controls[:, low + 1] * part) / 20)


def room(count: int, rate_hz: int, generator: torch.Generator) -> Tensor:
    """Impulse responses: the direct sound and an exponential tail, 0.1 to 0.9 s until -60 dB: `(B, rate / 2)`."""
    time_s = torch.arange(rate_hz // 2, device=generator.device) / rate_hz
    gone_s = 0.1 + 0.8 * _rand((count, 1), generator)
    tail = (
        torch.randn(count, len(time_s), generator=generator, device=generator.device) * (-6.9 * time_s / gone_s).exp()
    )
    tail = tail * (time_s > 0.002 + 0.02 * _rand((count, 1), generator))
    level = 10 ** (-18 * _rand((count, 1), generator) / 20)
    response = level * tail / tail.square().sum(dim=-1, keepdim=True).sqrt().clamp(min=1e-6)
    response[:, 0].fill_(1.0)
    return response


def band_limits(count: int, bins_hz: Tensor, generator: torch.Generator) -> Tensor:
    """A recording's band: high-pass at 20 to 300 Hz, low-pass at 2 to 8 kHz, `(B, bins)`."""
    low_hz = 20 * 15 ** _rand((count, 1), generator)
    high_hz = 2000 * 4 ** _rand((count, 1), generator)
    frequency = bins_hz.clamp(min=1)
    return (1 + (low_hz / frequency) ** 4).rsqrt() * (1 + (frequency / high_hz) ** 16).rsqrt()


def _rand(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)
