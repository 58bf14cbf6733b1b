"""Two processes on CPUs (gloo) see the losses that one sees, by DDP, FSDP2 and ZeRO-2; checkpoints are anyone's."""

import json
import shutil
from importlib.util import find_spec

import forked
import pytest
import sharded_on_cpu
import torch
import torch.distributed as dist
import yaml
from flow_runs import config, mapping, write_latents
from safetensors.torch import load_file

from unison_core.config import from_mapping
from unison_core.training.checkpoints import Checkpoints
from unison_core.training.flow_training import FlowTrainingConfig, train_flow

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch without gloo")
NEEDS_DEEPSPEED = pytest.mark.skipif(not find_spec("deepspeed"), reason="no DeepSpeed")
KINDS = ["ddp", "fsdp2", pytest.param("zero2", marks=NEEDS_DEEPSPEED)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tiny_preset):
    """A run by one process, four clips a step in two micro-batches, with a checkpoint after step 2 of 4."""
    root = tmp_path_factory.mktemp("alone")
    write_latents(root / "latents", tiny_preset)
    train_flow(config(root, tiny_preset, steps=4, keep=5))
    return root


def launch(kind, file, *overrides, processes=2):
    done = forked.launch(sharded_on_cpu.main, kind, str(file), *overrides, folder=file.parent, processes=processes)
    assert all(process.returncode == 0 for process in done), [process.stderr[-3000:] for process in done]


def figures(run):
    """Losses, norms and gates, step by step."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k.startswith(("loss", "grad", "gate"))} for line in lines]


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_as_one_does_and_their_checkpoints_are_anyones(kind, alone, tmp_path, tiny_preset):
    settings = mapping(alone, tiny_preset, steps=4, out=str(tmp_path / "run"), keep=5)
    file = tmp_path / "stage.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    launch(kind, file)
    same(figures(tmp_path / "run"), figures(alone / "run"))
    ours, theirs = (load_file(root / "run" / "model" / "model.safetensors") for root in (tmp_path, alone))
    for name, tensor in theirs.items():
        assert torch.allclose(ours[name], tensor, atol=1e-5), name

    # Two processes go on from one's checkpoint, and one from theirs.
    for root, other in ((tmp_path / "theirs", alone), (tmp_path / "ours", tmp_path)):
        (root / "run" / "checkpoints").mkdir(parents=True)
        shutil.copytree(other / "run/checkpoints/step-00000002", root / "run/checkpoints/step-00000002")
        shutil.copy(other / "run" / "log.jsonl", root / "run")
    launch(kind, file, f"out={tmp_path / 'theirs' / 'run'}")
    train_flow(config(alone, tiny_preset, steps=4, keep=5, out=str(tmp_path / "ours" / "run")))
    for name in ("theirs", "ours"):
        same(figures(tmp_path / name / "run"), figures(alone / "run"))
        found, expected = (
            Checkpoints(root / "run" / "checkpoints").latest().state()["training"]["moments"]
            for root in (tmp_path / name, alone)
        )
        for parameter, moments in expected.items():
            for key, value in moments.items():
                assert torch.allclose(found[parameter][key].reshape(value.shape), value, atol=1e-5), (parameter, key)


@pytest.mark.parametrize(("kind", "processes"), [("fsdp2", 4), pytest.param("zero2", 2, marks=NEEDS_DEEPSPEED)])
def test_in_bf16_shards_compute_what_one_process_does(kind, processes, alone, tmp_path, tiny_preset):
    """FSDP2 in hybrid shards, 2 copies of 2: weights, gradients in bf16, the losses in float32."""
    latents = {"shards": str(alone / "latents")}
    settings = mapping(tmp_path, tiny_preset, data=latents, micro_batch=1, steps=2, precision="bf16")
    file = tmp_path / "stage.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    launch(kind, file, f"out={tmp_path / 'many'}", processes=processes)
    launch("one", file, processes=1)
    for ours, theirs in zip(figures(tmp_path / "many"), figures(tmp_path / "run"), strict=True):
        assert ours == pytest.approx(theirs, rel=3e-3)


def test_bf16_weights_average_their_masters_gradients(alone, tmp_path, tiny_preset):
    """Two processes without a wrapper compute what one does."""
    latents = {"shards": str(alone / "latents")}
    settings = mapping(tmp_path, tiny_preset, data=latents, micro_batch=1, steps=2, precision="bf16_weights")
    file = tmp_path / "stage.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    launch("ddp", file, f"out={tmp_path / 'many'}")
    train_flow(from_mapping(FlowTrainingConfig, settings, "test"))
    same(figures(tmp_path / "many"), figures(tmp_path / "run"))
    ours, theirs = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("many", "run"))
    assert all(torch.allclose(ours[name].float(), theirs[name].float(), atol=1e-5) for name in theirs)


def test_processes_share_samples_and_the_held_out_loss(alone, tmp_path, tiny_preset, tiny_folder):
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"id": f"p{i}", "caption": "A bell", "duration": 1.0, "seed": i} for i in range(3)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    latents = str(alone / "latents")
    settings = mapping(
        tmp_path, tiny_preset, data={"shards": latents}, steps=2, codecs=str(tiny_folder),
        samples={"prompts": str(prompts), "every": 2, "metrics": ["loudness"]},
        held_out={"shards": latents, "every": 2, "batches": 3},
    )  # fmt: skip
    file = tmp_path / "stage.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    launch("fsdp2", file)
    clips = tmp_path / "run" / "samples" / "step-00000002" / "clips"
    assert all((clips / f"p{i}" / "video.mp4").is_file() for i in range(3))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("held_out_loss" in row for row in log)
    assert any(any(name.startswith("eval_") for name in row) for row in log)
