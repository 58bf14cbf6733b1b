"""Public repositories of random weights at toy size, and the model folder that `unison train init` makes of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.video_vae import build_video_vae
from unison_core.codecs.vocoder import Vocoder
from unison_core.config import PRESETS, Preset, from_mapping, read_yaml
from unison_core.model.audio_branch import AudioBranch
from unison_core.model.transcript_encoder import TranscriptEncoder
from unison_core.model.video_branch import VideoBranch
from unison_core.weights.from_public import Sources, make_folder
from unison_core.weights.scratch_captions import write_byte_tokenizer, write_scratch_captions

PUBLIC_FUSED = 2
"""Fused blocks of the toy MMAudio; the toy preset has one more, as 5b has two more."""


def small_mapping() -> dict[str, Any]:
    """5b with its widths and depths cut down; rates, structure and conventions stay."""
    data = read_yaml(PRESETS / "5b.yaml")
    data["name"] = "small-5b"
    data["size"] = {"height": 64, "width": 64, "multiple": 32, "min_side": 32, "max_side": 128}
    data["model"]["video"] |= {"dim": 48, "heads": 4, "blocks": 3, "ffn_dim": 64, "latent_channels": 6, "text_dim": 16,
                               "freq_dim": 16}  # fmt: skip
    data["model"]["audio"] |= {"dim": 32, "heads": 4, "joint_blocks": 2, "fused_blocks": PUBLIC_FUSED + 1,
                               "latent_channels": 6, "text_dim": 16, "clip_dim": 12, "clip_tokens": 6, "sync_dim": 10,
                               "time_freq_dim": 32, "bi_aca_dim": 16, "scg_dim": 8}  # fmt: skip
    data["model"]["nodes"] |= {"dim": 16, "heads": 4, "sigma_dim": 8}
    data["model"]["transcript"] |= {"vocab": 120, "dim": 24, "ffn_dim": 32, "layers": 1, "out_dim": 10}
    data["model"]["caption"] |= {"length": 24}
    data["codecs"]["video"] |= {"base_dim": 8, "decoder_base_dim": 8, "z_dim": 6, "dim_mult": [1, 1, 2, 2],
                                "num_res_blocks": 1}  # fmt: skip
    data["codecs"]["mel"] |= {"mels": 16}
    data["codecs"]["audio"] |= {"dim": 8, "latent_channels": 6, "num_res_blocks": 1}
    data["codecs"]["vocoder"] |= {"channels": 64, "resblock_kernels": [3], "resblock_dilations": [[1, 3, 5]]}
    data["sampling"]["steps"] = 2
    return data


@pytest.fixture(scope="session")
def preset_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("preset") / "small-5b.yaml"
    file.write_text(yaml.safe_dump(small_mapping(), sort_keys=False))
    return file


@pytest.fixture(scope="session")
def preset(preset_file: Path) -> Preset:
    return from_mapping(Preset, read_yaml(preset_file))


def random_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: t if key.endswith("filter") else t + 0.05 * torch.randn_like(t)
            for key, t in module.state_dict().items()}  # fmt: skip


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory, preset: Preset) -> dict[str, str]:
    """Folders by part, in the layout of the Hub."""
    root = tmp_path_factory.mktemp("public")
    model, codecs = preset.model, preset.codecs
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wan = root / "wan"
        (wan / "transformer").mkdir(parents=True)
        (wan / "vae").mkdir()
        state = random_state(VideoBranch(model.video))
        half = list(state)[: len(state) // 2]
        for i, keys in enumerate((half, [key for key in state if key not in half])):
            file = f"diffusion_pytorch_model-0000{i + 1}-of-00002.safetensors"
            save_file({key: state[key] for key in keys}, wan / "transformer" / file)
        save_file(random_state(build_video_vae(codecs.video)), wan / "vae" / "diffusion_pytorch_model.safetensors")
        statistics = {"latents_mean": [0.1] * codecs.video.z_dim, "latents_std": [1.5] * codecs.video.z_dim}
        (wan / "vae" / "config.json").write_text(json.dumps(statistics))
        (wan / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Wan\n")
        captions = root / "captions"
        write_scratch_captions(captions, model, seed=1, dtype=torch.float32)
        (captions / "caption_video").rename(wan / "text_encoder")
        (wan / "tokenizer").mkdir()
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (wan / "text_encoder" / file).rename(wan / "tokenizer" / file)

        mmaudio = root / "mmaudio"
        (mmaudio / "weights").mkdir(parents=True)
        (mmaudio / "ext_weights").mkdir()
        config = {**model.audio.__dict__, "fused_blocks": PUBLIC_FUSED}
        flow = {key: t for key, t in random_state(AudioBranch(type(model.audio)(**config), 10)).items()
                if not key.startswith(("couplings.", "transcript_"))}  # fmt: skip
        flow |= {"latent_mean": torch.full((1, 1, 6), 0.2), "latent_std": torch.full((1, 1, 6), 2.0),
                 "empty_string_feat": torch.zeros(77, 16)}  # fmt: skip
        torch.save(flow, mmaudio / "weights" / "mmaudio_large_44k_v2.pth")
        torch.save(random_state(AudioVAE(codecs.audio, codecs.mel.mels)), mmaudio / "ext_weights" / "v1-44.pth")
        (mmaudio / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")

        vocoder = root / "vocoder"
        vocoder.mkdir()
        torch.save({"generator": random_state(Vocoder(codecs.vocoder, codecs.mel.mels))},
                   vocoder / "bigvgan_generator.pt")  # fmt: skip

        zipvoice = root / "zipvoice"
        zipvoice.mkdir()
        encoder = random_state(TranscriptEncoder(model.transcript))
        state = {k: t for k, t in encoder.items() if k.startswith(("embed.", "text_encoder."))}
        torch.save({"model": {**state, "fm_decoder.weight": torch.zeros(2)}}, zipvoice / "model.pt")
        letters = "_ .,!?ˈˌəɪɛæʌiuaɔʊhlwɹdsztnpk"
        (zipvoice / "tokens.txt").write_text("".join(f"{c}\t{i}\n" for i, c in enumerate(letters)), encoding="utf-8")
    return {"video": str(wan), "audio": str(mmaudio), "vocoder": str(vocoder), "transcript": str(zipvoice),
            "clip": str(clip_repository(captions))}  # fmt: skip


def clip_repository(captions: Path) -> Path:
    """The toy CLIP in the layout of the Hub: a whole model, of which the text tower is used."""
    from safetensors.torch import load_file

    folder = captions / "caption_audio"
    state = load_file(folder / "model.safetensors")
    state = {"text_model." + re.sub("^text_model.", "", key): t for key, t in state.items()}
    save_file({**state, "vision_model.x": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    text = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "text_config": text}))
    write_byte_tokenizer(folder, "<s>")
    return folder


@pytest.fixture(scope="session")
def small_5b(tmp_path_factory: pytest.TempPathFactory, public: dict[str, str], preset: Preset) -> Path:
    """The model folder; tests must not change it."""
    folder = tmp_path_factory.mktemp("models") / "small-5b"
    make_folder(folder, preset, Sources(names=public), dtype=torch.float32)
    return folder
