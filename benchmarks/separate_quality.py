"""Prints how well a separator takes held-out sentences and held-out sounds apart.

    python benchmarks/separate_quality.py [--model separator-nano] [--sentences 24] [--words 44] [--json FILE]
    python benchmarks/separate_quality.py --only-words --sets 4 5 6

For every voice of the corpus, and for espeak-ng's where that program is installed: sentences that training never saw,
each mixed at 0 dB with the sounds of a held-out scene, drawn by seed. Improvement of SI-SDR (zero-mean) of both stems;
word errors of the clean stem, of the mixture and of the separated speech; how far down the other stem is where speech
or sounds are alone. Then word errors alone, over three sets of sentences and sounds: some 330 words of a voice in each,
for one set says nothing about two points more or less. Then other ratios, and mixtures of the kind that training draws
(several sounds, noise, hum, melodies, rooms, band limits), of held-out material. Needs the extra eval, and flite.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly

from unison_core.corpus.foley import sound_effects
from unison_core.corpus.sample import sample_scene
from unison_core.corpus.scene import VOICES
from unison_core.corpus.sentences import sample_sentence
from unison_core.corpus.speech import RATE_HZ, level, speak
from unison_core.evaluation.asr import Recogniser, word_errors
from unison_core.evaluation.loudness import si_sdr
from unison_core.pipelines.device import choose_device, has_fast_bf16
from unison_core.separation.find import DEFAULT_SEPARATOR, find_separator
from unison_core.separation.precision import separator_precision
from unison_core.separation.separator import Separator
from unison_core.training.mixtures import MixtureConfig, make_mixtures
from unison_core.training.read_bands import ReadBands
from unison_core.types import SFX, SPEECH

ESPEAK = "espeak-ng"
RATIOS_DB = (-10, -5, 0, 5, 10, 15)
LEAST = {SPEECH: 12.0, SFX: 9.0, "alone": 35.0}
MOST_WER_POINTS = 10.0
"""What is asked for at 0 dB, in dB; and of word errors."""
SETS = (1, 2, 3)
"""Of sentences and of sounds, where no others are asked for; every number is a set."""


@dataclass(frozen=True)
class Said:
    """A sentence and its wave `(n,)` at 16 kHz."""

    text: str
    wave: np.ndarray


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    files = find_separator(args.model)
    precision = separator_precision(args.precision, device, files.config.dim, has_fast_bf16(device))
    separator = Separator(files.config, files.load(), device, precision)
    print(f"{args.model}: {args.sentences} sentences a voice, {device}, {separator.precision}\n")
    result = {"model": args.model, **(only_words if args.only_words else everything)(separator, args)}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0 if args.only_words or verdict(result) else 1


def everything(separator: Separator, args: argparse.Namespace) -> dict:
    """All tables, in the order in which they are printed."""
    sounds = list(held_out_sounds(args.sentences))
    voices = [*VOICES, *([ESPEAK] if shutil.which(ESPEAK) else [])]
    said = {voice: list(held_out_speech(voice, args.sentences)) for voice in voices}
    result = {"voices": by_voice(separator, said, sounds, args.unheard), **only_words(separator, args),
              "sounds_alone_db": sounds_alone(separator, sounds),
              "ratios": by_ratio(separator, said, sounds, args.unheard),
              "varied": varied(separator, said, sounds, args.unheard)}  # fmt: skip
    if ESPEAK not in voices:
        print(f"{ESPEAK} is not installed: its voice was not measured")
    return result


def only_words(separator: Separator, args: argparse.Namespace) -> dict:
    """The table of words, of the voices of training."""
    return {"words": words(separator, [v for v in VOICES if v not in args.unheard], args.words, args.sets)}


def by_voice(
    separator: Separator, said: dict[str, list[Said]], sounds: list[np.ndarray], unheard: list[str]
) -> list[dict]:
    """The table of voices at 0 dB."""
    print("| voice | in training | speech dB | sfx dB | sfx where only speech | WER clean | WER mix | WER separated |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    reader, rows = Recogniser(), []
    for voice, sentences in said.items():
        gains: dict[str, list[float]] = {SPEECH: [], SFX: []}
        alone, read = [], {"clean": [], "mix": [], "separated": []}
        for sentence, sound in zip(sentences, sounds, strict=True):
            speech, sfx = at_ratio(sentence.wave, sound, 0)
            stems = separate(separator, speech + sfx)
            for name, value in improvements(stems, speech, sfx).items():
                gains[name].append(value)
            alone.append(down(speech, separate(separator, speech)[SFX]))
            for name, wave in (("clean", speech), ("mix", speech + sfx), ("separated", stems[SPEECH])):
                read[name].append(reader.read(wave, RATE_HZ))
        wer = {name: 100 * word_errors([s.text for s in sentences], texts).wer for name, texts in read.items()}
        row = {"voice": voice, "in_training": voice not in unheard, "speech_db": mean(gains[SPEECH]),
               "sfx_db": mean(gains[SFX]), "alone_db": mean(alone), "least_alone_db": min(alone),
               "wer": wer}  # fmt: skip
        rows.append(row)
        quiet = f"{-row['alone_db']:.1f} (worst {-row['least_alone_db']:.1f})"
        errors = " | ".join(f"{value:.1f} %" for value in wer.values())
        print(f"| {voice} | {'yes' if row['in_training'] else 'no'} | {row['speech_db']:.1f} | {row['sfx_db']:.1f} | "
              f"{quiet} | {errors} |", flush=True)  # fmt: skip
    return rows


def words(separator: Separator, voices: list[str], count: int, sets: Sequence[int]) -> dict:
    """Word errors of `count` sentences of each voice and set; the mean of the voices' points, with its 95% interval."""
    print("\n| set | words | WER clean | WER separated | points over, mean of the voices | reading |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    reader, rows = Recogniser(), []
    for number in sets:
        sounds = list(held_out_sounds(count, number))
        for voice in voices:
            for sentence, sound in zip(held_out_speech(voice, count, number), sounds, strict=True):
                speech, sfx = at_ratio(sentence.wave, sound, 0)
                waves = {"clean": speech, "separated": separate(separator, speech + sfx)[SPEECH]}
                read = {name: word_errors([sentence.text], [reader.read(w, RATE_HZ)]) for name, w in waves.items()}
                rows.append({"set": number, "voice": voice, "words": read["clean"].words,
                             "reading": reading(waves["separated"], speech, speech + sfx),
                             **{name: e.wer * e.words for name, e in read.items()}})  # fmt: skip
        _print_words(str(number), [row for row in rows if row["set"] == number])
    _print_words("all", rows)
    rng = np.random.default_rng(0)
    drawn = [_points([rows[i] for i in rng.integers(len(rows), size=len(rows))]) for _ in range(1000)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    print(f"\n{_points(rows):.1f} points over the clean stems', 95% of sentences drawn anew {low:.1f} to {high:.1f}")
    return {"points": _points(rows), "interval": [float(low), float(high)], "rows": rows}


def _print_words(name: str, rows: list[dict]) -> None:
    clean, separated = (f"{100 * _wer(rows, kind):.1f} %" for kind in ("clean", "separated"))
    distance = mean(row["reading"] for row in rows)
    print(f"| {name} | {sum(row['words'] for row in rows)} | {clean} | {separated} | {_points(rows):.1f} | "
          f"{distance:.3f} |", flush=True)  # fmt: skip


def _wer(rows: list[dict], kind: str) -> float:
    errors: float = sum(row[kind] for row in rows) / sum(row["words"] for row in rows)
    return errors


def _points(rows: list[dict]) -> float:
    """Word errors of the separated speech less those of the clean stems', in percentage points, mean of the voices."""
    by_voice: dict[str, list[dict]] = {}
    for row in rows:
        by_voice.setdefault(row["voice"], []).append(row)
    return 100 * mean(_wer(of_one, "separated") - _wer(of_one, "clean") for of_one in by_voice.values())


def sounds_alone(separator: Separator, sounds: list[np.ndarray]) -> dict[str, float]:
    """How far down the speech stem is where only sounds are."""
    levels = [down(sound, separate(separator, sound)[SPEECH]) for sound in sounds]
    print(f"\nspeech where only sounds are: {-mean(levels):.1f} dB (worst {-min(levels):.1f})\n", flush=True)
    return {"mean": mean(levels), "least": min(levels)}


def by_ratio(
    separator: Separator, said: dict[str, list[Said]], sounds: list[np.ndarray], unheard: list[str]
) -> list[dict]:
    """Improvements at other ratios, over the voices of training."""
    print("| speech to sounds dB | speech dB | sfx dB |\n| ---: | ---: | ---: |")
    pairs = [pair for voice, s in said.items() if voice not in unheard for pair in zip(s, sounds, strict=True)][::3]
    rows = []
    for ratio in RATIOS_DB:
        gains = []
        for sentence, sound in pairs:
            speech, sfx = at_ratio(sentence.wave, sound, ratio)
            gains.append(improvements(separate(separator, speech + sfx), speech, sfx))
        row = {"ratio_db": ratio, **{f"{name}_db": mean(gain[name] for gain in gains) for name in (SPEECH, SFX)}}
        rows.append(row)
        print(f"| {ratio} | {row['speech_db']:.1f} | {row['sfx_db']:.1f} |", flush=True)
    return rows


def varied(separator: Separator, said: dict[str, list[Said]], sounds: list[np.ndarray], unheard: list[str]) -> dict:
    """Mixtures as training draws them, at 0 dB, where both stems sound."""
    config = MixtureConfig(ratio_db=(0, 0), speechless=0, effectless=0)
    voices = [torch.from_numpy(s.wave) for voice, all_ in said.items() if voice not in unheard for s in all_]
    effects = [torch.from_numpy(sound) for sound in sounds]
    made = make_mixtures(voices, effects, len(voices), 3 * RATE_HZ, RATE_HZ, config, torch.Generator().manual_seed(5))
    gains = []
    for speech, sfx in zip(made.speech.numpy(), made.sfx.numpy(), strict=True):
        if speech.any() and sfx.any():
            gains.append(improvements(separate(separator, speech + sfx), speech, sfx))
    row = {f"{name}_db": mean(gain[name] for gain in gains) for name in (SPEECH, SFX)}
    print(f"\nvaried mixtures at 0 dB: speech {row['speech_db']:.1f} dB, sfx {row['sfx_db']:.1f} dB\n")
    return row


def improvements(stems: dict[str, np.ndarray], speech: np.ndarray, sfx: np.ndarray) -> dict[str, float]:
    """SI-SDR of each stem less that of the mixture."""
    true = {SPEECH: speech, SFX: sfx}
    return {name: si_sdr(stems[name], wave) - si_sdr(speech + sfx, wave) for name, wave in true.items()}


def reading(made: np.ndarray, speech: np.ndarray, mix: np.ndarray) -> float:
    """R of docs/separation.md, in decades of power: how far waves `(n,)` are apart to a recogniser."""
    waves = (torch.from_numpy(np.ascontiguousarray(wave))[None] for wave in (made, speech, mix))
    of_made, of_speech = ReadBands(RATE_HZ).logarithms(*waves)
    return float((of_made - of_speech).abs().mean())


def separate(separator: Separator, mix: np.ndarray) -> dict[str, np.ndarray]:
    """Stems `(n,)` of a wave `(n,)`."""
    return {name: stem[0] for name, stem in separator.separate(mix[None].astype(np.float32), RATE_HZ).items()}


def at_ratio(speech: np.ndarray, sound: np.ndarray, ratio_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Speech and sound of one length, the sound's power `ratio_db` under the speech's; the peak of the sum at 0.9."""
    length = min(len(speech), len(sound))
    speech, sound = speech[:length], sound[:length]
    sound = sound * np.linalg.norm(speech) / np.linalg.norm(sound) * 10 ** (-ratio_db / 20)
    gain = 0.9 / max(np.abs(speech + sound).max(), 1e-9)
    return (gain * speech).astype(np.float32), (gain * sound).astype(np.float32)


def down(whole: np.ndarray, rest: np.ndarray) -> float:
    """How many dB `rest` lies under `whole`."""
    return float(20 * np.log10(np.linalg.norm(whole) / max(float(np.linalg.norm(rest)), 1e-9)))


def held_out_speech(voice: str, count: int, number: int = 1) -> Iterator[Said]:
    """Sentences kept from training, others for every voice, of one of the sets."""
    rng = np.random.default_rng([6 + number, sum(map(ord, voice))])
    for _ in range(count):
        text = sample_sentence(rng, "held_out")
        yield Said(text, espeak(text) if voice == ESPEAK else speak(text, voice).wave)


def held_out_sounds(count: int, number: int = 1) -> Iterator[np.ndarray]:
    """Effects of held-out scenes that are long and loud enough to be mixed with any sentence, looped to 5 s."""
    seed = 50_000 + 50_000 * number
    while count:
        scene, _ = sample_scene(seed, "held_out")
        wave = sound_effects(scene)
        seed += 1
        sounding = np.flatnonzero(np.abs(wave) > 1e-3)
        if len(sounding) and sounding[0] < RATE_HZ:
            count -= 1
            yield np.tile(wave, 1 + 5 * RATE_HZ // len(wave))[: 5 * RATE_HZ]


def espeak(text: str) -> np.ndarray:
    """A sentence in espeak-ng's English voice, levelled as the corpus is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run([ESPEAK, "-v", "en-us", "-w", str(path), text], check=True, capture_output=True)
        wave, rate_hz = soundfile.read(path, dtype="float32")
    return level(resample_poly(wave, RATE_HZ, rate_hz).astype(np.float32))


def verdict(result: dict) -> bool:
    """Compare the voices of training with what is asked for."""
    rows: Iterable[dict] = [row for row in result["voices"] if row["in_training"]]
    found = {
        f"speech improved by at least {LEAST[SPEECH]:g} dB": mean(row["speech_db"] for row in rows) >= LEAST[SPEECH],
        f"sfx improved by at least {LEAST[SFX]:g} dB": mean(row["sfx_db"] for row in rows) >= LEAST[SFX],
        f"sfx {LEAST['alone']:g} dB down where only speech is": mean(row["alone_db"] for row in rows) >= LEAST["alone"],
        f"speech {LEAST['alone']:g} dB down where only sounds are": result["sounds_alone_db"]["mean"] >= LEAST["alone"],
        f"word errors at most {MOST_WER_POINTS:g} points over the clean stem's":
            result["words"]["points"] <= MOST_WER_POINTS,
    }  # fmt: skip
    for what, reached in found.items():
        print(f"{what}: {'reached' if reached else 'not reached'}")
    return all(found.values())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_SEPARATOR)
    parser.add_argument("--sentences", type=int, default=24)
    parser.add_argument("--words", type=int, default=44, help="sentences of each voice and set whose words are counted")
    parser.add_argument("--sets", type=int, nargs="+", default=SETS, help="which sets of sentences and sounds they are")
    parser.add_argument("--only-words", action="store_true", help="count words, and nothing else")
    parser.add_argument("--unheard", nargs="*", default=["awb", ESPEAK], help="voices that the model never heard")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
