import pytest
import torch

from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.magnitude_preserving import MPConv1d, mp_silu, mp_sum, normalize
from unison_core.config import AudioVAEConfig, load_preset


def small(**changes: object) -> AudioVAE:
    torch.manual_seed(0)
    return AudioVAE(AudioVAEConfig(**{"dim": 16, "latent_channels": 4, "num_res_blocks": 1, **changes}), mels=20)


@pytest.mark.parametrize(("config", "mels", "millions"), [
    (load_preset("5b").codecs.audio, 128, 305.5),
    (AudioVAEConfig(dim=384, latent_channels=20), 80, 171.7),
])  # fmt: skip
def test_public_sizes(config: AudioVAEConfig, mels: int, millions: float) -> None:
    with torch.device("meta"):
        vae = AudioVAE(config, mels)
    assert round(sum(p.numel() for p in vae.parameters()) / 1e6, 1) == millions


def test_public_keys() -> None:
    keys = set(small(mult=(1, 2, 4), num_res_blocks=2).state_dict())
    assert {
        "data_mean", "data_std", "encoder.conv_in.weight", "encoder.down.0.block.1.conv2.weight",
        "encoder.down.0.downsample.conv1.weight", "encoder.down.1.block.0.nin_shortcut.weight",
        "encoder.mid.attn_1.qkv.weight", "encoder.mid.attn_1.proj_out.weight", "encoder.learnable_gain",
        "decoder.up.1.upsample.conv.weight", "decoder.up.0.block.2.conv1.weight", "decoder.conv_out.weight",
    } <= keys  # fmt: skip
    assert len(keys) == 57


def test_folding_changes_no_output_and_only_once() -> None:
    vae, mel = small(), torch.randn(2, 20, 16)
    before = vae.decode(vae.encode(mel).mean)
    folded = vae.fold().decode(vae.encode(mel).mean)
    assert torch.allclose(before, folded, atol=1e-5)
    assert torch.equal(folded, vae.fold().decode(vae.encode(mel).mean))


def test_layers_keep_magnitude() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(8, 64, 200), torch.randn(8, 64, 200)
    conv = MPConv1d(64, 64, 3)
    for out in (conv(x)[..., 1:-1], mp_silu(x), mp_sum(x, y, 0.3), normalize(5 * x, dims=1)):
        assert float(out.detach().square().mean().sqrt()) == pytest.approx(1, abs=0.05)


def test_scaling_a_filter_changes_nothing() -> None:
    conv, x = MPConv1d(8, 8, 3), torch.randn(1, 8, 10)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(7)
    assert torch.allclose(conv(x), before, atol=1e-3)


def test_without_attention_latents_see_their_surroundings_only() -> None:
    vae, mel = small(mid_attention=False), torch.randn(1, 20, 200)
    changed = mel.clone()
    changed[..., 100:] = 0
    difference = (vae.encode(mel).mean - vae.encode(changed).mean).abs().amax(dim=(0, 1))
    assert difference[:35].max() == 0
    assert difference[50:].max() > 0


def test_odd_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="mel frames=15"):
        small().encode(torch.randn(1, 20, 15))


def test_kl_is_zero_for_the_standard_normal() -> None:
    posterior = small().encode(torch.randn(1, 20, 8))
    standard = type(posterior)(torch.zeros(2), torch.zeros(2))
    assert torch.equal(standard.kl(), torch.zeros(2))
    assert (posterior.kl() >= 0).all()
