"""`unison generate` with a folder of the full size's structure, on its whole path, in every memory arrangement."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.errors import UnisonError, UsageError
from unison_core.pipelines.unison_pipeline import UnisonPipeline
from unison_core.text import caption_features
from unison_core.text.caption_features import AUDIO_FOLDER, CaptionEncoders
from unison_core.types import STREAMS
from unison_core.weights.checksums import CHECKSUMS_FILE
from unison_core.weights.resolve import FORMAT, resolve

SPEC = {"caption": "A bell rings", "transcript": "Well done", "duration_s": 1.2, "seed": 3, "size": (64, 64)}


def generate(folder: Path, memory: str):
    pipeline = UnisonPipeline.from_pretrained(str(folder), device="cpu", precision="fp32", memory=memory)
    return pipeline, pipeline.generate(**SPEC)


@pytest.fixture(scope="module")
def whole(small_5b: Path):
    return generate(small_5b, "full")[1]


def test_the_command_makes_a_clip(small_5b: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [
        "generate", "--model", str(small_5b), "--device", "cpu", "--caption", "A bell rings", "--transcript",
        "Well done",
        "--duration", "1.2", "--seed", "3", "--size", "64x64", "--out", str(tmp_path / "clip"), "--precision", "fp32",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {file.name for file in (tmp_path / "clip").iterdir()} == {
        "video.mp4", "mix.wav", "speech.wav", "sfx.wav", "unison.json",
    }  # fmt: skip
    record = json.loads((tmp_path / "clip" / "unison.json").read_text())
    assert record["output"]["frames"] == 30
    assert record["output"]["rate_hz"] == 44100
    assert record["timings_s"]["text"] > 0
    assert f"{AUDIO_FOLDER}/model.safetensors" in record["model"]["sha256"]


@pytest.mark.parametrize("memory", ["offload", "stream"])
def test_every_arrangement_makes_the_same_clip(small_5b: Path, whole, memory: str) -> None:
    pipeline, clip = generate(small_5b, memory)
    assert pipeline.residence.plan.mode == memory
    for stream in STREAMS:
        torch.testing.assert_close(clip.latents[stream], whole.latents[stream], atol=1e-5, rtol=1e-5)
    assert np.abs(clip.frames.astype(int) - whole.frames.astype(int)).max() <= 1
    assert np.abs(clip.mix - whole.mix).max() < 1e-3


def test_guidance_in_turn_makes_the_same_clip(small_5b: Path, whole) -> None:
    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32")
    pipeline.residence.plan = replace(pipeline.residence.plan, rows=1)
    clip = pipeline.generate(**SPEC)
    for stream in STREAMS:
        torch.testing.assert_close(clip.latents[stream], whole.latents[stream], atol=1e-5, rtol=1e-5)


def test_the_caption_is_heard_and_seen(small_5b: Path, whole) -> None:
    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32")
    other = pipeline.generate(**{**SPEC, "caption": "Rain"})
    for stream in STREAMS:
        assert not torch.allclose(other.latents[stream], whole.latents[stream], atol=1e-4)


def test_out_of_memory_takes_a_smaller_arrangement_and_says_so(small_5b: Path, whole, monkeypatch) -> None:
    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32")
    told: list[str] = []
    pipeline.tell = told.append
    forward, calls = type(pipeline.model).forward, []

    def scarce(self, *args, **kwargs):
        calls.append(1)
        if len(calls) <= 2:  # two rows at once, then one
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.model), "forward", scarce)
    clip = pipeline.generate(**SPEC)
    assert len(told) == 1
    assert "out of memory: again with memory: full" in told[0]
    assert "guidance in turn, tiled decoding" in told[0]
    torch.testing.assert_close(clip.latents["video"], whole.latents["video"], atol=1e-5, rtol=1e-5)

    fixed = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32", memory="offload")
    calls.clear()
    with pytest.raises(torch.OutOfMemoryError):
        fixed.generate(**SPEC)


def test_out_of_memory_while_loading_takes_a_smaller_arrangement(small_5b: Path, whole, monkeypatch) -> None:
    from unison_core.pipelines import unison_pipeline
    from unison_core.pipelines.loading import load
    from unison_core.pipelines.planning import plan_for

    def scarce(folder, device, dtype, plan, adapters):
        if plan.mode == "full":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return load(folder, device, dtype, plan, adapters)

    monkeypatch.setattr(unison_pipeline, "load", scarce)
    told: list[str] = []
    source, cpu = resolve(str(small_5b)), torch.device("cpu")
    plan = plan_for(source.preset, None, cpu, torch.float32)
    pipeline = UnisonPipeline.from_folder(source, cpu, torch.float32, plan, tell=told.append)
    assert pipeline.residence.plan.mode == "offload"
    assert "out of memory: again with memory: offload" in told[-1]
    latents = pipeline.generate(**SPEC).latents["video"]
    torch.testing.assert_close(latents, whole.latents["video"], atol=1e-5, rtol=1e-5)


def test_out_of_memory_ends_a_clip_that_processes_share(small_5b: Path, monkeypatch) -> None:
    """The others wait in the middle of a step: computing it again would give them other numbers."""
    from unison_core.pipelines import parallel

    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32")
    pipeline.residence.shared = parallel.shared_model(parallel.SEQUENCE)
    monkeypatch.setattr(parallel.dist, "get_rank", lambda: 1)
    monkeypatch.setattr(parallel.dist, "get_world_size", lambda: 2)
    calls = []

    def scarce(self, *args, **kwargs):
        calls.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(pipeline.model), "forward", scarce)
    with pytest.raises(UnisonError, match="out of memory in process 1 of 2 that share the clip: use --memory offload"):
        pipeline.generate(**SPEC)
    assert len(calls) == 1


def test_a_step_without_numbers_is_named(small_5b: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_5b, tmp_path / "broken")
    file = next(folder.glob("model*.safetensors"))
    state = load_file(file)
    state["audio.final_layer.conv.bias"][0] = float("nan")
    save_file(state, file)
    (folder / CHECKSUMS_FILE).unlink()
    pipeline = UnisonPipeline.from_pretrained(str(folder), device="cpu", precision="fp32")
    with pytest.raises(UnisonError, match="step 1 of 2: the velocity of speech is not all numbers"):
        pipeline.generate(**SPEC)


def test_a_folder_of_a_newer_format_says_what_to_do(small_5b: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_5b, tmp_path / "new")
    file = next(folder.glob("model*.safetensors"))
    save_file(load_file(file), file, {FORMAT: "7", "unison_writer": "unison-av 9.1"})
    (folder / CHECKSUMS_FILE).unlink()
    with pytest.raises(UnisonError, match=r"format 7, written by unison-av 9\.1; .* pip install -U unison-av"):
        UnisonPipeline.from_pretrained(str(folder), device="cpu")


def test_a_changed_shard_is_named(small_5b: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_5b, tmp_path / "changed")
    file = folder / AUDIO_FOLDER / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(UnisonError, match=r"caption_audio/model\.safetensors has SHA-256"):
        UnisonPipeline.from_pretrained(str(folder), device="cpu")
    file.write_bytes(data[:-9])
    with pytest.raises(UnisonError, match=r"caption_audio/model\.safetensors is damaged or cut short"):
        UnisonPipeline.from_pretrained(str(folder), device="cpu")
    shutil.rmtree(folder / AUDIO_FOLDER)
    with pytest.raises(UnisonError, match="holds no caption encoder caption_audio"):
        UnisonPipeline.from_pretrained(str(folder), device="cpu")


def test_caption_features_keep_the_public_conventions(small_5b: Path, preset) -> None:
    """umT5's padding is zero, CLIP's is read; an encoded caption is remembered and rows do not see each other."""
    encoders = CaptionEncoders(small_5b, preset.model.caption.length, torch.device("cpu"), torch.float32)
    both = encoders.encode(["A bell", ""])
    assert both.video.shape == (2, preset.model.caption.length, preset.model.video.text_dim)
    assert both.audio.shape == (2, 77, preset.model.audio.text_dim)
    assert (both.video[0, 7:] == 0).all()
    assert (both.video[0, :7].abs().amax(-1) > 0).all()
    assert (both.video[1, 1:] == 0).all()
    torch.testing.assert_close(both.audio.norm(dim=-1), torch.ones(2, 77))
    torch.testing.assert_close(both.audio_mean, both.audio.mean(1))
    alone = CaptionEncoders(small_5b, 24, torch.device("cpu"), torch.float32).encode(["A  bell "])
    torch.testing.assert_close(alone.video[0], both.video[0], atol=1e-6, rtol=1e-5)
    assert torch.equal(encoders.encode([""]).audio[0], both.audio[1])


def test_caption_encoders_are_read_for_new_captions_alone(small_5b: Path, preset, monkeypatch) -> None:
    """Each is read once for what is new, and forgotten; held ones are read once for all."""
    read: list[str] = []
    load = caption_features._load_strictly
    monkeypatch.setattr(
        caption_features, "_load_strictly", lambda kind, *where: read.append(kind.__name__) or load(kind, *where)
    )
    once = ["UMT5EncoderModel", "CLIPTextModel"]
    encoders = CaptionEncoders(small_5b, preset.model.caption.length, torch.device("cpu"), torch.float32)
    first = encoders.encode(["A bell", ""])
    assert read == once
    encoders.encode(["", "A bell"])
    assert read == once
    encoders.encode(["A drum", "A bell"])
    assert read == 2 * once
    kept = CaptionEncoders(small_5b, preset.model.caption.length, torch.device("cpu"), torch.float32)
    kept.hold()
    for caption in ("A bell", "", "A drum"):
        again = kept.encode([caption])
    assert read == 3 * once
    torch.testing.assert_close(kept.encode(["A bell"]).video[0], first.video[0], atol=1e-6, rtol=1e-5)
    assert again.video.shape == first.video[:1].shape


def test_one_clip_reads_its_caption_encoders_once(small_5b: Path, monkeypatch) -> None:
    """The empty caption of guidance is read together with the clip's own."""
    read: list[int] = []
    encode = CaptionEncoders._encode
    monkeypatch.setattr(CaptionEncoders, "_encode", lambda self, new: read.append(len(new)) or encode(self, new))
    UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32").generate(**SPEC, steps=1)
    assert read == [2]


