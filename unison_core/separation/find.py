"""`--model` of `unison separate`: a bundled name, a folder, a checkpoint file, or a Hub id -> a model's files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unison_core.config import from_mapping, read_yaml
from unison_core.errors import UsageError
from unison_core.separation.config import SeparatorConfig, load_separator_preset
from unison_core.weights.checksums import sha256
from unison_core.weights.resolve import BUNDLED, bundled_folder, download, hub_id

if TYPE_CHECKING:
    from bs_roformer.mel_band_roformer import MelBandRoformer

DEFAULT_SEPARATOR = "separator-nano"
CONFIG_FILE = "separator.yaml"
CHECKPOINTS = (".ckpt", ".pt", ".pth", ".safetensors")
PUBLIC_PRESET = "vocals"
PATTERNS = (CONFIG_FILE, *(f"*{suffix}" for suffix in CHECKPOINTS))


@dataclass(frozen=True)
class SeparatorFiles:
    """A separator on this machine.

    Attributes:
        name: as the user gave it.
        config: what it is.
        weights: a folder that `save_separator` wrote, or a checkpoint with public names.
    """

    name: str
    config: SeparatorConfig
    weights: Path

    @property
    def digest(self) -> str:
        """SHA-256 of the weights (of the first file in a folder)."""
        return sha256(self.weights if self.weights.is_file() else sorted(self.weights.glob("*.safetensors"))[0])

    def load(self) -> "MelBandRoformer":
        """Read the weights, strictly."""
        if self.weights.is_dir():
            from unison_core.separation.mel_roformer import load_separator

            return load_separator(self.weights)[1]
        from unison_core.separation.public_checkpoint import load_public

        return load_public(self.weights, self.config)


def find_separator(name: str, *, offline: bool = False) -> SeparatorFiles:
    """Find a separator, downloading it if need be; nothing is loaded yet.

    A checkpoint file has the public one's sizes unless a `separator.yaml` lies beside it.

    Raises:
        UsageError: there is no such model. UnisonError: it cannot be downloaded.
    """
    bundled, path = bundled_folder(name), Path(name).expanduser()
    if bundled and (bundled / CONFIG_FILE).is_file():
        return _in_folder(name, bundled)
    if path.is_file():
        if path.suffix not in CHECKPOINTS:
            raise UsageError(f"model {name!r} is no checkpoint: its name ends in none of {', '.join(CHECKPOINTS)}")
        return SeparatorFiles(name, _config_beside(path), path)
    if name and path.is_dir():
        return _in_folder(name, path)
    if hub := hub_id(name):
        return _in_folder(name, download(*hub, PATTERNS, offline=offline)[0])
    known = bundled_separators()
    there_are = f"bundled: {', '.join(known)}" if known else "none is bundled: train one, or pass a Hub id"
    raise UsageError(f"unknown separator {name!r}: it is no folder, no checkpoint file and no Hub id ({there_are})")


def bundled_separators() -> list[str]:
    """Names of the separators that come with the package."""
    return sorted(file.parent.name for file in BUNDLED.glob(f"*/{CONFIG_FILE}"))


def _in_folder(name: str, folder: Path) -> SeparatorFiles:
    if (folder / CONFIG_FILE).is_file():
        if not any(folder.glob("separator*.safetensors")):
            raise UsageError(f"model {name!r}: {folder} holds no separator*.safetensors")
        return SeparatorFiles(name, _read(folder / CONFIG_FILE), folder)
    checkpoints = sorted(file for file in folder.iterdir() if file.suffix in CHECKPOINTS)
    if len(checkpoints) != 1:
        raise UsageError(f"model {name!r}: {folder} holds no {CONFIG_FILE} and {len(checkpoints)} checkpoints, not one")
    return SeparatorFiles(name, load_separator_preset(PUBLIC_PRESET), checkpoints[0])


def _config_beside(path: Path) -> SeparatorConfig:
    beside = path.with_name(CONFIG_FILE)
    return _read(beside) if beside.is_file() else load_separator_preset(PUBLIC_PRESET)


def _read(path: Path) -> SeparatorConfig:
    return from_mapping(SeparatorConfig, read_yaml(path), str(path))
