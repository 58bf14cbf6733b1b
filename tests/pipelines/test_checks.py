"""Every output check passes on a sound clip and fails on the fault that it is for."""

import numpy as np
import pytest

from unison_core.media.mix import MixSettings, mix_stems
from unison_core.pipelines.checks import check_outputs
from unison_core.pipelines.request import GenerateRequest, complete
from unison_core.types import SFX, SPEECH

RATE, FPS = 16000, 25


def failed(
    preset, *, speech=0.2, sfx=0.2, frames=50, samples=2 * RATE, still=False, transcript="Hello", **mix
) -> set[str]:
    rng = np.random.default_rng(0)
    settings = MixSettings(**mix)
    spec = complete(GenerateRequest(caption="x", transcript=transcript, duration_s=2.0, mix=settings), preset)
    stems = {SPEECH: speech * rng.laplace(0, 0.3, samples), SFX: sfx * rng.laplace(0, 0.3, samples)}
    pictures = rng.integers(0, 255, (1 if still else frames, 8, 8, 3), np.uint8)
    pictures = np.repeat(pictures, frames, axis=0) if still else pictures
    checks = check_outputs(spec, pictures, FPS, mix_stems(stems, RATE, settings), RATE)
    return {check.name for check in checks if not check.passed}


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ({}, set()),
        ({"sfx": 0}, set()),
        ({"speech": 0}, {"speech_lufs"}),
        ({"speech": 0, "sfx": 0}, {"speech_lufs", "mix_lufs"}),
        ({"speech": 0, "transcript": ""}, set()),
        ({"transcript": ""}, {"speech_lufs"}),
        ({"speech": 1.5}, {"peak_reduction_db"}),
        ({"frames": 49}, {"length_s"}),
        ({"samples": 31000}, {"length_s"}),
        ({"still": True}, {"motion"}),
        ({"lufs": -20}, set()),
        ({"lufs": -5}, {"lufs_error", "peak_reduction_db"}),
    ],
)
def test_faults_are_found(tiny_preset, fault, names):
    assert failed(tiny_preset, **fault) == names


def test_a_small_reduction_is_told_with_its_figure(tiny_preset):
    spec = complete(GenerateRequest(caption="x", transcript="Hello", duration_s=2.0), tiny_preset)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 2 * RATE)
    mixed = mix_stems({SPEECH: np.append(noise[1:], 0.503), SFX: np.append(noise[1:], 0.5)}, RATE, spec.mix)
    checks = check_outputs(spec, np.zeros((50, 8, 8, 3), np.uint8), FPS, mixed, RATE)
    message = next(check.message for check in checks if check.name == "peak_reduction_db")
    assert message == "peaks passed full scale: stems and mix were lowered by 0.027 dB"
