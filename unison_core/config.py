"""Configuration as frozen data; presets are YAML files and sizes differ in nothing else.

`load_preset("nano")` reads `presets/nano.yaml`. Unknown or ill-typed keys are errors that name the nearest valid one.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from unison_core.errors import UsageError, one_line
from unison_core.timing import Timing

T = TypeVar("T")
PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, kw_only=True)
class VideoBranchConfig:
    """Wan-style video transformer (public_weights: Wan2.2)."""

    dim: int
    """Width D; q/k RMSNorm spans all of it."""
    heads: int
    """Attention heads; D / heads splits over time, height and width RoPE."""
    blocks: int
    """Number of blocks L1."""
    ffn_dim: int
    """Hidden width of the GELU MLP."""
    latent_channels: int
    """Channels of a video latent, in and out."""
    text_dim: int
    """Width of the caption features that cross-attention reads."""
    patch: tuple[int, int, int] = (1, 2, 2)
    """Latents per token along time, height, width."""
    freq_dim: int = 256
    """Width of the sinusoidal timestep features."""
    eps: float = 1e-6
    caption_modulation: bool = False
    """Add the caption's mean feature to the time embedding, as the audio branch does; Wan has cross-attention alone."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"heads={self.heads} must divide dim={self.dim}")


@dataclass(frozen=True, kw_only=True)
class AudioBranchConfig:
    """MMAudio-style multimodal transformer with two streams on shared weights (Unison, sec. 3.2)."""

    dim: int
    """Width D."""
    heads: int
    joint_blocks: int
    """Blocks with separate weights for latents and conditions."""
    fused_blocks: int
    """Blocks over latents alone; joint + fused = L2."""
    latent_channels: int
    text_dim: int
    """Width of the caption features."""
    clip_dim: int = 0
    """Width of visual CLIP features; 0 builds no CLIP stream."""
    clip_tokens: int = 0
    """Number of (null) CLIP tokens kept in the joint attention: dropping them would change the softmax."""
    sync_dim: int = 0
    """Width of Synchformer features; 0 builds no sync projection."""
    mlp_ratio: float = 4.0
    time_freq_dim: int = 256
    """Width of the sinusoidal timestep features."""
    time_freq_scale: float = 1.0
    """Factor on the timestep before the sinusoids (public v2: 1e4)."""
    dual_stream: bool = True
    """False is Unison's ablation without harmonisation: one stream holds the mix."""
    condition_copies: int = 1
    """How often caption and CLIP tokens count in the joint softmax. 2 with two streams: equal streams then compute
    exactly what one does under the public weights, whose softmax has each latent once."""
    bi_aca: bool = True
    """Bidirectional audio cross-attention (eq. 7)."""
    bi_aca_dim: int | None = None
    """Inner width of Bi-ACA; None is D."""
    scg: bool = True
    """Semantic-conditioned gates; False fixes both gates at 1 (eq. 6)."""
    scg_dim: int = 256
    """Hidden width of the gate MLP."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"heads={self.heads} must divide dim={self.dim}")
        if self.scg and not self.bi_aca:
            raise ValueError("scg=true gates bi_aca, which is off")
        if self.condition_copies < 1:
            raise ValueError(f"condition_copies={self.condition_copies} must be at least 1")

    @property
    def blocks(self) -> int:
        """Number of audio blocks L2."""
        return self.joint_blocks + self.fused_blocks


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Frame-level interaction nodes (Unison sec. 3.3; Harmony sec. 3.3.1)."""

    dim: int
    """Inner width of the cross-attention."""
    heads: int
    audio_window: int = 16
    """Audio latents of each stream that one video latent frame attends to."""
    video_window: int = 3
    """Video latent frames that one audio latent attends to."""
    sigma_dim: int = 64
    """Width of the noise-level features that set scale and shift."""
    rope_rate_hz: float = 31.25
    """RoPE positions are seconds times this rate, on both sides."""
    rope: str = "seconds"
    """`seconds` aligns both sides in time (Harmony); `index` numbers each side's latents, its ablation."""
    video_to_audio: bool = True
    audio_to_video: bool = True

    def __post_init__(self) -> None:
        if self.rope not in ("seconds", "index"):
            raise ValueError(f"rope={self.rope!r} is neither 'seconds' nor 'index'")


