"""A checkpoint with the public names, made of random weights at small size: it loads strictly and computes the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from tests.conftest import stirred
from unison_core.config import to_mapping
from unison_core.errors import UnisonError, UsageError
from unison_core.separation.config import SeparatorConfig, load_separator_preset
from unison_core.separation.find import find_separator
from unison_core.separation.mel_roformer import plain_separator
from unison_core.separation.public_checkpoint import load_public, rename


@pytest.fixture
def small(tiny_separator_config: SeparatorConfig) -> SeparatorConfig:
    """The public structure, small: stereo, masks of depth 2, two layers, shape only, no DC."""
    return replace(tiny_separator_config, channels=2, mask_depth=2, depth=2, band_split="shape", zero_dc=True)


def public_state(config: SeparatorConfig) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    """A model of the package, and its weights under the names of the release that the checkpoint was made with."""
    model = stirred(plain_separator(config)).eval()
    state = {}
    for key, value in model.state_dict().items():
        parts = key.split(".")
        if parts[0] == "layers":
            parts[2] = str(int(parts[2]) - 1)
            if "branch" in parts:
                parts.remove("branch")
        state[".".join(parts)] = value
    return model, state


def test_names() -> None:
    """Names as they stand in the public file."""
    for public, ours in {
        "layers.0.0.layers.0.0.to_qkv.weight": "layers.0.1.layers.0.0.branch.to_qkv.weight",
        "layers.5.1.layers.0.0.rotary_embed.freqs": "layers.5.2.layers.0.0.branch.rotary_embed.freqs",
        "layers.5.1.layers.0.1.net.4.bias": "layers.5.2.layers.0.1.branch.net.4.bias",
        "layers.2.0.norm.gamma": "layers.2.1.norm.gamma",
        "band_split.to_features.59.0.gamma": "band_split.to_features.59.0.gamma",
        "mask_estimators.0.to_freqs.3.0.0.weight": "mask_estimators.0.to_freqs.3.0.0.weight",
    }.items():
        assert rename(public) == ours


@pytest.mark.filterwarnings("ignore:.*sdp_kernel")
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@torch.no_grad()
def test_loads_strictly_and_computes_the_same(small: SeparatorConfig, tmp_path: Path, suffix: str) -> None:
    model, state = public_state(small)
    assert "layers.1.0.layers.0.0.to_qkv.weight" in state
    path = tmp_path / f"vocals{suffix}"
    if suffix == ".ckpt":
        torch.save(state, path)
    else:
        from safetensors.torch import save_file

        save_file({key: value.clone() for key, value in state.items()}, path)
    (tmp_path / "separator.yaml").write_text(yaml.safe_dump(to_mapping(small)), encoding="utf-8")
    loaded = find_separator(str(path)).load()
    wave = 0.1 * torch.randn(1, 2, small.window, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(wave), model(wave), atol=1e-6, rtol=1e-4)


def test_what_does_not_fit_is_refused(small: SeparatorConfig, tmp_path: Path) -> None:
    _, state = public_state(small)
    path = tmp_path / "vocals.ckpt"
    torch.save({key: value for key, value in state.items() if "layers.1.1.norm" not in key}, path)
    with pytest.raises(UnisonError, match=r"layers\.1\.2\.norm\.gamma"):
        load_public(path, small)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UnisonError, match="no checkpoint that can be read"):
        load_public(path, small)


def test_code_in_a_checkpoint_is_refused_and_never_run(small: SeparatorConfig, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "vocals.ckpt"
    torch.save({"layer": Code()}, path)
    with pytest.raises(UnisonError, match="holds more than tensors: nothing else is read") as refused:
        load_public(path, small)
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_the_public_size() -> None:
    """228.2 M parameters, as the public file holds."""
    model = plain_separator(load_separator_preset("vocals"))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 228.2


def test_finding(tmp_path: Path, separator_folder: Path) -> None:
    assert find_separator(str(separator_folder)).config.name == "tiny"
    (tmp_path / "MelBandRoformer.ckpt").write_bytes(b"x")
    assert find_separator(str(tmp_path)).config == load_separator_preset("vocals")
    for name, message in {
        "no-such": "unknown separator 'no-such'",
        str(separator_folder / "separator.yaml"): "is no checkpoint",
        str(separator_folder.parent): "0 checkpoints, not one",
    }.items():
        with pytest.raises(UsageError, match=message):
            find_separator(name)
