"""Interaction nodes: the identity at first, equal to dense masked attention, linear in duration."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from unison_core.config import NodeConfig, load_preset
from unison_core.model.frame_attention import FrameAttentionNode, SigmaEmbedding, frame_layout
from unison_core.model.rope import rope_angles
from unison_core.timing import Timing
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH, VIDEO

CONFIG = NodeConfig(dim=32, heads=2, sigma_dim=16)
TIMING = Timing(fps=25, sample_rate_hz=16000, samples_per_latent=512, min_s=0.1, max_s=100)
DV, DA, S, BATCH = 24, 20, 3, 2


def inputs(frames: int, audio_latents: int | None = None):
    """Random tokens, their layout and noise levels."""
    generator = torch.Generator().manual_seed(frames)
    t, n = TIMING.video_latents(frames), audio_latents or TIMING.audio_latents(frames)
    video = torch.randn(BATCH, t, S, DV, generator=generator)
    audio = {s: torch.randn(BATCH, n, DA, generator=generator) for s in AUDIO_STREAMS}
    sigmas = {VIDEO: torch.rand(BATCH, t, generator=generator)}
    sigmas |= {s: torch.rand(BATCH, generator=generator) for s in AUDIO_STREAMS}
    return video, audio, frame_layout(TIMING, t, n, CONFIG), sigmas


def trained(config: NodeConfig = CONFIG) -> tuple[FrameAttentionNode, SigmaEmbedding]:
    """A node whose weights are all random, as after training."""
    torch.manual_seed(0)
    node, sigma = FrameAttentionNode(DV, DA, config), SigmaEmbedding(config.sigma_dim)
    for name, parameter in node.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    return node, sigma


def features(sigma: SigmaEmbedding, sigmas):
    return {s: sigma(x) for s, x in sigmas.items()}


def nearest(times, query: float, width: int) -> list[int]:
    """Indices of the `width` times nearest to the query, the earlier of two that are equally near."""
    return sorted(range(len(times)), key=lambda i: (round(abs(float(times[i]) - query), 9), i))[:width]


def dense(layer, queries, query_times, keys, key_times, allowed, config):
    """Reference: every query against every key, with RoPE as complex numbers and a mask."""

    def heads(x):
        return x.unflatten(-1, (config.heads, -1)).transpose(1, 2).double()

    def turn(x, times):
        d = x.shape[-1]
        frequency = 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
        phase = torch.exp(1j * times[:, None] * config.rope_rate_hz * frequency)
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * phase).flatten(-2)

    q = turn(heads(layer.norm_q(layer.to_q(queries))), query_times)
    k = turn(heads(layer.norm_k(layer.to_k(keys))), key_times)
    logits = (q @ k.mT) / q.shape[-1] ** 0.5
    out = logits.masked_fill(~allowed, -torch.inf).softmax(-1) @ heads(layer.to_v(keys))
    return layer.to_out(out.transpose(1, 2).flatten(2).float())


def modulated(layer, x, *roles):
    hidden = layer.bias + sum(m(f) for m, f in zip(layer.roles.values(), roles, strict=True))
    scale, shift = layer.out(torch.nn.functional.silu(hidden)).chunk(2, -1)
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def reference(node, video, audio, sigma_features, config):
    """The node's definition, written for one whole clip with (queries x keys) masks."""
    t, n = video.shape[1], audio[SPEECH].shape[1]
    video_s, audio_s = TIMING.video_latent_times_s(t), TIMING.audio_latent_times_s(n)
    closest = [nearest(video_s, float(a), 1)[0] for a in audio_s]
    f = sigma_features
    per_token = (f[VIDEO][:, :, None], f[SPEECH][:, None, None], f[SFX][:, None, None])
    frames = modulated(node.video_modulation, video, *per_token).flatten(1, 2)
    streams = {
        s: modulated(node.audio_modulation, audio[s], f[s][:, None], f[other][:, None], f[VIDEO][:, closest])
        + node.stream_embedding[s]
        for s, other in ((SPEECH, SFX), (SFX, SPEECH))
    }
    token_s = video_s.repeat_interleave(S)
    reads_audio, reads_video = torch.zeros(t * S, 2 * n, dtype=bool), torch.zeros(n, t * S, dtype=bool)
    for i in range(t):
        for j in nearest(audio_s, float(video_s[i]), config.audio_window):
            reads_audio[i * S : (i + 1) * S, [j, n + j]] = True
    for j in range(n):
        for i in nearest(video_s, float(audio_s[j]), config.video_window):
            reads_video[j, i * S : (i + 1) * S] = True
    both = torch.cat([streams[SPEECH], streams[SFX]], dim=1)
    update = dense(node.audio_to_video, frames, token_s, both, audio_s.repeat(2), reads_audio, config)
    return video + update.unflatten(1, (t, S)), {
        s: audio[s] + dense(node.video_to_audio, x, audio_s, frames, token_s, reads_video, config)
        for s, x in streams.items()
    }


