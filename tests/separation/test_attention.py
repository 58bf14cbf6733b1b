"""Attention to means of neighbouring keys and values, in the transformers that the configuration says."""

from dataclasses import replace

import pytest
import torch

from unison_core.separation.attention import FusedAttend, pooled
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.local_mixing import ALONG_BANDS, ALONG_TIME
from unison_core.separation.mel_roformer import build_separator


@pytest.mark.parametrize(
    ("count", "pool", "means"),
    [(4, 2, [1.0, 5.0]), (5, 2, [1.0, 5.0, 8.0]), (1, 2, [0.0]), (6, 4, [3.0, 9.0]), (2, 1, [0.0, 2.0])],
)
def test_neighbours_become_their_mean_and_so_does_what_is_left(count: int, pool: int, means: list[float]) -> None:
    t = 2.0 * torch.arange(count)[None, None, :, None]
    assert pooled(t, pool).flatten().tolist() == means


@pytest.mark.parametrize("pool", [2, 3])
def test_neighbours_that_are_the_same_are_attended_to_as_they_are(pool: int) -> None:
    q, k, v = torch.randn(3, 2, 1, 6, 8, generator=torch.Generator().manual_seed(0))
    k, v = (t[:, :, ::pool].repeat_interleave(pool, dim=2) for t in (k, v))
    torch.testing.assert_close(FusedAttend(pool)(q, k, v), FusedAttend()(q, k, v))


def test_the_first_transformers_along_time_pool_as_given(tiny_separator_config: SeparatorConfig) -> None:
    model = build_separator(replace(tiny_separator_config, depth=3, time_pools=(4, 2)))
    found = [
        [attention.branch.attend.pool for attention, _ in pair[place].layers]
        for place in (ALONG_TIME, ALONG_BANDS) for pair in model.layers
    ]  # fmt: skip
    assert found == [[4], [2], [1], [1], [1], [1]]


@pytest.mark.parametrize("pools", [(0,), (2, 2)])
def test_pools_that_cannot_be_are_refused(tiny_separator_config: SeparatorConfig, pools: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"time_pools=\["):
        replace(tiny_separator_config, depth=1, time_pools=pools)