def test_faster_modes_come_near_and_are_recorded(small_5b: Path, whole) -> None:
    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32")
    exact = pipeline.generate(**SPEC, steps=14)
    for mode in ({"cache_every": 3}, {"guidance_interval": (0.4, 0.95)}):
        clip = pipeline.generate(**SPEC, steps=14, **mode)
        recorded = clip.metadata["request"]
        assert {name: recorded[name] for name in mode} == {k: list(v) if isinstance(v, tuple) else v
                                                          for k, v in mode.items()}  # fmt: skip
        error = (clip.latents["video"] - exact.latents["video"]).norm() / exact.latents["video"].norm()
        assert 0 < error < 0.5
    pipeline.speed_up(fp8=True)
    clip = pipeline.generate(**SPEC)
    assert clip.metadata["run"]["fp8"] is True
    error = (clip.latents["video"] - whole.latents["video"]).norm() / whole.latents["video"].norm()
    assert 0 < error < 0.1


def test_what_does_not_go_together_is_refused(small_5b: Path) -> None:
    pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32", memory="stream")
    for wish in ("fp8", "compile"):
        with pytest.raises(UsageError, match=f"--{wish} with --memory stream"):
            pipeline.speed_up(**{wish: True})
    for wrong in ({"guidance_interval": (0.9, 0.2)}, {"cache_every": 0}):
        with pytest.raises(UsageError):
            pipeline.generate(**SPEC, **wrong)


