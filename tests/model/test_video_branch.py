"""The video branch is Wan: same weights, same output, also with a noise level per frame."""

import pytest
import torch
from diffusers import WanTransformer3DModel

from unison_core.config import VideoBranchConfig, load_preset
from unison_core.model.video_branch import VideoBranch

CONFIG = VideoBranchConfig(
    dim=96, heads=4, blocks=3, ffn_dim=160, latent_channels=6, text_dim=20, patch=(1, 2, 2), freq_dim=32
)
T, H, W = 4, 6, 4
TOKENS = H * W // 4


@pytest.fixture(scope="module")
def pair() -> tuple[VideoBranch, WanTransformer3DModel]:
    """Both implementations with the same random weights."""
    torch.manual_seed(0)
    reference = WanTransformer3DModel(
        patch_size=CONFIG.patch,
        num_attention_heads=CONFIG.heads,
        attention_head_dim=CONFIG.dim // CONFIG.heads,
        in_channels=CONFIG.latent_channels,
        out_channels=CONFIG.latent_channels,
        text_dim=CONFIG.text_dim,
        freq_dim=CONFIG.freq_dim,
        ffn_dim=CONFIG.ffn_dim,
        num_layers=CONFIG.blocks,
    ).eval()
    for name, parameter in reference.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    branch = VideoBranch(CONFIG)
    branch.load_state_dict(reference.state_dict(), strict=True)
    return branch, reference


def run(branch: VideoBranch, latents: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    state = branch.embed(latents, sigma, branch.encode_text(text))
    for i in range(CONFIG.blocks):
        state = branch.block(i, state)
    return branch.head(state)


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, CONFIG.latent_channels, T, H, W, generator=generator)
    return latents, torch.randn(2, 5, CONFIG.text_dim, generator=generator)


@torch.no_grad()
def test_equals_diffusers_with_one_timestep_per_sample(pair, inputs) -> None:
    branch, reference = pair
    latents, text = inputs
    sigma = torch.tensor([0.25, 0.8])
    expected = reference(latents, 1000 * sigma, text).sample
    assert expected.std() > 0.1
    torch.testing.assert_close(run(branch, latents, sigma[:, None].expand(2, T), text), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "sigma",
    [[[0.0, 0.7, 0.7, 0.7], [0.0, 0.4, 0.4, 0.4]], [[0.1, 0.35, 0.6, 0.95], [1.0, 0.0, 0.5, 0.2]]],
    ids=["clean first frame", "every frame its own"],
)
def test_equals_diffusers_with_one_timestep_per_token(pair, inputs, sigma) -> None:
    branch, reference = pair
    latents, text = inputs
    per_frame = torch.tensor(sigma)
    per_token = 1000 * per_frame.repeat_interleave(TOKENS, dim=1)
    expected = reference(latents, per_token, text).sample
    torch.testing.assert_close(run(branch, latents, per_frame, text), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_frames_hear_their_own_sigma(pair, inputs) -> None:
    branch, _ = pair
    latents, text = inputs
    context = branch.encode_text(text)
    low, high = (branch.embed(latents, torch.tensor([[0.0, s, s, s]] * 2), context).modulation for s in (0.2, 0.9))
    torch.testing.assert_close(low[:, 0], high[:, 0])
    assert (low[:, 1:] - high[:, 1:]).abs().max() > 0.01


def test_time_is_embedded_per_frame_not_per_token(pair, inputs) -> None:
    branch, _ = pair
    state = branch.embed(inputs[0], torch.rand(2, T), branch.encode_text(inputs[1]))
    assert state.tokens.shape == (2, T * TOKENS, CONFIG.dim)
    assert state.temb.shape == (2, T, CONFIG.dim)
    assert state.modulation.shape == (2, T, 6, CONFIG.dim)


def test_starts_at_zero_velocity_and_every_weight_learns(inputs) -> None:
    torch.manual_seed(0)
    branch = VideoBranch(CONFIG)
    latents, text = inputs
    assert run(branch, latents, torch.rand(2, T), text).abs().max() == 0
    torch.nn.init.normal_(branch.proj_out.weight, std=0.1)
    run(branch, latents, torch.rand(2, T), text).square().mean().backward()
    silent = [name for name, p in branch.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert silent == []


@torch.no_grad()
@pytest.mark.parametrize("mode", ["weights", "autocast"])
def test_bfloat16_stays_close(inputs, pair, mode) -> None:
    latents, text = inputs
    sigma = torch.rand(2, T, generator=torch.Generator().manual_seed(2))
    expected = run(pair[0], latents, sigma, text)
    branch = VideoBranch(CONFIG)
    branch.load_state_dict(pair[0].state_dict())
    branch.to(torch.bfloat16 if mode == "weights" else torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        actual = run(branch, latents, sigma, text)
    assert actual.dtype == torch.float32
    assert (actual - expected).norm() < 0.05 * expected.norm()


@torch.no_grad()
def test_blocks_trace_without_graph_breaks_for_any_length(pair, inputs) -> None:
    branch, _ = pair
    traces = []

    def backend(graph, _):
        traces.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(branch.blocks[0], backend=backend, fullgraph=True, dynamic=True)
    for frames in (3, 4):
        state = branch.embed(inputs[0][:, :, :frames], torch.rand(2, frames), branch.encode_text(inputs[1]))
        arguments = (state.tokens, state.modulation, state.rope, *state.context.keys_values[0])
        # Rotations are products of complex numbers outside of a compiler: other rounding.
        torch.testing.assert_close(compiled(*arguments), branch.blocks[0](*arguments), atol=1e-4, rtol=1e-5)
    assert len(traces) == 1


def test_latents_must_divide_into_patches(pair, inputs) -> None:
    branch, _ = pair
    with pytest.raises(ValueError, match="5x4"):
        branch.embed(inputs[0][..., :5, :], torch.rand(2, T), branch.encode_text(inputs[1]))


def test_5b_has_the_parameters_of_the_public_weights() -> None:
    with torch.device("meta"):
        branch = VideoBranch(load_preset("5b").model.video)
    assert sum(p.numel() for p in branch.parameters()) == 4_999_787_712
    assert sum(p.numel() for p in branch.blocks[0].parameters()) == 163_656_704
