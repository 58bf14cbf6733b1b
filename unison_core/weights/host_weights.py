"""Weights that live in host memory and visit the device: copied there, dropped there, never copied back.

Inference does not change weights, so leaving the device costs nothing; page-locked host memory lets copies run while
the device computes. diffusers' and accelerate's offloading hook a module's `forward`; here weights are also read by
other methods (`encode_text`, `head`), so residence is a block of code instead.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class HostWeights:
    """The tensors of some modules, in host memory.

    Args:
        tensors: parameters and buffers; their data are moved to the host at once.
        device: where they are lent.
    """

    def __init__(self, tensors: Iterable[Tensor], device: torch.device) -> None:
        self.device = device
        self.tensors = list({id(t): t for t in tensors}.values())
        self.host: list[Tensor] = []
        self._lent: list[Tensor] | None = None
        for tensor in self.tensors:  # one at a time, so that the host holds nothing twice
            tensor.data = _to_host(tensor.data, device)
            self.host.append(tensor.data)

    @classmethod
    def of(cls, module: nn.Module, device: torch.device, but: Sequence[nn.Module] = ()) -> "HostWeights":
        """The tensors of a module, leaving out those of the modules `but`."""
        left_out = {id(t) for other in but for t in _tensors(other)}
        return cls((t for t in _tensors(module) if id(t) not in left_out), device)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(t.nbytes for t in self.host)

    @property
    def lent(self) -> bool:
        """Whether the weights are on the device."""
        return self._lent is not None

    def fetch(self) -> None:
        """Copy to the device, on the current stream and without waiting."""
        if self._lent is None:
            with torch.inference_mode(False):  # tensors of inference mode cannot become a parameter's data
                self._lent = [t.to(self.device, non_blocking=True, copy=True) for t in self.host]

    def lend(self) -> None:
        """Let the modules read the device's copies; fetches them if need be."""
        self.fetch()
        assert self._lent is not None
        for tensor, copy in zip(self.tensors, self._lent, strict=True):
            tensor.data = copy

    def drop(self) -> None:
        """Let the modules read the host's copies and forget the device's."""
        for tensor, copy in zip(self.tensors, self.host, strict=True):
            tensor.data = copy
        self._lent = None

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """The weights are on the device inside the block."""
        self.lend()
        try:
            yield
        finally:
            self.drop()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


class BlockStream:
    """Blocks that run one after the other, whose weights are on the device for one block and the next.

    While block i computes, block i + 1 is copied on a stream of its own.

    Args:
        blocks: in the order in which they run.
        device: where they run.
        methods: those of a block's methods that read its weights, besides `forward`.
    """

    def __init__(self, blocks: Sequence[nn.Module], device: torch.device, methods: Sequence[str] = ()) -> None:
        self.device = device
        self.weights = [HostWeights.of(block, device) for block in blocks]
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ready: dict[int, Any] = {}
        self._hooks: list[Any] = []
        self._wrapped: list[tuple[nn.Module, str]] = []
        for i, block in enumerate(blocks):
            self._hooks.append(block.register_forward_pre_hook(lambda *_, i=i: self.enter(i)))
            self._hooks.append(block.register_forward_hook(lambda *_, i=i: self.leave(i), always_call=True))
            for name in methods:
                setattr(block, name, self._visiting(i, getattr(block, name)))
                self._wrapped.append((block, name))

    def enter(self, i: int) -> None:
        """Bring block i, and start copying the next."""
        self._prefetch(i)
        copied = self._ready.pop(i, None)
        if copied is not None:
            torch.cuda.current_stream(self.device).wait_event(copied)
        self.weights[i].lend()
        self._prefetch((i + 1) % len(self.weights))

    def leave(self, i: int) -> None:
        """Forget block i, once what was asked of it is computed."""
        if self._copies is not None:
            for tensor in self.weights[i].tensors:
                tensor.data.record_stream(torch.cuda.current_stream(self.device))
        self.weights[i].drop()

    def close(self) -> None:
        """Leave every block on the host, as plain modules."""
        for hook in self._hooks:
            hook.remove()
        for block, name in self._wrapped:
            delattr(block, name)
        for weights in self.weights:
            weights.drop()
        self._ready.clear()

    def release(self) -> None:
        """Drop what was copied ahead."""
        for weights in self.weights:
            weights.drop()
        self._ready.clear()

    @property
    def resident(self) -> int:
        """Blocks whose weights are on the device now."""
        return sum(weights.lent for weights in self.weights)

    def _prefetch(self, i: int) -> None:
        if self.weights[i].lent:
            return
        if self._copies is None:
            self.weights[i].fetch()
            return
        with torch.cuda.stream(self._copies):
            self.weights[i].fetch()
        self._ready[i] = self._copies.record_event()

    def _visiting(self, i: int, method: Any) -> Any:
        def visit(*args: Any, **kwargs: Any) -> Any:
            self.enter(i)
            try:
                return method(*args, **kwargs)
            finally:
                self.leave(i)

        return visit


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _to_host(tensor: Tensor, device: torch.device) -> Tensor:
    host = tensor.to("cpu")
    if device.type != "cuda":
        return host
    try:
        return host.pin_memory()
    except RuntimeError:  # the system locks no more pages: copies will wait, but work
        return host
