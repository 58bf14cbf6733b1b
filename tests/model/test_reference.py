"""Reference voice: heard through attention alone, seen by no node, carried by no convolution, the start an identity."""

from dataclasses import replace

import pytest
import torch

from tests.model.test_unison import FRAMES, inputs, text, tiny_preset
from unison_core.config import ReferenceConfig, load_preset
from unison_core.model.reference import ReferenceVoice, reference_angles
from unison_core.model.rope import rope_angles
from unison_core.model.style_alignment import StyleAlignment
from unison_core.model.unison import Unison
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO

R = 7


def build(reference: bool = True, std: float | None = 0.1) -> Unison:
    preset = tiny_preset()
    config = replace(preset.model, reference=ReferenceConfig(dim=16, heads=2) if reference else None)
    torch.manual_seed(0)
    model = Unison(config, preset.timing).eval()
    if std is not None:
        torch.manual_seed(1)
        for name, parameter in model.named_parameters():
            if not name.startswith("reference"):
                torch.nn.init.normal_(parameter, std=std)
    return model


def voice(seed: int = 5, count: int = 2, length: int = R) -> torch.Tensor:
    return torch.randn(count, length, 6, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_without_a_reference_nothing_changes_and_old_weights_load():
    plain, able = build(reference=False), build()
    missing = able.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith("reference.") for key in missing.missing_keys)
    latents, sigmas = inputs(plain)
    outputs = [m(latents, sigmas, m.encode(text(), FRAMES)) for m in (plain, able)]
    for stream in STREAMS:
        assert torch.equal(outputs[0][stream], outputs[1][stream])


@torch.no_grad()
def test_a_reference_is_heard_in_every_audio_stream_and_leaves_their_lengths():
    model = build()
    latents, sigmas = inputs(model)
    outputs = [model(latents, sigmas, model.encode(text(), FRAMES, reference=r)) for r in (voice(5), voice(6), None)]
    for stream in STREAMS:
        assert outputs[0][stream].shape == latents[stream].shape
    assert not torch.allclose(outputs[0][SPEECH], outputs[1][SPEECH], atol=1e-6)
    assert not torch.allclose(outputs[0][SPEECH], outputs[2][SPEECH], atol=1e-6)


def test_no_node_sees_it(monkeypatch):
    model = build()
    seen = []
    for node in model.nodes:
        node.register_forward_pre_hook(lambda module, args: seen.append({s: x.shape[1] for s, x in args[1].items()}))
    latents, sigmas = inputs(model)
    model(latents, sigmas, model.encode(text(), FRAMES, reference=voice()))
    count = latents[SPEECH].shape[1]
    assert seen == [{SPEECH: count, SFX: count}] * len(model.nodes)


def test_convolutions_and_exchange_do_not_cross_into_it():
    """With attention silenced, and picture and streams apart, a reference has no influence at all."""
    model = build()
    for block in [*(b.latent_block for b in model.audio.joint_blocks), *model.audio.fused_blocks]:
        torch.nn.init.zeros_(block.attn.qkv.weight)
        torch.nn.init.zeros_(block.attn.qkv.bias)
    latents, sigmas = inputs(model)
    reference = voice().requires_grad_()
    out = model(latents, sigmas, model.encode(text(), FRAMES, reference=reference))
    (gradient,) = torch.autograd.grad(sum(x.sum() for x in out.values()), reference, allow_unused=True)
    assert gradient is None or gradient.abs().max() == 0


@torch.no_grad()
def test_style_alignment_is_the_identity_at_first():
    torch.manual_seed(0)
    align = StyleAlignment(6, 4, 16, 2)
    video = torch.randn(2, 4, 3, 4, 4)
    assert torch.equal(align(voice(), video), voice())
    torch.nn.init.normal_(align.o.weight)
    moved = align(voice(), video)
    assert not torch.allclose(moved, voice())
    shuffled = video.flatten(2)[:, :, torch.randperm(48)].unflatten(2, (3, 4, 4))
    assert torch.allclose(align(voice(), shuffled), moved, atol=1e-5)  # all of the picture at once, whatever its order


@torch.no_grad()
def test_the_picture_reaches_speech_through_the_reference():
    model = build()
    torch.nn.init.normal_(model.reference.style.o.weight)
    for node in model.nodes:
        node.video_to_audio = node.audio_to_video = None
    latents, sigmas = inputs(model)
    other = {**latents, VIDEO: latents[VIDEO].flip(2) * 2}
    with_voice = [model(x, sigmas, model.encode(text(), FRAMES, reference=voice()))[SPEECH] for x in (latents, other)]
    without = [model(x, sigmas, model.encode(text(), FRAMES))[SPEECH] for x in (latents, other)]
    assert torch.equal(*without)
    assert not torch.allclose(*with_voice, atol=1e-6)


def test_positions_lie_before_the_clip():
    assert torch.equal(reference_angles(4, 8, torch.device("cpu")), rope_angles(torch.tensor([-4, -3, -2, -1]), 8))


def test_a_model_without_the_setting_says_so():
    with pytest.raises(ValueError, match="takes no reference voice"):
        build(reference=False).encode(text(), FRAMES, reference=voice())


@pytest.mark.parametrize("reference", [None, voice()])
@pytest.mark.parametrize("streams", [STREAMS, (SPEECH, SFX)])
def test_in_training_every_parameter_takes_part(reference, streams):
    """Data-parallel training stops where a parameter is used by one process and not by another."""
    model = build().train()
    latents, sigmas = inputs(model)
    shown = {s: latents[s] for s in streams}
    conditions = model.encode(text(), FRAMES, with_video=VIDEO in streams, reference=reference)
    sum(x.sum() for x in model(shown, sigmas, conditions).values()).backward()
    assert all(parameter.grad is not None for parameter in model.reference.parameters())


@torch.no_grad()
def test_sound_alone_takes_a_reference_too():
    model = build()
    latents, sigmas = inputs(model)
    sound = {s: x for s, x in latents.items() if s != VIDEO}
    out = model(sound, sigmas, model.encode(text(), FRAMES, with_video=False, reference=voice()))
    assert out[SPEECH].shape == latents[SPEECH].shape


def test_harmonys_preset_is_5b_with_its_settings():
    harmony, plain = load_preset("harmony-5b"), load_preset("5b")
    assert replace(harmony.model, reference=None) == plain.model
    assert (harmony.sampling.steps, harmony.sampling.shift) == (40, 5.0)
    assert harmony.sampling.sync_scale == {VIDEO: 3.0, SPEECH: 2.0, SFX: 2.0}
    with torch.device("meta"):
        ReferenceVoice(harmony.model.reference, 40, 48, 896)
    assert load_preset("nano").model.reference is not None