@dataclass(frozen=True, kw_only=True)
class TranscriptConfig:
    """Zipformer text encoder over phonemes, upsampled over the speech span (ZipVoice)."""

    vocab: int
    dim: int = 192
    ffn_dim: int = 512
    layers: int = 4
    heads: int = 4
    query_head_dim: int = 32
    value_head_dim: int = 12
    pos_head_dim: int = 4
    pos_dim: int = 48
    kernel: int = 9
    out_dim: int = 100
    """Width of the features before they are projected to the audio branch."""
    upsampling: str = "average"
    """`average`: every phoneme gets an equal share of the span. `weighted`: shares follow mean durations."""

    def __post_init__(self) -> None:
        if self.upsampling not in ("average", "weighted"):
            raise ValueError(f"upsampling={self.upsampling!r} is neither 'average' nor 'weighted'")


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """Where caption features come from."""

    kind: str
    """`bundled`: a small transformer trained jointly. `external`: frozen umT5 (video) and CLIP text (audio)."""
    length: int
    """Tokens; shorter captions are zero-padded and not masked, as Wan does."""
    vocab: int = 0
    dim: int = 0
    layers: int = 0
    heads: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("bundled", "external"):
            raise ValueError(f"kind={self.kind!r} is neither 'bundled' nor 'external'")


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig:
    """Reference voice and global style alignment (Harmony sec. 3.2, 3.3.2)."""

    dim: int
    """Inner width of style alignment."""
    heads: int
    style_alignment: bool = True
    """Whether the reference takes in the picture (eq. 7)."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The joint model."""

    video: VideoBranchConfig
    audio: AudioBranchConfig
    nodes: NodeConfig
    transcript: TranscriptConfig
    caption: CaptionConfig
    reference: ReferenceConfig | None = None
    """None builds a model that takes no reference voice."""


@dataclass(frozen=True, kw_only=True)
class VideoVAEConfig:
    """`diffusers.AutoencoderKLWan` arguments."""

    base_dim: int
    decoder_base_dim: int | None = None
    z_dim: int
    dim_mult: tuple[int, ...]
    temporal_downsample: tuple[bool, ...]
    num_res_blocks: int = 2
    is_residual: bool = True
    patch_size: int | None = 2
    spatial_stride: int
    """Pixels per latent along each side."""


@dataclass(frozen=True, kw_only=True)
class MelConfig:
    """Log-mel spectrogram."""

    n_fft: int
    hop: int
    mels: int
    fmin: float
    fmax: float
    log: str
    """`log10` (16 kHz) or `ln` (44.1 kHz), as the public codecs use."""
    clip: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class AudioVAEConfig:
    """Mel VAE with 1-D magnitude-preserving convolutions (MMAudio)."""

    dim: int
    mult: tuple[int, ...] = (1, 2, 4)
    num_res_blocks: int = 2
    latent_channels: int
    downsample_levels: tuple[int, ...] = (0,)
    attention_levels: tuple[int, ...] = ()
    mid_attention: bool = True


@dataclass(frozen=True, kw_only=True)
class VocoderConfig:
    """BigVGAN generator."""

    channels: int
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    resblock_kernels: tuple[int, ...] = (3, 7, 11)
    resblock_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    activation: str = "snakebeta"
    final_tanh: bool = True


