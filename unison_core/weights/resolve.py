"""Where a model's files are: a bundled name, a folder, or a Hub id with a revision.

A model folder holds `unison.yaml` (the preset), `model*.safetensors` (the joint model, in shards with an index; the
preset is in their headers too), the codecs' safetensors, and where captions are external their encoders. Nothing in it
is executed.
"""

import difflib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from unison_core.config import Preset, from_mapping, preset_names, read_yaml
from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.weights.checksums import remembered_sha256

BUNDLED = Path(__file__).parent.parent / "bundled"
DEFAULT_MODEL = "unison-nano"
PRESET_FILE = "unison.yaml"
PATTERNS = (PRESET_FILE, "*.safetensors", "*.safetensors.index.json", "*.yaml", "*.json", "*.txt", "spiece.model")
"""What is downloaded from the Hub."""
FORMAT, WRITER, PRESET = "unison_format", "unison_writer", "unison_preset"
"""Keys in the headers of the joint model's files."""
FOLDER_FORMAT = 1
"""Raised when older versions could not read what is written."""
HUB_ID = re.compile(r"^(?!\.)(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")


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
        """The preset in `unison.yaml`, or where that is missing the one in the weights' headers."""
        path = self.path / PRESET_FILE
        if path.is_file():
            return from_mapping(Preset, read_yaml(path), str(path))
        return from_mapping(Preset, json.loads(self.header[PRESET]), str(self.path))

    @cached_property
    def header(self) -> dict[str, str]:
        """What the weights say of themselves; raises UnisonError where a newer version wrote them."""
        from unison_core.weights.tensors import metadata_of

        files = sorted(self.path.glob("model*.safetensors"))
        found = metadata_of(files[0]) if files else {}
        written = found.get(FORMAT, "0")
        if not written.isdecimal() or int(written) > FOLDER_FORMAT:
            raise UnisonError(
                f"{self.name} is of format {written}, written by {found.get(WRITER, 'a newer version')}; this version "
                f"reads up to {FOLDER_FORMAT}: pip install -U unison-av"
            )
        return found

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every weights file and of the preset, by file name."""
        files = sorted({*self.path.rglob("*.safetensors"), *self.path.glob(PRESET_FILE)})
        return {str(file.relative_to(self.path)): remembered_sha256(file) for file in files}


def resolve(name: str, *, offline: bool = False) -> ModelFolder:
    """Find a model, downloading it from the Hub if need be.

    Args:
        name: bundled name, path of a folder, or `owner/name[@revision]`.
        offline: never use the network.

    Raises:
        UsageError: there is no such model.
        UnisonError: it cannot be downloaded.
    """
    bundled = bundled_folder(name)
    if bundled and (bundled / PRESET_FILE).is_file():
        return _checked(ModelFolder(name, bundled))
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _checked(ModelFolder(name, path.resolve()))
    if hub := hub_id(name):
        folder, revision = download(*hub, PATTERNS, offline=offline)
        return _checked(ModelFolder(name, folder, revision))
    if name in preset_names():
        raise UsageError(
            f"unknown model {name!r}: it is a preset, sizes without weights; `unison train init --preset {name} --out "
            "FOLDER` makes a model folder of it, --dry-run tells what it takes"
        )
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


def bundled_folder(name: str) -> Path | None:
    """Folder of what came with the package under this name, models and separators alike; None where nothing did."""
    own = BUNDLED / name
    return own if re.fullmatch(r"[\w.-]+", name) and name.strip(".") and own.is_dir() else None


def folder_named(name: str) -> Path:
    """Folder of weights of any kind, models, codecs or separators: a bundled name, a path, or `owner/name[@revision]`.

    A path that is no folder is returned as it is, for the caller to complain of. The Hub is asked once in a process, so
    that a training keeps the commit that it began with. Raises as `resolve` does where a repository is unknown or
    cannot be downloaded.
    """
    path = bundled_folder(name) or Path(name).expanduser()
    hub = None if path.exists() else hub_id(name)
    return _downloaded(*hub) if hub else path


@cache
def _downloaded(repo: str, revision: str | None) -> Path:
    return download(repo, revision, PATTERNS, offline=False)[0]


def hub_id(name: str) -> tuple[str, str | None] | None:
    """Repository and revision of what is written like `owner/name[@revision]`; None of anything else."""
    match = HUB_ID.match(name)
    return (match["repo"], match["revision"]) if match else None


def bundled_names() -> list[str]:
    """Models that came with the package."""
    return sorted(file.parent.name for file in BUNDLED.glob(f"*/{PRESET_FILE}"))


def resolve_preset(name: str, *, offline: bool = False) -> ModelFolder:
    """The same with the preset and the record of sources alone: of a Hub model, no weights are downloaded."""
    hub = hub_id(name)
    if Path(name).expanduser().is_dir() or hub is None or (BUNDLED / name).is_dir():
        return resolve(name, offline=offline)
    folder, revision = download(*hub, (PRESET_FILE, "sources.json"), offline=offline)
    if not (folder / PRESET_FILE).is_file():
        raise UsageError(f"model {name!r} is no model folder: it holds no {PRESET_FILE}")
    return ModelFolder(name, folder, revision)


def missing_downloads(name: str, revision: str | None, patterns: Sequence[str] = PATTERNS) -> dict[str, int]:
    """Bytes by name of the files of a Hub model that match `patterns` and are not on this machine; none for folders."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.utils import filter_repo_objects

    hub = hub_id(name)
    if Path(name).expanduser().is_dir() or hub is None:
        return {}
    repo = hub[0]
    try:
        info = HfApi(endpoint=os.environ.get("HF_ENDPOINT")).model_info(repo, revision=revision, files_metadata=True)
    except OSError as error:
        raise UnisonError(
            f"model {name!r}: the Hub cannot be asked for its files ({one_line(error)}): --offline does without"
        ) from error
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or []}
    return {
        file: sizes[file]
        for file in filter_repo_objects(sizes, allow_patterns=list(patterns))
        if not isinstance(try_to_load_from_cache(repo, file, revision=info.sha), str)
    }


