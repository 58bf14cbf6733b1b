"""How the command line is called in tests."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from unison_cli.app import app
from unison_core.media import ffmpeg
from unison_core.media.wav import quantise, write_wav

Run = Callable[..., Result]


@pytest.fixture
def unison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `unison` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)

    return run


@pytest.fixture
def generate(unison: Run, tiny_folder: Path) -> Run:
    """Call `unison generate` with the tiny model on the CPU."""

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return unison("generate", "--model", tiny_folder, "--device", "cpu", *arguments, stdin=stdin)

    return run


def json_lines(result: Result) -> list[dict]:
    """The objects on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def direct(unison: Run, tiny_folder: Path) -> Run:
    """Call `unison COMMAND` with the tiny model on the CPU."""

    def run(command: str, *arguments: object, stdin: str | None = None) -> Result:
        return unison(command, "--model", tiny_folder, "--device", "cpu", *arguments, stdin=stdin)

    return run


def write_sound(path: Path, seconds: float = 1.5, rate_hz: int = 16000, seed: int = 0, level: float = 0.3) -> Path:
    """Noise on the 16-bit grid."""
    noise = np.random.default_rng(seed).uniform(-level, level, round(seconds * rate_hz))
    write_wav(path, quantise(noise), rate_hz)
    return path


def write_video(path: Path, *arguments: str, seconds: float = 1.5, size: str = "70x50", sound: bool = True) -> Path:
    """A moving test picture, with a tone unless `sound` is off."""
    tone = ["-f", "lavfi", "-i", f"sine=d={seconds}:r=22050", "-c:a", "pcm_s16le" if path.suffix == ".mkv" else "aac"]
    encode = arguments or ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    source = ["-f", "lavfi", "-i", f"testsrc=s={size}:r=30:d={seconds}"]
    ffmpeg.run([*source, *(tone[:4] if sound else []), *encode, *(tone[4:] if sound else []), str(path)])
    return path
