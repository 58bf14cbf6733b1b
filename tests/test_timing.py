"""Arithmetic of time: 4k+1 frames, centres of latents, and the full-size facts."""

import pytest
import torch

from unison_core.config import load_preset

NANO, FULL = load_preset("nano").timing, load_preset("5b").timing


def test_full_size_five_seconds():
    assert FULL.frames(5.0) == 125
    assert FULL.video_latents(125) == 32
    assert FULL.audio_latents(125) == 216
    assert pytest.approx(43.066, abs=1e-3) == FULL.latent_rate_hz


def test_nano_three_seconds():
    assert NANO.latent_rate_hz == 31.25
    assert NANO.frames_covering(3.0) == 77
    assert NANO.shown_frames(3.0) == 75
    assert NANO.video_latents(77) == 20
    assert NANO.audio_latents(77) == 97


def test_frames_must_be_4k_plus_1():
    with pytest.raises(ValueError, match="78"):
        NANO.video_latents(78)


def test_centres_are_the_means_of_what_a_latent_covers():
    times = NANO.video_latent_times_s(4)
    frames = (torch.arange(13, dtype=torch.float64) + 0.5) / 25
    covered = [frames[:1], frames[1:5], frames[5:9], frames[9:13]]
    assert torch.allclose(times, torch.stack([c.mean() for c in covered]))
    assert NANO.audio_latent_times_s(2).tolist() == [0.016, 0.048]


@pytest.mark.parametrize("duration_s", [1.0, 1.97, 2.5, 4.04])
def test_the_covering_length_covers(duration_s):
    frames = NANO.frames_covering(duration_s)
    assert frames % 4 == 1
    assert 0 <= frames - NANO.shown_frames(duration_s) < 4
