"""A model folder of random weights, small enough that a whole clip takes a second or two."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import torch

from unison_core.codecs.codec import Codec
from unison_core.config import PRESETS, Preset, from_mapping, read_yaml
from unison_core.model.unison import Unison
from unison_core.weights.save import save_model

if TYPE_CHECKING:  # it takes seconds to import what stands behind it
    from unison_core.separation.config import SeparatorConfig

M = TypeVar("M", bound=torch.nn.Module)


def deviation_db(made: torch.Tensor, exact: torch.Tensor) -> float:
    """Power of the difference over that of what is exact."""
    return float(20 * ((made - exact).norm() / exact.norm()).log10())


def tiny_mapping() -> dict[str, Any]:
    """The nano preset with its widths and depths cut down; rates, limits and structure stay."""
    data = read_yaml(PRESETS / "nano.yaml")
    data["name"] = "tiny"
    data["size"] = {"height": 32, "width": 32, "multiple": 16, "min_side": 32, "max_side": 64}
    data["model"]["video"] |= {"dim": 32, "heads": 2, "blocks": 2, "ffn_dim": 32, "text_dim": 16}
    data["model"]["audio"] |= {"dim": 32, "heads": 2, "joint_blocks": 1, "fused_blocks": 1, "text_dim": 16,
                               "bi_aca_dim": 16, "scg_dim": 8, "time_freq_dim": 32}  # fmt: skip
    data["model"]["nodes"] |= {"dim": 16, "heads": 2, "sigma_dim": 8}
    data["model"]["transcript"] |= {"dim": 32, "ffn_dim": 32, "layers": 1, "out_dim": 16}
    data["model"]["caption"] |= {"dim": 16, "layers": 1, "heads": 2}
    data["codecs"]["video"] |= {"base_dim": 8}
    data["codecs"]["audio"] |= {"dim": 16}
    data["codecs"]["vocos"] |= {"dim": 16, "hidden": 16, "blocks": 1}
    data["sampling"]["steps"] = 2
    return data


@pytest.fixture(scope="session")
def tiny_preset() -> Preset:
    return from_mapping(Preset, tiny_mapping(), "tiny")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, tiny_preset: Preset) -> Path:
    """A complete model folder; tests must not change it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(folder, tiny_preset, stirred(Unison(tiny_preset.model, tiny_preset.timing)), dtype=torch.bfloat16)
        stirred(Codec(tiny_preset)).save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_separator_config() -> "SeparatorConfig":
    """A separator that takes milliseconds: windows of 0.13 s at 16 kHz."""
    from unison_core.separation.config import load_separator_preset

    return replace(load_separator_preset("nano"), name="tiny", n_fft=256, hop=64, position_hop=128, bands=10, dim=16,
                   depth=1, time_pools=(2,), heads=2, dim_head=8, window=2048, overlap=512, fade=512)  # fmt: skip


@pytest.fixture(scope="session")
def separator_folder(tmp_path_factory: pytest.TempPathFactory, tiny_separator_config: "SeparatorConfig") -> Path:
    """A separator's folder with random weights."""
    from unison_core.separation.mel_roformer import build_separator, save_separator

    folder = tmp_path_factory.mktemp("models") / "separator"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_separator(folder, tiny_separator_config, stirred(build_separator(tiny_separator_config)).state_dict())
    return folder


def stirred(module: M) -> M:
    """Move every weight a little: what starts at zero would hide whatever stands before it."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module