def resolve_public(name: str, patterns: Sequence[str], *, offline: bool = False) -> tuple[Path, str | None]:
    """Folder and revision of other people's weights: a folder, or `owner/name[@revision]` on the Hub.

    Args:
        patterns: what is downloaded.

    Raises:
        UsageError: there is no such folder or repository.
        UnisonError: it cannot be downloaded.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve(), None
    hub = hub_id(name)
    if hub is None:
        raise UsageError(f"{name!r} is no folder and no Hub id (owner/name)")
    return download(*hub, patterns, offline=offline)


def _checked(folder: ModelFolder) -> ModelFolder:
    if not any(folder.path.glob("model*.safetensors")):
        if (folder.path / PRESET_FILE).is_file():
            raise UsageError(f"model {folder.name!r} is no model folder: {folder.path} holds no model*.safetensors")
        raise UsageError(f"model {folder.name!r} is no model folder: {folder.path} holds no {PRESET_FILE}")
    if not (folder.path / PRESET_FILE).is_file() and PRESET not in folder.header:
        raise UsageError(f"model {folder.name!r} is no model folder: {folder.path} holds no {PRESET_FILE}")
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
        path = snapshot_download(
            repo, revision=revision, allow_patterns=list(patterns), local_files_only=offline,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )  # fmt: skip
    except GatedRepoError as error:
        raise UnisonError(f"model {repo!r} asks for consent first: open https://huggingface.co/{repo}") from error
    except RepositoryNotFoundError as error:
        raise UsageError(
            f"unknown model {repo!r}: it is no folder, and the Hub has no such public repository (a private one asks "
            "for `hf auth login`)"
        ) from error
    except RevisionNotFoundError as error:
        raise UsageError(f"model {repo!r} has no revision {revision!r}") from error
    except LocalEntryNotFoundError as error:
        why = "--offline forbids a download" if offline else "the Hub cannot be reached"
        raise UnisonError(f"model {repo!r} is no folder and was never downloaded, and {why}") from error
    except (HfHubHTTPError, OSError) as error:
        answer = getattr(error, "response", None)
        if answer is not None and answer.status_code in (401, 403):
            raise UnisonError(f"model {repo!r}: the Hub refuses this token: run `hf auth login`") from error
        raise UnisonError(f"model {repo!r} could not be downloaded: {one_line(error, None)}") from error
    return Path(path), Path(path).name
