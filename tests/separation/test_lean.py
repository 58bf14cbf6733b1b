"""Inference on a CPU against the model that is trained: the same speech, and nothing done to the model."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import deviation_db, stirred
from unison_core.separation import lean_transformer
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.lean import LeanSeparator
from unison_core.separation.mel_roformer import build_separator
from unison_core.separation.separator import Separator

CHANGES: tuple[dict, ...] = (  # with two channels: what the public checkpoint is
    {"band_taps": 0, "time_taps": 0},
    {"band_taps": 3, "time_taps": 0, "time_pools": ()},
    {"band_taps": 5, "time_taps": 9, "depth": 2, "time_pools": (4,)},
    {"zero_dc": True},
    {"channels": 2, "band_taps": 0, "time_taps": 0, "band_split": "shape", "mask_depth": 2, "mask_expansion": 4},
    {"hop": 16, "depth": 2, "time_pools": (2, 3)},  # more spectra than short sequences have
)


def wave(config: SeparatorConfig, windows: int = 3) -> Tensor:
    noise = torch.randn(windows, config.channels, config.window, generator=torch.Generator().manual_seed(3))
    return noise * torch.tensor([0.1, 1e-4, 3.0])[:windows, None, None]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("hidden_per_thread", [1, 400_000])
@torch.inference_mode()
def test_the_same_speech(
    tiny_separator_config: SeparatorConfig, monkeypatch: pytest.MonkeyPatch, change: dict, hidden_per_thread: int
) -> None:
    """Window by window within -90 dB, whether sequences go through transformers one by one or together."""
    monkeypatch.setattr(lean_transformer, "HIDDEN_PER_THREAD", hidden_per_thread)
    config = replace(tiny_separator_config, **change)
    model = stirred(build_separator(config)).eval()
    for parameter in model.parameters():  # norms and gains that start at one and zero are moved further
        parameter.add_(0.3 * torch.rand_like(parameter) if parameter.ndim == 1 else 0.0)
    mix = wave(config)
    made, exact = LeanSeparator(model)(mix).reshape(mix.shape), model(mix).reshape(mix.shape)
    assert exact.norm() > 0.1 * mix.norm()
    for a, b in zip(made, exact, strict=True):
        assert deviation_db(a, b) < -90


@pytest.mark.parametrize("threads", [1, 2, 5])
@torch.inference_mode()
def test_windows_side_by_side_are_what_they_are_alone(tiny_separator_config: SeparatorConfig, threads: int) -> None:
    model = LeanSeparator(stirred(build_separator(tiny_separator_config)).eval())
    mix, before = wave(tiny_separator_config), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        together = model(mix)
        assert torch.get_num_threads() == threads
        assert together.is_inference()
        for made, window in zip(together, mix, strict=True):
            assert deviation_db(made, model(window[None])[0]) < -100
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def test_silence_stays_silence(tiny_separator_config: SeparatorConfig) -> None:
    model = stirred(build_separator(tiny_separator_config)).eval()
    assert LeanSeparator(model)(torch.zeros(1, 1, tiny_separator_config.window)).abs().max() == 0


@pytest.mark.parametrize("time_taps", [0, 9])
def test_the_model_stays_as_it_is(tiny_separator_config: SeparatorConfig, time_taps: int) -> None:
    """Same names and values, same gradients; a training's next check sees its new weights."""
    config = replace(tiny_separator_config, time_taps=time_taps)
    model = stirred(build_separator(config))
    mix = wave(config, 1)

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(mix).square().sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    before, expected = {k: v.clone() for k, v in model.state_dict().items()}, gradients()
    first = Separator(config, model).speech(mix.numpy())
    after, found = model.state_dict(), gradients()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert expected.keys() == found.keys() == dict(model.named_parameters()).keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)
    stirred(model)
    second = torch.from_numpy(Separator(config, model).speech(mix.numpy()))
    assert deviation_db(second, model(mix).detach().reshape(mix.shape)) < -90
    assert deviation_db(torch.from_numpy(first), second) > -60


def test_only_float32_on_a_cpu_is_lean(tiny_separator_config: SeparatorConfig) -> None:
    model = build_separator(tiny_separator_config)
    assert isinstance(Separator(tiny_separator_config, model).model, LeanSeparator)
    assert Separator(tiny_separator_config, model, precision=torch.bfloat16).model is model
