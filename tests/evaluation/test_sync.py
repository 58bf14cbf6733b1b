"""Planted strikes with a planted offset are found again."""

import numpy as np
import pytest

from unison_core.evaluation.sync import action_strength, beats_shuffled, onset_strength, sync

RATE_HZ, FPS, SECONDS = 16000, 25.0, 3.04
FRAMES = round(SECONDS * FPS)


def events(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.uniform(0.45, 0.8, size=3)) + 0.1


def picture(events_s: np.ndarray) -> np.ndarray:
    """A bar that is raised slowly and falls to its lowest place in the frame that shows each event."""
    frames = np.full((FRAMES, 64, 64, 3), 200, dtype=np.uint8)
    height = np.zeros(FRAMES)
    for contact in (events_s * FPS).astype(int):
        for back, value in enumerate((0, 6, 10, 8, 6, 4, 2)):
            if 0 <= contact - back < FRAMES:
                height[contact - back] = value
    for frame, lifted in zip(frames, height.astype(int), strict=True):
        frame[50 - lifted : 60 - lifted, 20:44] = 30
    return frames


def sound(events_s: np.ndarray, offset_s: float = 0.0, seed: int = 0, noise: float = 1e-3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = noise * rng.normal(size=round(SECONDS * RATE_HZ))
    for event_s in events_s + offset_s:
        start = round(event_s * RATE_HZ)
        burst = rng.normal(size=3000) * np.exp(-np.arange(3000) / 600)
        wave[start : start + 3000] += 0.3 * burst[: len(wave) - start]
    return wave


@pytest.mark.parametrize("offset_ms", [-200, -60, 0, 100, 300])
def test_planted_offset_is_found(offset_ms):
    lags = []
    for seed in range(12):
        moments = events(seed)
        found = sync(
            action_strength(picture(moments), FPS), onset_strength(sound(moments, offset_ms / 1000, seed), RATE_HZ)
        )
        assert found is not None
        lags.append(found.lag_ms)
    assert np.median(lags) == pytest.approx(offset_ms, abs=12)


def test_a_background_sound_does_not_move_the_lag():
    moments = events(1)
    action = action_strength(picture(moments), FPS)
    quiet, noisy = (sync(action, onset_strength(sound(moments, noise=level), RATE_HZ)) for level in (1e-4, 2e-2))
    assert quiet is not None
    assert noisy is not None
    assert noisy.lag_ms == pytest.approx(quiet.lag_ms, abs=10)


def test_true_pairs_beat_shuffled_ones_and_shuffled_pairs_do_not():
    actions = [action_strength(picture(events(seed)), FPS) for seed in range(12)]
    onsets = [onset_strength(sound(events(seed), seed=seed), RATE_HZ) for seed in range(12)]
    assert np.mean(beats_shuffled(actions, onsets)) >= 0.9
    assert np.mean(beats_shuffled(actions, onsets[5:] + onsets[:5])) <= 0.75


def test_stillness_and_silence_have_no_synchrony():
    moments = events(0)
    still = np.full((FRAMES, 64, 64, 3), 128, dtype=np.uint8)
    assert sync(action_strength(still, FPS), onset_strength(sound(moments), RATE_HZ)) is None
    assert sync(action_strength(picture(moments), FPS), onset_strength(np.zeros(48000), RATE_HZ)) is None


def test_action_above_the_hands_is_not_action():
    upside_down = picture(events(0))[:, ::-1]
    assert not action_strength(upside_down, FPS).any()
