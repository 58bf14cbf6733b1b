"""The ffmpeg program: every format that is neither WAV nor PNG passes through this one file.

The binary is the one that `imageio-ffmpeg` installs, or the one that the variable IMAGEIO_FFMPEG_EXE names.
"""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from unison_core.errors import UnisonError

TAGS = ";FFMETADATA1\n"
SPECIAL = "\\=;#\n"
"""Characters that ffmpeg's metadata format wants behind a backslash."""


def program() -> str:
    """Path of the binary; raises UnisonError where it is missing."""
    try:
        import imageio_ffmpeg

        path: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UnisonError(f"ffmpeg is missing ({error}): pip install imageio-ffmpeg") from error
    return path


def run(arguments: Sequence[str], feed: Iterable[bytes] = ()) -> bytes:
    """Run ffmpeg with `arguments`, feeding its stdin; returns its stdout.

    Raises:
        UnisonError: ffmpeg is missing or ends with an error; the message is ffmpeg's last line.
    """
    command = [program(), "-hide_banner", "-nostdin" if not feed else "-y", "-loglevel", "error", *arguments]
    if not feed:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return _output(done.returncode, done.stdout, done.stderr)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            for piece in feed:
                process.stdin.write(piece)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # ffmpeg gave up; its own message below says why
        except BaseException:
            process.kill()
            raise
        out, err = process.communicate()
        return _output(process.returncode, out, err)


def describe(path: Path) -> str:
    """What ffmpeg says of a media file's container and streams, or why it cannot read it."""
    command = [program(), "-hide_banner", "-nostdin", "-i", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stderr.decode(errors="replace").replace("At least one output file must be specified", "")


def write_tags(path: Path, tags: dict[str, str]) -> None:
    """Write `tags` as an ffmpeg metadata file, so that long values never meet the limit on a command line."""
    lines = (f"{_escape(key)}={_escape(value)}\n" for key, value in tags.items())
    path.write_text(TAGS + "".join(lines), encoding="utf-8")


def read_tags(path: Path) -> dict[str, str]:
    """The global metadata of a media file."""
    text = run(["-i", str(path), "-f", "ffmetadata", "-"]).decode("utf-8", errors="replace")
    tags: dict[str, str] = {}
    key, value, escaped = "", None, False
    for char in text.removeprefix(TAGS):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            continue
        elif char == "=" and value is None:
            value = ""
            continue
        elif char == "\n":
            if value is not None:
                tags[key] = value
            elif key.startswith("["):
                break  # sections describe single streams
            key, value = "", None
            continue
        if value is None:
            key += char
        else:
            value += char
    return tags


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in SPECIAL else char for char in text)


def _output(code: int, out: bytes, err: bytes) -> bytes:
    if code:
        lines = err.decode(errors="replace").strip().splitlines() or [f"exit code {code}"]
        raise UnisonError(f"ffmpeg: {lines[-1].strip()}")
    return out
