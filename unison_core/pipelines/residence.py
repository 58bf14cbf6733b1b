"""Puts a memory plan into effect: which modules are on the device while sampling, and which while decoding."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from unison_core.codecs.codec import Codec
from unison_core.model.unison import Unison
from unison_core.pipelines.memory_plan import FULL, STREAM, MemoryPlan
from unison_core.types import Latents, Sigmas, TextInputs
from unison_core.weights.host_weights import BlockStream, HostWeights


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
                if self.shared:
                    yield self.shared(self.model)
                else:
                    yield self.model if self.plan.rows > 1 else RowByRow(self.model)
            finally:
                if self._stream:
                    self._stream.release()

    def decoding(self) -> AbstractContextManager[None]:
        """The codecs are on the device."""
        return self._codec.on_device() if self._codec else nullcontext()

    def close(self) -> None:
        """Give the modules back; their weights are where the plan kept them."""
        if self._stream:
            self._stream.close()


class RowByRow:
    """The joint model computing one row of a batch at a time: half the activations of a guided step."""

    def __init__(self, model: Unison) -> None:
        self.model = model

    def encode(self, text: TextInputs, frames: int, *, reference: Tensor | None = None) -> Any:
        """Conditions of every row."""
        return [
            self.model.encode(
                text.map(lambda t, i=i: t[i : i + 1]),  # type: ignore[misc]
                frames,
                reference=None if reference is None else reference[i : i + 1],
            )
            for i in range(len(text))
        ]

    def __call__(
        self, latents: Latents, sigmas: Sigmas, conditions: Any, *, gates: list[Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Velocities of all rows; gates of row 0."""
        rows = [
            self.model(
                {s: x[i : i + 1] for s, x in latents.items()}, {s: x[i : i + 1] for s, x in sigmas.items()}, own,
                gates=gates if i == 0 else None,
            )
            for i, own in enumerate(conditions)
        ]  # fmt: skip
        return {stream: torch.cat([row[stream] for row in rows]) for stream in latents}
