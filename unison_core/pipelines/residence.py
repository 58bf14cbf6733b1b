"""Puts a memory plan into effect: which modules are on the device while sampling, and which while decoding."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from unison_core.codecs.codec import Codec
from unison_core.model.unison import Unison
from unison_core.pipelines.memory_plan import FULL, STREAM, MemoryPlan
from unison_core.weights.host_weights import BlockStream, HostWeights

T = TypeVar("T")


class Residence:
    """Modules of one model under a plan; `close` gives them back as plain modules.

    Attributes:
        shared: wraps the model where its rows are spread over processes.

    Args:
        model, codec: built; wherever their weights are, they are moved as the plan says.
        device: where the work is done.
        plan: what is where.
    """

    def __init__(self, model: Unison, codec: Codec, device: torch.device, plan: MemoryPlan) -> None:
        self.model, self.codec, self.device, self.plan = model, codec, device, plan
        self.shared: Callable[[Unison], Any] | None = None
        self._stream: BlockStream | None = None
        self._joint: HostWeights | None = None
        self._codec: HostWeights | None = None
        codec.tiled = plan.tiled
        if plan.mode == FULL:
            model.to(device)
            codec.to(device)
            return
        if plan.mode == STREAM:
            self._stream = BlockStream(list(model.video.blocks), device, methods=("text_keys_values",))
        self._joint = HostWeights.of(model, device, but=list(model.video.blocks) if self._stream else ())
        self._codec = HostWeights.of(codec, device)
        if device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def sampling(self) -> Iterator[Any]:
        """The joint model is on the device; gives what the sampler calls."""
        with self._joint.on_device() if self._joint else nullcontext():
            try:
                yield self.shared(self.model) if self.shared else self.model
            finally:
                if self._stream:
                    self._stream.release()

    def coding(self) -> AbstractContextManager[None]:
        """The codecs are on the device; may be entered again inside."""
        return self._codec.on_device() if self._codec and not self._codec.lent else nullcontext()

    def with_codecs(self, call: Callable[[T], Tensor]) -> Callable[[T], Tensor]:
        """`call` with the codecs on the device: sampling asks for encoded silence and still pictures (SyncCFG)."""

        def called(value: T) -> Tensor:
            with self.coding():
                return call(value)

        return called

    def close(self) -> None:
        """Give the modules back; their weights are where the plan kept them."""
        if self._stream:
            self._stream.close()
