"""The lean decoder is diffusers' decoder: in float32 to rounding, in bf16 within what bf16 allows."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from unison_core.codecs import lean_decoder, video_vae
from unison_core.codecs.causal_conv import Direct, Winograd, conv2d, doubled, doubling
from unison_core.codecs.codec import Codec
from unison_core.codecs.lean_decoder import EAGER, LeanDecoder, compiled
from unison_core.config import load_preset

CONVS = (Direct, Winograd)
EQUAL_DB = 45.0


@pytest.fixture(scope="module")
def vae() -> video_vae.VideoVAE:
    torch.manual_seed(0)
    config = replace(load_preset("5b").codecs.video, base_dim=8, decoder_base_dim=16, z_dim=6)
    vae = video_vae.build_video_vae(config).eval().requires_grad_(False)
    for name, p in vae.named_parameters():
        if name.endswith("gamma"):
            p.copy_(1 + 0.2 * torch.randn_like(p))
    return vae


def pixels(vae: video_vae.VideoVAE, z: Tensor, dtype: torch.dtype, latents: int = 1, **settings: object) -> Tensor:
    with torch.inference_mode():
        pieces = LeanDecoder(vae, dtype, **settings).frames(z, latents)
        return torch.cat(list(pieces), dim=1).permute(0, 4, 1, 2, 3)


@pytest.mark.parametrize("conv", CONVS)
@pytest.mark.parametrize(("count", "latents"), [(1, 1), (2, 1), (4, 2), (5, 1), (5, 3)])
def test_equals_diffusers_in_float32(vae: video_vae.VideoVAE, conv: type, count: int, latents: int) -> None:
    z = torch.randn(1, 6, count, 3, 4)
    found = pixels(vae, z, torch.float32, latents, conv=conv)
    torch.testing.assert_close(found.clamp(-1, 1), vae.decode(z).sample, atol=1e-5, rtol=0)


@pytest.mark.parametrize("conv", CONVS)
def test_bf16_stays_within_45_db(vae: video_vae.VideoVAE, conv: type) -> None:
    z = torch.randn(1, 6, 3, 2, 2)
    exact = vae.decode(z).sample
    found = pixels(vae, z, torch.bfloat16, conv=conv).float().clamp(-1, 1)
    span, error = float(exact.max() - exact.min()), float((found - exact).square().mean())
    assert 10 * math.log10(span**2 / error) > EQUAL_DB


def test_compiled_pieces_are_whole_graphs_and_change_nothing(
    vae: video_vae.VideoVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_decoder, "LARGE", 64)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    z = torch.randn(1, 6, 4, 2, 4)
    found = pixels(vae, z, torch.float32, pointwise=compiled("aot_eager"))
    torch.testing.assert_close(found, pixels(vae, z, torch.float32, pointwise=EAGER), atol=1e-5, rtol=0)
    counts = torch._dynamo.utils.counters
    assert counts["stats"]["unique_graphs"] == 8  # the last convolution has as many channels as its block here
    assert not counts["graph_break"]


def test_levels_equal_those_of_the_plain_decoder_and_clips_stay_apart(vae: video_vae.VideoVAE) -> None:
    latents, mean, std = torch.randn(2, 6, 2, 2, 2), torch.randn(6), torch.rand(6) + 0.5
    with torch.inference_mode():
        found = lean_decoder.decode(vae, latents, mean, std, torch.float32)
        exact = video_vae.decode(vae, latents, mean, std)
    assert found.shape == exact.shape
    assert (found.int() - exact.int()).abs().max() <= 1


def test_a_doubled_picture_is_convolved_at_its_own_size() -> None:
    conv = nn.Conv2d(5, 8, 3, padding=1, bias=False)
    x = torch.randn(2, 3, 4, 6, 5)
    wide = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    exact = conv2d(wide, conv.weight)
    found = doubled(x, doubling(conv, torch.float32)).flatten(4, 5).flatten(2, 3)
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=1e-5)


def test_only_the_residual_kind_on_a_gpu_is_decoded_lean(vae: video_vae.VideoVAE) -> None:
    assert lean_decoder.takes(vae)
    codec = Codec(load_preset("nano"))
    codec.precision = torch.bfloat16
    assert not codec.lean
