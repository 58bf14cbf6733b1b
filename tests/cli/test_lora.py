"""`--lora FILE[:scale]`: adapters change the clip, are recorded and replayed, and can be merged for good."""

from pathlib import Path

import pytest
import torch

from tests.conftest import stirred
from unison_core.config import Preset
from unison_core.model.unison import Unison
from unison_core.pipelines.record import read_record
from unison_core.training.lora import LoRAConfig, add_adapter, save_adapter
from unison_core.weights.tensors import read_tensors

pytest.importorskip("peft")
CLIP = ["-c", "A bell", "--duration", "1.0", "--seed", "3", "--json"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_preset: Preset) -> Path:
    folder = tmp_path_factory.mktemp("lora") / "adapter"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Unison(tiny_preset.model, tiny_preset.timing)
        add_adapter(model, LoRAConfig(rank=2))
        save_adapter(folder, LoRAConfig(rank=2), "tiny", stirred(model).state_dict())
    return folder


def test_adapters_are_applied_recorded_and_replayed(generate, unison, adapter: Path, tmp_path: Path) -> None:
    generate(*CLIP, "-o", tmp_path / "plain")
    result = generate(*CLIP, "--lora", f"{adapter}:0.5", "--lora", adapter, "-o", tmp_path / "adapted")
    assert result.exit_code == 0, result.output
    record = read_record(tmp_path / "adapted")
    assert [one["scale"] for one in record["model"]["loras"]] == [0.5, 1.0]
    assert record["sha256"]["latents.video"] != read_record(tmp_path / "plain")["sha256"]["latents.video"]
    again = unison("replay", tmp_path / "adapted", "-o", tmp_path / "again", "--json")
    assert again.exit_code == 0, again.output
    assert read_record(tmp_path / "again")["sha256"] == record["sha256"]


def test_an_adapter_is_merged_for_good(unison, adapter: Path, tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    done = unison("export", tiny_folder, "--lora", f"{adapter}:2", "-o", out, "--precision", "fp32")
    assert done.exit_code == 0, done.output
    merged, base = read_tensors(out), read_tensors(tiny_folder)
    assert merged.keys() == base.keys()
    changed = {name for name in base if not torch.equal(merged[name].float(), base[name].float())}
    assert changed
    attention = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "qkv.weight")
    assert all(name.endswith(attention) for name in changed)


def test_a_missing_adapter_is_wrong_usage(generate, tmp_path: Path) -> None:
    result = generate(*CLIP, "--lora", tmp_path / "none")
    assert result.exit_code == 2
    assert "holds no adapter_config.json" in result.stderr
