"""The sampler: exact on straight paths, still on given streams, indifferent to batching."""

import pytest
import torch

from unison_core.diffusion.sampler import noise_like, sample
from unison_core.diffusion.schedule import stream_schedules
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO

SHAPES = {VIDEO: (2, 3, 4, 4), SPEECH: (5, 2), SFX: (5, 2)}
ONES = dict.fromkeys(STREAMS, 1.0)


def _noise(*seeds):
    return noise_like(SHAPES, [torch.Generator().manual_seed(s) for s in seeds])


@pytest.mark.parametrize("steps", [1, 7])
def test_a_straight_path_is_integrated_exactly(steps):
    data, noise = _noise(1), _noise(2)
    schedules = stream_schedules(steps, shifts=dict.fromkeys(STREAMS, 3.0))
    out = sample(lambda x, s: {k: noise[k] - data[k] for k in x}, noise, schedules)
    for stream in STREAMS:
        assert torch.allclose(out[stream], data[stream], atol=1e-5)


def test_given_streams_do_not_move():
    noise = _noise(3)
    out = sample(lambda x, s: {k: torch.ones_like(v) for k, v in x.items()}, noise,
                 stream_schedules(4, shifts=ONES, given={SPEECH}))  # fmt: skip
    assert torch.equal(out[SPEECH], noise[SPEECH])
    assert not torch.equal(out[SFX], noise[SFX])


def test_a_given_first_frame_does_not_move_and_is_told_to_the_model():
    noise, seen = _noise(4), []

    def velocity(x, sigmas):
        seen.append(sigmas[VIDEO])
        return {k: torch.ones_like(v) for k, v in x.items()}

    out = sample(velocity, noise, stream_schedules(3, shifts=ONES), first_frame=True)
    assert torch.equal(out[VIDEO][:, :, 0], noise[VIDEO][:, :, 0])
    assert not torch.equal(out[VIDEO][:, :, 1], noise[VIDEO][:, :, 1])
    assert all((s[:, 0] == 0).all() and (s[:, 1] > 0).all() for s in seen)


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    pair, single = _noise(1, 2), _noise(2)
    assert all(torch.equal(pair[s][1:], single[s]) for s in STREAMS)


def test_schedule_runs_from_one_to_zero():
    s = stream_schedules(10, shifts=dict.fromkeys(STREAMS, 5.0))[VIDEO]
    assert s[0] == 1
    assert s[-1] == 0
    assert (s.diff() < 0).all()


def test_the_leader_is_cleaner_until_both_arrive():
    schedules = stream_schedules(20, shifts=ONES, lead="audio", lead_amount=0.5)
    assert (schedules[SPEECH] <= schedules[VIDEO]).all()
    assert (schedules[SPEECH] < schedules[VIDEO]).any()
    assert schedules[SPEECH][-1] == schedules[VIDEO][-1] == 0
    assert schedules[SPEECH][0] == schedules[VIDEO][0] == 1
    same = stream_schedules(20, shifts=ONES, lead="audio", lead_amount=0.0)
    assert torch.equal(same[SPEECH], same[VIDEO])


def test_unknown_lead_is_an_error():
    with pytest.raises(ValueError, match="speech"):
        stream_schedules(3, shifts=ONES, lead="speech")
