"""Forward and backward passes as CUDA graphs: the host starts a small model's thousands of kernels as one.

The first pass over inputs of a shape runs eagerly, the second is recorded, later ones are replayed. What differs
between steps comes in through tensors, which are copied to fixed places, and through the states of `generators`.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class _Recording:
    """One shape's graph, with the fixed places of its inputs, outputs and gradients."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: Any
    gradients: list[Tensor | None]


class GraphedBackward(Generic[T, R]):
    """Computes `function` and its gradients, which are left in the parameters' `.grad`, not added to what was there.

    Args:
        function: inputs to (scalar loss, outputs). Inputs and outputs are tensors, mappings of tensors, or have a
            `map` over their tensors. It must not wait for the device or copy from the host, and must do the same for
            inputs of the same shapes.
        parameters: of which gradients are wanted.
        generators: random states on the device that `function` draws from.
        enabled: False computes every pass eagerly; so does a CPU, and a device on which recording fails.
    """

    def __init__(
        self,
        function: Callable[[T], tuple[Tensor, R]],
        parameters: Iterable[nn.Parameter],
        generators: Iterable[torch.Generator] = (),
        *,
        enabled: bool = True,
    ) -> None:
        self._function = function
        self._parameters = [p for p in parameters if p.requires_grad]
        self._generators = list(generators)
        self.enabled = enabled and self._parameters[0].device.type == "cuda"
        self._recordings: dict[tuple, _Recording] = {}
        self._met: set[tuple] = set()
        if self.enabled:
            self._stream = torch.cuda.Stream()
            self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, inputs: T) -> R:
        """Outputs, detached; the gradients of the loss are in `.grad` until the next call."""
        if not self.enabled:
            return self._eager(inputs)
        key = tuple((x.shape, x.dtype) for x in tensors_of(inputs))
        if key not in self._recordings:
            if key not in self._met:
                self._met.add(key)
                return self._on_stream(inputs)
            try:
                self._recordings[key] = self._record(inputs)
            except RuntimeError as error:
                warnings.warn(f"no CUDA graph, training goes on without: {error}", stacklevel=2)
                self.enabled = False
                return self._eager(inputs)
        return self._replay(self._recordings[key], inputs)

    def _eager(self, inputs: T) -> R:
        for parameter in self._parameters:
            parameter.grad = None
        loss, outputs = self._function(inputs)
        loss.backward()
        return map_tensors(outputs, Tensor.detach)

    def _on_stream(self, inputs: T) -> R:
        """Eagerly on the stream that recording will use, so that libraries set themselves up there."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            outputs = self._eager(inputs)
        torch.cuda.current_stream().wait_stream(self._stream)
        return outputs

    def _record(self, inputs: T) -> _Recording:
        places = map_tensors(inputs, Tensor.clone)
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        for parameter in self._parameters:
            parameter.grad = None
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local"):
            loss, outputs = self._function(places)
            loss.backward()
            outputs = map_tensors(outputs, Tensor.detach)
        return _Recording(graph, tensors_of(places), outputs, [p.grad for p in self._parameters])

    def _replay(self, recording: _Recording, inputs: T) -> R:
        torch._foreach_copy_(recording.inputs, tensors_of(inputs))
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return map_tensors(recording.outputs, Tensor.clone)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Mean of the gradients over all processes, in one exchange; nothing to do for one process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat.split([g.numel() for g in gradients])
    torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same structure with `function` applied to every tensor."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {name: map_tensors(x, function) for name, x in value.items()}
    return value.map(function)


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors of a structure, in order."""
    found: list[Tensor] = []

    def collect(x: Tensor) -> Tensor:
        found.append(x)
        return x

    map_tensors(value, collect)
    return found
