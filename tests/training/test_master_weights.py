"""bf16 weights with float32 masters: what the masters hold, that runs resume exactly, and that nothing is upcast."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from accelerate.utils import DistributedType
from flow_runs import check_exact_resume, config, losses, write_latents
from safetensors.torch import load_file
from torch import nn
from torch.utils._pytree import tree_leaves

from unison_core.errors import UsageError
from unison_core.model.unison import Unison
from unison_core.pipelines.workload import blank_latents, blank_text
from unison_core.training import flow_run
from unison_core.training.checkpoints import Checkpoints
from unison_core.training.ema import EMA
from unison_core.training.flow_run import FlowRun
from unison_core.training.flow_training import train_flow
from unison_core.training.master_weights import MasterWeights
from unison_core.training.objective import LatentBatch, ObjectiveConfig, draw_noise, flow_losses


@pytest.fixture
def latents(tmp_path, tiny_preset):
    return write_latents(tmp_path / "latents", tiny_preset)


def test_small_updates_stay_in_the_masters():
    layer = nn.Linear(4, 1, bias=False)
    before = layer.weight.detach().clone()
    masters = MasterWeights(layer)
    assert layer.weight.dtype == torch.bfloat16
    assert torch.equal(masters.parameters["weight"], before)  # not what was rounded
    optimizer = torch.optim.SGD(masters.parameters.values(), lr=1e-4)
    ema = EMA(layer, 0.5, masters.parameters)
    for step in range(20):
        layer(torch.ones(1, 4, dtype=torch.bfloat16)).sum().backward()
        masters.collect()
        assert layer.weight.grad is None
        optimizer.step()
        optimizer.zero_grad()
        masters.publish()
        ema.update(step)
    after = masters.parameters["weight"]
    torch.testing.assert_close(after, before - 20e-4)
    assert torch.equal(layer.weight, after.bfloat16())
    average = ema.state_dict_of(layer)["weight"]
    assert average.dtype == torch.float32
    assert (after < average).all()
    assert (average < before).all()
    with ema.applied():
        assert torch.equal(layer.weight, average.bfloat16())
    assert torch.equal(layer.weight, after.bfloat16())


def test_gradients_of_several_passes_add_up_in_float32():
    layer = nn.Linear(1, 1, bias=False)
    masters = MasterWeights(layer)
    for value in (256.0, 1.0):  # 257 is no bf16 number
        layer(torch.full((1, 1), value, dtype=torch.bfloat16)).sum().backward()
        masters.collect()
    assert masters.parameters["weight"].grad.item() == 257


def test_what_is_frozen_has_no_master():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    masters = MasterWeights(model)
    assert set(masters.parameters) == {"1.weight", "1.bias"}
    assert model[0].weight.dtype == torch.bfloat16


def test_a_float32_state_is_taken_exactly():
    model, other = nn.Linear(3, 3), nn.Linear(3, 3)
    masters = MasterWeights(model)
    masters.load_state_dict(other.state_dict())
    assert all(torch.equal(masters.state_dict()[name], value) for name, value in other.state_dict().items())
    assert torch.equal(model.weight, other.weight.bfloat16())


@pytest.mark.parametrize("stage", ["audio", "joint"])
def test_a_stage_trains_saves_its_masters_and_resumes_exactly(stage, latents, tmp_path, tiny_preset):
    check_exact_resume(tmp_path, tiny_preset, precision="bf16_weights", stage=stage)
    exported = load_file(tmp_path / "run" / "model" / "model.safetensors")
    state = Checkpoints(tmp_path / "run" / "checkpoints").latest().state()
    assert all(value.dtype == torch.float32 for value in state["training"]["weights"].values())
    weight = exported["audio.fused_blocks.0.attn.qkv.weight"]
    assert weight.dtype == torch.float32
    assert not torch.equal(weight, weight.bfloat16().float())


def test_it_follows_float32_training_and_starts_from_its_weights(latents, tmp_path, tiny_preset):
    train_flow(config(tmp_path, tiny_preset, steps=4, out=str(tmp_path / "float32")))
    train_flow(config(tmp_path, tiny_preset, steps=4, precision="bf16_weights"))
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "float32"), rel=2e-2)

    start = {"init_from": str(tmp_path / "float32" / "model"), "precision": "bf16_weights", "steps": 1}
    run = FlowRun(config(tmp_path, tiny_preset, **start, out=str(tmp_path / "next")), tiny_preset)
    weights = load_file(tmp_path / "float32" / "model" / "model.safetensors")
    assert all(torch.equal(master, weights[name]) for name, master in run.masters.parameters.items())


def test_a_checkpoint_goes_on_in_another_precision(latents, tmp_path, tiny_preset):
    train_flow(config(tmp_path, tiny_preset, steps=2))
    train_flow(config(tmp_path, tiny_preset, steps=4, precision="bf16_weights"))
    assert len(losses(tmp_path / "run")) == 4


def test_sharded_weights_are_refused_in_one_line(latents, tmp_path, tiny_preset, monkeypatch):
    sharded = SimpleNamespace(distributed_type=DistributedType.FSDP)
    monkeypatch.setattr(flow_run, "make_processes", lambda precision: sharded)
    with pytest.raises(UsageError, match="bf16_weights is for whole weights"):
        FlowRun(config(tmp_path, tiny_preset, precision="bf16_weights"), tiny_preset)


def test_activations_stay_in_bf16(tiny_preset, monkeypatch):
    """What modules return and attention reads in training; in float32 are noise levels, velocities and losses alone."""
    preset = tiny_preset
    model = Unison(preset.model, preset.timing).train()
    MasterWeights(model)
    wide = set()
    attend = F.scaled_dot_product_attention

    def attention(*heads, **options):
        wide.update("attention" for x in heads if x.dtype == torch.float32)
        return attend(*heads, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", attention)

    def look(name):
        def hook(module, inputs, output):
            if any(isinstance(x, torch.Tensor) and x.dtype == torch.float32 for x in tree_leaves(output)):
                wide.add(name)

        return hook

    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(look(name))
    batch = LatentBatch(latents=blank_latents(preset, (32, 32), 25, 2), text=blank_text(preset, 2), frames=25)
    noised = draw_noise(batch, ObjectiveConfig(), progress=1.0, generator=torch.Generator().manual_seed(0))
    flow_losses(model, noised).total.backward()
    assert wide == set()
    assert all(p.grad is None or p.grad.dtype == torch.bfloat16 for p in model.parameters())


def test_recorded_passes_hand_their_gradients_over(latents, tmp_path, tiny_preset):
    changes = {"precision": "bf16_weights", "micro_batch": 0, "steps": 3}
    train_flow(config(tmp_path, tiny_preset, **changes))
    train_flow(config(tmp_path, tiny_preset, **changes, cuda_graphs=True, out=str(tmp_path / "graphs")))
    assert losses(tmp_path / "graphs") == losses(tmp_path / "run")


def test_an_adapter_has_float32_masters_on_a_bf16_model(latents, tmp_path, tiny_preset, tiny_folder):
    pytest.importorskip("peft")
    lora = {"rank": 2, "targets": ["to_q", "attn.qkv"]}
    settings = config(tmp_path, tiny_preset, precision="bf16_weights", init_from=str(tiny_folder), lora=lora, steps=2)
    folder = train_flow(settings)
    adapter = load_file(folder / "adapter_model.safetensors")
    assert adapter
    assert all(value.dtype == torch.float32 for value in adapter.values())
