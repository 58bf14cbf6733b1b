"""ZipVoice's public weights under this project's names: its text encoder, its embedding and its table of tokens."""

from pathlib import Path

from unison_core.errors import UnisonError
from unison_core.weights.from_wan import find
from unison_core.weights.lazy import LazyTensor, open_files

MODEL_FILES = ("zipvoice/model.pt", "zipvoice/model.safetensors", "model.pt", "model.safetensors")
TOKEN_FILES = ("zipvoice/tokens.txt", "tokens.txt")
DOWNLOADS = ("zipvoice/model.pt", "zipvoice/tokens.txt", "README.md", "LICENSE")
USED = ("embed.", "text_encoder.")
"""The flow decoder that these features feed is another model's: MMAudio's takes its place."""


def text_encoder(folder: Path) -> dict[str, LazyTensor]:
    """All tensors of the checkpoint; those under `USED` are the transcript encoder's own names."""
    return open_files(find(folder, MODEL_FILES, "ZipVoice's model")[:1])


def tokens(folder: Path) -> dict[str, int]:
    """Ids by token, from ZipVoice's `tokens.txt`."""
    return read_tokens(find(folder, TOKEN_FILES, "ZipVoice's table of tokens")[0])


def read_tokens(path: Path) -> dict[str, int]:
    """A table of `token<TAB>id` lines; raises UnisonError naming a line that is not one."""
    table: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        token, tab, index = line.rpartition("\t")
        if not tab or not index.strip().isdecimal():
            raise UnisonError(f"{path}: line {number} is no token and id: {line!r}")
        table[token] = int(index)
    return table
