"""The guard: what is no number or a spike is skipped and counted; training ends with a reason where that is no help."""

import math

import pytest

from unison_core.errors import UnisonError
from unison_core.training.guard import GuardConfig, StepGuard


def _fed(config, norms):
    guard = StepGuard(config)
    return guard, [guard.admit(i + 1, norm, {"speech": 2.0}) for i, norm in enumerate(norms)]


def test_numbers_pass_and_others_do_not():
    guard, admitted = _fed(GuardConfig(), [1.0, math.nan, 2.0, math.inf, 1.5])
    assert admitted == [True, False, True, False, True]
    assert guard.skipped == 2


def test_a_spike_is_far_above_the_median_of_enough_norms():
    config = GuardConfig(spike=10, window=4)
    assert _fed(config, [1.0, 11.0])[1] == [True, True]  # too few to know
    assert _fed(config, [1.0, 1.2, 12.0, 9.0])[1] == [True, True, False, True]
    assert _fed(GuardConfig(spike=0, window=4), [1.0, 1.0, 1e9])[1] == [True] * 3


def test_it_stops_with_the_reason():
    guard = StepGuard(GuardConfig(patience=3))
    guard.admit(6, math.nan, {})
    guard.admit(7, math.nan, {})
    with pytest.raises(UnisonError, match=r"step 8: 3 steps in a row .* norm is nan \(losses: speech 7\)"):
        guard.admit(8, math.nan, {"speech": 7.0})
    with pytest.raises(UnisonError, match="2 steps were skipped"):
        _fed(GuardConfig(most=2), [math.nan, 1.0, math.nan])


def test_a_state_goes_on_where_it_was():
    config = GuardConfig(window=4, patience=3)
    guard, _ = _fed(config, [1.0, 1.0, 50.0, math.nan])
    other = StepGuard(config)
    other.load_state_dict(guard.state_dict())
    assert other.state_dict() == guard.state_dict()
    with pytest.raises(UnisonError, match="in a row"):
        other.admit(5, math.nan, {})
