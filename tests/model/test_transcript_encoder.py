"""The transcript encoder: keys and sizes of the public checkpoint, both upsamplings, silence, dropping, training."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import pad

from unison_core.config import TranscriptConfig, load_preset
from unison_core.model.transcript_encoder import TranscriptEncoder, assign_average, assign_weighted
from unison_core.model.zipformer import BiasNorm, relative_positions

SMALL = TranscriptConfig(
    vocab=20, dim=24, ffn_dim=32, layers=2, heads=2, query_head_dim=8, value_head_dim=6, pos_dim=8, kernel=3,
    out_dim=10, upsampling="weighted",
)  # fmt: skip
RATE_HZ = 10.0
TIMES = (torch.arange(30) + 0.5) / RATE_HZ
IDS = torch.tensor([[3, 4, 5, 0, 0], [6, 7, 8, 9, 10], [0, 0, 0, 0, 0]])
WEIGHTS = torch.tensor([[0.1, 0.3, 0.2, 0, 0], [0.1, 0.1, 0.0, 0.2, 0.1], [0, 0, 0, 0, 0]])
SPAN = torch.tensor([[0.5, 2.5], [0.0, 3.0], [0.0, 0.0]])


def build(config: TranscriptConfig = SMALL) -> TranscriptEncoder:
    torch.manual_seed(0)
    return TranscriptEncoder(config)


def test_size_and_keys_are_the_public_ones() -> None:
    with torch.device("meta"):
        encoder = TranscriptEncoder(load_preset("5b").model.transcript)
    assert sum(p.numel() for p in encoder.text_encoder.parameters()) == 4_138_408
    layer = {k.split("layers.3.")[1] for k in encoder.text_encoder.state_dict() if "encoders.0.layers.3." in k}
    linear = ("in_proj", "out_proj")
    modules = ("self_attn1", "self_attn2", "feed_forward1", "feed_forward2", "feed_forward3", "nonlin_attention",
               "conv_module1", "conv_module2")  # fmt: skip
    expected = {f"{m}.{p}.{w}" for m in modules for p in linear for w in ("weight", "bias")}
    expected |= {f"conv_module{i}.depthwise_conv.{w}" for i in (1, 2) for w in ("weight", "bias")}
    expected |= {"self_attn_weights.in_proj.weight", "self_attn_weights.in_proj.bias"}
    expected |= {"self_attn_weights.linear_pos.weight", "norm.log_scale", "norm.bias"}
    expected |= {"bypass.bypass_scale", "bypass_mid.bypass_scale"}
    assert layer == expected


@torch.no_grad()
def test_padding_does_not_change_a_row() -> None:
    encoder = build()
    alone, alone_mean = encoder(IDS[:1, :3], IDS[:1, :3] > 0, WEIGHTS[:1, :3], SPAN[:1], TIMES)
    batch, batch_mean = encoder(IDS, IDS > 0, WEIGHTS, SPAN, TIMES)
    assert torch.allclose(batch[:1], alone, atol=1e-5)
    assert torch.allclose(batch_mean[:1], alone_mean, atol=1e-5)


@pytest.mark.parametrize("upsampling", ["average", "weighted"])
@torch.no_grad()
def test_outside_the_span_and_without_words_stands_one_vector(upsampling: str) -> None:
    encoder = build(replace(SMALL, upsampling=upsampling))
    features, mean = encoder(IDS, IDS > 0, WEIGHTS, SPAN, TIMES)
    outside = (TIMES < 0.5) | (TIMES >= 2.5)
    assert (features[0, outside] == encoder.outside).all()
    assert not (features[0, ~outside] == encoder.outside).all(dim=-1).any()
    assert (features[2] == encoder.outside).all()
    assert (mean[2] == encoder.outside).all()


@torch.no_grad()
def test_a_withheld_transcript_differs_from_silence() -> None:
    encoder = build()
    dropped = torch.tensor([True, False, False])
    features, mean = encoder(IDS, IDS > 0, WEIGHTS, SPAN, TIMES, dropped=dropped)
    kept, _ = encoder(IDS, IDS > 0, WEIGHTS, SPAN, TIMES)
    assert (features[0] == encoder.null).all()
    assert (mean[0] == encoder.null).all()
    assert torch.equal(features[1:], kept[1:])


def test_average_gives_equal_shares_and_the_rest_to_the_pad() -> None:
    """20 latents in the span, 3 tokens: 6 each, 2 for the pad at index 3 (ZipVoice)."""
    plan = assign_average(pad(IDS > 0, (0, 1)), pad(WEIGHTS, (0, 1)), SPAN, TIMES)
    assert plan.token[0, plan.inside[0]].tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 2
    assert plan.inside[0].sum() == 20


def test_average_keeps_every_token_where_latents_are_few() -> None:
    mask, span = torch.ones(1, 6, dtype=torch.bool), torch.tensor([[0.0, 0.3]])
    plan = assign_average(pad(mask, (0, 1)), torch.ones(1, 7), span, TIMES)
    assert plan.token[0, plan.inside[0]].tolist() == [0, 2, 4]


def test_weighted_shares_follow_the_durations() -> None:
    plan = assign_weighted(pad(IDS > 0, (0, 1)), pad(WEIGHTS, (0, 1)), SPAN, TIMES)
    # 2 s over weights 1:3:2 is 0.333, 1.0 and 0.667 s from 0.5 s on; latents are 0.1 s
    assert plan.token[0, plan.inside[0]].tolist() == [0] * 3 + [1] * 10 + [2] * 7
    assert torch.allclose(plan.length_s[0, plan.inside[0]].unique(), torch.tensor([1 / 3, 2 / 3, 1.0]))
    assert 2 not in plan.token[1]  # a token without length takes no latent
    inside = plan.inside[0]
    elapsed = plan.phase * plan.length_s
    assert torch.allclose(elapsed[0, inside][3], torch.tensor(0.85 - 0.5 - 1 / 3), atol=1e-5)


def test_relative_positions_are_of_the_offset() -> None:
    table = relative_positions(7, 8, torch.device("cpu"))
    assert torch.equal(table[1, 3], table[4, 6])
    assert not torch.allclose(table[3, 1], table[1, 3])
    assert (table[..., -1] == 1).all()


def test_bias_norm_sets_the_length() -> None:
    x = torch.randn(4, 9) * 30
    assert torch.allclose(BiasNorm(9)(x).square().mean(-1).sqrt(), torch.full((4,), torch.e), atol=1e-4)


def test_learns_from_scratch_without_the_original_training_aids() -> None:
    """Targets that depend on the token, its neighbour and the place within the token are fitted."""
    encoder, head = build(), torch.nn.Linear(10, 4)
    own, left = torch.randn(20, 4), torch.randn(20, 4) * 0.5
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(150):
        ids = torch.randint(1, 20, (16, 8), generator=generator)
        mask, weights = ids > 0, 0.05 + 0.2 * torch.rand(16, 8, generator=generator)
        span = torch.tensor([[0.0, 3.0]]).expand(16, 2)
        plan = assign_weighted(pad(mask, (0, 1)), pad(weights, (0, 1)), span, TIMES)
        wanted = torch.take_along_dim(own[ids] + left[ids.roll(1, 1)], plan.token[..., None], dim=1)
        wanted = wanted * (0.5 + plan.phase[..., None])
        loss = (head(encoder(ids, mask, weights, span, TIMES)[0]) - wanted).square().mean() / wanted.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) / 10 < 0.35
