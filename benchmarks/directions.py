"""Prints what every direction of generation keeps and makes, on held-out material of the corpus.

    python benchmarks/directions.py --out runs/directions                          # every direction, and the targets
    python benchmarks/directions.py --out runs/directions --only generate,v2a --clips 20
    python benchmarks/directions.py --out runs/directions --only generate --sweep sync    # SyncCFG's scales
    python benchmarks/directions.py --out runs/directions --only generate --sweep lead    # who runs ahead, how far
    python benchmarks/directions.py --out runs/directions --recordings FOLDER      # mouths to voices nobody synthesised

The truth of each held-out scene is written to files, the files are given, and the clip is measured against the scene by
the quality benchmark's measures. Targets compare a direction with `generate` on the same scenes, so that one must run.
Stopped runs continue. Needs the extras corpus and eval, and flite.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import add_model_arguments, names_of
from PIL import Image
from quality import RECORDINGS, pipeline, read_clip, recordings, score_all

from unison_core.config import load_preset
from unison_core.corpus.sample import realise
from unison_core.corpus.scene import Scene
from unison_core.corpus.speech import RATE_HZ
from unison_core.errors import UnisonError
from unison_core.evaluation.clip_scores import ClipScores
from unison_core.evaluation.held_out import SPOKEN, HeldOut, held_out_prompts
from unison_core.evaluation.lips import lip_sync, mouth_area, speech_level
from unison_core.evaluation.quality_table import AT_LEAST, AT_MOST, Line, corpus_wer, markdown, quality_lines
from unison_core.media import ffmpeg
from unison_core.media.mp4 import write_mp4
from unison_core.media.probe import probe
from unison_core.media.wav import quantise, write_wav
from unison_core.text.prompt import fitting_duration_s
from unison_core.types import AUDIO_STREAMS, Clip

UNINFORMATIVE = "A person"
"""A caption that tells nothing of what sounds: the picture has to."""
WORDS, SOUND, LAG, LIPS, COLOURS, VOICE = (
    "word errors, %", "asked-for sound named right, %", "distance of sound and action in time, median, ms",
    "mouth opening to speech level, r, median", "asked-for colours are there, %", "asked-for voice is there, %",
)  # fmt: skip
"""Lines of the quality table that targets look at."""
SWEEPS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sync": {
        f"s_v {v:g}, s_a {a:g}": {"sync_scale": {"video": v, "speech": a, "sfx": a}}
        for v, a in ((1, 1), (1.5, 1), (2, 1), (3, 1), (1, 1.5), (1, 2), (1.5, 1.5), (2, 1.5), (3, 2))
    },
    "lead": {
        "nobody": {},
        **{
            f"{who} {amount:g}": {"lead": who, "lead_amount": amount}
            for who in ("audio", "video")
            for amount in (0.1, 0.3, 0.6)
        },
    },
}
"""Settings of `generate` that are compared."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One held-out scene as files.

    Attributes:
        prompt: the scene.
        folder: holds video.mp4, silent.mp4 (the picture alone), speech.wav, sfx.wav and first.png, and voice.wav where
            another scene has this voice.
        other_words: words of another scene that fit into this one, for dubbing.
    """

    prompt: HeldOut
    folder: Path
    other_words: str

    def file(self, name: str) -> str:
        return str(self.folder / name)


Make = Callable[[Any, Any], Any]
"""From a pipeline and a case to a finished clip."""
DIRECTIONS: Mapping[str, Make] = {
    "generate": lambda p, c: p.generate(**_words(c), seed=c.prompt.seed),
    "image": lambda p, c: p.generate(image=c.file("first.png"), **_words(c), seed=c.prompt.seed),
    "a2v": lambda p, c: p.a2v(
        speech=c.file("speech.wav"), sfx=c.file("sfx.wav"), caption=c.prompt.scene.caption, seed=c.prompt.seed
    ),
    "speech only": lambda p, c: p.a2v(
        speech=c.file("speech.wav"), caption=c.prompt.scene.caption, seed=c.prompt.seed
    ),
    "portrait": lambda p, c: p.a2v(
        speech=c.file("speech.wav"), image=c.file("first.png"), caption=c.prompt.scene.caption, seed=c.prompt.seed
    ),
    "v2a": lambda p, c: p.v2a(
        video=c.file("silent.mp4"), caption=UNINFORMATIVE, transcript=c.prompt.scene.transcript, seed=c.prompt.seed
    ),
    "new effects": lambda p, c: p.v2a(
        video=c.file("silent.mp4"), speech=c.file("speech.wav"), caption=UNINFORMATIVE, seed=c.prompt.seed
    ),
    "dubbing": lambda p, c: p.v2a(
        video=c.file("video.mp4"), sfx=c.file("sfx.wav"), caption=c.prompt.scene.caption, transcript=c.other_words,
        seed=c.prompt.seed,
    ),
    "voice": lambda p, c: p.generate(reference_audio=c.file("voice.wav"), **_words(c), seed=c.prompt.seed),
    "voice alone": lambda p, c: p.generate(
        reference_audio=c.file("voice.wav"), **{**_words(c), "caption": ""}, seed=c.prompt.seed
    ),
}  # fmt: skip
"""What each direction is given of a scene. In the last one, nothing but the reference tells the voice."""
VOICED = ("voice", "voice alone")
"""Directions that only a model with a reference voice takes."""


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    preset = load_preset(args.preset)
    only = args.only or tuple(d for d in DIRECTIONS if d not in VOICED or preset.model.reference)
    prompts = list(held_out_prompts({SPOKEN: args.clips}, preset.timing.max_s))
    about = {"date": datetime.now(UTC).date().isoformat(), "model": str(args.model), "clips": len(prompts)}
    print(", ".join(f"{key} {value}" for key, value in about.items()), end="\n\n")
    if args.recordings is not None:
        print(real_voices(args))
        return 0
    cases = list(write_cases(prompts, args.out / "inputs"))
    truth = score_all(RECORDINGS, prompts, recordings(prompts, args), args)
    if args.sweep:
        scores = {name: run(f"{args.sweep} {name}", sweep(settings), cases, args)
                  for name, settings in SWEEPS[args.sweep].items()}  # fmt: skip
    else:
        scores = {name: run(name, DIRECTIONS[name], cases, args) for name in only}
    columns = {name: quality_lines(clips, corpus_wer(truth)) for name, clips in scores.items()}
    print(markdown({RECORDINGS: quality_lines(truth, corpus_wer(truth)), **columns}, next(iter(columns))))
    if args.sweep:
        return 0
    lines = list(targets(columns, args.out))
    print("\n" + markdown({"figure": lines}, "figure"))
    return 0 if all(line.passed is not False for line in lines) else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of inputs, clips and scores")
    parser.add_argument("--clips", type=int, default=40, help="held-out scenes with speech and sound")
    parser.add_argument("--only", type=names_of("direction", DIRECTIONS),
                        help=f"of {', '.join(DIRECTIONS)}; all that the preset takes")  # fmt: skip
    parser.add_argument("--sweep", choices=SWEEPS, help="compare settings of generate instead of directions")
    parser.add_argument("--recordings", type=Path, help="folder of recordings; drive pictures by them instead")
    add_model_arguments(parser)
    return parser.parse_args()


def _words(case: Case) -> dict[str, Any]:
    scene = case.prompt.scene
    return {"caption": scene.caption, "transcript": scene.transcript, "duration_s": case.prompt.duration_s}


def sweep(settings: Mapping[str, Any]) -> Make:
    """`generate` with other settings."""
    return lambda p, c: p.generate(**_words(c), seed=c.prompt.seed, **settings)


def write_cases(prompts: list[HeldOut], folder: Path) -> Iterator[Case]:
    """The truth of every scene as files."""
    other = other_voices(prompts)
    for i, prompt in enumerate(prompts):
        place = folder / prompt.id
        if not (place / "video.mp4").is_file():
            place.mkdir(parents=True, exist_ok=True)
            clip = realise(prompt.scene, prompt.utterance).clip
            assert clip.frames is not None
            for stream in AUDIO_STREAMS:
                write_wav(place / f"{stream}.wav", quantise(clip.stems[stream]), clip.rate_hz)
            mix = quantise(0.5 * sum(clip.stems.values()))  # type: ignore[arg-type]
            write_wav(place / "mix.wav", mix, clip.rate_hz)
            Image.fromarray(clip.frames[0]).save(place / "first.png")
            write_mp4(place / "part.mp4", clip.frames, clip.fps, place / "mix.wav", {})
            write_voice(place / "voice.wav", other.get(prompt.id))
            ffmpeg.run(["-y", "-i", str(place / "part.mp4"), "-c", "copy", "-an", str(place / "silent.mp4")])
            (place / "part.mp4").rename(place / "video.mp4")
        yield Case(prompt=prompt, folder=place, other_words=_other_words(prompts, i))


def other_voices(prompts: list[HeldOut]) -> dict[str, HeldOut]:
    """By scene, another in which the same voice says something else for a second or more."""
    found = {}
    for i, prompt in enumerate(prompts):
        for other in (*prompts[i + 1 :], *prompts[:i]):
            words = other.scene.transcript != prompt.scene.transcript
            if (
                words
                and other.scene.voice == prompt.scene.voice
                and other.utterance
                and other.utterance.duration_s >= 1
            ):
                found[prompt.id] = other
                break
    return found


def write_voice(path: Path, source: HeldOut | None) -> None:
    """What `source` says, as a reference of at most 3 s."""
    if source is not None and source.utterance is not None:
        write_wav(path, quantise(source.utterance.wave[: 3 * RATE_HZ]), RATE_HZ)


def _other_words(prompts: list[HeldOut], i: int) -> str:
    """What the next scene says that can be said within scene i."""
    room_s = prompts[i].scene.duration_s
    for prompt in (*prompts[i + 1 :], *prompts[:i], prompts[i]):
        if fitting_duration_s(prompt.scene.transcript) <= room_s + 0.3:
            return prompt.scene.transcript
    return prompts[i].scene.transcript


def run(name: str, make: Make, cases: list[Case], args: argparse.Namespace) -> list[ClipScores]:
    """Scores of a direction's clips, which are made where they are not there."""
    if name in VOICED:
        cases = [c for c in cases if (c.folder / "voice.wav").is_file()]
    heard = [replace(c.prompt, scene=scored_scene(name, c)) for c in cases]

    def clips() -> Iterator[Clip]:
        for case in cases:
            folder = args.out / "clips" / name / case.prompt.id
            if not (folder / "unison.json").is_file():
                loaded = pipeline(args.model, args.device, args.precision)
                _with_steps(make, args.steps)(loaded, case).save(folder, preview=True)
            yield read_clip(folder)

    return score_all(name, heard, clips(), args)


