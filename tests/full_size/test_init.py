"""`unison train init`: every tensor is accounted for, both layouts give one folder, nothing new changes anything."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.config import load_preset
from unison_core.errors import UnisonError, UsageError
from unison_core.model.audio_branch import AudioBranch
from unison_core.model.unison import Unison
from unison_core.pipelines.loading import check_model
from unison_core.training.flow_training import build_model
from unison_core.weights import from_mmaudio, from_wan
from unison_core.weights.checksums import CHECKSUMS_FILE
from unison_core.weights.from_public import Sources, make_folder
from unison_core.weights.initialise import joint_tensors
from unison_core.weights.lazy import LazyTensor, of_tensor
from unison_core.weights.licences import forbids_commerce, licence_of, read_sources
from unison_core.weights.resolve import PRESET_FILE, resolve
from unison_core.weights.tensors import read_tensors

TO_ORIGINAL = (
    (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"^condition_embedder\.time_proj", "time_projection.1"), (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."), (r"\.to_([qkv])\.", r".\1."), (r"\.to_out\.0\.", ".o."),
    (r"\.ffn\.net\.0\.proj\.", ".ffn.0."), (r"\.ffn\.net\.2\.", ".ffn.2."), (r"\.norm2\.", ".norm3."),
    (r"^proj_out", "head.head"), (r"^scale_shift_table$", "head.modulation"), (r"\.scale_shift_table$", ".modulation"),
)  # fmt: skip


def test_the_report_accounts_for_every_tensor(small_5b: Path, public: dict[str, str], preset) -> None:
    parts = {part.part: part for part in read_sources(small_5b)}
    assert set(parts) == {"joint", "video", "audio", "transcript", "video-vae", "audio-vae", "vocoder", "umT5",
                          "CLIP text"}  # fmt: skip
    written = set(read_tensors(small_5b))
    new = {name for part in ("joint", "video", "audio", "transcript") for name in parts[part].new}
    loaded = sum(parts[p].loaded for p in ("joint", "video", "audio", "transcript"))
    assert loaded - len(from_mmaudio.STATISTICS) + len(new) == len(written)  # those lie in another file
    assert new <= written
    assert not parts["video"].new
    assert all(re.match(r"audio\.(couplings|transcript_\w+|fused_blocks\.2)\.", name) for name in parts["audio"].new)
    assert parts["audio"].unused == ("empty_string_feat",)
    assert parts["transcript"].unused == ("fm_decoder.weight",)
    assert parts["CLIP text"].unused == ("vision_model.x",)
    assert set(parts["transcript"].new) == {
        f"transcript.{k}" for k in ("phase.weight", "phase.bias", "outside", "null")
    }
    for branch, tensors in (("video", from_wan.transformer(Path(public["video"]))),
                            ("audio", from_mmaudio.transformer(Path(public["audio"]))[0])):  # fmt: skip
        loaded = read_tensors(small_5b)
        for key, tensor in tensors.items():
            if key not in parts[branch].unused:
                assert torch.equal(loaded[f"{branch}.{key}"], tensor.read())


def test_licences_are_recorded_and_the_strictest_is_shown(
    public: dict[str, str], preset_file: Path, tmp_path: Path, small_5b: Path
) -> None:
    licences = {part.part: part.licence for part in read_sources(small_5b)}
    assert licences["video"] == "apache-2.0"
    assert licences["audio"] == "cc-by-nc-4.0"
    options = [x for part, path in public.items() for x in (f"--{part}", path)]
    command = ["train", "init", "--preset", str(preset_file), "--out", str(tmp_path / "m"), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "not for commercial use" in " ".join(result.stderr.split())
    assert "unused: fm_decoder" in result.stderr
    assert result.stdout.strip() == str(tmp_path / "m")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert "not empty" in again.stderr


def test_the_configuration_travels_inside_the_weights(small_5b: Path, preset, tmp_path: Path) -> None:
    file = next(small_5b.glob("model*.safetensors"))
    with safe_open(file, framework="pt") as shard:
        assert json.loads(shard.metadata()["unison_preset"])["name"] == preset.name
    copy = shutil.copytree(small_5b, tmp_path / "copy")
    (copy / PRESET_FILE).unlink()
    assert resolve(str(copy)).preset == preset


@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_both_layouts_of_wan_give_the_same_tensors(layout: str, public: dict[str, str], tmp_path: Path) -> None:
    wan = Path(public["video"])
    expected = {key: t.read() for key, t in from_wan.transformer(wan).items()}
    state = dict(expected)
    if layout == "original":
        for pattern, name in TO_ORIGINAL:
            state = {re.sub(pattern, name, key): t for key, t in state.items()}
    folder = tmp_path / "transformer" if layout == "diffusers" else tmp_path
    folder.mkdir(exist_ok=True)
    save_file(state, folder / "diffusion_pytorch_model.safetensors")
    found = from_wan.transformer(tmp_path)
    assert set(found) == set(expected)
    for key, tensor in found.items():
        assert torch.equal(tensor.read(), expected[key])


@torch.no_grad()
def test_more_blocks_than_the_public_weights_start_as_identities(preset) -> None:
    """Two video blocks and one fused block more: the same velocities."""
    torch.manual_seed(0)
    small = Unison(preset.model, preset.timing)
    for parameter in (*small.video.parameters(), *small.audio.parameters()):
        parameter.add_(0.1 * torch.randn_like(parameter))
    public = {"video": small.video.state_dict(), "audio": small.audio.state_dict()}
    public["audio"] = {k: t for k, t in public["audio"].items() if not k.startswith(("couplings.", "transcript_"))}
    deeper = replace(preset, model=replace(
        preset.model, video=replace(preset.model.video, blocks=5), audio=replace(preset.model.audio, fused_blocks=4)
    ))  # fmt: skip
    lazy = {branch: {k: of_tensor(t) for k, t in state.items()} for branch, state in public.items()}
    outputs = []
    for sizes in (preset, deeper):
        tensors, _ = joint_tensors(sizes, lazy, seed=0, dtype=torch.float32)
        model = Unison(sizes.model, sizes.timing)
        model.load_state_dict({key: tensor.read() for key, tensor in tensors.items()})
        outputs.append(velocities(model))
    for stream, expected in outputs[0].items():
        assert expected.std() > 0.01
        torch.testing.assert_close(outputs[1][stream], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_fresh_folder_computes_what_both_branches_compute(small_5b: Path, preset, public: dict[str, str]) -> None:
    """With zero-initialised fusion the joint model is the video branch beside the audio branch."""
    model = Unison(preset.model, preset.timing)
    model.load_state_dict(read_tensors(small_5b))
    joint = velocities(model)
    latents, sigmas, conditions = inputs(model)
    alone = model.audio({s: latents[s] for s in ("speech", "sfx")}, sigmas, conditions.audio)
    state = model.video.embed(latents["video"], sigmas["video"], conditions.video)
    for i in range(len(model.video.blocks)):
        state = model.video.block(i, state)
    for stream, expected in {**alone, "video": model.video.head(state)}.items():
        torch.testing.assert_close(joint[stream], expected, atol=1e-5, rtol=1e-5)


def inputs(model: Unison):
    from unison_core.types import CaptionFeatures, TextInputs

    g = torch.Generator().manual_seed(1)
    t, n = model.timing.video_latents(17), model.timing.audio_latents(17)
    config = model.config
    latents = {"video": torch.randn(1, config.video.latent_channels, t, 4, 4, generator=g)}
    latents |= {s: torch.randn(1, n, config.audio.latent_channels, generator=g) for s in ("speech", "sfx")}
    sigmas = {"video": torch.full((1, t), 0.6), "speech": torch.full((1,), 0.6), "sfx": torch.full((1,), 0.3)}
    audio = torch.randn(1, 77, config.audio.text_dim, generator=g)
    captions = CaptionFeatures(
        video=torch.randn(1, config.caption.length, config.video.text_dim, generator=g), audio=audio,
        audio_mean=audio.mean(1),
    )  # fmt: skip
    text = TextInputs(
        caption_ids=torch.zeros(1, 1, dtype=torch.int64), phoneme_ids=torch.tensor([[3, 4, 5]]),
        phoneme_mask=torch.ones(1, 3, dtype=torch.bool), phoneme_weights=torch.full((1, 3), 0.1),
        span_s=torch.tensor([[0.1, 0.5]]), dropped=torch.zeros(1, dtype=torch.bool), captions=captions,
    )  # fmt: skip
    return latents, sigmas, model.encode(text, 17)


def velocities(model: Unison):
    latents, sigmas, conditions = inputs(model)
    return model(latents, sigmas, conditions)


def test_from_scratch_needs_no_source_and_follows_the_seed(preset, tmp_path: Path) -> None:
    from unison_core.weights.from_public import SCRATCHABLE

    folders = []
    for seed in (0, 0, 1):
        folders.append(tmp_path / str(len(folders)))
        sources = Sources(scratch=frozenset(SCRATCHABLE), offline=True)
        parts = make_folder(folders[-1], preset, sources, seed=seed)
        assert all(part.source == "scratch" and part.new for part in parts)
    first, same, other = (load_file(next(folder.glob("model*.safetensors"))) for folder in folders)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["video.blocks.0.attn1.to_q.weight"], other["video.blocks.0.attn1.to_q.weight"])
    assert not torch.equal(first["video.blocks.0.attn1.to_q.weight"], first["video.blocks.1.attn1.to_q.weight"])


def test_training_starts_from_the_folder(small_5b: Path, preset) -> None:
    from types import SimpleNamespace

    config = SimpleNamespace(init_from=str(small_5b), init_without=(), freeze=("video",), stage="joint", lora=None)
    model = build_model(config, preset)  # type: ignore[arg-type]
    assert torch.equal(model.video.proj_out.weight, read_tensors(small_5b)["video.proj_out.weight"])
    assert not model.video.proj_out.weight.requires_grad


def test_what_does_not_fit_is_named(preset, public: dict[str, str], tmp_path: Path) -> None:
    wide = replace(preset, model=replace(preset.model, video=replace(preset.model.video, ffn_dim=128)))
    with pytest.raises(UnisonError, match=r"do not fit preset small-5b: video\.blocks\.0\.ffn"):
        make_folder(tmp_path / "a", wide, Sources(names=public))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnisonError, match="does not hold the video transformer"):
        make_folder(tmp_path / "b", preset, Sources(names={**public, "video": str(empty)}))
    (empty / "weights").mkdir()
    shutil.copy(Path(public["audio"]) / "weights/mmaudio_large_44k_v2.pth", empty / "weights")
    with pytest.raises(UnisonError, match=r"mel VAE.*published at https.*--audio-vae"):
        make_folder(tmp_path / "c", preset, Sources(names={**public, "audio": str(empty)}))
    assert not (tmp_path / "c" / PRESET_FILE).exists()
    odd = shutil.copytree(public["video"], tmp_path / "odd")
    config = json.loads((odd / "vae/config.json").read_text())
    (odd / "vae/config.json").write_text(json.dumps(config | {"latents_std": [1.0, 1.0]}))
    with pytest.raises(UnisonError, match=r"video_vae: its public .*std has 2 channels, its preset's \d+"):
        make_folder(tmp_path / "d", preset, Sources(names={**public, "video": str(odd)}))
    with pytest.raises(UsageError, match="none of video, audio"):
        Sources(scratch=frozenset({"vidoe"}))


def test_hashes_are_written_for_every_weights_file(small_5b: Path) -> None:
    table = json.loads((small_5b / CHECKSUMS_FILE).read_text())
    assert set(table) == {str(f.relative_to(small_5b)) for f in small_5b.rglob("*.safetensors")}


def test_a_trained_folder_takes_over_what_belongs_to_it(small_5b: Path, preset, tmp_path: Path, monkeypatch) -> None:
    """Encoders, tokens and licences go along, large files as links; stale hashes go."""
    from unison_core.weights import save

    monkeypatch.setattr(save, "LINK_ABOVE_BYTES", 10_000)
    out = tmp_path / "trained"
    out.mkdir()
    (out / CHECKSUMS_FILE).write_text("{}")
    for _ in range(2):
        save.save_model(out, preset, read_tensors(small_5b), codecs=small_5b, dtype=torch.bfloat16)
    names = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert names == {str(f.relative_to(small_5b)) for f in small_5b.rglob("*") if f.is_file()} - {CHECKSUMS_FILE}
    assert (out / "caption_video/model.safetensors").samefile(small_5b / "caption_video/model.safetensors")
    assert not (out / "transcript_tokens.txt").samefile(small_5b / "transcript_tokens.txt")
    assert read_sources(out) == read_sources(small_5b)
    check_model(resolve(str(out)))


def test_at_full_size_every_public_tensor_has_its_place() -> None:
    """5b against the shapes of the public classes, without their values: 7 + 14 audio blocks, 30 of Wan."""
    preset = load_preset("5b")
    audio = replace(preset.model.audio, fused_blocks=14)
    video = preset.model.video
    with torch.device("meta"):
        wan = WanTransformer3DModel(patch_size=video.patch, num_attention_heads=24, attention_head_dim=128,
                                    in_channels=48, out_channels=48, text_dim=4096, freq_dim=256, ffn_dim=14336,
                                    num_layers=30)  # fmt: skip
        mmaudio = AudioBranch(audio, preset.model.transcript.out_dim)
    states = {"video": wan.state_dict(), "audio": {
        k: t for k, t in mmaudio.state_dict().items() if not k.startswith(("couplings.", "transcript_"))
    }}  # fmt: skip
    assert round(sum(t.numel() for t in states["audio"].values()) / 1e6, 1) == 1030.5  # and 0.1M that are no weights
    lazy = {b: {k: LazyTensor(tuple(t.shape), torch.float32, unread) for k, t in s.items()} for b, s in states.items()}
    tensors, accounts = joint_tensors(preset, lazy, seed=0, dtype=torch.bfloat16)
    assert not accounts["video"].new
    assert not accounts["video"].unused
    assert not accounts["audio"].unused
    extra = {name for name in accounts["audio"].new if "fused_blocks" in name}
    assert {name.split(".")[2] for name in extra} == {"14", "15"}
    assert sum(t.nbytes for t in tensors.values()) == 2 * 6_599_380_538


def unread() -> torch.Tensor:
    raise AssertionError("accounting reads no weights")


def test_a_licence_is_the_strictest_that_is_known(tmp_path: Path) -> None:
    """A card may state the code's licence; a folder without one is told what the published weights have."""
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n---\n")
    assert licence_of("hkchengrex/MMAudio", tmp_path) == "CC-BY-NC-4.0"
    assert licence_of(str(tmp_path), tmp_path, "hkchengrex/MMAudio") == "mit"
    card.unlink()
    assert licence_of("k2-fsa/ZipVoice", tmp_path) == "Apache-2.0"
    stated = licence_of(str(tmp_path), tmp_path, "hkchengrex/MMAudio")
    assert stated == "not stated; hkchengrex/MMAudio has CC-BY-NC-4.0"
    assert forbids_commerce(stated)
    assert forbids_commerce("apple-amlr")
    assert not forbids_commerce("Apache-2.0")


def test_what_starts_from_scratch_is_not_downloaded() -> None:
    assert from_wan.downloads(()) == from_wan.DOWNLOADS
    left = from_wan.downloads({"video", "captions"})
    assert set(from_wan.VAE_FILES) <= set(left)
    assert not {*from_wan.TRANSFORMER_FILES, *from_wan.UMT5_FILES, "tokenizer/*"} & set(left)
