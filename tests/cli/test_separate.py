"""`unison separate` from files to files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import Run, json_lines
from unison_core.errors import UnisonError
from unison_core.media import audio_writer
from unison_core.pipelines import separate as pipeline

Separate = Callable[..., object]


@pytest.fixture
def separate(unison: Run, separator_folder: Path) -> Run:
    """Call `unison separate` with a tiny random model on the CPU."""

    def run(*arguments: object, stdin: str | None = None):  # type: ignore[no-untyped-def]
        return unison("separate", "--model", separator_folder, "--device", "cpu", *arguments, stdin=stdin)

    return run


def recording(path: Path, *, seconds: float = 0.6, rate_hz: int = 44100, channels: int = 2, seed: int = 0) -> Path:
    """16-bit noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (round(seconds * rate_hz), channels)
    samples = np.random.default_rng(seed).integers(-20000, 20000, shape, dtype=np.int16)
    soundfile.write(path, samples, rate_hz)
    return path


def stems(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: soundfile.read(path, dtype="int16")[0].astype(int) for path in folder.glob("s*.wav")}


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 6), (22050, 2)])
def test_stems_add_up_to_the_recording(separate: Run, rate_hz: int, channels: int) -> None:
    path = recording(Path("a.wav"), rate_hz=rate_hz, channels=channels)
    result = separate(path, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "out/a\n"
    made, original = stems(Path("out/a")), soundfile.read(path, dtype="int16", always_2d=True)[0].astype(int)
    assert made.keys() == {"speech", "sfx"}
    total = made["speech"] + made["sfx"]
    assert np.array_equal(total.reshape(original.shape), original)
    assert made["speech"].any()
    assert soundfile.info("out/a/speech.wav").samplerate == rate_hz


def test_full_scale_and_silence(separate: Run) -> None:
    square = np.where(np.arange(30000) // 50 % 2, 32767, -32768).astype(np.int16)
    soundfile.write("loud.wav", square, 16000)
    soundfile.write("mute.wav", np.zeros(30000, np.int16), 16000)
    assert separate("loud.wav", "mute.wav").exit_code == 0
    loud = stems(Path("stems/loud"))
    assert np.array_equal(loud["speech"] + loud["sfx"], square.astype(int))
    assert not any(stem.any() for stem in stems(Path("stems/mute")).values())


def test_over_full_scale_is_told_of(separate: Run) -> None:
    soundfile.write("a.wav", np.full(20000, 1.5, np.float32), 16000, subtype="FLOAT")
    result = separate("a.wav")
    assert "20000 samples of the recording lie over full scale" in result.stderr
    total = sum(stems(Path("stems/a")).values())
    assert np.array_equal(total, np.full(20000, 32767))


def test_stems_of_a_recording_do_not_depend_on_what_is_computed_with_it(separate: Run) -> None:
    recording(Path("a.wav"), seed=1)
    recording(Path("b.wav"), seed=2)
    assert separate("a.wav", "-o", "alone", "--batch", "1", "--workers", "1").exit_code == 0
    assert separate("a.wav", "b.wav", "-o", "both", "--batch", "7", "--workers", "3").exit_code == 0
    one, two = (stems(Path(out) / "a")["speech"] for out in ("alone", "both"))
    assert np.abs(one - two).max() <= 1


def test_folders_formats_and_the_manifest(separate: Run) -> None:
    recording(Path("in/x/a.wav"))
    recording(Path("in/b.flac"), channels=1)
    result = separate("in", "--format", "flac", "--stem", "speech", "--json")
    assert result.exit_code == 0, result.stderr
    assert {line["id"]: line["status"] for line in json_lines(result)} == {"b": "made", "x/a": "made"}
    assert sorted(p.as_posix() for p in Path("stems").rglob("*.flac")) == [
        "stems/b/speech.flac",
        "stems/x/a/speech.flac",
    ]
    rows = [json.loads(line) for line in Path("stems/manifest.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["b", "x/a"]
    assert rows[1]["audio"] == "../in/x/a.wav"
    assert rows[1]["speech"] == "x/a/speech.flac"
    assert rows[1]["rate_hz"] == 44100
    assert rows[1]["duration_s"] == 0.6
    again = separate("--manifest", "stems/manifest.jsonl", "-o", "again")
    assert again.exit_code == 0, again.stderr
    (row,) = (json.loads(line) for line in Path("again/manifest.jsonl").read_text().splitlines() if "x/a" in line)
    assert (row["audio"], row["speech"], row["sfx"]) == ("../in/x/a.wav", "x/a/speech.wav", "x/a/sfx.wav")
    assert not list(Path("stems").rglob(".*"))


def test_a_second_run_skips_what_is_finished_and_redoes_what_is_not(separate: Run) -> None:
    for name in "abc":
        recording(Path(f"{name}.wav"))
    assert separate("a.wav", "b.wav", "c.wav").exit_code == 0
    Path("stems/b/sfx.wav").unlink()
    Path("stems/c/separation.json").unlink()
    recording(Path("a.wav"), seconds=0.7)
    before = Path("stems/c/speech.wav").stat().st_mtime_ns
    result = separate("a.wav", "b.wav", "c.wav", "--json")
    assert [line["status"] for line in sorted(json_lines(result), key=lambda line: line["id"])] == ["made"] * 3
    assert Path("stems/c/speech.wav").stat().st_mtime_ns != before
    result = separate("a.wav", "b.wav", "c.wav", "--json")
    assert [line["status"] for line in json_lines(result)] == ["skipped"] * 3
    assert len(Path("stems/manifest.jsonl").read_text().splitlines()) == 3
    assert separate("a.wav", "--format", "flac").exit_code == 1
    assert "made with another model or format" in separate("a.wav", "--format", "flac").stderr
    assert separate("a.wav", "--format", "flac", "--overwrite").exit_code == 0


def test_a_bad_file_is_reported_and_the_run_goes_on(separate: Run) -> None:
    recording(Path("in/good.wav"))
    cut = recording(Path("in/cut.wav"), seconds=3)
    cut.write_bytes(cut.read_bytes()[:200_000])
    Path("in/empty.mp3").touch()
    Path("in/text.ogg").write_text("hello")
    result = separate("in")
    assert result.exit_code == 3
    assert result.stdout == "stems/good\n"
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 4
    for name, message in {
        "cut.wav": "cut short",
        "empty.mp3": "is empty",
        "text.ogg": "no sound that can be read",
    }.items():
        assert sum(name in line and message in line for line in errors) == 1
    assert errors[-1] == "error: 3 of 4 recordings failed"
    assert sorted(p.name for p in Path("stems").iterdir()) == ["good", "manifest.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.wav"], "there is no file or folder none.wav"),
        ([], "nothing to separate"),
        (["a.wav", "--format", "mp4"], "format 'mp4' is none of wav"),
        (["a.wav", "--stem", "music"], "stem 'music' is none of both"),
        (["a.wav", "--model", "nano"], "unknown separator 'nano'"),
        (["a.wav", "--device", "cuda:99"], "device 'cuda:99'"),
        (["a.wav", "--out", "a.wav"], "is no folder"),
        (["."], "holds no audio"),
    ],
)
def test_wrong_requests(unison: Run, separator_folder: Path, arguments: list[str], message: str) -> None:
    if arguments[:1] != ["."]:
        recording(Path("a.wav"))
    options = [] if "--model" in arguments else ["--model", separator_folder]
    result = unison("separate", *options, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_recording_is_never_its_own_stem(separate: Run) -> None:
    path = recording(Path("stems/speech/speech.wav"))
    before = path.read_bytes()
    result = separate(path)
    assert result.exit_code == 1
    assert "would be overwritten by its own stem" in result.stderr
    assert path.read_bytes() == before


def test_a_full_disk_ends_the_run_and_leaves_nothing_half_written(
    separate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        recording(Path(f"{name}.wav"))

    def full(self: object, block: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio_writer.WavWriter, "write", full)
    result = separate("a.wav", "b.wav", "c.wav")
    assert result.exit_code == 1
    assert result.stderr == "error: no space is left on the disk at stems: make room and run the same command again\n"
    assert [path for path in Path("stems").rglob("*") if path.is_file()] == []


def test_too_large_a_batch_ends_the_run(separate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from unison_core.separation.separator import Separator

    def full(self: object, windows: np.ndarray) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(Separator, "speech", full)
    result = separate(recording(Path("a.wav")), recording(Path("b.wav")))
    assert result.exit_code == 1
    assert result.stderr == "error: out of memory: use a smaller --batch, or another --device\n"


def test_the_last_name_to_appear_is_the_record(separate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed between two renames is not taken for a finished one."""
    recording(Path("a.wav"))
    rename = os.replace

    def dies(source: Path, target: Path) -> None:
        if Path(target).name == "sfx.wav":
            raise UnisonError("killed")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.os, "replace", dies)
        assert separate("a.wav").exit_code == 1
    assert [p.name for p in Path("stems/a").iterdir()] == ["speech.wav"]


def test_two_processes_share_the_work(separator_folder: Path, tmp_path: Path) -> None:
    for name in "abcd":
        recording(tmp_path / f"in/{name}.wav")
    (tmp_path / "in/bad.wav").write_text("hello")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "unison_cli.app"]
    command = [*launch, "separate", str(tmp_path / "in"), "-o", str(tmp_path / "out"),
               "--model", str(separator_folder), "--device", "cpu", "--json"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode != 0
    assert done.stderr.count("error: 1 of 5 recordings failed") == 2
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert sorted(line["id"] for line in lines if line["status"] == "made") == ["a", "b", "c", "d"]
    rows = (tmp_path / "out/manifest.jsonl").read_text().splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["a", "b", "c", "d"]
    assert not list((tmp_path / "out").glob(".*"))


def test_an_interrupted_run_leaves_nothing_half_written(separator_folder: Path, tmp_path: Path) -> None:
    recording(tmp_path / "long.wav", seconds=1800, rate_hz=16000, channels=1)  # far from done when interrupted
    command = [sys.executable, "-m", "unison_cli.app", "separate", str(tmp_path / "long.wav"), "-o",
               str(tmp_path / "out"), "--model", str(separator_folder), "--device", "cpu"]  # fmt: skip
    listening = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  # a shell's background jobs ignore it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listening)
    until = time.monotonic() + 180
    while not list(tmp_path.glob("out/long/.speech*")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "interrupted" in said
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
