"""Prints how well a separator takes recorded speech, which no training heard, out of held-out sounds.

    python benchmarks/separate_recordings.py FOLDER [--model separator-nano] [--sounds 10]

FOLDER holds 16 kHz mono recordings, .wav or .raw (16 bits), for instance those of the Debian package
pocketsphinx-testdata. The first 5 s of each are mixed at 0 dB with every sound. What is said is not known, so words are
compared with what the recogniser reads in the recording alone. Needs the extra eval, and flite.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import soundfile
import torch
from separate_quality import RATE_HZ, at_ratio, down, held_out_sounds, improvements, reading, separate

from unison_core.evaluation.asr import Recogniser, word_errors
from unison_core.separation.find import DEFAULT_SEPARATOR, find_separator
from unison_core.separation.separator import Separator
from unison_core.types import SFX, SPEECH

LONGEST = 5 * RATE_HZ
SHORTEST = RATE_HZ // 2
TOO_LONG = 12 * RATE_HZ
"""Samples: longer recordings may begin with anything."""


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_SEPARATOR)
    parser.add_argument("--sounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    files, reader = find_separator(args.model), Recogniser()
    separator, sounds = Separator(files.config, files.load()), list(held_out_sounds(args.sounds))
    true, read, gains, distances, alone = [], [], [], [], []
    for wave in recordings(args.folder):
        said = reader.read(wave, RATE_HZ)
        if not said:
            continue
        alone.append(down(wave, separate(separator, wave)[SFX]))
        for sound in sounds:
            speech, sfx = at_ratio(wave, sound, 0)
            stems = separate(separator, speech + sfx)
            true.append(said)
            read.append(reader.read(stems[SPEECH], RATE_HZ))
            gains.append(improvements(stems, speech, sfx)[SPEECH])
            distances.append(reading(stems[SPEECH], speech, speech + sfx))
    if not alone:
        print(f"{args.folder}: no 16 kHz mono recording of 0.5 to 12 s in which words are read")
        return 1
    print(f"{args.model}: {len(alone)} recordings, {len(true)} mixtures\n")
    print(f"words read otherwise than in the recordings: {100 * word_errors(true, read).wer:.1f} %")
    print(f"reading: {mean(distances):.3f}")
    print(f"speech improved by {mean(gains):.1f} dB; effects where only speech is: {-mean(alone):.1f} dB")
    return 0


def recordings(folder: Path) -> Iterator[np.ndarray]:
    """Beginnings of the recordings under `folder`, `(n,)`, by name."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".raw")):
        options = {"samplerate": RATE_HZ, "channels": 1, "subtype": "PCM_16"} if path.suffix == ".raw" else {}
        wave, rate_hz = soundfile.read(path, dtype="float32", **options)
        if rate_hz == RATE_HZ and wave.ndim == 1 and SHORTEST < len(wave) < TOO_LONG:
            yield wave[:LONGEST]


if __name__ == "__main__":
    sys.exit(main())
