"""A recording becomes two stems that add up to it, by a separator of random weights; without one, it is said."""

import numpy as np
import pytest
import torch

from unison_core.errors import UsageError
from unison_core.pipelines import separating
from unison_core.pipelines.separating import bundled_separator, find_bundled
from unison_core.separation.config import load_separator_preset
from unison_core.separation.mel_roformer import build_separator, save_separator
from unison_core.types import SFX, SPEECH


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_stems_add_up_to_the_recording(monkeypatch, tmp_path, rate_hz):
    torch.manual_seed(0)
    config = load_separator_preset("nano")
    save_separator(tmp_path, config, build_separator(config).state_dict())
    monkeypatch.setattr(separating, "DEFAULT_SEPARATOR", str(tmp_path))
    separate = bundled_separator("cpu")
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * rate_hz).astype(np.float32)
    stems = separate(wave, rate_hz)
    assert {stream: stem.shape for stream, stem in stems.items()} == {SPEECH: wave.shape, SFX: wave.shape}
    assert np.allclose(stems[SPEECH] + stems[SFX], wave, atol=1e-6)
    assert len(separate.facts["sha256"]) == 64


def test_without_a_separator_it_is_said(monkeypatch):
    monkeypatch.setattr(separating, "DEFAULT_SEPARATOR", "no-such-separator")
    with pytest.raises(UsageError, match="comes without a separator"):
        find_bundled()
