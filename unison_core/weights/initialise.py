"""A full-size model folder from public weights: every tensor is loaded, new, or unused, and none is held in memory
longer than its shard takes to write.

Where the preset has more blocks than the public weights, the further ones start as exact identities, and so does all
that couples the branches: the folder computes what the public models compute, until it is trained.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unison_core.config import Preset
from unison_core.errors import UnisonError
from unison_core.model.unison import Unison
from unison_core.model.video_branch import VideoBranch
from unison_core.weights.lazy import LazyTensor, LazyTensors, of_tensor

VIDEO_KEY, AUDIO_KEY, TRANSCRIPT_KEY = "video.", "audio.", "transcript."
OURS = re.compile(
    r"^(nodes\.|sigma\.|caption\.|reference\.|audio\.(couplings|transcript_\w+)\.|transcript\.(phase\.|outside$|null$))"
)
"""Tensors that no public model has: nodes, exchange and gates, adapters."""
BLOCK = re.compile(r"^(?P<stack>video\.blocks|audio\.fused_blocks)\.(?P<index>\d+)\.")
WRITES_OF_A_VIDEO_BLOCK = re.compile(r"\.(attn[12]\.to_out\.0|ffn\.net\.2)\.(weight|bias)$")
"""With these at zero a video block adds nothing. (A fused block of MMAudio starts with gates of zero.)"""


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What became of every tensor of one public model and of its place in the joint model.

    Attributes:
        loaded: the joint model's names that the public weights fill.
        new: those that are freshly initialised.
        unused: public names without a place.
    """

    loaded: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]


def joint_tensors(
    preset: Preset, public: Mapping[str, LazyTensors], *, seed: int, dtype: torch.dtype
) -> tuple[dict[str, LazyTensor], dict[str, Accounting]]:
    """Every tensor of the joint model, from public weights where they have it.

    Args:
        preset: sizes.
        public: tensors by branch (`video`, `audio`, `transcript`), under the branch's own names; a branch that is left
            out is initialised from nothing.
        seed: of new tensors.
        dtype: what floating-point tensors are written in.

    Returns:
        Tensors by name in the model's order, and the accounting per branch; what belongs to no branch is under `joint`.

    Raises:
        UnisonError: the public weights lack a tensor that they should have, or one has another shape.
    """
    with torch.device("meta"):
        wanted = {key: tuple(t.shape) for key, t in Unison(preset.model, preset.timing).state_dict().items()}
    found = {f"{branch}.{key}": tensor for branch, tensors in public.items() for key, tensor in tensors.items()}
    depth = {f"{branch}.{stack}": _depth(tensors, stack) for branch, tensors in public.items()
             for stack in ("blocks", "fused_blocks")}  # fmt: skip
    fresh = FreshTensors(preset, seed, dtype)
    chosen: dict[str, LazyTensor] = {}
    for key, shape in wanted.items():
        block = BLOCK.match(key)
        extra = block is not None and int(block["index"]) >= depth.get(block["stack"], math.inf)
        branch = key.partition(".")[0]
        if key in found:
            if found[key].shape != shape:
                raise UnisonError(
                    f"the public weights do not fit preset {preset.name}: {key} has shape {found[key].shape}, "
                    f"the preset wants {shape}"
                )
            chosen[key] = found[key].cast(dtype)
        elif branch in public and not extra and not OURS.match(key):
            raise UnisonError(f"the public weights of the {branch} lack {key}, which preset {preset.name} needs")
        elif extra and WRITES_OF_A_VIDEO_BLOCK.search(key) and branch == "video":
            chosen[key] = LazyTensor(shape, dtype, _zeros(shape, dtype))
        else:
            chosen[key] = fresh.tensor(key, shape)
    return chosen, _accounts(wanted, found, public)


def _accounts(
    wanted: Mapping[str, tuple[int, ...]], found: LazyTensors, public: Mapping[str, LazyTensors]
) -> dict[str, Accounting]:
    accounts = {}
    for branch in ("video", "audio", "transcript", "joint"):
        mine = [key for key in wanted if _branch(key) == branch]
        accounts[branch] = Accounting(
            loaded=tuple(key for key in mine if key in found),
            new=tuple(key for key in mine if key not in found),
            unused=tuple(key for key in public.get(branch, {}) if f"{branch}.{key}" not in wanted),
        )
    return accounts


