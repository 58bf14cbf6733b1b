"""The same weights give the same output as the public reference code, under the public names (golden outputs)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from seeded import numbers, seeded_state
from torch import Tensor

from unison_core.codecs import video_vae
from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.vocoder import Vocoder
from unison_core.config import (
    AudioBranchConfig,
    AudioVAEConfig,
    TranscriptConfig,
    VideoBranchConfig,
    VideoVAEConfig,
    VocoderConfig,
)
from unison_core.model.audio_branch import AudioBranch
from unison_core.model.transcript_encoder import TranscriptEncoder
from unison_core.model.video_branch import VideoBranch
from unison_core.types import AUDIO_STREAMS, MIX
from unison_core.weights import from_mmaudio, from_wan, from_zipvoice
from unison_core.weights.caption_configs import clip_config, umt5_config

HERE = Path(__file__).parent
GOLDEN = load_file(HERE / "golden.safetensors")
NAMES = json.loads((HERE / "names.json").read_text())
TOLERANCE = 1e-4


def public(model: str) -> dict[str, Tensor]:
    """A public model's state: seeded weights, and its constants."""
    state = seeded_state({k: tuple(s) for k, s in NAMES[model].items()})
    constants = {k.split("/")[-1]: t for k, t in GOLDEN.items() if k.startswith(f"{model}/constant/")}
    for key in NAMES[model]:
        if key not in state:
            state[key] = constants[key.rpartition(".")[2]].clone()
    return state


def close(found: Tensor, golden: str) -> None:
    expected = GOLDEN[golden]
    assert expected.std() > 0.05
    torch.testing.assert_close(found.reshape(expected.shape), expected, atol=TOLERANCE, rtol=TOLERANCE)


