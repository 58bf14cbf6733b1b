"""The training state as whole tensors by parameter name, whatever the processes hold of it.

What one process, DDP, FSDP2 or DeepSpeed ZeRO-2 wrote, any of them reads: shards are gathered when a checkpoint is
written and dealt out when it is read. Every process calls these functions.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from unison_core.errors import UnisonError

SCALARS = "scalars_with_one_dimension"
"""Attribute of a model that `flatten_scalars` changed: names of parameters."""
Moments = Mapping[str, Any]
"""An optimizer's state of one parameter: tensors of its shape, and counters."""


class OptimizerShards(Protocol):
    """How an optimizer keeps what belongs to a parameter."""

    def master(self, name: str, parameter: nn.Parameter) -> Tensor:
        """The parameter itself, in the precision that the optimizer updates."""

    def put_master(self, name: str, parameter: nn.Parameter, value: Tensor) -> None:
        """Put that back."""

    def moments(self) -> dict[str, Moments]:
        """State by parameter name; empty before the first step."""

    def put_moments(self, state: Mapping[str, Moments]) -> None:
        """Put that back."""


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be sharded, in the main process on the CPU then; the others help and get nothing."""
    if not isinstance(tensor, DTensor):
        return tensor
    full = tensor.full_tensor()
    return full.cpu() if dist.get_rank() == 0 else full.new_empty(0)


def flatten_scalars(model: nn.Module) -> None:
    """Give parameters without a dimension one, since neither FSDP2 nor DeepSpeed takes them.

    Checkpoints and exports keep them as they were.
    """
    names = []
    for prefix, module in model.named_modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.dim() == 0:
                module._parameters[name] = nn.Parameter(parameter.detach().reshape(1), parameter.requires_grad)
                names.append(f"{prefix}.{name}" if prefix else name)
    setattr(model, SCALARS, frozenset(names))


def as_built(model: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """A whole tensor of parameter `name` in the shape that the model was built with."""
    return tensor.reshape(()) if name in getattr(model, SCALARS, ()) and tensor.numel() == 1 else tensor


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that training changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def sharded_like(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor, on the device of `target` and sharded as that is."""
    value = value.to(target.device).reshape(target.shape)  # a scalar may have got a dimension
    if not isinstance(target, DTensor):
        return value
    return distribute_tensor(value, target.device_mesh, target.placements, src_data_rank=None)


class TrainingState:
    """A model and its optimizer as a checkpoint holds them.

    Args:
        model: as it was built, after `Accelerator.prepare` sharded it in place.
        shards: the optimizer's side; `optimizer_shards` finds it.
    """

    def __init__(self, model: nn.Module, shards: OptimizerShards) -> None:
        self.model, self.shards = model, shards
        self._frozen: str | None = None

    @property
    def frozen(self) -> str:
        """Fingerprint of what training does not change; computed once."""
        if self._frozen is None:
            self._frozen = frozen_fingerprint(self.model)
        return self._frozen

    def state_dict(self) -> dict[str, Any]:
        """Whole trained parameters, buffers and optimizer state, and a fingerprint of what is frozen."""
        weights = {name: whole(self.shards.master(name, p)) for name, p in trained(self.model).items()}
        weights |= {name: whole(buffer) for name, buffer in self._buffers().items()}
        weights = {name: as_built(self.model, name, tensor) for name, tensor in weights.items()}
        return {"weights": weights, "moments": self.shards.moments(), "frozen": self.frozen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put it back; raises UnisonError where names, shapes or frozen weights are others."""
        weights, own = state["weights"], {**trained(self.model), **self._buffers()}
        different = sorted(own.keys() ^ weights.keys())
        if different:
            where = "this configuration" if different[0] in own else "the checkpoint"
            raise UnisonError(f"only {where} has {different[0]}")
        for name, tensor in own.items():
            there, here = weights[name].shape, tensor.shape
            if there != here and not there.numel() == here.numel() == 1:
                raise UnisonError(f"{name} is {tuple(there)} there and {tuple(here)} here")
        if state["frozen"] != self.frozen:
            raise UnisonError("frozen weights are not those that the run began with: init_from changed")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(sharded_like(weights[name], tensor))
                if isinstance(tensor, nn.Parameter):
                    self.shards.put_master(name, tensor, weights[name])
        self.shards.put_moments(state["moments"])

    def _buffers(self) -> dict[str, Tensor]:
        saved = self.model.state_dict(keep_vars=True)
        return {name: buffer for name, buffer in self.model.named_buffers() if name in saved}


class TorchShards:
    """A torch optimizer, whose state is as whole or as sharded as its parameters.

    Args:
        parameters: what it updates, by name: the model's, or their float32 masters. optimizer: updates them.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        self._optimizer, self._parameters = optimizer, parameters
        self._names = {parameter: name for name, parameter in parameters.items()}

    def master(self, name: str, parameter: nn.Parameter) -> Tensor:
        return self._parameters[name].detach()

    def put_master(self, name: str, parameter: nn.Parameter, value: Tensor) -> None:
        """Nothing more than the parameter, where that is the master."""
        if self._parameters[name] is not parameter:
            self._parameters[name].copy_(value)

    def moments(self) -> dict[str, Moments]:
        return {name: {k: whole(v) if isinstance(v, Tensor) else v for k, v in self._optimizer.state[p].items()}
                for p, name in self._names.items() if p in self._optimizer.state}  # fmt: skip

    def put_moments(self, state: Mapping[str, Moments]) -> None:
        packed, number = {}, 0
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                values = state.get(self._names[parameter])
                if values is not None:
                    packed[number] = {k: _placed(k, v, parameter) for k, v in values.items()}
                number += 1
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": packed, "param_groups": groups})


def optimizer_shards(
    model: nn.Module, optimizer: Any, masters: Mapping[str, nn.Parameter] | None = None
) -> OptimizerShards:
    """How the optimizer that `Accelerator.prepare` returned keeps its state; `masters` are what it updates, if any."""
    while hasattr(optimizer, "optimizer") and not hasattr(optimizer, "bit16_groups"):
        optimizer = optimizer.optimizer
    if hasattr(optimizer, "bit16_groups"):
        from unison_core.training.zero_state import ZeroShards

        return ZeroShards(model, optimizer)
    return TorchShards(masters or trained(model), optimizer)


def frozen_fingerprint(model: nn.Module) -> str:
    """A hash of samples of the parameters that training does not change, which a checkpoint leaves out."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            full = parameter.detach()
            flat = (full.full_tensor() if isinstance(full, DTensor) else full).flatten()
            sample = flat[:: max(1, flat.numel() // 64)].to("cpu", torch.bfloat16)  # the same in every precision
            digest.update(name.encode() + sample.float().numpy().tobytes())
    return digest.hexdigest()


def _placed(name: str, value: Any, parameter: Tensor) -> Any:
    """A state tensor of the parameter's size is sharded as the parameter is; a counter is copied."""
    if not isinstance(value, Tensor):
        return value
    return value.clone() if name == "step" or value.numel() != parameter.numel() else sharded_like(value, parameter)
