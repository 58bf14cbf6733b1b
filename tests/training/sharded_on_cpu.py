"""One process of several: a stage by a kind of examples/configs/accelerate, on CPUs with gloo.

Accelerate shards on accelerators alone. Here its processes are started on the CPU first and then told to shard as the
configuration file says; everything from `Accelerator.prepare` on is what runs on GPUs.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from accelerate import Accelerator, DeepSpeedPlugin, FullyShardedDataParallelPlugin, PartialState
from accelerate.parallelism_config import ParallelismConfig
from accelerate.utils import DistributedType

from unison_core.training import flow_run
from unison_core.training.stages import run

CONFIGS = Path(__file__).parents[2] / "examples" / "configs" / "accelerate"


def shard(accelerator: Accelerator, settings: dict[str, Any]) -> None:
    """What `accelerate launch --config_file` and Accelerate's state do on GPUs, for this file's kind."""
    state = accelerator.state
    kind = settings["distributed_type"]
    if kind == "FSDP":
        fsdp = settings["fsdp_config"]
        os.environ["FSDP_VERSION"] = "2"
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=fsdp["fsdp_version"],
            auto_wrap_policy=fsdp["fsdp_auto_wrap_policy"].lower(),
            transformer_cls_names_to_wrap=fsdp["fsdp_transformer_layer_cls_to_wrap"].split(","),
            reshard_after_forward=fsdp["fsdp_reshard_after_forward"],
            activation_checkpointing=fsdp["fsdp_activation_checkpointing"],
            cpu_ram_efficient_loading=fsdp["fsdp_cpu_ram_efficient_loading"],
        )
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        replicas, shards = (2, accelerator.num_processes // 2) if accelerator.num_processes > 2 else (1, 2)
        parallelism = ParallelismConfig(dp_replicate_size=replicas, dp_shard_size=shards)
        state._shared_state["parallelism_config"] = parallelism
        state._shared_state["device_mesh"] = parallelism.build_device_mesh("cpu")
        state._shared_state["fsdp_plugin"] = plugin
        _become(accelerator, DistributedType.FSDP)
    elif kind == "DEEPSPEED":
        plugin = DeepSpeedPlugin(zero_stage=settings["deepspeed_config"]["zero_stage"])
        plugin.set_mixed_precision(accelerator.mixed_precision)
        accelerator.deepspeed_engine_wrapped = None
        state._shared_state["deepspeed_plugins"] = plugin
        plugin.select(_from_accelerator_state=True)
        _become(accelerator, DistributedType.DEEPSPEED)


def _become(accelerator: Accelerator, kind: DistributedType) -> None:
    accelerator.state._shared_state["distributed_type"] = kind
    PartialState._shared_state["distributed_type"] = kind


def main(kind: str, config: str, *overrides: str) -> None:
    """Train by the stage file `config`, sharded as `kind`.yaml says."""
    os.environ["ACCELERATE_USE_CPU"], os.environ["CUDA_VISIBLE_DEVICES"] = "true", ""
    settings = yaml.safe_load((CONFIGS / f"{kind}.yaml").read_text())
    make = flow_run.make_processes

    def sharding(precision: str) -> Accelerator:
        accelerator = make(precision)
        shard(accelerator, settings)
        return accelerator

    flow_run.make_processes = sharding
    run(Path(config), overrides)
