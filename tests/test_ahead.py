"""Work ahead: in order, bounded, with its errors at their turn, and none left behind."""

import itertools
import threading
import time

import pytest

from unison_core.ahead import ahead


def test_order_holds_whatever_takes_how_long():
    assert list(ahead(lambda i: (time.sleep(0.003 * (i % 3)), i)[1], range(20), depth=4)) == list(range(20))


def test_an_endless_source_is_read_no_further_than_needed():
    begun = []
    made = ahead(lambda i: begun.append(i) or i, itertools.count(), depth=3)
    assert [next(made) for _ in range(5)] == list(range(5))
    made.close()
    assert len(begun) <= 5 + 3
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_an_error_comes_at_its_turn():
    made = ahead(lambda i: 1 // (2 - i), range(5), depth=4)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_depth_is_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        next(ahead(str, [1], depth=0))