def _with_steps(make: Make, steps: int | None) -> Make:
    """`make` with the pipeline's number of steps replaced."""

    class Stepped:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return lambda **settings: getattr(self._inner, name)(**settings, steps=steps)

    return lambda p, c: make(Stepped(p), c)


def scored_scene(name: str, case: Case) -> Scene:
    """What the clip is measured against: the scene, in dubbing with the new words."""
    scene = case.prompt.scene
    return replace(scene, transcript=case.other_words) if name == "dubbing" else scene


def targets(columns: Mapping[str, list[Line]], out: Path) -> Iterator[Line]:
    """What each direction is asked for, beside `generate` where it is compared with that."""
    found = {name: {line.name: line for line in lines} for name, lines in columns.items()}
    base = found.get("generate", {})

    def line(direction: str, measure: str, sense: str, threshold: float | None) -> Iterator[Line]:
        if direction in found:
            kept = threshold is not None
            yield replace(found[direction][measure], name=f"{direction}: {measure}", threshold=threshold,
                          sense=sense if kept else "")  # fmt: skip

    yield from line("a2v", LIPS, AT_LEAST, _value(base, LIPS))
    yield from line("a2v", LAG, AT_MOST, _value(base, LAG))
    yield from line("speech only", LIPS, AT_LEAST, _value(base, LIPS))
    yield from line("portrait", LIPS, AT_LEAST, _value(base, LIPS))
    yield from line("speech only", SOUND, AT_LEAST, 85)
    yield from line("speech only", LAG, AT_MOST, 40)
    for direction in ("v2a", "new effects"):
        yield from line(direction, SOUND, AT_LEAST, 80)
        yield from line(direction, LAG, AT_MOST, 40)
    words = _value(base, WORDS)
    yield from line("v2a", WORDS, AT_MOST, None)
    yield from line("dubbing", WORDS, AT_MOST, None if words is None else words + 5)
    for direction in ("image", "portrait"):
        yield from line(direction, COLOURS, AT_LEAST, 90)
    for direction in VOICED:
        yield from line(direction, VOICE, AT_LEAST, 90)
        yield from line(direction, WORDS, AT_MOST, None if words is None else words + 5)
    for direction, stems in (("a2v", 2), ("speech only", 1), ("portrait", 1), ("new effects", 1), ("dubbing", 1)):
        if direction in found:
            kept = [_given_kept(record) == stems for record in records(out / "clips" / direction)]
            yield Line(name=f"{direction}: given stems kept to the bit, %", value=100 * float(np.mean(kept)),
                       count=len(kept), sense=AT_LEAST, threshold=100)  # fmt: skip
    for direction in ("image", "portrait"):
        if direction in found:
            yield from image_lines(direction, out)


