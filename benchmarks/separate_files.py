"""Prints how fast `unison separate` turns recordings into stems on a CPU, and how much memory it takes, by length.

    python benchmarks/separate_files.py [--model separator-nano] [--threads 2] [--minutes 1,10] [--channels 1,2]
                                        [--precision auto]

Each row is one run of the command on one file (44.1 kHz, 16 bits), start-up included. Times real time is
what the clock says, and what is judged; the last column is what the processor time of all threads and of ffmpeg would
allow on that many cores if nothing else ran, which is the figure to compare on a busy machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 44100
LEAST_TIMES, MOST_GB = 10.0, 2.0
"""What is asked for: ten times faster than real time on two cores, under 2 GB whatever the length."""


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    print(f"{args.model}, {args.threads} threads\n")
    print("| minutes | channels | seconds | times real time | peak GB | times real time by processor time |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    reached = True
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        for channels in args.channels:
            for minutes in args.minutes:
                folder = Path(name)
                recording(folder / "a.wav", minutes, channels)
                spent_s, processor_s, peak_gb = run(folder, args)
                times = 60 * minutes / spent_s
                by_processor = 60 * minutes / (processor_s / args.threads)
                print(f"| {minutes:g} | {channels} | {spent_s:.1f} | {times:.1f} | {peak_gb:.2f} | "
                      f"{by_processor:.1f} |", flush=True)  # fmt: skip
                if minutes == max(args.minutes):
                    reached &= times >= LEAST_TIMES and peak_gb <= MOST_GB
    asked = f"{LEAST_TIMES:g} times real time and at most {MOST_GB:g} GB at {max(args.minutes):g} minutes"
    print(f"\n{asked}: {'reached' if reached else 'not reached'}")
    return 0 if reached else 1


def run(folder: Path, args: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory of the command on `a.wav`."""
    command = [sys.executable, "-m", "unison_cli.app", "separate", str(folder / "a.wav"), "-o", str(folder / "out"),
               "--model", args.model, "--device", "cpu", "--precision", args.precision,
               "--quiet", "--overwrite"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    spent_s = time.perf_counter() - start
    if status:
        raise SystemExit(f"the command failed: {' '.join(command)}")
    # ffmpeg's processor time counts as the command's, which waited for it
    return spent_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * resource_unit() / 1e9


def resource_unit() -> int:
    """Bytes per unit of `ru_maxrss`."""
    return 1 if sys.platform == "darwin" else 1024


def recording(path: Path, minutes: float, channels: int) -> None:
    """Noise that comes and goes, written block by block."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE_HZ, channels, "PCM_16") as file:
        for second in range(round(60 * minutes)):
            file.write(0.2 * abs(np.sin(second)) * rng.standard_normal((RATE_HZ, channels)))


def arguments() -> argparse.Namespace:
    """The command line."""

    def numbers(text: str) -> list[float]:
        return [float(n) for n in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="separator-nano")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=numbers, default=[1, 10])
    parser.add_argument("--channels", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where the recordings are written for the time being")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
