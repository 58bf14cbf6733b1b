import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from unison_core.codecs.anti_aliased import AntiAliased, Downsample, Upsample
from unison_core.codecs.vocoder import Vocoder, fold_weight_norm
from unison_core.config import VocoderConfig, load_preset


def small() -> Vocoder:
    torch.manual_seed(0)
    config = VocoderConfig(
        channels=16, upsample_rates=(4, 2), upsample_kernels=(8, 4), resblock_kernels=(3, 7),
        resblock_dilations=((1, 3), (1, 3)),
    )  # fmt: skip
    return Vocoder(config, mels=10)


def test_public_size_and_keys() -> None:
    with torch.device("meta"):
        vocoder = Vocoder(load_preset("5b").codecs.vocoder, 128)
    keys = set(vocoder.state_dict())
    assert sum(p.numel() for p in vocoder.parameters()) == 122_152_752
    assert {
        "conv_pre.weight", "ups.5.0.weight", "resblocks.17.convs1.2.bias", "resblocks.0.activations.5.act.alpha",
        "resblocks.0.activations.0.upsample.filter", "resblocks.0.activations.0.downsample.lowpass.filter",
        "activation_post.act.beta", "conv_post.weight",
    } <= keys  # fmt: skip
    assert "conv_post.bias" not in keys


def test_output_is_bounded() -> None:
    vocoder = small()
    with torch.no_grad():
        vocoder.conv_post.weight.mul_(1e4)
    assert vocoder(torch.randn(1, 10, 8)).abs().max() <= 1


def test_weight_norm_pairs_fold_to_the_same_weight() -> None:
    conv = weight_norm(nn.Conv1d(3, 5, 7))
    with torch.no_grad():
        conv.parametrizations.weight.original0.mul_(2)
    pair = {
        "x.weight_g": conv.parametrizations.weight.original0, "x.weight_v": conv.parametrizations.weight.original1,
        "x.bias": conv.bias,
    }  # fmt: skip
    folded = fold_weight_norm(pair)
    assert set(folded) == {"x.weight", "x.bias"}
    assert torch.allclose(folded["x.weight"], conv.weight)


def test_resampling_keeps_what_lies_below_the_cutoff() -> None:
    time = torch.arange(400.0)
    x = torch.sin(2 * torch.pi * 0.05 * time).expand(1, 2, -1)
    middle = Downsample()(Upsample()(x))[..., 20:-20]
    assert torch.allclose(middle, x[..., 20:-20], atol=0.02)


def test_activation_keeps_length_and_constants() -> None:
    x = torch.full((1, 3, 50), 0.5)
    expected = 0.5 + torch.sin(torch.tensor(0.5)).square()
    assert torch.allclose(AntiAliased(3)(x), expected.expand_as(x), atol=1e-2)