@torch.no_grad()
def test_a_new_node_is_the_identity() -> None:
    video, audio, layout, sigmas = inputs(33)
    node = FrameAttentionNode(DV, DA, CONFIG)
    new_video, new_audio = node(video, audio, layout, features(SigmaEmbedding(CONFIG.sigma_dim), sigmas))
    assert torch.equal(new_video, video)
    assert all(torch.equal(new_audio[s], audio[s]) for s in AUDIO_STREAMS)


@torch.no_grad()
@pytest.mark.parametrize(
    ("frames", "audio_latents"),
    [(53, None), (13, None), (9, None), (5, None), (1, None), (33, 7), (21, 60)],
    ids=["clip", "four frames", "three frames", "two frames", "one frame", "few audio latents", "audio longer"],
)
def test_equals_dense_masked_attention(frames: int, audio_latents: int | None) -> None:
    video, audio, layout, sigmas = inputs(frames, audio_latents)
    node, sigma = trained()
    levels = features(sigma, sigmas)
    new_video, new_audio = node(video, audio, layout, levels)
    expected_video, expected_audio = reference(node, video, audio, levels, CONFIG)
    assert (expected_video - video).abs().mean() > 0.05
    torch.testing.assert_close(new_video, expected_video, atol=1e-4, rtol=1e-4)
    for s in AUDIO_STREAMS:
        assert (expected_audio[s] - audio[s]).abs().mean() > 0.05
        torch.testing.assert_close(new_audio[s], expected_audio[s], atol=1e-4, rtol=1e-4)


def test_windows_hold_the_nearest_latents() -> None:
    for fps, rate in ((25, 31.25), (24, 44100 / 1024)):
        timing = replace(TIMING, fps=fps, sample_rate_hz=round(rate * 512), samples_per_latent=512)
        t, n = 20, 110
        layout = frame_layout(timing, t, n, CONFIG)
        video_s, audio_s = timing.video_latent_times_s(t), timing.audio_latent_times_s(n)
        for i in range(t):
            assert layout.audio_window[i].tolist() == sorted(nearest(audio_s, float(video_s[i]), 16))
        windows = layout.slots // layout.groups.shape[1]
        for j in range(n):
            assert layout.groups.flatten()[layout.slots[j]] == j
            assert list(range(windows[j], windows[j] + 3)) == sorted(nearest(video_s, float(audio_s[j]), 3))
            assert layout.nearest_frame[j] == nearest(video_s, float(audio_s[j]), 1)[0]


@torch.no_grad()
def test_directions_switch_off() -> None:
    video, audio, layout, sigmas = inputs(33)
    full, sigma = trained()
    levels = features(sigma, sigmas)
    full_video, full_audio = full(video, audio, layout, levels)
    for a2v, v2a in ((True, False), (False, True), (False, False)):
        config = replace(CONFIG, audio_to_video=a2v, video_to_audio=v2a)
        node = FrameAttentionNode(DV, DA, config)
        weights = {k: v for k, v in full.state_dict().items() if k in node.state_dict()}
        node.load_state_dict(weights)
        new_video, new_audio = node(video, audio, layout, levels)
        torch.testing.assert_close(new_video, full_video if a2v else video)
        torch.testing.assert_close(new_audio, full_audio if v2a else audio)
    assert not list(node.parameters())


@torch.no_grad()
def test_swapping_the_streams_swaps_the_outputs() -> None:
    video, audio, layout, sigmas = inputs(33)
    node, sigma = trained()
    swap = {SPEECH: SFX, SFX: SPEECH, VIDEO: VIDEO}
    mirrored = FrameAttentionNode(DV, DA, CONFIG)
    mirrored.load_state_dict(
        {".".join(swap.get(part, part) for part in name.split(".")): w for name, w in node.state_dict().items()}
    )
    expected_video, expected_audio = node(video, audio, layout, features(sigma, sigmas))
    new_video, new_audio = mirrored(
        video, {s: audio[swap[s]] for s in AUDIO_STREAMS}, layout, features(sigma, {s: sigmas[swap[s]] for s in sigmas})
    )
    torch.testing.assert_close(new_video, expected_video)
    torch.testing.assert_close({swap[s]: x for s, x in new_audio.items()}, expected_audio)


