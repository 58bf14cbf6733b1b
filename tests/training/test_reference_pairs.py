"""References of training: the same voice, another clip, nothing but speech; off by default."""

import numpy as np
import pytest
import torch

from unison_core.training.objective import ObjectiveConfig, objective
from unison_core.training.reference_pairs import ReferencePairs, draw_stretch
from unison_core.training.shard_format import Sample, write_shard
from unison_core.training.shards import LatentPool
from unison_core.types import SFX, SPEECH, VIDEO

RATE, FRAMES, N = 10.0, 41, 30
VOICES = ("slt", "rms", None)


def sample(i, voice):
    """Speech latents say whose clip it is (channel 0), and where in the clip they are (channel 1)."""
    spoken = [1] * bool(voice)
    meta = {"frames": FRAMES, "caption_ids": [i], "phoneme_ids": spoken, "phoneme_weights": spoken,
            "span_s": [0.5, 2.5] if voice else None, "voice": voice}  # fmt: skip
    speech = np.stack([np.full(N, i), np.arange(N), np.zeros(N)], -1)
    return Sample(
        key=f"{i:04d}", latents={VIDEO: np.zeros((2, 11, 2, 2)), SPEECH: speech, SFX: np.zeros((N, 3))}, meta=meta
    )


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path / "a.tar", [sample(i, VOICES[i % 3]) for i in range(1, 31)])
    return tmp_path


def pool(folder, **pairs):
    return LatentPool(folder, torch.device("cpu"), caption_length=4, phoneme_length=5,
                      pairs=ReferencePairs(**pairs), latent_rate_hz=RATE)  # fmt: skip


def test_off_by_default_and_then_nothing_is_drawn(folder):
    off, none = pool(folder), LatentPool(folder, torch.device("cpu"), caption_length=4, phoneme_length=5)
    a, b = (p.sample(8, torch.Generator().manual_seed(0)) for p in (off, none))
    assert a.reference is None
    assert torch.equal(a.text.caption_ids, b.text.caption_ids)


def test_another_clip_of_the_same_voice_while_it_speaks(folder):
    on, draw = pool(folder, probability=1.0, seconds=(1.0, 1.5)), torch.Generator().manual_seed(0)
    lengths = set()
    for _ in range(10):
        batch = on.sample(8, draw)
        who, when = batch.reference[..., 0].long(), batch.reference[..., 1]
        own = batch.text.caption_ids[:, 0]
        assert (who == who[:, :1]).all()
        assert (who[:, 0] != own).all()
        speaks = own % 3 != 2
        assert (who[speaks, 0] % 3 == own[speaks] % 3).all()
        assert (who[:, 0] % 3 != 2).all()  # the voice of a silent clip's reference is somebody's
        assert when.min() >= 5
        assert when.max() < 25
        assert (when.diff() == 1).all()
        lengths.add(when.shape[1])
    assert min(lengths) >= 10
    assert max(lengths) <= 15
    assert len(lengths) > 1


def test_the_same_clip_if_asked(folder):
    batch = pool(folder, probability=1.0, same_clip=True).sample(8, torch.Generator().manual_seed(0))
    speaks = batch.text.caption_ids[:, 0] % 3 != 2
    assert (batch.reference[speaks, 0, 0] == batch.text.caption_ids[speaks, 0]).all()


def test_some_batches_have_none(folder):
    on, draw = pool(folder, probability=0.5), torch.Generator().manual_seed(0)
    without = sum(on.sample(2, draw).reference is None for _ in range(60))
    assert 15 < without < 45


def test_the_objective_hands_it_on_and_counts_no_loss_for_it(folder):
    batch = pool(folder, probability=1.0).sample(4, torch.Generator().manual_seed(0))

    class Model:
        def encode(self, text, frames, *, with_video, reference):
            self.reference = reference

        def __call__(self, x, sigmas, conditions, *, gates=None):
            return {s: torch.zeros_like(v) for s, v in x.items()}

    model = Model()
    losses = objective(model, batch, ObjectiveConfig(), progress=0.5, generator=torch.Generator().manual_seed(0))
    assert model.reference is batch.reference
    assert set(losses.plain) == {VIDEO, SPEECH, SFX}


def test_wrong_settings_are_errors():
    with pytest.raises(ValueError, match="share"):
        ReferencePairs(probability=2)
    with pytest.raises(ValueError, match="ascending"):
        ReferencePairs(seconds=(3.0, 1.0))


def test_lengths_may_come_in_steps():
    pairs = ReferencePairs(probability=1.0, seconds=(1.0, 3.0), step_s=1.0)
    spans, generator = torch.tensor([[0.0, 4.0]]), torch.Generator().manual_seed(0)
    lengths = {draw_stretch(pairs, spans, 125, 31.25, generator).shape[1] for _ in range(50)}
    assert lengths == {31, 62, 94}
