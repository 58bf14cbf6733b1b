import pytest
import torch

from unison_core.codecs.mel import LogMel
from unison_core.codecs.vocoder import build_vocoder
from unison_core.codecs.vocos import Vocos
from unison_core.config import CodecConfig, VocosConfig, load_preset

NANO = load_preset("nano")
MEL, RATE_HZ = NANO.codecs.mel, NANO.timing.sample_rate_hz


def small() -> Vocos:
    torch.manual_seed(0)
    return Vocos(VocosConfig(dim=16, hidden=24, blocks=2), MEL, RATE_HZ)


def test_nano_makes_one_hop_per_frame() -> None:
    wave = build_vocoder(NANO.codecs, RATE_HZ)(torch.full((2, MEL.mels, 6), -4.0))
    assert wave.shape == (2, 6 * MEL.hop)


def test_inverse_undoes_the_transform() -> None:
    vocos = small()
    wave = torch.randn(1, MEL.hop * 12)
    pad = (MEL.n_fft - MEL.hop) // 2
    padded = torch.nn.functional.pad(wave[:, None], (pad, pad), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, MEL.n_fft, MEL.hop, window=vocos.window, center=False, return_complex=True)
    torch.testing.assert_close(vocos._inverse(spectrum.transpose(1, 2)), wave, atol=1e-4, rtol=1e-4)


def test_starts_at_the_level_of_the_mel() -> None:
    vocos, log_mel = small(), LogMel(MEL, RATE_HZ)
    with torch.no_grad():
        vocos.out.weight.zero_()
        given = log_mel(0.1 * torch.randn(1, MEL.hop * 40))
        level = 10**given
        spectrum = level.transpose(1, 2) @ vocos.spread  # (1, L, bins)
        again = (log_mel.filters @ spectrum.transpose(1, 2)).log10()
    assert (again - given).abs().mean() < 0.1


def test_output_is_finite_whatever_it_is_told() -> None:
    vocos = small()
    with torch.no_grad():
        vocos.out.bias.fill_(50.0)
    wave = vocos(torch.zeros(1, MEL.mels, 4))
    assert wave.isfinite().all()


def test_buffers_are_there_on_the_meta_device() -> None:
    with torch.device("meta"):
        vocos = small()
    assert vocos.out.weight.is_meta
    assert not vocos.window.is_meta
    assert not vocos.spread.is_meta


def test_a_preset_names_one_vocoder() -> None:
    codecs = NANO.codecs
    with pytest.raises(ValueError, match="either `vocoder` or `vocos`"):
        CodecConfig(video=codecs.video, mel=codecs.mel, audio=codecs.audio)


@torch.no_grad()
def test_bins_that_no_mel_band_reaches_stay_silent() -> None:
    vocos = small()
    mel = torch.full((1, MEL.mels, 8), -1.0)
    wave = vocos(mel)
    vocos.out.bias[[0, MEL.n_fft // 2]] += 50.0
    torch.testing.assert_close(vocos(mel), wave)
    vocos.out.bias[1] += 50.0
    assert not torch.allclose(vocos(mel), wave)
