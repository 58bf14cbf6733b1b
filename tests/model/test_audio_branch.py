"""The audio branch: exact start, symmetry of its two streams, no leak over the seam, ablations."""

from dataclasses import replace

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from unison_core.config import AudioBranchConfig, load_preset
from unison_core.model.audio_branch import MIX, AudioBranch, AudioContext
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH

CONFIG = AudioBranchConfig(
    dim=32, heads=4, joint_blocks=2, fused_blocks=1, latent_channels=5, text_dim=12, mlp_ratio=1.0, bi_aca_dim=16,
    scg_dim=8, time_freq_dim=16, time_freq_scale=100.0,
)  # fmt: skip
FULL = replace(CONFIG, clip_dim=6, clip_tokens=4, sync_dim=7)
TRANSCRIPT_DIM = 9
N = 11


def build(config: AudioBranchConfig, std: float | None = 0.2) -> AudioBranch:
    torch.manual_seed(0)
    branch = AudioBranch(config, TRANSCRIPT_DIM)
    if std is not None:
        for parameter in branch.parameters():
            torch.nn.init.normal_(parameter, std=std)
    return branch.eval()


def encode(branch: AudioBranch, transcript: torch.Tensor | None = None) -> AudioContext:
    g = torch.Generator().manual_seed(1)
    caption = torch.randn(2, 3, 12, generator=g)
    spoken = torch.randn(2, N, TRANSCRIPT_DIM, generator=g) if transcript is None else transcript
    return branch.encode(caption, caption.mean(1), spoken, spoken.mean(1))


def noise(names: tuple[str, ...] = AUDIO_STREAMS) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(2)
    latents = {s: torch.randn(2, N, 5, generator=g) for s in names}
    return latents, {s: torch.rand(2, generator=g) for s in names}


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, atol=2e-5)


@torch.no_grad()
@pytest.mark.parametrize("config", [CONFIG, FULL], ids=["text", "clip+sync"])
def test_swapping_the_streams_swaps_the_outputs(config: AudioBranchConfig) -> None:
    branch = build(config)
    silent = encode(branch)
    silent = replace(
        silent,
        transcript_input=torch.zeros_like(silent.transcript_input),
        transcript_condition=torch.zeros_like(silent.transcript_condition),
    )
    latents, sigmas = noise()
    out = branch(latents, sigmas, silent)

    mirrored = build(config)
    weights = {}
    for key, value in branch.state_dict().items():
        other = key.replace(SPEECH, "?").replace(SFX, SPEECH).replace("?", SFX)
        per_stream = (key.startswith("couplings") and key.endswith(".bias") and key.count(".") == 2) or ".mlp.2." in key
        weights[other] = value.flip(0) if per_stream and key.startswith("couplings") else value
    mirrored.load_state_dict(weights)
    mirror = dict(zip(AUDIO_STREAMS, reversed(AUDIO_STREAMS), strict=True))
    swapped = mirrored({s: latents[mirror[s]] for s in mirror}, {s: sigmas[mirror[s]] for s in mirror}, silent)

    assert not close(out[SPEECH], out[SFX])
    for s in AUDIO_STREAMS:
        assert close(swapped[s], out[mirror[s]])


@torch.no_grad()
def test_at_initialisation_streams_couple_through_shared_attention_alone() -> None:
    """Fresh exchange, gates, biases and transcript adapters change nothing that the shared weights compute."""
    branch = build(FULL)
    fresh = AudioBranch(FULL, TRANSCRIPT_DIM)
    public = {k: v for k, v in branch.state_dict().items() if not k.startswith(("couplings", "transcript"))}
    fresh.load_state_dict(public, strict=False)
    bare = AudioBranch(replace(FULL, bi_aca=False, scg=False), TRANSCRIPT_DIM)
    assert not bare.load_state_dict(public, strict=False).unexpected_keys
    latents, sigmas = noise()
    a, b = (m(latents, sigmas, encode(m)) for m in (fresh, bare))
    for s in AUDIO_STREAMS:
        assert torch.equal(a[s], b[s])


@torch.no_grad()
def test_equal_streams_equal_the_single_stream_in_fused_blocks() -> None:
    """Over two copies of one sequence at the same positions, softmax averages the same values."""
    config = replace(CONFIG, joint_blocks=0, fused_blocks=3, bi_aca=False, scg=False)
    dual = AudioBranch(config, TRANSCRIPT_DIM)
    single = AudioBranch(replace(config, dual_stream=False), TRANSCRIPT_DIM)
    for parameter in single.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    dual.load_state_dict(single.state_dict(), strict=False)
    context = encode(single)
    context = replace(context, transcript_input=context.transcript_input * 0, transcript_condition=torch.zeros(1))
    latents, sigmas = noise((MIX,))
    one = single(latents, sigmas, context)[MIX]
    two = dual({s: latents[MIX] for s in AUDIO_STREAMS}, {s: sigmas[MIX] for s in AUDIO_STREAMS}, context)
    for s in AUDIO_STREAMS:
        assert close(two[s], one)


def test_convolutions_do_not_cross_the_seam() -> None:
    """With attention silenced, the last speech latent has no influence on the first effects latent."""
    branch = build(replace(CONFIG, bi_aca=False, scg=False))
    for block in [*(b.latent_block for b in branch.joint_blocks), *branch.fused_blocks]:
        torch.nn.init.zeros_(block.attn.qkv.weight)
    latents, sigmas = noise()
    latents[SPEECH].requires_grad_()
    out = branch(latents, sigmas, encode(branch))
    (gradient,) = torch.autograd.grad(out[SFX].sum(), latents[SPEECH], allow_unused=True)
    assert gradient is None or gradient.abs().max() == 0
    (own,) = torch.autograd.grad(branch(latents, sigmas, encode(branch))[SPEECH].sum(), latents[SPEECH])
    assert own.abs().max() > 0


