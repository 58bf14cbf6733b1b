"""Weights come back as they were written, and a file that is not whole is named."""

import json

import pytest
import torch
from torch import nn

from unison_core.errors import UnisonError
from unison_core.weights import tensors as shards
from unison_core.weights.state import load_model_state
from unison_core.weights.tensors import check_keys, read_tensors, shapes, write_tensors


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))


@pytest.fixture
def sharded(tmp_path, module, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 200)
    write_tensors(tmp_path, module.state_dict())
    return tmp_path


def test_round_trip_in_shards(sharded, module):
    files = sorted(file.name for file in sharded.glob("*.safetensors"))
    assert len(files) > 1
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    assert sorted(set(index["weight_map"].values())) == files
    read = read_tensors(sharded)
    for key, tensor in module.state_dict().items():
        assert torch.equal(read[key], tensor)
    assert not list(sharded.glob(".*"))


def test_rewriting_leaves_no_old_shard(sharded, module, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 10**6)
    write_tensors(sharded, module.state_dict())
    assert [file.name for file in sharded.iterdir()] == ["model.safetensors"]


def test_shards_stay_under_the_limit(tmp_path):
    write_tensors(tmp_path, {f"x{i}": torch.zeros(1_000_000) for i in range(10)})
    sizes = [file.stat().st_size for file in tmp_path.glob("*.safetensors")]
    assert len(sizes) == 4
    assert max(sizes) < 16_000_000


def test_a_truncated_shard_is_named(sharded):
    victim = sorted(sharded.glob("*.safetensors"))[1]
    victim.write_bytes(victim.read_bytes()[:-20])
    with pytest.raises(UnisonError, match=f"{victim.name} is damaged or cut short"):
        shapes(sharded)


def test_a_missing_shard_is_named(sharded):
    victim = sorted(sharded.glob("*.safetensors"))[1]
    victim.unlink()
    with pytest.raises(UnisonError, match=f"{victim.name} is missing"):
        read_tensors(sharded)


def test_a_broken_index_is_named(sharded):
    (sharded / "model.safetensors.index.json").write_text('{"weight_map"')
    with pytest.raises(UnisonError, match=r"index.json cannot be read"):
        shapes(sharded)


def test_an_index_cannot_lead_out_of_the_folder(sharded):
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../../etc/passwd"}}))
    with pytest.raises(UnisonError, match="missing"):
        read_tensors(sharded)


def test_names_and_shapes_must_fit(tmp_path, module):
    found = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    check_keys(module, found, tmp_path)
    with pytest.raises(UnisonError, match=r"lacks 1 tensors .* 0.bias"):
        check_keys(module, {k: v for k, v in found.items() if k != "0.bias"}, tmp_path)
    with pytest.raises(UnisonError, match=r"holds 1 tensors .* extra"):
        check_keys(module, {**found, "extra": (1,)}, tmp_path)
    with pytest.raises(UnisonError, match=r"1.bias has shape \(5,\)"):
        check_keys(module, {**found, "1.bias": (5,)}, tmp_path)


def test_partial_loading_keeps_what_is_new(tmp_path, module):
    write_tensors(tmp_path, {key: tensor for key, tensor in module.state_dict().items() if key.startswith("0.")})
    other = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    before = other[1].weight.clone()
    assert load_model_state(other, tmp_path, partial=True) == ["1.bias", "1.weight"]
    assert torch.equal(other[0].weight, module[0].weight)
    assert torch.equal(other[1].weight, before)
    with pytest.raises(UnisonError, match="lacks"):
        load_model_state(other, tmp_path)
    with pytest.raises(UnisonError, match="none of the tensors"):
        load_model_state(nn.Conv1d(2, 2, 1), tmp_path, partial=True)


def test_modules_that_are_passed_over_keep_their_own_weights_and_shapes(tmp_path, module):
    write_tensors(tmp_path, module.state_dict())
    other = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 3), nn.Linear(3, 2)))
    before = {key: tensor.clone() for key, tensor in other[1].state_dict().items()}
    for partial in (True, False):
        passed_over = load_model_state(other, tmp_path, partial=partial, without=("1",))
        assert passed_over == ["1.0.bias", "1.0.weight", "1.1.bias", "1.1.weight"]
    assert torch.equal(other[0].weight, module[0].weight)
    assert all(torch.equal(tensor, before[key]) for key, tensor in other[1].state_dict().items())
    wider = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 5))
    load_model_state(wider, tmp_path, without=("1",))
    with pytest.raises(UnisonError, match=r"1\.\w+ has shape"):
        load_model_state(wider, tmp_path, partial=True)


def test_only_what_is_passed_over_may_be_missing(tmp_path, module):
    weights = module.state_dict()
    write_tensors(tmp_path, {key: tensor for key, tensor in weights.items() if key.startswith("0.")})
    assert load_model_state(module, tmp_path, without=("1",)) == ["1.bias", "1.weight"]
    write_tensors(tmp_path, {"0.weight": weights["0.weight"]})
    with pytest.raises(UnisonError, match=r"lacks 1 tensors .* 0\.bias"):
        load_model_state(module, tmp_path, without=("1",))
