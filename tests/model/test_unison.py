"""The joint model: branches unchanged by fresh nodes, nodes evenly spread, both sizes from one code path."""

from dataclasses import replace

import pytest
import torch

from unison_core.config import load_preset
from unison_core.model.unison import Unison, node_positions
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH, STREAMS, VIDEO, TextInputs

FRAMES = 17


def tiny_preset():
    """nano with small widths; the same classes."""
    nano = load_preset("nano")
    model = replace(
        nano.model,
        video=replace(nano.model.video, dim=48, heads=2, blocks=3, ffn_dim=64, text_dim=32, latent_channels=4),
        audio=replace(
            nano.model.audio, dim=32, heads=2, joint_blocks=1, fused_blocks=1, text_dim=32, latent_channels=6
        ),
        nodes=replace(nano.model.nodes, dim=16, heads=2),
        transcript=replace(nano.model.transcript, dim=32, ffn_dim=32, layers=1, out_dim=16),
        caption=replace(nano.model.caption, dim=32, heads=2, layers=1, length=8),
    )
    return replace(nano, model=model)


@pytest.fixture
def model():
    torch.manual_seed(0)
    preset = tiny_preset()
    model = Unison(preset.model, preset.timing).eval()
    for branch in (model.video, model.audio):
        for p in branch.parameters():
            torch.nn.init.normal_(p, std=0.2)
    return model


def text(count=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return TextInputs(
        caption_ids=torch.randint(1, 100, (count, 8), generator=g),
        phoneme_ids=torch.randint(1, 50, (count, 6), generator=g),
        phoneme_mask=torch.ones(count, 6, dtype=torch.bool),
        phoneme_weights=torch.full((count, 6), 0.08),
        span_s=torch.tensor([[0.1, 0.5]] * count),
        dropped=torch.zeros(count, dtype=torch.bool),
    )


def inputs(model, count=2):
    g = torch.Generator().manual_seed(1)
    t, n = model.timing.video_latents(FRAMES), model.timing.audio_latents(FRAMES)
    latents = {VIDEO: torch.randn(count, 4, t, 8, 8, generator=g)}
    latents |= {s: torch.randn(count, n, 6, generator=g) for s in AUDIO_STREAMS}
    sigmas = {VIDEO: torch.rand(count, t, generator=g)} | {s: torch.rand(count, generator=g) for s in AUDIO_STREAMS}
    return latents, sigmas


def wake_nodes(model):
    for p in model.nodes.parameters():
        torch.nn.init.normal_(p, std=0.3)


@torch.no_grad()
def test_fresh_nodes_leave_each_branch_as_it_is_alone(model):
    latents, sigmas = inputs(model)
    conditions = model.encode(text(), FRAMES)
    joint = model(latents, sigmas, conditions)
    alone = model({s: latents[s] for s in AUDIO_STREAMS}, sigmas, conditions)
    for stream in AUDIO_STREAMS:
        assert torch.allclose(joint[stream], alone[stream], atol=1e-5)
    state = model.video.embed(latents[VIDEO], sigmas[VIDEO], conditions.video)
    for i in range(len(model.video.blocks)):
        state = model.video.block(i, state)
    assert torch.allclose(joint[VIDEO], model.video.head(state), atol=1e-5)


@torch.no_grad()
def test_woken_nodes_carry_each_stream_to_the_others(model):
    wake_nodes(model)
    latents, sigmas = inputs(model)
    conditions = model.encode(text(), FRAMES)
    before = model(latents, sigmas, conditions)
    for changed in STREAMS:
        after = model({**latents, changed: latents[changed] + 1}, sigmas, conditions)
        for stream in STREAMS:
            assert not torch.allclose(before[stream], after[stream], atol=1e-4), f"{changed} does not reach {stream}"


@torch.no_grad()
def test_every_noise_level_is_heard_by_every_stream(model):
    wake_nodes(model)
    latents, sigmas = inputs(model)
    conditions = model.encode(text(), FRAMES)
    before = model(latents, sigmas, conditions)
    for changed in STREAMS:
        after = model(latents, {**sigmas, changed: sigmas[changed] * 0.3}, conditions)
        for stream in STREAMS:
            assert not torch.allclose(before[stream], after[stream], atol=1e-5), f"{changed}'s sigma misses {stream}"


@torch.no_grad()
def test_a_row_does_not_see_its_batch(model):
    wake_nodes(model)
    latents, sigmas = inputs(model)
    both = model(latents, sigmas, model.encode(text(), FRAMES))
    one = model({s: x[1:] for s, x in latents.items()}, {s: x[1:] for s, x in sigmas.items()},
                model.encode(text().map(lambda t: t[1:]), FRAMES))  # fmt: skip
    for stream in STREAMS:
        assert torch.allclose(both[stream][1:], one[stream], atol=1e-4)


@torch.no_grad()
def test_the_transcript_speaks_to_speech_and_its_absence_differs_from_silence(model):
    latents, sigmas = inputs(model)
    ones = torch.ones(2, dtype=torch.bool)
    said = model(latents, sigmas, model.encode(text(), FRAMES))
    withheld = model(latents, sigmas, model.encode(text().without(~ones, ones), FRAMES))
    silent_text = replace(text(), phoneme_mask=torch.zeros(2, 6, dtype=torch.bool))
    silent = model(latents, sigmas, model.encode(silent_text, FRAMES))
    assert not torch.allclose(said[SPEECH], withheld[SPEECH], atol=1e-4)
    assert not torch.allclose(silent[SPEECH], withheld[SPEECH], atol=1e-4)


@torch.no_grad()
def test_gates_come_out_for_every_block(model):
    latents, sigmas = inputs(model)
    gates = []
    model(latents, sigmas, model.encode(text(), FRAMES), gates=gates)
    assert len(gates) == model.config.audio.blocks
    assert all(g.shape == (2, 2) and (g > 0).all() and (g < 1).all() for g in gates)


def test_video_needs_conditions_with_video(model):
    latents, sigmas = inputs(model)
    with pytest.raises(ValueError, match="without video"):
        model(latents, sigmas, model.encode(text(), FRAMES, with_video=False))


def test_nodes_are_spread_as_in_the_paper():
    assert node_positions(30, 23) == tuple(round(29 * j / 22) for j in range(23))
    assert node_positions(8, 6)[0] == 0
    assert node_positions(8, 6)[-1] == 7


def test_the_full_size_builds_on_the_meta_device():
    preset = load_preset("5b")
    with torch.device("meta"):
        model = Unison(preset.model, preset.timing)
    assert sum(p.numel() for p in model.video.parameters()) == 4_999_787_712
    assert model.config.audio.blocks == 23
    total = sum(p.numel() for p in model.parameters())
    assert 6.4e9 < total < 6.8e9


@pytest.mark.parametrize("part", ["bi_aca", "scg", "dual_stream"])
def test_ablations_are_configuration(part):
    preset = tiny_preset()
    off = {"bi_aca": {"bi_aca": False, "scg": False}}.get(part, {part: False})
    config = replace(preset.model, audio=replace(preset.model.audio, **off))
    model = Unison(config, preset.timing)
    latents, sigmas = inputs(model)
    if part == "dual_stream":
        latents = {VIDEO: latents[VIDEO], "mix": latents[SFX]}
        sigmas = {VIDEO: sigmas[VIDEO], "mix": sigmas[SFX]}
    out = model(latents, sigmas, model.encode(text(), FRAMES))
    assert set(out) == set(latents)
