"""What can be wrong before the first step: data, codecs, shapes, processes, space; one line each, in seconds."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
from torch import Tensor, nn

from unison_core.codecs.fingerprint import codec_fingerprint
from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.shard_format import FRAMES, ShardInfo, parse, read_at, read_entries
from unison_core.types import AUDIO_STREAMS, MIX, VIDEO

if TYPE_CHECKING:
    from unison_core.training.flow_training import FlowTrainingConfig

BYTES_TRAINED, BYTES_WHOLE = 16, 4
"""Bytes that a save takes per trained parameter (weights, two moments, average), and per parameter of the export."""


def check_data(config: "FlowTrainingConfig", preset: Preset) -> None:
    """Look at the first, the middle and the last shard of every folder of latents, and at the files that are named.

    Raises:
        UsageError: a folder is empty or holds something else, or its latents do not fit the preset or the codecs.
    """
    folders = {config.data.shards: bool(config.data.follow_s)}
    if config.held_out:
        folders[config.held_out.shards] = False
    for folder, growing in folders.items():
        check_folder(folder, config, preset, growing)
    if config.init_from and not Path(config.init_from).is_dir():
        raise UsageError(f"init_from={config.init_from!r} is not a folder")
    if config.codecs and not Path(config.codecs).is_dir():
        raise UsageError(f"codecs={config.codecs!r} is not a folder")
    if config.samples and not Path(config.samples.prompts).is_file():
        raise UsageError(f"samples.prompts={config.samples.prompts!r} is not a file")
    if config.samples and not (config.codecs or config.lora):
        raise UsageError("samples need `codecs`: a model without them makes no clips")


def check_folder(folder: str, config: "FlowTrainingConfig", preset: Preset, growing: bool) -> None:
    """Raise UsageError where a folder of latents cannot be what `config` trains on; a growing one may be empty yet."""
    files, root = fsspec.core.url_to_fs(folder)
    if not files.isdir(root):
        if growing:
            return
        raise UsageError(f"no shards: {folder} is not a folder; unison prepare makes one")
    shards = sorted(files.glob(f"{root}/*.tar"))
    if not shards and not growing:
        raise UsageError(f"{folder} holds no shards: unison prepare makes them")
    for shard in {shards[i] for i in (0, len(shards) // 2, -1)} if shards else ():
        with files.open(shard, "rb") as file:
            info, entries = read_entries(file, shard)
            if not entries:
                raise UsageError(f"shard {shard} holds no clip: remove it and prepare again")
            entry = entries[0]
            members = [read_at(file, place) for place in (entry.sound, entry.video) if place]
        tensors = {name: tensor for data in members for name, tensor in parse(bytearray(data)).items()}
        check_codec(info, config.codecs, shard)
        check_clip(tensors, entry.key, config.stage, preset, shard)


def check_codec(info: ShardInfo, codecs: str | None, shard: str) -> None:
    """Raise UsageError where latents were made by other codecs than those of the exported model."""
    if codecs is None or not info.codec or not Path(codecs).is_dir():
        return
    own = codec_fingerprint(Path(codecs))
    if info.codec != own:
        raise UsageError(
            f"latents in {shard} were made by codecs {info.codec}, but {codecs} holds {own}: "
            "prepare them anew, or name the codecs that made them"
        )


def check_clip(tensors: Mapping[str, Tensor], key: str, stage: str, preset: Preset, shard: str) -> None:
    """Raise UsageError where a clip's latents are not of the preset's shape."""
    frames, model, timing = int(tensors[FRAMES]), preset.model, preset.timing
    streams = AUDIO_STREAMS if model.audio.dual_stream else (MIX,)
    sound = (timing.audio_latents(frames), model.audio.latent_channels)
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(streams, sound)
    if stage == "joint":
        wanted[VIDEO] = (model.video.latent_channels, timing.video_latents(frames))
    for stream, shape in wanted.items():
        if stream not in tensors:
            raise UsageError(f"shard {shard}: clip {key} has no {stream} latents")
        found = tuple(tensors[stream].shape)
        if found[: len(shape)] != shape or (stream == VIDEO) != (len(found) == 4):
            raise UsageError(
                f"shard {shard}: {stream} latents of clip {key} are {found} where preset {preset.name} has "
                f"{(*shape, 'H', 'W') if stream == VIDEO else shape}: they were made for another preset"
            )
        if any(side % patch for side, patch in zip(found[2:], model.video.patch[1:], strict=False)):
            raise UsageError(f"shard {shard}: video latents {found} do not divide into patches of {model.video.patch}")


def check_room(out: Path, model: nn.Module) -> None:
    """Raise UsageError where two checkpoints and the exported model would not fit, or nothing may be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"out={str(out)!r} cannot be written: {error.strerror}") from error
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    needed = 2 * BYTES_TRAINED * trained + BYTES_WHOLE * sum(p.numel() for p in model.parameters())
    present = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    free = shutil.disk_usage(out).free + present
    if free < needed:
        raise UsageError(
            f"no space: {out} has {free / 1e9:.1f} GB, two checkpoints and the model take {needed / 1e9:.1f} GB"
        )
