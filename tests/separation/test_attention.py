"""Attention to pairs: means of two keys and two values, in the transformers that the configuration says."""

from dataclasses import replace

import pytest
import torch

from unison_core.separation.attention import FusedAttend, by_pairs
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.local_mixing import ALONG_BANDS, ALONG_TIME
from unison_core.separation.mel_roformer import build_separator


@pytest.mark.parametrize(("count", "means"), [(4, [1.0, 5.0]), (5, [1.0, 5.0, 8.0]), (1, [0.0])])
def test_neighbours_become_their_mean_and_the_last_stays(count: int, means: list[float]) -> None:
    t = 2.0 * torch.arange(count)[None, None, :, None]
    assert by_pairs(t).flatten().tolist() == means


def test_pairs_of_the_same_are_attended_to_as_they_are() -> None:
    q, k, v = torch.randn(3, 2, 1, 6, 8, generator=torch.Generator().manual_seed(0))
    k, v = (t[:, :, ::2].repeat_interleave(2, dim=2) for t in (k, v))
    torch.testing.assert_close(FusedAttend(paired=True)(q, k, v), FusedAttend()(q, k, v))


def test_the_first_transformers_along_time_attend_to_pairs(tiny_separator_config: SeparatorConfig) -> None:
    model = build_separator(replace(tiny_separator_config, depth=3, paired=2))
    found = [
        [attention.branch.attend.paired for attention, _ in pair[place].layers]
        for place in (ALONG_TIME, ALONG_BANDS) for pair in model.layers
    ]  # fmt: skip
    assert found == [[True], [True], [False], [False], [False], [False]]


@pytest.mark.parametrize("paired", [-1, 2])
def test_more_pairs_than_there_are_is_refused(tiny_separator_config: SeparatorConfig, paired: int) -> None:
    with pytest.raises(ValueError, match=f"paired={paired}"):
        replace(tiny_separator_config, depth=1, paired=paired)
