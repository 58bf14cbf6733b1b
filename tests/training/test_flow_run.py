"""A stage's run: it goes on exactly after kill -9, skips bad steps, measures held-out clips, makes samples."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import forked
import pytest
import torch
import yaml
from flow_runs import config, mapping, write_latents
from safetensors.torch import load_file

from unison_core.errors import UnisonError
from unison_core.training.checkpoints import Checkpoints
from unison_core.training.flow_run import FlowRun
from unison_core.training.flow_training import build_model, train_flow
from unison_core.weights.tensors import read_tensors

TIMES = ("elapsed_s", "left_s", "clips_per_s", "data_wait", "memory_gb")


def rows(run):
    """The log without what depends on the clock."""
    lines = (run / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_preset):
    """A folder with latents and an uninterrupted run."""
    root = tmp_path_factory.mktemp("whole")
    write_latents(root / "latents", tiny_preset)
    train_flow(config(root, tiny_preset))
    return root


def test_a_run_logs_every_figure(whole):
    last = rows(whole / "run")[-1]
    assert last["step"] == 10
    assert {"loss", "loss_video", "loss_speech", "loss_sfx", "loss_task_t2av", "grad_norm", "gate_sfx"} <= last.keys()
    assert any(name.startswith("loss_video_sigma_") for name in last)
    assert last["loss"] > 0
    full = json.loads((whole / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert all(full[name] >= 0 for name in TIMES)


def test_a_resumed_run_is_the_same_to_the_bit(whole, tmp_path, tiny_preset):
    """Stopped after step 5, with a checkpoint of step 4 and rows that will be written again."""
    settings = config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")})
    run = FlowRun(settings, tiny_preset)
    run._save_due = lambda: run.clock.step == 4
    step = run._step

    def stop():
        if run.clock.step == 5:
            raise KeyboardInterrupt
        step()

    run._step = stop
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert [row["step"] for row in rows(tmp_path / "run")] == [1, 2, 3, 4, 5]
    train_flow(settings)
    assert rows(tmp_path / "run") == rows(whole / "run")
    ours, theirs = (load_file(root / "run" / "model" / "model.safetensors") for root in (tmp_path, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    state = [Checkpoints(root / "run" / "checkpoints").latest().state() for root in (tmp_path, whole)]
    for kind in ("weights", "moments"):
        assert str(state[0]["training"][kind]) == str(state[1]["training"][kind])


def test_kill_9_at_any_moment_costs_nothing(whole, tmp_path, tiny_preset):
    file = tmp_path / "stage.yaml"
    settings = mapping(tmp_path, tiny_preset, data={"shards": str(whole / "latents")})
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    command = [sys.executable, "-m", "unison_cli.app", "train", str(file), "--quiet"]
    log = tmp_path / "run" / "log.jsonl"
    for wanted in (3, 7):
        process = forked.start(forked.unison, "train", file, "--quiet", said=tmp_path / "killed")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.is_alive():
            if log.is_file() and len(log.read_text().splitlines()) >= wanted:
                break
            time.sleep(0.005)
        process.kill()
        process.join()
        assert len(log.read_text().splitlines()) >= wanted, (tmp_path / "killed.stderr").read_text()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "run" / "model")
    assert rows(tmp_path / "run") == rows(whole / "run")


def test_a_stream_read_ahead_is_the_pool_in_another_place(whole, tmp_path, tiny_preset):
    train_flow(config(tmp_path, tiny_preset, data={"shards": str(whole / "latents"), "source": "stream", "ahead": 3}))
    assert rows(tmp_path / "run") == rows(whole / "run")


def test_bad_steps_are_skipped_counted_and_end_a_hopeless_run(whole, tmp_path, tiny_preset):
    settings = config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")}, steps=6)
    run = FlowRun(settings, tiny_preset)
    norm, before = run._norm, {}

    def bad():
        if run.clock.step == 2:
            before.update({name: p.detach().clone() for name, p in run.model.named_parameters()})
        if run.clock.step == 3:
            assert all(torch.equal(p, before[name]) for name, p in run.model.named_parameters())
        return float("nan") if run.clock.step == 2 else norm()

    run._norm = bad
    run.run()
    found = rows(tmp_path / "run")
    assert [row["skipped"] for row in found] == [0, 0, 1, 1, 1, 1]
    assert "loss" not in found[2]
    hopeless = FlowRun(replace(settings, out=str(tmp_path / "other")), tiny_preset)
    hopeless._norm = lambda: float("inf")
    hopeless.guard.config = replace(hopeless.guard.config, patience=3)
    with pytest.raises(UnisonError, match="stopped at step 3: 3 steps in a row were skipped"):
        hopeless.run()


def test_the_held_out_loss_decides_what_is_best(whole, tmp_path, tiny_preset):
    write_latents(tmp_path / "held-out", tiny_preset, 4, seed=9)
    held_out = {"shards": str(tmp_path / "held-out"), "every": 2, "batches": 2}
    train_flow(config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")}, held_out=held_out, keep=1))
    measured = {row["step"]: row["held_out_loss"] for row in rows(tmp_path / "run") if "held_out_loss" in row}
    assert list(measured) == [2, 4, 6, 8, 10]
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    best = min(measured, key=measured.get)
    assert [folder.name for folder in checkpoints.folders()] == sorted({f"step-{best:08d}", "step-00000010"})
    plain = [row for row in rows(tmp_path / "run") if "held_out_loss" not in row]
    assert plain == rows(whole / "run")  # measuring changes nothing


def test_another_configuration_is_refused(whole, tmp_path, tiny_preset):
    settings = config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")}, steps=2)
    train_flow(settings)
    with pytest.raises(UnisonError, match=r"cannot resume from .*step-00000002: only the checkpoint has audio"):
        train_flow(replace(settings, freeze=("audio",), steps=4))


def test_recomputing_the_blocks_changes_no_gradient(whole, tmp_path, tiny_preset):
    train_flow(config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")}, checkpoint_activations=True))
    norms = [[row["grad_norm"] for row in rows(root / "run")] for root in (tmp_path, whole)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_tensorboard_gets_the_rows(whole, tmp_path, tiny_preset):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train_flow(config(tmp_path, tiny_preset, data={"shards": str(whole / "latents")}, tensorboard=True, steps=2))
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss/speech")] == [1, 2]


def test_samples_are_clips_with_scores(whole, tmp_path, tiny_preset, tiny_folder):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"id": "bell", "caption": "A bell", "duration": 1.0, "seed": 1}) + "\n")
    samples = {"prompts": str(prompts), "every": 2, "metrics": ["loudness"]}
    data = {"shards": str(whole / "latents")}
    train_flow(config(tmp_path, tiny_preset, data=data, steps=2, samples=samples, codecs=str(tiny_folder)))
    folder = tmp_path / "run" / "samples" / "step-00000002"
    assert (folder / "clips" / "bell" / "video.mp4").is_file()
    assert (folder / "index.html").is_file()
    scored = [row for row in rows(tmp_path / "run") if any(name.startswith("eval_") for name in row)]
    assert [row["step"] for row in scored] == [2]


def test_named_modules_start_anew_in_other_shapes(tmp_path, tiny_preset, tiny_folder):
    """What an ablation of the nodes asks for: the rest goes on from trained weights."""
    changed = replace(tiny_preset, model=replace(tiny_preset.model, nodes=replace(tiny_preset.model.nodes, dim=8)))
    settings = config(tmp_path, changed, init_from=str(tiny_folder), init_without=["nodes"])
    torch.manual_seed(0)
    scratch = build_model(replace(settings, init_from=None), changed).state_dict()
    torch.manual_seed(0)
    started, saved = build_model(settings, changed).state_dict(), read_tensors(tiny_folder)
    for key, tensor in started.items():
        assert torch.equal(tensor, scratch[key] if key.startswith("nodes.") else saved[key].float()), key
    with pytest.raises(UnisonError, match=r"nodes\..* has shape"):
        build_model(replace(settings, init_without=()), changed)


@pytest.mark.parametrize("name", ["node", "encode", "reference"])
def test_a_module_that_cannot_start_anew_is_named(tmp_path, tiny_preset, tiny_folder, name):
    preset = replace(tiny_preset, model=replace(tiny_preset.model, reference=None))
    settings = config(tmp_path, preset, init_from=str(tiny_folder), init_without=["nodes", name])
    with pytest.raises(UnisonError, match=f"^init_without names '{name}', which the model does not have$"):
        build_model(settings, preset)