@torch.no_grad()
@pytest.mark.parametrize("changed", [VIDEO, *AUDIO_STREAMS])
def test_everyone_sees_everyones_sigma(changed: str) -> None:
    video, audio, layout, sigmas = inputs(33)
    node, sigma = trained()
    before = node(video, audio, layout, features(sigma, sigmas))
    after = node(video, audio, layout, features(sigma, sigmas | {changed: 1 - sigmas[changed]}))
    assert (before[0] - after[0]).abs().max() > 1e-3
    assert all((before[1][s] - after[1][s]).abs().max() > 1e-3 for s in AUDIO_STREAMS)


@torch.no_grad()
def test_only_time_differences_count() -> None:
    video, audio, layout, sigmas = inputs(33)
    node, sigma = trained()
    levels = features(sigma, sigmas)
    times_s = TIMING.video_latent_times_s(video.shape[1]), TIMING.audio_latent_times_s(audio[SPEECH].shape[1])
    head_dim = CONFIG.dim // CONFIG.heads
    later_video, later_audio = (rope_angles((times + 7) * CONFIG.rope_rate_hz, head_dim) for times in times_s)
    later = replace(layout, video_angles=later_video, audio_angles=later_audio)
    for a, b in zip(node(video, audio, layout, levels), node(video, audio, later, levels), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.elements = max(self.elements, *(x.numel() for x in tree_leaves(out) if isinstance(x, torch.Tensor)), 0)
        return out


@torch.no_grad()
def cost(duration_s: float) -> tuple[int, int, int]:
    """A node's operations, those of them in attention, and its largest tensor, for a clip of this length."""
    video, audio, layout, sigmas = inputs(TIMING.frames(duration_s))
    node, sigma = trained()
    levels = features(sigma, sigmas)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops, LargestTensor() as largest:
        node(video, audio, layout, levels)
    return flops.get_total_flops(), flops.get_flop_counts()["Global"][torch.ops.aten.bmm], largest.elements


@pytest.mark.parametrize("duration_s", [4.0, 16.0])
def test_cost_is_linear_in_duration(duration_s: float) -> None:
    once, twice = cost(duration_s), cost(2 * duration_s)
    assert all(once)
    assert [b / a for a, b in zip(once, twice, strict=True)] == pytest.approx([2, 2, 2], rel=0.1)


def test_gradients_reach_every_weight() -> None:
    video, audio, layout, sigmas = inputs(33)
    node, sigma = trained()
    new_video, new_audio = node(video, audio, layout, features(sigma, sigmas))
    (new_video.square().mean() + sum(x.square().mean() for x in new_audio.values())).backward()
    parameters = [*node.named_parameters(), *sigma.named_parameters()]
    assert [name for name, p in parameters if p.grad is None or p.grad.abs().max() == 0] == []


@torch.no_grad()
@pytest.mark.parametrize("mode", ["weights", "autocast"])
def test_bfloat16_stays_close(mode: str) -> None:
    video, audio, layout, sigmas = inputs(33)
    node, sigma = trained()
    expected_video, expected_audio = node(video, audio, layout, features(sigma, sigmas))
    kind = torch.bfloat16 if mode == "weights" else torch.float32
    node, sigma = node.to(kind), sigma.to(kind)
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        new_video, new_audio = node(
            video.to(kind), {s: x.to(kind) for s, x in audio.items()}, layout, features(sigma, sigmas)
        )
    for actual, expected in ((new_video, expected_video), *((new_audio[s], expected_audio[s]) for s in AUDIO_STREAMS)):
        assert actual.dtype == kind
        assert (actual - expected).norm() < 0.03 * expected.norm()


@torch.no_grad()
def test_node_traces_without_graph_breaks_for_any_length() -> None:
    node, sigma = trained()
    traces = []

    def backend(graph, _):
        traces.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(node, backend=backend, fullgraph=True, dynamic=True)
    for frames in (33, 53, 77):
        video, audio, layout, sigmas = inputs(frames)
        levels = features(sigma, sigmas)
        torch.testing.assert_close(compiled(video, audio, layout, levels), node(video, audio, layout, levels))
    assert len(traces) == 1


def test_5b_nodes_have_about_330m_parameters() -> None:
    model = load_preset("5b").model
    with torch.device("meta"):
        node = FrameAttentionNode(model.video.dim, model.audio.dim, model.nodes)
    assert sum(p.numel() for p in node.parameters()) * model.audio.blocks == pytest.approx(330e6, rel=0.03)
