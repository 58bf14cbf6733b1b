"""The whole path of `unison generate`, from words to files, with a tiny model of random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unison_core.config import load_preset
from unison_core.media.read import read_audio, read_frames
from unison_core.media.wav import read_wav
from unison_core.pipelines.record import read_record

FILES = {"video.mp4", "mix.wav", "speech.wav", "sfx.wav", "unison.json"}


def levels(path: Path) -> np.ndarray:
    return np.round(read_wav(path)[0] * 32768).astype(int)


def test_a_clip_is_written_and_told_of(generate, tmp_path):
    result = generate("-c", "A woman talks", "-t", "We start now", "--seed", 7, "--out", "o", "--preview")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "o\n"
    folder = tmp_path / "o"
    assert {file.name for file in folder.iterdir()} == FILES | {"preview.png"}
    assert np.array_equal(levels(folder / "mix.wav"), levels(folder / "speech.wav") + levels(folder / "sfx.wav"))
    record = read_record(folder)
    assert record["request"]["seed"] == 7
    assert record["request"]["text_scale"] == dict(load_preset("nano").sampling.text_scale)
    assert set(record["timings_s"]) >= {"load", "sample", "decode video", "decode audio"}
    assert {check["name"] for check in record["checks"]} >= {"speech_lufs", "mix_lufs", "peak_reduction_db", "length_s"}
    assert Image.open(folder / "preview.png").width > 600
    assert [file.name for file in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize(("duration", "frames"), [("1", 25), ("1.28", 32), ("1.5", 38)])
def test_duration_is_honoured_to_the_frame(generate, tmp_path, duration, frames):
    result = generate("-c", "x", "--duration", duration, "--size", "48x32", "--out", "o", "--steps", 1)
    assert result.exit_code == 0, result.stderr
    shown = read_frames(tmp_path / "o" / "video.mp4")
    assert shown.shape == (frames, 32, 48, 3)
    assert len(levels(tmp_path / "o" / "mix.wav")) == round(frames / 25 * 16000)
    assert len(read_audio(tmp_path / "o" / "video.mp4", 16000)) >= round(frames / 25 * 16000)


def test_the_default_folder_is_named_for_time_and_caption(generate, tmp_path):
    result = generate("-c", "Übung: a drum!", "--duration", "1", "--steps", 1, "--json")
    assert result.exit_code == 0, result.stderr
    item = json.loads(result.stdout)
    folder = tmp_path / item["folder"]
    assert folder.parent == tmp_path / "outputs"
    assert folder.name.endswith("-ubung-a-drum")
    assert item["status"] == "made"
    assert {tmp_path / path for path in item["files"].values()} == set(folder.iterdir())
    assert item["files"].keys() == FILES


def test_everything_passed_has_an_effect(generate, tmp_path):
    """Each option changes the clip; none is accepted and ignored."""
    base = ["-c", "A drum", "-t", "Hello there", "--duration", "1", "--seed", 1, "--steps", 3, "--precision", "fp32"]
    changes: dict[str, list] = {
        "same": [],
        "caption": ["-c", "A bell"],
        "transcript": ["-t", "Good evening"],
        "negative": ["--negative", "a dog"],
        "seed": ["--seed", 2],
        "steps": ["--steps", 2],
        "span": ["--span", "0.1-0.6"],
        "text_scale": ["--text-scale", "speech=5"],
        "sync_scale": ["--sync-scale", "3"],
        "sync_interval": ["--sync-scale", "3", "--sync-interval", "0.9-1"],
        "shift": ["--shift", "3"],
        "lead": ["--lead", "audio"],
        "lead_amount": ["--lead", "audio", "--lead-amount", "0.8"],
        "gain": ["--sfx-gain", "-6"],
        "lufs": ["--lufs", "-30"],
    }
    seen = {}
    for name, change in changes.items():
        result = generate(*base, *change, "--out", name)
        assert result.exit_code == 0, result.stderr
        hashes = read_record(tmp_path / name)["sha256"]
        seen[name] = tuple(hashes.values())
    assert len(set(seen.values())) == len(changes)
    again = generate(*base, "--out", "again")
    assert again.exit_code == 0
    assert tuple(read_record(tmp_path / "again")["sha256"].values()) == seen["same"]


def test_quiet_is_quiet_and_warnings_are_warnings(generate, tmp_path):
    result = generate("-c", "x", "-t", "Hello", "--out", "loud", "--sfx-gain", "-60", "--speech-gain", "-60")
    assert result.exit_code == 0
    assert "the speech stem is silent, though a transcript was given" in result.stderr
    record = read_record(tmp_path / "loud")
    check = next(check for check in record["checks"] if check["name"] == "speech_lufs")
    assert not check["passed"]
    assert generate("-c", "x", "--out", "q", "--quiet", "--sfx-gain", "-60").stderr == ""


@pytest.mark.parametrize("units", [False, True])
def test_bf16_without_units_for_it_is_warned_of(generate, monkeypatch, units):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": units})
    result = generate("-c", "x", "--duration", "1", "--steps", 1, "--precision", "bf16", "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert ("no units for bf16" in result.stderr) is not units


def test_interrupt_leaves_nothing(generate, monkeypatch, tmp_path):
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    for place in ("generation.sha256", "sampling.generate_latents", "unison_pipeline.load"):
        with monkeypatch.context() as patch:
            patch.setattr(f"unison_core.pipelines.{place}", interrupt)
            result = generate("-c", "x", "--duration", "1", "--out", "o")
        assert result.exit_code == 130
        assert result.stderr.splitlines()[-1].startswith("error: interrupted")
        assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_none_are_an_error(generate, monkeypatch, tmp_path):
    import torch

    from unison_core.codecs.codec import Codec

    monkeypatch.setattr(Codec, "decode_audio", lambda self, x: torch.full((2, 65536), torch.nan))
    result = generate("-c", "x", "--duration", "1", "--out", "o")
    assert result.exit_code == 1
    assert "not all numbers" in result.stderr
    assert list(tmp_path.iterdir()) == []