@dataclass(frozen=True, kw_only=True)
class VocosConfig:
    """Vocoder through the Fourier domain (Vocos)."""

    dim: int
    hidden: int
    blocks: int
    kernel: int = 7


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Clip <-> latents; the vocoder is BigVGAN's (`vocoder`) or Vocos (`vocos`)."""

    video: VideoVAEConfig
    mel: MelConfig
    audio: AudioVAEConfig
    vocoder: VocoderConfig | None = None
    vocos: VocosConfig | None = None

    def __post_init__(self) -> None:
        if (self.vocoder is None) == (self.vocos is None):
            raise ValueError("codecs need either `vocoder` or `vocos` settings")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Defaults of the sampler, chosen per preset."""

    steps: int
    shift: float = 1.0
    """Time shift of the sigma schedule: shift * s / (1 + (shift - 1) * s)."""
    text_scale: Mapping[str, float] = field(default_factory=lambda: {"video": 6.0, "speech": 6.0, "sfx": 6.0})
    """Text guidance scale per stream."""
    sync_scale: Mapping[str, float] = field(default_factory=dict)
    """SyncCFG scale per stream (Harmony eq. 9, 10); streams left out have 1, which is off."""
    a2v_sync_scale: Mapping[str, float] = field(default_factory=dict)
    """The same where the picture is made to given sound and no speech is generated, whose words SyncCFG would cost;
    streams left out are as in `sync_scale`."""
    sync_interval: tuple[float, float] = (0.0, 1.0)
    """SyncCFG of the picture is applied at sigmas inside this interval."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Guidance is applied at sigmas inside this interval."""


@dataclass(frozen=True, kw_only=True)
class SizeConfig:
    """Picture sizes that a preset makes."""

    height: int
    width: int
    multiple: int
    """Sides are multiples of this."""
    min_side: int
    max_side: int


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything that a size is."""

    name: str
    timing: Timing
    size: SizeConfig
    model: ModelConfig
    codecs: CodecConfig
    sampling: SamplingConfig


def load_preset(name: str) -> Preset:
    """Read a bundled preset by name, or a file whose name ends in .yaml; raises UsageError naming those that exist."""
    return from_mapping(Preset, _preset_mapping(name), name)


def preset_names() -> list[str]:
    """Presets that came with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _preset_mapping(name: str) -> dict[str, Any]:
    """A preset's data; where it names a `base`, that preset's with what it says itself in place."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise UsageError(f"unknown preset {name!r}; there are: {', '.join(preset_names())}")
    data = read_yaml(path)
    base = data.pop("base", None)
    return data if base is None else _merged(_preset_mapping(base), data)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with `changes` in place."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping read by the safe loader; raises UsageError where the file is not one."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read {path}: {one_line(error, None)}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path} does not hold a mapping")
    return data


def from_mapping(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass `cls` from nested mappings, checking names and types."""
    hints = _hints(cls)  # type: ignore[arg-type]
    for key in data:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            raise UsageError(f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in data.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error


def to_mapping(config: Any) -> Any:
    """The inverse of `from_mapping`: plain data that YAML and JSON can hold."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_mapping(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(k): to_mapping(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_mapping(v) for v in config]
    return config


def override(data: dict[str, Any], assignment: str) -> None:
    """Apply `a.b=value` (value in YAML) to nested mappings in place."""
    path, sep, text = assignment.partition("=")
    if not sep or not path:
        raise UsageError(f"--set {assignment!r} is not of the form key=value")
    *parents, last = path.split(".")
    node = data
    for name in parents:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise UsageError(f"--set {assignment!r}: {name!r} is not a group of settings")
    node[last] = yaml.safe_load(text)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return {f.name: typing.get_type_hints(cls)[f.name] for f in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} must be a group of settings, not {value!r}")
        return from_mapping(kind, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"{where} must be a list, not {value!r}")
        inner = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise UsageError(f"{where} must have {len(inner)} entries, not {len(value)}")
        return tuple(_convert(k, v, where) for k, v in zip(inner, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} must be a group of settings, not {value!r}")
        return {k: _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if kind is Any or (type(value) is kind):
        return value
    raise UsageError(f"{where} must be {getattr(kind, '__name__', kind)}, not {value!r}")
