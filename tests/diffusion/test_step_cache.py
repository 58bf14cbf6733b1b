"""Continued steps are exact where the path is straight, and both ends are always computed."""

import pytest
import torch

from unison_core.diffusion.sampler import sample
from unison_core.diffusion.schedule import stream_schedules
from unison_core.diffusion.step_cache import FIRST, LAST, StepCache, computed_steps
from unison_core.types import STREAMS, VIDEO

SHIFTS = dict.fromkeys(STREAMS, 3.0)


def start() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    shapes = {VIDEO: (1, 2, 3, 4, 4), "speech": (1, 5, 2), "sfx": (1, 5, 2)}
    return {s: torch.randn(shape, generator=g) for s, shape in shapes.items()}


def run(velocity, every: int, steps: int = 30, **settings):
    calls = []

    def counted(x, sigmas):
        calls.append(1)
        return velocity(x, sigmas)

    cached = StepCache(counted, computed_steps(steps, every))
    schedules = stream_schedules(steps, shifts=SHIFTS, **settings)
    return sample(cached, start(), schedules), len(calls)


def test_every_step_is_exact_and_both_ends_are_computed() -> None:
    assert all(computed_steps(20, 1))
    plan = computed_steps(50, 3)
    assert all(plan[:FIRST])
    assert all(plan[-LAST:])
    assert sum(plan) == FIRST + LAST + (50 - FIRST - LAST) // 3
    with pytest.raises(ValueError, match="cache_every=0"):
        computed_steps(10, 0)


def test_a_velocity_that_changes_in_a_straight_line_is_continued_exactly() -> None:
    def velocity(x, sigmas):
        return {s: torch.ones_like(v) * (1 + 2 * sigmas[s].max()) for s, v in x.items()}

    exact, all_calls = run(velocity, 1)
    cached, calls = run(velocity, 2)
    assert calls < 0.7 * all_calls
    for stream in STREAMS:
        torch.testing.assert_close(cached[stream], exact[stream], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"lead": "audio", "lead_amount": 0.4}, {"given": ("speech",)}])
def test_a_curved_path_is_near_and_nearer_with_more_steps(settings) -> None:
    def velocity(x, sigmas):
        return {s: torch.cos(3 * sigmas[s].max()) + 0.1 * v for s, v in x.items()}

    def deviation(every: int) -> float:
        exact, cached = (run(velocity, e, 60, **settings)[0] for e in (1, every))
        return max(float((cached[s] - exact[s]).abs().max()) for s in STREAMS)

    assert 0 < deviation(2) < deviation(4) < 0.05


def test_given_streams_stay_still() -> None:
    out, _ = run(lambda x, s: {k: torch.ones_like(v) for k, v in x.items()}, 3, given=("speech",))
    assert torch.equal(out["speech"], start()["speech"])
