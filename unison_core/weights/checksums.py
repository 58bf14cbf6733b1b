"""SHA-256 of weights: remembered per file, size and time of change, and compared with what a folder promises.

A folder may hold `checksums.json` (name -> hash and size); a file that the Hub client downloaded lies in its cache
under its hash. Either way a file whose content is another one is named before a weight is used.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from unison_core.errors import UnisonError

CHECKSUMS_FILE = "checksums.json"
WEIGHTS = "*.safetensors"
HASH = re.compile(r"^[0-9a-f]{64}$")
REMEMBER_ABOVE_BYTES = 100_000_000


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """The same; a large file that was not changed since it was hashed last is not read again."""
    status = path.stat()
    if status.st_size < REMEMBER_ABOVE_BYTES:
        return sha256(path)
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    known = _read(_memory())
    if key not in known:
        known[key] = sha256(path)
        _remember(known)
    return known[key]


def write_checksums(folder: Path, files: Iterable[Path] | None = None) -> None:
    """Write `checksums.json` over the folder's weights."""
    chosen = sorted(folder.rglob(WEIGHTS)) if files is None else sorted(files)
    table = {
        str(file.relative_to(folder)): {"bytes": file.stat().st_size, "sha256": remembered_sha256(file)}
        for file in chosen
    }
    partial = folder / f".{CHECKSUMS_FILE}.partial"
    partial.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, folder / CHECKSUMS_FILE)


def verify(folder: Path) -> None:
    """Raise UnisonError naming the first weights file that is missing, cut short, or not what it should be."""
    for name, entry in _read(folder / CHECKSUMS_FILE).items():
        file = folder / name
        try:
            size, expected = int(entry["bytes"]), str(entry["sha256"])
        except (TypeError, KeyError, ValueError) as error:
            raise UnisonError(f"{folder / CHECKSUMS_FILE} cannot be read: download the model again") from error
        if not file.is_file():
            raise UnisonError(f"{file} is missing: download or save the model again")
        if file.stat().st_size != size:
            raise UnisonError(
                f"{file} is damaged or cut short ({file.stat().st_size} of {size} bytes): download or save it again"
            )
        _compare(file, expected)
    verify_downloads(folder)


def verify_downloads(folder: Path, patterns: Sequence[str] = (WEIGHTS,)) -> None:
    """Raise UnisonError naming the first file that the Hub client cached under a hash which is not its content's.

    Args:
        folder: a snapshot in the Hub client's cache; any other folder has nothing to compare.
        patterns: of names, as for downloads.
    """
    for file in sorted(folder.rglob("*")):
        blob = file.resolve()
        name = str(file.relative_to(folder))
        if blob.name != file.name and HASH.match(blob.name) and any(fnmatch(name, p) for p in patterns):
            _compare(file, blob.name)


def _compare(file: Path, expected: str) -> None:
    found = remembered_sha256(file)
    if found != expected:
        raise UnisonError(
            f"{file} has SHA-256 {found[:12]}..., but {expected[:12]}... was published: delete it and download it again"
        )


def _memory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unison" / "hashes.json"


def _read(path: Path) -> dict:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return data if isinstance(data, dict) else {}
    except (OSError, ValueError):
        return {}


def _remember(known: dict) -> None:
    """Keep the newest hashes; a machine where that cannot be written hashes again."""
    path = _memory()
    newest = dict(list(known.items())[-2000:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(newest), encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        return
