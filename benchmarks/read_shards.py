"""Prints how fast training takes in shards of nano's size: alone, and beside a thread that is busy with Python.

    python benchmarks/read_shards.py [--clips 2048] [--seconds 2]

The shards are random numbers in the shapes of unison-nano's latents, 128 clips each. A thread that gives up the
interpreter often waits up to 5 ms each time beside a busy one, which is what training mostly is.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from unison_core.config import load_preset
from unison_core.corpus.sample import FRAMES
from unison_core.training.latents import open_latents
from unison_core.training.shard_format import Sample, write_shard
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO

PER_SHARD = 128


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first in range(0, args.clips, PER_SHARD):
            write_shard(folder / f"{first:06d}.tar", [clip(i) for i in range(first, first + PER_SHARD)])
        began = time.perf_counter()
        count = read(folder)
        print(f"alone: {count / (time.perf_counter() - began):.0f} clips/s, into new memory")
        alone = spin(args.seconds)
        busy, taken = beside(folder, args.seconds)
        print(f"beside a busy thread: {taken / args.seconds:.0f} clips/s; it keeps {busy / alone:.0%} of its speed")
    return 0


def read(folder: Path) -> int:
    """Clips of a pool that was just filled."""
    return len(open_latents(folder, torch.device("cpu"), streams=STREAMS, preset=load_preset("nano")))


def beside(folder: Path, seconds: float) -> tuple[int, float]:
    """Turns of a loop meanwhile, and clips read; fractions of a pool count by the shards that were loaded."""
    import unison_core.training.shards as shards

    loaded, stop, load = [0], threading.Event(), shards.LatentPool._load

    def counted(pool: shards.LatentPool, path: str) -> shards.LoadedShard:
        shard = load(pool, path)
        loaded[0] += sum(map(len, shard.clips.values()))
        return shard

    def fill() -> None:
        while not stop.is_set():
            read(folder)

    shards.LatentPool._load = counted  # type: ignore[method-assign]
    thread = threading.Thread(target=fill)
    thread.start()
    turns, taken = spin(seconds), loaded[0]
    stop.set()
    thread.join()
    shards.LatentPool._load = load  # type: ignore[method-assign]
    return turns, taken


def spin(seconds: float) -> int:
    """Turns of an empty Python loop."""
    end, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        turns += 1
    return turns


def clip(number: int) -> Sample:
    """Random latents in nano's shapes, with words of common length."""
    preset, rng = load_preset("nano"), np.random.default_rng(number)
    frames = FRAMES[number % len(FRAMES)]
    side = preset.size.width // preset.codecs.video.spatial_stride
    shape = (preset.codecs.video.z_dim, preset.timing.video_latents(frames), side, side)
    sound = (preset.timing.audio_latents(frames), preset.codecs.audio.latent_channels)
    meta = {"frames": frames, "caption_ids": [*range(1, 40)], "phoneme_ids": [*range(1, 50)], "span_s": [0.2, 1.5],
            "phoneme_weights": [0.08] * 49, "voice": "slt"}  # fmt: skip
    latents = {VIDEO: rng.standard_normal(shape), SPEECH: rng.standard_normal(sound), SFX: rng.standard_normal(sound)}
    return Sample(key=f"{number:08d}", latents=latents, meta=meta)


if __name__ == "__main__":
    sys.exit(main())
