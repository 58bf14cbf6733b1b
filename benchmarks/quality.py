"""Prints the quality table: held-out prompts, generated and measured, beside the corpus' own recordings.

    python benchmarks/quality.py --out runs/quality                      # generates and scores; continues if stopped
    python benchmarks/quality.py --out runs/quality --from FOLDER        # scores finished clips, in folders FOLDER/<id>
    python benchmarks/quality.py --out runs/quality --columns recordings # the reference alone
    python benchmarks/quality.py --out runs/plain --captions plain       # captions in other words than training's

Three columns: `recordings` (the corpus' truth through nothing: what the measures give at best), `codecs` (the truth
through the model's codecs: the ceiling of any sampler) and `generated`. Seeds are fixed. `prompts.jsonl` in the output
folder can be given to `unison generate --prompts` on another machine. Needs the extras corpus and eval, and flite.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from command_line import add_model_arguments, names_of
from einops import rearrange

from unison_core.config import load_preset
from unison_core.corpus.sample import realise
from unison_core.errors import UnisonError
from unison_core.evaluation.clip_scores import ClipScores, score_clip
from unison_core.evaluation.held_out import SOUNDLESS, SPOKEN, WORDLESS, HeldOut, held_out_prompts
from unison_core.evaluation.quality_table import corpus_wer, markdown, quality_lines
from unison_core.evaluation.score_cache import ScoreCache, fingerprint
from unison_core.media.read import read_frames
from unison_core.media.wav import read_wav
from unison_core.types import AUDIO_STREAMS, Clip

RECORDINGS, CODECS, GENERATED = "recordings", "codecs", "generated"
COLUMNS = (RECORDINGS, CODECS, GENERATED)
CORPUS, PLAIN = "corpus", "plain"


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    preset = load_preset(args.preset)
    counts = {SPOKEN: args.clips, WORDLESS: args.quiet, SOUNDLESS: args.quiet}
    prompts = list(held_out_prompts(counts, preset.timing.max_s, plain=args.captions == PLAIN))
    write_prompts(args.out / "prompts.jsonl", prompts)
    sources = {RECORDINGS: recordings, CODECS: through_codecs, GENERATED: generated}
    scores = {name: score_all(name, prompts, sources[name](prompts, args), args) for name in args.columns}
    reference = corpus_wer(scores[RECORDINGS]) if RECORDINGS in scores else None
    lines = {name: quality_lines(clips, reference) for name, clips in scores.items()}
    judged = GENERATED if GENERATED in lines else args.columns[-1]
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "captions": args.captions,
        "clips": {kind: sum(prompt.kind == kind for prompt in prompts) for kind in counts},
        "model": str(args.model),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}",
    }
    table = markdown(lines, judged)
    result = {
        **about,
        "columns": {name: [{**asdict(x), "passed": x.passed} for x in column] for name, column in lines.items()},
    }
    (args.out / "quality.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    heading = ", ".join(f"{key} {value}" for key, value in about.items())
    (args.out / "quality.md").write_text(f"{heading}\n\n{table}\n", encoding="utf-8")
    print(f"{heading}\n\n{table}")
    return 0 if all(line.passed is not False for line in lines[judged]) else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of clips, scores and the table")
    parser.add_argument(
        "--from", dest="source", type=Path, help="score finished clips of this folder instead of generating"
    )
    parser.add_argument("--clips", type=int, default=60, help="prompts with speech and sound")
    parser.add_argument("--quiet", type=int, default=10, help="prompts without speech, and as many without sound")
    parser.add_argument("--columns", type=names_of("column", COLUMNS), default=COLUMNS,
                        help=f"comma-separated, of {', '.join(COLUMNS)}")  # fmt: skip
    parser.add_argument("--captions", choices=(CORPUS, PLAIN), default=CORPUS,
                        help="the corpus' own captions, or such as people type")  # fmt: skip
    add_model_arguments(parser)
    return parser.parse_args()


def recordings(prompts: list[HeldOut], args: argparse.Namespace) -> Iterator[Clip]:
    """The truth."""
    for prompt in prompts:
        yield realise(prompt.scene, prompt.utterance).clip


def through_codecs(prompts: list[HeldOut], args: argparse.Namespace) -> Iterator[Clip]:
    """The truth, encoded and decoded."""
    from unison_core.codecs.codec import Codec
    from unison_core.pipelines.device import choose_device
    from unison_core.weights.resolve import resolve

    codec = Codec.from_folder(Path(resolve(args.model).path), choose_device(args.device))
    for clip in recordings(prompts, args):
        assert clip.frames is not None
        frames = codec.decode_video(
            codec.encode_video(rearrange(torch.from_numpy(clip.frames), "f h w c -> 1 f h w c"))
        )
        stems = {}
        for stream, wave in clip.stems.items():
            decoded = codec.decode_audio(codec.encode_audio(torch.from_numpy(wave)[None]))
            stems[stream] = decoded[0, : len(wave)].float().cpu().numpy()
        yield replace(clip, frames=frames[0].cpu().numpy(), stems=stems)


def generated(prompts: list[HeldOut], args: argparse.Namespace) -> Iterator[Clip]:
    """What the model makes of the prompts, or the finished clips of `--from`."""
    if args.source is not None:
        missing = [prompt.id for prompt in prompts if not (args.source / prompt.id / "unison.json").is_file()]
        if missing:
            raise UnisonError(f"{args.source} lacks {len(missing)} of {len(prompts)} clips, the first is {missing[0]}")
    for prompt in prompts:
        folder = (args.source or args.out / "clips") / prompt.id
        if not (folder / "unison.json").is_file():
            pipeline(args.model, args.device, args.precision).generate(**request(prompt), steps=args.steps).save(folder)
        yield read_clip(folder)


@cache
def pipeline(model: str, device: str, precision: str) -> Any:
    """The loaded model."""
    from unison_core.pipelines.unison_pipeline import UnisonPipeline

    return UnisonPipeline.from_pretrained(model, device=device, precision=precision)


def request(prompt: HeldOut) -> dict[str, Any]:
    """What the model is asked: nothing but caption, words, length and seed."""
    return {
        "caption": prompt.scene.caption,
        "transcript": prompt.scene.transcript,
        "duration_s": prompt.duration_s,
        "seed": prompt.seed,
    }


def write_prompts(path: Path, prompts: list[HeldOut]) -> None:
    """The prompts as `unison generate --prompts` reads them."""
    rows = [{"id": prompt.id, **request(prompt)} for prompt in prompts]
    for row in rows:
        row["duration"] = row.pop("duration_s")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_clip(folder: Path) -> Clip:
    """A finished clip from its folder."""
    record = json.loads((folder / "unison.json").read_text(encoding="utf-8"))
    stems = {stream: read_wav(folder / f"{stream}.wav")[0] for stream in AUDIO_STREAMS}
    output = record["output"]
    return Clip(frames=read_frames(folder / "video.mp4"), fps=output["fps"], stems=stems, rate_hz=output["rate_hz"])


def score_all(name: str, prompts: list[HeldOut], clips: Iterable[Clip], args: argparse.Namespace) -> list[ClipScores]:
    """Scores of all clips of a column, from the cache where they are known."""
    scores = ScoreCache(args.out / "scores" / f"{name}.jsonl")
    keys: list[str] = []
    waiting: dict[str, Future[ClipScores]] = {}

    def keep(key: str, future: Future[ClipScores]) -> None:
        if not future.cancelled() and future.exception() is None:
            scores.add(key, future.result())

    with ProcessPoolExecutor(args.jobs, get_context("spawn"), _one_thread) as pool:
        for prompt, clip in zip(prompts, clips, strict=True):
            keys.append(fingerprint(prompt.scene, clip))
            if scores.get(keys[-1]) is None:
                waiting[keys[-1]] = pool.submit(score_clip, prompt.id, prompt.scene, clip)
                waiting[keys[-1]].add_done_callback(partial(keep, keys[-1]))
            print(f"\r{name}: {len(keys)} of {len(prompts)} clips ready", end="", file=sys.stderr)
        for count, future in enumerate(waiting.values(), start=1):
            future.result()
            print(f"\r{name}: {count} of {len(waiting)} clips scored ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [found for key in keys if (found := scores.get(key)) is not None]


def _one_thread() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnisonError as error:
        sys.exit(f"error: {error}")
