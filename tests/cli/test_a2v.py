"""`unison a2v`: given sound comes out as it went in, what is missing is generated, what cannot be is said."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import json_lines, write_sound, write_video
from unison_core.media.read import read_frames
from unison_core.media.wav import read_wav, write_wav
from unison_core.pipelines.record import read_record


def levels(path: Path) -> np.ndarray:
    return np.round(read_wav(path)[0] * 32768).astype(int)


@pytest.mark.parametrize("given", [("speech",), ("sfx",), ("speech", "sfx")])
def test_given_stems_come_out_to_the_sample(direct, tmp_path, given):
    files = {name: write_sound(tmp_path / f"{name}-in.wav", seed=i) for i, name in enumerate(given)}
    options = [x for name, path in files.items() for x in (f"--{name}", path)]
    result = direct("a2v", *options, "-c", "A man talks", "--out", "o", "--seed", 1)
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "o")
    assert record["command"] == "a2v"
    assert record["request"]["duration_s"] == pytest.approx(1.52)  # whole frames
    assert len(read_frames(tmp_path / "o" / "video.mp4")) == 38
    for name, path in files.items():
        out = levels(tmp_path / "o" / f"{name}.wav")
        assert np.array_equal(out[:24000], levels(path))
        assert not out[24000:].any()
    mix = levels(tmp_path / "o" / "mix.wav")
    assert np.array_equal(mix, levels(tmp_path / "o" / "speech.wav") + levels(tmp_path / "o" / "sfx.wav"))
    checks = {check["name"]: check for check in record["checks"]}
    for name in given:
        assert checks[f"given_{name}_difference"]["value"] == 0
        assert record["inputs"][name]["rate_hz"] == 16000


def test_the_missing_stem_depends_on_what_is_given(direct, tmp_path):
    hashes = set()
    for seed in (0, 1):
        path = write_sound(tmp_path / f"s{seed}.wav", seed=seed)
        assert direct("a2v", "--speech", path, "--out", f"o{seed}", "--seed", 1).exit_code == 0
        record = read_record(tmp_path / f"o{seed}")
        hashes |= {record["sha256"]["sfx"], record["sha256"]["frames"]}
        assert record["output"]["task"] == "speech_to_av"
    assert len(hashes) == 4


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_sound_keeps_its_own_rate_if_asked(direct, tmp_path, rate_hz):
    path = write_sound(tmp_path / "s.wav", seconds=1.0, rate_hz=rate_hz)
    assert direct("a2v", "--speech", path, "--out", "model", "--seed", 1).exit_code == 0
    result = direct("a2v", "--speech", path, "--keep-rate", "--out", "own", "--seed", 1, "--sfx-gain", -20)
    assert result.exit_code == 0, result.stderr
    assert np.array_equal(levels(tmp_path / "own" / "speech.wav"), levels(path))
    assert {name: read_wav(tmp_path / "own" / name)[1] for name in ("mix.wav", "sfx.wav")} == {
        "mix.wav": rate_hz, "sfx.wav": rate_hz,
    }  # fmt: skip
    assert read_wav(tmp_path / "model" / "speech.wav")[1] == 16000
    first, second = (read_record(tmp_path / name)["sha256"] for name in ("model", "own"))
    assert first["latents.sfx"] == second["latents.sfx"]  # the model heard the same


def test_other_formats_and_parts(direct, tmp_path):
    """From a longer video's sound, a part; mismatched lengths are continued by silence."""
    video = write_video(tmp_path / "long.mkv", "-c:v", "ffv1", seconds=6)
    short = write_sound(tmp_path / "short.wav", seconds=0.5)
    result = direct("a2v", "--speech", video, "--sfx", short, "--out", "o")
    assert result.exit_code == 2
    assert (
        "the sound lasts 6.00 s, but tiny makes at most 4.04 s: choose a part with --start and --dur" in result.stderr
    )
    result = direct("a2v", "--speech", video, "--start", 2, "--duration", 1.2, "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert len(levels(tmp_path / "o" / "speech.wav")) == 19200
    result = direct("a2v", "--sfx", short, "--out", "p", "-t", "Hello there, we start now")
    assert result.exit_code == 0, result.stderr
    record = read_record(tmp_path / "p")
    assert record["request"]["duration_s"] > 1  # the words need more than the sound
    assert np.array_equal(levels(tmp_path / "p" / "sfx.wav")[:8000], levels(short))


def test_a_record_repeats_itself_and_knows_its_files(direct, unison, tmp_path):
    path = write_sound(tmp_path / "s.wav")
    assert direct("a2v", "--speech", path, "--out", "o", "-t", "We start now").exit_code == 0
    result = unison("replay", "o", "--out", "again")
    assert result.exit_code == 0, result.stderr
    assert "identical to the bit" in result.stderr
    path.rename(tmp_path / "moved.wav")
    result = unison("replay", "o", "--out", "third")
    assert result.exit_code == 2
    assert "say where it is with --input speech=FILE" in result.stderr
    assert unison("replay", "o", "--out", "third", "--input", "speech=moved.wav").exit_code == 0
    write_sound(path, seed=9)
    assert "is not the file that the clip was made from" in unison("replay", "o", "--out", "fourth").stderr
    assert "made from no such file" in unison("replay", "o", "--out", "f", "--input", "video=moved.wav").stderr


def test_batches_take_rows_of_their_own_direction(direct, tmp_path):
    write_sound(tmp_path / "s.wav")
    rows = [
        {"id": "a", "speech": "s.wav", "duration": 1, "start": "0.2"},
        {"id": "b", "caption": "nothing is given"},
        {"id": "c", "sfx": "missing.wav"},
        {"sfx": "s.wav", "caption": "A bell"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = direct("a2v", "--prompts", "rows.jsonl", "--json", "--seed", 1, "--steps", 1)
    assert result.exit_code == 3
    a, b, c, d = json_lines(result)
    assert a["status"] == d["status"] == "made"
    assert {tmp_path / path for path in a["files"].values()} == set((tmp_path / a["folder"]).iterdir())
    assert "the row gives what `unison generate` takes, but this is `unison a2v`" in b["error"]
    assert "no file missing.wav" in c["error"]
    again = direct("a2v", "--prompts", "rows.jsonl", "--json", "--seed", 1, "--steps", 1)
    assert [item["status"] for item in json_lines(again)] == ["skipped", "failed", "failed", "skipped"]
    write_sound(tmp_path / "s.wav", seed=5)
    changed = json_lines(direct("a2v", "--prompts", "rows.jsonl", "--json", "--seed", 1, "--steps", 1))
    assert "was made when s.wav was another file" in changed[0]["error"]


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.m4a", "a.opus", "a.aiff"])
def test_common_formats_are_heard_alike(tmp_path, name):
    """What is read of a chirp in any format follows the chirp itself."""
    from unison_core.media import ffmpeg
    from unison_core.media.probe import probe
    from unison_core.media.read import read_audio

    source = ["-f", "lavfi", "-i", "aevalsrc='0.4*sin(900*t*t)|0.4*sin(900*t*t)':s=48000:d=1.5"]
    ffmpeg.run([*source, str(tmp_path / "plain.wav")])
    ffmpeg.run([*source, str(tmp_path / name)])
    plain, heard = (read_audio(tmp_path / file, 16000) for file in ("plain.wav", name))
    assert probe(tmp_path / name).duration_s == pytest.approx(1.5, abs=0.1)
    count = min(len(plain), len(heard))
    assert count == pytest.approx(24000, abs=1500)
    assert np.corrcoef(plain[:count], heard[:count])[0, 1] > 0.97


def test_a_silent_stem_is_given_and_said(direct, tmp_path):
    write_wav(tmp_path / "silent.wav", np.zeros(20000, np.float32), 16000)
    result = direct("a2v", "--speech", "silent.wav", "--out", "o", "-t", "Hello")
    assert result.exit_code == 0, result.stderr
    assert "the given speech is silent" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a2v needs sound"),
        (["--speech", "none.wav"], "there is no file none.wav"),
        (["--speech", "text.txt"], "no media file that can be read"),
        (["--speech", "empty.wav"], "no media file that can be read"),
        (["--speech", "mute.mkv"], "speech mute.mkv has no sound"),
        (["--audio", "s.wav", "--sfx", "s.wav"], "give either audio, or stems"),
        (["--speech", "s.wav", "--start", "7"], "start 7 s is after the end of speech, at 1.50 s"),
        (["--speech", "s.wav", "--start", "-1"], "before the beginning"),
        (["--speech", "s.wav", "--duration", "9"], "outside what tiny makes"),
        (["--speech", "s.wav", "--sfx", "high.wav", "--keep-rate"], "speech has 16000 Hz and sfx 44100 Hz"),
        (["--speech", "s.wav", "--sfx", "s.wav", "--lead", "video"], "nothing can run ahead"),
        (["--sfx", "s.wav", "--duration", "1", "-t", "We start in five minutes and then we go"], "do not fit"),
        (["--speech", "s.wav", "--sync-scale", "voice=2"], "no stream 'voice'"),
    ],
)
def test_bad_input_is_one_clear_line(direct, monkeypatch, tmp_path, arguments, message):
    write_sound(tmp_path / "s.wav")
    write_sound(tmp_path / "high.wav", rate_hz=44100)
    write_video(tmp_path / "mute.mkv", "-c:v", "ffv1", sound=False)
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty.wav").touch()

    def never(*args: object) -> None:
        raise AssertionError("weights were loaded before everything was checked")

    monkeypatch.setattr("unison_core.pipelines.unison_pipeline.load", never)
    result = direct("a2v", *arguments, "--out", "o")
    assert message in result.stderr
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "o").exists()
