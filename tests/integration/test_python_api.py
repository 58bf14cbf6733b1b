"""The Python interface: load once, generate, look at arrays, save."""

import numpy as np
import pytest
import torch

from unison_core.errors import UsageError
from unison_core.pipelines.request import GenerateRequest
from unison_core.pipelines.unison_pipeline import UnisonPipeline


@pytest.fixture(scope="module")
def pipeline(tiny_folder) -> UnisonPipeline:
    return UnisonPipeline.from_pretrained(str(tiny_folder), device="cpu", precision="fp32")


def test_generate_and_save(pipeline, tmp_path):
    steps = []
    clip = pipeline.generate(
        caption="A drum", transcript="Hello", seed=1, steps=3, progress=lambda done, of: steps.append((done, of))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert clip.frames.dtype == np.uint8
    assert len(clip.mix) == round(len(clip.frames) / 25 * 16000)
    assert np.array_equal(clip.mix, clip.speech + clip.sfx)
    assert {stream: x.ndim for stream, x in clip.latents.items()} == {"video": 4, "speech": 2, "sfx": 2}
    assert clip.preview().width > 600
    assert set(clip.save(tmp_path / "out").metadata["files"]) == {"video.mp4", "mix.wav", "speech.wav", "sfx.wav"}


def test_a_seed_fixes_the_latents(pipeline):
    request = GenerateRequest(caption="A drum", duration_s=1.0, seed=3)
    first, same = pipeline.generate(request), pipeline.generate(request)
    other = pipeline.generate(request, seed=4)
    for stream, x in first.latents.items():
        assert torch.equal(x, same.latents[stream])
        assert not torch.equal(x, other.latents[stream])


def test_the_clip_does_not_depend_on_how_its_sound_is_mixed(pipeline):
    from unison_core.media.mix import MixSettings

    plain = pipeline.generate(caption="A drum", duration_s=1.0, seed=3)
    loud = pipeline.generate(caption="A drum", duration_s=1.0, seed=3, mix=MixSettings(lufs=-23))
    assert np.array_equal(plain.frames, loud.frames)
    assert not np.array_equal(plain.mix, loud.mix)


def test_guidance_of_1_is_no_guidance(pipeline):
    """At scale 1 the negative caption has nothing to act on."""
    off = {"video": 1.0, "speech": 1.0, "sfx": 1.0}
    clips = [
        pipeline.generate(caption="x", negative=negative, text_scale=off, duration_s=1.0, seed=5)
        for negative in ("", "a bell")
    ]
    assert np.array_equal(clips[0].frames, clips[1].frames)


def test_wrong_values_are_usage_errors(pipeline):
    with pytest.raises(UsageError, match="both empty"):
        pipeline.generate()
    with pytest.raises(TypeError):
        pipeline.generate(caption="x", sede=3)


def test_every_direction_is_a_method(pipeline, tmp_path):
    from PIL import Image

    from tests.cli.conftest import write_sound, write_video
    from unison_core.media.wav import read_wav

    speech, video = write_sound(tmp_path / "s.wav", seconds=1.0), write_video(tmp_path / "v.mkv", "-c:v", "ffv1")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    talk = pipeline.a2v(speech=speech, caption="A man talks", seed=1)
    assert np.array_equal(talk.speech, read_wav(speech)[0])
    assert talk.sfx.any()
    portrait = pipeline.a2v(speech=speech, image=tmp_path / "red.png", seed=1)
    assert np.array_equal(portrait.speech, talk.speech)
    assert {c["name"] for c in portrait.metadata["checks"]} >= {"first_frame_psnr_db", "given_speech_difference"}
    assert not np.array_equal(portrait.frames, talk.frames)
    dubbed = pipeline.v2a(video=str(video), sfx=speech, transcript="Hello", duration_s=1.2, seed=1)
    assert np.array_equal(dubbed.sfx[:16000], read_wav(speech)[0])
    assert dubbed.source.path == video
    assert "picture" in dubbed.save(tmp_path / "out").metadata["output"]
    started = pipeline.generate(image=tmp_path / "red.png", duration_s=1.0, seed=1)
    assert started.metadata["output"]["task"] == "ti2av"
    assert started.metadata["inputs"]["image"]["path"].endswith("red.png")


def test_a_direction_without_its_file_is_a_usage_error(pipeline):
    with pytest.raises(UsageError, match="a2v needs sound"):
        pipeline.a2v(caption="x")
    with pytest.raises(UsageError, match="v2a needs a video"):
        pipeline.v2a(caption="x")
