"""DeepSpeed ZeRO's flat float32 shards, seen by parameter (`full_state`)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unison_core.training.full_state import Moments, trained

MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's state per parameter."""


class ZeroShards:
    """Stages 1 and 2: parameters are whole in every process, what the optimizer keeps is dealt out.

    Args:
        model: its parameters are those that DeepSpeed trains.
        optimizer: DeepSpeed's `DeepSpeedZeroOptimizer`.
    """

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        from deepspeed import utils

        self._utils, self._optimizer, self._trained = utils, optimizer, trained(model)

    def master(self, name: str, parameter: nn.Parameter) -> Tensor:
        return self._utils.safe_get_full_fp32_param(parameter)

    def put_master(self, name: str, parameter: nn.Parameter, value: Tensor) -> None:
        value = value.to(parameter.device, torch.float32).reshape(parameter.shape)
        self._utils.safe_set_full_fp32_param(parameter, value)

    def moments(self) -> dict[str, Moments]:
        flats = [self._optimizer.optimizer.state.get(flat, {}) for flat in self._flat_parameters()]
        if not all("step" in values for values in flats):
            return {}
        self._link()
        step = torch.as_tensor(flats[0]["step"], dtype=torch.float32).cpu()
        get = self._utils.safe_get_full_optimizer_state
        return {name: {"step": step.clone(), **{k: get(p, k) for k in MOMENTS}} for name, p in self._trained.items()}

    def put_moments(self, state: Mapping[str, Moments]) -> None:
        if not state:
            return
        step = next(iter(state.values()))["step"]
        for flat in self._flat_parameters():
            empty = {key: torch.zeros_like(flat) for key in MOMENTS}
            self._optimizer.optimizer.state[flat] = {"step": step.clone(), **empty}
        self._link()
        for name, values in state.items():
            parameter = self._trained[name]
            for key in MOMENTS:
                value = values[key].to(parameter.device, torch.float32).reshape(parameter.shape)
                self._utils.safe_set_full_optimizer_state(parameter, value, key)

    def _flat_parameters(self) -> list[Tensor]:
        """This process's shard of each parameter group, which the wrapped optimizer updates."""
        return self._optimizer.single_partition_of_fp32_groups

    def _link(self) -> None:
        """Find the shards' state by parameter anew: DeepSpeed does so once, when only its first group has any."""
        self._optimizer._hp_optimizer_states_linked = False
        self._optimizer._lazy_init_hp_params_optimizer_state()
