"""LoRA: only adapters train, they are saved as peft saves them, and what is merged computes what was trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flow_runs import config, write_latents
from safetensors.torch import load_file

from unison_core.errors import UnisonError, UsageError
from unison_core.model.unison import Unison
from unison_core.training.flow_training import train_flow
from unison_core.training.lora import LoRAConfig, add_adapter, save_adapter
from unison_core.weights.lora import Adapter, merge_adapters, parse_adapter
from unison_core.weights.save import save_model

peft = pytest.importorskip("peft")


def build(preset, seed=0):
    torch.manual_seed(seed)
    model = Unison(preset.model, preset.timing)
    with torch.no_grad():
        for parameter in model.parameters():  # what starts at zero would hide whatever stands before it
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture
def adapter(tmp_path, tiny_preset):
    """An adapter with random weights, in a folder, and the model that it sits in."""
    model = build(tiny_preset)
    add_adapter(model, LoRAConfig(rank=2, alpha=4.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    save_adapter(tmp_path / "adapter", LoRAConfig(rank=2, alpha=4.0), "base", model.state_dict())
    return tmp_path / "adapter", model


def test_only_the_adapter_trains(tiny_preset):
    model = build(tiny_preset)
    chosen = add_adapter(model, LoRAConfig(rank=2, targets=("attn.qkv",), under=("audio",)))
    assert chosen
    assert all(name.startswith("audio.") and name.endswith("attn.qkv") for name in chosen)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * len(chosen)
    assert all(".lora_" in name for name in trained)


def test_an_adapter_is_peft_s(adapter, tiny_preset):
    folder, model = adapter
    assert {file.name for file in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    loaded = peft.PeftModel.from_pretrained(build(tiny_preset), str(folder))
    theirs, ours = loaded.base_model.model.state_dict(), model.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_merged_weights_are_w_plus_scaled_b_a(adapter, tiny_preset):
    folder, model = adapter
    layer = model.video.blocks[0].attn1.to_q
    base, merged = build(tiny_preset), build(tiny_preset)
    merge_adapters(merged, [Adapter(folder, 0.5), Adapter(folder, -0.25)])
    assert merged.state_dict().keys() == base.state_dict().keys()
    delta = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * 4.0 / 2
    expected = base.video.blocks[0].attn1.to_q.weight + 0.25 * delta
    assert torch.allclose(merged.video.blocks[0].attn1.to_q.weight, expected, atol=1e-6)
    zero = build(tiny_preset)
    merge_adapters(zero, [Adapter(folder, 0.0)])
    assert all(torch.equal(a, b) for a, b in zip(zero.state_dict().values(), base.state_dict().values(), strict=True))


def test_a_foreign_adapter_is_named_and_leaves_the_model_as_it_was(adapter, tiny_preset):
    folder, _ = adapter
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"r": 3}))
    model = build(tiny_preset)
    with pytest.raises(UnisonError, match="does not fit the model"):
        merge_adapters(model, [Adapter(folder)])
    assert model.state_dict().keys() == build(tiny_preset).state_dict().keys()


def test_files_and_scales_are_parsed(adapter, tmp_path):
    folder, _ = adapter
    assert parse_adapter(str(folder)) == Adapter(folder, 1.0)
    assert parse_adapter(f"{folder / 'adapter_model.safetensors'}:0.8") == Adapter(folder, 0.8)
    assert parse_adapter(f"{folder}:-1") == Adapter(folder, -1.0)
    with pytest.raises(UsageError, match=r"holds no adapter_config\.json"):
        parse_adapter(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"targets": ("to_w",)}, "ends in 'to_w'"), ({"under": ("vidio",)}, "under names 'vidio'"),
     ({"targets": ("time_proj",)}, "takes no adapter"), ({"targets": ("audio_input_proj.0",)}, "takes no adapter")],
)  # fmt: skip
def test_layers_that_cannot_be_adapted_are_named(tiny_preset, settings, message):
    with pytest.raises(UsageError, match=message):
        add_adapter(build(tiny_preset), LoRAConfig(**settings))


def test_a_stage_trains_an_adapter_and_resumes(tmp_path, tiny_preset):
    write_latents(tmp_path / "latents", tiny_preset)
    save_model(tmp_path / "base", tiny_preset, build(tiny_preset))
    lora = {"rank": 2, "dropout": 0.1}
    settings = config(tmp_path, tiny_preset, init_from=str(tmp_path / "base"), steps=4, lora=lora)
    folder = train_flow(settings)
    assert folder == tmp_path / "run" / "adapter"
    weights = load_file(folder / "adapter_model.safetensors")
    assert any(tensor.abs().max() > 0 for name, tensor in weights.items() if "lora_B" in name)
    checkpoint = tmp_path / "run" / "checkpoints"
    size = sum(file.stat().st_size for file in (checkpoint / "step-00000004").iterdir())
    assert size < (tmp_path / "base" / "model.safetensors").stat().st_size * 2  # frozen weights are not in it

    split = replace(settings, out=str(tmp_path / "split"))
    shorter = train_flow(replace(split, steps=4, save_every=2))
    Path(checkpoint.parents[1] / "split" / "checkpoints" / "step-00000004" / "state.pt").unlink()
    train_flow(split)
    again = load_file(shorter / "adapter_model.safetensors")
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_an_adapter_of_a_part_that_starts_anew_is_refused(tmp_path, tiny_preset):
    with pytest.raises(UsageError, match="init_without would leave parts that no adapter holds"):
        config(tmp_path, tiny_preset, init_from="base", init_without=["nodes"], lora={"rank": 2})


def test_another_base_is_refused(tmp_path, tiny_preset):
    write_latents(tmp_path / "latents", tiny_preset)
    for name, seed in (("base", 0), ("other", 1)):
        save_model(tmp_path / name, tiny_preset, build(tiny_preset, seed))
    settings = config(tmp_path, tiny_preset, init_from=str(tmp_path / "base"), steps=1, lora={"rank": 2})
    train_flow(settings)
    with pytest.raises(UnisonError, match="init_from changed"):
        train_flow(replace(settings, init_from=str(tmp_path / "other"), steps=2))