def test_a_caption_is_read_to_its_end_or_said_so(small_5b: Path) -> None:
    """The toy reads 24 bytes for the picture and 77 for the sound."""
    result = CliRunner().invoke(app, ["generate", "--model", str(small_5b), "--device", "cpu", "-c", "A bell " * 5,
                                      "-d", "1.2"])  # fmt: skip
    assert result.exit_code == 2
    assert "the caption is 11 tokens longer than the 24 that umT5 reads" in " ".join(result.stderr.split())
    from unison_core.text.caption_features import unheard_tokens

    assert unheard_tokens(small_5b, "A bell") == 0
    assert unheard_tokens(small_5b, "b" * 80) == 5


def test_given_sound_and_sync_guidance_work_in_every_arrangement(small_5b: Path, tmp_path: Path) -> None:
    """Codecs that wait in host memory are lent to encode what is given, and SyncCFG's silence and still pictures."""
    from unison_core.media.wav import write_wav

    wave = (0.2 * np.sin(np.arange(53_000) / 20)).astype(np.float32)
    write_wav(tmp_path / "sfx.wav", wave, 44100)
    clips = []
    for memory in ("full", "offload"):
        pipeline = UnisonPipeline.from_pretrained(str(small_5b), device="cpu", precision="fp32", memory=memory)
        clip = pipeline.a2v(
            caption="A bell", sfx=tmp_path / "sfx.wav", duration_s=1.2, seed=3, size=(64, 64), steps=3,
            sync_scale={"video": 3.0, "speech": 2.0},
        )  # fmt: skip
        clips.append(clip)
    assert clips[0].metadata["output"]["task"] == "sfx_to_av"
    for stream in STREAMS:
        torch.testing.assert_close(clips[1].latents[stream], clips[0].latents[stream], atol=1e-5, rtol=1e-5)