def read(tensors) -> dict[str, Tensor]:
    return {key: tensor.read() for key, tensor in tensors.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("weights", "ext_weights", "zipvoice"):
        (tmp_path / name).mkdir()
    return tmp_path


@torch.no_grad()
def test_video_branch_is_wan_in_its_original_layout(folder: Path) -> None:
    save_file(public("wan_transformer"), folder / "diffusion_pytorch_model-00001-of-00001.safetensors")
    branch = VideoBranch(VideoBranchConfig(dim=96, heads=4, blocks=2, ffn_dim=160, latent_channels=6, text_dim=20,
                                           freq_dim=32))  # fmt: skip
    branch.load_state_dict(read(from_wan.transformer(folder)))
    text = torch.nn.functional.pad(numbers(2, 5, 20), (0, 0, 0, 2))[None]
    for name, sigma in (("one timestep", [0.4, 0.4, 0.4]), ("clean first frame", [0.0, 0.7, 0.7])):
        state = branch.embed(numbers(1, 6, 3, 4, 6)[None], torch.tensor([sigma]), branch.encode_text(text))
        for i in range(2):
            state = branch.block(i, state)
        close(branch.head(state), f"wan_transformer/{name}")


@torch.no_grad()
def test_video_vae_is_wan_in_its_original_layout(folder: Path) -> None:
    torch.save(public("wan_vae"), folder / "Wan2.2_VAE.pth")
    vae = video_vae.build_video_vae(
        VideoVAEConfig(base_dim=8, decoder_base_dim=8, z_dim=6, dim_mult=(1, 2, 2, 2), num_res_blocks=1,
                       temporal_downsample=(False, True, True), spatial_stride=16)
    )  # fmt: skip
    tensors, mean, std = from_wan.video_vae(folder)
    assert len(mean) == len(std) == 48
    vae.load_state_dict({k: t.read().reshape(vae.state_dict()[k].shape) for k, t in tensors.items()})
    close(video_vae.moments(vae, numbers(3, 1, 3, 5, 32, 32).tanh())[0], "wan_vae/mean")
    close(video_vae.synthesise(vae, numbers(4, 1, 6, 2, 2, 2))[..., ::4, ::4], "wan_vae/pixels")


def audio(config: AudioBranchConfig, folder: Path) -> AudioBranch:
    torch.save({"model": public("mmaudio")}, folder / "weights" / "mmaudio_large_44k_v2.pth")
    tensors, mean, std = from_mmaudio.transformer(folder)
    assert mean.shape == std.shape == (8,)
    branch = AudioBranch(config, 10).eval()
    missing, unexpected = branch.load_state_dict(read(tensors), strict=False)
    assert set(unexpected) == {"empty_string_feat"}
    assert all(key.startswith(("couplings.", "transcript_")) for key in missing)
    return branch


MMAUDIO = AudioBranchConfig(dim=64, heads=4, joint_blocks=2, fused_blocks=2, latent_channels=8, text_dim=16,
                            clip_dim=12, clip_tokens=6, sync_dim=10, time_freq_dim=64, time_freq_scale=10000.0,
                            condition_copies=2)  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("dual", [True, False], ids=["both streams equal", "one stream"])
def test_audio_branch_is_mmaudio(folder: Path, dual: bool) -> None:
    changes = {} if dual else {"dual_stream": False, "condition_copies": 1}
    branch = audio(replace(MMAUDIO, **changes), folder)
    caption = numbers(5, 2, 5, 16)
    spoken = numbers(11, 2, 52, 10)  # new adapters start at zero: what is said changes nothing yet
    context = branch.encode(caption, caption.mean(1), spoken, spoken.mean(1))
    sigma = 1 - torch.tensor([0.25, 0.75])
    streams = AUDIO_STREAMS if dual else (MIX,)
    out = branch(dict.fromkeys(streams, numbers(6, 2, 52, 8)), dict.fromkeys(streams, sigma), context)
    for stream in streams:
        close(-out[stream], "mmaudio/flow")


@torch.no_grad()
def test_mel_vae_is_mmaudio(folder: Path) -> None:
    torch.save(public("mel_vae"), folder / "ext_weights" / "v1-44.pth")
    vae = AudioVAE(AudioVAEConfig(dim=16, latent_channels=6), mels=128).eval()
    vae.load_state_dict(read(from_mmaudio.audio_vae(folder)))
    for folded in (vae, vae.fold()):
        close(folded.encode(numbers(7, 1, 128, 12) * 2 - 5).mean, "mel_vae/mean")
        close(folded.decode(numbers(8, 1, 6, 6)), "mel_vae/mel")


@torch.no_grad()
def test_vocoder_is_bigvgan(folder: Path) -> None:
    torch.save({"generator": public("vocoder")}, folder / "bigvgan_generator.pt")
    vocoder = Vocoder(VocoderConfig(channels=16, upsample_rates=(4, 2), upsample_kernels=(8, 4),
                                    resblock_kernels=(3, 7),
                                    resblock_dilations=((1, 3, 5), (1, 3, 5)), final_tanh=False), mels=10)  # fmt: skip
    own = {key: t.clone() for key, t in vocoder.state_dict().items() if key.endswith("filter")}
    vocoder.load_state_dict(read(from_mmaudio.vocoder(folder)))
    for key, filter_ in own.items():
        torch.testing.assert_close(vocoder.state_dict()[key], filter_)
    expected = GOLDEN["vocoder/wave"]
    assert (expected.abs() < 1).float().mean() > 0.9
    close(vocoder(numbers(9, 1, 10, 12)), "vocoder/wave")


@torch.no_grad()
def test_transcript_encoder_is_zipvoice(folder: Path) -> None:
    """Seven tokens over twenty latents get two each, three get six; the pad token takes the rest."""
    torch.save({"model": public("zipvoice")}, folder / "zipvoice" / "model.pt")
    encoder = TranscriptEncoder(TranscriptConfig(vocab=30, dim=24, ffn_dim=32, layers=2, out_dim=10)).eval()
    tensors = {k: t for k, t in read(from_zipvoice.text_encoder(folder)).items() if k.startswith(from_zipvoice.USED)}
    missing, unexpected = encoder.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert set(missing) == {"phase.weight", "phase.bias", "outside", "null"}
    ids = torch.tensor([[3, 4, 5, 6, 7, 8, 9], [10, 11, 12, 0, 0, 0, 0]])
    times = (torch.arange(20) + 0.5) / 10
    features, _ = encoder(ids, ids > 0, torch.full(ids.shape, 0.1), torch.tensor([[0.0, 2.0]] * 2), times)
    close(features, "zipvoice/condition")


@torch.no_grad()
def test_caption_features_are_umt5_and_clip(folder: Path) -> None:
    """transformers' classes, loaded from the original layouts, with the public conventions of masks and pads."""
    from transformers import CLIPTextConfig, CLIPTextModel, UMT5Config, UMT5EncoderModel

    torch.save(public("umt5"), folder / "models_t5_umt5-xxl-enc-bf16.pth")
    tensors, _ = from_wan.umt5(folder)
    umt5 = UMT5EncoderModel(UMT5Config(**umt5_config(tensors, folder))).eval()
    umt5.load_state_dict({**read(tensors), "encoder.embed_tokens.weight": tensors["shared.weight"].read()})
    ids = torch.tensor([[5, 9, 31, 2, 1, 0, 0, 0], [7, 1, 0, 0, 0, 0, 0, 0]])
    real = (ids > 0)[..., None]
    expected = torch.where(real, GOLDEN["umt5/hidden"], 0)
    found = umt5(ids, (ids > 0).long()).last_hidden_state * real
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)

    torch.save(public("clip_text"), folder / "open_clip_pytorch_model.bin")
    (folder / "open_clip_config.json").write_text('{"model_cfg": {"quick_gelu": true, "text_cfg": {"heads": 4}}}')
    tensors, _ = from_mmaudio.clip_text(folder)
    config = CLIPTextConfig(**clip_config(tensors, folder))
    clip = CLIPTextModel(config).eval()
    prefix = "" if "final_layer_norm.weight" in clip.state_dict() else "text_model."
    state = {prefix + key.removeprefix("text_model."): tensor for key, tensor in read(tensors).items()}
    clip.load_state_dict(state, strict=True)
    ids = torch.tensor([[38, 5, 9, 31, 39, 0, 0, 0, 0], [38, 39, 0, 0, 0, 0, 0, 0, 0]])
    close(torch.nn.functional.normalize(clip(ids).last_hidden_state, dim=-1), "clip_text/features")
