"""nano-bench: held-out prompts of the procedural corpus, as many of each subset, and the recordings behind them.

    python -m unison_core.evaluation.sets.nano_bench [--count 20]      # writes nano-bench.jsonl anew

The bundled file holds prompts and truth, so that scoring needs neither synthesiser nor drawing library; the recordings
(`--recordings`) need both and are made from the ids' seeds.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unison_core.evaluation.held_out import SOUNDLESS, SPOKEN, WORDLESS, HeldOut, held_out_prompts
from unison_core.evaluation.item import SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.evaluation.sets import AMBIENT, BUNDLED, COMPLEX, NANO_BENCH
from unison_core.evaluation.sets import SPEECH as SPEECH_SET

SUBSET = {WORDLESS: AMBIENT, SOUNDLESS: SPEECH_SET, SPOKEN: COMPLEX}
"""The kinds of `held_out.py` by Harmony-Bench's names."""


def rows(count: int, max_s: float) -> list[dict[str, Any]]:
    """Rows of the set, `count` of each subset; ids and seeds are those of benchmarks/quality.py."""
    prompts = held_out_prompts(dict.fromkeys(SUBSET, count), max_s)
    return sorted((_row(prompt) for prompt in prompts), key=lambda row: list(SUBSET.values()).index(row["subset"]))


def _row(prompt: HeldOut) -> dict[str, Any]:
    scene = {name: value for name, value in asdict(prompt.scene).items() if name not in ("phones", "transcript")}
    return {
        "id": prompt.id, "subset": SUBSET[prompt.kind], "caption": prompt.scene.caption,
        "transcript": prompt.scene.transcript, "duration": round(prompt.duration_s, 4), "seed": prompt.seed,
        "scene": {**scene, "transcript": prompt.scene.transcript},
    }  # fmt: skip


def record(items: list[Item], out: Path, progress: Callable[[int, int], None] | None = None) -> list[Item]:
    """The corpus' own recordings of items of nano-bench, in `out/<id>`; what is there already is kept.

    Raises:
        UnisonError: flite or skia is missing.
    """
    recorded = []
    for done, item in enumerate(items, 1):
        folder = out / item.id
        if not folder.is_dir():
            _record(item, folder)
        files = {VIDEO: "video.mp4", SOUND: "mix.wav", SPEECH: "speech.wav", SFX: "sfx.wav"}
        assert item.scene is not None
        recorded.append(
            replace(item, files={kind: folder / name for kind, name in files.items()}, duration_s=item.scene.duration_s)
        )
        if progress:
            progress(done, len(items))
    return recorded


def _record(item: Item, folder: Path) -> None:
    from unison_core.corpus.sample import realise, sample_scene
    from unison_core.media.mix import MixSettings, mix_stems
    from unison_core.media.mp4 import write_mp4
    from unison_core.media.wav import write_wav
    from unison_core.pipelines.generation import atomic_folder

    assert item.seed is not None
    clip = realise(*sample_scene(item.seed, "held_out")).clip
    assert clip.frames is not None
    mixed = mix_stems(clip.stems, clip.rate_hz, MixSettings())
    with atomic_folder(folder) as partial:
        for name, wave in {**mixed.stems, "mix": mixed.mix}.items():
            write_wav(partial / f"{name}.wav", wave, clip.rate_hz)
        write_mp4(partial / "video.mp4", clip.frames, clip.fps, partial / "mix.wav", {"id": item.id})


def main() -> None:
    """Write the bundled set anew."""
    from unison_core.config import load_preset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="items of each subset")
    made = rows(parser.parse_args().count, load_preset("nano").timing.max_s)
    BUNDLED[NANO_BENCH].write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8"
    )
    print(f"{len(made)} items in {BUNDLED[NANO_BENCH]}")


if __name__ == "__main__":
    main()
