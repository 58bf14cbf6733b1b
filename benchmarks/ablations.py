"""Trains and scores small variants of the papers' ablations, and prints them beside what the papers say.

    unison prepare --codecs unison_core/bundled/unison-nano --out runs/ablations/latents --count 20000 --with-mix
    python benchmarks/ablations.py --out runs/ablations                       # every row, minutes of a GPU each
    python benchmarks/ablations.py --out runs/ablations --group unison-3      # the rows of one table
    python benchmarks/ablations.py --out runs/ablations --rows "and cross tasks,and SyncCFG"
    python benchmarks/ablations.py --out runs/ablations --minutes 3 --clips 20 --set optimizer.lr=4e-4

Rows (`ablations.yaml`) share seed, data, prompts and time (`examples/configs/ablations.yaml`) and differ in what they
are named for. Both branches start from the bundled weights and the nodes between them from nothing, as in the papers'
stage 2; rows of Unison's Table 2 train the audio branch anew too. Since one row has no separate stems, words, lips and
synchrony are measured on the mix in all rows; sounds are named in the effects stem. The papers' measures (LSE-C, DS,
PQ, VA, Sync-C) need learned models and real faces: their figures stand beside ours for the order of the rows, not for
their values. Stopped runs continue. Needs the extras corpus and eval, and flite.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from quality import names_of, score_all

from unison_core.config import from_mapping, load_preset, override, read_yaml
from unison_core.diffusion.generate_latents import SamplerSettings, generate_latents
from unison_core.diffusion.guidance import TextGuidance
from unison_core.diffusion.sync_cfg import SyncGuidance
from unison_core.errors import UnisonError
from unison_core.evaluation.held_out import SPOKEN, HeldOut, held_out_prompts
from unison_core.evaluation.quality_table import quality_lines
from unison_core.pipelines.device import choose_device, choose_precision
from unison_core.pipelines.loading import Loaded, load
from unison_core.tasks import TASKS
from unison_core.text.prompt import encode_prompts
from unison_core.training.flow_training import FlowTrainingConfig, train_flow
from unison_core.types import MIX, SFX, SPEECH, VIDEO, Clip, Prompt
from unison_core.weights.resolve import ModelFolder


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, later ones in place of earlier ones; `tasks` and `task_weights` are replaced whole."""
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            nested = isinstance(value, Mapping) and key not in ("tasks", "task_weights")
            result[key] = merged(result.get(key, {}), value) if nested else value
    return result


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row.

    Attributes:
        group: table that it belongs to.
        name: what is different.
        model: changes of the preset's `model`.
        training: changes of the training configuration.
        sync_scale: SyncCFG in sampling; empty is off.
        weights: row whose weights this one uses; None trains its own.
        paper: what the paper says of its own row.
    """

    group: str
    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    sync_scale: Mapping[str, float] = field(default_factory=dict)
    weights: str | None = None
    paper: str

    @property
    def key(self) -> str:
        """Name of the row's folder."""
        return f"{self.group}-{self.name}".replace(" ", "-")


MIX_LINES = {
    "word errors, %": "word errors of the mix, %",
    "mouth opening to speech level, r, median": "mouth to level, r",
    "distance of sound and action in time, median, ms": "lag, ms",
    "- correlation at the peak, median": "action to onsets, r",
    "true pairing over shuffled ones, %": "true over shuffled, %",
    "asked-for colours are there, %": "colours, %",
}
"""Lines of the quality table that are taken from the mix, and what they are called here."""
NAMED = "asked-for sound named right, %"


