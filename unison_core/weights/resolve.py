"""Where a model's files are: a bundled name, a folder, or a Hub id with a revision.

A model folder holds `unison.yaml` (the preset), `model*.safetensors` (the joint model, in shards with an index) and the
codecs' safetensors. Nothing else is read from it and nothing in it is executed.
"""

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unison_core.config import Preset, from_mapping, read_yaml
from unison_core.errors import UnisonError, UsageError

BUNDLED = Path(__file__).parent.parent / "bundled"
DEFAULT_MODEL = "unison-nano"
PRESET_FILE = "unison.yaml"
PATTERNS = (PRESET_FILE, "*.safetensors", "*.safetensors.index.json", "*.yaml", "*.json")
"""What is downloaded from the Hub."""
HUB_ID = re.compile(r"^(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")


@dataclass(frozen=True)
class ModelFolder:
    """A model whose files are on this machine.

    Attributes:
        name: as the user gave it.
        path: folder of the files.
        revision: commit of a Hub model; None for bundled models and folders.
    """

    name: str
    path: Path
    revision: str | None = None

    @cached_property
    def preset(self) -> Preset:
        """The preset in `unison.yaml`."""
        return from_mapping(Preset, read_yaml(self.path / PRESET_FILE), str(self.path / PRESET_FILE))

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every weights file and of the preset, by file name."""
        files = sorted({*self.path.rglob("*.safetensors"), self.path / PRESET_FILE})
        return {str(file.relative_to(self.path)): sha256(file) for file in files}


def resolve(name: str, *, offline: bool = False) -> ModelFolder:
    """Find a model, downloading it from the Hub if need be.

    Args:
        name: bundled name, path of a folder, or `owner/name[@revision]`.
        offline: never use the network.

    Raises:
        UsageError: there is no such model.
        UnisonError: it cannot be downloaded.
    """
    bundled = BUNDLED / name
    if re.fullmatch(r"[\w.-]+", name) and (bundled / PRESET_FILE).is_file():
        return _checked(ModelFolder(name, bundled))
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _checked(ModelFolder(name, path.resolve()))
    match = HUB_ID.match(name)
    if match and not path.is_absolute() and not name.startswith("."):
        folder, revision = download(match["repo"], match["revision"], PATTERNS, offline=offline)
        return _checked(ModelFolder(name, folder, revision))
    known = bundled_names()
    if not known:
        raise UsageError(
            f"unknown model {name!r}: it is no folder and no Hub id (owner/name), and this version comes without "
            "bundled weights; docs/training.md says how to make a model folder for --model"
        )
    near = difflib.get_close_matches(name, known, n=1)
    raise UsageError(
        f"unknown model {name!r}: it is no folder, no Hub id (owner/name) and no bundled model"
        + (f"; did you mean {near[0]}?" if near else f" (bundled: {', '.join(known)})")
    )


def bundled_names() -> list[str]:
    """Models that came with the package."""
    return sorted(file.parent.name for file in BUNDLED.glob(f"*/{PRESET_FILE}"))


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(folder: ModelFolder) -> ModelFolder:
    if not (folder.path / PRESET_FILE).is_file():
        raise UsageError(f"model {folder.name!r} is no model folder: {folder.path} holds no {PRESET_FILE}")
    if not any(folder.path.glob("model*.safetensors")):
        raise UsageError(f"model {folder.name!r} is no model folder: {folder.path} holds no model*.safetensors")
    return folder


def download(repo: str, revision: str | None, patterns: Sequence[str], *, offline: bool) -> tuple[Path, str]:
    """Files of a Hub repository that match `patterns`: their folder, and the commit. Raises as `resolve` does."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        path = snapshot_download(repo, revision=revision, allow_patterns=list(patterns), local_files_only=offline)
    except GatedRepoError as error:
        raise UnisonError(f"model {repo!r} asks for consent first: open https://huggingface.co/{repo}") from error
    except RepositoryNotFoundError as error:
        raise UsageError(
            f"unknown model {repo!r}: it is no folder, and the Hub has no such public repository"
        ) from error
    except RevisionNotFoundError as error:
        raise UsageError(f"model {repo!r} has no revision {revision!r}") from error
    except LocalEntryNotFoundError as error:
        why = "it was never downloaded, and --offline forbids it" if offline else "the Hub cannot be reached"
        raise UnisonError(f"model {repo!r}: {why}") from error
    except (HfHubHTTPError, OSError) as error:
        raise UnisonError(f"model {repo!r} could not be downloaded: {' '.join(str(error).split())}") from error
    return Path(path), Path(path).name
