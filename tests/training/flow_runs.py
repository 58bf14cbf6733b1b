"""Toy runs of a stage: shards of random latents, and configurations that train a tiny model in seconds."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from unison_core.config import Preset, from_mapping, to_mapping
from unison_core.preparation.records import PartRecord, ShardRecord, check_settings, write_index, write_record
from unison_core.training.flow_training import FlowTrainingConfig, train_flow
from unison_core.training.shard_format import Sample, ShardInfo, write_shard
from unison_core.types import SFX, SPEECH, VIDEO

FRAMES = 25


def write_latents(folder: Path, preset: Preset, count: int = 12, *, seed: int = 0, codec: str = "") -> Path:
    """A shard of `count` random clips, with its index."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [_clip(preset, seed * 1000 + i) for i in range(count)]
    entries = write_shard(folder / "a.tar", clips, ShardInfo(codec=codec))
    record = PartRecord(digest="", shards=[ShardRecord.of(folder / "a.tar", clips, entries)])
    check_settings(folder, ShardInfo(codec=codec), {})
    write_record(folder, "a", record)
    write_index(folder)
    return folder


def _clip(preset: Preset, i: int) -> Sample:
    rng = np.random.default_rng(i)
    sound = (preset.timing.audio_latents(FRAMES), preset.model.audio.latent_channels)
    picture = (preset.model.video.latent_channels, preset.timing.video_latents(FRAMES), 4, 4)
    meta = {"frames": FRAMES, "caption_ids": [1 + i % 7, 2], "phoneme_ids": [3, 4, 5],
            "phoneme_weights": [0.1, 0.1, 0.1], "span_s": [0.1, 0.8], "static": False, "voice": "rms"}  # fmt: skip
    latents = {VIDEO: rng.standard_normal(picture), SPEECH: rng.standard_normal(sound), SFX: rng.standard_normal(sound)}
    return Sample(key=f"{i:06d}", latents=latents, meta=meta)


def mapping(root: Path, preset: Preset, **changes: Any) -> dict[str, Any]:
    """A stage's settings: four clips a step in micro-batches of two, ten steps, a row of the log each."""
    file = root / "preset.yaml"
    file.write_text(yaml.safe_dump(to_mapping(preset)), encoding="utf-8")
    settings: dict[str, Any] = {
        "stage": "joint", "preset": str(file), "out": str(root / "run"), "data": {"shards": str(root / "latents")},
        "objective": {"tasks": {"t2av": 0.6, "a2v": 0.2, "v2a": 0.2}},
        "optimizer": {"lr": 1e-3, "warmup": 2, "schedule": "constant"},
        "batch": 4, "micro_batch": 2, "steps": 10, "log_every": 1, "save_every": 2, "save_every_s": 0, "seed": 3,
    }  # fmt: skip
    return settings | changes


def config(root: Path, preset: Preset, **changes: Any) -> FlowTrainingConfig:
    """The same as the stage takes it."""
    return from_mapping(FlowTrainingConfig, mapping(root, preset, **changes), "test")


def losses(run: Path) -> list[float]:
    """A run's losses, row by row of its log."""
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


def check_exact_resume(root: Path, preset: Preset, **changes: Any) -> None:
    """Four steps at once, in `root`/run, and from the checkpoint of the second: the same losses and weights."""
    run, again = root / "run", root / "again"
    train_flow(config(root, preset, **changes, steps=4, keep=5))
    (again / "checkpoints").mkdir(parents=True)
    shutil.copytree(run / "checkpoints/step-00000002", again / "checkpoints/step-00000002")
    shutil.copy(run / "log.jsonl", again)
    straight = losses(run)
    train_flow(config(root, preset, **changes, steps=4, out=str(again)))
    assert losses(again) == straight
    exported, resumed = (load_file(folder / "model" / "model.safetensors") for folder in (run, again))
    assert resumed.keys() == exported.keys()
    assert all(torch.equal(resumed[name], value) for name, value in exported.items())
