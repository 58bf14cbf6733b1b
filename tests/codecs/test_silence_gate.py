import math

import torch

from unison_core.codecs.mel import LogMel
from unison_core.codecs.silence_gate import silence_gate
from unison_core.config import load_preset

HOP = 256


def test_floor_is_shut_and_sound_is_untouched() -> None:
    mel = torch.full((1, 80, 40), -4.0)
    mel[:, 10, 15:25] = -1.0
    gain = silence_gate(mel, HOP, "log10")
    assert gain.shape == (1, 40 * HOP)
    assert gain[0, : 12 * HOP].max() == 0
    assert (gain[0, 14 * HOP : 26 * HOP] == 1).all()


def test_units_of_the_logarithm_do_not_matter() -> None:
    mel = torch.linspace(-4, -2, 50).expand(1, 80, -1)
    assert torch.allclose(silence_gate(mel, HOP, "log10"), silence_gate(mel * math.log(10), HOP, "ln"), atol=1e-5)


def test_gain_has_no_jumps() -> None:
    mel = torch.full((1, 80, 20), -4.0)
    mel[..., 10:] = 0.0
    assert silence_gate(mel, HOP, "log10").diff().abs().max() <= 1.01 / HOP


def test_a_quiet_tone_and_quiet_noise_pass() -> None:
    mel = LogMel(load_preset("nano").codecs.mel, 16000)
    tone = 10 ** (-75 / 20) * torch.sin(2 * math.pi * 440 * torch.arange(16384) / 16000)
    noise = 10 ** (-60 / 20) * torch.randn(16384, generator=torch.Generator().manual_seed(0))
    for wave in (tone, noise):
        assert silence_gate(mel(wave[None]), HOP, "log10").min() > 0.99
