"""Random numbers that depend on nothing but (seed, step, part of the batch): there is no state to lose.

A run that is killed and resumed, or that goes on with another number of processes, draws what it would have drawn.
"""

import numpy as np
import torch

DRAW, NOISE, LAYERS = range(3)
"""What a generator is for: choosing clips, the objective, and whatever layers draw by themselves (dropout)."""


def key(seed: int, *numbers: int) -> int:
    """A seed in [0, 2^63) from several numbers, none negative."""
    return int(np.random.SeedSequence((seed, *numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(device: torch.device | str, seed: int, *numbers: int) -> torch.Generator:
    """A fresh generator on `device` for these numbers."""
    return torch.Generator(device).manual_seed(key(seed, *numbers))