def _branch(key: str) -> str:
    name = key.partition(".")[0]
    return name if name in ("video", "audio", "transcript") else "joint"


class FreshTensors:
    """Initial weights as the model's own constructors draw them, without building the model whole.

    Everything but the video blocks is built once, when the first of its tensors is read. Video blocks are initialised
    alike, so one of them is built for each in turn.
    """

    def __init__(self, preset: Preset, seed: int, dtype: torch.dtype) -> None:
        self.preset, self.seed, self.dtype = preset, seed, dtype
        self._rest: dict[str, Tensor] = {}
        self._block: tuple[int, dict[str, Tensor]] = (-1, {})

    def tensor(self, key: str, shape: tuple[int, ...]) -> LazyTensor:
        """The tensor `key`, drawn when it is read; the same for one seed, whatever else is read."""
        return LazyTensor(shape, self.dtype, lambda: self._read(key))

    def _read(self, key: str) -> Tensor:
        match = BLOCK.match(key)
        if match is None or match["stack"] != "video.blocks":
            return self._others()[key].to(self.dtype)
        index = int(match["index"])
        if self._block[0] != index:
            config = replace(self.preset.model.video, blocks=1)
            with _drawing(self.seed + 1 + index, self.dtype):
                self._block = (index, VideoBranch(config).blocks.state_dict())
        return self._block[1]["0." + key[match.end() :]].to(self.dtype)

    def _others(self) -> dict[str, Tensor]:
        if not self._rest:
            model = replace(self.preset.model, video=replace(self.preset.model.video, blocks=1))
            with _drawing(self.seed, self.dtype):
                state = Unison(model, self.preset.timing).state_dict()
            self._rest = {key: tensor for key, tensor in state.items() if not key.startswith("video.blocks.")}
        return self._rest


@contextmanager
def _drawing(seed: int, dtype: torch.dtype) -> Iterator[None]:
    """Modules built inside draw from `seed` and are of `dtype`: half the memory where that is bfloat16."""
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(default)


def codec_tensors(
    wanted: Mapping[str, Tensor], public: LazyTensors | None, extra: Mapping[str, Tensor], what: str
) -> tuple[dict[str, LazyTensor], Accounting]:
    """A codec's tensors from public weights, strictly, in the public precision; None takes `wanted` as they are.

    Args:
        wanted: the codec's state, on the meta device where `public` is given.
        extra: statistics that are written beside the weights.
    """
    statistics = {key: of_tensor(tensor.float()) for key, tensor in extra.items()}
    if public is None:
        return {key: of_tensor(t) for key, t in wanted.items()} | statistics, Accounting(
            loaded=(), new=tuple(wanted), unused=()
        )
    for key, tensor in wanted.items():
        if key not in public:
            raise UnisonError(f"the public weights of the {what} lack {key}: are they another model's?")
        if public[key].shape != tuple(tensor.shape):
            shape = tuple(tensor.shape)
            if math.prod(shape) != math.prod(public[key].shape):
                raise UnisonError(f"the {what}: {key} has shape {public[key].shape}, the preset wants {shape}")
    taken = {key: public[key].view(*tensor.shape) for key, tensor in wanted.items()}
    unused = tuple(key for key in public if key not in wanted)
    return taken | statistics, Accounting(loaded=tuple(wanted), new=(), unused=unused)


def summary(names: Sequence[str]) -> dict[str, int]:
    """Tensors counted by group: numbers in names become `*`, and the last part is left off."""
    groups: dict[str, int] = {}
    for name in names:
        group = re.sub(r"\.\d+(?=\.|$)", ".*", name.rpartition(".")[0] or name)
        groups[group] = groups.get(group, 0) + 1
    return groups


def _depth(tensors: LazyTensors, stack: str) -> int:
    """Number of blocks of a stack in public weights."""
    indices = [int(m[1]) for m in (re.match(rf"^{stack}\.(\d+)\.", key) for key in tensors) if m]
    return max(indices, default=-1) + 1


def _zeros(shape: tuple[int, ...], dtype: torch.dtype):  # type: ignore[no-untyped-def]  # a reader of LazyTensor
    return lambda: torch.zeros(shape, dtype=dtype)
