"""Accelerate's processes for a stage: precision, time-outs, and what each kind of sharding must be told."""

from dataclasses import replace
from datetime import timedelta

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from torch import nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

from unison_core.training.batching import BatchPlan
from unison_core.training.master_weights import BF16_WEIGHTS

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16", BF16_WEIGHTS: "no"}
"""Accelerate's names of mixed precision."""
OUTSIDE_FORWARD = ("text_keys_values",)
"""Methods of blocks that a clip's conditions are computed by."""
TIMEOUT = timedelta(hours=1)
"""Processes wait this long for each other: the main one writes checkpoints and scores samples meanwhile."""


def make_processes(precision: str) -> Accelerator:
    """The processes that `accelerate launch` started, or this one alone.

    The configuration's precision replaces the launcher's. Under DDP gradients are views of what is exchanged: a second
    copy of them would take 4 bytes for every trained parameter.
    """
    return Accelerator(
        mixed_precision=PRECISIONS[precision], step_scheduler_with_optimizer=False,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=TIMEOUT),
                         DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )  # fmt: skip


def describe_step(accelerator: Accelerator, plan: BatchPlan, max_norm: float) -> None:
    """Tell the accelerator how a step is made up, before anything is prepared.

    DeepSpeed counts micro-batches and clips gradients itself; nothing but the data would tell it how many there are.
    FSDP2 gathers weights and reduces gradients in the mixed precision, but losses, positions and modulations stay in
    float32: autocast alone says what is computed in less.
    """
    accelerator.gradient_accumulation_steps = plan.rounds
    fsdp = getattr(accelerator.state, "fsdp_plugin", None)
    if fsdp is not None and fsdp.mixed_precision_policy is not None:
        fsdp.mixed_precision_policy = replace(
            fsdp.mixed_precision_policy, output_dtype=None, cast_forward_inputs=False
        )  # fmt: skip
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        settings = accelerator.state.deepspeed_plugin.deepspeed_config
        settings["train_micro_batch_size_per_gpu"] = plan.micro
        settings["gradient_accumulation_steps"] = plan.rounds
        settings["gradient_clipping"] = max_norm


def takes_over_checkpointing(accelerator: Accelerator) -> bool:
    """Whether Accelerate was asked for activation checkpointing; it is switched off there.

    Accelerate's wrapper renames parameters; the model's own (`checkpoint_blocks`) does the same work under their names.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is None or not plugin.activation_checkpointing:
        return False
    plugin.activation_checkpointing = False
    return True


def gather_for_methods(model: nn.Module, methods: tuple[str, ...] = OUTSIDE_FORWARD) -> None:
    """Let FSDP2 gather a block's weights for these methods too, which are called outside of its `forward`."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            for method in methods:
                if hasattr(module, method):
                    register_fsdp_forward_method(module, method)