def image_lines(direction: str, out: Path) -> Iterator[Line]:
    """How far the given image is there: in the first frame, and in the layout of the whole clip."""
    psnr, layout = [], []
    for folder in sorted((out / "clips" / direction).iterdir()):
        record = json.loads((folder / "unison.json").read_text())
        psnr += [c["value"] for c in record["checks"] if c["name"] == "first_frame_psnr_db"]
        image = np.asarray(Image.open(out / "inputs" / folder.name / "first.png")).astype(float)
        frames = read_clip(folder).frames
        assert frames is not None
        layout.append(float(np.corrcoef(np.median(frames, axis=0).ravel(), image.ravel())[0, 1]))
    yield Line(name=f"{direction}: PSNR of the first frame, median, dB", value=float(np.median(psnr)), count=len(psnr))
    yield Line(name=f"{direction}: clip's median frame to the image, r, median", value=float(np.median(layout)),
               count=len(layout), sense=AT_LEAST, threshold=0.9)  # fmt: skip


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """Records of a direction's clips."""
    for path in sorted(folder.glob("*/unison.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _given_kept(record: Mapping[str, Any]) -> int:
    """Given stems that came out to the bit."""
    return sum(c["value"] == 0 for c in record["checks"] if c["name"].endswith("_difference"))


def _value(lines: Mapping[str, Line], name: str) -> float | None:
    return lines[name].value if name in lines else None


def voiced(path: Path, duration_s: float) -> Make:
    """A picture to the beginning of a recording of speech."""
    return lambda p, c: p.a2v(speech=str(path), caption="A man talks", seed=1, duration_s=duration_s)


def real_voices(args: argparse.Namespace) -> str:
    """Mouth and voice in clips driven by recordings of people, a line each and the median."""
    longest_s = load_preset(args.preset).timing.max_s
    rows, found = [], []
    for path in sorted(p for p in args.recordings.rglob("*") if p.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg")):
        length_s = probe(path).duration_s or 0.0
        if length_s < 1:
            continue
        folder = args.out / "clips" / "recordings" / path.stem
        if not (folder / "unison.json").is_file():
            make = voiced(path, min(length_s, longest_s))
            loaded = pipeline(args.model, args.device, args.precision)
            _with_steps(make, args.steps)(loaded, None).save(folder, preview=True)
        clip = read_clip(folder)
        assert clip.frames is not None
        level = speech_level(clip.stems["speech"], clip.rate_hz, clip.fps, len(clip.frames))
        score = lip_sync(mouth_area(clip.frames), level, clip.fps)
        found.append(score.r)
        rows.append(f"| {path.stem} | {score.r:.2f} | {score.r_best:.2f} |")
    if not found:
        raise UnisonError(f"{args.recordings} holds no recording of a second or more")
    head = "| recording | mouth opening to speech level, r | best within 80 ms |\n| --- | ---: | ---: |"
    return "\n".join([head, *rows, f"| median of {len(found)} | {np.median(found):.2f} | |"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnisonError as error:
        sys.exit(f"error: {error}")
