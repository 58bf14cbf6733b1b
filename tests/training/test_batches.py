"""Batches: the same for any number of processes, drawn ahead or not, from one folder or several."""

from itertools import product

import pytest
import torch

from unison_core.training.ahead import Ahead
from unison_core.training.batching import plan_batch
from unison_core.training.mixed_latents import MixedLatents
from unison_core.training.randomness import generator, key


class Numbers:
    """A source whose batches are what its generator draws."""

    def __init__(self, first=0):
        self.first, self.drawn = first, 0

    def sample(self, count, generator):
        self.drawn += 1
        return (self.first + torch.randint(100, (count,), generator=generator)).tolist()

    def __len__(self):
        return 100


def test_every_number_of_processes_sees_the_same_batches():
    def seen(processes):
        plans = [plan_batch(12, 2, processes, process) for process in range(processes)]
        readers = [(plan, Ahead(Numbers(), plan, seed=1, depth=0)) for plan in plans]
        places = [(ahead, step, part) for plan, ahead in readers for step in (0, 1) for part in plan.parts]
        return {(step, part): ahead.take(step, part) for ahead, step, part in places}

    assert seen(1) == seen(2) == seen(3) == seen(6)
    assert len({tuple(batch) for batch in seen(1).values()}) == 12


@pytest.mark.parametrize("start", [0, 7])
def test_drawing_ahead_changes_nothing(start):
    plan, source = plan_batch(4, 1, 2, 1), Numbers()
    plain, ahead = Ahead(Numbers(), plan, 5, 0), Ahead(source, plan, 5, 3)
    for step in range(start, start + 4):
        for part in plan.parts:
            assert ahead.take(step, part) == plain.take(step, part)
    ahead.close()
    assert 8 <= source.drawn <= 12


def test_folders_are_drawn_from_by_their_shares():
    mixed = MixedLatents([Numbers(), Numbers(1000)], [3, 1])
    batches = [mixed.sample(2, generator("cpu", 0, i)) for i in range(400)]
    assert all((batch[0] >= 1000) == (batch[1] >= 1000) for batch in batches)
    assert sum(batch[0] >= 1000 for batch in batches) / 400 == pytest.approx(0.25, abs=0.06)
    with pytest.raises(ValueError, match="shares"):
        MixedLatents([Numbers()], [0])


def test_keys_differ_by_every_number():
    numbers = list(product(range(3), range(5), range(4), range(3)))
    keys = {key(*four) for four in numbers}
    assert len(keys) == len(numbers)
    assert all(0 <= k < 2**63 for k in keys)
