"""What a decoder makes fits full scale, whatever it makes; what is given is not touched."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unison_core.config import load_preset
from unison_core.errors import UnisonError
from unison_core.pipelines.decoding import decode_clip
from unison_core.pipelines.stopwatch import Stopwatch
from unison_core.types import SFX, SPEECH, VIDEO

TIMING = load_preset("nano").timing
FRAMES = 26
LOUD = 3 * torch.sin(torch.arange(2 * TIMING.sample_rate_hz) / 5.0)


def decode(made: torch.Tensor, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stems of one second, by a decoder that says `made` to every latent."""
    codec = SimpleNamespace(
        decode_video=lambda latents: torch.zeros(1, FRAMES, 8, 8, 3, dtype=torch.uint8),
        decode_audio=lambda latents: made.expand(len(latents), -1),
    )
    latents = {VIDEO: torch.zeros(1, 1), **{stream: torch.zeros(1, 1) for stream in (SPEECH, SFX)}}
    media = SimpleNamespace(frames=None, stems=given, rate_hz=TIMING.sample_rate_hz)
    spec, watch = SimpleNamespace(duration_s=1.0), Stopwatch(torch.device("cpu"))
    return decode_clip(codec, TIMING, spec, media, latents, watch)[1]


def test_made_stems_are_within_full_scale():
    stems = decode(LOUD, {})
    for wave in stems.values():
        assert np.isfinite(wave).all()
        assert 0.9 < np.abs(wave).max() <= 1


def test_given_stems_stay_as_they_are():
    given = np.full(TIMING.sample_rate_hz, 1.5, dtype=np.float32)
    assert decode(LOUD, {SPEECH: given})[SPEECH] is given


def test_what_is_no_number_is_told():
    with pytest.raises(UnisonError, match="not all numbers"):
        decode(LOUD * torch.nan, {})
