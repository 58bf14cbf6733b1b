"""`--reference-audio`: a voice changes what is heard, is kept in the record, and is refused where it cannot serve."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli.conftest import write_sound, write_video
from tests.conftest import stirred, tiny_mapping
from unison_core.codecs.codec import Codec
from unison_core.config import Preset, from_mapping
from unison_core.media.wav import write_wav
from unison_core.model.unison import Unison
from unison_core.pipelines.record import read_record
from unison_core.weights.save import save_model


def model_folder(folder: Path, reference: dict[str, int] | None) -> Path:
    """The tiny model with or without the encoder of a reference voice, named for its folder."""
    data = tiny_mapping()
    data["name"] = folder.name
    data["model"]["reference"] = reference
    preset = from_mapping(Preset, data, folder.name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(folder, preset, stirred(Unison(preset.model, preset.timing)))
        stirred(Codec(preset)).save(folder)
    return folder


@pytest.fixture(scope="module")
def voiced_folder(tmp_path_factory) -> Path:
    """A model that can take a reference voice."""
    return model_folder(tmp_path_factory.mktemp("models") / "voiced", {"dim": 16, "heads": 2})


@pytest.fixture
def voiced(unison, voiced_folder):
    def run(command, *arguments):
        return unison(command, "--model", voiced_folder, "--device", "cpu", *arguments)

    return run


def test_the_voice_changes_the_speech_and_repeats(voiced, unison, tmp_path):
    hashes = []
    for name, seed in (("none", None), ("one", 1), ("two", 2)):
        voice = [] if seed is None else ["--reference-audio", write_sound(tmp_path / f"{name}.wav", 1.2, seed=seed)]
        result = voiced("generate", "-t", "Hello there", "--duration", 1.2, "--seed", 1, "--out", name, *voice)
        assert result.exit_code == 0, result.stderr
        hashes.append(read_record(tmp_path / name)["sha256"]["latents.speech"])
    assert len(set(hashes)) == 3
    record = read_record(tmp_path / "one")
    assert record["command"] == "generate"
    assert record["inputs"]["reference_audio"]["path"].endswith("one.wav")
    assert "identical to the bit" in unison("replay", "one", "--out", "again").stderr


def test_other_directions_take_it_where_speech_is_generated(voiced, tmp_path):
    sound, video = write_sound(tmp_path / "s.wav"), write_video(tmp_path / "v.mkv", "-c:v", "ffv1", sound=False)
    for command, given in (("a2v", ["--sfx", sound]), ("v2a", ["--video", video])):
        result = voiced(command, *given, "-t", "Hello", "--reference-audio", sound, "--out", command, "--duration", 1.2)
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "Hello", "--reference-audio", "none.wav"], "there is no file none.wav"),
        (["-t", "Hello", "--reference-audio", "brief.wav"], "lasts 0.5 s: cut it to 1 to 5 s"),
        (["-t", "Hello", "--reference-audio", "long.wav"], "lasts 7.0 s: cut it to 1 to 5 s"),
        (["-t", "Hello", "--reference-audio", "silent.wav"], "silent.wav is silent"),
        (["-t", "Hello", "--reference-audio", "mute.mkv"], "reference audio mute.mkv has no sound"),
        (["-c", "A drum", "--reference-audio", "voice.wav"], "no transcript: nobody speaks"),
        (["--reference-audio", "voice.wav"], "both empty"),
    ],
)
def test_what_is_no_voice_is_said(voiced, monkeypatch, tmp_path, arguments, message):
    write_sound(tmp_path / "voice.wav")
    write_sound(tmp_path / "brief.wav", 0.5)
    write_sound(tmp_path / "long.wav", 7)
    write_wav(tmp_path / "silent.wav", np.zeros(32000, np.float32), 16000)
    write_video(tmp_path / "mute.mkv", "-c:v", "ffv1", sound=False)
    result = voiced("generate", *arguments, "--out", "o")
    assert message in result.stderr
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_model_that_takes_none_says_so(unison, tmp_path):
    model = ("--model", model_folder(tmp_path / "unvoiced", None), "--device", "cpu")
    write_sound(tmp_path / "voice.wav")
    result = unison("generate", *model, "-t", "Hello", "--reference-audio", "voice.wav", "--out", "o")
    assert result.exit_code == 2
    assert "unvoiced takes no reference voice" in result.stderr
    result = unison("a2v", *model, "--speech", "voice.wav", "--reference-audio", "voice.wav", "--out", "o")
    assert "the speech is given" in result.stderr
