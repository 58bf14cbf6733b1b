"""A folder of shards wherever fsspec reaches: on disk, `s3://bucket/folder`, `hf://datasets/owner/name`, ..."""

from io import BytesIO
from typing import BinaryIO, cast

import fsspec
import numpy as np

from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.training.latent_checks import check_listed

INDEX = "index.npz"


class ShardFolder:
    """Lists and opens the shards of a folder.

    Args:
        folder: path or URL.

    Raises:
        UsageError: nothing here reads such a URL; the message names the package that does.
    """

    def __init__(self, folder: str) -> None:
        self._name = folder
        try:
            self._files, self._root = fsspec.core.url_to_fs(folder)
        except (ImportError, ValueError) as error:
            raise UsageError(f"shards {folder} cannot be read: {error}") from error

    def __str__(self) -> str:
        return self._name

    def list(self) -> list[str]:
        """Paths of all shards that are there now, by name."""
        return sorted(path for path in self._sizes() if path.endswith(".tar"))

    def check(self) -> None:
        """Raise UsageError where the folder is missing, or lacks shards that its index lists."""
        if not self._guarded(lambda: self._files.isdir(self._root)):
            raise UsageError(f"no shards: {self} is not a folder")
        index = self.index()
        if index is not None:
            found = {path.rsplit("/", 1)[-1]: size for path, size in self._sizes().items()}
            check_listed(str(self), index["names"], index["sizes"], found)

    def index(self) -> dict[str, np.ndarray] | None:
        """The arrays of the index; None where there is none."""
        path = f"{self._root}/{INDEX}"
        if not self._guarded(lambda: self._files.exists(path)):
            return None
        try:
            with np.load(BytesIO(self._guarded(lambda: self._files.cat_file(path)))) as arrays:
                return dict(arrays)
        except (ValueError, OSError, KeyError) as error:
            raise UsageError(f"{self}/{INDEX} is damaged: remove it and run unison prepare again") from error

    def open(self, path: str) -> BinaryIO:
        """A shard, for reading."""
        return cast(BinaryIO, self._guarded(lambda: self._files.open(path, "rb")))

    def read_whole(self, path: str, memory: bytearray) -> tuple[bytearray, int]:
        """A shard in `memory`, which is replaced where it is too small, and its size."""
        with self.open(path) as file:
            size = int(file.seek(0, 2))
            file.seek(0)
            if len(memory) < size:
                memory = bytearray(size)
            done, view = 0, memoryview(memory)[:size]
            while done < size:
                count = self._guarded(lambda: file.readinto(view[done:]))  # type: ignore[attr-defined]  # noqa: B023
                if not count:
                    raise UsageError(f"{path} ends early: remove it and run unison prepare again")
                done += count
        return memory, size

    def read(self, name: str, offset: int, size: int) -> bytearray:
        """Some bytes of a shard, by one request."""
        data = self._guarded(lambda: self._files.cat_file(f"{self._root}/{name}", start=offset, end=offset + size))
        if len(data) != size:
            raise UsageError(f"{self}/{name} ends early: remove it and run unison prepare again")
        return bytearray(data)

    def _sizes(self) -> dict[str, int]:
        self._files.invalidate_cache()
        if not self._guarded(lambda: self._files.isdir(self._root)):
            return {}
        rows = self._guarded(lambda: self._files.ls(self._root, detail=True))
        return {row["name"]: int(row["size"] or 0) for row in rows}

    def _guarded(self, call):  # type: ignore[no-untyped-def]
        """The result of a call that may meet a network."""
        try:
            return call()
        except FileNotFoundError as error:
            raise UsageError(f"{self}: there is no {error}") from error
        except (OSError, ImportError) as error:
            raise UnisonError(f"{self} cannot be read: {one_line(error)}") from error
