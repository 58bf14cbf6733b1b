"""Latents of a preset whose captions are external: its encoders' features in the shards and in training's batches."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.cli.conftest import write_sound, write_video
from unison_cli.app import app
from unison_core.config import Preset
from unison_core.text.caption_features import CaptionEncoders
from unison_core.training.latents import open_latents
from unison_core.training.shard_format import CAPTION_AUDIO, CAPTION_VIDEO, read_shard
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO

CAPTION = "A bell rings"


@pytest.fixture(scope="module")
def shards(small_5b: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    media, out = tmp_path_factory.mktemp("media"), tmp_path_factory.mktemp("shards")
    write_video(media / "a.mp4", seconds=1.2, sound=False)
    for stem in ("speech", "sfx"):
        write_sound(media / f"a.{stem}.wav", seconds=1.2)
    (media / "a.txt").write_text(CAPTION)
    (media / "a.lab").write_text("Well done")
    options = ["--codecs", str(small_5b), "-o", str(out), "--size", "64x64", "--device", "cpu", "--static", "0"]
    result = CliRunner().invoke(app, ["prepare", str(media), *options])
    assert result.exit_code == 0, result.output
    return out


def encoders(folder: Path, preset: Preset) -> CaptionEncoders:
    return CaptionEncoders(folder, preset.model.caption.length, torch.device("cpu"), torch.float32)


def test_features_are_the_encoders_own(small_5b: Path, preset: Preset, shards: Path) -> None:
    (sample,) = read_shard(next(shards.glob("*.tar")))
    expected = encoders(small_5b, preset).encode([CAPTION])
    video = torch.from_numpy(sample.features[CAPTION_VIDEO]).float()
    assert 1 < len(video) < preset.model.caption.length
    torch.testing.assert_close(video, expected.video[0, : len(video)], atol=2e-3, rtol=2e-3)
    assert not expected.video[0, len(video) :].any()
    audio = torch.from_numpy(sample.features[CAPTION_AUDIO]).float()
    torch.testing.assert_close(audio, expected.audio[0], atol=2e-3, rtol=2e-3)
    assert max(sample.meta["phoneme_ids"]) < 30  # the model folder's own table, not the package's
    assert set(sample.latents) == {VIDEO, SPEECH, SFX}


@pytest.mark.parametrize("source", ["pool", "stream"])
def test_batches_hold_what_the_encoders_say_of_nothing(
    small_5b: Path, preset: Preset, shards: Path, source: str
) -> None:
    latents = open_latents(shards, torch.device("cpu"), streams=STREAMS, preset=preset, source=source)
    batch = latents.sample(2, torch.Generator().manual_seed(0))
    assert batch.unsaid is not None
    assert batch.text.captions is not None
    for name, value in vars(encoders(small_5b, preset).encode([""])).items():
        torch.testing.assert_close(getattr(batch.unsaid, name), value, atol=2e-3, rtol=2e-3)