@torch.no_grad()
def test_transcript_reaches_speech_directly_and_effects_only_through_attention() -> None:
    branch = build(CONFIG)
    g = torch.Generator().manual_seed(3)
    latents, sigmas = noise()
    a, b = (encode(branch, torch.randn(2, N, TRANSCRIPT_DIM, generator=g)) for _ in range(2))
    before, after = (branch.embed(latents, sigmas, c) for c in (a, b))
    assert not close(before.streams[SPEECH], after.streams[SPEECH])
    assert not close(before.conditions[SPEECH], after.conditions[SPEECH])
    assert torch.equal(before.streams[SFX], after.streams[SFX])
    assert torch.equal(before.conditions[SFX], after.conditions[SFX])


@torch.no_grad()
def test_each_stream_has_its_own_noise_level() -> None:
    branch = build(CONFIG)
    latents, sigmas = noise()
    state = branch.embed(latents, sigmas, encode(branch))
    changed = branch.embed(latents, {**sigmas, SFX: sigmas[SFX] * 0.5}, encode(branch))
    assert torch.equal(state.finals[SPEECH], changed.finals[SPEECH])
    assert not close(state.finals[SFX], changed.finals[SFX])


@torch.no_grad()
def test_gates_are_returned_per_block_and_ablations_run() -> None:
    for config, names in (
        (CONFIG, AUDIO_STREAMS),
        (replace(CONFIG, scg=False), AUDIO_STREAMS),
        (replace(CONFIG, scg=False, bi_aca=False), AUDIO_STREAMS),
        (replace(CONFIG, scg=False, bi_aca=False, dual_stream=False), (MIX,)),
    ):
        branch = build(config)
        latents, sigmas = noise(names)
        state = branch.embed(latents, sigmas, encode(branch))
        for j in range(config.blocks):
            state = branch.block(j, state)
        assert set(branch.head(state)) == set(names)
        assert len(state.gates) == (config.blocks if len(names) == 2 else 0)
        if not config.scg:
            assert all((g == 1).all() for g in state.gates)


def test_gradients_reach_every_parameter() -> None:
    branch = build(FULL)
    latents, sigmas = noise()
    sum(v.square().mean() for v in branch(latents, sigmas, encode(branch)).values()).backward()
    unused = [name for name, p in branch.named_parameters() if p.grad is None or not p.grad.abs().any()]
    # the last joint block's conditions are read, not written: their queries serve nobody
    assert all("joint_blocks.1." in name and name.endswith(("q_norm.weight",)) for name in unused), unused


@torch.no_grad()
def test_autocast_stays_close_to_float32() -> None:
    branch = build(FULL, std=0.1)
    latents, sigmas = noise()
    exact = branch(latents, sigmas, encode(branch))
    with torch.autocast("cpu", torch.bfloat16):
        rough = branch(latents, sigmas, encode(branch))
    half = branch.to(torch.bfloat16)
    context = half.encode(*(torch.zeros(s, dtype=torch.bfloat16) for s in ((2, 3, 12), (2, 12), (2, N, 9), (2, 9))))
    cast = half({s: x.bfloat16() for s, x in latents.items()}, sigmas, context)
    for s in AUDIO_STREAMS:
        assert (rough[s] - exact[s]).norm() < 0.05 * exact[s].norm()
        assert cast[s].dtype == torch.bfloat16
        assert cast[s].isfinite().all()


def test_full_size_builds_without_memory() -> None:
    model = load_preset("5b").model
    with torch.device("meta"):
        branch = AudioBranch(model.audio, model.transcript.out_dim)
    exchange = sum(p.numel() for c in branch.couplings for p in c.bi_aca.parameters())
    assert exchange == pytest.approx(148e6, rel=0.01)
    keys = set(branch.state_dict())
    assert {"joint_blocks.6.clip_block.attn.qkv.weight", "joint_blocks.0.text_block.ffn.w3.weight"} <= keys
    assert "joint_blocks.6.text_block.linear1.weight" not in keys
    assert {"fused_blocks.15.adaLN_modulation.1.bias", "final_layer.conv.weight", "t_embed.mlp.2.bias"} <= keys


@torch.no_grad()
def test_blocks_compile_without_graph_breaks_once_for_all_lengths() -> None:
    branch = build(replace(CONFIG, joint_blocks=1))
    latents, sigmas = noise()
    transcript = torch.randn(2, N, TRANSCRIPT_DIM)
    plain = {n: branch(*cut(latents, sigmas, n), encode(branch, transcript[:, :n])) for n in (N, N - 3)}
    torch._dynamo.reset()
    counter = CompileCounter()
    for block in branch.compilable():
        block.compile(dynamic=True, fullgraph=True, backend=counter)
    compiled = []
    for n, expected in plain.items():
        out = branch(*cut(latents, sigmas, n), encode(branch, transcript[:, :n]))
        compiled.append(counter.frame_count)
        for s in AUDIO_STREAMS:
            assert close(out[s], expected[s])
    assert compiled[0] == compiled[1]


def cut(
    latents: dict[str, torch.Tensor], sigmas: dict[str, torch.Tensor], n: int
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    return {s: x[:, :n] for s, x in latents.items()}, sigmas
