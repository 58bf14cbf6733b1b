"""Where the weights of learned metrics are: a folder that the user names, or the Hub, with their licence told first."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unison_core.errors import UnisonError, one_line
from unison_core.evaluation.feature import Weights


def _silent(text: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class WeightStore:
    """Finds weights, and downloads them only where that is allowed.

    Attributes:
        folder: searched first; holds `owner/name`, `owner--name`, `name` or the file of each.
        offline: never use the network.
        tell: gets a line about every download, with size and licence, before it starts.
    """

    folder: Path | None = None
    offline: bool = False
    tell: Callable[[str], None] = field(default=_silent)

    def paths(self, weights: Sequence[Weights]) -> dict[str, Path]:
        """Folder or file of each of `weights` by id.

        Raises:
            UnisonError: some are not there and cannot be downloaded.
        """
        return {entry.id: self._path(entry) for entry in weights}

    def _path(self, entry: Weights) -> Path:
        repo, _, revision = entry.id.partition("@")
        if self.folder is not None:
            for name in (repo, repo.replace("/", "--"), repo.rpartition("/")[2]):
                if (self.folder / name).exists():
                    return self.folder / name
        if entry.url:
            return self._from_url(entry)
        return self._from_hub(entry, repo, revision or None)

    def _from_hub(self, entry: Weights, repo: str, revision: str | None) -> Path:
        from huggingface_hub import snapshot_download

        patterns = list(entry.patterns) or None
        try:
            return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, local_files_only=True))
        except Exception as error:
            if self.offline:
                raise UnisonError(_absent(entry)) from error
        self.tell(f"downloading {entry.id}{_size(entry)}; licence: {entry.licence}")
        try:
            return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
        except Exception as error:
            raise UnisonError(_absent(entry)) from error

    def _from_url(self, entry: Weights) -> Path:
        from torch.hub import download_url_to_file, get_dir

        path = Path(get_dir()) / "unison" / re.sub(r"[^\w.-]", "_", entry.id)
        if path.is_file():
            return path
        if self.offline:
            raise UnisonError(_absent(entry))
        self.tell(f"downloading {entry.url}{_size(entry)}; licence: {entry.licence}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(entry.url, str(path), progress=False)  # under another name until it is complete
        except Exception as error:
            raise UnisonError(_absent(entry)) from error
        return path


def single_file(paths: Mapping[str, Path], weights: Weights, pattern: str) -> Path:
    """The one file of `weights` that `pattern` names; raises UnisonError where there is none."""
    path = paths[weights.id]
    if path.is_file():
        return path
    found = sorted(path.glob(pattern))
    if not found:
        raise UnisonError(f"weights {weights.id}: {path} holds no {pattern}")
    return found[0]


def load_state(
    network: torch.nn.Module,
    file: Path,
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None,
) -> None:
    """Load a safetensors or PyTorch file into `network`, every key of it; nothing in the file is executed.

    Raises:
        UnisonError: the file is no such file, or its keys or shapes are others.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Mapping[str, Any] = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        network.load_state_dict(rename(state) if rename else state)
    except Exception as error:  # whatever a damaged file leads to
        raise UnisonError(f"weights {file.name} cannot be loaded: {one_line(error)}") from error


def on_device(network: Any, device: torch.device) -> Any:
    """A loaded network on its device, in evaluation mode."""
    return network.to(device).eval()


def _size(entry: Weights) -> str:
    return f" ({entry.size})" if entry.size else ""


def _absent(entry: Weights) -> str:
    return f"weights {entry.id} are missing: pass --weights DIR with them in it, or allow the download"
