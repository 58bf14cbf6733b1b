"""Prints how many clips per second `unison prepare` makes of media, where the time goes, and how fast they are read.

    python benchmarks/prepare_files.py [--codecs unison-nano] [--clips 64] [--workers 2] [--batch 16] [--size 640x360]

The media are test pictures (H.264) with noise as stems, each 3.4 s, made here. "Waiting" is what encoding waits for
media that threads decode; the rest of the clock is encoding, text and writing, so the codecs are the bottleneck where
waiting is small. Memory is the peak after a quarter of the clips and after all: equal where it does not grow with the
data. The pool's and the stream's rates are of the shards just made.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

SECONDS, FRAMES = 3.4, 85
MOST_WAITING = 0.1
"""Largest share of the clock that may be spent waiting for media."""


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        make_media(folder / "media", args.clips, args.size)
        peaks, made = run(folder, args)
        shards_mb = made.card["bytes"] / 1e6
        print(f"{args.codecs} on {args.device}, {args.clips} clips of {SECONDS} s and {args.size}, {args.workers} "
              f"decoding threads, batch {args.batch}")  # fmt: skip
        print(f"{made.card['clips'] / made.wall_s:.2f} clips/s, {made.card['clips'] * SECONDS / made.wall_s:.1f} "
              f"times real time; {shards_mb:.1f} MB of shards\n")  # fmt: skip
        waited_s = made.seconds.get("wait for media", 0.0)
        print("| what | seconds | where |\n| --- | ---: | --- |")
        for what, seconds in made.seconds.items():
            threaded = what.startswith(("decode", "open", "separate", "transcribe"))
            where = "decoding threads" if threaded else "main thread"
            print(f"| {what} | {seconds:.2f} | {where} |")
        print(f"\nwaiting for media: {waited_s / made.wall_s:.0%} of {made.wall_s:.1f} s by the clock")
        print(f"peak memory: {peaks[0]:.2f} GB after a quarter of the clips, {peaks[1]:.2f} GB after all\n")
        for source in ("pool", "stream"):
            print(f"{source}: {reading(folder / 'out', source, args):.0f} clips/s read")
    reached = waited_s / made.wall_s <= MOST_WAITING
    print(f"\nat most {MOST_WAITING:.0%} waiting: {'reached' if reached else 'not reached'}")
    return 0 if reached else 1


def run(folder: Path, args: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Peak memory in GB after a quarter of the parts and after all, and what was prepared."""
    from unison_core.preparation.run import PrepareRun, prepare
    from unison_core.training.memory import peak_memory_gb

    peaks: list[float] = []
    host = torch.device("cpu")

    def progress(done: int, total: int) -> None:
        if done >= total / 4 and not peaks:
            peaks.append(peak_memory_gb(host))

    task = PrepareRun(codecs=args.codecs, out=folder / "out", inputs=[folder / "media/clips.jsonl"], per_part=16,
                      batch=args.batch, workers=args.workers, device=args.device, p_static=0.0)  # fmt: skip
    made = prepare(task, progress)
    peaks.append(peak_memory_gb(host))
    return peaks, made


def reading(shards: Path, source: str, args: argparse.Namespace) -> float:
    """Clips per second that training gets: a pool's until it is filled, a stream's by batches of 16."""
    from unison_core.pipelines.device import choose_device
    from unison_core.preparation.run import PrepareRun, find_codecs
    from unison_core.training.latents import open_latents
    from unison_core.types import STREAMS

    preset = find_codecs(PrepareRun(codecs=args.codecs, out=shards, inputs=[shards]))[1]
    began = time.perf_counter()
    latents = open_latents(shards, choose_device(args.device), streams=STREAMS, preset=preset, source=source)
    if source == "pool":
        return len(latents) / (time.perf_counter() - began)
    began, generator = time.perf_counter(), torch.Generator().manual_seed(0)
    for _ in range(20):
        latents.sample(16, generator)
    return 320 / (time.perf_counter() - began)


def make_media(folder: Path, count: int, size: str) -> None:
    """Videos with stems, and a manifest of them; eight different files, each named many times."""
    from unison_core.media import ffmpeg
    from unison_core.media.wav import quantise, write_wav

    folder.mkdir()
    for i in range(8):
        source = f"testsrc2=s={size}:r=25:d={SECONDS},hue=h={45 * i}"
        ffmpeg.run(["-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264", str(folder / f"{i}.mp4")])
        for stem in ("speech", "sfx"):
            noise = np.random.default_rng(i).uniform(-0.2, 0.2, round(SECONDS * 44100))
            write_wav(folder / f"{i}.{stem}.wav", quantise(noise), 44100)
    rows = ({"video": f"{i % 8}.mp4", "speech": f"{i % 8}.speech.wav", "sfx": f"{i % 8}.sfx.wav", "caption": f"{i}",
             "transcript": "We start in five minutes", "span_s": [0.2, 2.0]} for i in range(count))  # fmt: skip
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", default="unison-nano")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--workers", type=int, default=min(16, os.cpu_count() or 1))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
