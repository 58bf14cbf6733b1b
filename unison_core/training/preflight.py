"""What can be wrong before the first step, beside the latents themselves: files, codecs, space; one line each."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from unison_core.codecs.fingerprint import CODECS, codec_fingerprint
from unison_core.errors import UsageError
from unison_core.training.shard_folder import ShardFolder
from unison_core.training.shard_format import read_contents
from unison_core.weights.resolve import folder_named

if TYPE_CHECKING:
    from unison_core.training.flow_training import FlowTrainingConfig

BYTES_TRAINED, BYTES_WHOLE = 16, 4
"""Bytes that a save takes per trained parameter (weights, two moments, average), and per parameter of the export."""


def check_files(config: "FlowTrainingConfig") -> None:
    """Look for the files and folders that a configuration names, and whether its codecs made its latents.

    Raises:
        UsageError: something is missing, or the latents were made by other codecs than the exported model will have.
    """
    for name, folder in (("init_from", config.init_from), ("codecs", config.codecs)):
        if folder and not folder_named(folder).is_dir():
            raise UsageError(f"{name}={folder!r} is no folder, no Hub id (owner/name) and no bundled model")
    if config.samples and not Path(config.samples.prompts).is_file():
        raise UsageError(f"samples.prompts={config.samples.prompts!r} is not a file")
    if config.samples and not (config.codecs or config.lora):
        raise UsageError("samples need `codecs`: a model without them makes no clips")
    for shards in (*config.data.folders, *([config.held_out.shards] if config.held_out else [])):
        check_codecs(ShardFolder(shards), config.codecs)


def check_codecs(folder: ShardFolder, codecs: str | None) -> None:
    """Raise UsageError where a folder's first shard was made by other codecs than those in `codecs`."""
    shards = folder.list()
    if codecs is None or not shards:
        return
    with folder.open(shards[0]) as file:
        info = read_contents(file, shards[0]).info
    own = codec_fingerprint(folder_named(codecs), info.codecs or CODECS)
    if info.codec and info.codec != own:
        raise UsageError(
            f"latents in {folder} were made by codecs {info.codec}, but {codecs} holds {own}: "
            "run unison prepare again, or name the codecs that made them"
        )


def check_writable(out: Path) -> None:
    """Make the folder; raises UsageError where nothing may be written to it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"out={str(out)!r} cannot be written: {error.strerror}") from error


def check_room(out: Path, model: nn.Module) -> None:
    """Raise UsageError where two checkpoints and the exported model would not fit into the folder `out`."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    needed = 2 * BYTES_TRAINED * trained + BYTES_WHOLE * sum(p.numel() for p in model.parameters())
    present = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    free = shutil.disk_usage(out).free + present
    if free < needed:
        raise UsageError(
            f"no space: {out} has {free / 1e9:.1f} GB, two checkpoints and the model take {needed / 1e9:.1f} GB"
        )
