"""Several processes give what one gives, in order, and their failures come through."""

import shutil
import time

import forked
import numpy as np
import pytest

from unison_core.corpus import stream as stream_module
from unison_core.corpus.stream import spread, stream_items
from unison_core.errors import UsageError

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture
def warm_workers(monkeypatch):
    """Workers that need not import PyTorch; `test_workers_do_not_change_items` spawns them as users do."""
    monkeypatch.setattr(stream_module.multiprocessing, "get_context", lambda _: forked.CONTEXT)


def slow_first(x):
    time.sleep(0.3 if x == 0 else 0.0)
    return 10 * x


def fails_on_three(x):
    if x == 3:
        raise ValueError("three is not allowed")
    return x


def test_order_does_not_depend_on_who_is_faster(warm_workers):
    assert list(spread(slow_first, range(6), workers=2)) == [10 * x for x in range(6)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_workers_exception_surfaces_at_its_turn(workers, warm_workers):
    results = spread(fails_on_three, range(100), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three is not allowed"):
        next(results)


def test_tasks_are_taken_as_they_are_needed(warm_workers):
    taken = []

    def endless():
        for i in range(10**9):
            taken.append(i)
            yield i

    results = spread(fails_on_three, endless(), workers=1)
    next(results)
    results.close()
    assert len(taken) < 10


def test_unknown_split_is_named():
    with pytest.raises(UsageError, match="trian"):
        list(stream_items("trian", 0, 1, workers=0, video=False))


@needs_flite
def test_workers_do_not_change_items():
    def stream(workers):
        return list(stream_items("held_out", 3, 3, workers, video=False, variants=2))

    for a, b in zip(stream(0), stream(1), strict=True):
        assert a.scene == b.scene
        assert all(np.array_equal(a.clip.stems[s], b.clip.stems[s]) for s in a.clip.stems)
