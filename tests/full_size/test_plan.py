"""Plans fit the memory that there is, work is counted right, and a dry run tells of both without loading anything."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.config import load_preset
from unison_core.errors import UsageError
from unison_core.pipelines import memory_plan
from unison_core.pipelines.memory_plan import MODES, Needs, arrangements, needs, plan_memory, smaller
from unison_core.pipelines.workload import forward_flops
from unison_core.weights.scratch_captions import configs

GB = 10**9
NEED = Needs(captions=11 * GB, joint=13 * GB, blocks=10 * GB, codecs=4 * GB, row=3 * GB, decode=11 * GB,
             decode_tiled=5 * GB)  # fmt: skip


@pytest.mark.parametrize(("free", "mode"), [(80, "full"), (48, "full"), (24, "offload"), (16, "stream")])
def test_the_first_arrangement_that_fits_is_taken(free: int, mode: str) -> None:
    plan = plan_memory(NEED, free * GB)
    assert plan.mode == mode
    assert max(plan.peaks.values()) <= free * GB
    assert not plan.fixed


def test_weights_that_visit_come_before_decoding_in_tiles() -> None:
    plan = plan_memory(NEED, 29 * GB)
    assert (plan.mode, plan.tiled, plan.rows) == ("offload", False, 2)
    assert plan_memory(NEED, 15 * GB).tiled, "where nothing decodes whole"


def test_a_wish_is_kept_and_nonsense_refused() -> None:
    for mode in MODES:
        plan = plan_memory(NEED, 200 * GB, mode)
        assert plan.mode == mode
        assert plan.fixed
        assert smaller(plan, NEED, 200 * GB) is None
    with pytest.raises(UsageError, match="memory 'half' is none of auto, full"):
        plan_memory(NEED, GB, "half")


def test_every_next_arrangement_samples_in_less_and_there_is_a_last() -> None:
    plans = list(arrangements(NEED, 30 * GB))
    sampling = [plan.peaks["sampling"] for plan in plans]
    assert sampling == sorted(sampling, reverse=True)
    plan, tried = plans[0], []
    while (following := smaller(plan, NEED, 30 * GB)) is not None:
        plan = following
        tried.append(plan.mode)
        assert plan.rows == 1
        assert plan.tiled
    assert tried == [*MODES, MODES[-1]]
    assert plan.captions_on_host  # the last resort


def test_captions_go_to_the_host_where_they_do_not_fit() -> None:
    assert plan_memory(NEED, 10 * GB).captions_on_host
    assert "captions on the CPU" in plan_memory(NEED, 10 * GB).describe()


def test_needs_grow_with_the_clip_and_weights_are_counted_exactly(preset) -> None:
    short, long = (needs(preset, (64, 64), frames, torch.bfloat16) for frames in (29, 125))
    assert short.row < long.row
    assert short.decode < long.decode
    assert short.joint == long.joint
    assert needs(preset, (64, 64), 29, torch.float32).joint == 2 * short.joint
    assert long.decode_tiled <= needs(preset, (128, 128), 125, torch.bfloat16).decode_tiled


def test_caption_encoders_are_counted_as_transformers_builds_them() -> None:
    preset = load_preset("5b")
    with torch.device("meta"):
        umt5, clip = (kind(config) for _, kind, config, _ in configs(preset.model))
    assert sum(p.numel() for p in umt5.parameters()) == memory_plan.UMT5_PARAMETERS[4096]
    assert sum(p.numel() for p in clip.parameters()) == memory_plan.CLIP_PARAMETERS[1024]


def test_a_cap_on_the_process_counts_as_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (70 * GB, 80 * GB)), ("get_per_process_memory_fraction", 0.2),
                        ("memory_reserved", 0), ("memory_allocated", GB)):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    assert memory_plan.free_bytes(torch.device("cuda")) == 15 * GB


def test_a_forward_at_full_size_is_counted_as_published() -> None:
    """Wan2.2-5B alone is 0.52 PFLOP at 27,280 tokens (public weights); the joint model adds a little."""
    preset = load_preset("5b")
    flops = forward_flops(preset, (1280, 704), 121)
    assert 0.52e15 < flops < 0.60e15


def test_a_dry_run_of_a_preset_tells_of_the_public_weights(monkeypatch) -> None:
    """Before anything is downloaded: what `train init` would fetch, and under which licences."""
    from unison_core.weights import from_public

    sizes = {"k2-fsa/ZipVoice": {"zipvoice/model.pt": 491_000_000}}
    monkeypatch.setattr(from_public, "missing_downloads", lambda name, revision, patterns: sizes.get(name, {}))
    command = ["generate", "--model", "5b", "--device", "cpu", "--precision", "bf16", "-c", "A bell", "-d", "5"]
    told = CliRunner().invoke(app, [*command, "--dry-run"])
    assert told.exit_code == 0, told.output
    for part in ("unison train init --preset 5b", "6,599.4M  together", "28,160 tokens", "0.49 GB  k2-fsa/ZipVoice",
                 "audio: CC-BY-NC-4.0 (hkchengrex/MMAudio)"):  # fmt: skip
        assert part in told.stdout
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 2
    assert "it is a preset, sizes without weights" in " ".join(made.stderr.split())


def test_a_dry_run_tells_everything_and_loads_nothing(small_5b: Path, tmp_path: Path, monkeypatch) -> None:
    def loaded(*_: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr("unison_core.pipelines.loading.load", loaded)
    command = ["generate", "--model", str(small_5b), "--device", "cpu", "-c", "A bell", "-d", "1.2", "--size", "64x64",
               "--dry-run", "--out", str(tmp_path / "none")]  # fmt: skip
    text = CliRunner().invoke(app, command)
    assert text.exit_code == 0, text.output
    for part in ("video branch (Wan)", "memory: full", "TFLOP", "downloads  none", "licence    audio: cc-by-nc-4.0"):
        assert part in text.stdout
    data = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert data["clip"]["frames"] == 30
    assert data["forwards"] == 4
    assert data["forward_flops"] > 0
    assert data["licences"]["video"] == "apache-2.0"
    assert not (tmp_path / "none").exists()
    wrong = CliRunner().invoke(app, [*command, "--size", "65x64"])
    assert wrong.exit_code == 2