def variants() -> list[Variant]:
    """All rows."""
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return [from_mapping(Variant, data, data["name"]) for data in rows]


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    torch.set_num_threads(args.threads)
    base = read_yaml(args.config)
    for assignment in args.set:
        override(base, assignment)
    preset = base.get("preset", "nano")
    prompts = list(held_out_prompts({SPOKEN: args.clips}, load_preset(preset).timing.max_s))
    known = variants()
    rows = []
    for variant in known:
        if (args.group and variant.group != args.group) or (args.rows and variant.name not in args.rows):
            continue
        needed = next((v for v in known if v.key == variant.weights), variant)
        model = train(needed, base, args)
        rows.append(row(variant, needed, model, prompts, args))
        print(f"{variant.key}: {json.dumps(rows[-1])}", file=sys.stderr)
    (args.out / "ablations.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print(table(rows))
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of models, clips and scores")
    parser.add_argument("--config", type=Path, default=Path("examples/configs/ablations.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the configuration")
    parser.add_argument("--minutes", type=float, help="training time of a row, where not the configuration's")
    parser.add_argument("--group", choices=sorted({v.group for v in variants()}), help="rows of one table")
    parser.add_argument("--rows", type=names_of("row", (v.name for v in variants())), help="names, comma-separated")
    parser.add_argument("--clips", type=int, default=40, help="held-out prompts")
    parser.add_argument("--steps", type=int, help="sampling steps, where not the preset's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="processes that score")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def train(variant: Variant, base: Mapping[str, Any], args: argparse.Namespace) -> Path:
    """The row's model folder; trained where it is not there."""
    out = args.out / variant.key
    if not (out / "model" / "unison.yaml").is_file() or not (out / "done").is_file():
        out.mkdir(parents=True, exist_ok=True)
        preset = out / "preset.yaml"
        changes = {"base": base.get("preset", "nano"), "name": variant.key, "model": variant.model}
        preset.write_text(yaml.safe_dump(changes), encoding="utf-8")
        time = {"minutes": args.minutes} if args.minutes else {}
        data = merged(base, variant.training, {"preset": str(preset), "out": str(out)}, time)
        train_flow(from_mapping(FlowTrainingConfig, data, variant.key))
        (out / "done").touch()
    return out / "model"


def row(
    variant: Variant, trained: Variant, model: Path, prompts: list[HeldOut], args: argparse.Namespace
) -> dict[str, Any]:
    """Figures of one row."""
    folder = args.out / variant.key / "clips"
    clips = list(sampled_clips(variant, model, folder, prompts, args))
    mixed = [replace(clip, stems=dict.fromkeys((SPEECH, SFX), clip.stems[MIX])) for clip in clips]
    lines = {x.name: x.value for x in quality_lines(score_all(f"{variant.key} mix", prompts, iter(mixed), args), None)}
    named = None
    if SFX in clips[0].stems:
        stems = [replace(clip, stems={s: clip.stems[s] for s in (SPEECH, SFX)}) for clip in clips]
        scored = score_all(f"{variant.key} stems", prompts, iter(stems), args)
        named = next(x.value for x in quality_lines(scored, None) if x.name == NAMED)
    log = (args.out / trained.key / "log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = json.loads(log[-1])["step"] if log else None
    return {
        "table": variant.group, "row": variant.name, **{title: lines[name] for name, title in MIX_LINES.items()},
        "sounds named in the stem, %": named, "steps": steps, "the paper's": variant.paper,
    }  # fmt: skip


def sampled_clips(
    variant: Variant, model: Path, folder: Path, prompts: list[HeldOut], args: argparse.Namespace
) -> Iterator[Clip]:
    """Clips of all prompts, with their mix among the stems; kept on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    source = ModelFolder(str(model), model)
    device = choose_device(args.device)
    dtype = choose_precision(args.precision, device)
    loaded: Loaded | None = None
    for prompt in prompts:
        path = folder / f"{prompt.id}.npz"
        if not path.is_file():
            loaded = loaded or load(source, device, dtype)
            clip = sample_clip(loaded, source, prompt, variant, device, dtype, args.steps)
            frames = clip.frames if clip.frames is not None else np.zeros(0)
            np.savez_compressed(folder / "partial.npz", frames=frames, **clip.stems)  # type: ignore[arg-type]
            (folder / "partial.npz").rename(path)
        with np.load(path) as saved:
            stems = {name: saved[name] for name in saved.files if name != "frames"}
            timing = source.preset.timing
            yield Clip(frames=saved["frames"], fps=timing.fps, stems=stems, rate_hz=timing.sample_rate_hz)


def sample_clip(
    loaded: Loaded, source: ModelFolder, prompt: HeldOut, variant: Variant, device: torch.device, dtype: torch.dtype,
    steps: int | None,
) -> Clip:  # fmt: skip
    """One clip of a model with any streams; the mix is their sum, or the stream that it has."""
    preset = source.preset
    timing, sampling = preset.timing, preset.sampling
    frames, shown = timing.frames_covering(prompt.duration_s), timing.shown_frames(prompt.duration_s)
    names = loaded.model.audio.stream_names
    side = (
        preset.size.height // preset.codecs.video.spatial_stride,
        preset.size.width // preset.codecs.video.spatial_stride,
    )
    shapes = {VIDEO: (preset.model.video.latent_channels, timing.video_latents(frames), *side)}
    shapes |= {s: (timing.audio_latents(frames), preset.model.audio.latent_channels) for s in names}
    scale = {s: sampling.text_scale.get(s, sampling.text_scale[SPEECH]) for s in shapes}
    asked = Prompt(caption=prompt.scene.caption, transcript=prompt.scene.transcript)
    sync = SyncGuidance(scale=variant.sync_scale, silence=loaded.codec.silence, still=loaded.codec.still)
    latents = generate_latents(
        loaded.model,
        text=encode_prompts([asked], preset, [prompt.duration_s]),
        null=encode_prompts([Prompt()], preset, [prompt.duration_s], dropped=True),
        frames=frames, shapes=shapes, generators=[torch.Generator().manual_seed(prompt.seed)],
        settings=SamplerSettings(
            steps=steps or sampling.steps, shift=dict.fromkeys(shapes, sampling.shift),
            guidance=TextGuidance(scale=scale),
            sync=sync if variant.sync_scale else None,
        ),
        task=TASKS["t2av"], device=device, dtype=dtype,
    ).latents  # fmt: skip
    picture = loaded.codec.decode_video(latents[VIDEO])[0, :shown].cpu().numpy()
    waves = loaded.codec.decode_audio(torch.cat([latents[s] for s in names])).float().cpu().numpy()
    stems = {s: wave[: timing.samples(shown / timing.fps)] for s, wave in zip(names, waves, strict=True)}
    stems[MIX] = np.sum(list(stems.values()), axis=0)
    return Clip(frames=picture, fps=timing.fps, stems=stems, rate_hz=timing.sample_rate_hz)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    titles = list(rows[0])
    lines = [titles, ["---"] * 2 + ["---:"] * (len(titles) - 3) + ["---"]]
    lines += [[_figure(line[title]) for title in titles] for line in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _figure(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnisonError as error:
        sys.exit(f"error: {error}")
