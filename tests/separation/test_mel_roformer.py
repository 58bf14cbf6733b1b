"""The model against the package's own, in both precisions; files; the level of bands."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import deviation_db, stirred
from unison_core.config import from_mapping, to_mapping
from unison_core.errors import UnisonError
from unison_core.separation.config import SeparatorConfig, load_separator_preset
from unison_core.separation.mel_roformer import (
    build_separator,
    compile_parts,
    fuse,
    load_separator,
    plain_separator,
    save_separator,
    uncompile_parts,
)


@pytest.fixture
def wave(tiny_separator_config: SeparatorConfig) -> Tensor:
    return 0.1 * torch.randn(2, 1, tiny_separator_config.window, generator=torch.Generator().manual_seed(3))


def pair(config: SeparatorConfig):  # type: ignore[no-untyped-def]
    """The package's model, and ours with its weights."""
    plain = stirred(plain_separator(config)).eval()
    for name, parameter in plain.named_parameters():  # frequencies are no weights
        if name.endswith("rotary_embed.freqs"):
            parameter.data = 1.0 / 10000 ** (torch.arange(0, config.dim_head, 2) / config.dim_head)
    ours = plain_separator(config).eval()
    ours.load_state_dict(plain.state_dict())
    return plain, fuse(ours)


@pytest.mark.filterwarnings("ignore:.*sdp_kernel")
@pytest.mark.parametrize("band_split", ["shape", "shape_and_level"])
@torch.no_grad()
def test_fused_attention_changes_nothing(tiny_separator_config: SeparatorConfig, wave: Tensor, band_split: str) -> None:
    plain, ours = pair(replace(tiny_separator_config, band_split=band_split))
    torch.testing.assert_close(ours(wave), plain(wave), atol=1e-6, rtol=1e-4)


def test_masks_are_as_wide_as_asked(tiny_separator_config: SeparatorConfig) -> None:
    """Configurations that do not say get the package's four times `dim`, as all weights before had."""
    given = to_mapping(tiny_separator_config)
    del given["mask_expansion"]
    silent = from_mapping(SeparatorConfig, given, "separator.yaml")
    for config, times in ((silent, 4), (replace(silent, mask_expansion=1), 1)):
        first = build_separator(config).state_dict()["mask_estimators.0.to_freqs.0.0.0.weight"]
        assert first.shape == (times * config.dim, config.dim)


def test_the_preset_fits_the_repository() -> None:
    """At most 1.35 M weights (2.7 MB in bf16), most of them in the transformers."""
    model = build_separator(load_separator_preset("nano"))
    weights, inner = (sum(p.numel() for p in part.parameters()) for part in (model, model.layers))
    assert weights <= 1_350_000
    assert inner > weights / 2


@pytest.mark.filterwarnings("ignore:.*sdp_kernel")
@torch.no_grad()
def test_bf16_stays_fifty_db_under_float32(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    plain, ours = pair(tiny_separator_config)
    exact = ours(wave)
    with torch.autocast("cpu", torch.bfloat16):
        assert deviation_db(ours(wave), exact) < -50
        assert deviation_db(plain(wave), exact) > -50  # which is why the ends stay in float32


@torch.no_grad()
def test_compiled_parts_compute_the_same(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    model = stirred(build_separator(tiny_separator_config)).eval()
    exact = model(wave)
    compile_parts(model, backend="eager")
    torch.testing.assert_close(model(wave), exact)
    uncompile_parts(model)
    assert all(part._compiled_call_impl is None for part in model.modules())


@torch.no_grad()
def test_louder_gives_louder_and_silence_gives_silence(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    model = stirred(build_separator(tiny_separator_config)).eval()
    torch.testing.assert_close(model(8 * wave), 8 * model(wave), atol=1e-5, rtol=1e-3)
    assert model(torch.zeros_like(wave)).abs().max() == 0


@torch.no_grad()
def test_a_token_knows_how_loud_its_band_is(tiny_separator_config: SeparatorConfig) -> None:
    """Scaling one band of one spectrum is invisible to the papers' split and visible to ours."""
    shape = plain_separator(replace(tiny_separator_config, band_split="shape")).band_split
    level = plain_separator(tiny_separator_config).band_split
    x = torch.randn(1, 3, sum(shape.dim_inputs), generator=torch.Generator().manual_seed(0))
    louder = x.clone()
    louder[0, 1, : shape.dim_inputs[0]] *= 10
    torch.testing.assert_close(shape(louder)[0, 1, 0], shape(x)[0, 1, 0])
    assert (level(louder)[0, 1, 0] - level(x)[0, 1, 0]).abs().max() > 1e-3
    torch.testing.assert_close(level(10 * x), level(x), atol=1e-5, rtol=1e-4)


def test_files(tiny_separator_config: SeparatorConfig, tmp_path: Path) -> None:
    model = stirred(build_separator(tiny_separator_config))
    save_separator(tmp_path, tiny_separator_config, model.state_dict())
    config, loaded = load_separator(tmp_path)
    assert config == tiny_separator_config
    for key, value in loaded.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[key].to(torch.bfloat16).float())
    other = to_mapping(tiny_separator_config) | {"depth": 2}
    import yaml

    (tmp_path / "separator.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    with pytest.raises(UnisonError, match="lacks"):
        load_separator(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "channels=3"),
        ({"band_split": "loud"}, "band_split='loud'"),
        ({"overlap": 4096}, "must ascend"),
        ({"hop": 100}, "hop=100 must divide"),
    ],
)
def test_wrong_configurations(tiny_separator_config: SeparatorConfig, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(tiny_separator_config, **change)
