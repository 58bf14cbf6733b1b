"""Training's clock: progress by steps or time, and processes that agree on the time."""

from types import SimpleNamespace
from typing import Any

import torch

from unison_core.training import clock as module
from unison_core.training.clock import Clock


def test_progress_is_the_further_of_steps_and_time() -> None:
    clock = Clock(steps=100, minutes=10.0, step=20, spent_s=0.0)
    assert clock.progress == 0.2
    clock.spent_s = 300.0
    assert 0.5 <= clock.progress < 0.51


def test_processes_that_agree_see_the_same_progress(monkeypatch: Any) -> None:
    """Otherwise one would stop, or take another learning rate, while the other waits for its gradients."""
    told = torch.tensor(0.5, dtype=torch.float64)
    monkeypatch.setattr(module, "broadcast", lambda tensor: told)
    pair: Any = SimpleNamespace(num_processes=2, device=torch.device("cpu"))
    slow, fast = Clock(steps=10**6, minutes=4.0, spent_s=100.0), Clock(steps=10**6, minutes=4.0, spent_s=130.0)
    for clock in (slow, fast):
        clock.agree(pair)
        assert clock.progress == 0.5
    assert slow.cosine(0) == fast.cosine(0)


def test_a_single_process_needs_no_agreement() -> None:
    alone: Any = SimpleNamespace(num_processes=1, device=torch.device("cpu"))
    clock = Clock(steps=10**6, minutes=1.0, spent_s=30.0)
    clock.agree(alone)
    assert 0.5 <= clock.progress < 0.51
