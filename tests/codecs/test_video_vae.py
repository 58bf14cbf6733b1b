from dataclasses import replace

import pytest
import torch

from unison_core.codecs import video_vae
from unison_core.config import VideoVAEConfig, load_preset

TINY = VideoVAEConfig(
    base_dim=8, z_dim=4, dim_mult=(1, 2, 2), temporal_downsample=(True, True), num_res_blocks=1, spatial_stride=8
)


@pytest.fixture
def vae() -> video_vae.VideoVAE:
    torch.manual_seed(0)
    return video_vae.build_video_vae(TINY).eval().requires_grad_(False)


def test_public_size() -> None:
    with torch.device("meta"):
        vae = video_vae.build_video_vae(load_preset("5b").codecs.video)
    assert round(sum(p.numel() for p in vae.parameters()) / 1e6, 1) == 704.7


def test_large_chunks_equal_diffusers_one_by_one(vae: video_vae.VideoVAE) -> None:
    pixels = torch.rand(1, 3, 17, 32, 32) * 2 - 1
    posterior = vae.encode(pixels).latent_dist
    mean, logvar = video_vae.moments(vae, pixels)
    assert torch.allclose(mean, posterior.mean, atol=1e-5)
    assert torch.allclose(logvar, posterior.logvar, atol=1e-5)
    assert torch.allclose(video_vae.synthesise(vae, mean).clamp(-1, 1), vae.decode(mean).sample, atol=1e-5)


def test_chunk_size_changes_nothing(vae: video_vae.VideoVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(1, 4, 5, 4, 4)
    whole = video_vae.synthesise(vae, z)
    monkeypatch.setattr(video_vae, "CHUNK_ELEMENTS", 1)
    assert torch.allclose(video_vae.synthesise(vae, z), whole, atol=1e-5)


def test_latents_do_not_see_the_future(vae: video_vae.VideoVAE) -> None:
    pixels = torch.rand(1, 3, 17, 32, 32)
    changed = pixels.clone()
    changed[:, :, 9:] = 0
    before, after = video_vae.moments(vae, pixels)[0], video_vae.moments(vae, changed)[0]
    assert torch.allclose(before[:, :, :3], after[:, :, :3], atol=1e-6)
    assert not torch.allclose(before[:, :, 3:], after[:, :, 3:], atol=1e-3)


def test_pixels_and_frames_are_inverse() -> None:
    frames = torch.randint(0, 256, (1, 5, 8, 8, 3), dtype=torch.uint8)
    assert torch.equal(video_vae.to_frames(video_vae.to_pixels(frames)), frames)


def test_statistics_normalise_latents(vae: video_vae.VideoVAE) -> None:
    frames = torch.randint(0, 256, (1, 5, 32, 32, 3), dtype=torch.uint8)
    mean, _ = video_vae.moments(vae, video_vae.to_pixels(frames))
    latents = video_vae.encode(vae, frames, mean.mean(dim=(0, 2, 3, 4)), mean.std(dim=(0, 2, 3, 4)))
    assert torch.allclose(latents.mean(dim=(0, 2, 3, 4)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std(dim=(0, 2, 3, 4)), torch.ones(4), atol=1e-4)


@pytest.mark.parametrize(("change", "message"), [
    ({"temporal_downsample": (True,)}, "must have 2 entries"),
    ({"spatial_stride": 16}, "spatial_stride=16"),
])  # fmt: skip
def test_levels_must_fit(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        video_vae.build_video_vae(replace(TINY, **change))


def test_frames_must_be_4k_plus_1(vae: video_vae.VideoVAE) -> None:
    with pytest.raises(ValueError, match="frames=16"):
        video_vae.moments(vae, torch.zeros(1, 3, 16, 32, 32))


def test_tiles_of_a_small_picture_are_the_picture_and_a_large_one_keeps_its_size(vae: video_vae.VideoVAE) -> None:
    small, large = torch.randn(1, 4, 2, 4, 4), torch.randn(1, 4, 2, 40, 36)
    tiled = video_vae.synthesise_tiled(vae, small)
    assert torch.allclose(tiled, video_vae.synthesise(vae, small).clamp(-1, 1), atol=1e-5)
    pixels = video_vae.synthesise_tiled(vae, large)
    assert pixels.shape == (1, 3, 5, 320, 288)
    assert pixels.isfinite().all()
