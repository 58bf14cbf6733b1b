"""How well the codecs give back what they are given: pictures, words, effects and silence of held-out corpus clips.

    python benchmarks/codecs.py [MODEL_FOLDER] [--clips 24] [--sentences 15] [--device cuda]

Prints Markdown: PSNR of decoded video; word errors of the recogniser on original, vocoded (true mel) and decoded speech
(through the mel VAE as well), by voice; log-mel error of effects; level of decoded silence.
"""

import argparse
import datetime
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from unison_core.codecs.codec import Codec
from unison_core.corpus.sample import make_item
from unison_core.corpus.scene import VOICES
from unison_core.corpus.sentences import sample_sentence
from unison_core.corpus.speech import speak
from unison_core.evaluation.asr import RATE_HZ, Recogniser, WordErrors, word_errors
from unison_core.training.picture_loss import psnr_db
from unison_core.types import SFX
from unison_core.weights.resolve import BUNDLED, DEFAULT_MODEL

SEED = 20
KINDS = ("original", "vocoded", "decoded")


def main() -> None:
    arguments = parse()
    began = time.monotonic()
    precision = torch.bfloat16 if arguments.bf16 else torch.float32
    codec = Codec.from_folder(arguments.folder, arguments.device, precision)
    print(f"# Codecs of {arguments.folder.name}, {datetime.date.today().isoformat()}\n")
    for line in (*video(codec, arguments.clips), *speech(codec, arguments.sentences), *effects(codec, arguments.clips)):
        print(line, flush=True)
    print(f"\nMeasured in {time.monotonic() - began:.0f} s on {arguments.device}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=BUNDLED / DEFAULT_MODEL)
    parser.add_argument("--clips", type=int, default=24, help="held-out clips for pictures and effects")
    parser.add_argument("--sentences", type=int, default=15, help="held-out sentences per voice")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="decode pictures in bfloat16")
    return parser.parse_args()


def video(codec: Codec, clips: int) -> Iterator[str]:
    """PSNR over held-out clips."""
    values, seconds = [], 0.0
    for seed in range(clips):
        frames = make_item(seed, "held_out").clip.frames
        if frames is None:
            raise ValueError(f"held-out item {seed} has no picture")
        given = torch.from_numpy(frames)[None]
        began = time.monotonic()
        made = codec.decode_video(codec.encode_video(given)).cpu()
        seconds += time.monotonic() - began
        values.append(float(psnr_db(made, given)))
    yield "| video | PSNR dB |\n|---|---|"
    yield f"| mean of {clips} clips | {np.mean(values):.2f} |"
    yield f"| 10th percentile | {np.percentile(values, 10):.2f} |"
    yield f"\nEncoding and decoding took {seconds / clips:.2f} s a clip.\n"


def speech(codec: Codec, sentences: int) -> Iterator[str]:
    """Word errors by voice and overall."""
    recogniser, rng = Recogniser(), np.random.default_rng(SEED)
    texts: list[str] = []
    heard: dict[str, list[str]] = {kind: [] for kind in KINDS}
    yield "| word errors, % | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS)
    for voice in VOICES:
        start = len(texts)
        for _ in range(sentences):
            utterance = speak(sample_sentence(rng, "held_out"), voice)
            texts.append(utterance.text)
            for kind, wave in variants(codec, utterance.wave).items():
                heard[kind].append(recogniser.read(wave, RATE_HZ))
        yield row(voice, {kind: word_errors(texts[start:], heard[kind][start:]) for kind in KINDS})
    yield row("all", {kind: word_errors(texts, heard[kind]) for kind in KINDS}) + "\n"


def row(name: str, found: dict[str, WordErrors]) -> str:
    return f"| {name} | " + " | ".join(f"{100 * found[kind].wer:.1f}" for kind in KINDS) + " |"


@torch.inference_mode()
def variants(codec: Codec, wave: np.ndarray) -> dict[str, np.ndarray]:
    """The wave itself, through the vocoder alone, and through the whole audio codec."""
    padded = np.pad(wave, (0, -len(wave) % codec.preset.timing.samples_per_latent))
    given = torch.from_numpy(padded)[None].to(codec.device)
    made = {"vocoded": codec.vocoder(codec.mel(given)), "decoded": codec.decode_audio(codec.encode_audio(given))}
    return {"original": wave, **{kind: x[0].cpu().numpy() for kind, x in made.items()}}


@torch.inference_mode()
def effects(codec: Codec, clips: int) -> Iterator[str]:
    """Log-mel error of decoded effects, and the level of decoded silence."""
    errors = []
    for seed in range(clips):
        wave = torch.from_numpy(make_item(seed, "held_out", video=False).clip.stems[SFX])[None].to(codec.device)
        made = codec.decode_audio(codec.encode_audio(wave))[:, : wave.shape[-1]]
        errors.append(float((codec.mel(made) - codec.mel(wave)).abs().mean()))
    latents = codec.silence(94)
    hiss, silence = codec.vocoder(codec.decode_mel(latents)), codec.decode_audio(latents)
    yield f"| sound | |\n|---|---|\n| log-mel error of effects ({codec.mel.config.log}) | {np.mean(errors):.3f} |"
    yield f"| vocoded silence before the gate, dBFS | {level_dbfs(hiss):.1f} |"
    yield f"| decoded silence, dBFS | {level_dbfs(silence):.1f} |"


def level_dbfs(wave: torch.Tensor) -> float:
    """Root mean square in dB of full scale; -200 stands for digital silence."""
    return float(20 * wave.square().mean().sqrt().clamp(min=1e-10).log10())


if __name__ == "__main__":
    main()
