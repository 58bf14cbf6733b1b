"""The configurations in examples/ are what they say, and say what the papers do."""

from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from unison_core.config import from_mapping, load_preset, read_yaml
from unison_core.errors import OutOfMemory
from unison_core.training.clock import Clock
from unison_core.training.flow_training import FlowTrainingConfig
from unison_core.training.stages import STAGES, run

CONFIGS = Path(__file__).parents[2] / "examples" / "configs"
FLOW = sorted(file for file in CONFIGS.glob("*.yaml") if read_yaml(file).get("stage") in ("audio", "joint"))


def stage(name: str) -> FlowTrainingConfig:
    return from_mapping(FlowTrainingConfig, read_yaml(CONFIGS / f"{name}.yaml"), name)


@pytest.mark.parametrize("file", FLOW, ids=lambda file: file.stem)
def test_every_stage_is_read(file):
    config = from_mapping(FlowTrainingConfig, read_yaml(file), file.name)
    assert config.stage in STAGES
    assert load_preset(config.preset)


def test_unison_s_first_stage():
    config = stage("unison-5b-audio")
    assert (config.batch, config.steps, config.optimizer.warmup) == (96, 300_000, 1000)
    rate = {step: config.optimizer.rate(Clock(steps=config.steps, step=step))
            for step in (499, 999, 239_999, 240_000, 270_000)}  # fmt: skip
    assert rate == pytest.approx({499: 5e-5, 999: 1e-4, 239_999: 1e-4, 240_000: 1e-5, 270_000: 1e-6})


def test_unison_s_second_stage():
    config = stage("unison-5b-joint")
    forcing = config.objective.forcing
    assert (config.batch, config.optimizer.lr, config.precision, config.freeze) == (32, 2e-5, "bf16", ("video",))
    assert (forcing.guidance_strength, forcing.schedule.max_gap) == (0.5, 0.25)
    assert forcing.schedule.ratios == (0.3, 0.4, 0.3)


def test_harmony_s_three_stages():
    stages = [stage(f"harmony-5b-{name}") for name in ("audio", "timbre", "joint")]
    assert [(config.steps, config.batch) for config in stages[::2]] == [(100_000, 1536), (10_000, 128)]
    assert stages[1].steps == 20_000
    assert all(config.optimizer.rate(Clock(steps=10**6, step=9999)) == pytest.approx(1e-5) for config in stages)
    assert all(len(set(config.data.folders.values())) == 1 and len(config.data.folders) == 2 for config in stages)
    assert [config.data.reference.same_clip for config in stages] == [True, False, False]
    forcing = [config.objective.forcing for config in stages]
    assert all((f.video_sigma.shift, f.audio_sigma.shift) == (5.0, 5.0) for f in forcing)
    assert [config.init_from for config in stages[1:]] == [f"{config.out}/model" for config in stages[:-1]]


@pytest.mark.parametrize("file", sorted((CONFIGS / "accelerate").glob("*.yaml")), ids=lambda file: file.stem)
def test_accelerate_reads_its_files(file):
    read = load_config_from_file(str(file))
    settings = yaml.safe_load(file.read_text())
    assert read.num_processes == settings["num_processes"]
    sizes = settings.get("parallelism_config", {}).values()
    if sizes:
        replicas, shards = sizes
        assert replicas * shards == settings["num_processes"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
@pytest.mark.parametrize(("name", "micro"), [("nano-joint", True), ("nano-vocoder", False)])
def test_what_takes_less_memory_is_told_in_the_stage_s_own_settings(name, micro, error, monkeypatch):
    def fails(data, where):
        raise error

    monkeypatch.setitem(STAGES, read_yaml(CONFIGS / f"{name}.yaml")["stage"], fails)
    with pytest.raises(OutOfMemory, match=r"^out of memory: set a smaller batch") as told:
        run(CONFIGS / f"{name}.yaml")
    assert ("micro_batch" in str(told.value)) == micro
